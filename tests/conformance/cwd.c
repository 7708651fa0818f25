/* SPDX-License-Identifier: BSD-3-Clause */
/* The working directory. */
#include "groups.h"

#include <limits.h>
#include <string.h>

static void change_and_come_back(void)
{
	dir_make("d", 0755);
	file_make("d/f", "text");
	EXPECT_OK(chdir("d"));
	EXPECT_TEXT("f", "text");
	EXPECT_OK(chdir(".."));
	EXPECT_TEXT("d/f", "text");
}

static void refused(void)
{
	file_make("f", "");
	EXPECT_OK(symlink("missing", "l"));
	EXPECT_ERR(chdir("f"), ENOTDIR);
	EXPECT_ERR(chdir("missing"), ENOENT);
	EXPECT_ERR(chdir("l"), ENOENT);
	EXPECT_ERR(fchdir(EXPECT_OK(open("f", O_RDONLY))), ENOTDIR);
}

static void by_descriptor_after_rename(void)
{
	int fd;

	dir_make("d", 0755);
	file_make("d/f", "text");
	fd = EXPECT_OK(open("d", O_PATH | O_DIRECTORY));
	EXPECT_OK(rename("d", "e"));
	EXPECT_OK(fchdir(fd));
	EXPECT_TEXT("f", "text");
}

static void expect_last_part(const char *wanted)
{
	char path[PATH_MAX];
	const char *slash;

	EXPECT_POINTER(getcwd(path, sizeof(path)));
	slash = EXPECT_POINTER(strrchr(path, '/'));
	EXPECT_EQ(strcmp(slash + 1, wanted), 0);
}

static void path_follows_rename(void)
{
	dir_make("d", 0755);
	EXPECT_OK(chdir("d"));
	expect_last_part("d");
	EXPECT_OK(rename("../d", "../e"));
	expect_last_part("e");
	dir_make("../g", 0755);
	EXPECT_OK(rename("../e", "../g/h"));
	expect_last_part("h");
	EXPECT_EQ(file_inode(".."), file_inode("../../g"));
}

static void through_symlink(void)
{
	dir_make("a", 0755);
	dir_make("a/b", 0755);
	EXPECT_OK(symlink("a/b", "l"));
	EXPECT_OK(chdir("l"));
	expect_last_part("b");
	EXPECT_OK(chdir(".."));
	expect_last_part("a");
}

static void removed(void)
{
	char path[PATH_MAX];
	struct stat status;

	dir_make("d", 0755);
	EXPECT_OK(chdir("d"));
	EXPECT_OK(rmdir("../d"));
	EXPECT(getcwd(path, sizeof(path)) == NULL);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_OK(stat(".", &status));
	EXPECT(S_ISDIR(status.st_mode));
	EXPECT_ERR(open("f", O_RDWR | O_CREAT, 0644), ENOENT);
	EXPECT_ERR(mkdir("e", 0755), ENOENT);
	EXPECT_ERR(symlink("x", "l"), ENOENT);
	EXPECT_OK(chdir(".."));
	EXPECT_GONE("d");
}

static void removed_by_other_process(void)
{
	pid_t pid;

	dir_make("d", 0755);
	EXPECT_OK(chdir("d"));
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		EXPECT_OK(chdir(".."));
		EXPECT_OK(rmdir("d"));
		_exit(0);
	}
	EXPECT_CHILD(pid);
	EXPECT_ERR(open("f", O_RDWR | O_CREAT, 0644), ENOENT);
	EXPECT_OK(chdir(".."));
}

static void recreated_is_another(void)
{
	dir_make("d", 0755);
	EXPECT_OK(chdir("d"));
	EXPECT_OK(rmdir("../d"));
	dir_make("../d", 0755);
	EXPECT_ERR(open("f", O_RDWR | O_CREAT, 0644), ENOENT);
	EXPECT(file_inode("../d") != file_inode("."));
}

static void unreadable_still_usable(void)
{
	char path[PATH_MAX];

	dir_make("d", 0711);
	file_make("d/f", "text");
	become_user();
	EXPECT_OK(chdir("d"));
	EXPECT_TEXT("f", "text");
	EXPECT_ERR(open(".", O_RDONLY), EACCES);
	EXPECT(getcwd(path, sizeof(path)) != NULL);
}

const struct check cwd_checks[] = {
	CHECK(cwd, change_and_come_back),
	CHECK(cwd, refused),
	CHECK(cwd, by_descriptor_after_rename),
	CHECK(cwd, path_follows_rename),
	CHECK(cwd, through_symlink),
	CHECK(cwd, removed),
	CHECK(cwd, removed_by_other_process),
	CHECK(cwd, recreated_is_another),
	CHECK(cwd, unreadable_still_usable, .needs = NEED_USERS),
	CHECK_END,
};
