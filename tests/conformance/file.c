/* SPDX-License-Identifier: BSD-3-Clause */
#include "file.h"

#include "expect.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int file_open_new(const char *path)
{
	return EXPECT_OK(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
}

void file_make(const char *path, const char *text)
{
	int fd = file_open_new(path);

	file_put(fd, text, strlen(text), 0);
	EXPECT_OK(close(fd));
}

void file_make_mode(const char *path, mode_t mode)
{
	int fd = EXPECT_OK(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));

	EXPECT_OK(fchmod(fd, mode));
	EXPECT_OK(close(fd));
}

void dir_make(const char *path, mode_t mode)
{
	EXPECT_OK(mkdir(path, 0700));
	EXPECT_OK(chmod(path, mode));
}

size_t dir_count(const char *path)
{
	DIR *stream = EXPECT_POINTER(opendir(path));
	size_t count = 0;
	struct dirent *entry;

	errno = 0;
	while ((entry = readdir(stream)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			count++;
	EXPECT_EQ(errno, 0);
	EXPECT_OK(closedir(stream));
	return count;
}

struct stat file_stat(const char *path)
{
	struct stat status;

	if (lstat(path, &status) < 0)
		FAIL("lstat(%s): expected success, got %s", path, expect_errno_name(errno));
	return status;
}

struct stat file_stat_fd(int fd)
{
	struct stat status;

	EXPECT_OK(fstat(fd, &status));
	return status;
}

mode_t file_mode(const char *path)
{
	return file_stat(path).st_mode & 07777;
}

ino_t file_inode(const char *path)
{
	return file_stat(path).st_ino;
}

nlink_t file_links(const char *path)
{
	return file_stat(path).st_nlink;
}

off_t file_size(const char *path)
{
	return file_stat(path).st_size;
}

bool file_exists(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

void file_chmod(const char *path, mode_t mode)
{
	EXPECT_OK(chmod(path, mode));
	EXPECT_MODE(file_mode(path), mode);
}

void file_put(int fd, const void *data, size_t size, off_t offset)
{
	EXPECT_EQ(EXPECT_OK(pwrite(fd, data, size, offset)), size);
}

void file_take(int fd, void *data, size_t size, off_t offset)
{
	EXPECT_EQ(EXPECT_OK(pread(fd, data, size, offset)), size);
}

void data_fill(void *data, size_t size, unsigned seed)
{
	unsigned char *bytes = data;
	unsigned state = seed * 2654435761u + 1;

	for (size_t i = 0; i < size; i++) {
		state = state * 1664525u + 1013904223u;
		bytes[i] = (unsigned char)(state >> 24);
	}
}

void file_expect_zeros(int fd, size_t size, off_t offset)
{
	static const char zeros[4096];
	char data[sizeof(zeros)];

	while (size > 0) {
		size_t part = size < sizeof(data) ? size : sizeof(data);

		file_take(fd, data, part, offset);
		EXPECT_DATA(data, zeros, part);
		size -= part;
		offset += (off_t)part;
	}
}

void pause_ms(unsigned duration_ms)
{
	struct timespec left = { .tv_sec = duration_ms / 1000,
				 .tv_nsec = (long)(duration_ms % 1000) * 1000000 };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		continue;
}

void pause_tick(void)
{
	pause_ms(30);
}
