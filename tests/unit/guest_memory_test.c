/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of a guest: regions, tables of them, addresses, the log of dirty pages. */
#include "cmocka_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "transport/dirty_log.h"
#include "transport/guest_memory.h"

#define PAGE UINT64_C(4096)
#define MIB (UINT64_C(1) << 20)

static int file;

static int set_up(void **state)
{
	(void)state;
	file = memfd_create("ram", MFD_CLOEXEC);
	assert_true(file >= 0);
	assert_int_equal(ftruncate(file, 4 * (off_t)MIB), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(file);
	return 0;
}

static struct fb_wire_vhost_region at(uint64_t guest, uint64_t size, uint64_t user, uint64_t offset)
{
	return (struct fb_wire_vhost_region){ guest, size, user, offset };
}

static int map(struct fb_wire_vhost_region where)
{
	struct fb_guest_region *region;
	int r = fb_guest_region_map(&where, file, &region);

	if (r == 0)
		fb_guest_region_unref(region);
	return r;
}

/* *memory becomes a table with one region more. */
static int add(struct fb_guest_memory **memory, struct fb_wire_vhost_region where)
{
	struct fb_guest_region *region;
	struct fb_guest_memory *more;
	int r;

	assert_int_equal(fb_guest_region_map(&where, file, &region), 0);
	r = fb_guest_memory_add(*memory, region, &more);
	fb_guest_region_unref(region);
	if (r == 0) {
		fb_guest_memory_unref(*memory);
		*memory = more;
	}
	return r;
}

/* M7 */
static void test_regions_that_can_not_be(void **state)
{
	(void)state;
	assert_int_equal(map(at(0, 0, 0, 0)), -EINVAL);
	assert_int_equal(map(at(UINT64_MAX - PAGE, 2 * PAGE, 0, 0)), -EINVAL);
	assert_int_equal(map(at(0, 2 * PAGE, UINT64_MAX - PAGE, 0)), -EINVAL);
	assert_int_equal(map(at(0, 2 * PAGE, 0, UINT64_MAX - PAGE)), -EINVAL);
	assert_int_equal(map(at(0, UINT64_MAX, 0, 0)), -EINVAL);
	assert_int_equal(map(at(0, 5 * MIB, 0, 0)), -EINVAL); /* longer than the file */
	assert_int_equal(map(at(0, MIB, 0, 4 * MIB)), -EINVAL);
	assert_int_equal(map(at(0, 4 * MIB, 0, 0)), 0);
}

static void test_offset_need_not_be_a_page(void **state)
{
	struct fb_wire_vhost_region where = at(0x1000, 100, 0x2000, PAGE + 10);
	struct fb_guest_region *region;

	(void)state;
	assert_int_equal(pwrite(file, "here", 4, (off_t)(PAGE + 10)), 4);
	assert_int_equal(fb_guest_region_map(&where, file, &region), 0);
	assert_memory_equal(region->host, "here", 4);
	fb_guest_region_unref(region);
}

static void test_overlaps(void **state)
{
	struct fb_guest_memory *memory = fb_guest_memory_new();

	(void)state;
	assert_int_equal(add(&memory, at(MIB, MIB, 100 * MIB, 0)), 0);
	assert_int_equal(add(&memory, at(2 * MIB - 1, MIB, 0, 0)), -EINVAL);
	assert_int_equal(add(&memory, at(PAGE, MIB, 0, 0)), -EINVAL);
	assert_int_equal(add(&memory, at(0, 4 * MIB, 0, 0)), -EINVAL);
	assert_int_equal(add(&memory, at(10 * MIB, MIB, 101 * MIB - 1, 0)), -EINVAL);
	assert_int_equal(memory->count, 1);
	/* The same once more takes its place; neighbours touch, but have no byte in common. */
	assert_int_equal(add(&memory, at(MIB, MIB, 100 * MIB, 2 * MIB)), 0);
	assert_int_equal(memory->count, 1);
	assert_int_equal(memory->regions[0]->at.offset, 2 * MIB);
	assert_int_equal(add(&memory, at(2 * MIB, MIB, 99 * MIB, 0)), 0);
	assert_int_equal(add(&memory, at(0, MIB, 101 * MIB, 0)), 0);
	assert_int_equal(memory->count, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(memory->regions[i]->at.guest, i * MIB);
	fb_guest_memory_unref(memory);
}

static void test_remove(void **state)
{
	struct fb_wire_vhost_region first = at(0, MIB, MIB, 0), second = at(MIB, MIB, 0, MIB);
	struct fb_guest_memory *memory = fb_guest_memory_new(), *less;

	(void)state;
	assert_int_equal(add(&memory, first), 0);
	assert_int_equal(add(&memory, second), 0);
	first.user++;
	assert_int_equal(fb_guest_memory_remove(memory, &first, &less), -ENOENT);
	first.user--;
	first.offset = 77; /* does not count */
	assert_int_equal(fb_guest_memory_remove(memory, &first, &less), 0);
	assert_int_equal(less->count, 1);
	assert_int_equal(less->regions[0]->at.guest, MIB);
	/* Who works with the old table still has the region. */
	assert_non_null(fb_guest_memory_user(memory, MIB, MIB));
	assert_null(fb_guest_memory_user(less, MIB, 1));
	fb_guest_memory_unref(memory);
	fb_guest_memory_unref(less);
}

static void test_too_many(void **state)
{
	struct fb_guest_memory *memory = fb_guest_memory_new();

	(void)state;
	for (uint64_t i = 0; i < FB_GUEST_REGIONS_MAX; i++)
		assert_int_equal(add(&memory, at(i * MIB, PAGE, i * PAGE, 0)), 0);
	assert_int_equal(add(&memory, at(UINT64_C(1) << 40, PAGE, UINT64_C(1) << 40, 0)), -ENOSPC);
	fb_guest_memory_unref(memory);
}

static void test_addresses_of_the_front_end(void **state)
{
	struct fb_guest_memory *memory = fb_guest_memory_new();

	(void)state;
	assert_int_equal(add(&memory, at(0, MIB, 10 * MIB, 0)), 0);
	assert_int_equal(add(&memory, at(MIB, MIB, 11 * MIB, 2 * MIB)), 0);
	assert_ptr_equal(fb_guest_memory_user(memory, 10 * MIB + 5, MIB - 5),
			 memory->regions[0]->host + 5);
	assert_null(fb_guest_memory_user(memory, 10 * MIB + 5, MIB - 4)); /* two regions */
	assert_null(fb_guest_memory_user(memory, 0, 1)); /* the guest's, not the front end's */
	assert_null(fb_guest_memory_user(memory, 12 * MIB, 1));
	assert_null(fb_guest_memory_user(memory, 10 * MIB, UINT64_MAX));
	fb_guest_memory_unref(memory);
}

/* R6, R7 */
static void test_addresses_of_the_guest(void **state)
{
	struct fb_guest_memory *memory = fb_guest_memory_new();
	struct iovec iov[3];

	(void)state;
	assert_int_equal(fb_guest_memory_pieces(memory, 0, 1, iov, 3), -EFAULT);
	assert_int_equal(add(&memory, at(MIB, MIB, 50 * MIB, 0)), 0);
	assert_int_equal(add(&memory, at(2 * MIB, MIB, 10 * MIB, 2 * MIB)), 0);
	assert_int_equal(add(&memory, at(8 * MIB, MIB, 20 * MIB, 0)), 0);
	assert_int_equal(fb_guest_memory_pieces(memory, MIB, 0, iov, 3), 0);
	assert_int_equal(fb_guest_memory_pieces(memory, MIB + 7, 100, iov, 3), 1);
	assert_ptr_equal(iov[0].iov_base, memory->regions[0]->host + 7);
	assert_int_equal(iov[0].iov_len, 100);
	assert_int_equal(fb_guest_memory_pieces(memory, 2 * MIB - 7, 100, iov, 3), 2);
	assert_int_equal(iov[0].iov_len, 7);
	assert_ptr_equal(iov[1].iov_base, memory->regions[1]->host);
	assert_int_equal(iov[1].iov_len, 93);
	assert_int_equal(fb_guest_memory_address(memory, iov[1].iov_base), 2 * MIB);
	assert_int_equal(fb_guest_memory_pieces(memory, 2 * MIB - 7, 100, iov, 1), -E2BIG);
	assert_int_equal(fb_guest_memory_pieces(memory, 3 * MIB - 1, 2, iov, 3), -EFAULT);
	assert_int_equal(fb_guest_memory_pieces(memory, MIB - 1, 2, iov, 3), -EFAULT);
	assert_int_equal(fb_guest_memory_pieces(memory, 9 * MIB, 1, iov, 3), -EFAULT);
	assert_int_equal(fb_guest_memory_pieces(memory, UINT64_MAX, 2, iov, 3), -EFAULT);
	fb_guest_memory_unref(memory);
}

/* ---- dirty pages ------------------------------------------------------------------------------ */

/* M11 */
static void test_dirty_log(void **state)
{
	struct fb_wire_vhost_log where = { .size = 2, .offset = 0 };
	struct fb_dirty_log log;
	uint8_t bits[3];

	(void)state;
	fb_dirty_log_init(&log);
	fb_dirty_log_mark(&log, 0, 100); /* there is no map yet */
	assert_int_equal(fb_dirty_log_set(&log, &where, file), 0);
	fb_dirty_log_mark(&log, 0, 0);
	fb_dirty_log_mark(&log, PAGE, 1);
	fb_dirty_log_mark(&log, 3 * PAGE - 1, 2);
	fb_dirty_log_mark(&log, 9 * PAGE + 5, PAGE);
	fb_dirty_log_mark(&log, 15 * PAGE, 100 * PAGE); /* beyond the map */
	fb_dirty_log_mark(&log, UINT64_MAX - 5, 5);
	assert_int_equal(pread(file, bits, 3, 0), 3);
	assert_int_equal(bits[0], 1 << 1 | 1 << 2 | 1 << 3);
	assert_int_equal(bits[1], 1 << 1 | 1 << 2 | 1 << 7);
	assert_int_equal(bits[2], 0);
	where.offset = 100;
	assert_int_equal(fb_dirty_log_set(&log, &where, file), 0);
	fb_dirty_log_mark(&log, 0, 1);
	assert_int_equal(pread(file, bits, 1, 100), 1);
	assert_int_equal(bits[0], 1);
	fb_dirty_log_fini(&log);
}

static void test_dirty_log_refuses(void **state)
{
	struct fb_wire_vhost_log where = { .size = 0, .offset = 0 };
	struct fb_dirty_log log;

	(void)state;
	fb_dirty_log_init(&log);
	assert_int_equal(fb_dirty_log_set(&log, &where, file), -EINVAL);
	where.size = 5 * MIB;
	assert_int_equal(fb_dirty_log_set(&log, &where, file), -EINVAL);
	where = (struct fb_wire_vhost_log){ .size = PAGE, .offset = UINT64_MAX - 1 };
	assert_int_equal(fb_dirty_log_set(&log, &where, file), -EINVAL);
	assert_int_equal(fb_dirty_log_set(&log, NULL, -1), 0);
	fb_dirty_log_mark(&log, 0, 1);
	fb_dirty_log_fini(&log);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_regions_that_can_not_be),
		TEST(test_offset_need_not_be_a_page),
		TEST(test_overlaps),
		TEST(test_remove),
		TEST(test_too_many),
		TEST(test_addresses_of_the_front_end),
		TEST(test_addresses_of_the_guest),
		TEST(test_dirty_log),
		TEST(test_dirty_log_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
