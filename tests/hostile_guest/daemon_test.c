/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every request of the opcode table, on the rings of a real fbfsd: what it answers, and what the
 * host then sees in the directory. The last test counts that none was left out.
 */
#include "cmocka_setup.h"

#include "daemon_rig.h"
#include "protocol/op_table.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/types.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* in and out: a struct each. rest: what follows in. */
#define ASK(opcode, node, in, rest, rest_size, out)                                                \
	rig_ask(FB_OP_##opcode, node, &(in), sizeof(in), rest, rest_size, &(out), sizeof(out), NULL)
#define ASK_NAME(opcode, node, in, name, out) ASK(opcode, node, in, name, strlen(name) + 1, out)
#define ASK_PLAIN(opcode, node, in)                                                                \
	rig_ask(FB_OP_##opcode, node, &(in), sizeof(in), NULL, 0, NULL, 0, NULL)
#define UNLINK(name) ASK_ONLY_NAME(UNLINK, GUEST_ROOT, name)
#define ASK_ONLY_NAME(opcode, node, name)                                                          \
	rig_ask(FB_OP_##opcode, node, NULL, 0, name, strlen(name) + 1, NULL, 0, NULL)

static int lookup(const char *name, struct fb_wire_entry_out *ret_entry)
{
	return rig_ask(FB_OP_LOOKUP, GUEST_ROOT, NULL, 0, name, strlen(name) + 1, ret_entry,
		       sizeof(*ret_entry), NULL);
}

/* A file with some bytes in it, open for both ways. */
static void create(const char *name, const char *text, struct fb_wire_create_out *ret_created)
{
	const struct fb_wire_create_in in = { .flags = O_RDWR | O_CREAT | O_EXCL,
					      .mode = S_IFREG | 0640 };
	struct fb_wire_write_out out;
	struct fb_wire_write_in write = { .size = (uint32_t)strlen(text), .flags = O_RDWR };

	assert_int_equal(ASK_NAME(CREATE, GUEST_ROOT, in, name, *ret_created), 0);
	write.fh = ret_created->open.fh;
	assert_int_equal(ASK(WRITE, ret_created->entry.nodeid, write, text, write.size, out), 0);
	assert_int_equal(out.size, write.size);
}

static void release(const struct fb_wire_create_out *file)
{
	const struct fb_wire_flush_in flush = { .fh = file->open.fh };
	const struct fb_wire_release_in in = { .fh = file->open.fh, .flags = O_RDWR };

	assert_int_equal(ASK_PLAIN(FLUSH, file->entry.nodeid, flush), 0);
	assert_int_equal(ASK_PLAIN(RELEASE, file->entry.nodeid, in), 0);
}

static void assert_text(const char *name, const char *text)
{
	char seen[64] = "";
	int fd = open(rig_path(name), O_RDONLY);
	ssize_t n = read(fd, seen, sizeof(seen) - 1);

	close(fd);
	assert_int_equal(n, strlen(text));
	assert_string_equal(seen, text);
}

/* ---- names ------------------------------------------------------------------------------------------- */

static void test_names(void **state)
{
	const struct fb_wire_mkdir_in mkdir_in = { .mode = 0750 };
	const struct fb_wire_mknod_in fifo = { .mode = S_IFIFO | 0600 };
	struct fb_wire_entry_out dir, entry, again;
	struct stat stat;

	(void)state;
	assert_int_equal(lookup("dir", &dir), -ENOENT);
	assert_int_equal(ASK_NAME(MKDIR, GUEST_ROOT, mkdir_in, "dir", dir), 0);
	assert_int_equal(lstat(rig_path("dir"), &stat), 0);
	assert_int_equal(stat.st_mode, S_IFDIR | 0750);
	assert_int_equal(dir.attr.ino, stat.st_ino);
	assert_int_equal(ASK_NAME(MKDIR, GUEST_ROOT, mkdir_in, "dir", entry), -EEXIST);
	assert_int_equal(ASK_NAME(MKNOD, dir.nodeid, fifo, "fifo", entry), 0);
	assert_int_equal(lstat(rig_path("dir/fifo"), &stat), 0);
	assert_true(S_ISFIFO(stat.st_mode));
	assert_int_equal(lookup("dir", &again), 0);
	assert_int_equal(again.nodeid, dir.nodeid);
	assert_int_equal(ASK_ONLY_NAME(RMDIR, GUEST_ROOT, "dir"), -ENOTEMPTY);
	assert_int_equal(UNLINK("dir"), -EISDIR);
	assert_int_equal(ASK_ONLY_NAME(UNLINK, dir.nodeid, "fifo"), 0);
	assert_int_equal(ASK_ONLY_NAME(RMDIR, GUEST_ROOT, "dir"), 0);
	assert_int_equal(access(rig_path("dir"), F_OK), -1);
}

static void test_links(void **state)
{
	static const char names[] = "link\0some/where";
	struct fb_wire_create_out file;
	struct fb_wire_entry_out entry;
	struct fb_wire_link_in link;
	char target[64] = "";
	size_t length;

	(void)state;
	assert_int_equal(rig_ask(FB_OP_SYMLINK, GUEST_ROOT, NULL, 0, names, sizeof(names), &entry,
				 sizeof(entry), NULL),
			 0);
	assert_int_equal(rig_ask(FB_OP_READLINK, entry.nodeid, NULL, 0, NULL, 0, target,
				 sizeof(target), &length),
			 0);
	assert_int_equal(length, strlen("some/where"));
	assert_string_equal(target, "some/where");
	assert_int_equal(readlink(rig_path("link"), target, sizeof(target)), length);
	create("file", "text", &file);
	link.oldnodeid = file.entry.nodeid;
	assert_int_equal(ASK_NAME(LINK, GUEST_ROOT, link, "second", entry), 0);
	assert_int_equal(entry.nodeid, file.entry.nodeid);
	assert_int_equal(entry.attr.nlink, 2);
	assert_text("second", "text");
	release(&file);
	assert_int_equal(UNLINK("link"), 0);
	assert_int_equal(UNLINK("file"), 0);
	assert_int_equal(UNLINK("second"), 0);
}

static void test_renames(void **state)
{
	static const char names[] = "a\0b";
	const struct fb_wire_rename_in plain = { .newdir = GUEST_ROOT };
	struct fb_wire_rename2_in flagged = { .newdir = GUEST_ROOT, .flags = FB_RENAME_NOREPLACE };
	struct fb_wire_create_out a, b;

	(void)state;
	create("a", "is a", &a);
	create("b", "is b", &b);
	release(&a);
	release(&b);
	assert_int_equal(rig_ask(FB_OP_RENAME2, GUEST_ROOT, &flagged, sizeof(flagged), names,
				 sizeof(names), NULL, 0, NULL),
			 -EEXIST);
	flagged.flags = FB_RENAME_EXCHANGE;
	assert_int_equal(rig_ask(FB_OP_RENAME2, GUEST_ROOT, &flagged, sizeof(flagged), names,
				 sizeof(names), NULL, 0, NULL),
			 0);
	assert_text("a", "is b");
	assert_int_equal(rig_ask(FB_OP_RENAME, GUEST_ROOT, &plain, sizeof(plain), names,
				 sizeof(names), NULL, 0, NULL),
			 0);
	assert_text("b", "is b");
	assert_int_equal(access(rig_path("a"), F_OK), -1);
	assert_int_equal(UNLINK("b"), 0);
}

static void test_directories(void **state)
{
	const struct fb_wire_open_in open_in = { .flags = O_RDONLY | O_DIRECTORY };
	struct fb_wire_read_in read_in = { .size = 4096 };
	struct fb_wire_release_in release_in = { 0 };
	struct fb_wire_fsync_in fsync_in = { 0 };
	struct fb_wire_create_out file;
	struct fb_wire_open_out dir;
	_Alignas(8) char list[4096];
	size_t length;

	(void)state;
	create("file", "", &file);
	release(&file);
	assert_int_equal(ASK(OPENDIR, GUEST_ROOT, open_in, NULL, 0, dir), 0);
	read_in.fh = fsync_in.fh = release_in.fh = dir.fh;
	assert_int_equal(rig_ask(FB_OP_READDIR, GUEST_ROOT, &read_in, sizeof(read_in), NULL, 0,
				 list, sizeof(list), &length),
			 0);
	assert_int_equal(length, 3 * sizeof(struct fb_wire_dirent) + 3 * 8); /* . .. file */
	read_in.offset = ((struct fb_wire_dirent *)list)->off;
	assert_int_equal(rig_ask(FB_OP_READDIR, GUEST_ROOT, &read_in, sizeof(read_in), NULL, 0,
				 list, sizeof(list), &length),
			 0);
	assert_int_equal(length, 2 * sizeof(struct fb_wire_dirent) + 2 * 8);
	read_in.offset = 0;
	assert_int_equal(rig_ask(FB_OP_READDIRPLUS, GUEST_ROOT, &read_in, sizeof(read_in), NULL, 0,
				 list, sizeof(list), &length),
			 0);
	assert_int_equal(length, 3 * sizeof(struct fb_wire_direntplus) + 3 * 8);
	assert_int_equal(ASK_PLAIN(FSYNCDIR, GUEST_ROOT, fsync_in), 0);
	assert_int_equal(ASK_PLAIN(RELEASEDIR, GUEST_ROOT, release_in), 0);
	assert_int_equal(UNLINK("file"), 0);
}

/* ---- files ---------------------------------------------------------------------------------------------- */

static void test_data(void **state)
{
	const struct fb_wire_open_in open_in = { .flags = O_RDONLY };
	struct fb_wire_create_out file;
	struct fb_wire_open_out second;
	struct fb_wire_read_in read_in = { .size = 64, .offset = 3 };
	struct fb_wire_release_in release_in = { 0 };
	struct fb_wire_fsync_in fsync_in = { .fsync_flags = FB_FSYNC_DATASYNC };
	char data[64] = "";
	size_t length;

	(void)state;
	create("file", "0123456789", &file);
	assert_text("file", "0123456789");
	assert_int_equal(ASK(OPEN, file.entry.nodeid, open_in, NULL, 0, second), 0);
	read_in.fh = release_in.fh = second.fh;
	assert_int_equal(rig_ask(FB_OP_READ, file.entry.nodeid, &read_in, sizeof(read_in), NULL, 0,
				 data, sizeof(data), &length),
			 0);
	assert_int_equal(length, 7);
	assert_string_equal(data, "3456789");
	assert_int_equal(ASK_PLAIN(RELEASE, file.entry.nodeid, release_in), 0);
	assert_int_equal(rig_ask(FB_OP_READ, file.entry.nodeid, &read_in, sizeof(read_in), NULL, 0,
				 data, sizeof(data), &length),
			 -EBADF);
	fsync_in.fh = file.open.fh;
	assert_int_equal(ASK_PLAIN(FSYNC, file.entry.nodeid, fsync_in), 0);
	release(&file);
	assert_int_equal(UNLINK("file"), 0);
}

static void test_space(void **state)
{
	struct fb_wire_fallocate_in fallocate_in = { .length = 1 << 20 };
	struct fb_wire_lseek_in lseek_in = { .whence = SEEK_HOLE };
	struct fb_wire_lseek_out found;
	struct fb_wire_create_out file;
	struct stat stat;

	(void)state;
	create("file", "text", &file);
	fallocate_in.fh = lseek_in.fh = file.open.fh;
	assert_int_equal(ASK_PLAIN(FALLOCATE, file.entry.nodeid, fallocate_in), 0);
	assert_int_equal(lstat(rig_path("file"), &stat), 0);
	assert_int_equal(stat.st_size, 1 << 20);
	fallocate_in.offset = 1 << 19;
	fallocate_in.length = 1 << 19;
	fallocate_in.mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	assert_int_equal(ASK_PLAIN(FALLOCATE, file.entry.nodeid, fallocate_in), 0);
	assert_int_equal(ASK(LSEEK, file.entry.nodeid, lseek_in, NULL, 0, found), 0);
	assert_in_range(found.offset, 4, 1 << 19);
	release(&file);
	assert_int_equal(UNLINK("file"), 0);
}

static void test_copies(void **state)
{
	struct fb_wire_copy_file_range_in in = { .off_in = 2, .len = 3 };
	struct fb_wire_copy_file_range_out wide;
	struct fb_wire_create_out from, to;
	struct fb_wire_write_out narrow;

	(void)state;
	create("from", "012345", &from);
	create("to", "", &to);
	in.fh_in = from.open.fh;
	in.nodeid_out = to.entry.nodeid;
	in.fh_out = to.open.fh;
	assert_int_equal(ASK(COPY_FILE_RANGE, from.entry.nodeid, in, NULL, 0, narrow), 0);
	assert_int_equal(narrow.size, 3);
	in.off_out = 3;
	assert_int_equal(ASK(COPY_FILE_RANGE_64, from.entry.nodeid, in, NULL, 0, wide), 0);
	assert_int_equal(wide.bytes_copied, 3);
	assert_text("to", "234234");
	release(&from);
	release(&to);
	assert_int_equal(UNLINK("from"), 0);
	assert_int_equal(UNLINK("to"), 0);
}

static void test_nameless(void **state)
{
	const struct fb_wire_create_in in = { .flags = O_RDWR, .mode = S_IFREG | 0600 };
	struct fb_wire_create_out file;
	struct fb_wire_entry_out entry;
	struct fb_wire_link_in link;

	(void)state;
	assert_int_equal(ASK_NAME(TMPFILE, GUEST_ROOT, in, "/", file), 0);
	assert_int_equal(file.entry.attr.nlink, 0);
	link.oldnodeid = file.entry.nodeid;
	assert_int_equal(ASK_NAME(LINK, GUEST_ROOT, link, "named", entry), 0);
	assert_text("named", "");
	release(&file);
	assert_int_equal(UNLINK("named"), 0);
}

/* ---- attributes -------------------------------------------------------------------------------------- */

static void test_attributes(void **state)
{
	const struct fb_wire_getattr_in getattr_in = { 0 };
	const struct fb_wire_access_in access_in = { .mask = R_OK };
	struct fb_wire_setattr_in set = { .valid = FB_SETATTR_SIZE | FB_SETATTR_MODE |
						   FB_SETATTR_MTIME,
					  .size = 2,
					  .mode = 0604,
					  .mtime = 1000000000,
					  .mtimensec = 5 };
	const struct fb_wire_statx_in statx_in = { .sx_mask = STATX_BASIC_STATS };
	struct fb_wire_create_out file;
	struct fb_wire_statx_out statx;
	struct fb_wire_attr_out out;
	struct stat stat;

	(void)state;
	create("file", "text", &file);
	assert_int_equal(ASK(GETATTR, file.entry.nodeid, getattr_in, NULL, 0, out), 0);
	assert_int_equal(out.attr.size, 4);
	assert_int_equal(ASK(SETATTR, file.entry.nodeid, set, NULL, 0, out), 0);
	assert_int_equal(lstat(rig_path("file"), &stat), 0);
	assert_int_equal(stat.st_mode, S_IFREG | 0604);
	assert_int_equal(stat.st_size, 2);
	assert_int_equal(stat.st_mtim.tv_sec, 1000000000);
	assert_int_equal(stat.st_mtim.tv_nsec, 5);
	assert_int_equal(out.attr.mtime, 1000000000);
	assert_int_equal(ASK(STATX, file.entry.nodeid, statx_in, NULL, 0, statx), 0);
	assert_int_equal(statx.stat.ino, stat.st_ino);
	assert_int_equal(statx.stat.mode, stat.st_mode);
	assert_int_equal(ASK_PLAIN(ACCESS, file.entry.nodeid, access_in), 0);
	release(&file);
	assert_int_equal(UNLINK("file"), 0);
}

static void test_extended_attributes(void **state)
{
	static const char pair[] = "user.name\0value"; /* its end is no part of the value */
	const struct fb_wire_setxattr_in set = { .size = 5 };
	struct fb_wire_getxattr_in get = { .size = 0 };
	struct fb_wire_getxattr_out needed;
	struct fb_wire_create_out file;
	char text[64] = "";
	size_t length;

	(void)state;
	create("file", "", &file);
	assert_int_equal(rig_ask(FB_OP_SETXATTR, file.entry.nodeid, &set, FB_WIRE_SETXATTR_IN_SHORT,
				 pair, sizeof(pair) - 1, NULL, 0, NULL),
			 0);
	assert_int_equal(getxattr(rig_path("file"), "user.name", text, sizeof(text)), 5);
	assert_memory_equal(text, "value", 5);
	assert_int_equal(ASK_NAME(GETXATTR, file.entry.nodeid, get, "user.name", needed), 0);
	assert_int_equal(needed.size, 5);
	get.size = 2;
	assert_int_equal(rig_ask(FB_OP_GETXATTR, file.entry.nodeid, &get, sizeof(get), pair, 10,
				 text, 2, &length),
			 -ERANGE);
	get.size = sizeof(text);
	assert_int_equal(rig_ask(FB_OP_LISTXATTR, file.entry.nodeid, &get, sizeof(get), NULL, 0,
				 text, sizeof(text), &length),
			 0);
	assert_non_null(memmem(text, length, "user.name", 10));
	assert_int_equal(ASK_ONLY_NAME(REMOVEXATTR, file.entry.nodeid, "user.name"), 0);
	assert_int_equal(ASK_ONLY_NAME(REMOVEXATTR, file.entry.nodeid, "user.name"), -ENODATA);
	release(&file);
	assert_int_equal(UNLINK("file"), 0);
}

static void test_file_system(void **state)
{
	const struct fb_wire_syncfs_in sync = { 0 };
	struct fb_wire_statfs_out out;
	struct statfs host;

	(void)state;
	assert_int_equal(
		rig_ask(FB_OP_STATFS, GUEST_ROOT, NULL, 0, NULL, 0, &out, sizeof(out), NULL), 0);
	assert_int_equal(statfs(rig_path("."), &host), 0);
	assert_int_equal(out.st.blocks, host.f_blocks);
	assert_int_equal(out.st.bsize, host.f_bsize);
	assert_int_equal(ASK_PLAIN(SYNCFS, GUEST_ROOT, sync), 0);
}

/* ---- locks and the rest ------------------------------------------------------------------------------- */

static void test_locks(void **state)
{
	struct fb_wire_lk_in first = { .owner = 1, .lk = { .end = 9, .type = F_WRLCK, .pid = 1 } };
	struct fb_wire_lk_in second = { .owner = 2, .lk = { .end = 9, .type = F_WRLCK, .pid = 2 } };
	struct fb_wire_lk_out found;
	struct fb_wire_create_out file;

	(void)state;
	create("file", "0123456789", &file);
	first.fh = second.fh = file.open.fh;
	assert_int_equal(ASK_PLAIN(SETLK, file.entry.nodeid, first), 0);
	assert_int_equal(ASK_PLAIN(SETLK, file.entry.nodeid, second), -EAGAIN);
	assert_int_equal(ASK(GETLK, file.entry.nodeid, second, NULL, 0, found), 0);
	assert_int_equal(found.lk.type, F_WRLCK);
	assert_int_equal(found.lk.end, 9);
	first.lk.type = F_UNLCK;
	assert_int_equal(ASK_PLAIN(SETLK, file.entry.nodeid, first), 0);
	assert_int_equal(ASK_PLAIN(SETLKW, file.entry.nodeid, second), 0);
	release(&file);
	assert_int_equal(UNLINK("file"), 0);
}

/* What fbfsd has no use for is refused in the words that Linux understands. */
static void test_refused(void **state)
{
	const struct fb_wire_bmap_in bmap = { .blocksize = 4096 };
	const struct fb_wire_setupmapping_in map = { .fh = UINT64_MAX, .len = 4096 };
	const struct fb_wire_removemapping_in unmap = { .count = 1 };
	const struct fb_wire_removemapping_one range = { .len = 4096 };
	struct fb_wire_ioctl_in ioctl_in = { .cmd = TCGETS };
	struct fb_wire_poll_in poll_in = { 0 };
	struct fb_wire_create_out file;
	struct fb_wire_bmap_out block;
	struct fb_wire_poll_out ready;
	struct fb_wire_ioctl_out out;

	(void)state;
	create("file", "", &file);
	ioctl_in.fh = poll_in.fh = file.open.fh;
	assert_int_equal(ASK(IOCTL, file.entry.nodeid, ioctl_in, NULL, 0, out), -ENOTTY);
	assert_int_equal(ASK(POLL, file.entry.nodeid, poll_in, NULL, 0, ready), -ENOSYS);
	assert_int_equal(ASK(BMAP, file.entry.nodeid, bmap, NULL, 0, block), -ENOSYS);
	assert_int_equal(ASK_PLAIN(SETUPMAPPING, file.entry.nodeid, map), -ENOSYS);
	assert_int_equal(rig_ask(FB_OP_REMOVEMAPPING, file.entry.nodeid, &unmap, sizeof(unmap),
				 &range, sizeof(range), NULL, 0, NULL),
			 -ENOSYS);
	release(&file);
	assert_int_equal(UNLINK("file"), 0);
}

static void test_without_an_answer(void **state)
{
	const struct fb_wire_batch_forget_in batch = { .count = 1 };
	const struct fb_wire_interrupt_in nothing = { .unique = 12345678 };
	const struct fb_wire_notify_retrieve_in retrieved = { .size = 4 };
	struct fb_wire_forget_one one = { .nlookup = 1 };
	struct fb_wire_forget_in forget = { .nlookup = 1 };
	const struct fb_wire_getattr_in getattr_in = { 0 };
	struct fb_wire_create_out first, second;
	struct fb_wire_attr_out out;

	(void)state;
	create("first", "", &first);
	create("second", "", &second);
	release(&first);
	release(&second);
	one.nodeid = second.entry.nodeid;
	assert_int_equal(
		rig_tell(GUEST_HIPRIO, FB_OP_INTERRUPT, 0, &nothing, sizeof(nothing), NULL, 0), 0);
	assert_int_equal(rig_tell(GUEST_REQUESTS, FB_OP_NOTIFY_REPLY, 1, &retrieved,
				  sizeof(retrieved), "data", 4),
			 0);
	assert_int_equal(rig_tell(GUEST_HIPRIO, FB_OP_FORGET, first.entry.nodeid, &forget,
				  sizeof(forget), NULL, 0),
			 0);
	assert_int_equal(rig_tell(GUEST_HIPRIO, FB_OP_BATCH_FORGET, 0, &batch, sizeof(batch), &one,
				  sizeof(one)),
			 0);
	assert_int_equal(ASK(GETATTR, first.entry.nodeid, getattr_in, NULL, 0, out), -ESTALE);
	assert_int_equal(ASK(GETATTR, second.entry.nodeid, getattr_in, NULL, 0, out), -ESTALE);
	assert_int_equal(UNLINK("first"), 0);
	assert_int_equal(UNLINK("second"), 0);
}

/* A driver of the guest goes, another comes. */
static void test_sessions(void **state)
{
	struct fb_wire_entry_out entry;

	(void)state;
	assert_int_equal(rig_ask(FB_OP_DESTROY, 0, NULL, 0, NULL, 0, NULL, 0, NULL), 0);
	assert_int_equal(lookup("file", &entry), -EIO);
	assert_int_equal(rig_greet(), 0);
	assert_int_equal(lookup("file", &entry), -ENOENT);
}

static void test_all_were_asked(void **state)
{
	static const struct {
		const char *name;
		uint32_t opcode;
	} rows[] = {
#define ROW(number, NAME, ...) { #NAME, number },
		FB_OP_TABLE(ROW)
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!rig_has_asked(rows[i].opcode))
			fail_msg("no test has asked %s", rows[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),       cmocka_unit_test(test_links),
		cmocka_unit_test(test_renames),     cmocka_unit_test(test_directories),
		cmocka_unit_test(test_data),        cmocka_unit_test(test_space),
		cmocka_unit_test(test_copies),      cmocka_unit_test(test_nameless),
		cmocka_unit_test(test_attributes),  cmocka_unit_test(test_extended_attributes),
		cmocka_unit_test(test_file_system), cmocka_unit_test(test_locks),
		cmocka_unit_test(test_refused),     cmocka_unit_test(test_without_an_answer),
		cmocka_unit_test(test_sessions),    cmocka_unit_test(test_all_were_asked),
	};

	return cmocka_run_group_tests(tests, rig_begin, rig_end);
}
