/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

#include <linux/falloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { SIZE = 256 * 1024, PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };

static int open_filled(void)
{
	static unsigned char data[SIZE];
	int fd = file_open_new("f");

	memset(data, 'x', sizeof(data));
	file_put(fd, data, sizeof(data), 0);
	return fd;
}

static void expect_filled(int fd, size_t size, off_t offset)
{
	unsigned char *data = EXPECT_POINTER(malloc(size));

	file_take(fd, data, size, offset);
	for (size_t i = 0; i < size; i++)
		EXPECT_EQ(data[i], 'x');
	free(data);
}

static void grows_file(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(fallocate(fd, 0, 0, 10000));
	EXPECT_EQ(file_size("f"), 10000);
	file_expect_zeros(fd, 10000, 0);
	EXPECT_OK(fallocate(fd, 0, 5000, 20000));
	EXPECT_EQ(file_size("f"), 25000);
}

static void reserves_blocks(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(fallocate(fd, 0, 0, 1 << 20));
	EXPECT(file_stat_fd(fd).st_blocks >= (1 << 20) / 512);
}

static void keeps_data(void)
{
	int fd = open_filled();

	EXPECT_OK(fallocate(fd, 0, 1000, 2 * SIZE));
	expect_filled(fd, SIZE, 0);
	file_expect_zeros(fd, SIZE, SIZE);
}

static void within_file_changes_nothing(void)
{
	int fd = open_filled();

	EXPECT_OK(fallocate(fd, 0, 0, 1000));
	EXPECT_EQ(file_size("f"), SIZE);
	expect_filled(fd, SIZE, 0);
}

static void keep_size(void)
{
	int fd = file_open_new("f");

	file_put(fd, "text", 4, 0);
	EXPECT_OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1 << 20));
	EXPECT_EQ(file_size("f"), 4);
	EXPECT_TEXT("f", "text");
	EXPECT(file_stat_fd(fd).st_blocks >= (1 << 20) / 512);
	file_put(fd, "more", 4, 500000);
	file_expect_zeros(fd, 500000 - 4, 4);
}

static void punched_hole_is_zeros(void)
{
	int fd = open_filled();

	EXPECT_OK(fallocate(fd, PUNCH, 64 * 1024, 64 * 1024));
	EXPECT_EQ(file_size("f"), SIZE);
	expect_filled(fd, 64 * 1024, 0);
	file_expect_zeros(fd, 64 * 1024, 64 * 1024);
	expect_filled(fd, 128 * 1024, 128 * 1024);
}

static void punched_hole_frees_blocks(void)
{
	blkcnt_t before;
	int fd = open_filled();

	EXPECT_OK(fsync(fd));
	before = file_stat_fd(fd).st_blocks;
	EXPECT_OK(fallocate(fd, PUNCH, 0, SIZE));
	EXPECT_OK(fsync(fd));
	EXPECT(file_stat_fd(fd).st_blocks < before);
	EXPECT_EQ(file_size("f"), SIZE);
}

static void punched_hole_unaligned(void)
{
	int fd = open_filled();

	EXPECT_OK(fallocate(fd, PUNCH, 1001, 10007));
	expect_filled(fd, 1001, 0);
	file_expect_zeros(fd, 10007, 1001);
	expect_filled(fd, 100, 11008);
	EXPECT_OK(fallocate(fd, PUNCH, 20001, 3));
	expect_filled(fd, 1, 20000);
	file_expect_zeros(fd, 3, 20001);
	expect_filled(fd, 1, 20004);
}

static void punched_hole_at_end_keeps_size(void)
{
	int fd = open_filled();

	EXPECT_OK(fallocate(fd, PUNCH, SIZE - 5000, 100000));
	EXPECT_EQ(file_size("f"), SIZE);
	file_expect_zeros(fd, 5000, SIZE - 5000);
	EXPECT_OK(fallocate(fd, PUNCH, 2 * SIZE, 1000));
	EXPECT_EQ(file_size("f"), SIZE);
}

static void punching_needs_keep_size(void)
{
	int fd = open_filled();

	EXPECT_ERR2(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096), EOPNOTSUPP, EINVAL);
	expect_filled(fd, SIZE, 0);
}

static void zeroed_range(void)
{
	int fd = open_filled();

	EXPECT_OK(fallocate(fd, FALLOC_FL_ZERO_RANGE, 3001, 50001));
	EXPECT_EQ(file_size("f"), SIZE);
	expect_filled(fd, 3001, 0);
	file_expect_zeros(fd, 50001, 3001);
	expect_filled(fd, 1000, 53002);
}

static void zeroed_range_grows(void)
{
	int fd = open_filled();

	EXPECT_OK(fallocate(fd, FALLOC_FL_ZERO_RANGE, SIZE - 100, 1100));
	EXPECT_EQ(file_size("f"), SIZE + 1000);
	file_expect_zeros(fd, 1100, SIZE - 100);
	EXPECT_OK(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, SIZE, 100000));
	EXPECT_EQ(file_size("f"), SIZE + 1000);
}

static void bad_ranges(void)
{
	int fd = file_open_new("f");

	EXPECT_ERR(fallocate(fd, 0, 0, 0), EINVAL);
	EXPECT_ERR(fallocate(fd, 0, -1, 10), EINVAL);
	EXPECT_ERR(fallocate(fd, 0, 0, -10), EINVAL);
	EXPECT_EQ(file_size("f"), 0);
}

static void unknown_mode(void)
{
	int fd = open_filled();

	EXPECT_ERR2(fallocate(fd, 0x4000, 0, 4096), EOPNOTSUPP, EINVAL);
	EXPECT_ERR2(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE, 0, 4096), EOPNOTSUPP,
		    EINVAL);
	expect_filled(fd, SIZE, 0);
}

/* Few file systems remove ranges; the others must refuse and keep everything. */
static void collapse_refused_or_right(void)
{
	static unsigned char data[SIZE];
	static unsigned char got[SIZE];
	int fd = file_open_new("f");

	data_fill(data, SIZE, 3);
	file_put(fd, data, SIZE, 0);
	if (fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 64 * 1024, 64 * 1024) < 0) {
		EXPECT(errno == EOPNOTSUPP || errno == EINVAL);
		file_take(fd, got, SIZE, 0);
		EXPECT_DATA(got, data, SIZE);
	} else {
		EXPECT_EQ(file_size("f"), SIZE - 64 * 1024);
		file_take(fd, got, 64 * 1024, 64 * 1024);
		EXPECT_DATA(got, data + 128 * 1024, 64 * 1024);
	}
}

static void needs_writable_regular_file(void)
{
	int ends[2];

	file_make("f", "text");
	EXPECT_ERR(fallocate(EXPECT_OK(open("f", O_RDONLY)), 0, 0, 10), EBADF);
	EXPECT_ERR(fallocate(EXPECT_OK(open(".", O_RDONLY)), 0, 0, 10), EBADF);
	EXPECT_OK(pipe(ends));
	EXPECT_ERR(fallocate(ends[1], 0, 0, 10), ESPIPE);
}

static void past_size_limit(void)
{
	struct rlimit limit = { .rlim_cur = 1000, .rlim_max = 1000 };
	int fd = file_open_new("f");

	signal(SIGXFSZ, SIG_IGN);
	EXPECT_OK(setrlimit(RLIMIT_FSIZE, &limit));
	EXPECT_ERR(fallocate(fd, 0, 0, 1001), EFBIG);
	EXPECT_EQ(file_size("f"), 0);
}

static void updates_times(void)
{
	struct stat before;
	int fd = open_filled();

	before = file_stat("f");
	pause_tick();
	EXPECT_OK(fallocate(fd, 0, 0, 2 * SIZE));
	EXPECT_LATER(file_stat("f").st_ctim, before.st_ctim);
	EXPECT_LATER(file_stat("f").st_mtim, before.st_mtim);
}

static void posix_variant(void)
{
	int fd = open_filled();

	EXPECT_EQ(posix_fallocate(fd, SIZE, 5000), 0);
	EXPECT_EQ(file_size("f"), SIZE + 5000);
	expect_filled(fd, SIZE, 0);
	EXPECT_EQ(posix_fallocate(fd, 0, 0), EINVAL);
}

const struct check fallocate_checks[] = {
	CHECK(fallocate, grows_file, .needs = NEED_FALLOCATE),
	CHECK(fallocate, reserves_blocks, .needs = NEED_FALLOCATE),
	CHECK(fallocate, keeps_data, .needs = NEED_FALLOCATE),
	CHECK(fallocate, within_file_changes_nothing, .needs = NEED_FALLOCATE),
	CHECK(fallocate, keep_size, .needs = NEED_FALLOCATE),
	CHECK(fallocate, punched_hole_is_zeros, .needs = NEED_PUNCH_HOLE),
	CHECK(fallocate, punched_hole_frees_blocks, .needs = NEED_PUNCH_HOLE),
	CHECK(fallocate, punched_hole_unaligned, .needs = NEED_PUNCH_HOLE),
	CHECK(fallocate, punched_hole_at_end_keeps_size, .needs = NEED_PUNCH_HOLE),
	CHECK(fallocate, punching_needs_keep_size),
	CHECK(fallocate, zeroed_range, .needs = NEED_ZERO_RANGE),
	CHECK(fallocate, zeroed_range_grows, .needs = NEED_ZERO_RANGE),
	CHECK(fallocate, bad_ranges),
	CHECK(fallocate, unknown_mode),
	CHECK(fallocate, collapse_refused_or_right),
	CHECK(fallocate, needs_writable_regular_file),
	CHECK(fallocate, past_size_limit, .needs = NEED_FALLOCATE),
	CHECK(fallocate, updates_times, .needs = NEED_FALLOCATE),
	CHECK(fallocate, posix_variant, .needs = NEED_FALLOCATE),
	CHECK_END,
};
