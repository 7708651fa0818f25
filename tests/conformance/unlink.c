/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

#include <sys/socket.h>
#include <sys/un.h>

static void removes_name(void)
{
	file_make("f", "text");
	EXPECT_OK(unlink("f"));
	EXPECT_GONE("f");
	EXPECT_EQ(dir_count("."), 0);
	EXPECT_ERR(unlink("f"), ENOENT);
}

static void missing_name(void)
{
	EXPECT_ERR(unlink("missing"), ENOENT);
	EXPECT_ERR(unlink("missing/f"), ENOENT);
	EXPECT_ERR(unlink(""), ENOENT);
}

static void directory_refused(void)
{
	dir_make("d", 0755);
	EXPECT_ERR(unlink("d"), EISDIR);
	EXPECT_ERR(unlink("."), EISDIR);
	EXPECT(file_exists("d"));
}

static void through_file(void)
{
	file_make("f", "");
	EXPECT_ERR(unlink("f/x"), ENOTDIR);
	EXPECT_ERR(unlink("f/"), ENOTDIR);
	EXPECT(file_exists("f"));
}

static void symlink_not_followed(void)
{
	dir_make("d", 0755);
	EXPECT_OK(symlink("d", "l"));
	EXPECT_OK(symlink("missing", "dangling"));
	EXPECT_OK(unlink("l"));
	EXPECT_OK(unlink("dangling"));
	EXPECT_GONE("l");
	EXPECT(file_exists("d"));
}

static void special_files(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "s" };
	int fd = EXPECT_OK(socket(AF_UNIX, SOCK_STREAM, 0));

	EXPECT_OK(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	EXPECT_OK(mkfifo("p", 0600));
	EXPECT_OK(unlink("s"));
	EXPECT_OK(unlink("p"));
	EXPECT_EQ(dir_count("."), 0);
}

static void remaining_link_counts(void)
{
	struct stat before;

	file_make("f", "text");
	EXPECT_OK(link("f", "g"));
	before = file_stat("g");
	EXPECT_EQ(before.st_nlink, 2);
	pause_tick();
	EXPECT_OK(unlink("f"));
	EXPECT_EQ(file_links("g"), 1);
	EXPECT_LATER(file_stat("g").st_ctim, before.st_ctim);
	EXPECT_TIME(file_stat("g").st_mtim, before.st_mtim);
	EXPECT_TEXT("g", "text");
}

static void parent_times_advance(void)
{
	struct stat before;

	dir_make("d", 0755);
	file_make("d/f", "");
	before = file_stat("d");
	pause_tick();
	EXPECT_OK(unlink("d/f"));
	EXPECT_LATER(file_stat("d").st_mtim, before.st_mtim);
	EXPECT_LATER(file_stat("d").st_ctim, before.st_ctim);
}

static void failure_keeps_parent_times(void)
{
	struct stat before;

	dir_make("d", 0755);
	before = file_stat("d");
	pause_tick();
	EXPECT_ERR(unlink("d/f"), ENOENT);
	EXPECT_TIME(file_stat("d").st_mtim, before.st_mtim);
	EXPECT_TIME(file_stat("d").st_ctim, before.st_ctim);
}

static void name_is_free_for_another_type(void)
{
	file_make("x", "text");
	EXPECT_OK(unlink("x"));
	EXPECT_OK(mkdir("x", 0755));
	EXPECT(S_ISDIR(file_stat("x").st_mode));
	EXPECT_OK(rmdir("x"));
	EXPECT_OK(symlink("y", "x"));
	EXPECT(S_ISLNK(file_stat("x").st_mode));
	EXPECT_OK(unlink("x"));
	file_make("x", "again");
	EXPECT_TEXT("x", "again");
}

static void unlinkat_flags(void)
{
	file_make("f", "");
	dir_make("d", 0755);
	EXPECT_ERR(unlinkat(AT_FDCWD, "f", AT_REMOVEDIR), ENOTDIR);
	EXPECT_ERR(unlinkat(AT_FDCWD, "d", 0), EISDIR);
	EXPECT_ERR(unlinkat(AT_FDCWD, "f", 0x40000), EINVAL);
	EXPECT_OK(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
	EXPECT(file_exists("f"));
}

static void relative_to_descriptor(void)
{
	int fd;

	dir_make("d", 0755);
	file_make("d/f", "");
	fd = EXPECT_OK(open("d", O_RDONLY | O_DIRECTORY));
	EXPECT_OK(unlinkat(fd, "f", 0));
	EXPECT_EQ(dir_count("d"), 0);
}

static void needs_writable_parent(void)
{
	dir_make("d", 0755);
	file_make_for("d/f", 0666, user_uid(), user_gid());
	become_user();
	EXPECT_ERR(unlink("d/f"), EACCES);
	EXPECT(file_exists("d/f"));
}

static void needs_no_permission_on_file(void)
{
	dir_make("d", 0777);
	file_make_mode("d/f", 0);
	become_user();
	EXPECT_OK(unlink("d/f"));
	EXPECT_GONE("d/f");
}

static void removed_by_other_process(void)
{
	pid_t pid;

	file_make("f", "");
	EXPECT(file_exists("f"));
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		EXPECT_OK(unlink("f"));
		_exit(0);
	}
	EXPECT_CHILD(pid);
	EXPECT_GONE("f");
	EXPECT_ERR(open("f", O_RDONLY), ENOENT);
}

const struct check unlink_checks[] = {
	CHECK(unlink, removes_name),
	CHECK(unlink, missing_name),
	CHECK(unlink, directory_refused),
	CHECK(unlink, through_file),
	CHECK(unlink, symlink_not_followed),
	CHECK(unlink, special_files),
	CHECK(unlink, remaining_link_counts),
	CHECK(unlink, parent_times_advance),
	CHECK(unlink, failure_keeps_parent_times),
	CHECK(unlink, name_is_free_for_another_type),
	CHECK(unlink, unlinkat_flags),
	CHECK(unlink, relative_to_descriptor),
	CHECK(unlink, needs_writable_parent, .needs = NEED_USERS),
	CHECK(unlink, needs_no_permission_on_file, .needs = NEED_USERS),
	CHECK(unlink, removed_by_other_process),
	CHECK_END,
};
