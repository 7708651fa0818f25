/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_bench.h"

#include "cmocka_setup.h"

#include <poll.h>

#include "protocol/wire.h"

#define PATIENCE_MS 10000

/* Static, because it is large; each test has it to itself. */
static struct fake_bench bench;

int fake_bench_set_up(void **state)
{
	mock_init(&bench.mock);
	bench.mock.arg = &bench;
	bench.options =
		(struct fb_session_options){ .size = sizeof(bench.options), .own_threads = true };
	bench.session = NULL;
	sem_init(&bench.gate, 0, 0);
	*state = &bench;
	return 0;
}

int fake_bench_tear_down(void **state)
{
	struct fake_bench *b = *state;

	/* A test that failed may have left somebody waiting. */
	for (int i = 0; i < 1000; i++)
		sem_post(&b->gate);
	fb_session_unref(b->session);
	assert_int_equal(mock_calls(&b->mock, MOCK_init), mock_calls(&b->mock, MOCK_destroy));
	mock_fini(&b->mock);
	sem_destroy(&b->gate);
	return 0;
}

void fake_bench_attach(struct fake_bench *b)
{
	assert_int_equal(fb_session_new(&b->mock.ops, &b->mock, &b->options, &b->session), 0);
	b->fake = fake_transport_attach(b->session);
}

void fake_bench_start(struct fake_bench *b)
{
	fake_bench_attach(b);
	assert_int_equal(fb_session_start(b->session), 0);
}

struct fb_session_stats fake_bench_stats(struct fake_bench *b)
{
	struct fb_session_stats stats = { .size = sizeof(stats) };

	fb_session_stats_all(b->session, &stats);
	return stats;
}

void fake_bench_getattr(struct fake_bench *b, uint64_t unique)
{
	struct fb_wire_getattr_in in = { 0 };

	fake_send(b->fake, FB_OP_GETATTR, unique, 1, &in, sizeof(in));
}

void fake_bench_lookup(struct fake_bench *b, uint64_t unique)
{
	fake_send(b->fake, FB_OP_LOOKUP, unique, 1, "a", 2);
}

void fake_bench_answered(struct fake_bench *b, uint64_t unique)
{
	uint64_t answered = 0;

	assert_int_equal(fake_receive(b->fake, &answered, PATIENCE_MS), 0);
	assert_int_equal(answered, unique);
}

int fake_bench_block(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	struct fake_bench *b = m->arg;

	(void)op;
	(void)req;
	while (sem_wait(&b->gate) < 0)
		continue;
	return r;
}

void fake_bench_called(struct fake_bench *b, enum mock_op op, unsigned count)
{
	for (int ms = 0; ms < PATIENCE_MS && mock_calls(&b->mock, op) < count; ms++)
		poll(NULL, 0, 1);
	assert_int_equal(mock_calls(&b->mock, op), count);
}

static void *work(void *arg)
{
	return (void *)(intptr_t)fb_session_work(arg);
}

pthread_t fake_bench_work(struct fake_bench *b)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, work, b->session), 0);
	return thread;
}

int fake_bench_worked(pthread_t thread)
{
	void *r;

	pthread_join(thread, &r);
	return (int)(intptr_t)r;
}
