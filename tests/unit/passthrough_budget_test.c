/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors of the passthrough driver: more nodes than may be open, closing what is idle, opening
 * it again by its file handle, and what happens when there is nothing to close.
 */
#include "cmocka_setup.h"

#include "node_client.h"

#include "drivers/passthrough/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT FB_ROOT_NODE
#define LIMIT 64u
#define FILES 1000u

static struct share_client share;
static uint64_t nodes[FILES];
static unsigned logged;

static void count_log(void *arg, enum fb_log_level level, const char *text)
{
	(void)arg;
	(void)text;
	if (level == FB_LOG_WARNING)
		logged++;
}

static int teardown(void **state)
{
	(void)state;
	share_close(&share);
	fb_log_set(NULL, NULL);
	return 0;
}

static void start(enum fb_inode_handles handles)
{
	struct fb_passthrough_options options = { .size = sizeof(options),
						  .handles = handles,
						  .max_descriptors = LIMIT };

	logged = 0;
	share_open(&share, &options, NULL);
	fb_log_set(count_log, NULL);
}

/* File handles need a capability and a file system that has them. */
static void start_with_handles(void)
{
	start(FB_HANDLES_PREFER);
	if (share.driver->handle_mode == FB_HANDLES_NEVER)
		SKIP_BECAUSE("file handles can not be used here");
}

static void make_name(char name[static 16], unsigned i)
{
	snprintf(name, 16, "f%u", i);
}

static void make_files(unsigned count)
{
	char name[16];

	for (unsigned i = 0; i < count; i++) {
		make_name(name, i);
		share_make(&share, name, "x", 0600);
	}
}

static void look_up_all(unsigned count)
{
	char name[16];

	for (unsigned i = 0; i < count; i++) {
		make_name(name, i);
		nodes[i] = node_of(&share, name);
	}
}

/* P17, H11 */
static void test_more_nodes_than_descriptors(void **state)
{
	struct fb_wire_attr_out attr;
	unsigned before;

	(void)state;
	start_with_handles();
	before = share_descriptors();
	make_files(FILES);
	look_up_all(FILES);
	assert_int_equal(share.driver->inodes.count, FILES + 1);
	assert_true(share.driver->budget.taken <= LIMIT);
	assert_true(share_descriptors() <= before + LIMIT);
	assert_true(share.driver->budget.evictions > 0);
	for (unsigned i = 0; i < FILES; i++) {
		assert_int_equal(node_getattr(&share, nodes[i], &attr), 0);
		assert_int_equal(attr.attr.size, 1);
	}
	/* The same files are the same nodes, with their descriptors closed meanwhile. */
	for (unsigned i = 0; i < FILES; i++) {
		char name[16];

		make_name(name, i);
		assert_int_equal(node_of(&share, name), nodes[i]);
		share_forget(&share, nodes[i], 2);
	}
	assert_int_equal(share.driver->inodes.count, 1);
	assert_true(share_descriptors() <= before);
	assert_int_equal(logged, 0);
}

/* Directories, symbolic links and open files come back as well. */
static void test_all_kinds_come_back(void **state)
{
	struct fb_wire_entry_out dir, link, entry;
	struct share_file file;
	char target[16], byte;

	(void)state;
	start_with_handles();
	make_files(FILES);
	assert_int_equal(node_mkdir(&share, ROOT, "dir", 0700, &dir), 0);
	share_make(&share, "dir/inner", "inner", 0600);
	assert_int_equal(node_symlink(&share, ROOT, "link", "there", &link), 0);
	file = share_open_name(&share, "f0", O_RDONLY);
	look_up_all(FILES);
	assert_int_equal(node_readlink(&share, link.nodeid, target, sizeof(target)), 5);
	assert_int_equal(share_lookup(&share, dir.nodeid, "inner", &entry), 0);
	assert_int_equal(node_link(&share, link.nodeid, dir.nodeid, "link2", &entry), 0);
	look_up_all(FILES);
	assert_int_equal(node_mkdir(&share, dir.nodeid, "sub", 0700, &entry), 0);
	assert_int_equal(share_read(&share, file.node, file.fh, &byte, 1, 0, O_RDONLY), 1);
	assert_int_equal(share_release(&share, file.node, file.fh, 0), 0);
}

/* Whether a node's descriptor is closed just now: the next use has to open it by its handle. */
static bool is_closed(uint64_t node)
{
	struct fb_inode *inode = fb_inode_get(share.driver, node);
	bool closed;

	assert_non_null(inode);
	closed = inode->fd < 0;
	fb_inode_put(share.driver, inode);
	return closed;
}

/* Use so many other files that the descriptor of this one is closed. */
static void close_descriptor_of(uint64_t node)
{
	struct fb_wire_attr_out attr;

	for (unsigned i = 0; i < FILES && !is_closed(node); i++)
		assert_int_equal(node_getattr(&share, nodes[i], &attr), 0);
	assert_true(is_closed(node));
}

/* P4: the server needs its own rights to open by handle, and the user's to make things. */
static void users_work_on_closed_nodes(bool caller_credentials)
{
	struct fb_passthrough_options options = { .size = sizeof(options),
						  .handles = FB_HANDLES_MANDATORY,
						  .caller_credentials = caller_credentials,
						  .max_descriptors = LIMIT };
	struct fb_wire_entry_out dir, entry;
	struct fb_wire_create_out made;
	struct fb_wire_open_out open;
	uint64_t file;

	share_open(&share, &options, NULL);
	make_files(FILES);
	look_up_all(FILES);
	share.uid = 1000;
	share.gid = 1001;
	assert_int_equal(node_mkdir(&share, ROOT, "dir", 0700, &dir), 0);
	close_descriptor_of(dir.nodeid);
	assert_int_equal(node_mkdir(&share, dir.nodeid, "sub", 0755, &entry), 0);
	assert_int_equal(entry.attr.uid, 1000);
	assert_int_equal(entry.attr.gid, 1001);
	close_descriptor_of(dir.nodeid);
	assert_int_equal(node_symlink(&share, dir.nodeid, "link", "there", &entry), 0);
	assert_int_equal(entry.attr.uid, 1000);
	close_descriptor_of(dir.nodeid);
	assert_int_equal(share_create(&share, dir.nodeid, "file", 0600, O_RDWR, &made), 0);
	assert_int_equal(made.entry.attr.uid, 1000);
	assert_int_equal(made.entry.attr.gid, 1001);
	file = made.entry.nodeid;
	assert_int_equal(share_write(&share, file, made.open.fh, "x", 1, 0, O_RDWR, 0), 1);
	assert_int_equal(share_release(&share, file, made.open.fh, 0), 0);
	/* Create finds it again, with both closed. */
	close_descriptor_of(file);
	close_descriptor_of(dir.nodeid);
	assert_true(is_closed(file));
	assert_int_equal(share_create(&share, dir.nodeid, "file", 0600, O_RDWR | O_TRUNC, &made),
			 0);
	assert_int_equal(made.entry.nodeid, file);
	assert_int_equal(made.entry.attr.size, 0);
	assert_int_equal(made.entry.attr.uid, 1000);
	assert_int_equal(share_release(&share, file, made.open.fh, 0), 0);
	close_descriptor_of(file);
	assert_int_equal(share_open_file(&share, file, O_RDWR, 0, &open), 0);
	assert_int_equal(share_release(&share, file, open.fh, 0), 0);
	close_descriptor_of(file);
	close_descriptor_of(dir.nodeid);
	assert_int_equal(node_link(&share, file, dir.nodeid, "second", &entry), 0);
	assert_int_equal(entry.nodeid, file);
	assert_int_equal(entry.attr.nlink, 2);
	/* The rights to open by handle are not those to look in. */
	close_descriptor_of(dir.nodeid);
	share.uid = share.gid = 1002;
	assert_int_equal(node_mkdir(&share, dir.nodeid, "other", 0755, &entry), -EACCES);
	assert_int_equal(share_create(&share, dir.nodeid, "other", 0600, O_RDWR, &made), -EACCES);
	assert_int_equal(geteuid(), 0);
}

static void test_users_work_on_closed_nodes(void **state)
{
	(void)state;
	start_with_handles();
	if (geteuid() != 0)
		SKIP_BECAUSE("only root may act as others");
	share_close(&share);
	users_work_on_closed_nodes(false);
	share_close(&share);
	users_work_on_closed_nodes(true);
}

/* A file without a name can not be opened by its handle: its descriptor is kept or got back. */
static void test_unlinked_nodes_survive(void **state)
{
	struct fb_wire_attr_out attr;
	struct fb_wire_entry_out dir;
	uint64_t early, late, replaced;

	(void)state;
	start_with_handles();
	make_files(FILES);
	share_make(&share, "early", "x", 0600);
	share_make(&share, "late", "x", 0600);
	share_make(&share, "replaced", "x", 0600);
	early = node_of(&share, "early");
	late = node_of(&share, "late");
	replaced = node_of(&share, "replaced");
	assert_int_equal(node_mkdir(&share, ROOT, "dir", 0700, &dir), 0);
	assert_int_equal(node_unlink(&share, ROOT, "early"), 0);
	look_up_all(FILES);
	assert_int_equal(node_unlink(&share, ROOT, "late"), 0);
	assert_int_equal(node_rmdir(&share, ROOT, "dir"), 0);
	assert_int_equal(node_rename(&share, ROOT, "f0", ROOT, "replaced", 0), 0);
	for (unsigned i = 1; i < FILES; i++)
		assert_int_equal(node_getattr(&share, nodes[i], &attr), 0);
	assert_int_equal(node_getattr(&share, early, &attr), 0);
	assert_int_equal(node_getattr(&share, late, &attr), 0);
	assert_int_equal(node_getattr(&share, dir.nodeid, &attr), 0);
	assert_int_equal(node_getattr(&share, replaced, &attr), 0);
	assert_int_equal(attr.attr.nlink, 0);
}

/* D13: fails one call at a time, says so once, and recovers. */
static void test_nothing_to_close(void **state)
{
	struct fb_wire_entry_out entry;
	unsigned known = 0;
	char name[16];

	(void)state;
	start(FB_HANDLES_NEVER);
	make_files(2 * LIMIT);
	for (unsigned i = 0; i < 2 * LIMIT; i++) {
		int result;

		make_name(name, i);
		result = share_lookup(&share, ROOT, name, &entry);
		if (result == 0)
			nodes[known++] = entry.nodeid;
		else
			assert_int_equal(result, -ENFILE);
	}
	assert_in_range(known, LIMIT / 2, LIMIT);
	assert_int_equal(share.driver->budget.taken, LIMIT);
	assert_int_equal(logged, 1);
	share_forget(&share, nodes[0], 1);
	assert_int_equal(share_lookup(&share, ROOT, "f100", &entry), 0);
}

/* Take one answer of READDIRPLUS apart: count each name and look at its numbers. */
static uint64_t take_plus(const uint8_t *answer, size_t size, unsigned seen[2 * LIMIT],
			  unsigned *nodes_given)
{
	struct fb_wire_direntplus wire = { 0 };

	for (size_t at = 0; at < size; at += (sizeof(wire) + wire.dirent.namelen + 7) / 8 * 8) {
		char name[16] = "";
		struct stat host;

		memcpy(&wire, answer + at, sizeof(wire));
		assert_in_range(wire.dirent.namelen, 1, sizeof(name) - 1);
		memcpy(name, answer + at + sizeof(wire), wire.dirent.namelen);
		if (*name != 'f') /* . and .. */
			continue;
		seen[strtoul(name + 1, NULL, 10) % (2 * LIMIT)]++;
		assert_int_equal(lstat(share_path(&share, name), &host), 0);
		assert_int_equal(wire.dirent.ino, host.st_ino);
		assert_int_equal(wire.dirent.type, DT_REG);
		if (wire.entry_out.nodeid)
			++*nodes_given;
	}
	return wire.dirent.off;
}

/* D13: a listing goes on where there are no descriptors left, without nodes. */
static void test_listing_beyond_the_budget(void **state)
{
	unsigned seen[2 * LIMIT] = { 0 }, nodes_given = 0;
	uint64_t fh, cookie = 0;
	uint8_t answer[4096];
	ssize_t got;

	(void)state;
	start(FB_HANDLES_NEVER);
	make_files(2 * LIMIT);
	assert_int_equal(share_open_dir(&share, ROOT, O_RDONLY, &fh), 0);
	for (;;) {
		got = share_list(&share, FB_OP_READDIRPLUS, ROOT, fh, cookie, answer,
				 sizeof(answer));
		assert_true(got >= 0);
		if (got == 0)
			break;
		cookie = take_plus(answer, (size_t)got, seen, &nodes_given);
	}
	for (unsigned i = 0; i < 2 * LIMIT; i++)
		assert_int_equal(seen[i], 1);
	/* Others are those of the root, of the listing and of the table of mounts. */
	assert_int_equal(nodes_given, LIMIT - 3);
	assert_int_equal(share.driver->budget.taken, LIMIT);
	assert_int_equal(share_release_dir(&share, ROOT, fh), 0);
}

/* Who says how many descriptors there may be has chosen the process's limit as well. */
static void test_limit_is_raised_by_default_only(void **state)
{
	struct fb_budget budget;
	struct rlimit old, small, now;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	small = (struct rlimit){ .rlim_cur = 256, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
	assert_int_equal(fb_budget_init(&budget, LIMIT), 0);
	assert_int_equal(budget.limit, LIMIT);
	assert_int_equal(fb_budget_init(&budget, 5000), 0);
	assert_int_equal(budget.limit, 128);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
	assert_true(now.rlim_cur == 256 && now.rlim_max == old.rlim_max);
	assert_int_equal(fb_budget_init(&budget, 0), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_true(now.rlim_cur > 256);
}

static void test_open_files_count(void **state)
{
	struct share_file files[LIMIT];
	struct fb_wire_open_out open;
	unsigned count = 0;
	uint64_t node;
	int result;

	(void)state;
	start_with_handles();
	make_files(1);
	node = node_of(&share, "f0");
	while ((result = share_open_file(&share, node, O_RDONLY, 0, &open)) == 0) {
		assert_true(count < LIMIT);
		files[count++].fh = open.fh;
	}
	assert_int_equal(result, -ENFILE);
	assert_true(count > LIMIT / 2);
	while (count > 0)
		assert_int_equal(share_release(&share, node, files[--count].fh, 0), 0);
	assert_int_equal(share_open_file(&share, node, O_RDONLY, 0, &open), 0);
}

/* The process runs out before the budget does: close idle ones and try again. */
static void test_process_runs_out(void **state)
{
	struct fb_passthrough_options options = { .size = sizeof(options) };
	struct rlimit old, small;
	struct fb_wire_entry_out entry;
	char name[16];

	(void)state;
	share_open(&share, &options, NULL);
	if (share.driver->handle_mode == FB_HANDLES_NEVER)
		SKIP_BECAUSE("file handles can not be used here");
	make_files(FILES);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	small = (struct rlimit){ .rlim_cur = share_descriptors() + 50, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
	for (unsigned i = 0; i < FILES; i++) {
		make_name(name, i);
		assert_int_equal(share_lookup(&share, ROOT, name, &entry), 0);
	}
	assert_true(share.driver->budget.evictions > 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

/* Two threads walk more files than there are descriptors: a closed one must never be used. */
static void *walk(void *arg)
{
	struct fb_passthrough *fs = arg;
	struct statx statx;

	for (unsigned i = 0; i < 8 * FILES; i++) {
		struct fb_inode *inode = fb_inode_get(fs, nodes[(i * 7 + i / 13) % FILES]);
		const char *complaint = NULL;

		if (!inode)
			return "a node was lost";
		if (fb_inode_stat(fs, inode, &statx) < 0)
			complaint = "a node could not be opened";
		else if (statx.stx_ino != inode->ino)
			complaint = "a descriptor of another file";
		fb_inode_put(fs, inode);
		if (complaint)
			return (void *)(uintptr_t)complaint;
	}
	return NULL;
}

static void test_eviction_beside_use(void **state)
{
	pthread_t threads[3];

	(void)state;
	start_with_handles();
	make_files(FILES);
	look_up_all(FILES);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, walk, share.driver), 0);
	for (unsigned i = 0; i < 3; i++) {
		void *complaint;

		assert_int_equal(pthread_join(threads[i], &complaint), 0);
		if (complaint)
			fail_msg("%s", (const char *)complaint);
	}
	assert_true(share.driver->budget.taken <= LIMIT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_more_nodes_than_descriptors),
		TEST(test_all_kinds_come_back),
		TEST(test_users_work_on_closed_nodes),
		TEST(test_unlinked_nodes_survive),
		TEST(test_nothing_to_close),
		TEST(test_listing_beyond_the_budget),
		cmocka_unit_test(test_limit_is_raised_by_default_only),
		TEST(test_open_files_count),
		TEST(test_process_runs_out),
		TEST(test_eviction_beside_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
