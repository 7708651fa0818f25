/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extensions: found when they are sound, refused in every way they can be broken.
 */
#include <errno.h>
#include <string.h>

#include "cmocka_setup.h"
#include "exact.h"
#include "message.h"

#define FOR_EACH_ROW(row)                                                                          \
	for (const struct fb_op_row *row = fb_op_row_at(0); row; row = fb_op_row_next(row))

#define UNKNOWN_TYPE 77

/* Supplementary groups as they stand behind ext_header. */
struct groups {
	uint32_t count;
	uint32_t group[3];
};

static const struct groups three_groups = { 3, { 10, 20, 0xfffffffe } };

static void begin(struct message *m, uint32_t opcode)
{
	message_begin(m, fb_op_row_find(opcode), &message_rules_newest);
	message_add_names(m, 0);
}

/* Write one security context to `to`, filled up to a multiple of 8; returns its size. */
static size_t put_label(uint8_t *to, const char *name, const char *value)
{
	struct fb_wire_secctx context = { .size = (uint32_t)strlen(value) };
	size_t name_size = strlen(name) + 1, size = sizeof(context) + name_size + context.size;

	memset(to, 0, size + 8);
	memcpy(to, &context, sizeof(context));
	memcpy(to + sizeof(context), name, name_size);
	memcpy(to + sizeof(context) + name_size, value, context.size);
	return (size + 7) & ~(size_t)7;
}

static void groups_are_found_at_any_offset(void **state)
{
	static const char *const names[] = {
		"a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg"
	};
	uint32_t groups[4] = { 0 };
	struct message m;
	struct exact e;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		message_begin(&m, fb_op_row_find(FB_OP_MKDIR), &message_rules_newest);
		message_add_name(&m, names[i]);
		message_add_extension(&m, FB_WIRE_EXT_GROUPS, &three_groups, sizeof(three_groups));
		message_end(&m);
		exact_decode(&e, &m.rules, m.bytes, m.size, m.size);
		assert_int_equal(e.result, 0);
		exact_assert_inside(&e, m.size, m.size);
		assert_int_equal(e.args.ext.group_count, 3);
		assert_int_equal(fb_args_groups(&e.args, groups, 4), 3);
		assert_memory_equal(groups, three_groups.group, sizeof(three_groups.group));
		assert_int_equal(fb_args_groups(&e.args, groups, 2), 2);
		assert_int_equal(fb_args_groups(&e.args, groups, 0), 0);
		exact_free(&e);
	}
}

static void labels_are_found(void **state)
{
	uint8_t body[256];
	const char *name;
	const void *value;
	size_t size, used = 0;
	struct message m;
	struct exact e;

	(void)state;
	used += put_label(body + used, "security.selinux", "system_u:object_r:tmp_t:s0");
	used += put_label(body + used, "security.empty", "");
	used += put_label(body + used, "s", "12345");
	begin(&m, FB_OP_CREATE);
	message_add_extension(&m, 3, body, used);
	message_add_extension(&m, UNKNOWN_TYPE, "whatever", 8);
	message_add_extension(&m, FB_WIRE_EXT_GROUPS, &three_groups, sizeof(three_groups));
	message_end(&m);
	exact_decode(&e, &m.rules, m.bytes, m.size, m.size);
	assert_int_equal(e.result, 0);
	exact_assert_inside(&e, m.size, m.size);
	assert_true(fb_args_label(&e.args, 0, &name, &value, &size));
	assert_string_equal(name, "security.selinux");
	assert_int_equal(size, strlen("system_u:object_r:tmp_t:s0"));
	assert_memory_equal(value, "system_u:object_r:tmp_t:s0", size);
	assert_true(fb_args_label(&e.args, 1, &name, &value, &size));
	assert_string_equal(name, "security.empty");
	assert_int_equal(size, 0);
	assert_true(fb_args_label(&e.args, 2, &name, &value, &size));
	assert_string_equal(name, "s");
	assert_memory_equal(value, "12345", 5);
	assert_false(fb_args_label(&e.args, 3, &name, &value, &size));
	assert_int_equal(e.args.ext.group_count, 3);
	exact_free(&e);
}

/* What Linux sends when there is no label: a header and nothing else. */
static void an_empty_block_is_no_label(void **state)
{
	struct message m;
	struct exact e;
	const char *name;
	const void *value;
	size_t size;

	(void)state;
	begin(&m, FB_OP_MKNOD);
	message_add_extension(&m, 0, NULL, 0);
	message_end(&m);
	exact_decode(&e, &m.rules, m.bytes, m.size, m.size);
	assert_int_equal(e.result, 0);
	assert_false(fb_args_label(&e.args, 0, &name, &value, &size));
	assert_int_equal(fb_args_groups(&e.args, NULL, 0), 0);
	exact_free(&e);
}

static void only_some_rows_carry_them(void **state)
{
	struct message m;

	(void)state;
	FOR_EACH_ROW(row)
	{
		message_build(&m, row, &message_rules_newest);
		message_add_extension(&m, FB_WIRE_EXT_GROUPS, &three_groups, sizeof(three_groups));
		message_end(&m);
		assert_int_equal(exact_result(&m), row->flags & FB_ROW_EXTENSIONS ? 0 : -EINVAL);
	}
}

static void they_need_negotiation(void **state)
{
	uint8_t body[64];
	size_t used = put_label(body, "security.selinux", "x");
	struct message m;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t flags = (i & 1 ? FB_INIT_SECURITY_CTX : 0) |
				 (i & 2 ? FB_INIT_CREATE_SUPP_GROUP : 0);

		begin(&m, FB_OP_MKDIR);
		message_add_extension(&m, 1, body, used);
		message_end(&m);
		m.rules.flags = flags;
		assert_int_equal(exact_result(&m), i & 1 ? 0 : -EINVAL);

		begin(&m, FB_OP_MKDIR);
		message_add_extension(&m, FB_WIRE_EXT_GROUPS, &three_groups, sizeof(three_groups));
		message_end(&m);
		m.rules.flags = flags;
		assert_int_equal(exact_result(&m), i & 2 ? 0 : -EINVAL);
	}
}

/* Before 7.38 the two bytes in the header were padding. */
static void old_peers_have_none(void **state)
{
	struct message m;

	(void)state;
	begin(&m, FB_OP_MKDIR);
	message_header(&m)->total_extlen = 0xffff;
	message_end(&m);
	assert_int_equal(exact_result(&m), -EINVAL);
	m.rules.minor = 37;
	assert_int_equal(exact_result(&m), 0);
}

static void total_length_has_to_fit(void **state)
{
	struct message m;

	(void)state;
	for (unsigned units = 0; units <= 100; units++) {
		begin(&m, FB_OP_SYMLINK);
		message_add_extension(&m, FB_WIRE_EXT_GROUPS, &three_groups, sizeof(three_groups));
		message_end(&m);
		/* A shorter one begins inside the groups, a longer one inside the names. */
		message_header(&m)->total_extlen = (uint16_t)units;
		assert_int_equal(exact_result(&m), units == 3 ? 0 : -EINVAL);
	}
	message_header(&m)->total_extlen = UINT16_MAX;
	assert_int_equal(exact_result(&m), -EINVAL);
}

/* Every length of a message with extensions: none but the whole decodes. */
static void shorter_messages_are_refused(void **state)
{
	uint8_t body[128];
	size_t used = put_label(body, "security.selinux", "label");
	struct message m;

	(void)state;
	FOR_EACH_ROW(row)
	{
		if (!(row->flags & FB_ROW_EXTENSIONS))
			continue;
		begin(&m, row->opcode);
		message_add_extension(&m, 1, body, used);
		message_add_extension(&m, FB_WIRE_EXT_GROUPS, &three_groups, sizeof(three_groups));
		message_end(&m);
		assert_int_equal(exact_result(&m), 0);
		while (m.size > sizeof(struct fb_wire_in_header)) {
			m.size--;
			message_end(&m);
			assert_int_equal(exact_result(&m), -EINVAL);
		}
	}
}

static void sizes_of_extensions_are_checked(void **state)
{
	struct message m;

	(void)state;
	for (uint32_t size = 0; size < 64; size++) {
		struct fb_wire_ext_header header = { .type = UNKNOWN_TYPE };

		begin(&m, FB_OP_CREATE);
		message_add_extension(&m, UNKNOWN_TYPE, "0123456789abcdef", 16);
		message_end(&m);
		header.size = size;
		memcpy(m.bytes + m.size - 24, &header, sizeof(header));
		/* 8 and 16 leave bytes over whose own size, made of digits, is far too large */
		assert_int_equal(exact_result(&m), size == 24 ? 0 : -EINVAL);
		header.size = UINT32_MAX - 7;
		memcpy(m.bytes + m.size - 24, &header, sizeof(header));
		assert_int_equal(exact_result(&m), -EINVAL);
	}
}

static int with_groups(const void *body, size_t size)
{
	struct message m;

	begin(&m, FB_OP_TMPFILE);
	message_add_extension(&m, FB_WIRE_EXT_GROUPS, body, size);
	message_end(&m);
	return exact_result(&m);
}

static void numbers_of_groups_are_checked(void **state)
{
	static const uint32_t too_many[] = { 5, 100, 65537, 0x40000001, 0x80000000, UINT32_MAX };
	struct groups groups = three_groups;

	(void)state;
	/* four words of body: the count and three groups */
	for (groups.count = 0; groups.count <= 3; groups.count++)
		assert_int_equal(with_groups(&groups, sizeof(groups)), 0);
	assert_int_equal(with_groups(&groups, sizeof(groups)), -EINVAL);
	for (size_t i = 0; i < sizeof(too_many) / sizeof(too_many[0]); i++) {
		groups.count = too_many[i];
		assert_int_equal(with_groups(&groups, sizeof(groups)), -EINVAL);
	}
	assert_int_equal(with_groups(NULL, 0), -EINVAL);
}

static int with_labels(uint32_t count, const void *body, size_t size)
{
	struct message m;

	begin(&m, FB_OP_SYMLINK);
	message_add_extension(&m, count, body, size);
	message_end(&m);
	return exact_result(&m);
}

static void labels_have_to_fit(void **state)
{
	uint8_t body[128];
	size_t used = put_label(body, "security.selinux", "label");
	struct fb_wire_secctx context = { .size = 0 };

	(void)state;
	assert_int_equal(with_labels(1, body, used), 0);
	/* more or fewer than there are */
	assert_int_equal(with_labels(0, body, used), -EINVAL);
	assert_int_equal(with_labels(2, body, used), -EINVAL);
	assert_int_equal(with_labels(31, body, used), -EINVAL);
	assert_int_equal(with_labels(1, NULL, 0), -EINVAL);
	/* larger than what is left: 8 + 17 + size has to stay within `used` */
	for (uint32_t size = 0; size <= 64; size++) {
		context.size = size;
		memcpy(body, &context, sizeof(context));
		assert_int_equal(with_labels(1, body, used),
				 size <= used - 25 && used - 25 - size < 8 ? 0 : -EINVAL);
	}
	context.size = UINT32_MAX;
	memcpy(body, &context, sizeof(context));
	assert_int_equal(with_labels(1, body, used), -EINVAL);
}

static void label_names_are_checked(void **state)
{
	uint8_t body[640];
	char name[FB_NAME_MAX + 2];
	size_t used;

	(void)state;
	used = put_label(body, "", "label");
	assert_int_equal(with_labels(1, body, used), -EINVAL);
	memset(name, 'n', sizeof(name));
	name[FB_NAME_MAX] = 0;
	used = put_label(body, name, "label");
	assert_int_equal(with_labels(1, body, used), 0);
	name[FB_NAME_MAX] = 'n';
	name[FB_NAME_MAX + 1] = 0;
	used = put_label(body, name, "label");
	assert_int_equal(with_labels(1, body, used), -EINVAL);
	/* no NUL before the end */
	memset(body, 'n', 32);
	memset(body, 0, sizeof(struct fb_wire_secctx));
	assert_int_equal(with_labels(1, body, 32), -EINVAL);
}

static void each_kind_comes_once(void **state)
{
	struct message m;

	(void)state;
	begin(&m, FB_OP_MKDIR);
	message_add_extension(&m, FB_WIRE_EXT_GROUPS, &three_groups, sizeof(three_groups));
	message_add_extension(&m, FB_WIRE_EXT_GROUPS, &three_groups, sizeof(three_groups));
	message_end(&m);
	assert_int_equal(exact_result(&m), -EINVAL);
	begin(&m, FB_OP_MKDIR);
	message_add_extension(&m, 0, NULL, 0);
	message_add_extension(&m, 0, NULL, 0);
	message_end(&m);
	assert_int_equal(exact_result(&m), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_are_found_at_any_offset),
		cmocka_unit_test(labels_are_found),
		cmocka_unit_test(an_empty_block_is_no_label),
		cmocka_unit_test(only_some_rows_carry_them),
		cmocka_unit_test(they_need_negotiation),
		cmocka_unit_test(old_peers_have_none),
		cmocka_unit_test(total_length_has_to_fit),
		cmocka_unit_test(shorter_messages_are_refused),
		cmocka_unit_test(sizes_of_extensions_are_checked),
		cmocka_unit_test(numbers_of_groups_are_checked),
		cmocka_unit_test(labels_have_to_fit),
		cmocka_unit_test(label_names_are_checked),
		cmocka_unit_test(each_kind_comes_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
