/* SPDX-License-Identifier: BSD-3-Clause */
/* Loopbacks used wrongly. */
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

static void test_second_transport(void **state)
{
	struct rig *rig = *state;
	struct fb_loopback *second = rig->loop;

	REFUSED(EBUSY, fb_loopback_new(rig->session, NULL, &second));
	assert_ptr_equal(second, rig->loop);
	assert_int_equal(client_getattr(&rig->client, 1), 0);
}

static void test_new(void **state)
{
	struct rig *rig = *state;
	struct fb_loopback_options options = { .size = 0 };
	struct fb_loopback *loop;

	REFUSED(EINVAL, fb_loopback_new(NULL, NULL, &loop));
	REFUSED(EINVAL, fb_loopback_new(rig->session, NULL, NULL));
	REFUSED(EINVAL, fb_loopback_new(rig->session, &options, &loop));
	fb_loopback_free(NULL);
	fb_loopback_drop_answers(NULL, 1, 1);
}

static void test_send(void **state)
{
	struct rig *rig = *state;
	uint8_t answer[256];
	uint64_t ticket;

	REFUSED(EINVAL, fb_loopback_send(NULL, answer, 40, answer, sizeof(answer)));
	REFUSED(EINVAL, fb_loopback_send(rig->loop, NULL, 40, answer, sizeof(answer)));
	REFUSED(EINVAL, fb_loopback_send(rig->loop, answer, 40, NULL, sizeof(answer)));
	REFUSED(EINVAL, fb_loopback_submit(rig->loop, answer, 40, NULL));
	REFUSED(EINVAL, fb_loopback_submit(NULL, answer, 40, &ticket));
	assert_int_equal(fb_loopback_send(rig->loop, NULL, 0, NULL, 0), 0);
}

static void test_receive(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_getattr_in in = { 0 };
	uint8_t answer[256];
	uint64_t ticket;

	REFUSED(EINVAL, fb_loopback_receive(rig->loop, 12345, answer, sizeof(answer), 0));
	REFUSED(EINVAL, fb_loopback_receive(NULL, 1, answer, sizeof(answer), 0));
	client_build(&rig->client, FB_OP_GETATTR, 1, &in, sizeof(in), NULL, 0);
	ticket = client_submit(&rig->client);
	REFUSED(ENOBUFS, fb_loopback_receive(rig->loop, ticket, answer, 20, -1));
	/* An answer is fetched once. */
	REFUSED(EINVAL, fb_loopback_receive(rig->loop, ticket, answer, sizeof(answer), 0));
}

static void test_notification(void **state)
{
	struct rig *rig = *state;
	uint8_t message[64];

	REFUSED(EINVAL, fb_loopback_notification(NULL, message, sizeof(message), 0));
	REFUSED(EINVAL, fb_loopback_notification(rig->loop, NULL, 5, 0));
	REFUSED(ETIMEDOUT, fb_loopback_notification(rig->loop, message, sizeof(message), 0));
	assert_int_equal(fb_notify_poll(rig->session, 1), 0);
	REFUSED(ENOBUFS, fb_loopback_notification(rig->loop, message, 10, 5000));
}

static void test_after_the_end(void **state)
{
	struct rig *rig = *state;
	uint8_t answer[256];

	assert_int_equal(client_call(&rig->client, FB_OP_DESTROY, 0, NULL, 0, NULL, 0), 0);
	client_build(&rig->client, FB_OP_STATFS, 1, NULL, 0, NULL, 0);
	REFUSED(ENOTCONN, fb_loopback_send(rig->loop, rig->client.message, rig->client.message_size,
					   answer, sizeof(answer)));
	assert_int_equal(mock_calls(&rig->mock, MOCK_destroy), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_second_transport), TEST(test_new),          TEST(test_send),
		TEST(test_receive),          TEST(test_notification), TEST(test_after_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
