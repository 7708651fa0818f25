/* SPDX-License-Identifier: BSD-3-Clause */
/* When workers yield their processor to their client, and how. */
#include "cmocka_setup.h"

#include <limits.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/thread.h"
#include "processors.h"
#include "transport/yield.h"
#include "transport/yield_policy.h"

static cpu_set_t allowed; /* what this program may run on */
static unsigned first, second;

static const struct fb_yield_look busy = { .one_by_one = true, .waiting = true, .answered = 300 };
static const struct fb_yield_look calm = { .one_by_one = true };
static const struct fb_yield_look starved = { .one_by_one = true, .waiting = true, .answered = 1 };
static const struct fb_yield_look several = { .waiting = true, .answered = 300 };
static const struct fb_yield_look crowd = { .one_by_one = true, .crowded = true, .answered = 300 };

/* ---- decisions ------------------------------------------------------------------------------ */

static void test_begins_with_many(void **state)
{
	struct fb_yield yield = { 0 };
	const struct fb_yield_look some = { .one_by_one = true, .answered = 60 };

	(void)state;
	assert_false(fb_yield_decide(&yield, &calm));
	assert_false(fb_yield_decide(&yield, &starved));
	assert_false(fb_yield_decide(&yield, &some));
	assert_false(fb_yield_decide(&yield, &several));
	assert_false(fb_yield_decide(&yield, &crowd));
	assert_true(fb_yield_decide(&yield, &busy));
	/* What is too little to begin is enough to go on; so it is in a crowd, while requests are answered. */
	assert_true(fb_yield_decide(&yield, &some));
	assert_true(fb_yield_decide(&yield, &crowd));
	assert_true(yield.yields);
}

static void test_ends_without_blame(void **state)
{
	static const struct fb_yield_look *const ends[] = { &calm, &several };

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		struct fb_yield yield = { .yields = true };

		assert_false(fb_yield_decide(&yield, ends[i]));
		assert_true(fb_yield_decide(&yield, &busy));
	}
}

/* Ticks that a worker waits which stood in line after so many ticks. */
static unsigned pause_after(struct fb_yield *yield, unsigned ticks, const struct fb_yield_look *end)
{
	unsigned waited = 0;

	yield->yields = true;
	yield->lasted = 0;
	for (unsigned i = 0; i < ticks; i++)
		assert_true(fb_yield_decide(yield, &busy));
	assert_false(fb_yield_decide(yield, end));
	while (!fb_yield_decide(yield, &busy))
		waited++;
	return waited;
}

static void test_who_stood_in_line_waits(void **state)
{
	const struct fb_yield_look pushed = { .one_by_one = true, .crowded = true, .answered = 1 };
	struct fb_yield yield = { 0 };
	unsigned shortest = pause_after(&yield, 0, &starved), last = shortest;

	(void)state;
	assert_true(shortest >= 5);
	for (int i = 0; i < 4; i++) {
		/* In /dev/fuse a request that nobody has read is not seen; the crowd is. */
		unsigned now = pause_after(&yield, 3, i % 2 ? &pushed : &starved);

		assert_int_equal(now, 2 * last);
		last = now;
	}
	for (int i = 0; i < 10; i++)
		last = pause_after(&yield, 3, &starved);
	/* Not for ever: about ten seconds. */
	assert_true(last >= 500 && last <= 2000);
	/* All is forgotten when it went well for a second. */
	assert_int_equal(pause_after(&yield, 150, &starved), shortest);
}

/* ---- threads ---------------------------------------------------------------------------------- */

/* A thread that does nothing, with its policy in the tests' hands. */
struct sleeper {
	pthread_t thread;
	struct fb_yield_thread yield;
	struct fb_yield decision;
	_Atomic bool begun, end;
	int policy_before, policy_at_end;
	cpu_set_t allowed_at_end;
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
	fb_yield_thread_begin(&sleeper->yield);
	sleeper->begun = true;
	while (!sleeper->end)
		nap();
	fb_yield_thread_end(&sleeper->yield);
	sched_getaffinity(0, sizeof(sleeper->allowed_at_end), &sleeper->allowed_at_end);
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

/* Returns the thread, whose policy may be changed and brought back. */
static pid_t start_as_root(struct sleeper *sleeper)
{
	if (geteuid() != 0)
		SKIP_BECAUSE("only root may take SCHED_IDLE back");
	sleeper_start(sleeper, SCHED_OTHER);
	return sleeper->yield.tid;
}

static void sleeper_end(struct sleeper *sleeper)
{
	sleeper->end = true;
	assert_int_equal(pthread_join(sleeper->thread, NULL), 0);
	assert_int_equal(sleeper->yield.tid, 0);
}

static void tick(struct sleeper *sleeper, const struct fb_yield_look *seen, int cpu)
{
	struct fb_yield_look look = *seen;

	fb_yield_thread_set(&sleeper->yield, fb_yield_tick(&sleeper->decision, &look), cpu);
}

/* Other tests may keep all processors busy: then nobody yields. Returns whether it does within 20 s. */
static bool comes_to_yield(struct sleeper *sleeper, int cpu)
{
	for (int i = 0; i < 20000 && !sleeper->yield.yields && sleeper->decision.pause == 0; i++) {
		nap();
		tick(sleeper, &busy, cpu);
	}
	return sleeper->yield.yields;
}

#define SKIP_UNLESS_IT_YIELDS(sleeper, cpu)                                                        \
	do {                                                                                       \
		if (!comes_to_yield(sleeper, cpu)) {                                               \
			sleeper_end(sleeper);                                                      \
			SKIP_BECAUSE("the processors were busy all the time, or CAP_SYS_NICE is "  \
				     "missing");                                                   \
		}                                                                                  \
	} while (0)

static void test_policy(void **state)
{
	struct sleeper sleeper;
	pid_t tid;

	(void)state;
	tid = start_as_root(&sleeper);
	assert_int_equal(policy_of(tid), SCHED_OTHER);
	tick(&sleeper, &calm, FB_YIELD_ANY);
	assert_int_equal(policy_of(tid), SCHED_OTHER);
	SKIP_UNLESS_IT_YIELDS(&sleeper, FB_YIELD_ANY);
	assert_int_equal(policy_of(tid), SCHED_IDLE | SCHED_RESET_ON_FORK);
	tick(&sleeper, &busy, FB_YIELD_ANY);
	assert_int_equal(policy_of(tid), SCHED_IDLE | SCHED_RESET_ON_FORK);
	assert_true(is_allowed(tid, &allowed));
	tick(&sleeper, &calm, FB_YIELD_ANY);
	assert_int_equal(policy_of(tid), SCHED_OTHER);
	/* It goes while it yields. */
	SKIP_UNLESS_IT_YIELDS(&sleeper, FB_YIELD_ANY);
	sleeper_end(&sleeper);
	assert_int_equal(sleeper.policy_at_end, SCHED_OTHER);
	assert_int_equal(policy_of(0), SCHED_OTHER);
}

static void *tell_policy(void *ret_policy)
{
	*(int *)ret_policy = policy_of(0);
	return NULL;
}

static void *start_another(void *ret_policy)
{
	pthread_t thread;

	if (fb_yield_policy_begin(0) == 0 && fb_thread_start(&thread, tell_policy, ret_policy) == 0)
		pthread_join(thread, NULL);
	return NULL;
}

/* Linux has threads inherit SCHED_IDLE, whatever SCHED_RESET_ON_FORK says. */
static void test_threads_of_ours(void **state)
{
	pthread_t thread;
	int policy = -1;

	(void)state;
	if (!fb_yield_policy_can_end())
		SKIP_BECAUSE("CAP_SYS_NICE is missing");
	assert_int_equal(pthread_create(&thread, NULL, start_another, &policy), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(policy, SCHED_OTHER);
}

/* It yields where its client is, and follows it. */
static void test_processor(void **state)
{
	struct sleeper sleeper;
	pid_t tid;

	(void)state;
	tid = start_as_root(&sleeper);
	SKIP_UNLESS_IT_YIELDS(&sleeper, (int)first);
	assert_true(is_only_on(tid, first));
	fb_yield_thread_set(&sleeper.yield, true, (int)second);
	assert_true(is_only_on(tid, second));
	/* Where it may not run it does not go. */
	fb_yield_thread_set(&sleeper.yield, true, CPU_SETSIZE - 1);
	assert_true(CPU_ISSET(CPU_SETSIZE - 1, &allowed) || is_only_on(tid, second));
	fb_yield_thread_set(&sleeper.yield, false, FB_YIELD_ANY);
	assert_int_equal(policy_of(tid), SCHED_OTHER);
	assert_true(is_allowed(tid, &allowed));
	/* Nor does it begin there. */
	if (!CPU_ISSET(CPU_SETSIZE - 1, &allowed)) {
		fb_yield_thread_set(&sleeper.yield, true, CPU_SETSIZE - 1);
		assert_int_equal(policy_of(tid), SCHED_OTHER);
	}
	fb_yield_thread_set(&sleeper.yield, true, (int)first);
	sleeper_end(&sleeper);
	assert_int_equal(sleeper.policy_at_end, SCHED_OTHER);
	assert_true(CPU_EQUAL(&sleeper.allowed_at_end, &allowed));
}

static void *disinherit(void *keeper)
{
	fb_yield_keeper_disinherit(keeper);
	assert_true(is_allowed(0, &allowed));
	return NULL;
}

/* The keeper is elsewhere meanwhile, and those whom it starts are not. */
static void test_keeper(void **state)
{
	struct fb_yield_keeper keeper = { 0 };
	cpu_set_t others = allowed;
	pthread_t thread;

	(void)state;
	if (first == second)
		SKIP_BECAUSE("only one processor");
	disinherit(&keeper);
	fb_yield_keeper_avoid(&keeper, FB_YIELD_ANY);
	assert_true(is_allowed(0, &allowed));
	CPU_CLR(first, &others);
	for (int i = 0; i < 2; i++) {
		fb_yield_keeper_avoid(&keeper, (int)first);
		assert_true(is_allowed(0, &others));
	}
	assert_int_equal(pthread_create(&thread, NULL, disinherit, &keeper), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	others = allowed;
	CPU_CLR(second, &others);
	fb_yield_keeper_avoid(&keeper, (int)second);
	assert_true(is_allowed(0, &others));
	fb_yield_keeper_avoid(&keeper, FB_YIELD_ANY);
	assert_true(is_allowed(0, &allowed));
	/* With one processor there is nowhere to go. */
	CPU_ZERO(&others);
	CPU_SET(first, &others);
	assert_int_equal(sched_setaffinity(0, sizeof(others), &others), 0);
	fb_yield_keeper_avoid(&keeper, (int)first);
	assert_true(is_only_on(0, first));
	fb_yield_keeper_avoid(&keeper, FB_YIELD_ANY);
	assert_true(is_only_on(0, first));
	assert_int_equal(sched_setaffinity(0, sizeof(allowed), &allowed), 0);
}

static void test_cpu_of(void **state)
{
	char before[16];
	cpu_set_t one;

	(void)state;
	/* A name that looks like what is behind it. */
	assert_int_equal(prctl(PR_GET_NAME, before), 0);
	assert_int_equal(prctl(PR_SET_NAME, ") 1 2\n(3) 4"), 0);
	for (unsigned i = 0; i < 2; i++) {
		CPU_ZERO(&one);
		CPU_SET(i ? second : first, &one);
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		assert_int_equal(fb_yield_cpu_of(gettid()), i ? second : first);
	}
	assert_int_equal(prctl(PR_SET_NAME, before), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(allowed), &allowed), 0);
	assert_int_equal(fb_yield_cpu_of(0), FB_YIELD_ANY);
	assert_int_equal(fb_yield_cpu_of(INT_MAX), FB_YIELD_ANY);
}

/* Whoever started the program has chosen another policy: that holds. */
static void test_left_alone(void **state)
{
	struct sleeper sleeper;

	(void)state;
	sleeper_start(&sleeper, SCHED_BATCH);
	assert_int_equal(sleeper.yield.tid, 0);
	for (int i = 0; i < 100; i++)
		fb_yield_thread_set(&sleeper.yield, true, FB_YIELD_ANY);
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
	assert_false(comes_to_yield(&sleeper, FB_YIELD_ANY));
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
		tick(&sleeper, &busy, FB_YIELD_ANY);
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
		cmocka_unit_test(test_threads_of_ours),
		cmocka_unit_test(test_processor),
		cmocka_unit_test(test_keeper),
		cmocka_unit_test(test_cpu_of),
		cmocka_unit_test(test_left_alone),
		cmocka_unit_test(test_without_the_right),
		cmocka_unit_test(test_crowd),
	};

	find_processors(&allowed, &first, &second);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
