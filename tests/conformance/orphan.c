/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that lost their last name while somebody has them open. */
#include "groups.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/xattr.h>

static int open_orphan(const char *text, size_t size)
{
	int fd = file_open_new("f");

	file_put(fd, text, size, 0);
	EXPECT_OK(unlink("f"));
	return fd;
}

static void reads_and_writes(void)
{
	char data[8];
	int fd = open_orphan("text", 4);

	file_take(fd, data, 4, 0);
	EXPECT_DATA(data, "text", 4);
	file_put(fd, "more", 4, 4);
	file_take(fd, data, 8, 0);
	EXPECT_DATA(data, "textmore", 8);
}

static void has_no_links(void)
{
	int fd = open_orphan("text", 4);

	EXPECT_EQ(file_stat_fd(fd).st_nlink, 0);
	EXPECT_EQ(file_stat_fd(fd).st_size, 4);
	EXPECT(S_ISREG(file_stat_fd(fd).st_mode));
	EXPECT_EQ(dir_count("."), 0);
}

static void changes_mode(void)
{
	int fd = open_orphan("text", 4);

	EXPECT_OK(fchmod(fd, 0401));
	EXPECT_MODE(file_stat_fd(fd).st_mode & 07777, 0401);
}

static void changes_owner(void)
{
	int fd = open_orphan("text", 4);

	EXPECT_OK(fchown(fd, user_uid(), club_gid()));
	EXPECT_EQ(file_stat_fd(fd).st_uid, user_uid());
	EXPECT_EQ(file_stat_fd(fd).st_gid, club_gid());
}

static void changes_size(void)
{
	int fd = open_orphan("text", 4);

	EXPECT_OK(ftruncate(fd, 9000));
	EXPECT_EQ(file_stat_fd(fd).st_size, 9000);
	file_expect_zeros(fd, 8996, 4);
	EXPECT_OK(ftruncate(fd, 0));
	EXPECT_EQ(file_stat_fd(fd).st_size, 0);
}

static void changes_times(void)
{
	struct timespec times[2] = { { 1000, 1 }, { 2000, 2 } };
	int fd = open_orphan("text", 4);

	EXPECT_OK(futimens(fd, times));
	EXPECT_TIME(file_stat_fd(fd).st_atim, times[0]);
	EXPECT_TIME(file_stat_fd(fd).st_mtim, times[1]);
}

static void changes_xattr(void)
{
	char value[8];
	int fd = open_orphan("text", 4);

	EXPECT_OK(fsetxattr(fd, "user.orphan", "value", 5, 0));
	EXPECT_EQ(fgetxattr(fd, "user.orphan", value, sizeof(value)), 5);
	EXPECT_DATA(value, "value", 5);
	EXPECT_OK(fremovexattr(fd, "user.orphan"));
}

static void syncs(void)
{
	int fd = open_orphan("text", 4);

	EXPECT_OK(fsync(fd));
	EXPECT_OK(fdatasync(fd));
}

static void allocates(void)
{
	int fd = open_orphan("text", 4);

	EXPECT_OK(fallocate(fd, 0, 0, 10000));
	EXPECT_EQ(file_stat_fd(fd).st_size, 10000);
}

static void mapping_survives(void)
{
	int fd = open_orphan("text", 4);
	char *data = EXPECT_POINTER(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	char got[4];

	EXPECT_DATA(data, "text", 4);
	data[0] = 'T';
	file_take(fd, got, 4, 0);
	EXPECT_DATA(got, "Text", 4);
	EXPECT_OK(close(fd));
	EXPECT_DATA(data, "Text", 4);
}

static void reopens_through_proc(void)
{
	char path[64];
	char data[4];
	int fd = open_orphan("text", 4);
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = EXPECT_OK(open(path, O_RDWR));
	EXPECT_OK(close(fd));
	file_take(again, data, 4, 0);
	EXPECT_DATA(data, "text", 4);
	EXPECT_EQ(file_stat_fd(again).st_nlink, 0);
}

static void gets_no_name_again(void)
{
	char path[64];
	int fd = open_orphan("text", 4);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_ERR(linkat(AT_FDCWD, path, AT_FDCWD, "g", AT_SYMLINK_FOLLOW), ENOENT);
	EXPECT_GONE("g");
}

static void successor_is_another_file(void)
{
	char data[3];
	int fd = open_orphan("old", 3);

	file_make("f", "new");
	EXPECT(file_stat_fd(fd).st_ino != file_inode("f"));
	file_take(fd, data, 3, 0);
	EXPECT_DATA(data, "old", 3);
	file_put(fd, "OLD", 3, 0);
	EXPECT_TEXT("f", "new");
	EXPECT_EQ(file_links("f"), 1);
}

static void replaced_by_rename(void)
{
	char data[3];
	int fd = file_open_new("f");

	file_put(fd, "old", 3, 0);
	file_make("g", "new");
	EXPECT_OK(rename("g", "f"));
	EXPECT_EQ(file_stat_fd(fd).st_nlink, 0);
	file_take(fd, data, 3, 0);
	EXPECT_DATA(data, "old", 3);
	EXPECT_TEXT("f", "new");
}

static void second_link_keeps_it_alive(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(link("f", "g"));
	EXPECT_OK(unlink("f"));
	EXPECT_EQ(file_stat_fd(fd).st_nlink, 1);
	file_put(fd, "text", 4, 0);
	EXPECT_TEXT("g", "text");
	EXPECT_OK(unlink("g"));
	EXPECT_EQ(file_stat_fd(fd).st_nlink, 0);
}

static void shared_by_processes(void)
{
	char data[4];
	pid_t pid;
	int fd = open_orphan("text", 4);

	pid = EXPECT_OK(fork());
	if (pid == 0) {
		file_put(fd, "done", 4, 0);
		EXPECT_OK(close(fd));
		_exit(0);
	}
	EXPECT_CHILD(pid);
	file_take(fd, data, 4, 0);
	EXPECT_DATA(data, "done", 4);
}

static void many_at_once(void)
{
	enum { COUNT = 100 };
	int fds[COUNT];

	for (int i = 0; i < COUNT; i++) {
		char byte = (char)i;

		fds[i] = open_orphan(&byte, 1);
	}
	EXPECT_EQ(dir_count("."), 0);
	for (int i = 0; i < COUNT; i++) {
		char byte;

		file_take(fds[i], &byte, 1, 0);
		EXPECT_EQ(byte, i);
	}
}

static void does_not_hinder_rmdir(void)
{
	int fd;

	dir_make("d", 0755);
	fd = file_open_new("d/f");
	EXPECT_OK(unlink("d/f"));
	EXPECT_OK(rmdir("d"));
	file_put(fd, "text", 4, 0);
	EXPECT_EQ(file_stat_fd(fd).st_size, 4);
}

static void space_is_accounted_until_closed(void)
{
	static char data[1 << 20];
	int fd = file_open_new("f");

	data_fill(data, sizeof(data), 1);
	file_put(fd, data, sizeof(data), 0);
	EXPECT_OK(fsync(fd));
	EXPECT_OK(unlink("f"));
	EXPECT(file_stat_fd(fd).st_blocks > 0);
}

const struct check orphan_checks[] = {
	CHECK(orphan, reads_and_writes),
	CHECK(orphan, has_no_links),
	CHECK(orphan, changes_mode),
	CHECK(orphan, changes_owner, .needs = NEED_ROOT),
	CHECK(orphan, changes_size),
	CHECK(orphan, changes_times),
	CHECK(orphan, changes_xattr, .needs = NEED_USER_XATTR),
	CHECK(orphan, syncs),
	CHECK(orphan, allocates, .needs = NEED_FALLOCATE),
	CHECK(orphan, mapping_survives, .needs = NEED_SHARED_MMAP),
	CHECK(orphan, reopens_through_proc, .needs = NEED_PROC),
	CHECK(orphan, gets_no_name_again, .needs = NEED_PROC),
	CHECK(orphan, successor_is_another_file),
	CHECK(orphan, replaced_by_rename),
	CHECK(orphan, second_link_keeps_it_alive),
	CHECK(orphan, shared_by_processes),
	CHECK(orphan, many_at_once),
	CHECK(orphan, does_not_hinder_rmdir),
	CHECK(orphan, space_is_accounted_until_closed),
	CHECK_END,
};
