/* SPDX-License-Identifier: BSD-3-Clause */
/* FIFOs, sockets and devices. */
#include "groups.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = address_of(path);
	int fd = EXPECT_OK(socket(AF_UNIX, SOCK_STREAM, 0));

	EXPECT_OK(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	EXPECT_OK(listen(fd, 4));
	return fd;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = address_of(path);
	int fd = EXPECT_OK(socket(AF_UNIX, SOCK_STREAM, 0));

	return connect(fd, (struct sockaddr *)&address, sizeof(address));
}

static void fifo_attributes(void)
{
	struct stat status;

	EXPECT_OK(mkfifo("p", 0666));
	status = file_stat("p");
	EXPECT_MODE(status.st_mode, S_IFIFO | 0644);
	EXPECT_EQ(status.st_size, 0);
	EXPECT_EQ(status.st_nlink, 1);
}

static void fifo_between_processes(void)
{
	char data[16];
	pid_t pid;
	int fd;

	EXPECT_OK(mkfifo("p", 0600));
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		EXPECT_EQ(EXPECT_OK(write(EXPECT_OK(open("p", O_WRONLY)), "text", 4)), 4);
		_exit(0);
	}
	fd = EXPECT_OK(open("p", O_RDONLY));
	EXPECT_EQ(EXPECT_OK(read(fd, data, sizeof(data))), 4);
	EXPECT_DATA(data, "text", 4);
	EXPECT_EQ(EXPECT_OK(read(fd, data, sizeof(data))), 0);
	EXPECT_CHILD(pid);
	EXPECT_EQ(file_size("p"), 0);
}

static void fifo_open_waits_for_peer(void)
{
	struct gate opened;
	pid_t pid;

	EXPECT_OK(mkfifo("p", 0600));
	gate_init(&opened);
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		EXPECT_OK(open("p", O_WRONLY));
		gate_open(&opened, 1);
		_exit(0);
	}
	pause_ms(100);
	EXPECT_EQ(waitpid(pid, NULL, WNOHANG), 0);
	EXPECT_OK(open("p", O_RDONLY));
	gate_wait(&opened);
	EXPECT_CHILD(pid);
}

static void fifo_works_after_unlink_and_rename(void)
{
	char data[4];
	int reader;
	int writer;

	EXPECT_OK(mkfifo("p", 0600));
	reader = EXPECT_OK(open("p", O_RDONLY | O_NONBLOCK));
	EXPECT_OK(rename("p", "q"));
	writer = EXPECT_OK(open("q", O_WRONLY));
	EXPECT_OK(unlink("q"));
	EXPECT_EQ(EXPECT_OK(write(writer, "text", 4)), 4);
	EXPECT_EQ(EXPECT_OK(read(reader, data, 4)), 4);
}

static void two_names_one_fifo(void)
{
	char data[4];
	int reader;

	EXPECT_OK(mkfifo("p", 0600));
	EXPECT_OK(link("p", "q"));
	reader = EXPECT_OK(open("p", O_RDONLY | O_NONBLOCK));
	EXPECT_EQ(EXPECT_OK(write(EXPECT_OK(open("q", O_WRONLY | O_NONBLOCK)), "text", 4)), 4);
	EXPECT_EQ(EXPECT_OK(read(reader, data, 4)), 4);
	EXPECT_DATA(data, "text", 4);
}

static void existing_name(void)
{
	file_make("f", "");
	EXPECT_OK(symlink("missing", "l"));
	EXPECT_ERR(mkfifo("f", 0644), EEXIST);
	EXPECT_ERR(mkfifo("l", 0644), EEXIST);
	EXPECT_ERR(mkfifo("missing/p", 0644), ENOENT);
	EXPECT_ERR(mkfifo("f/p", 0644), ENOTDIR);
}

static void fifo_permissions(void)
{
	EXPECT_OK(mkfifo("p", 0600));
	become_user();
	EXPECT_ERR(open("p", O_RDONLY | O_NONBLOCK), EACCES);
	EXPECT_ERR(open("p", O_WRONLY | O_NONBLOCK), EACCES);
}

static void regular_file_by_mknod(void)
{
	EXPECT_OK(mknod("f", S_IFREG | 0640, 0));
	EXPECT_MODE(file_stat("f").st_mode, S_IFREG | 0640);
	EXPECT_OK(mknod("g", 0604, 0));
	EXPECT_MODE(file_stat("g").st_mode, S_IFREG | 0604);
	EXPECT_EQ(file_size("f"), 0);
}

static void socket_by_mknod(void)
{
	EXPECT_OK(mknod("s", S_IFSOCK | 0600, 0));
	EXPECT_MODE(file_stat("s").st_mode, S_IFSOCK | 0600);
	EXPECT_ERR(connect_to("s"), ECONNREFUSED);
}

static void wrong_types_by_mknod(void)
{
	EXPECT_ERR(mknod("d", S_IFDIR | 0755, 0), EPERM);
	EXPECT_ERR2(mknod("l", S_IFLNK | 0777, 0), EINVAL, EPERM);
	EXPECT_EQ(dir_count("."), 0);
}

static void socket_connects(void)
{
	char data[4];
	int listener = listen_at("s");
	struct sockaddr_un address = address_of("s");
	int client = EXPECT_OK(socket(AF_UNIX, SOCK_STREAM, 0));
	int server;

	EXPECT(S_ISSOCK(file_stat("s").st_mode));
	EXPECT_OK(connect(client, (struct sockaddr *)&address, sizeof(address)));
	server = EXPECT_OK(accept(listener, NULL, NULL));
	EXPECT_EQ(EXPECT_OK(write(client, "text", 4)), 4);
	EXPECT_EQ(EXPECT_OK(read(server, data, 4)), 4);
	EXPECT_DATA(data, "text", 4);
}

static void socket_follows_rename(void)
{
	listen_at("s");
	EXPECT_OK(rename("s", "t"));
	EXPECT_ERR(connect_to("s"), ENOENT);
	EXPECT_OK(connect_to("t"));
}

static void socket_name_is_taken(void)
{
	struct sockaddr_un address = address_of("s");
	int fd = EXPECT_OK(socket(AF_UNIX, SOCK_STREAM, 0));

	file_make("s", "");
	EXPECT_ERR(bind(fd, (struct sockaddr *)&address, sizeof(address)), EADDRINUSE);
	EXPECT(S_ISREG(file_stat("s").st_mode));
}

static void stale_socket_refuses(void)
{
	EXPECT_OK(close(listen_at("s")));
	EXPECT_ERR(connect_to("s"), ECONNREFUSED);
	file_make("f", "");
	EXPECT_ERR(connect_to("f"), ECONNREFUSED);
	EXPECT_ERR(connect_to("missing"), ENOENT);
}

static void socket_mode_and_permissions(void)
{
	umask(077);
	listen_at("s");
	EXPECT_MODE(file_mode("s"), 0700);
	become_user();
	EXPECT_ERR(connect_to("s"), EACCES);
	become_root();
	EXPECT_OK(chmod("s", 0722));
	become_user();
	EXPECT_OK(connect_to("s"));
}

static void device_works_unless_nodev(void)
{
	struct statvfs status;
	char byte;
	int fd;

	EXPECT_OK(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
	EXPECT_OK(statvfs(".", &status));
	fd = open("null", O_RDWR);
	if (status.f_flag & ST_NODEV) {
		EXPECT_EQ(fd, -1);
		return;
	}
	EXPECT_OK(fd);
	EXPECT_EQ(EXPECT_OK(write(fd, "gone", 4)), 4);
	EXPECT_EQ(EXPECT_OK(read(fd, &byte, 1)), 0);
	EXPECT_EQ(file_size("null"), 0);
}

static void device_for_root_only(void)
{
	dir_make("d", 0777);
	become_user();
	EXPECT_ERR(mknod("d/null", S_IFCHR | 0666, makedev(1, 3)), EPERM);
	EXPECT_ERR(mknod("d/disk", S_IFBLK | 0666, makedev(7, 0)), EPERM);
	EXPECT_OK(mknod("d/fifo", S_IFIFO | 0666, 0));
	EXPECT_EQ(dir_count("d"), 1);
}

static void device_numbers_survive_changes(void)
{
	EXPECT_OK(mknod("a", S_IFCHR | 0600, makedev(511, 100000)));
	EXPECT_EQ(file_stat("a").st_rdev, makedev(511, 100000));
	EXPECT_OK(chmod("a", 0644));
	EXPECT_OK(rename("a", "b"));
	EXPECT_OK(link("b", "c"));
	EXPECT_EQ(file_stat("c").st_rdev, makedev(511, 100000));
	EXPECT_MODE(file_stat("c").st_mode, S_IFCHR | 0644);
}

const struct check special_checks[] = {
	CHECK(special, fifo_attributes),
	CHECK(special, fifo_between_processes),
	CHECK(special, fifo_open_waits_for_peer),
	CHECK(special, fifo_works_after_unlink_and_rename),
	CHECK(special, two_names_one_fifo),
	CHECK(special, existing_name),
	CHECK(special, fifo_permissions, .needs = NEED_USERS),
	CHECK(special, regular_file_by_mknod),
	CHECK(special, socket_by_mknod),
	CHECK(special, wrong_types_by_mknod),
	CHECK(special, socket_connects),
	CHECK(special, socket_follows_rename),
	CHECK(special, socket_name_is_taken),
	CHECK(special, stale_socket_refuses),
	CHECK(special, socket_mode_and_permissions, .needs = NEED_USERS),
	CHECK(special, device_works_unless_nodev, .needs = NEED_DEVICE),
	CHECK(special, device_for_root_only, .needs = NEED_USERS),
	CHECK(special, device_numbers_survive_changes, .needs = NEED_DEVICE),
	CHECK_END,
};
