/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening and making files through the passthrough driver, and reading and writing them. Rows P, H
 * and D are those of the driver reference's lists of mistakes that others made.
 */
#include "cmocka_setup.h"

#include "node_client.h"

#include "drivers/passthrough/handle_table.h"
#include "drivers/passthrough/state.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct share_client client;

static int setup(void **state)
{
	(void)state;
	share_open(&client, NULL, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	share_close(&client);
	return 0;
}

/* Ask as a plain user, which only root may let us be. */
static void become(uint32_t uid, uint32_t gid)
{
	if (geteuid() != 0)
		return;
	client.uid = uid;
	client.gid = gid;
}

#define NEED_ROOT()                                                                                \
	do {                                                                                       \
		if (geteuid() != 0)                                                                \
			SKIP_BECAUSE("only root keeps suid bits over a write");                    \
	} while (0)

static void reads_and_writes(void **state)
{
	struct share_file file;
	char got[32];

	(void)state;
	share_make(&client, "f", "0123456789", 0644);
	file = share_open_name(&client, "f", O_RDWR);
	assert_int_equal(share_write(&client, file.node, file.fh, "ab", 2, 4, O_RDWR, 0), 2);
	assert_int_equal(share_read(&client, file.node, file.fh, got, 32, 3, O_RDWR), 7);
	assert_memory_equal(got, "3ab6789", 7);
	assert_int_equal(share_read(&client, file.node, file.fh, got, 32, 10, O_RDWR), 0);
	assert_int_equal(share_fsync(&client, FB_OP_FSYNC, file.node, file.fh, 0), 0);
	assert_int_equal(share_fsync(&client, FB_OP_FSYNC, file.node, file.fh, FB_FSYNC_DATASYNC),
			 0);
	assert_int_equal(share_flush(&client, file.node, file.fh, 1), 0);
	assert_int_equal(share_release(&client, file.node, file.fh, 0), 0);
	share_expect(&client, "f", "0123ab6789");
}

/* Each use of a handle checks that it exists and belongs to the node (G6). */
static void wrong_handles_are_refused(void **state)
{
	struct share_file file, other;
	uint64_t dir;
	char got[8];

	(void)state;
	share_make(&client, "f", "x", 0644);
	share_make(&client, "g", "y", 0644);
	file = share_open_name(&client, "f", O_RDWR);
	other = share_open_name(&client, "g", O_RDWR);
	assert_int_equal(share_open_dir(&client, FB_ROOT_NODE, O_RDONLY, &dir), 0);
	assert_int_equal(share_read(&client, file.node, other.fh, got, 8, 0, 0), -EBADF);
	assert_int_equal(share_read(&client, FB_ROOT_NODE, dir, got, 8, 0, 0), -EBADF);
	assert_int_equal(share_read(&client, file.node, 0, got, 8, 0, 0), -EBADF);
	assert_int_equal(share_write(&client, file.node, UINT64_MAX, "z", 1, 0, 0, 0), -EBADF);
	assert_int_equal(share_flush(&client, file.node, other.fh, 1), -EBADF);
	assert_int_equal(share_fsync(&client, FB_OP_FSYNC, file.node, other.fh, 0), -EBADF);
	assert_int_equal(share_fallocate(&client, file.node, other.fh, 0, 0, 10), -EBADF);
	assert_int_equal(share_seek(&client, file.node, other.fh, 0, SEEK_DATA), -EBADF);
	/* Releasing what is not there, or through the wrong node, changes nothing. */
	share_release(&client, file.node, other.fh, 0);
	assert_int_equal(share_read(&client, other.node, other.fh, got, 8, 0, 0), 1);
	share_release(&client, other.node, other.fh, 0);
	share_release(&client, other.node, other.fh, 0);
	assert_int_equal(share_read(&client, other.node, other.fh, got, 8, 0, 0), -EBADF);
}

static void modes_of_access_hold(void **state)
{
	struct share_file file;
	char got[8];

	(void)state;
	share_make(&client, "f", "x", 0644);
	file = share_open_name(&client, "f", O_RDONLY);
	assert_int_equal(share_write(&client, file.node, file.fh, "z", 1, 0, O_RDONLY, 0), -EBADF);
	file = share_open_name(&client, "f", O_WRONLY);
	assert_int_equal(share_read(&client, file.node, file.fh, got, 8, 0, O_WRONLY), -EBADF);
}

/*
 * P3, D14: flags and types that must not reach the host, whose directory stays as it is.
 */
static void hostile_opens_are_refused(void **state)
{
	static const int flags[] = { O_TMPFILE | O_RDWR, O_PATH, O_CREAT, O_EXCL };
	struct fb_wire_open_out open = { 0 };
	uint64_t fh;

	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		assert_int_equal(share_open_file(&client, FB_ROOT_NODE, flags[i], 0, &open),
				 -EINVAL);
		assert_int_equal(share_open_dir(&client, FB_ROOT_NODE, flags[i], &fh), -EINVAL);
	}
	/* Only an empty directory can be removed. */
	assert_int_equal(rmdir(client.dir), 0);
	assert_int_equal(share_open_file(&client, FB_ROOT_NODE, O_ACCMODE, 0, &open), -EINVAL);
}

static void special_files_are_not_opened(void **state)
{
	struct fb_wire_open_out open = { 0 };
	uint64_t node, fh;

	(void)state;
	assert_int_equal(share_open_file(&client, FB_ROOT_NODE, O_RDONLY, 0, &open), -EISDIR);
	assert_int_equal(mkfifo(share_path(&client, "fifo"), 0666), 0);
	node = node_of(&client, "fifo");
	assert_int_equal(share_open_file(&client, node, O_RDONLY, 0, &open), -EBADF);
	assert_int_equal(share_open_dir(&client, node, O_RDONLY, &fh), -ENOTDIR);
	assert_int_equal(symlink("/etc/passwd", share_path(&client, "link")), 0);
	node = node_of(&client, "link");
	assert_int_equal(share_open_file(&client, node, O_RDONLY, 0, &open), -EBADF);
	assert_int_equal(share_open_file(&client, 4711, O_RDONLY, 0, &open), -ESTALE);
	if (mknod(share_path(&client, "null"), S_IFCHR | 0666, 0x103) == 0)
		assert_int_equal(
			share_open_file(&client, node_of(&client, "null"), O_RDWR, 0, &open),
			-EBADF);
}

/* The flags of the descriptor behind a handle, without one that the kernel sets by itself. */
static int host_flags(const struct share_file *file)
{
	const int large_file = 0100000;
	struct fb_handle *handle =
		fb_handle_get(client.driver, file->fh, file->node, FB_HANDLE_FILE);
	int flags;

	assert_non_null(handle);
	flags = fcntl(handle->fd, F_GETFL);
	fb_handle_put(client.driver, handle);
	assert_true(flags >= 0);
	return flags & ~large_file;
}

/* An exec opens with a flag (0x20) that openat2 refuses; others mean nothing to the host. */
static void odd_flags_stay_behind(void **state)
{
	static const struct {
		int asked, host;
	} rows[] = {
		{ O_RDONLY | 0x20 | O_NONBLOCK | O_NOFOLLOW | O_ASYNC | O_NOATIME,
		  O_RDONLY | O_NOATIME },
		{ O_WRONLY | O_NOCTTY | O_NONBLOCK | O_APPEND | O_DSYNC, O_WRONLY | O_DSYNC },
		{ O_RDWR | O_ASYNC | O_APPEND | O_SYNC, O_RDWR | O_SYNC },
	};
	struct share_file file;

	(void)state;
	share_make(&client, "f", "x", 0755);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		file = share_open_name(&client, "f", rows[i].asked);
		assert_int_equal(host_flags(&file), rows[i].host);
		share_release(&client, file.node, file.fh, 0);
	}
}

/* P7, O_APPEND: the request decides, not the descriptor. */
static void appends_by_request(void **state)
{
	struct share_file file;

	(void)state;
	share_make(&client, "f", "01234", 0644);
	file = share_open_name(&client, "f", O_RDWR | O_APPEND);
	/* As the host does it: at its end, whatever offset the client believes in. */
	assert_int_equal(share_write(&client, file.node, file.fh, "a", 1, 0, O_RDWR | O_APPEND, 0),
			 1);
	/* fcntl() took the flag away, and the page cache writes where the bytes stood. */
	assert_int_equal(share_write(&client, file.node, file.fh, "b", 1, 0, O_RDWR, 0), 1);
	assert_int_equal(share_write(&client, file.node, file.fh, "c", 1, 1, O_RDWR | O_APPEND,
				     FB_WRITE_CACHE),
			 1);
	share_expect(&client, "f", "bc234a");
}

/* P7, O_DIRECT: memory that is not aligned, and requests that have dropped the flag. */
static void direct_io_takes_any_memory(void **state)
{
	struct share_file file;
	char *data = malloc(8192 + 3), *got = malloc(8192 + 3);

	(void)state;
	memset(data, 'd', 8192 + 3);
	share_make(&client, "f", "", 0644);
	file = share_open_name(&client, "f", O_RDWR | O_DIRECT);
	assert_int_equal(
		share_write(&client, file.node, file.fh, data + 3, 8192, 0, O_RDWR | O_DIRECT, 0),
		8192);
	assert_int_equal(share_read(&client, file.node, file.fh, got, 8192, 0, O_RDWR | O_DIRECT),
			 8192);
	assert_memory_equal(got, data, 8192);
	/* Not aligned, without the flag: written by the page cache, or after fcntl(). */
	assert_int_equal(share_write(&client, file.node, file.fh, "abc", 3, 8190, O_RDWR, 0), 3);
	assert_int_equal(share_read(&client, file.node, file.fh, got, 100, 8190, O_RDWR), 3);
	assert_memory_equal(got, "abc", 3);
	share_release(&client, file.node, file.fh, 0);
	free(data);
	free(got);
}

/* P8: requests that fail leave the handle as it was. */
static void failures_leave_the_handle_alone(void **state)
{
	struct share_file reader, writer, other;
	char got[8];

	(void)state;
	share_make(&client, "f", "of f", 0644);
	share_make(&client, "g", "of g", 0644);
	reader = share_open_name(&client, "f", O_RDONLY);
	writer = share_open_name(&client, "f", O_WRONLY);
	for (int i = 0; i < 3; i++) {
		/* The core lets these through: it is the host that refuses. */
		assert_int_equal(share_write(&client, reader.node, reader.fh, "y", 1, 0, 0, 0),
				 -EBADF);
		assert_int_equal(share_read(&client, writer.node, writer.fh, got, 8, 0, 0), -EBADF);
		/* A descriptor that was closed by mistake would be this file's now. */
		other = share_open_name(&client, "g", O_RDWR);
		assert_int_equal(share_read(&client, reader.node, reader.fh, got, 8, 0, 0), 4);
		assert_memory_equal(got, "of f", 4);
		assert_int_equal(share_read(&client, other.node, other.fh, got, 8, 0, 0), 4);
		assert_memory_equal(got, "of g", 4);
		assert_int_equal(share_write(&client, writer.node, writer.fh, "of", 2, 0, 0, 0), 2);
		share_release(&client, other.node, other.fh, 0);
	}
	share_release(&client, reader.node, reader.fh, 0);
	share_release(&client, writer.node, writer.fh, 0);
	share_expect(&client, "f", "of f");
	share_expect(&client, "g", "of g");
}

static void creates(void **state)
{
	struct fb_wire_create_out made = { 0 };
	struct stat host;

	(void)state;
	become(1000, 1001);
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "n", 0640, O_RDWR | O_EXCL, &made), 0);
	assert_int_equal(lstat(share_path(&client, "n"), &host), 0);
	/* H5: the caller's, not the daemon's. */
	assert_int_equal(host.st_uid, client.uid);
	assert_int_equal(host.st_gid, client.gid);
	assert_int_equal(host.st_mode, S_IFREG | 0640);
	/* D9, P10: entry and handle are the new inode. */
	assert_int_equal(made.entry.attr.ino, host.st_ino);
	assert_int_equal(
		share_write(&client, made.entry.nodeid, made.open.fh, "new", 3, 0, O_RDWR, 0), 3);
	share_expect(&client, "n", "new");
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "n", 0640, O_RDWR | O_EXCL, &made),
			 -EEXIST);
	assert_int_equal(share_create(&client, 4711, "m", 0640, O_RDWR, &made), -ESTALE);
}

/* P9: who may not act as others makes nothing in their name. */
static void foreign_creates_are_refused(void **state)
{
	struct fb_wire_create_out made = { 0 };

	(void)state;
	if (geteuid() == 0)
		SKIP_BECAUSE("root may act as others");
	client.uid++;
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "n", 0640, O_RDWR, &made), -EPERM);
	assert_int_not_equal(access(share_path(&client, "n"), F_OK), 0);
}

/* P4: create of an existing file opens that one. */
static void create_opens_what_exists(void **state)
{
	struct fb_wire_create_out made = { 0 };
	struct stat host;
	char got[8];

	(void)state;
	share_make(&client, "f", "content", 0666);
	assert_int_equal(stat(share_path(&client, "f"), &host), 0);
	become(1000, 1000);
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "f", 0600, O_RDWR, &made), 0);
	assert_int_equal(made.entry.attr.ino, host.st_ino);
	assert_int_equal(made.entry.attr.mode, S_IFREG | 0666);
	assert_int_equal(share_read(&client, made.entry.nodeid, made.open.fh, got, 8, 0, 0), 7);
	share_release(&client, made.entry.nodeid, made.open.fh, 0);
	/* The attributes are those after it was cut (G14). */
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "f", 0600, O_RDWR | O_TRUNC, &made),
			 0);
	assert_int_equal(made.entry.attr.size, 0);
	share_expect(&client, "f", "");
}

/*
 * Whoever relies on the client's checks opens nothing that the client believes to be new: it has not
 * checked that. The client looks again then, finds the file, and opens it.
 */
static void create_leaves_unchecked_files_alone(void **state)
{
	static const int flags[] = { O_RDONLY, O_RDWR, O_WRONLY | O_TRUNC, O_RDONLY | O_NOFOLLOW };
	struct fb_wire_create_out made = { 0 };
	unsigned descriptors;
	size_t nodes;

	(void)state;
	share_make(&client, "f", "content", 0666);
	client.driver->all_as_caller = false; /* as with default_permissions */
	descriptors = share_descriptors();
	nodes = client.driver->inodes.count;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		assert_int_equal(share_create(&client, FB_ROOT_NODE, "f", 0600, flags[i], &made),
				 -ESTALE);
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "f", 0600, O_RDWR | O_EXCL, &made),
			 -EEXIST);
	assert_int_equal(client.driver->inodes.count, nodes);
	assert_int_equal(share_descriptors(), descriptors);
	share_expect(&client, "f", "content");
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "n", 0600, O_RDWR, &made), 0);
	client.driver->options.read_only = true;
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "f", 0600, O_RDONLY, &made), -ESTALE);
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "o", 0600, O_RDONLY, &made), -EROFS);
}

/* H7: what can not be opened by create stays untouched and costs nothing. */
static void create_on_other_types(void **state)
{
	struct fb_wire_create_out made = { 0 };
	unsigned descriptors;

	(void)state;
	share_make(&client, "target", "t", 0666);
	assert_int_equal(symlink("target", share_path(&client, "link")), 0);
	assert_int_equal(symlink("/tmp/fb-outside", share_path(&client, "out")), 0);
	assert_int_equal(mkdir(share_path(&client, "dir"), 0777), 0);
	assert_int_equal(mkfifo(share_path(&client, "fifo"), 0666), 0);
	descriptors = share_descriptors();
	for (int i = 0; i < 20; i++) {
		assert_int_equal(share_create(&client, FB_ROOT_NODE, "link", 0600, O_RDWR, &made),
				 -ESTALE);
		assert_int_equal(share_create(&client, FB_ROOT_NODE, "out", 0600,
					      O_RDWR | O_NOFOLLOW, &made),
				 -ELOOP);
		assert_int_equal(share_create(&client, FB_ROOT_NODE, "dir", 0600, O_RDWR, &made),
				 -EISDIR);
		assert_int_equal(share_create(&client, FB_ROOT_NODE, "fifo", 0600, O_RDWR, &made),
				 -ESTALE);
	}
	assert_int_equal(share_descriptors(), descriptors);
	assert_int_not_equal(access("/tmp/fb-outside", F_OK), 0);
}

/* P10: a count that create gave can be taken back; the node is unknown then. */
static void create_counts_one_lookup(void **state)
{
	struct fb_wire_create_out made = { 0 };
	struct fb_wire_open_out open = { 0 };

	(void)state;
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "n", 0640, O_RDWR, &made), 0);
	share_release(&client, made.entry.nodeid, made.open.fh, 0);
	assert_int_equal(share_open_file(&client, made.entry.nodeid, O_RDONLY, 0, &open), 0);
	share_release(&client, made.entry.nodeid, open.fh, 0);
	share_forget(&client, made.entry.nodeid, 1);
	assert_int_equal(share_open_file(&client, made.entry.nodeid, O_RDONLY, 0, &open), -ESTALE);
}

/* An answer that nobody got: the core takes back node and handle. */
static void undelivered_creates_leave_nothing(void **state)
{
	struct fb_wire_create_out made = { 0 };
	unsigned descriptors = share_descriptors();

	(void)state;
	fb_loopback_drop_answers(client.loopback, 1, ENOENT);
	assert_true(share_create(&client, FB_ROOT_NODE, "n", 0640, O_RDWR, &made) <= 0);
	assert_int_equal(share_descriptors(), descriptors);
	assert_int_equal(access(share_path(&client, "n"), F_OK), 0);
}

/* H8: TMPFILE then RELEASE is balanced. */
static void makes_files_without_a_name(void **state)
{
	struct fb_wire_create_out made = { 0 };
	unsigned descriptors = share_descriptors();
	int result;

	(void)state;
	become(1000, 1000);
	result = share_tmpfile(&client, FB_ROOT_NODE, 0600, O_RDWR, &made);
	if (result == -EOPNOTSUPP)
		SKIP_BECAUSE("/tmp has no O_TMPFILE");
	assert_int_equal(result, 0);
	assert_int_equal(made.entry.attr.nlink, 0);
	assert_int_equal(made.entry.attr.uid, client.uid);
	assert_int_equal(share_write(&client, made.entry.nodeid, made.open.fh, "tmp", 3, 0, 0, 0),
			 3);
	share_release(&client, made.entry.nodeid, made.open.fh, 0);
	share_forget(&client, made.entry.nodeid, 1);
	assert_int_equal(share_descriptors(), descriptors);
}

/* P6: what a program of ours runs inherits nothing of the share. */
static void descriptors_are_not_inherited(void **state)
{
	struct fb_wire_create_out made = { 0 };
	uint64_t fh;

	(void)state;
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "n", 0640, O_RDWR | O_DIRECT, &made),
			 0);
	assert_int_equal(share_open_dir(&client, FB_ROOT_NODE, O_RDONLY, &fh), 0);
	/* The second descriptor of a file that was opened with O_DIRECT. */
	assert_int_equal(share_write(&client, made.entry.nodeid, made.open.fh, "x", 1, 0, 0, 0), 1);
	for (int fd = 3; fd < 256; fd++) {
		char path[32], target[256] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, target, sizeof(target) - 1) > 0 &&
		    strncmp(target, client.dir, strlen(client.dir)) == 0)
			assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
}

/* P7: one handle, flags as each request has them; none may change those of the other. */
struct writer {
	struct share_client client;
	struct share_file file;
	int flags;
	uint64_t off;
	int host, host_flags; /* the descriptor behind the handle, and its flags at the start */
	const char *complaint;
};

static void *write_much(void *arg)
{
	struct writer *writer = arg;
	char *block = aligned_alloc(4096, 4096);

	memset(block, writer->flags & O_APPEND ? 'a' : 'd', 4096);
	for (int i = 0; i < 50 && !writer->complaint; i++) {
		if (share_write(&writer->client, writer->file.node, writer->file.fh, block, 4096,
				writer->off, writer->flags, 0) != 4096)
			writer->complaint = "a write failed";
		else if (fcntl(writer->host, F_GETFL) != writer->host_flags)
			writer->complaint = "the flags of the descriptor have changed";
	}
	free(block);
	return NULL;
}

static void flags_belong_to_requests(void **state)
{
	struct share_file file;
	struct writer writers[2];
	pthread_t threads[2];
	struct fb_handle *handle;
	struct stat host;
	char got[3];
	int fd;

	(void)state;
	share_make(&client, "f", "", 0666);
	assert_int_equal(truncate(share_path(&client, "f"), 4096), 0);
	file = share_open_name(&client, "f", O_RDWR | O_DIRECT);
	handle = fb_handle_get(client.driver, file.fh, file.node, FB_HANDLE_FILE);
	assert_non_null(handle);
	for (int i = 0; i < 2; i++) {
		writers[i] = (struct writer){
			.client = client,
			.file = file,
			.flags = i ? O_RDWR | O_APPEND : O_RDWR | O_DIRECT,
			.host = handle->fd,
			.host_flags = fcntl(handle->fd, F_GETFL),
		};
		writers[i].client.unique += 1000000 * ((uint64_t)i + 1);
		assert_int_equal(pthread_create(&threads[i], NULL, write_much, &writers[i]), 0);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	fb_handle_put(client.driver, handle);
	assert_null(writers[0].complaint);
	assert_null(writers[1].complaint);
	assert_int_equal(stat(share_path(&client, "f"), &host), 0);
	assert_int_equal(host.st_size, 51 * 4096);
	fd = open(share_path(&client, "f"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, got, 1, 4095), 1);
	assert_int_equal(pread(fd, got + 1, 2, 4096), 2);
	close(fd);
	assert_memory_equal(got, "daa", 3);
}

/* P10, H7: a program of the host that puts other things under the name, all the time. */
static atomic_bool enough;

static void *swap(void *arg)
{
	const char *dir = arg;
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	while (!enough) {
		int other = openat(fd, "other", O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

		close(other);
		renameat(fd, "other", fd, "n");
		unlinkat(fd, "n", 0);
		(void)!symlinkat("../fb-outside", fd, "n");
		unlinkat(fd, "n", 0);
		(void)!mknodat(fd, "n", S_IFIFO | 0666, 0);
		unlinkat(fd, "n", 0);
	}
	close(fd);
	return NULL;
}

static uint64_t ino_of_handle(const struct fb_wire_create_out *made)
{
	const struct fb_wire_getattr_in in = { .getattr_flags = FB_GETATTR_FH,
					       .fh = made->open.fh };
	const struct iovec piece = { (void *)(uintptr_t)&in, sizeof(in) };
	struct fb_wire_attr_out out = { 0 };

	assert_int_equal(share_call(&client, FB_OP_GETATTR, made->entry.nodeid, &piece, 1, &out,
				    sizeof(out)),
			 sizeof(out));
	return out.attr.ino;
}

static void creates_beside_a_swapping_host(void **state)
{
	struct fb_wire_create_out made = { 0 };
	unsigned descriptors, done = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, swap, client.dir), 0);
	descriptors = share_descriptors();
	for (int i = 0; i < 2000; i++) {
		int result = share_create(&client, FB_ROOT_NODE, "n", 0666,
					  i % 2 ? O_RDWR | O_TRUNC : O_WRONLY, &made);

		if (result < 0) {
			assert_true(result == -ESTALE || result == -EEXIST || result == -ENOENT);
			continue;
		}
		assert_int_equal(ino_of_handle(&made), made.entry.attr.ino);
		share_release(&client, made.entry.nodeid, made.open.fh, 0);
		share_forget(&client, made.entry.nodeid, 1);
		done++;
	}
	enough = true;
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(done > 0);
	/* The host's thread may have had two of its own. */
	assert_in_range(share_descriptors(), descriptors - 2, descriptors);
	assert_int_not_equal(access("/tmp/fb-outside", F_OK), 0);
}

/* H14, O_TRUNC with the wish to clear suid and sgid. */
static void suid_goes_when_asked(void **state)
{
	struct fb_wire_open_out open = { 0 };
	struct share_file file;
	struct stat host;

	(void)state;
	NEED_ROOT();
	share_make(&client, "w", "x", 06755);
	file = share_open_name(&client, "w", O_RDWR);
	assert_int_equal(share_write(&client, file.node, file.fh, "y", 1, 0, 0, 0), 1);
	assert_int_equal(stat(share_path(&client, "w"), &host), 0);
	assert_int_equal(host.st_mode & 07777, 06755);
	assert_int_equal(
		share_write(&client, file.node, file.fh, "y", 1, 0, 0, FB_WRITE_KILL_SUIDGID), 1);
	assert_int_equal(stat(share_path(&client, "w"), &host), 0);
	assert_int_equal(host.st_mode & 07777, 0755);
	share_make(&client, "t", "x", 06755);
	assert_int_equal(share_open_file(&client, node_of(&client, "t"), O_RDWR | O_TRUNC,
					 FB_OPEN_KILL_SUIDGID, &open),
			 0);
	assert_int_equal(stat(share_path(&client, "t"), &host), 0);
	assert_int_equal(host.st_mode & 07777, 0755);
	assert_int_equal(host.st_size, 0);
}

/* CREATE of a name that exists, with a wish that only the client's kernel can have. */
static int create_killing(const char *name, int flags, uint32_t open_flags,
			  struct fb_wire_create_out *ret_made)
{
	struct fb_wire_create_in in = {
		.flags = (uint32_t)flags | O_CREAT,
		.mode = S_IFREG | 0600,
		.open_flags = open_flags,
	};
	char text[16];
	const struct iovec pieces[] = { { &in, sizeof(in) }, { text, strlen(name) + 1 } };

	snprintf(text, sizeof(text), "%s", name);
	return (int)share_call(&client, FB_OP_CREATE, FB_ROOT_NODE, pieces, 2, ret_made,
			       sizeof(*ret_made));
}

/* A create that finds the file there and cuts it clears the bits as OPEN does, and says so. */
static void suid_goes_when_create_cuts(void **state)
{
	static const struct {
		int flags;
		uint32_t open_flags, mode, size;
	} cases[] = {
		{ O_RDWR | O_TRUNC, FB_OPEN_KILL_SUIDGID, 0755, 0 },
		{ O_WRONLY | O_TRUNC, FB_OPEN_KILL_SUIDGID, 0755, 0 },
		{ O_RDWR | O_TRUNC, 0, 06755, 0 },
		{ O_RDWR, FB_OPEN_KILL_SUIDGID, 06755, 7 },
	};
	struct fb_wire_create_out made = { 0 };
	struct stat host;

	(void)state;
	NEED_ROOT();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("case %zu\n", i);
		share_make(&client, "c", "content", 06755);
		assert_int_equal(create_killing("c", cases[i].flags, cases[i].open_flags, &made),
				 sizeof(made));
		assert_int_equal(stat(share_path(&client, "c"), &host), 0);
		assert_int_equal(host.st_mode & 07777, cases[i].mode);
		assert_int_equal(host.st_size, cases[i].size);
		assert_int_equal(made.entry.attr.mode & 07777, cases[i].mode);
		assert_int_equal(made.entry.attr.size, cases[i].size);
		assert_int_equal(share_release(&client, made.entry.nodeid, made.open.fh, 0), 0);
		assert_int_equal(unlink(share_path(&client, "c")), 0);
	}
	/* A new file has the bits that it was made with. */
	assert_int_equal(create_killing("n", O_RDWR | O_TRUNC, FB_OPEN_KILL_SUIDGID, &made),
			 sizeof(made));
	assert_int_equal(made.entry.attr.mode & 07777, 0600);
}

/* fallocate and copies carry no such wish: whoever is not root loses the bits. */
static void suid_goes_for_plain_users(void **state)
{
	struct fb_wire_copy_file_range_in copy = { .len = 1 };
	struct share_file from, to;
	struct stat host;

	(void)state;
	NEED_ROOT();
	share_make(&client, "from", "abc", 0644);
	share_make(&client, "to", "x", 06777);
	from = share_open_name(&client, "from", O_RDONLY);
	to = share_open_name(&client, "to", O_RDWR);
	copy.fh_in = from.fh;
	copy.fh_out = to.fh;
	copy.nodeid_out = to.node;
	assert_int_equal(share_fallocate(&client, to.node, to.fh, 0, 0, 100), 0);
	assert_int_equal(share_copy(&client, &copy, from.node), 1);
	assert_int_equal(stat(share_path(&client, "to"), &host), 0);
	assert_int_equal(host.st_mode & 07777, 06777);
	client.uid = 1000;
	assert_int_equal(share_copy(&client, &copy, from.node), 1);
	assert_int_equal(stat(share_path(&client, "to"), &host), 0);
	assert_int_equal(host.st_mode & 07777, 0777);
	assert_int_equal(chmod(share_path(&client, "to"), 06777), 0);
	assert_int_equal(share_fallocate(&client, to.node, to.fh, 0, 0, 200), 0);
	assert_int_equal(stat(share_path(&client, "to"), &host), 0);
	assert_int_equal(host.st_mode & 07777, 0777);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_and_writes),
		TEST(wrong_handles_are_refused),
		TEST(modes_of_access_hold),
		TEST(hostile_opens_are_refused),
		TEST(special_files_are_not_opened),
		TEST(odd_flags_stay_behind),
		TEST(appends_by_request),
		TEST(direct_io_takes_any_memory),
		TEST(failures_leave_the_handle_alone),
		TEST(creates),
		TEST(foreign_creates_are_refused),
		TEST(create_opens_what_exists),
		TEST(create_leaves_unchecked_files_alone),
		TEST(create_on_other_types),
		TEST(create_counts_one_lookup),
		TEST(undelivered_creates_leave_nothing),
		TEST(makes_files_without_a_name),
		TEST(descriptors_are_not_inherited),
		TEST(flags_belong_to_requests),
		TEST(creates_beside_a_swapping_host),
		TEST(suid_goes_when_asked),
		TEST(suid_goes_when_create_cuts),
		TEST(suid_goes_for_plain_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
