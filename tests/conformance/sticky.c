/* SPDX-License-Identifier: BSD-3-Clause */
/* Directories with the sticky bit: only owners remove and rename. */
#include "groups.h"

/* A sticky directory of root with a file and a directory of the user. */
static void make_sticky(void)
{
	dir_make("d", 01777);
	file_make_for("d/f", 0666, user_uid(), user_gid());
	dir_make_for("d/e", 0777, user_uid(), user_gid());
}

static void stranger_can_not_unlink(void)
{
	make_sticky();
	become_stranger();
	EXPECT_ERR2(unlink("d/f"), EPERM, EACCES);
	EXPECT(file_exists("d/f"));
}

static void stranger_can_not_rmdir(void)
{
	make_sticky();
	become_stranger();
	EXPECT_ERR2(rmdir("d/e"), EPERM, EACCES);
	EXPECT(file_exists("d/e"));
}

static void stranger_can_not_rename_away(void)
{
	make_sticky();
	become_stranger();
	EXPECT_ERR2(rename("d/f", "d/g"), EPERM, EACCES);
	EXPECT(file_exists("d/f"));
}

static void stranger_can_not_replace(void)
{
	make_sticky();
	become_stranger();
	file_make("d/mine", "mine");
	EXPECT_ERR2(rename("d/mine", "d/f"), EPERM, EACCES);
	EXPECT_EQ(file_size("d/f"), 0);
	EXPECT_TEXT("d/mine", "mine");
}

static void stranger_can_not_exchange(void)
{
	make_sticky();
	become_stranger();
	file_make("d/mine", "mine");
	EXPECT_ERR2(renameat2(AT_FDCWD, "d/mine", AT_FDCWD, "d/f", RENAME_EXCHANGE), EPERM, EACCES);
	EXPECT_TEXT("d/mine", "mine");
}

static void stranger_creates_and_removes_own(void)
{
	make_sticky();
	become_stranger();
	file_make("d/mine", "");
	EXPECT_OK(rename("d/mine", "d/still_mine"));
	EXPECT_OK(unlink("d/still_mine"));
	EXPECT_OK(mkdir("d/own", 0755));
	EXPECT_OK(rmdir("d/own"));
}

static void owner_of_file_may(void)
{
	make_sticky();
	become_user();
	EXPECT_OK(rename("d/f", "d/g"));
	EXPECT_OK(unlink("d/g"));
	EXPECT_OK(rmdir("d/e"));
}

static void owner_of_directory_may(void)
{
	dir_make_for("d", 01777, user_uid(), user_gid());
	file_make_for("d/f", 0600, stranger_uid(), stranger_gid());
	file_make_for("d/g", 0600, stranger_uid(), stranger_gid());
	become_user();
	EXPECT_OK(unlink("d/f"));
	EXPECT_OK(rename("d/g", "d/h"));
}

static void group_does_not_help(void)
{
	dir_make_for("d", 01777, 0, user_gid());
	file_make_for("d/f", 0666, stranger_uid(), user_gid());
	become_user();
	EXPECT_ERR2(unlink("d/f"), EPERM, EACCES);
}

static void root_may(void)
{
	make_sticky();
	EXPECT_OK(rename("d/f", "d/g"));
	EXPECT_OK(unlink("d/g"));
	EXPECT_OK(rmdir("d/e"));
}

static void without_the_bit_anybody_may(void)
{
	make_sticky();
	EXPECT_OK(chmod("d", 0777));
	become_stranger();
	EXPECT_OK(unlink("d/f"));
	EXPECT_OK(rmdir("d/e"));
}

const struct check sticky_checks[] = {
	CHECK(sticky, stranger_can_not_unlink, .needs = NEED_USERS),
	CHECK(sticky, stranger_can_not_rmdir, .needs = NEED_USERS),
	CHECK(sticky, stranger_can_not_rename_away, .needs = NEED_USERS),
	CHECK(sticky, stranger_can_not_replace, .needs = NEED_USERS),
	CHECK(sticky, stranger_can_not_exchange, .needs = NEED_USERS | NEED_EXCHANGE),
	CHECK(sticky, stranger_creates_and_removes_own, .needs = NEED_USERS),
	CHECK(sticky, owner_of_file_may, .needs = NEED_USERS),
	CHECK(sticky, owner_of_directory_may, .needs = NEED_USERS),
	CHECK(sticky, group_does_not_help, .needs = NEED_USERS),
	CHECK(sticky, root_may, .needs = NEED_USERS),
	CHECK(sticky, without_the_bit_anybody_may, .needs = NEED_USERS),
	CHECK_END,
};
