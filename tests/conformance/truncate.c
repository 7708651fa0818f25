/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

static void shrinks(void)
{
	file_make("f", "0123456789");
	EXPECT_OK(truncate("f", 4));
	EXPECT_TEXT("f", "0123");
	EXPECT_OK(truncate("f", 0));
	EXPECT_EQ(file_size("f"), 0);
}

static void grows_with_zeros(void)
{
	int fd = file_open_new("f");

	file_put(fd, "text", 4, 0);
	EXPECT_OK(ftruncate(fd, 50000));
	EXPECT_EQ(file_size("f"), 50000);
	file_expect_zeros(fd, 50000 - 4, 4);
	EXPECT_OK(truncate("f", 60000));
	file_expect_zeros(fd, 60000 - 4, 4);
}

static void cut_data_never_returns(void)
{
	static const off_t cuts[] = { 1, 511, 4095, 4096, 4097, 8191, 10000 };
	static char data[20000];
	int fd = file_open_new("f");

	memset(data, 'x', sizeof(data));
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		file_put(fd, data, sizeof(data), 0);
		EXPECT_OK(ftruncate(fd, cuts[i]));
		EXPECT_OK(ftruncate(fd, sizeof(data)));
		file_expect_zeros(fd, sizeof(data) - (size_t)cuts[i], cuts[i]);
	}
}

static void write_after_cut_leaves_zeros(void)
{
	static char data[9000];
	int fd = file_open_new("f");

	memset(data, 'x', sizeof(data));
	file_put(fd, data, sizeof(data), 0);
	EXPECT_OK(ftruncate(fd, 100));
	file_put(fd, "end", 3, 8000);
	file_expect_zeros(fd, 7900, 100);
}

static void same_size_keeps_data(void)
{
	file_make("f", "text");
	EXPECT_OK(truncate("f", 4));
	EXPECT_TEXT("f", "text");
}

static void keeps_offset(void)
{
	int fd = file_open_new("f");

	EXPECT_EQ(EXPECT_OK(write(fd, "0123456789", 10)), 10);
	EXPECT_OK(ftruncate(fd, 2));
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 10);
	EXPECT_EQ(EXPECT_OK(write(fd, "x", 1)), 1);
	EXPECT_EQ(file_size("f"), 11);
}

static void updates_times(void)
{
	struct stat before;
	int fd;

	file_make("f", "text");
	fd = EXPECT_OK(open("f", O_RDWR));
	before = file_stat("f");
	pause_tick();
	EXPECT_OK(ftruncate(fd, 2));
	EXPECT_LATER(file_stat("f").st_mtim, before.st_mtim);
	EXPECT_LATER(file_stat("f").st_ctim, before.st_ctim);
	before = file_stat("f");
	pause_tick();
	EXPECT_OK(truncate("f", 8));
	EXPECT_LATER(file_stat("f").st_mtim, before.st_mtim);
	EXPECT_LATER(file_stat("f").st_ctim, before.st_ctim);
}

static void failure_keeps_times(void)
{
	struct stat before;

	file_make("f", "text");
	before = file_stat("f");
	pause_tick();
	EXPECT_ERR(truncate("f", -1), EINVAL);
	EXPECT_TIME(file_stat("f").st_mtim, before.st_mtim);
	EXPECT_TIME(file_stat("f").st_ctim, before.st_ctim);
}

static void negative_size(void)
{
	int fd = file_open_new("f");

	EXPECT_ERR(ftruncate(fd, -1), EINVAL);
	EXPECT_ERR(truncate("f", -1), EINVAL);
}

static void read_only_descriptor(void)
{
	file_make("f", "text");
	EXPECT_ERR2(ftruncate(EXPECT_OK(open("f", O_RDONLY)), 0), EINVAL, EBADF);
	EXPECT_TEXT("f", "text");
}

static void directory(void)
{
	dir_make("d", 0755);
	EXPECT_ERR(truncate("d", 0), EISDIR);
	EXPECT_ERR2(ftruncate(EXPECT_OK(open("d", O_RDONLY)), 0), EINVAL, EBADF);
}

static void fifo(void)
{
	EXPECT_OK(mkfifo("p", 0644));
	EXPECT_ERR(truncate("p", 0), EINVAL);
}

static void missing_name(void)
{
	file_make("f", "");
	EXPECT_OK(symlink("missing", "l"));
	EXPECT_ERR(truncate("missing", 0), ENOENT);
	EXPECT_ERR(truncate("l", 0), ENOENT);
	EXPECT_ERR(truncate("f/x", 0), ENOTDIR);
	EXPECT_GONE("missing");
}

static void follows_symlink(void)
{
	file_make("f", "text");
	EXPECT_OK(symlink("f", "l"));
	EXPECT_OK(truncate("l", 2));
	EXPECT_TEXT("f", "te");
}

static void past_size_limit(void)
{
	struct rlimit limit = { .rlim_cur = 1000, .rlim_max = 1000 };
	int fd = file_open_new("f");

	signal(SIGXFSZ, SIG_IGN);
	EXPECT_OK(setrlimit(RLIMIT_FSIZE, &limit));
	EXPECT_OK(ftruncate(fd, 1000));
	EXPECT_ERR(ftruncate(fd, 1001), EFBIG);
	EXPECT_ERR(truncate("f", 1001), EFBIG);
	EXPECT_EQ(file_size("f"), 1000);
}

static void huge_and_sparse(void)
{
	const off_t size = (off_t)8 << 30;
	int fd = file_open_new("f");

	EXPECT_OK(ftruncate(fd, size));
	EXPECT_EQ(file_size("f"), size);
	EXPECT(file_stat("f").st_blocks < 1 << 20);
	file_expect_zeros(fd, 4096, size - 4096);
}

static void frees_blocks(void)
{
	static char data[1 << 20];
	blkcnt_t before;
	int fd = file_open_new("f");

	data_fill(data, sizeof(data), 1);
	file_put(fd, data, sizeof(data), 0);
	EXPECT_OK(fsync(fd));
	before = file_stat("f").st_blocks;
	EXPECT_OK(ftruncate(fd, 0));
	EXPECT_OK(fsync(fd));
	EXPECT(file_stat("f").st_blocks < before);
}

static void needs_write_permission(void)
{
	file_make_mode("f", 0644);
	file_make_mode("open", 0666);
	become_user();
	EXPECT_ERR(truncate("f", 0), EACCES);
	EXPECT_OK(truncate("open", 10));
	EXPECT_EQ(file_size("open"), 10);
}

static void descriptor_outlives_permission(void)
{
	int fd;

	file_make_for("f", 0600, user_uid(), user_gid());
	become_user();
	fd = EXPECT_OK(open("f", O_RDWR));
	EXPECT_OK(chmod("f", 0400));
	EXPECT_OK(ftruncate(fd, 10));
	EXPECT_EQ(file_size("f"), 10);
	EXPECT_ERR(truncate("f", 0), EACCES);
}

const struct check truncate_checks[] = {
	CHECK(truncate, shrinks),
	CHECK(truncate, grows_with_zeros),
	CHECK(truncate, cut_data_never_returns),
	CHECK(truncate, write_after_cut_leaves_zeros),
	CHECK(truncate, same_size_keeps_data),
	CHECK(truncate, keeps_offset),
	CHECK(truncate, updates_times),
	CHECK(truncate, failure_keeps_times),
	CHECK(truncate, negative_size),
	CHECK(truncate, read_only_descriptor),
	CHECK(truncate, directory),
	CHECK(truncate, fifo),
	CHECK(truncate, missing_name),
	CHECK(truncate, follows_symlink),
	CHECK(truncate, past_size_limit),
	CHECK(truncate, huge_and_sparse),
	CHECK(truncate, frees_blocks),
	CHECK(truncate, needs_write_permission, .needs = NEED_USERS),
	CHECK(truncate, descriptor_outlives_permission, .needs = NEED_USERS),
	CHECK_END,
};
