/* SPDX-License-Identifier: BSD-3-Clause */
/* No memory is asked for between receiving a request and answering it. */
#include "cmocka_setup.h"

#include <errno.h>
#include <stdlib.h>

#include "direct_transport.h"
#include "message.h"
#include "mock_driver.h"

/* This program is linked so that these stand before the C library's (see CMakeLists.txt). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static unsigned asked;

void *__wrap_malloc(size_t size)
{
	asked++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	asked++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	asked++;
	return __real_realloc(memory, size);
}

struct bench {
	struct mock mock;
	struct fb_session *session;
	struct direct_transport *direct;
};

/* Static, because it is large; each test has it to itself. */
static struct bench bench;

/* The other driver's takes a copy of what is written. */
static int write_nowhere(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
			 struct fb_source *from, size_t count, uint64_t off)
{
	(void)self;
	(void)req;
	(void)node;
	(void)fh;
	(void)off;
	return (int)fb_source_skip(from, count);
}

static int set_up(void **state)
{
	mock_init(&bench.mock);
	bench.mock.ops.write = write_nowhere;
	bench.mock.entry.node = 5;
	bench.mock.open.fh = 77;
	bench.mock.bytes = "value";
	bench.mock.bytes_size = 5;
	assert_int_equal(fb_session_new(&bench.mock.ops, &bench.mock, NULL, &bench.session), 0);
	bench.direct = direct_transport_attach(bench.session);
	direct_greet(bench.direct);
	*state = &bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	fb_session_unref(b->session);
	mock_fini(&b->mock);
	return 0;
}

/* Serve a request. Returns how often memory was asked for meanwhile. */
static unsigned serve(struct bench *b, const void *bytes, size_t size)
{
	struct direct_message message = { bytes, size };

	asked = 0;
	direct_serve(b->direct, &message, 1);
	return asked;
}

static unsigned serve_row(struct bench *b, const struct fb_op_row *row)
{
	struct message message;

	message_build(&message, row, &message_rules_newest);
	return serve(b, message.bytes, message.size);
}

/* What ends or begins a session, and what Linux sends only to a device with a window (DAX). */
static bool is_rare(const struct fb_op_row *row)
{
	return row->opcode == FB_OP_INIT || row->opcode == FB_OP_DESTROY ||
	       row->opcode == FB_OP_REMOVEMAPPING;
}

static void test_no_opcode(void **state)
{
	struct bench *b = *state;
	const struct fb_op_row *row;
	unsigned served = 0;

	for (row = fb_op_row_at(0); row; row = fb_op_row_next(row)) {
		unsigned calls = mock_calls_all(&b->mock), n;

		if (is_rare(row))
			continue;
		n = serve_row(b, row);
		if (n != 0)
			fail_msg("%s asks for memory %u times", row->name, n);
		served += mock_calls_all(&b->mock) > calls;
	}
	/* Not all were refused before they got anywhere. */
	assert_true(served > 35);
}

static void test_refused(void **state)
{
	struct bench *b = *state;
	struct message message;

	message_build(&message, fb_op_row_find(FB_OP_GETATTR), &message_rules_newest);
	assert_int_equal(serve(b, message.bytes, message.size - 1), 0);
	assert_int_equal(b->direct->error, -EINVAL);
	mock_force(&b->mock, MOCK_getattr, -EACCES);
	assert_int_equal(serve(b, message.bytes, message.size), 0);
	assert_int_equal(b->direct->error, -EACCES);
}

/* Files with a backing descriptor are remembered; what that takes is used again. */
static void test_backing_files(void **state)
{
	struct bench *b = *state;

	b->mock.open.backing_fd = 0;
	for (int i = 0; i < 3; i++) {
		unsigned n = serve_row(b, fb_op_row_find(FB_OP_OPEN));

		assert_int_equal(b->direct->error, 0);
		assert_true(i == 0 ? n > 0 : n == 0);
		/* The client's words for the file that was opened. */
		struct {
			struct fb_wire_in_header header;
			struct fb_wire_release_in in;
		} release = {
			.header = { .len = sizeof(release),
				    .opcode = FB_OP_RELEASE,
				    .unique = 2,
				    .nodeid = FB_ROOT_NODE },
			.in = { .fh = 77 },
		};

		assert_int_equal(serve(b, &release, sizeof(release)), 0);
	}
}

/* Where a listing's room is in pieces it needs one of its own: and this program sees that. */
static void test_count(void **state)
{
	struct bench *b = *state;

	b->direct->room_pieces = 2;
	assert_int_equal(serve_row(b, fb_op_row_find(FB_OP_READDIR)), 1);
	assert_int_equal(serve_row(b, fb_op_row_find(FB_OP_READ)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_opcode, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_backing_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_count, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
