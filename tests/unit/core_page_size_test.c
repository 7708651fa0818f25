/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sizes of the greeting on a machine whose pages have 64 KiB. The linker leads the library's
 * calls of sysconf() here (tests/unit/CMakeLists.txt).
 */
#include "cmocka_setup.h"

#include <unistd.h>

#include "core/session.h"
#include "protocol/init_flags.h"
#include "rig.h"

#define PAGE 65536u
#define MIB (1u << 20)

long __real_sysconf(int name);
long __wrap_sysconf(int name);

long __wrap_sysconf(int name)
{
	return name == _SC_PAGESIZE ? (long)PAGE : __real_sysconf(name);
}

/* What one greeting led to. */
struct sizes {
	uint32_t max_write, max_pages, room_pages;
};

static struct sizes greet(uint32_t max_write, uint64_t flags, void (*change)(struct fb_conn *conn))
{
	const struct fb_wire_init_in in = { .major = 7, .minor = 45, .flags = (uint32_t)flags };
	struct rig *rig = rig_new();
	struct fb_conn conn = { .size = sizeof(conn) };
	struct fb_wire_init_out out;
	struct sizes sizes;

	rig->options.max_write = max_write;
	rig->mock.conn_change = change;
	rig->loop_options.no_init = true;
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_INIT, 0, in), 0);
	memcpy(&out, client_body(&rig->client), sizeof(out));
	fb_session_conn(rig->session, &conn);
	assert_int_equal(conn.page_size, PAGE);
	assert_int_equal(rig->mock.conn_seen.page_size, PAGE);
	assert_int_equal(conn.max_write, out.max_write);
	sizes = (struct sizes){ out.max_write, out.max_pages,
				(uint32_t)(rig->session->transport->max_room / PAGE) };
	rig_end(rig);
	return sizes;
}

static void check(uint32_t max_write, uint64_t flags, uint32_t expect_write, uint32_t expect_pages)
{
	struct sizes sizes = greet(max_write, flags, NULL);

	assert_int_equal(sizes.max_write, expect_write);
	assert_int_equal(sizes.max_pages, expect_pages);
}

static void test_pages(void **state)
{
	(void)state;
	check(0, FB_INIT_MAX_PAGES, MIB, 16);
	check(PAGE, FB_INIT_MAX_PAGES, PAGE, 1);
	check(PAGE + 1, FB_INIT_MAX_PAGES, PAGE + 1, 2);
	check(4 * MIB, FB_INIT_MAX_PAGES, 4 * MIB, 64);
	check(256 * MIB, FB_INIT_MAX_PAGES, 256 * MIB, 4096);
}

/* 32 pages are 2 MiB then, for writes and for reads. */
static void test_client_without_max_pages(void **state)
{
	(void)state;
	check(0, 0, MIB, 0);
	check(4 * MIB, 0, 2 * MIB, 0);
	assert_true(greet(0, 0, NULL).room_pages >= 32);
	assert_true(greet(PAGE, 0, NULL).room_pages >= 32);
}

/* Linux writes a page of its cache back as a whole, whatever max_write says. */
static void test_less_than_a_page(void **state)
{
	(void)state;
	check(1, FB_INIT_MAX_PAGES, PAGE, 1);
	check(4096, FB_INIT_MAX_PAGES, PAGE, 1);
	check(PAGE - 1, 0, PAGE, 0);
}

static void lower_to_a_page(struct fb_conn *conn)
{
	conn->max_write = PAGE;
}

static void lower_too_far(struct fb_conn *conn)
{
	conn->max_write = PAGE - 1;
}

static void test_driver_lowers(void **state)
{
	struct sizes sizes = greet(0, FB_INIT_MAX_PAGES, lower_to_a_page);

	(void)state;
	assert_int_equal(sizes.max_write, PAGE);
	assert_int_equal(sizes.max_pages, 1);
	sizes = greet(0, FB_INIT_MAX_PAGES, lower_too_far);
	assert_int_equal(sizes.max_write, MIB);
	assert_int_equal(sizes.max_pages, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_client_without_max_pages),
		cmocka_unit_test(test_less_than_a_page),
		cmocka_unit_test(test_driver_lowers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
