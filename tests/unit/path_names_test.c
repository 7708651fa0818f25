/* SPDX-License-Identifier: BSD-3-Clause */
/* The path layer's nodes: lookups, names that come, move and go. Each case runs twice. */
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

static uint64_t lookup(struct path_rig *rig, uint64_t parent, const char *name)
{
	uint64_t node = 0;

	assert_int_equal(path_lookup(rig, parent, name, &node), 0);
	return node;
}

/* ---- lookups ------------------------------------------------------------------------------- */

static void test_same_name_same_node(void **state)
{
	struct path_rig *rig = *state;
	uint64_t a, b;

	path_tree_make(&rig->tree, "/a", S_IFREG | 0644);
	path_tree_make(&rig->tree, "/b", S_IFREG | 0644);
	a = lookup(rig, ROOT, "a");
	b = lookup(rig, ROOT, "b");
	assert_true(a != b && a > ROOT && b > ROOT);
	assert_true(lookup(rig, ROOT, "a") == a);
	assert_int_equal(path_rig_nodes(rig), 2);
	/* Two lookups: one forget leaves the node. */
	client_forget(&rig->client, a, 1);
	assert_int_equal(path_getattr(rig, a, NULL, NULL), 0);
	client_forget(&rig->client, a, 1);
	assert_int_equal(path_getattr(rig, a, NULL, NULL), -ESTALE);
	client_forget(&rig->client, b, 1);
	client_lose(&rig->client);
	assert_int_equal(path_rig_nodes(rig), 0);
}

static void test_failed_lookup_leaves_nothing(void **state)
{
	struct path_rig *rig = *state;

	assert_int_equal(path_lookup(rig, ROOT, "none", NULL), -ENOENT);
	rig->tree.forced[TREE_getattr] = -EIO;
	assert_int_equal(path_lookup(rig, ROOT, "none", NULL), -EIO);
	assert_int_equal(path_rig_nodes(rig), 0);
}

static void test_number_is_not_used_again(void **state)
{
	struct path_rig *rig = *state;
	uint64_t before, after;

	path_tree_make(&rig->tree, "/a", S_IFREG | 0644);
	before = lookup(rig, ROOT, "a");
	client_forget(&rig->client, before, 1);
	client_lose(&rig->client);
	after = lookup(rig, ROOT, "a");
	assert_true(before != after);
	/* The slot is the same one. */
	assert_int_equal((uint32_t)before, (uint32_t)after);
	assert_int_equal(path_getattr(rig, before, NULL, NULL), -ESTALE);
	assert_int_equal(path_getattr(rig, after, NULL, NULL), 0);
}

static void test_forged_nodes_are_stale(void **state)
{
	static const uint64_t forged[] = { 2,          3,
					   64,         65,
					   1u << 20,   UINT32_MAX,
					   UINT64_MAX, (1ull << 32) | 77,
					   1ull << 32, (2ull << 32) | 2 };
	struct path_rig *rig = *state;
	struct fb_wire_open_in in = { 0 };

	path_tree_make(&rig->tree, "/a", S_IFREG | 0644);
	lookup(rig, ROOT, "a");
	rig->tree.calls[TREE_getattr] = 0;
	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		assert_int_equal(path_getattr(rig, forged[i], NULL, NULL), -ESTALE);
		assert_int_equal(path_lookup(rig, forged[i], "a", NULL), -ESTALE);
		assert_int_equal(path_mkdir(rig, forged[i], "a", NULL), -ESTALE);
		assert_int_equal(path_unlink(rig, forged[i], "a"), -ESTALE);
		assert_int_equal(path_rename(rig, ROOT, "a", forged[i], "a", 0), -ESTALE);
		assert_int_equal(path_rename(rig, forged[i], "a", ROOT, "a", 0), -ESTALE);
		assert_int_equal(path_link(rig, forged[i], ROOT, "b", NULL), -ESTALE);
		assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_OPEN, forged[i], in), -ESTALE);
		assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_OPENDIR, forged[i], in), -ESTALE);
		client_forget(&rig->client, forged[i], 1);
	}
	assert_int_equal(rig->tree.calls[TREE_getattr], 0);
	assert_int_equal(rig->tree.calls[TREE_rename], 0);
}

static void test_many_lookups_are_forgotten_at_once(void **state)
{
	const uint32_t count = 100000, batch = 1000;
	struct path_rig *rig = *state;
	struct fb_wire_batch_forget_in in = { .count = batch };
	struct fb_wire_forget_one *ones = calloc(count, sizeof(*ones));
	uint64_t big;
	char name[32];

	assert_non_null(ones);
	path_tree_make(&rig->tree, "/big", S_IFDIR | 0755);
	rig->tree.big = count;
	big = lookup(rig, ROOT, "big");
	for (uint32_t i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		ones[i].nodeid = lookup(rig, big, name);
		ones[i].nlookup = 1;
		client_lose(&rig->client);
	}
	assert_int_equal(path_rig_nodes(rig), count + 1);
	path_expect(rig, ones[count - 1].nodeid, "/big/f99999");
	client_forget(&rig->client, big, 1);
	assert_int_equal(path_getattr(rig, big, NULL, NULL), -ESTALE);
	for (uint32_t i = 0; i < count; i += batch)
		client_call(&rig->client, FB_OP_BATCH_FORGET, 0, &in, sizeof(in), ones + i,
			    batch * sizeof(*ones));
	assert_int_equal(path_rig_nodes(rig), 0);
	free(ones);
}

static void test_inode_numbers_are_filled_in(void **state)
{
	struct path_rig *rig = *state;
	struct fb_wire_attr attr;
	uint64_t node, ino;

	path_tree_make(&rig->tree, "/big", S_IFDIR | 0755);
	ino = path_tree_make(&rig->tree, "/a", S_IFREG | 0755);
	rig->tree.big = 1;
	node = lookup(rig, ROOT, "a");
	assert_int_equal(path_getattr(rig, node, NULL, &attr), 0);
	assert_int_equal(attr.ino, ino);
	node = lookup(rig, lookup(rig, ROOT, "big"), "f0");
	assert_int_equal(path_getattr(rig, node, NULL, &attr), 0);
	assert_int_equal(attr.ino, node);
}

static void test_gone_unseen_is_another_node(void **state)
{
	struct path_rig *rig = *state;
	uint64_t before, after, dir;

	path_tree_make(&rig->tree, "/a", S_IFREG | 0644);
	before = lookup(rig, ROOT, "a");
	path_tree_remove(&rig->tree, "/a");
	assert_int_equal(path_lookup(rig, ROOT, "a", NULL), -ENOENT);
	path_expect(rig, before, NULL);
	assert_int_equal(path_getattr(rig, before, NULL, NULL), -ESTALE);
	path_tree_make(&rig->tree, "/a", S_IFREG | 0644);
	after = lookup(rig, ROOT, "a");
	assert_true(before != after);
	/* Nobody looked, and it is made anew. */
	path_tree_remove(&rig->tree, "/a");
	assert_int_equal(path_mkdir(rig, ROOT, "a", &dir), 0);
	assert_true(dir != after);
	path_expect(rig, after, NULL);
	path_expect(rig, dir, "/a");
}

static void test_paths_are_found(void **state)
{
	struct path_rig *rig = *state;
	uint64_t a, b, found;
	char buf[8];

	path_tree_make(&rig->tree, "/a", S_IFDIR | 0755);
	path_tree_make(&rig->tree, "/a/b", S_IFREG | 0644);
	a = lookup(rig, ROOT, "a");
	assert_int_equal(fb_path_find(rig->path, "/a/b", &found), -ENOENT);
	b = lookup(rig, a, "b");
	assert_int_equal(fb_path_find(rig->path, "/a/b", &found), 0);
	assert_true(found == b);
	assert_int_equal(fb_path_find(rig->path, "/", &found), 0);
	assert_true(found == ROOT);
	assert_int_equal(fb_path_find(rig->path, "/a/c", &found), -ENOENT);
	assert_int_equal(fb_path_find(rig->path, "a", &found), -ENOENT);
	assert_int_equal(fb_path_find(rig->path, "", &found), -ENOENT);
	assert_int_equal(fb_path_of(rig->path, b, buf, 5), 4);
	assert_string_equal(buf, "/a/b");
	assert_int_equal(fb_path_of(rig->path, b, buf, 4), -ENAMETOOLONG);
	assert_int_equal(fb_path_of(rig->path, ROOT, buf, 1), -ENAMETOOLONG);
	assert_int_equal(fb_path_of(rig->path, ROOT, buf, 2), 1);
	assert_int_equal(fb_path_of(rig->path, 77, buf, sizeof(buf)), -ESTALE);
}

static void test_long_paths_are_refused(void **state)
{
	struct path_rig *rig = *state;
	char name[FB_NAME_MAX + 1];
	uint64_t node = ROOT;
	int depth = 0, r = 0;

	memset(name, 'd', FB_NAME_MAX);
	name[FB_NAME_MAX] = '\0';
	while (r == 0) {
		uint64_t made;

		r = path_mkdir(rig, node, name, &made);
		if (r == 0) {
			node = made;
			depth++;
		}
	}
	assert_int_equal(r, -ENAMETOOLONG);
	assert_int_equal(depth, (PATH_MAX - 1) / (FB_NAME_MAX + 1));
	assert_int_equal(path_lookup(rig, node, name, NULL), -ENAMETOOLONG);
	assert_int_equal(path_unlink(rig, node, name), -ENAMETOOLONG);
	assert_int_equal(path_getattr(rig, node, NULL, NULL), 0);
}

/* ---- making -------------------------------------------------------------------------------- */

static void test_what_is_made_is_known(void **state)
{
	struct path_rig *rig = *state;
	uint64_t dir, file, link, other;

	assert_int_equal(path_mkdir(rig, ROOT, "d", &dir), 0);
	assert_int_equal(path_mknod(rig, dir, "f", &file), 0);
	assert_int_equal(path_symlink(rig, dir, "s", "target", &link), 0);
	assert_int_equal(path_link(rig, file, ROOT, "f2", &other), 0);
	path_expect(rig, dir, "/d");
	path_expect(rig, file, "/d/f");
	path_expect(rig, link, "/d/s");
	path_expect(rig, other, "/f2");
	assert_true(file != other);
	assert_int_equal(client_call(&rig->client, FB_OP_READLINK, link, NULL, 0, NULL, 0), 0);
	assert_int_equal(client_body_size(&rig->client), 6);
	assert_int_equal(path_mkdir(rig, ROOT, "d", NULL), -EEXIST);
	assert_int_equal(path_rig_nodes(rig), 4);
}

static void test_errors_of_making(void **state)
{
	struct path_rig *rig = *state;

	for (enum tree_op op = 0; op < TREE_OPS; op++)
		rig->tree.forced[op] = op == TREE_getattr ? 0 : -ENOSPC;
	assert_int_equal(path_mkdir(rig, ROOT, "d", NULL), -ENOSPC);
	assert_int_equal(path_mknod(rig, ROOT, "d", NULL), -ENOSPC);
	assert_int_equal(path_symlink(rig, ROOT, "d", "x", NULL), -ENOSPC);
	assert_int_equal(path_link(rig, ROOT, ROOT, "d", NULL), -ENOSPC);
	assert_int_equal(path_create(rig, ROOT, "d", 0, NULL, NULL), -ENOSPC);
	assert_int_equal(path_tmpfile(rig, ROOT, NULL, NULL), -ENOSPC);
	assert_int_equal(path_unlink(rig, ROOT, "d"), -ENOSPC);
	assert_int_equal(path_rmdir(rig, ROOT, "d"), -ENOSPC);
	assert_int_equal(path_rename(rig, ROOT, "d", ROOT, "e", 0), -ENOSPC);
	assert_int_equal(path_rig_nodes(rig), 0);
}

static void test_attributes_that_fail_afterwards(void **state)
{
	struct path_rig *rig = *state;

	path_tree_make(&rig->tree, "/l", S_IFREG | 0644);
	rig->tree.forced[TREE_getattr] = -EIO;
	assert_int_equal(path_mkdir(rig, ROOT, "d", NULL), -EIO);
	assert_int_equal(path_mknod(rig, ROOT, "n", NULL), -EIO);
	assert_int_equal(path_symlink(rig, ROOT, "s", "x", NULL), -EIO);
	assert_int_equal(path_link(rig, ROOT, ROOT, "m", NULL), -EIO);
	assert_int_equal(path_rig_nodes(rig), 0);
	assert_int_equal(path_create(rig, ROOT, "c", 0, NULL, NULL), -EIO);
	assert_int_equal(path_create(rig, ROOT, "x", O_EXCL, NULL, NULL), -EIO);
	assert_int_equal(path_tmpfile(rig, ROOT, NULL, NULL), -EIO);
	/* What was opened has been released. */
	assert_int_equal(rig->tree.calls[TREE_release], 3);
	assert_int_equal(path_rig_nodes(rig), 0);
}

/* ---- removing ------------------------------------------------------------------------------ */

static void test_removed_has_no_path(void **state)
{
	struct path_rig *rig = *state;
	struct fb_wire_access_in access = { 0 };
	struct fb_wire_open_in open = { 0 };
	uint64_t node, dir;

	path_tree_make(&rig->tree, "/a", S_IFREG | 0644);
	path_tree_make(&rig->tree, "/d", S_IFDIR | 0644);
	node = lookup(rig, ROOT, "a");
	dir = lookup(rig, ROOT, "d");
	assert_int_equal(path_unlink(rig, ROOT, "a"), 0);
	assert_int_equal(path_rmdir(rig, ROOT, "d"), 0);
	path_expect(rig, node, NULL);
	assert_int_equal(path_getattr(rig, node, NULL, NULL), -ESTALE);
	assert_int_equal(path_truncate(rig, node, NULL, 0), -ESTALE);
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_OPEN, node, open), -ESTALE);
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_ACCESS, node, access), -ESTALE);
	assert_int_equal(path_link(rig, node, ROOT, "b", NULL), -ESTALE);
	assert_int_equal(path_lookup(rig, dir, "x", NULL), -ENOENT);
	assert_int_equal(path_mkdir(rig, dir, "x", NULL), -ENOENT);
	assert_int_equal(path_rename(rig, dir, "x", ROOT, "y", 0), -ENOENT);
	/* The file system as a whole is still there. */
	assert_int_equal(client_call(&rig->client, FB_OP_STATFS, node, NULL, 0, NULL, 0), 0);
	path_expect_called(rig, TREE_statfs, "/");
	/* The name is free for another file. */
	path_tree_make(&rig->tree, "/a", S_IFREG | 0644);
	assert_true(lookup(rig, ROOT, "a") != node);
}

static void test_failed_removal_changes_nothing(void **state)
{
	struct path_rig *rig = *state;
	uint64_t dir;

	path_tree_make(&rig->tree, "/d", S_IFDIR | 0755);
	path_tree_make(&rig->tree, "/d/f", S_IFREG | 0755);
	dir = lookup(rig, ROOT, "d");
	assert_int_equal(path_rmdir(rig, ROOT, "d"), -ENOTEMPTY);
	path_expect(rig, dir, "/d");
	assert_int_equal(path_unlink(rig, dir, "none"), -ENOENT);
	assert_int_equal(path_unlink(rig, dir, "f"), 0);
	assert_int_equal(path_rig_nodes(rig), 1);
}

/* ---- renaming ------------------------------------------------------------------------------ */

static void test_rename_takes_the_subtree_along(void **state)
{
	struct path_rig *rig = *state;
	uint64_t a, b, sub, file, fh;

	path_tree_make(&rig->tree, "/a", S_IFDIR | 0755);
	path_tree_make(&rig->tree, "/b", S_IFDIR | 0755);
	path_tree_make(&rig->tree, "/a/sub", S_IFDIR | 0755);
	path_tree_make(&rig->tree, "/a/sub/file", S_IFREG | 0755);
	a = lookup(rig, ROOT, "a");
	b = lookup(rig, ROOT, "b");
	sub = lookup(rig, a, "sub");
	file = lookup(rig, sub, "file");
	assert_int_equal(path_open(rig, file, &fh), 0);
	assert_int_equal(path_rename(rig, a, "sub", b, "moved", 0), 0);
	path_expect(rig, sub, "/b/moved");
	path_expect(rig, file, "/b/moved/file");
	assert_int_equal(client_write(&rig->client, file, fh, 0, "hi", 2, 0), 0);
	path_expect_called(rig, TREE_write, "/b/moved/file");
	assert_int_equal(path_getattr(rig, file, NULL, NULL), 0);
	path_expect_called(rig, TREE_getattr, "/b/moved/file");
	assert_true(lookup(rig, sub, "file") == file);
	assert_int_equal(path_lookup(rig, a, "sub", NULL), -ENOENT);
	assert_int_equal(path_rig_nodes(rig), 4);
}

static void test_rename_over_an_open_file(void **state)
{
	struct path_rig *rig = *state;
	struct fb_wire_attr attr;
	uint64_t a, b, fh, b_ino;

	path_tree_make(&rig->tree, "/a", S_IFREG | 0644);
	b_ino = path_tree_make(&rig->tree, "/b", S_IFREG | 0644);
	a = lookup(rig, ROOT, "a");
	b = lookup(rig, ROOT, "b");
	assert_int_equal(path_open(rig, b, &fh), 0);
	assert_int_equal(path_rename(rig, ROOT, "a", ROOT, "b", 0), 0);
	path_expect(rig, a, "/b");
	path_expect(rig, b, NULL);
	assert_true(lookup(rig, ROOT, "b") == a);
	assert_int_equal(path_getattr(rig, b, NULL, &attr), 0);
	assert_int_equal(attr.ino, b_ino);
	assert_int_equal(path_getattr(rig, b, &fh, &attr), 0);
	assert_int_equal(attr.ino, b_ino);
	path_expect_called(rig, TREE_getattr, NULL);
}

static void test_exchange(void **state)
{
	struct path_rig *rig = *state;
	uint64_t dir, file, below;

	path_tree_make(&rig->tree, "/d", S_IFDIR | 0755);
	path_tree_make(&rig->tree, "/d/x", S_IFREG | 0755);
	path_tree_make(&rig->tree, "/f", S_IFREG | 0755);
	dir = lookup(rig, ROOT, "d");
	below = lookup(rig, dir, "x");
	file = lookup(rig, ROOT, "f");
	assert_int_equal(path_rename(rig, ROOT, "d", ROOT, "f", FB_RENAME_EXCHANGE), 0);
	path_expect(rig, dir, "/f");
	path_expect(rig, below, "/f/x");
	path_expect(rig, file, "/d");
	assert_true(lookup(rig, ROOT, "d") == file);
	assert_int_equal(path_rename(rig, ROOT, "d", ROOT, "none", FB_RENAME_EXCHANGE), -ENOENT);
	path_expect(rig, file, "/d");
	/* One of the two is not known to the client. */
	path_tree_make(&rig->tree, "/u", S_IFREG | 0644);
	assert_int_equal(path_rename(rig, ROOT, "u", ROOT, "d", FB_RENAME_EXCHANGE), 0);
	path_expect(rig, file, "/u");
}

static void test_rename_flags_reach_the_user(void **state)
{
	struct path_rig *rig = *state;
	uint64_t a;

	path_tree_make(&rig->tree, "/a", S_IFREG | 0644);
	path_tree_make(&rig->tree, "/b", S_IFREG | 0644);
	a = lookup(rig, ROOT, "a");
	assert_int_equal(path_rename(rig, ROOT, "a", ROOT, "b", FB_RENAME_NOREPLACE), -EEXIST);
	path_expect(rig, a, "/a");
	assert_int_equal(path_rename(rig, ROOT, "a", ROOT, "c", FB_RENAME_NOREPLACE), 0);
	path_expect(rig, a, "/c");
	assert_int_equal(path_rename(rig, ROOT, "c", ROOT, "c", 0), 0);
	path_expect(rig, a, "/c");
}

static void test_rename_makes_no_loops(void **state)
{
	struct path_rig *rig = *state;
	uint64_t a, b;

	path_tree_make(&rig->tree, "/a", S_IFDIR | 0755);
	path_tree_make(&rig->tree, "/a/b", S_IFDIR | 0755);
	a = lookup(rig, ROOT, "a");
	b = lookup(rig, a, "b");
	assert_int_equal(path_rename(rig, ROOT, "a", b, "x", 0), -EINVAL);
	assert_int_equal(path_rename(rig, ROOT, "a", a, "x", 0), -EINVAL);
	assert_int_equal(path_rename(rig, a, "b", ROOT, "a", 0), -ENOTEMPTY);
	assert_int_equal(path_rename(rig, a, "b", ROOT, "a", FB_RENAME_EXCHANGE), -EINVAL);
	assert_int_equal(rig->tree.calls[TREE_rename], 0);
	path_expect(rig, b, "/a/b");
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
		BOTH(test_same_name_same_node),
		BOTH(test_failed_lookup_leaves_nothing),
		BOTH(test_number_is_not_used_again),
		BOTH(test_forged_nodes_are_stale),
		TEST(test_many_lookups_are_forgotten_at_once),
		BOTH(test_inode_numbers_are_filled_in),
		BOTH(test_gone_unseen_is_another_node),
		BOTH(test_paths_are_found),
		BOTH(test_long_paths_are_refused),
		BOTH(test_what_is_made_is_known),
		BOTH(test_errors_of_making),
		BOTH(test_attributes_that_fail_afterwards),
		BOTH(test_removed_has_no_path),
		BOTH(test_failed_removal_changes_nothing),
		BOTH(test_rename_takes_the_subtree_along),
		BOTH(test_rename_over_an_open_file),
		BOTH(test_exchange),
		BOTH(test_rename_flags_reach_the_user),
		BOTH(test_rename_makes_no_loops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
