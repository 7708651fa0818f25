/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/fuse_tick.h"

#include <stdatomic.h>

#include "core/scope.h"
#include "transport/dev_fuse.h"
#include "transport/fuse_channel.h"
#include "transport/uring.h"
#include "transport/uring_ring.h"

/* Requests of a worker between two looks where its client is: one takes as long as half a request. */
#define FOLLOW_TURNS 16u

static bool has_ring(const struct fb_fuse_channel *channel)
{
	return channel->ring && !channel->off_ring;
}

static unsigned answered(const struct fb_fuse_channel *channel)
{
	return (unsigned)(atomic_load(&channel->channel.begun) - channel->begun_seen);
}

static bool is_busy(const struct fb_fuse_channel *channel)
{
	uint64_t ended = atomic_load(&channel->channel.ended);

	return atomic_load(&channel->channel.begun) != ended;
}

/* ---- over io_uring: each worker has its own processor's clients -------------------------------------- */

static void tick_ring(struct fb_fuse_channel *channel)
{
	struct fb_yield_look look = {
		.one_by_one = channel->ring->home.kept && !atomic_load(&channel->ring->home.away),
		.waiting = is_busy(channel) || fb_uring_ring_is_due(channel->ring),
		.answered = answered(channel),
	};

	fb_yield_thread_set(&channel->thread, fb_yield_tick(&channel->yield, &look), FB_YIELD_ANY);
}

/* ---- through /dev/fuse: all workers take turns ------------------------------------------------------- */

/* What all workers together have done since the last tick, and for whom. */
struct turns {
	unsigned answered, pieces;
	uint32_t client; /* 0: nobody, or several */
	bool several, waiting;
};

static void add_client(struct turns *turns, uint32_t client)
{
	if (client == 0)
		return;
	turns->several |= turns->client != 0 && turns->client != client;
	turns->client = client;
}

static void add_turns(struct turns *turns, struct fb_fuse_channel *channel)
{
	uint32_t pieces = atomic_load_explicit(&channel->pieces, memory_order_relaxed);

	turns->waiting |= is_busy(channel);
	turns->pieces += pieces - channel->pieces_seen;
	channel->pieces_seen = pieces;
	if (answered(channel) == 0)
		return;
	turns->answered += answered(channel);
	add_client(turns, atomic_load_explicit(&channel->client, memory_order_relaxed));
}

/* All workers yield there, or do not: FB_YIELD_ANY. */
static void yield_on(struct fb_dev_fuse *fuse, int cpu)
{
	for (struct fb_fuse_channel *c = fuse->channels; c; c = c->next)
		fb_yield_thread_set(&c->thread, cpu != FB_YIELD_ANY, cpu);
	atomic_store(&fuse->yield_cpu, cpu);
}

static void tick_readers(struct fb_dev_fuse *fuse)
{
	struct turns turns = { 0 };
	struct fb_yield_look look;
	int cpu = FB_YIELD_ANY;

	for (struct fb_fuse_channel *c = fuse->channels; c; c = c->next)
		add_turns(&turns, c);
	look = (struct fb_yield_look){
		.one_by_one = turns.client && !turns.several && turns.pieces * 2 < turns.answered,
		.waiting = turns.waiting,
		.answered = turns.answered,
	};
	if (fb_yield_tick(&fuse->yield, &look))
		cpu = fb_yield_cpu_of((pid_t)turns.client);
	yield_on(fuse, cpu);
	fb_yield_keeper_avoid(&fuse->keeper, cpu);
}

void fb_fuse_follow(struct fb_fuse_channel *channel, uint32_t client)
{
	struct fb_dev_fuse *fuse = fb_dev_fuse_of(channel->channel.transport);
	int before = atomic_load_explicit(&fuse->yield_cpu, memory_order_relaxed), cpu;

	if (before == FB_YIELD_ANY || client == 0 || ++channel->turns % FOLLOW_TURNS != 0)
		return;
	cpu = fb_yield_cpu_of((pid_t)client);
	if (cpu == before || cpu == FB_YIELD_ANY)
		return;
	FB_SCOPED_LOCK(&fuse->lock);
	if (fuse->yield.yields)
		yield_on(fuse, cpu);
}

unsigned fb_fuse_tick(struct fb_transport *transport)
{
	struct fb_dev_fuse *fuse = fb_dev_fuse_of(transport);
	unsigned starving;

	FB_SCOPED_LOCK(&fuse->lock);
	starving = fb_uring_starving(fuse);
	if (fuse->may_yield && !fb_uring_is_on(fuse))
		tick_readers(fuse);
	for (struct fb_fuse_channel *c = fuse->channels; c; c = c->next) {
		if (fuse->may_yield && fb_uring_is_on(fuse) && has_ring(c))
			tick_ring(c);
		c->begun_seen = atomic_load(&c->channel.begun);
	}
	return starving;
}
