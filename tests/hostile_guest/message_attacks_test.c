/* SPDX-License-Identifier: BSD-3-Clause */
/* Monitors that send what is no message, or says what can not be: rows M1 to M6 and M9. */
#include "stage.h"

#include "share_client.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* The device hangs up; everything of it is gone. */
static void hangs_up(void)
{
	assert_int_equal(front_end_wait_hangup(&guest->fe), 0);
	assert_int_equal(device_wait(&device), -EPROTO);
	connect_anew(&(struct guest_options){ .queues = 2 });
	greet(FLAGS);
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
	for (unsigned i = 0; i < 3; i++) {
		int r = front_end_send_bytes(&guest->fe, "012345678901", 12, fds, 20);

		assert_true(r == 0 || (i > 0 && r == -ECONNRESET)); /* it need not wait for all */
	}
	hangs_up();
	close(fd);
	assert_int_equal(share_descriptors(), descriptors - 1); /* fd itself */
}

static void test_M2_byte_by_byte(void **state)
{
	(void)state;
	connect_anew(&(struct guest_options){ .queues = 2, .bytewise = true });
	greet(FLAGS);
	works();
}

/* Two messages in one packet, with the descriptors of the second: they come with the first byte. */
static void test_M2_glued(void **state)
{
	(void)state;
	connect_anew(&(struct guest_options){ .queues = 2, .glue = true });
	greet(FLAGS);
	works();
}

static void test_M2_descriptors_of_the_second(void **state)
{
	const uint32_t num[] = { VHOST_SET_VRING_NUM, FB_VHOST_VERSION, 8, 2, 128 };
	const uint32_t call[] = { VHOST_SET_VRING_CALL, FB_VHOST_VERSION | FB_VHOST_NEED_REPLY, 8,
				  1, 0 };
	struct front_end_message answer;
	uint64_t count;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	(void)state;
	assert_int_equal(front_end_send_bytes(&guest->fe, num, sizeof(num), NULL, 0), 0);
	assert_int_equal(front_end_send_bytes(&guest->fe, call, sizeof(call), &fd, 1), 0);
	assert_int_equal(front_end_receive(&guest->fe, VHOST_SET_VRING_CALL, &answer), 0);
	memcpy(&count, answer.payload, sizeof(count));
	assert_int_equal(count, 0);
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count)); /* it is ring 1's */
	close(fd);
	lives();
}

/* Refused, and descriptors that nobody takes are closed. */
static void test_M3_sizes_and_descriptors(void **state)
{
	uint64_t word = 0;
	int fd = eventfd(0, EFD_CLOEXEC), fds[8] = { fd, fd, fd, fd, fd, fd, fd, fd };
	unsigned descriptors = share_descriptors();
	uint32_t half = 1;

	(void)state;
	assert_int_equal(TELL(VHOST_SET_FEATURES, half, NULL, 0), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_VRING_NUM, word, fds, 8), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_VRING_KICK, word, fds, 2), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_VRING_CALL, word, NULL, 0), -EREMOTEIO);
	word = FB_VHOST_RING_NO_FD | 1;
	assert_int_equal(TELL(VHOST_SET_VRING_CALL, word, fds, 1), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_VRING_KICK, word, NULL, 0), -EREMOTEIO); /* polling */
	assert_int_equal(front_end_ack(&guest->fe, VHOST_SET_LOG_FD, NULL, 0, NULL, 0), -EREMOTEIO);
	works();
	assert_int_equal(front_end_get_features(&guest->fe, &word), 0);
	assert_int_equal(share_descriptors(), descriptors);
	close(fd);
}

/* The same without an acknowledgement: nothing comes back but what is asked for next. */
static void test_M3_without_a_reply(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC), fds[2] = { fd, fd };
	unsigned descriptors = share_descriptors();
	uint64_t word = 1;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(front_end_send(&guest->fe, VHOST_SET_VRING_KICK, FB_VHOST_VERSION,
						&word, sizeof(word), fds, 2),
				 0);
	assert_int_equal(front_end_get_features(&guest->fe, &word), 0);
	assert_int_equal(share_descriptors(), descriptors);
	close(fd);
	works();
}

static void test_M4_rings_that_are_not_there(void **state)
{
	struct fb_wire_vhost_ring_state at = { 200, 128 };
	struct fb_wire_vhost_ring_addr addr = { .index = 200 };
	uint64_t word = 200;
	int fd = eventfd(0, EFD_CLOEXEC);
	unsigned descriptors = share_descriptors();

	(void)state;
	assert_int_equal(TELL(VHOST_SET_VRING_NUM, at, NULL, 0), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_VRING_BASE, at, NULL, 0), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_VRING_ENABLE, at, NULL, 0), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_VRING_ADDR, addr, NULL, 0), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_VRING_KICK, word, &fd, 1), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_VRING_CALL, word, &fd, 1), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_VRING_ERR, word, &fd, 1), -EREMOTEIO);
	works();
	assert_int_equal(front_end_get_features(&guest->fe, &word), 0);
	assert_int_equal(share_descriptors(), descriptors);
	close(fd);
}

static void test_M5_sizes(void **state)
{
	static const uint32_t sizes[] = { 0, 3, 100, 65536, UINT32_MAX };

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct fb_wire_vhost_ring_state at = { 4, sizes[i] };

		assert_int_equal(TELL(VHOST_SET_VRING_NUM, at, NULL, 0), -EREMOTEIO);
	}
	works();
}

static void test_M5_addresses(void **state)
{
	struct fb_wire_vhost_ring_addr addr = { .index = 4 };

	(void)state;
	assert_int_equal(TELL(VHOST_SET_VRING_ADDR, addr, NULL, 0), -EREMOTEIO); /* nowhere */
	addr.desc = addr.avail = addr.used = guest_ram_user(&guest->ram, 4096) + 8;
	assert_int_equal(TELL(VHOST_SET_VRING_ADDR, addr, NULL, 0), -EREMOTEIO);
	works();
}

static void test_M5_ring_that_runs(void **state)
{
	struct fb_wire_vhost_ring_state num = { 1, 64 }, base = { 1, 0 };
	struct fb_wire_vhost_ring_addr addr = { .index = 1 };

	(void)state;
	addr.desc = addr.avail = addr.used = guest_ram_user(&guest->ram, 4096);
	assert_int_equal(TELL(VHOST_SET_VRING_NUM, num, NULL, 0), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_VRING_BASE, base, NULL, 0), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_VRING_ADDR, addr, NULL, 0), -EREMOTEIO);
	works();
}

/* Right when it was said, too long for its place when the ring starts: it stays away. */
static void test_M5_size_after_the_addresses(void **state)
{
	const struct guest_ram_region *region = &guest->ram.regions[GUEST_RAM_REGIONS - 1];
	uint64_t end = region->wire.user + region->wire.size;
	struct fb_wire_vhost_ring_addr addr = { .index = 1, .desc = end - 4096 };
	struct fb_wire_vhost_ring_state small = { 1, 4 }, large = { 1, 32768 }, on = { 1, 1 };
	uint64_t word = 1;
	uint16_t base;

	(void)state;
	addr.avail = addr.used = addr.desc;
	assert_int_equal(guest_stop(guest), 0);
	assert_int_equal(TELL(VHOST_SET_VRING_NUM, small, NULL, 0), 0);
	assert_int_equal(TELL(VHOST_SET_VRING_ADDR, addr, NULL, 0), 0);
	assert_int_equal(TELL(VHOST_SET_VRING_NUM, large, NULL, 0), 0);
	assert_int_equal(TELL(VHOST_SET_VRING_KICK, word, &ring()->kick_fd, 1), 0);
	assert_int_equal(TELL(VHOST_SET_VRING_ENABLE, on, NULL, 0), 0);
	guest_ring_kick_now(ring());
	usleep(20000);
	assert_int_equal(front_end_get_vring_base(&guest->fe, 1, &base), 0);
	restart();
	works();
}

static void test_M6_ring_that_was_never_set_up(void **state)
{
	struct fb_wire_vhost_ring_state at = { 4, 1 };
	uint64_t word = 4;
	uint16_t base = 77;
	int fd = eventfd(1, EFD_CLOEXEC);

	(void)state;
	assert_int_equal(TELL(VHOST_SET_VRING_ENABLE, at, NULL, 0), 0);
	assert_int_equal(TELL(VHOST_SET_VRING_KICK, word, &fd, 1), 0); /* before ADDR */
	close(fd);
	works();
	assert_int_equal(front_end_get_vring_base(&guest->fe, 4, &base), 0);
	assert_int_equal(base, 0);
	works();
}

static void test_M9_what_was_not_offered(void **state)
{
	uint64_t nothing = UINT64_MAX;

	(void)state;
	assert_int_equal(TELL(VHOST_SET_FEATURES, nothing, NULL, 0), -EREMOTEIO);
	assert_int_equal(TELL(VHOST_SET_PROTOCOL_FEATURES, nothing, NULL, 0), -EREMOTEIO);
	works();
}

/* Every number that is no message that this connection has. */
static void test_M9_unknown_messages(void **state)
{
	struct fb_wire_vhost_ring_state payload = { 1, 128 };
	int fd = eventfd(0, EFD_CLOEXEC);
	unsigned descriptors = share_descriptors();
	uint64_t word;

	(void)state;
	for (uint32_t number = 0; number < 64; number++) {
		if (number >= 1 && number <= 18)
			continue;
		if (number == VHOST_SET_BACKEND_REQ_FD || number == VHOST_GET_CONFIG ||
		    number == VHOST_RESET_DEVICE || number == VHOST_GET_MAX_MEM_SLOTS)
			continue;
		assert_int_equal(TELL(number, payload, &fd, 1), -EREMOTEIO);
	}
	works(); /* the last message has been done with, too */
	assert_int_equal(front_end_get_features(&guest->fe, &word), 0);
	assert_int_equal(share_descriptors(), descriptors);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_M1_version),
		TEST(test_M1_reply_flag),
		TEST(test_M1_too_long),
		TEST(test_M1_cut_off),
		TEST(test_M1_swallowed_descriptors),
		TEST(test_M2_byte_by_byte),
		TEST(test_M2_glued),
		TEST(test_M2_descriptors_of_the_second),
		TEST(test_M3_sizes_and_descriptors),
		TEST(test_M3_without_a_reply),
		TEST(test_M4_rings_that_are_not_there),
		TEST(test_M5_sizes),
		TEST(test_M5_addresses),
		TEST(test_M5_ring_that_runs),
		TEST(test_M5_size_after_the_addresses),
		TEST(test_M6_ring_that_was_never_set_up),
		TEST(test_M9_what_was_not_offered),
		TEST(test_M9_unknown_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
