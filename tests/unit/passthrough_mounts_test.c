/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The passthrough driver and mounts of the host: submounts, their descriptors, mountinfo. Runs in a
 * mount namespace of its own.
 */
#include "cmocka_setup.h"

#include "node_client.h"

#include "drivers/passthrough/state.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT FB_ROOT_NODE

static struct share_client share;
static bool own_namespace;

static int enter_namespace(void **state)
{
	(void)state;
	own_namespace =
		unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	return 0;
}

static void need_namespace(void)
{
	if (!own_namespace)
		SKIP_BECAUSE("needs a mount namespace of its own");
}

static void start(enum fb_inode_handles handles, bool announce)
{
	struct fb_passthrough_options options = { .size = sizeof(options),
						  .handles = handles,
						  .announce_submounts = announce };
	struct fb_loopback_options client = {
		.size = sizeof(client),
		.offered = ~(FB_INIT_RESERVED | FB_INIT_OVER_IO_URING) & (FB_INIT_BIT(43) - 1)
	};

	share_open(&share, &options, &client);
}

static int teardown(void **state)
{
	(void)state;
	if (share.session)
		share_close(&share);
	share = (struct share_client){ 0 };
	return 0;
}

static void make_mount(const char *name, const char *source)
{
	const char *path = share_path(&share, name);

	assert_int_equal(mkdir(path, 0755), 0);
	if (source)
		assert_int_equal(mount(source, path, NULL, MS_BIND, NULL), 0);
	else
		assert_int_equal(mount("none", path, "tmpfs", 0, "size=1m"), 0);
}

static void unmount(const char *name)
{
	assert_int_equal(umount2(share_path(&share, name), MNT_DETACH), 0);
}

/* The same directory seen through two mounts is two nodes, each the root of a mount. */
static void bind_mounts(enum fb_inode_handles handles)
{
	struct fb_wire_entry_out a, b, inner;
	struct fb_wire_attr_out attr;

	start(handles, true);
	assert_true(share.granted & FB_INIT_SUBMOUNTS);
	assert_int_equal(mkdir(share_path(&share, "real"), 0755), 0);
	make_mount("bind", share_path(&share, "real"));
	share_make(&share, "real/file", "x", 0600);
	assert_int_equal(share_lookup(&share, ROOT, "real", &a), 0);
	assert_int_equal(share_lookup(&share, ROOT, "bind", &b), 0);
	assert_int_equal(a.attr.ino, b.attr.ino);
	assert_int_not_equal(a.nodeid, b.nodeid);
	assert_int_equal(a.attr.flags, 0);
	assert_int_equal(b.attr.flags, FB_ATTR_SUBMOUNT);
	/* In every answer, and only for the mount point. */
	assert_int_equal(node_getattr(&share, b.nodeid, &attr), 0);
	assert_int_equal(attr.attr.flags, FB_ATTR_SUBMOUNT);
	assert_int_equal(share_lookup(&share, b.nodeid, "file", &inner), 0);
	assert_int_equal(inner.attr.flags, 0);
	assert_int_equal(node_link(&share, inner.nodeid, a.nodeid, "link", &a), -EXDEV);
	assert_int_equal(node_syncfs(&share, b.nodeid), 0);
	unmount("bind");
	teardown(NULL);
}

static void test_bind_mounts(void **state)
{
	(void)state;
	need_namespace();
	bind_mounts(FB_HANDLES_NEVER);
	bind_mounts(FB_HANDLES_PREFER);
}

/* The flags that READDIRPLUS tells of a name in the root. */
static uint32_t listed_flags(const char *name)
{
	uint8_t answer[8192];
	struct fb_wire_direntplus wire;
	uint64_t fh;
	ssize_t got;

	assert_int_equal(share_open_dir(&share, ROOT, O_RDONLY, &fh), 0);
	got = share_list(&share, FB_OP_READDIRPLUS, ROOT, fh, 0, answer, sizeof(answer));
	share_release_dir(&share, ROOT, fh);
	for (size_t at = 0; got > 0 && at < (size_t)got;
	     at += (sizeof(wire) + wire.dirent.namelen + 7) / 8 * 8) {
		memcpy(&wire, answer + at, sizeof(wire));
		if (wire.dirent.namelen != strlen(name) ||
		    memcmp(answer + at + sizeof(wire), name, strlen(name)) != 0)
			continue;
		assert_int_not_equal(wire.entry_out.nodeid, 0);
		return wire.entry_out.attr.flags;
	}
	fail_msg("%s is not listed", name);
	return 0;
}

static uint32_t set_mode_flags(uint64_t node, uint32_t mode)
{
	const struct fb_wire_setattr_in set = { .valid = FB_SETATTR_MODE, .mode = mode };
	struct fb_wire_attr_out attr;

	assert_int_equal(node_setattr(&share, node, &set, &attr), 0);
	assert_int_equal(attr.attr.mode & 07777, mode);
	return attr.attr.flags;
}

/* G14: a client that hears of the mount in one answer only takes it for a plain folder again. */
static void test_every_answer_tells_of_mounts(void **state)
{
	static const bool announce[] = { true, false };

	(void)state;
	need_namespace();
	for (size_t i = 0; i < sizeof(announce) / sizeof(announce[0]); i++) {
		uint32_t expected = announce[i] ? FB_ATTR_SUBMOUNT : 0;
		struct fb_wire_entry_out entry;
		struct fb_wire_attr_out attr;

		start(FB_HANDLES_PREFER, announce[i]);
		make_mount("tmp", NULL);
		assert_int_equal(mkdir(share_path(&share, "plain"), 0755), 0);
		/* Before anything else has told of it. */
		assert_int_equal(listed_flags("tmp"), expected);
		assert_int_equal(listed_flags("plain"), 0);
		assert_int_equal(share_lookup(&share, ROOT, "tmp", &entry), 0);
		assert_int_equal(entry.attr.flags, expected);
		assert_int_equal(set_mode_flags(entry.nodeid, 0711), expected);
		assert_int_equal(node_getattr(&share, entry.nodeid, &attr), 0);
		assert_int_equal(attr.attr.flags, expected);
		assert_int_equal(set_mode_flags(node_of(&share, "plain"), 0711), 0);
		assert_int_equal(set_mode_flags(ROOT, 0777), 0);
		/* Folders made inside are part of the mount, not mounts. */
		assert_int_equal(node_mkdir(&share, entry.nodeid, "inner", 0755, &entry), 0);
		assert_int_equal(entry.attr.flags, 0);
		unmount("tmp");
		teardown(NULL);
	}
}

static void test_not_announced(void **state)
{
	struct fb_wire_entry_out entry;

	(void)state;
	need_namespace();
	start(FB_HANDLES_PREFER, false);
	make_mount("tmp", NULL);
	assert_int_equal(share_lookup(&share, ROOT, "tmp", &entry), 0);
	assert_int_equal(entry.attr.flags, 0);
	assert_int_equal(entry.attr.ino, 1); /* H10: tmpfs begins there */
	assert_int_not_equal(entry.nodeid, ROOT);
	assert_int_equal(node_mkdir(&share, entry.nodeid, "dir", 0755, &entry), 0);
	assert_int_equal(node_syncfs(&share, ROOT), 0);
	unmount("tmp");
}

static void expect_close_on_exec(void)
{
	int ours = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (int fd = 3; fd < ours; fd++) {
		char path[32], target[256];
		int flags = fcntl(fd, F_GETFD);

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (flags < 0 || readlink(path, target, sizeof(target)) < 0)
			continue;
		if (memcmp(target, share.dir, strlen(share.dir)) == 0)
			assert_true(flags & FD_CLOEXEC);
	}
	close(ours);
}

/* P12, with fewer: as many descriptors afterwards as before, none left to children. */
static void test_many_bind_mounts(void **state)
{
	struct fb_wire_entry_out entry, inner;
	static uint64_t nodes[2 * 200];
	unsigned before;
	char name[32];

	(void)state;
	need_namespace();
	start(FB_HANDLES_PREFER, true);
	assert_int_equal(mkdir(share_path(&share, "real"), 0755), 0);
	share_make(&share, "real/file", "x", 0600);
	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "bind%u", i);
		make_mount(name, share_path(&share, "real"));
	}
	before = share_descriptors();
	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "bind%u", i);
		assert_int_equal(share_lookup(&share, ROOT, name, &entry), 0);
		assert_int_equal(share_lookup(&share, entry.nodeid, "file", &inner), 0);
		nodes[2 * i] = entry.nodeid;
		nodes[2 * i + 1] = inner.nodeid;
	}
	assert_int_equal(share.driver->mounts.count, 201);
	expect_close_on_exec();
	for (unsigned i = 0; i < 400; i++)
		share_forget(&share, nodes[i], 1);
	assert_int_equal(share_descriptors(), before);
	assert_int_equal(share.driver->mounts.count, 1);
	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "bind%u", i);
		unmount(name);
	}
}

/* P14: more mounts over time than small numbers would hold. */
static void test_mounts_come_and_go(void **state)
{
	struct fb_wire_entry_out entry, inner;

	(void)state;
	need_namespace();
	start(FB_HANDLES_PREFER, true);
	for (unsigned i = 0; i < 300; i++) {
		make_mount("tmp", NULL);
		share_make(&share, "tmp/file", "x", 0600);
		assert_int_equal(share_lookup(&share, ROOT, "tmp", &entry), 0);
		assert_int_equal(share_lookup(&share, entry.nodeid, "file", &inner), 0);
		share_forget(&share, inner.nodeid, 1);
		share_forget(&share, entry.nodeid, 1);
		unmount("tmp");
		assert_int_equal(rmdir(share_path(&share, "tmp")), 0);
	}
	assert_int_equal(share.driver->mounts.count, 1);
}

/* A file bind-mounted over a file: the mount has no directory that we could see. */
static void test_mounted_file(void **state)
{
	struct fb_wire_entry_out entry;
	struct share_file file;
	char byte;

	(void)state;
	need_namespace();
	start(FB_HANDLES_PREFER, true);
	share_make(&share, "from", "from", 0600);
	share_make(&share, "over", "over", 0600);
	assert_int_equal(
		mount(share_path(&share, "from"), share_path(&share, "over"), NULL, MS_BIND, NULL),
		0);
	assert_int_equal(share_lookup(&share, ROOT, "over", &entry), 0);
	assert_int_equal(entry.attr.flags, 0);
	file = share_open_name(&share, "over", O_RDONLY);
	assert_int_equal(share_read(&share, file.node, file.fh, &byte, 1, 0, O_RDONLY), 1);
	assert_int_equal(byte, 'f');
	assert_int_equal(node_unlink(&share, ROOT, "over"), -EBUSY);
	unmount("over");
}

/* Linux before 5.8 does not tell mounts apart: a handle might be looked for on the wrong one. */
static void test_no_handles_without_mount_ids(void **state)
{
	struct fb_mount_fd *mount;

	(void)state;
	start(FB_HANDLES_PREFER, true);
	assert_int_equal(fb_mount_fds_get(share.driver, NULL, 0, share.driver->source_fd, &mount),
			 0);
	assert_true(mount->fd >= 0);
	assert_false(mount->handles);
	fb_mount_fds_put(mount);
}

static int find(const char *text, uint64_t mnt_id, char **ret_path)
{
	FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	int result;

	assert_non_null(file);
	result = fb_mount_fds_find(file, mnt_id, ret_path);
	fclose(file);
	return result;
}

static void test_mountinfo(void **state)
{
	static const char text[] =
		"21 1 8:1 / / rw shared:1 - ext4 /dev/vda rw\n"
		"bad line\n"
		"22 21 0:5 /root\\040x /mnt/a\\040b\\134c\\011\\012d rw - tmpfs none rw\n"
		"222 21 0:5 / /other\\9\\04 rw - tmpfs none rw\n";
	char *path;

	(void)state;
	assert_int_equal(find(text, 22, &path), 0);
	assert_string_equal(path, "/mnt/a b\\c\t\nd");
	free(path);
	assert_int_equal(find(text, 21, &path), 0);
	assert_string_equal(path, "/");
	free(path);
	assert_int_equal(find(text, 222, &path), 0);
	assert_string_equal(path, "/other\\9\\04");
	free(path);
	assert_int_equal(find(text, 2, &path), -ENOENT);
	assert_int_equal(find("", 2, &path), -ENOENT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_bind_mounts),      TEST(test_not_announced),
		TEST(test_many_bind_mounts), TEST(test_mounts_come_and_go),
		TEST(test_mounted_file),     TEST(test_no_handles_without_mount_ids),
		TEST(test_mountinfo),        TEST(test_every_answer_tells_of_mounts),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
