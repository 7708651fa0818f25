/* SPDX-License-Identifier: BSD-3-Clause */
/* When a worker of FUSE over io_uring yields its processor to its client. */
#include "cmocka_setup.h"

#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "transport/uring_yield.h"

static const struct fb_uring_yield_look busy = { .at_home = true,
						 .waiting = true,
						 .answered = 300 };
static const struct fb_uring_yield_look calm = { .at_home = true };
static const struct fb_uring_yield_look starved = { .at_home = true,
						    .waiting = true,
						    .answered = 1 };
static const struct fb_uring_yield_look away = { .waiting = true, .answered = 300 };

/* ---- decisions ------------------------------------------------------------------------------ */

static void test_begins_with_many(void **state)
{
	struct fb_uring_yield yield = { 0 };
	const struct fb_uring_yield_look some = { .at_home = true, .answered = 60 };

	(void)state;
	assert_false(fb_uring_yield_decide(&yield, &calm));
	assert_false(fb_uring_yield_decide(&yield, &starved));
	assert_false(fb_uring_yield_decide(&yield, &some));
	assert_false(fb_uring_yield_decide(&yield, &away));
	assert_true(fb_uring_yield_decide(&yield, &busy));
	/* What is too little to begin is enough to go on. */
	yield.yields = true;
	assert_true(fb_uring_yield_decide(&yield, &some));
}

static void test_ends_without_blame(void **state)
{
	static const struct fb_uring_yield_look *const ends[] = { &calm, &away };

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		struct fb_uring_yield yield = { .yields = true };

		assert_false(fb_uring_yield_decide(&yield, ends[i]));
		yield.yields = false;
		assert_true(fb_uring_yield_decide(&yield, &busy));
	}
}

/* Ticks that a worker waits which stood in line after so many ticks. */
static unsigned pause_after(struct fb_uring_yield *yield, unsigned ticks)
{
	unsigned waited = 0;

	yield->yields = true;
	yield->lasted = 0;
	for (unsigned i = 0; i < ticks; i++)
		assert_true(fb_uring_yield_decide(yield, &busy));
	assert_false(fb_uring_yield_decide(yield, &starved));
	yield->yields = false;
	while (!fb_uring_yield_decide(yield, &busy))
		waited++;
	return waited;
}

static void test_who_stood_in_line_waits(void **state)
{
	struct fb_uring_yield yield = { 0 };
	unsigned first = pause_after(&yield, 0), last = first;

	(void)state;
	assert_true(first >= 5);
	for (int i = 0; i < 4; i++) {
		unsigned now = pause_after(&yield, 3);

		assert_int_equal(now, 2 * last);
		last = now;
	}
	for (int i = 0; i < 10; i++)
		last = pause_after(&yield, 3);
	/* Not for ever: about ten seconds. */
	assert_true(last >= 500 && last <= 2000);
	/* All is forgotten when it went well for a second. */
	assert_int_equal(pause_after(&yield, 150), first);
}

/* ---- threads ---------------------------------------------------------------------------------- */

/* A thread that does nothing, with its policy in the tests' hands. */
struct sleeper {
	pthread_t thread;
	struct fb_uring_yield yield;
	_Atomic bool begun, end;
	int policy_before, policy_at_end;
};

static int policy_of(pid_t tid)
{
	return (int)syscall(SYS_sched_getscheduler, tid);
}

static void nap(void)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	nanosleep(&ms, NULL);
}

static void *sleeper_main(void *arg)
{
	struct sleeper *sleeper = arg;
	const struct sched_param parameters = { 0 };

	syscall(SYS_sched_setscheduler, 0, sleeper->policy_before, &parameters);
	fb_uring_yield_begin(&sleeper->yield);
	sleeper->begun = true;
	while (!sleeper->end)
		nap();
	fb_uring_yield_end(&sleeper->yield);
	sleeper->policy_at_end = policy_of(0);
	return NULL;
}

static void sleeper_start(struct sleeper *sleeper, int policy)
{
	*sleeper = (struct sleeper){ .policy_before = policy };
	assert_int_equal(pthread_create(&sleeper->thread, NULL, sleeper_main, sleeper), 0);
	while (!sleeper->begun)
		nap();
}

static void sleeper_end(struct sleeper *sleeper)
{
	sleeper->end = true;
	assert_int_equal(pthread_join(sleeper->thread, NULL), 0);
	assert_int_equal(sleeper->yield.tid, 0);
}

/* Other tests may keep all processors busy: then nobody yields. Returns whether it does within 20 s. */
static bool comes_to_yield(struct sleeper *sleeper)
{
	for (int i = 0; i < 20000 && !sleeper->yield.yields && sleeper->yield.pause == 0; i++) {
		nap();
		fb_uring_yield_tick(&sleeper->yield, &busy);
	}
	return sleeper->yield.yields;
}

static void test_policy(void **state)
{
	struct sleeper sleeper;
	pid_t tid;

	(void)state;
	if (geteuid() != 0)
		SKIP_BECAUSE("only root may take SCHED_IDLE back");
	sleeper_start(&sleeper, SCHED_OTHER);
	tid = sleeper.yield.tid;
	assert_int_equal(policy_of(tid), SCHED_OTHER);
	fb_uring_yield_tick(&sleeper.yield, &calm);
	assert_int_equal(policy_of(tid), SCHED_OTHER);
	if (!comes_to_yield(&sleeper)) {
		sleeper_end(&sleeper);
		SKIP_BECAUSE("the processors were busy all the time, or CAP_SYS_NICE is missing");
	}
	/* Threads that it starts are not so. */
	assert_int_equal(policy_of(tid), SCHED_IDLE | SCHED_RESET_ON_FORK);
	fb_uring_yield_tick(&sleeper.yield, &busy);
	assert_int_equal(policy_of(tid), SCHED_IDLE | SCHED_RESET_ON_FORK);
	fb_uring_yield_tick(&sleeper.yield, &calm);
	assert_int_equal(policy_of(tid), SCHED_OTHER);
	/* It goes while it yields. */
	if (!comes_to_yield(&sleeper)) {
		sleeper_end(&sleeper);
		SKIP_BECAUSE("the processors were busy all the time, or CAP_SYS_NICE is missing");
	}
	sleeper_end(&sleeper);
	assert_int_equal(sleeper.policy_at_end, SCHED_OTHER);
	assert_int_equal(policy_of(0), SCHED_OTHER);
}

/* Whoever started the program has chosen another policy: that holds. */
static void test_left_alone(void **state)
{
	struct sleeper sleeper;

	(void)state;
	sleeper_start(&sleeper, SCHED_BATCH);
	assert_int_equal(sleeper.yield.tid, 0);
	for (int i = 0; i < 100; i++)
		fb_uring_yield_tick(&sleeper.yield, &busy);
	assert_false(sleeper.yield.yields);
	sleeper_end(&sleeper);
	assert_int_equal(sleeper.policy_at_end, SCHED_BATCH);
}

/* A thread may be made SCHED_IDLE by anybody, but not brought back. */
static void test_without_the_right(void **state)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct before[2], without[2];
	struct rlimit nice;
	struct sleeper sleeper;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NICE, &nice), 0);
	if (nice.rlim_cur >= 20)
		SKIP_BECAUSE("RLIMIT_NICE gives the right to everybody here");
	sleeper_start(&sleeper, SCHED_OTHER);
	assert_int_equal(syscall(SYS_capget, &header, before), 0);
	memcpy(without, before, sizeof(without));
	without[CAP_TO_INDEX(CAP_SYS_NICE)].effective &= ~CAP_TO_MASK(CAP_SYS_NICE);
	assert_int_equal(syscall(SYS_capset, &header, without), 0);
	assert_false(comes_to_yield(&sleeper));
	assert_int_equal(policy_of(sleeper.yield.tid), SCHED_OTHER);
	assert_int_equal(syscall(SYS_capset, &header, before), 0);
	assert_int_equal(policy_of(0), SCHED_OTHER);
	sleeper_end(&sleeper);
}

static _Atomic bool hogs_end;

static void *hog(void *arg)
{
	(void)arg;
	while (!hogs_end)
		;
	return NULL;
}

/* More threads than processors: the worker would stand in line. */
static void test_crowd(void **state)
{
	unsigned count = (unsigned)sysconf(_SC_NPROCESSORS_ONLN) + 1;
	pthread_t *hogs = test_calloc(count, sizeof(*hogs));
	struct sleeper sleeper;

	(void)state;
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(pthread_create(&hogs[i], NULL, hog, NULL), 0);
	nap();
	sleeper_start(&sleeper, SCHED_OTHER);
	for (int i = 0; i < 200; i++)
		fb_uring_yield_tick(&sleeper.yield, &busy);
	assert_false(sleeper.yield.yields);
	assert_int_equal(policy_of(sleeper.yield.tid), SCHED_OTHER);
	hogs_end = true;
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(pthread_join(hogs[i], NULL), 0);
	sleeper_end(&sleeper);
	test_free(hogs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begins_with_many),
		cmocka_unit_test(test_ends_without_blame),
		cmocka_unit_test(test_who_stood_in_line_waits),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_left_alone),
		cmocka_unit_test(test_without_the_right),
		cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
