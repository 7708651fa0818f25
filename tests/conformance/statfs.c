/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

#include <sys/statfs.h>
#include <sys/statvfs.h>

static void numbers_make_sense(void)
{
	struct statvfs status;

	EXPECT_OK(statvfs(".", &status));
	EXPECT(status.f_bsize > 0);
	EXPECT(status.f_frsize > 0);
	EXPECT(status.f_bfree <= status.f_blocks);
	EXPECT(status.f_bavail <= status.f_blocks);
	EXPECT(status.f_ffree <= status.f_files);
	EXPECT(status.f_namemax >= 14);
}

static void same_for_every_name(void)
{
	struct statvfs first;
	struct statvfs second;
	int fd;

	dir_make("d", 0755);
	fd = file_open_new("d/f");
	EXPECT_OK(statvfs("d", &first));
	EXPECT_OK(statvfs("d/f", &second));
	EXPECT_EQ(second.f_blocks, first.f_blocks);
	EXPECT_EQ(second.f_bsize, first.f_bsize);
	EXPECT_EQ(second.f_fsid, first.f_fsid);
	EXPECT_OK(fstatvfs(fd, &second));
	EXPECT_EQ(second.f_blocks, first.f_blocks);
	EXPECT_EQ(second.f_namemax, first.f_namemax);
}

static void missing_name(void)
{
	struct statvfs status;

	file_make("f", "");
	EXPECT_ERR(statvfs("missing", &status), ENOENT);
	EXPECT_ERR(statvfs("f/x", &status), ENOTDIR);
}

static void writable(void)
{
	struct statvfs status;

	EXPECT_OK(statvfs(".", &status));
	EXPECT((status.f_flag & ST_RDONLY) == 0);
}

static void name_limit_is_the_limit(void)
{
	struct statvfs status;

	EXPECT_OK(statvfs(".", &status));
	EXPECT_EQ(pathconf(".", _PC_NAME_MAX), status.f_namemax);
}

static void descriptor_of_removed_file(void)
{
	struct statfs first;
	struct statfs second;
	int fd = file_open_new("f");

	EXPECT_OK(fstatfs(fd, &first));
	EXPECT_OK(unlink("f"));
	EXPECT_OK(fstatfs(fd, &second));
	EXPECT_EQ(second.f_type, first.f_type);
	EXPECT_EQ(second.f_blocks, first.f_blocks);
}

const struct check statfs_checks[] = {
	CHECK(statfs, numbers_make_sense),
	CHECK(statfs, same_for_every_name),
	CHECK(statfs, missing_name),
	CHECK(statfs, writable),
	CHECK(statfs, name_limit_is_the_limit),
	CHECK(statfs, descriptor_of_removed_file),
	CHECK_END,
};
