/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The passthrough driver hands its client over to another one: nodes and open files with their
 * numbers, and what becomes of those that are not found again.
 */
#include "cmocka_setup.h"

#include "node_client.h"

#include "core/state.h"
#include "drivers/passthrough/migration_bytes.h"
#include "drivers/passthrough/state.h"
#include "protocol/wire_state.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROOT FB_ROOT_NODE

static struct share_client share, there;
static struct fb_state saved;
static bool own_namespace;

/* ---- two servers -------------------------------------------------------------------------------- */

static struct fb_passthrough_options plain(void)
{
	return (struct fb_passthrough_options){ .size = sizeof(struct fb_passthrough_options),
						.max_descriptors = 2000 };
}

static void start(const struct fb_passthrough_options *options)
{
	share_open(&share, options, NULL);
}

/* Another server of the same directory. */
static void start_there(const struct fb_passthrough_options *options)
{
	there = share;
	assert_int_equal(fb_passthrough_new(share.dir, options, &there.driver), 0);
	assert_int_equal(fb_session_new(fb_passthrough_ops(there.driver), there.driver, NULL,
					&there.session),
			 0);
	assert_int_equal(fb_loopback_new(there.session, NULL, &there.loopback), 0);
}

static void end_there(void)
{
	if (!there.session)
		return;
	fb_loopback_free(there.loopback);
	fb_session_unref(there.session);
	fb_passthrough_free(there.driver);
	there = (struct share_client){ 0 };
}

static int teardown(void **state)
{
	(void)state;
	end_there();
	if (share.session)
		share_close(&share);
	share = (struct share_client){ 0 };
	fb_state_fini(&saved);
	return 0;
}

static int save(void)
{
	fb_state_fini(&saved);
	return fb_state_save(share.session, &saved);
}

static int load(void)
{
	return fb_state_load(there.session, saved.bytes, saved.size);
}

static void move(void)
{
	if (save() < 0 || load() < 0)
		fail_msg("%s", fb_last_error());
}

static void says(const char *what)
{
	if (!strstr(fb_last_error(), what))
		fail_msg("'%s' does not say '%s'", fb_last_error(), what);
}

/* After the driver's bytes were changed. */
static void seal(void)
{
	struct fb_wire_state *head = (void *)saved.bytes;
	uint32_t sum = ~0u;

	head->size = saved.size;
	for (size_t i = FB_STATE_CHECKED; i < saved.size; i++) {
		sum ^= saved.bytes[i];
		for (int bit = 0; bit < 8; bit++)
			sum = sum & 1 ? sum >> 1 ^ 0xedb88320u : sum >> 1;
	}
	head->checksum = ~sum;
}

static uint64_t lookup(struct share_client *client, uint64_t parent, const char *name)
{
	struct fb_wire_entry_out entry;

	assert_int_equal(share_lookup(client, parent, name, &entry), 0);
	return entry.nodeid;
}

static int getattr(struct share_client *client, uint64_t node)
{
	struct fb_wire_attr_out attr;

	return node_getattr(client, node, &attr);
}

static void expect_read(struct share_client *client, const struct share_file *file,
			const char *content)
{
	char got[64];

	assert_int_equal(share_read(client, file->node, file->fh, got, sizeof(got), 0, O_RDONLY),
			 strlen(content));
	assert_memory_equal(got, content, strlen(content));
}

/* ---- all goes on ---------------------------------------------------------------------------------- */

static void go_on(const struct fb_passthrough_options *options)
{
	struct share_file file, fresh;
	uint64_t dir, deep, link, dir_fh, again;
	struct fb_wire_entry_out entry;

	start(options);
	assert_int_equal(mkdir(share_path(&share, "dir"), 0755), 0);
	assert_int_equal(mkdir(share_path(&share, "dir/deep"), 0755), 0);
	share_make(&share, "dir/deep/file", "some content", 0644);
	share_make(&share, "other", "other", 0644);
	assert_int_equal(symlink("nowhere", share_path(&share, "link")), 0);
	start_there(options);
	dir = lookup(&share, ROOT, "dir");
	deep = lookup(&share, dir, "deep");
	link = lookup(&share, ROOT, "link");
	assert_int_equal(share_lookup(&share, deep, "file", &entry), 0);
	assert_int_equal(lookup(&share, deep, "file"), entry.nodeid);
	file = (struct share_file){ .node = entry.nodeid };
	{
		struct fb_wire_open_out open;

		assert_int_equal(share_open_file(&share, file.node, O_RDWR, 0, &open), 0);
		file.fh = open.fh;
	}
	assert_int_equal(share_open_dir(&share, dir, O_RDONLY, &dir_fh), 0);
	move();
	for (unsigned i = 0; i < 2; i++) {
		struct share_client *client = i ? &share : &there;

		assert_int_equal(getattr(client, dir), 0);
		assert_int_equal(getattr(client, deep), 0);
		assert_int_equal(getattr(client, link), 0);
		expect_read(client, &file, "some content");
		assert_int_equal(share_release_dir(client, dir, dir_fh), 0);
	}
	assert_int_equal(share_write(&there, file.node, file.fh, "SOME", 4, 0, O_RDWR, 0), 4);
	expect_read(&there, &file, "SOME content");
	/* A name leads to the number that is known; new ones are new, files too. */
	assert_int_equal(lookup(&there, deep, "file"), file.node);
	fresh = share_open_name(&there, "other", O_RDONLY);
	assert_true(fresh.node > file.node);
	assert_int_not_equal(fresh.fh, file.fh);
	/* Looked up three times in all. */
	assert_int_equal(share_release(&there, file.node, file.fh, 0), 0);
	share_forget(&there, file.node, 2);
	assert_int_equal(getattr(&there, file.node), 0);
	share_forget(&there, file.node, 1);
	assert_int_equal(getattr(&there, file.node), -ESTALE);
	again = lookup(&there, deep, "file");
	assert_true(again > fresh.node);
	teardown(NULL);
}

static void test_going_on(void **state)
{
	struct fb_passthrough_options options = plain();

	(void)state;
	go_on(&options);
	options.handles = FB_HANDLES_NEVER;
	go_on(&options);
	options.migration_confirm_paths = true;
	go_on(&options);
	if (geteuid() != 0)
		return;
	options.handles = FB_HANDLES_PREFER;
	options.migration_verify_handles = true;
	go_on(&options);
	options = plain();
	options.migration_mode = FB_MIGRATION_FILE_HANDLES;
	go_on(&options);
	options.handles = FB_HANDLES_NEVER;
	go_on(&options);
}

/* Back and forth, with more opened and closed at each stop. */
static void test_many_moves(void **state)
{
	const struct fb_passthrough_options options = plain();
	struct share_file files[40];

	(void)state;
	start(&options);
	start_there(&options);
	for (unsigned i = 0; i < 40; i++) {
		char name[16];
		struct fb_wire_create_out made;
		struct share_client other;

		snprintf(name, sizeof(name), "file%u", i);
		assert_int_equal(share_create(&share, ROOT, name, 0644, O_RDWR, &made), 0);
		files[i] = (struct share_file){ .node = made.entry.nodeid, .fh = made.open.fh };
		assert_int_equal(
			share_write(&share, files[i].node, files[i].fh, name, 5, 0, O_RDWR, 0), 5);
		if (i % 3 == 2)
			assert_int_equal(
				share_release(&share, files[i - 1].node, files[i - 1].fh, 0), 0);
		move();
		other = share;
		share = there;
		there = other;
		for (unsigned j = 0; j <= i; j++) {
			char got[8];
			bool closed = j % 3 == 1 && j < i - i % 3 + (i % 3 == 2 ? 3 : 0);
			ssize_t n = share_read(&share, files[j].node, files[j].fh, got, 5, 0, 0);

			assert_int_equal(n, closed ? -EBADF : 5);
		}
	}
}

static void test_names(void **state)
{
	static const char *const names[] = { "\xff\xfe\x80", "a b\nc",   "gone (deleted)",
					     "\\040",        "\xc3\xa4", "-",
					     "..." };
	const struct fb_passthrough_options options = plain();
	uint64_t nodes[7];

	(void)state;
	start(&options);
	for (unsigned i = 0; i < 7; i++) {
		share_make(&share, names[i], names[i], 0644);
		nodes[i] = lookup(&share, ROOT, names[i]);
	}
	start_there(&options);
	move();
	for (unsigned i = 0; i < 7; i++) {
		struct share_file file = share_open_name(&there, names[i], O_RDONLY);

		assert_int_equal(file.node, nodes[i]);
		expect_read(&there, &file, names[i]);
	}
}

/* Deeper than any path that a system call takes. */
static void test_deep(void **state)
{
	const struct fb_passthrough_options options = plain();
	char name[201];
	uint64_t nodes[41] = { ROOT };
	struct fb_wire_entry_out entry;

	(void)state;
	memset(name, 'd', 200);
	name[200] = '\0';
	start(&options);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(node_mkdir(&share, nodes[i], name, 0755, &entry), 0);
		nodes[i + 1] = entry.nodeid;
	}
	start_there(&options);
	move();
	assert_int_equal(node_mkdir(&there, nodes[40], "below", 0755, &entry), 0);
	/* Nobody finds the way down there afterwards. */
	assert_int_equal(node_rmdir(&there, nodes[40], "below"), 0);
	for (unsigned i = 40; i-- > 0;)
		assert_int_equal(node_rmdir(&there, nodes[i], name), 0);
}

/* Half of a directory was read before, half of it is read afterwards. */
static void test_directory_position(void **state)
{
	const struct fb_passthrough_options options = plain();
	unsigned count = 0;
	uint64_t fh, cookie = 0;
	struct fb_dir_count {
		uint8_t bytes[4096];
	} room;

	(void)state;
	start(&options);
	for (unsigned i = 0; i < 500; i++) {
		char name[32];

		snprintf(name, sizeof(name), "a name of some length %u", i);
		share_make(&share, name, "", 0644);
	}
	start_there(&options);
	assert_int_equal(share_open_dir(&share, ROOT, O_RDONLY, &fh), 0);
	for (unsigned turn = 0;; turn++) {
		struct share_client *client = turn < 3 ? &share : &there;
		ssize_t got = share_list(client, FB_OP_READDIR, ROOT, fh, cookie, room.bytes,
					 sizeof(room.bytes));

		assert_true(got >= 0);
		if (got == 0)
			break;
		for (ssize_t at = 0; at < got; count++) {
			struct fb_wire_dirent entry;

			memcpy(&entry, room.bytes + at, sizeof(entry));
			cookie = entry.off;
			at += (ssize_t)((sizeof(entry) + entry.namelen + 7) & ~7u);
		}
		if (turn == 2)
			move();
	}
	assert_int_equal(count, 502);
}

/* ---- what the host does meanwhile ------------------------------------------------------------------ */

static void test_renamed(void **state)
{
	const struct fb_passthrough_options options = plain();
	struct share_file file, linked;

	(void)state;
	start(&options);
	assert_int_equal(mkdir(share_path(&share, "dir"), 0755), 0);
	share_make(&share, "file", "moved", 0644);
	share_make(&share, "linked", "linked", 0644);
	file = share_open_name(&share, "file", O_RDONLY);
	linked = share_open_name(&share, "linked", O_RDONLY);
	assert_int_equal(rename(share_path(&share, "file"), share_path(&share, "dir/else")), 0);
	/* The name that it was found by has gone, the other one is found in the whole tree. */
	assert_int_equal(link(share_path(&share, "linked"), share_path(&share, "dir/link")), 0);
	assert_int_equal(unlink(share_path(&share, "linked")), 0);
	share_make(&share, "linked", "new", 0644);
	start_there(&options);
	move();
	expect_read(&there, &file, "moved");
	expect_read(&there, &linked, "linked");
	assert_int_equal(lookup(&there, lookup(&there, ROOT, "dir"), "else"), file.node);
}

/* Between the two servers another file takes the name. Only handles can tell. */
static void test_replaced(void **state)
{
	struct fb_passthrough_options options = plain();
	struct share_file file;

	(void)state;
	start(&options);
	share_make(&share, "file", "old", 0644);
	file = share_open_name(&share, "file", O_RDONLY);
	start_there(&options);
	assert_int_equal(save(), 0);
	share_make(&share, "new", "new", 0644);
	assert_int_equal(rename(share_path(&share, "new"), share_path(&share, "file")), 0);
	assert_int_equal(load(), 0);
	expect_read(&there, &file, "new");
	teardown(NULL);
	if (geteuid() != 0)
		SKIP_BECAUSE("file handles need root");
	options.migration_verify_handles = true;
	start(&options);
	share_make(&share, "file", "old", 0644);
	file = share_open_name(&share, "file", O_RDONLY);
	start_there(&options);
	assert_int_equal(save(), 0);
	share_make(&share, "new", "new", 0644);
	assert_int_equal(rename(share_path(&share, "new"), share_path(&share, "file")), 0);
	assert_int_equal(load(), -ESTALE);
	says("(file) is not found again");
	end_there();
	/* Here nobody may look at handles. */
	options.migration_verify_handles = false;
	options.handles = FB_HANDLES_NEVER;
	start_there(&options);
	assert_int_equal(load(), -EOPNOTSUPP);
}

static void test_another_type(void **state)
{
	const struct fb_passthrough_options options = plain();

	(void)state;
	start(&options);
	share_make(&share, "file", "old", 0644);
	lookup(&share, ROOT, "file");
	start_there(&options);
	assert_int_equal(save(), 0);
	assert_int_equal(unlink(share_path(&share, "file")), 0);
	assert_int_equal(mkdir(share_path(&share, "file"), 0755), 0);
	assert_int_equal(load(), -ESTALE);
	assert_int_equal(rmdir(share_path(&share, "file")), 0);
	assert_int_equal(symlink("/etc/passwd", share_path(&share, "file")), 0);
	assert_int_equal(load(), -ESTALE);
	assert_int_equal(unlink(share_path(&share, "file")), 0);
	assert_int_equal(load(), -ENOENT);
	/* All is left as if nobody had come; the client greets anew. */
	assert_int_equal(getattr(&there, ROOT), -ENOTCONN);
}

/* Two numbers for what is one file on the other side. */
static void test_one_file_twice(void **state)
{
	struct fb_passthrough_options options = plain();
	uint64_t a, b;

	(void)state;
	start(&options);
	share_make(&share, "a", "a", 0644);
	share_make(&share, "b", "b", 0644);
	a = lookup(&share, ROOT, "a");
	b = lookup(&share, ROOT, "b");
	start_there(&options);
	assert_int_equal(save(), 0);
	assert_int_equal(unlink(share_path(&share, "b")), 0);
	assert_int_equal(link(share_path(&share, "a"), share_path(&share, "b")), 0);
	assert_int_equal(load(), -EEXIST);
	end_there();
	options.migration_on_error = FB_MIGRATION_GUEST_ERROR;
	start_there(&options);
	assert_int_equal(load(), 0);
	assert_int_equal(getattr(&there, a), 0);
	assert_int_equal(getattr(&there, b), -ESTALE);
	share_forget(&there, a, 1);
	assert_int_equal(getattr(&there, a), -ESTALE);
}

/* ---- what is lost ----------------------------------------------------------------------------------- */

/* Each request about it fails, and it can be given back. */
static void expect_lost(const struct share_file *file)
{
	struct fb_wire_open_out open;
	struct share_file fresh;
	uint64_t fh;
	char got[8];

	assert_int_equal(getattr(&there, file->node), -ESTALE);
	assert_int_equal(share_open_file(&there, file->node, O_RDONLY, 0, &open), -ESTALE);
	assert_int_equal(share_open_dir(&there, file->node, O_RDONLY, &fh), -ENOTDIR);
	assert_int_equal(share_get_xattr(&there, file->node, "user.x", got, 0), -ESTALE);
	assert_int_equal(node_syncfs(&there, file->node), 0);
	assert_int_equal(share_read(&there, file->node, file->fh, got, 8, 0, 0), -EBADF);
	fresh = share_open_name(&there, "stays", O_RDONLY);
	assert_int_not_equal(fresh.fh, file->fh);
	assert_int_equal(share_read(&there, file->node, file->fh, got, 8, 0, 0), -EBADF);
	assert_int_equal(share_release(&there, file->node, file->fh, 0), 0);
	share_forget(&there, file->node, 1);
	assert_int_equal(getattr(&there, file->node), -ESTALE);
	expect_read(&there, &fresh, "stays");
}

static void test_unlinked(void **state)
{
	struct fb_passthrough_options options = plain();
	struct share_file file;
	unsigned descriptors;

	(void)state;
	options.handles = FB_HANDLES_NEVER;
	start(&options);
	share_make(&share, "file", "gone", 0644);
	share_make(&share, "stays", "stays", 0644);
	file = share_open_name(&share, "file", O_RDWR);
	assert_int_equal(unlink(share_path(&share, "file")), 0);
	start_there(&options);
	assert_int_equal(save(), 0);
	descriptors = share_descriptors();
	assert_int_equal(load(), -ESTALE);
	says("is not found again");
	assert_true(share_descriptors() <= descriptors);
	end_there();
	options.migration_on_error = FB_MIGRATION_GUEST_ERROR;
	start_there(&options);
	assert_int_equal(load(), 0);
	expect_lost(&file);
	expect_read(&share, &file, "gone");
	/* What is lost stays so at the next move. */
	assert_int_equal(load(), 0);
	fb_state_fini(&saved);
	assert_int_equal(fb_state_save(there.session, &saved), 0);
	assert_int_equal(load(), 0);
	assert_int_equal(getattr(&there, file.node), -ESTALE);
}

/* A handle may be of any file of the file system: who takes one must trust who saved it. */
static void test_handles_are_trusted(void **state)
{
	struct fb_passthrough_options options = plain();

	(void)state;
	if (geteuid() != 0)
		SKIP_BECAUSE("file handles need root");
	options.migration_mode = FB_MIGRATION_FILE_HANDLES;
	start(&options);
	share_make(&share, "file", "x", 0644);
	lookup(&share, ROOT, "file");
	options.migration_mode = FB_MIGRATION_FIND_PATHS;
	start_there(&options);
	assert_int_equal(save(), 0);
	assert_int_equal(load(), -EACCES);
	says("not trusted");
}

/* On one file system a file without a name is found by its handle, as long as somebody has it open. */
static void test_unlinked_by_handle(void **state)
{
	struct fb_passthrough_options options = plain();
	struct share_file file;
	int r;

	(void)state;
	if (geteuid() != 0)
		SKIP_BECAUSE("file handles need root");
	start(&options);
	share_make(&share, "file", "gone", 0644);
	file = share_open_name(&share, "file", O_RDWR);
	assert_int_equal(unlink(share_path(&share, "file")), 0);
	start_there(&options);
	assert_int_equal(save(), 0);
	r = load();
	if (r == -ESTALE || r == -ENOENT)
		SKIP_BECAUSE("this file system does not find files without a name");
	assert_int_equal(r, 0);
	expect_read(&there, &file, "gone");
	assert_int_equal(share_write(&there, file.node, file.fh, "G", 1, 0, O_RDWR, 0), 1);
	expect_read(&share, &file, "Gone");
}

static void test_read_only_there(void **state)
{
	struct fb_passthrough_options options = plain();
	struct share_file file;

	(void)state;
	start(&options);
	share_make(&share, "file", "old", 0644);
	share_make(&share, "stays", "stays", 0644);
	file = share_open_name(&share, "file", O_RDWR);
	options.read_only = true;
	start_there(&options);
	assert_int_equal(save(), 0);
	assert_int_equal(load(), -EROFS);
	says("can not be opened again");
	end_there();
	options.migration_on_error = FB_MIGRATION_GUEST_ERROR;
	start_there(&options);
	assert_int_equal(load(), 0);
	assert_int_equal(getattr(&there, file.node), 0);
	assert_int_equal(share_read(&there, file.node, file.fh, &(char){ 0 }, 1, 0, 0), -EBADF);
}

static void test_locks(void **state)
{
	struct fb_passthrough_options options = plain();
	struct share_lock lock = { .owner = 7, .end = 9, .type = F_WRLCK, .pid = 5 };
	struct share_file file;

	(void)state;
	options.posix_lock = options.flock = FB_ON;
	start(&options);
	share_make(&share, "file", "x", 0644);
	file = share_open_name(&share, "file", O_RDWR);
	start_there(&options);
	for (unsigned i = 0; i < 2; i++) {
		lock.flags = i ? FB_LK_FLOCK : 0;
		lock.end = i ? INT64_MAX : 9;
		lock.type = F_WRLCK;
		assert_int_equal(share_lock(&share, FB_OP_SETLK, &file, &lock, NULL), 0);
		assert_int_equal(save(), -EBUSY);
		says("locks");
		lock.type = F_UNLCK;
		assert_int_equal(share_lock(&share, FB_OP_SETLK, &file, &lock, NULL), 0);
		assert_int_equal(save(), 0);
	}
	move();
	lock.type = F_WRLCK;
	assert_int_equal(share_lock(&there, FB_OP_SETLK, &file, &lock, NULL), 0);
}

/* ---- many, and mounts ------------------------------------------------------------------------------- */

#define MANY 10000

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* More than there are descriptors: most are held by their handles, where there are any. */
static void move_many(const struct fb_passthrough_options *options)
{
	static uint64_t nodes[MANY];
	double begun, now;

	start(options);
	for (unsigned i = 0; i < 100; i++) {
		char name[32];

		snprintf(name, sizeof(name), "dir%u", i);
		assert_int_equal(mkdir(share_path(&share, name), 0755), 0);
	}
	for (unsigned i = 0; i < MANY; i++) {
		char name[32];
		char *slash;
		uint64_t dir;

		snprintf(name, sizeof(name), "dir%u/file%u", i % 100, i);
		share_make(&share, name, "", 0644);
		slash = strchr(name, '/');
		*slash = '\0';
		dir = lookup(&share, ROOT, name);
		nodes[i] = lookup(&share, dir, slash + 1);
	}
	start_there(options);
	begun = seconds();
	assert_int_equal(save(), 0);
	now = seconds();
	print_message("%u nodes, %zu bytes: saved in %.0f ms, ", MANY + 100, saved.size,
		      (now - begun) * 1e3);
	begun = now;
	if (load() < 0)
		fail_msg("%s", fb_last_error());
	print_message("loaded in %.0f ms\n", (seconds() - begun) * 1e3);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(getattr(&there, nodes[i]), 0);
	teardown(NULL);
}

static void test_many(void **state)
{
	struct fb_passthrough_options options = plain();

	(void)state;
	if (geteuid() != 0)
		SKIP_BECAUSE("file handles need root, and descriptors for all would be too many");
	options.max_descriptors = 600;
	move_many(&options);
	options.max_descriptors = 8000;
	move_many(&options);
	options.migration_mode = FB_MIGRATION_FILE_HANDLES;
	move_many(&options);
}

static int enter_namespace(void **state)
{
	(void)state;
	own_namespace =
		unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	return 0;
}

static void move_submounts(struct fb_passthrough_options *options)
{
	struct share_file file, bound;
	uint64_t mounted;
	struct fb_wire_attr_out attr;
	struct fb_loopback_options client = {
		.size = sizeof(client),
		.offered = ~(FB_INIT_RESERVED | FB_INIT_OVER_IO_URING) & (FB_INIT_BIT(43) - 1)
	};

	options->announce_submounts = true;
	share_open(&share, options, &client);
	assert_int_equal(mkdir(share_path(&share, "mounted"), 0755), 0);
	assert_int_equal(mkdir(share_path(&share, "real"), 0755), 0);
	assert_int_equal(mkdir(share_path(&share, "bind"), 0755), 0);
	assert_int_equal(mount("none", share_path(&share, "mounted"), "tmpfs", 0, "size=1m"), 0);
	assert_int_equal(
		mount(share_path(&share, "real"), share_path(&share, "bind"), NULL, MS_BIND, NULL),
		0);
	share_make(&share, "mounted/file", "in a mount", 0644);
	share_make(&share, "real/file", "bound", 0644);
	mounted = lookup(&share, ROOT, "mounted");
	file.node = lookup(&share, mounted, "file");
	bound.node = lookup(&share, lookup(&share, ROOT, "bind"), "file");
	assert_int_not_equal(lookup(&share, lookup(&share, ROOT, "real"), "file"), bound.node);
	there = share;
	assert_int_equal(fb_passthrough_new(share.dir, options, &there.driver), 0);
	assert_int_equal(fb_session_new(fb_passthrough_ops(there.driver), there.driver, NULL,
					&there.session),
			 0);
	assert_int_equal(fb_loopback_new(there.session, &client, &there.loopback), 0);
	move();
	assert_int_equal(node_getattr(&there, mounted, &attr), 0);
	assert_int_equal(attr.attr.flags, FB_ATTR_SUBMOUNT);
	assert_int_equal(node_getattr(&there, file.node, &attr), 0);
	assert_int_equal(attr.attr.flags, 0);
	assert_int_equal(attr.attr.size, 10);
	assert_int_equal(lookup(&there, lookup(&there, ROOT, "bind"), "file"), bound.node);
	assert_int_equal(node_syncfs(&there, file.node), 0);
	end_there();
	assert_int_equal(umount2(share_path(&share, "bind"), MNT_DETACH), 0);
	assert_int_equal(umount2(share_path(&share, "mounted"), MNT_DETACH), 0);
	teardown(NULL);
}

static void test_submounts(void **state)
{
	struct fb_passthrough_options options = plain();

	(void)state;
	if (!own_namespace)
		SKIP_BECAUSE("needs a mount namespace of its own");
	move_submounts(&options);
	options.handles = FB_HANDLES_NEVER;
	move_submounts(&options);
	options.handles = FB_HANDLES_PREFER;
	options.migration_mode = FB_MIGRATION_FILE_HANDLES;
	move_submounts(&options);
}

static void test_one_file_is_shared(void **state)
{
	const struct fb_passthrough_options options = plain();
	struct fb_passthrough *driver;
	struct fb_session *session;
	struct fb_loopback *loopback;

	(void)state;
	start(&options);
	share_make(&share, "file", "x", 0644);
	assert_int_equal(fb_passthrough_new(share_path(&share, "file"), &options, &driver), 0);
	assert_int_equal(fb_session_new(fb_passthrough_ops(driver), driver, NULL, &session), 0);
	assert_int_equal(fb_loopback_new(session, NULL, &loopback), 0);
	assert_int_equal(fb_state_save(session, &saved), 0);
	start_there(&options);
	assert_int_equal(load(), -ENOTDIR);
	assert_int_equal(fb_state_load(session, saved.bytes, saved.size), 0);
	fb_loopback_free(loopback);
	fb_session_unref(session);
	fb_passthrough_free(driver);
}

/* ---- hostile states --------------------------------------------------------------------------------- */

static void make_rich_state(const struct fb_passthrough_options *options)
{
	uint64_t fh;

	start(options);
	assert_int_equal(mkdir(share_path(&share, "dir"), 0755), 0);
	share_make(&share, "file", "x", 0644);
	share_make(&share, "gone", "x", 0644);
	share_open_name(&share, "file", O_RDWR);
	share_open_name(&share, "gone", O_RDWR);
	assert_int_equal(unlink(share_path(&share, "gone")), 0);
	assert_int_equal(share_open_dir(&share, lookup(&share, ROOT, "dir"), O_RDONLY, &fh), 0);
	start_there(options);
	assert_int_equal(save(), 0);
}

/* Wherever it is cut, and whatever byte changes: an error or a client that can be served. */
static void test_damaged(void **state)
{
	struct fb_passthrough_options options = plain();
	size_t whole;
	unsigned descriptors;

	(void)state;
	options.migration_on_error = FB_MIGRATION_GUEST_ERROR;
	make_rich_state(&options);
	whole = saved.size;
	assert_int_equal(load(), 0);
	descriptors = share_descriptors();
	for (size_t size = sizeof(struct fb_wire_state); size < whole; size++) {
		saved.size = size;
		seal();
		assert_true(load() < 0);
	}
	saved.size = whole;
	for (size_t at = sizeof(struct fb_wire_state); at < whole; at++) {
		static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
		uint8_t old = saved.bytes[at];

		for (unsigned i = 0; i < 5; i++) {
			saved.bytes[at] = values[i];
			seal();
			(void)load();
		}
		saved.bytes[at] = old;
	}
	seal();
	assert_int_equal(load(), 0);
	assert_int_equal(share_descriptors(), descriptors);
	assert_int_equal(fb_state_put(&saved, "x", 1), 0);
	seal();
	assert_int_equal(load(), -EINVAL);
	says("left over");
}

/* Paths that try to leave the share. */
static void test_ways_out(void **state)
{
	static const char *const paths[] = { "../out", "/etc/x", "in/../..", "up/../x" };
	const struct fb_passthrough_options options = plain();

	(void)state;
	start(&options);
	share_make(&share, "000000", "x", 0644);
	assert_int_equal(symlink("/etc", share_path(&share, "up")), 0);
	assert_int_equal(mkdir(share_path(&share, "in"), 0755), 0);
	lookup(&share, ROOT, "000000");
	start_there(&options);
	for (unsigned i = 0; i < 4; i++) {
		uint8_t *at;

		assert_int_equal(save(), 0);
		at = memmem(saved.bytes, saved.size, "000000", 6);
		assert_non_null(at);
		at[-4] = (uint8_t)strlen(paths[i]);
		memmove(at + strlen(paths[i]), at + 6, saved.size - (size_t)(at + 6 - saved.bytes));
		memcpy(at, paths[i], strlen(paths[i]));
		saved.size = saved.size - 6 + strlen(paths[i]);
		seal();
		assert_true(load() < 0);
	}
}

static void test_options(void **state)
{
	struct fb_passthrough_options options = plain();
	struct fb_passthrough *driver;

	(void)state;
	options.migration_mode = FB_MIGRATION_FILE_HANDLES;
	options.migration_verify_handles = true;
	assert_int_equal(fb_passthrough_new("/", &options, &driver), -EINVAL);
	says("no paths to verify");
	options.migration_verify_handles = false;
	options.migration_confirm_paths = true;
	assert_int_equal(fb_passthrough_new("/", &options, &driver), -EINVAL);
	options = plain();
	options.migration_mode = (enum fb_migration_mode)2;
	assert_int_equal(fb_passthrough_new("/", &options, &driver), -EINVAL);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_going_on),
		TEST(test_many_moves),
		TEST(test_names),
		TEST(test_deep),
		TEST(test_directory_position),
		TEST(test_renamed),
		TEST(test_replaced),
		TEST(test_another_type),
		TEST(test_one_file_twice),
		TEST(test_unlinked),
		TEST(test_unlinked_by_handle),
		TEST(test_handles_are_trusted),
		TEST(test_read_only_there),
		TEST(test_locks),
		TEST(test_many),
		TEST(test_submounts),
		TEST(test_one_file_is_shared),
		TEST(test_damaged),
		TEST(test_ways_out),
		TEST(test_options),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
