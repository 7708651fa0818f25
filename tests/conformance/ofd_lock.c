/* SPDX-License-Identifier: BSD-3-Clause */
/* Record locks of open file descriptions. */
#include "groups.h"

static int lock(int fd, short type, off_t start, off_t size)
{
	struct flock wanted = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = size
	};

	return fcntl(fd, F_OFD_SETLK, &wanted);
}

static void excludes_in_one_process(void)
{
	int fd = file_open_new("f");
	int other = EXPECT_OK(open("f", O_RDWR));

	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	EXPECT_ERR2(lock(other, F_WRLCK, 5, 1), EAGAIN, EACCES);
	EXPECT_ERR2(lock(other, F_RDLCK, 5, 1), EAGAIN, EACCES);
	EXPECT_OK(lock(other, F_WRLCK, 10, 1));
	EXPECT_OK(lock(fd, F_UNLCK, 0, 10));
	EXPECT_OK(lock(other, F_WRLCK, 5, 1));
}

static void read_locks_share(void)
{
	int fd = file_open_new("f");
	int other = EXPECT_OK(open("f", O_RDWR));

	EXPECT_OK(lock(fd, F_RDLCK, 0, 10));
	EXPECT_OK(lock(other, F_RDLCK, 0, 10));
	EXPECT_ERR2(lock(fd, F_WRLCK, 0, 10), EAGAIN, EACCES);
	EXPECT_OK(lock(other, F_UNLCK, 0, 10));
	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
}

static void duplicates_share(void)
{
	struct flock wanted = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };
	int fd = file_open_new("f");
	int other = EXPECT_OK(open("f", O_RDWR));
	int copy = EXPECT_OK(dup(fd));

	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	EXPECT_OK(lock(copy, F_WRLCK, 0, 10));
	EXPECT_OK(close(fd));
	EXPECT_ERR2(lock(other, F_WRLCK, 0, 10), EAGAIN, EACCES);
	EXPECT_OK(close(copy));
	/* A file server may hear of the close a little later, so wait. */
	EXPECT_OK(fcntl(other, F_OFD_SETLKW, &wanted));
}

static void unrelated_close_keeps(void)
{
	int fd = file_open_new("f");
	int other = EXPECT_OK(open("f", O_RDWR));

	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	EXPECT_OK(close(EXPECT_OK(open("f", O_RDWR))));
	EXPECT_ERR2(lock(other, F_WRLCK, 0, 10), EAGAIN, EACCES);
}

static void inherited_by_fork(void)
{
	pid_t pid;
	int fd = file_open_new("f");

	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
		EXPECT_OK(close(fd));
		_exit(0);
	}
	EXPECT_CHILD(pid);
	EXPECT_ERR2(lock(EXPECT_OK(open("f", O_RDWR)), F_WRLCK, 0, 10), EAGAIN, EACCES);
}

static void child_can_unlock(void)
{
	pid_t pid;
	int fd = file_open_new("f");

	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		EXPECT_OK(lock(fd, F_UNLCK, 0, 10));
		_exit(0);
	}
	EXPECT_CHILD(pid);
	EXPECT_OK(lock(EXPECT_OK(open("f", O_RDWR)), F_WRLCK, 0, 10));
}

static void conflicts_with_process_lock(void)
{
	struct flock wanted = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };
	int fd = file_open_new("f");

	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	EXPECT_ERR2(fcntl(fd, F_SETLK, &wanted), EAGAIN, EACCES);
	EXPECT_OK(lock(fd, F_UNLCK, 0, 10));
	EXPECT_OK(fcntl(fd, F_SETLK, &wanted));
	EXPECT_ERR2(lock(fd, F_WRLCK, 0, 10), EAGAIN, EACCES);
}

static void getlk_reports_no_process(void)
{
	struct flock wanted = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 100 };
	int fd = file_open_new("f");
	int other = EXPECT_OK(open("f", O_RDWR));

	EXPECT_OK(lock(fd, F_WRLCK, 20, 10));
	EXPECT_OK(fcntl(other, F_OFD_GETLK, &wanted));
	EXPECT_EQ(wanted.l_type, F_WRLCK);
	EXPECT_EQ(wanted.l_start, 20);
	EXPECT_EQ(wanted.l_len, 10);
	EXPECT_EQ(wanted.l_pid, -1);
}

static void process_id_must_be_zero(void)
{
	struct flock wanted = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_pid = 1 };

	EXPECT_ERR(fcntl(file_open_new("f"), F_OFD_SETLK, &wanted), EINVAL);
}

static void waiter_wakes(void)
{
	struct flock wanted = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };
	struct gate waiting;
	pid_t pid;
	int fd = file_open_new("f");

	gate_init(&waiting);
	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		int own = EXPECT_OK(open("f", O_RDWR));

		EXPECT_ERR2(lock(own, F_WRLCK, 0, 10), EAGAIN, EACCES);
		gate_open(&waiting, 1);
		EXPECT_OK(fcntl(own, F_OFD_SETLKW, &wanted));
		EXPECT_EQ(file_size("f"), 4);
		_exit(0);
	}
	gate_wait(&waiting);
	pause_ms(100);
	file_put(fd, "done", 4, 0);
	EXPECT_OK(lock(fd, F_UNLCK, 0, 10));
	EXPECT_CHILD(pid);
}

const struct check ofd_lock_checks[] = {
	CHECK(ofd_lock, excludes_in_one_process, .needs = NEED_OFD_LOCK),
	CHECK(ofd_lock, read_locks_share, .needs = NEED_OFD_LOCK),
	CHECK(ofd_lock, duplicates_share, .needs = NEED_OFD_LOCK),
	CHECK(ofd_lock, unrelated_close_keeps, .needs = NEED_OFD_LOCK),
	CHECK(ofd_lock, inherited_by_fork, .needs = NEED_OFD_LOCK),
	CHECK(ofd_lock, child_can_unlock, .needs = NEED_OFD_LOCK),
	CHECK(ofd_lock, conflicts_with_process_lock, .needs = NEED_OFD_LOCK),
	CHECK(ofd_lock, getlk_reports_no_process, .needs = NEED_OFD_LOCK),
	CHECK(ofd_lock, process_id_must_be_zero, .needs = NEED_OFD_LOCK),
	CHECK(ofd_lock, waiter_wakes, .needs = NEED_OFD_LOCK),
	CHECK_END,
};
