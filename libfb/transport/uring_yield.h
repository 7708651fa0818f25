/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a worker of FUSE over io_uring that is at home (uring_home.h) shares its processor with its client.
 *
 * The worker wakes the client and goes to sleep right afterwards, yet Linux sees a busy processor at that
 * moment: it moves the client to another one, wakes that, and the next request goes to the worker there.
 * So the client wanders with each request, which takes two to three times as long as all the rest. With
 * the scheduling policy SCHED_IDLE the worker says what is true, that the processor is the client's as
 * soon as it can go on; then Linux leaves it there (select_idle_sibling() in kernel/sched/fair.c).
 *
 * A thread with that policy hardly runs where others compute. So the session's keeper gives it and takes
 * it, each 10 ms: a worker gets it only where no processor is needed by others, has it only while it answers
 * request after request, loses it when it comes to stand in line, and has to wait for it the longer, the
 * sooner that happens again. Without requests no worker has it.
 */
#ifndef FB_TRANSPORT_URING_YIELD_H
#define FB_TRANSPORT_URING_YIELD_H

#include <stdbool.h>
#include <sys/types.h>

struct fb_uring_yield {
	pid_t tid; /* the thread, or 0: its policy is not ours to change */
	bool yields;
	unsigned lasted;  /* ticks since it has begun */
	unsigned pause;   /* ticks until it may begin */
	unsigned penalty; /* the last pause */
};

/* What the keeper has seen of a worker since the last tick. */
struct fb_uring_yield_look {
	bool at_home;
	bool waiting; /* has a request, taken or not, that is not answered */
	unsigned answered;
};

/* The calling thread may be given another policy, if it has the usual one. */
void fb_uring_yield_begin(struct fb_uring_yield *yield);

/* The calling thread goes, or its program wants it back: with the usual policy. */
void fb_uring_yield_end(struct fb_uring_yield *yield);

/* Whether the worker is to yield until the next tick. Changes nothing but *yield. */
bool fb_uring_yield_decide(struct fb_uring_yield *yield, const struct fb_uring_yield_look *look);

/* Decide, and have it so. By the keeper; never together with begin and end. */
void fb_uring_yield_tick(struct fb_uring_yield *yield, const struct fb_uring_yield_look *look);

#endif
