/* SPDX-License-Identifier: BSD-3-Clause */
/* Record locks of processes: fcntl F_SETLK and relatives. */
#include "groups.h"

#include <signal.h>
#include <sys/wait.h>

static struct flock range(short type, off_t start, off_t size)
{
	return (struct flock){
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = size
	};
}

static int lock(int fd, short type, off_t start, off_t size)
{
	struct flock wanted = range(type, start, size);

	return fcntl(fd, F_SETLK, &wanted);
}

static int lock_wait(int fd, short type, off_t start, off_t size)
{
	struct flock wanted = range(type, start, size);

	return fcntl(fd, F_SETLKW, &wanted);
}

/* What another process would find. */
static struct flock test_lock(int fd, short type, off_t start, off_t size)
{
	struct flock wanted = range(type, start, size);

	EXPECT_OK(fcntl(fd, F_GETLK, &wanted));
	return wanted;
}

/* Run one statement in another process and wait for it. */
#define ELSEWHERE(statement)                                                                       \
	do {                                                                                       \
		pid_t pid_ = EXPECT_OK(fork());                                                    \
		if (pid_ == 0) {                                                                   \
			statement;                                                                 \
			_exit(0);                                                                  \
		}                                                                                  \
		EXPECT_CHILD(pid_);                                                                \
	} while (0)

static void write_lock_excludes(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	ELSEWHERE(EXPECT_ERR2(lock(fd, F_WRLCK, 5, 1), EAGAIN, EACCES));
	ELSEWHERE(EXPECT_ERR2(lock(fd, F_RDLCK, 9, 5), EAGAIN, EACCES));
	ELSEWHERE(EXPECT_OK(lock(fd, F_WRLCK, 10, 5)));
}

static void read_locks_share(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(lock(fd, F_RDLCK, 0, 10));
	ELSEWHERE(EXPECT_OK(lock(fd, F_RDLCK, 0, 10)));
	ELSEWHERE(EXPECT_ERR2(lock(fd, F_WRLCK, 0, 10), EAGAIN, EACCES));
}

static void own_locks_never_conflict(void)
{
	int fd = file_open_new("f");
	int other = EXPECT_OK(open("f", O_RDWR));

	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	EXPECT_OK(lock(other, F_WRLCK, 0, 10));
	EXPECT_OK(lock(other, F_RDLCK, 5, 10));
	EXPECT_EQ(test_lock(fd, F_WRLCK, 0, 100).l_type, F_UNLCK);
}

static void unlock_frees(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	EXPECT_OK(lock(fd, F_UNLCK, 0, 10));
	ELSEWHERE(EXPECT_OK(lock(fd, F_WRLCK, 0, 10)));
	EXPECT_OK(lock(fd, F_UNLCK, 0, 10));
}

static void unlock_splits(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(lock(fd, F_WRLCK, 0, 30));
	EXPECT_OK(lock(fd, F_UNLCK, 10, 10));
	ELSEWHERE(EXPECT_ERR2(lock(fd, F_WRLCK, 9, 1), EAGAIN, EACCES));
	ELSEWHERE(EXPECT_OK(lock(fd, F_WRLCK, 10, 10)));
	ELSEWHERE(EXPECT_ERR2(lock(fd, F_WRLCK, 20, 1), EAGAIN, EACCES));
}

static void downgrade_and_upgrade(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	EXPECT_OK(lock(fd, F_RDLCK, 0, 10));
	ELSEWHERE(EXPECT_OK(lock(fd, F_RDLCK, 0, 10)));
	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	ELSEWHERE(EXPECT_ERR2(lock(fd, F_RDLCK, 0, 10), EAGAIN, EACCES));
}

static void upgrade_refused_while_shared(void)
{
	struct gate locked;
	struct gate done;
	pid_t pid;
	int fd = file_open_new("f");

	gate_init(&locked);
	gate_init(&done);
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		EXPECT_OK(lock(fd, F_RDLCK, 0, 10));
		gate_open(&locked, 1);
		gate_wait(&done);
		_exit(0);
	}
	gate_wait(&locked);
	EXPECT_OK(lock(fd, F_RDLCK, 0, 10));
	EXPECT_ERR2(lock(fd, F_WRLCK, 0, 10), EAGAIN, EACCES);
	gate_open(&done, 1);
	EXPECT_CHILD(pid);
	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
}

static void getlk_reports_holder(void)
{
	pid_t holder = getpid();
	int fd = file_open_new("f");

	EXPECT_OK(lock(fd, F_WRLCK, 100, 50));
	ELSEWHERE({
		struct flock found = test_lock(fd, F_RDLCK, 120, 1000);

		EXPECT_EQ(found.l_type, F_WRLCK);
		EXPECT_EQ(found.l_start, 100);
		EXPECT_EQ(found.l_len, 50);
		EXPECT_EQ(found.l_whence, SEEK_SET);
		EXPECT_EQ(found.l_pid, holder);
	});
}

static void getlk_reports_free(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(lock(fd, F_RDLCK, 0, 50));
	ELSEWHERE({
		EXPECT_EQ(test_lock(fd, F_RDLCK, 0, 10).l_type, F_UNLCK);
		EXPECT_EQ(test_lock(fd, F_WRLCK, 50, 10).l_type, F_UNLCK);
		EXPECT_EQ(test_lock(fd, F_WRLCK, 49, 1).l_type, F_RDLCK);
	});
}

static void zero_length_is_to_the_end(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(lock(fd, F_WRLCK, 100, 0));
	ELSEWHERE(EXPECT_OK(lock(fd, F_WRLCK, 0, 100)));
	ELSEWHERE(EXPECT_ERR2(lock(fd, F_RDLCK, (off_t)1 << 50, 1), EAGAIN, EACCES));
	ELSEWHERE(EXPECT_EQ(test_lock(fd, F_RDLCK, 5000, 1).l_len, 0));
}

static void whence_and_negative_length(void)
{
	struct flock wanted = {
		.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -10, .l_len = 5
	};
	int fd = file_open_new("f");

	EXPECT_OK(ftruncate(fd, 100));
	EXPECT_OK(fcntl(fd, F_SETLK, &wanted));
	ELSEWHERE(EXPECT_EQ(test_lock(fd, F_RDLCK, 0, 0).l_start, 90));
	EXPECT_EQ(lseek(fd, 50, SEEK_SET), 50);
	wanted = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_len = -20 };
	EXPECT_OK(fcntl(fd, F_SETLK, &wanted));
	ELSEWHERE({
		struct flock found = test_lock(fd, F_RDLCK, 0, 60);

		EXPECT_EQ(found.l_start, 30);
		EXPECT_EQ(found.l_len, 20);
	});
}

static void bad_arguments(void)
{
	struct flock wanted = range(F_WRLCK, -1, 1);
	int fd = file_open_new("f");

	EXPECT_ERR(fcntl(fd, F_SETLK, &wanted), EINVAL);
	wanted = range(77, 0, 1);
	EXPECT_ERR(fcntl(fd, F_SETLK, &wanted), EINVAL);
	wanted = range(F_WRLCK, 0, 1);
	wanted.l_whence = 77;
	EXPECT_ERR(fcntl(fd, F_SETLK, &wanted), EINVAL);
}

static void needs_matching_access(void)
{
	int reader;
	int writer;

	file_make("f", "text");
	reader = EXPECT_OK(open("f", O_RDONLY));
	writer = EXPECT_OK(open("f", O_WRONLY));
	EXPECT_ERR(lock(reader, F_WRLCK, 0, 1), EBADF);
	EXPECT_ERR(lock(writer, F_RDLCK, 0, 1), EBADF);
	EXPECT_OK(lock(reader, F_RDLCK, 0, 1));
	EXPECT_OK(lock(writer, F_WRLCK, 0, 1));
}

static void any_close_releases(void)
{
	int fd = file_open_new("f");
	int other = EXPECT_OK(open("f", O_RDONLY));

	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	EXPECT_OK(close(other));
	ELSEWHERE(EXPECT_OK(lock(fd, F_WRLCK, 0, 10)));
	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	EXPECT_OK(close(EXPECT_OK(dup(fd))));
	ELSEWHERE(EXPECT_OK(lock(fd, F_WRLCK, 0, 10)));
}

static void exit_releases(void)
{
	int fd = file_open_new("f");

	ELSEWHERE(EXPECT_OK(lock(fd, F_WRLCK, 0, 10)));
	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
}

static void kill_releases(void)
{
	struct gate locked;
	pid_t pid;
	int fd = file_open_new("f");

	gate_init(&locked);
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
		gate_open(&locked, 1);
		pause();
	}
	gate_wait(&locked);
	EXPECT_ERR2(lock(fd, F_WRLCK, 0, 10), EAGAIN, EACCES);
	EXPECT_OK(kill(pid, SIGKILL));
	EXPECT_OK(lock_wait(fd, F_WRLCK, 0, 10));
}

static void not_inherited(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	ELSEWHERE({
		EXPECT_EQ(test_lock(fd, F_WRLCK, 0, 10).l_pid, getppid());
		EXPECT_OK(close(fd));
	});
	ELSEWHERE(EXPECT_ERR2(lock(fd, F_WRLCK, 0, 10), EAGAIN, EACCES));
}

static void waiter_wakes(void)
{
	struct gate waiting;
	pid_t pid;
	int fd = file_open_new("f");

	gate_init(&waiting);
	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		EXPECT_ERR2(lock(fd, F_WRLCK, 0, 10), EAGAIN, EACCES);
		gate_open(&waiting, 1);
		EXPECT_OK(lock_wait(fd, F_WRLCK, 0, 10));
		EXPECT_EQ(file_size("f"), 4);
		_exit(0);
	}
	gate_wait(&waiting);
	pause_ms(100);
	file_put(fd, "done", 4, 0);
	EXPECT_OK(lock(fd, F_UNLCK, 0, 10));
	EXPECT_CHILD(pid);
}

static void all_readers_wake(void)
{
	enum { READERS = 4 };
	pid_t pids[READERS];
	int fd = file_open_new("f");

	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	for (int i = 0; i < READERS; i++) {
		pids[i] = EXPECT_OK(fork());
		if (pids[i] == 0) {
			EXPECT_OK(lock_wait(fd, F_RDLCK, 0, 10));
			_exit(0);
		}
	}
	pause_ms(100);
	EXPECT_OK(lock(fd, F_UNLCK, 0, 10));
	for (int i = 0; i < READERS; i++)
		EXPECT_CHILD(pids[i]);
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
	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		EXPECT_ERR(lock_wait(fd, F_WRLCK, 0, 10), EINTR);
		_exit(0);
	}
	/* A signal that comes before the call is lost, so repeat it. */
	do {
		pause_ms(20);
		EXPECT_OK(kill(pid, SIGUSR1));
	} while (waitpid(pid, &status, WNOHANG) == 0);
	EXPECT_EQ(status, 0);
	ELSEWHERE(EXPECT_ERR2(lock(fd, F_WRLCK, 0, 10), EAGAIN, EACCES));
}

static void waiter_killed_leaves_nothing(void)
{
	int status;
	pid_t pid;
	int fd = file_open_new("f");

	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		lock_wait(fd, F_WRLCK, 0, 10);
		_exit(0);
	}
	pause_ms(100);
	EXPECT_OK(kill(pid, SIGKILL));
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT(WIFSIGNALED(status));
	EXPECT_OK(lock(fd, F_UNLCK, 0, 10));
	ELSEWHERE(EXPECT_OK(lock(fd, F_WRLCK, 0, 10)));
}

/* Each holds what the other wants; one must be told so. */
static void deadlock_reported(void)
{
	struct gate first;
	struct gate second;
	int refused;
	pid_t pid;
	int fd = file_open_new("f");

	gate_init(&first);
	gate_init(&second);
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		EXPECT_OK(lock(fd, F_WRLCK, 1, 1));
		gate_open(&first, 1);
		gate_wait(&second);
		refused = lock_wait(fd, F_WRLCK, 0, 1);
		if (refused < 0)
			EXPECT_EQ(errno, EDEADLK);
		_exit(refused < 0 ? 1 : 0);
	}
	gate_wait(&first);
	EXPECT_OK(lock(fd, F_WRLCK, 0, 1));
	gate_open(&second, 1);
	refused = lock_wait(fd, F_WRLCK, 1, 1);
	if (refused < 0)
		EXPECT_EQ(errno, EDEADLK);
	EXPECT_OK(lock(fd, F_UNLCK, 0, 2));
	EXPECT_STATUS(pid, refused == 0);
}

static void survives_rename_and_unlink(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	EXPECT_OK(rename("f", "g"));
	ELSEWHERE(EXPECT_ERR2(lock(EXPECT_OK(open("g", O_RDWR)), F_WRLCK, 0, 10), EAGAIN, EACCES));
	EXPECT_OK(unlink("g"));
	ELSEWHERE(EXPECT_ERR2(lock(fd, F_WRLCK, 0, 10), EAGAIN, EACCES));
}

static void same_lock_through_other_link(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(link("f", "g"));
	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	ELSEWHERE(EXPECT_ERR2(lock(EXPECT_OK(open("g", O_RDWR)), F_WRLCK, 0, 10), EAGAIN, EACCES));
}

static void advisory_only(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(lock(fd, F_WRLCK, 0, 10));
	ELSEWHERE(file_put(EXPECT_OK(open("f", O_WRONLY)), "text", 4, 0));
	EXPECT_TEXT("f", "text");
}

static void many_ranges(void)
{
	int fd = file_open_new("f");

	for (off_t i = 0; i < 200; i++)
		EXPECT_OK(lock(fd, F_WRLCK, i * 10, 5));
	ELSEWHERE({
		EXPECT_ERR2(lock(fd, F_WRLCK, 1994, 1), EAGAIN, EACCES);
		EXPECT_OK(lock(fd, F_WRLCK, 1995, 5));
		EXPECT_OK(lock(fd, F_WRLCK, 5, 5));
	});
	EXPECT_OK(lock(fd, F_UNLCK, 0, 0));
	ELSEWHERE(EXPECT_OK(lock(fd, F_WRLCK, 0, 0)));
}

const struct check lock_checks[] = {
	CHECK(lock, write_lock_excludes),
	CHECK(lock, read_locks_share),
	CHECK(lock, own_locks_never_conflict),
	CHECK(lock, unlock_frees),
	CHECK(lock, unlock_splits),
	CHECK(lock, downgrade_and_upgrade),
	CHECK(lock, upgrade_refused_while_shared),
	CHECK(lock, getlk_reports_holder),
	CHECK(lock, getlk_reports_free),
	CHECK(lock, zero_length_is_to_the_end),
	CHECK(lock, whence_and_negative_length),
	CHECK(lock, bad_arguments),
	CHECK(lock, needs_matching_access),
	CHECK(lock, any_close_releases),
	CHECK(lock, exit_releases),
	CHECK(lock, kill_releases),
	CHECK(lock, not_inherited),
	CHECK(lock, waiter_wakes),
	CHECK(lock, all_readers_wake),
	CHECK(lock, waiter_interrupted),
	CHECK(lock, waiter_killed_leaves_nothing),
	CHECK(lock, deadlock_reported, .needs = NEED_DEADLOCK),
	CHECK(lock, survives_rename_and_unlink),
	CHECK(lock, same_lock_through_other_link),
	CHECK(lock, advisory_only),
	CHECK(lock, many_ranges),
	CHECK_END,
};
