/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Special files: a client's own kernel opens FIFOs, sockets and devices, so the server never may
 * (CVE-2020-35517), whatever requests name their nodes. The host watches for opens meanwhile.
 */
#include "cmocka_setup.h"

#include "node_client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

static struct share_client client;

/* Ends of the FIFO, so that an open of the server would succeed rather than wait. */
static int fifo;
static int watch;

static void make_socket(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_true(snprintf(address.sun_path, sizeof(address.sun_path), "%s",
			     share_path(&client, name)) < (int)sizeof(address.sun_path));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

/* A device that everybody has: writing to it does no harm, if it came to that. */
static void make_device(const char *name)
{
	if (geteuid() == 0)
		assert_int_equal(mknod(share_path(&client, name), S_IFCHR | 0666, makedev(1, 3)),
				 0);
}

static void begin(struct fb_passthrough_options options)
{
	options.size = sizeof(options);
	options.posix_lock = options.flock = FB_ON;
	options.set_inode_flags = true;
	share_open(&client, &options, NULL);
	share_make(&client, "file", "content", 0666);
	assert_int_equal(mkfifo(share_path(&client, "fifo"), 0666), 0);
	fifo = open(share_path(&client, "fifo"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(fifo >= 0);
	assert_int_equal(write(fifo, "secret", 6), 6);
	make_socket("socket");
	make_device("device");
	assert_int_equal(symlink("file", share_path(&client, "link")), 0);
	watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	assert_true(watch >= 0);
}

static int teardown(void **state)
{
	(void)state;
	close(watch);
	close(fifo);
	share_close(&client);
	return 0;
}

static void watch_name(const char *name)
{
	assert_true(inotify_add_watch(watch, share_path(&client, name), IN_OPEN | IN_DONT_FOLLOW) >=
		    0);
}

/* How often the watched file was opened since the last question. */
static unsigned opens(void)
{
	struct inotify_event events[64];
	ssize_t got = read(watch, events, sizeof(events));

	return got < 0 ? 0 : (unsigned)((size_t)got / sizeof(events[0]));
}

/* Everything that needs an open file, for a node that has none. */
static void expect_no_data(uint64_t node, uint64_t regular)
{
	const struct share_file file = { .node = node };
	const struct share_lock lock = { .owner = 1, .end = 10, .type = F_WRLCK };
	const struct share_lock flock = { .owner = 1, .type = F_WRLCK, .flags = FB_LK_FLOCK };
	const struct fb_wire_ioctl_in get = { .cmd = FS_IOC_GETFLAGS, .out_size = sizeof(int) };
	const struct fb_wire_ioctl_in set = { .cmd = FS_IOC_SETFLAGS, .in_size = sizeof(int) };
	struct fb_wire_copy_file_range_in copy = { .len = 4, .nodeid_out = regular };
	const struct fb_wire_setattr_in cut = { .valid = FB_SETATTR_SIZE };
	struct fb_wire_attr_out attr;
	int value = 0;
	char got[4096];

	assert_int_equal(share_read(&client, node, 0, got, 32, 0, O_RDONLY), -EBADF);
	assert_int_equal(share_write(&client, node, 0, "x", 1, 0, O_WRONLY, 0), -EBADF);
	assert_int_equal(share_write(&client, node, 0, "x", 1, 0, O_WRONLY | O_APPEND, 0), -EBADF);
	assert_int_equal(share_fsync(&client, FB_OP_FSYNC, node, 0, 0), -EBADF);
	assert_int_equal(share_fallocate(&client, node, 0, 0, 0, 100), -EBADF);
	assert_int_equal(share_seek(&client, node, 0, 0, SEEK_DATA), -EBADF);
	assert_int_equal(share_copy(&client, &copy, node), -EBADF);
	copy.nodeid_out = node;
	assert_int_equal(share_copy(&client, &copy, regular), -EBADF);
	assert_int_equal(share_ioctl(&client, node, &get, NULL, &value), -EBADF);
	assert_int_equal(share_ioctl(&client, node, &set, &value, NULL), -EBADF);
	assert_int_equal(share_lock(&client, FB_OP_SETLK, &file, &lock, NULL), -EBADF);
	assert_int_equal(share_lock(&client, FB_OP_SETLK, &file, &flock, NULL), -EBADF);
	assert_int_equal(node_setattr(&client, node, &cut, &attr), -EINVAL);
	assert_int_equal(share_list(&client, FB_OP_READDIR, node, 0, 0, got, sizeof(got)),
			 -ENOTDIR);
	assert_int_equal(share_fsync(&client, FB_OP_FSYNCDIR, node, 0, 0), -ENOTDIR);
	assert_true(share_flush(&client, node, 0, 1) <= 0);
}

/* Nothing was taken from the FIFO or put into it. */
static void expect_full_fifo(void)
{
	char got[16];

	assert_int_equal(read(fifo, got, sizeof(got)), 6);
	assert_memory_equal(got, "secret", 6);
	assert_int_equal(write(fifo, "secret", 6), 6);
}

/* D14: without an OPEN that could be refused, every request opens for itself. */
static void stateless_requests_open_no_special_file(void **state)
{
	static const char *const names[] = { "fifo", "socket", "device", "link" };
	struct fb_wire_create_out made;
	unsigned descriptors;
	uint64_t regular, node;
	char got[16];

	(void)state;
	begin((struct fb_passthrough_options){ .stateless_open = true, .stateless_opendir = true });
	regular = node_of(&client, "file");
	/* The control: an open of the server is seen. */
	watch_name("file");
	assert_int_equal(share_read(&client, regular, 0, got, 16, 0, O_RDONLY), 7);
	assert_int_equal(opens(), 1);
	close(watch);
	watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (access(share_path(&client, names[i]), F_OK) < 0)
			continue; /* no device without root */
		print_message("%s\n", names[i]);
		watch_name(names[i]);
		node = node_of(&client, names[i]); /* which holds a descriptor from now on */
		descriptors = share_descriptors();
		expect_no_data(node, regular);
		assert_int_equal(share_create(&client, FB_ROOT_NODE, names[i], 0600, O_RDWR, &made),
				 -ESTALE);
		assert_int_equal(opens(), 0);
		assert_int_equal(share_descriptors(), descriptors);
	}
	expect_full_fifo();
	share_expect(&client, "file", "content");
}

/* With opens it is OPEN that is refused, and no number of a handle helps. */
static void opens_of_special_files_are_refused(void **state)
{
	static const char *const names[] = { "fifo", "socket", "device", "link" };
	static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC,
				     O_RDONLY | O_NONBLOCK };
	struct fb_wire_open_out open;
	char got[16];

	(void)state;
	begin((struct fb_passthrough_options){ 0 });
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint64_t node, fh;

		if (access(share_path(&client, names[i]), F_OK) < 0)
			continue;
		print_message("%s\n", names[i]);
		watch_name(names[i]);
		node = node_of(&client, names[i]);
		for (size_t k = 0; k < sizeof(flags) / sizeof(flags[0]); k++)
			assert_int_equal(share_open_file(&client, node, flags[k], 0, &open),
					 -EBADF);
		assert_int_equal(share_open_dir(&client, node, O_RDONLY, &fh), -ENOTDIR);
		assert_int_equal(share_read(&client, node, 0, got, 16, 0, O_RDONLY), -EBADF);
		assert_int_equal(opens(), 0);
	}
	expect_full_fifo();
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(stateless_requests_open_no_special_file),
		TEST(opens_of_special_files_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
