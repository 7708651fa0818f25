/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <termios.h>

static int get_flags(int fd)
{
	int flags = 0;

	EXPECT_OK(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	return flags;
}

static void unknown_number(void)
{
	char data[256] = "";
	int fd = file_open_new("f");
	int directory = EXPECT_OK(open(".", O_RDONLY));

	EXPECT_ERR(ioctl(fd, _IO('q', 250), 0), ENOTTY);
	EXPECT_ERR(ioctl(fd, _IOR('q', 251, char[256]), data), ENOTTY);
	EXPECT_ERR(ioctl(fd, _IOW('q', 252, int), data), ENOTTY);
	EXPECT_ERR(ioctl(fd, _IOWR('q', 253, char[256]), data), ENOTTY);
	EXPECT_ERR(ioctl(directory, _IOR('q', 251, char[256]), data), ENOTTY);
}

static void not_a_terminal(void)
{
	struct termios settings;
	struct winsize size;
	int fd = file_open_new("f");

	EXPECT_ERR(tcgetattr(fd, &settings), ENOTTY);
	EXPECT_ERR(ioctl(fd, TIOCGWINSZ, &size), ENOTTY);
	EXPECT_EQ(isatty(fd), 0);
}

static void bytes_left_to_read(void)
{
	int left = -1;
	int fd = file_open_new("f");

	file_put(fd, "0123456789", 10, 0);
	EXPECT_OK(ioctl(fd, FIONREAD, &left));
	EXPECT_EQ(left, 10);
	EXPECT_EQ(lseek(fd, 4, SEEK_SET), 4);
	EXPECT_OK(ioctl(fd, FIONREAD, &left));
	EXPECT_EQ(left, 6);
}

static void path_descriptor_refused(void)
{
	int flags;

	file_make("f", "");
	EXPECT_ERR(ioctl(EXPECT_OK(open("f", O_PATH)), FS_IOC_GETFLAGS, &flags), EBADF);
}

static void new_file_is_not_restricted(void)
{
	dir_make("d", 0755);
	EXPECT_EQ(get_flags(file_open_new("f")) & (FS_IMMUTABLE_FL | FS_APPEND_FL), 0);
	EXPECT_EQ(get_flags(EXPECT_OK(open("d", O_RDONLY))) & (FS_IMMUTABLE_FL | FS_APPEND_FL), 0);
}

static void nodump_set_and_cleared(void)
{
	int fd = file_open_new("f");
	int flags = get_flags(fd);
	int wanted = flags | FS_NODUMP_FL;

	EXPECT_EQ(flags & FS_NODUMP_FL, 0);
	EXPECT_OK(ioctl(fd, FS_IOC_SETFLAGS, &wanted));
	EXPECT_EQ(get_flags(fd), wanted);
	EXPECT_EQ(get_flags(EXPECT_OK(open("f", O_RDONLY))), wanted);
	EXPECT_OK(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	EXPECT_EQ(get_flags(fd), flags);
}

static void flags_are_for_the_owner(void)
{
	int flags;

	file_make_mode("f", 0666);
	become_user();
	flags = get_flags(EXPECT_OK(open("f", O_RDWR))) | FS_NODUMP_FL;
	EXPECT_ERR2(ioctl(EXPECT_OK(open("f", O_RDWR)), FS_IOC_SETFLAGS, &flags), EPERM, EACCES);
}

static void immutable_is_for_root(void)
{
	int flags;
	int fd;

	file_make_for("f", 0644, user_uid(), user_gid());
	become_user();
	fd = EXPECT_OK(open("f", O_RDWR));
	flags = get_flags(fd) | FS_IMMUTABLE_FL;
	EXPECT_ERR(ioctl(fd, FS_IOC_SETFLAGS, &flags), EPERM);
	file_put(fd, "text", 4, 0);
}

const struct check ioctl_checks[] = {
	CHECK(ioctl, unknown_number),
	CHECK(ioctl, not_a_terminal),
	CHECK(ioctl, bytes_left_to_read),
	CHECK(ioctl, path_descriptor_refused),
	CHECK(ioctl, new_file_is_not_restricted, .needs = NEED_INODE_FLAGS),
	CHECK(ioctl, nodump_set_and_cleared, .needs = NEED_INODE_FLAGS),
	CHECK(ioctl, flags_are_for_the_owner, .needs = NEED_INODE_FLAGS | NEED_USERS),
	CHECK(ioctl, immutable_is_for_root, .needs = NEED_INODE_FLAGS | NEED_USERS),
	CHECK_END,
};
