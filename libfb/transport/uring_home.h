/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a worker of FUSE over io_uring runs. It is at home on the processor whose requests it serves: who
 * does one thing after the other waits for it, and needs nobody to be woken on another processor, which
 * takes as long as all the rest. Where many requests come at a time their client computes meanwhile, and
 * the worker may run anywhere. So it may where a request moves much data: whoever reads ahead or writes
 * back goes on meanwhile, too, and copying takes longer than waking.
 */
#ifndef FB_TRANSPORT_URING_HOME_H
#define FB_TRANSPORT_URING_HOME_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

struct fb_uring_home {
	_Atomic bool kept; /* the thread is ours to move */
	_Atomic bool away;
	int mean;       /* requests at a time, see uring_home.c */
	unsigned extra; /* what the data of the last ones is worth, in requests */
	cpu_set_t home, anywhere;
};

/* The calling thread is at home on this processor, if it may run there. */
void fb_uring_home_begin(struct fb_uring_home *home, unsigned cpu);

/* One of the requests moves so much data. By this thread. */
void fb_uring_home_data(struct fb_uring_home *home, uint32_t bytes);

/* So many requests were there when the thread looked. By this thread. */
void fb_uring_home_came(struct fb_uring_home *home, unsigned requests);

#endif
