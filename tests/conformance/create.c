/* SPDX-License-Identifier: BSD-3-Clause */
/* Creating files with open: exclusiveness, mode, owner, inheritance from the directory. */
#include "groups.h"

static int create(const char *path, mode_t mode)
{
	return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
}

static void exclusive_refuses_existing(void)
{
	file_make("f", "text");
	dir_make("d", 0755);
	EXPECT_OK(mkfifo("p", 0644));
	EXPECT_ERR(create("f", 0644), EEXIST);
	EXPECT_ERR(create("d", 0644), EEXIST);
	EXPECT_ERR(create("p", 0644), EEXIST);
	EXPECT_TEXT("f", "text");
}

static void exclusive_refuses_symlink(void)
{
	file_make("f", "text");
	EXPECT_OK(symlink("f", "l"));
	EXPECT_OK(symlink("missing", "dangling"));
	EXPECT_ERR(create("l", 0644), EEXIST);
	EXPECT_ERR(create("dangling", 0644), EEXIST);
	EXPECT_GONE("missing");
}

static void exclusive_truncate_keeps_existing(void)
{
	file_make("f", "text");
	EXPECT_ERR(open("f", O_RDWR | O_CREAT | O_EXCL | O_TRUNC, 0644), EEXIST);
	EXPECT_TEXT("f", "text");
}

static void existing_keeps_content_and_mode(void)
{
	ino_t inode;

	file_make("f", "text");
	file_chmod("f", 0640);
	inode = file_inode("f");
	EXPECT_OK(open("f", O_RDWR | O_CREAT, 0777));
	EXPECT_TEXT("f", "text");
	EXPECT_MODE(file_mode("f"), 0640);
	EXPECT_EQ(file_inode("f"), inode);
}

static void mode_bits_kept(void)
{
	static const mode_t modes[] = { 0, 0400, 0200, 0100, 0644, 0666, 0755, 0777, 0421, 04755 };
	char name[] = "a";

	umask(0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++, name[0]++) {
		EXPECT_OK(create(name, modes[i]));
		EXPECT_MODE(file_mode(name), modes[i]);
	}
}

static void umask_applies(void)
{
	umask(077);
	EXPECT_OK(create("a", 0666));
	EXPECT_MODE(file_mode("a"), 0600);
	umask(0123);
	EXPECT_OK(create("b", 0777));
	EXPECT_MODE(file_mode("b"), 0654);
	umask(0777);
	EXPECT_OK(create("c", 0777));
	EXPECT_MODE(file_mode("c"), 0);
}

static void unreadable_mode_still_opens(void)
{
	char data[4];
	int fd = EXPECT_OK(create("f", 0));

	file_put(fd, "text", 4, 0);
	file_take(fd, data, 4, 0);
	EXPECT_DATA(data, "text", 4);
}

static void unreadable_mode_still_opens_for_user(void)
{
	int fd;

	dir_make("d", 0777);
	become_user();
	fd = EXPECT_OK(create("d/f", 0));
	file_put(fd, "text", 4, 0);
	EXPECT_ERR(open("d/f", O_RDONLY), EACCES);
	EXPECT_EQ(file_stat_fd(fd).st_size, 4);
}

static void read_only_mode_opens_for_writing(void)
{
	int fd = EXPECT_OK(open("f", O_WRONLY | O_CREAT | O_EXCL, 0444));

	file_put(fd, "text", 4, 0);
	EXPECT_TEXT("f", "text");
	EXPECT_MODE(file_mode("f"), 0444);
}

static void new_file_is_empty(void)
{
	struct stat status = file_stat_fd(EXPECT_OK(create("f", 0644)));

	EXPECT(S_ISREG(status.st_mode));
	EXPECT_EQ(status.st_size, 0);
	EXPECT_EQ(status.st_nlink, 1);
	EXPECT_EQ(status.st_blocks, 0);
	EXPECT_EQ(status.st_ino, file_inode("f"));
}

static void truncating_creat_of_new_name(void)
{
	EXPECT_OK(creat("f", 0640));
	EXPECT_MODE(file_mode("f"), 0640);
	EXPECT_EQ(file_size("f"), 0);
}

static void owner_is_creator(void)
{
	struct stat status;

	dir_make("d", 0777);
	become_user();
	EXPECT_OK(create("d/f", 0644));
	status = file_stat("d/f");
	EXPECT_EQ(status.st_uid, user_uid());
	EXPECT_EQ(status.st_gid, user_gid());
}

static void parent_times_advance(void)
{
	struct stat before;

	dir_make("d", 0755);
	before = file_stat("d");
	pause_tick();
	EXPECT_OK(create("d/f", 0644));
	EXPECT_LATER(file_stat("d").st_mtim, before.st_mtim);
	EXPECT_LATER(file_stat("d").st_ctim, before.st_ctim);
	EXPECT_LATER(file_stat("d/f").st_mtim, before.st_mtim);
}

static void opening_existing_keeps_parent_times(void)
{
	struct stat before;

	dir_make("d", 0755);
	file_make("d/f", "text");
	before = file_stat("d");
	pause_tick();
	EXPECT_OK(open("d/f", O_RDWR | O_CREAT, 0644));
	EXPECT_TIME(file_stat("d").st_mtim, before.st_mtim);
	EXPECT_TIME(file_stat("d").st_ctim, before.st_ctim);
}

static void missing_parent(void)
{
	EXPECT_ERR(create("missing/f", 0644), ENOENT);
	EXPECT_OK(symlink("nowhere", "l"));
	EXPECT_ERR(create("l/f", 0644), ENOENT);
}

static void trailing_slash(void)
{
	EXPECT_ERR(create("new/", 0644), EISDIR);
	EXPECT_GONE("new");
}

static void in_removed_directory(void)
{
	int fd;

	dir_make("d", 0755);
	fd = EXPECT_OK(open("d", O_RDONLY | O_DIRECTORY));
	EXPECT_OK(rmdir("d"));
	EXPECT_ERR(openat(fd, "f", O_RDWR | O_CREAT, 0644), ENOENT);
}

static void in_read_only_directory(void)
{
	dir_make_for("d", 0555, user_uid(), user_gid());
	become_user();
	EXPECT_ERR(create("d/f", 0644), EACCES);
	EXPECT_EQ(dir_count("d"), 0);
}

static void name_freed_by_unlink(void)
{
	for (int i = 0; i < 100; i++) {
		int fd = EXPECT_OK(create("f", 0644));

		EXPECT_ERR(create("f", 0644), EEXIST);
		EXPECT_OK(close(fd));
		EXPECT_OK(unlink("f"));
		EXPECT_GONE("f");
	}
}

static void setgid_directory_gives_group(void)
{
	dir_make_for("d", 02777, 0, club_gid());
	become_user();
	EXPECT_OK(create("d/f", 0644));
	EXPECT_OK(mkfifo("d/p", 0644));
	EXPECT_OK(symlink("f", "d/l"));
	EXPECT_EQ(file_stat("d/f").st_gid, club_gid());
	EXPECT_EQ(file_stat("d/p").st_gid, club_gid());
	EXPECT_EQ(file_stat("d/l").st_gid, club_gid());
	EXPECT_EQ(file_stat("d/f").st_uid, user_uid());
	EXPECT_MODE(file_mode("d/f"), 0644);
}

static void setgid_directory_passes_bit_to_subdirectory(void)
{
	dir_make_for("d", 02777, 0, club_gid());
	become_user();
	EXPECT_OK(mkdir("d/sub", 0755));
	EXPECT_EQ(file_stat("d/sub").st_gid, club_gid());
	EXPECT_MODE(file_mode("d/sub"), 02755);
}

static void plain_directory_keeps_own_group(void)
{
	dir_make_for("d", 0777, 0, club_gid());
	become_user();
	EXPECT_OK(create("d/f", 0644));
	EXPECT_OK(mkdir("d/sub", 0755));
	EXPECT_EQ(file_stat("d/f").st_gid, user_gid());
	EXPECT_EQ(file_stat("d/sub").st_gid, user_gid());
	EXPECT_MODE(file_mode("d/sub"), 0755);
}

/* A file must not become setgid for a group its creator is not in. */
static void setgid_file_refused_to_outsider(void)
{
	dir_make_for("d", 02777, 0, club_gid());
	become_user();
	umask(0);
	EXPECT_OK(create("d/f", 02770));
	EXPECT_EQ(file_stat("d/f").st_gid, club_gid());
	EXPECT_MODE(file_mode("d/f"), 0770);
}

static void setgid_file_granted_to_group(void)
{
	dir_make_for("d", 02777, 0, user_gid());
	become_user();
	umask(0);
	EXPECT_OK(create("d/f", 02770));
	EXPECT_MODE(file_mode("d/f"), 02770);
}

static void setgid_file_granted_to_supplementary_member(void)
{
	dir_make_for("d", 02777, 0, club_gid());
	become_member();
	umask(0);
	EXPECT_OK(create("d/f", 02770));
	EXPECT_EQ(file_stat("d/f").st_gid, club_gid());
	EXPECT_MODE(file_mode("d/f"), 02770);
}

static void setgid_file_granted_to_root(void)
{
	dir_make_for("d", 02777, 0, club_gid());
	umask(0);
	EXPECT_OK(create("d/f", 02770));
	EXPECT_EQ(file_stat("d/f").st_gid, club_gid());
	EXPECT_MODE(file_mode("d/f"), 02770);
}

static void supplementary_group_opens_directory(void)
{
	dir_make_for("d", 02770, 0, club_gid());
	become_user();
	EXPECT_ERR(create("d/f", 0644), EACCES);
	become_member();
	EXPECT_OK(create("d/f", 0644));
	EXPECT_OK(mkdir("d/sub", 0755));
	EXPECT_EQ(file_stat("d/f").st_gid, club_gid());
	EXPECT_MODE(file_mode("d/sub"), 02755);
}

const struct check create_checks[] = {
	CHECK(create, exclusive_refuses_existing),
	CHECK(create, exclusive_refuses_symlink),
	CHECK(create, exclusive_truncate_keeps_existing),
	CHECK(create, existing_keeps_content_and_mode),
	CHECK(create, mode_bits_kept),
	CHECK(create, umask_applies),
	CHECK(create, unreadable_mode_still_opens),
	CHECK(create, unreadable_mode_still_opens_for_user, .needs = NEED_USERS),
	CHECK(create, read_only_mode_opens_for_writing),
	CHECK(create, new_file_is_empty),
	CHECK(create, truncating_creat_of_new_name),
	CHECK(create, owner_is_creator, .needs = NEED_USERS),
	CHECK(create, parent_times_advance),
	CHECK(create, opening_existing_keeps_parent_times),
	CHECK(create, missing_parent),
	CHECK(create, trailing_slash),
	CHECK(create, in_removed_directory),
	CHECK(create, in_read_only_directory, .needs = NEED_USERS),
	CHECK(create, name_freed_by_unlink),
	CHECK(create, setgid_directory_gives_group, .needs = NEED_USERS),
	CHECK(create, setgid_directory_passes_bit_to_subdirectory, .needs = NEED_USERS),
	CHECK(create, plain_directory_keeps_own_group, .needs = NEED_USERS),
	CHECK(create, setgid_file_refused_to_outsider, .needs = NEED_USERS),
	CHECK(create, setgid_file_granted_to_group, .needs = NEED_USERS),
	CHECK(create, setgid_file_granted_to_supplementary_member, .needs = NEED_USERS),
	CHECK(create, setgid_file_granted_to_root, .needs = NEED_USERS),
	CHECK(create, supplementary_group_opens_directory, .needs = NEED_USERS),
	CHECK_END,
};
