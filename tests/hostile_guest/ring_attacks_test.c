/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings that say what can not be, or are not there: rows R1, R2 and R13 to R16. */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* A request that waits for a lock is under way for as long as we like. */
static void test_R2_head_under_way(void **state)
{
	uint16_t head;

	(void)state;
	(void)wait_for_lock("locked");
	head = guest_ring_load(guest_ring_avail_entry(ring(), (uint16_t)(ring()->avail_idx - 1)));
	guest_ring_offer(ring(), head);
	guest_ring_kick_now(ring());
	/* Stopping the ring interrupts the one that waits. */
	broken();
}

/* As many are under way as the ring has; avail's idx may say that there is one more. */
static void test_R2_more_than_the_ring_has(void **state)
{
	struct fb_wire_create_out made;

	(void)state;
	connect_anew(&(struct guest_options){ .queues = 2, .ring_size = 4 });
	greet(FLAGS);
	made = make_file("locked");
	assert_int_equal(lock_ends(ask_for_lock(&made, 1, guest_unique(guest))), 0);
	for (uint64_t owner = 2; owner < 6; owner++)
		(void)ask_for_lock(&made, owner, guest_unique(guest));
	guest_ring_offer(ring(), 3);
	guest_ring_kick_now(ring());
	broken();
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

/* Without a kick nothing is lost, it is late at worst. */
static void test_R13_no_kick(void **state)
{
	const struct fb_wire_getattr_in in = { 0 };
	struct request r = request(FB_OP_GETATTR, GUEST_ROOT, &in, sizeof(in));
	const struct iovec part = { &r, r.header.len };
	struct guest_request *asked;
	uint8_t answer[256];
	size_t len;

	(void)state;
	usleep(100000); /* nobody looks at the ring by himself any more */
	assert_int_equal(guest_add_parts(guest, GUEST_REQUESTS, &part, 1, sizeof(answer), &asked),
			 0);
	lives();
	guest_ring_kick_now(ring());
	assert_int_equal(guest_wait(guest, asked, answer, sizeof(answer), &len), 0);
	assert_int_equal(len, ATTR_SIZE);
	works();
}

static void test_R14_sizes(void **state)
{
	static const unsigned sizes[] = { 1, 2, 4, 32768 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		connect_anew(&(struct guest_options){ .queues = 2, .ring_size = sizes[i] });
		greet(FLAGS);
		for (unsigned turn = 0; turn < 100; turn++)
			works();
	}
}

/* Parts that begin with the same byte; the ring may say anything then. Not even the test knows. */
static void overlap(uint64_t desc, uint64_t avail, uint64_t used)
{
	struct front_end_ring *addresses = &guest->machine.rings[GUEST_REQUESTS];
	const struct front_end_ring right = *addresses;

	assert_int_equal(guest_stop(guest), 0);
	guest_reset_rings(guest, 0);
	addresses->desc = desc;
	addresses->avail = avail;
	addresses->used_at = used;
	assert_int_equal(guest_start(guest), 0);
	for (uint16_t i = 0; i < 200; i++) {
		guest_ring_offer(ring(), i % 128);
		guest_ring_kick_now(ring());
	}
	lives();
	assert_int_equal(guest_stop(guest), 0);
	*addresses = right;
	restart();
	works();
}

static void test_R14_overlapping_parts(void **state)
{
	uint64_t desc = ring()->desc_gpa, avail = ring()->avail_gpa, used = ring()->used_gpa;

	(void)state;
	overlap(desc, desc, used);
	overlap(desc, avail, desc);
	overlap(desc, avail, avail);
	overlap(used, avail, used);
	overlap(desc, desc, desc);
	overlap(desc, avail, avail + 4);
	/* Chains of another ring. */
	overlap(guest->queues[OTHER].ring.desc_gpa, avail, used);
}

/*
 * The monitor goes while there is a ring full of chains that are refused, each only after a long walk:
 * seconds of work, which the end does not wait for.
 */
static void test_R13_end_in_a_flood(void **state)
{
	struct guest_ring *r;

	(void)state;
	connect_anew(&(struct guest_options){ .queues = 2, .ring_size = 32768 });
	r = ring();
	for (unsigned i = 0; i < r->size; i++) {
		guest_ring_write_desc(&r->desc[i], 0, 0, FB_VRING_DESC_NEXT, (uint16_t)i);
		guest_ring_offer(r, (uint16_t)i);
	}
	guest_ring_kick_now(r);
	while (!guest_ring_has_used(r))
		usleep(1000);
	assert_int_equal(guest_forget(guest, 4711, 1), 0);
	assert_int_equal(shutdown(guest->fe.socket, SHUT_RDWR), 0);
	assert_int_equal(device_wait(&device), 0);
	assert_int_not_equal(guest_ring_load(r->used + FB_VRING_IDX), r->avail_idx);
	connect_anew(&(struct guest_options){ .queues = 2 });
	greet(FLAGS);
	works();
}

/* What has to wait must not come where nothing waits; FORGET may come anywhere. */
static void test_R15_wrong_queue(void **state)
{
	struct guest_caller hiprio = guest_self(guest, GUEST_HIPRIO);
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

static long resident_pages(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long pages = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
	fclose(file);
	return pages;
}

/* Wait until everything that was offered has come back, without taking it. */
static void all_is_back(void)
{
	unsigned ms = 0;

	while (guest_ring_load(ring()->used + FB_VRING_IDX) != ring()->avail_idx) {
		assert_true(ms++ < 10000);
		usleep(1000);
	}
}

static void offer_the_ring_again(unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		guest_ring_set_avail_idx(ring(), (uint16_t)(ring()->avail_idx + ring()->size));
		guest_ring_kick_now(ring());
		all_is_back();
	}
}

/* Nobody takes the answers: the device holds no more than the ring does. */
static void test_R16_used_ring_is_never_read(void **state)
{
	struct guest_request *asked;
	long before;

	(void)state;
	for (unsigned i = 0; i < ring()->size; i++) {
		const struct fb_wire_getattr_in in = { 0 };
		struct request r = request(FB_OP_GETATTR, GUEST_ROOT, &in, sizeof(in));

		assert_int_equal(guest_submit(guest, GUEST_REQUESTS, &r, r.header.len, 256, &asked),
				 0);
	}
	all_is_back();
	offer_the_ring_again(20);
	before = resident_pages();
	offer_the_ring_again(300);
	/* 38,400 requests of a page and more each would be ten times that. */
	assert_in_range(resident_pages(), 1, before + 4096);
	lives();
	restart();
	works();
}

/* Where the first ring is in a region of its own, which can be taken away. Returns the region. */
static unsigned ring_in_a_region(void)
{
	const uint64_t at = UINT64_C(1) << 40;
	struct front_end_ring *addresses = &guest->machine.rings[GUEST_REQUESTS];
	struct guest_ring *r = ring();
	uint64_t avail = at + (r->avail_gpa - r->desc_gpa), used = at + (r->used_gpa - r->desc_gpa);
	unsigned region;

	assert_int_equal(guest_stop(guest), 0);
	assert_int_equal(guest_ram_add(&guest->ram, at, 1 << 16, 0, &region), 0);
	assert_int_equal(front_end_add_region(&guest->fe, &guest->ram, region), 0);
	r->desc = guest_ram_ptr(&guest->ram, at, 1 << 16);
	r->avail = guest_ram_ptr(&guest->ram, avail, 2);
	r->used = guest_ram_ptr(&guest->ram, used, 2);
	r->desc_gpa = addresses->desc = at;
	r->avail_gpa = addresses->avail = avail;
	r->used_gpa = addresses->used_at = used;
	restart();
	return region;
}

/* A ring that is not there rests, and goes on when it is there again. */
static void test_R16_ring_is_taken_away(void **state)
{
	const struct fb_wire_getattr_in in = { 0 };
	struct request r = request(FB_OP_GETATTR, GUEST_ROOT, &in, sizeof(in));
	struct guest_request *asked;
	uint8_t answer[256];
	unsigned region = ring_in_a_region();
	size_t len;

	(void)state;
	works();
	for (unsigned turn = 0; turn < 3; turn++) {
		assert_int_equal(front_end_remove_region(&guest->fe, &guest->ram, region), 0);
		assert_int_equal(guest_submit(guest, GUEST_REQUESTS, &r, r.header.len,
					      sizeof(answer), &asked),
				 0);
		guest_ring_kick_now(ring());
		lives();
		usleep(20000);
		assert_false(guest_ring_has_used(ring()));
		assert_int_equal(front_end_add_region(&guest->fe, &guest->ram, region), 0);
		assert_int_equal(guest_wait(guest, asked, answer, sizeof(answer), &len), 0);
		assert_int_equal(len, ATTR_SIZE);
		works();
	}
}

/* What is under way while the ring is taken away is answered all the same, and before it is gone. */
static void test_R16_answer_to_a_ring_that_goes(void **state)
{
	unsigned region = ring_in_a_region();
	struct guest_request *waiting = wait_for_lock("locked");

	(void)state;
	assert_int_equal(front_end_remove_region(&guest->fe, &guest->ram, region), 0);
	assert_true(guest_ring_has_used(ring()));
	assert_int_equal(lock_ends(waiting), -EINTR);
	lives();
	assert_int_equal(front_end_add_region(&guest->fe, &guest->ram, region), 0);
	works();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_R1_avail_runs_ahead),
		TEST(test_R1_avail_runs_backwards),
		TEST(test_R1_head_beyond_the_table),
		TEST(test_R2_head_under_way),
		TEST(test_R2_more_than_the_ring_has),
		TEST(test_R13_kicks_for_nothing),
		TEST(test_R13_no_kick),
		TEST(test_R14_sizes),
		TEST(test_R14_overlapping_parts),
		TEST(test_R13_end_in_a_flood),
		TEST(test_R15_wrong_queue),
		TEST(test_R16_used_ring_is_never_read),
		TEST(test_R16_ring_is_taken_away),
		TEST(test_R16_answer_to_a_ring_that_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
