/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/yield_policy.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/thread.h"

static int set_policy(pid_t tid, int policy)
{
	const struct sched_param parameters = { 0 };

	return syscall(SYS_sched_setscheduler, tid, policy, &parameters) < 0 ? -errno : 0;
}

bool fb_yield_policy_is_usual(pid_t tid)
{
	return syscall(SYS_sched_getscheduler, tid) == SCHED_OTHER;
}

int fb_yield_policy_begin(pid_t tid)
{
	return set_policy(tid, SCHED_IDLE | SCHED_RESET_ON_FORK);
}

int fb_yield_policy_end(pid_t tid)
{
	return set_policy(tid, SCHED_OTHER);
}

static void *there_and_back(void *ret_result)
{
	int *result = ret_result;

	*result = fb_yield_policy_begin(0);
	if (*result == 0)
		*result = fb_yield_policy_end(0);
	return NULL;
}

bool fb_yield_policy_can_end(void)
{
	pthread_t thread;
	int result = -1;

	if (fb_thread_start(&thread, there_and_back, &result) < 0)
		return false;
	pthread_join(thread, NULL);
	return result == 0;
}
