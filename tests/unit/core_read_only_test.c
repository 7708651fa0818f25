/* SPDX-License-Identifier: BSD-3-Clause */
/* Read-only sessions. */
#include "cmocka_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include "core/session.h"
#include "message.h"
#include "rig.h"

static int set_up(void **state)
{
	struct rig *rig = rig_new();

	rig->options.read_only = true;
	assert_int_equal(rig_connect(rig), 0);
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(mock_nodes_out(&rig->mock), (int64_t)client_nodes(&rig->client));
	assert_int_equal(mock_files_out(&rig->mock), (int64_t)client_files(&rig->client));
	rig_end(rig);
	return 0;
}

static void test_all_changes_are_refused(void **state)
{
	struct rig *rig = *state;
	struct client *c = &rig->client;
	unsigned before = mock_calls_all(&rig->mock), rows = 0;
	struct message m;

	for (const struct fb_op_row *row = fb_op_row_at(0); row; row = fb_op_row_next(row)) {
		if (!(row->flags & FB_ROW_MUTATES) || row->opcode == FB_OP_CREATE)
			continue;
		message_build(&m, row, &message_rules_newest);
		memcpy(c->message, m.bytes, m.size);
		c->message_size = m.size;
		print_message("%s\n", row->name);
		assert_int_equal(client_send(c), -EROFS);
		rows++;
	}
	assert_true(rows >= 15);
	assert_int_equal(mock_calls_all(&rig->mock), before);
}

static void test_opens_for_change_are_refused(void **state)
{
	struct rig *rig = *state;
	struct client *c = &rig->client;

	assert_int_equal(client_open(c, FB_OP_OPEN, 5, O_WRONLY), -EROFS);
	assert_int_equal(client_open(c, FB_OP_OPEN, 5, O_RDWR), -EROFS);
	assert_int_equal(client_open(c, FB_OP_OPEN, 5, O_RDONLY | O_TRUNC), -EROFS);
	assert_int_equal(client_open(c, FB_OP_OPEN, 5, O_ACCMODE), -EROFS);
	assert_int_equal(mock_calls(&rig->mock, MOCK_open), 0);
	assert_int_equal(client_open(c, FB_OP_OPEN, 5, O_RDONLY), 0);
	assert_int_equal(client_open(c, FB_OP_OPENDIR, 5, O_RDONLY), 0);
	assert_int_equal(client_read(c, FB_OP_READ, 5, 77, 0, 10), 0);
}

static void test_ioctls_for_change_are_refused(void **state)
{
	static const uint32_t changing[] = { FS_IOC_SETFLAGS,   FS_IOC32_SETFLAGS,
					     FS_IOC_SETVERSION, FS_IOC32_SETVERSION,
					     FS_IOC_FSSETXATTR, FS_IOC_SETFSLABEL };
	struct rig *rig = *state;
	struct client *c = &rig->client;
	struct fb_wire_ioctl_in in = { .fh = 77, .out_size = 64 };

	for (size_t i = 0; i < sizeof(changing) / sizeof(changing[0]); i++) {
		in.cmd = changing[i];
		assert_int_equal(CLIENT_CALL(c, FB_OP_IOCTL, 5, in), -EROFS);
	}
	assert_int_equal(mock_calls(&rig->mock, MOCK_ioctl), 0);
	in.cmd = FS_IOC_GETFLAGS;
	assert_int_equal(CLIENT_CALL(c, FB_OP_IOCTL, 5, in), 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_ioctl), 1);
}

static void test_create_of_what_is_there(void **state)
{
	struct rig *rig = *state;
	struct client *c = &rig->client;
	const struct fb_wire_create_out *out = client_body(c);

	assert_int_equal(client_create(c, 1, "there", O_RDONLY), 0);
	assert_int_equal(out->entry.nodeid, 5);
	assert_int_equal(out->open.fh, 77);
	assert_int_equal(mock_calls(&rig->mock, MOCK_lookup), 1);
	assert_int_equal(mock_calls(&rig->mock, MOCK_open), 1);
	assert_int_equal(mock_calls(&rig->mock, MOCK_create), 0);
	assert_int_equal(rig->mock.last.numbers[0], 5);
}

/* A client that checks modes has not checked what it believes to be new. */
static void test_create_of_what_nobody_has_checked(void **state)
{
	struct rig *rig = *state;
	struct client *c = &rig->client;

	rig->session->transport->default_permissions = true;
	assert_int_equal(client_create(c, 1, "there", O_RDONLY), -ESTALE);
	rig->session->transport->default_permissions = false;
	rig->session->granted |= FB_INIT_POSIX_ACL; /* has it check, too */
	assert_int_equal(client_create(c, 1, "there", O_RDONLY), -ESTALE);
	assert_int_equal(mock_calls(&rig->mock, MOCK_open), 0);
	assert_int_equal(mock_nodes_out(&rig->mock), 0);
	rig->mock.entry.attr.mode = S_IFDIR | 0755;
	assert_int_equal(client_create(c, 1, "dir", O_RDONLY), -EISDIR);
	mock_force(&rig->mock, MOCK_lookup, -ENOENT);
	assert_int_equal(client_create(c, 1, "new", O_RDONLY), -EROFS);
}

static void test_create_that_would_change(void **state)
{
	struct rig *rig = *state;
	struct client *c = &rig->client;

	assert_int_equal(client_create(c, 1, "there", O_RDWR), -EROFS);
	assert_int_equal(client_create(c, 1, "there", O_RDONLY | O_EXCL), -EROFS);
	assert_int_equal(client_create(c, 1, "there", O_RDONLY | O_TRUNC), -EROFS);
	assert_int_equal(mock_calls(&rig->mock, MOCK_lookup), 0);
	mock_force(&rig->mock, MOCK_lookup, -ENOENT);
	assert_int_equal(client_create(c, 1, "new", O_RDONLY), -EROFS);
	mock_force(&rig->mock, MOCK_lookup, -EACCES);
	assert_int_equal(client_create(c, 1, "new", O_RDONLY), -EACCES);
	mock_unforce(&rig->mock, MOCK_lookup);
	rig->mock.entry.node = 0;
	assert_int_equal(client_create(c, 1, "new", O_RDONLY), -EROFS);
}

static void test_create_whose_open_fails(void **state)
{
	struct rig *rig = *state;

	mock_force(&rig->mock, MOCK_open, -EMFILE);
	assert_int_equal(client_create(&rig->client, 1, "there", O_RDONLY), -EMFILE);
	assert_int_equal(mock_nodes_out(&rig->mock), 0);
	mock_unforce(&rig->mock, MOCK_open);
	rig->mock.open.fh = 78;
	assert_int_equal(client_create(&rig->client, 1, "there", O_RDONLY), 0);
}

static void test_create_of_what_is_no_file(void **state)
{
	struct rig *rig = *state;

	rig->mock.entry.attr.mode = S_IFDIR | 0755;
	assert_int_equal(client_create(&rig->client, 1, "dir", O_RDONLY), -EISDIR);
	rig->mock.entry.attr.mode = S_IFIFO | 0755;
	assert_int_equal(client_create(&rig->client, 1, "fifo", O_RDONLY), -EROFS);
	/* The root is never looked up for a reference, so none is taken back. */
	rig->mock.entry = (struct fb_entry){ .node = FB_ROOT_NODE,
					     .attr = { .ino = 1, .mode = S_IFDIR | 0755 } };
	assert_int_equal(client_create(&rig->client, 1, "root", O_RDONLY), -EISDIR);
	assert_int_equal(mock_calls(&rig->mock, MOCK_forget), 2);
	assert_int_equal(mock_nodes_out(&rig->mock), 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_open), 0);
}

static int hold_back(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	(void)req;
	return r < 0 ? r : FB_PENDING;
}

static uint64_t submit_create(struct client *c)
{
	struct fb_wire_create_in in = { .flags = O_CREAT, .mode = S_IFREG | 0644 };

	client_build(c, FB_OP_CREATE, 1, &in, sizeof(in), "there", 6);
	return client_submit(c);
}

static void test_create_with_a_slow_lookup(void **state)
{
	struct rig *rig = *state;
	uint64_t ticket;

	rig->mock.acts[MOCK_lookup] = hold_back;
	ticket = submit_create(&rig->client);
	assert_int_equal(mock_complete(&rig->mock, 0), 0);
	assert_int_equal(client_receive(&rig->client, ticket), 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_open), 1);

	ticket = submit_create(&rig->client);
	assert_int_equal(mock_complete(&rig->mock, -ENOENT), 0);
	assert_int_equal(client_receive(&rig->client, ticket), -EROFS);
}

static void test_create_with_a_slow_open(void **state)
{
	struct rig *rig = *state;
	uint64_t ticket;

	rig->mock.acts[MOCK_lookup] = hold_back;
	rig->mock.acts[MOCK_open] = hold_back;
	ticket = submit_create(&rig->client);
	assert_int_equal(mock_complete(&rig->mock, 0), 0); /* the lookup */
	assert_int_equal(mock_complete(&rig->mock, 0), 0); /* the open */
	assert_int_equal(client_receive(&rig->client, ticket), 0);

	rig->mock.acts[MOCK_lookup] = NULL;
	ticket = submit_create(&rig->client);
	assert_int_equal(mock_complete(&rig->mock, -EMFILE), 0);
	assert_int_equal(client_receive(&rig->client, ticket), -EMFILE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_changes_are_refused),
		TEST(test_opens_for_change_are_refused),
		TEST(test_ioctls_for_change_are_refused),
		TEST(test_create_of_what_is_there),
		TEST(test_create_of_what_nobody_has_checked),
		TEST(test_create_that_would_change),
		TEST(test_create_whose_open_fails),
		TEST(test_create_of_what_is_no_file),
		TEST(test_create_with_a_slow_lookup),
		TEST(test_create_with_a_slow_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
