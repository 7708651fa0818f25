/* SPDX-License-Identifier: BSD-3-Clause */
/* Where threads may run, for tests that move them. */
#ifndef TESTS_PROCESSORS_H
#define TESTS_PROCESSORS_H

#include "cmocka_setup.h"

#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>

/* Whether a thread (0: this one) may run on these processors and no others. */
static inline bool is_allowed(pid_t tid, const cpu_set_t *set)
{
	cpu_set_t now;

	assert_int_equal(sched_getaffinity(tid, sizeof(now), &now), 0);
	return CPU_EQUAL(&now, set);
}

static inline bool is_only_on(pid_t tid, unsigned cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return is_allowed(tid, &one);
}

/* What this program may run on, and two of these processors: the same one twice where there is no other. */
static inline void find_processors(cpu_set_t *ret_allowed, unsigned *ret_first,
				   unsigned *ret_second)
{
	unsigned cpu = 0;

	if (sched_getaffinity(0, sizeof(*ret_allowed), ret_allowed) < 0)
		abort();
	while (!CPU_ISSET(cpu, ret_allowed))
		cpu++;
	*ret_first = cpu++;
	while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, ret_allowed))
		cpu++;
	*ret_second = cpu < CPU_SETSIZE ? cpu : *ret_first;
}

#endif
