/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How workers share a processor with the client that they serve.
 *
 * A client that does one thing after the other is served best by a worker on its own processor: nobody has
 * to be woken on another one, which takes two to three times as long as all the rest. But the worker wakes
 * the client and goes to sleep only then, so Linux sees a busy processor at that moment and moves the
 * client to an idle one, each time. With the scheduling policy SCHED_IDLE the worker says what is true:
 * that the processor is the client's as soon as it can go on. Then Linux leaves it there
 * (select_idle_sibling() in kernel/sched/fair.c).
 *
 * A thread with that policy hardly runs where others compute. So the session's keeper gives it and takes
 * it, each 10 ms: workers get it only where no processor is needed by others, have it only while they
 * answer request after request of one client, lose it when they come to stand in line, and have to wait
 * for it the longer, the sooner that happens again. Without requests no worker has it.
 */
#ifndef FB_TRANSPORT_YIELD_H
#define FB_TRANSPORT_YIELD_H

#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

/* ---- when ------------------------------------------------------------------------------------- */

/* Of a worker, or of several that take requests from one queue. */
struct fb_yield {
	bool yields;
	unsigned lasted;  /* ticks since it has begun */
	unsigned pause;   /* ticks until it may begin */
	unsigned penalty; /* the last pause */
};

/* What the keeper has seen since the last tick. */
struct fb_yield_look {
	bool one_by_one; /* there was one client, which waits for each answer */
	bool waiting;    /* there is a request that is not answered */
	bool crowded;    /* more threads can run than there are processors */
	unsigned answered;
};

/* Whether to yield until the next tick. Changes nothing but *yield. */
bool fb_yield_decide(struct fb_yield *yield, const struct fb_yield_look *look);

/* Look around, if that matters, and decide. crowded is ours to find out. */
bool fb_yield_tick(struct fb_yield *yield, struct fb_yield_look *look);

/* ---- how -------------------------------------------------------------------------------------- */

/* A worker's thread. */
struct fb_yield_thread {
	pid_t tid; /* or 0: it is not ours to change */
	bool yields;
	int cpu;          /* that it was sent to meanwhile, or FB_YIELD_ANY */
	cpu_set_t before; /* where it was allowed to run */
};

#define FB_YIELD_ANY (-1)

/* The calling thread may be changed, if it has the usual policy. */
void fb_yield_thread_begin(struct fb_yield_thread *thread);

/* The calling thread goes: as it was. */
void fb_yield_thread_end(struct fb_yield_thread *thread);

/*
 * Have it yield on this processor, or no longer. By the keeper; never together with begin and end. A thread
 * that may not run there stays as it was.
 */
void fb_yield_thread_set(struct fb_yield_thread *thread, bool yields, int cpu);

/*
 * The keeper, when workers yield on one processor: it runs on others. If it ran there, the client would be
 * moved away. Threads that it starts must not inherit that.
 */
struct fb_yield_keeper {
	bool avoids;
	int cpu; /* that it avoids */
	/* Where it was allowed to run when it last avoided none; empty: it has never avoided any. */
	cpu_set_t before;
};

/* Have the calling keeper avoid a processor, if it may run on others too, or none: FB_YIELD_ANY. */
void fb_yield_keeper_avoid(struct fb_yield_keeper *keeper, int cpu);

/* The calling thread may have been started by the keeper: have it run where that may by itself. */
void fb_yield_keeper_disinherit(const struct fb_yield_keeper *keeper);

/* The processor that a thread of any process is on, or was on last; FB_YIELD_ANY if that is not known. */
int fb_yield_cpu_of(pid_t tid);

#endif
