/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>

static void removes_empty_directory(void)
{
	dir_make("d", 0755);
	EXPECT_OK(rmdir("d"));
	EXPECT_GONE("d");
	EXPECT_ERR(rmdir("d"), ENOENT);
}

static void full_directory(void)
{
	dir_make("d", 0755);
	file_make("d/f", "");
	EXPECT_ERR2(rmdir("d"), ENOTEMPTY, EEXIST);
	EXPECT_OK(unlink("d/f"));
	EXPECT_OK(symlink("nowhere", "d/l"));
	EXPECT_ERR2(rmdir("d"), ENOTEMPTY, EEXIST);
	EXPECT_OK(unlink("d/l"));
	dir_make("d/e", 0755);
	EXPECT_ERR2(rmdir("d"), ENOTEMPTY, EEXIST);
	EXPECT_OK(rmdir("d/e"));
	EXPECT_OK(rmdir("d"));
}

static void not_a_directory(void)
{
	file_make("f", "");
	dir_make("d", 0755);
	EXPECT_OK(symlink("d", "l"));
	EXPECT_ERR(rmdir("f"), ENOTDIR);
	EXPECT_ERR(rmdir("l"), ENOTDIR);
	EXPECT_ERR(rmdir("f/x"), ENOTDIR);
	EXPECT(file_exists("d"));
}

static void dot_and_dot_dot(void)
{
	dir_make("d", 0755);
	dir_make("d/e", 0755);
	EXPECT_ERR(rmdir("d/."), EINVAL);
	EXPECT_ERR(rmdir("d/e/.."), ENOTEMPTY);
	EXPECT(file_exists("d/e"));
}

static void trailing_slash(void)
{
	dir_make("d", 0755);
	EXPECT_OK(rmdir("d/"));
	EXPECT_GONE("d");
}

static void mount_point(void)
{
	dir_make("d", 0755);
	EXPECT_OK(unshare(CLONE_NEWNS));
	EXPECT_OK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	EXPECT_OK(mount("d", "d", NULL, MS_BIND, NULL));
	EXPECT_ERR(rmdir("d"), EBUSY);
	EXPECT_ERR(rename("d", "e"), EBUSY);
	EXPECT_OK(umount("d"));
	EXPECT_OK(rmdir("d"));
}

static void link_count_of_parent(void)
{
	nlink_t before;

	dir_make("d", 0755);
	before = file_links("d");
	dir_make("d/e", 0755);
	EXPECT_EQ(file_links("d"), before + 1);
	EXPECT_OK(rmdir("d/e"));
	EXPECT_EQ(file_links("d"), before);
}

static void parent_times_advance(void)
{
	struct stat before;

	dir_make("d", 0755);
	dir_make("d/e", 0755);
	before = file_stat("d");
	pause_tick();
	EXPECT_OK(rmdir("d/e"));
	EXPECT_LATER(file_stat("d").st_mtim, before.st_mtim);
	EXPECT_LATER(file_stat("d").st_ctim, before.st_ctim);
}

static void open_directory_stays_usable(void)
{
	struct dirent *entry;
	DIR *stream;
	int fd;

	dir_make("d", 0755);
	fd = EXPECT_OK(open("d", O_RDONLY | O_DIRECTORY));
	EXPECT_OK(rmdir("d"));
	EXPECT(S_ISDIR(file_stat_fd(fd).st_mode));
	EXPECT_ERR(openat(fd, "f", O_RDONLY), ENOENT);
	stream = EXPECT_POINTER(fdopendir(fd));
	while ((entry = readdir(stream)) != NULL)
		EXPECT_EQ(entry->d_name[0], '.');
}

static void name_is_free(void)
{
	ino_t inode;
	int fd;

	dir_make("d", 0755);
	fd = EXPECT_OK(open("d", O_RDONLY | O_DIRECTORY));
	inode = file_stat_fd(fd).st_ino;
	EXPECT_OK(rmdir("d"));
	dir_make("d", 0700);
	EXPECT(file_inode("d") != inode);
	file_make("d/f", "text");
	EXPECT_ERR(openat(fd, "f", O_RDONLY), ENOENT);
}

static void needs_writable_parent(void)
{
	dir_make("d", 0755);
	dir_make_for("d/e", 0777, user_uid(), user_gid());
	become_user();
	EXPECT_ERR(rmdir("d/e"), EACCES);
}

static void full_after_many_removals(void)
{
	char name[32];

	dir_make("d", 0755);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "d/f%d", i);
		file_make(name, "");
	}
	for (int i = 0; i < 299; i++) {
		snprintf(name, sizeof(name), "d/f%d", i);
		EXPECT_OK(unlink(name));
	}
	EXPECT_ERR2(rmdir("d"), ENOTEMPTY, EEXIST);
	EXPECT_OK(unlink("d/f299"));
	EXPECT_OK(rmdir("d"));
}

const struct check rmdir_checks[] = {
	CHECK(rmdir, removes_empty_directory),
	CHECK(rmdir, full_directory),
	CHECK(rmdir, not_a_directory),
	CHECK(rmdir, dot_and_dot_dot),
	CHECK(rmdir, trailing_slash),
	CHECK(rmdir, mount_point, .needs = NEED_MOUNT),
	CHECK(rmdir, link_count_of_parent, .needs = NEED_DIR_NLINK),
	CHECK(rmdir, parent_times_advance),
	CHECK(rmdir, open_directory_stays_usable),
	CHECK(rmdir, name_is_free),
	CHECK(rmdir, needs_writable_parent, .needs = NEED_USERS),
	CHECK(rmdir, full_after_many_removals),
	CHECK_END,
};
