/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

#include <dirent.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

enum { COUNT_MAX = 3000 };

/* Create f0 … */
static void make_files(const char *directory, int count)
{
	char path[64];

	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/f%d", directory, i);
		EXPECT_OK(mknod(path, S_IFREG | 0644, 0));
	}
}

/* The number in a name of make_files, -1 for "." and "..". */
static int number_of(const struct dirent *entry)
{
	if (entry->d_name[0] == '.')
		return -1;
	EXPECT_EQ(entry->d_name[0], 'f');
	return (int)strtol(entry->d_name + 1, NULL, 10);
}

/* Read on to the end, counting how often each number comes. */
static void count_numbers(DIR *stream, int count, unsigned char *seen)
{
	struct dirent *entry;

	errno = 0;
	while ((entry = readdir(stream)) != NULL) {
		int number = number_of(entry);

		if (number < 0)
			continue;
		EXPECT(number < count);
		seen[number]++;
	}
	EXPECT_EQ(errno, 0);
}

static void expect_each_once(DIR *stream, int count)
{
	static unsigned char seen[COUNT_MAX];

	memset(seen, 0, sizeof(seen));
	count_numbers(stream, count, seen);
	for (int i = 0; i < count; i++)
		if (seen[i] != 1)
			FAIL("entry f%d: expected once, got %d times", i, seen[i]);
}

static void dots_present(void)
{
	struct dirent *entry;
	unsigned dots = 0;
	unsigned dot_dots = 0;
	DIR *stream;

	dir_make("d", 0755);
	stream = EXPECT_POINTER(opendir("d"));
	while ((entry = readdir(stream)) != NULL) {
		EXPECT_EQ(entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN, 1);
		dots += strcmp(entry->d_name, ".") == 0;
		dot_dots += strcmp(entry->d_name, "..") == 0;
	}
	EXPECT_EQ(dots, 1);
	EXPECT_EQ(dot_dots, 1);
}

static void dots_have_right_inodes(void)
{
	struct dirent *entry;
	DIR *stream;

	dir_make("d", 0755);
	stream = EXPECT_POINTER(opendir("d"));
	while ((entry = readdir(stream)) != NULL)
		EXPECT_EQ(entry->d_ino, file_inode(entry->d_name[1] ? "." : "d"));
}

static void thousand_entries_once(void)
{
	make_files(".", 1000);
	expect_each_once(EXPECT_POINTER(opendir(".")), 1000);
}

static void many_entries_once(void)
{
	make_files(".", COUNT_MAX);
	expect_each_once(EXPECT_POINTER(opendir(".")), COUNT_MAX);
}

static void end_stays_end(void)
{
	DIR *stream;

	make_files(".", 3);
	stream = EXPECT_POINTER(opendir("."));
	while (readdir(stream) != NULL)
		continue;
	for (int i = 0; i < 3; i++) {
		errno = 0;
		EXPECT(readdir(stream) == NULL);
		EXPECT_EQ(errno, 0);
	}
}

static void inode_equals_stat(void)
{
	struct dirent *entry;
	DIR *stream;

	make_files(".", 20);
	dir_make("dir", 0755);
	EXPECT_OK(symlink("x", "link"));
	EXPECT_OK(mkfifo("pipe", 0644));
	stream = EXPECT_POINTER(opendir("."));
	while ((entry = readdir(stream)) != NULL)
		if (strcmp(entry->d_name, "..") != 0)
			EXPECT_EQ(entry->d_ino, file_inode(entry->d_name));
}

static void type_equals_stat(void)
{
	struct dirent *entry;
	DIR *stream;

	file_make("file", "");
	dir_make("dir", 0755);
	EXPECT_OK(symlink("dir", "link"));
	EXPECT_OK(mkfifo("pipe", 0644));
	stream = EXPECT_POINTER(opendir("."));
	while ((entry = readdir(stream)) != NULL)
		if (entry->d_type != DT_UNKNOWN)
			EXPECT_EQ(entry->d_type, IFTODT(file_stat(entry->d_name).st_mode));
}

static void rewind_sees_changes(void)
{
	DIR *stream;

	make_files(".", 10);
	stream = EXPECT_POINTER(opendir("."));
	expect_each_once(stream, 10);
	file_make("f10", "");
	rewinddir(stream);
	expect_each_once(stream, 11);
	EXPECT_OK(unlink("f10"));
	rewinddir(stream);
	expect_each_once(stream, 10);
}

static void seek_returns_to_every_entry(void)
{
	enum { COUNT = 300 };
	static long places[COUNT + 2];
	static char names[COUNT + 2][16];
	struct dirent *entry;
	int total = 0;
	DIR *stream;

	make_files(".", COUNT);
	stream = EXPECT_POINTER(opendir("."));
	for (;;) {
		long place = telldir(stream);

		entry = readdir(stream);
		if (entry == NULL)
			break;
		EXPECT(total < COUNT + 2);
		places[total] = place;
		snprintf(names[total], sizeof(names[total]), "%.15s", entry->d_name);
		total++;
	}
	EXPECT_EQ(total, COUNT + 2);
	for (int i = total - 1; i >= 0; i -= 7) {
		seekdir(stream, places[i]);
		entry = EXPECT_POINTER(readdir(stream));
		EXPECT_EQ(strcmp(entry->d_name, names[i]), 0);
	}
}

static void seek_continues_to_the_end(void)
{
	static unsigned char seen[500];
	long place = 0;
	DIR *stream;

	make_files(".", 500);
	stream = EXPECT_POINTER(opendir("."));
	for (int i = 0; i < 250; i++) {
		struct dirent *entry = EXPECT_POINTER(readdir(stream));
		int number = number_of(entry);

		if (number >= 0)
			seen[number]++;
	}
	place = telldir(stream);
	for (int i = 0; i < 100; i++)
		EXPECT(readdir(stream) != NULL);
	seekdir(stream, place);
	count_numbers(stream, 500, seen);
	for (int i = 0; i < 500; i++)
		EXPECT_EQ(seen[i], 1);
}

static void removing_while_reading(void)
{
	static unsigned char seen[1000];
	struct dirent *entry;
	DIR *stream;

	make_files(".", 1000);
	stream = EXPECT_POINTER(opendir("."));
	while ((entry = readdir(stream)) != NULL) {
		int number = number_of(entry);

		if (number < 0)
			continue;
		EXPECT_EQ(seen[number]++, 0);
		EXPECT_OK(unlink(entry->d_name));
	}
	for (int i = 0; i < 1000; i++)
		EXPECT_EQ(seen[i], 1);
	EXPECT_EQ(dir_count("."), 0);
}

static void creating_while_reading(void)
{
	static unsigned char seen[500];
	struct dirent *entry;
	char name[16];
	int created = 0;
	DIR *stream;

	make_files(".", 500);
	stream = EXPECT_POINTER(opendir("."));
	while ((entry = readdir(stream)) != NULL) {
		if (created < 500) {
			snprintf(name, sizeof(name), "new%d", created++);
			file_make_mode(name, 0644);
		}
		if (entry->d_name[0] == 'f')
			seen[number_of(entry)]++;
	}
	for (int i = 0; i < 500; i++)
		EXPECT_EQ(seen[i], 1);
}

static void removed_name_is_not_listed_later(void)
{
	static unsigned char seen[10];
	DIR *stream;

	make_files(".", 10);
	stream = EXPECT_POINTER(opendir("."));
	EXPECT_OK(unlink("f5"));
	rewinddir(stream);
	count_numbers(stream, 10, seen);
	EXPECT_EQ(seen[5], 0);
	EXPECT_EQ(seen[4], 1);
}

static void streams_are_independent(void)
{
	DIR *first;
	DIR *second;

	make_files(".", 200);
	first = EXPECT_POINTER(opendir("."));
	second = EXPECT_POINTER(opendir("."));
	for (int i = 0; i < 100; i++)
		EXPECT(readdir(first) != NULL);
	expect_each_once(second, 200);
	rewinddir(first);
	expect_each_once(first, 200);
}

static void stream_from_descriptor(void)
{
	int fd;

	dir_make("d", 0755);
	make_files("d", 5);
	fd = EXPECT_OK(open("d", O_RDONLY | O_DIRECTORY));
	expect_each_once(EXPECT_POINTER(fdopendir(fd)), 5);
}

static void expect_no_stream(const char *path, int wanted)
{
	const DIR *stream = opendir(path);

	EXPECT(stream == NULL);
	EXPECT_EQ(errno, wanted);
}

static void not_a_directory(void)
{
	char buffer[1024];

	file_make("f", "");
	expect_no_stream("f", ENOTDIR);
	expect_no_stream("missing", ENOENT);
	EXPECT_ERR(syscall(SYS_getdents64, EXPECT_OK(open("f", O_RDONLY)), buffer, 1024), ENOTDIR);
}

static void removed_directory_is_empty(void)
{
	char buffer[4096];
	long size;
	int fd;

	dir_make("d", 0755);
	fd = EXPECT_OK(open("d", O_RDONLY | O_DIRECTORY));
	EXPECT_OK(rmdir("d"));
	size = syscall(SYS_getdents64, fd, buffer, sizeof(buffer));
	if (size < 0)
		EXPECT_EQ(errno, ENOENT);
	else
		EXPECT(size <= 48);
}

/* Little room per call must not change what is listed. */
static void small_buffer(void)
{
	static unsigned char seen[300];
	_Alignas(struct dirent) static char buffer[4096];
	long size;
	int fd;

	make_files(".", 300);
	fd = EXPECT_OK(open(".", O_RDONLY | O_DIRECTORY));
	while ((size = syscall(SYS_getdents64, fd, buffer, 80)) > 0) {
		for (long at = 0; at < size;) {
			struct dirent *entry = (struct dirent *)(void *)(buffer + at);
			int number = number_of(entry);

			EXPECT(entry->d_reclen > 0);
			at += entry->d_reclen;
			if (number >= 0)
				seen[number]++;
		}
	}
	EXPECT_EQ(size, 0);
	for (int i = 0; i < 300; i++)
		EXPECT_EQ(seen[i], 1);
}

static void too_small_buffer(void)
{
	uint64_t buffer[1];
	int fd;

	make_files(".", 1);
	fd = EXPECT_OK(open(".", O_RDONLY | O_DIRECTORY));
	EXPECT_ERR(syscall(SYS_getdents64, fd, buffer, sizeof(buffer)), EINVAL);
	expect_each_once(EXPECT_POINTER(fdopendir(fd)), 1);
}

static void rename_keeps_the_others(void)
{
	static unsigned char seen[100];
	struct dirent *entry;
	DIR *stream;

	make_files(".", 100);
	file_make("moving0", "");
	stream = EXPECT_POINTER(opendir("."));
	for (int i = 0; (entry = readdir(stream)) != NULL; i++) {
		char from[24];
		char to[24];

		snprintf(from, sizeof(from), "moving%d", i);
		snprintf(to, sizeof(to), "moving%d", i + 1);
		EXPECT_OK(rename(from, to));
		if (entry->d_name[0] == 'f')
			seen[number_of(entry)]++;
		if (i > 1000)
			break;
	}
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(seen[i], 1);
}

static void other_process_sees_changes(void)
{
	struct gate made;
	pid_t pid;

	gate_init(&made);
	EXPECT_EQ(dir_count("."), 0);
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		gate_wait(&made);
		EXPECT_EQ(dir_count("."), 50);
		EXPECT_OK(unlink("f0"));
		_exit(0);
	}
	make_files(".", 50);
	gate_open(&made, 1);
	EXPECT_CHILD(pid);
	EXPECT_EQ(dir_count("."), 49);
}

static void fork_shares_position(void)
{
	char buffer[65536];
	pid_t pid;
	int fd;

	make_files(".", 10);
	fd = EXPECT_OK(open(".", O_RDONLY | O_DIRECTORY));
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		while (EXPECT_OK(syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0)
			continue;
		_exit(0);
	}
	EXPECT_CHILD(pid);
	EXPECT_EQ(EXPECT_OK(syscall(SYS_getdents64, fd, buffer, sizeof(buffer))), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
	EXPECT(EXPECT_OK(syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0);
}

const struct check readdir_checks[] = {
	CHECK(readdir, dots_present),
	CHECK(readdir, dots_have_right_inodes),
	CHECK(readdir, thousand_entries_once),
	CHECK(readdir, many_entries_once, .slow = true),
	CHECK(readdir, end_stays_end),
	CHECK(readdir, inode_equals_stat),
	CHECK(readdir, type_equals_stat),
	CHECK(readdir, rewind_sees_changes),
	CHECK(readdir, seek_returns_to_every_entry),
	CHECK(readdir, seek_continues_to_the_end),
	CHECK(readdir, removing_while_reading),
	CHECK(readdir, creating_while_reading),
	CHECK(readdir, removed_name_is_not_listed_later),
	CHECK(readdir, streams_are_independent),
	CHECK(readdir, stream_from_descriptor),
	CHECK(readdir, not_a_directory),
	CHECK(readdir, removed_directory_is_empty),
	CHECK(readdir, small_buffer),
	CHECK(readdir, too_small_buffer),
	CHECK(readdir, rename_keeps_the_others),
	CHECK(readdir, other_process_sees_changes),
	CHECK(readdir, fork_shares_position),
	CHECK_END,
};
