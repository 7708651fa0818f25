/* SPDX-License-Identifier: BSD-3-Clause */
#include "offload_bench.h"

#include "cmocka_setup.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/session.h"
#include "protocol/wire.h"

#define PATIENCE_MS 10000
#define SILENCE_MS 100
#define SLEEP_US 20000
#define IN_A_ROW 20
#define MANY 5000

static atomic_int last_tid; /* 0: nobody since it was forgotten */

int offload_set_up(void **state)
{
	struct fake_bench *b;
	int r = fake_bench_set_up(state);

	b = *state;
	b->options.own_threads = false;
	b->options.workers = 1;
	b->options.max_workers = 4;
	b->mock.act_any = offload_note;
	last_tid = 0;
	return r;
}

void offload_start(struct fake_bench *b)
{
	fake_bench_start(b);
	fake_greet(b->fake);
	atomic_store(&b->fake->transport.offloads, true);
	last_tid = 0;
}

int offload_note(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	(void)req;
	last_tid = gettid();
	return r;
}

int offload_sleep(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	usleep(SLEEP_US);
	return offload_note(m, op, req, r);
}

int offload_block(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	return fake_bench_block(m, op, req, offload_note(m, op, req, r));
}

static void wake(struct fb_req *req, void *arg)
{
	(void)req;
	sem_post(arg);
}

int offload_await_interrupt(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	sem_t woken;

	sem_init(&woken, 0, 0);
	fb_req_on_interrupt(req, wake, &woken);
	while (!fb_req_interrupted(req))
		sem_wait(&woken);
	fb_req_on_interrupt(req, NULL, NULL);
	sem_destroy(&woken);
	offload_note(m, op, req, r);
	return -EINTR;
}

int offload_hold(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	offload_note(m, op, req, r);
	return FB_PENDING;
}

static bool is_worker(struct fb_workers *workers, pid_t tid)
{
	bool found = false;

	pthread_mutex_lock(&workers->lock);
	for (struct fb_worker *w = workers->list; w; w = w->next)
		found |= atomic_load(&w->tid) == tid;
	pthread_mutex_unlock(&workers->lock);
	return found;
}

bool offload_elsewhere(struct fake_bench *b)
{
	pid_t tid = atomic_exchange(&last_tid, 0);

	assert_int_not_equal(tid, 0);
	return !is_worker(&b->session->workers, tid);
}

void offload_make_quick(struct fake_bench *b)
{
	unsigned row = 0;

	for (unsigned i = 0; i < MANY && row < IN_A_ROW; i++) {
		offload_getattr(b, 1000000 + 2 * i);
		row = offload_elsewhere(b) ? 0 : row + 1;
	}
	assert_int_equal(row, IN_A_ROW);
}

void offload_send(struct fake_bench *b, uint32_t opcode, uint64_t unique)
{
	fake_send(b->fake, opcode, unique, 1, NULL, 0);
}

void offload_getattr(struct fake_bench *b, uint64_t unique)
{
	fake_bench_getattr(b, unique);
	fake_bench_answered(b, unique);
}

void offload_failed(struct fake_bench *b, uint64_t unique, int error)
{
	uint64_t answered = 0;

	assert_int_equal(fake_receive(b->fake, &answered, PATIENCE_MS), error);
	assert_int_equal(answered, unique);
}

void offload_silence(struct fake_bench *b)
{
	uint64_t unique;

	assert_int_equal(fake_receive(b->fake, &unique, SILENCE_MS), -ETIMEDOUT);
}

void offload_interrupt(struct fake_bench *b, uint64_t unique)
{
	struct fb_wire_interrupt_in in = { .unique = unique };

	fake_send(b->fake, FB_OP_INTERRUPT, unique | 1, 0, &in, sizeof(in));
}

void offload_all_over(struct fake_bench *b)
{
	for (int ms = 0; ms < PATIENCE_MS && fake_bench_stats(b).pending > 0; ms++)
		poll(NULL, 0, 1);
	assert_int_equal(fake_bench_stats(b).pending, 0);
}
