/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes that a driver gives instead of having them copied: sent from where they lie, let go once. */
#include "cmocka_setup.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "core/io.h"
#include "fake_bench.h"
#include "protocol/wire.h"

#define SIZE 8192u

static uint8_t data[SIZE];
static atomic_uint released;
static unsigned released_inside; /* while the operation ran */
static pthread_t released_by;

static void release(void *arg)
{
	assert_ptr_equal(arg, data);
	released_by = pthread_self();
	atomic_fetch_add(&released, 1);
}

/* How the driver gives. */
static struct {
	size_t before, give, after; /* bytes */
	int given_result;           /* of fb_sink_give() */
	int result;                 /* of the operation; 0: as it comes */
	bool twice, no_release;
} how;

static int give(struct mock *m, enum mock_op op, struct fb_req *req, int r, struct fb_sink *to)
{
	(void)m;
	(void)op;
	(void)req;
	assert_int_equal(fb_sink_put(to, data, how.before), 0);
	how.given_result = fb_sink_give(to, data, how.give, how.no_release ? NULL : release, data);
	if (how.twice)
		assert_int_equal(fb_sink_give(to, data + how.give, 100, release, data), 0);
	assert_int_equal(fb_sink_put(to, data, how.after), 0);
	released_inside = atomic_load(&released);
	return how.result ? how.result : r;
}

static int do_read(void *self, struct fb_req *req, uint64_t node, uint64_t fh, struct fb_sink *to,
		   size_t count, uint64_t off)
{
	(void)node;
	(void)fh;
	(void)count;
	(void)off;
	return give(self, MOCK_read, req, 0, to);
}

static int do_getxattr(void *self, struct fb_req *req, uint64_t node, const char *name,
		       struct fb_sink *to, size_t size)
{
	(void)node;
	(void)name;
	(void)size;
	return give(self, MOCK_getxattr, req, 0, to);
}

static int do_ioctl(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		    const struct fb_ioctl *call, struct fb_sink *to, int32_t *ret_result)
{
	(void)node;
	(void)fh;
	(void)call;
	*ret_result = 17;
	return give(self, MOCK_ioctl, req, 0, to);
}

static struct fb_req *held;

static int give_and_hold(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
			 struct fb_sink *to, size_t count, uint64_t off)
{
	int r = do_read(self, req, node, fh, to, count, off);

	held = req;
	return r < 0 ? r : FB_PENDING;
}

static int fd;

static int set_up(void **state)
{
	struct fake_bench *b;

	for (size_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)(i * 7 + 1);
	memset(&how, 0, sizeof(how));
	how.give = 5000;
	atomic_store(&released, 0);
	released_inside = 0;
	fake_bench_set_up(state);
	b = *state;
	b->mock.ops.read = do_read;
	b->mock.ops.getxattr = do_getxattr;
	b->mock.ops.ioctl = do_ioctl;
	return 0;
}

static void *greet(void *arg)
{
	fake_greet(arg);
	return NULL;
}

static void start(struct fake_bench *b)
{
	pthread_t thread;

	fake_bench_start(b);
	assert_int_equal(fb_session_ready_fd(b->session, &fd), 0);
	assert_int_equal(pthread_create(&thread, NULL, greet, b->fake), 0);
	while (fb_session_work_ready(b->session, 0) == 0)
		poll(NULL, 0, 1);
	pthread_join(thread, NULL);
}

struct answer {
	struct fb_wire_out_header header;
	uint8_t body[2 * SIZE];
};

/* Returns how many bytes the answer has, its header left out. */
static size_t receive(struct fake_bench *b, struct answer *ret_answer)
{
	struct pollfd one = { .fd = b->fake->client_fd, .events = POLLIN };
	ssize_t n;

	assert_int_equal(poll(&one, 1, 10000), 1);
	n = recv(b->fake->client_fd, ret_answer, sizeof(*ret_answer), 0);
	assert_true(n >= (ssize_t)sizeof(ret_answer->header));
	assert_int_equal(ret_answer->header.len, n);
	return (size_t)n - sizeof(ret_answer->header);
}

static void send_read(struct fake_bench *b, uint32_t size)
{
	const struct fb_wire_read_in in = { .fh = 1, .size = size };

	fake_send(b->fake, FB_OP_READ, 10, 1, &in, sizeof(in));
}

/* Serve a READ and take the answer. */
static size_t read_some(struct fake_bench *b, uint32_t size, struct answer *ret_answer)
{
	send_read(b, size);
	assert_int_equal(fb_session_work_ready(b->session, 0), 1);
	return receive(b, ret_answer);
}

static struct fb_stats read_stats(struct fake_bench *b)
{
	struct fb_stats stats = { 0 };

	for (size_t i = 0; fb_session_stats_op(b->session, i, &stats); i++)
		if (strcmp(stats.name, "READ") == 0)
			return stats;
	fail();
	return stats;
}

static void test_sent_from_where_it_lies(void **state)
{
	struct fake_bench *b = *state;
	struct answer answer;

	start(b);
	assert_int_equal(read_some(b, SIZE, &answer), 5000);
	assert_int_equal(how.given_result, 0);
	assert_memory_equal(answer.body, data, 5000);
	assert_ptr_equal(b->fake->given, data);
	assert_int_equal(released_inside, 0);
	assert_int_equal(released, 1);
	assert_int_equal(read_stats(b).bytes_out, sizeof(answer.header) + 5000);
	/* What the request carried goes into no other answer. */
	how.give = 0;
	how.after = 10;
	assert_int_equal(read_some(b, SIZE, &answer), 10);
	assert_null(b->fake->given);
	assert_int_equal(released, 2);
}

/* As much as was asked for, and not one byte more. */
static void test_too_large(void **state)
{
	struct fake_bench *b = *state;
	struct answer answer;

	start(b);
	assert_int_equal(read_some(b, 5000, &answer), 5000);
	assert_int_equal(how.given_result, 0);
	assert_int_equal(released, 1);
	assert_int_equal(read_some(b, 4999, &answer), 0);
	assert_int_equal(how.given_result, -ERANGE);
	assert_int_equal(released, 1);
	assert_int_equal(answer.header.error, 0);
}

static void test_error_after_it(void **state)
{
	struct fake_bench *b = *state;
	struct answer answer;

	how.result = -EIO;
	start(b);
	assert_int_equal(read_some(b, SIZE, &answer), 0);
	assert_int_equal(answer.header.error, -EIO);
	assert_int_equal(released_inside, 0);
	assert_int_equal(released, 1);
	assert_null(b->fake->given);
}

static void test_answer_is_dropped(void **state)
{
	struct fake_bench *b = *state;

	start(b);
	b->fake->send_error = -ENOENT;
	send_read(b, SIZE);
	assert_int_equal(fb_session_work_ready(b->session, 0), 1);
	assert_int_equal(released, 1);
	assert_int_equal(fake_bench_stats(b).undelivered, 1);
}

/* A request that is refused after one that gave lets nothing go a second time. */
static void test_refused_request_after_it(void **state)
{
	struct fake_bench *b = *state;
	struct answer answer;

	start(b);
	assert_int_equal(read_some(b, SIZE, &answer), 5000);
	fake_send(b->fake, FB_OP_READ, 12, 1, "short", 5);
	assert_int_equal(fb_session_work_ready(b->session, 0), 1);
	assert_int_equal(receive(b, &answer), 0);
	assert_true(answer.header.error < 0);
	assert_int_equal(released, 1);
}

static void *complete(void *arg)
{
	(void)arg;
	assert_int_equal(fb_req_complete(held, how.result ? -ENXIO : 0), 0);
	return NULL;
}

/* Kept until the driver completes the request, in whatever thread. */
static void test_pending(void **state)
{
	struct fake_bench *b = *state;
	struct answer answer;
	pthread_t thread;

	b->mock.ops.read = give_and_hold;
	start(b);
	for (unsigned i = 1; i <= 2; i++) {
		send_read(b, SIZE);
		assert_int_equal(fb_session_work_ready(b->session, 0), 1);
		assert_int_equal(released, i - 1);
		how.result = i == 2;
		assert_int_equal(pthread_create(&thread, NULL, complete, NULL), 0);
		assert_int_equal(receive(b, &answer), i == 2 ? 0 : 5000);
		pthread_join(thread, NULL);
		assert_int_equal(released, i);
		assert_true(pthread_equal(released_by, thread));
	}
	assert_int_equal(answer.header.error, -ENXIO);
}

static int give_and_complete(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
			     struct fb_sink *to, size_t count, uint64_t off)
{
	int r = do_read(self, req, node, fh, to, count, off);

	assert_int_equal(fb_req_complete(req, 0), 0);
	released_inside = atomic_load(&released);
	return r;
}

/* Also by a driver that makes the mistake to return a result after it has given one. */
static void test_completed_and_returned(void **state)
{
	struct fake_bench *b = *state;
	struct answer answer;

	b->mock.ops.read = give_and_complete;
	start(b);
	assert_int_equal(read_some(b, SIZE, &answer), 5000);
	assert_int_equal(released_inside, 1);
	assert_int_equal(released, 1);
}

/* Behind other bytes, before others, between others: all of them arrive in their order. */
static void test_among_others(void **state)
{
	struct fake_bench *b = *state;
	struct answer answer;

	start(b);
	how.before = 30;
	assert_int_equal(read_some(b, SIZE, &answer), 5030);
	assert_int_equal(released_inside, 1);
	assert_null(b->fake->given);
	assert_memory_equal(answer.body, data, 30);
	assert_memory_equal(answer.body + 30, data, 5000);
	how.after = 40;
	assert_int_equal(read_some(b, SIZE, &answer), 5070);
	assert_memory_equal(answer.body + 5030, data, 40);
	assert_int_equal(released, 2);
	how.before = 0;
	assert_int_equal(read_some(b, SIZE, &answer), 5040);
	assert_null(b->fake->given);
	assert_memory_equal(answer.body, data, 5000);
	assert_memory_equal(answer.body + 5000, data, 40);
	assert_int_equal(released, 3);
}

static void test_twice(void **state)
{
	struct fake_bench *b = *state;
	struct answer answer;

	how.twice = true;
	start(b);
	assert_int_equal(read_some(b, SIZE, &answer), 5100);
	assert_memory_equal(answer.body, data, 5100);
	assert_int_equal(released_inside, 1);
	assert_int_equal(released, 2);
}

static void test_nothing(void **state)
{
	struct fake_bench *b = *state;
	struct answer answer;

	how.give = 0;
	start(b);
	assert_int_equal(read_some(b, SIZE, &answer), 0);
	assert_int_equal(how.given_result, 0);
	assert_int_equal(released_inside, 1);
	assert_int_equal(released, 1);
}

/* Bytes that are there for ever. */
static void test_without_release(void **state)
{
	struct fake_bench *b = *state;
	struct answer answer;

	how.no_release = true;
	start(b);
	assert_int_equal(read_some(b, SIZE, &answer), 5000);
	assert_ptr_equal(b->fake->given, data);
	how.before = 1;
	assert_int_equal(read_some(b, SIZE, &answer), 5001);
	assert_int_equal(released, 0);
}

/* Other operations with a sink: one that has a struct before its bytes, one without room. */
static void test_other_operations(void **state)
{
	const struct fb_wire_ioctl_in in = { .fh = 1, .cmd = 7, .out_size = 6000 };
	struct {
		struct fb_wire_getxattr_in in;
		char name[8];
	} get = { { .size = 0 }, "user.a" };
	struct fb_wire_ioctl_out out;
	struct fake_bench *b = *state;
	struct answer answer;

	start(b);
	fake_send(b->fake, FB_OP_IOCTL, 10, 1, &in, sizeof(in));
	assert_int_equal(fb_session_work_ready(b->session, 0), 1);
	assert_int_equal(receive(b, &answer), sizeof(out) + 5000);
	memcpy(&out, answer.body, sizeof(out));
	assert_int_equal(out.result, 17);
	assert_memory_equal(answer.body + sizeof(out), data, 5000);
	assert_int_equal(released, 1);
	how.result = 5000;
	fake_send(b->fake, FB_OP_GETXATTR, 12, 1, &get, sizeof(get.in) + 7);
	assert_int_equal(fb_session_work_ready(b->session, 0), 1);
	assert_int_equal(receive(b, &answer), sizeof(struct fb_wire_getxattr_out));
	assert_int_equal(how.given_result, -ERANGE);
	assert_int_equal(released, 1);
}

/* A transport that can not: copied, and let go at once. */
static void test_loopback(void **state)
{
	const struct {
		struct fb_wire_in_header header;
		struct fb_wire_read_in in;
	} message = { .header = { .len = sizeof(message),
				  .opcode = FB_OP_READ,
				  .unique = 4,
				  .nodeid = 1 },
		      .in = { .fh = 1, .size = SIZE } };
	struct fake_bench *b = *state;
	struct fb_loopback *loop;
	struct answer answer;

	assert_int_equal(fb_session_new(&b->mock.ops, &b->mock, NULL, &b->session), 0);
	assert_int_equal(fb_loopback_new(b->session, NULL, &loop), 0);
	assert_int_equal(fb_loopback_send(loop, &message, sizeof(message), &answer, sizeof(answer)),
			 sizeof(answer.header) + 5000);
	assert_memory_equal(answer.body, data, 5000);
	assert_int_equal(released_inside, 1);
	assert_int_equal(released, 1);
	fb_loopback_free(loop);
}

/* Room in pieces, as a guest's: what does not fit into the first is copied over all. */
static void test_room_in_pieces(void **state)
{
	uint8_t room[2][100] = { { 0 } };
	struct iovec iov[2] = { { room[0], 100 }, { room[1], 100 } };
	struct fb_sink to;

	(void)state;
	fb_sink_init(&to, iov, 2);
	to.takes_given = true;
	assert_int_equal(fb_sink_give(&to, data, 150, release, data), 0);
	assert_int_equal(released, 1);
	assert_null(fb_sink_settle(&to));
	assert_memory_equal(room[0], data, 100);
	assert_memory_equal(room[1], data + 100, 50);
	fb_sink_init(&to, NULL, 0);
	to.takes_given = true;
	assert_int_equal(fb_sink_give(&to, data, 1, release, data), -ERANGE);
	assert_int_equal(released, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fake_bench_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sent_from_where_it_lies),
		TEST(test_too_large),
		TEST(test_error_after_it),
		TEST(test_answer_is_dropped),
		TEST(test_refused_request_after_it),
		TEST(test_pending),
		TEST(test_completed_and_returned),
		TEST(test_among_others),
		TEST(test_twice),
		TEST(test_nothing),
		TEST(test_without_release),
		TEST(test_other_operations),
		TEST(test_loopback),
		TEST(test_room_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
