/* SPDX-License-Identifier: BSD-3-Clause */
/* renameat2 and its flags. */
#include "groups.h"

#include <string.h>
#include <sys/sysmacros.h>

static int rename2(const char *from, const char *to, unsigned flags)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void no_flags_is_rename(void)
{
	file_make("f", "new");
	file_make("g", "old");
	EXPECT_OK(rename2("f", "g", 0));
	EXPECT_GONE("f");
	EXPECT_TEXT("g", "new");
}

static void unknown_flag(void)
{
	file_make("f", "text");
	EXPECT_ERR(rename2("f", "g", 1u << 20), EINVAL);
	EXPECT_TEXT("f", "text");
	EXPECT_GONE("g");
}

static void contradicting_flags(void)
{
	file_make("f", "text");
	file_make("g", "other");
	EXPECT_ERR(rename2("f", "g", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL);
	EXPECT_ERR(rename2("f", "g", RENAME_WHITEOUT | RENAME_EXCHANGE), EINVAL);
	EXPECT_TEXT("f", "text");
	EXPECT_TEXT("g", "other");
}

static void noreplace_moves(void)
{
	file_make("f", "text");
	dir_make("d", 0755);
	EXPECT_OK(rename2("f", "g", RENAME_NOREPLACE));
	EXPECT_OK(rename2("d", "e", RENAME_NOREPLACE));
	EXPECT_GONE("f");
	EXPECT_GONE("d");
	EXPECT_TEXT("g", "text");
}

static void noreplace_refuses_existing(void)
{
	file_make("f", "new");
	file_make("g", "old");
	dir_make("d", 0755);
	dir_make("e", 0755);
	EXPECT_OK(symlink("missing", "l"));
	EXPECT_ERR(rename2("f", "g", RENAME_NOREPLACE), EEXIST);
	EXPECT_ERR(rename2("f", "l", RENAME_NOREPLACE), EEXIST);
	EXPECT_ERR(rename2("f", "d", RENAME_NOREPLACE), EEXIST);
	EXPECT_ERR(rename2("d", "e", RENAME_NOREPLACE), EEXIST);
	EXPECT_TEXT("f", "new");
	EXPECT_TEXT("g", "old");
}

static void noreplace_refuses_same_inode(void)
{
	file_make("f", "text");
	EXPECT_OK(link("f", "g"));
	EXPECT_ERR(rename2("f", "g", RENAME_NOREPLACE), EEXIST);
	EXPECT_ERR(rename2("f", "f", RENAME_NOREPLACE), EEXIST);
	EXPECT_EQ(file_links("f"), 2);
}

static void noreplace_missing_source(void)
{
	EXPECT_ERR(rename2("missing", "g", RENAME_NOREPLACE), ENOENT);
	EXPECT_GONE("g");
}

static void exchange_files(void)
{
	ino_t first;
	ino_t second;

	file_make("f", "one");
	file_make("g", "two");
	first = file_inode("f");
	second = file_inode("g");
	EXPECT_OK(rename2("f", "g", RENAME_EXCHANGE));
	EXPECT_EQ(file_inode("f"), second);
	EXPECT_EQ(file_inode("g"), first);
	EXPECT_TEXT("f", "two");
	EXPECT_TEXT("g", "one");
	EXPECT_EQ(dir_count("."), 2);
}

static void exchange_file_and_directory(void)
{
	dir_make("a", 0755);
	dir_make("b", 0755);
	file_make("a/f", "text");
	dir_make("b/d", 0755);
	file_make("b/d/inner", "inner");
	EXPECT_OK(rename2("a/f", "b/d", RENAME_EXCHANGE));
	EXPECT_TEXT("a/f/inner", "inner");
	EXPECT_TEXT("b/d", "text");
	EXPECT_EQ(file_inode("a/f/.."), file_inode("a"));
}

static void exchange_full_directories(void)
{
	dir_make("d", 0755);
	dir_make("e", 0755);
	file_make("d/in_d", "");
	file_make("e/in_e", "");
	EXPECT_OK(rename2("d", "e", RENAME_EXCHANGE));
	EXPECT(file_exists("d/in_e"));
	EXPECT(file_exists("e/in_d"));
}

static void exchange_symlink_and_file(void)
{
	char target[8];

	EXPECT_OK(symlink("x", "l"));
	file_make("f", "text");
	EXPECT_OK(rename2("l", "f", RENAME_EXCHANGE));
	EXPECT_TEXT("l", "text");
	EXPECT_EQ(EXPECT_OK(readlink("f", target, sizeof(target))), 1);
	EXPECT_EQ(target[0], 'x');
}

static void exchange_link_counts(void)
{
	dir_make("a", 0755);
	dir_make("b", 0755);
	file_make("a/f", "");
	dir_make("b/d", 0755);
	EXPECT_OK(rename2("a/f", "b/d", RENAME_EXCHANGE));
	EXPECT_EQ(file_links("a"), 3);
	EXPECT_EQ(file_links("b"), 2);
	EXPECT_EQ(file_links("b/d"), 1);
	EXPECT_EQ(file_links("a/f"), 2);
}

static void exchange_missing(void)
{
	file_make("f", "text");
	EXPECT_ERR(rename2("f", "missing", RENAME_EXCHANGE), ENOENT);
	EXPECT_ERR(rename2("missing", "f", RENAME_EXCHANGE), ENOENT);
	EXPECT_TEXT("f", "text");
	EXPECT_GONE("missing");
}

static void exchange_with_own_subtree(void)
{
	dir_make("d", 0755);
	dir_make("d/e", 0755);
	EXPECT_ERR(rename2("d", "d/e", RENAME_EXCHANGE), EINVAL);
	EXPECT_ERR(rename2("d/e", "d", RENAME_EXCHANGE), EINVAL);
	EXPECT(file_exists("d/e"));
}

static void exchange_same_inode(void)
{
	file_make("f", "text");
	EXPECT_OK(link("f", "g"));
	EXPECT_OK(rename2("f", "g", RENAME_EXCHANGE));
	EXPECT_EQ(file_links("f"), 2);
	EXPECT_EQ(file_inode("f"), file_inode("g"));
}

static void exchange_open_files_follow(void)
{
	int first;
	int second;

	file_make("f", "one");
	file_make("g", "two");
	first = EXPECT_OK(open("f", O_RDWR));
	second = EXPECT_OK(open("g", O_RDWR));
	EXPECT_OK(rename2("f", "g", RENAME_EXCHANGE));
	file_put(first, "ONE", 3, 0);
	file_put(second, "TWO", 3, 0);
	EXPECT_TEXT("g", "ONE");
	EXPECT_TEXT("f", "TWO");
	EXPECT_EQ(file_stat_fd(first).st_nlink, 1);
}

/* Of the files themselves the standard says nothing. */
static void exchange_updates_parent_times(void)
{
	struct stat first;
	struct stat second;

	dir_make("d", 0755);
	dir_make("e", 0755);
	file_make("d/f", "one");
	file_make("e/g", "two");
	first = file_stat("d");
	second = file_stat("e");
	pause_tick();
	EXPECT_OK(rename2("d/f", "e/g", RENAME_EXCHANGE));
	EXPECT_LATER(file_stat("d").st_mtim, first.st_mtim);
	EXPECT_LATER(file_stat("e").st_mtim, second.st_mtim);
	EXPECT_LATER(file_stat("e").st_ctim, second.st_ctim);
}

static void exchange_needs_writable_directories(void)
{
	dir_make("closed", 0755);
	dir_make("open", 0777);
	file_make_for("closed/f", 0666, user_uid(), user_gid());
	file_make_for("open/f", 0666, user_uid(), user_gid());
	become_user();
	EXPECT_ERR(rename2("open/f", "closed/f", RENAME_EXCHANGE), EACCES);
	EXPECT_ERR(rename2("closed/f", "open/f", RENAME_EXCHANGE), EACCES);
}

static void expect_whiteout(const char *path)
{
	struct stat status = file_stat(path);

	EXPECT(S_ISCHR(status.st_mode));
	EXPECT_EQ(status.st_rdev, makedev(0, 0));
}

static void whiteout_stays_behind(void)
{
	file_make("f", "text");
	EXPECT_OK(rename2("f", "g", RENAME_WHITEOUT));
	EXPECT_TEXT("g", "text");
	expect_whiteout("f");
	EXPECT_EQ(file_links("f"), 1);
	EXPECT_EQ(dir_count("."), 2);
}

static void whiteout_of_directory(void)
{
	dir_make("a", 0755);
	dir_make("b", 0755);
	dir_make("a/d", 0755);
	file_make("a/d/f", "text");
	EXPECT_OK(rename2("a/d", "b/d", RENAME_WHITEOUT));
	EXPECT_TEXT("b/d/f", "text");
	expect_whiteout("a/d");
}

static void whiteout_replaces(void)
{
	file_make("f", "new");
	file_make("g", "old");
	EXPECT_OK(rename2("f", "g", RENAME_WHITEOUT));
	EXPECT_TEXT("g", "new");
	expect_whiteout("f");
}

static void whiteout_noreplace(void)
{
	file_make("f", "new");
	file_make("g", "old");
	EXPECT_ERR(rename2("f", "g", RENAME_WHITEOUT | RENAME_NOREPLACE), EEXIST);
	EXPECT_TEXT("f", "new");
	EXPECT_OK(rename2("f", "h", RENAME_WHITEOUT | RENAME_NOREPLACE));
	expect_whiteout("f");
	EXPECT_TEXT("h", "new");
}

static void whiteout_can_be_replaced(void)
{
	file_make("f", "text");
	EXPECT_OK(rename2("f", "g", RENAME_WHITEOUT));
	EXPECT_OK(rename2("g", "f", 0));
	EXPECT_TEXT("f", "text");
	EXPECT_EQ(dir_count("."), 1);
}

const struct check rename_flags_checks[] = {
	CHECK(rename_flags, no_flags_is_rename),
	CHECK(rename_flags, unknown_flag),
	CHECK(rename_flags, contradicting_flags),
	CHECK(rename_flags, noreplace_moves, .needs = NEED_NOREPLACE),
	CHECK(rename_flags, noreplace_refuses_existing, .needs = NEED_NOREPLACE),
	CHECK(rename_flags, noreplace_refuses_same_inode, .needs = NEED_NOREPLACE),
	CHECK(rename_flags, noreplace_missing_source, .needs = NEED_NOREPLACE),
	CHECK(rename_flags, exchange_files, .needs = NEED_EXCHANGE),
	CHECK(rename_flags, exchange_file_and_directory, .needs = NEED_EXCHANGE),
	CHECK(rename_flags, exchange_full_directories, .needs = NEED_EXCHANGE),
	CHECK(rename_flags, exchange_symlink_and_file, .needs = NEED_EXCHANGE),
	CHECK(rename_flags, exchange_link_counts, .needs = NEED_EXCHANGE | NEED_DIR_NLINK),
	CHECK(rename_flags, exchange_missing, .needs = NEED_EXCHANGE),
	CHECK(rename_flags, exchange_with_own_subtree, .needs = NEED_EXCHANGE),
	CHECK(rename_flags, exchange_same_inode, .needs = NEED_EXCHANGE),
	CHECK(rename_flags, exchange_open_files_follow, .needs = NEED_EXCHANGE),
	CHECK(rename_flags, exchange_updates_parent_times, .needs = NEED_EXCHANGE),
	CHECK(rename_flags, exchange_needs_writable_directories,
	      .needs = NEED_EXCHANGE | NEED_USERS),
	CHECK(rename_flags, whiteout_stays_behind, .needs = NEED_WHITEOUT),
	CHECK(rename_flags, whiteout_of_directory, .needs = NEED_WHITEOUT),
	CHECK(rename_flags, whiteout_replaces, .needs = NEED_WHITEOUT),
	CHECK(rename_flags, whiteout_noreplace, .needs = NEED_WHITEOUT),
	CHECK(rename_flags, whiteout_can_be_replaced, .needs = NEED_WHITEOUT),
	CHECK_END,
};
