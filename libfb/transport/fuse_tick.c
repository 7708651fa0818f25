/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/fuse_tick.h"

#include <stdatomic.h>
#include <sys/resource.h>

#include "core/scope.h"
#include "transport/dev_fuse.h"
#include "transport/fuse_channel.h"
#include "transport/uring.h"
#include "transport/uring_ring.h"

/* Requests of a worker between two looks where its client is: one takes as long as half a request. */
#define LOOK_TURNS 16u
/* Ticks after which workers stop for one, to see whether the client still waits for each answer. */
#define PROVED_TICKS 64u

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
	unsigned answered, pieces, slept, busy;
	uint32_t client; /* 0: nobody, or several */
	bool several;
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

	turns->busy += is_busy(channel);
	turns->pieces += pieces - channel->pieces_seen;
	channel->pieces_seen = pieces;
	if (answered(channel) == 0)
		return;
	turns->answered += answered(channel);
	add_client(turns, atomic_load_explicit(&channel->client, memory_order_relaxed));
}

/* How often threads of this process have slept, since the last tick. */
static unsigned times_slept(struct fb_dev_fuse *fuse)
{
	struct rusage usage = { 0 };
	unsigned before = fuse->slept_seen;

	getrusage(RUSAGE_SELF, &usage);
	fuse->slept_seen = (unsigned)usage.ru_nvcsw;
	return fuse->slept_seen - before;
}

/*
 * Whether workers sleep before each request, and one at most is at work now. Who sends several at a time has them find
 * the next request there.
 */
static bool seem_idle(const struct turns *turns)
{
	return turns->slept * 8 >= turns->answered * 7 && turns->busy <= 1;
}

/*
 * Whether there is one client that waits for each answer. Who moves much data reads ahead or writes back.
 * While workers yield they do not sleep, but are preempted: after a while they have to stop, and prove it again.
 */
static bool is_one_by_one(const struct fb_yield *yield, const struct turns *turns)
{
	if (yield->yields ? yield->lasted >= PROVED_TICKS : !seem_idle(turns))
		return false;
	return turns->client && !turns->several && turns->pieces * 2 < turns->answered;
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
	struct turns turns = { .slept = times_slept(fuse) };
	struct fb_yield_look look;
	int cpu = FB_YIELD_ANY;

	for (struct fb_fuse_channel *c = fuse->channels; c; c = c->next)
		add_turns(&turns, c);
	look = (struct fb_yield_look){
		.one_by_one = is_one_by_one(&fuse->yield, &turns),
		.waiting = turns.busy > 0,
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

	if (before == FB_YIELD_ANY || ++channel->turns % LOOK_TURNS != 0)
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
