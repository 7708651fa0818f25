/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions served by threads of the program: they serve, are woken, and go. */
#include "cmocka_setup.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fake_bench.h"
#include "protocol/wire.h"

#define SOON_NS 2000000000

static void join(struct fake_bench *b, unsigned count)
{
	for (int ms = 0; ms < 10000 && fake_bench_stats(b).workers < count; ms++)
		poll(NULL, 0, 1);
	assert_int_equal(fake_bench_stats(b).workers, count);
}

static void stop(struct fake_bench *b)
{
	fb_session_stop(b->session);
	assert_int_equal(fb_session_wait(b->session), 0);
	assert_int_equal(fake_bench_stats(b).workers, 0);
}

/* No thread of the library serves anything. */
static void test_nobody_else_serves(void **state)
{
	struct fake_bench *b = *state;
	uint64_t unique;
	pthread_t thread;

	fake_bench_start(b);
	assert_int_equal(fake_bench_stats(b).workers, 0);
	fake_send(b->fake, FB_OP_INIT, 2, 0, NULL, 0);
	assert_int_equal(fake_receive(b->fake, &unique, 100), -ETIMEDOUT);
	thread = fake_bench_work(b);
	assert_true(fake_receive(b->fake, &unique, 10000) != -ETIMEDOUT);
	stop(b);
	assert_int_equal(fake_bench_worked(thread), 0);
	assert_int_equal(b->fake->shut_count, 1);
}

/* Three threads: two of them blocked in the driver, the third goes on. No fourth is started. */
static void test_several_threads(void **state)
{
	struct fake_bench *b = *state;
	pthread_t threads[3];
	uint64_t unique;

	b->mock.acts[MOCK_lookup] = fake_bench_block;
	fake_bench_start(b);
	for (int i = 0; i < 3; i++)
		threads[i] = fake_bench_work(b);
	fake_greet(b->fake);
	fake_bench_lookup(b, 10);
	fake_bench_lookup(b, 12);
	fake_bench_called(b, MOCK_lookup, 2);
	fake_bench_getattr(b, 14);
	fake_bench_answered(b, 14);
	fake_bench_lookup(b, 16);
	fake_bench_called(b, MOCK_lookup, 3);
	fake_bench_getattr(b, 18);
	assert_int_equal(fake_receive(b->fake, &unique, 300), -ETIMEDOUT);
	assert_int_equal(fake_bench_stats(b).workers_peak, 3);
	for (int i = 0; i < 3; i++)
		sem_post(&b->gate);
	for (int i = 0; i < 4; i++)
		assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
	stop(b);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fake_bench_worked(threads[i]), 0);
}

/* options.workers is how many there may be. */
static void test_one_too_many(void **state)
{
	struct fake_bench *b = *state;
	pthread_t threads[2];

	b->options.workers = 2;
	b->options.max_workers = 1; /* has no meaning here */
	fake_bench_start(b);
	for (int i = 0; i < 2; i++)
		threads[i] = fake_bench_work(b);
	join(b, 2);
	assert_int_equal(fb_session_work(b->session), -EBUSY);
	assert_string_not_equal(fb_last_error(), "");
	stop(b);
	for (int i = 0; i < 2; i++)
		assert_int_equal(fake_bench_worked(threads[i]), 0);
}

static int stop_it(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	fb_session_stop(fb_req_session(req));
	return r;
}

static void *greet_and_ask(void *arg)
{
	struct fake_bench *b = arg;

	fake_greet(b->fake);
	/* The answer may come too late for the transport, whose end this brings. */
	fake_bench_getattr(b, 10);
	return NULL;
}

/* The thread of fb_session_run() serves; an operation ends it. */
static void test_run(void **state)
{
	struct fake_bench *b = *state;
	pthread_t client;

	b->mock.acts[MOCK_getattr] = stop_it;
	fake_bench_attach(b);
	assert_int_equal(pthread_create(&client, NULL, greet_and_ask, b), 0);
	assert_int_equal(fb_session_run(b->session), 0);
	pthread_join(client, NULL);
	assert_int_equal(fake_bench_stats(b).workers_peak, 1);
	assert_int_equal(mock_calls(&b->mock, MOCK_destroy), 1);
}

/* Where threads cannot be had for it, fb_session_run() ends the session instead of waiting. */
static void test_run_without_a_channel(void **state)
{
	struct fake_bench *b = *state;

	fake_bench_attach(b);
	b->fake->open_error = -EMFILE;
	assert_int_equal(fb_session_run(b->session), -EMFILE);
	assert_int_equal(b->fake->shut_count, 1);
}

static atomic_bool handled;

static void on_signal(int number)
{
	(void)number;
	handled = true;
}

static void *work_with_blocked_signals(void *arg)
{
	struct fake_bench *b = arg;
	sigset_t all, after;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	r = fb_session_work(b->session);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	return (void *)(intptr_t)(r == 0 && sigismember(&after, fb_wake_signal()) == 1);
}

/* A thread that blocks all signals is woken all the same, and blocks them afterwards. */
static void test_blocked_signal(void **state)
{
	struct fake_bench *b = *state;
	pthread_t thread;
	void *restored;

	fake_bench_start(b);
	assert_int_equal(pthread_create(&thread, NULL, work_with_blocked_signals, b), 0);
	fake_greet(b->fake);
	stop(b);
	pthread_join(thread, &restored);
	assert_true((bool)restored);
}

/* Signals of the program do not end the call; that of a handler which stops the session does. */
static void test_other_signals(void **state)
{
	struct fake_bench *b = *state;
	struct sigaction action = { .sa_handler = on_signal }, before;
	pthread_t thread;

	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	handled = false;
	fake_bench_start(b);
	thread = fake_bench_work(b);
	fake_greet(b->fake);
	pthread_kill(thread, SIGUSR1);
	while (!handled)
		poll(NULL, 0, 1);
	fake_bench_getattr(b, 10);
	fake_bench_answered(b, 10);
	stop(b);
	assert_int_equal(fake_bench_worked(thread), 0);
	sigaction(SIGUSR1, &before, NULL);
}

static struct fb_session *to_stop;

static void stop_on_signal(int number)
{
	(void)number;
	fb_session_stop(to_stop);
}

static void *interrupt_main(void *arg)
{
	fake_greet(((struct fake_bench *)arg)->fake);
	pthread_kill(*(pthread_t *)((struct fake_bench *)arg)->mock.arg, SIGUSR1);
	return NULL;
}

/* A handler in the serving thread itself stops the session. */
static void test_stop_in_a_signal_handler(void **state)
{
	struct fake_bench *b = *state;
	struct sigaction action = { .sa_handler = stop_on_signal }, before;
	pthread_t self = pthread_self(), thread;

	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	fake_bench_start(b);
	to_stop = b->session;
	b->mock.arg = &self;
	assert_int_equal(pthread_create(&thread, NULL, interrupt_main, b), 0);
	assert_int_equal(fb_session_work(b->session), 0);
	assert_int_equal(fb_session_wait(b->session), 0);
	pthread_join(thread, NULL);
	sigaction(SIGUSR1, &before, NULL);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Nobody has ever come: nothing waits for them. */
static void test_stop_without_threads(void **state)
{
	struct fake_bench *b = *state;
	uint64_t began = now_ns();

	fake_bench_start(b);
	fake_bench_getattr(b, 10);
	stop(b);
	assert_true(now_ns() - began < SOON_NS);
	assert_int_equal(b->fake->shut_count, 1);
	/* Who comes late has nothing to do. */
	assert_int_equal(fb_session_work(b->session), 0);
}

static void test_unref_without_threads(void **state)
{
	struct fake_bench *b = *state;

	fake_bench_start(b);
	fb_session_unref(b->session);
	b->session = NULL;
}

/* The client leaves: all threads hear of it, and fb_session_wait() too. */
static void test_client_leaves(void **state)
{
	struct fake_bench *b = *state;
	pthread_t threads[2];

	fake_bench_start(b);
	for (int i = 0; i < 2; i++)
		threads[i] = fake_bench_work(b);
	fake_greet(b->fake);
	join(b, 2);
	shutdown(b->fake->client_fd, SHUT_RDWR);
	for (int i = 0; i < 2; i++)
		assert_int_equal(fake_bench_worked(threads[i]), 0);
	assert_int_equal(fb_session_wait(b->session), 0);
	assert_int_equal(mock_calls(&b->mock, MOCK_destroy), 1);
}

/* A channel breaks: every thread returns what went wrong, late ones as well. */
static void test_channel_breaks(void **state)
{
	struct fake_bench *b = *state;
	pthread_t threads[2];

	fake_bench_start(b);
	for (int i = 0; i < 2; i++)
		threads[i] = fake_bench_work(b);
	fake_greet(b->fake);
	join(b, 2);
	b->fake->receive_error = -EIO;
	fake_bench_getattr(b, 10);
	for (int i = 0; i < 2; i++)
		assert_int_equal(fake_bench_worked(threads[i]), -EIO);
	assert_int_equal(fb_session_wait(b->session), -EIO);
	assert_int_equal(fb_session_work(b->session), -EIO);
}

static void *post_late(void *arg)
{
	struct fake_bench *b = arg;

	usleep(100000);
	sem_post(&b->gate);
	return NULL;
}

/* The last reference waits for a thread that is inside an operation. */
static void test_unref_waits(void **state)
{
	struct fake_bench *b = *state;
	pthread_t thread, poster;

	b->mock.acts[MOCK_lookup] = fake_bench_block;
	fake_bench_start(b);
	thread = fake_bench_work(b);
	fake_greet(b->fake);
	fake_bench_lookup(b, 10);
	fake_bench_called(b, MOCK_lookup, 1);
	assert_int_equal(pthread_create(&poster, NULL, post_late, b), 0);
	fb_session_unref(b->session);
	b->session = NULL;
	assert_int_equal(mock_calls(&b->mock, MOCK_destroy), 1);
	assert_int_equal(fake_bench_worked(thread), 0);
	pthread_join(poster, NULL);
}

static int serve_again(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	return fb_session_work(fb_req_session(req)) == -EDEADLK ? r : -EIO;
}

static void test_inside_an_operation(void **state)
{
	struct fake_bench *b = *state;
	pthread_t thread;

	b->mock.acts[MOCK_getattr] = serve_again;
	fake_bench_start(b);
	thread = fake_bench_work(b);
	fake_greet(b->fake);
	fake_bench_getattr(b, 10);
	fake_bench_answered(b, 10);
	stop(b);
	assert_int_equal(fake_bench_worked(thread), 0);
}

/* Threads come and the session ends at the same time, again and again. */
static void test_coming_while_it_ends(void **state)
{
	struct fake_bench *b = *state;

	for (int round = 0; round < 50; round++) {
		pthread_t threads[3];

		fake_bench_start(b);
		for (int i = 0; i < 3; i++)
			threads[i] = fake_bench_work(b);
		fb_session_stop(b->session);
		for (int i = 0; i < 3; i++)
			assert_int_equal(fake_bench_worked(threads[i]), 0);
		assert_int_equal(fb_session_wait(b->session), 0);
		fb_session_unref(b->session);
		b->session = NULL;
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_bench_set_up, fake_bench_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nobody_else_serves),    TEST(test_several_threads),
		TEST(test_one_too_many),          TEST(test_run),
		TEST(test_run_without_a_channel), TEST(test_blocked_signal),
		TEST(test_other_signals),         TEST(test_stop_in_a_signal_handler),
		TEST(test_stop_without_threads),  TEST(test_unref_without_threads),
		TEST(test_client_leaves),         TEST(test_channel_breaks),
		TEST(test_unref_waits),           TEST(test_inside_an_operation),
		TEST(test_coming_while_it_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
