/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a worker of FUSE over io_uring runs. */
#include "cmocka_setup.h"

#include <sched.h>

#include "processors.h"
#include "transport/uring_home.h"

static cpu_set_t allowed; /* what this program may run on */
static unsigned first, second;

static void came(struct fb_uring_home *home, unsigned requests, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		fb_uring_home_came(home, requests);
}

static void test_begins_at_home(void **state)
{
	struct fb_uring_home home = { 0 };

	(void)state;
	fb_uring_home_begin(&home, second);
	assert_true(is_only_on(0, second));
	assert_true(home.kept && !home.away);
	/* One by one: it stays. Waking up for nothing is no request. */
	came(&home, 1, 1000);
	came(&home, 0, 1000);
	assert_true(is_only_on(0, second));
}

static void test_goes_and_comes(void **state)
{
	struct fb_uring_home home = { 0 };

	(void)state;
	fb_uring_home_begin(&home, first);
	for (int i = 0; i < 3; i++) {
		came(&home, 8, 20);
		assert_true(home.away && is_allowed(0, &allowed));
		/* A pause says nothing. */
		came(&home, 0, 1000);
		assert_true(home.away);
		/* One by one now and then is not enough. */
		came(&home, 1, 2);
		assert_true(home.away);
		came(&home, 1, 200);
		assert_false(home.away);
		assert_true(is_only_on(0, first));
	}
	/* Nor are two at a time, once. */
	came(&home, 2, 1);
	assert_true(is_only_on(0, first));
}

/* Whoever moves much data with each request goes on meanwhile. */
static void test_data(void **state)
{
	struct fb_uring_home home = { 0 };

	(void)state;
	fb_uring_home_begin(&home, first);
	for (int i = 0; i < 1000; i++) {
		fb_uring_home_data(&home, 4096);
		came(&home, 1, 1);
	}
	assert_true(!home.away && is_only_on(0, first));
	/* What moved before it was woken for nothing still counts. */
	for (int i = 0; i < 20; i++) {
		fb_uring_home_data(&home, 128 * 1024);
		came(&home, 0, 5);
		came(&home, 1, 1);
	}
	assert_true(home.away && is_allowed(0, &allowed));
	came(&home, 1, 200);
	assert_true(!home.away && is_only_on(0, first));
	/* A size that is a lie does no more than that. */
	fb_uring_home_data(&home, UINT32_MAX);
	came(&home, 1, 1);
	assert_true(home.away);
	came(&home, 1, 1000);
	assert_true(!home.away);
}

static void test_stays_in_its_mask(void **state)
{
	struct fb_uring_home home = { 0 };
	cpu_set_t one;

	(void)state;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	fb_uring_home_begin(&home, first);
	came(&home, 8, 20);
	assert_true(home.away && is_only_on(0, first));
	came(&home, 1, 200);
	assert_true(!home.away && is_only_on(0, first));
}

/* Whoever started the program wants it elsewhere: that holds. */
static void test_left_alone(void **state)
{
	struct fb_uring_home home = { 0 };
	cpu_set_t one;

	(void)state;
	if (first == second)
		SKIP_BECAUSE("only one processor");
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	fb_uring_home_begin(&home, second);
	assert_false(home.kept);
	assert_true(is_only_on(0, first));
	came(&home, 8, 100);
	came(&home, 1, 100);
	assert_true(is_only_on(0, first));
}

/* A number that no processor has. */
static void test_no_such_processor(void **state)
{
	struct fb_uring_home home = { 0 };

	(void)state;
	fb_uring_home_begin(&home, CPU_SETSIZE);
	assert_false(home.kept);
	came(&home, 8, 100);
	assert_true(is_allowed(0, &allowed));
}

static int set_up(void **state)
{
	(void)state;
	return sched_setaffinity(0, sizeof(allowed), &allowed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_begins_at_home), TEST(test_goes_and_comes),
		TEST(test_data),           TEST(test_stays_in_its_mask),
		TEST(test_left_alone),     TEST(test_no_such_processor),
	};

	find_processors(&allowed, &first, &second);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
