/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Monitors that change memory, logs and descriptors, or reset, while the guest is at work: rows M7, M8,
 * M10, M11 and M13. M10 and M14 have tests in orders_test.c, too.
 */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* Addresses of the monitor's own must not be there twice, either. */
static void test_M7_the_monitors_addresses(void **state)
{
	struct fb_wire_vhost_slot slot = { .region = { .guest = UINT64_C(1) << 45,
						       .size = 4096,
						       .user = guest->ram.regions[0].wire.user +
							       4096 } };
	int fd = memfd_create("small", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(TELL(VHOST_ADD_MEM_REG, slot, &fd, 1), -EREMOTEIO);
	slot.region.user = UINT64_MAX - 4000;
	assert_int_equal(TELL(VHOST_ADD_MEM_REG, slot, &fd, 1), -EREMOTEIO);
	slot.region.user = UINT64_C(1) << 45;
	slot.region.offset = UINT64_MAX - 4095;
	assert_int_equal(TELL(VHOST_ADD_MEM_REG, slot, &fd, 1), -EREMOTEIO);
	close(fd);
	works();
}

/* As many as the device says, and not one more. */
static void test_M7_more_than_there_are_slots(void **state)
{
	struct fb_wire_vhost_slot slot = { .region = { .size = 4096 } };
	uint64_t most, count = GUEST_RAM_REGIONS;
	unsigned mappings = count_mappings();
	int fd = memfd_create("small", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(front_end_get_max_mem_slots(&guest->fe, &most), 0);
	for (; count < most; count++) {
		slot.region.guest = slot.region.user = (UINT64_C(1) << 45) + count * 4096;
		assert_int_equal(TELL(VHOST_ADD_MEM_REG, slot, &fd, 1), 0);
	}
	slot.region.guest = slot.region.user = (UINT64_C(1) << 45) + count * 4096;
	assert_int_equal(TELL(VHOST_ADD_MEM_REG, slot, &fd, 1), -EREMOTEIO);
	assert_int_equal(count_mappings(), mappings + most - GUEST_RAM_REGIONS);
	works();
	while (count-- > GUEST_RAM_REGIONS) {
		slot.region.guest = slot.region.user = (UINT64_C(1) << 45) + count * 4096;
		assert_int_equal(TELL(VHOST_REM_MEM_REG, slot, NULL, 0), 0);
	}
	assert_int_equal(count_mappings(), mappings);
	close(fd);
	works();
}

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

static atomic_bool enough;

static void *work(void *arg)
{
	struct fb_wire_create_out made;
	static char data[100000];
	struct guest_caller *caller = arg;
	size_t done;

	if (guest_create(caller, GUEST_ROOT, "worked", O_RDWR, 0600, &made) < 0)
		return "can not be made";
	while (!enough) {
		int r = guest_write(caller, made.entry.nodeid, made.open.fh, 0, data, sizeof(data),
				    &done);

		if (r < 0)
			return strerror(-r);
	}
	return NULL;
}

/* The whole table is sent again and again while requests lie in it. */
static void test_M8_while_requests_run(void **state)
{
	unsigned mappings = count_mappings();
	pthread_t thread;
	void *result;

	(void)state;
	enough = false;
	assert_int_equal(pthread_create(&thread, NULL, work, &other), 0);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(front_end_set_mem_table(&guest->fe, true, &guest->ram), 0);
	enough = true;
	pthread_join(thread, &result);
	assert_null(result);
	assert_int_equal(count_mappings(), mappings);
	works();
}

static unsigned add_memory(uint64_t at)
{
	unsigned region;

	assert_int_equal(guest_ram_add(&guest->ram, at, 4096, 0, &region), 0);
	assert_int_equal(front_end_add_region(&guest->fe, &guest->ram, region), 0);
	return region;
}

/* Longer than the device is patient with requests that are in the way. */
static void still_waits(void)
{
	usleep(200000);
	lives();
	assert_false(guest_ring_has_used(ring()));
}

/* Memory comes and goes: only who may lie in what goes has to end. */
static void test_M8_while_a_request_waits(void **state)
{
	unsigned early = add_memory(UINT64_C(1) << 40), late, mappings = count_mappings();
	struct guest_request *waiting = wait_for_lock("locked");

	(void)state;
	late = add_memory(UINT64_C(2) << 40);
	still_waits();
	assert_int_equal(front_end_remove_region(&guest->fe, &guest->ram, late), 0);
	guest_ram_remove(&guest->ram, late);
	assert_int_equal(count_mappings(), mappings);
	add_memory(UINT64_C(2) << 40);
	still_waits();
	assert_int_equal(front_end_remove_region(&guest->fe, &guest->ram, early), 0);
	guest_ram_remove(&guest->ram, early);
	assert_int_equal(count_mappings(), mappings);
	assert_int_equal(lock_ends(waiting), -EINTR);
	works();
}

static void test_M10_reset_at_any_point(void **state)
{
	struct fb_wire_attr attr;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		struct fb_wire_create_out made = make_file("f");
		struct guest_request *waiting = wait_for_lock("locked");

		assert_int_equal(front_end_ack(&guest->fe, VHOST_RESET_DEVICE, NULL, 0, NULL, 0),
				 0);
		assert_int_equal(lock_ends(waiting), -EINTR);
		guest->started = false;
		restart();
		assert_int_equal(guest_getattr(&first, GUEST_ROOT, &attr), -EIO);
		greet(FLAGS);
		assert_int_equal(guest_getattr(&first, made.entry.nodeid, &attr), -ESTALE);
		works();
		assert_int_equal(unlink(host_path("f")), 0);
		assert_int_equal(unlink(host_path("locked")), 0);
	}
}

/* A guest that neither waits nor stops while its device is taken away again and again. */
static void *offer_for_ever(void *arg)
{
	const struct guest_ring *r = arg;
	const uint64_t one = 1;

	while (!enough) {
		guest_ring_store(r->avail + FB_VRING_IDX,
				 (uint16_t)(guest_ring_load(r->used + FB_VRING_IDX) + 1));
		if (write(r->kick_fd, &one, sizeof(one)) < 0)
			return "no kicks";
	}
	return NULL;
}

static void test_M10_reset_in_a_flood(void **state)
{
	const struct fb_wire_getattr_in in = { 0 };
	struct request r = request(FB_OP_GETATTR, GUEST_ROOT, &in, sizeof(in));
	pthread_t thread;
	void *result;

	(void)state;
	enough = false;
	assert_int_equal(pthread_create(&thread, NULL, offer_for_ever, ring()), 0);
	for (unsigned i = 0; i < 50; i++) {
		struct guest_request *asked;

		assert_int_equal(guest_submit(guest, GUEST_REQUESTS, &r, r.header.len, 256, &asked),
				 0);
		usleep(i * 100);
		assert_int_equal(front_end_ack(&guest->fe, VHOST_RESET_DEVICE, NULL, 0, NULL, 0),
				 0);
		guest->started = false;
		restart();
	}
	enough = true;
	pthread_join(thread, &result);
	assert_null(result);
	restart();
	greet(FLAGS);
	works();
}

/* All that a monitor may say of a ring that runs, while it does. */
static void say_it_all(unsigned ring_number)
{
	struct front_end *fe = &guest->fe;
	const struct front_end_ring *r = &guest->machine.rings[ring_number];
	uint64_t features = fe->features, logged = features | FB_VIRTIO_F_LOG_ALL;

	assert_int_equal(front_end_tell_ring(fe, true, VHOST_SET_VRING_ENABLE, ring_number, 0), 0);
	assert_int_equal(front_end_tell_ring(fe, true, VHOST_SET_VRING_ENABLE, ring_number, 1), 0);
	assert_int_equal(
		front_end_tell_ring_fd(fe, true, VHOST_SET_VRING_CALL, ring_number, r->masked), 0);
	assert_int_equal(
		front_end_tell_ring_fd(fe, true, VHOST_SET_VRING_CALL, ring_number, r->call), 0);
	assert_int_equal(
		front_end_tell_ring_fd(fe, true, VHOST_SET_VRING_KICK, ring_number, r->kick), 0);
	assert_int_equal(front_end_tell_ring_fd(fe, true, VHOST_SET_VRING_ERR, ring_number, r->err),
			 0);
	assert_int_equal(TELL(VHOST_SET_FEATURES, logged, NULL, 0), 0);
	assert_int_equal(
		front_end_tell_ring_addr(fe, true, ring_number, FB_VHOST_RING_LOG, &guest->ram, r),
		0);
	assert_int_equal(TELL(VHOST_SET_FEATURES, features, NULL, 0), 0);
	assert_int_equal(front_end_tell_ring_addr(fe, true, ring_number, 0, &guest->ram, r), 0);
}

/* No kick and no call is lost meanwhile. */
static void test_M10_rings_that_run(void **state)
{
	pthread_t thread;
	void *result;
	int fd = memfd_create("log", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(fd, 1 << 18), 0);
	assert_int_equal(front_end_set_log_base(&guest->fe, 1 << 18, 0, fd), 0);
	enough = false;
	assert_int_equal(pthread_create(&thread, NULL, work, &other), 0);
	for (unsigned i = 0; i < 300; i++)
		say_it_all(OTHER);
	enough = true;
	pthread_join(thread, &result);
	assert_null(result);
	close(fd);
	works();
}

/* The handshake of another driver while this one's rings run: they are dropped, and all memory. */
static void test_M10_owner_twice(void **state)
{
	(void)state;
	assert_int_equal(front_end_ack(&guest->fe, VHOST_SET_OWNER, NULL, 0, NULL, 0), 0);
	assert_int_equal(front_end_ack(&guest->fe, VHOST_SET_OWNER, NULL, 0, NULL, 0), 0);
	guest_ring_kick_now(ring());
	memset(guest->fe.known, 0, sizeof(guest->fe.known));
	guest->started = false;
	restart();
	greet(FLAGS);
	works();
}

/* Have the device log what it writes, the rings too. */
static void log_everything(void)
{
	uint64_t features = guest->fe.features | FB_VIRTIO_F_LOG_ALL;

	assert_int_equal(TELL(VHOST_SET_FEATURES, features, NULL, 0), 0);
	for (unsigned i = 0; i < guest->queue_count; i++)
		assert_int_equal(front_end_tell_ring_addr(&guest->fe, true, i, FB_VHOST_RING_LOG,
							  &guest->ram, &guest->machine.rings[i]),
				 0);
}

static void test_M11_log_of_no_size(void **state)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(front_end_set_log_base(&guest->fe, 0, 0, fd), 0);
	log_everything();
	works();
	close(fd);
}

/* One byte stands for 8 pages: nothing beyond it is written. */
static void test_M11_log_that_is_too_small(void **state)
{
	int fd = memfd_create("log", MFD_CLOEXEC);
	uint8_t log[4096];

	(void)state;
	assert_int_equal(ftruncate(fd, sizeof(log)), 0);
	assert_int_equal(front_end_set_log_base(&guest->fe, 1, 0, fd), 0);
	log_everything();
	works();
	assert_int_equal(pread(fd, log, sizeof(log), 0), sizeof(log));
	for (unsigned i = 1; i < sizeof(log); i++)
		assert_int_equal(log[i], 0);
	close(fd);
}

/* Rings are to be logged, and nowhere. */
static void test_M11_no_log(void **state)
{
	(void)state;
	log_everything();
	works();
}

/* Whether it was called or found the answer by itself. */
static void answered(void)
{
	struct fb_wire_attr attr;
	int r = guest_getattr(&first, GUEST_ROOT, &attr);

	assert_true(r == 0 || r == -ETIME);
}

/* Calls go to a full pipe, a closed one, a file. */
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

/* What a broken ring tells goes to a pipe that is full and closed at the other end. */
static void test_M13_errors_to_pipes(void **state)
{
	int pipes[2];

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
	while (write(pipes[1], "01234567", 8) > 0)
		continue;
	assert_int_equal(front_end_tell_ring_fd(&guest->fe, true, VHOST_SET_VRING_ERR, 1, pipes[1]),
			 0);
	guest_ring_offer(ring(), (uint16_t)ring()->size);
	guest_ring_kick_now(ring());
	usleep(20000);
	lives();
	restart();
	close(pipes[0]);
	guest_ring_offer(ring(), (uint16_t)ring()->size);
	guest_ring_kick_now(ring());
	usleep(20000);
	lives();
	restart();
	close(pipes[1]);
	works();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_M7_regions),
		TEST(test_M7_the_monitors_addresses),
		TEST(test_M7_more_than_there_are_slots),
		TEST(test_M8_memory_tables),
		TEST(test_M8_while_requests_run),
		TEST(test_M8_while_a_request_waits),
		TEST(test_M10_reset_at_any_point),
		TEST(test_M10_reset_in_a_flood),
		TEST(test_M10_rings_that_run),
		TEST(test_M10_owner_twice),
		TEST(test_M11_log_of_no_size),
		TEST(test_M11_log_that_is_too_small),
		TEST(test_M11_no_log),
		TEST(test_M13_calls_to_pipes),
		TEST(test_M13_errors_to_pipes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
