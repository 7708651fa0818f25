/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/offload.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/channel.h"
#include "core/dispatch.h"
#include "core/req.h"
#include "core/scope.h"
#include "core/session.h"
#include "core/thread.h"
#include "protocol/op_row.h"

/* More is slow: handing a request to another thread costs a few microseconds. */
#define SLOW_NS 50000u
/* Nothing counts for more than this: that a worker lost its processor once proves nothing. */
#define SAMPLE_MAX_NS (4 * SLOW_NS)
/* That does prove something. */
#define STUCK_NS 10000000u
/* What is believed without proof, and after that: a dozen quick ones, and two dozen, change it. */
#define UNKNOWN_NS SAMPLE_MAX_NS
#define DOUBTED_NS (6 * SAMPLE_MAX_NS)

/* Bytes in or out that make a class of their own of the same opcode's requests. */
#define MUCH (64u << 10)

struct fb_offload_thread {
	struct fb_offload_thread *next;
	struct fb_offload *offload;
	pthread_t thread;
};

/* ---- what is slow ------------------------------------------------------------------------------ */

unsigned fb_offload_class(const struct fb_req *req)
{
	bool much = req->args.tail_size >= MUCH || req->args.room >= MUCH;

	return 2u * req->args.row->index + much;
}

void fb_offload_expect(struct fb_channel *channel)
{
	for (unsigned class = 0; class < 2 * FB_OP_ROW_COUNT; class ++)
		atomic_store(&channel->service_ns[class], UNKNOWN_NS);
}

bool fb_offload_is_slow(const struct fb_req *req)
{
	return atomic_load_explicit(&req->channel->service_ns[fb_offload_class(req)],
				    memory_order_relaxed) > SLOW_NS;
}

void fb_offload_learn(struct fb_channel *channel, unsigned class, uint64_t ns)
{
	_Atomic uint32_t *mean = &channel->service_ns[class];
	uint32_t before = atomic_load_explicit(mean, memory_order_relaxed);
	uint32_t sample = ns < SAMPLE_MAX_NS ? (uint32_t)ns : SAMPLE_MAX_NS;
	uint32_t after = ns < STUCK_NS ? (7 * before + sample) / 8 : DOUBTED_NS;

	atomic_store_explicit(mean, after, memory_order_relaxed);
}

/* ---- threads ----------------------------------------------------------------------------------- */

void fb_offload_init(struct fb_offload *offload, unsigned most)
{
	pthread_mutex_init(&offload->lock, NULL);
	pthread_cond_init(&offload->changed, NULL);
	offload->last = &offload->first;
	offload->most = most;
	pthread_getaffinity_np(pthread_self(), sizeof(offload->anywhere), &offload->anywhere);
}

/* Take the next request, or NULL when all is over. */
static struct fb_req *take(struct fb_offload *offload)
{
	struct fb_req *req;

	FB_SCOPED_LOCK(&offload->lock);
	offload->idle++;
	while (!offload->first && !offload->stopping)
		pthread_cond_wait(&offload->changed, &offload->lock);
	offload->idle--;
	req = offload->first;
	if (!req)
		return NULL;
	offload->first = req->next;
	if (!offload->first)
		offload->last = &offload->first;
	offload->waiting--;
	return req;
}

static void *thread_main(void *arg)
{
	struct fb_offload_thread *self = arg;
	struct fb_req *req;

	pthread_setaffinity_np(pthread_self(), sizeof(self->offload->anywhere),
			       &self->offload->anywhere);
	while ((req = take(self->offload))) {
		fb_dispatch_offloaded(req);
		atomic_fetch_sub(&self->offload->inside, 1);
	}
	return NULL;
}

/* Called with the lock held. */
static void add_thread(struct fb_offload *offload)
{
	struct fb_offload_thread *added = calloc(1, sizeof(*added));

	if (!added)
		return;
	added->offload = offload;
	if (fb_thread_start(&added->thread, thread_main, added) < 0) {
		free(added);
		return;
	}
	added->next = offload->threads;
	offload->threads = added;
	offload->count++;
}

bool fb_offload_push(struct fb_offload *offload, struct fb_req *req)
{
	FB_SCOPED_LOCK(&offload->lock);
	if (offload->waiting >= offload->idle && offload->count < offload->most &&
	    !offload->stopping)
		add_thread(offload);
	if (offload->count == 0)
		return false;
	/* In this order: those held back, the difference, are never more than there are. */
	atomic_fetch_add(&offload->inside, 1);
	atomic_fetch_add(&req->channel->session->pending, 1);
	req->next = NULL;
	*offload->last = req;
	offload->last = &req->next;
	offload->waiting++;
	pthread_cond_signal(&offload->changed);
	return true;
}

bool fb_offload_is_quiet(const struct fb_offload *offload)
{
	return atomic_load(&offload->inside) == 0;
}

void fb_offload_fini(struct fb_offload *offload)
{
	pthread_mutex_lock(&offload->lock);
	offload->stopping = true;
	pthread_cond_broadcast(&offload->changed);
	pthread_mutex_unlock(&offload->lock);
	while (offload->threads) {
		struct fb_offload_thread *thread = offload->threads;

		offload->threads = thread->next;
		pthread_join(thread->thread, NULL);
		free(thread);
	}
	pthread_cond_destroy(&offload->changed);
	pthread_mutex_destroy(&offload->lock);
}
