/* SPDX-License-Identifier: BSD-3-Clause */
/* Notifications asked for wrongly. */
#include "refused.h"

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

static void never(void *arg, uint64_t node, uint64_t off, struct fb_source *from, int result)
{
	(void)arg;
	(void)node;
	(void)off;
	(void)from;
	(void)result;
	abort();
}

static void test_no_session(void **state)
{
	uint64_t node = 1;

	(void)state;
	REFUSED(EINVAL, fb_notify_poll(NULL, 1));
	REFUSED(EINVAL, fb_notify_inval_node(NULL, 1, 0, 0));
	REFUSED(EINVAL, fb_notify_inval_entry(NULL, 1, "a", true));
	REFUSED(EINVAL, fb_notify_delete(NULL, 1, 2, "a"));
	REFUSED(EINVAL, fb_notify_store(NULL, 1, 0, "a", 1));
	REFUSED(EINVAL, fb_notify_retrieve(NULL, 1, 0, 1, never, NULL));
	REFUSED(EINVAL, fb_notify_resend(NULL));
	REFUSED(EINVAL, fb_notify_inc_epoch(NULL));
	REFUSED(EINVAL, fb_notify_prune(NULL, &node, 1));
	REFUSED(EINVAL, fb_notify_flush(NULL));
}

static void test_arguments(void **state)
{
	struct rig *rig = *state;

	REFUSED(EINVAL, fb_notify_inval_entry(rig->session, 1, NULL, false));
	REFUSED(EINVAL, fb_notify_delete(rig->session, 1, 2, NULL));
	REFUSED(EINVAL, fb_notify_store(rig->session, 1, 0, NULL, 1));
	REFUSED(EINVAL, fb_notify_store(rig->session, 1, 0, "", SIZE_MAX));
	REFUSED(EINVAL, fb_notify_store(rig->session, 1, UINT64_MAX, "a", 1));
	REFUSED(EINVAL, fb_notify_retrieve(rig->session, 1, 0, 1, NULL, NULL));
	REFUSED(EINVAL, fb_notify_prune(rig->session, NULL, 1));
	assert_int_equal(fb_notify_store(rig->session, 1, 0, NULL, 0), 0);
	assert_int_equal(fb_notify_flush(rig->session), 0);
}

/* Before the greeting the reason is that, whatever the arguments are. */
static void test_before_the_greeting(void **state)
{
	struct rig *rig = rig_new();
	uint64_t node = 1;

	(void)state;
	rig->loop_options.no_init = true;
	assert_int_equal(rig_connect(rig), 0);
	REFUSED(ENOTCONN, fb_notify_store(rig->session, 1, 0, "a", 1));
	REFUSED(ENOTCONN, fb_notify_prune(rig->session, &node, 1));
	REFUSED(ENOTCONN, fb_notify_inval_entry(rig->session, 1, "a", true));
	assert_int_equal(fb_notify_flush(rig->session), 0);
	rig_end(rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_session),
		TEST(test_arguments),
		cmocka_unit_test(test_before_the_greeting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
