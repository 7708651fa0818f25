/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains of descriptors that are not right: rows R3 to R12. */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEXT FB_VRING_DESC_NEXT
#define WRITE FB_VRING_DESC_WRITE
#define INDIRECT FB_VRING_DESC_INDIRECT

/* A chain of the test's own in descriptor 0 and on. */
static uint64_t memory(size_t size)
{
	uint64_t gpa = guest_ram_alloc(&guest->ram, size, 16);

	assert_true(gpa != GUEST_RAM_NONE);
	return gpa;
}

static void desc(unsigned index, uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next)
{
	guest_ring_write_desc(&ring()->desc[index], gpa, len, flags, next);
}

/* Offer descriptor 0. Returns how much the device says that it wrote. */
static uint32_t offer(void)
{
	struct fb_wire_vring_used used;

	guest_ring_offer(ring(), 0);
	guest_ring_kick_now(ring());
	assert_int_equal(guest_ring_poll_raw(ring(), 5000, &used), 0);
	assert_int_equal(used.id, 0);
	return used.len;
}

/* The chain comes back with nothing done, and all goes on. */
static void refused(void)
{
	assert_int_equal(offer(), 0);
	lives();
}

/* A GETATTR of the root in guest memory. */
static uint64_t getattr_message(void)
{
	struct {
		struct fb_wire_in_header header;
		struct fb_wire_getattr_in in;
	} message = { .header = { .len = sizeof(message),
				  .opcode = FB_OP_GETATTR,
				  .unique = 77,
				  .nodeid = GUEST_ROOT } };
	uint64_t gpa = memory(sizeof(message));

	assert_int_equal(guest_ram_write(&guest->ram, gpa, &message, sizeof(message)), 0);
	return gpa;
}

#define GETATTR_SIZE (IN_HEADER + sizeof(struct fb_wire_getattr_in))

static struct fb_wire_vring_desc *entries;

/* An indirect table: a message, then always the same piece to write to. */
static void table_of(uint16_t count, uint64_t message, uint32_t size, uint64_t room, uint32_t len)
{
	uint32_t bytes = 16u * count;
	uint64_t table = memory(bytes);

	entries = guest_ram_ptr(&guest->ram, table, bytes);
	assert_non_null(entries);
	guest_ring_write_desc(&entries[0], message, size, NEXT, 1);
	for (uint16_t i = 1; i < count; i++)
		guest_ring_write_desc(&entries[i], room, len, i < count - 1 ? NEXT | WRITE : WRITE,
				      (uint16_t)(i + 1));
	desc(0, table, bytes, INDIRECT, 0);
}

static void test_R3_next_beyond_the_table(void **state)
{
	(void)state;
	desc(0, getattr_message(), GETATTR_SIZE, NEXT, (uint16_t)ring()->size);
	refused();
}

static void test_R3_loop(void **state)
{
	uint64_t message = getattr_message(), room = memory(256);

	(void)state;
	desc(0, message, GETATTR_SIZE, NEXT, 1);
	desc(1, room, 256, NEXT | WRITE, 2);
	desc(2, room, 256, NEXT | WRITE, 1);
	refused();
	desc(0, message, 0, NEXT, 0);
	refused();
}

/* It leads to a descriptor that nobody has filled in: there is no room for an answer. */
static void test_R3_last_one_is_missing(void **state)
{
	(void)state;
	desc(0, getattr_message(), GETATTR_SIZE, NEXT, 9);
	refused();
}

static void test_R4_indirect_tables(void **state)
{
	static const uint32_t lengths[] = { 0, 8, 17, 16 * 40000, UINT32_MAX & ~15u };
	uint64_t message = getattr_message(), room = memory(256), table = memory(64);
	struct fb_wire_vring_desc *entry = guest_ram_ptr(&guest->ram, table, 64);

	(void)state;
	guest_ring_write_desc(&entry[0], message, GETATTR_SIZE, NEXT, 1);
	guest_ring_write_desc(&entry[1], room, 256, WRITE, 0);
	for (unsigned i = 0; i < 5; i++) {
		desc(0, table, lengths[i], INDIRECT, 0);
		refused();
	}
	desc(0, UINT64_C(1) << 50, 32, INDIRECT, 0); /* a hole */
	refused();
	desc(0, table, 32, INDIRECT | NEXT, 1);
	refused();
	desc(0, table, 32, INDIRECT, 0);
	guest_ring_write_desc(&entry[0], message, GETATTR_SIZE, NEXT, 2);
	refused();
	guest_ring_write_desc(&entry[0], message, 0, NEXT, 0);
	refused();
	guest_ring_write_desc(&entry[0], table, 32, INDIRECT, 0);
	refused();
	guest_ring_write_desc(&entry[0], message, GETATTR_SIZE, NEXT, 1);
	assert_int_equal(offer(), ATTR_SIZE); /* now it is right */
}

static void test_R4_not_negotiated(void **state)
{
	uint64_t message, room, table;
	struct fb_wire_vring_desc *entry;

	(void)state;
	connect_anew(&(struct guest_options){ .queues = 2, .no_indirect = true });
	greet(FLAGS);
	message = getattr_message();
	room = memory(256);
	table = memory(64);
	entry = guest_ram_ptr(&guest->ram, table, 64);
	guest_ring_write_desc(&entry[0], message, GETATTR_SIZE, NEXT, 1);
	guest_ring_write_desc(&entry[1], room, 256, WRITE, 0);
	desc(0, table, 32, INDIRECT, 0);
	refused();
}

static void test_R5_direct_then_indirect(void **state)
{
	uint64_t message = getattr_message(), room = memory(256), table = memory(64);
	struct fb_wire_vring_desc *entry = guest_ram_ptr(&guest->ram, table, 64);

	(void)state;
	guest_ring_write_desc(&entry[0], message + IN_HEADER, GETATTR_SIZE - IN_HEADER, NEXT, 1);
	guest_ring_write_desc(&entry[1], room, 256, WRITE, 0);
	desc(0, message, IN_HEADER, NEXT, 1);
	desc(1, table, 32, INDIRECT | WRITE, 0);
	assert_int_equal(offer(), ATTR_SIZE);
	works();
}

static void test_R6_addresses(void **state)
{
	const struct guest_ram_region *high = &guest->ram.regions[GUEST_RAM_REGIONS - 1];
	uint64_t last = high->wire.guest + high->wire.size - 100;
	const struct {
		uint64_t gpa;
		uint32_t len;
	} wrong[] = { { UINT64_C(1) << 50, 100 }, { UINT64_MAX - 10, 100 },
		      { UINT64_MAX, 1 },          { UINT64_C(1) << 63, UINT32_MAX },
		      { 0, UINT32_MAX },          { last, 101 } };
	uint64_t message = getattr_message(), room = memory(256);

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		desc(0, wrong[i].gpa, wrong[i].len, NEXT, 1);
		desc(1, room, 256, WRITE, 0);
		refused();
		desc(0, message, GETATTR_SIZE, NEXT, 1);
		desc(1, wrong[i].gpa, wrong[i].len, WRITE, 0);
		refused();
	}
}

static void test_R7_empty_descriptors(void **state)
{
	uint64_t message = getattr_message(), room = memory(256);

	(void)state;
	desc(0, message, 0, NEXT, 1);
	desc(1, message, GETATTR_SIZE, NEXT, 2);
	desc(2, UINT64_MAX, 0, NEXT, 3);
	desc(3, room, 0, NEXT | WRITE, 4);
	desc(4, room, 256, WRITE, 0);
	assert_int_equal(offer(), ATTR_SIZE);
	works();
}

static void test_R7_over_two_regions(void **state)
{
	uint64_t at = guest_ram_straddle(&guest->ram, 0, 20, GETATTR_SIZE);
	uint64_t room = guest_ram_straddle(&guest->ram, 1, 7, 256);
	struct request r = request(FB_OP_GETATTR, GUEST_ROOT, &(struct fb_wire_getattr_in){ 0 },
				   sizeof(struct fb_wire_getattr_in));
	struct fb_wire_out_header answer;

	(void)state;
	assert_int_equal(guest_ram_write(&guest->ram, at, &r, GETATTR_SIZE), 0);
	desc(0, at, GETATTR_SIZE, NEXT, 1);
	desc(1, room, 256, WRITE, 0);
	assert_int_equal(offer(), ATTR_SIZE);
	assert_int_equal(guest_ram_read(&guest->ram, room, &answer, sizeof(answer)), 0);
	assert_int_equal(answer.len, ATTR_SIZE);
	assert_int_equal(answer.unique, r.header.unique);
	works();
}

static void test_R8_readable_behind_writable(void **state)
{
	uint64_t message = getattr_message(), room = memory(256);

	(void)state;
	desc(0, room, 256, NEXT | WRITE, 1);
	desc(1, message, GETATTR_SIZE, 0, 0);
	refused();
	desc(0, message, IN_HEADER, NEXT, 1);
	desc(1, room, 256, NEXT | WRITE, 2);
	desc(2, message + IN_HEADER, GETATTR_SIZE - IN_HEADER, 0, 0);
	refused();
}

/* The same megabyte again and again: no harm, as long as it is no 4 GiB. */
static void test_R9_a_gigabyte(void **state)
{
	uint64_t message = getattr_message(), room = memory(1 << 20);

	(void)state;
	table_of(1000, message, GETATTR_SIZE, room, 1 << 20);
	assert_int_equal(offer(), ATTR_SIZE);
	works();
}

/* More is writable than a length can say. */
static void test_R9_four_gigabytes_to_write(void **state)
{
	uint64_t message = getattr_message(), room = memory(8 << 20);

	(void)state;
	table_of(1000, message, GETATTR_SIZE, room, 8 << 20);
	refused();
}

/* More is readable than a message can be long: it is as long as it says. */
static void test_R9_four_gigabytes_to_read(void **state)
{
	uint64_t message = getattr_message(), rest = memory(8 << 20), room = memory(256);

	(void)state;
	table_of(1000, message, GETATTR_SIZE, rest, 8 << 20);
	for (unsigned i = 1; i < 999; i++)
		entries[i].flags = htole16(NEXT);
	guest_ring_write_desc(&entries[999], room, 256, WRITE, 0);
	assert_int_equal(offer(), ATTR_SIZE);
	works();
}

static void test_R10_a_thousand_pieces(void **state)
{
	static char data[7000], back[7000];
	struct fb_wire_create_out made;
	size_t done;

	(void)state;
	connect_anew(&(struct guest_options){
		.queues = 2, .ring_size = 4096, .split = GUEST_SPLIT_CUT, .cut = 7 });
	greet(FLAGS);
	made = make_file("pieces");
	memset(data, 'x', sizeof(data));
	assert_int_equal(
		guest_write(&first, made.entry.nodeid, made.open.fh, 0, data, sizeof(data), &done),
		0);
	assert_int_equal(done, sizeof(data));
	assert_int_equal(
		guest_read(&first, made.entry.nodeid, made.open.fh, 0, back, sizeof(back), &done),
		0);
	assert_memory_equal(back, data, sizeof(data));
	works();
}

static void test_R10_too_many_pieces(void **state)
{
	uint64_t message = getattr_message(), room = memory(64);

	(void)state;
	table_of(5000, message, GETATTR_SIZE, room, 1);
	refused();
}

/* The same without a table. */
static void test_R10_too_many_in_the_ring(void **state)
{
	uint64_t room;

	(void)state;
	connect_anew(&(struct guest_options){ .queues = 2, .ring_size = 8192 });
	greet(FLAGS);
	room = memory(64);
	desc(0, getattr_message(), GETATTR_SIZE, NEXT, 1);
	for (uint16_t i = 1; i < 5000; i++)
		desc(i, room, 1, NEXT | WRITE, (uint16_t)(i + 1));
	desc(5000, room, 1, WRITE, 0);
	refused();
}

/* The answer overwrites the request, the ring, the table of descriptors: the guest's own loss. */
static void test_R11_aliases(void **state)
{
	uint64_t message = getattr_message();
	struct fb_wire_vring_used used;

	(void)state;
	desc(0, message, GETATTR_SIZE, NEXT, 1);
	desc(1, message, GETATTR_SIZE + 200, WRITE, 0);
	assert_int_equal(offer(), ATTR_SIZE);
	message = getattr_message();
	desc(0, message, GETATTR_SIZE, NEXT, 1);
	desc(1, ring()->used_gpa, 200, WRITE, 0);
	guest_ring_offer(ring(), 0);
	guest_ring_kick_now(ring());
	(void)guest_ring_poll_raw(ring(), 200, &used);
	message = getattr_message();
	desc(0, message, GETATTR_SIZE, NEXT, 1);
	desc(1, ring()->desc_gpa, 200, WRITE, 0);
	guest_ring_offer(ring(), 0);
	guest_ring_kick_now(ring());
	(void)guest_ring_poll_raw(ring(), 200, &used);
	lives();
	restart();
	works();
}

static atomic_bool enough;

/* Random bytes into what is the device's to read: each is to be read once. */
static void *flip(void *arg)
{
	uint8_t *bytes = arg;
	unsigned seed = 1;

	while (!enough) {
		seed = seed * 1103515245 + 12345;
		__atomic_store_n(&bytes[seed >> 8 & 63], (uint8_t)(seed >> 16), __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_R12_double_fetch(void **state)
{
	uint64_t table = memory(64), message = getattr_message(), room = memory(256);
	struct fb_wire_vring_desc *entry = guest_ram_ptr(&guest->ram, table, 64);
	uint8_t *bytes = guest_ram_ptr(&guest->ram, message, 64);
	struct fb_wire_vring_used used;
	pthread_t threads[2];

	(void)state;
	enough = false;
	assert_int_equal(pthread_create(&threads[0], NULL, flip, entry), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, flip, bytes), 0);
	for (unsigned i = 0; i < 20000; i++) {
		if (i % 4 == 0) {
			guest_ring_write_desc(&entry[0], message, GETATTR_SIZE, NEXT, 1);
			guest_ring_write_desc(&entry[1], room, 256, WRITE, 0);
		}
		desc(0, table, 32, INDIRECT, 0);
		guest_ring_offer(ring(), 0);
		guest_ring_kick_now(ring());
		assert_int_equal(guest_ring_poll_raw(ring(), 10000, &used), 0);
	}
	enough = true;
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	/* A DESTROY or another greeting may have been among them. */
	assert_int_equal(guest_init(guest, MINOR, FLAGS, NULL), 0);
	works();
}

static uint8_t *flipped;

/* A name that leads out of the share, and one that does not, in turn and half and half. */
static void *flip_name(void *arg)
{
	unsigned turn = 0;

	(void)arg;
	while (!enough) {
		uint8_t byte = turn >> 1 & 1 ? '.' : 'a';

		__atomic_store_n(&flipped[turn & 1], byte, __ATOMIC_RELAXED);
		turn++;
	}
	return NULL;
}

/* What is looked up is one name: "aa", which is there, or what can not be. */
static void test_R12_name(void **state)
{
	struct request r = request(FB_OP_LOOKUP, GUEST_ROOT, "aa", 3);
	uint64_t message = memory(64), room = memory(256);
	struct fb_wire_entry_out entry;
	struct fb_wire_out_header *answer = guest_ram_ptr(&guest->ram, room, 256);
	struct stat stat_of_aa;
	unsigned found = 0, refused_names = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(mkdir(host_path("aa"), 0700), 0);
	assert_int_equal(stat(host_path("aa"), &stat_of_aa), 0);
	greet(FLAGS | FB_INIT_EXPORT_SUPPORT);
	assert_int_equal(guest_ram_write(&guest->ram, message, &r, r.header.len), 0);
	flipped = guest_ram_ptr(&guest->ram, message + IN_HEADER, 3);
	desc(0, message, r.header.len, NEXT, 1);
	desc(1, room, 256, WRITE, 0);
	enough = false;
	assert_int_equal(pthread_create(&thread, NULL, flip_name, NULL), 0);
	for (unsigned i = 0; i < 20000; i++) {
		(void)offer();
		memcpy(&entry, answer + 1, sizeof(entry));
		assert_true(answer->error == 0 || answer->error == -ENOENT ||
			    answer->error == -EINVAL);
		found += answer->error == 0;
		refused_names += answer->error == -EINVAL;
		if (answer->error == 0)
			assert_int_equal(entry.attr.ino, stat_of_aa.st_ino);
	}
	enough = true;
	pthread_join(thread, NULL);
	print_message("%u found, %u refused\n", found, refused_names);
	works();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_R3_next_beyond_the_table),
		TEST(test_R3_loop),
		TEST(test_R3_last_one_is_missing),
		TEST(test_R4_indirect_tables),
		TEST(test_R4_not_negotiated),
		TEST(test_R5_direct_then_indirect),
		TEST(test_R6_addresses),
		TEST(test_R7_empty_descriptors),
		TEST(test_R7_over_two_regions),
		TEST(test_R8_readable_behind_writable),
		TEST(test_R9_a_gigabyte),
		TEST(test_R9_four_gigabytes_to_write),
		TEST(test_R9_four_gigabytes_to_read),
		TEST(test_R10_a_thousand_pieces),
		TEST(test_R10_too_many_pieces),
		TEST(test_R10_too_many_in_the_ring),
		TEST(test_R11_aliases),
		TEST(test_R12_double_fetch),
		TEST(test_R12_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
