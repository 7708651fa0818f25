/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

static void overwrites_in_place(void)
{
	int fd = file_open_new("f");

	file_put(fd, "0123456789", 10, 0);
	file_put(fd, "abc", 3, 4);
	EXPECT_TEXT("f", "0123abc789");
}

static void extends(void)
{
	int fd = file_open_new("f");

	file_put(fd, "0123", 4, 0);
	file_put(fd, "abc", 3, 2);
	EXPECT_TEXT("f", "01abc");
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 0);
}

static void advances_offset(void)
{
	int fd = file_open_new("f");

	EXPECT_EQ(EXPECT_OK(write(fd, "abc", 3)), 3);
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 3);
	EXPECT_EQ(EXPECT_OK(write(fd, "def", 3)), 3);
	EXPECT_TEXT("f", "abcdef");
}

static void beyond_end_makes_hole(void)
{
	int fd = file_open_new("f");

	file_put(fd, "start", 5, 0);
	file_put(fd, "end", 3, 70000);
	EXPECT_EQ(file_size("f"), 70003);
	file_expect_zeros(fd, 70000 - 5, 5);
}

static void beyond_four_gigabytes(void)
{
	const off_t far = ((off_t)5 << 30) + 123;
	char data[4];
	int fd = file_open_new("f");

	file_put(fd, "far!", 4, far);
	EXPECT_EQ(file_size("f"), far + 4);
	file_take(fd, data, 4, far);
	EXPECT_DATA(data, "far!", 4);
	file_expect_zeros(fd, 4096, far - 4096);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), far + 4);
}

static void zero_bytes(void)
{
	int fd = file_open_new("f");

	EXPECT_EQ(EXPECT_OK(write(fd, "x", 0)), 0);
	EXPECT_EQ(EXPECT_OK(pwrite(fd, "x", 0, 100)), 0);
	EXPECT_EQ(file_size("f"), 0);
}

static void negative_position(void)
{
	EXPECT_ERR(pwrite(file_open_new("f"), "x", 1, -1), EINVAL);
}

static void bad_buffer(void)
{
	void *nowhere =
		EXPECT_POINTER(mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	int fd = file_open_new("f");

	file_put(fd, "text", 4, 0);
	EXPECT_ERR(pwrite(fd, nowhere, 4, 0), EFAULT);
	EXPECT_TEXT("f", "text");
}

static void append_goes_to_end(void)
{
	int fd;

	file_make("f", "start ");
	fd = EXPECT_OK(open("f", O_RDWR | O_APPEND));
	EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
	EXPECT_EQ(EXPECT_OK(write(fd, "more", 4)), 4);
	EXPECT_TEXT("f", "start more");
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 10);
}

static void append_ignores_position(void)
{
	int fd;

	file_make("f", "start ");
	fd = EXPECT_OK(open("f", O_RDWR | O_APPEND));
	EXPECT_EQ(EXPECT_OK(pwrite(fd, "more", 4, 0)), 4);
	EXPECT_TEXT("f", "start more");
}

static void append_follows_other_writers(void)
{
	int first;
	int second;

	file_make("f", "");
	first = EXPECT_OK(open("f", O_WRONLY | O_APPEND));
	second = EXPECT_OK(open("f", O_WRONLY | O_APPEND));
	EXPECT_EQ(EXPECT_OK(write(first, "a", 1)), 1);
	EXPECT_EQ(EXPECT_OK(write(second, "b", 1)), 1);
	EXPECT_EQ(EXPECT_OK(write(first, "c", 1)), 1);
	EXPECT_TEXT("f", "abc");
}

static void append_follows_truncation(void)
{
	int fd;

	file_make("f", "start");
	fd = EXPECT_OK(open("f", O_WRONLY | O_APPEND));
	EXPECT_EQ(EXPECT_OK(write(fd, " middle", 7)), 7);
	EXPECT_OK(truncate("f", 2));
	EXPECT_EQ(EXPECT_OK(write(fd, "end", 3)), 3);
	EXPECT_TEXT("f", "stend");
}

static void append_reads_anywhere(void)
{
	char data[5];
	int fd;

	file_make("f", "start");
	fd = EXPECT_OK(open("f", O_RDWR | O_APPEND));
	EXPECT_EQ(EXPECT_OK(read(fd, data, 5)), 5);
	EXPECT_DATA(data, "start", 5);
	EXPECT_EQ(EXPECT_OK(write(fd, "!", 1)), 1);
	file_take(fd, data, 2, 4);
	EXPECT_DATA(data, "t!", 2);
}

static void limit_size(rlim_t size)
{
	struct rlimit limit = { .rlim_cur = size, .rlim_max = RLIM_INFINITY };

	if (geteuid() != 0)
		limit.rlim_max = size;
	EXPECT_OK(setrlimit(RLIMIT_FSIZE, &limit));
}

static void stops_at_size_limit(void)
{
	char data[200] = "";
	int fd = file_open_new("f");

	signal(SIGXFSZ, SIG_IGN);
	limit_size(1000);
	EXPECT_EQ(EXPECT_OK(pwrite(fd, data, 200, 900)), 100);
	EXPECT_ERR(pwrite(fd, data, 1, 1000), EFBIG);
	EXPECT_EQ(file_size("f"), 1000);
}

static void signals_at_size_limit(void)
{
	pid_t pid;
	int status;
	int fd = file_open_new("f");

	limit_size(1000);
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		struct rlimit no_core = { 0, 0 };

		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGXFSZ, SIG_DFL);
		EXPECT_OK(pwrite(fd, "x", 1, 1000));
		_exit(0);
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT(WIFSIGNALED(status));
	EXPECT_EQ(WTERMSIG(status), SIGXFSZ);
}

static void gathered(void)
{
	struct iovec parts[] = { { "ab", 2 }, { NULL, 0 }, { "cde", 3 } };
	int fd = file_open_new("f");

	EXPECT_EQ(EXPECT_OK(writev(fd, parts, 3)), 5);
	EXPECT_EQ(EXPECT_OK(pwritev(fd, parts, 3, 7)), 5);
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 5);
	EXPECT_EQ(file_size("f"), 12);
	EXPECT_OK(ftruncate(fd, 5));
	EXPECT_TEXT("f", "abcde");
}

static void gathered_append(void)
{
	struct iovec parts[] = { { "ab", 2 }, { "cde", 3 } };
	int fd;

	file_make("f", "start ");
	fd = EXPECT_OK(open("f", O_WRONLY | O_APPEND));
	EXPECT_EQ(EXPECT_OK(pwritev(fd, parts, 2, 0)), 5);
	EXPECT_TEXT("f", "start abcde");
}

static void large_and_unaligned(void)
{
	enum { SIZE = (1 << 20) + 12345, START = 4093 };
	unsigned char *wanted = EXPECT_POINTER(malloc(SIZE + 1));
	unsigned char *got = EXPECT_POINTER(malloc(SIZE));
	int fd = file_open_new("f");

	data_fill(wanted + 1, SIZE, 1);
	file_put(fd, wanted + 1, SIZE, START);
	EXPECT_EQ(file_size("f"), START + SIZE);
	file_take(fd, got, SIZE, START);
	EXPECT_DATA(got, wanted + 1, SIZE);
	file_expect_zeros(fd, START, 0);
}

static void at_random_places(void)
{
	enum { SIZE = 100000, COUNT = 300 };
	unsigned char *model = EXPECT_POINTER(calloc(1, SIZE));
	unsigned char *data = EXPECT_POINTER(malloc(SIZE));
	unsigned state = 7;
	int fd = file_open_new("f");

	EXPECT_OK(ftruncate(fd, SIZE));
	for (unsigned i = 0; i < COUNT; i++) {
		unsigned start;
		unsigned size;

		state = state * 1103515245u + 12345u;
		start = (state >> 8) % SIZE;
		size = 1 + (state >> 5) % 9000;
		size = size < SIZE - start ? size : SIZE - start;
		data_fill(data, size, i);
		memcpy(model + start, data, size);
		file_put(fd, data, size, start);
	}
	file_take(fd, data, SIZE, 0);
	EXPECT_DATA(data, model, SIZE);
	EXPECT_EQ(file_size("f"), SIZE);
}

static void many_small(void)
{
	enum { COUNT = 5000 };
	static unsigned char got[COUNT];
	int fd = file_open_new("f");

	for (int i = 0; i < COUNT; i++) {
		unsigned char byte = (unsigned char)(i * 7);

		EXPECT_EQ(EXPECT_OK(write(fd, &byte, 1)), 1);
	}
	file_take(fd, got, COUNT, 0);
	for (int i = 0; i < COUNT; i++)
		EXPECT_EQ(got[i], (unsigned char)(i * 7));
}

static void updates_times(void)
{
	struct stat before;
	int fd = file_open_new("f");

	before = file_stat("f");
	pause_tick();
	file_put(fd, "text", 4, 0);
	EXPECT_LATER(file_stat("f").st_mtim, before.st_mtim);
	EXPECT_LATER(file_stat("f").st_ctim, before.st_ctim);
	before = file_stat("f");
	pause_tick();
	file_put(fd, "over", 4, 0);
	EXPECT_LATER(file_stat("f").st_mtim, before.st_mtim);
}

static void size_visible_at_once(void)
{
	int fd = file_open_new("f");

	for (int i = 1; i < 100; i++) {
		EXPECT_EQ(EXPECT_OK(write(fd, "0123456789", 10)), 10);
		EXPECT_EQ(file_size("f"), i * 10);
		EXPECT_EQ(file_stat_fd(fd).st_size, i * 10);
	}
}

static void synchronous(void)
{
	int fd = EXPECT_OK(open("f", O_RDWR | O_CREAT | O_SYNC, 0644));
	int data_only = EXPECT_OK(open("f", O_RDWR | O_DSYNC));

	file_put(fd, "abc", 3, 0);
	file_put(data_only, "def", 3, 3);
	EXPECT_TEXT("f", "abcdef");
}

static void two_descriptors_interleave(void)
{
	int first = file_open_new("f");
	int second = EXPECT_OK(open("f", O_RDWR));

	for (int i = 0; i < 10; i++)
		file_put(i % 2 ? first : second, i % 2 ? "1" : "0", 1, i);
	EXPECT_TEXT("f", "0101010101");
}

static void visible_after_writer_died(void)
{
	pid_t pid = EXPECT_OK(fork());
	int status;

	if (pid == 0) {
		file_put(file_open_new("f"), "text", 4, 0);
		kill(getpid(), SIGKILL);
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT(WIFSIGNALED(status));
	EXPECT_TEXT("f", "text");
}

const struct check write_checks[] = {
	CHECK(write, overwrites_in_place),
	CHECK(write, extends),
	CHECK(write, advances_offset),
	CHECK(write, beyond_end_makes_hole),
	CHECK(write, beyond_four_gigabytes),
	CHECK(write, zero_bytes),
	CHECK(write, negative_position),
	CHECK(write, bad_buffer),
	CHECK(write, append_goes_to_end),
	CHECK(write, append_ignores_position),
	CHECK(write, append_follows_other_writers),
	CHECK(write, append_follows_truncation),
	CHECK(write, append_reads_anywhere),
	CHECK(write, stops_at_size_limit),
	CHECK(write, signals_at_size_limit),
	CHECK(write, gathered),
	CHECK(write, gathered_append),
	CHECK(write, large_and_unaligned),
	CHECK(write, at_random_places),
	CHECK(write, many_small),
	CHECK(write, updates_times),
	CHECK(write, size_visible_at_once),
	CHECK(write, synchronous),
	CHECK(write, two_descriptors_interleave),
	CHECK(write, visible_after_writer_died),
	CHECK_END,
};
