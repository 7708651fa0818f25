/* SPDX-License-Identifier: BSD-3-Clause */
/* Locks on whole open files: flock. */
#include "groups.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

static void exclusive_excludes(void)
{
	int fd = file_open_new("f");
	int other = EXPECT_OK(open("f", O_RDWR));

	EXPECT_OK(flock(fd, LOCK_EX));
	EXPECT_ERR(flock(other, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	EXPECT_ERR(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	EXPECT_OK(flock(fd, LOCK_UN));
	EXPECT_OK(flock(other, LOCK_EX | LOCK_NB));
}

static void shared_shares(void)
{
	int fd = file_open_new("f");
	int other = EXPECT_OK(open("f", O_RDONLY));

	EXPECT_OK(flock(fd, LOCK_SH));
	EXPECT_OK(flock(other, LOCK_SH | LOCK_NB));
	EXPECT_ERR(flock(EXPECT_OK(open("f", O_RDWR)), LOCK_EX | LOCK_NB), EWOULDBLOCK);
}

static void converts(void)
{
	int fd = file_open_new("f");
	int other = EXPECT_OK(open("f", O_RDWR));

	EXPECT_OK(flock(fd, LOCK_SH));
	EXPECT_OK(flock(fd, LOCK_EX | LOCK_NB));
	EXPECT_ERR(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	EXPECT_OK(flock(fd, LOCK_SH | LOCK_NB));
	EXPECT_OK(flock(other, LOCK_SH | LOCK_NB));
	EXPECT_ERR(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
}

static void last_close_releases(void)
{
	int fd = file_open_new("f");
	int copy = EXPECT_OK(dup(fd));
	int other = EXPECT_OK(open("f", O_RDWR));

	EXPECT_OK(flock(fd, LOCK_EX));
	EXPECT_OK(close(fd));
	EXPECT_ERR(flock(other, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	EXPECT_OK(close(copy));
	/* A file server may hear of the close a little later, so wait. */
	EXPECT_OK(flock(other, LOCK_EX));
}

static void unrelated_close_keeps(void)
{
	int fd = file_open_new("f");
	int other = EXPECT_OK(open("f", O_RDWR));

	EXPECT_OK(flock(fd, LOCK_EX));
	EXPECT_OK(close(EXPECT_OK(open("f", O_RDWR))));
	EXPECT_ERR(flock(other, LOCK_EX | LOCK_NB), EWOULDBLOCK);
}

static void inherited_by_fork(void)
{
	pid_t pid;
	int fd = file_open_new("f");

	EXPECT_OK(flock(fd, LOCK_EX));
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		EXPECT_OK(flock(fd, LOCK_EX | LOCK_NB));
		EXPECT_ERR(flock(EXPECT_OK(open("f", O_RDWR)), LOCK_EX | LOCK_NB), EWOULDBLOCK);
		EXPECT_OK(close(fd));
		_exit(0);
	}
	EXPECT_CHILD(pid);
	EXPECT_ERR(flock(EXPECT_OK(open("f", O_RDWR)), LOCK_EX | LOCK_NB), EWOULDBLOCK);
}

static void child_can_unlock(void)
{
	pid_t pid;
	int fd = file_open_new("f");

	EXPECT_OK(flock(fd, LOCK_EX));
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		EXPECT_OK(flock(fd, LOCK_UN));
		_exit(0);
	}
	EXPECT_CHILD(pid);
	EXPECT_OK(flock(EXPECT_OK(open("f", O_RDWR)), LOCK_EX | LOCK_NB));
}

static void exit_releases(void)
{
	pid_t pid = EXPECT_OK(fork());

	if (pid == 0) {
		EXPECT_OK(flock(file_open_new("f"), LOCK_EX));
		_exit(0);
	}
	EXPECT_CHILD(pid);
	EXPECT_OK(flock(EXPECT_OK(open("f", O_RDWR)), LOCK_EX));
}

static void waiter_wakes(void)
{
	struct gate waiting;
	pid_t pid;
	int fd = file_open_new("f");

	gate_init(&waiting);
	EXPECT_OK(flock(fd, LOCK_EX));
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		int own = EXPECT_OK(open("f", O_RDWR));

		EXPECT_ERR(flock(own, LOCK_SH | LOCK_NB), EWOULDBLOCK);
		gate_open(&waiting, 1);
		EXPECT_OK(flock(own, LOCK_SH));
		EXPECT_EQ(file_size("f"), 4);
		_exit(0);
	}
	gate_wait(&waiting);
	pause_ms(100);
	file_put(fd, "done", 4, 0);
	EXPECT_OK(flock(fd, LOCK_UN));
	EXPECT_CHILD(pid);
}

static void ignore_signal(int number)
{
	(void)number;
}

static void waiter_interrupted(void)
{
	struct sigaction action = { .sa_handler = ignore_signal };
	int status = 0;
	pid_t pid;
	int fd = file_open_new("f");

	EXPECT_OK(sigaction(SIGUSR1, &action, NULL));
	EXPECT_OK(flock(fd, LOCK_EX));
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		int own;

		/* Only the lock may be interrupted, not the open before it. */
		do
			own = open("f", O_RDWR);
		while (own < 0 && errno == EINTR);
		EXPECT_ERR(flock(own, LOCK_EX), EINTR);
		_exit(0);
	}
	do {
		pause_ms(20);
		EXPECT_OK(kill(pid, SIGUSR1));
	} while (waitpid(pid, &status, WNOHANG) == 0);
	EXPECT_EQ(status, 0);
}

static void works_read_only(void)
{
	int fd;

	file_make("f", "");
	fd = EXPECT_OK(open("f", O_RDONLY));
	EXPECT_OK(flock(fd, LOCK_EX | LOCK_NB));
	EXPECT_ERR(flock(EXPECT_OK(open("f", O_RDONLY)), LOCK_SH | LOCK_NB), EWOULDBLOCK);
}

static void works_on_directory(void)
{
	int fd;

	dir_make("d", 0755);
	fd = EXPECT_OK(open("d", O_RDONLY));
	EXPECT_OK(flock(fd, LOCK_EX | LOCK_NB));
	EXPECT_ERR(flock(EXPECT_OK(open("d", O_RDONLY)), LOCK_EX | LOCK_NB), EWOULDBLOCK);
	EXPECT_OK(close(fd));
	EXPECT_OK(flock(EXPECT_OK(open("d", O_RDONLY)), LOCK_EX));
}

static void bad_arguments(void)
{
	EXPECT_ERR(flock(file_open_new("f"), 0), EINVAL);
	EXPECT_ERR(flock(EXPECT_OK(open("f", O_PATH)), LOCK_EX), EBADF);
}

static void unlocked_is_fine_to_unlock(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(flock(fd, LOCK_UN));
	EXPECT_OK(flock(EXPECT_OK(open("f", O_RDWR)), LOCK_EX | LOCK_NB));
}

const struct check flock_checks[] = {
	CHECK(flock, exclusive_excludes, .needs = NEED_FLOCK),
	CHECK(flock, shared_shares, .needs = NEED_FLOCK),
	CHECK(flock, converts, .needs = NEED_FLOCK),
	CHECK(flock, last_close_releases, .needs = NEED_FLOCK),
	CHECK(flock, unrelated_close_keeps, .needs = NEED_FLOCK),
	CHECK(flock, inherited_by_fork, .needs = NEED_FLOCK),
	CHECK(flock, child_can_unlock, .needs = NEED_FLOCK),
	CHECK(flock, exit_releases, .needs = NEED_FLOCK),
	CHECK(flock, waiter_wakes, .needs = NEED_FLOCK),
	CHECK(flock, waiter_interrupted, .needs = NEED_FLOCK),
	CHECK(flock, works_read_only, .needs = NEED_FLOCK),
	CHECK(flock, works_on_directory, .needs = NEED_FLOCK),
	CHECK(flock, bad_arguments, .needs = NEED_FLOCK),
	CHECK(flock, unlocked_is_fine_to_unlock, .needs = NEED_FLOCK),
	CHECK_END,
};
