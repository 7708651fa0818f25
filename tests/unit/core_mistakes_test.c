/* SPDX-License-Identifier: BSD-3-Clause */
/* What a driver may get wrong: the client sees EIO, and what was given out is taken back. */
#include "cmocka_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "rig.h"

static atomic_uint errors_logged;

static void count_errors(void *arg, enum fb_log_level level, const char *text)
{
	(void)arg;
	if (level == FB_LOG_ERR && text[0])
		errors_logged++;
}

static int set_up(void **state)
{
	*state = rig_start();
	errors_logged = 0;
	fb_log_set(count_errors, NULL);
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	/* Whatever went wrong, nothing may be out that the client does not hold. */
	assert_int_equal(mock_nodes_out(&rig->mock), (int64_t)client_nodes(&rig->client));
	assert_int_equal(mock_files_out(&rig->mock), (int64_t)client_files(&rig->client));
	rig_end(rig);
	fb_log_set(NULL, NULL);
	return 0;
}

static void test_errno_out_of_range(void **state)
{
	struct rig *rig = *state;

	mock_force(&rig->mock, MOCK_getattr, -512);
	assert_int_equal(client_getattr(&rig->client, 1), -EIO);
	mock_force(&rig->mock, MOCK_getattr, INT32_MIN);
	assert_int_equal(client_getattr(&rig->client, 1), -EIO);
	assert_int_equal(errors_logged, 2);
	mock_force(&rig->mock, MOCK_getattr, -511);
	assert_int_equal(client_getattr(&rig->client, 1), -511);
	assert_int_equal(errors_logged, 2);
}

static void test_too_much_written(void **state)
{
	struct rig *rig = *state;

	mock_force(&rig->mock, MOCK_write, 5);
	assert_int_equal(client_write(&rig->client, 5, 1, 0, "abcd", 4, 0), -EIO);
	mock_force(&rig->mock, MOCK_write, 4);
	assert_int_equal(client_write(&rig->client, 5, 1, 0, "abcd", 4, 0), 0);
}

static void test_too_much_copied(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_copy_file_range_in in = { .len = 100 };

	rig->mock.number = 101;
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_COPY_FILE_RANGE, 5, in), -EIO);
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_COPY_FILE_RANGE_64, 5, in), -EIO);
	rig->mock.number = 100;
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_COPY_FILE_RANGE, 5, in), 0);
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_COPY_FILE_RANGE_64, 5, in), 0);
	/* More than the 32 bits of the older answer can tell. */
	in.len = UINT64_C(1) << 40;
	rig->mock.number = UINT64_C(1) << 33;
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_COPY_FILE_RANGE, 5, in), -EIO);
}

static void test_mode_without_type(void **state)
{
	struct rig *rig = *state;
	struct client *c = &rig->client;
	struct fb_wire_mkdir_in mkdir = { .mode = 0755 };
	struct fb_wire_statx_in statx = { .sx_mask = 0xfff };

	rig->mock.entry.attr.mode = 0644;
	rig->mock.attr.attr.mode = 0644;
	rig->mock.statx.attr.mode = 0644;
	assert_int_equal(client_name(c, FB_OP_LOOKUP, 1, "a"), -EIO);
	assert_int_equal(CLIENT_CALL_NAME(c, FB_OP_MKDIR, 1, mkdir, "a"), -EIO);
	assert_int_equal(client_create(c, 1, "a", O_RDWR), -EIO);
	assert_int_equal(client_getattr(c, 1), -EIO);
	assert_int_equal(CLIENT_CALL(c, FB_OP_STATX, 1, statx), -EIO);
	assert_int_equal(errors_logged, 5);
}

static void test_size_beyond_all_files(void **state)
{
	struct rig *rig = *state;

	rig->mock.entry.attr.size = UINT64_C(1) << 63;
	rig->mock.attr.attr.size = UINT64_C(1) << 63;
	assert_int_equal(client_name(&rig->client, FB_OP_LOOKUP, 1, "a"), -EIO);
	assert_int_equal(client_getattr(&rig->client, 1), -EIO);
	rig->mock.attr.attr.size--;
	assert_int_equal(client_getattr(&rig->client, 1), 0);
}

static void test_create_of_a_directory(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_create_in in = { .flags = O_TMPFILE | O_RDWR, .mode = S_IFREG | 0600 };

	rig->mock.entry.attr.mode = S_IFDIR | 0755;
	assert_int_equal(client_create(&rig->client, 1, "a", O_RDWR), -EIO);
	assert_int_equal(CLIENT_CALL_NAME(&rig->client, FB_OP_TMPFILE, 1, in, "/"), -EIO);
	assert_int_equal(mock_calls(&rig->mock, MOCK_release), 2);
	assert_int_equal(mock_calls(&rig->mock, MOCK_forget), 2);
}

static void test_made_without_a_node(void **state)
{
	struct rig *rig = *state;
	struct client *c = &rig->client;
	struct fb_wire_mkdir_in mkdir = { .mode = 0755 };

	rig->mock.entry.node = 0;
	assert_int_equal(CLIENT_CALL_NAME(c, FB_OP_MKDIR, 1, mkdir, "a"), -EIO);
	assert_int_equal(client_create(c, 1, "a", O_RDWR), -EIO);
	/* For lookup it is an answer: the name is known not to exist. */
	assert_int_equal(client_name(c, FB_OP_LOOKUP, 1, "a"), 0);
	assert_int_equal(client_body_size(c), sizeof(struct fb_wire_entry_out));
}

/* The client forgets nothing of an answer whose type is not the one asked for. */
static void test_made_something_else(void **state)
{
	struct rig *rig = *state;
	struct client *c = &rig->client;
	struct fb_wire_mkdir_in mkdir = { .mode = 0755 };
	struct fb_wire_mknod_in mknod = { .mode = S_IFIFO | 0644 };

	assert_int_equal(CLIENT_CALL_NAME(c, FB_OP_MKDIR, 1, mkdir, "a"), -EIO);
	assert_int_equal(CLIENT_CALL_NAME(c, FB_OP_MKNOD, 1, mknod, "a"), -EIO);
	assert_int_equal(client_call(c, FB_OP_SYMLINK, 1, NULL, 0, "name\0target", 12), -EIO);
	rig->mock.entry.attr.mode = S_IFDIR | 0755;
	assert_int_equal(CLIENT_CALL_NAME(c, FB_OP_MKDIR, 1, mkdir, "a"), 0);
	rig->mock.entry.attr.mode = S_IFIFO | 0755;
	assert_int_equal(CLIENT_CALL_NAME(c, FB_OP_MKNOD, 1, mknod, "a"), 0);
	rig->mock.entry.attr.mode = S_IFLNK | 0777;
	assert_int_equal(client_call(c, FB_OP_SYMLINK, 1, NULL, 0, "name\0target", 12), 0);
	rig->mock.entry.attr.mode = S_IFREG | 0644;
	mknod.mode = 0644; /* no type is a regular file */
	assert_int_equal(CLIENT_CALL_NAME(c, FB_OP_MKNOD, 1, mknod, "a"), 0);
}

/* A listing that fails half-way hands nothing out. */
static void test_listing_that_fails(void **state)
{
	struct rig *rig = *state;
	const struct fb_dirent listing[] = {
		{ .ino = 2, .cookie = 1, .name = "a", .name_len = 1 },
		{ .ino = 3, .cookie = 2, .name = "b", .name_len = 1 },
	};
	const struct fb_entry plus[] = { rig->mock.entry, rig->mock.entry };

	rig->mock.listing = listing;
	rig->mock.listing_plus = plus;
	rig->mock.listing_count = 2;
	mock_force(&rig->mock, MOCK_readdirplus, -EIO);
	assert_int_equal(client_read(&rig->client, FB_OP_READDIRPLUS, 1, 1, 0, 4096), -EIO);
	assert_int_equal(mock_nodes_out(&rig->mock), 0);
	mock_unforce(&rig->mock, MOCK_readdirplus);
	assert_int_equal(client_read(&rig->client, FB_OP_READDIRPLUS, 1, 1, 0, 4096), 0);
	assert_int_equal(mock_nodes_out(&rig->mock), 2);
}

static void test_xattr_longer_than_any(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_getxattr_in in = { .size = 0 };

	mock_force(&rig->mock, MOCK_listxattr, FB_XATTR_MAX + 1);
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_LISTXATTR, 1, in), -E2BIG);
	mock_force(&rig->mock, MOCK_listxattr, FB_XATTR_MAX);
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_LISTXATTR, 1, in), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_errno_out_of_range),    TEST(test_too_much_written),
		TEST(test_too_much_copied),       TEST(test_mode_without_type),
		TEST(test_size_beyond_all_files), TEST(test_create_of_a_directory),
		TEST(test_made_without_a_node),   TEST(test_made_something_else),
		TEST(test_listing_that_fails),    TEST(test_xattr_longer_than_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
