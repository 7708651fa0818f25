/* SPDX-License-Identifier: BSD-3-Clause */
/* Worker threads: how many there are, that they rest, and how they end. */
#include "cmocka_setup.h"

#include <errno.h>
#include <pthread.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/session.h"
#include "fake_transport.h"
#include "mock_driver.h"
#include "protocol/wire.h"

struct bench {
	struct mock mock;
	struct fb_session_options options;
	struct fb_session *session;
	struct fake_transport *fake;
};

/* Static, because it is large; each test has it to itself. */
static struct bench bench;
static sem_t gate;

static int set_up(void **state)
{
	mock_init(&bench.mock);
	bench.options = (struct fb_session_options){ .size = sizeof(bench.options) };
	bench.options.workers = 2;
	bench.options.max_workers = 6;
	sem_init(&gate, 0, 0);
	*state = &bench;
	return 0;
}

static void start(struct bench *b)
{
	assert_int_equal(fb_session_new(&b->mock.ops, &b->mock, &b->options, &b->session), 0);
	b->fake = fake_transport_attach(b->session);
	assert_int_equal(fb_session_start(b->session), 0);
	fake_greet(b->fake);
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	/* A test that failed may have left somebody waiting. */
	for (int i = 0; i < 1000; i++)
		sem_post(&gate);
	fb_session_unref(b->session);
	b->session = NULL;
	assert_int_equal(mock_calls(&b->mock, MOCK_init), mock_calls(&b->mock, MOCK_destroy));
	mock_fini(&b->mock);
	sem_destroy(&gate);
	return 0;
}

static struct fb_session_stats stats(struct bench *b)
{
	struct fb_session_stats stats = { .size = sizeof(stats) };

	fb_session_stats_all(b->session, &stats);
	return stats;
}

static int block(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	(void)req;
	while (sem_wait(&gate) < 0)
		continue;
	return r;
}

static int dawdle(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	(void)req;
	usleep(5000);
	return r;
}

static void send_getattr(struct bench *b, uint64_t unique)
{
	struct fb_wire_getattr_in in = { 0 };

	fake_send(b->fake, FB_OP_GETATTR, unique, 1, &in, sizeof(in));
}

static void test_serves(void **state)
{
	struct bench *b = *state;
	uint64_t unique = 0;

	start(b);
	assert_int_equal(fb_session_wait_ready(b->session, 0), 0);
	for (uint64_t i = 4; i < 200; i += 2) {
		send_getattr(b, i);
		assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
		assert_int_equal(unique, i);
	}
	assert_int_equal(stats(b).workers, 2);
	fb_session_stop(b->session);
	assert_int_equal(fb_session_wait(b->session), 0);
	assert_int_equal(b->fake->shut_count, 1);
	assert_int_equal(stats(b).workers, 0);
}

/* With numbers from first on. */
static void send_lookups(struct bench *b, uint64_t first, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		fake_send(b->fake, FB_OP_LOOKUP, first + 2 * i, 1, "a", 2);
}

/* Let as many as this through that block() holds; all are answered. */
static void release(struct bench *b, unsigned count)
{
	uint64_t unique;

	for (unsigned i = 0; i < count; i++)
		sem_post(&gate);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
}

/* All workers are stuck in the driver: others come, so that the rest is served. */
static void test_grows_when_all_are_stuck(void **state)
{
	struct bench *b = *state;
	uint64_t unique = 0;

	b->mock.acts[MOCK_lookup] = block;
	start(b);
	send_lookups(b, 100, 5);
	send_getattr(b, 50);
	assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
	assert_int_equal(unique, 50);
	/* The fifth may be on its way into the driver. */
	for (int ms = 0; ms < 10000 && mock_calls(&b->mock, MOCK_lookup) < 5; ms++)
		poll(NULL, 0, 1);
	assert_int_equal(mock_calls(&b->mock, MOCK_lookup), 5);
	assert_int_equal(stats(b).workers, 6);
	release(b, 5);
}

static void test_not_beyond_the_limit(void **state)
{
	struct bench *b = *state;
	uint64_t unique;

	b->options.max_workers = 3;
	b->mock.acts[MOCK_lookup] = block;
	start(b);
	send_lookups(b, 100, 3);
	send_getattr(b, 50);
	assert_int_equal(fake_receive(b->fake, &unique, 300), -ETIMEDOUT);
	assert_int_equal(stats(b).workers, 3);
	for (int i = 0; i < 3; i++)
		sem_post(&gate);
	for (int i = 0; i < 4; i++)
		assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
	assert_int_equal(stats(b).workers_peak, 3);
}

/* One worker stays one, so that a driver need not be thread-safe. */
static void test_one_worker(void **state)
{
	struct bench *b = *state;
	uint64_t unique;

	b->options.workers = 1;
	b->options.max_workers = 0;
	b->mock.acts[MOCK_lookup] = block;
	start(b);
	fake_send(b->fake, FB_OP_LOOKUP, 100, 1, "a", 2);
	send_getattr(b, 50);
	assert_int_equal(fake_receive(b->fake, &unique, 300), -ETIMEDOUT);
	assert_int_equal(stats(b).workers_peak, 1);
	sem_post(&gate);
	assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
	assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
}

static void test_shrinks_when_calm(void **state)
{
	struct bench *b = *state;
	uint64_t unique;

	b->mock.acts[MOCK_lookup] = block;
	start(b);
	send_lookups(b, 100, 4);
	send_getattr(b, 50);
	assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
	release(b, 4);
	for (int i = 0; i < 100 && stats(b).workers > 2; i++)
		usleep(50000);
	assert_int_equal(stats(b).workers, 2);
	assert_true(stats(b).workers_peak > 2);
	/* And grows again, with the channels that it has. */
	send_lookups(b, 200, 4);
	send_getattr(b, 60);
	assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
	assert_int_equal(unique, 60);
	release(b, 4);
	assert_true(b->fake->channels_most <= 6);
}

/* Operations that wait a little each never look stuck, but all workers are always inside one. */
static void test_grows_with_waiting_operations(void **state)
{
	struct bench *b = *state;
	uint64_t unique;

	b->mock.acts[MOCK_lookup] = dawdle;
	start(b);
	send_lookups(b, 100, 300);
	for (int i = 0; i < 300; i++)
		assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
	assert_true(stats(b).workers_peak > 2);
}

static long switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw;
}

static void assert_asleep(void)
{
	struct timespec before, after;
	long woken = switches();

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	usleep(500000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	/* The keeper, awake, would make fifty; this sleep is one, a sanitizer has some of its own. */
	assert_true(switches() - woken <= 15);
	assert_true((after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec <
		    20000000L);
}

static void test_idle_costs_nothing(void **state)
{
	struct bench *b = *state;
	uint64_t unique;

	start(b);
	send_getattr(b, 50);
	assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
	sleep(2);
	assert_asleep();
}

/* A request that waits in the driver for ever, as a lock does, keeps nobody awake. */
static void test_one_stuck_costs_nothing(void **state)
{
	struct bench *b = *state;
	uint64_t unique;

	b->mock.acts[MOCK_lookup] = block;
	start(b);
	fake_send(b->fake, FB_OP_LOOKUP, 100, 1, "a", 2);
	send_getattr(b, 50);
	assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
	sleep(3);
	assert_asleep();
	sem_post(&gate);
	assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
}

/* The same with so many that more workers were started: those are needed, and nobody looks on. */
static void test_many_stuck_cost_nothing(void **state)
{
	struct bench *b = *state;
	uint64_t unique;

	b->mock.acts[MOCK_lookup] = block;
	start(b);
	send_lookups(b, 100, 5);
	send_getattr(b, 50);
	assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
	assert_int_equal(unique, 50);
	sleep(3);
	assert_asleep();
	release(b, 5);
}

/* Rest and then a burst of requests that block: somebody has to notice. */
static void test_grows_after_a_rest(void **state)
{
	struct bench *b = *state;
	uint64_t unique;

	b->mock.acts[MOCK_lookup] = block;
	start(b);
	sleep(3);
	for (uint64_t i = 0; i < 2; i++)
		fake_send(b->fake, FB_OP_LOOKUP, 100 + 2 * i, 1, "a", 2);
	send_getattr(b, 50);
	assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
	assert_int_equal(unique, 50);
	sem_post(&gate);
	sem_post(&gate);
	assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
	assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
}

static void test_client_leaves(void **state)
{
	struct bench *b = *state;

	start(b);
	shutdown(b->fake->client_fd, SHUT_RDWR);
	assert_int_equal(fb_session_wait(b->session), 0);
	assert_int_equal(mock_calls(&b->mock, MOCK_destroy), 1);
	assert_int_equal(fb_session_wait_ready(b->session, 0), -ECONNREFUSED);
}

static void test_channel_breaks(void **state)
{
	struct bench *b = *state;

	start(b);
	b->fake->receive_error = -EIO;
	send_getattr(b, 50);
	assert_int_equal(fb_session_wait(b->session), -EIO);
}

static void wake(struct fb_req *req, void *arg)
{
	(void)req;
	sem_post(arg);
}

static int block_interruptibly(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	fb_req_on_interrupt(req, wake, &gate);
	while (!fb_req_interrupted(req))
		sem_wait(&gate);
	fb_req_on_interrupt(req, NULL, NULL);
	return r < 0 ? r : -EINTR;
}

static void test_stop_interrupts(void **state)
{
	struct bench *b = *state;

	b->mock.acts[MOCK_getattr] = block_interruptibly;
	start(b);
	for (uint64_t i = 0; i < 5; i++)
		send_getattr(b, 100 + 2 * i);
	while (mock_calls(&b->mock, MOCK_getattr) < 5)
		usleep(1000);
	fb_session_stop(b->session);
	assert_int_equal(fb_session_wait(b->session), 0);
}

/* Stopping while requests keep coming: whatever begins late is interrupted too. */
static void test_stop_under_load(void **state)
{
	struct bench *b = *state;

	b->mock.acts[MOCK_getattr] = block_interruptibly;
	start(b);
	for (uint64_t i = 0; i < 100; i++)
		send_getattr(b, 100 + 2 * i);
	fb_session_stop(b->session);
	assert_int_equal(fb_session_wait(b->session), 0);
}

static int hold_until_interrupted(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	(void)r;
	fb_req_on_interrupt(req, wake, &gate);
	return FB_PENDING;
}

static void *complete_when_woken(void *arg)
{
	sem_wait(&gate);
	usleep(50000);
	return (void *)(intptr_t)mock_complete(arg, -EINTR);
}

/* The driver's destroy does not run before what it holds back is over. */
static void test_stop_waits_for_pending(void **state)
{
	struct bench *b = *state;
	pthread_t thread;
	void *r;

	b->mock.acts[MOCK_getattr] = hold_until_interrupted;
	start(b);
	send_getattr(b, 100);
	assert_true(mock_wait_held(&b->mock, 1));
	assert_int_equal(pthread_create(&thread, NULL, complete_when_woken, &b->mock), 0);
	fb_session_stop(b->session);
	assert_int_equal(fb_session_wait(b->session), 0);
	assert_int_equal(stats(b).pending, 0);
	assert_int_equal(b->mock.held_count, 0);
	pthread_join(thread, &r);
	assert_int_equal((intptr_t)r, 0);
	assert_int_equal(stats(b).undelivered, 1);
}

static void test_unref_while_running(void **state)
{
	struct bench *b = *state;

	start(b);
	send_getattr(b, 100);
	fb_session_unref(b->session);
	b->session = NULL;
	assert_int_equal(mock_calls(&b->mock, MOCK_destroy), 1);
}

static void test_stop_before_start(void **state)
{
	struct bench *b = *state;

	assert_int_equal(fb_session_new(&b->mock.ops, &b->mock, &b->options, &b->session), 0);
	b->fake = fake_transport_attach(b->session);
	fb_session_stop(b->session);
	assert_int_equal(fb_session_run(b->session), 0);
	assert_int_equal(fb_session_wait_ready(b->session, -1), -ECONNREFUSED);
}

static void test_never_started(void **state)
{
	struct bench *b = *state;

	assert_int_equal(fb_session_new(&b->mock.ops, &b->mock, &b->options, &b->session), 0);
	b->fake = fake_transport_attach(b->session);
	assert_int_equal(fb_session_wait(b->session), -ENOTCONN);
	assert_int_equal(fb_session_wait_ready(b->session, 30), -ETIMEDOUT);
}

static void test_start_twice(void **state)
{
	struct bench *b = *state;

	start(b);
	assert_int_equal(fb_session_start(b->session), -EALREADY);
	assert_string_not_equal(fb_last_error(), "");
	fb_session_stop(b->session);
	assert_int_equal(fb_session_wait(b->session), 0);
	assert_int_equal(fb_session_wait(b->session), 0);
	assert_int_equal(fb_session_start(b->session), -EALREADY);
}

static void *wait_for_end(void *arg)
{
	return (void *)(intptr_t)fb_session_wait(arg);
}

static void test_two_who_wait(void **state)
{
	struct bench *b = *state;
	pthread_t threads[2];
	void *r;

	start(b);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, wait_for_end, b->session), 0);
	usleep(20000);
	fb_session_stop(b->session);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &r);
		assert_int_equal((intptr_t)r, 0);
	}
}

static void test_failing_start(void **state)
{
	struct bench *b = *state;
	uint64_t unique;

	assert_int_equal(fb_session_new(&b->mock.ops, &b->mock, &b->options, &b->session), 0);
	b->fake = fake_transport_attach(b->session);
	b->fake->open_error = -EMFILE;
	b->fake->open_limit = 1;
	assert_true(fb_session_start(b->session) < 0);
	assert_string_not_equal(fb_last_error(), "");
	/* Once there is room it starts as if nothing had been. */
	b->fake->open_error = 0;
	assert_int_equal(fb_session_start(b->session), 0);
	fake_greet(b->fake);
	send_getattr(b, 50);
	assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
}

#define CROWD 3

static void *load(void *arg)
{
	struct bench *b = arg;

	for (uint64_t i = 0; i < 500; i++)
		send_getattr(b, 1000 + 2 * i);
	return NULL;
}

static void test_many_requests(void **state)
{
	struct bench *b = *state;
	pthread_t threads[CROWD];
	uint64_t unique;

	b->options.workers = 4;
	start(b);
	for (int i = 0; i < CROWD; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, load, b), 0);
	for (int i = 0; i < CROWD * 500; i++)
		assert_int_equal(fake_receive(b->fake, &unique, 10000), 0);
	for (int i = 0; i < CROWD; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(mock_calls(&b->mock, MOCK_getattr), CROWD * 500);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_serves),
		TEST(test_grows_when_all_are_stuck),
		TEST(test_not_beyond_the_limit),
		TEST(test_one_worker),
		TEST(test_shrinks_when_calm),
		TEST(test_grows_with_waiting_operations),
		TEST(test_idle_costs_nothing),
		TEST(test_one_stuck_costs_nothing),
		TEST(test_many_stuck_cost_nothing),
		TEST(test_grows_after_a_rest),
		TEST(test_client_leaves),
		TEST(test_channel_breaks),
		TEST(test_stop_interrupts),
		TEST(test_stop_under_load),
		TEST(test_stop_waits_for_pending),
		TEST(test_unref_while_running),
		TEST(test_stop_before_start),
		TEST(test_never_started),
		TEST(test_start_twice),
		TEST(test_two_who_wait),
		TEST(test_failing_start),
		TEST(test_many_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
