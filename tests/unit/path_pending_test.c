/* SPDX-License-Identifier: BSD-3-Clause */
/* The path layer when requests are held back: what happens in between, and what comes after. */
#include "cmocka_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "path_rig.h"

#define ROOT FB_ROOT_NODE

static int set_up(void **state)
{
	struct path_rig *rig = path_rig_start();

	path_tree_make(&rig->tree, "/a", S_IFDIR | 0755);
	path_tree_make(&rig->tree, "/b", S_IFDIR | 0755);
	path_tree_make(&rig->tree, "/a/f", S_IFREG | 0644);
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

static uint64_t submit_name(struct path_rig *rig, uint32_t opcode, uint64_t node, const char *name)
{
	client_build(&rig->client, opcode, node, NULL, 0, name, strlen(name) + 1);
	return client_submit(&rig->client);
}

static uint64_t submit_create(struct path_rig *rig, uint64_t node, const char *name)
{
	struct fb_wire_create_in in = { .flags = O_CREAT | O_RDWR, .mode = S_IFREG | 0644 };

	client_build(&rig->client, FB_OP_CREATE, node, &in, sizeof(in), name, strlen(name) + 1);
	return client_submit(&rig->client);
}

static uint64_t submit_read(struct path_rig *rig, uint64_t node, uint64_t fh)
{
	struct fb_wire_read_in in = { .fh = fh, .size = 10 };

	client_build(&rig->client, FB_OP_READ, node, &in, sizeof(in), NULL, 0);
	return client_submit(&rig->client);
}

/* Somebody who serves with one thread does not lock himself out. */
static void test_held_back_holds_up_nobody(void **state)
{
	struct path_rig *rig = *state;
	uint64_t a = lookup(rig, ROOT, "a"), f = lookup(rig, a, "f"), renamed, removed, looked_up;

	rig->tree.pending[TREE_rename] = rig->tree.pending[TREE_unlink] = true;
	path_build_rename(rig, ROOT, "a", ROOT, "c");
	renamed = client_submit(&rig->client);
	removed = submit_name(rig, FB_OP_UNLINK, a, "f");
	assert_int_equal(path_getattr(rig, a, NULL, NULL), -ENOENT);
	path_expect(rig, f, "/a/f");
	rig->tree.pending[TREE_getattr] = true;
	looked_up = submit_name(rig, FB_OP_LOOKUP, ROOT, "b");
	rig->tree.pending[TREE_rename] = false;
	assert_int_equal(path_rename(rig, ROOT, "b", ROOT, "d", 0), 0);
	path_tree_complete(&rig->tree, 0);
	assert_int_equal(client_receive(&rig->client, renamed), 0);
	path_expect(rig, f, "/c/f");
	path_tree_complete(&rig->tree, -EIO);
	assert_int_equal(client_receive(&rig->client, removed), -EIO);
	path_expect(rig, f, "/c/f");
	path_tree_complete(&rig->tree, 0);
	assert_int_equal(client_receive(&rig->client, looked_up), 0);
}

static void test_create_is_held_back_twice(void **state)
{
	struct path_rig *rig = *state;
	uint64_t b = lookup(rig, ROOT, "b"), ticket;

	rig->tree.pending[TREE_create] = rig->tree.pending[TREE_getattr] = true;
	for (int error = 0; error >= -EIO; error -= EIO) {
		rig->tree.calls[TREE_getattr] = 0;
		ticket = submit_create(rig, b, error ? "y" : "x");
		assert_int_equal(rig->tree.calls[TREE_getattr], 0);
		path_tree_complete(&rig->tree, 0);
		assert_int_equal(rig->tree.calls[TREE_getattr], 1);
		path_tree_complete(&rig->tree, error);
		assert_int_equal(client_receive(&rig->client, ticket), error);
		assert_int_equal(rig->tree.calls[TREE_release], error ? 1 : 0);
	}
	rig->tree.forced[TREE_create] = -ENOSPC;
	ticket = submit_create(rig, b, "z");
	path_tree_complete(&rig->tree, 0);
	assert_int_equal(client_receive(&rig->client, ticket), -ENOSPC);
	assert_int_equal(path_rig_nodes(rig), 2);
}

/* The second operation gets the path that is right then. */
static void test_renamed_between_create_and_getattr(void **state)
{
	struct path_rig *rig = *state;
	uint64_t b = lookup(rig, ROOT, "b"), ticket, node;

	rig->tree.pending[TREE_create] = rig->tree.pending[TREE_mkdir] = true;
	ticket = submit_create(rig, b, "x");
	assert_int_equal(path_rename(rig, ROOT, "b", ROOT, "c", 0), 0);
	path_tree_complete(&rig->tree, 0);
	assert_int_equal(client_receive(&rig->client, ticket), 0);
	path_expect_called(rig, TREE_getattr, "/c/x");
	assert_int_equal(fb_path_find(rig->path, "/c/x", &node), 0);
	/* And none, if it has gone. */
	ticket = submit_create(rig, b, "y");
	assert_int_equal(path_unlink(rig, b, "y"), 0);
	path_tree_complete(&rig->tree, 0);
	assert_int_equal(client_receive(&rig->client, ticket), 0);
	path_expect_called(rig, TREE_getattr, NULL);
	client_build(&rig->client, FB_OP_MKDIR, b, &(struct fb_wire_mkdir_in){ .mode = 0755 },
		     sizeof(struct fb_wire_mkdir_in), "z", 2);
	ticket = client_submit(&rig->client);
	assert_int_equal(path_rmdir(rig, b, "z"), 0);
	path_tree_complete(&rig->tree, 0);
	assert_int_equal(client_receive(&rig->client, ticket), -ENOENT);
}

static void test_removed_while_it_is_looked_up(void **state)
{
	struct path_rig *rig = *state;
	uint64_t a = lookup(rig, ROOT, "a"), ticket;

	rig->tree.pending[TREE_getattr] = true;
	ticket = submit_name(rig, FB_OP_LOOKUP, a, "f");
	assert_int_equal(path_unlink(rig, a, "f"), 0);
	path_tree_complete(&rig->tree, 0);
	assert_int_equal(client_receive(&rig->client, ticket), -ESTALE);
	assert_int_equal(path_rig_nodes(rig), 1);
}

static void test_release_waits_for_a_read(void **state)
{
	struct path_rig *rig = *state;
	uint64_t a = lookup(rig, ROOT, "a"), f = lookup(rig, a, "f"), fh, ticket;

	rig->tree.pending[TREE_read] = true;
	assert_int_equal(path_open(rig, f, &fh), 0);
	ticket = submit_read(rig, f, fh);
	assert_int_equal(path_fh_call(rig, FB_OP_RELEASE, f, fh), 0);
	assert_int_equal(rig->tree.calls[TREE_release], 0);
	/* Nobody else gets at it, and the node stays though it is forgotten. */
	assert_int_equal(client_read(&rig->client, FB_OP_READ, f, fh, 0, 1), -EBADF);
	client_forget(&rig->client, f, 1);
	assert_int_equal(path_getattr(rig, f, NULL, NULL), -ESTALE);
	path_tree_complete(&rig->tree, 0);
	assert_int_equal(client_receive(&rig->client, ticket), 0);
	assert_int_equal(rig->tree.calls[TREE_release], 1);
	client_forget(&rig->client, a, 1);
	client_lose(&rig->client);
	assert_int_equal(path_rig_nodes(rig), 0);
}

static void test_renames_that_would_make_a_loop(void **state)
{
	struct path_rig *rig = *state;
	uint64_t a = lookup(rig, ROOT, "a"), b = lookup(rig, ROOT, "b"), first, second;

	rig->tree.pending[TREE_rename] = true;
	path_build_rename(rig, ROOT, "a", b, "x");
	first = client_submit(&rig->client);
	path_build_rename(rig, ROOT, "b", a, "y");
	second = client_submit(&rig->client);
	path_tree_complete(&rig->tree, 0);
	path_tree_complete(&rig->tree, 0);
	assert_int_equal(client_receive(&rig->client, first), 0);
	assert_int_equal(client_receive(&rig->client, second), 0);
	path_expect(rig, b, NULL);
	path_expect(rig, a, NULL);
}

static void test_listing_is_held_back(void **state)
{
	struct path_rig *rig = *state;
	uint64_t a = lookup(rig, ROOT, "a"), fh, tickets[2];
	struct fb_wire_read_in in = { .size = 4096 };

	assert_int_equal(path_opendir(rig, a, &fh), 0);
	rig->tree.pending[TREE_readdir] = true;
	in.fh = fh;
	for (int i = 0; i < 2; i++) {
		client_build(&rig->client, FB_OP_READDIRPLUS, a, &in, sizeof(in), NULL, 0);
		tickets[i] = client_submit(&rig->client);
	}
	assert_int_equal(path_fh_call(rig, FB_OP_RELEASEDIR, a, fh), 0);
	for (int i = 0; i < 2; i++) {
		path_tree_complete(&rig->tree, i == 0 ? 0 : -EIO);
		assert_int_equal(client_receive(&rig->client, tickets[i]), i == 0 ? 0 : -EIO);
	}
	assert_int_equal(rig->tree.calls[TREE_releasedir], 1);
}

/* A request that is completed when the client has been gone for long. */
static void test_completed_after_the_end(void **state)
{
	struct path_rig *rig = *state;
	uint64_t a = lookup(rig, ROOT, "a"), f = lookup(rig, a, "f"), fh;
	unsigned getattrs;

	assert_int_equal(path_open(rig, f, &fh), 0);
	rig->tree.pending[TREE_read] = rig->tree.pending[TREE_mkdir] = true;
	submit_read(rig, f, fh);
	client_build(&rig->client, FB_OP_MKDIR, a, &(struct fb_wire_mkdir_in){ .mode = 0755 },
		     sizeof(struct fb_wire_mkdir_in), "z", 2);
	client_submit(&rig->client);
	fb_loopback_free(rig->loop);
	rig->loop = NULL;
	getattrs = rig->tree.calls[TREE_getattr];
	assert_int_equal(rig->tree.calls[TREE_release], 1);
	assert_int_equal(rig->tree.calls[TREE_destroy], 1);
	path_tree_complete(&rig->tree, 0);
	path_tree_complete(&rig->tree, 0);
	assert_int_equal(rig->tree.calls[TREE_release], 1);
	assert_int_equal(rig->tree.calls[TREE_getattr], getattrs);
	rig->keeps = true;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_held_back_holds_up_nobody),
		TEST(test_create_is_held_back_twice),
		TEST(test_renamed_between_create_and_getattr),
		TEST(test_removed_while_it_is_looked_up),
		TEST(test_release_waits_for_a_read),
		TEST(test_renames_that_would_make_a_loop),
		TEST(test_listing_is_held_back),
		TEST(test_completed_after_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
