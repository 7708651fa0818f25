/* SPDX-License-Identifier: BSD-3-Clause */
/* What a driver may do wrong with its requests, beyond wrong results. */
#include "refused.h"

#include "rig.h"

static int hook(struct fb_req *req, void *arg, int result)
{
	(void)req;
	(void)arg;
	return result;
}

static int many_hooks(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	for (unsigned i = 0; i < FB_REQ_HOOKS_MAX; i++)
		assert_int_equal(fb_req_push_hook(req, hook, NULL), 0);
	REFUSED(ENOSPC, fb_req_push_hook(req, hook, NULL));
	return r;
}

static void test_hooks(void **state)
{
	struct rig *rig = rig_start();

	(void)state;
	rig->mock.acts[MOCK_getattr] = many_hooks;
	assert_int_equal(client_getattr(&rig->client, 1), 0);
	rig_end(rig);
}

static int complete_with_pending(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	REFUSED(EINVAL, fb_req_complete(req, FB_PENDING));
	return r;
}

static void test_complete_with_pending(void **state)
{
	struct rig *rig = rig_start();

	(void)state;
	rig->mock.acts[MOCK_getattr] = complete_with_pending;
	assert_int_equal(client_getattr(&rig->client, 1), 0);
	rig_end(rig);
}

static int complete_twice(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	assert_int_equal(fb_req_complete(req, r), 0);
	REFUSED(EALREADY, fb_req_complete(req, r));
	return r; /* a third time */
}

static void test_complete_thrice(void **state)
{
	struct rig *rig = rig_start();

	(void)state;
	rig->mock.acts[MOCK_getattr] = complete_twice;
	for (int i = 0; i < 20; i++)
		assert_int_equal(client_getattr(&rig->client, 1), 0);
	rig_end(rig);
}

static int ask_for_labels(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	struct fb_label label = { .size = 1234 };

	(void)m;
	(void)op;
	assert_false(fb_req_label(req, 0, &label));
	assert_false(fb_req_label(req, SIZE_MAX, &label));
	assert_int_equal(label.size, 1234);
	return r;
}

static void test_labels_where_there_are_none(void **state)
{
	struct rig *rig = rig_start();

	(void)state;
	rig->mock.acts[MOCK_getattr] = ask_for_labels;
	assert_int_equal(client_getattr(&rig->client, 1), 0);
	rig_end(rig);
}

static bool dirsink_is_tried(struct fb_dirsink *to)
{
	const struct fb_dirent no_ino = { .cookie = 1, .name = "a", .name_len = 1 };
	const struct fb_dirent slash = { .ino = 1, .cookie = 1, .name = "a/b", .name_len = 3 };
	const struct fb_dirent empty = { .ino = 1, .cookie = 1, .name = "", .name_len = 0 };
	const struct fb_dirent nul = { .ino = 1, .cookie = 1, .name = "a\0b", .name_len = 3 };

	return fb_dirsink_add(to, &no_ino, NULL) == -EINVAL &&
	       fb_dirsink_add(to, &slash, NULL) == -EINVAL &&
	       fb_dirsink_add(to, &empty, NULL) == -EINVAL &&
	       fb_dirsink_add(to, &nul, NULL) == -EINVAL;
}

static int bad_readdir(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t cookie,
		       struct fb_dirsink *to)
{
	(void)self;
	(void)req;
	(void)node;
	(void)fh;
	(void)cookie;
	return dirsink_is_tried(to) ? 0 : -EPROTO;
}

static void test_names_that_no_directory_holds(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig->mock.ops.readdir = bad_readdir;
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(client_read(&rig->client, FB_OP_READDIR, 1, 1, 0, 4096), 0);
	assert_int_equal(client_body_size(&rig->client), 0);
	rig_end(rig);
}

/*
 * A driver that never completes: after a while the session ends without it. Its memory stays, as
 * the driver might still come.
 */
static int hold_back(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	(void)req;
	return r < 0 ? r : FB_PENDING;
}

static void test_completed_after_the_end(void **state)
{
	struct rig *rig = rig_start();
	struct fb_wire_getattr_in in = { 0 };
	struct fb_session *session = rig->session;

	(void)state;
	rig->mock.acts[MOCK_getattr] = hold_back;
	client_build(&rig->client, FB_OP_GETATTR, 1, &in, sizeof(in), NULL, 0);
	client_submit(&rig->client);
	fb_session_ref(session);
	fb_loopback_free(rig->loop);
	rig->loop = NULL;
	assert_int_equal(mock_calls(&rig->mock, MOCK_destroy), 1);
	assert_int_equal(mock_complete(&rig->mock, 0), 0);
	fb_session_unref(session);
	rig_end(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hooks),
		cmocka_unit_test(test_complete_with_pending),
		cmocka_unit_test(test_complete_thrice),
		cmocka_unit_test(test_labels_where_there_are_none),
		cmocka_unit_test(test_names_that_no_directory_holds),
		cmocka_unit_test(test_completed_after_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
