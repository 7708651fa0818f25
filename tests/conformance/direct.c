/* SPDX-License-Identifier: BSD-3-Clause */
/* O_DIRECT. 4096 bytes satisfy the alignment every common file system asks for. */
#include "groups.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 4096, BLOCKS = 64, SIZE = BLOCK * BLOCKS };

static unsigned char *new_buffer(size_t size)
{
	void *buffer = EXPECT_POINTER(aligned_alloc(BLOCK, size));

	memset(buffer, 0, size);
	return buffer;
}

static int open_direct(const char *path)
{
	return EXPECT_OK(open(path, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0644));
}

static void reads_what_it_wrote(void)
{
	unsigned char *wanted = new_buffer(SIZE);
	unsigned char *got = new_buffer(SIZE);
	int fd = open_direct("f");

	data_fill(wanted, SIZE, 1);
	file_put(fd, wanted, SIZE, 0);
	file_take(fd, got, SIZE, 0);
	EXPECT_DATA(got, wanted, SIZE);
	file_take(fd, got, BLOCK, 5 * BLOCK);
	EXPECT_DATA(got, wanted + 5 * BLOCK, BLOCK);
}

static void seen_by_buffered_read(void)
{
	unsigned char *wanted = new_buffer(SIZE);
	unsigned char *got = new_buffer(SIZE);
	int fd = open_direct("f");
	int buffered = EXPECT_OK(open("f", O_RDWR));

	data_fill(wanted, SIZE, 2);
	file_put(fd, wanted, SIZE, 0);
	file_take(buffered, got, SIZE, 0);
	EXPECT_DATA(got, wanted, SIZE);
	data_fill(wanted, SIZE, 3);
	file_put(fd, wanted, SIZE, 0);
	file_take(buffered, got, SIZE, 0);
	EXPECT_DATA(got, wanted, SIZE);
}

static void sees_buffered_write(void)
{
	unsigned char *wanted = new_buffer(SIZE);
	unsigned char *got = new_buffer(SIZE);
	int fd = open_direct("f");
	int buffered = EXPECT_OK(open("f", O_RDWR));

	data_fill(wanted, SIZE, 4);
	file_put(buffered, wanted, SIZE, 0);
	file_take(fd, got, SIZE, 0);
	EXPECT_DATA(got, wanted, SIZE);
	file_put(buffered, "patch", 5, 3 * BLOCK + 100);
	file_take(fd, got, BLOCK, 3 * BLOCK);
	EXPECT_DATA(got + 100, "patch", 5);
}

static void short_at_end(void)
{
	unsigned char *got = new_buffer(2 * BLOCK);
	int fd = open_direct("f");
	int buffered = EXPECT_OK(open("f", O_RDWR));

	file_put(buffered, "text", 4, BLOCK);
	EXPECT_EQ(EXPECT_OK(pread(fd, got, 2 * BLOCK, 0)), BLOCK + 4);
	EXPECT_DATA(got + BLOCK, "text", 4);
	EXPECT_EQ(EXPECT_OK(pread(fd, got, BLOCK, 4 * BLOCK)), 0);
}

static void hole_is_zeros(void)
{
	unsigned char *wanted = new_buffer(BLOCK);
	unsigned char *got = new_buffer(BLOCK);
	int fd = open_direct("f");

	file_put(fd, wanted, BLOCK, 16 * BLOCK);
	memset(got, 'x', BLOCK);
	file_take(fd, got, BLOCK, 8 * BLOCK);
	EXPECT_DATA(got, wanted, BLOCK);
}

static void append_goes_to_end(void)
{
	unsigned char *wanted = new_buffer(BLOCK);
	unsigned char *got = new_buffer(BLOCK);
	int fd = EXPECT_OK(open("f", O_RDWR | O_CREAT | O_DIRECT | O_APPEND, 0644));

	for (unsigned i = 0; i < 4; i++) {
		data_fill(wanted, BLOCK, i);
		EXPECT_EQ(EXPECT_OK(pwrite(fd, wanted, BLOCK, 0)), BLOCK);
		EXPECT_EQ(file_size("f"), (i + 1) * BLOCK);
		file_take(fd, got, BLOCK, (off_t)i * BLOCK);
		EXPECT_DATA(got, wanted, BLOCK);
	}
}

/* Refused or done properly: both are correct. */
static void misaligned_is_refused_or_right(void)
{
	unsigned char *got = new_buffer(2 * BLOCK);
	unsigned char *wanted = new_buffer(BLOCK);
	int buffered = EXPECT_OK(open("f", O_RDWR | O_CREAT, 0644));
	int fd = open_direct("f");
	ssize_t size;

	data_fill(wanted, BLOCK, 5);
	file_put(buffered, wanted, BLOCK, 0);
	size = pread(fd, got + 1, 100, 3);
	if (size >= 0) {
		EXPECT_EQ(size, 100);
		EXPECT_DATA(got + 1, wanted + 3, 100);
	} else {
		EXPECT_EQ(errno, EINVAL);
	}
}

static void switched_on_later(void)
{
	unsigned char *wanted = new_buffer(BLOCK);
	unsigned char *got = new_buffer(BLOCK);
	int fd = file_open_new("f");

	data_fill(wanted, BLOCK, 6);
	file_put(fd, wanted, BLOCK, 0);
	EXPECT_OK(fcntl(fd, F_SETFL, O_DIRECT));
	file_take(fd, got, BLOCK, 0);
	EXPECT_DATA(got, wanted, BLOCK);
	data_fill(wanted, BLOCK, 7);
	file_put(fd, wanted, BLOCK, 0);
	EXPECT_OK(fcntl(fd, F_SETFL, 0));
	file_take(fd, got, BLOCK, 0);
	EXPECT_DATA(got, wanted, BLOCK);
}

const struct check direct_checks[] = {
	CHECK(direct, reads_what_it_wrote, .needs = NEED_DIRECT_IO),
	CHECK(direct, seen_by_buffered_read, .needs = NEED_DIRECT_IO),
	CHECK(direct, sees_buffered_write, .needs = NEED_DIRECT_IO),
	CHECK(direct, short_at_end, .needs = NEED_DIRECT_IO),
	CHECK(direct, hole_is_zeros, .needs = NEED_DIRECT_IO),
	CHECK(direct, append_goes_to_end, .needs = NEED_DIRECT_IO),
	CHECK(direct, misaligned_is_refused_or_right, .needs = NEED_DIRECT_IO),
	CHECK(direct, switched_on_later, .needs = NEED_DIRECT_IO),
	CHECK_END,
};
