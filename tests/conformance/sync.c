/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What can be seen of syncing without cutting the power: it succeeds where it must, and changes
 * nothing.
 */
#include "groups.h"

static void file_and_data(void)
{
	int fd = file_open_new("f");

	file_put(fd, "text", 4, 0);
	EXPECT_OK(fsync(fd));
	file_put(fd, "more", 4, 4);
	EXPECT_OK(fdatasync(fd));
	EXPECT_TEXT("f", "textmore");
}

static void read_only_descriptor(void)
{
	int fd;

	file_make("f", "text");
	fd = EXPECT_OK(open("f", O_RDONLY));
	EXPECT_OK(fsync(fd));
	EXPECT_OK(fdatasync(fd));
}

static void directory(void)
{
	int fd;

	dir_make("d", 0755);
	file_make("d/f", "text");
	fd = EXPECT_OK(open("d", O_RDONLY | O_DIRECTORY));
	EXPECT_OK(fsync(fd));
	EXPECT_OK(fdatasync(fd));
	EXPECT_OK(unlink("d/f"));
	EXPECT_OK(fsync(fd));
}

static void whole_file_system(void)
{
	int fd = file_open_new("f");

	file_put(fd, "text", 4, 0);
	EXPECT_OK(syncfs(fd));
	EXPECT_OK(syncfs(EXPECT_OK(open(".", O_RDONLY))));
	EXPECT_TEXT("f", "text");
}

static void bad_descriptors(void)
{
	int ends[2];

	file_make("f", "");
	EXPECT_OK(pipe(ends));
	EXPECT_ERR(fsync(EXPECT_OK(open("f", O_PATH))), EBADF);
	EXPECT_ERR(fsync(ends[1]), EINVAL);
}

static void fifo_refused(void)
{
	EXPECT_OK(mkfifo("p", 0600));
	EXPECT_ERR(fsync(EXPECT_OK(open("p", O_RDONLY | O_NONBLOCK))), EINVAL);
}

static void range_of_file(void)
{
	int fd = file_open_new("f");

	file_put(fd, "text", 4, 0);
	EXPECT_OK(sync_file_range(fd, 0, 4,
				  SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
					  SYNC_FILE_RANGE_WAIT_AFTER));
	EXPECT_ERR(sync_file_range(fd, -1, 4, SYNC_FILE_RANGE_WRITE), EINVAL);
}

static void keeps_times_and_size(void)
{
	struct stat before;
	int fd = file_open_new("f");

	file_put(fd, "text", 4, 0);
	before = file_stat("f");
	pause_tick();
	EXPECT_OK(fsync(fd));
	EXPECT_TIME(file_stat("f").st_mtim, before.st_mtim);
	EXPECT_TIME(file_stat("f").st_ctim, before.st_ctim);
	EXPECT_EQ(file_size("f"), 4);
}

static void data_of_other_descriptor(void)
{
	char data[4];
	int writer = file_open_new("f");
	int reader = EXPECT_OK(open("f", O_RDONLY));

	file_put(writer, "text", 4, 0);
	EXPECT_OK(fsync(reader));
	EXPECT_OK(posix_fadvise(reader, 0, 0, POSIX_FADV_DONTNEED));
	file_take(reader, data, 4, 0);
	EXPECT_DATA(data, "text", 4);
}

const struct check sync_checks[] = {
	CHECK(sync, file_and_data),
	CHECK(sync, read_only_descriptor),
	CHECK(sync, directory),
	CHECK(sync, whole_file_system),
	CHECK(sync, bad_descriptors),
	CHECK(sync, fifo_refused),
	CHECK(sync, range_of_file),
	CHECK(sync, keeps_times_and_size),
	CHECK(sync, data_of_other_descriptor),
	CHECK_END,
};
