/* SPDX-License-Identifier: BSD-3-Clause */
/* A split virtqueue and its chains, over memory that the test writes as a guest would. */
#include "cmocka_setup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/iov.h"
#include "transport/guest_memory.h"
#include "transport/virtio_chain.h"
#include "transport/virtqueue.h"

#define NUM 8
#define PIECES 16
/* The guest's address of the ring's memory, and of a second region right behind it. */
#define BASE UINT64_C(0x100000)
#define REGION UINT64_C(0x4000)
#define DATA (BASE + 0x1000)
#define BORDER (BASE + REGION)

struct rig {
	int file;
	struct fb_guest_memory *memory;
	uint8_t *ram; /* both regions, as the guest sees them: BASE is at 0 */
	struct fb_wire_vring_desc *desc;
	uint16_t *avail;
	uint8_t *used;
	struct fb_virtqueue queue;
	struct iovec iov[PIECES];
	struct fb_chain chain;
};

static struct rig rig;

static void add_region(uint64_t guest, uint64_t user, uint64_t offset)
{
	struct fb_wire_vhost_region where = { guest, REGION, user, offset };
	struct fb_guest_region *region;
	struct fb_guest_memory *more;

	assert_int_equal(fb_guest_region_map(&where, rig.file, &region), 0);
	assert_int_equal(fb_guest_memory_add(rig.memory, region, &more), 0);
	fb_guest_region_unref(region);
	fb_guest_memory_unref(rig.memory);
	rig.memory = more;
}

static int set_up(void **state)
{
	(void)state;
	rig = (struct rig){ .file = memfd_create("ram", MFD_CLOEXEC) };
	assert_int_equal(ftruncate(rig.file, 2 * REGION), 0);
	rig.ram = mmap(NULL, 2 * REGION, PROT_READ | PROT_WRITE, MAP_SHARED, rig.file, 0);
	assert_ptr_not_equal(rig.ram, MAP_FAILED);
	rig.memory = fb_guest_memory_new();
	/* Neighbours for the guest, not for the front end. */
	add_region(BASE, 0x900000, 0);
	add_region(BORDER, 0x100000, REGION);
	rig.desc = (void *)rig.ram;
	rig.avail = (void *)(rig.ram + FB_VRING_DESC_SIZE(NUM));
	rig.used = rig.ram + 0x200;
	rig.queue =
		(struct fb_virtqueue){ .avail = (void *)rig.avail, .used = rig.used, .num = NUM };
	rig.chain = (struct fb_chain){ .iov = rig.iov, .max = PIECES };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fb_virtqueue_fini(&rig.queue);
	fb_guest_memory_unref(rig.memory);
	munmap(rig.ram, 2 * REGION);
	close(rig.file);
	return 0;
}

/* ---- what a guest does ---------------------------------------------------------------------- */

static void offer(uint16_t head)
{
	rig.avail[2 + rig.avail[1] % NUM] = head;
	rig.avail[1]++;
}

static void set_used_event(uint16_t event)
{
	rig.avail[2 + NUM] = event;
}

static uint16_t used_idx(void)
{
	uint16_t idx;

	memcpy(&idx, rig.used + 2, sizeof(idx));
	return idx;
}

static struct fb_wire_vring_used used_at(uint16_t slot)
{
	struct fb_wire_vring_used element;

	memcpy(&element, rig.used + 4 + slot % NUM * sizeof(element), sizeof(element));
	return element;
}

static uint16_t avail_event(void)
{
	uint16_t event;

	memcpy(&event, rig.used + 4 + NUM * sizeof(struct fb_wire_vring_used), sizeof(event));
	return event;
}

static struct fb_wire_vring_desc plain(uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	return (struct fb_wire_vring_desc){ addr, len, flags, next };
}

#define NEXT FB_VRING_DESC_NEXT
#define WRITE FB_VRING_DESC_WRITE
#define INDIRECT FB_VRING_DESC_INDIRECT

static int walk(bool indirect)
{
	const struct fb_descriptors at = { (void *)rig.desc, NUM, indirect };

	return fb_chain_walk(&at, rig.memory, 0, &rig.chain);
}

/* ---- the queue ------------------------------------------------------------------------------ */

static void test_take_and_give(void **state)
{
	struct fb_wire_vring_used element;

	(void)state;
	assert_int_equal(fb_virtqueue_start(&rig.queue, 0), 0);
	assert_int_equal(fb_virtqueue_take(&rig.queue), -EAGAIN);
	assert_false(fb_virtqueue_waits(&rig.queue));
	offer(5);
	offer(3);
	assert_true(fb_virtqueue_waits(&rig.queue));
	assert_int_equal(fb_virtqueue_take(&rig.queue), 5);
	assert_int_equal(fb_virtqueue_take(&rig.queue), 3);
	assert_int_equal(fb_virtqueue_take(&rig.queue), -EAGAIN);
	assert_int_equal(rig.queue.under_way, 2);
	/* In any order. */
	fb_virtqueue_give(&rig.queue, 3, 77);
	fb_virtqueue_give(&rig.queue, 5, 0);
	assert_int_equal(used_idx(), 2);
	element = used_at(0);
	assert_int_equal(element.id, 3);
	assert_int_equal(element.len, 77);
	element = used_at(1);
	assert_int_equal(element.id, 5);
	assert_int_equal(element.len, 0);
	assert_int_equal(rig.queue.under_way, 0);
}

/* Indices wrap at 65536, and the used ring goes on where it stands. */
static void test_wrap(void **state)
{
	uint16_t start = 65530;

	(void)state;
	rig.avail[1] = start;
	memcpy(rig.used + 2, &start, sizeof(start));
	assert_int_equal(fb_virtqueue_start(&rig.queue, start), 0);
	for (unsigned i = 0; i < 20; i++) {
		offer((uint16_t)(i % NUM));
		assert_int_equal(fb_virtqueue_take(&rig.queue), i % NUM);
		fb_virtqueue_give(&rig.queue, (uint16_t)(i % NUM), i);
		assert_int_equal(used_at((uint16_t)(start + i)).len, i);
	}
	assert_int_equal(used_idx(), (uint16_t)(start + 20));
}

/* R1, R2 */
static void test_rings_that_can_not_be(void **state)
{
	(void)state;
	assert_int_equal(fb_virtqueue_start(&rig.queue, 0), 0);
	rig.avail[1] = NUM + 1;
	assert_int_equal(fb_virtqueue_take(&rig.queue), -EPROTO);
	rig.avail[1] = UINT16_MAX; /* backwards */
	assert_int_equal(fb_virtqueue_take(&rig.queue), -EPROTO);
	rig.avail[1] = 0;
	offer(NUM);
	assert_int_equal(fb_virtqueue_take(&rig.queue), -EPROTO);
	rig.avail[2] = 2;
	offer(2);
	assert_int_equal(fb_virtqueue_take(&rig.queue), 2);
	assert_int_equal(fb_virtqueue_take(&rig.queue), -EPROTO); /* under way */
	fb_virtqueue_give(&rig.queue, 2, 0);
	assert_int_equal(fb_virtqueue_take(&rig.queue), 2);
	assert_int_equal(used_idx(), 1);
}

static bool give_one(void)
{
	offer(0);
	assert_int_equal(fb_virtqueue_take(&rig.queue), 0);
	return fb_virtqueue_give(&rig.queue, 0, 0);
}

static void test_calls_by_event(void **state)
{
	(void)state;
	rig.queue.event_idx = true;
	assert_int_equal(fb_virtqueue_start(&rig.queue, 0), 0);
	set_used_event(1000);
	assert_true(give_one()); /* the first time, whatever the guest says */
	assert_false(give_one());
	set_used_event(2);
	assert_true(give_one());
	assert_false(give_one());
	set_used_event(4);
	rig.avail[0] = FB_VRING_AVAIL_NO_CALL; /* does not count here */
	assert_true(give_one());
	assert_int_equal(fb_virtqueue_start(&rig.queue, rig.queue.next_avail), 0);
	assert_true(give_one());
}

static void test_calls_by_flag(void **state)
{
	(void)state;
	assert_int_equal(fb_virtqueue_start(&rig.queue, 0), 0);
	assert_true(give_one());
	assert_true(give_one());
	rig.avail[0] = FB_VRING_AVAIL_NO_CALL;
	assert_false(give_one());
}

static void test_kicks(void **state)
{
	(void)state;
	assert_int_equal(fb_virtqueue_start(&rig.queue, 0), 0);
	fb_virtqueue_busy(&rig.queue);
	assert_int_equal(rig.used[0], FB_VRING_USED_NO_KICK);
	assert_true(fb_virtqueue_rest(&rig.queue));
	assert_int_equal(rig.used[0], 0);
	offer(1);
	assert_false(fb_virtqueue_rest(&rig.queue));
	rig.queue.event_idx = true;
	assert_int_equal(fb_virtqueue_take(&rig.queue), 1);
	fb_virtqueue_busy(&rig.queue);
	assert_int_equal(rig.used[0], 0);
	assert_int_equal(avail_event(), 0);
	assert_true(fb_virtqueue_rest(&rig.queue));
	assert_int_equal(avail_event(), 1);
}

/* R14 */
static void test_smallest_queue(void **state)
{
	(void)state;
	rig.queue.num = 1;
	assert_int_equal(fb_virtqueue_start(&rig.queue, 0), 0);
	for (unsigned i = 0; i < 5; i++) {
		rig.avail[2] = 0;
		rig.avail[1]++;
		assert_int_equal(fb_virtqueue_take(&rig.queue), 0);
		fb_virtqueue_give(&rig.queue, 0, i);
		assert_int_equal(used_at(0).len, i);
	}
}

/* ---- chains ----------------------------------------------------------------------------------- */

static void test_direct_chain(void **state)
{
	(void)state;
	rig.desc[0] = plain(DATA, 40, NEXT, 7);
	rig.desc[7] = plain(DATA + 100, 10, NEXT, 2);
	rig.desc[2] = plain(DATA + 200, 16, NEXT | WRITE, 1);
	rig.desc[1] = plain(DATA + 300, 5, WRITE, 0);
	assert_int_equal(walk(false), 0);
	assert_int_equal(rig.chain.read_count, 2);
	assert_int_equal(rig.chain.write_count, 2);
	assert_int_equal(rig.chain.read_size, 50);
	assert_int_equal(rig.chain.write_size, 21);
	assert_int_equal(rig.iov[3].iov_len, 5);
	memcpy(rig.ram + (DATA - BASE) + 300, "seen", 5);
	assert_string_equal(rig.iov[3].iov_base, "seen");
}

/* R7 */
static void test_buffer_over_a_border(void **state)
{
	(void)state;
	rig.desc[0] = plain(BORDER - 10, 30, NEXT, 1);
	rig.desc[1] = plain(DATA, 0, NEXT | WRITE, 2); /* of no bytes */
	rig.desc[2] = plain(DATA, 1, WRITE, 0);
	assert_int_equal(walk(false), 0);
	assert_int_equal(rig.chain.read_count, 2);
	assert_int_equal(rig.iov[0].iov_len, 10);
	assert_int_equal(rig.iov[1].iov_len, 20);
	assert_int_equal(rig.chain.write_count, 1);
}

static void test_indirect_table(void **state)
{
	struct fb_wire_vring_desc *table = (void *)(rig.ram + (BORDER - BASE) - 24);

	(void)state;
	/* The second descriptor of the table lies in both regions. */
	table[0] = plain(DATA, 40, NEXT, 2);
	table[2] = plain(DATA + 64, 16, WRITE, 0);
	table[1] = plain(0, 0, 0, 0);
	rig.desc[0] = plain(DATA + 500, 3, NEXT, 1); /* R5: one direct, then the table */
	rig.desc[1] = plain(BORDER - 24, 48, INDIRECT | WRITE, 0);
	assert_int_equal(walk(true), 0);
	assert_int_equal(rig.chain.read_size, 43);
	assert_int_equal(rig.chain.write_size, 16);
	assert_int_equal(walk(false), -EINVAL); /* not negotiated */
}

/* R3, R6, R8 */
static void test_chains_that_can_not_be(void **state)
{
	(void)state;
	rig.desc[0] = plain(DATA, 40, NEXT, NUM);
	assert_int_equal(walk(true), -EINVAL);
	rig.desc[0] = plain(DATA, 0, NEXT, 0);
	assert_int_equal(walk(true), -E2BIG); /* a loop */
	rig.desc[0] = plain(DATA, 1, NEXT, 1);
	rig.desc[1] = plain(DATA, 1, NEXT, 0);
	assert_int_equal(walk(true), -E2BIG);
	rig.desc[0] = plain(DATA, 16, NEXT | WRITE, 1);
	rig.desc[1] = plain(DATA, 40, 0, 0);
	assert_int_equal(walk(true), -EINVAL);
	rig.desc[0] = plain(0, 40, 0, 0);
	assert_int_equal(walk(true), -EFAULT);
	rig.desc[0] = plain(BORDER + REGION - 1, 2, 0, 0);
	assert_int_equal(walk(true), -EFAULT);
	rig.desc[0] = plain(UINT64_MAX - 3, 40, 0, 0);
	assert_int_equal(walk(true), -EFAULT);
}

/* R4 */
static void test_tables_that_can_not_be(void **state)
{
	struct fb_wire_vring_desc *table = (void *)(rig.ram + (DATA - BASE));

	(void)state;
	rig.desc[0] = plain(DATA, 0, INDIRECT, 0);
	assert_int_equal(walk(true), -EINVAL);
	rig.desc[0].len = 17;
	assert_int_equal(walk(true), -EINVAL);
	rig.desc[0].len = 16 * (PIECES + 1);
	assert_int_equal(walk(true), -E2BIG);
	rig.desc[0] = plain(BORDER + REGION - 16, 32, INDIRECT, 0);
	assert_int_equal(walk(true), -EFAULT);
	rig.desc[0] = plain(DATA, 32, INDIRECT | NEXT, 1);
	assert_int_equal(walk(true), -EINVAL);
	rig.desc[0] = plain(DATA, 32, INDIRECT, 0);
	table[0] = plain(DATA, 16, INDIRECT, 0);
	assert_int_equal(walk(true), -EINVAL);
	table[0] = plain(DATA, 1, NEXT, 2);
	assert_int_equal(walk(true), -EINVAL);
	table[0] = plain(DATA, 1, NEXT, 0);
	assert_int_equal(walk(true), -E2BIG);
	rig.desc[0].len = UINT32_MAX & ~15u;
	assert_int_equal(walk(true), -E2BIG);
}

/* R10: more pieces than there is room for are refused as a whole. */
static void test_too_many_pieces(void **state)
{
	struct fb_wire_vring_desc *table = (void *)(rig.ram + (DATA - BASE));

	(void)state;
	for (uint16_t i = 0; i < PIECES; i++)
		table[i] = plain(BORDER - 1, 2, i < PIECES - 1 ? NEXT : 0, (uint16_t)(i + 1));
	rig.desc[0] = plain(DATA, 16 * PIECES, INDIRECT, 0);
	assert_int_equal(walk(true), -E2BIG);
	for (uint16_t i = 0; i < PIECES; i++)
		table[i].len = 1;
	assert_int_equal(walk(true), 0);
	assert_int_equal(rig.chain.read_count, PIECES);
}

/* ---- pieces ----------------------------------------------------------------------------------- */

static void test_pieces(void **state)
{
	char a[] = "abc", b[] = "defg", to[8] = "";
	struct iovec iov[2] = { { a, 3 }, { b, 4 } }, copy[2], *at = copy;
	size_t count = 2;

	(void)state;
	memcpy(copy, iov, sizeof(iov));
	fb_iov_take(&at, &count, to, 5);
	assert_string_equal(to, "abcde");
	assert_int_equal(count, 1);
	assert_ptr_equal(at->iov_base, b + 2);
	fb_iov_skip(&at, &count, 2);
	assert_int_equal(count, 0);
	fb_iov_put(iov, "12345", 5);
	assert_string_equal(a, "123");
	assert_string_equal(b, "45fg");
	assert_int_equal(fb_iov_cut(iov, 2, 0), 0);
	assert_int_equal(fb_iov_cut(iov, 2, 100), 2);
	assert_int_equal(fb_iov_cut(iov, 2, 4), 2);
	assert_int_equal(iov[1].iov_len, 1);
	assert_int_equal(fb_iov_cut(iov, 2, 3), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_take_and_give),          TEST(test_wrap),
		TEST(test_rings_that_can_not_be),  TEST(test_calls_by_event),
		TEST(test_calls_by_flag),          TEST(test_kicks),
		TEST(test_smallest_queue),         TEST(test_direct_chain),
		TEST(test_buffer_over_a_border),   TEST(test_indirect_table),
		TEST(test_chains_that_can_not_be), TEST(test_tables_that_can_not_be),
		TEST(test_too_many_pieces),        TEST(test_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
