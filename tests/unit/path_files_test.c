/* SPDX-License-Identifier: BSD-3-Clause */
/* The path layer's open files: which fh is whose, and files without a name. Most cases run twice. */
#include "cmocka_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "path_rig.h"

#define ROOT FB_ROOT_NODE

static int set_up(void **state)
{
	*state = path_rig_start();
	return 0;
}

/* The same with every operation completed by another thread. */
static int set_up_pending(void **state)
{
	struct path_rig *rig = path_rig_start();

	path_rig_pend(rig);
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	path_rig_end(*state);
	return 0;
}

static void expect_read(struct path_rig *rig, uint64_t node, uint64_t fh, const char *text)
{
	assert_int_equal(client_read(&rig->client, FB_OP_READ, node, fh, 0, 100), 0);
	assert_int_equal(client_body_size(&rig->client), strlen(text));
	assert_memory_equal(client_body(&rig->client), text, strlen(text));
}

static int set_xattr(struct path_rig *rig, uint64_t node)
{
	struct fb_wire_setxattr_in in = { .size = 1 };

	return client_call(&rig->client, FB_OP_SETXATTR, node, &in, sizeof(in), "user.a\0x", 8);
}

static void test_create_write_read(void **state)
{
	struct path_rig *rig = *state;
	uint64_t node, fh, other;

	assert_int_equal(path_create(rig, ROOT, "f", O_EXCL, &node, &fh), 0);
	path_expect(rig, node, "/f");
	assert_int_equal(client_write(&rig->client, node, fh, 0, "hello", 5, 0), 0);
	path_expect_called(rig, TREE_write, "/f");
	expect_read(rig, node, fh, "hello");
	assert_int_equal(path_fh_call(rig, FB_OP_FLUSH, node, fh), 0);
	assert_int_equal(path_fh_call(rig, FB_OP_FSYNC, node, fh), 0);
	assert_int_equal(path_open(rig, node, &other), 0);
	assert_true(other != fh);
	expect_read(rig, node, other, "hello");
	/* The one that is there, without O_EXCL. */
	assert_int_equal(path_create(rig, ROOT, "f", O_EXCL, NULL, NULL), -EEXIST);
	assert_int_equal(path_create(rig, ROOT, "f", 0, &other, NULL), 0);
	assert_true(other == node);
}

static void test_unlinked_file_is_read_and_truncated(void **state)
{
	struct path_rig *rig = *state;
	struct fb_wire_attr attr;
	uint64_t node, fh;

	assert_int_equal(path_create(rig, ROOT, "f", 0, &node, &fh), 0);
	assert_int_equal(client_write(&rig->client, node, fh, 0, "hello", 5, 0), 0);
	assert_int_equal(path_unlink(rig, ROOT, "f"), 0);
	path_expect(rig, node, NULL);
	expect_read(rig, node, fh, "hello");
	path_expect_called(rig, TREE_read, NULL);
	/* fstat(2) comes with the fh or without, ftruncate(2) with it. */
	assert_int_equal(path_getattr(rig, node, &fh, &attr), 0);
	assert_int_equal(attr.size, 5);
	assert_int_equal(path_getattr(rig, node, NULL, &attr), 0);
	path_expect_called(rig, TREE_getattr, NULL);
	assert_true(rig->tree.last.has_fh && rig->tree.last.fh == fh);
	assert_int_equal(path_truncate(rig, node, &fh, 2), 0);
	assert_int_equal(path_truncate(rig, node, NULL, 2), 0);
	assert_true(rig->tree.last.has_fh && rig->tree.last.fh == fh);
	expect_read(rig, node, fh, "he");
	assert_int_equal(set_xattr(rig, node), 0);
	path_expect_called(rig, TREE_setxattr, NULL);
	assert_true(rig->tree.last.has_fh && rig->tree.last.fh == fh);
}

static void test_attributes_by_path_have_no_fh(void **state)
{
	struct path_rig *rig = *state;
	uint64_t node, fh;

	assert_int_equal(path_create(rig, ROOT, "f", 0, &node, &fh), 0);
	assert_int_equal(path_getattr(rig, node, NULL, NULL), 0);
	assert_false(rig->tree.last.has_fh);
	assert_int_equal(path_truncate(rig, node, NULL, 7), 0);
	assert_false(rig->tree.last.has_fh);
	assert_int_equal(set_xattr(rig, node), 0);
	assert_false(rig->tree.last.has_fh);
	assert_int_equal(path_getattr(rig, node, &fh, NULL), 0);
	assert_true(rig->tree.last.has_fh);
	path_expect_called(rig, TREE_getattr, "/f");
}

static void test_released_file_without_name_is_stale(void **state)
{
	struct path_rig *rig = *state;
	uint64_t node, fh;

	assert_int_equal(path_create(rig, ROOT, "f", 0, &node, &fh), 0);
	assert_int_equal(path_unlink(rig, ROOT, "f"), 0);
	assert_int_equal(path_fh_call(rig, FB_OP_RELEASE, node, fh), 0);
	assert_int_equal(path_getattr(rig, node, NULL, NULL), -ESTALE);
	client_forget(&rig->client, node, 1);
	client_lose(&rig->client);
	assert_int_equal(path_rig_nodes(rig), 0);
}

static void test_forged_fhs_never_reach_the_user(void **state)
{
	struct path_rig *rig = *state;
	struct fb_wire_copy_file_range_in copy = { .len = 1 };
	uint64_t a, b, a_fh, b_fh, dir_fh, wrong[5];

	assert_int_equal(path_create(rig, ROOT, "a", 0, &a, &a_fh), 0);
	assert_int_equal(path_create(rig, ROOT, "b", 0, &b, &b_fh), 0);
	assert_int_equal(path_opendir(rig, ROOT, &dir_fh), 0);
	wrong[0] = b_fh;
	wrong[1] = 0;
	wrong[2] = UINT64_MAX;
	wrong[3] = a_fh + 1000;
	wrong[4] = a_fh ^ (1ull << 40);
	memset(rig->tree.calls, 0, sizeof(rig->tree.calls));
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(client_read(&rig->client, FB_OP_READ, a, wrong[i], 0, 9), -EBADF);
		assert_int_equal(client_write(&rig->client, a, wrong[i], 0, "x", 1, 0), -EBADF);
		assert_int_equal(path_getattr(rig, a, &wrong[i], NULL), -EBADF);
		assert_int_equal(path_truncate(rig, a, &wrong[i], 0), -EBADF);
		assert_int_equal(path_fh_call(rig, FB_OP_FLUSH, a, wrong[i]), -EBADF);
		assert_int_equal(path_fh_call(rig, FB_OP_FSYNC, a, wrong[i]), -EBADF);
		assert_int_equal(path_fh_call(rig, FB_OP_FSYNCDIR, ROOT, dir_fh + 1 + i), -EBADF);
		assert_int_equal(
			client_read(&rig->client, FB_OP_READDIR, ROOT, dir_fh + 1 + i, 0, 999),
			-EBADF);
		/* A release of what is not open is ignored. */
		assert_int_equal(path_fh_call(rig, FB_OP_RELEASE, a, wrong[i]), 0);
		copy.fh_in = a_fh;
		copy.nodeid_out = b;
		copy.fh_out = i == 0 ? a_fh : wrong[i];
		assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_COPY_FILE_RANGE, a, copy), -EBADF);
	}
	for (size_t i = 0; i < TREE_OPS; i++)
		assert_int_equal(rig->tree.calls[i], 0);
	copy.fh_out = b_fh;
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_COPY_FILE_RANGE, a, copy), 0);
	path_expect_called(rig, TREE_copy_file_range, "/a");
	assert_string_equal(rig->tree.last.paths[1], "/b");
}

static void test_files_and_directories_may_share_numbers(void **state)
{
	struct path_rig *rig = *state;
	uint64_t node, fh, dir, dir_fh;

	assert_int_equal(path_mkdir(rig, ROOT, "d", &dir), 0);
	assert_int_equal(path_opendir(rig, dir, &dir_fh), 0);
	assert_int_equal(path_create(rig, ROOT, "f", 0, &node, &fh), 0);
	assert_int_equal(fh, 1);
	/* The user's number of the directory is 1, too. */
	assert_int_equal(path_fh_call(rig, FB_OP_FSYNCDIR, dir, dir_fh), 0);
	assert_int_equal(rig->tree.last.fh, 1);
	assert_int_equal(client_read(&rig->client, FB_OP_READ, dir, dir_fh, 0, 1), -EBADF);
	assert_int_equal(path_fh_call(rig, FB_OP_RELEASE, dir, dir_fh), 0);
	assert_int_equal(path_fh_call(rig, FB_OP_RELEASEDIR, node, fh), 0);
	assert_int_equal(path_fh_call(rig, FB_OP_FSYNCDIR, dir, dir_fh), 0);
	expect_read(rig, node, fh, "");
}

static void test_each_open_is_released(void **state)
{
	struct path_rig *rig = *state;
	uint64_t node, fh;

	rig->tree.one_fh = true;
	assert_int_equal(path_mknod(rig, ROOT, "f", &node), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(path_open(rig, node, &fh), 0);
		assert_int_equal(fh, 7);
	}
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(client_read(&rig->client, FB_OP_READ, node, fh, 0, 1), 0);
		assert_int_equal(path_fh_call(rig, FB_OP_RELEASE, node, fh), 0);
		assert_int_equal(rig->tree.calls[TREE_release], i);
	}
	assert_int_equal(client_read(&rig->client, FB_OP_READ, node, fh, 0, 1), -EBADF);
	assert_int_equal(path_fh_call(rig, FB_OP_RELEASE, node, fh), 0);
	assert_int_equal(rig->tree.calls[TREE_release], 3);
}

static void test_failed_open_leaves_nothing(void **state)
{
	struct path_rig *rig = *state;
	uint64_t node;

	assert_int_equal(path_mknod(rig, ROOT, "f", &node), 0);
	rig->tree.forced[TREE_open] = -EACCES;
	assert_int_equal(path_open(rig, node, NULL), -EACCES);
	rig->tree.forced[TREE_opendir] = -EACCES;
	assert_int_equal(path_opendir(rig, ROOT, NULL), -EACCES);
	assert_int_equal(rig->tree.calls[TREE_release] + rig->tree.calls[TREE_releasedir], 0);
}

static void test_undelivered_answers_are_taken_back(void **state)
{
	struct path_rig *rig = *state;
	uint64_t node;

	assert_int_equal(path_mknod(rig, ROOT, "f", &node), 0);
	for (int i = 0; i < 4; i++) {
		fb_loopback_drop_answers(rig->loop, 1, ENOENT);
		rig->client.length = -1;
		if (i == 0)
			client_build(&rig->client, FB_OP_LOOKUP, ROOT, NULL, 0, "f", 2);
		if (i == 1 || i == 2) {
			struct fb_wire_open_in in = { 0 };

			client_build(&rig->client, i == 1 ? FB_OP_OPEN : FB_OP_OPENDIR,
				     i == 1 ? node : ROOT, &in, sizeof(in), NULL, 0);
		}
		if (i == 3) {
			struct fb_wire_create_in in = { .flags = O_CREAT | O_RDWR,
							.mode = S_IFREG | 0644 };

			client_build(&rig->client, FB_OP_CREATE, ROOT, &in, sizeof(in), "g", 2);
		}
		assert_true(fb_loopback_send(rig->loop, rig->client.message,
					     rig->client.message_size, rig->client.answer,
					     sizeof(rig->client.answer)) < 0);
	}
	assert_int_equal(rig->tree.calls[TREE_release], 2);
	assert_int_equal(rig->tree.calls[TREE_releasedir], 1);
	assert_int_equal(path_rig_nodes(rig), 1);
}

static void test_file_without_name_gets_one(void **state)
{
	struct path_rig *rig = *state;
	uint64_t node, fh, named;

	assert_int_equal(path_tmpfile(rig, ROOT, &node, &fh), 0);
	path_expect(rig, node, NULL);
	assert_int_equal(client_write(&rig->client, node, fh, 0, "x", 1, 0), 0);
	assert_int_equal(path_link(rig, node, ROOT, "now", &named), 0);
	path_expect(rig, named, "/now");
	assert_int_equal(path_open(rig, named, &fh), 0);
	expect_read(rig, named, fh, "x");
}

static void test_hard_links_are_two_nodes(void **state)
{
	struct path_rig *rig = *state;
	uint64_t a, b, fh;

	assert_int_equal(path_create(rig, ROOT, "a", 0, &a, &fh), 0);
	assert_int_equal(path_link(rig, a, ROOT, "b", &b), 0);
	assert_true(a != b);
	assert_int_equal(path_unlink(rig, ROOT, "a"), 0);
	path_expect(rig, a, NULL);
	path_expect(rig, b, "/b");
	assert_int_equal(path_getattr(rig, b, NULL, NULL), 0);
	expect_read(rig, a, fh, "");
}

/* A client that crashed, and the next one. */
static void test_goodbye_releases_all(void **state)
{
	struct path_rig *rig = *state;
	uint64_t dir, node, fh, gone;

	assert_int_equal(path_mkdir(rig, ROOT, "d", &dir), 0);
	assert_int_equal(path_create(rig, dir, "f", 0, &node, &fh), 0);
	assert_int_equal(path_open(rig, node, &fh), 0);
	assert_int_equal(path_create(rig, dir, "gone", 0, &gone, &fh), 0);
	assert_int_equal(path_unlink(rig, dir, "gone"), 0);
	assert_int_equal(path_opendir(rig, dir, NULL), 0);
	assert_int_equal(path_opendir(rig, ROOT, NULL), 0);
	client_lose(&rig->client);
	rig->keeps = true;
}

/* ---- without an operation open ------------------------------------------------------------- */

static int set_up_without_open(void **state)
{
	struct path_rig *rig = path_rig_new();

	rig->tree.ops.open = NULL;
	path_rig_connect(rig);
	*state = rig;
	return 0;
}

static void test_without_open_the_path_counts(void **state)
{
	struct path_rig *rig = *state;
	uint64_t node, fh, created, created_fh;

	assert_int_equal(path_mknod(rig, ROOT, "f", &node), 0);
	assert_int_equal(path_open(rig, node, &fh), 0);
	assert_int_equal(fh, 0);
	assert_int_equal(client_write(&rig->client, node, fh, 0, "x", 1, 0), 0);
	path_expect_called(rig, TREE_write, "/f");
	assert_int_equal(path_getattr(rig, node, &fh, NULL), 0);
	assert_false(rig->tree.last.has_fh);
	assert_int_equal(client_read(&rig->client, FB_OP_READ, node, 5, 0, 1), -EBADF);
	assert_int_equal(path_unlink(rig, ROOT, "f"), 0);
	/* Without a path, and without an fh of the user's, there is nothing to ask. */
	assert_int_equal(client_read(&rig->client, FB_OP_READ, node, fh, 0, 1), -ESTALE);
	assert_int_equal(path_getattr(rig, node, &fh, NULL), -ESTALE);
	assert_int_equal(path_create(rig, ROOT, "c", 0, &created, &created_fh), 0);
	assert_int_equal(path_unlink(rig, ROOT, "c"), 0);
	expect_read(rig, created, created_fh, "");
}

/* ---- what is made of options and operations ------------------------------------------------ */

static int no_rename(void *self, struct fb_req *req, const char *path, const uint64_t *fh,
		     struct fb_attr_reply *ret_attr)
{
	(void)self;
	(void)req;
	(void)path;
	(void)fh;
	(void)ret_attr;
	return -ENOENT;
}

static void test_operations_left_out(void **state)
{
	struct fb_path_ops ops = { .size = sizeof(ops), .getattr = no_rename };
	const struct fb_driver_ops *made;
	struct fb_path *path;

	(void)state;
	assert_int_equal(fb_path_new(&ops, NULL, NULL, &path), 0);
	made = fb_path_driver_ops(path);
	assert_non_null(made->lookup);
	assert_non_null(made->forget);
	assert_null(made->rename);
	assert_null(made->open);
	assert_null(made->release);
	assert_null(made->opendir);
	assert_null(made->readdirplus);
	assert_null(made->statx);
	assert_null(made->init);
	fb_path_free(path);
	fb_path_free(NULL);
}

static void test_mistakes_are_refused(void **state)
{
	struct fb_path_ops ops = { .size = 0, .getattr = no_rename };
	struct fb_path_options options = { .size = 0 };
	struct fb_path *path = NULL;

	(void)state;
	assert_int_equal(fb_path_new(&ops, NULL, NULL, &path), -EINVAL);
	ops.size = sizeof(ops);
	assert_int_equal(fb_path_new(&ops, NULL, &options, &path), -EINVAL);
	ops.getattr = NULL;
	assert_int_equal(fb_path_new(&ops, NULL, NULL, &path), -EINVAL);
	assert_null(path);
	/* Of an older program, that knows getattr only. */
	ops.getattr = no_rename;
	ops.size = offsetof(struct fb_path_ops, setattr);
	assert_int_equal(fb_path_new(&ops, NULL, NULL, &path), 0);
	fb_path_free(path);
}

static void expect_timeouts(struct path_rig *rig, uint64_t entry, uint64_t attr)
{
	const struct fb_wire_entry_out *out = client_body(&rig->client);

	assert_int_equal(path_lookup(rig, ROOT, "a", NULL), 0);
	assert_int_equal(out->entry_valid * 1000000000u + out->entry_valid_nsec, entry);
	assert_int_equal(out->attr_valid * 1000000000u + out->attr_valid_nsec, attr);
}

static void test_timeouts(void **state)
{
	const struct fb_path_options options[] = {
		{ .entry_timeout_ns = 0 },
		{ 0, 5, 2000000000, 3000000000 },
		{ 0, FB_TIMEOUT_NONE, FB_TIMEOUT_NONE, FB_TIMEOUT_NONE },
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct path_rig *rig = path_rig_new();
		const struct fb_wire_entry_out *out = client_body(&rig->client);

		rig->options = options[i];
		rig->options.size = sizeof(rig->options);
		path_rig_connect(rig);
		path_tree_make(&rig->tree, "/a", S_IFREG | 0644);
		expect_timeouts(rig,
				i == 0 ? 1000000000 :
				i == 1 ? 5 :
					 0,
				i == 0 ? 1000000000 :
				i == 1 ? 2000000000 :
					 0);
		rig->tree.attr_timeout_ns = 8;
		expect_timeouts(rig, i == 0 ? 1000000000 : i == 1 ? 5 : 0, 8);
		rig->tree.attr_timeout_ns = FB_TIMEOUT_NONE;
		expect_timeouts(rig, i == 0 ? 1000000000 : i == 1 ? 5 : 0, 0);
		assert_int_equal(path_lookup(rig, ROOT, "none", NULL), i == 1 ? 0 : -ENOENT);
		assert_true(i != 1 || (out->nodeid == 0 && out->entry_valid == 3));
		path_rig_end(rig);
	}
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define BOTH(test)                                                                                 \
	TEST(test),                                                                                \
	{                                                                                          \
#test "_pending", test, set_up_pending, tear_down, NULL                            \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_create_write_read),
		BOTH(test_unlinked_file_is_read_and_truncated),
		BOTH(test_attributes_by_path_have_no_fh),
		BOTH(test_released_file_without_name_is_stale),
		BOTH(test_forged_fhs_never_reach_the_user),
		BOTH(test_files_and_directories_may_share_numbers),
		BOTH(test_each_open_is_released),
		BOTH(test_failed_open_leaves_nothing),
		TEST(test_undelivered_answers_are_taken_back),
		BOTH(test_file_without_name_gets_one),
		BOTH(test_hard_links_are_two_nodes),
		BOTH(test_goodbye_releases_all),
		cmocka_unit_test_setup_teardown(test_without_open_the_path_counts,
						set_up_without_open, tear_down),
		cmocka_unit_test(test_operations_left_out),
		cmocka_unit_test(test_mistakes_are_refused),
		cmocka_unit_test(test_timeouts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
