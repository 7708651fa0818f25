/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

static void shares_inode(void)
{
	file_make("f", "text");
	EXPECT_OK(link("f", "g"));
	EXPECT_EQ(file_inode("f"), file_inode("g"));
	EXPECT_EQ(file_links("f"), 2);
	EXPECT_EQ(file_links("g"), 2);
}

static void shares_content(void)
{
	file_make("f", "text");
	EXPECT_OK(link("f", "g"));
	file_put(EXPECT_OK(open("g", O_WRONLY)), "TEXT!", 5, 0);
	EXPECT_TEXT("f", "TEXT!");
	EXPECT_EQ(file_size("f"), 5);
}

static void shares_mode_and_times(void)
{
	struct timespec times[2] = { { 1000, 1 }, { 2000, 2 } };

	file_make("f", "text");
	EXPECT_OK(link("f", "g"));
	EXPECT_OK(chmod("f", 0604));
	EXPECT_OK(utimensat(AT_FDCWD, "f", times, 0));
	EXPECT_MODE(file_mode("g"), 0604);
	EXPECT_TIME(file_stat("g").st_mtim, times[1]);
}

static void existing_target(void)
{
	file_make("f", "");
	file_make("g", "kept");
	dir_make("d", 0755);
	EXPECT_OK(symlink("missing", "l"));
	EXPECT_ERR(link("f", "g"), EEXIST);
	EXPECT_ERR(link("f", "d"), EEXIST);
	EXPECT_ERR(link("f", "l"), EEXIST);
	EXPECT_ERR(link("f", "f"), EEXIST);
	EXPECT_TEXT("g", "kept");
	EXPECT_EQ(file_links("f"), 1);
}

static void missing_names(void)
{
	file_make("f", "");
	EXPECT_ERR(link("missing", "g"), ENOENT);
	EXPECT_ERR(link("f", "missing/g"), ENOENT);
	EXPECT_ERR(link("f/x", "g"), ENOTDIR);
	EXPECT_ERR(link("f", "f/g"), ENOTDIR);
	EXPECT_ERR(link("f", ""), ENOENT);
}

static void directory_refused(void)
{
	dir_make("d", 0755);
	EXPECT_ERR(link("d", "e"), EPERM);
	EXPECT_GONE("e");
}

static void symlink_linked_itself(void)
{
	file_make("f", "text");
	EXPECT_OK(symlink("f", "l"));
	EXPECT_OK(linkat(AT_FDCWD, "l", AT_FDCWD, "g", 0));
	EXPECT(S_ISLNK(file_stat("g").st_mode));
	EXPECT_EQ(file_inode("g"), file_inode("l"));
	EXPECT_EQ(file_links("l"), 2);
	EXPECT_TEXT("g", "text");
}

static void symlink_followed_on_request(void)
{
	file_make("f", "text");
	EXPECT_OK(symlink("f", "l"));
	EXPECT_OK(symlink("missing", "dangling"));
	EXPECT_OK(linkat(AT_FDCWD, "l", AT_FDCWD, "g", AT_SYMLINK_FOLLOW));
	EXPECT_EQ(file_inode("g"), file_inode("f"));
	EXPECT_ERR(linkat(AT_FDCWD, "dangling", AT_FDCWD, "h", AT_SYMLINK_FOLLOW), ENOENT);
}

static void unknown_flag(void)
{
	file_make("f", "");
	EXPECT_ERR(linkat(AT_FDCWD, "f", AT_FDCWD, "g", 0x40000), EINVAL);
	EXPECT_GONE("g");
}

static void fifo_linked(void)
{
	EXPECT_OK(mkfifo("p", 0644));
	EXPECT_OK(link("p", "q"));
	EXPECT(S_ISFIFO(file_stat("q").st_mode));
	EXPECT_EQ(file_links("p"), 2);
}

static void updates_times(void)
{
	struct stat file;
	struct stat parent;

	dir_make("d", 0755);
	file_make("f", "");
	file = file_stat("f");
	parent = file_stat("d");
	pause_tick();
	EXPECT_OK(link("f", "d/g"));
	EXPECT_LATER(file_stat("f").st_ctim, file.st_ctim);
	EXPECT_TIME(file_stat("f").st_mtim, file.st_mtim);
	EXPECT_LATER(file_stat("d").st_mtim, parent.st_mtim);
	EXPECT_LATER(file_stat("d").st_ctim, parent.st_ctim);
}

static void outlives_first_name(void)
{
	file_make("f", "text");
	EXPECT_OK(link("f", "g"));
	EXPECT_OK(unlink("f"));
	EXPECT_TEXT("g", "text");
	EXPECT_EQ(file_links("g"), 1);
	file_make("f", "another");
	EXPECT_TEXT("g", "text");
}

static void across_directories(void)
{
	dir_make("a", 0755);
	dir_make("b", 0755);
	file_make("a/f", "text");
	EXPECT_OK(link("a/f", "b/f"));
	EXPECT_OK(unlink("a/f"));
	EXPECT_OK(rmdir("a"));
	EXPECT_TEXT("b/f", "text");
}

static void counts_to_hundred(void)
{
	char name[16];

	file_make("f", "");
	for (unsigned i = 0; i < 99; i++) {
		snprintf(name, sizeof(name), "l%u", i);
		EXPECT_OK(link("f", name));
		EXPECT_EQ(file_links("f"), i + 2);
	}
	for (unsigned i = 0; i < 99; i++) {
		snprintf(name, sizeof(name), "l%u", i);
		EXPECT_OK(unlink(name));
		EXPECT_EQ(file_links("f"), 99 - i);
	}
}

static void relative_to_descriptors(void)
{
	int from;
	int to;

	dir_make("a", 0755);
	dir_make("b", 0755);
	file_make("a/f", "text");
	from = EXPECT_OK(open("a", O_RDONLY | O_DIRECTORY));
	to = EXPECT_OK(open("b", O_PATH | O_DIRECTORY));
	EXPECT_OK(linkat(from, "f", to, "g", 0));
	EXPECT_EQ(file_inode("a/f"), file_inode("b/g"));
}

static void by_descriptor_through_proc(void)
{
	char path[64];
	int fd = file_open_new("f");

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_OK(rename("f", "moved"));
	EXPECT_OK(linkat(AT_FDCWD, path, AT_FDCWD, "g", AT_SYMLINK_FOLLOW));
	EXPECT_EQ(file_inode("g"), file_inode("moved"));
	EXPECT_EQ(file_stat_fd(fd).st_nlink, 2);
}

static void by_descriptor_with_empty_path(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(linkat(fd, "", AT_FDCWD, "g", AT_EMPTY_PATH));
	EXPECT_EQ(file_inode("g"), file_inode("f"));
}

static void needs_writable_directory(void)
{
	dir_make("d", 0755);
	dir_make("open", 0777);
	file_make_for("open/f", 0644, user_uid(), user_gid());
	become_user();
	EXPECT_ERR(link("open/f", "d/g"), EACCES);
	EXPECT_OK(link("open/f", "open/g"));
}

static void into_removed_directory(void)
{
	int fd;

	file_make("f", "");
	dir_make("d", 0755);
	fd = EXPECT_OK(open("d", O_RDONLY | O_DIRECTORY));
	EXPECT_OK(rmdir("d"));
	EXPECT_ERR(linkat(AT_FDCWD, "f", fd, "g", 0), ENOENT);
	EXPECT_EQ(file_links("f"), 1);
}

const struct check link_checks[] = {
	CHECK(link, shares_inode),
	CHECK(link, shares_content),
	CHECK(link, shares_mode_and_times),
	CHECK(link, existing_target),
	CHECK(link, missing_names),
	CHECK(link, directory_refused),
	CHECK(link, symlink_linked_itself),
	CHECK(link, symlink_followed_on_request),
	CHECK(link, unknown_flag),
	CHECK(link, fifo_linked),
	CHECK(link, updates_times),
	CHECK(link, outlives_first_name),
	CHECK(link, across_directories),
	CHECK(link, counts_to_hundred),
	CHECK(link, relative_to_descriptors),
	CHECK(link, by_descriptor_through_proc, .needs = NEED_PROC),
	CHECK(link, by_descriptor_with_empty_path, .needs = NEED_ROOT),
	CHECK(link, needs_writable_directory, .needs = NEED_USERS),
	CHECK(link, into_removed_directory),
	CHECK_END,
};
