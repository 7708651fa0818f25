/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hostile guests and monitors that make mistakes: a trick a test. Each ends with the proof that the
 * device goes on: a request on another queue, and where a ring broke, the same ring started anew.
 *
 * R, F and M name rows of the attack table: rings, FUSE requests, messages.
 */
#include "cmocka_setup.h"

#include "device.h"
#include "guest.h"
#include "guest_fuse.h"
#include "share_client.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLAGS (FB_INIT_BIG_WRITES | FB_INIT_MAX_PAGES | FB_INIT_POSIX_LOCKS)
#define MINOR 38
#define OTHER (GUEST_REQUESTS + 1)
#define IN_HEADER sizeof(struct fb_wire_in_header)
#define OUT_HEADER sizeof(struct fb_wire_out_header)
#define NEXT FB_VRING_DESC_NEXT
#define WRITE FB_VRING_DESC_WRITE
#define INDIRECT FB_VRING_DESC_INDIRECT

static struct device device;
static struct guest *guest;
static struct guest_caller first, other;

static int set_up(void **state)
{
	struct guest_options options = { .style = FRONT_END_QEMU10, .queues = 2 };

	(void)state;
	device_begin(&device, NULL);
	options.fd = device.fd;
	assert_int_equal(guest_new(&options, &guest), 0);
	assert_int_equal(guest_init(guest, MINOR, FLAGS, NULL), 0);
	first = (struct guest_caller){ .guest = guest, .queue = GUEST_REQUESTS };
	other = (struct guest_caller){ .guest = guest, .queue = OTHER };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	guest_free(guest);
	assert_int_equal(device_wait(&device), 0);
	device_end(&device);
	return 0;
}

static struct guest_ring *ring(void)
{
	return &guest->queues[GUEST_REQUESTS].ring;
}

static void lives(void)
{
	struct fb_wire_attr attr;

	assert_int_equal(guest_getattr(&other, GUEST_ROOT, &attr), 0);
	assert_int_equal(guest_forget(guest, 4711, 1), 0);
}

static void works(void)
{
	struct fb_wire_attr attr;

	lives();
	assert_int_equal(guest_getattr(&first, GUEST_ROOT, &attr), 0);
}

/* The first ring has broken: it says so, takes nothing, and can be started anew. */
static void broken(void)
{
	bool told = false;

	for (unsigned i = 0; i < 1000 && !told; i++) {
		usleep(5000);
		told = guest_ring_failed(guest, GUEST_REQUESTS);
	}
	assert_true(told);
	assert_false(guest_ring_has_used(ring()));
	lives();
	assert_int_equal(guest_stop(guest), 0);
	guest_reset_rings(guest, 0);
	assert_int_equal(guest_start(guest), 0);
	works();
}

/* ---- rings -------------------------------------------------------------------------------------- */

static void test_R1_avail_runs_ahead(void **state)
{
	(void)state;
	guest_ring_set_avail_idx(ring(), (uint16_t)(ring()->avail_idx + ring()->size + 1));
	guest_ring_kick_now(ring());
	broken();
}

static void test_R1_avail_runs_backwards(void **state)
{
	(void)state;
	guest_ring_set_avail_idx(ring(), (uint16_t)(ring()->avail_idx - 1));
	guest_ring_kick_now(ring());
	broken();
}

static void test_R1_head_beyond_the_table(void **state)
{
	(void)state;
	guest_ring_offer(ring(), (uint16_t)ring()->size);
	guest_ring_kick_now(ring());
	broken();
}

/* Ask for a lock of the whole file, waiting for it. Returns the request. */
static struct guest_request *ask_for_lock(uint64_t node, uint64_t fh, uint64_t owner)
{
	struct {
		struct fb_wire_in_header header;
		struct fb_wire_lk_in in;
	} message = {
		.header = { .len = sizeof(message),
			    .opcode = FB_OP_SETLKW,
			    .unique = guest_unique(guest),
			    .nodeid = node },
		.in = { .fh = fh, .owner = owner, .lk = { .end = INT64_MAX, .type = F_WRLCK } },
	};
	struct guest_request *request;

	assert_int_equal(
		guest_submit(guest, GUEST_REQUESTS, &message, sizeof(message), 64, &request), 0);
	return request;
}

/* A request that waits for a lock is under way for as long as we like. */
static void test_R2_head_under_way(void **state)
{
	struct fb_wire_create_out made;
	struct fb_wire_out_header answer;
	struct guest_request *request;
	uint16_t head;
	size_t len;

	(void)state;
	assert_int_equal(guest_create(&other, GUEST_ROOT, "locked", O_RDWR, 0600, &made), 0);
	request = ask_for_lock(made.entry.nodeid, made.open.fh, 1);
	assert_int_equal(guest_wait(guest, request, &answer, sizeof(answer), &len), 0);
	assert_int_equal(answer.error, 0);
	(void)ask_for_lock(made.entry.nodeid, made.open.fh, 2);
	head = guest_ring_load(guest_ring_avail_entry(ring(), (uint16_t)(ring()->avail_idx - 1)));
	guest_ring_offer(ring(), head);
	guest_ring_kick_now(ring());
	/* Stopping the ring interrupts the one that waits. */
	broken();
}

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
#define ATTR_SIZE (OUT_HEADER + sizeof(struct fb_wire_attr_out))

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
	static const struct {
		uint64_t gpa;
		uint32_t len;
	} wrong[] = { { UINT64_C(1) << 50, 100 },
		      { UINT64_MAX - 10, 100 },
		      { UINT64_MAX, 1 },
		      { UINT64_C(1) << 63, UINT32_MAX },
		      { 0, UINT32_MAX } };
	uint64_t message = getattr_message(), room = memory(256);

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
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

/* More is writable than a length can say. */
static void test_R9_four_gigabytes(void **state)
{
	uint64_t message = getattr_message(), room = memory(1 << 20);
	uint64_t table = memory(16 * 1100);
	struct fb_wire_vring_desc *entry = guest_ram_ptr(&guest->ram, table, 16 * 1100);
	const uint16_t count = 1000;

	(void)state;
	assert_non_null(entry);
	/* The same megabyte again and again: no harm, but not 4 GiB of it. */
	guest_ring_write_desc(&entry[0], message, GETATTR_SIZE, NEXT, 1);
	for (uint16_t i = 1; i < count; i++)
		guest_ring_write_desc(&entry[i], room, 1 << 20,
				      i < count - 1 ? NEXT | WRITE : WRITE, (uint16_t)(i + 1));
	desc(0, table, 16 * count, INDIRECT, 0);
	assert_int_equal(offer(), ATTR_SIZE);
	works();
}

/* R10: 1000 pieces of data work, too many are refused. */
static void test_R10_pieces(void **state)
{
	struct guest_options options = {
		.style = FRONT_END_QEMU10, .ring_size = 4096, .split = GUEST_SPLIT_CUT, .cut = 7
	};
	static char data[7000], back[7000];
	struct fb_wire_create_out made;
	size_t done;

	(void)state;
	guest_free(guest);
	assert_int_equal(device_wait(&device), 0);
	device_again(&device, NULL);
	options.fd = device.fd;
	assert_int_equal(guest_new(&options, &guest), 0);
	first.guest = guest;
	assert_int_equal(guest_init(guest, MINOR, FLAGS, NULL), 0);
	memset(data, 'x', sizeof(data));
	assert_int_equal(guest_create(&first, GUEST_ROOT, "pieces", O_RDWR, 0600, &made), 0);
	assert_int_equal(
		guest_write(&first, made.entry.nodeid, made.open.fh, 0, data, sizeof(data), &done),
		0);
	assert_int_equal(done, sizeof(data));
	assert_int_equal(
		guest_read(&first, made.entry.nodeid, made.open.fh, 0, back, sizeof(back), &done),
		0);
	assert_memory_equal(back, data, sizeof(data));
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
	assert_int_equal(guest_stop(guest), 0);
	guest_reset_rings(guest, 0);
	assert_int_equal(guest_start(guest), 0);
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

static void test_R13_kicks_for_nothing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20000; i++)
		guest_ring_kick_now(ring());
	guest_ring_set_used_event(ring(), 0x5555);
	guest_ring_store(ring()->avail, 0xffff);
	lives();
	assert_int_equal(front_end_get_features(&guest->fe, &(uint64_t){ 0 }), 0);
	guest_ring_store(ring()->avail, 0);
	works();
}

/* R15: what has to wait must not come where nothing waits; FORGET may come anywhere. */
static void test_R15_wrong_queue(void **state)
{
	struct guest_caller hiprio = { .guest = guest, .queue = GUEST_HIPRIO };
	const struct fb_wire_forget_in in = { .nlookup = 1 };
	struct fb_wire_in_header header = { .len = IN_HEADER + sizeof(in),
					    .opcode = FB_OP_FORGET,
					    .nodeid = 12345 };
	uint8_t message[IN_HEADER + sizeof(in)];
	struct fb_wire_attr attr;
	size_t len = 99;

	(void)state;
	assert_int_equal(guest_getattr(&hiprio, GUEST_ROOT, &attr), -EIO);
	header.unique = guest_unique(guest);
	memcpy(message, &header, sizeof(header));
	memcpy(message + sizeof(header), &in, sizeof(in));
	assert_int_equal(guest_call(guest, GUEST_REQUESTS, message, sizeof(message), NULL, 0, &len),
			 0);
	assert_int_equal(len, 0);
	works();
}

/* ---- requests ------------------------------------------------------------------------------------ */

/* Send bytes as they are, with room for an answer. Returns the error of the answer, or -errno. */
static int ask(const void *message, size_t size, size_t room)
{
	uint8_t answer[8192];
	size_t len = 0;
	int r = guest_call(guest, GUEST_REQUESTS, message, size, answer,
			   room < sizeof(answer) ? room : sizeof(answer), &len);
	struct fb_wire_out_header header;

	if (r < 0)
		return r;
	assert_true(len >= sizeof(header));
	memcpy(&header, answer, sizeof(header));
	return header.error;
}

struct request {
	struct fb_wire_in_header header;
	uint8_t body[8192];
};

static struct request request(uint32_t opcode, uint64_t node, const void *body, size_t size)
{
	struct request r = { .header = { .len = (uint32_t)(IN_HEADER + size),
					 .opcode = opcode,
					 .unique = guest_unique(guest),
					 .nodeid = node } };

	memcpy(r.body, body, size);
	return r;
}

static int lookup_bytes(const char *name, size_t size)
{
	struct request r = request(FB_OP_LOOKUP, GUEST_ROOT, name, size);

	return ask(&r, r.header.len, 256);
}

static void test_F1_no_header(void **state)
{
	struct request r = request(FB_OP_GETATTR, GUEST_ROOT, "", 0);

	(void)state;
	assert_int_equal(ask(&r, IN_HEADER - 1, 256), -ENOMSG);
	assert_int_equal(ask(&r, 1, 256), -ENOMSG);
	works();
}

static void test_F2_lengths(void **state)
{
	const struct fb_wire_getattr_in in = { 0 };
	struct request r = request(FB_OP_GETATTR, GUEST_ROOT, &in, sizeof(in));
	uint32_t right = r.header.len;

	(void)state;
	assert_int_equal(ask(&r, right, 256), 0);
	r.header.len = IN_HEADER - 1;
	assert_int_equal(ask(&r, right, 256), -EINVAL);
	r.header.len = right + 1;
	assert_int_equal(ask(&r, right, 256), -EINVAL);
	r.header.len = UINT32_MAX;
	assert_int_equal(ask(&r, right, 256), -EINVAL);
	r.header.len = right - 1; /* shorter than the struct */
	assert_int_equal(ask(&r, right, 256), -EINVAL);
	r.header.len = right; /* what is behind does not count */
	assert_int_equal(ask(&r, right + 100, 256), 0);
	works();
}

/* F3, F4: nothing is done where the answer does not fit. */
static void test_F3_F4_no_room(void **state)
{
	struct fb_wire_mkdir_in in = { .mode = 0755 };
	uint8_t body[sizeof(in) + 4];
	struct fb_wire_entry_out entry;
	struct request r;

	(void)state;
	memcpy(body, &in, sizeof(in));
	memcpy(body + sizeof(in), "dir", 4);
	for (size_t room = 1; room < OUT_HEADER + sizeof(struct fb_wire_entry_out); room += 7) {
		int result;

		r = request(FB_OP_MKDIR, GUEST_ROOT, body, sizeof(body));
		result = ask(&r, r.header.len, room);
		assert_int_equal(result, room < OUT_HEADER ? -ENOMSG : -EINVAL);
		assert_int_equal(guest_lookup(&other, GUEST_ROOT, "dir", &entry), -ENOENT);
	}
	works();
}

static void test_F4_less_room_than_asked(void **state)
{
	struct fb_wire_read_in in = { .size = 4096 };
	struct fb_wire_create_out made;
	struct request r;

	(void)state;
	assert_int_equal(guest_create(&first, GUEST_ROOT, "f", O_RDWR, 0600, &made), 0);
	in.fh = made.open.fh;
	r = request(FB_OP_READ, made.entry.nodeid, &in, sizeof(in));
	assert_int_equal(ask(&r, r.header.len, OUT_HEADER + 4095), -EINVAL);
	r = request(FB_OP_READ, made.entry.nodeid, &in, sizeof(in));
	assert_int_equal(ask(&r, r.header.len, OUT_HEADER + 4096), 0);
	works();
}

static void test_F5_F6_names(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/etc", "/", "a/" };
	char name[400];

	(void)state;
	assert_int_equal(lookup_bytes("abc", 3), -EINVAL); /* no NUL */
	assert_int_equal(lookup_bytes("abc\0def", 8), -EINVAL);
	assert_int_equal(lookup_bytes("", 0), -EINVAL);
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(lookup_bytes(bad[i], strlen(bad[i]) + 1), -EINVAL);
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	assert_int_equal(lookup_bytes(name, 257), -ENAMETOOLONG);
	name[255] = '\0';
	assert_int_equal(lookup_bytes(name, 256), -ENOENT);
	works();
}

/* CVE-2026-47243: the name of a symbolic link, not its target. */
static void test_F6_symlink_out(void **state)
{
	static const char body[] = "/etc/fb-hostile\0target";
	struct request r = request(FB_OP_SYMLINK, GUEST_ROOT, body, sizeof(body));

	(void)state;
	assert_int_equal(ask(&r, r.header.len, 256), -EINVAL);
	assert_int_equal(access("/etc/fb-hostile", F_OK), -1);
	works();
}

static void test_F7_writes(void **state)
{
	struct fb_wire_write_in in = { .size = 100 };
	struct fb_wire_create_out made;
	uint8_t body[sizeof(in) + 100] = { 0 };
	struct request r;

	(void)state;
	assert_int_equal(guest_create(&first, GUEST_ROOT, "f", O_RDWR, 0600, &made), 0);
	in.fh = made.open.fh;
	memcpy(body, &in, sizeof(in));
	r = request(FB_OP_WRITE, made.entry.nodeid, body, sizeof(in) + 99);
	assert_int_equal(ask(&r, r.header.len, 256), -EINVAL);
	in.offset = INT64_MAX - 10;
	memcpy(body, &in, sizeof(in));
	r = request(FB_OP_WRITE, made.entry.nodeid, body, sizeof(body));
	assert_true(ask(&r, r.header.len, 256) < 0);
	in.offset = UINT64_MAX - 10;
	memcpy(body, &in, sizeof(in));
	r = request(FB_OP_WRITE, made.entry.nodeid, body, sizeof(body));
	assert_true(ask(&r, r.header.len, 256) < 0);
	works();
}

static void test_F7_more_than_max_write(void **state)
{
	static char data[(1 << 20) + 4096];
	struct fb_wire_create_out made;
	size_t done;

	(void)state;
	assert_int_equal(guest_create(&first, GUEST_ROOT, "f", O_RDWR, 0600, &made), 0);
	assert_int_equal(
		guest_write(&first, made.entry.nodeid, made.open.fh, 0, data, 1 << 20, &done), 0);
	assert_int_equal(
		guest_write(&first, made.entry.nodeid, made.open.fh, 0, data, sizeof(data), &done),
		-EINVAL);
	works();
}

static void test_F8_before_and_after(void **state)
{
	struct fb_wire_attr attr;

	(void)state;
	assert_int_equal(guest_destroy(guest), 0);
	assert_int_equal(guest_getattr(&first, GUEST_ROOT, &attr), -EIO);
	assert_int_equal(guest_init(guest, MINOR, FLAGS, NULL), 0);
	works();
}

/* A greeting while a request waits: that one ends, and knows nothing of the new session. */
static void test_F9_greeting_with_requests_under_way(void **state)
{
	struct fb_wire_create_out made;
	struct fb_wire_out_header answer;
	struct guest_request *request;
	struct fb_wire_attr attr;
	size_t len;

	(void)state;
	assert_int_equal(guest_create(&other, GUEST_ROOT, "locked", O_RDWR, 0600, &made), 0);
	request = ask_for_lock(made.entry.nodeid, made.open.fh, 1);
	assert_int_equal(guest_wait(guest, request, &answer, sizeof(answer), &len), 0);
	request = ask_for_lock(made.entry.nodeid, made.open.fh, 2);
	assert_int_equal(guest_init(guest, MINOR, FLAGS, NULL), 0);
	assert_int_equal(guest_wait(guest, request, &answer, sizeof(answer), &len), 0);
	assert_int_equal(answer.error, -EINTR);
	assert_int_equal(guest_getattr(&other, made.entry.nodeid, &attr), -ESTALE);
	works();
}

static void test_F10_greetings(void **state)
{
	struct fb_wire_init_in in = { .major = 6, .minor = 38 };
	struct request r;

	(void)state;
	r = request(FB_OP_INIT, 0, &in, sizeof(in));
	assert_int_equal(ask(&r, r.header.len, 256), -EPROTO);
	in = (struct fb_wire_init_in){ .major = 7, .minor = 5 };
	r = request(FB_OP_INIT, 0, &in, sizeof(in));
	assert_int_equal(ask(&r, r.header.len, 256), -EPROTO);
	r = request(0x1a000000, 0, &in, sizeof(in)); /* the other byte order */
	assert_int_equal(ask(&r, r.header.len, 256), -EPROTO);
	in = (struct fb_wire_init_in){ .major = 8, .minor = 0 };
	r = request(FB_OP_INIT, 0, &in, sizeof(in));
	assert_int_equal(ask(&r, r.header.len, 256), 0); /* with our version: greet again */
	assert_int_equal(guest_init(guest, MINOR, FLAGS, NULL), 0);
	works();
}

static void test_F11_unknown_nodes_and_files(void **state)
{
	struct fb_wire_create_out made;
	struct fb_wire_attr attr;
	char byte;
	size_t done;

	(void)state;
	assert_int_equal(guest_getattr(&first, 0, &attr), -ESTALE);
	assert_int_equal(guest_getattr(&first, UINT64_MAX, &attr), -ESTALE);
	assert_int_equal(guest_create(&first, GUEST_ROOT, "f", O_RDWR, 0600, &made), 0);
	assert_int_equal(
		guest_read(&first, made.entry.nodeid, made.open.fh + 1, 0, &byte, 1, &done),
		-EBADF);
	assert_int_equal(guest_read(&first, GUEST_ROOT, made.open.fh, 0, &byte, 1, &done), -EBADF);
	assert_int_equal(guest_forget(guest, made.entry.nodeid, UINT64_MAX), 0);
	assert_int_equal(guest_forget(guest, GUEST_ROOT, UINT64_MAX), 0);
	works();
}

static void test_F13_special_files(void **state)
{
	char path[100];
	struct fb_wire_entry_out entry;
	uint64_t fh;

	(void)state;
	snprintf(path, sizeof(path), "%s/fifo", device.folder);
	assert_int_equal(mkfifo(path, 0666), 0);
	assert_int_equal(guest_lookup(&first, GUEST_ROOT, "fifo", &entry), 0);
	assert_int_equal(guest_open(&first, entry.nodeid, O_RDWR, &fh), -EBADF);
	snprintf(path, sizeof(path), "%s/link", device.folder);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(guest_lookup(&first, GUEST_ROOT, "link", &entry), 0);
	assert_int_equal(guest_open(&first, entry.nodeid, O_RDONLY, &fh), -EBADF);
	works();
}

/* F15: opens until the budget is used up: one call fails, all else goes on. */
static void test_F15_open_files(void **state)
{
	struct fb_wire_create_out made;
	unsigned opened = 0, descriptors = share_descriptors();
	uint64_t fh;
	int r = 0;

	(void)state;
	assert_int_equal(guest_create(&first, GUEST_ROOT, "f", O_RDWR, 0600, &made), 0);
	while (r == 0 && opened < 5000) {
		r = guest_open(&first, made.entry.nodeid, O_RDONLY, &fh);
		opened += r == 0;
	}
	assert_int_equal(r, -ENFILE);
	assert_in_range(opened, 500, 1000);
	works();
	assert_int_equal(guest_init(guest, MINOR, FLAGS, NULL), 0);
	assert_in_range(share_descriptors(), 1, descriptors);
	works();
}

/* F25, and every number that is no opcode. */
static void test_F25_opcodes(void **state)
{
	(void)state;
	for (uint32_t opcode = 0; opcode < 300; opcode++) {
		struct request r = request(opcode, GUEST_ROOT, "", 0);
		int result;

		if (opcode == FB_OP_DESTROY || opcode == FB_OP_INIT)
			continue;
		result = ask(&r, r.header.len, 4096);
		assert_true(result <= 0 && result > -512);
	}
	for (unsigned i = 0; i < 4; i++) {
		static const uint32_t opcodes[] = { 4096, 4097, UINT32_MAX, 1u << 31 };
		struct request r = request(opcodes[i], GUEST_ROOT, "", 0);

		assert_int_equal(ask(&r, r.header.len, 4096), -ENOSYS);
	}
	works();
}

/* F26: two requests of one number are two requests. */
static void test_F26_one_unique(void **state)
{
	const struct fb_wire_getattr_in in = { 0 };
	struct request r = request(FB_OP_GETATTR, GUEST_ROOT, &in, sizeof(in));
	struct guest_request *requests[8];
	size_t len;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(
			guest_submit(guest, GUEST_REQUESTS, &r, r.header.len, 256, &requests[i]),
			0);
	for (unsigned i = 0; i < 8; i++) {
		uint8_t answer[256];

		assert_int_equal(guest_wait(guest, requests[i], answer, sizeof(answer), &len), 0);
		assert_int_equal(len, ATTR_SIZE);
	}
	works();
}

/* ---- messages ------------------------------------------------------------------------------------ */

/* The device hangs up; everything of it is gone. */
static void hangs_up(void)
{
	assert_int_equal(front_end_wait_hangup(&guest->fe), 0);
	guest_free(guest);
	guest = NULL;
	assert_int_equal(device_wait(&device), -EPROTO);
	device_again(&device, NULL);
	assert_int_equal(guest_new(&(struct guest_options){ .fd = device.fd, .queues = 2 }, &guest),
			 0);
	first.guest = other.guest = guest;
	assert_int_equal(guest_init(guest, MINOR, FLAGS, NULL), 0);
	works();
}

static void send_header(uint32_t requested, uint32_t flags, uint32_t size)
{
	const struct fb_wire_vhost_header header = { requested, flags, size };

	assert_int_equal(front_end_send_bytes(&guest->fe, &header, sizeof(header), NULL, 0), 0);
}

static void test_M1_version(void **state)
{
	(void)state;
	send_header(VHOST_GET_FEATURES, 2, 0);
	hangs_up();
}

static void test_M1_reply_flag(void **state)
{
	(void)state;
	send_header(VHOST_GET_FEATURES, FB_VHOST_VERSION | FB_VHOST_REPLY, 0);
	hangs_up();
}

static void test_M1_too_long(void **state)
{
	(void)state;
	send_header(VHOST_SET_FEATURES, FB_VHOST_VERSION, FB_VHOST_PAYLOAD_MAX + 1);
	hangs_up();
}

static void test_M1_cut_off(void **state)
{
	(void)state;
	send_header(VHOST_SET_FEATURES, FB_VHOST_VERSION, 8);
	assert_int_equal(front_end_send_bytes(&guest->fe, "123", 3, NULL, 0), 0);
	shutdown(guest->fe.socket, SHUT_WR);
	hangs_up();
}

/* A payload that swallows messages with descriptors: more than one message can have. */
static void test_M1_swallowed_descriptors(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC), fds[20];
	unsigned descriptors = share_descriptors();

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		fds[i] = fd;
	send_header(VHOST_SET_FEATURES, FB_VHOST_VERSION, 200);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(front_end_send_bytes(&guest->fe, "012345678901", 12, fds, 20), 0);
	hangs_up();
	close(fd);
	assert_int_equal(share_descriptors(), descriptors - 1);
}

#define TELL(request, payload, fds, count)                                                         \
	front_end_ack(&guest->fe, request, &(payload), sizeof(payload), fds, count)

/* M3, M9: refused, and descriptors that nobody takes are closed. */
static void test_M3_M9_wrong_messages(void **state)
{
	uint64_t word = 0, nothing = UINT64_MAX;
	struct fb_wire_vhost_ring_state ring_state = { 1, 128 };
	int fd = eventfd(0, EFD_CLOEXEC), fds[8] = { fd, fd, fd, fd, fd, fd, fd, fd };
	unsigned descriptors = share_descriptors();
	uint32_t half = 1;

	(void)state;
	assert_int_equal(TELL(VHOST_SET_FEATURES, half, NULL, 0), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_FEATURES, nothing, NULL, 0), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_PROTOCOL_FEATURES, nothing, NULL, 0), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_VRING_NUM, word, fds, 8), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_VRING_KICK, word, fds, 2), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_VRING_CALL, word, NULL, 0), -EREMOTEIO);
	word = FB_VHOST_RING_NO_FD | 1;
	assert_int_equal(TELL(VHOST_SET_VRING_CALL, word, fds, 1), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_VRING_KICK, word, NULL, 0), -EREMOTEIO); /* polling */
	assert_int_equal(front_end_ack(&guest->fe, VHOST_SET_LOG_FD, NULL, 0, NULL, 0), -EREMOTEIO);
	for (uint32_t number = 0; number < 64; number++) {
		if (number >= 1 && number <= 18)
			continue;
		if (number == VHOST_SET_BACKEND_REQ_FD || number == VHOST_GET_CONFIG ||
		    number == VHOST_RESET_DEVICE || number == VHOST_GET_MAX_MEM_SLOTS)
			continue;
		assert_int_equal(TELL(number, ring_state, fds, 1), -EREMOTEIO);
	}
	works(); /* the last message has been done with, too */
	assert_int_equal(front_end_get_features(&guest->fe, &word), 0);
	assert_int_equal(share_descriptors(), descriptors);
	close(fd);
}

/* M4, M6 */
static void test_M4_M6_rings(void **state)
{
	struct fb_wire_vhost_ring_state at = { 200, 128 };
	uint64_t word = 200 | FB_VHOST_RING_NO_FD;
	uint16_t base = 77;

	(void)state;
	assert_int_equal(TELL(VHOST_SET_VRING_NUM, at, NULL, 0), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_VRING_ENABLE, at, NULL, 0), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_VRING_CALL, word, NULL, 0), -EREMOTEIO);
	at = (struct fb_wire_vhost_ring_state){ 4, 1 }; /* never set up */
	assert_int_equal(TELL(VHOST_SET_VRING_ENABLE, at, NULL, 0), 0);
	assert_int_equal(front_end_get_vring_base(&guest->fe, 4, &base), 0);
	assert_int_equal(base, 0);
	works();
}

/* M5 */
static void test_M5_sizes_and_addresses(void **state)
{
	static const uint32_t sizes[] = { 0, 3, 100, 65536, UINT32_MAX };
	struct fb_wire_vhost_ring_addr addr = { .index = 4 };

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct fb_wire_vhost_ring_state at = { 4, sizes[i] };

		assert_int_equal(TELL(VHOST_SET_VRING_NUM, at, NULL, 0), -EREMOTEIO);
	}
	assert_int_equal(TELL(VHOST_SET_VRING_ADDR, addr, NULL, 0), -EREMOTEIO); /* nowhere */
	addr.desc = 8;
	assert_int_equal(TELL(VHOST_SET_VRING_ADDR, addr, NULL, 0), -EREMOTEIO);
	/* A ring that runs. */
	assert_int_equal(
		TELL(VHOST_SET_VRING_NUM, ((struct fb_wire_vhost_ring_state){ 1, 64 }), NULL, 0),
		-EREMOTEIO);
	assert_int_equal(
		TELL(VHOST_SET_VRING_BASE, ((struct fb_wire_vhost_ring_state){ 1, 0 }), NULL, 0),
		-EREMOTEIO);
	works();
}

/* M7 */
static void test_M7_regions(void **state)
{
	struct fb_wire_vhost_slot slot = {
		.region = { .guest = UINT64_C(1) << 45, .size = 4096, .user = UINT64_C(1) << 45 }
	};
	int fd = memfd_create("small", MFD_CLOEXEC);
	unsigned mappings = count_mappings();

	(void)state;
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(TELL(VHOST_REM_MEM_REG, slot, NULL, 0), -EREMOTEIO);
	slot.region.size = 0;
	assert_int_equal(TELL(VHOST_ADD_MEM_REG, slot, &fd, 1), -EREMOTEIO);
	slot.region.size = 8192;
	assert_int_equal(TELL(VHOST_ADD_MEM_REG, slot, &fd, 1), -EREMOTEIO);
	slot.region.size = 4096;
	slot.region.guest = 4096; /* is there already */
	assert_int_equal(TELL(VHOST_ADD_MEM_REG, slot, &fd, 1), -EREMOTEIO);
	slot.region.guest = UINT64_MAX - 4000;
	assert_int_equal(TELL(VHOST_ADD_MEM_REG, slot, &fd, 1), -EREMOTEIO);
	slot.region.guest = UINT64_C(1) << 45;
	assert_int_equal(TELL(VHOST_ADD_MEM_REG, slot, &fd, 1), 0);
	assert_int_equal(TELL(VHOST_REM_MEM_REG, slot, NULL, 0), 0);
	assert_int_equal(count_mappings(), mappings);
	close(fd);
	works();
}

/* M8 */
static void test_M8_memory_tables(void **state)
{
	struct {
		struct fb_wire_vhost_memory head;
		struct fb_wire_vhost_region regions[2];
	} table = { .head = { .count = 2 } };
	int fd = memfd_create("small", MFD_CLOEXEC), fds[2] = { fd, fd };

	(void)state;
	assert_int_equal(TELL(VHOST_SET_MEM_TABLE, table, fds, 1), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_MEM_TABLE, table.head, fds, 2), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_MEM_TABLE, table, fds, 2), -EREMOTEIO); /* empty ones */
	table.head.count = UINT32_MAX;
	assert_int_equal(TELL(VHOST_SET_MEM_TABLE, table, fds, 2), -EREMOTEIO);
	close(fd);
	works();
}

/* M11 */
static void test_M11_log(void **state)
{
	int fd = memfd_create("log", MFD_CLOEXEC);
	struct fb_wire_vhost_log log = { 0 }, answer;

	(void)state;
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(front_end_send(&guest->fe, VHOST_SET_LOG_BASE, FB_VHOST_VERSION, &log,
					sizeof(log), &fd, 1),
			 0);
	struct front_end_message message;

	assert_int_equal(front_end_receive(&guest->fe, VHOST_SET_LOG_BASE, &message), 0);
	assert_int_equal(message.header.size, sizeof(answer));
	/* Logging to a map that is too small for this guest. */
	assert_int_equal(front_end_set_log_base(&guest->fe, 1, 0, fd), 0);
	works();
	close(fd);
}

/* M13: calls go to a full pipe, a closed one, a file. */
/* Whether it was called or found the answer by itself. */
static void answered(void)
{
	struct fb_wire_attr attr;
	int r = guest_getattr(&first, GUEST_ROOT, &attr);

	assert_true(r == 0 || r == -ETIME);
}

static void test_M13_calls_to_pipes(void **state)
{
	int pipes[2], file = memfd_create("call", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
	while (write(pipes[1], "01234567", 8) > 0)
		continue;
	assert_int_equal(fcntl(pipes[1], F_SETFL, 0), 0);
	guest->options.timeout_ms = 300;
	assert_int_equal(
		front_end_tell_ring_fd(&guest->fe, true, VHOST_SET_VRING_CALL, 1, pipes[1]), 0);
	answered();
	close(pipes[0]);
	answered();
	assert_int_equal(front_end_tell_ring_fd(&guest->fe, true, VHOST_SET_VRING_CALL, 1, file),
			 0);
	answered();
	guest->options.timeout_ms = 10000;
	close(pipes[1]);
	close(file);
	lives();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_R1_avail_runs_ahead),
		TEST(test_R1_avail_runs_backwards),
		TEST(test_R1_head_beyond_the_table),
		TEST(test_R2_head_under_way),
		TEST(test_R3_next_beyond_the_table),
		TEST(test_R3_loop),
		TEST(test_R4_indirect_tables),
		TEST(test_R5_direct_then_indirect),
		TEST(test_R6_addresses),
		TEST(test_R7_empty_descriptors),
		TEST(test_R8_readable_behind_writable),
		TEST(test_R9_four_gigabytes),
		TEST(test_R10_pieces),
		TEST(test_R11_aliases),
		TEST(test_R12_double_fetch),
		TEST(test_R13_kicks_for_nothing),
		TEST(test_R15_wrong_queue),
		TEST(test_F1_no_header),
		TEST(test_F2_lengths),
		TEST(test_F3_F4_no_room),
		TEST(test_F4_less_room_than_asked),
		TEST(test_F5_F6_names),
		TEST(test_F6_symlink_out),
		TEST(test_F7_writes),
		TEST(test_F7_more_than_max_write),
		TEST(test_F8_before_and_after),
		TEST(test_F9_greeting_with_requests_under_way),
		TEST(test_F10_greetings),
		TEST(test_F11_unknown_nodes_and_files),
		TEST(test_F13_special_files),
		TEST(test_F15_open_files),
		TEST(test_F25_opcodes),
		TEST(test_F26_one_unique),
		TEST(test_M1_version),
		TEST(test_M1_reply_flag),
		TEST(test_M1_too_long),
		TEST(test_M1_cut_off),
		TEST(test_M1_swallowed_descriptors),
		TEST(test_M3_M9_wrong_messages),
		TEST(test_M4_M6_rings),
		TEST(test_M5_sizes_and_addresses),
		TEST(test_M7_regions),
		TEST(test_M8_memory_tables),
		TEST(test_M11_log),
		TEST(test_M13_calls_to_pipes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
