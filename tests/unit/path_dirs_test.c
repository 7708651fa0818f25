/* SPDX-License-Identifier: BSD-3-Clause */
/* Directories of the path layer: listed at once, sent page by page. Most cases run twice. */
#include "cmocka_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

/* One page after *cookie: what was in it, joined by blanks; names with attributes end with '+'. */
struct page {
	char names[4096];
	unsigned count, plus;
	uint64_t first_ino, second_ino;
};

static int read_page(struct path_rig *rig, uint32_t opcode, uint64_t node, uint64_t fh,
		     uint64_t *cookie, uint32_t size, struct page *page)
{
	int r = client_read(&rig->client, opcode, node, fh, *cookie, size);
	struct fb_dirent_view view;
	size_t at = 0, length = 0;

	memset(page, 0, sizeof(*page));
	if (r < 0)
		return r;
	while (fb_dirent_next(client_body(&rig->client), client_body_size(&rig->client),
			      opcode == FB_OP_READDIRPLUS, &at, &view) > 0) {
		if (length < sizeof(page->names) - FB_NAME_MAX)
			length += (size_t)sprintf(page->names + length, "%s%.*s%s",
						  length ? " " : "", (int)view.dirent.name_len,
						  view.dirent.name, view.node ? "+" : "");
		if (page->count == 0)
			page->first_ino = view.dirent.ino;
		if (page->count == 1)
			page->second_ino = view.dirent.ino;
		page->count++;
		page->plus += view.node != 0;
		*cookie = view.dirent.cookie;
	}
	return 0;
}

static void expect_page(struct path_rig *rig, uint32_t opcode, uint64_t node, uint64_t fh,
			uint64_t *cookie, const char *names)
{
	struct page page;

	assert_int_equal(read_page(rig, opcode, node, fh, cookie, 4096, &page), 0);
	assert_string_equal(page.names, names);
}

static uint64_t make_dir(struct path_rig *rig, uint64_t *ret_fh)
{
	uint64_t node;

	path_tree_make(&rig->tree, "/d", S_IFDIR | 0755);
	path_tree_make(&rig->tree, "/d/a", S_IFREG | 0644);
	path_tree_make(&rig->tree, "/d/b", S_IFREG | 0644);
	path_tree_make(&rig->tree, "/d/b/below", S_IFREG | 0644);
	assert_int_equal(path_lookup(rig, ROOT, "d", &node), 0);
	assert_int_equal(path_opendir(rig, node, ret_fh), 0);
	return node;
}

static void test_names_and_dots(void **state)
{
	struct path_rig *rig = *state;
	struct fb_wire_attr root, attr;
	uint64_t fh, dir = make_dir(rig, &fh), cookie = 0;
	struct page page;

	assert_int_equal(path_getattr(rig, ROOT, NULL, &root), 0);
	assert_int_equal(path_getattr(rig, dir, NULL, &attr), 0);
	assert_int_equal(read_page(rig, FB_OP_READDIR, dir, fh, &cookie, 4096, &page), 0);
	assert_string_equal(page.names, ". .. a b");
	assert_int_equal(page.first_ino, attr.ino);
	assert_int_equal(page.second_ino, root.ino);
	expect_page(rig, FB_OP_READDIR, dir, fh, &cookie, "");
	assert_int_equal(rig->tree.calls[TREE_readdir], 1);
	/* The root is its own parent. */
	assert_int_equal(path_opendir(rig, ROOT, &fh), 0);
	cookie = 0;
	assert_int_equal(read_page(rig, FB_OP_READDIR, ROOT, fh, &cookie, 4096, &page), 0);
	assert_int_equal(page.first_ino, root.ino);
	assert_int_equal(page.second_ino, root.ino);
}

static void test_plus_counts_lookups(void **state)
{
	struct path_rig *rig = *state;
	uint64_t fh, dir = make_dir(rig, &fh), cookie = 0, node;

	expect_page(rig, FB_OP_READDIRPLUS, dir, fh, &cookie, ". .. a+ b+");
	assert_int_equal(path_rig_nodes(rig), 3);
	assert_int_equal(fb_path_find(rig->path, "/d/a", &node), 0);
	assert_int_equal(path_getattr(rig, node, NULL, NULL), 0);
	client_forget(&rig->client, node, 1);
	assert_int_equal(path_getattr(rig, node, NULL, NULL), -ESTALE);
}

static void test_names_only_are_sent_as_such(void **state)
{
	struct path_rig *rig = *state;
	uint64_t fh, dir = make_dir(rig, &fh), cookie = 0;

	rig->tree.names_only = true;
	expect_page(rig, FB_OP_READDIRPLUS, dir, fh, &cookie, ". .. a b");
	assert_int_equal(path_rig_nodes(rig), 1);
}

static void test_undelivered_listing_is_taken_back(void **state)
{
	struct path_rig *rig = *state;
	uint64_t fh, dir = make_dir(rig, &fh);
	struct fb_wire_read_in in = { .fh = fh, .size = 4096 };

	client_build(&rig->client, FB_OP_READDIRPLUS, dir, &in, sizeof(in), NULL, 0);
	fb_loopback_drop_answers(rig->loop, 1, ENOENT);
	assert_true(fb_loopback_send(rig->loop, rig->client.message, rig->client.message_size,
				     rig->client.answer, sizeof(rig->client.answer)) < 0);
	assert_int_equal(path_rig_nodes(rig), 1);
}

/* Each once, in pages of odd sizes, though names come and go meanwhile. */
static void test_many_names_exactly_once(void **state)
{
	static const uint32_t sizes[] = { 41, 1013, 4096, 65536 };
	struct path_rig *rig = *state;
	uint64_t dir, fh, cookie = 0;
	unsigned seen = 0, pages = 0;
	struct page page;

	path_tree_make(&rig->tree, "/big", S_IFDIR | 0755);
	rig->tree.big = 100000;
	assert_int_equal(path_lookup(rig, ROOT, "big", &dir), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(path_opendir(rig, dir, &fh), 0);
		cookie = seen = 0;
		do {
			assert_int_equal(
				read_page(rig, FB_OP_READDIR, dir, fh, &cookie, sizes[i], &page),
				0);
			seen += page.count;
			pages++;
		} while (page.count > 0);
		assert_int_equal(seen, rig->tree.big + 2);
	}
	assert_int_equal(rig->tree.calls[TREE_readdir], 4);
	assert_true(pages > 100000);
}

static void test_rewind_lists_anew(void **state)
{
	struct path_rig *rig = *state;
	uint64_t fh, dir = make_dir(rig, &fh), cookie = 0, other;

	expect_page(rig, FB_OP_READDIR, dir, fh, &cookie, ". .. a b");
	path_tree_make(&rig->tree, "/d/c", S_IFREG | 0644);
	expect_page(rig, FB_OP_READDIR, dir, fh, &cookie, "");
	cookie = 0;
	expect_page(rig, FB_OP_READDIR, dir, fh, &cookie, ". .. a b c");
	/* Somebody else's view is his own; and who begins in the middle gets one, too. */
	assert_int_equal(path_opendir(rig, dir, &other), 0);
	cookie = 3;
	expect_page(rig, FB_OP_READDIR, dir, other, &cookie, "b c");
	assert_int_equal(rig->tree.calls[TREE_readdir], 3);
}

static void test_removal_while_listing(void **state)
{
	struct path_rig *rig = *state;
	uint64_t fh, dir = make_dir(rig, &fh), cookie = 0;
	struct page page;

	assert_int_equal(read_page(rig, FB_OP_READDIRPLUS, dir, fh, &cookie, 500, &page), 0);
	assert_string_equal(page.names, ". .. a+");
	assert_int_equal(path_unlink(rig, dir, "b"), 0);
	/* The name is in the view; but no node is made of a file that has gone. */
	expect_page(rig, FB_OP_READDIRPLUS, dir, fh, &cookie, "b");
	assert_int_equal(fb_path_find(rig->path, "/d/b", &cookie), -ENOENT);
}

/* What was gathered before a change does not overwrite what the client knows since. */
static void test_attributes_after_a_write_are_not_sent(void **state)
{
	struct path_rig *rig = *state;
	uint64_t fh, dir = make_dir(rig, &fh), cookie = 0, node, file;
	struct page page;

	assert_int_equal(path_lookup(rig, dir, "b", &node), 0);
	assert_int_equal(path_open(rig, node, &file), 0);
	assert_int_equal(read_page(rig, FB_OP_READDIRPLUS, dir, fh, &cookie, 500, &page), 0);
	assert_string_equal(page.names, ". .. a+");
	assert_int_equal(client_write(&rig->client, node, file, 0, "x", 1, 0), 0);
	expect_page(rig, FB_OP_READDIRPLUS, dir, fh, &cookie, "b");
	/* Without changes the second page has them, too. */
	cookie = 0;
	assert_int_equal(read_page(rig, FB_OP_READDIRPLUS, dir, fh, &cookie, 500, &page), 0);
	expect_page(rig, FB_OP_READDIRPLUS, dir, fh, &cookie, "b+");
}

static void test_removed_directory_is_not_listed(void **state)
{
	struct path_rig *rig = *state;
	uint64_t dir, fh, cookie = 0;
	struct page page;

	assert_int_equal(path_mkdir(rig, ROOT, "d", &dir), 0);
	assert_int_equal(path_opendir(rig, dir, &fh), 0);
	assert_int_equal(path_rmdir(rig, ROOT, "d"), 0);
	assert_int_equal(read_page(rig, FB_OP_READDIR, dir, fh, &cookie, 4096, &page), -ENOENT);
	assert_int_equal(path_fh_call(rig, FB_OP_FSYNCDIR, dir, fh), 0);
	path_expect_called(rig, TREE_fsyncdir, NULL);
	assert_int_equal(path_opendir(rig, dir, NULL), -ESTALE);
}

static void test_failed_listing_keeps_the_old_one(void **state)
{
	struct path_rig *rig = *state;
	uint64_t fh, dir = make_dir(rig, &fh), cookie = 0;
	struct page page;

	rig->tree.forced[TREE_readdir] = -EIO;
	assert_int_equal(read_page(rig, FB_OP_READDIR, dir, fh, &cookie, 4096, &page), -EIO);
	rig->tree.forced[TREE_readdir] = 0;
	expect_page(rig, FB_OP_READDIR, dir, fh, &cookie, ". .. a b");
	rig->tree.forced[TREE_readdir] = -EIO;
	cookie = 0;
	assert_int_equal(read_page(rig, FB_OP_READDIRPLUS, dir, fh, &cookie, 4096, &page), -EIO);
	cookie = 2;
	expect_page(rig, FB_OP_READDIR, dir, fh, &cookie, "a b");
}

static void test_renamed_directory_is_listed_by_its_new_path(void **state)
{
	struct path_rig *rig = *state;
	uint64_t fh, dir = make_dir(rig, &fh), cookie = 0;

	assert_int_equal(path_rename(rig, ROOT, "d", ROOT, "e", 0), 0);
	expect_page(rig, FB_OP_READDIRPLUS, dir, fh, &cookie, ". .. a+ b+");
	path_expect_called(rig, TREE_readdir, "/e");
	assert_int_equal(fb_path_find(rig->path, "/e/a", &cookie), 0);
}

static int set_up_without_opendir(void **state)
{
	struct path_rig *rig = path_rig_new();

	rig->tree.ops.opendir = NULL;
	path_rig_connect(rig);
	*state = rig;
	return 0;
}

static void test_without_opendir(void **state)
{
	struct path_rig *rig = *state;
	uint64_t fh, dir = make_dir(rig, &fh), cookie = 0;

	expect_page(rig, FB_OP_READDIR, dir, fh, &cookie, ". .. a b");
	assert_int_equal(rig->tree.last.fh, 0);
	assert_int_equal(path_fh_call(rig, FB_OP_RELEASEDIR, dir, fh), 0);
	assert_int_equal(rig->tree.calls[TREE_releasedir], 0);
	assert_int_equal(path_fh_call(rig, FB_OP_FSYNCDIR, dir, fh), -EBADF);
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
		BOTH(test_names_and_dots),
		BOTH(test_plus_counts_lookups),
		BOTH(test_names_only_are_sent_as_such),
		TEST(test_undelivered_listing_is_taken_back),
		TEST(test_many_names_exactly_once),
		BOTH(test_rewind_lists_anew),
		BOTH(test_removal_while_listing),
		BOTH(test_attributes_after_a_write_are_not_sent),
		BOTH(test_removed_directory_is_not_listed),
		BOTH(test_failed_listing_keeps_the_old_one),
		BOTH(test_renamed_directory_is_listed_by_its_new_path),
		cmocka_unit_test_setup_teardown(test_without_opendir, set_up_without_opendir,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
