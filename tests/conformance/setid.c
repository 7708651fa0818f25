/* SPDX-License-Identifier: BSD-3-Clause */
/* When the set-user-id and set-group-id bits of a file must go. */
#include "groups.h"

static void make_setid(mode_t mode)
{
	file_make_for("f", mode, 0, user_gid());
	EXPECT_OK(truncate("f", 100));
	file_chmod("f", mode);
}

static void write_clears_both(void)
{
	make_setid(06777);
	become_user();
	file_put(EXPECT_OK(open("f", O_WRONLY)), "x", 1, 0);
	EXPECT_MODE(file_mode("f"), 0777);
}

static void append_clears_both(void)
{
	make_setid(06777);
	become_user();
	EXPECT_OK(write(EXPECT_OK(open("f", O_WRONLY | O_APPEND)), "x", 1));
	EXPECT_MODE(file_mode("f"), 0777);
}

static void owner_write_clears_both(void)
{
	file_make_for("f", 06755, user_uid(), user_gid());
	become_user();
	file_put(EXPECT_OK(open("f", O_WRONLY)), "x", 1, 0);
	EXPECT_MODE(file_mode("f"), 0755);
}

static void write_keeps_setgid_without_execute(void)
{
	make_setid(02666);
	become_user();
	file_put(EXPECT_OK(open("f", O_WRONLY)), "x", 1, 0);
	EXPECT_MODE(file_mode("f"), 02666);
}

static void root_write_keeps_both(void)
{
	make_setid(06777);
	file_put(EXPECT_OK(open("f", O_WRONLY)), "x", 1, 0);
	EXPECT_MODE(file_mode("f"), 06777);
}

static void ftruncate_clears_both(void)
{
	make_setid(06777);
	become_user();
	EXPECT_OK(ftruncate(EXPECT_OK(open("f", O_WRONLY)), 10));
	EXPECT_MODE(file_mode("f"), 0777);
}

static void truncate_clears_both(void)
{
	make_setid(06777);
	become_user();
	EXPECT_OK(truncate("f", 10));
	EXPECT_MODE(file_mode("f"), 0777);
}

static void open_truncating_clears_both(void)
{
	make_setid(06777);
	become_user();
	EXPECT_OK(open("f", O_WRONLY | O_TRUNC));
	EXPECT_MODE(file_mode("f"), 0777);
}

static void reading_keeps_both(void)
{
	char byte;

	make_setid(06777);
	become_user();
	file_take(EXPECT_OK(open("f", O_RDWR)), &byte, 1, 0);
	EXPECT_MODE(file_mode("f"), 06777);
}

static void fallocate_clears_both(void)
{
	make_setid(06777);
	become_user();
	EXPECT_OK(fallocate(EXPECT_OK(open("f", O_WRONLY)), 0, 0, 8192));
	EXPECT_MODE(file_mode("f"), 0777);
}

static void copy_range_clears_both(void)
{
	int from;

	make_setid(06777);
	file_make("from", "text");
	become_user();
	from = EXPECT_OK(open("from", O_RDONLY));
	EXPECT_EQ(copy_file_range(from, NULL, EXPECT_OK(open("f", O_WRONLY)), NULL, 4, 0), 4);
	EXPECT_MODE(file_mode("f"), 0777);
}

static void chown_by_root_clears_both(void)
{
	make_setid(06755);
	EXPECT_OK(chown("f", user_uid(), (gid_t)-1));
	EXPECT_MODE(file_mode("f"), 0755);
	file_chmod("f", 06755);
	EXPECT_OK(chown("f", (uid_t)-1, club_gid()));
	EXPECT_MODE(file_mode("f"), 0755);
}

static void chown_keeps_directory_bits(void)
{
	dir_make_for("d", 06755, 0, 0);
	EXPECT_OK(chown("d", user_uid(), user_gid()));
	EXPECT_MODE(file_mode("d"), 06755);
}

static void chgrp_by_owner_clears_both(void)
{
	file_make_for("f", 06755, user_uid(), user_gid());
	become_member();
	EXPECT_OK(chown("f", (uid_t)-1, club_gid()));
	EXPECT_MODE(file_mode("f"), 0755);
	EXPECT_EQ(file_stat("f").st_gid, club_gid());
}

static void chmod_by_owner_sets_both(void)
{
	file_make_for("f", 0755, user_uid(), user_gid());
	become_user();
	EXPECT_OK(chmod("f", 06755));
	EXPECT_MODE(file_mode("f"), 06755);
}

static void chmod_by_outsider_drops_setgid(void)
{
	file_make_for("f", 0755, user_uid(), club_gid());
	become_user();
	EXPECT_OK(chmod("f", 06755));
	EXPECT_MODE(file_mode("f"), 04755);
	become_member();
	EXPECT_OK(chmod("f", 06755));
	EXPECT_MODE(file_mode("f"), 06755);
}

static void names_and_links_keep_both(void)
{
	make_setid(06755);
	EXPECT_OK(link("f", "g"));
	EXPECT_OK(rename("f", "h"));
	EXPECT_OK(unlink("g"));
	EXPECT_MODE(file_mode("h"), 06755);
}

static void every_write_clears_again(void)
{
	int fd;

	make_setid(06777);
	become_user();
	fd = EXPECT_OK(open("f", O_WRONLY));
	file_put(fd, "x", 1, 0);
	become_root();
	EXPECT_OK(chmod("f", 04777));
	become_user();
	file_put(fd, "y", 1, 1);
	EXPECT_MODE(file_mode("f"), 0777);
}

const struct check setid_checks[] = {
	CHECK(setid, write_clears_both, .needs = NEED_USERS),
	CHECK(setid, append_clears_both, .needs = NEED_USERS),
	CHECK(setid, owner_write_clears_both, .needs = NEED_USERS),
	CHECK(setid, write_keeps_setgid_without_execute, .needs = NEED_USERS),
	CHECK(setid, root_write_keeps_both, .needs = NEED_USERS),
	CHECK(setid, ftruncate_clears_both, .needs = NEED_USERS),
	CHECK(setid, truncate_clears_both, .needs = NEED_USERS),
	CHECK(setid, open_truncating_clears_both, .needs = NEED_USERS),
	CHECK(setid, reading_keeps_both, .needs = NEED_USERS),
	CHECK(setid, fallocate_clears_both, .needs = NEED_USERS | NEED_FALLOCATE),
	CHECK(setid, copy_range_clears_both, .needs = NEED_USERS | NEED_COPY_RANGE),
	CHECK(setid, chown_by_root_clears_both, .needs = NEED_USERS),
	CHECK(setid, chown_keeps_directory_bits, .needs = NEED_USERS),
	CHECK(setid, chgrp_by_owner_clears_both, .needs = NEED_USERS),
	CHECK(setid, chmod_by_owner_sets_both, .needs = NEED_USERS),
	CHECK(setid, chmod_by_outsider_drops_setgid, .needs = NEED_USERS),
	CHECK(setid, names_and_links_keep_both, .needs = NEED_USERS),
	CHECK(setid, every_write_clears_again, .needs = NEED_USERS),
	CHECK_END,
};
