/* SPDX-License-Identifier: BSD-3-Clause */
/* copy_file_range. */
#include "groups.h"

#include <stdlib.h>
#include <string.h>

/* Copy it all, however many calls that takes. */
static void copy_all(int from, off_t from_offset, int to, off_t to_offset, size_t size)
{
	while (size > 0) {
		int done = EXPECT_OK(copy_file_range(from, &from_offset, to, &to_offset, size, 0));

		EXPECT(done > 0);
		size -= (size_t)done;
	}
}

static int open_text(const char *path, const char *text)
{
	int fd = file_open_new(path);

	file_put(fd, text, strlen(text), 0);
	return fd;
}

static void between_files(void)
{
	int from = open_text("f", "some text");
	int to = file_open_new("g");

	EXPECT_EQ(copy_file_range(from, NULL, to, NULL, 9, 0), 9);
	EXPECT_TEXT("g", "some text");
	EXPECT_TEXT("f", "some text");
	EXPECT_EQ(lseek(from, 0, SEEK_CUR), 9);
	EXPECT_EQ(lseek(to, 0, SEEK_CUR), 9);
}

static void with_offsets(void)
{
	off_t from_offset = 2;
	off_t to_offset = 4;
	int from = open_text("f", "0123456789");
	int to = open_text("g", "abcdefghij");

	EXPECT_EQ(copy_file_range(from, &from_offset, to, &to_offset, 3, 0), 3);
	EXPECT_TEXT("g", "abcd234hij");
	EXPECT_EQ(from_offset, 5);
	EXPECT_EQ(to_offset, 7);
	EXPECT_EQ(lseek(from, 0, SEEK_CUR), 0);
	EXPECT_EQ(lseek(to, 0, SEEK_CUR), 0);
}

static void within_one_file(void)
{
	int fd = open_text("f", "0123456789");

	copy_all(fd, 0, fd, 5, 5);
	EXPECT_TEXT("f", "0123401234");
	copy_all(fd, 0, fd, 10, 4);
	EXPECT_TEXT("f", "01234012340123");
}

static void overlap_refused(void)
{
	off_t from_offset = 0;
	off_t to_offset = 2;
	int fd = open_text("f", "0123456789");

	EXPECT_ERR(copy_file_range(fd, &from_offset, fd, &to_offset, 5, 0), EINVAL);
	EXPECT_TEXT("f", "0123456789");
}

static void short_at_end(void)
{
	off_t from_offset = 6;
	int from = open_text("f", "0123456789");
	int to = file_open_new("g");

	EXPECT_EQ(copy_file_range(from, &from_offset, to, NULL, 1000, 0), 4);
	EXPECT_TEXT("g", "6789");
	EXPECT_EQ(from_offset, 10);
}

static void nothing_beyond_end(void)
{
	off_t from_offset = 10;
	int from = open_text("f", "0123456789");
	int to = file_open_new("g");

	EXPECT_EQ(copy_file_range(from, &from_offset, to, NULL, 10, 0), 0);
	from_offset = 100000;
	EXPECT_EQ(copy_file_range(from, &from_offset, to, NULL, 10, 0), 0);
	EXPECT_EQ(copy_file_range(from, NULL, to, NULL, 0, 0), 0);
	EXPECT_EQ(file_size("g"), 0);
}

static void beyond_end_of_target_makes_hole(void)
{
	int from = open_text("f", "text");
	int to = file_open_new("g");

	copy_all(from, 0, to, 50000, 4);
	EXPECT_EQ(file_size("g"), 50004);
	file_expect_zeros(to, 50000, 0);
}

static void large_and_unaligned(void)
{
	enum { SIZE = (3 << 20) + 4321 };
	unsigned char *wanted = EXPECT_POINTER(malloc(SIZE));
	unsigned char *got = EXPECT_POINTER(malloc(SIZE));
	int from = file_open_new("f");
	int to = file_open_new("g");

	data_fill(wanted, SIZE, 1);
	file_put(from, wanted, SIZE, 77);
	copy_all(from, 77, to, 1234, SIZE);
	file_take(to, got, SIZE, 1234);
	EXPECT_DATA(got, wanted, SIZE);
	EXPECT_EQ(file_size("g"), 1234 + SIZE);
}

static void sparse_source(void)
{
	int from = file_open_new("f");
	int to = open_text("g", "must be overwritten by the zeros of the hole");

	file_put(from, "end", 3, 1 << 20);
	copy_all(from, 0, to, 0, (1 << 20) + 3);
	file_expect_zeros(to, 1 << 20, 0);
	EXPECT_EQ(file_size("g"), (1 << 20) + 3);
}

static void sees_unsynced_data(void)
{
	int from = open_text("f", "old text");
	int to = file_open_new("g");

	file_put(from, "new", 3, 0);
	file_put(to, "################", 16, 0);
	copy_all(from, 0, to, 4, 8);
	EXPECT_TEXT("g", "####new text####");
}

static void updates_times(void)
{
	struct stat before;
	int from = open_text("f", "text");
	int to = file_open_new("g");

	before = file_stat("g");
	pause_tick();
	copy_all(from, 0, to, 0, 4);
	EXPECT_LATER(file_stat("g").st_mtim, before.st_mtim);
	EXPECT_LATER(file_stat("g").st_ctim, before.st_ctim);
}

static void needs_matching_access(void)
{
	int from = open_text("f", "text");
	int to = file_open_new("g");

	EXPECT_ERR(copy_file_range(EXPECT_OK(open("f", O_WRONLY)), NULL, to, NULL, 4, 0), EBADF);
	EXPECT_ERR(copy_file_range(from, NULL, EXPECT_OK(open("g", O_RDONLY)), NULL, 4, 0), EBADF);
	EXPECT_ERR(
		copy_file_range(from, NULL, EXPECT_OK(open("g", O_WRONLY | O_APPEND)), NULL, 4, 0),
		EBADF);
	EXPECT_EQ(file_size("g"), 0);
}

static void bad_arguments(void)
{
	int from = open_text("f", "text");
	int to = file_open_new("g");
	int ends[2];

	EXPECT_ERR(copy_file_range(from, NULL, to, NULL, 4, 1), EINVAL);
	EXPECT_ERR(copy_file_range(EXPECT_OK(open(".", O_RDONLY)), NULL, to, NULL, 4, 0), EISDIR);
	EXPECT_OK(pipe(ends));
	EXPECT_ERR(copy_file_range(ends[0], NULL, to, NULL, 4, 0), EINVAL);
}

const struct check copy_range_checks[] = {
	CHECK(copy_range, between_files, .needs = NEED_COPY_RANGE),
	CHECK(copy_range, with_offsets, .needs = NEED_COPY_RANGE),
	CHECK(copy_range, within_one_file, .needs = NEED_COPY_RANGE),
	CHECK(copy_range, overlap_refused, .needs = NEED_COPY_RANGE),
	CHECK(copy_range, short_at_end, .needs = NEED_COPY_RANGE),
	CHECK(copy_range, nothing_beyond_end, .needs = NEED_COPY_RANGE),
	CHECK(copy_range, beyond_end_of_target_makes_hole, .needs = NEED_COPY_RANGE),
	CHECK(copy_range, large_and_unaligned, .needs = NEED_COPY_RANGE),
	CHECK(copy_range, sparse_source, .needs = NEED_COPY_RANGE),
	CHECK(copy_range, sees_unsynced_data, .needs = NEED_COPY_RANGE),
	CHECK(copy_range, updates_times, .needs = NEED_COPY_RANGE),
	CHECK(copy_range, needs_matching_access, .needs = NEED_COPY_RANGE),
	CHECK(copy_range, bad_arguments, .needs = NEED_COPY_RANGE),
	CHECK_END,
};
