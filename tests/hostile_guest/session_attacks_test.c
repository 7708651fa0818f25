/* SPDX-License-Identifier: BSD-3-Clause */
/* FUSE requests at the wrong time, or of the wrong kind or number: rows F8 to F10, F25 and F26. */
#include "stage.h"

#include <errno.h>
#include <libfb/log.h>
#include <stdatomic.h>

static void test_F8_before_the_greeting(void **state)
{
	struct fb_wire_attr attr;

	(void)state;
	connect_anew(&(struct guest_options){ .queues = 2 });
	assert_int_equal(guest_getattr(&first, GUEST_ROOT, &attr), -EIO);
	assert_int_equal(guest_forget(guest, 2, 1), 0);
	greet(FLAGS);
	works();
}

static void test_F8_after_the_end(void **state)
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
	struct guest_caller greeter = guest_self(guest, OTHER);
	struct guest_request *waiting = wait_for_lock("locked");
	struct fb_wire_create_out made = make_file("f");
	struct fb_wire_init_in in = { .major = 7, .minor = MINOR, .flags = FLAGS };
	struct fb_wire_init_out out;
	struct fb_wire_attr attr;

	(void)state;
	assert_int_equal(guest_ask(&greeter, FB_OP_INIT, 0, &in, sizeof(in), NULL, 0, &out,
				   sizeof(out), NULL),
			 0);
	assert_int_equal(lock_ends(waiting), -EINTR);
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

static atomic_uint logged;

static void count_log(void *arg, enum fb_log_level level, const char *text)
{
	(void)arg;
	(void)level;
	(void)text;
	atomic_fetch_add(&logged, 1);
}

/* As often as a guest likes; the log of the host is not its to fill. */
static void test_F10_greetings_without_end(void **state)
{
	struct fb_wire_init_in in = { .major = 6, .minor = 38 };

	(void)state;
	logged = 0;
	fb_log_set(count_log, NULL);
	for (unsigned i = 0; i < 1000; i++) {
		struct request r = request(FB_OP_INIT, 0, &in, sizeof(in));

		assert_int_equal(ask(&r, r.header.len, 256), -EPROTO);
		if (i % 2)
			greet(FLAGS);
	}
	fb_log_set(NULL, NULL);
	assert_in_range(logged, 1, 20);
	greet(FLAGS);
	works();
}

/* Answers to what no server asks a guest for. */
static void test_F25_replies_without_end(void **state)
{
	struct fb_wire_notify_retrieve_in in = { .size = 0 };
	struct request r = request(FB_OP_NOTIFY_REPLY, GUEST_ROOT, &in, sizeof(in));

	(void)state;
	logged = 0;
	fb_log_set(count_log, NULL);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(guest_call(guest, GUEST_REQUESTS, &r, r.header.len, NULL, 0, NULL),
				 0);
	fb_log_set(NULL, NULL);
	assert_in_range(logged, 0, 20);
	works();
}

/* Every number that is no opcode. */
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

static void not_for_guests(uint32_t opcode, uint64_t node, const void *body, size_t size)
{
	struct request r = request(opcode, node, body, size);

	assert_int_equal(ask(&r, r.header.len, 256), -ENOSYS);
}

/* What needs a block device, a kernel that waits, or memory that is mapped into the guest. */
static void test_F25_not_for_guests(void **state)
{
	struct fb_wire_create_out made = make_file("f");
	struct fb_wire_bmap_in bmap = { .blocksize = 4096 };
	struct fb_wire_poll_in poll = { .fh = made.open.fh };
	struct fb_wire_setupmapping_in map = { .fh = made.open.fh, .len = 4096, .flags = 1 };
	struct {
		struct fb_wire_removemapping_in in;
		uint8_t one[sizeof(struct fb_wire_removemapping_one)];
	} unmap = { .in = { .count = 1 } };

	(void)state;
	not_for_guests(FB_OP_BMAP, made.entry.nodeid, &bmap, sizeof(bmap));
	not_for_guests(FB_OP_POLL, made.entry.nodeid, &poll, sizeof(poll));
	not_for_guests(FB_OP_SETUPMAPPING, made.entry.nodeid, &map, sizeof(map));
	not_for_guests(FB_OP_REMOVEMAPPING, made.entry.nodeid, &unmap, sizeof(unmap));
	works();
}

/* IOCTL has bounds: what it takes along, and what it asks for. */
static void test_F25_ioctl(void **state)
{
	struct fb_wire_create_out made = make_file("f");
	struct fb_wire_ioctl_in in = { .fh = made.open.fh, .cmd = 0x12345678, .in_size = 4 };
	struct request r;

	(void)state;
	r = request(FB_OP_IOCTL, made.entry.nodeid, &in, sizeof(in));
	assert_int_equal(ask(&r, r.header.len, 256), -EINVAL); /* the 4 bytes are missing */
	in.in_size = UINT32_MAX;
	r = request(FB_OP_IOCTL, made.entry.nodeid, &in, sizeof(in));
	assert_int_equal(ask(&r, r.header.len, 256), -EINVAL);
	in.in_size = 0;
	in.out_size = 4096; /* more than there is room for */
	r = request(FB_OP_IOCTL, made.entry.nodeid, &in, sizeof(in));
	assert_int_equal(ask(&r, r.header.len, 256), -EINVAL);
	in.out_size = 0;
	r = request(FB_OP_IOCTL, made.entry.nodeid, &in, sizeof(in));
	assert_int_equal(ask(&r, r.header.len, 256), -ENOTTY);
	works();
}

/* Two requests of one number are two requests. */
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

/* The end of the ring reaches a request of any number, also of none. */
static void test_F26_no_unique(void **state)
{
	struct fb_wire_create_out made = make_file("locked");
	struct guest_request *waiting;

	(void)state;
	assert_int_equal(lock_ends(ask_for_lock(&made, 1, 0)), 0);
	waiting = ask_for_lock(&made, 2, 0);
	all_is_taken();
	assert_int_equal(guest_stop(guest), 0);
	assert_int_equal(lock_ends(waiting), -EINTR);
	assert_int_equal(guest_start(guest), 0);
	works();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_F8_before_the_greeting),
		TEST(test_F8_after_the_end),
		TEST(test_F9_greeting_with_requests_under_way),
		TEST(test_F10_greetings),
		TEST(test_F10_greetings_without_end),
		TEST(test_F25_opcodes),
		TEST(test_F25_not_for_guests),
		TEST(test_F25_ioctl),
		TEST(test_F25_replies_without_end),
		TEST(test_F26_one_unique),
		TEST(test_F26_no_unique),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
