/* SPDX-License-Identifier: BSD-3-Clause */
/* Who asks: ids, umask, supplementary groups and security contexts reach the driver. */
#include "cmocka_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "message.h"
#include "rig.h"

static int set_up(void **state)
{
	struct rig *rig = rig_new();

	rig->options.want = FB_INIT_SECURITY_CTX | FB_INIT_CREATE_SUPP_GROUP;
	assert_int_equal(rig_connect(rig), 0);
	rig->mock.entry.attr.mode = S_IFDIR | 0755;
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	rig_end(*state);
	return 0;
}

static void test_ids(void **state)
{
	struct rig *rig = *state;
	const struct fb_caller *caller = &rig->mock.last.caller;

	assert_int_equal(client_getattr(&rig->client, 1), 0);
	assert_int_equal(caller->uid, 1000);
	assert_int_equal(caller->gid, 1001);
	assert_int_equal(caller->pid, 4711);
	assert_int_equal(caller->umask, 0);
	assert_int_equal(caller->group_count, 0);
}

static void test_umask(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_mkdir_in in = { .mode = 0777, .umask = 027 };

	assert_int_equal(CLIENT_CALL_NAME(&rig->client, FB_OP_MKDIR, 1, in, "a"), 0);
	assert_int_equal(rig->mock.last.caller.umask, 027);
}

static void test_unknown_ids(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_mkdir_in in = { .mode = 0777 };

	rig->client.uid = rig->client.gid = UINT32_MAX;
	assert_int_equal(client_getattr(&rig->client, 1), 0);
	assert_int_equal(rig->mock.last.caller.uid, UINT32_MAX);
	assert_int_equal(rig->mock.last.caller.gid, UINT32_MAX);
	assert_int_equal(CLIENT_CALL_NAME(&rig->client, FB_OP_MKDIR, 1, in, "a"), -EINVAL);
	assert_int_equal(mock_calls(&rig->mock, MOCK_mkdir), 0);
}

/* Build a MKDIR that carries extensions and send it. */
static int send_mkdir(struct rig *rig, void (*extend)(struct message *m))
{
	struct client *c = &rig->client;
	struct message m;

	message_begin(&m, fb_op_row_find(FB_OP_MKDIR), &message_rules_newest);
	message_add_name(&m, "new");
	extend(&m);
	message_end(&m);
	memcpy(c->message, m.bytes, m.size);
	c->message_size = m.size;
	return client_send(c);
}

static void add_groups(struct message *m)
{
	const uint32_t body[] = { 3, 100, 200, 300 };

	message_add_extension(m, FB_WIRE_EXT_GROUPS, body, sizeof(body));
}

static void test_groups(void **state)
{
	struct rig *rig = *state;
	const struct fb_caller *caller = &rig->mock.last.caller;

	assert_int_equal(send_mkdir(rig, add_groups), 0);
	assert_string_equal(rig->mock.last.names[0], "new");
	assert_int_equal(caller->group_count, 3);
	assert_int_equal(caller->groups[0], 100);
	assert_int_equal(caller->groups[1], 200);
	assert_int_equal(caller->groups[2], 300);
	/* The next request does not inherit them. */
	assert_int_equal(client_getattr(&rig->client, 1), 0);
	assert_int_equal(caller->group_count, 0);
}

static void add_many_groups(struct message *m)
{
	uint32_t body[101] = { 100 };

	for (uint32_t i = 0; i < 100; i++)
		body[i + 1] = i;
	message_add_extension(m, FB_WIRE_EXT_GROUPS, body, sizeof(body));
}

static void test_more_groups_than_fit(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(send_mkdir(rig, add_many_groups), 0);
	assert_int_equal(rig->mock.last.caller.group_count, 32);
	assert_int_equal(rig->mock.last.caller.groups[31], 31);
}

static void add_labels(struct message *m)
{
	struct {
		struct fb_wire_secctx first;
		char name[17];
		char value[7];
		struct fb_wire_secctx second;
		char other[16];
		char nothing[8];
	} __attribute__((packed)) body = {
		.first = { .size = 6 },
		.name = "security.selinux",
		.value = "label1",
		.second = { .size = 1 },
		.other = "security.smackk",
		.nothing = "x",
	};

	message_add_extension(m, 2, &body, sizeof(body));
}

static struct fb_label seen[3];
static char names_seen[3][64], values_seen[3][64];
static unsigned labels_seen;

static int read_labels(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	labels_seen = 0;
	while (labels_seen < 3 && fb_req_label(req, labels_seen, &seen[labels_seen])) {
		assert_true(seen[labels_seen].size < 64);
		strncpy(names_seen[labels_seen], seen[labels_seen].name, 63);
		memcpy(values_seen[labels_seen], seen[labels_seen].value, seen[labels_seen].size);
		labels_seen++;
	}
	return r;
}

static void test_labels(void **state)
{
	struct rig *rig = *state;

	rig->mock.acts[MOCK_mkdir] = read_labels;
	assert_int_equal(send_mkdir(rig, add_labels), 0);
	assert_int_equal(labels_seen, 2);
	assert_string_equal(names_seen[0], "security.selinux");
	assert_int_equal(seen[0].size, 6);
	assert_memory_equal(values_seen[0], "label1", 6);
	assert_string_equal(names_seen[1], "security.smackk");
	assert_int_equal(seen[1].size, 1);
	assert_memory_equal(values_seen[1], "x", 1);
}

static void add_nothing(struct message *m)
{
	message_add_extension(m, 0, NULL, 0);
}

static void test_no_labels(void **state)
{
	struct rig *rig = *state;

	rig->mock.acts[MOCK_mkdir] = read_labels;
	assert_int_equal(send_mkdir(rig, add_nothing), 0);
	assert_int_equal(labels_seen, 0);
}

static void add_both(struct message *m)
{
	add_labels(m);
	add_groups(m);
}

static void test_both(void **state)
{
	struct rig *rig = *state;

	rig->mock.acts[MOCK_mkdir] = read_labels;
	assert_int_equal(send_mkdir(rig, add_both), 0);
	assert_int_equal(labels_seen, 2);
	assert_int_equal(rig->mock.last.caller.group_count, 3);
}

/* Anything that is not a request that makes an inode carries none. */
static void test_on_other_requests(void **state)
{
	struct rig *rig = *state;

	rig->client.extlen = 1;
	assert_int_equal(
		client_call(&rig->client, FB_OP_LOOKUP, 1, NULL, 0, "a\0\10\0\0\0\0\0\0\0", 10),
		-EINVAL);
}

static void test_session_of_a_request(void **state)
{
	struct rig *rig = *state;

	assert_ptr_equal(fb_session_self(rig->session), &rig->mock);
	assert_ptr_equal(rig->mock.session, rig->session);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ids),
		TEST(test_umask),
		TEST(test_unknown_ids),
		TEST(test_groups),
		TEST(test_more_groups_than_fit),
		TEST(test_labels),
		TEST(test_no_labels),
		TEST(test_both),
		TEST(test_on_other_requests),
		TEST(test_session_of_a_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
