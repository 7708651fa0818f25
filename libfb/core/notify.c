/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/notify.h"

#include <errno.h>
#include <libfb/log.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/dispatch.h"
#include "core/req.h"
#include "core/news.h"
#include "core/scope.h"
#include "core/session.h"
#include "core/thread.h"
#include "protocol/wire.h"

/*
 * Numbers of retrievals, which come back as those of requests: far from the kernel's own, and even, as
 * it keeps the lowest bit for interrupts.
 */
#define RETRIEVALS_FROM (UINT64_C(1) << 62)
#define RETRIEVALS_STEP 2

/* A message on its way: the header and everything behind it. */
struct fb_notice {
	struct fb_notice *next;
	uint64_t retrieval; /* of RETRIEVE: whom a failure concerns; else 0 */
	size_t size;
	struct fb_wire_out_header header;
	uint8_t body[];
};

struct fb_retrieval {
	struct fb_retrieval *next;
	uint64_t id, node, off;
	void (*done)(void *arg, uint64_t node, uint64_t off, struct fb_source *from, int result);
	void *arg;
};

void fb_notifier_init(struct fb_notifier *notifier, struct fb_session *session)
{
	notifier->session = session;
	notifier->last = &notifier->first;
	notifier->next_retrieval = RETRIEVALS_FROM;
	pthread_mutex_init(&notifier->lock, NULL);
	pthread_cond_init(&notifier->changed, NULL);
}

/* Take the retrieval with this id out of the list; called with the lock held. */
static struct fb_retrieval *retrieval_take(struct fb_notifier *notifier, uint64_t id)
{
	struct fb_retrieval **at = &notifier->retrievals, *found;

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	found = *at;
	if (found)
		*at = found->next;
	return found;
}

static void retrieval_end(struct fb_retrieval *retrieval, struct fb_source *from, int result)
{
	struct fb_source nothing;

	if (!retrieval)
		return;
	fb_source_init(&nothing, NULL, 0);
	retrieval->done(retrieval->arg, retrieval->node, retrieval->off, from ? from : &nothing,
			result);
	free(retrieval);
}

static void deliver(struct fb_notifier *notifier, struct fb_notice *notice)
{
	struct fb_transport *transport = notifier->session->transport;
	struct fb_retrieval *lost = NULL;
	struct iovec message = { &notice->header, notice->size };
	int r = transport->ops->notify(transport, &message, 1);

	/* ENOENT: the kernel has nothing cached that would have to go. */
	atomic_fetch_add(r == 0 || r == -ENOENT ? &notifier->delivered : &notifier->failed, 1);
	pthread_mutex_lock(&notifier->lock);
	if (r < 0 && notice->retrieval)
		lost = retrieval_take(notifier, notice->retrieval);
	notifier->waiting--;
	pthread_cond_broadcast(&notifier->changed);
	pthread_mutex_unlock(&notifier->lock);
	retrieval_end(lost, NULL, r);
	free(notice);
}

/* The next message, or NULL when the notifier has been stopped. */
static struct fb_notice *next_notice(struct fb_notifier *notifier)
{
	struct fb_notice *notice;

	FB_SCOPED_LOCK(&notifier->lock);
	while (!notifier->first && !notifier->stopped)
		pthread_cond_wait(&notifier->changed, &notifier->lock);
	if (notifier->stopped)
		return NULL;
	notice = notifier->first;
	notifier->first = notice->next;
	if (!notifier->first)
		notifier->last = &notifier->first;
	return notice;
}

static void *notifier_main(void *arg)
{
	struct fb_notifier *notifier = arg;
	struct fb_notice *notice;

	while ((notice = next_notice(notifier)))
		deliver(notifier, notice);
	return NULL;
}

static void drop_all(struct fb_notifier *notifier)
{
	while (notifier->first) {
		struct fb_notice *notice = notifier->first;

		notifier->first = notice->next;
		notifier->waiting--;
		free(notice);
	}
	notifier->last = &notifier->first;
}

void fb_notifier_stop(struct fb_notifier *notifier)
{
	struct fb_retrieval *retrieval;
	bool join;

	pthread_mutex_lock(&notifier->lock);
	notifier->stopped = true;
	join = notifier->started;
	notifier->started = false;
	pthread_cond_broadcast(&notifier->changed);
	pthread_mutex_unlock(&notifier->lock);
	if (join)
		pthread_join(notifier->thread, NULL);

	pthread_mutex_lock(&notifier->lock);
	drop_all(notifier);
	pthread_cond_broadcast(&notifier->changed);
	retrieval = notifier->retrievals;
	notifier->retrievals = NULL;
	pthread_mutex_unlock(&notifier->lock);
	while (retrieval) {
		struct fb_retrieval *next = retrieval->next;

		retrieval_end(retrieval, NULL, -ENOTCONN);
		retrieval = next;
	}
}

void fb_notifier_fini(struct fb_notifier *notifier)
{
	fb_notifier_stop(notifier);
	pthread_cond_destroy(&notifier->changed);
	pthread_mutex_destroy(&notifier->lock);
}

void fb_notifier_retrieved(struct fb_notifier *notifier, struct fb_req *req)
{
	struct fb_retrieval *retrieval;
	size_t size = fb_source_size(&req->source);

	pthread_mutex_lock(&notifier->lock);
	retrieval = retrieval_take(notifier, req->args.header.unique);
	pthread_mutex_unlock(&notifier->lock);
	if (!retrieval && fb_is_news(&notifier->unasked))
		fb_log(FB_LOG_WARNING, "data came that nobody had asked for (NOTIFY_REPLY)");
	retrieval_end(retrieval, &req->source, (int)size);
}

/* Whether the client takes notifications of a kind that came with this minor version. */
static int check(struct fb_session *session, uint32_t minor)
{
	if (!session)
		return fb_fail(EINVAL, "a session is needed");
	if (atomic_load(&session->phase) != FB_PHASE_READY)
		return fb_fail(ENOTCONN, "the session has no client");
	if (!session->transport->ops->notify)
		return fb_fail(EOPNOTSUPP, "this transport carries no notifications");
	if (atomic_load(&session->minor) < minor)
		return fb_fail(EOPNOTSUPP, "the client speaks 7.%u, this came with 7.%u",
			       atomic_load(&session->minor), minor);
	return 0;
}

/* Queue a message; called with the lock held. */
static int enqueue(struct fb_notifier *notifier, struct fb_notice *notice)
{
	int r = 0;

	if (notifier->stopped)
		return fb_fail(ENOTCONN, "the session has ended");
	if (notifier->waiting >= FB_NOTICES_MAX)
		return fb_fail(ENOBUFS, "%d notifications are waiting already", FB_NOTICES_MAX);
	if (!notifier->started)
		r = fb_thread_start(&notifier->thread, notifier_main, notifier);
	if (r < 0)
		return fb_fail(-r, "the thread for notifications can not be started");
	notifier->started = true;
	*notifier->last = notice;
	notifier->last = &notice->next;
	notifier->waiting++;
	pthread_cond_broadcast(&notifier->changed);
	return 0;
}

/* A message of a fixed struct and what follows it. */
static struct fb_notice *notice_new(enum fb_wire_notify_code code, const void *fixed,
				    size_t fixed_size, const void *tail, size_t tail_size)
{
	size_t body = fixed_size + tail_size;
	struct fb_notice *notice = calloc(1, sizeof(*notice) + body);

	if (!notice)
		return NULL;
	notice->size = sizeof(notice->header) + body;
	notice->header.len = (uint32_t)notice->size;
	notice->header.error = (int32_t)code;
	memcpy(notice->body, fixed, fixed_size);
	if (tail_size > 0)
		memcpy(notice->body + fixed_size, tail, tail_size);
	return notice;
}

static int notify(struct fb_session *session, uint32_t minor, enum fb_wire_notify_code code,
		  const void *fixed, size_t fixed_size, const void *tail, size_t tail_size)
{
	FB_SCOPED_FREE struct fb_notice *notice = NULL;
	int r = check(session, minor);

	if (r < 0)
		return r;
	notice = notice_new(code, fixed, fixed_size, tail, tail_size);
	if (!notice)
		return fb_fail(ENOMEM, "no memory for a notification");
	FB_SCOPED_LOCK(&session->notifier.lock);
	r = enqueue(&session->notifier, notice);
	if (r == 0)
		notice = NULL;
	return r;
}

/* The length of a name that a directory can hold, or -EINVAL. */
static int name_length(const char *name)
{
	size_t length = name ? strnlen(name, FB_NAME_MAX + 1) : 0;

	if (length == 0 || length > FB_NAME_MAX || memchr(name, '/', length))
		return fb_fail(EINVAL, "no directory can hold this name");
	return (int)length;
}

int fb_notify_poll(struct fb_session *session, uint64_t kh)
{
	struct fb_wire_notify_poll_out out = { .kh = kh };

	return notify(session, 11, FB_NOTIFY_POLL, &out, sizeof(out), NULL, 0);
}

int fb_notify_inval_node(struct fb_session *session, uint64_t node, int64_t off, int64_t len)
{
	struct fb_wire_notify_inval_inode_out out = { .ino = node, .off = off, .len = len };

	return notify(session, 12, FB_NOTIFY_INVAL_INODE, &out, sizeof(out), NULL, 0);
}

int fb_notify_inval_entry(struct fb_session *session, uint64_t parent, const char *name,
			  bool expire_only)
{
	struct fb_wire_notify_inval_entry_out out = { .parent = parent };
	int length = name_length(name);

	if (!session)
		return check(session, 12);
	if (length < 0)
		return length;
	out.namelen = (uint32_t)length;
	if (expire_only && (atomic_load(&session->granted) & FB_INIT_HAS_EXPIRE_ONLY))
		out.flags = FB_NOTIFY_EXPIRE_ONLY;
	return notify(session, 12, FB_NOTIFY_INVAL_ENTRY, &out, sizeof(out), name,
		      (size_t)length + 1);
}

int fb_notify_delete(struct fb_session *session, uint64_t parent, uint64_t child, const char *name)
{
	struct fb_wire_notify_delete_out out = { .parent = parent, .child = child };
	int length = name_length(name);

	if (length < 0)
		return length;
	out.namelen = (uint32_t)length;
	return notify(session, 18, FB_NOTIFY_DELETE, &out, sizeof(out), name, (size_t)length + 1);
}

int fb_notify_store(struct fb_session *session, uint64_t node, uint64_t off, const void *data,
		    size_t size)
{
	struct fb_wire_notify_store_out out = { .nodeid = node, .offset = off };
	int r = check(session, 15);

	if (r < 0)
		return r;
	if (!data && size > 0)
		return fb_fail(EINVAL, "no bytes to store");
	if (size > atomic_load(&session->max_write) || off > (uint64_t)INT64_MAX - size)
		return fb_fail(EINVAL, "too many bytes for one store");
	out.size = (uint32_t)size;
	return notify(session, 15, FB_NOTIFY_STORE, &out, sizeof(out), data, size);
}

int fb_notify_retrieve(struct fb_session *session, uint64_t node, uint64_t off, uint32_t size,
		       void (*done)(void *arg, uint64_t node, uint64_t off, struct fb_source *from,
				    int result),
		       void *arg)
{
	struct fb_wire_notify_retrieve_out out = { .nodeid = node, .offset = off, .size = size };
	FB_SCOPED_FREE struct fb_retrieval *retrieval = NULL;
	FB_SCOPED_FREE struct fb_notice *notice = NULL;
	int r = check(session, 15);

	if (r < 0)
		return r;
	retrieval = calloc(1, sizeof(*retrieval));
	if (!done || !retrieval)
		return fb_fail(done ? ENOMEM : EINVAL, "a retrieval needs somebody to give it to");
	FB_SCOPED_LOCK(&session->notifier.lock);
	out.notify_unique = session->notifier.next_retrieval;
	session->notifier.next_retrieval += RETRIEVALS_STEP;
	notice = notice_new(FB_NOTIFY_RETRIEVE, &out, sizeof(out), NULL, 0);
	if (!notice)
		return fb_fail(ENOMEM, "no memory for a notification");
	notice->retrieval = out.notify_unique;
	r = enqueue(&session->notifier, notice);
	if (r < 0)
		return r;
	*retrieval = (struct fb_retrieval){
		session->notifier.retrievals, out.notify_unique, node, off, done, arg
	};
	session->notifier.retrievals = retrieval;
	notice = NULL;
	retrieval = NULL;
	return 0;
}

int fb_notify_resend(struct fb_session *session)
{
	return notify(session, 40, FB_NOTIFY_RESEND, "", 0, NULL, 0);
}

int fb_notify_inc_epoch(struct fb_session *session)
{
	return notify(session, 44, FB_NOTIFY_INC_EPOCH, "", 0, NULL, 0);
}

int fb_notify_prune(struct fb_session *session, const uint64_t *nodes, size_t count)
{
	struct fb_wire_notify_prune_out out = { 0 };
	int r = check(session, 45);

	if (r < 0)
		return r;
	if (!nodes || count == 0 || count > atomic_load(&session->max_write) / sizeof(*nodes))
		return fb_fail(EINVAL, "no or too many nodes for one prune");
	out.count = (uint32_t)count;
	return notify(session, 45, FB_NOTIFY_PRUNE, &out, sizeof(out), nodes,
		      count * sizeof(*nodes));
}

int fb_notify_flush(struct fb_session *session)
{
	struct fb_notifier *notifier;

	if (!session)
		return fb_fail(EINVAL, "a session is needed");
	notifier = &session->notifier;
	if (fb_dispatch_active())
		return fb_fail(EDEADLK, "waiting for notifications inside an operation");
	FB_SCOPED_LOCK(&notifier->lock);
	if (notifier->started && pthread_equal(pthread_self(), notifier->thread))
		return fb_fail(EDEADLK, "waiting for notifications in the thread that sends them");
	while (notifier->waiting > 0)
		pthread_cond_wait(&notifier->changed, &notifier->lock);
	return 0;
}

void fb_notifier_stats(struct fb_notifier *notifier, struct fb_session_stats *ret_stats)
{
	ret_stats->notifications = atomic_load(&notifier->delivered);
	ret_stats->notification_errors = atomic_load(&notifier->failed);
}
