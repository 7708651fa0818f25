/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

#include <string.h>

enum { MEGABYTE = 1 << 20 };

static void from_start_current_and_end(void)
{
	int fd = file_open_new("f");

	file_put(fd, "0123456789", 10, 0);
	EXPECT_EQ(lseek(fd, 4, SEEK_SET), 4);
	EXPECT_EQ(lseek(fd, 3, SEEK_CUR), 7);
	EXPECT_EQ(lseek(fd, -2, SEEK_CUR), 5);
	EXPECT_EQ(lseek(fd, -1, SEEK_END), 9);
	EXPECT_EQ(lseek(fd, 5, SEEK_END), 15);
}

static void end_follows_other_writers(void)
{
	int fd = file_open_new("f");
	int other = EXPECT_OK(open("f", O_RDWR));

	EXPECT_EQ(lseek(fd, 0, SEEK_END), 0);
	file_put(other, "0123456789", 10, 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), 10);
	EXPECT_OK(ftruncate(other, 3));
	EXPECT_EQ(lseek(fd, 0, SEEK_END), 3);
}

static void bad_arguments(void)
{
	int fd = file_open_new("f");

	EXPECT_EQ(lseek(fd, 5, SEEK_SET), 5);
	EXPECT_ERR(lseek(fd, -1, SEEK_SET), EINVAL);
	EXPECT_ERR(lseek(fd, -6, SEEK_CUR), EINVAL);
	EXPECT_ERR(lseek(fd, -1, SEEK_END), EINVAL);
	/* cppcheck-suppress invalidFunctionArg */
	EXPECT_ERR(lseek(fd, 0, 99), EINVAL);
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 5);
}

static void beyond_end_keeps_size(void)
{
	char byte;
	int fd = file_open_new("f");

	EXPECT_EQ(lseek(fd, 1000, SEEK_SET), 1000);
	EXPECT_EQ(file_size("f"), 0);
	EXPECT_EQ(EXPECT_OK(read(fd, &byte, 1)), 0);
	EXPECT_EQ(EXPECT_OK(write(fd, "x", 1)), 1);
	EXPECT_EQ(file_size("f"), 1001);
}

static void fifo_refused(void)
{
	EXPECT_OK(mkfifo("p", 0600));
	EXPECT_ERR(lseek(EXPECT_OK(open("p", O_RDONLY | O_NONBLOCK)), 0, SEEK_SET), ESPIPE);
}

static void data_and_hole_in_dense_file(void)
{
	int fd = file_open_new("f");

	file_put(fd, "0123456789", 10, 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_DATA), 0);
	EXPECT_EQ(lseek(fd, 7, SEEK_DATA), 7);
	EXPECT_EQ(lseek(fd, 0, SEEK_HOLE), 10);
	EXPECT_EQ(lseek(fd, 9, SEEK_HOLE), 10);
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 10);
}

static void nothing_beyond_end(void)
{
	int fd = file_open_new("f");

	EXPECT_ERR(lseek(fd, 0, SEEK_DATA), ENXIO);
	EXPECT_ERR(lseek(fd, 0, SEEK_HOLE), ENXIO);
	file_put(fd, "0123456789", 10, 0);
	EXPECT_ERR(lseek(fd, 10, SEEK_DATA), ENXIO);
	EXPECT_ERR(lseek(fd, 10, SEEK_HOLE), ENXIO);
	EXPECT_ERR(lseek(fd, 100000, SEEK_DATA), ENXIO);
	EXPECT_ERR2(lseek(fd, -1, SEEK_DATA), ENXIO, EINVAL);
}

static void trailing_hole_has_no_data(void)
{
	int fd = file_open_new("f");

	file_put(fd, "text", 4, 0);
	EXPECT_OK(ftruncate(fd, MEGABYTE));
	EXPECT_ERR(lseek(fd, MEGABYTE / 2, SEEK_DATA), ENXIO);
	EXPECT_EQ(lseek(fd, MEGABYTE / 2, SEEK_HOLE), MEGABYTE / 2);
}

static void file_of_one_hole(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(ftruncate(fd, MEGABYTE));
	EXPECT_ERR(lseek(fd, 0, SEEK_DATA), ENXIO);
	EXPECT_EQ(lseek(fd, 0, SEEK_HOLE), 0);
	EXPECT_EQ(lseek(fd, MEGABYTE - 1, SEEK_HOLE), MEGABYTE - 1);
}

static void hole_between_data(void)
{
	off_t hole;
	off_t data;
	int fd = file_open_new("f");

	file_put(fd, "start", 5, 0);
	file_put(fd, "end", 3, 8 * MEGABYTE);
	hole = lseek(fd, 0, SEEK_HOLE);
	EXPECT(hole >= 5);
	EXPECT(hole <= 4 * MEGABYTE);
	data = lseek(fd, hole, SEEK_DATA);
	EXPECT(data > hole);
	EXPECT(data <= 8 * MEGABYTE);
	EXPECT_EQ(lseek(fd, data, SEEK_HOLE), 8 * MEGABYTE + 3);
}

static void punched_hole_is_found(void)
{
	static char data[MEGABYTE];
	off_t after;
	off_t hole;
	int fd = file_open_new("f");

	memset(data, 'x', sizeof(data));
	file_put(fd, data, sizeof(data), 0);
	EXPECT_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MEGABYTE / 4,
			    MEGABYTE / 2));
	hole = lseek(fd, 0, SEEK_HOLE);
	EXPECT(hole >= MEGABYTE / 4);
	EXPECT(hole < MEGABYTE / 4 * 3);
	after = lseek(fd, hole, SEEK_DATA);
	EXPECT(after > hole);
	EXPECT(after <= MEGABYTE / 4 * 3);
}

/* Walking from data to hole must meet every byte that is not zero. */
static void walk_meets_all_data(void)
{
	static const off_t places[] = { 100, 300000, 1000000, 5000000, 7777777 };
	unsigned found = 0;
	off_t at = 0;
	int fd = file_open_new("f");

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		file_put(fd, "data", 4, places[i]);
	for (;;) {
		off_t data = lseek(fd, at, SEEK_DATA);

		if (data < 0)
			break;
		at = lseek(fd, data, SEEK_HOLE);
		EXPECT(at > data);
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
			found += places[i] >= data && places[i] + 4 <= at;
	}
	EXPECT_EQ(errno, ENXIO);
	EXPECT_EQ(found, sizeof(places) / sizeof(places[0]));
}

const struct check seek_checks[] = {
	CHECK(seek, from_start_current_and_end),
	CHECK(seek, end_follows_other_writers),
	CHECK(seek, bad_arguments),
	CHECK(seek, beyond_end_keeps_size),
	CHECK(seek, fifo_refused),
	CHECK(seek, data_and_hole_in_dense_file),
	CHECK(seek, nothing_beyond_end),
	CHECK(seek, trailing_hole_has_no_data, .needs = NEED_SEEK_HOLE),
	CHECK(seek, file_of_one_hole, .needs = NEED_SEEK_HOLE),
	CHECK(seek, hole_between_data, .needs = NEED_SEEK_HOLE),
	CHECK(seek, punched_hole_is_found, .needs = NEED_SEEK_HOLE | NEED_PUNCH_HOLE),
	CHECK(seek, walk_meets_all_data),
	CHECK_END,
};
