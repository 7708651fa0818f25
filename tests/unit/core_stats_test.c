/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics, latency histograms and trace lines. */
#include "cmocka_setup.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/stats.h"
#include "message.h"
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

static uint64_t in_buckets(const struct fb_stats *stats)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < FB_STATS_BUCKETS; i++)
		sum += stats->buckets[i];
	return sum;
}

static void test_counts(void **state)
{
	struct rig *rig = *state;
	struct fb_stats stats;

	for (int i = 0; i < 5; i++)
		assert_int_equal(client_getattr(&rig->client, 1), 0);
	mock_force(&rig->mock, MOCK_getattr, -EACCES);
	for (int i = 0; i < 3; i++)
		assert_int_equal(client_getattr(&rig->client, 1), -EACCES);
	stats = rig_stats(rig, FB_OP_GETATTR);
	assert_string_equal(stats.name, "GETATTR");
	assert_int_equal(stats.requests, 8);
	assert_int_equal(stats.errors, 3);
	assert_int_equal(stats.bytes_in, 8 * (40 + 16));
	assert_int_equal(stats.bytes_out, 5 * (16 + 104) + 3 * 16);
	assert_int_equal(in_buckets(&stats), 8);
	assert_true(stats.latency_ns > 0);
	assert_int_equal(rig_stats(rig, FB_OP_LOOKUP).requests, 0);
}

static int hold_back(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	(void)req;
	return r < 0 ? r : FB_PENDING;
}

static void test_held_requests_count_once(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_getattr_in in = { 0 };
	struct fb_stats stats;
	uint64_t ticket;

	rig->mock.acts[MOCK_getattr] = hold_back;
	client_build(&rig->client, FB_OP_GETATTR, 1, &in, sizeof(in), NULL, 0);
	ticket = client_submit(&rig->client);
	assert_int_equal(rig_stats(rig, FB_OP_GETATTR).requests, 0);
	usleep(20000);
	assert_int_equal(mock_complete(&rig->mock, 0), 0);
	assert_int_equal(client_receive(&rig->client, ticket), 0);
	stats = rig_stats(rig, FB_OP_GETATTR);
	assert_int_equal(stats.requests, 1);
	assert_true(stats.latency_ns >= 20000000);
	/* 20 ms lie above 2^14 us; the bucket says so. */
	for (unsigned i = 0; i <= 14; i++)
		assert_int_equal(stats.buckets[i], 0);
}

static void test_rows_are_listed(void **state)
{
	struct rig *rig = *state;
	struct fb_stats stats = { .name = "untouched" };
	size_t count = 0;

	while (fb_session_stats_op(rig->session, count, &stats))
		assert_string_equal(stats.name, fb_op_row_at((unsigned)count++)->name);
	assert_int_equal(count, FB_OP_ROW_COUNT);
	stats.name = "untouched";
	assert_false(fb_session_stats_op(rig->session, SIZE_MAX, &stats));
	assert_string_equal(stats.name, "untouched");
}

static void test_malformed(void **state)
{
	struct rig *rig = *state;
	struct client *c = &rig->client;

	assert_int_equal(client_call(c, FB_OP_GETATTR, 1, NULL, 0, NULL, 0), -EINVAL);
	assert_int_equal(client_call(c, 9999, 1, NULL, 0, NULL, 0), -ENOSYS);
	assert_int_equal(rig_session_stats(rig).malformed, 2);
	assert_int_equal(rig_stats(rig, FB_OP_GETATTR).errors, 1);
}

/* Too short for a header: nobody could be answered. */
static void test_shorter_than_a_header(void **state)
{
	struct rig *rig = *state;

	for (size_t size = 0; size < 40; size++) {
		memset(rig->client.message, 0xff, size);
		assert_int_equal(fb_loopback_send(rig->loop, rig->client.message, size,
						  rig->client.answer, 100),
				 0);
	}
	assert_int_equal(rig_session_stats(rig).malformed, 40);
}

/* Bounds of the buckets are 2^n microseconds. */
static void test_buckets(void **state)
{
	static const struct {
		uint64_t ns;
		unsigned bucket;
	} cases[] = {
		{ 0, 0 },
		{ 1, 0 },
		{ 1000, 0 },
		{ 1001, 1 },
		{ 2000, 1 },
		{ 2001, 2 },
		{ 4000, 2 },
		{ 4001, 3 },
		{ UINT64_C(1000) << 23, 23 },
		{ (UINT64_C(1000) << 23) + 1, 24 },
		{ UINT64_MAX, 24 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fb_op_stats stats = { 0 };
		struct fb_stats sum = { 0 };

		fb_op_stats_count(&stats, &(struct fb_op_sample){ .latency_ns = cases[i].ns });
		fb_op_stats_add(&stats, &sum);
		assert_int_equal(sum.buckets[cases[i].bucket], 1);
		assert_int_equal(in_buckets(&sum), 1);
	}
}

/* A caller with an older, smaller struct. */
static void test_short_struct(void **state)
{
	struct rig *rig = *state;
	struct fb_session_stats stats;

	memset(&stats, 0xee, sizeof(stats));
	stats.size = offsetof(struct fb_session_stats, undelivered);
	fb_session_stats_all(rig->session, &stats);
	assert_int_equal(stats.malformed, 0);
	assert_int_equal(stats.undelivered, UINT64_C(0xeeeeeeeeeeeeeeee));
}

static char lines[64][600];
static unsigned line_count;

static void note_line(void *arg, const char *text)
{
	assert_string_equal(arg, "arg");
	assert_true(strlen(text) < 600 && !strchr(text, '\n'));
	if (line_count < 64)
		strcpy(lines[line_count++], text);
}

static void assert_line(const char *part)
{
	assert_true(line_count > 0);
	if (!strstr(lines[line_count - 1], part))
		print_message("\"%s\" lacks \"%s\"\n", lines[line_count - 1], part);
	assert_non_null(strstr(lines[line_count - 1], part));
}

static void test_trace(void **state)
{
	struct rig *rig = *state;
	struct client *c = &rig->client;

	line_count = 0;
	fb_session_trace(rig->session, note_line, "arg");
	assert_int_equal(client_name(c, FB_OP_LOOKUP, 7, "na\nme\"\\"), 0);
	assert_line("LOOKUP node=7 \"na\\x0ame\\x22\\x5c\"");
	assert_line("uid=1000 gid=1001 pid=4711");
	assert_line("= 0 node=5");
	mock_force(&rig->mock, MOCK_getattr, -EACCES);
	assert_int_equal(client_getattr(c, 1), -EACCES);
	assert_line("= -EACCES");
	client_forget(c, 9, 0);
	assert_line("FORGET node=9 = no answer");
	assert_int_equal(client_open(c, FB_OP_OPEN, 5, 0), 0);
	assert_line("fh=77");
	assert_int_equal(line_count, 4);
	/* Malformed ones have a line as well. */
	assert_int_equal(client_call(c, FB_OP_RENAME, 1, "12345678", 8, "a\0b", 3), -EINVAL);
	assert_line("RENAME node=1 \"a\"");
	assert_line("= -EINVAL");
	fb_session_trace(rig->session, NULL, NULL);
	assert_int_equal(client_open(c, FB_OP_OPEN, 5, 0), 0);
	assert_int_equal(line_count, 5);
}

/* Two names of nothing but bytes that are spelled out do not fit a line. */
static void test_trace_of_long_names(void **state)
{
	struct rig *rig = *state;
	char names[2 * 256];

	memset(names, '\n', sizeof(names));
	names[255] = names[511] = 0;
	line_count = 0;
	fb_session_trace(rig->session, note_line, "arg");
	assert_int_equal(
		client_call(&rig->client, FB_OP_RENAME, 1, "12345678", 8, names, sizeof(names)), 0);
	assert_line("RENAME");
}

/* Every row has a line of its own, whatever it carries. */
static void test_trace_of_every_row(void **state)
{
	struct rig *rig = *state;
	struct message m;

	rig->strays_expected = true;
	fb_session_trace(rig->session, note_line, "arg");
	for (const struct fb_op_row *row = fb_op_row_at(0); row; row = fb_op_row_next(row)) {
		if (row->opcode == FB_OP_DESTROY)
			continue;
		line_count = 0;
		message_build(&m, row, &message_rules_newest);
		memcpy(rig->client.message, m.bytes, m.size);
		rig->client.message_size = m.size;
		(void)client_send(&rig->client);
		assert_line(row->name);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_counts),
		TEST(test_held_requests_count_once),
		TEST(test_rows_are_listed),
		TEST(test_malformed),
		TEST(test_shorter_than_a_header),
		cmocka_unit_test(test_buckets),
		TEST(test_short_struct),
		TEST(test_trace),
		TEST(test_trace_of_long_names),
		TEST(test_trace_of_every_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
