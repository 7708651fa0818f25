/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/interrupt.h"

#include <assert.h>
#include <stdatomic.h>

#include "core/req.h"
#include "core/scope.h"
#include "core/session.h"

/* Under way, and numbered 0 by a client that does not count: 0 is what an idle request has. */
#define NO_NUMBER UINT64_MAX
/* An early interrupt is given up after this time: its target had been answered before. */
#define EARLY_NS 1000000000u

void fb_interrupts_init(struct fb_interrupts *interrupts)
{
	pthread_mutex_init(&interrupts->lock, NULL);
}

void fb_interrupts_fini(struct fb_interrupts *interrupts)
{
	pthread_mutex_destroy(&interrupts->lock);
}

static void early_drop(struct fb_interrupts *interrupts, unsigned i)
{
	interrupts->early[i].unique = 0;
	interrupts->early[i].since_ns = 0; /* the first to be used again */
	atomic_fetch_sub(&interrupts->early_count, 1);
}

/* Remember an interrupt whose target is not there yet; the oldest makes room. */
static void early_add(struct fb_interrupts *interrupts, uint64_t unique)
{
	unsigned oldest = 0;

	for (unsigned i = 0; i < FB_INTERRUPTS_EARLY_MAX; i++)
		if (interrupts->early[i].since_ns < interrupts->early[oldest].since_ns)
			oldest = i;
	if (interrupts->early[oldest].unique != 0)
		early_drop(interrupts, oldest);
	interrupts->early[oldest].unique = unique;
	interrupts->early[oldest].since_ns = fb_now_ns();
	atomic_fetch_add(&interrupts->early_count, 1);
}

/* Take the early interrupt of a request, if there is one, and drop those that are too old. */
static bool early_take(struct fb_interrupts *interrupts, uint64_t unique)
{
	uint64_t now = fb_now_ns();
	bool found = false;

	for (unsigned i = 0; i < FB_INTERRUPTS_EARLY_MAX; i++) {
		uint64_t early = interrupts->early[i].unique;

		found |= early == unique;
		if (early == unique || (early && now - interrupts->early[i].since_ns > EARLY_NS))
			early_drop(interrupts, i);
	}
	return found;
}

/* Mark a request as interrupted and wake whoever waits for it; called with the lock held. */
static void hit(struct fb_req *req, uint64_t unique)
{
	void (*wake)(struct fb_req *, void *) = req->wake;

	atomic_store(&req->interrupted_unique, unique);
	req->wake = NULL;
	if (wake)
		wake(req, req->wake_arg);
}

void fb_interrupts_begin(struct fb_session *session, struct fb_req *req)
{
	struct fb_interrupts *interrupts = &session->interrupts;
	uint64_t unique = req->args.header.unique;

	atomic_store(&req->unique, unique ? unique : NO_NUMBER);
	if (atomic_load(&interrupts->early_count) == 0)
		return;
	FB_SCOPED_LOCK(&interrupts->lock);
	if (early_take(interrupts, unique))
		atomic_store(&req->interrupted_unique, unique);
}

uint64_t fb_interrupts_finish(struct fb_session *session, struct fb_req *req)
{
	uint64_t unique;

	if (!atomic_load_explicit(&req->may_wake, memory_order_relaxed)) {
		unique = atomic_exchange(&req->unique, 0);
	} else {
		FB_SCOPED_LOCK(&session->interrupts.lock);
		unique = atomic_exchange(&req->unique, 0);
		atomic_store(&req->may_wake, false);
		req->wake = NULL;
	}
	return unique && unique != NO_NUMBER ? unique : req->args.header.unique;
}

/* Find the request under way with this unique; called with the lock held. */
static struct fb_req *find(struct fb_session *session, uint64_t unique)
{
	unsigned count = atomic_load(&session->channel_count);

	for (unsigned i = 0; i < count; i++) {
		struct fb_pool *pool = &session->channels[i]->pool;

		for (struct fb_req *r = fb_pool_each(pool, NULL); r; r = fb_pool_each(pool, r))
			if (atomic_load(&r->unique) == unique)
				return r;
	}
	return NULL;
}

void fb_interrupts_send(struct fb_session *session, uint64_t unique)
{
	struct fb_interrupts *interrupts = &session->interrupts;
	struct fb_req *req;

	if (unique == 0)
		return;
	FB_SCOPED_LOCK(&interrupts->lock);
	/* First remember, then look: a target that begins meanwhile sees one or the other. */
	early_add(interrupts, unique);
	req = find(session, unique);
	if (req && early_take(interrupts, unique))
		hit(req, unique);
}

void fb_interrupts_all(struct fb_session *session)
{
	unsigned count = atomic_load(&session->channel_count);

	FB_SCOPED_LOCK(&session->interrupts.lock);
	for (unsigned i = 0; i < count; i++) {
		struct fb_pool *pool = &session->channels[i]->pool;

		for (struct fb_req *r = fb_pool_each(pool, NULL); r; r = fb_pool_each(pool, r)) {
			uint64_t unique = atomic_load(&r->unique);

			if (unique)
				hit(r, unique);
		}
	}
}

bool fb_interrupts_adopt(struct fb_session *session, uint64_t unique)
{
	struct fb_req *req;
	uint64_t first = unique & ~FB_UNIQUE_RESEND;

	if (first == 0) /* that is every idle request */
		return false;
	FB_SCOPED_LOCK(&session->interrupts.lock);
	if (find(session, unique)) /* sent again once more */
		return true;
	req = find(session, first);
	return req && atomic_compare_exchange_strong(&req->unique, &first, unique);
}

bool fb_req_interrupted(const struct fb_req *req)
{
	uint64_t unique = atomic_load(&req->unique);

	return unique != 0 && atomic_load(&req->interrupted_unique) == unique;
}

void fb_req_on_interrupt(struct fb_req *req, void (*wake)(struct fb_req *req, void *arg), void *arg)
{
	struct fb_session *session = req->channel->session;

	FB_SCOPED_LOCK(&session->interrupts.lock);
	req->wake = wake;
	req->wake_arg = arg;
	if (!wake)
		return;
	atomic_store(&req->may_wake, true);
	if (fb_req_interrupted(req))
		hit(req, atomic_load(&req->unique));
}
