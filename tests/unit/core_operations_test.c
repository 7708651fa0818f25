/* SPDX-License-Identifier: BSD-3-Clause */
/* Every opcode reaches its operation, with the arguments in their places. */
#include "cmocka_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message.h"
#include "rig.h"

/* A request of one opcode and what the driver has to see of it. */
struct expectation {
	uint32_t opcode;
	enum mock_op op;
	const void *in;
	size_t in_size;
	const char *rest; /* names with their NULs, and data */
	size_t rest_size;
	uint64_t numbers[MOCK_NUMBERS_MAX];
	size_t count;
	const char *names[2];
	const char *data;
};

#define NUMBERS(...)                                                                               \
	.numbers = { __VA_ARGS__ },                                                                \
	.count = sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t)
#define REST(text) .rest = (text), .rest_size = sizeof(text)
#define DATA(text, what) .rest = (text), .rest_size = sizeof(text) - 1, .data = (what)
#define STRUCT(name, ...)                                                                          \
	.in = &(const struct fb_wire_##name){ __VA_ARGS__ },                                       \
	.in_size = sizeof(struct fb_wire_##name)

static const struct expectation expectations[] = {
	{ FB_OP_LOOKUP, MOCK_lookup, REST("child"), NUMBERS(9), .names = { "child" } },
	{ FB_OP_FORGET, MOCK_forget, STRUCT(forget_in, .nlookup = 3), NUMBERS(9, 3) },
	{ FB_OP_GETATTR, MOCK_getattr, STRUCT(getattr_in, .getattr_flags = 1, .fh = 44),
	  NUMBERS(9, 1, 44) },
	{ FB_OP_GETATTR, MOCK_getattr, STRUCT(getattr_in, .getattr_flags = 0, .fh = 44),
	  NUMBERS(9, 0, 0) },
	{ FB_OP_SETATTR, MOCK_setattr,
	  STRUCT(setattr_in, .valid = 0x7f, .mode = 0600, .uid = 1, .gid = 2, .fh = 3, .size = 4,
		 .lock_owner = 5, .atime = (uint64_t)-6, .atimensec = 7, .mtime = 8,
		 .mtimensec = 9),
	  NUMBERS(9, 0x7f, 0600, 1, 2, 3, 4, 5, (uint64_t)-6, 7, 8, 9) },
	{ FB_OP_READLINK, MOCK_readlink, NUMBERS(9, 4095) },
	{ FB_OP_SYMLINK, MOCK_symlink, REST("name\0../target/x"), NUMBERS(9),
	  .names = { "name", "../target/x" } },
	{ FB_OP_MKNOD, MOCK_mknod,
	  STRUCT(mknod_in, .mode = S_IFCHR | 0600, .rdev = 0x123, .umask = 022), REST("dev"),
	  NUMBERS(9, S_IFCHR | 0600, 0x123), .names = { "dev" } },
	{ FB_OP_MKDIR, MOCK_mkdir, STRUCT(mkdir_in, .mode = 0750, .umask = 027), REST("dir"),
	  NUMBERS(9, 0750), .names = { "dir" } },
	{ FB_OP_UNLINK, MOCK_unlink, REST("gone"), NUMBERS(9), .names = { "gone" } },
	{ FB_OP_RMDIR, MOCK_rmdir, REST("gone"), NUMBERS(9), .names = { "gone" } },
	{ FB_OP_RENAME, MOCK_rename, STRUCT(rename_in, .newdir = 12), REST("from\0to"),
	  NUMBERS(9, 12, 0), .names = { "from", "to" } },
	{ FB_OP_RENAME2, MOCK_rename, STRUCT(rename2_in, .newdir = 12, .flags = 2),
	  REST("from\0to"), NUMBERS(9, 12, 2), .names = { "from", "to" } },
	{ FB_OP_LINK, MOCK_link, STRUCT(link_in, .oldnodeid = 6), REST("again"), NUMBERS(6, 9),
	  .names = { "again" } },
	{ FB_OP_OPEN, MOCK_open, STRUCT(open_in, .flags = O_RDWR | O_APPEND, .open_flags = 1),
	  NUMBERS(9, O_RDWR | O_APPEND, 1) },
	{ FB_OP_READ, MOCK_read, STRUCT(read_in, .fh = 5, .offset = 6, .size = 7, .flags = 0),
	  NUMBERS(9, 5, 7, 6) },
	{ FB_OP_WRITE, MOCK_write, STRUCT(write_in, .fh = 5, .offset = 6, .size = 4),
	  DATA("data", "data"), NUMBERS(9, 5, 4, 6) },
	{ FB_OP_STATFS, MOCK_statfs, NUMBERS(9) },
	{ FB_OP_RELEASE, MOCK_release,
	  STRUCT(release_in, .fh = 5, .flags = O_RDWR, .release_flags = 2, .lock_owner = 3),
	  NUMBERS(9, 5, 2, O_RDWR, 3) },
	{ FB_OP_FSYNC, MOCK_fsync, STRUCT(fsync_in, .fh = 5, .fsync_flags = 1), NUMBERS(9, 5, 1) },
	{ FB_OP_SETXATTR, MOCK_setxattr,
	  STRUCT(setxattr_in, .size = 5, .flags = 2, .setxattr_flags = 1),
	  DATA("user.a\0value", "value"), NUMBERS(9, 5, FB_XATTR_REPLACE | FB_XATTR_ACL_KILL_SGID),
	  .names = { "user.a" } },
	{ FB_OP_GETXATTR, MOCK_getxattr, STRUCT(getxattr_in, .size = 20), REST("user.a"),
	  NUMBERS(9, 20), .names = { "user.a" } },
	{ FB_OP_LISTXATTR, MOCK_listxattr, STRUCT(getxattr_in, .size = 30), NUMBERS(9, 30) },
	{ FB_OP_REMOVEXATTR, MOCK_removexattr, REST("user.a"), NUMBERS(9), .names = { "user.a" } },
	{ FB_OP_FLUSH, MOCK_flush, STRUCT(flush_in, .fh = 5, .lock_owner = 6), NUMBERS(9, 5, 6) },
	{ FB_OP_OPENDIR, MOCK_opendir, STRUCT(open_in, .flags = O_DIRECTORY),
	  NUMBERS(9, O_DIRECTORY) },
	{ FB_OP_READDIR, MOCK_readdir, STRUCT(read_in, .fh = 5, .offset = 6, .size = 4096),
	  NUMBERS(9, 5, 6, 0) },
	{ FB_OP_READDIRPLUS, MOCK_readdirplus, STRUCT(read_in, .fh = 5, .offset = 6, .size = 4096),
	  NUMBERS(9, 5, 6, 1) },
	{ FB_OP_RELEASEDIR, MOCK_releasedir,
	  STRUCT(release_in, .fh = 5, .flags = O_DIRECTORY, .release_flags = 2, .lock_owner = 3),
	  NUMBERS(9, 5, 2, O_DIRECTORY, 3) },
	{ FB_OP_FSYNCDIR, MOCK_fsyncdir, STRUCT(fsync_in, .fh = 5, .fsync_flags = 1),
	  NUMBERS(9, 5, 1) },
	{ FB_OP_GETLK, MOCK_getlk,
	  STRUCT(lk_in, .fh = 5, .owner = 6, .lk = { 1, 2, F_WRLCK, 3 }, .lk_flags = 1),
	  NUMBERS(9, 5, 6, 1, 2, F_WRLCK, 3, FB_LK_FLOCK) },
	{ FB_OP_SETLK, MOCK_setlk, STRUCT(lk_in, .fh = 5, .owner = 6, .lk = { 1, 2, F_RDLCK, 3 }),
	  NUMBERS(9, 5, 6, 1, 2, F_RDLCK, 3, 0) },
	{ FB_OP_SETLKW, MOCK_setlk,
	  STRUCT(lk_in, .fh = 5, .owner = 6, .lk = { 1, 2, F_UNLCK, 3 }, .lk_flags = 1),
	  NUMBERS(9, 5, 6, 1, 2, F_UNLCK, 3, FB_LK_FLOCK | FB_LK_WAIT) },
	{ FB_OP_ACCESS, MOCK_access, STRUCT(access_in, .mask = 6), NUMBERS(9, 6) },
	{ FB_OP_CREATE, MOCK_create,
	  STRUCT(create_in, .flags = O_RDWR | O_CREAT | O_EXCL, .mode = S_IFREG | 0640,
		 .umask = 022, .open_flags = 1),
	  REST("new"), NUMBERS(9, S_IFREG | 0640, O_RDWR | O_CREAT | O_EXCL, 1),
	  .names = { "new" } },
	{ FB_OP_BMAP, MOCK_bmap, STRUCT(bmap_in, .block = 5, .blocksize = 512),
	  NUMBERS(9, 5, 512) },
	{ FB_OP_IOCTL, MOCK_ioctl,
	  STRUCT(ioctl_in, .fh = 5, .flags = 16, .cmd = 7, .arg = 8, .in_size = 3, .out_size = 9),
	  DATA("abc", "abc"), NUMBERS(9, 5, 16, 7, 8, 3, 9) },
	{ FB_OP_POLL, MOCK_poll, STRUCT(poll_in, .fh = 5, .kh = 6, .flags = 1, .events = 7),
	  NUMBERS(9, 5, 6, 1, 7) },
	{ FB_OP_FALLOCATE, MOCK_fallocate,
	  STRUCT(fallocate_in, .fh = 5, .offset = 6, .length = 7, .mode = 1),
	  NUMBERS(9, 5, 1, 6, 7) },
	{ FB_OP_LSEEK, MOCK_lseek, STRUCT(lseek_in, .fh = 5, .offset = 6, .whence = SEEK_HOLE),
	  NUMBERS(9, 5, 6, SEEK_HOLE) },
	{ FB_OP_COPY_FILE_RANGE, MOCK_copy_file_range,
	  STRUCT(copy_file_range_in, 1, 2, 3, 4, 5, UINT64_C(1) << 40, 0),
	  NUMBERS(9, 1, 2, 3, 4, 5, 0x7ffff000, 0) },
	{ FB_OP_COPY_FILE_RANGE_64, MOCK_copy_file_range,
	  STRUCT(copy_file_range_in, 1, 2, 3, 4, 5, UINT64_C(1) << 40, 0),
	  NUMBERS(9, 1, 2, 3, 4, 5, UINT64_C(1) << 40, 0) },
	{ FB_OP_SETUPMAPPING, MOCK_setupmapping,
	  STRUCT(setupmapping_in, .fh = 5, .foffset = 4096, .len = 8192, .flags = 2,
		 .moffset = 12288),
	  NUMBERS(9, 5, 4096, 8192, 12288, 2) },
	{ FB_OP_REMOVEMAPPING, MOCK_removemapping, STRUCT(removemapping_in, .count = 2),
	  .rest = "\0\x10\0\0\0\0\0\0"
		  "\0\x20\0\0\0\0\0\0"
		  "\0\x30\0\0\0\0\0\0"
		  "\0\x40\0\0\0\0\0",
	  .rest_size = 32, NUMBERS(9, 2, 0x1000, 0x2000, 0x3000) },
	{ FB_OP_SYNCFS, MOCK_syncfs, STRUCT(syncfs_in, .padding = 0), NUMBERS(9) },
	{ FB_OP_TMPFILE, MOCK_tmpfile,
	  STRUCT(create_in, .flags = O_TMPFILE | O_RDWR, .mode = S_IFREG | 0600, .umask = 022,
		 .open_flags = 1),
	  REST("/"), NUMBERS(9, S_IFREG | 0600, O_RDWR, 1) },
	{ FB_OP_STATX, MOCK_statx,
	  STRUCT(statx_in, .getattr_flags = 1, .fh = 5, .sx_flags = 6, .sx_mask = 7),
	  NUMBERS(9, 1, 5, 6, 7) },
};

#define EXPECTATIONS (sizeof(expectations) / sizeof(expectations[0]))

static void assert_seen(const struct mock_call *call, const struct expectation *e)
{
	assert_int_equal(call->op, e->op);
	assert_int_equal(call->number_count, e->count);
	for (size_t i = 0; i < e->count; i++)
		assert_true(call->numbers[i] == e->numbers[i]);
	for (unsigned i = 0; i < 2; i++)
		assert_string_equal(call->names[i], e->names[i] ? e->names[i] : "");
	if (!e->data)
		return;
	assert_int_equal(call->data_size, strlen(e->data));
	assert_memory_equal(call->data, e->data, call->data_size);
}

/* What kind of file these requests make. */
static uint32_t type_of(uint32_t opcode)
{
	switch (opcode) {
	case FB_OP_MKDIR:
		return S_IFDIR;
	case FB_OP_SYMLINK:
		return S_IFLNK;
	case FB_OP_MKNOD:
		return S_IFCHR;
	default:
		return S_IFREG;
	}
}

static void test_arguments_are_in_place(void **state)
{
	struct rig *rig = rig_start();

	(void)state;
	rig->mock.client_takes = true;
	rig->strays_expected = true;
	for (size_t i = 0; i < EXPECTATIONS; i++) {
		const struct expectation *e = &expectations[i];
		unsigned before = mock_calls_all(&rig->mock);
		int r;

		rig->mock.entry.attr.mode = type_of(e->opcode) | 0644;
		r = client_call(&rig->client, e->opcode, 9, e->in, e->in_size, e->rest,
				e->rest_size);

		print_message("%s\n", fb_op_row_name(e->opcode));
		assert_int_equal(r, 0);
		assert_int_equal(mock_calls_all(&rig->mock), before + 1);
		assert_seen(&rig->mock.last, e);
	}
	rig->mock.client_takes = false;
	rig_end(rig);
}

/* The list above is complete: rows that it leaves out are the core's own. */
static void test_every_row_is_covered(void **state)
{
	(void)state;
	for (const struct fb_op_row *row = fb_op_row_at(0); row; row = fb_op_row_next(row)) {
		bool found = row->opcode == FB_OP_INIT || row->opcode == FB_OP_INTERRUPT ||
			     row->opcode == FB_OP_DESTROY || row->opcode == FB_OP_NOTIFY_REPLY ||
			     row->opcode == FB_OP_BATCH_FORGET;

		for (size_t i = 0; i < EXPECTATIONS; i++)
			found |= expectations[i].opcode == row->opcode;
		if (!found)
			print_message("%s is missing\n", row->name);
		assert_true(found);
	}
}

static void test_io_arguments(void **state)
{
	struct rig *rig = rig_start();
	struct fb_wire_read_in in = {
		.fh = 1, .size = 5, .read_flags = 2, .lock_owner = 3, .flags = O_NONBLOCK
	};
	struct fb_wire_write_in out = {
		.fh = 1, .size = 1, .write_flags = 7, .lock_owner = 4, .flags = O_APPEND | O_WRONLY
	};

	(void)state;
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_READ, 5, in), 0);
	assert_int_equal(rig->mock.last.io.flags, 2);
	assert_int_equal(rig->mock.last.io.lock_owner, 3);
	assert_int_equal(rig->mock.last.io.open_flags, O_NONBLOCK);
	assert_int_equal(client_call(&rig->client, FB_OP_WRITE, 5, &out, sizeof(out), "x", 1), 0);
	assert_int_equal(rig->mock.last.io.flags, 7);
	assert_int_equal(rig->mock.last.io.lock_owner, 4);
	assert_int_equal(rig->mock.last.io.open_flags, O_APPEND | O_WRONLY);
	rig_end(rig);
}

static void test_setattr_kill_and_ctime(void **state)
{
	struct rig *rig = rig_start();
	struct fb_wire_setattr_in in = { .valid = FB_SETATTR_KILL_SUIDGID | FB_SETATTR_CTIME };

	(void)state;
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_SETATTR, 5, in), 0);
	assert_int_equal(rig->mock.last.numbers[1], in.valid);
	rig_end(rig);
}

/* A hostile client may set any bit; what would have a driver's open(2) make a file is refused. */
static void test_open_flags(void **state)
{
	static const uint32_t bad[] = { O_CREAT, O_EXCL, O_PATH, O_TMPFILE };
	const uint32_t idle = O_NOCTTY | O_CLOEXEC;
	struct rig *rig = rig_start();
	struct client *c = &rig->client;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(client_open(c, FB_OP_OPEN, 5, bad[i] | O_RDWR), -EINVAL);
		assert_int_equal(client_open(c, FB_OP_OPENDIR, 5, bad[i] | O_DIRECTORY), -EINVAL);
	}
	assert_int_equal(client_create(c, 5, "x", O_PATH | O_CREAT), -EINVAL);
	assert_int_equal(client_create(c, 5, "x", O_TMPFILE | O_RDWR), -EINVAL);
	assert_int_equal(mock_calls(&rig->mock, MOCK_open) + mock_calls(&rig->mock, MOCK_opendir) +
				 mock_calls(&rig->mock, MOCK_create),
			 0);
	assert_int_equal(client_open(c, FB_OP_OPEN, 5, idle | O_RDWR | O_APPEND), 0);
	assert_int_equal(rig->mock.last.numbers[1], O_RDWR | O_APPEND);
	assert_int_equal(client_create(c, 5, "x", idle | O_RDWR | O_CREAT | O_EXCL), 0);
	assert_int_equal(rig->mock.last.numbers[2], O_RDWR | O_CREAT | O_EXCL);
	rig_end(rig);
}

static void test_answers_carry_outputs(void **state)
{
	struct rig *rig = rig_start();
	struct client *c = &rig->client;
	const struct fb_wire_entry_out *entry = client_body(c);
	const struct fb_wire_create_out *created = client_body(c);

	(void)state;
	rig->mock.entry.entry_timeout_ns = 2500000000;
	rig->mock.open.flags = FB_FOPEN_KEEP_CACHE;
	assert_int_equal(client_name(c, FB_OP_LOOKUP, 1, "a"), 0);
	assert_int_equal(client_body_size(c), sizeof(*entry));
	assert_int_equal(entry->nodeid, 5);
	assert_int_equal(entry->entry_valid, 2);
	assert_int_equal(entry->entry_valid_nsec, 500000000);
	assert_int_equal(entry->attr.mode, S_IFREG | 0644);
	assert_int_equal(client_create(c, 1, "b", O_RDWR), 0);
	assert_int_equal(client_body_size(c), sizeof(*created));
	assert_int_equal(created->open.fh, 77);
	assert_int_equal(created->open.open_flags, FB_FOPEN_KEEP_CACHE);
	assert_int_equal(client_read(c, FB_OP_READ, 5, 77, 0, 4), 0);
	assert_int_equal(client_body_size(c), 4);
	assert_memory_equal(client_body(c), "some", 4);
	rig_end(rig);
}

static void test_numbers_are_answered(void **state)
{
	struct rig *rig = rig_start();
	struct client *c = &rig->client;
	struct fb_wire_lseek_in seek = { .whence = SEEK_DATA };
	struct fb_wire_copy_file_range_in copy = { .len = UINT64_C(1) << 40 };
	struct fb_wire_bmap_in bmap = { .blocksize = 512 };
	struct fb_wire_getxattr_in xattr = { .size = 0 };
	struct fb_wire_ioctl_in ioctl = { .out_size = 100 };

	(void)state;
	rig->mock.number = UINT64_C(1) << 39;
	rig->mock.ioctl_result = 17;
	assert_int_equal(CLIENT_CALL(c, FB_OP_LSEEK, 5, seek), 0);
	assert_true(*(const uint64_t *)client_body(c) == rig->mock.number);
	assert_int_equal(CLIENT_CALL(c, FB_OP_COPY_FILE_RANGE_64, 5, copy), 0);
	assert_true(*(const uint64_t *)client_body(c) == rig->mock.number);
	assert_int_equal(CLIENT_CALL(c, FB_OP_BMAP, 5, bmap), 0);
	assert_true(*(const uint64_t *)client_body(c) == rig->mock.number);
	assert_int_equal(CLIENT_CALL_NAME(c, FB_OP_GETXATTR, 5, xattr, "user.a"), 0);
	assert_int_equal(*(const uint32_t *)client_body(c), 10);
	assert_int_equal(CLIENT_CALL(c, FB_OP_IOCTL, 5, ioctl), 0);
	assert_int_equal(client_body_size(c), sizeof(struct fb_wire_ioctl_out) + 10);
	assert_int_equal(*(const int32_t *)client_body(c), 17);
	rig_end(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments_are_in_place),
		cmocka_unit_test(test_every_row_is_covered),
		cmocka_unit_test(test_io_arguments),
		cmocka_unit_test(test_setattr_kill_and_ctime),
		cmocka_unit_test(test_open_flags),
		cmocka_unit_test(test_answers_carry_outputs),
		cmocka_unit_test(test_numbers_are_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
