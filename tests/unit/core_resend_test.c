/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests that the kernel sends again (NOTIFY_RESEND). */
#include "cmocka_setup.h"

#include <errno.h>

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

static int hold_back(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	(void)req;
	return r < 0 ? r : FB_PENDING;
}

static uint64_t submit(struct rig *rig, uint64_t unique)
{
	rig->client.unique = unique;
	client_build(&rig->client, FB_OP_LOOKUP, 1, NULL, 0, "a", 2);
	return client_submit(&rig->client);
}

/* Raw, because the answer carries another unique than the message that it answers. */
static ssize_t receive(struct rig *rig, uint64_t ticket, struct fb_wire_out_header *ret_header)
{
	ssize_t n =
		fb_loopback_receive(rig->loop, ticket, rig->client.answer, CLIENT_ANSWER_MAX, 1000);

	*ret_header = (struct fb_wire_out_header){ 0 };
	if (n >= (ssize_t)sizeof(*ret_header))
		memcpy(ret_header, rig->client.answer, sizeof(*ret_header));
	return n;
}

/* The first copy answers once, with the new unique; the second has no answer of its own. */
static void test_while_the_first_is_held(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_out_header header = { 0 };
	uint64_t first, second;

	rig->mock.acts[MOCK_lookup] = hold_back;
	first = submit(rig, 500);
	second = submit(rig, 500 | FB_UNIQUE_RESEND);
	assert_int_equal(mock_calls(&rig->mock, MOCK_lookup), 1);
	assert_int_equal(receive(rig, second, &header), 0);
	assert_int_equal(mock_complete(&rig->mock, -ENOENT), 0);
	assert_int_equal(receive(rig, first, &header), sizeof(header));
	assert_true(header.unique == (500 | FB_UNIQUE_RESEND));
	assert_int_equal(header.error, -ENOENT);
	assert_int_equal(rig_stats(rig, FB_OP_LOOKUP).requests, 1);
}

/* Sent again twice, with the same unique: still one answer. */
static void test_sent_again_once_more(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_out_header header;
	uint64_t first, second, third;

	rig->mock.acts[MOCK_lookup] = hold_back;
	first = submit(rig, 500);
	second = submit(rig, 500 | FB_UNIQUE_RESEND);
	third = submit(rig, 500 | FB_UNIQUE_RESEND);
	assert_int_equal(mock_calls(&rig->mock, MOCK_lookup), 1);
	assert_int_equal(receive(rig, second, &header), 0);
	assert_int_equal(receive(rig, third, &header), 0);
	assert_int_equal(mock_complete(&rig->mock, -ENOENT), 0);
	assert_int_equal(receive(rig, first, &header), sizeof(header));
	assert_true(header.unique == (500 | FB_UNIQUE_RESEND));
}

/* An interrupt names the new unique from then on. */
static void test_interrupted_after_it(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_out_header header;
	uint64_t first, second;
	struct fb_req *req;

	rig->mock.acts[MOCK_lookup] = hold_back;
	first = submit(rig, 500);
	second = submit(rig, 500 | FB_UNIQUE_RESEND);
	req = rig->mock.held[0].req;
	client_interrupt(&rig->client, 500 | FB_UNIQUE_RESEND);
	assert_true(fb_req_interrupted(req));
	assert_int_equal(mock_complete(&rig->mock, -EINTR), 0);
	assert_int_equal(receive(rig, first, &header), sizeof(header));
	assert_int_equal(receive(rig, second, &header), 0);
}

/* The first was answered already, or never came: the second is a request as any other. */
static void test_when_the_first_is_over(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_out_header header;
	uint64_t ticket;

	assert_true(receive(rig, submit(rig, 500), &header) > 0);
	ticket = submit(rig, 500 | FB_UNIQUE_RESEND);
	assert_int_equal(receive(rig, ticket, &header),
			 sizeof(header) + sizeof(struct fb_wire_entry_out));
	assert_true(header.unique == (500 | FB_UNIQUE_RESEND));
	assert_int_equal(mock_calls(&rig->mock, MOCK_lookup), 2);
	client_forget(&rig->client, 5, 2);
}

/* A unique of nothing but the bit has no first copy, although idle requests look like one. */
static void test_bit_alone(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_out_header header;
	uint64_t ticket;

	assert_int_equal(client_getattr(&rig->client, 1), 0);
	ticket = submit(rig, FB_UNIQUE_RESEND);
	assert_int_equal(receive(rig, ticket, &header),
			 sizeof(header) + sizeof(struct fb_wire_entry_out));
	assert_int_equal(receive(rig, submit(rig, FB_UNIQUE_RESEND), &header),
			 sizeof(header) + sizeof(struct fb_wire_entry_out));
	client_forget(&rig->client, 5, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_while_the_first_is_held),
		TEST(test_sent_again_once_more),
		TEST(test_interrupted_after_it),
		TEST(test_when_the_first_is_over),
		TEST(test_bit_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
