/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest served by threads of the program, by its event loop, by both: on all rings, with every kick
 * heard, and no thread of the library in the driver.
 */
#include "cmocka_setup.h"

#include "device.h"
#include "guest.h"
#include "guest_fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define FLAGS (FB_INIT_BIG_WRITES | FB_INIT_MAX_PAGES)
#define MINOR 38
#define QUEUES 3u
#define THREADS_MAX 3u
#define ROUNDS 300u
#define BATCH 40u

static struct device device;

/* What serves the device. */
static struct {
	unsigned threads; /* in fb_session_work() */
	bool loop;
	unsigned most; /* requests a turn */
	pthread_t serving[THREADS_MAX + 1];
	int results[THREADS_MAX + 1];
	unsigned begun;
} crew;

static int set_up(void **state)
{
	const struct fb_session_options options = { .size = sizeof(options), .own_threads = true };

	(void)state;
	memset(&crew, 0, sizeof(crew));
	device_begin(&device, NULL, &options);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	device_end(&device);
	return 0;
}

static void *work(void *arg)
{
	struct fb_session *session = device.session;

	*(int *)arg = fb_session_work(session);
	fb_session_unref(session);
	return NULL;
}

static void *run_loop(void *arg)
{
	struct fb_session *session = device.session;
	struct pollfd fd = { .events = POLLIN };
	int r = fb_session_ready_fd(session, &fd.fd);

	while (r >= 0) {
		/* Longer than any request of a guest may take: a kick that is not heard is seen. */
		if (poll(&fd, 1, 20000) != 1)
			r = -ETIMEDOUT;
		else
			r = fb_session_work_ready(session, crew.most);
	}
	*(int *)arg = r;
	fb_session_unref(session);
	return NULL;
}

static void crew_begin(void)
{
	for (unsigned i = 0; i < crew.threads + crew.loop; i++) {
		fb_session_ref(device.session);
		assert_int_equal(pthread_create(&crew.serving[i], NULL,
						i < crew.threads ? work : run_loop,
						&crew.results[i]),
				 0);
		crew.begun++;
	}
}

/* All have left: threads without an error, a loop with the sign that it is over. */
static void crew_end(void)
{
	for (unsigned i = 0; i < crew.begun; i++) {
		pthread_join(crew.serving[i], NULL);
		assert_int_equal(crew.results[i], i < crew.threads ? 0 : -ENOTCONN);
	}
}

static struct guest *new_guest(int timeout_ms)
{
	const struct guest_options options = { .fd = device.fd,
					       .style = FRONT_END_QEMU10,
					       .queues = QUEUES,
					       .timeout_ms = timeout_ms };
	struct guest *guest;

	assert_int_equal(guest_new(&options, &guest), 0);
	return guest;
}

static void *client(void *arg)
{
	const struct guest_caller *caller = arg;
	struct fb_wire_create_out made;
	struct fb_wire_attr attr;
	char name[32], back[16] = "";
	size_t len = 0;

	snprintf(name, sizeof(name), "file%u", caller->queue);
	assert_int_equal(guest_create(caller, GUEST_ROOT, name, O_RDWR, 0600, &made), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		assert_int_equal(
			guest_write(caller, made.entry.nodeid, made.open.fh, i, "text", 4, &len),
			0);
		assert_int_equal(
			guest_read(caller, made.entry.nodeid, made.open.fh, i, back, 8, &len), 0);
		assert_int_equal(len, 4);
		assert_memory_equal(back, "text", 4);
		assert_int_equal(guest_getattr(caller, GUEST_ROOT, &attr), 0);
	}
	assert_int_equal(guest_release(caller, made.entry.nodeid, made.open.fh), 0);
	return NULL;
}

/* Many requests and one kick. */
static void send_a_batch(struct guest *guest)
{
	struct {
		struct fb_wire_in_header header;
		struct fb_wire_getattr_in in;
	} message = {
		.header = { .len = sizeof(message), .opcode = FB_OP_GETATTR, .nodeid = GUEST_ROOT }
	};
	const struct iovec part = { &message, sizeof(message) };
	struct guest_request *asked[BATCH];

	for (unsigned i = 0; i < BATCH; i++) {
		message.header.unique = guest_unique(guest);
		assert_int_equal(guest_add_parts(guest, GUEST_REQUESTS, &part, 1, 256, &asked[i]),
				 0);
	}
	guest_kick(guest, GUEST_REQUESTS);
	for (unsigned i = 0; i < BATCH; i++)
		assert_int_equal(guest_wait(guest, asked[i], NULL, 0, NULL), 0);
}

/* Clients on all queues at once, batches, FORGETs; then the front end goes. */
static void serve_a_guest(unsigned threads, bool loop, unsigned most)
{
	struct guest_caller callers[QUEUES];
	pthread_t clients[QUEUES];
	struct guest *guest;

	crew.threads = threads;
	crew.loop = loop;
	crew.most = most;
	crew_begin();
	guest = new_guest(0);
	assert_int_equal(guest_init(guest, MINOR, FLAGS, NULL), 0);
	for (unsigned i = 0; i < QUEUES; i++) {
		callers[i] = guest_self(guest, GUEST_REQUESTS + i);
		assert_int_equal(pthread_create(&clients[i], NULL, client, &callers[i]), 0);
	}
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(guest_forget(guest, 4711, 1), 0);
	for (unsigned i = 0; i < QUEUES; i++)
		pthread_join(clients[i], NULL);
	for (unsigned i = 0; i < 10; i++)
		send_a_batch(guest);
	guest_free(guest);
	crew_end();
	assert_int_equal(device_wait(&device), 0);
}

static void test_threads(void **state)
{
	(void)state;
	serve_a_guest(2, false, 0);
}

static void test_one_thread(void **state)
{
	(void)state;
	serve_a_guest(1, false, 0);
}

static void test_loop(void **state)
{
	(void)state;
	serve_a_guest(0, true, 0);
}

static void test_loop_one_by_one(void **state)
{
	(void)state;
	serve_a_guest(0, true, 1);
}

static void test_threads_and_loop(void **state)
{
	(void)state;
	serve_a_guest(2, true, 3);
}

/* Not even FORGETs have a thread of the library; they wait for one of ours. */
static void test_nobody_else_serves(void **state)
{
	struct guest *guest = new_guest(300);
	struct fb_wire_attr attr;
	const struct guest_caller caller = guest_self(guest, GUEST_REQUESTS);

	(void)state;
	assert_int_equal(guest_forget(guest, 4711, 1), -ETIMEDOUT);
	assert_int_equal(guest_getattr(&caller, GUEST_ROOT, &attr), -ETIMEDOUT);
	guest_free(guest);
}

/* Stopped from this side, with the guest still there. */
static void stop_under_a_guest(unsigned threads, bool loop)
{
	struct guest *guest;

	crew.threads = threads;
	crew.loop = loop;
	crew_begin();
	guest = new_guest(0);
	assert_int_equal(guest_init(guest, MINOR, FLAGS, NULL), 0);
	fb_session_stop(device.session);
	crew_end();
	assert_int_equal(device_wait(&device), 0);
	guest_free(guest);
}

static void test_stop_threads(void **state)
{
	(void)state;
	stop_under_a_guest(3, false);
}

static void test_stop_loop(void **state)
{
	(void)state;
	stop_under_a_guest(0, true);
}

/* Nobody has ever served: the guest's requests are in the rings, and nothing waits for them. */
static void test_stop_without_anybody(void **state)
{
	struct guest *guest = new_guest(100);

	(void)state;
	assert_int_equal(guest_forget(guest, 4711, 1), -ETIMEDOUT);
	fb_session_stop(device.session);
	assert_int_equal(device_wait(&device), 0);
	guest_free(guest);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_threads),
		TEST(test_one_thread),
		TEST(test_loop),
		TEST(test_loop_one_by_one),
		TEST(test_threads_and_loop),
		TEST(test_nobody_else_serves),
		TEST(test_stop_threads),
		TEST(test_stop_loop),
		TEST(test_stop_without_anybody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
