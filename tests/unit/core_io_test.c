/* SPDX-License-Identifier: BSD-3-Clause */
/* Sources and sinks: pieces of memory that are used up, and files. */
#include "cmocka_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/io.h"

#define PIECES 200
#define PIECE 7

/* Many small pieces, an empty one now and then: more than fit one system call. */
struct pieces {
	struct iovec iov[PIECES];
	uint8_t bytes[PIECES * PIECE];
	size_t size;
};

static void scatter(struct pieces *p)
{
	p->size = 0;
	for (unsigned i = 0; i < PIECES; i++) {
		size_t length = i % 10 == 0 ? 0 : PIECE;

		p->iov[i] = (struct iovec){ p->bytes + p->size, length };
		p->size += length;
	}
}

static int make_file(size_t size)
{
	int fd = memfd_create("io", MFD_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(pwrite(fd, &(uint8_t){ (uint8_t)(i * 7) }, 1, (off_t)i), 1);
	return fd;
}

static void test_source_copies(void **state)
{
	struct pieces p;
	struct fb_source from;
	uint8_t out[PIECES * PIECE];

	(void)state;
	scatter(&p);
	for (size_t i = 0; i < p.size; i++)
		p.bytes[i] = (uint8_t)(i * 3);
	fb_source_init(&from, p.iov, PIECES);
	assert_int_equal(fb_source_size(&from), p.size);
	assert_int_equal(fb_source_copy(&from, out, 10), 10);
	assert_int_equal(fb_source_skip(&from, 5), 5);
	assert_int_equal(fb_source_copy(&from, out + 15, sizeof(out)), p.size - 15);
	assert_int_equal(fb_source_size(&from), 0);
	assert_int_equal(fb_source_copy(&from, out, 1), 0);
	assert_int_equal(fb_source_skip(&from, 1), 0);
	for (size_t i = 0; i < p.size; i++)
		assert_int_equal(i < 10 || i >= 15 ? out[i] : (uint8_t)(i * 3), (uint8_t)(i * 3));
}

static void test_source_views(void **state)
{
	struct pieces p;
	struct fb_source from;
	const struct iovec *iov;
	size_t count, total = 0;

	(void)state;
	scatter(&p);
	fb_source_init(&from, p.iov, PIECES);
	fb_source_skip(&from, 3);
	iov = fb_source_iov(&from, &count);
	for (size_t i = 0; i < count; i++)
		total += iov[i].iov_len;
	assert_int_equal(total, p.size - 3);
	assert_ptr_equal(iov[0].iov_base, p.bytes + 3);
}

static void test_sink_puts(void **state)
{
	struct pieces p;
	struct fb_sink to;
	uint8_t data[PIECES * PIECE];

	(void)state;
	scatter(&p);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 5);
	fb_sink_init(&to, p.iov, PIECES);
	assert_int_equal(fb_sink_room(&to), p.size);
	assert_int_equal(fb_sink_put(&to, data, p.size + 1), -ERANGE);
	assert_int_equal(fb_sink_size(&to), 0);
	assert_int_equal(fb_sink_put(&to, data, 9), 0);
	assert_int_equal(fb_sink_put(&to, data + 9, p.size - 9), 0);
	assert_int_equal(fb_sink_size(&to), p.size);
	assert_int_equal(fb_sink_room(&to), 0);
	assert_int_equal(fb_sink_put(&to, data, 0), 0);
	assert_int_equal(fb_sink_put(&to, data, 1), -ERANGE);
	assert_memory_equal(p.bytes, data, p.size);
}

static void test_sink_is_filled_in_place(void **state)
{
	struct pieces p;
	struct fb_sink to;
	const struct iovec *iov;
	size_t count;

	(void)state;
	scatter(&p);
	fb_sink_init(&to, p.iov, PIECES);
	assert_int_equal(fb_sink_filled(&to, 4), 0);
	iov = fb_sink_iov(&to, &count);
	assert_ptr_equal(iov[0].iov_base, p.bytes + 4);
	assert_int_equal(fb_sink_filled(&to, p.size), -EINVAL);
	assert_int_equal(fb_sink_size(&to), 4);
	assert_int_equal(fb_sink_filled(&to, p.size - 4), 0);
}

static void test_from_file(void **state)
{
	int fd = make_file(1000);
	struct pieces p;
	struct fb_sink to;

	(void)state;
	scatter(&p);
	fb_sink_init(&to, p.iov, PIECES);
	assert_int_equal(fb_sink_from_fd(&to, fd, 700, 100), 700);
	assert_int_equal(fb_sink_size(&to), 700);
	for (size_t i = 0; i < 700; i++)
		assert_int_equal(p.bytes[i], (uint8_t)((i + 100) * 7));
	/* Less at the end of the file, and nothing behind it. */
	assert_int_equal(fb_sink_from_fd(&to, fd, 400, 900), 100);
	assert_int_equal(fb_sink_from_fd(&to, fd, 400, 5000), 0);
	/* No more than there is room for. */
	assert_int_equal(fb_sink_from_fd(&to, fd, 100000, 0), (ssize_t)(p.size - 800));
	close(fd);
}

static void test_from_file_that_fails(void **state)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC), directory = open("/", O_RDONLY);
	struct pieces p;
	struct fb_sink to;

	(void)state;
	scatter(&p);
	fb_sink_init(&to, p.iov, PIECES);
	assert_int_equal(fb_sink_from_fd(&to, fd, 10, 0), -EBADF);
	assert_int_equal(fb_sink_from_fd(&to, directory, 10, 0), -EISDIR);
	assert_int_equal(fb_sink_from_fd(&to, -1, 10, 0), -EBADF);
	assert_int_equal(fb_sink_size(&to), 0);
	close(fd);
	close(directory);
}

/*
 * An error after some bytes is an error: a short count would be the end of the file. The memory
 * behind the first piece can not be written to.
 */
static void test_error_after_some_bytes(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *memory =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = make_file(3000);
	struct iovec iov[2] = { { memory + page - 64, 64 }, { memory + page, 64 } };
	struct fb_sink to;

	(void)state;
	assert_true(memory != MAP_FAILED);
	assert_int_equal(mprotect(memory + page, page, PROT_NONE), 0);
	fb_sink_init(&to, iov, 2);
	assert_int_equal(fb_sink_from_fd(&to, fd, 128, 0), -EFAULT);
	close(fd);
	munmap(memory, 2 * page);
}

static void test_to_file(void **state)
{
	int fd = make_file(10);
	uint8_t back[PIECES * PIECE];
	struct pieces p;
	struct fb_source from;

	(void)state;
	scatter(&p);
	for (size_t i = 0; i < p.size; i++)
		p.bytes[i] = (uint8_t)(i * 3);
	fb_source_init(&from, p.iov, PIECES);
	assert_int_equal(fb_source_to_fd(&from, fd, p.size + 100, 5, 0), (ssize_t)p.size);
	assert_int_equal(fb_source_size(&from), 0);
	assert_int_equal(fb_source_to_fd(&from, fd, 100, 5, 0), 0);
	assert_int_equal(pread(fd, back, sizeof(back), 5), (ssize_t)p.size);
	assert_memory_equal(back, p.bytes, p.size);

	scatter(&p);
	fb_source_init(&from, p.iov, PIECES);
	assert_int_equal(fb_source_to_fd(&from, fd, 20, 0, RWF_APPEND), 20);
	assert_int_equal(lseek(fd, 0, SEEK_END), (off_t)p.size + 25);
	assert_int_equal(fb_source_size(&from), p.size - 20);
	close(fd);
}

static void test_to_file_that_fails(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct pieces p;
	struct fb_source from;

	(void)state;
	scatter(&p);
	fb_source_init(&from, p.iov, PIECES);
	assert_int_equal(fb_source_to_fd(&from, fd, 10, 0, 0), -EBADF);
	assert_int_equal(fb_source_size(&from), p.size);
	close(fd);
	fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(fb_source_to_fd(&from, fd, 10, 0, 0), -ENOSPC);
	close(fd);
}

/* -1 would be the file's own position to preadv2(2). */
static void test_offsets_beyond_all_files(void **state)
{
	int fd = make_file(10);
	struct pieces p;
	struct fb_source from;
	struct fb_sink to;

	(void)state;
	scatter(&p);
	fb_sink_init(&to, p.iov, PIECES);
	assert_int_equal(fb_sink_from_fd(&to, fd, 4, UINT64_MAX), -EINVAL);
	assert_int_equal(fb_sink_from_fd(&to, fd, 4, UINT64_C(1) << 63), -EINVAL);
	scatter(&p);
	fb_source_init(&from, p.iov, PIECES);
	assert_int_equal(fb_source_to_fd(&from, fd, 4, UINT64_MAX, 0), -EINVAL);
	close(fd);
}

static void test_dirsink(void **state)
{
	uint8_t buffer[32 + 32 + 31];
	struct fb_dirsink to = { .buffer = buffer, .room = sizeof(buffer) };
	const struct fb_dirent good = { .ino = 2, .cookie = 1, .name = "name", .name_len = 4 };
	struct fb_dirent bad = good;

	(void)state;
	assert_false(fb_dirsink_plus(&to));
	assert_true(fb_dirsink_fits(&to, 8));
	assert_int_equal(fb_dirsink_add(&to, &good, NULL), 0);
	assert_int_equal(fb_dirsink_add(&to, &good, NULL), 0);
	assert_false(fb_dirsink_fits(&to, 4));
	assert_int_equal(fb_dirsink_add(&to, &good, NULL), -ENOBUFS);
	bad.ino = 0;
	assert_int_equal(fb_dirsink_add(&to, &bad, NULL), -EINVAL);
	bad = good;
	bad.name = "a/b";
	bad.name_len = 3;
	assert_int_equal(fb_dirsink_add(&to, &bad, NULL), -EINVAL);
	bad.name_len = 0;
	assert_int_equal(fb_dirsink_add(&to, &bad, NULL), -EINVAL);
	assert_int_equal(to.size, 64);
}

/* ---- of a driver's own ---------------------------------------------------------------------------- */

static void test_own_source(void **state)
{
	struct fb_source *from;
	char copy[8] = "";

	(void)state;
	assert_int_equal(fb_source_new("abcdef", 6, &from), 0);
	assert_int_equal(fb_source_size(from), 6);
	assert_int_equal(fb_source_copy(from, copy, 4), 4);
	assert_string_equal(copy, "abcd");
	assert_int_equal(fb_source_skip(from, 9), 2);
	fb_source_free(from);
	fb_source_free(NULL);
}

static void count_release(void *arg)
{
	++*(int *)arg;
}

static void test_own_sink(void **state)
{
	char memory[8] = "";
	struct fb_sink *to;
	int released = 0;

	(void)state;
	assert_int_equal(fb_sink_new(memory, 6, &to), 0);
	assert_int_equal(fb_sink_put(to, "ab", 2), 0);
	assert_int_equal(fb_sink_give(to, "cd", 2, count_release, &released), 0);
	assert_int_equal(released, 1); /* copied: nobody would release it later */
	assert_int_equal(fb_sink_put(to, "efg", 3), -ERANGE);
	assert_int_equal(fb_sink_size(to), 4);
	assert_string_equal(memory, "abcd");
	fb_sink_free(to);
	fb_sink_free(NULL);
}

struct names {
	char text[64];
	unsigned count, room;
	uint64_t node;
};

static int take_name(void *arg, const struct fb_dirent *entry, const struct fb_entry *plus)
{
	struct names *names = arg;

	if (names->count == names->room)
		return -ENOBUFS;
	strncat(names->text, entry->name, entry->name_len);
	names->count++;
	names->node = plus ? plus->node : 0;
	return 0;
}

static void test_own_dirsink(void **state)
{
	const struct fb_dirent one = { .ino = 1, .cookie = 1, .name = "one", .name_len = 3 };
	const struct fb_dirent bad = { .ino = 1, .cookie = 1, .name = "a/b", .name_len = 3 };
	const struct fb_entry plus = { .node = 7 };
	struct names names = { .room = 2 };
	struct fb_dirsink *to;

	(void)state;
	assert_int_equal(fb_dirsink_new(take_name, &names, true, &to), 0);
	assert_true(fb_dirsink_plus(to));
	assert_true(fb_dirsink_fits(to, FB_NAME_MAX));
	assert_int_equal(fb_dirsink_add(to, &one, NULL), 0);
	assert_int_equal(fb_dirsink_add(to, &bad, NULL), -EINVAL);
	assert_int_equal(fb_dirsink_add(to, &one, &plus), 0);
	assert_int_equal(names.node, 7);
	assert_int_equal(fb_dirsink_add(to, &one, NULL), -ENOBUFS);
	assert_string_equal(names.text, "oneone");
	fb_dirsink_free(to);
	fb_dirsink_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_source_copies),
		cmocka_unit_test(test_source_views),
		cmocka_unit_test(test_sink_puts),
		cmocka_unit_test(test_sink_is_filled_in_place),
		cmocka_unit_test(test_from_file),
		cmocka_unit_test(test_from_file_that_fails),
		cmocka_unit_test(test_error_after_some_bytes),
		cmocka_unit_test(test_to_file),
		cmocka_unit_test(test_to_file_that_fails),
		cmocka_unit_test(test_offsets_beyond_all_files),
		cmocka_unit_test(test_dirsink),
		cmocka_unit_test(test_own_source),
		cmocka_unit_test(test_own_sink),
		cmocka_unit_test(test_own_dirsink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
