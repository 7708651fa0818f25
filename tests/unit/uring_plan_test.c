/* SPDX-License-Identifier: BSD-3-Clause */
/* Which worker serves which queue of FUSE over io_uring. */
#include "cmocka_setup.h"

#include <stdlib.h>
#include <string.h>

#include "transport/uring_plan.h"

static struct fb_uring_plan plan;

static void make(const char *possible, const char *online, unsigned most)
{
	struct fb_cpu_list *lists = calloc(2, sizeof(*lists));

	assert_non_null(lists);
	assert_int_equal(fb_cpu_list_parse(possible, &lists[0]), 0);
	assert_int_equal(fb_cpu_list_parse(online, &lists[1]), 0);
	fb_uring_plan_make(&plan, &lists[0], &lists[1], most);
	free(lists);
}

/* Every queue is served, by one worker. */
static void check_covered(void)
{
	uint16_t *qids = calloc(plan.queue_count, sizeof(*qids));
	unsigned *workers_of = calloc(FB_CPU_MAX, sizeof(*workers_of));

	assert_true(qids && workers_of);
	for (unsigned worker = 0; worker < plan.workers; worker++) {
		unsigned count = fb_uring_plan_queues(&plan, worker, qids);

		assert_true(count >= 1 && count <= plan.queue_count);
		for (unsigned i = 0; i < count; i++)
			workers_of[qids[i]]++;
	}
	for (unsigned i = 0; i < plan.queue_count; i++)
		assert_int_equal(workers_of[plan.qids[i]], 1);
	free(qids);
	free(workers_of);
}

static void test_one_each(void **state)
{
	uint16_t qids[2];

	(void)state;
	make("0-1", "0-1", 64);
	assert_int_equal(plan.workers, 2);
	check_covered();
	assert_int_equal(fb_uring_plan_queues(&plan, 0, qids), 1);
	assert_int_equal(qids[0], 0);
	assert_int_equal(fb_uring_plan_queues(&plan, 1, qids), 1);
	assert_int_equal(qids[0], 1);
}

/* Fewer workers than processors: each serves several, and nobody none. */
static void test_few_workers(void **state)
{
	(void)state;
	make("0-95", "0-95", 7);
	assert_int_equal(plan.workers, 7);
	check_covered();
	make("0-3", "0-3", 1);
	assert_int_equal(plan.workers, 1);
	check_covered();
}

/* Processors that may be plugged in later want a slot, but no worker of their own. */
static void test_offline(void **state)
{
	(void)state;
	make("0-239", "0-1", 63);
	assert_int_equal(plan.queue_count, 240);
	assert_int_equal(plan.online_count, 2);
	assert_int_equal(plan.workers, 2);
	check_covered();
	make("0-7", "1,5", 1);
	check_covered();
	/* Something is odd: no processor of ours is said to be online. */
	make("0-1", "5", 8);
	check_covered();
}

static void test_any(void **state)
{
	static const char *const possible[] = { "0", "0-1", "0-2", "0-15", "0-95" };
	static const char *const online[] = { "0", "0-1", "0,2", "3-9", "0-95" };

	(void)state;
	for (unsigned p = 0; p < 5; p++)
		for (unsigned o = 0; o < 5; o++)
			for (unsigned most = 1; most < 20; most += 3) {
				make(possible[p], online[o], most);
				assert_true(plan.workers >= 1 && plan.workers <= most);
				check_covered();
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_each),
		cmocka_unit_test(test_few_workers),
		cmocka_unit_test(test_offline),
		cmocka_unit_test(test_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
