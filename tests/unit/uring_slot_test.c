/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests and answers in the slots of FUSE over io_uring. */
#include "cmocka_setup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/req.h"
#include "core/transport.h"
#include "protocol/wire.h"
#include "transport/uring_slot.h"

#define ROOM (64u << 10)
#define BUFFER (128u << 10)
#define STALE 0xAA

struct rig {
	struct fb_uring_slot *slot;
	struct fb_req req;
};

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig->slot = fb_uring_slot_new(ROOM);
	assert_non_null(rig->slot);
	rig->req.buffer_size = BUFFER;
	rig->req.buffer = malloc(BUFFER);
	assert_non_null(rig->req.buffer);
	/* What was there before must not matter. */
	memset(rig->slot->header, STALE, sizeof(*rig->slot->header));
	memset(rig->slot->payload, STALE, ROOM);
	memset(rig->req.buffer, STALE, BUFFER);
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	free(rig->req.buffer);
	fb_uring_slot_free(rig->slot);
	free(rig);
	return 0;
}

/* As the kernel does. */
static void receive(struct rig *rig, uint32_t opcode, const void *fixed, size_t fixed_size,
		    const void *payload, size_t payload_size)
{
	const struct fb_wire_in_header header = {
		.len = (uint32_t)(sizeof(header) + fixed_size + payload_size),
		.opcode = opcode,
		.unique = 42,
		.nodeid = 7,
	};
	struct fb_wire_uring_req_header *to = rig->slot->header;

	memcpy(to->in_out, &header, sizeof(header));
	if (fixed_size > 0)
		memcpy(to->op_in, fixed, fixed_size);
	memcpy(rig->slot->payload, payload, payload_size);
	to->ring_ent_in_out = (struct fb_wire_uring_ent_in_out){
		.commit_id = 42,
		.payload_sz = (uint32_t)payload_size,
	};
	rig->slot->commit_id = 42;
	fb_uring_slot_open(rig->slot, &rig->req);
}

static const uint8_t *at(const struct rig *rig, size_t offset)
{
	assert_true(offset < rig->req.head_size);
	return rig->req.message + offset;
}

static void test_alignment(void **state)
{
	const struct rig *rig = *state;

	assert_int_equal((uintptr_t)rig->slot->payload % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
	assert_int_equal(rig->slot->registered[0].iov_len, 288);
	assert_int_equal(rig->slot->registered[1].iov_len, ROOM);
}

/* The kernel sends no struct with these, and leaves that of the request before. */
static void test_no_struct(void **state)
{
	struct rig *rig = *state;

	receive(rig, FB_OP_LOOKUP, NULL, 0, "name", 5);
	assert_ptr_equal(rig->req.slot, rig->slot);
	assert_int_equal(rig->req.total_size, 45);
	assert_int_equal(rig->req.head_size, 45);
	assert_string_equal((const char *)at(rig, 40), "name");
	assert_int_equal(rig->req.rest_count, 0);
}

static void test_struct(void **state)
{
	const struct fb_wire_getattr_in in = { .getattr_flags = 1, .fh = 99 };
	struct rig *rig = *state;

	receive(rig, FB_OP_GETATTR, &in, sizeof(in), "", 0);
	assert_int_equal(rig->req.total_size, 56);
	assert_memory_equal(at(rig, 40), &in, sizeof(in));
}

static void test_struct_and_names(void **state)
{
	const struct fb_wire_rename2_in in = { .newdir = 5, .flags = 1 };
	struct rig *rig = *state;

	receive(rig, FB_OP_RENAME2, &in, sizeof(in), "from\0to", 8);
	assert_int_equal(rig->req.head_size, 64);
	assert_memory_equal(at(rig, 40), &in, sizeof(in));
	assert_memory_equal(at(rig, 56), "from\0to", 8);
}

/* Bulk data stays where it is, at the start of a page. */
static void test_write(void **state)
{
	const struct fb_wire_write_in in = { .fh = 3, .offset = 4096, .size = 8192 };
	struct rig *rig = *state;
	uint8_t data[8192];

	memset(data, 'd', sizeof(data));
	receive(rig, FB_OP_WRITE, &in, sizeof(in), data, sizeof(data));
	assert_int_equal(rig->req.head_size, 80);
	assert_int_equal(rig->req.total_size, 80 + sizeof(data));
	assert_int_equal(rig->req.rest_count, 1);
	assert_ptr_equal(rig->req.rest->iov_base, rig->slot->payload);
	assert_int_equal(rig->req.rest->iov_len, sizeof(data));
}

/* Its struct comes in the payload, with the data. */
static void test_notify_reply(void **state)
{
	struct rig *rig = *state;
	struct {
		struct fb_wire_notify_retrieve_in in;
		uint8_t data[104];
	} payload = { .in = { .offset = 4096, .size = 104 } };

	memset(payload.data, 'r', sizeof(payload.data));
	receive(rig, FB_OP_NOTIFY_REPLY, NULL, 0, &payload, sizeof(payload));
	assert_memory_equal(at(rig, 40), &payload.in, sizeof(payload.in));
	assert_int_equal(rig->req.head_size, 80);
	assert_int_equal(rig->req.rest->iov_len, sizeof(payload.data));
	assert_memory_equal(rig->req.rest->iov_base, payload.data, sizeof(payload.data));
}

/* Room for the answer is the payload itself: what came in has to be out of it before. */
static void test_ioctl(void **state)
{
	const struct fb_wire_ioctl_in in = { .cmd = 1, .in_size = 8, .out_size = 64 };
	struct rig *rig = *state;
	struct iovec *iov;

	receive(rig, FB_OP_IOCTL, &in, sizeof(in), "argument", 8);
	assert_int_equal(rig->req.rest_count, 0);
	assert_int_equal(fb_uring_slot_room(rig->slot, &rig->req, 32, 64, &iov), 1);
	assert_ptr_equal(iov->iov_base, rig->slot->payload + 16);
	memset(iov->iov_base, 'o', 64);
	assert_memory_equal(at(rig, 72), "argument", 8);
}

static void expect_malformed(struct rig *rig)
{
	fb_uring_slot_open(rig->slot, &rig->req);
	assert_int_equal(rig->req.head_size, 40);
	assert_int_equal(rig->req.total_size, 40);
	assert_int_equal(rig->req.rest_count, 0);
}

/* Numbers that do not fit: a message shorter than its header says, which the decoder refuses. */
static void test_malformed(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_in_header *header = (void *)rig->slot->header->in_out;
	struct fb_wire_uring_ent_in_out *used = &rig->slot->header->ring_ent_in_out;

	receive(rig, FB_OP_LOOKUP, NULL, 0, "name", 5);
	used->payload_sz = ROOM + 1;
	header->len = 40 + ROOM + 1;
	expect_malformed(rig);
	used->payload_sz = UINT32_MAX;
	expect_malformed(rig);
	used->payload_sz = 5;
	header->len = 44; /* less than there is */
	expect_malformed(rig);
	header->len = 40 + 129 + 5; /* a longer struct than there can be */
	expect_malformed(rig);
	header->len = UINT32_MAX;
	expect_malformed(rig);
	header->len = 0;
	expect_malformed(rig);
}

static void test_read_room(void **state)
{
	struct rig *rig = *state;
	struct iovec *iov;

	assert_int_equal(fb_uring_slot_room(rig->slot, &rig->req, 16, 4096, &iov), 1);
	assert_ptr_equal(iov->iov_base, rig->slot->payload);
	assert_int_equal(iov->iov_len, 4096);
	/* No more than there is. */
	assert_int_equal(fb_uring_slot_room(rig->slot, &rig->req, 32, 2 * ROOM, &iov), 1);
	assert_int_equal(iov->iov_len, ROOM - 16);
}

static void test_answers(void **state)
{
	struct {
		struct fb_wire_out_header header;
		struct fb_wire_attr_out attr;
	} answer = { .header = { .len = sizeof(answer), .unique = 42 },
		     .attr = { .attr_valid = 5 } };
	const struct fb_answer with_struct = { &answer, sizeof(answer), 0, NULL };
	const struct fb_answer data = { &answer, 16, 100, NULL };
	struct rig *rig = *state;
	const struct fb_wire_uring_req_header *header = rig->slot->header;

	fb_uring_slot_fill(rig->slot, &with_struct);
	assert_memory_equal(header->in_out, &answer, 16);
	assert_memory_equal(rig->slot->payload, &answer.attr, sizeof(answer.attr));
	assert_int_equal(header->ring_ent_in_out.payload_sz, sizeof(answer.attr));
	assert_int_equal(header->ring_ent_in_out.flags, 0);
	/* Data has been put there before. */
	memset(rig->slot->payload, 'p', 100);
	fb_uring_slot_fill(rig->slot, &data);
	assert_int_equal(header->ring_ent_in_out.payload_sz, 100);
	assert_int_equal(rig->slot->payload[0], 'p');
}

static void test_no_answer(void **state)
{
	struct fb_wire_out_header header;
	struct rig *rig = *state;

	rig->slot->commit_id = 77;
	fb_uring_slot_fill_empty(rig->slot);
	memcpy(&header, rig->slot->header->in_out, sizeof(header));
	assert_int_equal(header.len, 16);
	assert_int_equal(header.error, 0);
	assert_int_equal(header.unique, 77);
	assert_int_equal(rig->slot->header->ring_ent_in_out.payload_sz, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_alignment), TEST(test_no_struct),    TEST(test_struct),
		TEST(test_write),     TEST(test_notify_reply), TEST(test_struct_and_names),
		TEST(test_ioctl),     TEST(test_malformed),    TEST(test_read_room),
		TEST(test_answers),   TEST(test_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
