/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every row of the opcode table: the smallest message decodes, and no shorter or longer one does.
 */
#include <errno.h>
#include <string.h>

#include "cmocka_setup.h"
#include "exact.h"
#include "message.h"

#define FOR_EACH_ROW(row)                                                                          \
	for (const struct fb_op_row *row = fb_op_row_at(0); row; row = fb_op_row_next(row))

static const struct fb_decode_rules *const all_rules[] = {
	&message_rules_newest,
	&message_rules_oldest,
};

static void rows_are_found(void **state)
{
	unsigned count = 0;

	(void)state;
	FOR_EACH_ROW(row)
	{
		assert_ptr_equal(fb_op_row_find(row->opcode), row);
		assert_int_equal(row->index, count++);
		assert_string_equal(fb_op_row_name(row->opcode), row->name);
	}
	assert_int_equal(count, FB_OP_ROW_COUNT);
	assert_null(fb_op_row_find(0));
	assert_null(fb_op_row_find(7));
	assert_null(fb_op_row_find(19));
	assert_null(fb_op_row_find(54));
	assert_null(fb_op_row_find(FB_OP_CUSE_INIT));
	assert_null(fb_op_row_find(UINT32_MAX));
	assert_string_equal(fb_op_row_name(0), "UNKNOWN");
}

static void rows_make_sense(void **state)
{
	(void)state;
	FOR_EACH_ROW(row)
	{
		assert_in_range(row->names, 0, 2);
		assert_true(row->tail == FB_TAIL_NONE ||
			    row->tail_field + sizeof(uint32_t) <= row->in_size);
		assert_true(row->room_field == FB_ROW_NO_ROOM ||
			    row->room_field + sizeof(uint32_t) <= row->in_size);
		assert_true(!(row->flags & FB_ROW_NO_REPLY) == (row->reply != FB_REPLY_NONE));
		/* Only what has no names can be cut off behind its fixed struct. */
		if (row->flags & FB_ROW_BULK)
			assert_true(row->tail == FB_TAIL_BYTES && row->names == 0);
		if (row->flags & FB_ROW_TARGET)
			assert_int_equal(row->names, 2);
		assert_in_range(row->absent, 0, FB_WIRE_ERRNO_MAX);
		assert_in_range(row->soft, 0, FB_WIRE_ERRNO_MAX);
	}
}

static void minimal_messages_decode(void **state)
{
	struct message m;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		FOR_EACH_ROW(row)
		{
			bool known = row->since <= all_rules[i]->minor;

			message_build(&m, row, all_rules[i]);
			assert_int_equal(exact_result(&m), known ? 0 : -ENOSYS);
		}
	}
}

/* Decode the first size bytes; say_so: the header agrees with the shorter length. */
static void assert_refused(const struct message *m, size_t size, bool say_so)
{
	struct message cut = *m;
	struct exact e;

	if (say_so)
		message_header(&cut)->len = (uint32_t)size;
	exact_decode(&e, &cut.rules, cut.bytes, size, size);
	assert_in_range(-e.result, 1, FB_WIRE_ERRNO_MAX);
	if (size >= sizeof(struct fb_wire_in_header)) {
		assert_memory_equal(&e.args.header, cut.bytes, sizeof(e.args.header));
		assert_ptr_equal(e.args.row, m->row);
	} else {
		assert_null(e.args.row);
		assert_int_equal(e.args.header.unique, 0);
	}
	exact_free(&e);
}

static void shorter_messages_are_refused(void **state)
{
	struct message m;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		FOR_EACH_ROW(row)
		{
			message_build(&m, row, all_rules[i]);
			for (size_t size = 0; size < m.size; size++) {
				assert_refused(&m, size, false);
				assert_refused(&m, size, true);
			}
		}
	}
}

static void longer_messages_are_refused(void **state)
{
	struct message m;

	(void)state;
	FOR_EACH_ROW(row)
	{
		for (unsigned more = 1; more <= 24; more++) {
			message_build(&m, row, &message_rules_newest);
			message_add(&m, "abcdefghijklmnopqrstuvwx", more);
			assert_int_equal(exact_result(&m), -EINVAL);
			message_end(&m);
			assert_int_equal(exact_result(&m), row->opcode == FB_OP_INIT ? 0 : -EINVAL);
		}
	}
}

/* Bulk data may stay where it is; everything else has to be at hand. */
static void heads_may_end_before_bulk_data(void **state)
{
	struct message m;
	struct exact e;

	(void)state;
	FOR_EACH_ROW(row)
	{
		size_t fixed_end;

		message_build(&m, row, &message_rules_newest);
		fixed_end = fb_decode_head_size(message_header(&m), m.size);
		assert_true((fixed_end < m.size) == ((row->flags & FB_ROW_BULK) != 0));
		for (size_t head = sizeof(struct fb_wire_in_header); head <= m.size; head++) {
			exact_decode(&e, &m.rules, m.bytes, head, m.size);
			assert_int_equal(e.result, head < fixed_end ? -EINVAL : 0);
			assert_int_equal(e.args.header.unique, message_header(&m)->unique);
			if (e.result == 0)
				exact_assert_inside(&e, head, m.size);
			if (e.result == 0 && row->tail != FB_TAIL_NONE)
				assert_true((e.args.tail != NULL) == (head == m.size));
			exact_free(&e);
		}
		exact_decode(&e, &m.rules, m.bytes, m.size, m.size - 1);
		assert_int_equal(e.result, -EINVAL);
		exact_free(&e);
	}
}

/* A tail far larger than what is at hand, as WRITE over virtio has it. */
static void large_bulk_data_is_not_touched(void **state)
{
	struct message m;
	struct exact e;

	(void)state;
	message_begin(&m, fb_op_row_find(FB_OP_WRITE), &message_rules_newest);
	message_set_tail_field(&m, 16u << 20);
	message_header(&m)->len = (uint32_t)m.size + (16u << 20);
	exact_decode(&e, &m.rules, m.bytes, m.size, m.size + (16u << 20));
	assert_int_equal(e.result, 0);
	assert_int_equal(e.args.tail_offset, m.size);
	assert_int_equal(e.args.tail_size, 16u << 20);
	assert_null(e.args.tail);
	exact_free(&e);
}

static void header_length_has_to_match(void **state)
{
	static const uint32_t wrong[] = { 0, 1, 39, 40, UINT32_MAX };
	struct message m;

	(void)state;
	FOR_EACH_ROW(row)
	{
		for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
			message_build(&m, row, &message_rules_newest);
			if (m.size == wrong[i])
				continue;
			message_header(&m)->len = wrong[i];
			assert_int_equal(exact_result(&m), -EINVAL);
		}
	}
}

static void length_fields_have_to_match(void **state)
{
	static const uint32_t wrong[] = {
		0, 1, 3, 4, 6, 7, 100, 0x10000000, 0x10000002, 0x7fffffff, 0x80000000, UINT32_MAX,
	};
	struct message m;

	(void)state;
	FOR_EACH_ROW(row)
	{
		if (row->tail == FB_TAIL_NONE)
			continue;
		for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
			message_build(&m, row, &message_rules_newest);
			message_set_tail_field(&m, wrong[i]);
			assert_int_equal(exact_result(&m), -EINVAL);
		}
	}
}

static void tails_may_be_empty(void **state)
{
	struct message m;

	(void)state;
	FOR_EACH_ROW(row)
	{
		if (row->tail == FB_TAIL_NONE)
			continue;
		message_begin(&m, row, &message_rules_newest);
		message_add_names(&m, 0);
		message_add_tail(&m, 0);
		message_end(&m);
		assert_int_equal(exact_result(&m), 0);
	}
}

static void array_elements_are_copied(void **state)
{
	struct message m;
	struct exact e;

	(void)state;
	FOR_EACH_ROW(row)
	{
		uint64_t pair[2];

		if (row->tail != FB_TAIL_ARRAY)
			continue;
		assert_int_equal(row->tail_element, sizeof(pair));
		message_build(&m, row, &message_rules_newest);
		exact_decode(&e, &m.rules, m.bytes, m.size, m.size);
		assert_int_equal(e.result, 0);
		assert_int_equal(e.args.tail_count, MESSAGE_TAIL_ELEMENTS);
		for (uint32_t i = 0; i < MESSAGE_TAIL_ELEMENTS; i++) {
			fb_args_element(&e.args, i, pair);
			assert_memory_equal(
				pair, m.bytes + m.size - (MESSAGE_TAIL_ELEMENTS - i) * sizeof(pair),
				sizeof(pair));
		}
		exact_free(&e);
	}
}

static void names_need_their_end(void **state)
{
	struct message m;

	(void)state;
	FOR_EACH_ROW(row)
	{
		for (unsigned keep = 0; keep < row->names; keep++) {
			/* keep whole names, then one that runs into the end of the message */
			message_begin(&m, row, &message_rules_newest);
			for (unsigned i = 0; i < keep; i++)
				message_add_name(&m, "whole");
			message_add(&m, "torn", 4);
			message_end(&m);
			assert_int_equal(exact_result(&m), -EINVAL);
		}
	}
}

static void one_name_more_is_refused(void **state)
{
	struct message m;

	(void)state;
	FOR_EACH_ROW(row)
	{
		if (row->names == 0)
			continue;
		message_begin(&m, row, &message_rules_newest);
		message_add_names(&m, 0);
		message_add_name(&m, "more");
		if (row->tail != FB_TAIL_NONE)
			message_add_tail(&m, 3);
		message_end(&m);
		assert_int_equal(exact_result(&m), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_found),
		cmocka_unit_test(rows_make_sense),
		cmocka_unit_test(minimal_messages_decode),
		cmocka_unit_test(shorter_messages_are_refused),
		cmocka_unit_test(longer_messages_are_refused),
		cmocka_unit_test(heads_may_end_before_bulk_data),
		cmocka_unit_test(large_bulk_data_is_not_touched),
		cmocka_unit_test(header_length_has_to_match),
		cmocka_unit_test(length_fields_have_to_match),
		cmocka_unit_test(tails_may_be_empty),
		cmocka_unit_test(array_elements_are_copied),
		cmocka_unit_test(names_need_their_end),
		cmocka_unit_test(one_name_more_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
