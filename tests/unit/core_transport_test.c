/* SPDX-License-Identifier: BSD-3-Clause */
/* What a transport asks of the core: features, threads, and that its workers look up. */
#include "cmocka_setup.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "core/session.h"
#include "fake_bench.h"
#include "protocol/wire.h"

#define PATIENCE_MS 10000
#define URING_FLAGS (FB_INIT_INIT_EXT | FB_INIT_OVER_IO_URING | FB_INIT_ASYNC_READ)

static struct fb_transport_ops ops;
static int (*real_receive)(struct fb_channel *channel, struct fb_req *req);
static atomic_uint woken, starving, ticks;
static struct fb_conn prepared;
static unsigned preparations;
static uint64_t refused;

static int set_up(void **state)
{
	struct fake_bench *b;
	int r = fake_bench_set_up(state);

	b = *state;
	b->options.own_threads = false;
	b->options.workers = 1;
	b->options.max_workers = 4;
	woken = starving = ticks = 0;
	preparations = 0;
	refused = 0;
	return r;
}

static int receive(struct fb_channel *channel, struct fb_req *req)
{
	int r = real_receive(channel, req);

	if (r == -EINTR)
		woken++;
	return r;
}

static uint64_t prepare(struct fb_transport *transport, const struct fb_conn *conn)
{
	(void)transport;
	prepared = *conn;
	preparations++;
	return refused;
}

/* Ask for so many more, once. */
static unsigned tick(struct fb_transport *transport)
{
	(void)transport;
	ticks++;
	return atomic_exchange(&starving, 0);
}

/* Attach with a copy of its operations, to be changed. */
static void attach(struct fake_bench *b)
{
	fake_bench_attach(b);
	ops = *b->fake->transport.ops;
	real_receive = ops.receive;
	b->fake->transport.ops = &ops;
}

static void begin(struct fake_bench *b)
{
	assert_int_equal(fb_session_start(b->session), 0);
	fake_greet(b->fake);
}

/* ---- features ------------------------------------------------------------------------------------- */

/* Greet with these features. Returns those of the answer, which are those that everybody hears of. */
static uint64_t greet(struct fake_bench *b, uint64_t offered)
{
	struct fb_wire_init_in in = { .major = 7,
				      .minor = 45,
				      .flags = (uint32_t)offered,
				      .flags2 = (uint32_t)(offered >> 32) };
	struct fb_conn conn = { .size = sizeof(conn) };
	struct {
		struct fb_wire_out_header header;
		struct fb_wire_init_out out;
	} answer = { 0 };
	uint64_t granted;

	assert_int_equal(fb_session_start(b->session), 0);
	fake_send(b->fake, FB_OP_INIT, 2, 0, &in, sizeof(in));
	assert_int_equal(recv(b->fake->client_fd, &answer, sizeof(answer), 0), sizeof(answer));
	assert_int_equal(answer.header.error, 0);
	granted = answer.out.flags | (uint64_t)answer.out.flags2 << 32;
	/* The second word counts only with its own bit. */
	assert_true(!!answer.out.flags2 == !!(answer.out.flags & FB_INIT_INIT_EXT));
	fb_session_conn(b->session, &conn);
	assert_true(conn.wanted == granted);
	/* It goes on, whatever has been settled. */
	fake_bench_getattr(b, 10);
	fake_bench_answered(b, 10);
	return granted;
}

static void test_granted(void **state)
{
	struct fake_bench *b = *state;
	uint64_t granted;

	attach(b);
	ops.prepare = prepare;
	b->fake->transport.features_wanted = FB_INIT_OVER_IO_URING;
	granted = greet(b, URING_FLAGS);
	assert_true(granted & FB_INIT_OVER_IO_URING);
	/* It was told what has been settled. */
	assert_int_equal(preparations, 1);
	assert_true(prepared.wanted == granted);
	assert_int_equal(prepared.minor, 45);
	assert_int_equal(prepared.max_write, 16384);
}

static void test_granted_without_preparation(void **state)
{
	struct fake_bench *b = *state;

	attach(b);
	b->fake->transport.features_wanted = FB_INIT_OVER_IO_URING;
	assert_true(greet(b, URING_FLAGS) & FB_INIT_OVER_IO_URING);
}

static void test_not_offered(void **state)
{
	struct fake_bench *b = *state;

	attach(b);
	b->fake->transport.features_wanted = FB_INIT_OVER_IO_URING;
	assert_false(greet(b, URING_FLAGS & ~FB_INIT_OVER_IO_URING) & FB_INIT_OVER_IO_URING);
}

/* Its bit is in the second word. */
static void test_offered_without_the_second_word(void **state)
{
	struct fake_bench *b = *state;

	attach(b);
	b->fake->transport.features_wanted = FB_INIT_OVER_IO_URING;
	assert_false(greet(b, URING_FLAGS & ~FB_INIT_INIT_EXT) & FB_INIT_OVER_IO_URING);
}

static void test_avoided(void **state)
{
	struct fake_bench *b = *state;

	b->options.avoid = FB_INIT_OVER_IO_URING;
	attach(b);
	ops.prepare = prepare;
	b->fake->transport.features_wanted = FB_INIT_OVER_IO_URING;
	assert_false(greet(b, URING_FLAGS) & FB_INIT_OVER_IO_URING);
	assert_false(prepared.wanted & FB_INIT_OVER_IO_URING);
}

static void test_the_transport_does_not_want_it(void **state)
{
	struct fake_bench *b = *state;

	b->options.want = FB_INIT_OVER_IO_URING;
	attach(b);
	assert_false(greet(b, URING_FLAGS) & FB_INIT_OVER_IO_URING);
}

/* That it wants something else does not make it able to do this. */
static void test_the_transport_wants_another(void **state)
{
	struct fake_bench *b = *state;

	b->options.want = FB_INIT_OVER_IO_URING;
	attach(b);
	b->fake->transport.features_wanted = FB_INIT_SPLICE_READ;
	assert_false(greet(b, URING_FLAGS) & FB_INIT_OVER_IO_URING);
}

static void test_preparation_fails(void **state)
{
	struct fake_bench *b = *state;
	uint64_t granted;

	b->options.want = FB_INIT_OVER_IO_URING;
	refused = FB_INIT_OVER_IO_URING;
	attach(b);
	ops.prepare = prepare;
	b->fake->transport.features_wanted = FB_INIT_OVER_IO_URING;
	granted = greet(b, URING_FLAGS);
	assert_int_equal(preparations, 1);
	assert_true(prepared.wanted & FB_INIT_OVER_IO_URING);
	/* That one is taken back, the rest stays. */
	assert_true(granted == (prepared.wanted & ~FB_INIT_OVER_IO_URING & ~FB_INIT_INIT_EXT));
	assert_true(granted & FB_INIT_ASYNC_READ);
}

/* ---- threads ---------------------------------------------------------------------------------------- */

static void wait_workers(struct fake_bench *b, unsigned count)
{
	for (int ms = 0; ms < PATIENCE_MS && fake_bench_stats(b).workers != count; ms++)
		poll(NULL, 0, 1);
	assert_int_equal(fake_bench_stats(b).workers, count);
}

static void wait_ticks(unsigned count)
{
	unsigned until = ticks + count;

	for (int ms = 0; ms < PATIENCE_MS && ticks < until; ms++)
		poll(NULL, 0, 1);
	assert_true(ticks >= until);
}

/* Keep it awake: somebody is in a request. */
static void keep_busy(struct fake_bench *b)
{
	fake_bench_lookup(b, 100);
	fake_bench_called(b, MOCK_lookup, 1);
}

static void let_go(struct fake_bench *b)
{
	sem_post(&b->gate);
	fake_bench_answered(b, 100);
}

/* The transport asks for more workers, and gets them as far as there may be. */
static void test_more_workers(void **state)
{
	struct fake_bench *b = *state;

	b->options.workers = 2;
	b->mock.acts[MOCK_lookup] = fake_bench_block;
	attach(b);
	ops.tick = tick;
	b->fake->transport.keeps_workers = true;
	begin(b);
	keep_busy(b);
	/* One of two is free: of itself the keeper starts none. */
	wait_ticks(5);
	assert_int_equal(fake_bench_stats(b).workers, 2);
	starving = 1;
	wait_workers(b, 3);
	starving = 7;
	wait_workers(b, 4);
	wait_ticks(5);
	assert_int_equal(fake_bench_stats(b).workers_peak, 4);
	let_go(b);
}

/* Nobody is sent away where each has something that only it serves. */
static void test_workers_are_kept(void **state)
{
	struct fake_bench *b = *state;

	b->mock.acts[MOCK_lookup] = fake_bench_block;
	attach(b);
	ops.tick = tick;
	b->fake->transport.keeps_workers = true;
	begin(b);
	keep_busy(b);
	starving = 3;
	wait_workers(b, 4);
	let_go(b);
	/* It decides every sixteen ticks, while something happens. */
	for (uint64_t i = 0; i < 60; i++) {
		fake_bench_getattr(b, 200 + 2 * i);
		fake_bench_answered(b, 200 + 2 * i);
		wait_ticks(1);
	}
	assert_int_equal(fake_bench_stats(b).workers, 4);
	/* Once it lets them go they go. */
	atomic_store(&b->fake->transport.keeps_workers, false);
	fake_bench_getattr(b, 10);
	fake_bench_answered(b, 10);
	wait_workers(b, 1);
}

static void test_workers_at_least(void **state)
{
	struct fake_bench *b = *state;

	attach(b);
	b->fake->transport.workers = 3;
	b->fake->transport.keeps_workers = true;
	begin(b);
	assert_int_equal(fake_bench_stats(b).workers, 3);
	assert_int_equal(b->fake->channels_open, 3);
}

/* As many as there are anyway. */
static void test_workers_enough(void **state)
{
	struct fake_bench *b = *state;

	b->options.workers = 3;
	attach(b);
	b->fake->transport.workers = 2;
	begin(b);
	assert_int_equal(fake_bench_stats(b).workers, 3);
}

static void test_wake(void **state)
{
	struct fake_bench *b = *state;

	b->options.workers = 3;
	attach(b);
	ops.receive = receive;
	begin(b);
	assert_int_equal(woken, 0);
	for (int ms = 0; ms < PATIENCE_MS && woken < 3; ms++) {
		fb_workers_wake(&b->session->workers);
		poll(NULL, 0, 1);
	}
	assert_true(woken >= 3);
	/* They go on. */
	fake_bench_getattr(b, 10);
	fake_bench_answered(b, 10);
	assert_int_equal(fake_bench_stats(b).workers, 3);
}

/* Who has the list may have to wait for us: that is no place to wait. */
static void test_wake_does_not_wait(void **state)
{
	struct fake_bench *b = *state;

	attach(b);
	ops.receive = receive;
	begin(b);
	pthread_mutex_lock(&b->session->workers.lock);
	fb_workers_wake(&b->session->workers);
	pthread_mutex_unlock(&b->session->workers.lock);
	assert_int_equal(woken, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fake_bench_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_granted),
		TEST(test_granted_without_preparation),
		TEST(test_not_offered),
		TEST(test_offered_without_the_second_word),
		TEST(test_avoided),
		TEST(test_the_transport_does_not_want_it),
		TEST(test_the_transport_wants_another),
		TEST(test_preparation_fails),
		TEST(test_more_workers),
		TEST(test_workers_are_kept),
		TEST(test_workers_at_least),
		TEST(test_workers_enough),
		TEST(test_wake),
		TEST(test_wake_does_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
