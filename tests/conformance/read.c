/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static void returns_what_was_written(void)
{
	char data[16];
	int fd;

	file_make("f", "some text");
	fd = EXPECT_OK(open("f", O_RDONLY));
	EXPECT_EQ(EXPECT_OK(read(fd, data, 9)), 9);
	EXPECT_DATA(data, "some text", 9);
}

static void short_at_end(void)
{
	char data[100];
	int fd;

	file_make("f", "text");
	fd = EXPECT_OK(open("f", O_RDONLY));
	EXPECT_EQ(EXPECT_OK(read(fd, data, sizeof(data))), 4);
	EXPECT_EQ(EXPECT_OK(read(fd, data, sizeof(data))), 0);
	EXPECT_EQ(EXPECT_OK(pread(fd, data, sizeof(data), 3)), 1);
	EXPECT_EQ(data[0], 't');
}

static void nothing_beyond_end(void)
{
	char byte;
	int fd;

	file_make("f", "text");
	fd = EXPECT_OK(open("f", O_RDONLY));
	EXPECT_EQ(EXPECT_OK(pread(fd, &byte, 1, 4)), 0);
	EXPECT_EQ(EXPECT_OK(pread(fd, &byte, 1, 100000)), 0);
	EXPECT_EQ(EXPECT_OK(pread(fd, &byte, 1, (off_t)1 << 40)), 0);
}

static void zero_bytes(void)
{
	char byte = 'u';
	int fd;

	file_make("f", "text");
	fd = EXPECT_OK(open("f", O_RDONLY));
	EXPECT_EQ(EXPECT_OK(read(fd, &byte, 0)), 0);
	EXPECT_EQ(byte, 'u');
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 0);
}

static void advances_offset(void)
{
	char data[3];
	int fd;

	file_make("f", "abcdef");
	fd = EXPECT_OK(open("f", O_RDONLY));
	EXPECT_EQ(EXPECT_OK(read(fd, data, 3)), 3);
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 3);
	EXPECT_EQ(EXPECT_OK(read(fd, data, 3)), 3);
	EXPECT_DATA(data, "def", 3);
}

static void positioned_keeps_offset(void)
{
	char data[2];
	int fd;

	file_make("f", "abcdef");
	fd = EXPECT_OK(open("f", O_RDONLY));
	EXPECT_EQ(lseek(fd, 1, SEEK_SET), 1);
	EXPECT_EQ(EXPECT_OK(pread(fd, data, 2, 4)), 2);
	EXPECT_DATA(data, "ef", 2);
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 1);
}

static void negative_position(void)
{
	char byte;
	int fd = file_open_new("f");

	EXPECT_ERR(pread(fd, &byte, 1, -1), EINVAL);
}

static void bad_buffer(void)
{
	void *nowhere =
		EXPECT_POINTER(mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	int fd = file_open_new("f");

	file_put(fd, "text", 4, 0);
	EXPECT_ERR(pread(fd, nowhere, 4, 0), EFAULT);
}

static void scattered(void)
{
	char first[2];
	char second[3];
	struct iovec parts[] = { { first, 2 }, { NULL, 0 }, { second, 3 } };
	int fd = file_open_new("f");

	file_put(fd, "abcdefgh", 8, 0);
	EXPECT_EQ(EXPECT_OK(readv(fd, parts, 3)), 5);
	EXPECT_DATA(first, "ab", 2);
	EXPECT_DATA(second, "cde", 3);
	EXPECT_EQ(EXPECT_OK(preadv(fd, parts, 3, 6)), 2);
	EXPECT_DATA(first, "gh", 2);
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 5);
}

static void many_segments(void)
{
	enum { COUNT = 1024, PART = 7 };
	static unsigned char wanted[COUNT * PART];
	static unsigned char got[COUNT * PART];
	static struct iovec parts[COUNT];
	int fd = file_open_new("f");

	data_fill(wanted, sizeof(wanted), 1);
	file_put(fd, wanted, sizeof(wanted), 3);
	for (int i = 0; i < COUNT; i++)
		parts[i] = (struct iovec){ got + i * PART, PART };
	EXPECT_EQ(EXPECT_OK(preadv(fd, parts, COUNT, 3)), sizeof(got));
	EXPECT_DATA(got, wanted, sizeof(got));
}

static void hole_is_zeros(void)
{
	int fd = file_open_new("f");

	file_put(fd, "end", 3, 300001);
	file_expect_zeros(fd, 300001, 0);
}

static void large_and_unaligned(void)
{
	enum { SIZE = (1 << 20) + 4099 };
	unsigned char *wanted = EXPECT_POINTER(malloc(SIZE));
	unsigned char *got = EXPECT_POINTER(malloc(SIZE + 1));
	int fd = file_open_new("f");

	data_fill(wanted, SIZE, 2);
	file_put(fd, wanted, SIZE, 0);
	file_take(fd, got + 1, SIZE, 0);
	EXPECT_DATA(got + 1, wanted, SIZE);
	file_take(fd, got, SIZE - 777, 777);
	EXPECT_DATA(got, wanted + 777, SIZE - 777);
}

static void at_random_places(void)
{
	enum { SIZE = 200000, COUNT = 400 };
	unsigned char *wanted = EXPECT_POINTER(malloc(SIZE));
	unsigned char *got = EXPECT_POINTER(malloc(SIZE));
	unsigned state = 1;
	int fd = file_open_new("f");

	data_fill(wanted, SIZE, 3);
	file_put(fd, wanted, SIZE, 0);
	EXPECT_OK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	for (int i = 0; i < COUNT; i++) {
		unsigned start;
		unsigned size;

		state = state * 1103515245u + 12345u;
		start = (state >> 8) % SIZE;
		size = 1 + (state >> 4) % (SIZE - start);
		file_take(fd, got, size, start);
		EXPECT_DATA(got, wanted + start, size);
	}
}

static void sees_other_descriptor(void)
{
	char data[4];
	int writer = file_open_new("f");
	int reader = EXPECT_OK(open("f", O_RDONLY));

	for (int i = 0; i < 50; i++) {
		unsigned char byte = (unsigned char)i;

		file_put(writer, &byte, 1, i);
		file_take(reader, data, 1, i);
		EXPECT_DATA(data, &byte, 1);
		EXPECT_EQ(EXPECT_OK(pread(reader, data, 4, i + 1)), 0);
	}
}

static void sees_other_process(void)
{
	char data[4];
	pid_t pid;
	int fd = file_open_new("f");

	file_put(fd, "old!", 4, 0);
	file_take(fd, data, 4, 0);
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		file_put(EXPECT_OK(open("f", O_WRONLY)), "new!", 4, 0);
		_exit(0);
	}
	EXPECT_CHILD(pid);
	file_take(fd, data, 4, 0);
	EXPECT_DATA(data, "new!", 4);
}

static void sees_truncation(void)
{
	char data[4];
	int fd = file_open_new("f");

	file_put(fd, "text", 4, 0);
	file_take(fd, data, 4, 0);
	EXPECT_OK(truncate("f", 1));
	EXPECT_EQ(EXPECT_OK(pread(fd, data, 4, 0)), 1);
	EXPECT_EQ(EXPECT_OK(pread(fd, data, 4, 1)), 0);
}

static void after_dropping_the_cache(void)
{
	enum { SIZE = 100000 };
	static unsigned char wanted[SIZE];
	static unsigned char got[SIZE];
	int fd = file_open_new("f");

	data_fill(wanted, SIZE, 4);
	file_put(fd, wanted, SIZE, 0);
	EXPECT_OK(fsync(fd));
	EXPECT_OK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	file_take(fd, got, SIZE, 0);
	EXPECT_DATA(got, wanted, SIZE);
}

static void after_reopening(void)
{
	enum { SIZE = 150000 };
	static unsigned char wanted[SIZE];
	static unsigned char got[SIZE];
	int fd = file_open_new("f");

	data_fill(wanted, SIZE, 5);
	file_put(fd, wanted, SIZE, 0);
	EXPECT_OK(close(fd));
	fd = EXPECT_OK(open("f", O_RDONLY));
	file_take(fd, got, SIZE, 0);
	EXPECT_DATA(got, wanted, SIZE);
}

/* A pipe holds 64 KiB, so one transfer of less needs no second process. */
static void sent_to_pipe(void)
{
	enum { SIZE = 50000 };
	static unsigned char wanted[SIZE];
	static unsigned char got[SIZE];
	int ends[2];
	int fd = file_open_new("f");
	off_t offset = 1000;
	size_t total = 0;

	data_fill(wanted, SIZE, 6);
	file_put(fd, wanted, SIZE, 1000);
	EXPECT_OK(pipe(ends));
	EXPECT_EQ(EXPECT_OK(sendfile(ends[1], fd, &offset, SIZE)), SIZE);
	EXPECT_EQ(offset, 1000 + SIZE);
	while (total < SIZE) {
		int part = EXPECT_OK(read(ends[0], got + total, SIZE - total));

		EXPECT(part > 0);
		total += (size_t)part;
	}
	EXPECT_DATA(got, wanted, SIZE);
}

static void spliced_from_file_to_file(void)
{
	enum { SIZE = 40000 };
	static unsigned char wanted[SIZE];
	static unsigned char got[SIZE];
	int ends[2];
	int from = file_open_new("f");
	int to = file_open_new("g");
	size_t total = 0;

	data_fill(wanted, SIZE, 7);
	file_put(from, wanted, SIZE, 0);
	EXPECT_OK(pipe(ends));
	while (total < SIZE) {
		int part = EXPECT_OK(splice(from, NULL, ends[1], NULL, SIZE - total, 0));

		EXPECT(part > 0);
		for (int left = part; left > 0;) {
			int done = EXPECT_OK(splice(ends[0], NULL, to, NULL, (size_t)left, 0));

			EXPECT(done > 0);
			left -= done;
		}
		total += (size_t)part;
	}
	file_take(to, got, SIZE, 0);
	EXPECT_DATA(got, wanted, SIZE);
	EXPECT_EQ(file_size("g"), SIZE);
}

const struct check read_checks[] = {
	CHECK(read, returns_what_was_written),
	CHECK(read, short_at_end),
	CHECK(read, nothing_beyond_end),
	CHECK(read, zero_bytes),
	CHECK(read, advances_offset),
	CHECK(read, positioned_keeps_offset),
	CHECK(read, negative_position),
	CHECK(read, bad_buffer),
	CHECK(read, scattered),
	CHECK(read, many_segments),
	CHECK(read, hole_is_zeros),
	CHECK(read, large_and_unaligned),
	CHECK(read, at_random_places),
	CHECK(read, sees_other_descriptor),
	CHECK(read, sees_other_process),
	CHECK(read, sees_truncation),
	CHECK(read, after_dropping_the_cache),
	CHECK(read, after_reopening),
	CHECK(read, sent_to_pipe),
	CHECK(read, spliced_from_file_to_file),
	CHECK_END,
};
