/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions served by an event loop: a descriptor that says when, and a function that never waits. */
#include "cmocka_setup.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_bench.h"

/* Start, and get the descriptor. */
static int begin(struct fake_bench *b)
{
	int fd = -1;

	fake_bench_start(b);
	assert_int_equal(fb_session_ready_fd(b->session, &fd), 0);
	assert_true(fd > 2);
	return fd;
}

static bool is_ready(int fd, int timeout_ms)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };

	return poll(&one, 1, timeout_ms) == 1 && (one.revents & POLLIN);
}

static void *greet(void *arg)
{
	fake_greet(arg);
	return NULL;
}

/* Have the greeting answered by the loop. */
static void serve_greeting(struct fake_bench *b, int fd)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, greet, b->fake), 0);
	assert_true(is_ready(fd, 10000));
	assert_int_equal(fb_session_work_ready(b->session, 0), 1);
	pthread_join(thread, NULL);
	assert_false(is_ready(fd, 0));
}

/* Go on as a loop does, until it is over. */
static void loop_to_end(struct fake_bench *b, int fd)
{
	int r = 0;

	while (r >= 0) {
		assert_true(is_ready(fd, 10000));
		r = fb_session_work_ready(b->session, 0);
	}
	assert_int_equal(r, -ENOTCONN);
	/* It stays so, and stays readable until the session is gone. */
	assert_int_equal(fb_session_work_ready(b->session, 0), -ENOTCONN);
}

static void test_serves_what_is_there(void **state)
{
	struct fake_bench *b = *state;
	int fd = begin(b);

	assert_false(is_ready(fd, 0));
	assert_int_equal(fb_session_work_ready(b->session, 0), 0);
	serve_greeting(b, fd);
	for (uint64_t i = 10; i < 100; i += 2) {
		fake_bench_getattr(b, i);
		assert_true(is_ready(fd, 10000));
		assert_int_equal(fb_session_work_ready(b->session, 0), 1);
		fake_bench_answered(b, i);
		assert_false(is_ready(fd, 0));
	}
	assert_int_equal(fake_bench_stats(b).workers, 1);
	fb_session_stop(b->session);
	loop_to_end(b, fd);
	assert_int_equal(fb_session_wait(b->session), 0);
	assert_int_equal(b->fake->shut_count, 1);
	assert_true(is_ready(fd, 0));
	assert_int_equal(fake_bench_stats(b).workers, 0);
}

/* A turn of the loop stays short; the descriptor says that there is more. */
static void test_at_most(void **state)
{
	struct fake_bench *b = *state;
	int fd = begin(b);

	serve_greeting(b, fd);
	for (uint64_t i = 10; i < 20; i += 2)
		fake_bench_getattr(b, i);
	assert_int_equal(fb_session_work_ready(b->session, 2), 2);
	assert_true(is_ready(fd, 0));
	assert_int_equal(fb_session_work_ready(b->session, 2), 2);
	assert_true(is_ready(fd, 0));
	assert_int_equal(fb_session_work_ready(b->session, 2), 1);
	assert_false(is_ready(fd, 0));
	assert_int_equal(fb_session_work_ready(b->session, 2), 0);
	for (uint64_t i = 10; i < 20; i += 2)
		fake_bench_answered(b, i);
	for (uint64_t i = 100; i < 240; i += 2)
		fake_bench_getattr(b, i);
	assert_int_equal(fb_session_work_ready(b->session, 0), 64);
	assert_int_equal(fb_session_work_ready(b->session, UINT32_MAX), 6);
}

static void test_the_same_descriptor(void **state)
{
	struct fake_bench *b = *state;
	int fd = begin(b), again = -1;

	assert_int_equal(fb_session_ready_fd(b->session, &again), 0);
	assert_int_equal(again, fd);
	fb_session_stop(b->session);
	loop_to_end(b, fd);
	assert_int_equal(fb_session_wait(b->session), 0);
	again = -7;
	assert_int_equal(fb_session_ready_fd(b->session, &again), -ENOTCONN);
	assert_int_equal(again, -7);
}

/* One that can not be had takes nobody's place. */
static void test_no_descriptor(void **state)
{
	struct fake_bench *b = *state;
	int fd = -7;

	b->options.workers = 1;
	fake_bench_start(b);
	b->fake->ready_error = -EOPNOTSUPP;
	assert_int_equal(fb_session_ready_fd(b->session, &fd), -EOPNOTSUPP);
	assert_int_equal(fd, -7);
	assert_int_equal(fb_session_work_ready(b->session, 0), -EINVAL);
	assert_int_equal(fake_bench_stats(b).workers, 0);
	b->fake->ready_error = 0;
	assert_int_equal(fb_session_ready_fd(b->session, &fd), 0);
	assert_int_equal(fb_session_work(b->session), -EBUSY);
	assert_int_equal(fake_bench_stats(b).workers, 1);
	assert_int_equal(b->fake->channels_most, 1);
}

static void test_no_place(void **state)
{
	struct fake_bench *b = *state;
	pthread_t thread;
	int fd = -7;

	b->options.workers = 1;
	fake_bench_start(b);
	thread = fake_bench_work(b);
	fake_greet(b->fake);
	assert_int_equal(fb_session_ready_fd(b->session, &fd), -EBUSY);
	assert_int_equal(fd, -7);
	fb_session_stop(b->session);
	assert_int_equal(fake_bench_worked(thread), 0);
}

static void test_client_leaves(void **state)
{
	struct fake_bench *b = *state;
	int fd = begin(b);

	serve_greeting(b, fd);
	shutdown(b->fake->client_fd, SHUT_RDWR);
	loop_to_end(b, fd);
	assert_int_equal(fb_session_wait(b->session), 0);
	assert_int_equal(mock_calls(&b->mock, MOCK_destroy), 1);
}

static void test_channel_breaks(void **state)
{
	struct fake_bench *b = *state;
	int fd = begin(b);

	serve_greeting(b, fd);
	b->fake->receive_error = -EIO;
	fake_bench_getattr(b, 10);
	assert_int_equal(fb_session_work_ready(b->session, 0), -EIO);
	assert_int_equal(fb_session_wait(b->session), -EIO);
	assert_true(is_ready(fd, 0));
	assert_int_equal(fb_session_work_ready(b->session, 0), -ENOTCONN);
}

/* The loop is elsewhere when the session ends: nobody waits for it. */
static void test_stop_without_the_loop(void **state)
{
	struct fake_bench *b = *state;
	int fd = begin(b);

	serve_greeting(b, fd);
	fb_session_stop(b->session);
	assert_int_equal(fb_session_wait(b->session), 0);
	assert_true(is_ready(fd, 0));
	assert_int_equal(fb_session_work_ready(b->session, 0), -ENOTCONN);
}

struct turn {
	struct fake_bench *bench;
	int result;
};

static void *take_turn(void *arg)
{
	struct turn *turn = arg;

	turn->result = fb_session_work_ready(turn->bench->session, 0);
	return NULL;
}

/* Begin a turn that blocks in a LOOKUP. */
static pthread_t block_a_turn(struct fake_bench *b, struct turn *turn)
{
	pthread_t thread;

	b->mock.acts[MOCK_lookup] = fake_bench_block;
	fake_bench_lookup(b, 10);
	assert_int_equal(pthread_create(&thread, NULL, take_turn, turn), 0);
	fake_bench_called(b, MOCK_lookup, 1);
	return thread;
}

static void test_one_thread_at_a_time(void **state)
{
	struct fake_bench *b = *state;
	struct turn turn = { b, 0 };
	int fd = begin(b);
	pthread_t thread;

	serve_greeting(b, fd);
	thread = block_a_turn(b, &turn);
	assert_int_equal(fb_session_work_ready(b->session, 0), -EBUSY);
	sem_post(&b->gate);
	pthread_join(thread, NULL);
	assert_int_equal(turn.result, 1);
	/* Another thread the next time. */
	fake_bench_answered(b, 10);
	fake_bench_getattr(b, 12);
	assert_int_equal(fb_session_work_ready(b->session, 0), 1);
}

static void *post_late(void *arg)
{
	struct fake_bench *b = arg;

	usleep(100000);
	sem_post(&b->gate);
	return NULL;
}

/* The end waits for a turn that is under way. */
static void test_unref_waits(void **state)
{
	struct fake_bench *b = *state;
	struct turn turn = { b, 0 };
	int fd = begin(b);
	pthread_t thread, poster;

	serve_greeting(b, fd);
	thread = block_a_turn(b, &turn);
	assert_int_equal(pthread_create(&poster, NULL, post_late, b), 0);
	fb_session_unref(b->session);
	b->session = NULL;
	pthread_join(thread, NULL);
	pthread_join(poster, NULL);
	assert_int_equal(turn.result, 1);
}

static int serve_again(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	int fd;

	(void)m;
	(void)op;
	if (fb_session_work_ready(fb_req_session(req), 0) != -EDEADLK)
		return -EIO;
	return fb_session_ready_fd(fb_req_session(req), &fd) == -EDEADLK ? r : -EIO;
}

/* A turn inside a turn would serve with what is in use. */
static void test_inside_an_operation(void **state)
{
	struct fake_bench *b = *state;
	int fd = begin(b);

	b->mock.acts[MOCK_getattr] = serve_again;
	serve_greeting(b, fd);
	fake_bench_getattr(b, 10);
	assert_int_equal(fb_session_work_ready(b->session, 0), 1);
	fake_bench_answered(b, 10);
}

static int hold(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	(void)req;
	(void)r;
	return FB_PENDING;
}

/* What the loop's own tasks complete later. */
static void test_pending(void **state)
{
	struct fake_bench *b = *state;
	int fd = begin(b);

	b->mock.acts[MOCK_getattr] = hold;
	serve_greeting(b, fd);
	fake_bench_getattr(b, 10);
	fake_bench_getattr(b, 12);
	assert_int_equal(fb_session_work_ready(b->session, 0), 2);
	assert_false(is_ready(fd, 0));
	assert_int_equal(mock_complete(&b->mock, 0), 0);
	fake_bench_answered(b, 10);
	assert_int_equal(mock_complete(&b->mock, 0), 0);
	fake_bench_answered(b, 12);
}

static atomic_bool interrupted;

static void wake(struct fb_req *req, void *arg)
{
	(void)req;
	(void)arg;
	interrupted = true;
}

static int hold_until_interrupted(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	fb_req_on_interrupt(req, wake, NULL);
	return hold(m, op, req, r);
}

/*
 * What is still held back when the session ends is interrupted; the loop hears of the end first, so that
 * its own tasks can complete it.
 */
static void test_pending_at_the_end(void **state)
{
	struct fake_bench *b = *state;
	int fd = begin(b);

	interrupted = false;
	b->mock.acts[MOCK_getattr] = hold_until_interrupted;
	serve_greeting(b, fd);
	fake_bench_getattr(b, 10);
	assert_int_equal(fb_session_work_ready(b->session, 0), 1);
	fb_session_stop(b->session);
	loop_to_end(b, fd);
	for (int ms = 0; ms < 10000 && !interrupted; ms++)
		poll(NULL, 0, 1);
	assert_true(interrupted);
	assert_int_equal(mock_calls(&b->mock, MOCK_destroy), 0);
	assert_int_equal(mock_complete(&b->mock, -EINTR), 0);
	assert_int_equal(fb_session_wait(b->session), 0);
	assert_int_equal(mock_calls(&b->mock, MOCK_destroy), 1);
	assert_int_equal(fake_bench_stats(b).pending, 0);
}

/* Others may serve beside the loop. */
static void test_beside_a_thread(void **state)
{
	struct fake_bench *b = *state;
	int fd = begin(b), served = 0;
	pthread_t thread = fake_bench_work(b);
	uint64_t unique;

	fake_greet(b->fake);
	for (uint64_t i = 10; i < 1010; i += 2) {
		fake_bench_getattr(b, i);
		if (is_ready(fd, 0))
			served = fb_session_work_ready(b->session, 0);
		assert_true(served >= 0);
		assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
	}
	fb_session_stop(b->session);
	loop_to_end(b, fd);
	assert_int_equal(fake_bench_worked(thread), 0);
}

/* The thread's mask is what it was; the waking signal gets through meanwhile. */
static int see_mask(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	sigset_t mask;

	(void)m;
	(void)op;
	(void)req;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	return sigismember(&mask, fb_wake_signal()) == 0 && sigismember(&mask, SIGINT) == 1 ? r :
											      -EIO;
}

static void test_blocked_signals(void **state)
{
	struct fake_bench *b = *state;
	sigset_t all, before, after;
	int fd = begin(b);

	b->mock.acts[MOCK_getattr] = see_mask;
	serve_greeting(b, fd);
	fake_bench_getattr(b, 10);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	assert_int_equal(fb_session_work_ready(b->session, 0), 1);
	pthread_sigmask(SIG_SETMASK, &before, &after);
	assert_int_equal(sigismember(&after, fb_wake_signal()), 1);
	fake_bench_answered(b, 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_bench_set_up, fake_bench_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_serves_what_is_there),
		TEST(test_at_most),
		TEST(test_the_same_descriptor),
		TEST(test_no_descriptor),
		TEST(test_no_place),
		TEST(test_client_leaves),
		TEST(test_channel_breaks),
		TEST(test_stop_without_the_loop),
		TEST(test_one_thread_at_a_time),
		TEST(test_unref_waits),
		TEST(test_inside_an_operation),
		TEST(test_pending),
		TEST(test_pending_at_the_end),
		TEST(test_beside_a_thread),
		TEST(test_blocked_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
