/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

static void expect_owner(const char *path, uid_t uid, gid_t gid)
{
	struct stat status = file_stat(path);

	EXPECT_EQ(status.st_uid, uid);
	EXPECT_EQ(status.st_gid, gid);
}

static void changes_both(void)
{
	file_make("f", "");
	EXPECT_OK(chown("f", user_uid(), club_gid()));
	expect_owner("f", user_uid(), club_gid());
	dir_make("d", 0755);
	EXPECT_OK(chown("d", user_uid(), club_gid()));
	expect_owner("d", user_uid(), club_gid());
}

static void minus_one_keeps(void)
{
	file_make("f", "");
	EXPECT_OK(chown("f", 11, 12));
	EXPECT_OK(chown("f", 13, (gid_t)-1));
	expect_owner("f", 13, 12);
	EXPECT_OK(chown("f", (uid_t)-1, 14));
	expect_owner("f", 13, 14);
	EXPECT_OK(chown("f", (uid_t)-1, (gid_t)-1));
	expect_owner("f", 13, 14);
}

static void large_ids(void)
{
	file_make("f", "");
	EXPECT_OK(chown("f", 70000, 80000));
	expect_owner("f", 70000, 80000);
}

static void by_descriptor(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(fchown(fd, 11, 12));
	expect_owner("f", 11, 12);
	EXPECT_OK(fchownat(fd, "", 21, 22, AT_EMPTY_PATH));
	expect_owner("f", 21, 22);
}

static void symlink_itself(void)
{
	file_make("f", "");
	EXPECT_OK(symlink("f", "l"));
	EXPECT_OK(lchown("l", 11, 12));
	expect_owner("l", 11, 12);
	expect_owner("f", 0, 0);
	EXPECT_OK(fchownat(AT_FDCWD, "l", 21, 22, AT_SYMLINK_NOFOLLOW));
	expect_owner("l", 21, 22);
}

static void follows_symlink(void)
{
	file_make("f", "");
	EXPECT_OK(symlink("f", "l"));
	EXPECT_OK(symlink("missing", "dangling"));
	EXPECT_OK(chown("l", 11, 12));
	expect_owner("f", 11, 12);
	expect_owner("l", 0, 0);
	EXPECT_ERR(chown("dangling", 11, 12), ENOENT);
}

static void special_files(void)
{
	EXPECT_OK(mkfifo("p", 0644));
	EXPECT_OK(chown("p", 11, 12));
	expect_owner("p", 11, 12);
}

static void missing_names(void)
{
	file_make("f", "");
	EXPECT_ERR(chown("missing", (uid_t)-1, (gid_t)-1), ENOENT);
	EXPECT_ERR(chown("f/x", (uid_t)-1, (gid_t)-1), ENOTDIR);
	EXPECT_ERR(lchown("", (uid_t)-1, (gid_t)-1), ENOENT);
}

static void updates_change_time_only(void)
{
	struct stat before;

	file_make("f", "");
	before = file_stat("f");
	pause_tick();
	EXPECT_OK(chown("f", 11, 12));
	EXPECT_LATER(file_stat("f").st_ctim, before.st_ctim);
	EXPECT_TIME(file_stat("f").st_mtim, before.st_mtim);
}

static void user_can_not_give_away(void)
{
	file_make_for("f", 0644, user_uid(), user_gid());
	become_user();
	EXPECT_ERR(chown("f", stranger_uid(), (gid_t)-1), EPERM);
	EXPECT_ERR(chown("f", 0, (gid_t)-1), EPERM);
	expect_owner("f", user_uid(), user_gid());
}

static void user_can_not_take(void)
{
	file_make_mode("f", 0666);
	become_user();
	EXPECT_ERR(chown("f", user_uid(), (gid_t)-1), EPERM);
	EXPECT_ERR(chown("f", (uid_t)-1, user_gid()), EPERM);
	expect_owner("f", 0, 0);
}

static void owner_to_own_group(void)
{
	file_make_for("f", 0644, user_uid(), user_gid());
	become_member();
	EXPECT_OK(chown("f", (uid_t)-1, club_gid()));
	expect_owner("f", user_uid(), club_gid());
	EXPECT_OK(chown("f", user_uid(), user_gid()));
	expect_owner("f", user_uid(), user_gid());
}

static void owner_to_foreign_group(void)
{
	file_make_for("f", 0644, user_uid(), user_gid());
	become_user();
	EXPECT_ERR(chown("f", (uid_t)-1, club_gid()), EPERM);
	EXPECT_ERR(chown("f", user_uid(), stranger_gid()), EPERM);
	expect_owner("f", user_uid(), user_gid());
}

static void member_who_does_not_own(void)
{
	file_make_for("f", 0666, 0, user_gid());
	become_member();
	EXPECT_ERR(chown("f", (uid_t)-1, club_gid()), EPERM);
	expect_owner("f", 0, user_gid());
}

static void decides_about_access(void)
{
	file_make_mode("f", 0600);
	become_user();
	EXPECT_ERR(open("f", O_RDONLY), EACCES);
	become_root();
	EXPECT_OK(chown("f", user_uid(), user_gid()));
	become_user();
	EXPECT_OK(open("f", O_RDWR));
}

const struct check chown_checks[] = {
	CHECK(chown, changes_both, .needs = NEED_ROOT),
	CHECK(chown, minus_one_keeps, .needs = NEED_ROOT),
	CHECK(chown, large_ids, .needs = NEED_ROOT),
	CHECK(chown, by_descriptor, .needs = NEED_ROOT),
	CHECK(chown, symlink_itself, .needs = NEED_ROOT),
	CHECK(chown, follows_symlink, .needs = NEED_ROOT),
	CHECK(chown, special_files, .needs = NEED_ROOT),
	CHECK(chown, missing_names),
	CHECK(chown, updates_change_time_only, .needs = NEED_ROOT),
	CHECK(chown, user_can_not_give_away, .needs = NEED_USERS),
	CHECK(chown, user_can_not_take, .needs = NEED_USERS),
	CHECK(chown, owner_to_own_group, .needs = NEED_USERS),
	CHECK(chown, owner_to_foreign_group, .needs = NEED_USERS),
	CHECK(chown, member_who_does_not_own, .needs = NEED_USERS),
	CHECK(chown, decides_about_access, .needs = NEED_USERS),
	CHECK_END,
};
