/* SPDX-License-Identifier: BSD-3-Clause */
/* The greeting: versions, features and sizes. */
#include "cmocka_setup.h"

#include <errno.h>

#include "core/session.h"
#include "protocol/init_flags.h"
#include "rig.h"

static int set_up(void **state)
{
	struct rig *rig = rig_new();

	rig->loop_options.no_init = true;
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	rig_end(*state);
	return 0;
}

static struct fb_wire_init_in init_of(uint32_t minor, uint64_t flags)
{
	if (flags >> 32)
		flags |= FB_INIT_INIT_EXT;
	return (struct fb_wire_init_in){ .major = 7,
					 .minor = minor,
					 .max_readahead = 131072,
					 .flags = (uint32_t)flags,
					 .flags2 = (uint32_t)(flags >> 32) };
}

/* Greet with these features; returns the error and fills *ret_out. */
static int greet(struct rig *rig, uint32_t minor, uint64_t flags, struct fb_wire_init_out *ret_out)
{
	struct fb_wire_init_in in = init_of(minor, flags);
	size_t size = minor < 36 ? FB_WIRE_INIT_IN_SHORT : sizeof(in);
	int r = client_call(&rig->client, FB_OP_INIT, 0, &in, size, NULL, 0);

	*ret_out = (struct fb_wire_init_out){ 0 };
	if (r == 0) {
		assert_int_equal(client_body_size(&rig->client), sizeof(*ret_out));
		memcpy(ret_out, client_body(&rig->client), sizeof(*ret_out));
	}
	return r;
}

static uint64_t granted(const struct fb_wire_init_out *out)
{
	return out->flags | (uint64_t)out->flags2 << 32;
}

static uint64_t driver_wants;

static void want_it(struct fb_conn *conn)
{
	conn->wanted |= driver_wants;
	conn->max_stack_depth = 1;
}

/* One greeting of its own session: what is granted of these features. */
static uint64_t settle(uint64_t offered, uint64_t driver, uint64_t want, uint64_t avoid)
{
	struct rig *rig = rig_new();
	struct fb_wire_init_out out;
	struct fb_conn conn = { .size = sizeof(conn) };

	driver_wants = driver;
	rig->mock.conn_change = want_it;
	rig->loop_options.no_init = true;
	rig->options.want = want;
	rig->options.avoid = avoid;
	rig->options.request_timeout_s = 60;
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(greet(rig, 45, offered, &out), 0);
	/* Everybody hears the same. */
	fb_session_conn(rig->session, &conn);
	assert_true(conn.wanted == granted(&out));
	/* The second word counts only with its own bit. */
	assert_true(out.flags2 == 0 || (out.flags & FB_INIT_INIT_EXT));
	assert_true(out.flags2 != 0 || !(out.flags & FB_INIT_INIT_EXT));
	rig_end(rig);
	return granted(&out);
}

/* Features that go in pairs with others, or need what a loopback has not. */
static bool is_special(unsigned bit)
{
	return bit == 30 || bit == 40 || bit == 37 || bit == 41;
}

static void test_every_flag(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < FB_INIT_FLAG_COUNT; bit++) {
		const struct fb_init_flag *flag = fb_init_flag_find(bit);
		uint64_t one = FB_INIT_BIT(bit), all = one | flag->needs;

		if (is_special(bit))
			continue;
		print_message("%s\n", flag->name);
		/* Not offered: never granted, whoever wants it. */
		assert_false(settle(~one & ~FB_INIT_INIT_EXT & UINT32_MAX, one, one, 0) & one);
		assert_false(settle(0, one, one, 0) & one);
		/* Offered and wanted by the driver: granted, but for what is never. */
		assert_true(!!(settle(all, all, 0, 0) & one) == (flag->party != FB_INIT_NEVER));
		/* … by the options as well. */
		assert_true(!!(settle(all, 0, all, 0) & one) == (flag->party != FB_INIT_NEVER));
		/* Withheld by the options, whatever the driver says. */
		assert_false(settle(all, all, 0, one) & one);
	}
}

/* What is withheld does not come in by the back door, because something else needs it. */
static void test_avoid_what_is_needed(void **state)
{
	uint64_t acl = FB_INIT_POSIX_ACL | FB_INIT_DONT_MASK | FB_INIT_SETXATTR_EXT;

	(void)state;
	assert_true((settle(acl, acl, 0, 0) & acl) == acl);
	assert_false(settle(acl, acl, 0, FB_INIT_DONT_MASK) &
		     (FB_INIT_DONT_MASK | FB_INIT_POSIX_ACL));
	assert_false(settle(~UINT64_C(0), 0, 0, FB_INIT_INIT_EXT) &
		     (FB_INIT_INIT_EXT | ~(uint64_t)UINT32_MAX));
}

/* Bits that nobody knows are not granted. */
static void test_unknown_flags(void **state)
{
	uint64_t unknown = ~(FB_INIT_BIT(FB_INIT_FLAG_COUNT) - 1);

	(void)state;
	assert_int_equal(settle(~UINT64_C(0), ~UINT64_C(0), 0, 0) & unknown, 0);
}

static void test_second_word_needs_its_bit(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_init_in in = init_of(45, FB_INIT_HAS_RESEND | FB_INIT_ASYNC_READ);
	const struct fb_wire_init_out *out = client_body(&rig->client);

	in.flags &= ~(uint32_t)FB_INIT_INIT_EXT;
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_INIT, 0, in), 0);
	assert_int_equal(out->flags2, 0);
	assert_int_equal(out->flags, FB_INIT_ASYNC_READ);
}

static void test_idmap_needs_permissions(void **state)
{
	uint64_t idmap = FB_INIT_ALLOW_IDMAP;
	uint64_t acl = FB_INIT_POSIX_ACL | FB_INIT_DONT_MASK | FB_INIT_SETXATTR_EXT;

	(void)state;
	assert_false(settle(idmap | acl, idmap, 0, 0) & idmap);
	assert_true(settle(idmap | acl, idmap | acl, 0, 0) & idmap);
	/* An ACL that is wanted, but not granted, does not help. */
	assert_false(settle(idmap, idmap | acl, 0, 0) & idmap);
	assert_false(settle(idmap | acl, idmap | acl, 0, acl) & idmap);
}

static void test_idmap_with_permissions(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_init_out out;

	driver_wants = FB_INIT_ALLOW_IDMAP;
	rig->mock.conn_change = want_it;
	assert_int_equal(rig_connect(rig), 0);
	rig->session->transport->default_permissions = true;
	assert_int_equal(greet(rig, 45, FB_INIT_ALLOW_IDMAP, &out), 0);
	assert_true(granted(&out) & FB_INIT_ALLOW_IDMAP);
	assert_true(rig->mock.conn_seen.default_permissions);
}

static void test_no_passthrough_without_the_transport(void **state)
{
	(void)state;
	assert_false(settle(~UINT64_C(0), FB_INIT_PASSTHROUGH | FB_INIT_OVER_IO_URING,
			    FB_INIT_PASSTHROUGH | FB_INIT_OVER_IO_URING, 0) &
		     (FB_INIT_PASSTHROUGH | FB_INIT_OVER_IO_URING));
}

/* The client would never ask for a listing without attributes again. */
static void test_readdirplus_needs_the_operation(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_init_out out;

	mock_leave_out(&rig->mock, MOCK_readdirplus);
	rig->options.want = FB_INIT_DO_READDIRPLUS;
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(greet(rig, 45, FB_INIT_DO_READDIRPLUS, &out), 0);
	assert_int_equal(granted(&out), 0);
}

static void test_minors(void **state)
{
	const uint32_t minors[] = { 27, 31, 44, 45, 99 };

	(void)state;
	for (unsigned i = 0; i < sizeof(minors) / sizeof(minors[0]); i++) {
		struct rig *rig = rig_new();
		uint32_t agreed = minors[i] < 45 ? minors[i] : 45;
		struct fb_wire_init_out out;
		struct fb_conn conn = { .size = sizeof(conn) };

		rig->loop_options.no_init = true;
		assert_int_equal(rig_connect(rig), 0);
		assert_int_equal(greet(rig, minors[i], ~UINT64_C(0), &out), 0);
		assert_int_equal(out.major, 7);
		assert_int_equal(out.minor, agreed);
		fb_session_conn(rig->session, &conn);
		assert_int_equal(conn.minor, agreed);
		assert_int_equal(rig->mock.conn_seen.minor, agreed);
		assert_true(agreed >= 36 || out.flags2 == 0);
		rig_end(rig);
	}
}

static void test_too_old(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_init_out out;

	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(greet(rig, 26, 0, &out), -EPROTO);
	assert_int_equal(fb_session_wait_ready(rig->session, 0), -ECONNREFUSED);
	assert_int_equal(mock_calls(&rig->mock, MOCK_init), 0);
}

static void test_older_major(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_init_in in = init_of(45, 0);

	in.major = 6;
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_INIT, 0, in), -EPROTO);
	assert_int_equal(fb_session_wait_ready(rig->session, 0), -ECONNREFUSED);
}

/* A newer one reads which version we speak and greets again with it. */
static void test_newer_major(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_init_in in = init_of(0, 0);
	struct fb_wire_init_out out;

	in.major = 8;
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_INIT, 0, in), 0);
	memcpy(&out, client_body(&rig->client), sizeof(out));
	assert_int_equal(out.major, 7);
	assert_int_equal(out.minor, 45);
	assert_int_equal(out.flags, 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_init), 0);
	assert_int_equal(fb_session_wait_ready(rig->session, 0), -ETIMEDOUT);
	assert_int_equal(greet(rig, 45, 0, &out), 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_init), 1);
}

static void test_short_init(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_init_in in = init_of(45, FB_INIT_HAS_RESEND);
	const struct fb_wire_init_out *out = client_body(&rig->client);

	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(client_call(&rig->client, FB_OP_INIT, 0, &in, 16, NULL, 0), 0);
	assert_int_equal(out->flags2, 0);
}

static void test_malformed_init(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_init_in in = init_of(45, 0);
	struct fb_wire_init_out out;

	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(client_call(&rig->client, FB_OP_INIT, 0, &in, 15, NULL, 0), -EINVAL);
	assert_int_equal(rig_session_stats(rig).malformed, 1);
	assert_int_equal(greet(rig, 45, 0, &out), 0);
}

static void test_swapped_init(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_init_in in = init_of(45, 0);

	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_INIT_SWAPPED, 0, in), -EPROTO);
}

static void test_requests_before(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_forget_in in = { .nlookup = 1 };
	struct fb_wire_init_out out;

	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(client_getattr(&rig->client, 1), -EIO);
	assert_int_equal(client_name(&rig->client, FB_OP_LOOKUP, 1, "a"), -EIO);
	/* Legal, and without effect. */
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_FORGET, 9, in), 0);
	assert_int_equal(mock_calls_all(&rig->mock), 0);
	assert_int_equal(greet(rig, 45, 0, &out), 0);
	assert_int_equal(client_getattr(&rig->client, 1), 0);
}

static void test_second_init_is_refused(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_init_out out;

	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(greet(rig, 45, 0, &out), 0);
	assert_int_equal(greet(rig, 45, 0, &out), -EINVAL);
	assert_int_equal(mock_calls(&rig->mock, MOCK_init), 1);
	assert_int_equal(mock_calls(&rig->mock, MOCK_destroy), 0);
	assert_int_equal(client_getattr(&rig->client, 1), 0);
}

static void test_second_init_wipes(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_init_out out;

	assert_int_equal(rig_connect(rig), 0);
	rig->session->transport->greets_again = true;
	assert_int_equal(greet(rig, 45, FB_INIT_ASYNC_READ, &out), 0);
	assert_int_equal(greet(rig, 31, 0, &out), 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_init), 2);
	assert_int_equal(mock_calls(&rig->mock, MOCK_destroy), 1);
	assert_int_equal(out.minor, 31);
	assert_int_equal(out.flags, 0);
	assert_int_equal(client_getattr(&rig->client, 1), 0);
	/* After DESTROY too. */
	assert_int_equal(client_call(&rig->client, FB_OP_DESTROY, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_destroy), 2);
	assert_int_equal(rig->session->phase, FB_PHASE_ENDED);
}

static void test_driver_refuses(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_init_out out;

	mock_force(&rig->mock, MOCK_init, -EACCES);
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(greet(rig, 45, 0, &out), -EACCES);
	assert_int_equal(fb_session_wait_ready(rig->session, 0), -ECONNREFUSED);
	assert_int_equal(client_getattr(&rig->client, 1), -EIO);
}

static void test_refused_driver_is_not_destroyed(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	mock_force(&rig->mock, MOCK_init, -EACCES);
	assert_int_equal(rig_connect(rig), -EACCES);
	rig->loop = NULL;
	fb_session_unref(rig->session);
	rig->session = NULL;
	assert_int_equal(mock_calls(&rig->mock, MOCK_destroy), 0);
	rig_end(rig);
}

/* Sizes of one greeting with max_write of the session and of the driver. */
static void size_test(uint32_t session_max, uint64_t flags, uint32_t expect_write,
		      uint32_t expect_pages)
{
	struct rig *rig = rig_new();
	struct fb_wire_init_out out;
	struct fb_conn conn = { .size = sizeof(conn) };

	rig->loop_options.no_init = true;
	rig->options.max_write = session_max;
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(greet(rig, 45, flags, &out), 0);
	assert_int_equal(out.max_write, expect_write);
	assert_int_equal(out.max_pages, expect_pages);
	fb_session_conn(rig->session, &conn);
	assert_int_equal(conn.max_write, expect_write);
	rig_end(rig);
}

static void test_sizes(void **state)
{
	(void)state;
	size_test(0, FB_INIT_MAX_PAGES, 1 << 20, 256);
	size_test(0, 0, 32 * 4096, 0);
	size_test(4096, FB_INIT_MAX_PAGES, 4096, 1);
	size_test(5000, FB_INIT_MAX_PAGES, 5000, 2);
	size_test(4 << 20, FB_INIT_MAX_PAGES, 4 << 20, 1024);
	size_test(65536, 0, 65536, 0);
	/* The kernel never writes less than a page at a time. */
	size_test(1, FB_INIT_MAX_PAGES, 4096, 1);
}

static void lower_write(struct fb_conn *conn)
{
	conn->max_write = 8192;
	conn->max_readahead = 4096;
	conn->time_gran_ns = 1000;
	conn->minor = 99;
	conn->page_size = 1;
	conn->offered = 0;
}

static void raise_all(struct fb_conn *conn)
{
	conn->max_write = 256 << 20;
	conn->max_readahead = 1 << 30;
	conn->time_gran_ns = 2000000000;
}

static void lower_too_far(struct fb_conn *conn)
{
	conn->max_write = 100;
	conn->time_gran_ns = 0;
}

static struct fb_wire_init_out with_change(void (*change)(struct fb_conn *conn),
					   struct fb_conn *ret_conn)
{
	struct rig *rig = rig_new();
	struct fb_wire_init_out out;

	rig->loop_options.no_init = true;
	rig->mock.conn_change = change;
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(greet(rig, 45, FB_INIT_MAX_PAGES, &out), 0);
	fb_session_conn(rig->session, ret_conn);
	rig_end(rig);
	return out;
}

static void test_driver_changes_sizes(void **state)
{
	struct fb_conn conn = { .size = sizeof(conn) };
	struct fb_wire_init_out out = with_change(lower_write, &conn);

	(void)state;
	assert_int_equal(out.max_write, 8192);
	assert_int_equal(out.max_pages, 2);
	assert_int_equal(out.max_readahead, 4096);
	assert_int_equal(out.time_gran, 1000);
	assert_int_equal(conn.minor, 45);
	assert_int_equal(conn.page_size, 4096);
	assert_true(conn.offered & FB_INIT_MAX_PAGES);

	out = with_change(raise_all, &conn);
	assert_int_equal(out.max_write, 1 << 20);
	assert_int_equal(out.max_readahead, 131072);
	assert_int_equal(out.time_gran, 1);

	out = with_change(lower_too_far, &conn);
	assert_int_equal(out.max_write, 1 << 20);
	assert_int_equal(out.time_gran, 1);
}

static void test_session_options_arrive(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_init_out out;

	rig->options.max_background = 40;
	rig->options.request_timeout_s = 90;
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(greet(rig, 45, FB_INIT_REQUEST_TIMEOUT, &out), 0);
	assert_int_equal(out.max_background, 40);
	assert_int_equal(out.congestion_threshold, 30);
	assert_int_equal(out.request_timeout, 90);
}

static void test_no_timeout_without_the_option(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_init_out out;

	rig->options.want = FB_INIT_REQUEST_TIMEOUT;
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(greet(rig, 45, FB_INIT_REQUEST_TIMEOUT, &out), 0);
	assert_int_equal(out.request_timeout, 0);
	assert_int_equal(granted(&out), 0);
}

/* The size of SETXATTR follows the feature, not the message. */
static void test_setxattr_sizes(void **state)
{
	(void)state;
	for (unsigned ext = 0; ext < 2; ext++) {
		struct rig *rig = rig_new();
		struct fb_wire_setxattr_in in = { .size = 1, .flags = 1 };
		struct client *c = &rig->client;

		rig->loop_options.offered = FB_INIT_ASYNC_READ | (ext ? FB_INIT_SETXATTR_EXT : 0);
		assert_int_equal(rig_connect(rig), 0);
		assert_int_equal(
			client_call(c, FB_OP_SETXATTR, 1, &in, ext ? 16 : 8, "user.a\0v", 8), 0);
		assert_string_equal(rig->mock.last.names[0], "user.a");
		assert_int_equal(rig->mock.last.data_size, 1);
		assert_int_equal(rig->mock.last.numbers[2], FB_XATTR_CREATE);
		/* The other size is taken for something else and refused. */
		assert_int_not_equal(
			client_call(c, FB_OP_SETXATTR, 1, &in, ext ? 8 : 16, "user.a\0v", 8), 0);
		rig_end(rig);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_flag),
		cmocka_unit_test(test_avoid_what_is_needed),
		cmocka_unit_test(test_unknown_flags),
		TEST(test_second_word_needs_its_bit),
		cmocka_unit_test(test_idmap_needs_permissions),
		TEST(test_idmap_with_permissions),
		cmocka_unit_test(test_no_passthrough_without_the_transport),
		TEST(test_readdirplus_needs_the_operation),
		cmocka_unit_test(test_minors),
		TEST(test_too_old),
		TEST(test_older_major),
		TEST(test_newer_major),
		TEST(test_short_init),
		TEST(test_malformed_init),
		TEST(test_swapped_init),
		TEST(test_requests_before),
		TEST(test_second_init_is_refused),
		TEST(test_second_init_wipes),
		TEST(test_driver_refuses),
		cmocka_unit_test(test_refused_driver_is_not_destroyed),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_driver_changes_sizes),
		TEST(test_session_options_arrive),
		TEST(test_no_timeout_without_the_option),
		cmocka_unit_test(test_setxattr_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
