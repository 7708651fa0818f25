/* SPDX-License-Identifier: BSD-3-Clause */
/* FORGET and BATCH_FORGET. */
#include "cmocka_setup.h"

#include <errno.h>

#include "rig.h"

static int set_up(void **state)
{
	struct rig *rig = rig_start();

	rig->strays_expected = true;
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	rig_end(*state);
	return 0;
}

static void test_forget(void **state)
{
	struct rig *rig = *state;

	client_forget(&rig->client, 5, 3);
	assert_int_equal(mock_calls(&rig->mock, MOCK_forget), 1);
	assert_int_equal(rig->mock.last.numbers[0], 5);
	assert_int_equal(rig->mock.last.numbers[1], 3);
}

static void test_root_and_zero_count(void **state)
{
	struct rig *rig = *state;

	client_forget(&rig->client, FB_ROOT_NODE, 3);
	client_forget(&rig->client, 5, 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_forget), 0);
}

static uint64_t seen[8][2];
static unsigned seen_count;

static void note_forget(void *self, uint64_t node, uint64_t count)
{
	(void)self;
	assert_true(seen_count < 8);
	seen[seen_count][0] = node;
	seen[seen_count++][1] = count;
}

static void test_batch(void **state)
{
	struct rig *rig = rig_new();
	struct fb_wire_batch_forget_in in = { .count = 4 };
	const struct fb_wire_forget_one list[] = {
		{ 5, 1 }, { 1, 9 }, { 6, 2 }, { 7, UINT64_MAX }
	};
	struct client *c = &rig->client;

	(void)state;
	rig->mock.ops.forget = note_forget;
	seen_count = 0;
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(client_call(c, FB_OP_BATCH_FORGET, 0, &in, sizeof(in), list, sizeof(list)),
			 0);
	assert_int_equal(seen_count, 3);
	assert_true(seen[0][0] == 5 && seen[0][1] == 1);
	assert_true(seen[1][0] == 6 && seen[1][1] == 2);
	assert_true(seen[2][0] == 7 && seen[2][1] == UINT64_MAX);
	assert_int_equal(rig_stats(rig, FB_OP_BATCH_FORGET).requests, 1);
	rig_end(rig);
}

static void test_batch_that_lies(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_batch_forget_in in = { .count = 1000 };
	const struct fb_wire_forget_one list[] = { { 5, 1 } };

	/* Silence, as always, and a counter. */
	assert_int_equal(client_call(&rig->client, FB_OP_BATCH_FORGET, 0, &in, sizeof(in), list,
				     sizeof(list)),
			 0);
	in.count = 0x10000001; /* times 16 is 16 in 32 bits */
	assert_int_equal(client_call(&rig->client, FB_OP_BATCH_FORGET, 0, &in, sizeof(in), list,
				     sizeof(list)),
			 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_forget), 0);
	assert_int_equal(rig_session_stats(rig).malformed, 2);
}

static void test_without_the_operation(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	mock_leave_out(&rig->mock, MOCK_forget);
	rig->strays_expected = true;
	assert_int_equal(rig_connect(rig), 0);
	client_forget(&rig->client, 5, 1);
	fb_loopback_drop_answers(rig->loop, 1, ENOENT);
	assert_int_equal(client_name(&rig->client, FB_OP_LOOKUP, 1, "a"), -ENOENT);
	rig_end(rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_forget),
		TEST(test_root_and_zero_count),
		cmocka_unit_test(test_batch),
		TEST(test_batch_that_lies),
		cmocka_unit_test(test_without_the_operation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
