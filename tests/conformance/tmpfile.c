/* SPDX-License-Identifier: BSD-3-Clause */
/* Files without a name: O_TMPFILE. */
#include "groups.h"

static void give_name(int fd, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_OK(linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW));
}

static void has_no_name(void)
{
	struct stat status = file_stat_fd(EXPECT_OK(open(".", O_TMPFILE | O_RDWR, 0640)));

	EXPECT(S_ISREG(status.st_mode));
	EXPECT_EQ(status.st_nlink, 0);
	EXPECT_EQ(status.st_size, 0);
	EXPECT_MODE(status.st_mode & 07777, 0640);
	EXPECT_EQ(dir_count("."), 0);
}

static void holds_data(void)
{
	char data[4];
	int fd = EXPECT_OK(open(".", O_TMPFILE | O_RDWR, 0600));

	file_put(fd, "text", 4, 10000);
	file_take(fd, data, 4, 10000);
	EXPECT_DATA(data, "text", 4);
	EXPECT_EQ(file_stat_fd(fd).st_size, 10004);
}

static void gets_a_name(void)
{
	int fd = EXPECT_OK(open(".", O_TMPFILE | O_RDWR, 0644));

	file_put(fd, "text", 4, 0);
	give_name(fd, "f");
	EXPECT_TEXT("f", "text");
	EXPECT_EQ(file_links("f"), 1);
	EXPECT_EQ(file_stat_fd(fd).st_ino, file_inode("f"));
	EXPECT_EQ(file_stat_fd(fd).st_nlink, 1);
}

static void gets_a_name_that_is_taken(void)
{
	char path[64];
	int fd = EXPECT_OK(open(".", O_TMPFILE | O_RDWR, 0644));

	file_make("f", "old");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_ERR(linkat(AT_FDCWD, path, AT_FDCWD, "f", AT_SYMLINK_FOLLOW), EEXIST);
	EXPECT_TEXT("f", "old");
}

static void exclusive_never_gets_a_name(void)
{
	char path[64];
	int fd = EXPECT_OK(open(".", O_TMPFILE | O_RDWR | O_EXCL, 0644));

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_ERR(linkat(AT_FDCWD, path, AT_FDCWD, "f", AT_SYMLINK_FOLLOW), ENOENT);
	EXPECT_GONE("f");
}

static void must_be_writable(void)
{
	EXPECT_ERR(open(".", O_TMPFILE | O_RDONLY, 0644), EINVAL);
	EXPECT_OK(open(".", O_TMPFILE | O_WRONLY, 0644));
}

static void needs_a_directory(void)
{
	file_make("f", "");
	EXPECT_ERR(open("f", O_TMPFILE | O_RDWR, 0644), ENOTDIR);
	EXPECT_ERR(open("missing", O_TMPFILE | O_RDWR, 0644), ENOENT);
}

static void umask_applies(void)
{
	umask(027);
	EXPECT_MODE(file_stat_fd(EXPECT_OK(open(".", O_TMPFILE | O_RDWR, 0666))).st_mode & 07777,
		    0640);
}

static void two_are_two(void)
{
	int first = EXPECT_OK(open(".", O_TMPFILE | O_RDWR, 0644));
	int second = EXPECT_OK(open(".", O_TMPFILE | O_RDWR, 0644));

	file_put(first, "first", 5, 0);
	EXPECT_EQ(file_stat_fd(second).st_size, 0);
	EXPECT(file_stat_fd(first).st_ino != file_stat_fd(second).st_ino);
}

static void owner_is_creator(void)
{
	int fd;

	dir_make_for("d", 02777, 0, club_gid());
	become_user();
	fd = EXPECT_OK(open("d", O_TMPFILE | O_RDWR, 0644));
	EXPECT_EQ(file_stat_fd(fd).st_uid, user_uid());
	EXPECT_EQ(file_stat_fd(fd).st_gid, club_gid());
}

static void in_read_only_directory(void)
{
	dir_make("d", 0755);
	become_user();
	EXPECT_ERR(open("d", O_TMPFILE | O_RDWR, 0644), EACCES);
}

const struct check tmpfile_checks[] = {
	CHECK(tmpfile, has_no_name, .needs = NEED_TMPFILE),
	CHECK(tmpfile, holds_data, .needs = NEED_TMPFILE),
	CHECK(tmpfile, gets_a_name, .needs = NEED_TMPFILE | NEED_PROC),
	CHECK(tmpfile, gets_a_name_that_is_taken, .needs = NEED_TMPFILE | NEED_PROC),
	CHECK(tmpfile, exclusive_never_gets_a_name, .needs = NEED_TMPFILE | NEED_PROC),
	CHECK(tmpfile, must_be_writable, .needs = NEED_TMPFILE),
	CHECK(tmpfile, needs_a_directory, .needs = NEED_TMPFILE),
	CHECK(tmpfile, umask_applies, .needs = NEED_TMPFILE),
	CHECK(tmpfile, two_are_two, .needs = NEED_TMPFILE),
	CHECK(tmpfile, owner_is_creator, .needs = NEED_TMPFILE | NEED_USERS),
	CHECK(tmpfile, in_read_only_directory, .needs = NEED_TMPFILE | NEED_USERS),
	CHECK_END,
};
