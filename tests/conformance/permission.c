/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may do what, and what access says about it. */
#include "groups.h"

#include <dirent.h>

static void access_of_existing(void)
{
	file_make("f", "");
	EXPECT_OK(access("f", F_OK));
	EXPECT_OK(access("f", R_OK | W_OK));
	EXPECT_OK(access(".", X_OK));
	EXPECT_ERR(access("missing", F_OK), ENOENT);
	EXPECT_ERR(access("f/x", F_OK), ENOTDIR);
	EXPECT_ERR(access("f", 8), EINVAL);
}

static void root_needs_one_execute_bit(void)
{
	file_make_mode("none", 0666);
	file_make_mode("one", 0601);
	EXPECT_ERR(access("none", X_OK), EACCES);
	EXPECT_OK(access("one", X_OK));
}

static void root_reads_and_writes_all(void)
{
	int fd;

	file_make_for("f", 0, user_uid(), user_gid());
	dir_make_for("d", 0, user_uid(), user_gid());
	EXPECT_OK(access("f", R_OK | W_OK));
	fd = EXPECT_OK(open("f", O_RDWR));
	file_put(fd, "x", 1, 0);
	file_make("d/f", "");
	EXPECT_EQ(dir_count("d"), 1);
}

/* Each class of the mode, as seen by access and by open. */
static void expect_rights(const char *path, bool can_read, bool can_write)
{
	if (can_read) {
		EXPECT_OK(access(path, R_OK));
		EXPECT_OK(close(EXPECT_OK(open(path, O_RDONLY))));
	} else {
		EXPECT_ERR(access(path, R_OK), EACCES);
		EXPECT_ERR(open(path, O_RDONLY), EACCES);
	}
	if (can_write) {
		EXPECT_OK(access(path, W_OK));
		EXPECT_OK(close(EXPECT_OK(open(path, O_WRONLY))));
	} else {
		EXPECT_ERR(access(path, W_OK), EACCES);
		EXPECT_ERR(open(path, O_WRONLY), EACCES);
	}
	if (!can_read || !can_write)
		EXPECT_ERR(open(path, O_RDWR), EACCES);
	else
		EXPECT_OK(close(EXPECT_OK(open(path, O_RDWR))));
}

static void owner_class(void)
{
	file_make_for("r", 0400, user_uid(), user_gid());
	file_make_for("w", 0200, user_uid(), user_gid());
	file_make_for("rw", 0600, user_uid(), user_gid());
	file_make_for("none", 0077, user_uid(), user_gid());
	become_user();
	expect_rights("r", true, false);
	expect_rights("w", false, true);
	expect_rights("rw", true, true);
	expect_rights("none", false, false);
}

static void group_class(void)
{
	file_make_for("r", 0040, stranger_uid(), user_gid());
	file_make_for("w", 0020, stranger_uid(), user_gid());
	file_make_for("rw", 0060, stranger_uid(), user_gid());
	file_make_for("none", 0707, stranger_uid(), user_gid());
	become_user();
	expect_rights("r", true, false);
	expect_rights("w", false, true);
	expect_rights("rw", true, true);
	expect_rights("none", false, false);
}

static void supplementary_group_class(void)
{
	file_make_for("r", 0040, stranger_uid(), club_gid());
	file_make_for("none", 0707, stranger_uid(), club_gid());
	become_member();
	expect_rights("r", true, false);
	expect_rights("none", false, false);
	become_user();
	expect_rights("r", false, false);
	expect_rights("none", true, true);
}

static void other_class(void)
{
	file_make_mode("r", 0004);
	file_make_mode("w", 0002);
	file_make_mode("rw", 0006);
	file_make_mode("none", 0770);
	become_user();
	expect_rights("r", true, false);
	expect_rights("w", false, true);
	expect_rights("rw", true, true);
	expect_rights("none", false, false);
}

static void access_uses_real_ids(void)
{
	file_make_mode("f", 0600);
	EXPECT_OK(setresuid(user_uid(), 0, 0));
	EXPECT_ERR(access("f", R_OK), EACCES);
	EXPECT_OK(faccessat(AT_FDCWD, "f", R_OK, AT_EACCESS));
	EXPECT_OK(open("f", O_RDONLY));
}

static void search_needed_on_the_way(void)
{
	dir_make("d", 0766);
	dir_make("d/e", 0777);
	file_make_mode("d/e/f", 0666);
	become_user();
	EXPECT_ERR(open("d/e/f", O_RDONLY), EACCES);
	EXPECT_ERR(access("d/e/f", F_OK), EACCES);
	EXPECT_ERR(access("d/missing", F_OK), EACCES);
	EXPECT_ERR(chdir("d"), EACCES);
	EXPECT_ERR(mkdir("d/new", 0755), EACCES);
}

static void search_only_directory(void)
{
	dir_make("d", 0711);
	file_make_mode("d/f", 0644);
	become_user();
	EXPECT_OK(open("d/f", O_RDONLY));
	EXPECT_ERR(open("d", O_RDONLY | O_DIRECTORY), EACCES);
	EXPECT_OK(chdir("d"));
	EXPECT_OK(open("f", O_RDONLY));
}

static void read_only_directory_lists_names(void)
{
	dir_make("d", 0744);
	file_make_mode("d/f", 0644);
	become_user();
	EXPECT_EQ(dir_count("d"), 1);
	EXPECT_ERR(access("d/f", F_OK), EACCES);
}

static void directory_without_write(void)
{
	dir_make("d", 0755);
	file_make_mode("d/f", 0666);
	become_user();
	EXPECT_ERR(open("d/new", O_RDWR | O_CREAT, 0644), EACCES);
	EXPECT_ERR(mkfifo("d/new", 0644), EACCES);
	EXPECT_ERR(symlink("x", "d/new"), EACCES);
	EXPECT_ERR(unlink("d/f"), EACCES);
	EXPECT_ERR(rename("d/f", "d/new"), EACCES);
	EXPECT_OK(open("d/f", O_RDWR | O_CREAT, 0644));
}

static void directory_with_write_but_no_search(void)
{
	dir_make("d", 0766);
	file_make_mode("d/f", 0666);
	become_user();
	EXPECT_ERR(open("d/new", O_RDWR | O_CREAT, 0644), EACCES);
	EXPECT_ERR(unlink("d/f"), EACCES);
}

static void truncating_open_needs_write(void)
{
	file_make("f", "text");
	file_chmod("f", 0444);
	become_user();
	EXPECT_ERR(open("f", O_RDONLY | O_TRUNC), EACCES);
	EXPECT_TEXT("f", "text");
}

static void descriptor_keeps_rights(void)
{
	char data[4];
	int fd;

	file_make("f", "text");
	file_chmod("f", 0666);
	become_user();
	fd = EXPECT_OK(open("f", O_RDWR));
	become_root();
	EXPECT_OK(chmod("f", 0));
	become_user();
	file_take(fd, data, 4, 0);
	file_put(fd, "more", 4, 4);
	EXPECT_ERR(open("f", O_RDONLY), EACCES);
}

static void path_descriptor_needs_no_rights(void)
{
	struct stat status;
	int fd;

	file_make_mode("f", 0);
	become_user();
	fd = EXPECT_OK(open("f", O_PATH));
	EXPECT_OK(fstat(fd, &status));
	EXPECT_EQ(status.st_ino, file_inode("f"));
}

static void directory_descriptor_needs_search_at_use(void)
{
	int fd;

	dir_make("d", 0755);
	file_make_mode("d/f", 0644);
	become_user();
	fd = EXPECT_OK(open("d", O_RDONLY | O_DIRECTORY));
	EXPECT_OK(openat(fd, "f", O_RDONLY));
	become_root();
	EXPECT_OK(chmod("d", 0744));
	become_user();
	EXPECT_ERR(openat(fd, "f", O_RDONLY), EACCES);
}

static void owner_can_lock_himself_out(void)
{
	dir_make_for("d", 0755, user_uid(), user_gid());
	become_user();
	file_make("d/f", "text");
	EXPECT_OK(chmod("d", 0));
	EXPECT_ERR(open("d/f", O_RDONLY), EACCES);
	EXPECT_ERR(open("d", O_RDONLY), EACCES);
	EXPECT_OK(chmod("d", 0700));
	EXPECT_TEXT("d/f", "text");
}

static void another_user_has_another_view(void)
{
	file_make_for("f", 0600, user_uid(), user_gid());
	become_user();
	EXPECT_OK(open("f", O_RDWR));
	become_stranger();
	EXPECT_ERR(open("f", O_RDONLY), EACCES);
	become_user();
	EXPECT_OK(open("f", O_RDWR));
}

const struct check permission_checks[] = {
	CHECK(permission, access_of_existing),
	CHECK(permission, root_needs_one_execute_bit, .needs = NEED_ROOT | NEED_EXEC),
	CHECK(permission, root_reads_and_writes_all, .needs = NEED_ROOT),
	CHECK(permission, owner_class, .needs = NEED_USERS),
	CHECK(permission, group_class, .needs = NEED_USERS),
	CHECK(permission, supplementary_group_class, .needs = NEED_USERS),
	CHECK(permission, other_class, .needs = NEED_USERS),
	CHECK(permission, access_uses_real_ids, .needs = NEED_USERS),
	CHECK(permission, search_needed_on_the_way, .needs = NEED_USERS),
	CHECK(permission, search_only_directory, .needs = NEED_USERS),
	CHECK(permission, read_only_directory_lists_names, .needs = NEED_USERS),
	CHECK(permission, directory_without_write, .needs = NEED_USERS),
	CHECK(permission, directory_with_write_but_no_search, .needs = NEED_USERS),
	CHECK(permission, truncating_open_needs_write, .needs = NEED_USERS),
	CHECK(permission, descriptor_keeps_rights, .needs = NEED_USERS),
	CHECK(permission, path_descriptor_needs_no_rights, .needs = NEED_USERS),
	CHECK(permission, directory_descriptor_needs_search_at_use, .needs = NEED_USERS),
	CHECK(permission, owner_can_lock_himself_out, .needs = NEED_USERS),
	CHECK(permission, another_user_has_another_view, .needs = NEED_USERS),
	CHECK_END,
};
