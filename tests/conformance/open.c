/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening what exists already. */
#include "groups.h"

#include <sys/socket.h>
#include <sys/un.h>

static void missing_name(void)
{
	EXPECT_ERR(open("missing", O_RDONLY), ENOENT);
	EXPECT_ERR(open("missing", O_RDWR | O_TRUNC), ENOENT);
	EXPECT_ERR(open("missing/f", O_RDONLY), ENOENT);
}

static void empty_path(void)
{
	EXPECT_ERR(open("", O_RDONLY), ENOENT);
	EXPECT_ERR(open("", O_RDWR | O_CREAT, 0644), ENOENT);
}

static void through_file(void)
{
	file_make("f", "");
	EXPECT_ERR(open("f/x", O_RDONLY), ENOTDIR);
	EXPECT_ERR(open("f/x", O_RDWR | O_CREAT, 0644), ENOTDIR);
	EXPECT_ERR(open("f/..", O_RDONLY), ENOTDIR);
}

static void trailing_slash_on_file(void)
{
	file_make("f", "");
	EXPECT_ERR(open("f/", O_RDONLY), ENOTDIR);
	EXPECT_ERR(open("f/.", O_RDONLY), ENOTDIR);
}

static void directory_for_writing(void)
{
	dir_make("d", 0755);
	EXPECT_ERR(open("d", O_WRONLY), EISDIR);
	EXPECT_ERR(open("d", O_RDWR), EISDIR);
	EXPECT_ERR(open("d", O_RDONLY | O_TRUNC), EISDIR);
}

static void directory_with_creat(void)
{
	dir_make("d", 0755);
	EXPECT_ERR(open("d", O_RDONLY | O_CREAT, 0644), EISDIR);
}

static void directory_read(void)
{
	char byte;
	int fd;

	dir_make("d", 0755);
	fd = EXPECT_OK(open("d", O_RDONLY));
	EXPECT_ERR(read(fd, &byte, 1), EISDIR);
	EXPECT_ERR(write(fd, "x", 1), EBADF);
}

static void directory_flag(void)
{
	int fd;

	file_make("f", "");
	dir_make("d", 0755);
	EXPECT_OK(symlink("f", "l"));
	EXPECT_ERR(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	EXPECT_ERR(open("l", O_RDONLY | O_DIRECTORY), ENOTDIR);
	fd = EXPECT_OK(open("d", O_RDONLY | O_DIRECTORY));
	EXPECT(S_ISDIR(file_stat_fd(fd).st_mode));
}

static void nofollow_refuses_symlink(void)
{
	file_make("f", "text");
	EXPECT_OK(symlink("f", "l"));
	EXPECT_ERR(open("l", O_RDONLY | O_NOFOLLOW), ELOOP);
	EXPECT_OK(open("f", O_RDONLY | O_NOFOLLOW));
}

static void nofollow_follows_on_the_way(void)
{
	dir_make("d", 0755);
	file_make("d/f", "text");
	EXPECT_OK(symlink("d", "l"));
	EXPECT_EQ(file_stat_fd(EXPECT_OK(open("l/f", O_RDONLY | O_NOFOLLOW))).st_size, 4);
}

static void nofollow_directory_refuses_symlink(void)
{
	dir_make("d", 0755);
	EXPECT_OK(symlink("d", "l"));
	EXPECT_ERR(open("l", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
}

static void path_descriptor_of_symlink(void)
{
	char target[16];
	int fd;

	EXPECT_OK(symlink("nowhere", "l"));
	fd = EXPECT_OK(open("l", O_PATH | O_NOFOLLOW));
	EXPECT(S_ISLNK(file_stat_fd(fd).st_mode));
	EXPECT_EQ(EXPECT_OK(readlinkat(fd, "", target, sizeof(target))), 7);
	EXPECT_DATA(target, "nowhere", 7);
}

static void path_descriptor_refuses_io(void)
{
	char byte;
	int fd;

	file_make("f", "text");
	fd = EXPECT_OK(open("f", O_PATH));
	EXPECT_EQ(file_stat_fd(fd).st_size, 4);
	EXPECT_ERR(read(fd, &byte, 1), EBADF);
	EXPECT_ERR(write(fd, "x", 1), EBADF);
	EXPECT_ERR(fchmod(fd, 0600), EBADF);
}

static void path_descriptor_keeps_removed_file(void)
{
	int fd;

	file_make("f", "text");
	fd = EXPECT_OK(open("f", O_PATH));
	EXPECT_OK(unlink("f"));
	EXPECT_EQ(file_stat_fd(fd).st_size, 4);
	EXPECT_EQ(file_stat_fd(fd).st_nlink, 0);
}

static void truncates(void)
{
	struct stat before;

	file_make("f", "some text");
	before = file_stat("f");
	EXPECT_OK(open("f", O_WRONLY | O_TRUNC));
	EXPECT_EQ(file_size("f"), 0);
	EXPECT_EQ(file_inode("f"), before.st_ino);
	EXPECT_MODE(file_stat("f").st_mode, before.st_mode);
}

static void truncate_updates_times(void)
{
	struct stat before;

	file_make("f", "some text");
	before = file_stat("f");
	pause_tick();
	EXPECT_OK(open("f", O_WRONLY | O_TRUNC));
	EXPECT_LATER(file_stat("f").st_mtim, before.st_mtim);
	EXPECT_LATER(file_stat("f").st_ctim, before.st_ctim);
}

static void truncate_seen_by_open_descriptor(void)
{
	int fd = file_open_new("f");

	file_put(fd, "some text", 9, 0);
	EXPECT_OK(open("f", O_WRONLY | O_TRUNC));
	EXPECT_EQ(file_stat_fd(fd).st_size, 0);
	file_put(fd, "x", 1, 5);
	EXPECT_EQ(file_size("f"), 6);
	file_expect_zeros(fd, 5, 0);
}

static void read_only_refuses_write(void)
{
	int fd;

	file_make("f", "text");
	fd = EXPECT_OK(open("f", O_RDONLY));
	EXPECT_ERR(write(fd, "x", 1), EBADF);
	EXPECT_ERR2(ftruncate(fd, 0), EINVAL, EBADF);
	EXPECT_TEXT("f", "text");
}

static void write_only_refuses_read(void)
{
	char byte;
	int fd;

	file_make("f", "text");
	fd = EXPECT_OK(open("f", O_WRONLY));
	EXPECT_ERR(read(fd, &byte, 1), EBADF);
	EXPECT_ERR(pread(fd, &byte, 1, 0), EBADF);
}

static void descriptors_have_own_offsets(void)
{
	char data[4];
	int first;
	int second;

	file_make("f", "abcdef");
	first = EXPECT_OK(open("f", O_RDONLY));
	second = EXPECT_OK(open("f", O_RDONLY));
	EXPECT_EQ(EXPECT_OK(read(first, data, 4)), 4);
	EXPECT_EQ(EXPECT_OK(read(second, data, 2)), 2);
	EXPECT_DATA(data, "ab", 2);
	EXPECT_EQ(lseek(first, 0, SEEK_CUR), 4);
}

static void duplicates_share_offset(void)
{
	char data[2];
	int first;
	int second;

	file_make("f", "abcdef");
	first = EXPECT_OK(open("f", O_RDONLY));
	second = EXPECT_OK(dup(first));
	EXPECT_EQ(EXPECT_OK(read(first, data, 2)), 2);
	EXPECT_EQ(EXPECT_OK(read(second, data, 2)), 2);
	EXPECT_DATA(data, "cd", 2);
}

static void fork_shares_offset(void)
{
	char data[2];
	pid_t pid;
	int fd;

	file_make("f", "abcdef");
	fd = EXPECT_OK(open("f", O_RDONLY));
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		EXPECT_EQ(EXPECT_OK(read(fd, data, 2)), 2);
		_exit(0);
	}
	EXPECT_CHILD(pid);
	EXPECT_EQ(EXPECT_OK(read(fd, data, 2)), 2);
	EXPECT_DATA(data, "cd", 2);
}

static void fifo_nonblocking(void)
{
	EXPECT_OK(mkfifo("p", 0600));
	EXPECT_ERR(open("p", O_WRONLY | O_NONBLOCK), ENXIO);
	EXPECT_OK(open("p", O_RDONLY | O_NONBLOCK));
	EXPECT_OK(open("p", O_WRONLY | O_NONBLOCK));
}

static void socket_refused(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "s" };
	int fd = EXPECT_OK(socket(AF_UNIX, SOCK_STREAM, 0));

	EXPECT_OK(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	EXPECT_ERR(open("s", O_RDONLY), ENXIO);
	EXPECT_ERR(open("s", O_RDWR), ENXIO);
}

static void follows_symlink(void)
{
	char byte;
	int fd;

	dir_make("d", 0755);
	file_make("d/f", "text");
	EXPECT_OK(symlink("f", "d/l"));
	fd = EXPECT_OK(open("d/l", O_RDONLY));
	EXPECT_EQ(file_stat_fd(fd).st_ino, file_inode("d/f"));
	EXPECT_EQ(EXPECT_OK(read(fd, &byte, 1)), 1);
}

static void dangling_symlink(void)
{
	EXPECT_OK(symlink("target", "l"));
	EXPECT_ERR(open("l", O_RDONLY), ENOENT);
	EXPECT_OK(close(EXPECT_OK(open("l", O_WRONLY | O_CREAT, 0644))));
	EXPECT(S_ISREG(file_stat("target").st_mode));
	EXPECT(S_ISLNK(file_stat("l").st_mode));
}

static void relative_to_descriptor(void)
{
	int directory;
	int file;

	dir_make("d", 0755);
	file_make("d/f", "text");
	directory = EXPECT_OK(open("d", O_RDONLY | O_DIRECTORY));
	file = EXPECT_OK(openat(directory, "f", O_RDONLY));
	EXPECT_EQ(file_stat_fd(file).st_size, 4);
	EXPECT_ERR(openat(file, "f", O_RDONLY), ENOTDIR);
	EXPECT_ERR(openat(directory, "missing", O_RDONLY), ENOENT);
}

static void relative_to_path_descriptor_after_rename(void)
{
	int directory;

	dir_make("d", 0755);
	file_make("d/f", "text");
	directory = EXPECT_OK(open("d", O_PATH | O_DIRECTORY));
	EXPECT_OK(rename("d", "e"));
	EXPECT_EQ(file_stat_fd(EXPECT_OK(openat(directory, "f", O_RDONLY))).st_ino,
		  file_inode("e/f"));
}

static void reports_flags(void)
{
	int flags;
	int fd;

	file_make("f", "text");
	fd = EXPECT_OK(open("f", O_WRONLY | O_APPEND));
	flags = EXPECT_OK(fcntl(fd, F_GETFL));
	EXPECT_EQ(flags & O_ACCMODE, O_WRONLY);
	EXPECT(flags & O_APPEND);
	EXPECT_OK(fcntl(fd, F_SETFL, flags & ~O_APPEND));
	EXPECT_EQ(EXPECT_OK(write(fd, "X", 1)), 1);
	EXPECT_TEXT("f", "Xext");
	EXPECT_OK(fcntl(fd, F_SETFL, flags));
	EXPECT_EQ(EXPECT_OK(write(fd, "Y", 1)), 1);
	EXPECT_TEXT("f", "XextY");
}

static void many_descriptors(void)
{
	enum { COUNT = 200 };
	int fds[COUNT];

	file_make("f", "text");
	for (int i = 0; i < COUNT; i++)
		fds[i] = EXPECT_OK(open("f", i % 2 ? O_RDONLY : O_RDWR));
	for (int i = 0; i < COUNT; i++)
		EXPECT_EQ(file_stat_fd(fds[i]).st_size, 4);
	for (int i = 0; i < COUNT; i++)
		EXPECT_OK(close(fds[i]));
}

static void reopen_through_proc(void)
{
	char path[64];
	int fd = file_open_new("f");
	int again;

	file_put(fd, "text", 4, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = EXPECT_OK(open(path, O_RDONLY));
	EXPECT_EQ(file_stat_fd(again).st_ino, file_inode("f"));
	EXPECT_EQ(lseek(again, 0, SEEK_CUR), 0);
	EXPECT_ERR(write(again, "x", 1), EBADF);
}

static void noatime_is_for_the_owner(void)
{
	file_make_mode("f", 0644);
	EXPECT_OK(open("f", O_RDONLY | O_NOATIME));
	become_user();
	EXPECT_ERR(open("f", O_RDONLY | O_NOATIME), EPERM);
	EXPECT_OK(open("f", O_RDONLY));
}

const struct check open_checks[] = {
	CHECK(open, missing_name),
	CHECK(open, empty_path),
	CHECK(open, through_file),
	CHECK(open, trailing_slash_on_file),
	CHECK(open, directory_for_writing),
	CHECK(open, directory_with_creat),
	CHECK(open, directory_read),
	CHECK(open, directory_flag),
	CHECK(open, nofollow_refuses_symlink),
	CHECK(open, nofollow_follows_on_the_way),
	CHECK(open, nofollow_directory_refuses_symlink),
	CHECK(open, path_descriptor_of_symlink),
	CHECK(open, path_descriptor_refuses_io),
	CHECK(open, path_descriptor_keeps_removed_file),
	CHECK(open, truncates),
	CHECK(open, truncate_updates_times),
	CHECK(open, truncate_seen_by_open_descriptor),
	CHECK(open, read_only_refuses_write),
	CHECK(open, write_only_refuses_read),
	CHECK(open, descriptors_have_own_offsets),
	CHECK(open, duplicates_share_offset),
	CHECK(open, fork_shares_offset),
	CHECK(open, fifo_nonblocking),
	CHECK(open, socket_refused),
	CHECK(open, follows_symlink),
	CHECK(open, dangling_symlink),
	CHECK(open, relative_to_descriptor),
	CHECK(open, relative_to_path_descriptor_after_rename),
	CHECK(open, reports_flags),
	CHECK(open, many_descriptors),
	CHECK(open, reopen_through_proc, .needs = NEED_PROC),
	CHECK(open, noatime_is_for_the_owner, .needs = NEED_USERS),
	CHECK_END,
};
