/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions made and used wrongly. */
#include "refused.h"

#include <signal.h>

#include "mock_driver.h"

static struct mock mock;
static struct fb_session_options options;

static int set_up(void **state)
{
	mock_init(&mock);
	options = (struct fb_session_options){ .size = sizeof(options) };
	*state = &mock;
	return 0;
}

static int tear_down(void **state)
{
	mock_fini(*state);
	return 0;
}

#define UNTOUCHED ((struct fb_session *)&mock)

static void assert_no_session(int error)
{
	struct fb_session *session = UNTOUCHED;

	REFUSED(error, fb_session_new(&mock.ops, &mock, &options, &session));
	assert_ptr_equal(session, UNTOUCHED);
}

static void test_operations(void **state)
{
	struct fb_session *session = UNTOUCHED;

	(void)state;
	REFUSED(EINVAL, fb_session_new(NULL, NULL, NULL, &session));
	REFUSED(EINVAL, fb_session_new(&mock.ops, NULL, NULL, NULL));
	mock.ops.size = 0;
	assert_no_session(EINVAL);
	mock.ops.size = sizeof(size_t) - 1;
	assert_no_session(EINVAL);
	mock.ops.size = sizeof(size_t);
	assert_int_equal(fb_session_new(&mock.ops, NULL, NULL, &session), 0);
	fb_session_unref(session);
}

static void test_options(void **state)
{
	(void)state;
	options.size = 0;
	assert_no_session(EINVAL);
	options.size = sizeof(options);
	options.workers = 5;
	options.max_workers = 4;
	assert_no_session(EINVAL);
	options.max_workers = 0;
	options.workers = 1025;
	assert_no_session(EINVAL);
	options.workers = 0;
	options.max_workers = 1025;
	assert_no_session(EINVAL);
	options.max_workers = 0;
	options.max_write = UINT32_MAX;
	assert_no_session(EINVAL);
	options.max_write = 0;
	options.want = options.avoid = FB_INIT_POSIX_ACL;
	assert_no_session(EINVAL);
}

/* A newer program with a larger struct. */
static void test_larger_options(void **state)
{
	struct {
		struct fb_session_options known;
		uint64_t unknown[4];
	} larger = { .known = { .size = sizeof(larger), .read_only = true } };
	struct fb_session *session;

	(void)state;
	assert_int_equal(fb_session_new(&mock.ops, &mock, &larger.known, &session), 0);
	fb_session_unref(session);
}

/* A program that was built with a smaller struct keeps what lies behind it. */
static void test_smaller_conn(void **state)
{
	struct fb_session *session;
	struct fb_loopback *loop;
	struct fb_conn conn;

	(void)state;
	assert_int_equal(fb_session_new(&mock.ops, &mock, &options, &session), 0);
	assert_int_equal(fb_loopback_new(session, NULL, &loop), 0);
	memset(&conn, 0xa5, sizeof(conn));
	conn.size = offsetof(struct fb_conn, wanted);
	fb_session_conn(session, &conn);
	assert_int_equal(conn.size, offsetof(struct fb_conn, wanted));
	assert_int_not_equal(conn.minor, 0xa5a5a5a5);
	assert_true(conn.wanted == UINT64_C(0xa5a5a5a5a5a5a5a5));
	assert_int_equal(conn.max_write, 0xa5a5a5a5);
	fb_loopback_free(loop);
	fb_session_unref(session);
}

static void test_nothing_to_serve(void **state)
{
	struct fb_session *session;
	struct fb_conn conn = { .size = sizeof(conn) };

	(void)state;
	assert_int_equal(fb_session_new(&mock.ops, &mock, &options, &session), 0);
	REFUSED(ENOTCONN, fb_session_start(session));
	REFUSED(ENOTCONN, fb_session_run(session));
	REFUSED(ENOTCONN, fb_session_wait(session));
	REFUSED(ETIMEDOUT, fb_session_wait_ready(session, 0));
	REFUSED(ETIMEDOUT, fb_session_wait_ready(session, 1100));
	fb_session_conn(session, &conn);
	assert_int_equal(conn.minor, 0);
	fb_session_stop(session);
	fb_session_stop(session);
	fb_session_unref(session);
	assert_int_equal(mock_calls(&mock, MOCK_destroy), 0);
}

/* A loopback has no threads: whoever sends serves. */
static void test_loopback_is_not_run(void **state)
{
	struct fb_session *session;
	struct fb_loopback *loop;

	(void)state;
	assert_int_equal(fb_session_new(&mock.ops, &mock, &options, &session), 0);
	assert_int_equal(fb_loopback_new(session, NULL, &loop), 0);
	REFUSED(ENOTCONN, fb_session_start(session));
	REFUSED(ENOTCONN, fb_session_wait(session));
	fb_loopback_free(loop);
	REFUSED(ECONNREFUSED, fb_session_wait_ready(session, -1));
	fb_session_unref(session);
	assert_int_equal(mock_calls(&mock, MOCK_destroy), 1);
}

static void test_no_session(void **state)
{
	(void)state;
	fb_session_unref(NULL);
	REFUSED(EINVAL, fb_session_start(NULL));
	REFUSED(EINVAL, fb_session_run(NULL));
	REFUSED(EINVAL, fb_session_wait(NULL));
	REFUSED(EINVAL, fb_session_wait_ready(NULL, 0));
}

/* Threads of the program where the library has them, too soon, or too many. */
static void test_own_threads(void **state)
{
	struct fb_session *session;
	int fd = -7;

	(void)state;
	REFUSED(EINVAL, fb_session_work(NULL));
	REFUSED(EINVAL, fb_session_ready_fd(NULL, &fd));
	REFUSED(EINVAL, fb_session_work_ready(NULL, 0));
	assert_int_equal(fb_session_new(&mock.ops, &mock, &options, &session), 0);
	REFUSED(EINVAL, fb_session_work(session));
	REFUSED(EINVAL, fb_session_ready_fd(session, &fd));
	REFUSED(EINVAL, fb_session_work_ready(session, 0));
	fb_session_unref(session);
	options.own_threads = true;
	options.workers = 1025;
	assert_no_session(EINVAL);
	options.workers = 0;
	assert_int_equal(fb_session_new(&mock.ops, &mock, &options, &session), 0);
	REFUSED(EINVAL, fb_session_ready_fd(session, NULL));
	REFUSED(ENOTCONN, fb_session_ready_fd(session, &fd));
	REFUSED(ENOTCONN, fb_session_work(session));
	REFUSED(EINVAL, fb_session_work_ready(session, 0));
	REFUSED(ENOTCONN, fb_session_run(session));
	assert_int_equal(fd, -7);
	fb_session_unref(session);
}

/* A program that was built before there were threads of its own. */
static void test_older_options(void **state)
{
	struct fb_session *session;

	(void)state;
	memset(&options, 0xff, sizeof(options));
	memset(&options, 0, offsetof(struct fb_session_options, own_threads));
	options.size = offsetof(struct fb_session_options, own_threads);
	assert_int_equal(fb_session_new(&mock.ops, &mock, &options, &session), 0);
	REFUSED(EINVAL, fb_session_work(session));
	fb_session_unref(session);
}

static void test_references(void **state)
{
	struct fb_session *session;

	(void)state;
	assert_int_equal(fb_session_new(&mock.ops, &mock, &options, &session), 0);
	assert_ptr_equal(fb_session_ref(session), session);
	fb_session_unref(session);
	assert_ptr_equal(fb_session_self(session), &mock);
	fb_session_unref(session);
}

static void test_signals_belong_to_one(void **state)
{
	struct fb_session *session, *other;
	struct sigaction before, now;

	(void)state;
	sigaction(SIGTERM, NULL, &before);
	assert_int_equal(fb_session_new(&mock.ops, &mock, &options, &session), 0);
	assert_int_equal(fb_session_new(&mock.ops, &mock, &options, &other), 0);
	assert_int_equal(fb_session_stop_on_signals(session), 0);
	REFUSED(EBUSY, fb_session_stop_on_signals(other));
	REFUSED(EBUSY, fb_session_stop_on_signals(session));
	sigaction(SIGTERM, NULL, &now);
	assert_true(now.sa_handler != before.sa_handler);
	sigaction(SIGPIPE, NULL, &now);
	assert_true(now.sa_handler == SIG_IGN);
	raise(SIGTERM);
	raise(SIGHUP);
	assert_int_equal(fb_session_stop_on_signals(NULL), 0);
	sigaction(SIGTERM, NULL, &now);
	assert_true(now.sa_handler == before.sa_handler);
	/* Free for the next, and more than once. */
	assert_int_equal(fb_session_stop_on_signals(NULL), 0);
	assert_int_equal(fb_session_stop_on_signals(other), 0);
	assert_int_equal(fb_session_stop_on_signals(NULL), 0);
	fb_session_unref(session);
	fb_session_unref(other);
}

static void own_handler(int signal)
{
	(void)signal;
}

/* A program's own handlers are left alone. */
static void test_signals_of_the_program(void **state)
{
	struct sigaction own = { .sa_handler = own_handler }, before, now;
	struct fb_session *session;

	(void)state;
	sigaction(SIGINT, &own, &before);
	assert_int_equal(fb_session_new(&mock.ops, &mock, &options, &session), 0);
	assert_int_equal(fb_session_stop_on_signals(session), 0);
	sigaction(SIGINT, NULL, &now);
	assert_true(now.sa_handler == own_handler);
	assert_int_equal(fb_session_stop_on_signals(NULL), 0);
	sigaction(SIGINT, NULL, &now);
	assert_true(now.sa_handler == own_handler);
	sigaction(SIGINT, &before, NULL);
	fb_session_unref(session);
}

static void test_last_error(void **state)
{
	char long_text[2000];

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = 0;
	assert_int_equal(fb_fail(ENOTDIR, "%s is %d", "it", 5), -ENOTDIR);
	assert_string_equal(fb_last_error(), "it is 5");
	assert_int_equal(fb_fail(E2BIG, "%s", long_text), -E2BIG);
	assert_true(strlen(fb_last_error()) > 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_operations),
		TEST(test_options),
		TEST(test_larger_options),
		TEST(test_smaller_conn),
		TEST(test_nothing_to_serve),
		TEST(test_loopback_is_not_run),
		TEST(test_no_session),
		TEST(test_own_threads),
		TEST(test_older_options),
		TEST(test_references),
		TEST(test_signals_belong_to_one),
		TEST(test_signals_of_the_program),
		TEST(test_last_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
