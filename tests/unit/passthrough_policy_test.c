/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the passthrough driver's options do to open files: cache policies, read-only, sealed sizes,
 * write-back, stateless opens.
 */
#include "cmocka_setup.h"

#include "node_client.h"

#include "drivers/passthrough/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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

/* P1, P2 */
static void sealed_sizes_stay(void **state)
{
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
	assert_int_equal(share_open_file(&client, file.node, O_RDWR | O_TRUNC, 0, &open), -EPERM);
	assert_int_equal(share_create(&client, FB_ROOT_NODE, "f", 0644, O_RDWR | O_TRUNC, &made),
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
	assert_int_equal(share_flush(&client, node, 0, 1), 0);
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
		TEST(sealed_sizes_stay),
		TEST(writeback_makes_files_readable),
		TEST(direct_io_can_be_off),
		TEST(stateless_opens_need_no_handle),
		TEST(stateless_opens_read_what_is_read_only),
		TEST(stateless_opens_need_permission),
		TEST(writeback_to_unreadable_files),
		TEST(descriptors_run_out_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
