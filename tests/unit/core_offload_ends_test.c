/* SPDX-License-Identifier: BSD-3-Clause */
/* How requests end that other threads than the workers serve. */
#include "cmocka_setup.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/session.h"
#include "offload_bench.h"
#include "protocol/wire.h"

/* ---- held back ----------------------------------------------------------------------------------- */

static void test_completed_later(void **state)
{
	struct fake_bench *b = *state;

	b->mock.acts[MOCK_getattr] = offload_hold;
	offload_start(b);
	fake_bench_getattr(b, 10);
	assert_true(mock_wait_held(&b->mock, 1));
	assert_true(offload_elsewhere(b));
	offload_silence(b);
	assert_int_equal(fake_bench_stats(b).pending, 1);
	assert_int_equal(mock_complete(&b->mock, 0), 0);
	fake_bench_answered(b, 10);
	offload_all_over(b);
}

static int complete_and_pend(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	offload_note(m, op, req, r);
	if (fb_req_complete(req, r) != 0)
		abort();
	return MOCK_GONE;
}

static void test_completed_before_the_return(void **state)
{
	struct fake_bench *b = *state;

	b->mock.acts[MOCK_getattr] = complete_and_pend;
	offload_start(b);
	for (uint64_t i = 0; i < 100; i++)
		offload_getattr(b, 10 + 2 * i);
	offload_all_over(b);
}

static int complete_and_return(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	offload_note(m, op, req, r);
	if (fb_req_complete(req, -ESTALE) != 0)
		abort();
	return fake_bench_block(m, op, req, r);
}

/* A mistake: it has its answer; what it returns much later is nobody else's. */
static void test_completed_and_returned(void **state)
{
	struct fake_bench *b = *state;
	uint64_t unique, sum = 0;

	b->mock.acts[MOCK_getattr] = complete_and_return;
	b->mock.acts[MOCK_lookup] = offload_hold;
	offload_start(b);
	fake_bench_getattr(b, 10);
	offload_failed(b, 10, -ESTALE);
	for (uint64_t i = 0; i < 3; i++)
		fake_bench_lookup(b, 20 + 2 * i);
	assert_true(mock_wait_held(&b->mock, 3));
	sem_post(&b->gate);
	offload_silence(b);
	/* In the order in which the threads came. */
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(mock_complete(&b->mock, -ENOENT), 0);
		assert_int_equal(fake_receive(b->fake, &unique, 10000), -ENOENT);
		sum += unique;
	}
	assert_int_equal(sum, 20 + 22 + 24);
	offload_all_over(b);
}

/* Those in other threads are not held back, one that the driver keeps is. */
static void test_max_pending(void **state)
{
	struct fake_bench *b = *state;
	uint64_t unique;

	b->options.max_pending = 1;
	b->mock.acts[MOCK_getattr] = offload_block;
	b->mock.acts[MOCK_lookup] = offload_hold;
	offload_start(b);
	for (uint64_t i = 0; i < 6; i++)
		fake_bench_getattr(b, 10 + 2 * i);
	fake_bench_called(b, MOCK_getattr, 4);
	for (int i = 0; i < 6; i++)
		sem_post(&b->gate);
	for (int i = 0; i < 6; i++)
		assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
	offload_all_over(b);

	fake_bench_lookup(b, 100);
	assert_true(mock_wait_held(&b->mock, 1));
	/* Until the thread has come back the one is not seen to be held. */
	for (int ms = 0; ms < 10000 && b->session->offload.inside > 0; ms++)
		poll(NULL, 0, 1);
	b->mock.acts[MOCK_getattr] = NULL;
	fake_bench_getattr(b, 102);
	offload_failed(b, 102, -ENOMEM);
	assert_int_equal(mock_complete(&b->mock, -ENOENT), 0);
	offload_failed(b, 100, -ENOENT);
	offload_all_over(b);
	offload_getattr(b, 104);
}

/* ---- not delivered ------------------------------------------------------------------------------- */

static void test_undelivered(void **state)
{
	struct fake_bench *b = *state;
	struct fb_wire_open_in in = { 0 };

	offload_start(b);
	b->fake->send_error = -ENOENT;
	fake_bench_lookup(b, 10);
	fake_bench_called(b, MOCK_forget, 1);
	assert_true(offload_elsewhere(b));
	fake_send(b->fake, FB_OP_OPEN, 12, 5, &in, sizeof(in));
	fake_bench_called(b, MOCK_release, 1);
	assert_true(offload_elsewhere(b));
	offload_all_over(b);
	assert_int_equal(fake_bench_stats(b).undelivered, 2);
	assert_int_equal(mock_nodes_out(&b->mock), 0);
	assert_int_equal(mock_files_out(&b->mock), 0);
}

/* ---- interrupted --------------------------------------------------------------------------------- */

/* All threads wait for it: it does not wait for them. */
static void test_interrupt(void **state)
{
	struct fake_bench *b = *state;

	b->mock.acts[MOCK_lookup] = offload_await_interrupt;
	offload_start(b);
	for (uint64_t i = 0; i < 4; i++)
		fake_bench_lookup(b, 10 + 2 * i);
	fake_bench_called(b, MOCK_lookup, 4);
	for (uint64_t i = 0; i < 4; i++) {
		offload_interrupt(b, 10 + 2 * i);
		offload_failed(b, 10 + 2 * i, -EINTR);
	}
	assert_true(offload_elsewhere(b));
	assert_int_equal(fake_bench_stats(b).interrupts, 4);
	offload_all_over(b);
}

/* It is remembered, for as long as its target waits for a thread. */
static void test_interrupt_while_it_waits(void **state)
{
	struct fake_bench *b = *state;

	b->options.max_workers = 1;
	b->mock.acts[MOCK_getattr] = offload_block;
	b->mock.acts[MOCK_lookup] = offload_await_interrupt;
	offload_start(b);
	fake_bench_getattr(b, 10);
	fake_bench_called(b, MOCK_getattr, 1);
	fake_bench_lookup(b, 12);
	offload_interrupt(b, 12);
	poll(NULL, 0, 1200);
	/* Others come and go meanwhile; early interrupts that are old make room. */
	offload_interrupt(b, 4712);
	fake_bench_lookup(b, 14);
	offload_interrupt(b, 14);
	sem_post(&b->gate);
	fake_bench_answered(b, 10);
	offload_failed(b, 12, -EINTR);
	offload_failed(b, 14, -EINTR);
}

/* What only ends things does not wait behind those who are stuck. */
static void test_forget_goes_through(void **state)
{
	struct fake_bench *b = *state;
	struct fb_wire_forget_in in = { .nlookup = 1 };

	b->options.max_workers = 1;
	b->mock.acts[MOCK_getattr] = offload_block;
	offload_start(b);
	fake_bench_lookup(b, 8);
	fake_bench_answered(b, 8);
	fake_bench_getattr(b, 10);
	fake_bench_called(b, MOCK_getattr, 1);
	fake_send(b->fake, FB_OP_FORGET, 12, 5, &in, sizeof(in));
	fake_bench_called(b, MOCK_forget, 1);
	sem_post(&b->gate);
	fake_bench_answered(b, 10);
}

/* ---- sent again ------------------------------------------------------------------------------------ */

/* A copy of a request that waits for a thread is not a second request. */
static void test_resent_while_it_waits(void **state)
{
	struct fake_bench *b = *state;

	b->options.max_workers = 1;
	b->mock.acts[MOCK_getattr] = offload_block;
	offload_start(b);
	fake_bench_getattr(b, 10);
	fake_bench_called(b, MOCK_getattr, 1);
	fake_bench_lookup(b, 12);
	fake_bench_lookup(b, 12 | FB_UNIQUE_RESEND);
	/* The worker has seen them all when it has seen this. */
	offload_send(b, FB_OP_GETATTR, 14);
	offload_failed(b, 14, -EINVAL);
	sem_post(&b->gate);
	fake_bench_answered(b, 10);
	fake_bench_answered(b, 12 | FB_UNIQUE_RESEND);
	offload_silence(b);
	assert_int_equal(mock_calls(&b->mock, MOCK_lookup), 1);
}

/* ---- the end ---------------------------------------------------------------------------------------- */

/* The driver's destroy does not run while somebody is in the driver. */
static void test_stop_waits(void **state)
{
	struct fake_bench *b = *state;

	b->mock.acts[MOCK_getattr] = offload_block;
	offload_start(b);
	for (uint64_t i = 0; i < 6; i++)
		fake_bench_getattr(b, 10 + 2 * i);
	fake_bench_called(b, MOCK_getattr, 4);
	/* The worker has handed them all on when it has seen this. */
	offload_send(b, FB_OP_GETATTR, 30);
	offload_failed(b, 30, -EINVAL);
	fb_session_stop(b->session);
	usleep(100000);
	assert_int_equal(mock_calls(&b->mock, MOCK_destroy), 0);
	for (int i = 0; i < 6; i++)
		sem_post(&b->gate);
	assert_int_equal(fb_session_wait(b->session), 0);
	assert_int_equal(mock_calls(&b->mock, MOCK_getattr), 6);
	assert_int_equal(mock_calls(&b->mock, MOCK_destroy), 1);
	assert_int_equal(fake_bench_stats(b).pending, 0);
}

/* The same when the client says goodbye. */
static void test_goodbye_waits(void **state)
{
	struct fake_bench *b = *state;

	b->mock.acts[MOCK_getattr] = offload_block;
	offload_start(b);
	fake_bench_getattr(b, 10);
	fake_bench_called(b, MOCK_getattr, 1);
	offload_send(b, FB_OP_DESTROY, 12);
	offload_silence(b);
	assert_int_equal(mock_calls(&b->mock, MOCK_destroy), 0);
	sem_post(&b->gate);
	fake_bench_answered(b, 10);
	fake_bench_answered(b, 12);
	assert_int_equal(mock_calls(&b->mock, MOCK_destroy), 1);
}

/* More than there are threads: those that begin late are interrupted too. */
static void test_stop_interrupts(void **state)
{
	struct fake_bench *b = *state;

	b->mock.acts[MOCK_getattr] = offload_await_interrupt;
	offload_start(b);
	for (uint64_t i = 0; i < 40; i++)
		fake_bench_getattr(b, 10 + 2 * i);
	offload_send(b, FB_OP_GETATTR, 100);
	offload_failed(b, 100, -EINVAL);
	fb_session_stop(b->session);
	assert_int_equal(fb_session_wait(b->session), 0);
	assert_int_equal(mock_calls(&b->mock, MOCK_getattr), 40);
	assert_int_equal(fake_bench_stats(b).pending, 0);
}

static void test_unref_while_running(void **state)
{
	struct fake_bench *b = *state;

	b->mock.acts[MOCK_getattr] = offload_sleep;
	offload_start(b);
	for (uint64_t i = 0; i < 20; i++)
		fake_bench_getattr(b, 10 + 2 * i);
	fb_session_unref(b->session);
	b->session = NULL;
	assert_int_equal(mock_calls(&b->mock, MOCK_destroy), 1);
}

#define ROUNDS 500

static int sometimes(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	static atomic_uint calls;
	unsigned call = calls++;

	if (call % 5 == 0)
		usleep(100);
	if (call % 3 == 0)
		return complete_and_pend(m, op, req, r);
	return r;
}

/* All ways at once, with many in flight. */
static void test_many(void **state)
{
	struct fake_bench *b = *state;
	uint64_t unique, sum = 0;

	b->options.workers = 2;
	b->mock.acts[MOCK_getattr] = sometimes;
	offload_start(b);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		for (uint64_t j = 0; j < 8; j++)
			fake_bench_getattr(b, 2 * (8 * i + j + 1));
		for (unsigned j = 0; j < 8; j++) {
			assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
			sum += unique / 2;
		}
	}
	assert_true(sum == (uint64_t)8 * ROUNDS * (8 * ROUNDS + 1) / 2);
	assert_int_equal(mock_calls(&b->mock, MOCK_getattr), 8 * ROUNDS);
	offload_all_over(b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, offload_set_up, fake_bench_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_completed_later),
		TEST(test_completed_before_the_return),
		TEST(test_completed_and_returned),
		TEST(test_max_pending),
		TEST(test_undelivered),
		TEST(test_interrupt),
		TEST(test_interrupt_while_it_waits),
		TEST(test_forget_goes_through),
		TEST(test_resent_while_it_waits),
		TEST(test_stop_waits),
		TEST(test_goodbye_waits),
		TEST(test_stop_interrupts),
		TEST(test_unref_while_running),
		TEST(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
