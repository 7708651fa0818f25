/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/uring_yield.h"

#include <errno.h>
#include <libfb/log.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/thread.h"

/* Requests answered in a tick: so many are one after the other without a pause; so few are not, any more. */
#define MANY 80u
#define FEW 40u
/* Ticks. Who stood in line before so many have passed waits twice as long for the next time. */
#define LONG 100u
#define PENALTY_MIN 8u
#define PENALTY_MAX 1024u

/* By system calls: not every libc changes the policy of one thread. Threads that it starts do not inherit. */
static int set_policy(pid_t tid, int policy)
{
	const struct sched_param parameters = { 0 };

	return syscall(SYS_sched_setscheduler, tid, policy, &parameters) < 0 ? -errno : 0;
}

static int make_idle(pid_t tid)
{
	return set_policy(tid, SCHED_IDLE | SCHED_RESET_ON_FORK);
}

static int make_usual(pid_t tid)
{
	return set_policy(tid, SCHED_OTHER);
}

void fb_uring_yield_begin(struct fb_uring_yield *yield)
{
	*yield = (struct fb_uring_yield){ 0 };
	if (syscall(SYS_sched_getscheduler, 0) == SCHED_OTHER)
		yield->tid = (pid_t)syscall(SYS_gettid);
}

void fb_uring_yield_end(struct fb_uring_yield *yield)
{
	if (yield->yields)
		make_usual(0);
	*yield = (struct fb_uring_yield){ 0 };
}

static void *there_and_back(void *ret_result)
{
	int *result = ret_result;

	*result = make_idle(0);
	if (*result == 0)
		*result = make_usual(0);
	return NULL;
}

/*
 * Whether a thread can be brought back, which takes CAP_SYS_NICE outside of all user namespaces: tried with a
 * thread that nobody needs, each time, since a program may give up what it has at any time.
 */
static bool can_come_back(void)
{
	pthread_t thread;
	int result = -1;

	if (fb_thread_start(&thread, there_and_back, &result) < 0)
		return false;
	pthread_join(thread, NULL);
	return result == 0;
}

/*
 * Whether more threads can run than there are processors, the one that asks included. Then no processor is
 * idle, so that clients stay where they are, and whoever yields stands in line.
 */
static bool is_crowded(void)
{
	FILE *file = fopen("/proc/loadavg", "re");
	unsigned running;
	bool known;

	if (!file)
		return true;
	known = fscanf(file, "%*s %*s %*s %u/", &running) == 1;
	fclose(file);
	return !known || running > (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
}

static bool must_stop(struct fb_uring_yield *yield, const struct fb_uring_yield_look *look)
{
	yield->lasted++;
	if (look->answered >= FEW)
		return !look->at_home;
	if (look->waiting) {
		bool soon = yield->lasted < LONG;

		yield->penalty = soon && yield->penalty > 0 ? yield->penalty * 2 : PENALTY_MIN;
		if (yield->penalty > PENALTY_MAX)
			yield->penalty = PENALTY_MAX;
		yield->pause = yield->penalty;
	}
	return true;
}

bool fb_uring_yield_decide(struct fb_uring_yield *yield, const struct fb_uring_yield_look *look)
{
	if (yield->yields)
		return !must_stop(yield, look);
	if (yield->pause > 0) {
		yield->pause--;
		return false;
	}
	return look->at_home && look->answered >= MANY;
}

static void start(struct fb_uring_yield *yield)
{
	if (is_crowded())
		return;
	if (!can_come_back() || make_idle(yield->tid) < 0) {
		yield->pause = PENALTY_MAX;
		return;
	}
	yield->yields = true;
	yield->lasted = 0;
}

static void stop(struct fb_uring_yield *yield)
{
	int r = make_usual(yield->tid);

	yield->yields = false;
	if (r == 0)
		return;
	yield->tid = 0;
	fb_log(FB_LOG_WARNING, "a worker stays with the scheduling policy SCHED_IDLE: %s",
	       strerror(-r));
}

void fb_uring_yield_tick(struct fb_uring_yield *yield, const struct fb_uring_yield_look *look)
{
	bool wanted;

	if (yield->tid == 0)
		return;
	wanted = fb_uring_yield_decide(yield, look);
	if (wanted && !yield->yields)
		start(yield);
	else if (!wanted && yield->yields)
		stop(yield);
}
