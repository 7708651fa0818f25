/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations that a driver leaves out, and what its own ENOSYS becomes. */
#include "cmocka_setup.h"

#include <errno.h>
#include <sys/stat.h>

#include "message.h"
#include "rig.h"

/* Rows that the core answers by itself, whatever the driver has. */
static bool is_core_row(const struct fb_op_row *row)
{
	return row->opcode == FB_OP_INIT || row->opcode == FB_OP_DESTROY ||
	       row->opcode == FB_OP_INTERRUPT || row->opcode == FB_OP_NOTIFY_REPLY;
}

static int send_row(struct rig *rig, const struct fb_op_row *row)
{
	struct client *c = &rig->client;
	struct message m;

	message_build(&m, row, &message_rules_newest);
	memcpy(c->message, m.bytes, m.size);
	c->message_size = m.size;
	return client_send(c);
}

static struct rig *start_without_any(void)
{
	struct rig *rig = rig_new();

	for (enum mock_op op = 0; op < MOCK_OPS; op++)
		mock_leave_out(&rig->mock, op);
	rig->strays_expected = true;
	assert_int_equal(rig_connect(rig), 0);
	return rig;
}

static void test_every_absent_answer(void **state)
{
	struct rig *rig = start_without_any();

	(void)state;
	for (const struct fb_op_row *row = fb_op_row_at(0); row; row = fb_op_row_next(row)) {
		if (is_core_row(row))
			continue;
		print_message("%s\n", row->name);
		assert_int_equal(send_row(rig, row), -row->absent);
	}
	assert_int_equal(mock_calls_all(&rig->mock), 0);
	rig_end(rig);
}

/* A driver without init is greeted all the same. */
static void test_greeting_without_init(void **state)
{
	struct rig *rig = start_without_any();
	struct fb_conn conn = { .size = sizeof(conn) };

	(void)state;
	fb_session_conn(rig->session, &conn);
	assert_int_equal(conn.minor, FB_KERNEL_MINOR);
	assert_int_equal(conn.max_write, 1 << 20);
	assert_int_equal(fb_session_wait_ready(rig->session, 0), 0);
	rig_end(rig);
}

static void test_absent_statfs_and_open(void **state)
{
	struct rig *rig = start_without_any();
	struct client *c = &rig->client;
	const struct fb_wire_statfs_out *out = client_body(c);
	const struct fb_wire_open_out *open = client_body(c);

	(void)state;
	assert_int_equal(client_call(c, FB_OP_STATFS, 1, NULL, 0, NULL, 0), 0);
	assert_int_equal(out->st.namelen, FB_NAME_MAX);
	assert_true(out->st.bsize > 0);
	assert_int_equal(client_open(c, FB_OP_OPEN, 1, 0), 0);
	assert_int_equal(open->fh, 0);
	assert_int_equal(open->open_flags, FB_FOPEN_NOFLUSH);
	rig_end(rig);
}

/* Not where the driver wants to know of each close. */
static void test_absent_open_with_flush(void **state)
{
	struct rig *rig = rig_new();
	const struct fb_wire_open_out *open = client_body(&rig->client);

	(void)state;
	mock_leave_out(&rig->mock, MOCK_open);
	rig->strays_expected = true;
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(client_open(&rig->client, FB_OP_OPEN, 1, 0), 0);
	assert_int_equal(open->open_flags, 0);
	rig_end(rig);
}

static void want_stateless(struct fb_conn *conn)
{
	conn->stateless_open = true;
	conn->stateless_opendir = true;
}

static void leave_out_opens(struct mock *m)
{
	mock_leave_out(m, MOCK_open);
	mock_leave_out(m, MOCK_opendir);
	m->conn_change = want_stateless;
}

static void test_stateless_open(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	leave_out_opens(&rig->mock);
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(client_open(&rig->client, FB_OP_OPEN, 1, 0), -ENOSYS);
	assert_int_equal(client_open(&rig->client, FB_OP_OPENDIR, 1, 0), -ENOSYS);
	rig_end(rig);
}

/* Before 7.29 ENOSYS to OPENDIR would go through to the application. */
static void test_stateless_opendir_needs_the_client(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	leave_out_opens(&rig->mock);
	rig->loop_options.minor = 28;
	rig->loop_options.offered = FB_INIT_NO_OPEN_SUPPORT | FB_INIT_ASYNC_READ;
	rig->strays_expected = true;
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(client_open(&rig->client, FB_OP_OPEN, 1, 0), -ENOSYS);
	assert_int_equal(client_open(&rig->client, FB_OP_OPENDIR, 1, 0), 0);
	rig_end(rig);
}

static void test_stateless_is_ignored_with_the_operation(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig->mock.conn_change = want_stateless;
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(client_open(&rig->client, FB_OP_OPEN, 1, 0), 0);
	assert_int_equal(client_open(&rig->client, FB_OP_OPENDIR, 1, 0), 0);
	rig_end(rig);
}

static int refuse_all(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	(void)req;
	return r >= 0 ? -ENOSYS : r;
}

static void test_enosys_becomes_soft(void **state)
{
	struct rig *rig = rig_start();

	(void)state;
	rig->mock.act_any = refuse_all;
	for (const struct fb_op_row *row = fb_op_row_at(0); row; row = fb_op_row_next(row)) {
		int r;

		if (is_core_row(row) || row->soft == 0)
			continue;
		print_message("%s\n", row->name);
		r = send_row(rig, row);
		assert_int_equal(r, -row->soft);
		assert_int_not_equal(r, -ENOSYS);
	}
	rig->mock.act_any = NULL;
	rig_end(rig);
}

static int hold_back(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	(void)req;
	(void)r;
	return FB_PENDING;
}

static void test_enosys_becomes_soft_later_too(void **state)
{
	struct rig *rig = rig_start();
	struct client *c = &rig->client;
	uint64_t ticket;

	(void)state;
	rig->mock.acts[MOCK_getxattr] = hold_back;
	client_build(c, FB_OP_GETXATTR, 1, &(struct fb_wire_getxattr_in){ .size = 9 },
		     sizeof(struct fb_wire_getxattr_in), "user.a", 7);
	ticket = client_submit(c);
	assert_int_equal(mock_complete(&rig->mock, -ENOSYS), 0);
	assert_int_equal(client_receive(c, ticket), -EOPNOTSUPP);
	rig_end(rig);
}

/* A smaller struct of an older program: what lies beyond its size is left out. */
static void test_short_ops_struct(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig->mock.ops.size = offsetof(struct fb_driver_ops, getattr);
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(client_name(&rig->client, FB_OP_LOOKUP, 1, "a"), 0);
	assert_int_equal(client_getattr(&rig->client, 1), -EOPNOTSUPP);
	assert_int_equal(mock_calls(&rig->mock, MOCK_getattr), 0);
	rig_end(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_absent_answer),
		cmocka_unit_test(test_greeting_without_init),
		cmocka_unit_test(test_absent_statfs_and_open),
		cmocka_unit_test(test_absent_open_with_flush),
		cmocka_unit_test(test_stateless_open),
		cmocka_unit_test(test_stateless_opendir_needs_the_client),
		cmocka_unit_test(test_stateless_is_ignored_with_the_operation),
		cmocka_unit_test(test_enosys_becomes_soft),
		cmocka_unit_test(test_enosys_becomes_soft_later_too),
		cmocka_unit_test(test_short_ops_struct),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
