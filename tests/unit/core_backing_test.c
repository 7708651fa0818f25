/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that the core reads and writes from a backing descriptor. */
#include "cmocka_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/backing.h"
#include "core/session.h"
#include "rig.h"

static int set_up(void **state)
{
	struct rig *rig = rig_new();
	int fd = memfd_create("backing", MFD_CLOEXEC);

	/* A driver that leaves the data to the core. */
	rig->mock.ops.read = NULL;
	rig->mock.ops.write = NULL;
	assert_int_equal(rig_connect(rig), 0);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "0123456789", 10), 10);
	rig->mock.open.backing_fd = fd;
	*state = rig;
	return 0;
}

/* Open files that the core serves itself. */
static unsigned served(struct rig *rig)
{
	unsigned count = 0;

	for (unsigned i = 0; i < FB_BACKING_SHARDS; i++)
		count += rig->session->backings.shards[i].served;
	return count;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;
	int fd = rig->mock.open.backing_fd;

	client_let_go(&rig->client);
	/* The table is as empty as the client's hands. */
	assert_int_equal(fb_backings_count(&rig->session->backings), 0);
	assert_int_equal(served(rig), 0);
	rig_end(rig);
	close(fd);
	return 0;
}

static void assert_content(struct rig *rig, const char *content)
{
	char bytes[64] = "";

	assert_true(pread(rig->mock.open.backing_fd, bytes, sizeof(bytes) - 1, 0) >= 0);
	assert_string_equal(bytes, content);
}

static void test_read_and_write(void **state)
{
	struct rig *rig = *state;
	struct client *c = &rig->client;
	const struct fb_wire_open_out *open = client_body(c);
	const struct fb_wire_write_out *out = client_body(c);

	assert_int_equal(client_open(c, FB_OP_OPEN, 5, O_RDWR), 0);
	assert_int_equal(open->backing_id, 0);
	assert_int_equal(open->open_flags & FB_FOPEN_PASSTHROUGH, 0);
	assert_int_equal(client_read(c, FB_OP_READ, 5, 77, 2, 4), 0);
	assert_int_equal(client_body_size(c), 4);
	assert_memory_equal(client_body(c), "2345", 4);
	assert_int_equal(client_read(c, FB_OP_READ, 5, 77, 8, 100), 0);
	assert_int_equal(client_body_size(c), 2);
	assert_int_equal(client_write(c, 5, 77, 3, "abc", 3, O_RDWR), 0);
	assert_int_equal(out->size, 3);
	assert_content(rig, "012abc6789");
	assert_int_equal(mock_calls(&rig->mock, MOCK_read), 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_write), 0);
}

static void test_append(void **state)
{
	struct rig *rig = *state;
	struct client *c = &rig->client;
	struct fb_wire_write_in in = {
		.fh = 77, .size = 1, .flags = O_WRONLY | O_APPEND, .write_flags = FB_WRITE_CACHE
	};

	assert_int_equal(client_open(c, FB_OP_OPEN, 5, O_WRONLY | O_APPEND), 0);
	assert_int_equal(client_write(c, 5, 77, 0, "abc", 3, O_WRONLY | O_APPEND), 0);
	assert_content(rig, "0123456789abc");
	/* Write-back has its place already. */
	assert_int_equal(client_call(c, FB_OP_WRITE, 5, &in, sizeof(in), "x", 1), 0);
	assert_content(rig, "x123456789abc");
}

static void test_errors_of_the_descriptor(void **state)
{
	struct rig *rig = *state;
	int fd = rig->mock.open.backing_fd;

	rig->mock.open.backing_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_equal(client_open(&rig->client, FB_OP_OPEN, 5, O_RDWR), 0);
	assert_int_equal(client_write(&rig->client, 5, 77, 0, "abc", 3, O_RDWR), -EBADF);
	assert_int_equal(client_read(&rig->client, FB_OP_READ, 5, 77, 0, 4), 0);
	close(rig->mock.open.backing_fd);
	rig->mock.open.backing_fd = fd;
}

/* A pair of node and fh that was not opened is not served. */
static void test_wrong_pair(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(client_open(&rig->client, FB_OP_OPEN, 5, O_RDWR), 0);
	assert_int_equal(client_read(&rig->client, FB_OP_READ, 6, 77, 0, 4), -EINVAL);
	assert_int_equal(client_read(&rig->client, FB_OP_READ, 5, 78, 0, 4), -EINVAL);
}

static void test_create_and_tmpfile(void **state)
{
	struct rig *rig = *state;
	struct client *c = &rig->client;
	struct fb_wire_create_in in = { .flags = O_TMPFILE | O_RDWR, .mode = S_IFREG | 0600 };

	assert_int_equal(client_create(c, 1, "a", O_RDWR), 0);
	assert_int_equal(client_read(c, FB_OP_READ, 5, 77, 0, 4), 0);
	rig->mock.open.fh = 78;
	assert_int_equal(CLIENT_CALL_NAME(c, FB_OP_TMPFILE, 1, in, "/"), 0);
	assert_int_equal(client_read(c, FB_OP_READ, 5, 78, 0, 4), 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_read), 0);
	assert_int_equal(fb_backings_count(&rig->session->backings), 1);
	assert_int_equal(served(rig), 2);
}

static void test_after_release(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(client_open(&rig->client, FB_OP_OPEN, 5, O_RDWR), 0);
	client_let_go(&rig->client);
	assert_int_equal(fb_backings_count(&rig->session->backings), 0);
	assert_int_equal(client_read(&rig->client, FB_OP_READ, 5, 77, 0, 4), -EINVAL);
}

static void test_undelivered(void **state)
{
	struct rig *rig = *state;

	fb_loopback_drop_answers(rig->loop, 2, ENOENT);
	assert_int_equal(client_open(&rig->client, FB_OP_OPEN, 5, O_RDWR), -ENOENT);
	assert_int_equal(client_create(&rig->client, 1, "a", O_RDWR), -ENOENT);
	assert_int_equal(fb_backings_count(&rig->session->backings), 0);
	assert_int_equal(served(rig), 0);
}

static void test_same_handle_twice(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(client_open(&rig->client, FB_OP_OPEN, 5, O_RDWR), 0);
	assert_int_equal(client_open(&rig->client, FB_OP_OPEN, 5, O_RDWR), 0);
	assert_int_equal(served(rig), 2);
}

static void test_many_nodes(void **state)
{
	struct rig *rig = *state;

	for (uint64_t node = 2; node < 1000; node++)
		assert_int_equal(client_open(&rig->client, FB_OP_OPEN, node, O_RDWR), 0);
	assert_int_equal(fb_backings_count(&rig->session->backings), 998);
	assert_int_equal(client_read(&rig->client, FB_OP_READ, 999, 77, 0, 4), 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_read), 0);
}

/* Neither read nor write nor release: the descriptor is enough. */
static void test_without_operations(void **state)
{
	struct rig *rig = rig_new();
	int fd = memfd_create("backing", MFD_CLOEXEC);
	struct client *c = &rig->client;

	(void)state;
	mock_leave_out(&rig->mock, MOCK_read);
	mock_leave_out(&rig->mock, MOCK_write);
	mock_leave_out(&rig->mock, MOCK_release);
	rig->mock.open.backing_fd = fd;
	rig->strays_expected = true;
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(client_open(c, FB_OP_OPEN, 5, O_RDWR), 0);
	assert_int_equal(client_write(c, 5, 77, 0, "abc", 3, O_RDWR), 0);
	assert_int_equal(client_read(c, FB_OP_READ, 5, 77, 0, 4), 0);
	assert_int_equal(client_body_size(c), 3);
	client_let_go(c);
	assert_int_equal(fb_backings_count(&rig->session->backings), 0);
	assert_int_equal(client_read(c, FB_OP_READ, 5, 77, 0, 4), -EINVAL);
	assert_int_equal(client_write(c, 5, 77, 0, "abc", 3, O_RDWR), -EINVAL);
	rig_end(rig);
	close(fd);
}

static atomic_bool giving;

static void *give_later(void *arg)
{
	void **file_and_session = arg;

	usleep(50000);
	giving = true;
	fb_backing_give(file_and_session[1], 5, file_and_session[0]);
	return NULL;
}

/* A client may release a file that it still reads: the driver closes it when that is over. */
static void test_release_waits_for_readers(void **state)
{
	struct rig *rig = *state;
	struct fb_backing_file *file = NULL;
	void *file_and_session[2];
	pthread_t thread;

	assert_int_equal(client_open(&rig->client, FB_OP_OPEN, 5, O_RDWR), 0);
	assert_true(fb_backing_take(rig->session, 5, 77, &file) >= 0);
	file_and_session[0] = file;
	file_and_session[1] = rig->session;
	giving = false;
	assert_int_equal(pthread_create(&thread, NULL, give_later, file_and_session), 0);
	client_let_go(&rig->client);
	assert_true(giving);
	pthread_join(thread, NULL);
	assert_int_equal(fb_backing_take(rig->session, 5, 77, &file), -1);
}

/* What the kernel would do, in a few counters. */
static struct fb_transport_ops kernel_ops;
static int opened, closed, next_id;

static int kernel_open(struct fb_transport *transport, int fd)
{
	(void)transport;
	assert_true(fd >= 0);
	opened++;
	return next_id > 0 ? next_id++ : next_id;
}

static void kernel_close(struct fb_transport *transport, int id)
{
	(void)transport;
	assert_true(id > 0);
	closed++;
}

static struct rig *start_with_kernel(int fd)
{
	struct rig *rig = rig_new();
	struct fb_wire_init_in in = { .major = 7,
				      .minor = 45,
				      .flags = (uint32_t)FB_INIT_INIT_EXT,
				      .flags2 = (uint32_t)(FB_INIT_PASSTHROUGH >> 32) };

	opened = closed = 0;
	next_id = 1;
	rig->loop_options.no_init = true;
	rig->options.want = FB_INIT_PASSTHROUGH;
	assert_int_equal(rig_connect(rig), 0);
	kernel_ops = *rig->session->transport->ops;
	kernel_ops.features |= FB_INIT_PASSTHROUGH;
	kernel_ops.backing_open = kernel_open;
	kernel_ops.backing_close = kernel_close;
	rig->session->transport->ops = &kernel_ops;
	rig->mock.open.backing_fd = fd;
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_INIT, 0, in), 0);
	return rig;
}

/* One id a node, for all its opens, until the last release. */
static void test_passthrough(void **state)
{
	int fd = memfd_create("backing", MFD_CLOEXEC);
	struct rig *rig = start_with_kernel(fd);
	struct client *c = &rig->client;
	const struct fb_wire_open_out *open = client_body(c);

	(void)state;
	rig->mock.open.flags = FB_FOPEN_KEEP_CACHE | FB_FOPEN_NOFLUSH;
	assert_int_equal(client_open(c, FB_OP_OPEN, 5, O_RDWR), 0);
	assert_int_equal(open->backing_id, 1);
	assert_int_equal(open->open_flags, FB_FOPEN_PASSTHROUGH | FB_FOPEN_NOFLUSH);
	rig->mock.open.fh = 78;
	assert_int_equal(client_open(c, FB_OP_OPEN, 5, O_RDWR), 0);
	assert_int_equal(open->backing_id, 1);
	assert_int_equal(client_open(c, FB_OP_OPEN, 6, O_RDWR), 0);
	assert_int_equal(open->backing_id, 2);
	assert_int_equal(opened, 2);
	/* A read that comes nevertheless is the driver's. */
	assert_int_equal(client_read(c, FB_OP_READ, 5, 77, 0, 4), 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_read), 1);
	client_let_go(c);
	assert_int_equal(closed, 2);
	rig_end(rig);
	close(fd);
}

/* The first open of a node had no id: the others must not have one. */
static void test_passthrough_is_not_mixed(void **state)
{
	int fd = memfd_create("backing", MFD_CLOEXEC);
	struct rig *rig = start_with_kernel(-1);
	struct client *c = &rig->client;
	const struct fb_wire_open_out *open = client_body(c);

	(void)state;
	assert_int_equal(client_open(c, FB_OP_OPEN, 5, O_RDWR), 0);
	assert_int_equal(open->backing_id, 0);
	rig->mock.open.backing_fd = fd;
	rig->mock.open.fh = 78;
	assert_int_equal(client_open(c, FB_OP_OPEN, 5, O_RDWR), 0);
	assert_int_equal(open->backing_id, 0);
	assert_int_equal(open->open_flags, 0);
	assert_int_equal(opened, 0);
	assert_int_equal(client_read(c, FB_OP_READ, 5, 78, 0, 4), 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_read), 1);
	client_let_go(c);
	/* The kernel can not: the driver serves, since it can. */
	next_id = -EPERM;
	assert_int_equal(client_open(c, FB_OP_OPEN, 5, O_RDWR), 0);
	assert_int_equal(open->backing_id, 0);
	assert_int_equal(client_read(c, FB_OP_READ, 5, 78, 0, 4), 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_read), 2);
	rig_end(rig);
	assert_int_equal(closed, 0);
	close(fd);
}

/* H8: what CREATE and TMPFILE open has an id of its own, which goes back with the release. */
static void test_passthrough_of_what_is_made(void **state)
{
	int fd = memfd_create("backing", MFD_CLOEXEC);
	struct rig *rig = start_with_kernel(fd);
	struct client *c = &rig->client;
	const struct fb_wire_create_out *out = client_body(c);
	struct fb_wire_create_in in = { .flags = O_TMPFILE | O_RDWR, .mode = S_IFREG | 0600 };

	(void)state;
	for (int id = 1; id < 20; id += 2) {
		rig->mock.open.fh = 77;
		rig->mock.entry.node = 5;
		assert_int_equal(CLIENT_CALL_NAME(c, FB_OP_TMPFILE, 1, in, "/"), 0);
		assert_int_equal(out->open.backing_id, id);
		assert_true(out->open.open_flags & FB_FOPEN_PASSTHROUGH);
		rig->mock.open.fh = 78;
		rig->mock.entry.node = 6;
		assert_int_equal(client_create(c, 1, "a", O_RDWR), 0);
		assert_int_equal(out->open.backing_id, id + 1);
		assert_true(out->open.open_flags & FB_FOPEN_PASSTHROUGH);
		assert_int_equal(fb_backings_count(&rig->session->backings), 2);
		client_let_go(c);
		assert_int_equal(fb_backings_count(&rig->session->backings), 0);
		assert_int_equal(opened, id + 1);
		assert_int_equal(closed, id + 1);
	}
	/* An answer that does not arrive leaves nothing either. */
	fb_loopback_drop_answers(rig->loop, 1, ENOENT);
	assert_int_equal(CLIENT_CALL_NAME(c, FB_OP_TMPFILE, 1, in, "/"), -ENOENT);
	assert_int_equal(opened, 21);
	assert_int_equal(closed, 21);
	assert_int_equal(fb_backings_count(&rig->session->backings), 0);
	rig_end(rig);
	assert_int_equal(closed, 21);
	close(fd);
}

/* H9: one file that the kernel will not take changes nothing for the others, nor for ever. */
static void test_passthrough_fails_for_one(void **state)
{
	int fd = memfd_create("backing", MFD_CLOEXEC);
	struct rig *rig = start_with_kernel(fd);
	struct client *c = &rig->client;
	const struct fb_wire_open_out *open = client_body(c);

	(void)state;
	assert_int_equal(client_open(c, FB_OP_OPEN, 6, O_RDWR), 0);
	assert_int_equal(open->backing_id, 1);
	next_id = -ELOOP;
	rig->mock.open.flags = FB_FOPEN_KEEP_CACHE;
	assert_int_equal(client_open(c, FB_OP_OPEN, 5, O_RDWR), 0);
	assert_int_equal(open->backing_id, 0);
	assert_int_equal(open->open_flags, FB_FOPEN_KEEP_CACHE);
	assert_int_equal(opened, 2);
	next_id = 10;
	/* Its other opens do without, too; nobody tries again while it is open. */
	rig->mock.open.fh = 78;
	assert_int_equal(client_open(c, FB_OP_OPEN, 5, O_RDONLY), 0);
	assert_int_equal(open->backing_id, 0);
	assert_int_equal(open->open_flags, FB_FOPEN_KEEP_CACHE);
	assert_int_equal(opened, 2);
	/* The one from before and one that is new. */
	assert_int_equal(client_open(c, FB_OP_OPEN, 6, O_RDWR), 0);
	assert_int_equal(open->backing_id, 1);
	assert_int_equal(open->open_flags, FB_FOPEN_PASSTHROUGH);
	assert_int_equal(client_open(c, FB_OP_OPEN, 7, O_RDWR), 0);
	assert_int_equal(open->backing_id, 10);
	assert_int_equal(open->open_flags, FB_FOPEN_PASSTHROUGH);
	assert_int_equal(client_read(c, FB_OP_READ, 5, 77, 0, 4), 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_read), 1);
	client_let_go(c);
	/* What was never registered is not given back. */
	assert_int_equal(closed, 2);
	assert_int_equal(client_open(c, FB_OP_OPEN, 5, O_RDWR), 0);
	assert_int_equal(open->backing_id, 11);
	client_let_go(c);
	assert_int_equal(closed, 3);
	rig_end(rig);
	close(fd);
}

/* Ids go back also when the client does not release. */
static void test_passthrough_at_the_end(void **state)
{
	int fd = memfd_create("backing", MFD_CLOEXEC);
	struct rig *rig = start_with_kernel(fd);

	(void)state;
	assert_int_equal(client_open(&rig->client, FB_OP_OPEN, 5, O_RDWR), 0);
	client_lose(&rig->client);
	rig->strays_expected = true;
	rig_end(rig);
	assert_int_equal(opened, 1);
	assert_int_equal(closed, 1);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_read_and_write),
		TEST(test_append),
		TEST(test_errors_of_the_descriptor),
		TEST(test_wrong_pair),
		TEST(test_create_and_tmpfile),
		TEST(test_after_release),
		TEST(test_undelivered),
		TEST(test_same_handle_twice),
		TEST(test_many_nodes),
		cmocka_unit_test(test_without_operations),
		TEST(test_release_waits_for_readers),
		cmocka_unit_test(test_passthrough),
		cmocka_unit_test(test_passthrough_is_not_mixed),
		cmocka_unit_test(test_passthrough_of_what_is_made),
		cmocka_unit_test(test_passthrough_fails_for_one),
		cmocka_unit_test(test_passthrough_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
