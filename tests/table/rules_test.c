/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the decoder refuses beyond lengths: at the wrong time, names, ids, ranges and flags.
 */
#include <errno.h>
#include <string.h>

#include "cmocka_setup.h"
#include "exact.h"
#include "message.h"

#define FOR_EACH_ROW(row)                                                                          \
	for (const struct fb_op_row *row = fb_op_row_at(0); row; row = fb_op_row_next(row))

static void build(struct message *m, uint32_t opcode)
{
	message_build(m, fb_op_row_find(opcode), &message_rules_newest);
}

/* ---- when and what ---------------------------------------------------------------------------*/

static void before_init_little_is_legal(void **state)
{
	const struct fb_decode_rules rules = { .initialized = false };
	struct message m;

	(void)state;
	FOR_EACH_ROW(row)
	{
		bool legal = row->opcode == FB_OP_INIT || row->opcode == FB_OP_FORGET ||
			     row->opcode == FB_OP_BATCH_FORGET;

		message_build(&m, row, &rules);
		assert_int_equal(exact_result(&m), legal ? 0 : -EIO);
	}
}

static void unknown_opcodes_are_named_so(void **state)
{
	static const uint32_t unknown[] = { 0, 7, 19, 54, 4096, 0x100000, UINT32_MAX };
	struct message m;
	struct exact e;

	(void)state;
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		build(&m, FB_OP_STATFS);
		message_header(&m)->opcode = unknown[i];
		exact_decode(&e, &m.rules, m.bytes, m.size, m.size);
		assert_int_equal(e.result, -ENOSYS);
		assert_null(e.args.row);
		assert_int_equal(e.args.header.unique, message_header(&m)->unique);
		exact_free(&e);
	}
}

static void newer_opcodes_are_unknown(void **state)
{
	struct message m;

	(void)state;
	FOR_EACH_ROW(row)
	{
		for (uint32_t minor = FB_KERNEL_MINOR_MIN; minor <= FB_KERNEL_MINOR; minor++) {
			struct fb_decode_rules rules = message_rules_newest;

			rules.minor = minor;
			message_build(&m, row, &rules);
			assert_int_equal(exact_result(&m), minor < row->since ? -ENOSYS : 0);
		}
	}
}

static void swapped_init_is_told_apart(void **state)
{
	struct message m;

	(void)state;
	build(&m, FB_OP_INIT);
	message_header(&m)->opcode = __builtin_bswap32(FB_OP_INIT);
	message_header(&m)->len = __builtin_bswap32(message_header(&m)->len);
	assert_int_equal(message_header(&m)->opcode, FB_OP_INIT_SWAPPED);
	m.rules.initialized = false;
	assert_int_equal(exact_result(&m), -EPROTO);
}

/* Any length from 16 on; what is missing reads as zero, what is too much is ignored. */
static void init_comes_in_many_lengths(void **state)
{
	struct fb_wire_init_in in;
	uint8_t body[200];
	struct message m;
	struct exact e;

	(void)state;
	memset(body, 0xff, sizeof(body));
	for (size_t size = 16; size <= sizeof(body); size++) {
		size_t kept = size < sizeof(in) ? size : sizeof(in);

		message_begin(&m, fb_op_row_find(FB_OP_INIT), &message_rules_newest);
		m.size = sizeof(struct fb_wire_in_header);
		message_add(&m, body, size);
		message_end(&m);
		exact_decode(&e, &m.rules, m.bytes, m.size, m.size);
		assert_int_equal(e.result, 0);
		memset(&in, 0, sizeof(in));
		memcpy(&in, body, kept);
		assert_memory_equal(e.args.in, &in, sizeof(in));
		exact_free(&e);
	}
}

static void init_flags2_needs_init_ext(void **state)
{
	struct message m;
	struct exact e;
	struct fb_wire_init_in in = { .major = 7, .minor = 45, .flags2 = 0x55 };

	(void)state;
	message_begin(&m, fb_op_row_find(FB_OP_INIT), &message_rules_newest);
	m.size = sizeof(struct fb_wire_in_header);
	message_add(&m, &in, sizeof(in));
	message_end(&m);
	exact_decode(&e, &m.rules, m.bytes, m.size, m.size);
	assert_int_equal(e.result, 0);
	assert_int_equal(((const struct fb_wire_init_in *)e.args.in)->flags2, 0);
	exact_free(&e);
}

/* The negotiated flag decides, not the length. */
static void setxattr_comes_in_two_lengths(void **state)
{
	const struct fb_op_row *row = fb_op_row_find(FB_OP_SETXATTR);
	struct fb_decode_rules rules = message_rules_newest;
	const struct fb_wire_setxattr_in *in;
	struct message m;
	struct exact e;

	(void)state;
	for (unsigned extended = 0; extended < 2; extended++) {
		rules.flags = extended ? FB_INIT_SETXATTR_EXT : 0;
		message_build(&m, row, &rules);
		((struct fb_wire_setxattr_in *)message_in(&m))->flags = FB_XATTR_REPLACE;
		if (extended)
			((struct fb_wire_setxattr_in *)message_in(&m))->setxattr_flags =
				FB_SETXATTR_ACL_KILL_SGID;
		exact_decode(&e, &rules, m.bytes, m.size, m.size);
		assert_int_equal(e.result, 0);
		in = e.args.in;
		assert_int_equal(in->size, MESSAGE_TAIL_BYTES);
		assert_int_equal(in->flags, FB_XATTR_REPLACE);
		assert_int_equal(in->setxattr_flags, extended);
		assert_string_equal(e.args.name[0], "user.name");
		assert_memory_equal(e.args.tail, m.bytes + m.size - MESSAGE_TAIL_BYTES,
				    MESSAGE_TAIL_BYTES);
		exact_free(&e);

		m.rules.flags ^= FB_INIT_SETXATTR_EXT;
		assert_int_equal(exact_result(&m), -EINVAL);
	}
}

static void room_is_what_the_request_asks(void **state)
{
	struct message m;
	struct exact e;

	(void)state;
	FOR_EACH_ROW(row)
	{
		size_t room = row->room_field != FB_ROW_NO_ROOM ? 12345 : 0;

		message_build(&m, row, &message_rules_newest);
		message_set_room(&m, 12345);
		exact_decode(&e, &m.rules, m.bytes, m.size, m.size);
		assert_int_equal(e.result, 0);
		if (row->opcode == FB_OP_READLINK)
			room = FB_LINK_MAX;
		assert_int_equal(e.args.room, room);
		exact_free(&e);
	}
}

static void umask_comes_with_new_inodes(void **state)
{
	struct message m;
	struct exact e;

	(void)state;
	build(&m, FB_OP_MKDIR);
	((struct fb_wire_mkdir_in *)message_in(&m))->umask = 0xffff0000u | 022;
	exact_decode(&e, &m.rules, m.bytes, m.size, m.size);
	assert_int_equal(e.args.umask, 022);
	exact_free(&e);
	build(&m, FB_OP_MKNOD);
	((struct fb_wire_mknod_in *)message_in(&m))->umask = 027;
	exact_decode(&e, &m.rules, m.bytes, m.size, m.size);
	assert_int_equal(e.args.umask, 027);
	exact_free(&e);
	build(&m, FB_OP_TMPFILE);
	((struct fb_wire_create_in *)message_in(&m))->umask = 077;
	exact_decode(&e, &m.rules, m.bytes, m.size, m.size);
	assert_int_equal(e.args.umask, 077);
	exact_free(&e);
}

/* ---- names -----------------------------------------------------------------------------------*/

/* Decode a request whose name number which is this one. */
static int with_name(const struct fb_op_row *row, const struct fb_decode_rules *rules,
		     unsigned which, const char *name)
{
	struct message m;

	message_begin(&m, row, rules);
	if (which == 1)
		message_add_name(&m, row->flags & FB_ROW_ANY_NAME ? "user.a" : "a");
	message_add_name(&m, name);
	message_add_names(&m, which + 1);
	if (row->tail != FB_TAIL_NONE)
		message_add_tail(&m, 3);
	message_end(&m);
	return exact_result(&m);
}

static bool is_component(const struct fb_op_row *row, unsigned which)
{
	return !(row->flags & FB_ROW_ANY_NAME) && !((row->flags & FB_ROW_TARGET) && which == 1);
}

static void bad_components_are_refused(void **state)
{
	static const char *const bad[] = { "", "/", "a/b", "/a", "a/", ".", "..", "../x" };
	static const char *const good[] = { "...", ".a", "..a", "a.", "\xff\xfe", "a b\n", "\\" };

	(void)state;
	FOR_EACH_ROW(row)
	{
		for (unsigned which = 0; which < row->names; which++) {
			if (!is_component(row, which))
				continue;
			for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
				assert_int_equal(
					with_name(row, &message_rules_newest, which, bad[i]),
					-EINVAL);
			for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
				assert_int_equal(
					with_name(row, &message_rules_newest, which, good[i]), 0);
		}
	}
}

static void dots_are_looked_up_for_exports_only(void **state)
{
	struct fb_decode_rules rules = message_rules_newest;

	(void)state;
	rules.flags |= FB_INIT_EXPORT_SUPPORT;
	FOR_EACH_ROW(row)
	{
		if (row->names == 0 || !is_component(row, 0))
			continue;
		assert_int_equal(with_name(row, &rules, 0, "."),
				 row->opcode == FB_OP_LOOKUP ? 0 : -EINVAL);
		assert_int_equal(with_name(row, &rules, 0, ".."),
				 row->opcode == FB_OP_LOOKUP ? 0 : -EINVAL);
	}
}

static void long_names_are_refused(void **state)
{
	char longest[FB_LINK_MAX + 2];

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	FOR_EACH_ROW(row)
	{
		for (unsigned which = 0; which < row->names; which++) {
			size_t max = (row->flags & FB_ROW_TARGET) && which == 1 ? FB_LINK_MAX :
										  FB_NAME_MAX;
			int error = row->flags & FB_ROW_ANY_NAME ? -ERANGE : -ENAMETOOLONG;
			const char *just_fits = longest + sizeof(longest) - 1 - max;

			assert_int_equal(with_name(row, &message_rules_newest, which, just_fits),
					 0);
			assert_int_equal(
				with_name(row, &message_rules_newest, which, just_fits - 1), error);
		}
	}
}

static void other_names_may_hold_slashes(void **state)
{
	(void)state;
	FOR_EACH_ROW(row)
	{
		for (unsigned which = 0; which < row->names; which++) {
			if (is_component(row, which))
				continue;
			assert_int_equal(with_name(row, &message_rules_newest, which, "a/.."), 0);
			assert_int_equal(with_name(row, &message_rules_newest, which, "."), 0);
			assert_int_equal(with_name(row, &message_rules_newest, which, ""), -EINVAL);
		}
	}
}

static void names_come_out_in_order(void **state)
{
	struct message m;
	struct exact e;

	(void)state;
	message_begin(&m, fb_op_row_find(FB_OP_RENAME), &message_rules_newest);
	message_add_name(&m, "old");
	message_add_name(&m, "newer");
	message_end(&m);
	exact_decode(&e, &m.rules, m.bytes, m.size, m.size);
	assert_int_equal(e.result, 0);
	assert_string_equal(e.args.name[0], "old");
	assert_string_equal(e.args.name[1], "newer");
	assert_int_equal(e.args.name_len[0], 3);
	assert_int_equal(e.args.name_len[1], 5);
	exact_free(&e);
}

/* ---- ids -------------------------------------------------------------------------------------*/

static void inodes_are_not_made_for_nobody(void **state)
{
	struct message m;

	(void)state;
	FOR_EACH_ROW(row)
	{
		int expected = row->flags & FB_ROW_CREATES ? -EINVAL : 0;

		message_build(&m, row, &message_rules_newest);
		message_header(&m)->uid = UINT32_MAX;
		assert_int_equal(exact_result(&m), expected);
		message_build(&m, row, &message_rules_newest);
		message_header(&m)->gid = UINT32_MAX;
		assert_int_equal(exact_result(&m), expected);
	}
}

/* ---- fields: one value each, and what it gives ------------------------------------------------*/

struct field_case {
	uint64_t value;
	size_t offset, size;
	uint32_t opcode;
	int expected;
};

#define FIELD(op, in, field, value, expected)                                                      \
	{                                                                                          \
		value, offsetof(struct fb_wire_##in, field),                                       \
			sizeof(((struct fb_wire_##in *)0)->field), FB_OP_##op, expected            \
	}

#define LAST INT64_MAX
#define PAST (UINT64_C(1) << 63)

static const struct field_case field_cases[] = {
	/* READ with room for 4096, WRITE with 5 bytes */
	FIELD(READ, read_in, offset, LAST - 4096, 0),
	FIELD(READ, read_in, offset, LAST - 4095, -EINVAL),
	FIELD(READ, read_in, offset, PAST, -EINVAL),
	FIELD(READ, read_in, offset, UINT64_MAX, -EINVAL),
	FIELD(WRITE, write_in, offset, LAST - 5, 0),
	FIELD(WRITE, write_in, offset, LAST - 4, -EINVAL),
	FIELD(WRITE, write_in, offset, UINT64_MAX - 4, -EINVAL),
	/* a cookie is no offset */
	FIELD(READDIR, read_in, offset, UINT64_MAX, 0),
	FIELD(READDIRPLUS, read_in, offset, PAST, 0),
	FIELD(FALLOCATE, fallocate_in, length, 0, -EINVAL),
	FIELD(FALLOCATE, fallocate_in, length, LAST, 0),
	FIELD(FALLOCATE, fallocate_in, length, PAST, -EINVAL),
	FIELD(FALLOCATE, fallocate_in, offset, LAST - 1, 0),
	FIELD(FALLOCATE, fallocate_in, offset, LAST, -EINVAL),
	FIELD(FALLOCATE, fallocate_in, mode, 0x01, 0),
	FIELD(FALLOCATE, fallocate_in, mode, 0x03, 0),
	FIELD(FALLOCATE, fallocate_in, mode, 0x04, -EOPNOTSUPP),
	FIELD(FALLOCATE, fallocate_in, mode, 0x80, -EOPNOTSUPP),
	FIELD(LSEEK, lseek_in, whence, 0, -EINVAL),
	FIELD(LSEEK, lseek_in, whence, 2, -EINVAL),
	FIELD(LSEEK, lseek_in, whence, 4, 0),
	FIELD(LSEEK, lseek_in, whence, 5, -EINVAL),
	FIELD(LSEEK, lseek_in, offset, LAST, 0),
	FIELD(LSEEK, lseek_in, offset, UINT64_MAX, -ENXIO),
	FIELD(COPY_FILE_RANGE, copy_file_range_in, len, LAST, 0),
	FIELD(COPY_FILE_RANGE, copy_file_range_in, len, PAST, -EINVAL),
	FIELD(COPY_FILE_RANGE, copy_file_range_in, off_in, PAST, -EINVAL),
	FIELD(COPY_FILE_RANGE, copy_file_range_in, off_out, PAST, -EINVAL),
	FIELD(COPY_FILE_RANGE, copy_file_range_in, flags, 1, -EINVAL),
	FIELD(COPY_FILE_RANGE_64, copy_file_range_in, off_out, UINT64_MAX, -EINVAL),
	FIELD(COPY_FILE_RANGE_64, copy_file_range_in, flags, PAST, -EINVAL),
	FIELD(SETUPMAPPING, setupmapping_in, len, 0, -EINVAL),
	FIELD(SETUPMAPPING, setupmapping_in, foffset, LAST - 4096, 0),
	FIELD(SETUPMAPPING, setupmapping_in, foffset, LAST - 4095, -EINVAL),
	FIELD(SETUPMAPPING, setupmapping_in, moffset, LAST, -EINVAL),
	FIELD(SETUPMAPPING, setupmapping_in, flags, 3, 0),
	FIELD(SETUPMAPPING, setupmapping_in, flags, 4, -EINVAL),
	FIELD(ACCESS, access_in, mask, 7, 0),
	FIELD(ACCESS, access_in, mask, 8, -EINVAL),
	FIELD(ACCESS, access_in, mask, UINT32_MAX, -EINVAL),
	FIELD(BMAP, bmap_in, blocksize, 0, -EINVAL),
	FIELD(IOCTL, ioctl_in, flags, 0x3f, 0),
	FIELD(IOCTL, ioctl_in, flags, 0x40, -EINVAL),
	FIELD(RENAME2, rename2_in, flags, 1, 0),
	FIELD(RENAME2, rename2_in, flags, 2, 0),
	FIELD(RENAME2, rename2_in, flags, 3, -EINVAL),
	FIELD(RENAME2, rename2_in, flags, 4, 0),
	FIELD(RENAME2, rename2_in, flags, 5, 0),
	FIELD(RENAME2, rename2_in, flags, 6, -EINVAL),
	FIELD(RENAME2, rename2_in, flags, 8, -EINVAL),
	FIELD(SETXATTR, setxattr_in, flags, 3, 0),
	FIELD(SETXATTR, setxattr_in, flags, 4, -EINVAL),
	FIELD(SETXATTR, setxattr_in, flags, FB_XATTR_ACL_KILL_SGID, -EINVAL),
	FIELD(SETXATTR, setxattr_in, setxattr_flags, 1, 0),
	FIELD(SETXATTR, setxattr_in, setxattr_flags, 2, -EINVAL),
	FIELD(SETLK, lk_in, lk.type, 1, 0),
	FIELD(SETLK, lk_in, lk.type, 2, 0),
	FIELD(SETLK, lk_in, lk.type, 3, -EINVAL),
	FIELD(SETLK, lk_in, lk.end, LAST, 0),
	FIELD(SETLK, lk_in, lk.end, PAST, -EINVAL),
	FIELD(SETLK, lk_in, lk.start, 1, -EINVAL),
	FIELD(SETLK, lk_in, lk_flags, FB_LK_FLOCK, 0),
	FIELD(SETLK, lk_in, lk_flags, 2, -EINVAL),
	FIELD(SETLKW, lk_in, lk_flags, FB_LK_WAIT, -EINVAL),
	FIELD(SETLKW, lk_in, lk.type, UINT32_MAX, -EINVAL),
	FIELD(GETLK, lk_in, lk.type, 3, -EINVAL),
	FIELD(MKNOD, mknod_in, mode, 0644, 0),
	FIELD(MKNOD, mknod_in, mode, 0100644, 0),
	FIELD(MKNOD, mknod_in, mode, 0010644, 0),
	FIELD(MKNOD, mknod_in, mode, 0140644, 0),
	FIELD(MKNOD, mknod_in, mode, 0040755, -EPERM),
	FIELD(MKNOD, mknod_in, mode, 0120777, -EINVAL),
	FIELD(MKNOD, mknod_in, mode, 0170000, -EINVAL),
	FIELD(MKDIR, mkdir_in, mode, 01777, 0),
	FIELD(MKDIR, mkdir_in, mode, 0040755, 0),
	FIELD(MKDIR, mkdir_in, mode, 0100755, -EINVAL),
	FIELD(CREATE, create_in, mode, 0100644, 0),
	FIELD(CREATE, create_in, mode, 0020644, -EINVAL),
	FIELD(TMPFILE, create_in, mode, 0600, 0),
	FIELD(TMPFILE, create_in, mode, 0040700, -EINVAL),
	FIELD(SETATTR, setattr_in, valid, 0, 0),
	FIELD(SETATTR, setattr_in, valid, 0xfff, 0),
	FIELD(SETATTR, setattr_in, valid, 0x1000, -EINVAL),
};

static void fields_are_checked(void **state)
{
	struct message m;

	(void)state;
	for (size_t i = 0; i < sizeof(field_cases) / sizeof(field_cases[0]); i++) {
		const struct field_case *c = &field_cases[i];
		uint32_t narrow = (uint32_t)c->value;

		build(&m, c->opcode);
		memcpy((uint8_t *)message_in(&m) + c->offset,
		       c->size == 4 ? (const void *)&narrow : &c->value, c->size);
		if (exact_result(&m) != c->expected)
			fail_msg("%s, value %#llx at %zu: %d, expected %d", m.row->name,
				 (unsigned long long)c->value, c->offset, exact_result(&m),
				 c->expected);
	}
}

static int with_setattr(const struct fb_wire_setattr_in *in)
{
	struct message m;

	build(&m, FB_OP_SETATTR);
	memcpy(message_in(&m), in, sizeof(*in));
	return exact_result(&m);
}

/* Fields are looked at only where valid names them. */
static void setattr_checks_what_is_valid(void **state)
{
	struct fb_wire_setattr_in in;
	const uint32_t now = FB_SETATTR_ATIME_NOW | FB_SETATTR_MTIME_NOW;
	static const uint32_t each[] = { FB_SETATTR_UID,   FB_SETATTR_GID,   FB_SETATTR_SIZE,
					 FB_SETATTR_ATIME, FB_SETATTR_MTIME, FB_SETATTR_CTIME };

	(void)state;
	memset(&in, 0xff, sizeof(in));
	in.valid = 0;
	assert_int_equal(with_setattr(&in), 0);
	in.valid = FB_SETATTR_MODE | FB_SETATTR_FH | FB_SETATTR_LOCKOWNER;
	assert_int_equal(with_setattr(&in), 0);
	in.valid = FB_SETATTR_ATIME | FB_SETATTR_MTIME | now;
	assert_int_equal(with_setattr(&in), 0);
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		in.valid = each[i];
		assert_int_equal(with_setattr(&in), -EINVAL);
	}
	in.atimensec = in.mtimensec = in.ctimensec = 999999999;
	in.uid = in.gid = UINT32_MAX - 1;
	in.size = INT64_MAX;
	in.valid = 0xfff & ~now;
	assert_int_equal(with_setattr(&in), 0);
}

static void large_xattr_values_are_too_big(void **state)
{
	const struct fb_op_row *row = fb_op_row_find(FB_OP_SETXATTR);
	static _Alignas(8) uint8_t bytes[FB_XATTR_MAX + 200];
	struct message m;

	(void)state;
	for (uint32_t more = 0; more < 2; more++) {
		struct fb_args args;
		size_t total;

		message_begin(&m, row, &message_rules_newest);
		message_add_names(&m, 0);
		message_set_tail_field(&m, FB_XATTR_MAX + more);
		total = m.size + FB_XATTR_MAX + more;
		message_header(&m)->len = (uint32_t)total;
		memcpy(bytes, m.bytes, m.size);
		assert_int_equal(fb_decode(&m.rules, bytes, total, total, &args),
				 more ? -E2BIG : 0);
	}
}

static void removed_mappings_have_to_fit(void **state)
{
	struct fb_wire_removemapping_one one[2] = { { 0, LAST }, { LAST - 1, 1 } };
	struct message m;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		message_begin(&m, fb_op_row_find(FB_OP_REMOVEMAPPING), &message_rules_newest);
		message_set_tail_field(&m, 2);
		one[1].len += i;
		message_add(&m, one, sizeof(one));
		message_end(&m);
		assert_int_equal(exact_result(&m), i == 0 ? 0 : -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_init_little_is_legal),
		cmocka_unit_test(unknown_opcodes_are_named_so),
		cmocka_unit_test(newer_opcodes_are_unknown),
		cmocka_unit_test(swapped_init_is_told_apart),
		cmocka_unit_test(init_comes_in_many_lengths),
		cmocka_unit_test(init_flags2_needs_init_ext),
		cmocka_unit_test(setxattr_comes_in_two_lengths),
		cmocka_unit_test(room_is_what_the_request_asks),
		cmocka_unit_test(umask_comes_with_new_inodes),
		cmocka_unit_test(bad_components_are_refused),
		cmocka_unit_test(dots_are_looked_up_for_exports_only),
		cmocka_unit_test(long_names_are_refused),
		cmocka_unit_test(other_names_may_hold_slashes),
		cmocka_unit_test(names_come_out_in_order),
		cmocka_unit_test(inodes_are_not_made_for_nobody),
		cmocka_unit_test(fields_are_checked),
		cmocka_unit_test(setattr_checks_what_is_valid),
		cmocka_unit_test(large_xattr_values_are_too_big),
		cmocka_unit_test(removed_mappings_have_to_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
