/* SPDX-License-Identifier: BSD-3-Clause */
/* Plain rename. */
#include "groups.h"

#include <dirent.h>
#include <string.h>
#include <sys/xattr.h>

static void moves_file(void)
{
	ino_t inode;

	file_make("f", "text");
	inode = file_inode("f");
	EXPECT_OK(rename("f", "g"));
	EXPECT_GONE("f");
	EXPECT_EQ(file_inode("g"), inode);
	EXPECT_TEXT("g", "text");
	EXPECT_EQ(dir_count("."), 1);
}

static void moves_directory_with_content(void)
{
	dir_make("d", 0755);
	dir_make("d/e", 0755);
	file_make("d/e/f", "text");
	EXPECT_OK(rename("d", "g"));
	EXPECT_GONE("d");
	EXPECT_TEXT("g/e/f", "text");
	EXPECT_EQ(file_inode("g/e/../.."), file_inode("."));
}

static void replaces_existing_file(void)
{
	ino_t inode;

	file_make("f", "new");
	file_make("g", "old");
	inode = file_inode("f");
	EXPECT_OK(rename("f", "g"));
	EXPECT_GONE("f");
	EXPECT_TEXT("g", "new");
	EXPECT_EQ(file_inode("g"), inode);
	EXPECT_EQ(file_links("g"), 1);
}

static void replaced_file_loses_one_link(void)
{
	struct stat before;

	file_make("f", "new");
	file_make("g", "old");
	EXPECT_OK(link("g", "other"));
	before = file_stat("other");
	pause_tick();
	EXPECT_OK(rename("f", "g"));
	EXPECT_EQ(file_links("other"), 1);
	EXPECT_TEXT("other", "old");
	EXPECT_LATER(file_stat("other").st_ctim, before.st_ctim);
}

static void open_files_follow(void)
{
	int moved;
	int replaced;
	char data[3];

	file_make("f", "new");
	file_make("g", "old");
	moved = EXPECT_OK(open("f", O_RDWR));
	replaced = EXPECT_OK(open("g", O_RDWR));
	EXPECT_OK(rename("f", "g"));
	file_put(moved, "NEW", 3, 0);
	file_put(replaced, "OLD", 3, 0);
	EXPECT_TEXT("g", "NEW");
	file_take(replaced, data, 3, 0);
	EXPECT_DATA(data, "OLD", 3);
	EXPECT_EQ(file_stat_fd(replaced).st_nlink, 0);
	EXPECT_EQ(file_stat_fd(moved).st_nlink, 1);
}

static void same_inode_changes_nothing(void)
{
	file_make("f", "text");
	EXPECT_OK(link("f", "g"));
	EXPECT_OK(rename("f", "g"));
	EXPECT_EQ(file_inode("f"), file_inode("g"));
	EXPECT_EQ(file_links("f"), 2);
}

static void same_name_changes_nothing(void)
{
	file_make("f", "text");
	dir_make("d", 0755);
	EXPECT_OK(rename("f", "f"));
	EXPECT_OK(rename("d", "d"));
	EXPECT_OK(rename("f", "./f"));
	EXPECT_TEXT("f", "text");
	EXPECT_EQ(dir_count("."), 2);
}

static void missing_names(void)
{
	file_make("f", "text");
	EXPECT_ERR(rename("missing", "g"), ENOENT);
	EXPECT_ERR(rename("missing", "f"), ENOENT);
	EXPECT_ERR(rename("f", "missing/g"), ENOENT);
	EXPECT_ERR(rename("missing/f", "g"), ENOENT);
	EXPECT_ERR(rename("f", ""), ENOENT);
	EXPECT_ERR(rename("", "g"), ENOENT);
	EXPECT_TEXT("f", "text");
}

static void through_file(void)
{
	file_make("f", "");
	file_make("g", "");
	EXPECT_ERR(rename("f/x", "h"), ENOTDIR);
	EXPECT_ERR(rename("g", "f/x"), ENOTDIR);
	EXPECT_ERR(rename("f/", "h"), ENOTDIR);
	EXPECT_ERR(rename("f", "h/"), ENOTDIR);
	EXPECT_EQ(dir_count("."), 2);
}

static void directory_over_empty_directory(void)
{
	ino_t inode;

	dir_make("d", 0755);
	file_make("d/f", "text");
	dir_make("e", 0755);
	inode = file_inode("d");
	EXPECT_OK(rename("d", "e"));
	EXPECT_GONE("d");
	EXPECT_EQ(file_inode("e"), inode);
	EXPECT_TEXT("e/f", "text");
}

static void directory_over_full_directory(void)
{
	dir_make("d", 0755);
	dir_make("e", 0755);
	file_make("e/f", "");
	EXPECT_ERR2(rename("d", "e"), ENOTEMPTY, EEXIST);
	EXPECT(file_exists("d"));
	EXPECT(file_exists("e/f"));
}

static void file_over_directory(void)
{
	file_make("f", "text");
	dir_make("d", 0755);
	EXPECT_ERR(rename("f", "d"), EISDIR);
	EXPECT_TEXT("f", "text");
	EXPECT(S_ISDIR(file_stat("d").st_mode));
}

static void directory_over_file(void)
{
	file_make("f", "text");
	dir_make("d", 0755);
	EXPECT_ERR(rename("d", "f"), ENOTDIR);
	EXPECT_TEXT("f", "text");
	EXPECT(S_ISDIR(file_stat("d").st_mode));
}

static void into_own_subtree(void)
{
	dir_make("d", 0755);
	dir_make("d/e", 0755);
	EXPECT_ERR(rename("d", "d/x"), EINVAL);
	EXPECT_ERR(rename("d", "d/e/x"), EINVAL);
	EXPECT_ERR(rename("d", "d/e"), EINVAL);
	EXPECT(file_exists("d/e"));
}

static void over_own_ancestor(void)
{
	dir_make("d", 0755);
	dir_make("d/e", 0755);
	dir_make("d/e/g", 0755);
	EXPECT_ERR2(rename("d/e/g", "d"), ENOTEMPTY, EEXIST);
	EXPECT_ERR2(rename("d/e/g", "d/e"), ENOTEMPTY, EEXIST);
	EXPECT(file_exists("d/e/g"));
}

static void dot_and_dot_dot(void)
{
	dir_make("d", 0755);
	EXPECT_ERR2(rename("d/.", "e"), EBUSY, EINVAL);
	EXPECT_ERR2(rename("d/..", "e"), EBUSY, EINVAL);
	EXPECT_ERR2(rename("d", "."), EBUSY, EINVAL);
	EXPECT(file_exists("d"));
}

static void symlink_not_followed(void)
{
	char target[8];

	file_make("f", "text");
	EXPECT_OK(symlink("f", "l"));
	EXPECT_OK(rename("l", "m"));
	EXPECT_EQ(EXPECT_OK(readlink("m", target, sizeof(target))), 1);
	EXPECT_TEXT("f", "text");
	file_make("g", "other");
	EXPECT_OK(rename("g", "m"));
	EXPECT(S_ISREG(file_stat("m").st_mode));
	EXPECT_TEXT("f", "text");
}

static void trailing_slash_on_directory(void)
{
	dir_make("d", 0755);
	EXPECT_OK(rename("d/", "e/"));
	EXPECT_GONE("d");
	EXPECT(S_ISDIR(file_stat("e").st_mode));
}

static void link_counts_follow_directories(void)
{
	dir_make("a", 0755);
	dir_make("b", 0755);
	dir_make("a/d", 0755);
	EXPECT_OK(rename("a/d", "b/d"));
	EXPECT_EQ(file_links("a"), 2);
	EXPECT_EQ(file_links("b"), 3);
	dir_make("a/d", 0755);
	EXPECT_OK(rename("a/d", "b/d"));
	EXPECT_EQ(file_links("a"), 2);
	EXPECT_EQ(file_links("b"), 3);
	EXPECT_EQ(file_links("b/d"), 2);
}

static void dot_dot_follows_directory(void)
{
	int fd;
	struct stat status;

	dir_make("a", 0755);
	dir_make("b", 0755);
	dir_make("a/d", 0755);
	fd = EXPECT_OK(open("a/d", O_RDONLY | O_DIRECTORY));
	EXPECT_OK(rename("a/d", "b/d"));
	EXPECT_EQ(file_inode("b/d/.."), file_inode("b"));
	EXPECT_OK(fstatat(fd, "..", &status, 0));
	EXPECT_EQ(status.st_ino, file_inode("b"));
}

static void updates_times(void)
{
	struct stat file;
	struct stat from;
	struct stat to;

	dir_make("a", 0755);
	dir_make("b", 0755);
	file_make("a/f", "text");
	file = file_stat("a/f");
	from = file_stat("a");
	to = file_stat("b");
	pause_tick();
	EXPECT_OK(rename("a/f", "b/f"));
	EXPECT_LATER(file_stat("a").st_mtim, from.st_mtim);
	EXPECT_LATER(file_stat("a").st_ctim, from.st_ctim);
	EXPECT_LATER(file_stat("b").st_mtim, to.st_mtim);
	EXPECT_LATER(file_stat("b").st_ctim, to.st_ctim);
	EXPECT_LATER(file_stat("b/f").st_ctim, file.st_ctim);
	EXPECT_TIME(file_stat("b/f").st_mtim, file.st_mtim);
}

static void failure_keeps_times(void)
{
	struct stat file;
	struct stat parent;

	dir_make("d", 0755);
	file_make("d/f", "");
	dir_make("d/e", 0755);
	file = file_stat("d/f");
	parent = file_stat("d");
	pause_tick();
	EXPECT_ERR(rename("d/f", "d/e"), EISDIR);
	EXPECT_TIME(file_stat("d/f").st_ctim, file.st_ctim);
	EXPECT_TIME(file_stat("d").st_mtim, parent.st_mtim);
}

static void keeps_attributes(void)
{
	struct stat before;
	struct stat after;

	file_make("f", "text");
	file_chmod("f", 0604);
	before = file_stat("f");
	EXPECT_OK(rename("f", "g"));
	after = file_stat("g");
	EXPECT_MODE(after.st_mode, before.st_mode);
	EXPECT_EQ(after.st_uid, before.st_uid);
	EXPECT_EQ(after.st_size, before.st_size);
	EXPECT_EQ(after.st_nlink, 1);
}

static void keeps_xattr(void)
{
	char value[8];

	file_make("f", "");
	EXPECT_OK(setxattr("f", "user.kept", "value", 5, 0));
	file_make("g", "");
	EXPECT_OK(setxattr("g", "user.gone", "value", 5, 0));
	EXPECT_OK(rename("f", "g"));
	EXPECT_EQ(EXPECT_OK(getxattr("g", "user.kept", value, sizeof(value))), 5);
	EXPECT_ERR(getxattr("g", "user.gone", value, sizeof(value)), ENODATA);
}

static void special_files(void)
{
	EXPECT_OK(mkfifo("p", 0644));
	file_make("f", "");
	EXPECT_OK(rename("p", "f"));
	EXPECT(S_ISFIFO(file_stat("f").st_mode));
	EXPECT_GONE("p");
}

static void open_directory_follows(void)
{
	struct dirent *entry;
	DIR *stream;
	unsigned found = 0;

	dir_make("d", 0755);
	file_make("d/f", "");
	stream = EXPECT_POINTER(opendir("d"));
	EXPECT_OK(rename("d", "e"));
	file_make("e/g", "");
	rewinddir(stream);
	while ((entry = readdir(stream)) != NULL)
		found += strcmp(entry->d_name, "f") == 0 || strcmp(entry->d_name, "g") == 0;
	EXPECT_EQ(found, 2);
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
	EXPECT_OK(renameat(from, "f", to, "g"));
	EXPECT_TEXT("b/g", "text");
	EXPECT_EQ(dir_count("a"), 0);
}

static void into_removed_directory(void)
{
	int fd;

	file_make("f", "text");
	dir_make("d", 0755);
	fd = EXPECT_OK(open("d", O_RDONLY | O_DIRECTORY));
	EXPECT_OK(rmdir("d"));
	EXPECT_ERR(renameat(AT_FDCWD, "f", fd, "g"), ENOENT);
	EXPECT_TEXT("f", "text");
}

static void needs_writable_directories(void)
{
	dir_make("closed", 0755);
	dir_make("open", 0777);
	file_make_for("closed/f", 0666, user_uid(), user_gid());
	become_user();
	file_make("open/f", "");
	EXPECT_ERR(rename("closed/f", "open/g"), EACCES);
	EXPECT_ERR(rename("open/f", "closed/g"), EACCES);
	EXPECT_OK(rename("open/f", "open/g"));
}

/* Another parent means another "..", which is a write to the directory. */
static void moved_directory_must_be_writable(void)
{
	dir_make("a", 0777);
	dir_make("b", 0777);
	dir_make_for("a/d", 0555, user_uid(), user_gid());
	dir_make("a/foreign", 0755);
	become_user();
	EXPECT_ERR(rename("a/d", "b/d"), EACCES);
	EXPECT_ERR(rename("a/foreign", "b/foreign"), EACCES);
	EXPECT_OK(rename("a/d", "a/e"));
}

static void back_and_forth(void)
{
	file_make("a", "text");
	for (int i = 0; i < 200; i++) {
		EXPECT_OK(rename(i % 2 ? "b" : "a", i % 2 ? "a" : "b"));
		EXPECT_GONE(i % 2 ? "b" : "a");
		EXPECT(file_exists(i % 2 ? "a" : "b"));
	}
	EXPECT_TEXT("a", "text");
}

const struct check rename_checks[] = {
	CHECK(rename, moves_file),
	CHECK(rename, moves_directory_with_content),
	CHECK(rename, replaces_existing_file),
	CHECK(rename, replaced_file_loses_one_link),
	CHECK(rename, open_files_follow),
	CHECK(rename, same_inode_changes_nothing),
	CHECK(rename, same_name_changes_nothing),
	CHECK(rename, missing_names),
	CHECK(rename, through_file),
	CHECK(rename, directory_over_empty_directory),
	CHECK(rename, directory_over_full_directory),
	CHECK(rename, file_over_directory),
	CHECK(rename, directory_over_file),
	CHECK(rename, into_own_subtree),
	CHECK(rename, over_own_ancestor),
	CHECK(rename, dot_and_dot_dot),
	CHECK(rename, symlink_not_followed),
	CHECK(rename, trailing_slash_on_directory),
	CHECK(rename, link_counts_follow_directories, .needs = NEED_DIR_NLINK),
	CHECK(rename, dot_dot_follows_directory),
	CHECK(rename, updates_times),
	CHECK(rename, failure_keeps_times),
	CHECK(rename, keeps_attributes),
	CHECK(rename, keeps_xattr, .needs = NEED_USER_XATTR),
	CHECK(rename, special_files),
	CHECK(rename, open_directory_follows),
	CHECK(rename, relative_to_descriptors),
	CHECK(rename, into_removed_directory),
	CHECK(rename, needs_writable_directories, .needs = NEED_USERS),
	CHECK(rename, moved_directory_must_be_writable, .needs = NEED_USERS),
	CHECK(rename, back_and_forth),
	CHECK_END,
};
