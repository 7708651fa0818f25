/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static char *map(int fd, size_t size, int protection, int flags)
{
	return EXPECT_POINTER(mmap(NULL, size, protection, flags, fd, 0));
}

/* Store bytes through a mapping. */
static void put(char *at, const void *bytes, size_t size)
{
	memcpy(at, bytes, size);
}

static int open_filled(size_t size)
{
	char *data = EXPECT_POINTER(malloc(size));
	int fd = file_open_new("f");

	data_fill(data, size, 1);
	file_put(fd, data, size, 0);
	free(data);
	return fd;
}

static void shows_content(void)
{
	enum { SIZE = 100000 };
	char *wanted = EXPECT_POINTER(malloc(SIZE));
	int fd = open_filled(SIZE);

	data_fill(wanted, SIZE, 1);
	EXPECT_DATA(map(fd, SIZE, PROT_READ, MAP_PRIVATE), wanted, SIZE);
}

static void shared_write_seen_by_read(void)
{
	char got[4];
	int fd = open_filled(10000);
	char *data = map(fd, 10000, PROT_READ | PROT_WRITE, MAP_SHARED);

	put(data + 5000, "text", 4);
	file_take(fd, got, 4, 5000);
	EXPECT_DATA(got, "text", 4);
	file_take(EXPECT_OK(open("f", O_RDONLY)), got, 4, 5000);
	EXPECT_DATA(got, "text", 4);
}

static void write_seen_by_shared_mapping(void)
{
	int fd = open_filled(10000);
	char *data = map(fd, 10000, PROT_READ, MAP_SHARED);
	char first = data[5000];

	EXPECT(first == data[5000]);
	file_put(EXPECT_OK(open("f", O_WRONLY)), "text", 4, 5000);
	EXPECT_DATA(data + 5000, "text", 4);
}

static void private_write_stays_private(void)
{
	char before[4];
	char after[4];
	int fd = open_filled(10000);
	char *data = map(fd, 10000, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	file_take(fd, before, 4, 100);
	put(data + 100, "text", 4);
	file_take(fd, after, 4, 100);
	EXPECT_DATA(after, before, 4);
	EXPECT_DATA(data + 100, "text", 4);
}

static void private_writable_on_read_only_descriptor(void)
{
	char *data;

	file_make("f", "text");
	data = map(EXPECT_OK(open("f", O_RDONLY)), 4, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	data[0] = 'T';
	EXPECT_DATA(data, "Text", 4);
	EXPECT_TEXT("f", "text");
}

static void shared_between_processes(void)
{
	struct gate written;
	pid_t pid;
	int fd = open_filled(10000);
	char *data = map(fd, 10000, PROT_READ | PROT_WRITE, MAP_SHARED);

	gate_init(&written);
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		int own = EXPECT_OK(open("f", O_RDWR));
		char *mine = map(own, 10000, PROT_READ | PROT_WRITE, MAP_SHARED);

		gate_wait(&written);
		EXPECT_DATA(mine + 8000, "there", 5);
		put(mine, "back", 4);
		_exit(0);
	}
	put(data + 8000, "there", 5);
	gate_open(&written, 1);
	EXPECT_CHILD(pid);
	EXPECT_DATA(data, "back", 4);
}

static void written_after_msync_and_unmap(void)
{
	char got[4];
	int fd = open_filled(10000);
	char *data = map(fd, 10000, PROT_READ | PROT_WRITE, MAP_SHARED);

	put(data + 7000, "text", 4);
	EXPECT_OK(msync(data, 10000, MS_SYNC));
	EXPECT_OK(munmap(data, 10000));
	EXPECT_OK(close(fd));
	fd = EXPECT_OK(open("f", O_RDONLY));
	EXPECT_OK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	file_take(fd, got, 4, 7000);
	EXPECT_DATA(got, "text", 4);
	EXPECT_EQ(file_size("f"), 10000);
}

static void survives_close(void)
{
	int fd = open_filled(10000);
	char *data = map(fd, 10000, PROT_READ | PROT_WRITE, MAP_SHARED);
	char got[4];

	EXPECT_OK(close(fd));
	put(data + 3000, "text", 4);
	file_take(EXPECT_OK(open("f", O_RDONLY)), got, 4, 3000);
	EXPECT_DATA(got, "text", 4);
}

static void rest_of_last_page_is_zero(void)
{
	size_t page = page_size();
	char *data;
	int fd = file_open_new("f");

	file_put(fd, "text", 4, 0);
	data = map(fd, page, PROT_READ, MAP_SHARED);
	EXPECT_DATA(data, "text", 4);
	for (size_t i = 4; i < page; i++)
		EXPECT_EQ(data[i], 0);
}

static void write_beyond_end_keeps_size(void)
{
	size_t page = page_size();
	char *data;
	int fd = file_open_new("f");

	file_put(fd, "text", 4, 0);
	data = map(fd, page, PROT_READ | PROT_WRITE, MAP_SHARED);
	put(data + 4, "more", 4);
	EXPECT_OK(msync(data, page, MS_SYNC));
	EXPECT_EQ(file_size("f"), 4);
	EXPECT_TEXT("f", "text");
}

static sigjmp_buf after_fault;

static void leave_fault(int number)
{
	siglongjmp(after_fault, number);
}

/* Touch one byte; the signal that came of it, or 0. */
static int touch(volatile char *byte)
{
	struct sigaction action = { .sa_handler = leave_fault };
	int number;

	EXPECT_OK(sigaction(SIGBUS, &action, NULL));
	EXPECT_OK(sigaction(SIGSEGV, &action, NULL));
	number = sigsetjmp(after_fault, 1);
	if (number == 0)
		(void)*byte;
	return number;
}

static void beyond_end_faults(void)
{
	size_t page = page_size();
	char *data = map(open_filled(100), 3 * page, PROT_READ, MAP_SHARED);

	EXPECT_EQ(touch(data), 0);
	EXPECT_EQ(touch(data + page - 1), 0);
	EXPECT_EQ(touch(data + page), SIGBUS);
	EXPECT_EQ(touch(data + 2 * page), SIGBUS);
}

static void truncated_pages_fault(void)
{
	size_t page = page_size();
	int fd = open_filled(3 * page);
	char *data = map(fd, 3 * page, PROT_READ, MAP_SHARED);

	EXPECT_EQ(touch(data + 2 * page), 0);
	EXPECT_OK(ftruncate(fd, (off_t)page));
	EXPECT_EQ(touch(data + 2 * page), SIGBUS);
	EXPECT_EQ(touch(data + page - 1), 0);
	EXPECT_OK(ftruncate(fd, (off_t)(3 * page)));
	EXPECT_EQ(touch(data + 2 * page), 0);
	EXPECT_EQ(data[2 * page], 0);
}

static void growth_becomes_visible(void)
{
	size_t page = page_size();
	int fd = open_filled(page);
	char *data = map(fd, 2 * page, PROT_READ, MAP_SHARED);

	EXPECT_EQ(touch(data + page), SIGBUS);
	file_put(fd, "text", 4, (off_t)page);
	EXPECT_EQ(touch(data + page), 0);
	EXPECT_DATA(data + page, "text", 4);
}

static void expect_no_mapping(int fd, size_t size, int protection, off_t offset, int wanted)
{
	/* cppcheck-suppress invalidFunctionArg */
	void *data = mmap(NULL, size, protection, MAP_SHARED, fd, offset);

	EXPECT(data == MAP_FAILED);
	EXPECT_EQ(errno, wanted);
}

static void needs_matching_access(void)
{
	int reader;
	int writer;

	file_make("f", "text");
	reader = EXPECT_OK(open("f", O_RDONLY));
	writer = EXPECT_OK(open("f", O_WRONLY));
	expect_no_mapping(reader, 4, PROT_READ | PROT_WRITE, 0, EACCES);
	expect_no_mapping(writer, 4, PROT_READ, 0, EACCES);
	EXPECT_ERR(mprotect(map(reader, 4, PROT_READ, MAP_SHARED), 4, PROT_READ | PROT_WRITE),
		   EACCES);
}

static void bad_arguments(void)
{
	int fd = open_filled(100);

	expect_no_mapping(fd, 0, PROT_READ, 0, EINVAL);
	expect_no_mapping(fd, 100, PROT_READ, 1, EINVAL);
}

static void directory_refused(void)
{
	expect_no_mapping(EXPECT_OK(open(".", O_RDONLY)), 4096, PROT_READ, 0, ENODEV);
}

static void offset_of_mapping(void)
{
	size_t page = page_size();
	char wanted[8];
	char *data;
	int fd = open_filled(4 * page);

	file_take(fd, wanted, 8, (off_t)(2 * page + 100));
	data = EXPECT_POINTER(mmap(NULL, page, PROT_READ, MAP_SHARED, fd, (off_t)(2 * page)));
	EXPECT_DATA(data + 100, wanted, 8);
}

static void large_mapping(void)
{
	enum { SIZE = 4 << 20 };
	char *wanted = EXPECT_POINTER(malloc(SIZE));
	char *data;
	int fd = file_open_new("f");

	EXPECT_OK(ftruncate(fd, SIZE));
	data = map(fd, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED);
	data_fill(data, SIZE, 9);
	EXPECT_OK(munmap(data, SIZE));
	EXPECT_OK(fsync(fd));
	data_fill(wanted, SIZE, 9);
	file_take(fd, data = EXPECT_POINTER(malloc(SIZE)), SIZE, 0);
	EXPECT_DATA(data, wanted, SIZE);
}

static void hole_is_zeros_until_written(void)
{
	size_t page = page_size();
	int fd = file_open_new("f");
	char *data;

	EXPECT_OK(ftruncate(fd, (off_t)(10 * page)));
	data = map(fd, 10 * page, PROT_READ | PROT_WRITE, MAP_SHARED);
	for (size_t i = 0; i < 10 * page; i += 512)
		EXPECT_EQ(data[i], 0);
	data[5 * page] = 'x';
	file_expect_zeros(fd, 5 * page, 0);
	file_expect_zeros(fd, 4 * page, (off_t)(6 * page));
	EXPECT_EQ(data[5 * page], 'x');
}

static void mixed_with_writes(void)
{
	enum { SIZE = 40000, ROUNDS = 300 };
	int fd = file_open_new("f");
	char *model = EXPECT_POINTER(calloc(1, SIZE));
	char *got = EXPECT_POINTER(malloc(SIZE));
	char *data;

	EXPECT_OK(ftruncate(fd, SIZE));
	data = map(fd, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED);
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned start = i * 7919 % (SIZE - 200);
		char part[200];

		data_fill(part, sizeof(part), i);
		memcpy(model + start, part, sizeof(part));
		if (i % 2)
			memcpy(data + start, part, sizeof(part));
		else
			file_put(fd, part, sizeof(part), start);
	}
	EXPECT_DATA(data, model, SIZE);
	file_take(fd, got, SIZE, 0);
	EXPECT_DATA(got, model, SIZE);
}

static void source_of_write_to_same_file(void)
{
	int fd = open_filled(10000);
	char *data = map(fd, 10000, PROT_READ, MAP_SHARED);
	char got[5000];

	file_put(fd, data, 5000, 5000);
	file_take(fd, got, 5000, 5000);
	EXPECT_DATA(got, data, 5000);
}

const struct check mmap_checks[] = {
	CHECK(mmap, shows_content),
	CHECK(mmap, shared_write_seen_by_read, .needs = NEED_SHARED_MMAP),
	CHECK(mmap, write_seen_by_shared_mapping, .needs = NEED_SHARED_MMAP),
	CHECK(mmap, private_write_stays_private),
	CHECK(mmap, private_writable_on_read_only_descriptor),
	CHECK(mmap, shared_between_processes, .needs = NEED_SHARED_MMAP),
	CHECK(mmap, written_after_msync_and_unmap, .needs = NEED_SHARED_MMAP),
	CHECK(mmap, survives_close, .needs = NEED_SHARED_MMAP),
	CHECK(mmap, rest_of_last_page_is_zero, .needs = NEED_SHARED_MMAP),
	CHECK(mmap, write_beyond_end_keeps_size, .needs = NEED_SHARED_MMAP),
	CHECK(mmap, beyond_end_faults, .needs = NEED_SHARED_MMAP),
	CHECK(mmap, truncated_pages_fault, .needs = NEED_SHARED_MMAP),
	CHECK(mmap, growth_becomes_visible, .needs = NEED_SHARED_MMAP),
	CHECK(mmap, needs_matching_access, .needs = NEED_SHARED_MMAP),
	CHECK(mmap, bad_arguments, .needs = NEED_SHARED_MMAP),
	CHECK(mmap, directory_refused),
	CHECK(mmap, offset_of_mapping, .needs = NEED_SHARED_MMAP),
	CHECK(mmap, large_mapping, .needs = NEED_SHARED_MMAP),
	CHECK(mmap, hole_is_zeros_until_written, .needs = NEED_SHARED_MMAP),
	CHECK(mmap, mixed_with_writes, .needs = NEED_SHARED_MMAP),
	CHECK(mmap, source_of_write_to_same_file, .needs = NEED_SHARED_MMAP),
	CHECK_END,
};
