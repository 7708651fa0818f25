/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

static void makes_empty_directory(void)
{
	EXPECT_OK(mkdir("d", 0755));
	EXPECT(S_ISDIR(file_stat("d").st_mode));
	EXPECT_EQ(dir_count("d"), 0);
	EXPECT_EQ(file_inode("d/."), file_inode("d"));
	EXPECT_EQ(file_inode("d/.."), file_inode("."));
}

static void mode_and_umask(void)
{
	umask(0);
	EXPECT_OK(mkdir("a", 0751));
	EXPECT_MODE(file_mode("a"), 0751);
	umask(027);
	EXPECT_OK(mkdir("b", 0777));
	EXPECT_MODE(file_mode("b"), 0750);
	umask(0777);
	EXPECT_OK(mkdir("c", 0777));
	EXPECT_MODE(file_mode("c"), 0);
}

/* Linux takes the sticky bit from the argument, but not the set-id bits. */
static void special_mode_bits(void)
{
	umask(0);
	EXPECT_OK(mkdir("a", 01777));
	EXPECT_MODE(file_mode("a"), 01777);
	EXPECT_OK(mkdir("b", 06755));
	EXPECT_MODE(file_mode("b"), 0755);
}

static void existing_name(void)
{
	file_make("f", "");
	dir_make("d", 0755);
	EXPECT_OK(symlink("missing", "l"));
	EXPECT_ERR(mkdir("f", 0755), EEXIST);
	EXPECT_ERR(mkdir("d", 0755), EEXIST);
	EXPECT_ERR(mkdir("l", 0755), EEXIST);
	EXPECT_GONE("missing");
}

static void missing_parent(void)
{
	file_make("f", "");
	EXPECT_ERR(mkdir("missing/d", 0755), ENOENT);
	EXPECT_ERR(mkdir("f/d", 0755), ENOTDIR);
	EXPECT_ERR(mkdir("", 0755), ENOENT);
}

static void trailing_slash(void)
{
	EXPECT_OK(mkdir("d/", 0755));
	EXPECT(S_ISDIR(file_stat("d").st_mode));
	EXPECT_OK(mkdir("d/e//", 0755));
	EXPECT_EQ(dir_count("d"), 1);
}

static void in_removed_directory(void)
{
	int fd;

	dir_make("d", 0755);
	fd = EXPECT_OK(open("d", O_RDONLY | O_DIRECTORY));
	EXPECT_OK(rmdir("d"));
	EXPECT_ERR(mkdirat(fd, "e", 0755), ENOENT);
}

static void link_counts(void)
{
	nlink_t before;

	dir_make("d", 0755);
	before = file_links("d");
	EXPECT_EQ(before, 2);
	EXPECT_OK(mkdir("d/a", 0755));
	EXPECT_OK(mkdir("d/b", 0755));
	file_make("d/f", "");
	EXPECT_EQ(file_links("d"), before + 2);
	EXPECT_EQ(file_links("d/a"), 2);
}

static void parent_times_advance(void)
{
	struct stat before;

	dir_make("d", 0755);
	before = file_stat("d");
	pause_tick();
	EXPECT_OK(mkdir("d/e", 0755));
	EXPECT_LATER(file_stat("d").st_mtim, before.st_mtim);
	EXPECT_LATER(file_stat("d").st_ctim, before.st_ctim);
}

static void owner_is_creator(void)
{
	dir_make("d", 0777);
	become_user();
	EXPECT_OK(mkdir("d/e", 0755));
	EXPECT_EQ(file_stat("d/e").st_uid, user_uid());
	EXPECT_EQ(file_stat("d/e").st_gid, user_gid());
}

static void needs_writable_parent(void)
{
	dir_make("d", 0755);
	become_user();
	EXPECT_ERR(mkdir("d/e", 0755), EACCES);
}

static void many_subdirectories(void)
{
	enum { COUNT = 200 };
	char name[16];

	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		EXPECT_OK(mkdir(name, 0755));
	}
	EXPECT_EQ(dir_count("."), COUNT);
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		EXPECT_OK(rmdir(name));
	}
	EXPECT_EQ(dir_count("."), 0);
}

const struct check mkdir_checks[] = {
	CHECK(mkdir, makes_empty_directory),
	CHECK(mkdir, mode_and_umask),
	CHECK(mkdir, special_mode_bits),
	CHECK(mkdir, existing_name),
	CHECK(mkdir, missing_parent),
	CHECK(mkdir, trailing_slash),
	CHECK(mkdir, in_removed_directory),
	CHECK(mkdir, link_counts, .needs = NEED_DIR_NLINK),
	CHECK(mkdir, parent_times_advance),
	CHECK(mkdir, owner_is_creator, .needs = NEED_USERS),
	CHECK(mkdir, needs_writable_parent, .needs = NEED_USERS),
	CHECK(mkdir, many_subdirectories),
	CHECK_END,
};
