/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

static void all_file_modes(void)
{
	file_make("f", "");
	for (mode_t mode = 0; mode <= 07777; mode += 61) {
		EXPECT_OK(chmod("f", mode));
		EXPECT_MODE(file_stat("f").st_mode, S_IFREG | mode);
	}
}

static void directory_modes(void)
{
	static const mode_t modes[] = { 0, 0100, 0700, 0755, 01777, 02775, 0777 };

	dir_make("d", 0755);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		EXPECT_OK(chmod("d", modes[i]));
		EXPECT_MODE(file_stat("d").st_mode, S_IFDIR | modes[i]);
	}
}

static void by_descriptor(void)
{
	int fd;

	file_make("f", "");
	fd = EXPECT_OK(open("f", O_RDONLY));
	EXPECT_OK(fchmod(fd, 0601));
	EXPECT_MODE(file_mode("f"), 0601);
	EXPECT_MODE(file_stat_fd(fd).st_mode & 07777, 0601);
	EXPECT_OK(mkdir("d", 0755));
	EXPECT_OK(fchmod(EXPECT_OK(open("d", O_RDONLY)), 0750));
	EXPECT_MODE(file_mode("d"), 0750);
}

static void relative_to_descriptor(void)
{
	int fd;

	dir_make("d", 0755);
	file_make("d/f", "");
	fd = EXPECT_OK(open("d", O_RDONLY | O_DIRECTORY));
	EXPECT_OK(fchmodat(fd, "f", 0604, 0));
	EXPECT_MODE(file_mode("d/f"), 0604);
}

static void special_files(void)
{
	EXPECT_OK(mkfifo("p", 0644));
	EXPECT_OK(chmod("p", 0620));
	EXPECT_MODE(file_stat("p").st_mode, S_IFIFO | 0620);
}

static void follows_symlink(void)
{
	file_make("f", "");
	EXPECT_OK(symlink("f", "l"));
	EXPECT_OK(symlink("missing", "dangling"));
	EXPECT_OK(chmod("l", 0606));
	EXPECT_MODE(file_mode("f"), 0606);
	EXPECT_ERR(chmod("dangling", 0606), ENOENT);
}

static void missing_names(void)
{
	file_make("f", "");
	EXPECT_ERR(chmod("missing", 0644), ENOENT);
	EXPECT_ERR(chmod("f/x", 0644), ENOTDIR);
	EXPECT_ERR(chmod("", 0644), ENOENT);
}

static void updates_change_time_only(void)
{
	struct stat before;

	file_make("f", "");
	before = file_stat("f");
	pause_tick();
	EXPECT_OK(chmod("f", 0600));
	EXPECT_LATER(file_stat("f").st_ctim, before.st_ctim);
	EXPECT_TIME(file_stat("f").st_mtim, before.st_mtim);
	EXPECT_TIME(file_stat("f").st_atim, before.st_atim);
}

static void keeps_content_and_size(void)
{
	int fd = file_open_new("f");

	file_put(fd, "text", 4, 0);
	EXPECT_OK(chmod("f", 0400));
	EXPECT_OK(chmod("f", 0644));
	EXPECT_TEXT("f", "text");
}

static void is_for_the_owner(void)
{
	file_make_mode("f", 0666);
	dir_make("d", 0777);
	become_user();
	EXPECT_ERR(chmod("f", 0600), EPERM);
	EXPECT_ERR(chmod("d", 0700), EPERM);
	EXPECT_ERR(fchmod(EXPECT_OK(open("f", O_RDWR)), 0600), EPERM);
	EXPECT_MODE(file_mode("f"), 0666);
}

static void group_member_is_not_the_owner(void)
{
	file_make_for("f", 0666, 0, user_gid());
	become_user();
	EXPECT_ERR(chmod("f", 0600), EPERM);
}

static void owner_needs_no_permission(void)
{
	file_make_for("f", 0, user_uid(), user_gid());
	become_user();
	EXPECT_OK(chmod("f", 0400));
	EXPECT_OK(open("f", O_RDONLY));
	EXPECT_OK(chmod("f", 0));
	EXPECT_ERR(open("f", O_RDONLY), EACCES);
}

static void failure_keeps_change_time(void)
{
	struct stat before;

	file_make_mode("f", 0666);
	before = file_stat("f");
	become_user();
	pause_tick();
	EXPECT_ERR(chmod("f", 0600), EPERM);
	EXPECT_TIME(file_stat("f").st_ctim, before.st_ctim);
}

static void root_sets_setgid_of_any_group(void)
{
	file_make_for("f", 0755, user_uid(), club_gid());
	EXPECT_OK(chmod("f", 07755));
	EXPECT_MODE(file_mode("f"), 07755);
}

static void takes_effect_at_once(void)
{
	pid_t pid;

	file_make_for("f", 0600, user_uid(), user_gid());
	for (int i = 0; i < 10; i++) {
		EXPECT_OK(chmod("f", i % 2 ? 0600 : 0));
		pid = EXPECT_OK(fork());
		if (pid == 0) {
			become_user();
			if (i % 2)
				EXPECT_OK(open("f", O_RDONLY));
			else
				EXPECT_ERR(open("f", O_RDONLY), EACCES);
			_exit(0);
		}
		EXPECT_CHILD(pid);
	}
}

const struct check chmod_checks[] = {
	CHECK(chmod, all_file_modes),
	CHECK(chmod, directory_modes),
	CHECK(chmod, by_descriptor),
	CHECK(chmod, relative_to_descriptor),
	CHECK(chmod, special_files),
	CHECK(chmod, follows_symlink),
	CHECK(chmod, missing_names),
	CHECK(chmod, updates_change_time_only),
	CHECK(chmod, keeps_content_and_size),
	CHECK(chmod, is_for_the_owner, .needs = NEED_USERS),
	CHECK(chmod, group_member_is_not_the_owner, .needs = NEED_USERS),
	CHECK(chmod, owner_needs_no_permission, .needs = NEED_USERS),
	CHECK(chmod, failure_keeps_change_time, .needs = NEED_USERS),
	CHECK(chmod, root_sets_setgid_of_any_group, .needs = NEED_USERS),
	CHECK(chmod, takes_effect_at_once, .needs = NEED_USERS),
	CHECK_END,
};
