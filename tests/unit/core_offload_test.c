/* SPDX-License-Identifier: BSD-3-Clause */
/* Which thread serves a request where others would queue up behind it. */
#include "cmocka_setup.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "core/offload.h"
#include "core/req.h"
#include "core/session.h"
#include "offload_bench.h"
#include "protocol/wire.h"

#define MUCH (128u << 10)

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A transport that does not ask for it: all stay with the worker, as slow as they are. */
static void test_only_where_it_is_asked_for(void **state)
{
	struct fake_bench *b = *state;

	offload_start(b);
	atomic_store(&b->fake->transport.offloads, false);
	for (uint64_t i = 0; i < 30; i++) {
		offload_getattr(b, 10 + 2 * i);
		assert_false(offload_elsewhere(b));
	}
	b->mock.acts[MOCK_getattr] = offload_sleep;
	for (uint64_t i = 0; i < 3; i++) {
		offload_getattr(b, 100 + 2 * i);
		assert_false(offload_elsewhere(b));
	}
	assert_int_equal(b->session->offload.count, 0);
}

/* Until some were quick they are believed to be slow. */
static void test_learns_what_is_quick(void **state)
{
	struct fake_bench *b = *state;

	offload_start(b);
	for (uint64_t i = 0; i < OFFLOAD_BELIEVED; i++) {
		offload_getattr(b, 10 + 2 * i);
		assert_true(offload_elsewhere(b));
	}
	offload_make_quick(b);
	/* That holds for this opcode. */
	fake_bench_lookup(b, 50);
	fake_bench_answered(b, 50);
	assert_true(offload_elsewhere(b));
}

/* One that is stuck: those after it go elsewhere, until they have been quick for a while. */
static void test_learns_what_is_slow(void **state)
{
	struct fake_bench *b = *state;

	/* A second worker would learn for itself. */
	b->options.max_workers = 1;
	offload_start(b);
	offload_make_quick(b);
	b->mock.acts[MOCK_getattr] = offload_sleep;
	offload_getattr(b, 10);
	assert_false(offload_elsewhere(b));
	offload_getattr(b, 12);
	assert_true(offload_elsewhere(b));
	b->mock.acts[MOCK_getattr] = NULL;
	for (uint64_t i = 0; i < OFFLOAD_DOUBTED; i++) {
		offload_getattr(b, 20 + 2 * i);
		assert_true(offload_elsewhere(b));
	}
	offload_make_quick(b);
}

static void list(struct fake_bench *b, uint64_t unique, uint32_t size)
{
	struct fb_wire_read_in in = { .size = size };

	fake_send(b->fake, FB_OP_READDIR, unique, 1, &in, sizeof(in));
	fake_bench_answered(b, unique);
}

/* What was learned of small ones says nothing of large ones. */
static void test_much_is_another_class(void **state)
{
	struct fake_bench *b = *state;
	unsigned row = 0;

	offload_start(b);
	for (uint64_t i = 0; i < 5000 && row < 20; i++) {
		list(b, 10 + 2 * i, 4096);
		row = offload_elsewhere(b) ? 0 : row + 1;
	}
	assert_int_equal(row, 20);
	list(b, 100000, MUCH);
	assert_true(offload_elsewhere(b));
}

static unsigned class_of(uint32_t opcode, size_t tail_size, size_t room)
{
	static struct fb_req req;

	req.args.row = fb_op_row_find(opcode);
	req.args.tail_size = tail_size;
	req.args.room = room;
	return fb_offload_class(&req);
}

static void test_classes(void **state)
{
	unsigned small = class_of(FB_OP_READ, 0, 4096), large = class_of(FB_OP_READ, 0, MUCH);

	(void)state;
	assert_int_not_equal(small, large);
	assert_int_equal(small, class_of(FB_OP_READ, 0, 65535));
	assert_int_equal(large, class_of(FB_OP_READ, 0, 65536));
	assert_int_not_equal(class_of(FB_OP_WRITE, 4096, 0), class_of(FB_OP_WRITE, MUCH, 0));
	assert_int_not_equal(class_of(FB_OP_WRITE, 4096, 0), small);
	for (unsigned i = 0; i < FB_OP_ROW_COUNT; i++)
		assert_true(class_of(fb_op_row_at(i)->opcode, MUCH, MUCH) < 2 * FB_OP_ROW_COUNT);
}

static int sleep_long(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	usleep(100000);
	return offload_note(m, op, req, r);
}

#define SLEEPERS 8

/* Slow ones wait beside each other, and a quick one does not wait for them. */
static void test_side_by_side(void **state)
{
	struct fake_bench *b = *state;
	uint64_t begun, unique;

	b->options.max_workers = SLEEPERS;
	b->mock.acts[MOCK_lookup] = sleep_long;
	offload_start(b);
	offload_make_quick(b);
	begun = now_ms();
	for (uint64_t i = 0; i < SLEEPERS; i++)
		fake_bench_lookup(b, 100 + 2 * i);
	offload_getattr(b, 10);
	for (unsigned i = 0; i < SLEEPERS; i++)
		assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
	assert_true(now_ms() - begun < SLEEPERS * 100 / 2);
	offload_all_over(b);
}

/* The same by the gate: quick ones go on as long as the others take. */
static void test_quick_ones_go_on(void **state)
{
	struct fake_bench *b = *state;
	uint64_t unique;

	b->mock.acts[MOCK_lookup] = offload_block;
	offload_start(b);
	offload_make_quick(b);
	/* More than there are threads: the rest waits. */
	for (uint64_t i = 0; i < 6; i++)
		fake_bench_lookup(b, 100 + 2 * i);
	fake_bench_called(b, MOCK_lookup, 4);
	for (uint64_t i = 0; i < 50; i++)
		offload_getattr(b, 200 + 2 * i);
	poll(NULL, 0, 50);
	assert_int_equal(mock_calls(&b->mock, MOCK_lookup), 4);
	assert_int_equal(b->session->offload.count, 4);
	assert_int_equal(atomic_load(&b->session->offload.inside), 6);
	assert_int_equal(fake_bench_stats(b).pending, 0);
	for (int i = 0; i < 6; i++)
		sem_post(&b->gate);
	for (int i = 0; i < 6; i++)
		assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
	offload_all_over(b);
	assert_int_equal(b->session->offload.count, 4);
}

static void test_failures(void **state)
{
	struct fake_bench *b = *state;

	offload_start(b);
	mock_force(&b->mock, MOCK_getattr, -ENOSYS);
	fake_bench_getattr(b, 10);
	offload_failed(b, 10, -EOPNOTSUPP);
	assert_true(offload_elsewhere(b));
	mock_force(&b->mock, MOCK_getattr, -EIO);
	fake_bench_getattr(b, 12);
	offload_failed(b, 12, -EIO);
	assert_true(offload_elsewhere(b));
	offload_all_over(b);
}

static int flush_inside(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	offload_note(m, op, req, r);
	return fb_notify_flush(m->session);
}

/* The client may be waiting for this very operation, in whatever thread it is. */
static void test_flush_inside_an_operation(void **state)
{
	struct fake_bench *b = *state;

	b->mock.acts[MOCK_getattr] = flush_inside;
	offload_start(b);
	fake_bench_getattr(b, 10);
	offload_failed(b, 10, -EDEADLK);
	assert_true(offload_elsewhere(b));
}

static void unlink_a(struct fake_bench *b, uint64_t unique)
{
	fake_send(b->fake, FB_OP_UNLINK, unique, 1, "a", 2);
}

static void test_read_only(void **state)
{
	struct fake_bench *b = *state;

	b->options.read_only = true;
	offload_start(b);
	for (uint64_t i = 0; i < 30; i++) {
		unlink_a(b, 10 + 2 * i);
		offload_failed(b, 10 + 2 * i, -EROFS);
	}
	assert_int_equal(mock_calls(&b->mock, MOCK_unlink), 0);
	offload_all_over(b);
}

static void test_absent(void **state)
{
	struct fake_bench *b = *state;

	mock_leave_out(&b->mock, MOCK_unlink);
	offload_start(b);
	for (uint64_t i = 0; i < 30; i++) {
		unlink_a(b, 10 + 2 * i);
		offload_failed(b, 10 + 2 * i, -EPERM);
	}
	offload_all_over(b);
}

static void test_malformed(void **state)
{
	struct fake_bench *b = *state;

	offload_start(b);
	offload_send(b, FB_OP_GETATTR, 10);
	offload_failed(b, 10, -EINVAL);
	offload_send(b, 4711, 12);
	offload_failed(b, 12, -ENOSYS);
	assert_int_equal(fake_bench_stats(b).malformed, 2);
	assert_int_equal(mock_calls(&b->mock, MOCK_getattr), 0);
	assert_int_equal(fake_bench_stats(b).pending, 0);
}

static struct fb_stats figures(struct fake_bench *b, uint32_t opcode)
{
	struct fb_stats stats;

	assert_true(fb_session_stats_op(b->session, fb_op_row_find(opcode)->index, &stats));
	return stats;
}

/* Each is counted once, whoever serves it. */
static void test_counted_once(void **state)
{
	struct fake_bench *b = *state;
	unsigned elsewhere = 0, calls;

	offload_start(b);
	offload_make_quick(b);
	calls = mock_calls(&b->mock, MOCK_getattr);
	assert_int_equal(figures(b, FB_OP_GETATTR).requests, calls);
	assert_int_equal(figures(b, FB_OP_GETATTR).errors, 0);
	mock_force(&b->mock, MOCK_lookup, -ENOENT);
	for (uint64_t i = 0; i < 40; i++) {
		fake_bench_lookup(b, 10 + 2 * i);
		offload_failed(b, 10 + 2 * i, -ENOENT);
		elsewhere += offload_elsewhere(b);
	}
	assert_true(elsewhere >= OFFLOAD_BELIEVED);
	assert_int_equal(figures(b, FB_OP_LOOKUP).requests, 40);
	assert_int_equal(figures(b, FB_OP_LOOKUP).errors, 40);
	offload_all_over(b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, offload_set_up, fake_bench_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_only_where_it_is_asked_for),
		TEST(test_learns_what_is_quick),
		TEST(test_learns_what_is_slow),
		TEST(test_much_is_another_class),
		cmocka_unit_test(test_classes),
		TEST(test_side_by_side),
		TEST(test_quick_ones_go_on),
		TEST(test_failures),
		TEST(test_flush_inside_an_operation),
		TEST(test_read_only),
		TEST(test_absent),
		TEST(test_malformed),
		TEST(test_counted_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
