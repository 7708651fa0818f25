/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <libfb/log.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/req.h"
#include "core/scope.h"

struct fb_notification {
	struct fb_notification *next;
	size_t size;
	uint8_t message[];
};

void fb_mailbox_init(struct fb_mailbox *box)
{
	pthread_condattr_t monotonic;

	*box = (struct fb_mailbox){ 0 };
	box->last = &box->first;
	pthread_mutex_init(&box->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&box->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

void fb_mailbox_fini(struct fb_mailbox *box)
{
	while (box->calls) {
		struct fb_call *call = box->calls;

		box->calls = call->next;
		fb_call_free(call);
	}
	while (box->first) {
		struct fb_notification *notification = box->first;

		box->first = notification->next;
		free(notification);
	}
	pthread_cond_destroy(&box->changed);
	pthread_mutex_destroy(&box->lock);
}

/* ---- calls --------------------------------------------------------------------------------- */

struct fb_call *fb_call_new(const void *message, size_t size)
{
	struct fb_call *call = malloc(offsetof(struct fb_call, message) + size);

	if (!call)
		return NULL;
	*call = (struct fb_call){ .size = size };
	if (size)
		memcpy(call->message, message, size);
	return call;
}

void fb_call_free(struct fb_call *call)
{
	free(call->room);
	free(call->answer);
	free(call);
}

struct fb_call *fb_call_of(const struct fb_req *req)
{
	uint8_t *message = (uint8_t *)(uintptr_t)req->message;

	return (struct fb_call *)(void *)(message - offsetof(struct fb_call, message));
}

/* Take out and free what neither the core nor a client has a use for; with the lock held. */
static void sweep(struct fb_mailbox *box)
{
	struct fb_call **at = &box->calls;

	while (*at) {
		struct fb_call *call = *at;

		if (call->req || !call->received || !call->ended) {
			at = &call->next;
			continue;
		}
		*at = call->next;
		fb_call_free(call);
	}
}

/* With the lock held. */
static void part(struct fb_mailbox *box, const struct fb_req *req)
{
	for (struct fb_call *call = box->calls; call; call = call->next)
		if (call->req == req)
			call->req = NULL;
}

uint64_t fb_mailbox_add(struct fb_mailbox *box, struct fb_call *call, const struct fb_req *req)
{
	FB_SCOPED_LOCK(&box->lock);
	/* One that the driver had held back came home on a way that does not lead past here. */
	part(box, req);
	sweep(box);
	call->req = req;
	call->ticket = ++box->next_ticket;
	call->next = box->calls;
	box->calls = call;
	return call->ticket;
}

void fb_mailbox_part(struct fb_mailbox *box, const struct fb_req *req)
{
	FB_SCOPED_LOCK(&box->lock);
	part(box, req);
}

/* ---- answers ------------------------------------------------------------------------------- */

static void *answer_make(const struct fb_call *call, const void *head, size_t head_size,
			 size_t placed)
{
	uint8_t *answer = malloc(head_size + placed);

	if (!answer)
		return NULL;
	memcpy(answer, head, head_size);
	if (placed)
		memcpy(answer + head_size, call->room, placed);
	return answer;
}

int fb_mailbox_answer(struct fb_mailbox *box, struct fb_call *call, const void *head,
		      size_t head_size, size_t placed)
{
	void *answer = head ? answer_make(call, head, head_size, placed) : NULL;
	int error = head && !answer ? ENOMEM : 0;

	FB_SCOPED_LOCK(&box->lock);
	assert(!call->ended);
	if (head && box->drop_count > 0) {
		box->drop_count--;
		error = box->drop_error;
	}
	call->ended = true;
	pthread_cond_broadcast(&box->changed);
	if (error) {
		free(answer);
		call->answer_size = -error;
		return -error;
	}
	call->answer = answer;
	call->answer_size = answer ? (ssize_t)(head_size + placed) : 0;
	return 0;
}

void fb_mailbox_drop(struct fb_mailbox *box, unsigned count, int error)
{
	FB_SCOPED_LOCK(&box->lock);
	box->drop_count = count;
	box->drop_error = error > 0 ? error : ENOENT;
}

static struct timespec deadline(int timeout_ms)
{
	struct timespec until = { 0 };

	if (timeout_ms < 0) /* nobody looks at it: not worth a look at the clock */
		return until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	return until;
}

/* Wait for a change, with the lock held. Returns false when time is up. */
static bool wait_changed(struct fb_mailbox *box, int timeout_ms, const struct timespec *until)
{
	if (timeout_ms < 0)
		return pthread_cond_wait(&box->changed, &box->lock) == 0;
	return pthread_cond_timedwait(&box->changed, &box->lock, until) != ETIMEDOUT;
}

/* Give out an answer, with the lock held. */
static ssize_t answer_take(struct fb_mailbox *box, struct fb_call *call, void *answer, size_t size)
{
	ssize_t n = call->answer_size;

	call->received = true;
	if (n > 0 && (size_t)n > size)
		n = fb_fail(ENOBUFS, "an answer of %zd bytes does not fit into %zu", n, size);
	else if (n > 0)
		memcpy(answer, call->answer, (size_t)n);
	else if (n < 0)
		n = fb_fail((int)-n, "the answer was lost on its way");
	sweep(box);
	return n;
}

ssize_t fb_mailbox_fetch(struct fb_mailbox *box, uint64_t ticket, void *answer, size_t size,
			 int timeout_ms)
{
	struct timespec until = deadline(timeout_ms);
	bool in_time = true;

	FB_SCOPED_LOCK(&box->lock);
	/* Looked up anew each time: another thread may take the answer meanwhile. */
	for (;;) {
		struct fb_call *call = box->calls;

		while (call && (call->ticket != ticket || call->received))
			call = call->next;
		if (!call)
			return fb_fail(EINVAL, "there is no answer to expect for this ticket");
		if (call->ended)
			return answer_take(box, call, answer, size);
		if (!in_time)
			return fb_fail(ETIMEDOUT, "no answer within %d ms", timeout_ms);
		in_time = wait_changed(box, timeout_ms, &until);
	}
}

/* ---- notifications ------------------------------------------------------------------------- */

static struct fb_notification *notification_make(const struct iovec *iov, int count)
{
	struct fb_notification *made;
	size_t size = 0, at = 0;

	for (int i = 0; i < count; i++)
		size += iov[i].iov_len;
	made = malloc(sizeof(*made) + size);
	if (!made)
		return NULL;
	*made = (struct fb_notification){ .size = size };
	for (int i = 0; i < count; at += iov[i].iov_len, i++)
		if (iov[i].iov_len)
			memcpy(made->message + at, iov[i].iov_base, iov[i].iov_len);
	return made;
}

int fb_mailbox_notify(struct fb_mailbox *box, const struct iovec *iov, int count)
{
	struct fb_notification *added = notification_make(iov, count);

	if (!added)
		return -ENOMEM;
	FB_SCOPED_LOCK(&box->lock);
	if (box->notification_count == FB_NOTIFICATIONS_MAX) {
		free(added);
		return -ENOBUFS;
	}
	*box->last = added;
	box->last = &added->next;
	box->notification_count++;
	pthread_cond_broadcast(&box->changed);
	return 0;
}

ssize_t fb_mailbox_notification(struct fb_mailbox *box, void *message, size_t size, int timeout_ms)
{
	FB_SCOPED_FREE struct fb_notification *taken = NULL;
	struct timespec until = deadline(timeout_ms);
	bool in_time = true;

	FB_SCOPED_LOCK(&box->lock);
	while (!box->first && in_time)
		in_time = wait_changed(box, timeout_ms, &until);
	if (!box->first)
		return fb_fail(ETIMEDOUT, "no notification within %d ms", timeout_ms);
	taken = box->first;
	box->first = taken->next;
	if (!box->first)
		box->last = &box->first;
	box->notification_count--;
	if (taken->size > size)
		return fb_fail(ENOBUFS, "a notification of %zu bytes does not fit into %zu",
			       taken->size, size);
	if (taken->size)
		memcpy(message, taken->message, taken->size);
	return (ssize_t)taken->size;
}
