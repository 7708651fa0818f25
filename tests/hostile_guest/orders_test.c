/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Well-behaved guests: every layout of rings and requests, and the orders in which monitors start,
 * stop, reset and leave the device.
 */
#include "cmocka_setup.h"

#include "device.h"
#include "guest.h"
#include "guest_fuse.h"
#include "share_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLAGS                                                                                      \
	(FB_INIT_BIG_WRITES | FB_INIT_MAX_PAGES | FB_INIT_DO_READDIRPLUS | FB_INIT_ASYNC_READ |    \
	 FB_INIT_PARALLEL_DIROPS)
#define MINOR 38

static struct device device;

static int set_up(void **state)
{
	(void)state;
	device_begin(&device, NULL, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	device_end(&device);
	return 0;
}

static struct guest *new_guest(struct guest_options options)
{
	struct guest *guest;

	options.fd = device.fd;
	assert_int_equal(guest_new(&options, &guest), 0);
	assert_int_equal(guest_init(guest, MINOR, FLAGS, NULL), 0);
	return guest;
}

/* The guest goes; the session ends well. */
static void leave(struct guest *guest)
{
	guest_free(guest);
	assert_int_equal(device_wait(&device), 0);
}

/* The ring of those who do not wait is one for all. */
static int forget(struct guest *guest, uint64_t node, uint64_t lookups)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int r;

	pthread_mutex_lock(&lock);
	r = guest_forget(guest, node, lookups);
	pthread_mutex_unlock(&lock);
	return r;
}

/* Make a file, write, read it back, look at it, list it, remove it. */
static void work(const struct guest_caller *caller, const char *name, uint32_t size)
{
	struct fb_wire_create_out made;
	struct fb_wire_entry_out found;
	struct fb_wire_attr attr;
	char *data = malloc(size), *back = calloc(1, size);
	size_t done;

	assert_true(data && back);
	for (uint32_t i = 0; i < size; i++)
		data[i] = (char)(i * 7 + 1);
	assert_int_equal(guest_create(caller, GUEST_ROOT, name, O_RDWR, 0644, &made), 0);
	assert_int_equal(guest_write(caller, made.entry.nodeid, made.open.fh, 0, data, size, &done),
			 0);
	assert_int_equal(done, size);
	assert_int_equal(guest_read(caller, made.entry.nodeid, made.open.fh, 0, back, size, &done),
			 0);
	assert_int_equal(done, size);
	assert_memory_equal(back, data, size);
	assert_int_equal(guest_getattr(caller, made.entry.nodeid, &attr), 0);
	assert_int_equal(attr.size, size);
	assert_int_equal(guest_lookup(caller, GUEST_ROOT, name, &found), 0);
	assert_int_equal(found.nodeid, made.entry.nodeid);
	assert_int_equal(guest_release(caller, made.entry.nodeid, made.open.fh), 0);
	assert_int_equal(guest_unlink(caller, GUEST_ROOT, name), 0);
	assert_int_equal(guest_lookup(caller, GUEST_ROOT, name, &found), -ENOENT);
	assert_int_equal(forget(caller->guest, made.entry.nodeid, 2), 0);
	free(data);
	free(back);
}

static void work_some(struct guest *guest, uint32_t size)
{
	const struct guest_caller caller = guest_self(guest, GUEST_REQUESTS);

	work(&caller, "file", size);
}

/* ---- layouts --------------------------------------------------------------------------------- */

static void try_layout(const struct guest_options *options, uint32_t size)
{
	struct guest *guest;

	print_message("ring %u base %u%s%s%s split %d cut %u straddle %u\n", options->ring_size,
		      options->base, options->no_event_idx ? " no event_idx" : "",
		      options->no_indirect ? " no indirect" : "", options->mixed ? " mixed" : "",
		      (int)options->split, options->cut, options->straddle);
	guest = new_guest(*options);
	work_some(guest, size);
	assert_int_equal(guest_stop(guest), 0);
	leave(guest);
	device_again(&device);
}

static void test_ring_layouts(void **state)
{
	static const unsigned sizes[] = { 4, 8, 128, 1024, 32768 };
	static const uint16_t bases[] = { 0, 65530 };

	(void)state;
	for (unsigned i = 0; i < 5 * 2 * 4; i++) {
		const struct guest_options options = {
			.ring_size = sizes[i % 5],
			.base = bases[i / 5 % 2],
			.no_event_idx = i / 10 % 2,
			.no_indirect = i / 20 % 2,
		};

		try_layout(&options, 20000);
	}
}

/* Wherever the header is cut, and whatever runs over the border of two regions. */
static void test_request_layouts(void **state)
{
	(void)state;
	for (uint32_t cut = 1; cut < 120; cut += cut < 48 ? 1 : 13) {
		struct guest_options options = { .ring_size = 1024,
						 .split = GUEST_SPLIT_CUT,
						 .cut = cut };

		try_layout(&options, 300);
		options.straddle = cut;
		options.no_indirect = true;
		try_layout(&options, 300);
	}
	try_layout(&(struct guest_options){ .split = GUEST_SPLIT_SINGLE }, 100000);
	try_layout(&(struct guest_options){ .split = GUEST_SPLIT_SINGLE, .straddle = 41 }, 100000);
	try_layout(&(struct guest_options){ .mixed = true }, 100000);
	try_layout(&(struct guest_options){ .ring_size = 1024 }, 1 << 20);
}

/* ---- orders ----------------------------------------------------------------------------------- */

static const enum front_end_style styles[] = { FRONT_END_QEMU7, FRONT_END_QEMU10,
					       FRONT_END_CLOUD_HYPERVISOR, FRONT_END_CROSVM };

static void test_orders_of_monitors(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4 * 3 * 3; i++) {
		struct guest *guest = new_guest((struct guest_options){
			.style = styles[i % 4],
			.acks = (enum front_end_acks)(i / 4 % 3),
			.bytewise = i / 12 == 1,
			.glue = i / 12 == 2,
			.queues = 4,
		});

		work_some(guest, 5000);
		assert_int_equal(guest_stop(guest), 0);
		leave(guest);
		device_again(&device);
	}
}

/* The machine is paused: memory, session and open files stay. */
static void test_stop_and_go_on(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct guest *guest = new_guest((struct guest_options){ .style = styles[i] });
		struct guest_caller caller = guest_self(guest, GUEST_REQUESTS);
		struct fb_wire_create_out made;
		char name[8];
		size_t done;

		snprintf(name, sizeof(name), "kept%u", i);
		assert_int_equal(guest_create(&caller, GUEST_ROOT, name, O_RDWR, 0644, &made), 0);
		for (unsigned turn = 0; turn < 3; turn++) {
			assert_int_equal(guest_stop(guest), 0);
			assert_int_equal(guest_start(guest), 0);
			assert_int_equal(guest_write(&caller, made.entry.nodeid, made.open.fh, turn,
						     "x", 1, &done),
					 0);
		}
		assert_int_equal(guest_stop(guest), 0);
		leave(guest);
		device_again(&device);
	}
}

/* The guest's driver is taken out and put in again: rings begin anew, nobody knows old nodes. */
static void test_reset(void **state)
{
	struct guest *guest = new_guest((struct guest_options){ .style = FRONT_END_QEMU10 });
	struct guest_caller caller = guest_self(guest, GUEST_REQUESTS);
	struct fb_wire_create_out made;
	struct fb_wire_attr attr;

	(void)state;
	assert_int_equal(guest_create(&caller, GUEST_ROOT, "old", O_RDWR, 0644, &made), 0);
	assert_int_equal(guest_stop(guest), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(front_end_ack(&guest->fe, VHOST_RESET_DEVICE, NULL, 0, NULL, 0),
				 0);
	guest_reset_rings(guest, 0);
	assert_int_equal(guest_start(guest), 0);
	assert_int_equal(guest_getattr(&caller, GUEST_ROOT, &attr), -EIO);
	assert_int_equal(guest_init(guest, MINOR, FLAGS, NULL), 0);
	assert_int_equal(guest_getattr(&caller, made.entry.nodeid, &attr), -ESTALE);
	work_some(guest, 100);
	leave(guest);
}

/* Without RESET_DEVICE only the new greeting tells of the reboot. */
static void test_second_greeting(void **state)
{
	struct guest *guest = new_guest((struct guest_options){ .style = FRONT_END_QEMU7 });
	struct guest_caller caller = guest_self(guest, GUEST_REQUESTS);
	struct fb_wire_create_out made;
	struct fb_wire_attr attr;

	(void)state;
	assert_int_equal(guest_create(&caller, GUEST_ROOT, "old", O_RDWR, 0644, &made), 0);
	assert_int_equal(guest_stop(guest), 0);
	guest_reset_rings(guest, 0);
	assert_int_equal(guest_start(guest), 0);
	assert_int_equal(guest_init(guest, MINOR, FLAGS, NULL), 0);
	assert_int_equal(guest_getattr(&caller, made.entry.nodeid, &attr), -ESTALE);
	/* Unmounted and mounted again: no message to the device at all. */
	assert_int_equal(guest_destroy(guest), 0);
	assert_int_equal(guest_getattr(&caller, GUEST_ROOT, &attr), -EIO);
	assert_int_equal(guest_init(guest, MINOR, FLAGS, NULL), 0);
	work_some(guest, 100);
	leave(guest);
}

/* The device is taken out and put in: the whole handshake again, on one connection. */
static void test_M10_handshake_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct guest *guest = new_guest((struct guest_options){ .style = styles[i] });

		work_some(guest, 100);
		assert_int_equal(guest_stop(guest), 0);
		memset(guest->fe.known, 0, sizeof(guest->fe.known));
		assert_int_equal(front_end_handshake(&guest->fe, styles[i], &guest->machine), 0);
		guest_reset_rings(guest, 0);
		assert_int_equal(guest_start(guest), 0);
		assert_int_equal(guest_init(guest, MINOR, FLAGS, NULL), 0);
		work_some(guest, 100);
		leave(guest);
		device_again(&device);
	}
}

/* The connection ends behind each message of the order; nothing is left. */
static void test_M14_hang_up_anywhere(void **state)
{
	unsigned descriptors = 0, mappings = 0, rounds = 0;

	(void)state;
	for (unsigned style = 0; style < 4; style++) {
		int r = -ECANCELED;

		for (int budget = 1; r == -ECANCELED; budget++) {
			struct guest_options options = { .style = styles[style],
							 .messages = budget,
							 .queues = 2,
							 .fd = device.fd };
			struct guest *guest = NULL;

			r = guest_new(&options, &guest);
			assert_true(r == 0 || r == -ECANCELED);
			guest_free(guest);
			assert_int_equal(device_wait(&device), 0);
			if (rounds++ == 0) {
				descriptors = share_descriptors();
				mappings = count_mappings();
			}
			assert_int_equal(share_descriptors(), descriptors);
			assert_int_equal(count_mappings(), mappings);
			device_again(&device);
		}
	}
	print_message("%u rounds\n", rounds);
	assert_true(rounds > 60);
}

/* ---- memory ------------------------------------------------------------------------------------ */

static void test_memory_comes_and_goes(void **state)
{
	struct guest *guest = new_guest((struct guest_options){ .style = FRONT_END_QEMU10 });
	struct guest_caller caller = guest_self(guest, GUEST_REQUESTS);
	unsigned mappings = count_mappings(), region;

	(void)state;
	for (unsigned turn = 0; turn < 20; turn++) {
		assert_int_equal(
			guest_ram_add(&guest->ram, UINT64_C(1) << 40, 1 << 20, 4096, &region), 0);
		assert_int_equal(front_end_add_region(&guest->fe, &guest->ram, region), 0);
		work(&caller, "with", 5000);
		assert_int_equal(front_end_remove_region(&guest->fe, &guest->ram, region), 0);
		guest_ram_remove(&guest->ram, region);
		assert_int_equal(count_mappings(), mappings);
		work(&caller, "without", 5000);
	}
	assert_int_equal(front_end_set_mem_table(&guest->fe, true, &guest->ram), 0);
	work(&caller, "all anew", 5000);
	leave(guest);
}

/* ---- many at once ------------------------------------------------------------------------------- */

struct client {
	struct guest_caller caller;
	char name[16];
	pthread_t thread;
};

static void *client_main(void *arg)
{
	struct client *client = arg;

	for (unsigned i = 0; i < 300; i++)
		work(&client->caller, client->name, 1 + i * 37 % 70000);
	return NULL;
}

/* Four queues, a driver each; all sleep until they are called. */
static void test_four_queues(void **state)
{
	struct guest *guest = new_guest((struct guest_options){ .queues = 4, .ring_size = 256 });
	struct client clients[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		clients[i].caller = guest_self(guest, GUEST_REQUESTS + i);
		snprintf(clients[i].name, sizeof(clients[i].name), "client %u", i);
		assert_int_equal(pthread_create(&clients[i].thread, NULL, client_main, &clients[i]),
				 0);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
	leave(guest);
}

static double processor_time(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* After much to do, there being nothing to do costs nothing. */
static void test_idle(void **state)
{
	struct guest *guest = new_guest((struct guest_options){ .queues = 4 });
	double before;

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		work_some(guest, 100);
	poll(NULL, 0, 1500); /* the session's keeper looks for a second more */
	before = processor_time();
	poll(NULL, 0, 1000);
	assert_true(processor_time() - before < 0.005);
	leave(guest);
}

/* A hundred monitors, one after the other. */
static void test_many_connections(void **state)
{
	unsigned descriptors = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		struct guest *guest = new_guest((struct guest_options){ .style = styles[i % 4] });

		work_some(guest, 100);
		leave(guest);
		if (i == 0)
			descriptors = share_descriptors();
		assert_int_equal(share_descriptors(), descriptors);
		device_again(&device);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ring_layouts),
		TEST(test_request_layouts),
		TEST(test_orders_of_monitors),
		TEST(test_stop_and_go_on),
		TEST(test_reset),
		TEST(test_second_greeting),
		TEST(test_M10_handshake_again),
		TEST(test_M14_hang_up_anywhere),
		TEST(test_memory_comes_and_goes),
		TEST(test_four_queues),
		TEST(test_idle),
		TEST(test_many_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
