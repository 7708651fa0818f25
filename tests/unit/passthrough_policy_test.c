/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the passthrough driver's options do to open files: cache policies, read-only, sealed sizes,
 * write-back, stateless opens.
 */
#include "cmocka_setup.h"

#include "node_client.h"

#include "drivers/passthrough/handle_table.h"
#include "drivers/passthrough/open_flags.h"
#include "drivers/passthrough/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct share_client client;

static void begin(struct fb_passthrough_options options)
{
	options.size = sizeof(options);
	share_open(&client, &options, NULL);
}

static int teardown(void **state)
{
	(void)state;
	share_close(&client);
	return 0;
}

static uint32_t dir_flags(void)
{
	const struct fb_wire_open_in in = { .flags = O_RDONLY };
	const struct iovec pieces[] = { { (void *)(uintptr_t)&in, sizeof(in) } };
	struct fb_wire_open_out out;

	assert_int_equal(
		share_call(&client, FB_OP_OPENDIR, FB_ROOT_NODE, pieces, 1, &out, sizeof(out)),
		sizeof(out));
	return out.open_flags;
}

static uint32_t file_flags(int flags)
{
	share_make(&client, "f", "content", 0666);
	return share_open_name(&client, "f", flags).flags & ~FB_FOPEN_NOFLUSH;
}

static void never_caches_nothing(void **state)
{
	(void)state;
	begin((struct fb_passthrough_options){ .cache = FB_CACHE_NEVER });
	assert_int_equal(file_flags(O_RDWR), FB_FOPEN_DIRECT_IO | FB_FOPEN_PARALLEL_DIRECT_WRITES);
	assert_int_equal(dir_flags(), 0);
}

static void metadata_caches_directories(void **state)
{
	(void)state;
	begin((struct fb_passthrough_options){ .cache = FB_CACHE_METADATA });
	assert_int_equal(file_flags(O_RDWR), FB_FOPEN_DIRECT_IO | FB_FOPEN_PARALLEL_DIRECT_WRITES);
	assert_int_equal(dir_flags(), FB_FOPEN_CACHE_DIR | FB_FOPEN_KEEP_CACHE);
}

static void auto_caches_while_open(void **state)
{
	struct fb_wire_create_out made = { 0 };

	(void)state;
	begin((struct fb_passthrough_options){ .cache = FB_CACHE_AUTO });
	assert_int_equal(file_flags(O_RDWR), 0);
	assert_int_equal(dir_flags(), 0);
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "n", 0644, O_RDWR, &made), 0);
	assert_int_equal(made.open.open_flags & ~FB_FOPEN_NOFLUSH, 0);
}

static void always_keeps_all(void **state)
{
	(void)state;
	begin((struct fb_passthrough_options){ .cache = FB_CACHE_ALWAYS });
	assert_int_equal(file_flags(O_RDWR), FB_FOPEN_KEEP_CACHE);
	assert_int_equal(dir_flags(), FB_FOPEN_CACHE_DIR | FB_FOPEN_KEEP_CACHE);
}

/* A close() costs a round trip only when flush has something to do. */
static void flush_is_saved_where_it_does_nothing(void **state)
{
	(void)state;
	begin((struct fb_passthrough_options){ 0 });
	share_make(&client, "f", "content", 0666);
	assert_true(share_open_name(&client, "f", O_RDONLY).flags & FB_FOPEN_NOFLUSH);
}

static void flush_drops_locks(void **state)
{
	(void)state;
	begin((struct fb_passthrough_options){ .posix_lock = FB_ON });
	share_make(&client, "f", "content", 0666);
	assert_false(share_open_name(&client, "f", O_RDONLY).flags & FB_FOPEN_NOFLUSH);
}

/* D15: a share that is read-only is so for requests that no kernel would send, too. */
static void read_only_refuses_changes(void **state)
{
	struct fb_wire_create_out made = { 0 };
	struct fb_wire_open_out open = { 0 };
	struct share_file file;
	uint64_t node;
	char got[8];

	(void)state;
	begin((struct fb_passthrough_options){ .read_only = true });
	share_make(&client, "f", "content", 0666);
	node = node_of(&client, "f");
	assert_int_equal(share_open_file(&client, node, O_WRONLY, 0, &open), -EROFS);
	assert_int_equal(share_open_file(&client, node, O_RDWR, 0, &open), -EROFS);
	assert_int_equal(share_open_file(&client, node, O_RDONLY | O_TRUNC, 0, &open), -EROFS);
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "n", 0644, O_RDWR, &made), -EROFS);
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "f", 0644, O_RDWR, &made), -EROFS);
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "f", 0644, O_EXCL, &made), -EEXIST);
	assert_int_equal(share_tmpfile(&client, FB_ROOT_NODE, 0644, O_RDWR, &made), -EROFS);
	/* What exists can be opened by create too. */
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "f", 0644, O_RDONLY, &made), 0);
	assert_int_equal(share_read(&client, made.entry.nodeid, made.open.fh, got, 8, 0, 0), 7);
	file = share_open_name(&client, "f", O_RDONLY);
	assert_true(share_write(&client, file.node, file.fh, "x", 1, 0, 0, 0) < 0);
	assert_true(share_fallocate(&client, file.node, file.fh, 0, 0, 100) < 0);
	assert_int_equal(share_set_xattr(&client, node, "user.a", "b", 1, 0), -EROFS);
	assert_int_equal(share_remove_xattr(&client, node, "user.a"), -EROFS);
	share_expect(&client, "f", "content");
}

/* What may stand in the way of data that goes past the server; each alone is enough. */
enum { SWITCHED_OFF = 1, NOT_GRANTED = 2, GATHERS_WRITES = 4, SEALED = 8, ALL_OBSTACLES = 15 };

static struct fb_passthrough *bypass_driver(unsigned obstacles, enum fb_cache cache)
{
	static struct fb_passthrough fs;

	memset(&fs, 0, sizeof(fs));
	/* What does not matter is set. */
	fs.options.cache = cache;
	fs.options.read_only = fs.options.set_inode_flags = fs.options.announce_submounts = true;
	fs.direct_io = fs.noatime = fs.xattr = fs.posix_lock = fs.killpriv = true;
	fs.granted = ~(FB_INIT_PASSTHROUGH | FB_INIT_WRITEBACK_CACHE);
	fs.kernel_passthrough = !(obstacles & SWITCHED_OFF);
	if (!(obstacles & NOT_GRANTED))
		fs.granted |= FB_INIT_PASSTHROUGH;
	if (obstacles & GATHERS_WRITES)
		fs.granted |= FB_INIT_WRITEBACK_CACHE;
	fs.options.seal_size = obstacles & SEALED;
	return &fs;
}

/* Of one driver and one file: how many of all flags to open with let data go past the server. */
static unsigned count_bypassing(const struct fb_passthrough *fs, int fd, bool allowed)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	static const int extras[] = { 0, O_TRUNC, O_DIRECT, O_SYNC, O_NOATIME | O_NONBLOCK, 0x20 };
	unsigned count = 0;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		for (size_t j = 0; j < sizeof(extras) / sizeof(extras[0]); j++) {
			int flags = modes[i] | extras[j];

			assert_int_equal(fb_open_flags_backing(fs, fd, flags, false), allowed);
			assert_false(fb_open_flags_backing(fs, fd, flags | O_APPEND, false));
			count += allowed;
		}
	}
	return count;
}

/* A small file that is read again is served by the cache, where that lasts. */
static void read_again_comes_from_the_cache(void **state)
{
	static const int others[] = { O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_RDONLY | O_DIRECT };
	static const off_t limit = 128 << 10;
	int fd = memfd_create("file", MFD_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, limit), 0);
	for (unsigned cache = 0; cache <= FB_CACHE_ALWAYS; cache++) {
		struct fb_passthrough *fs = bypass_driver(0, cache);

		assert_true(fb_open_flags_backing(fs, fd, O_RDONLY, false));
		assert_int_equal(fb_open_flags_backing(fs, fd, O_RDONLY, true),
				 cache != FB_CACHE_ALWAYS);
		for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
			assert_true(fb_open_flags_backing(fs, fd, others[i], true));
	}
	assert_int_equal(ftruncate(fd, limit + 1), 0);
	assert_true(fb_open_flags_backing(bypass_driver(0, FB_CACHE_ALWAYS), fd, O_RDONLY, true));
	close(fd);
}

static unsigned count_bypassing_modes(const struct fb_passthrough *fs, bool allowed)
{
	static const mode_t permissions[] = { 0, 0644, 0777, 0010 };
	int fd = memfd_create("file", MFD_CLOEXEC);
	unsigned count = 0;

	assert_true(fd >= 0);
	for (unsigned special = 0; special < 8; special++) {
		for (size_t i = 0; i < sizeof(permissions) / sizeof(permissions[0]); i++) {
			mode_t mode = special << 9 | permissions[i];

			assert_int_equal(fchmod(fd, mode), 0);
			count += count_bypassing(fs, fd, allowed && !(mode & (S_ISUID | S_ISGID)));
		}
	}
	close(fd);
	/* What can not be looked at may be anything. */
	assert_false(fb_open_flags_backing(fs, fd, O_RDONLY, false));
	return count;
}

/* P1, P2, H9: which data goes past the server, in every combination of what decides. */
static void data_goes_past_the_server(void **state)
{
	unsigned count = 0;

	(void)state;
	for (unsigned obstacles = 0; obstacles <= ALL_OBSTACLES; obstacles++)
		for (unsigned cache = FB_CACHE_AUTO; cache <= FB_CACHE_ALWAYS; cache++)
			count += count_bypassing_modes(bypass_driver(obstacles, cache),
						       obstacles == 0);
	/* Policies, without set-id bits sticky or not, permissions, access modes, other flags. */
	assert_int_equal(count, 4 * 2 * 4 * 3 * 6);
}

/* P1, P2 */
static void sealed_sizes_stay(void **state)
{
	static const int cutting[] = { O_RDONLY, O_WRONLY, O_RDWR, O_WRONLY | O_APPEND };
	struct fb_wire_copy_file_range_in copy = { .len = 8 };
	struct fb_wire_create_out made = { 0 };
	struct fb_wire_open_out open = { 0 };
	struct share_file file;

	(void)state;
	begin((struct fb_passthrough_options){ .seal_size = true });
	share_make(&client, "f", "content", 0666);
	file = share_open_name(&client, "f", O_RDWR | O_APPEND);
	assert_int_equal(share_write(&client, file.node, file.fh, "C", 1, 0, O_RDWR, 0), 1);
	assert_int_equal(share_write(&client, file.node, file.fh, "T", 1, 6, O_RDWR, 0), 1);
	assert_int_equal(share_write(&client, file.node, file.fh, "C", 1, 0, O_RDWR | O_APPEND, 0),
			 -EPERM);
	assert_int_equal(share_write(&client, file.node, file.fh, "xx", 2, 6, O_RDWR, 0), -EPERM);
	for (size_t i = 0; i < sizeof(cutting) / sizeof(cutting[0]); i++) {
		int flags = cutting[i] | O_TRUNC;

		assert_int_equal(share_open_file(&client, file.node, flags, 0, &open), -EPERM);
		assert_int_equal(share_create(&client, FB_ROOT_NODE, "f", 0644, flags, &made),
				 -EPERM);
	}
	/* What is new has nothing to lose. */
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "n", 0644, O_RDWR | O_TRUNC, &made),
			 0);
	assert_int_equal(
		share_write(&client, made.entry.nodeid, made.open.fh, "x", 1, 0, O_RDWR, 0),
		-EPERM);
	assert_int_equal(share_fallocate(&client, file.node, file.fh, 0, 0, 8), -EPERM);
	assert_int_equal(share_fallocate(&client, file.node, file.fh, FALLOC_FL_KEEP_SIZE, 0, 8),
			 0);
	copy.fh_in = copy.fh_out = file.fh;
	copy.nodeid_out = file.node;
	copy.off_out = 4;
	copy.len = 4;
	assert_int_equal(share_copy(&client, &copy, file.node), -EPERM);
	copy.len = 2;
	assert_int_equal(share_copy(&client, &copy, file.node), 2);
	share_expect(&client, "f", "ContCoT");
}

/* H6, P16: with write-back the kernel reads pages of files opened for writing only. */
static void writeback_makes_files_readable(void **state)
{
	struct fb_wire_create_out made = { 0 };
	struct share_file file;
	char got[8];

	(void)state;
	begin((struct fb_passthrough_options){ .writeback = true });
	if (!(client.granted & FB_INIT_WRITEBACK_CACHE))
		SKIP_BECAUSE("write-back was not granted");
	share_make(&client, "f", "content", 0666);
	file = share_open_name(&client, "f", O_WRONLY | O_APPEND);
	assert_false(file.flags & FB_FOPEN_NOFLUSH);
	assert_int_equal(share_read(&client, file.node, file.fh, got, 8, 0, O_WRONLY), 7);
	assert_int_equal(share_write(&client, file.node, file.fh, "C", 1, 0, O_WRONLY | O_APPEND,
				     FB_WRITE_CACHE),
			 1);
	share_expect(&client, "f", "Content");
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "n", 0200, O_WRONLY, &made), 0);
	assert_int_equal(share_read(&client, made.entry.nodeid, made.open.fh, got, 8, 0, O_WRONLY),
			 0);
}

/* How the descriptor behind a handle reads and writes. */
static int host_flags(uint64_t node, uint64_t fh)
{
	struct fb_handle *handle = fb_handle_get(client.driver, fh, node, FB_HANDLE_FILE);
	int flags;

	assert_non_null(handle);
	flags = fcntl(handle->fd, F_GETFL);
	fb_handle_put(client.driver, handle);
	return flags & (O_ACCMODE | O_APPEND | O_DIRECT);
}

/* One file as CREATE, TMPFILE or OPEN gave it: can it be read, and where do writes go? */
static void expect_fit_for_writeback(uint64_t node, const struct fb_wire_open_out *open, int flags)
{
	char got[8] = "";

	assert_int_equal(host_flags(node, open->fh), O_RDWR);
	assert_int_equal(open->open_flags & (FB_FOPEN_NOFLUSH | FB_FOPEN_DIRECT_IO), 0);
	assert_int_equal(share_write(&client, node, open->fh, "ab", 2, 0, flags, 0), 2);
	/* The page cache knows the place; what a program writes past it goes to the end. */
	assert_int_equal(share_write(&client, node, open->fh, "A", 1, 0, flags, FB_WRITE_CACHE), 1);
	assert_int_equal(share_write(&client, node, open->fh, "c", 1, 0, O_WRONLY | O_APPEND, 0),
			 1);
	assert_int_equal(share_read(&client, node, open->fh, got, 8, 0, flags), 3);
	assert_memory_equal(got, "Abc", 3);
	share_release(&client, node, open->fh, 0);
}

/* H6: all that opens files opens them alike. */
static void writeback_fits_every_open(void **state)
{
	static const int flags[] = { O_WRONLY, O_WRONLY | O_APPEND, O_RDWR | O_APPEND };
	struct fb_wire_create_out made = { 0 };
	struct fb_wire_open_out open = { 0 };

	(void)state;
	begin((struct fb_passthrough_options){ .writeback = true });
	if (!(client.granted & FB_INIT_WRITEBACK_CACHE))
		SKIP_BECAUSE("write-back was not granted");
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		/* A name that is new, then one that exists. */
		for (unsigned times = 0; times < 2; times++) {
			assert_int_equal(
				share_create(&client, FB_ROOT_NODE, "n", 0600, flags[i], &made), 0);
			assert_int_equal(truncate(share_path(&client, "n"), 0), 0);
			expect_fit_for_writeback(made.entry.nodeid, &made.open, flags[i]);
		}
		assert_int_equal(truncate(share_path(&client, "n"), 0), 0);
		assert_int_equal(share_open_file(&client, made.entry.nodeid, flags[i], 0, &open),
				 0);
		expect_fit_for_writeback(made.entry.nodeid, &open, flags[i]);
		assert_int_equal(node_unlink(&client, FB_ROOT_NODE, "n"), 0);
		if (share_tmpfile(&client, FB_ROOT_NODE, 0200, flags[i], &made) == 0)
			expect_fit_for_writeback(made.entry.nodeid, &made.open, flags[i]);
	}
	/* A user's file that the user may not read: as OPEN, without the cache. */
	share_make(&client, "f", "content", 0222);
	if (geteuid() == 0)
		client.uid = client.gid = 1000;
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "f", 0644, O_WRONLY | O_APPEND, &made),
			 0);
	assert_true(made.open.open_flags & FB_FOPEN_DIRECT_IO);
	assert_int_equal(host_flags(made.entry.nodeid, made.open.fh), O_WRONLY);
}

/* H6: without write-back nobody reads what was opened for writing. */
static void only_writeback_adds_reading(void **state)
{
	struct fb_wire_create_out made = { 0 };

	(void)state;
	begin((struct fb_passthrough_options){ 0 });
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "n", 0644, O_WRONLY | O_APPEND, &made),
			 0);
	assert_int_equal(host_flags(made.entry.nodeid, made.open.fh), O_WRONLY);
}

/* P6: O_DIRECT is dropped where it is not allowed, and then needs no alignment. */
static void direct_io_can_be_off(void **state)
{
	struct fb_wire_create_out made = { 0 };
	struct share_file file;

	(void)state;
	begin((struct fb_passthrough_options){ .direct_io = FB_OFF });
	share_make(&client, "f", "content", 0666);
	file = share_open_name(&client, "f", O_RDWR | O_DIRECT);
	assert_int_equal(share_write(&client, file.node, file.fh, "C", 1, 0, O_RDWR | O_DIRECT, 0),
			 1);
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "n", 0644, O_RDWR | O_DIRECT, &made),
			 0);
	assert_int_equal(share_write(&client, made.entry.nodeid, made.open.fh, "C", 1, 0,
				     O_RDWR | O_DIRECT, 0),
			 1);
}

/* No open, no fh, no release: every request finds the file by its node. */
static void stateless_opens_need_no_handle(void **state)
{
	struct fb_wire_create_out made = { 0 };
	unsigned descriptors;
	uint64_t node;
	char got[4096];

	(void)state;
	begin((struct fb_passthrough_options){ .stateless_open = true, .stateless_opendir = true });
	share_make(&client, "f", "content", 0666);
	node = node_of(&client, "f");
	/* The first listing opens the table of mounts. */
	assert_true(share_list(&client, FB_OP_READDIR, FB_ROOT_NODE, 0, 0, got, sizeof(got)) > 0);
	descriptors = share_descriptors();
	assert_int_equal(share_read(&client, node, 0, got, 32, 0, O_RDWR), 7);
	assert_int_equal(share_write(&client, node, 0, "C", 1, 0, O_RDWR, 0), 1);
	assert_int_equal(share_write(&client, node, 0, "!", 1, 0, O_RDWR | O_APPEND, 0), 1);
	share_expect(&client, "f", "Content!");
	/* The client need not ask again. */
	assert_int_equal(share_flush(&client, node, 0, 1), -ENOSYS);
	assert_int_equal(share_fsync(&client, FB_OP_FSYNC, node, 0, 0), 0);
	assert_int_equal(share_seek(&client, node, 0, 0, SEEK_DATA), 0);
	assert_true(share_list(&client, FB_OP_READDIR, FB_ROOT_NODE, 0, 0, got, sizeof(got)) > 0);
	assert_int_equal(share_read(&client, FB_ROOT_NODE, 0, got, 32, 0, O_RDWR), -EISDIR);
	assert_int_equal(share_read(&client, node, 1, got, 32, 0, O_RDWR), -EBADF);
	/* CREATE has no release either. */
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "n", 0644, O_RDWR, &made), 0);
	assert_int_equal(made.open.fh, 0);
	assert_int_equal(share_write(&client, made.entry.nodeid, 0, "C", 1, 0, O_RDWR, 0), 1);
	share_forget(&client, made.entry.nodeid, 1);
	assert_int_equal(share_descriptors(), descriptors);
}

/* Locks that the host knows of end with a close. */
static void stateless_opens_flush_for_locks(void **state)
{
	(void)state;
	begin((struct fb_passthrough_options){ .stateless_open = true, .posix_lock = FB_ON });
	share_make(&client, "f", "content", 0666);
	assert_int_equal(share_flush(&client, node_of(&client, "f"), 0, 1), 0);
}

/* Read-only shares are read without opens, too, whatever flags come along. */
static void stateless_opens_read_what_is_read_only(void **state)
{
	uint64_t node;
	char got[4096];

	(void)state;
	begin((struct fb_passthrough_options){
		.stateless_open = true, .stateless_opendir = true, .read_only = true });
	share_make(&client, "f", "content", 0666);
	node = node_of(&client, "f");
	assert_int_equal(share_read(&client, node, 0, got, 32, 0, O_RDONLY | O_SYNC), 7);
	assert_true(share_list(&client, FB_OP_READDIR, FB_ROOT_NODE, 0, 0, got, sizeof(got)) > 0);
	assert_int_equal(share_fsync(&client, FB_OP_FSYNCDIR, FB_ROOT_NODE, 0, 0), 0);
	assert_int_equal(share_write(&client, node, 0, "C", 1, 0, O_RDWR, 0), -EROFS);
}

/* No open was checked, neither by us nor by a client that leaves the checks to us. */
static void stateless_opens_need_permission(void **state)
{
	uint64_t node, dir;
	char got[4096];

	(void)state;
	begin((struct fb_passthrough_options){ .stateless_open = true, .stateless_opendir = true });
	if (geteuid() != 0)
		SKIP_BECAUSE("only root may act as others");
	assert_true(client.driver->all_as_caller);
	share_make(&client, "f", "content", 0600);
	assert_int_equal(mkdir(share_path(&client, "d"), 0700), 0);
	node = node_of(&client, "f");
	dir = node_of(&client, "d");
	client.uid = client.gid = 1000;
	assert_int_equal(share_read(&client, node, 0, got, 32, 0, O_RDWR), -EACCES);
	assert_int_equal(share_write(&client, node, 0, "C", 1, 0, O_RDWR, 0), -EACCES);
	assert_int_equal(share_fallocate(&client, node, 0, 0, 0, 100), -EACCES);
	assert_int_equal(share_list(&client, FB_OP_READDIR, dir, 0, 0, got, sizeof(got)), -EACCES);
	share_expect(&client, "f", "content");
	client.uid = client.gid = 0;
	assert_int_equal(share_read(&client, node, 0, got, 32, 0, O_RDWR), 7);
}

/* P16: a file that its writer may not read works with write-back, without its cache. */
static void writeback_to_unreadable_files(void **state)
{
	struct share_file file;

	(void)state;
	begin((struct fb_passthrough_options){ .writeback = true });
	share_make(&client, "f", "content", 0222);
	if (geteuid() == 0)
		client.uid = client.gid = 1000;
	file = share_open_name(&client, "f", O_WRONLY);
	assert_true(file.flags & FB_FOPEN_DIRECT_IO);
	assert_int_equal(share_write(&client, file.node, file.fh, "C", 1, 0, O_WRONLY, 0), 1);
	assert_int_equal(chmod(share_path(&client, "f"), 0666), 0);
	share_expect(&client, "f", "Content");
}

/* P17, D13: as many files as the client likes, but not more than were agreed. */
static void descriptors_run_out_in_order(void **state)
{
	struct fb_wire_open_out open[64];
	uint64_t node;
	int result = 0, count = 0;

	(void)state;
	begin((struct fb_passthrough_options){ .max_descriptors = 32 });
	share_make(&client, "f", "content", 0666);
	node = node_of(&client, "f");
	while (count < 64 && result == 0) {
		result = share_open_file(&client, node, O_RDONLY, 0, &open[count]);
		count += result == 0;
	}
	assert_int_equal(result, -ENFILE);
	assert_true(count > 8);
	for (int i = 0; i < count; i++)
		share_release(&client, node, open[i].fh, 0);
	assert_int_equal(share_open_file(&client, node, O_RDONLY, 0, &open[0]), 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(never_caches_nothing),
		TEST(metadata_caches_directories),
		TEST(auto_caches_while_open),
		TEST(always_keeps_all),
		TEST(flush_is_saved_where_it_does_nothing),
		TEST(flush_drops_locks),
		TEST(read_only_refuses_changes),
		cmocka_unit_test(data_goes_past_the_server),
		TEST(sealed_sizes_stay),
		TEST(writeback_makes_files_readable),
		TEST(writeback_fits_every_open),
		TEST(only_writeback_adds_reading),
		TEST(direct_io_can_be_off),
		TEST(stateless_opens_need_no_handle),
		cmocka_unit_test(read_again_comes_from_the_cache),
		TEST(stateless_opens_flush_for_locks),
		TEST(stateless_opens_read_what_is_read_only),
		TEST(stateless_opens_need_permission),
		TEST(writeback_to_unreadable_files),
		TEST(descriptors_run_out_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
