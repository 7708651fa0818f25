/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers that nobody gets: what they would have handed out goes back to the driver. */
#include "cmocka_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "rig.h"

static int set_up(void **state)
{
	*state = rig_start();
	return 0;
}

static int tear_down(void **state)
{
	rig_end(*state);
	return 0;
}

/* Whether all is back and one more answer counts as undelivered. */
static void assert_all_back(struct rig *rig, unsigned undelivered)
{
	assert_int_equal(mock_nodes_out(&rig->mock), 0);
	assert_int_equal(mock_files_out(&rig->mock), 0);
	assert_int_equal(rig->mock.strays, 0);
	assert_int_equal(rig_session_stats(rig).undelivered, undelivered);
}

static void test_lookup(void **state)
{
	struct rig *rig = *state;

	fb_loopback_drop_answers(rig->loop, 1, ENOENT);
	assert_int_equal(client_name(&rig->client, FB_OP_LOOKUP, 1, "a"), -ENOENT);
	assert_int_equal(rig->client.length, -ENOENT);
	assert_int_equal(mock_calls(&rig->mock, MOCK_forget), 1);
	assert_all_back(rig, 1);
	assert_int_equal(client_name(&rig->client, FB_OP_LOOKUP, 1, "a"), 0);
	assert_int_equal(mock_nodes_out(&rig->mock), 1);
}

static void test_makers(void **state)
{
	struct rig *rig = *state;
	struct client *c = &rig->client;
	struct fb_wire_mkdir_in mkdir = { .mode = 0755 };
	struct fb_wire_mknod_in mknod = { .mode = S_IFREG | 0644 };
	struct fb_wire_link_in link = { .oldnodeid = 5 };

	fb_loopback_drop_answers(rig->loop, 4, ECONNABORTED);
	assert_int_equal(CLIENT_CALL_NAME(c, FB_OP_MKNOD, 1, mknod, "a"), -ECONNABORTED);
	assert_int_equal(CLIENT_CALL_NAME(c, FB_OP_LINK, 1, link, "a"), -ECONNABORTED);
	rig->mock.entry.attr.mode = S_IFDIR | 0755;
	assert_int_equal(CLIENT_CALL_NAME(c, FB_OP_MKDIR, 1, mkdir, "a"), -ECONNABORTED);
	rig->mock.entry.attr.mode = S_IFLNK | 0755;
	assert_int_equal(client_call(c, FB_OP_SYMLINK, 1, NULL, 0, "a\0b", 4), -ECONNABORTED);
	assert_int_equal(mock_calls(&rig->mock, MOCK_forget), 4);
	assert_all_back(rig, 4);
}

static void test_opens(void **state)
{
	struct rig *rig = *state;
	struct client *c = &rig->client;

	fb_loopback_drop_answers(rig->loop, 2, ENOENT);
	assert_int_equal(client_open(c, FB_OP_OPEN, 5, O_RDWR), -ENOENT);
	assert_int_equal(mock_calls(&rig->mock, MOCK_release), 1);
	assert_int_equal(client_open(c, FB_OP_OPENDIR, 6, 0), -ENOENT);
	assert_int_equal(mock_calls(&rig->mock, MOCK_releasedir), 1);
	assert_all_back(rig, 2);
}

static void test_creates(void **state)
{
	struct rig *rig = *state;
	struct client *c = &rig->client;
	struct fb_wire_create_in in = { .flags = O_TMPFILE | O_RDWR, .mode = S_IFREG | 0600 };

	fb_loopback_drop_answers(rig->loop, 2, ENOENT);
	assert_int_equal(client_create(c, 1, "a", O_RDWR), -ENOENT);
	assert_int_equal(CLIENT_CALL_NAME(c, FB_OP_TMPFILE, 1, in, "/"), -ENOENT);
	assert_int_equal(mock_calls(&rig->mock, MOCK_release), 2);
	assert_int_equal(mock_calls(&rig->mock, MOCK_forget), 2);
	assert_all_back(rig, 2);
}

/* release comes for created files also where the driver has no open of its own. */
static void test_create_without_open(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	mock_leave_out(&rig->mock, MOCK_open);
	mock_leave_out(&rig->mock, MOCK_opendir);
	assert_int_equal(rig_connect(rig), 0);
	fb_loopback_drop_answers(rig->loop, 3, ENOENT);
	assert_int_equal(client_create(&rig->client, 1, "a", O_RDWR), -ENOENT);
	assert_int_equal(client_open(&rig->client, FB_OP_OPEN, 5, O_RDWR), -ENOENT);
	assert_int_equal(client_open(&rig->client, FB_OP_OPENDIR, 5, O_RDWR), -ENOENT);
	assert_int_equal(mock_calls(&rig->mock, MOCK_release), 1);
	assert_int_equal(mock_calls(&rig->mock, MOCK_releasedir), 0);
	assert_all_back(rig, 3);
	rig_end(rig);
}

static void test_readdirplus(void **state)
{
	struct rig *rig = *state;
	const struct fb_attr attr = { .ino = 3, .mode = S_IFREG | 0644 };
	const struct fb_dirent listing[] = {
		{ .ino = 1, .cookie = 1, .name = ".", .name_len = 1 },
		{ .ino = 1, .cookie = 2, .name = "..", .name_len = 2 },
		{ .ino = 3, .cookie = 3, .name = "a", .name_len = 1 },
		{ .ino = 4, .cookie = 4, .name = "b", .name_len = 1 },
		{ .ino = 5, .cookie = 5, .name = "unknown", .name_len = 7 },
		{ .ino = 3, .cookie = 6, .name = ".a-again", .name_len = 8 },
	};
	const struct fb_entry plus[] = {
		{ .node = 21, .attr = attr }, { .node = 22, .attr = attr },
		{ .node = 23, .attr = attr }, { .node = 24, .attr = attr },
		{ .node = 0, .attr = attr },  { .node = 0, .attr = attr },
	};

	rig->mock.listing = listing;
	rig->mock.listing_plus = plus;
	rig->mock.listing_count = 6;
	fb_loopback_drop_answers(rig->loop, 1, ENOENT);
	assert_int_equal(client_read(&rig->client, FB_OP_READDIRPLUS, 1, 1, 0, 4096), -ENOENT);
	assert_int_equal(mock_calls(&rig->mock, MOCK_forget), 2);
	assert_all_back(rig, 1);
	/* The same, delivered: the client holds the two. */
	assert_int_equal(client_read(&rig->client, FB_OP_READDIRPLUS, 1, 1, 0, 4096), 0);
	assert_int_equal(client_nodes(&rig->client), 2);
	assert_int_equal(mock_nodes_out(&rig->mock), 2);
}

static void test_readdir_hands_nothing_out(void **state)
{
	struct rig *rig = *state;
	const struct fb_dirent listing[] = {
		{ .ino = 3, .cookie = 1, .name = "a", .name_len = 1 }
	};
	const struct fb_entry plus[] = { rig->mock.entry };

	rig->mock.listing = listing;
	rig->mock.listing_plus = plus;
	rig->mock.listing_count = 1;
	fb_loopback_drop_answers(rig->loop, 1, ENOENT);
	assert_int_equal(client_read(&rig->client, FB_OP_READDIR, 1, 1, 0, 4096), -ENOENT);
	assert_int_equal(mock_calls(&rig->mock, MOCK_forget), 0);
	assert_all_back(rig, 1);
}

static void test_root_and_nothing_are_not_forgotten(void **state)
{
	struct rig *rig = *state;

	fb_loopback_drop_answers(rig->loop, 2, ENOENT);
	rig->mock.entry.node = 0;
	assert_int_equal(client_name(&rig->client, FB_OP_LOOKUP, 1, "a"), -ENOENT);
	rig->mock.entry.node = FB_ROOT_NODE;
	assert_int_equal(client_name(&rig->client, FB_OP_LOOKUP, 1, "a"), -ENOENT);
	assert_int_equal(mock_calls(&rig->mock, MOCK_forget), 0);
}

/* An error hands nothing out: there is nothing to take back. */
static void test_errors(void **state)
{
	struct rig *rig = *state;

	fb_loopback_drop_answers(rig->loop, 3, ENOENT);
	mock_force(&rig->mock, MOCK_lookup, -EACCES);
	mock_force(&rig->mock, MOCK_create, -EACCES);
	mock_force(&rig->mock, MOCK_open, -EACCES);
	assert_int_equal(client_name(&rig->client, FB_OP_LOOKUP, 1, "a"), -ENOENT);
	assert_int_equal(client_create(&rig->client, 1, "a", O_RDWR), -ENOENT);
	assert_int_equal(client_open(&rig->client, FB_OP_OPEN, 1, O_RDWR), -ENOENT);
	assert_int_equal(mock_calls(&rig->mock, MOCK_forget), 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_release), 0);
	assert_all_back(rig, 3);
}

/* A driver's mistake that is not delivered either is taken back once, not twice. */
static void test_mistakes(void **state)
{
	struct rig *rig = *state;

	fb_loopback_drop_answers(rig->loop, 1, ENOENT);
	rig->mock.entry.attr.mode = 0644;
	assert_int_equal(client_create(&rig->client, 1, "a", O_RDWR), -ENOENT);
	assert_int_equal(mock_calls(&rig->mock, MOCK_forget), 1);
	assert_int_equal(mock_calls(&rig->mock, MOCK_release), 1);
	assert_all_back(rig, 1);
}

static int hold_back(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	(void)req;
	return r < 0 ? r : FB_PENDING;
}

static void test_completed_later(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_create_in in = { .flags = O_CREAT, .mode = S_IFREG | 0644 };
	uint64_t ticket;

	rig->mock.acts[MOCK_create] = hold_back;
	client_build(&rig->client, FB_OP_CREATE, 1, &in, sizeof(in), "a", 2);
	ticket = client_submit(&rig->client);
	fb_loopback_drop_answers(rig->loop, 1, ENOENT);
	assert_int_equal(mock_complete(&rig->mock, 0), 0);
	assert_int_equal(client_receive(&rig->client, ticket), -ENOENT);
	assert_all_back(rig, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lookup),
		TEST(test_makers),
		TEST(test_opens),
		TEST(test_creates),
		cmocka_unit_test(test_create_without_open),
		TEST(test_readdirplus),
		TEST(test_readdir_hands_nothing_out),
		TEST(test_root_and_nothing_are_not_forgotten),
		TEST(test_errors),
		TEST(test_mistakes),
		TEST(test_completed_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
