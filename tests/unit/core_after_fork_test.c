/* SPDX-License-Identifier: BSD-3-Clause */
/* A child that outlives its server does not keep the connection open. */
#include "cmocka_setup.h"

#include <errno.h>
#include <libfb/loopback.h>
#include <libfb/virtio_fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_bench.h"
#include "protocol/wire.h"

#define SOON_MS 10000

/* What a child does first; then it waits until the test hangs up. */
static void live_on(struct fb_session *session, int until)
{
	char byte;

	fb_session_after_fork(session);
	_exit(read(until, &byte, 1) == 0 ? 0 : 1);
}

/* A server whose child lives on, and that dies without a word. */
static void serve_and_die(const struct fake_bench *b, int connection, int until)
{
	struct fb_session *session;
	pid_t child;

	if (fb_session_new(&b->mock.ops, NULL, &b->options, &session) < 0 ||
	    fb_virtio_fs_attach(session, connection, NULL) < 0)
		_exit(1);
	child = fork();
	if (child == 0)
		live_on(session, until);
	_exit(child < 0 ? 1 : 0);
}

/* Returns the other end of a connection to such a server. */
static int dead_server(const struct fake_bench *b, int until, int keep)
{
	int ends[2], status;
	pid_t server;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	server = fork();
	if (server == 0) {
		close(ends[1]);
		close(keep);
		serve_and_die(b, ends[0], until);
	}
	close(ends[0]);
	assert_int_equal(waitpid(server, &status, 0), server);
	assert_int_equal(status, 0);
	return ends[1];
}

static void test_a_front_end_is_hung_up_on(void **state)
{
	int alive[2], connection;
	struct pollfd hung_up;

	assert_int_equal(pipe(alive), 0);
	connection = dead_server(*state, alive[0], alive[1]);
	hung_up = (struct pollfd){ .fd = connection, .events = POLLIN };
	assert_int_equal(poll(&hung_up, 1, SOON_MS), 1);
	assert_true(hung_up.revents & POLLHUP);
	close(connection);
	close(alive[0]);
	close(alive[1]);
}

/* Neither does the child's session wake anybody in the parent, nor end what it serves. */
static void test_the_parent_goes_on(void **state)
{
	struct fake_bench *b = *state;
	pthread_t thread;
	int status;
	pid_t child;

	fake_bench_start(b);
	thread = fake_bench_work(b);
	fake_greet(b->fake);
	child = fork();
	if (child == 0) {
		fb_session_after_fork(b->session);
		fb_session_stop(b->session);
		_exit(b->fake->server_fd == -1 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	fake_bench_getattr(b, 10);
	fake_bench_answered(b, 10);
	fb_session_stop(b->session);
	assert_int_equal(fb_session_wait(b->session), 0);
	assert_int_equal(fake_bench_worked(thread), 0);
}

/* A loopback belongs to whoever has its memory. */
static void test_a_loopback_stays(void **state)
{
	struct fake_bench *b = *state;
	const struct fb_wire_getattr_in in = { 0 };
	struct {
		struct fb_wire_in_header header;
		struct fb_wire_getattr_in body;
	} message = { { .len = sizeof(message), .opcode = FB_OP_GETATTR, .unique = 2, .nodeid = 1 },
		      in };
	struct fb_loopback *loopback;
	char answer[256];

	assert_int_equal(fb_session_new(&b->mock.ops, &b->mock, &b->options, &b->session), 0);
	assert_int_equal(fb_loopback_new(b->session, NULL, &loopback), 0);
	fb_session_after_fork(b->session);
	assert_true(fb_loopback_send(loopback, &message, sizeof(message), answer, sizeof(answer)) >
		    0);
	fb_loopback_free(loopback);
}

static void test_nothing_attached(void **state)
{
	struct fake_bench *b = *state;

	assert_int_equal(fb_session_new(&b->mock.ops, &b->mock, &b->options, &b->session), 0);
	fb_session_after_fork(b->session);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_bench_set_up, fake_bench_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_front_end_is_hung_up_on),
		TEST(test_the_parent_goes_on),
		TEST(test_a_loopback_stays),
		TEST(test_nothing_attached),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
