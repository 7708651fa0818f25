/* SPDX-License-Identifier: BSD-3-Clause */
/* Extended attributes, holes, allocation, copies and ioctls through the passthrough driver. */
#include "cmocka_setup.h"

#include "node_client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MIB 1048576u
#define ACL_ACCESS "system.posix_acl_access"

static struct share_client client;

static void begin(struct fb_passthrough_options options)
{
	options.size = sizeof(options);
	share_open(&client, &options, NULL);
}

static int setup(void **state)
{
	(void)state;
	begin((struct fb_passthrough_options){ 0 });
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	share_close(&client);
	return 0;
}

/* ---- extended attributes -------------------------------------------------------------------------- */

static void xattrs_come_and_go(void **state)
{
	uint64_t node;
	char got[64];

	(void)state;
	share_make(&client, "f", "", 0644);
	node = node_of(&client, "f");
	if (share_set_xattr(&client, node, "user.a", "value", 5, 0) == -EOPNOTSUPP)
		SKIP_BECAUSE("/tmp has no user.* attributes");
	assert_int_equal(share_get_xattr(&client, node, "user.a", NULL, 0), 5);
	assert_int_equal(share_get_xattr(&client, node, "user.a", got, 64), 5);
	assert_memory_equal(got, "value", 5);
	assert_int_equal(share_get_xattr(&client, node, "user.a", got, 4), -ERANGE);
	assert_int_equal(share_get_xattr(&client, node, "user.b", got, 4), -ENODATA);
	assert_int_equal(share_set_xattr(&client, node, "user.a", "x", 1, FB_XATTR_CREATE),
			 -EEXIST);
	assert_int_equal(share_set_xattr(&client, node, "user.b", "x", 1, FB_XATTR_REPLACE),
			 -ENODATA);
	/* V3: a name is no path. An empty value is one. */
	assert_int_equal(share_set_xattr(&client, node, "user.a/b", "", 0, 0), 0);
	assert_int_equal(share_get_xattr(&client, node, "user.a/b", got, 64), 0);
	assert_int_equal(share_list_xattr(&client, node, NULL, 0), 16);
	assert_int_equal(share_list_xattr(&client, node, got, 64), 16);
	assert_int_equal(share_list_xattr(&client, node, got, 15), -ERANGE);
	assert_int_equal(share_remove_xattr(&client, node, "user.a"), 0);
	assert_int_equal(share_remove_xattr(&client, node, "user.a"), -ENODATA);
	assert_int_equal(share_get_xattr(&client, 4711, "user.a", got, 64), -ESTALE);
}

/* D7: the file need not be opened; special files and links answer for themselves. */
static void xattrs_of_every_type(void **state)
{
	uint64_t link, fifo, closed;
	char got[64];

	(void)state;
	share_make(&client, "closed", "", 0000);
	share_make(&client, "target", "", 0644);
	assert_int_equal(symlink("target", share_path(&client, "link")), 0);
	assert_int_equal(mkfifo(share_path(&client, "fifo"), 0644), 0);
	link = node_of(&client, "link");
	fifo = node_of(&client, "fifo");
	closed = node_of(&client, "closed");
	assert_true(share_list_xattr(&client, link, got, 64) >= 0);
	assert_true(share_list_xattr(&client, fifo, got, 64) >= 0);
	assert_true(share_list_xattr(&client, closed, got, 64) >= 0);
	assert_int_equal(share_set_xattr(&client, link, "user.a", "x", 1, 0), -EPERM);
	assert_int_equal(share_set_xattr(&client, fifo, "user.a", "x", 1, 0), -EPERM);
	assert_int_equal(getxattr(share_path(&client, "target"), "user.a", got, 64), -1);
	if (geteuid() == 0) {
		assert_int_equal(share_set_xattr(&client, link, "trusted.a", "x", 1, 0), 0);
		assert_int_equal(lgetxattr(share_path(&client, "link"), "trusted.a", got, 64), 1);
		assert_int_equal(getxattr(share_path(&client, "target"), "trusted.a", got, 64), -1);
	}
}

/* An ACL of version 2: owner rwx, user 1000 rwx, group r, mask rwx, others r. */
static const uint8_t acl[] = {
	2, 0,    0,   0,   1,   0,   7,  0, 255, 255, 255, 255, 2,   0,   7,
	0, 0xe8, 3,   0,   0,   4,   0,  4, 0,   255, 255, 255, 255, 16,  0,
	7, 0,    255, 255, 255, 255, 32, 0, 4,   0,   255, 255, 255, 255,
};

static void acls_are_hidden_unless_obeyed(void **state)
{
	uint64_t node;
	char got[256];

	(void)state;
	share_make(&client, "f", "", 0644);
	node = node_of(&client, "f");
	if (setxattr(share_path(&client, "f"), ACL_ACCESS, acl, sizeof(acl), 0) < 0)
		SKIP_BECAUSE("/tmp has no ACLs");
	assert_int_equal(share_get_xattr(&client, node, ACL_ACCESS, got, 256), -EOPNOTSUPP);
	assert_int_equal(share_set_xattr(&client, node, ACL_ACCESS, acl, sizeof(acl), 0),
			 -EOPNOTSUPP);
	assert_int_equal(share_remove_xattr(&client, node, ACL_ACCESS), -EOPNOTSUPP);
	assert_int_equal(share_list_xattr(&client, node, got, 256), 0);
}

static void acls_clear_sgid_when_asked(void **state)
{
	struct stat host;
	uint64_t node;
	char got[256];

	(void)state;
	begin((struct fb_passthrough_options){ .posix_acl = FB_ON });
	share_make(&client, "f", "", 02755);
	node = node_of(&client, "f");
	if (share_set_xattr(&client, node, ACL_ACCESS, acl, sizeof(acl), 0) == -EOPNOTSUPP)
		SKIP_BECAUSE("/tmp has no ACLs");
	assert_int_equal(stat(share_path(&client, "f"), &host), 0);
	assert_true(host.st_mode & S_ISGID);
	assert_int_equal(share_get_xattr(&client, node, ACL_ACCESS, got, 256), sizeof(acl));
	assert_int_equal(share_set_xattr(&client, node, ACL_ACCESS, acl, sizeof(acl),
					 FB_XATTR_ACL_KILL_SGID),
			 0);
	assert_int_equal(stat(share_path(&client, "f"), &host), 0);
	assert_false(host.st_mode & S_ISGID);
	assert_int_equal(share_get_xattr(&client, node, ACL_ACCESS, got, 256), sizeof(acl));
}

/* ---- holes, allocation, copies -------------------------------------------------------------------- */

/* H2: data and holes are the host's. */
static void finds_data_and_holes(void **state)
{
	struct share_file file;
	int64_t data;

	(void)state;
	share_make(&client, "f", "", 0644);
	assert_int_equal(truncate(share_path(&client, "f"), 2 * MIB), 0);
	file = share_open_name(&client, "f", O_RDWR);
	assert_int_equal(share_seek(&client, file.node, file.fh, 0, SEEK_DATA), -ENXIO);
	assert_int_equal(share_seek(&client, file.node, file.fh, 0, SEEK_HOLE), 0);
	assert_int_equal(share_write(&client, file.node, file.fh, "x", 1, MIB, 0, 0), 1);
	data = share_seek(&client, file.node, file.fh, 0, SEEK_DATA);
	assert_true(data > 0 && data <= MIB);
	assert_true(share_seek(&client, file.node, file.fh, MIB, SEEK_HOLE) > MIB);
	assert_int_equal(share_seek(&client, file.node, file.fh, 2 * MIB, SEEK_DATA), -ENXIO);
	assert_int_equal(share_seek(&client, file.node, file.fh, UINT64_MAX, SEEK_DATA), -ENXIO);
	assert_int_equal(share_seek(&client, file.node, file.fh, 0, SEEK_SET), -EINVAL);
}

static void allocates_in_known_ways_only(void **state)
{
	static const uint32_t refused[] = {
		FALLOC_FL_PUNCH_HOLE,
		FALLOC_FL_COLLAPSE_RANGE,
		FALLOC_FL_INSERT_RANGE,
		FALLOC_FL_UNSHARE_RANGE,
		0x80000000u,
	};
	struct share_file file;
	struct stat host;

	(void)state;
	share_make(&client, "f", "0123456789", 0644);
	file = share_open_name(&client, "f", O_RDWR);
	assert_int_equal(share_fallocate(&client, file.node, file.fh, 0, 0, MIB), 0);
	assert_int_equal(stat(share_path(&client, "f"), &host), 0);
	assert_int_equal(host.st_size, MIB);
	assert_int_equal(
		share_fallocate(&client, file.node, file.fh, FALLOC_FL_KEEP_SIZE, MIB, MIB), 0);
	assert_int_equal(share_fallocate(&client, file.node, file.fh,
					 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, MIB),
			 0);
	assert_int_equal(share_seek(&client, file.node, file.fh, 0, SEEK_HOLE), 0);
	assert_int_equal(stat(share_path(&client, "f"), &host), 0);
	assert_int_equal(host.st_size, MIB);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(share_fallocate(&client, file.node, file.fh, refused[i], 0, 4096),
				 -EOPNOTSUPP);
	assert_true(share_fallocate(&client, file.node, file.fh, 0, 0, 0) < 0);
	assert_true(share_fallocate(&client, file.node, file.fh, 0, INT64_MAX, 1) < 0);
	file = share_open_name(&client, "f", O_RDONLY);
	assert_int_equal(share_fallocate(&client, file.node, file.fh, 0, 0, 1), -EBADF);
}

/* H4 */
static void copies_on_the_host(void **state)
{
	struct fb_wire_copy_file_range_in copy = { .off_in = 2, .off_out = 1, .len = 100 };
	struct share_file from, to;

	(void)state;
	share_make(&client, "from", "0123456789", 0644);
	share_make(&client, "to", "abc", 0644);
	from = share_open_name(&client, "from", O_RDONLY);
	to = share_open_name(&client, "to", O_RDWR);
	copy.fh_in = from.fh;
	copy.fh_out = to.fh;
	copy.nodeid_out = to.node;
	assert_int_equal(share_copy(&client, &copy, from.node), 8);
	share_expect(&client, "to", "a23456789");
	copy.off_in = 10;
	assert_int_equal(share_copy(&client, &copy, from.node), 0);
	copy.flags = 1;
	assert_int_equal(share_copy(&client, &copy, from.node), -EINVAL);
	copy.flags = 0;
	copy.off_in = UINT64_MAX;
	assert_true(share_copy(&client, &copy, from.node) < 0);
	copy.off_in = 0;
	copy.nodeid_out = from.node;
	assert_int_equal(share_copy(&client, &copy, from.node), -EBADF);
	copy.nodeid_out = from.node;
	copy.fh_out = from.fh;
	copy.off_out = 100;
	assert_int_equal(share_copy(&client, &copy, from.node), -EBADF);
}

/* ---- ioctl ---------------------------------------------------------------------------------------- */

static int call(const struct share_file *file, uint32_t cmd, const void *in, uint32_t in_size,
		void *out, uint32_t out_size)
{
	const struct fb_wire_ioctl_in wire = {
		.fh = file->fh,
		.cmd = cmd,
		.in_size = in_size,
		.out_size = out_size,
	};

	return share_ioctl(&client, file->node, &wire, in, out);
}

static int host_flags(const char *name)
{
	int fd = open(share_path(&client, name), O_RDONLY | O_CLOEXEC), flags = -1;

	assert_int_equal(ioctl(fd, FS_IOC_GETFLAGS, &flags), 0);
	close(fd);
	return flags;
}

/* Make and open the file "f", whose flags FS_IOC_GETFLAGS tells. */
static struct share_file make_flagged(int *ret_flags)
{
	struct share_file file;

	share_make(&client, "f", "", 0644);
	file = share_open_name(&client, "f", O_RDONLY);
	if (call(&file, FS_IOC_GETFLAGS, NULL, 0, ret_flags, 4) == -ENOTTY)
		SKIP_BECAUSE("/tmp has no inode flags");
	return file;
}

static void ioctls_read_flags(void **state)
{
	struct share_file file;
	struct fsxattr xattr;
	int flags = -1;

	(void)state;
	file = make_flagged(&flags);
	assert_int_equal(flags, host_flags("f"));
	assert_int_equal(call(&file, FS_IOC_FSGETXATTR, NULL, 0, &xattr, sizeof(xattr)),
			 sizeof(xattr));
	assert_int_equal(call(&file, FS_IOC_GETFLAGS, NULL, 0, &flags, 2), -EINVAL);
	/* Changing them is off unless asked for. */
	assert_int_equal(call(&file, FS_IOC_SETFLAGS, &flags, 4, NULL, 0), -ENOTTY);
	assert_int_equal(call(&file, FS_IOC_FSSETXATTR, &xattr, sizeof(xattr), NULL, 0), -ENOTTY);
}

static void ioctls_change_flags_by_option(void **state)
{
	struct share_file file;
	int flags = -1, immutable;

	(void)state;
	begin((struct fb_passthrough_options){ .set_inode_flags = true });
	file = make_flagged(&flags);
	flags |= FS_NODUMP_FL;
	assert_int_equal(call(&file, FS_IOC_SETFLAGS, &flags, 4, NULL, 0), 0);
	assert_true(host_flags("f") & FS_NODUMP_FL);
	immutable = flags | FS_IMMUTABLE_FL;
	assert_int_equal(call(&file, FS_IOC_SETFLAGS, &immutable, 4, NULL, 0), -EPERM);
	immutable = flags | FS_APPEND_FL;
	assert_int_equal(call(&file, FS_IOC_SETFLAGS, &immutable, 4, NULL, 0), -EPERM);
	assert_int_equal(call(&file, FS_IOC_SETFLAGS, &flags, 2, NULL, 0), -EINVAL);
}

/* D15: reading goes on; for a change it does not matter whether it would be allowed elsewhere. */
static void ioctls_change_nothing_read_only(void **state)
{
	static const bool allowed[] = { false, true };
	struct share_file file;
	struct fsxattr xattr;
	int flags = -1;

	(void)state;
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		if (i > 0)
			share_close(&client);
		begin((struct fb_passthrough_options){ .read_only = true,
						       .set_inode_flags = allowed[i] });
		file = make_flagged(&flags);
		assert_int_equal(flags, host_flags("f"));
		assert_int_equal(call(&file, FS_IOC_FSGETXATTR, NULL, 0, &xattr, sizeof(xattr)),
				 sizeof(xattr));
		flags ^= FS_NODUMP_FL;
		assert_int_equal(call(&file, FS_IOC_SETFLAGS, &flags, 4, NULL, 0), -EROFS);
		xattr.fsx_xflags ^= FS_XFLAG_NODUMP;
		assert_int_equal(call(&file, FS_IOC_FSSETXATTR, &xattr, sizeof(xattr), NULL, 0),
				 -EROFS);
		assert_int_equal(host_flags("f"), flags ^ FS_NODUMP_FL);
	}
}

/* No number that is not on the list reaches the host. */
static void other_ioctls_are_unknown(void **state)
{
	static const uint32_t numbers[] = {
		FICLONE, FIFREEZE, FITRIM, FIONREAD, FS_IOC_SETFSLABEL, 0x5401, 0, UINT32_MAX,
	};
	struct share_file file;
	uint8_t data[512] = { 0 };

	(void)state;
	share_make(&client, "f", "content", 0644);
	file = share_open_name(&client, "f", O_RDWR);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_int_equal(call(&file, numbers[i], data, 256, data, 256), -ENOTTY);
	file.fh++;
	assert_int_equal(call(&file, FS_IOC_GETFLAGS, NULL, 0, data, 4), -EBADF);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_WITH_OPTIONS(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(xattrs_come_and_go),
		TEST(xattrs_of_every_type),
		TEST(acls_are_hidden_unless_obeyed),
		TEST_WITH_OPTIONS(acls_clear_sgid_when_asked),
		TEST(finds_data_and_holes),
		TEST(allocates_in_known_ways_only),
		TEST(copies_on_the_host),
		TEST(ioctls_read_flags),
		TEST_WITH_OPTIONS(ioctls_change_flags_by_option),
		TEST_WITH_OPTIONS(ioctls_change_nothing_read_only),
		TEST(other_ioctls_are_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
