/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/uring_home.h"

#include <pthread.h>

#include "transport/data_size.h"

/* Requests at a time, as a running mean in parts of ONE: more are many, fewer are one by one. */
#define ONE 256
#define MANY (ONE * 3 / 2)
#define ONE_BY_ONE (ONE * 9 / 8)
/* How much the last time counts. */
#define SHARE 16

static bool move(const cpu_set_t *to)
{
	return pthread_setaffinity_np(pthread_self(), sizeof(*to), to) == 0;
}

void fb_uring_home_begin(struct fb_uring_home *home, unsigned cpu)
{
	home->mean = ONE;
	CPU_ZERO(&home->home);
	CPU_SET(cpu, &home->home);
	home->kept = pthread_getaffinity_np(pthread_self(), sizeof(home->anywhere),
					    &home->anywhere) == 0 &&
		     CPU_ISSET(cpu, &home->anywhere) && move(&home->home);
}

void fb_uring_home_data(struct fb_uring_home *home, uint32_t bytes)
{
	home->extra += bytes / FB_DATA_PIECE;
}

void fb_uring_home_came(struct fb_uring_home *home, unsigned requests)
{
	int count = (int)(requests + home->extra);

	if (!home->kept || requests == 0)
		return;
	home->extra = 0;
	home->mean += (count * ONE - home->mean) / SHARE;
	if (home->away ? home->mean > ONE_BY_ONE : home->mean < MANY)
		return;
	if (move(home->away ? &home->home : &home->anywhere))
		home->away = !home->away;
}
