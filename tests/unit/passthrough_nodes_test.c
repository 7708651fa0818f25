/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations of the passthrough driver on nodes and names, as a client sees them.
 */
#include "cmocka_setup.h"

#include "node_client.h"

#include "drivers/passthrough/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ROOT FB_ROOT_NODE

static struct share_client share;

static int start(const struct fb_passthrough_options *options)
{
	share_open(&share, options, NULL);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return start(NULL);
}

static int teardown(void **state)
{
	(void)state;
	if (share.session) /* not skipped before it began */
		share_close(&share);
	share = (struct share_client){ 0 };
	return 0;
}

static void need_root(void)
{
	if (geteuid() != 0)
		SKIP_BECAUSE("needs root");
}

static struct stat host_stat(const char *name)
{
	struct stat stat;

	assert_int_equal(lstat(share_path(&share, name), &stat), 0);
	return stat;
}

/* ---- finding -------------------------------------------------------------------------------------- */

static void test_lookup(void **state)
{
	struct fb_wire_entry_out first, second;

	(void)state;
	share_make(&share, "file", "12345", 0640);
	assert_int_equal(share_lookup(&share, ROOT, "file", &first), 0);
	assert_int_equal(share_lookup(&share, ROOT, "file", &second), 0);
	assert_int_equal(first.nodeid, second.nodeid);
	assert_int_equal(first.generation, 0);
	assert_int_equal(first.attr.size, 5);
	assert_int_equal(first.attr.mode, S_IFREG | 0640);
	assert_int_equal(first.attr.ino, host_stat("file").st_ino);
	/* The loopback's client checks no permissions: each caller has to look names up. */
	assert_int_equal(first.entry_valid, 0);
	assert_int_equal(first.attr_valid, 1);
	assert_int_equal(share_lookup(&share, ROOT, "none", &first), -ENOENT);
	assert_int_equal(share_lookup(&share, second.nodeid, "x", &first), -ENOTDIR);
	assert_int_equal(share_lookup(&share, 4711, "file", &first), -ESTALE);
}

static void test_names_that_lead_out(void **state)
{
	struct fb_wire_entry_out entry;
	static const char *const names[] = { "..", ".", "a/b", "/etc", "../x" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_true(share_lookup(&share, ROOT, names[i], &entry) < 0);
}

static atomic_bool enough;

static void *move_about(void *unused)
{
	char here[PATH_MAX], there[PATH_MAX];

	(void)unused;
	snprintf(here, sizeof(here), "%s", share_path(&share, "here/file"));
	snprintf(there, sizeof(there), "%s", share_path(&share, "there/file"));
	while (!enough && rename(here, there) == 0 && rename(there, here) == 0)
		continue;
	return NULL;
}

/* openat2 answers EXDEV when the file leaves the directory while it is looked at. */
static void test_name_that_is_renamed_meanwhile(void **state)
{
	enum { LOOKUPS = 20000 };
	struct fb_wire_entry_out folder, entry;
	unsigned seen[2] = { 0 };
	pthread_t host;

	(void)state;
	assert_int_equal(mkdir(share_path(&share, "here"), 0755), 0);
	assert_int_equal(mkdir(share_path(&share, "there"), 0755), 0);
	share_make(&share, "here/file", "", 0644);
	assert_int_equal(share_lookup(&share, ROOT, "here", &folder), 0);
	enough = false;
	assert_int_equal(pthread_create(&host, NULL, move_about, NULL), 0);
	for (unsigned i = 0; i < LOOKUPS; i++) {
		int result = share_lookup(&share, folder.nodeid, "file", &entry);

		if (result < 0)
			assert_int_equal(result, -ENOENT);
		seen[result < 0]++;
	}
	enough = true;
	assert_int_equal(pthread_join(host, NULL), 0);
	assert_true(seen[0] > 0 && seen[1] > 0);
}

static void test_symlink_is_not_followed(void **state)
{
	struct fb_wire_entry_out entry;
	char target[4096];

	(void)state;
	assert_int_equal(symlink("/etc", share_path(&share, "out")), 0);
	assert_int_equal(share_lookup(&share, ROOT, "out", &entry), 0);
	assert_int_equal(entry.attr.mode & S_IFMT, S_IFLNK);
	assert_int_equal(node_readlink(&share, entry.nodeid, target, sizeof(target)), 4);
	assert_memory_equal(target, "/etc", 4);
	assert_int_equal(share_lookup(&share, entry.nodeid, "passwd", &entry), -ENOTDIR);
	assert_int_equal(node_readlink(&share, ROOT, target, sizeof(target)), -EINVAL);
}

static void test_hard_links_are_one_node(void **state)
{
	(void)state;
	share_make(&share, "a", "", 0600);
	assert_int_equal(link(share_path(&share, "a"), share_path(&share, "b")), 0);
	assert_int_equal(node_of(&share, "a"), node_of(&share, "b"));
}

static void test_forget(void **state)
{
	uint64_t node;
	struct fb_wire_attr_out attr;

	(void)state;
	share_make(&share, "file", "", 0600);
	node = node_of(&share, "file");
	assert_int_equal(node_of(&share, "file"), node);
	share_forget(&share, node, 1);
	assert_int_equal(node_getattr(&share, node, &attr), 0);
	share_forget(&share, node, 1000); /* H13 */
	assert_int_equal(node_getattr(&share, node, &attr), -ESTALE);
	share_forget(&share, node, 1);
	share_forget(&share, 4711, 1);
	share_forget(&share, ROOT, 1000);
	assert_int_equal(node_getattr(&share, ROOT, &attr), 0);
	assert_int_not_equal(node_of(&share, "file"), node);
}

static void test_unlinked_node_lives_until_forgotten(void **state)
{
	struct fb_wire_attr_out attr;
	uint64_t node;

	(void)state;
	share_make(&share, "file", "abc", 0600);
	node = node_of(&share, "file");
	assert_int_equal(node_unlink(&share, ROOT, "file"), 0);
	assert_int_equal(node_getattr(&share, node, &attr), 0);
	assert_int_equal(attr.attr.nlink, 0);
	assert_int_equal(attr.attr.size, 3);
}

static void test_negative_entry(void **state)
{
	struct fb_passthrough_options options = { .size = sizeof(options),
						  .negative_timeout_ns = 2500000000,
						  .entry_timeout_ns = FB_TIMEOUT_NONE };
	struct fb_wire_entry_out entry;

	(void)state;
	start(&options);
	assert_int_equal(share_lookup(&share, ROOT, "none", &entry), 0);
	assert_int_equal(entry.nodeid, 0);
	assert_int_equal(entry.entry_valid, 2);
	assert_int_equal(entry.entry_valid_nsec, 500000000);
	share_make(&share, "file", "", 0600);
	assert_int_equal(share_lookup(&share, ROOT, "file", &entry), 0);
	assert_int_equal(entry.entry_valid, 0);
	assert_int_equal(entry.entry_valid_nsec, 0);
	assert_int_equal(entry.attr_valid, 1);
}

static void test_cache_policies(void **state)
{
	static const uint64_t seconds[] = { 1, 0, 86400, 86400 };
	struct fb_wire_attr_out attr;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct fb_passthrough_options options = { .size = sizeof(options), .cache = i };

		start(&options);
		assert_int_equal(node_getattr(&share, ROOT, &attr), 0);
		assert_int_equal(attr.attr_valid, seconds[i]);
		assert_int_equal((share.granted & FB_INIT_DO_READDIRPLUS) != 0,
				 i != FB_CACHE_NEVER);
		if (i < 3)
			share_close(&share);
	}
}

static void test_timeouts_of_directories(void **state)
{
	struct fb_passthrough_options options = { .size = sizeof(options),
						  .entry_timeout_ns = 2000000000,
						  .attr_timeout_ns = 3000000000,
						  .dir_entry_timeout_ns = 4000000000,
						  .dir_attr_timeout_ns = 5000000000 };
	struct fb_wire_setattr_in set = { .valid = FB_SETATTR_MODE, .mode = 0700 };
	struct fb_wire_entry_out file, dir;
	struct fb_wire_statx_out statx;
	struct fb_wire_attr_out attr;

	(void)state;
	start(&options);
	share_make(&share, "file", "", 0600);
	assert_int_equal(mkdir(share_path(&share, "dir"), 0755), 0);
	assert_int_equal(share_lookup(&share, ROOT, "file", &file), 0);
	assert_int_equal(file.entry_valid, 2);
	assert_int_equal(file.attr_valid, 3);
	assert_int_equal(share_lookup(&share, ROOT, "dir", &dir), 0);
	assert_int_equal(dir.entry_valid, 4);
	assert_int_equal(dir.attr_valid, 5);
	assert_int_equal(node_getattr(&share, file.nodeid, &attr), 0);
	assert_int_equal(attr.attr_valid, 3);
	assert_int_equal(node_getattr(&share, dir.nodeid, &attr), 0);
	assert_int_equal(attr.attr_valid, 5);
	assert_int_equal(node_statx(&share, dir.nodeid, STATX_BASIC_STATS, &statx), 0);
	assert_int_equal(statx.attr_valid, 5);
	assert_int_equal(node_setattr(&share, dir.nodeid, &set, &attr), 0);
	assert_int_equal(attr.attr_valid, 5);
}

/* ---- making ----------------------------------------------------------------------------------------- */

static void test_make_all_types(void **state)
{
	struct fb_wire_entry_out entry;
	static const struct {
		const char *name;
		uint32_t mode, rdev;
	} made[] = {
		{ "file", S_IFREG | 04640, 0 },
		{ "fifo", S_IFIFO | 0644, 0 },
		{ "socket", S_IFSOCK | 0600, 0 },
		{ "null", S_IFCHR | 0666, (1 << 8) | 3 },
		{ "disk", S_IFBLK | 0600, (259 << 8) | 0x34 | (0x12 << 20) },
	};

	(void)state;
	need_root();
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		assert_int_equal(
			node_mknod(&share, ROOT, made[i].name, made[i].mode, made[i].rdev, &entry),
			0);
		assert_int_equal(entry.attr.mode, made[i].mode);
		assert_int_equal(entry.attr.rdev, made[i].rdev);
		assert_int_equal(entry.attr.ino, host_stat(made[i].name).st_ino);
		assert_int_equal(node_mknod(&share, ROOT, made[i].name, made[i].mode, 0, &entry),
				 -EEXIST);
	}
	assert_true(node_mknod(&share, ROOT, "bad", S_IFDIR | 0600, 0, &entry) < 0);
	assert_true(node_mknod(&share, ROOT, "bad", S_IFLNK | 0600, 0, &entry) < 0);
	assert_int_equal(node_mkdir(&share, ROOT, "dir", 01777, &entry), 0);
	assert_int_equal(entry.attr.mode, S_IFDIR | 01777);
	assert_int_equal(node_symlink(&share, ROOT, "link", "tar/get", &entry), 0);
	assert_int_equal(entry.attr.mode & S_IFMT, S_IFLNK);
	assert_int_equal(entry.attr.size, 7);
	assert_int_equal(node_symlink(&share, ROOT, "link", "x", &entry), -EEXIST);
}

/* D14: nothing but regular files and directories is opened on the host. */
static void test_special_files_are_not_opened(void **state)
{
	struct fb_wire_entry_out entry;
	struct fb_wire_open_out open;

	(void)state;
	need_root();
	assert_int_equal(node_mknod(&share, ROOT, "null", S_IFCHR | 0666, (1 << 8) | 3, &entry), 0);
	assert_int_equal(share_open_file(&share, entry.nodeid, O_RDONLY, 0, &open), -EBADF);
	assert_int_equal(node_mknod(&share, ROOT, "fifo", S_IFIFO | 0666, 0, &entry), 0);
	assert_int_equal(share_open_file(&share, entry.nodeid, O_RDONLY, 0, &open), -EBADF);
}

/* P4, H5: what a user makes is the user's. */
static void make_as_user(enum fb_inode_handles handles, enum fb_switch posix_acl)
{
	struct fb_passthrough_options options = { .size = sizeof(options),
						  .handles = handles,
						  .posix_acl = posix_acl };
	struct fb_wire_entry_out entry;
	struct fb_wire_create_out created;

	start(&options);
	share.uid = 1000;
	share.gid = 1001;
	assert_int_equal(node_mkdir(&share, ROOT, "dir", 0755, &entry), 0);
	assert_int_equal(entry.attr.uid, 1000);
	assert_int_equal(entry.attr.gid, 1001);
	assert_int_equal(node_symlink(&share, entry.nodeid, "link", "x", &entry), 0);
	assert_int_equal(entry.attr.uid, 1000);
	assert_int_equal(node_mknod(&share, ROOT, "file", S_IFREG | 0600, 0, &entry), 0);
	assert_int_equal(entry.attr.uid, 1000);
	assert_int_equal(node_mknod(&share, ROOT, "dev", S_IFCHR | 0600, 1 << 8, &entry), -EPERM);
	assert_int_equal(share_create(&share, ROOT, "new", 0600, O_RDWR | O_CREAT, &created), 0);
	assert_int_equal(created.entry.attr.uid, 1000);
	assert_int_equal(created.entry.attr.gid, 1001);
	assert_int_equal(geteuid(), 0);
	assert_int_equal(getegid(), 0);
}

static void test_made_by_user(void **state)
{
	(void)state;
	need_root();
	make_as_user(FB_HANDLES_PREFER, FB_OFF);
	share_close(&share);
	make_as_user(FB_HANDLES_MANDATORY, FB_ON);
	share_close(&share);
	make_as_user(FB_HANDLES_NEVER, FB_OFF);
}

/* D2: this id would mean "stay who you are". */
static void test_unknown_ids(void **state)
{
	struct fb_wire_entry_out entry;

	(void)state;
	share.uid = UINT32_MAX;
	assert_int_equal(node_mkdir(&share, ROOT, "dir", 0755, &entry), -EINVAL);
	share.uid = 0;
	share.gid = UINT32_MAX;
	assert_int_equal(node_mkdir(&share, ROOT, "dir", 0755, &entry), -EINVAL);
}

/* The groups that a request carries: ext_header, supp_groups, one gid. */
static const uint32_t group_extension[] = { 16, FB_WIRE_EXT_GROUPS, 1, 4242 };

/* P15, D3 */
static void test_supplementary_group(void **state)
{
	struct fb_passthrough_options options = { .size = sizeof(options), .posix_acl = FB_ON };
	struct fb_wire_entry_out dir, entry;
	gid_t groups[8];

	(void)state;
	need_root();
	start(&options);
	assert_int_equal(node_mkdir(&share, ROOT, "team", 0770, &dir), 0);
	assert_int_equal(chown(share_path(&share, "team"), 0, 4242), 0);
	assert_int_equal(chmod(share_path(&share, "team"), 02770), 0);
	share.uid = share.gid = 1000;
	assert_int_equal(node_mkdir_extended(&share, dir.nodeid, "mine", 0755, group_extension,
					     sizeof(group_extension), &entry),
			 0);
	assert_int_equal(entry.attr.gid, 4242);
	assert_int_equal(entry.attr.mode, S_IFDIR | 02755);
	/* It must not stay with the thread. */
	assert_int_equal(node_mkdir(&share, dir.nodeid, "other", 0755, &entry), -EACCES);
	share.uid = share.gid = 0;
	assert_int_equal(node_mkdir_extended(&share, dir.nodeid, "root", 0755, group_extension,
					     sizeof(group_extension), &entry),
			 0);
	for (int i = 0, count = getgroups(8, groups); i < count; i++)
		assert_int_not_equal(groups[i], 4242);
}

static void test_umask_is_the_clients(void **state)
{
	struct fb_wire_mkdir_in in = { .mode = 0777, .umask = 027 };
	struct iovec pieces[] = { { &in, sizeof(in) }, { "dir", 4 } };
	struct fb_wire_entry_out entry;
	mode_t old = umask(077);

	(void)state;
	assert_true(share.granted & FB_INIT_DONT_MASK);
	assert_int_equal(share_call(&share, FB_OP_MKDIR, ROOT, pieces, 2, &entry, sizeof(entry)),
			 sizeof(entry));
	assert_int_equal(entry.attr.mode, S_IFDIR | 0750);
	assert_int_equal(umask(old), 077);
}

static void test_link(void **state)
{
	struct fb_wire_entry_out entry;
	uint64_t node;

	(void)state;
	share_make(&share, "a", "", 0600);
	node = node_of(&share, "a");
	assert_int_equal(node_link(&share, node, ROOT, "b", &entry), 0);
	assert_int_equal(entry.nodeid, node);
	assert_int_equal(entry.attr.nlink, 2);
	assert_int_equal(node_link(&share, node, ROOT, "b", &entry), -EEXIST);
	assert_int_equal(node_link(&share, 4711, ROOT, "c", &entry), -ESTALE);
	/* Two lookups, one of them by link. */
	share_forget(&share, node, 1);
	assert_int_equal(node_link(&share, node, ROOT, "c", &entry), 0);
	assert_int_equal(node_symlink(&share, ROOT, "s", "a", &entry), 0);
	assert_int_equal(node_link(&share, entry.nodeid, ROOT, "s2", &entry), 0);
	assert_true(S_ISLNK(host_stat("s2").st_mode));
}

/* D10 */
static void test_label_that_fails_takes_the_name_back(void **state)
{
	struct fb_passthrough_options options = { .size = sizeof(options), .security_label = true };
	struct fb_loopback_options client = { .size = sizeof(client) };
	struct fb_wire_entry_out entry;
	struct stat stat;
	char value[16];
	struct {
		struct fb_wire_secctx_header header;
		struct fb_wire_secctx context;
		char text[24];
	} labels = { .header = { 40, 1 }, .context = { 5, 0 } };

	(void)state;
	need_root();
	share_open(&share, &options, &client);
	memcpy(labels.text, "security.fbtest\0label", 21);
	assert_int_equal(node_mkdir_extended(&share, ROOT, "labelled", 0755, &labels,
					     sizeof(labels), &entry),
			 0);
	assert_int_equal(
		getxattr(share_path(&share, "labelled"), "security.fbtest", value, sizeof(value)),
		5);
	memcpy(labels.text, "trusted.forbid!\0label", 21);
	assert_int_equal(
		node_mkdir_extended(&share, ROOT, "bad", 0755, &labels, sizeof(labels), &entry),
		-EINVAL);
	assert_int_equal(lstat(share_path(&share, "bad"), &stat), -1);
}

/* ---- removing and moving ------------------------------------------------------------------------------ */

static void test_remove(void **state)
{
	struct fb_wire_entry_out entry;

	(void)state;
	share_make(&share, "file", "", 0600);
	assert_int_equal(node_mkdir(&share, ROOT, "dir", 0700, &entry), 0);
	share_make(&share, "dir/inner", "", 0600);
	assert_int_equal(node_unlink(&share, ROOT, "dir"), -EISDIR);
	assert_int_equal(node_rmdir(&share, ROOT, "file"), -ENOTDIR);
	assert_int_equal(node_rmdir(&share, ROOT, "dir"), -ENOTEMPTY);
	assert_int_equal(node_unlink(&share, ROOT, "none"), -ENOENT);
	assert_int_equal(node_unlink(&share, entry.nodeid, "inner"), 0);
	assert_int_equal(node_rmdir(&share, ROOT, "dir"), 0);
	assert_int_equal(node_unlink(&share, ROOT, "file"), 0);
	assert_int_equal(node_unlink(&share, 4711, "file"), -ESTALE);
}

/* H1 */
static void test_rename(void **state)
{
	struct stat stat;

	(void)state;
	share_make(&share, "a", "a", 0600);
	share_make(&share, "b", "b", 0600);
	assert_int_equal(node_rename(&share, ROOT, "a", ROOT, "b", FB_RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(node_rename(&share, ROOT, "a", ROOT, "b", FB_RENAME_EXCHANGE), 0);
	share_expect(&share, "a", "b");
	assert_int_equal(node_rename(&share, ROOT, "a", ROOT, "c", FB_RENAME_WHITEOUT), 0);
	stat = host_stat("a");
	assert_true(S_ISCHR(stat.st_mode));
	assert_int_equal(stat.st_rdev, 0);
	assert_int_equal(node_rename(&share, ROOT, "b", ROOT, "c", 0), 0);
	share_expect(&share, "c", "a");
	assert_int_equal(node_rename(&share, ROOT, "b", ROOT, "c", 0), -ENOENT);
	assert_int_equal(node_rename(&share, ROOT, "c", ROOT, "b", 1u << 9), -EINVAL);
	assert_int_equal(
		node_rename(&share, ROOT, "c", ROOT, "b", FB_RENAME_NOREPLACE | FB_RENAME_EXCHANGE),
		-EINVAL);
}

static void test_whiteout_is_the_callers(void **state)
{
	(void)state;
	need_root();
	share.uid = share.gid = 1000;
	share_make(&share, "a", "", 0600);
	assert_int_equal(chown(share_path(&share, "a"), 1000, 1000), 0);
	assert_int_equal(node_rename(&share, ROOT, "a", ROOT, "b", FB_RENAME_WHITEOUT), 0);
	assert_int_equal(host_stat("a").st_uid, 1000);
}

/* ---- attributes ----------------------------------------------------------------------------------------- */

static void test_getattr_with_handle(void **state)
{
	struct share_file file;

	(void)state;
	share_make(&share, "file", "", 0600);
	file = share_open_name(&share, "file", O_RDWR);
	assert_int_equal(node_getattr_fh(&share, file.node, file.fh), 0);
	assert_int_equal(node_getattr_fh(&share, file.node, file.fh + 1), -EBADF);
	assert_int_equal(node_getattr_fh(&share, file.node, 0), -EBADF);
	share_make(&share, "other", "", 0600);
	assert_int_equal(node_getattr_fh(&share, node_of(&share, "other"), file.fh), -EBADF);
	assert_int_equal(share_release(&share, file.node, file.fh, 0), 0);
	assert_int_equal(node_getattr_fh(&share, file.node, file.fh), -EBADF);
}

/* H3 */
static void test_statx_tells_birth(void **state)
{
	struct fb_wire_statx_out out;
	struct statx host;

	(void)state;
	share_make(&share, "file", "abc", 0600);
	assert_int_equal(statx(AT_FDCWD, share_path(&share, "file"), 0, STATX_BTIME, &host), 0);
	assert_int_equal(node_statx(&share, node_of(&share, "file"),
				    STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &out),
			 0);
	assert_int_equal(out.stat.mask & (STATX_BASIC_STATS | STATX_BTIME),
			 STATX_BASIC_STATS | (host.stx_mask & STATX_BTIME));
	assert_false(out.stat.mask & STATX_MNT_ID);
	assert_int_equal(out.stat.btime.tv_sec, host.stx_btime.tv_sec);
	assert_int_equal(out.stat.btime.tv_nsec, host.stx_btime.tv_nsec);
	assert_int_equal(out.stat.size, 3);
}

/* D11 */
static void test_setattr_order(void **state)
{
	struct fb_wire_setattr_in set = {
		.valid = FB_SETATTR_UID | FB_SETATTR_GID | FB_SETATTR_MODE | FB_SETATTR_SIZE |
			 FB_SETATTR_MTIME | FB_SETATTR_ATIME_NOW,
		.uid = 1000,
		.gid = 1000,
		.mode = 04755,
		.size = 3,
		.mtime = 1000000000,
		.mtimensec = 7,
	};
	struct fb_wire_attr_out attr;

	(void)state;
	need_root();
	share_make(&share, "file", "12345", 0600);
	assert_int_equal(node_setattr(&share, node_of(&share, "file"), &set, &attr), 0);
	assert_int_equal(attr.attr.mode, S_IFREG | 04755);
	assert_int_equal(attr.attr.uid, 1000);
	assert_int_equal(attr.attr.size, 3);
	assert_int_equal(attr.attr.mtime, 1000000000);
	assert_int_equal(attr.attr.mtimensec, 7);
	assert_true(attr.attr.atime > 1000000000);
}

static void test_setattr_refuses(void **state)
{
	struct fb_wire_setattr_in set = { .valid = FB_SETATTR_UID, .uid = UINT32_MAX };
	struct fb_wire_attr_out attr;
	uint64_t node;

	(void)state;
	share_make(&share, "file", "", 0600);
	node = node_of(&share, "file");
	assert_int_equal(node_setattr(&share, node, &set, &attr), -EINVAL);
	set = (struct fb_wire_setattr_in){ .valid = FB_SETATTR_MTIME, .mtimensec = 1000000000 };
	assert_int_equal(node_setattr(&share, node, &set, &attr), -EINVAL);
	set.mtimensec = UTIME_OMIT;
	assert_int_equal(node_setattr(&share, node, &set, &attr), -EINVAL);
	set = (struct fb_wire_setattr_in){ .valid = FB_SETATTR_SIZE, .size = UINT64_MAX };
	assert_true(node_setattr(&share, node, &set, &attr) < 0);
	set.size = 0;
	assert_int_equal(node_setattr(&share, ROOT, &set, &attr), -EISDIR);
	set.valid |= FB_SETATTR_FH;
	assert_int_equal(node_setattr(&share, node, &set, &attr), -EBADF);
	assert_int_equal(symlink("x", share_path(&share, "link")), 0);
	set = (struct fb_wire_setattr_in){ .valid = FB_SETATTR_MODE, .mode = 0600 };
	assert_int_equal(node_setattr(&share, node_of(&share, "link"), &set, &attr), -EOPNOTSUPP);
	/* A change time can not be set: ignored. valid 0 occurs. */
	set = (struct fb_wire_setattr_in){ .valid = FB_SETATTR_CTIME, .ctime = 5 };
	assert_int_equal(node_setattr(&share, node, &set, &attr), 0);
	set.valid = 0;
	assert_int_equal(node_setattr(&share, node, &set, &attr), 0);
}

static void test_setattr_on_symlink(void **state)
{
	struct fb_wire_setattr_in set = { .valid = FB_SETATTR_UID | FB_SETATTR_MTIME,
					  .uid = 12,
					  .mtime = 5 };
	struct fb_wire_attr_out attr;

	(void)state;
	need_root();
	share_make(&share, "file", "", 0600);
	assert_int_equal(symlink("file", share_path(&share, "link")), 0);
	assert_int_equal(node_setattr(&share, node_of(&share, "link"), &set, &attr), 0);
	assert_int_equal(host_stat("link").st_uid, 12);
	assert_int_equal(host_stat("link").st_mtime, 5);
	assert_int_equal(host_stat("file").st_uid, 0);
}

/* Truncation clears suid when the client asks for it, and only then. */
static void test_truncate_kills_suid(void **state)
{
	struct fb_wire_setattr_in set = { .valid = FB_SETATTR_SIZE, .size = 1 };
	struct fb_wire_attr_out attr;
	uint64_t node;

	(void)state;
	need_root();
	share_make(&share, "file", "12345", 0600);
	assert_int_equal(chmod(share_path(&share, "file"), 06755), 0);
	node = node_of(&share, "file");
	assert_int_equal(node_setattr(&share, node, &set, &attr), 0);
	assert_int_equal(attr.attr.mode, S_IFREG | 06755);
	set.valid |= FB_SETATTR_KILL_SUIDGID;
	set.size = 0;
	assert_int_equal(node_setattr(&share, node, &set, &attr), 0);
	assert_int_equal(attr.attr.mode, S_IFREG | 0755);
}

/* Mandatory-lock files: the bit has nothing to do with execution and stays. */
static void test_truncate_keeps_sgid_without_execution(void **state)
{
	struct fb_wire_setattr_in set = { .valid = FB_SETATTR_SIZE | FB_SETATTR_KILL_SUIDGID };
	struct fb_wire_attr_out attr;

	(void)state;
	need_root();
	share_make(&share, "file", "12345", 0600);
	assert_int_equal(chown(share_path(&share, "file"), 0, 4242), 0);
	assert_int_equal(chmod(share_path(&share, "file"), 06644), 0);
	assert_int_equal(node_setattr(&share, node_of(&share, "file"), &set, &attr), 0);
	assert_int_equal(attr.attr.mode, S_IFREG | 02644);
	assert_int_equal(attr.attr.size, 0);
}

/* What clears the bits over the truncation must not take those that come with it. */
static void test_truncate_and_chmod(void **state)
{
	struct fb_wire_setattr_in set = {
		.valid = FB_SETATTR_SIZE | FB_SETATTR_KILL_SUIDGID | FB_SETATTR_MODE,
		.mode = 02755,
	};
	struct fb_wire_attr_out attr;

	(void)state;
	need_root();
	share_make(&share, "file", "12345", 0600);
	assert_int_equal(chown(share_path(&share, "file"), 0, 4242), 0);
	assert_int_equal(chmod(share_path(&share, "file"), 04755), 0);
	assert_int_equal(node_setattr(&share, node_of(&share, "file"), &set, &attr), 0);
	assert_int_equal(attr.attr.mode, S_IFREG | 02755);
	assert_int_equal(attr.attr.size, 0);
}

static void test_seal_size(void **state)
{
	struct fb_passthrough_options options = { .size = sizeof(options), .seal_size = true };
	struct fb_wire_setattr_in set = { .valid = FB_SETATTR_SIZE, .size = 1 };
	struct fb_wire_attr_out attr;

	(void)state;
	start(&options);
	share_make(&share, "file", "12345", 0600);
	assert_int_equal(node_setattr(&share, node_of(&share, "file"), &set, &attr), -EPERM);
	set.size = 5;
	assert_int_equal(node_setattr(&share, node_of(&share, "file"), &set, &attr), 0);
	assert_int_equal(host_stat("file").st_size, 5);
}

/* D15 */
static void test_read_only(void **state)
{
	struct fb_passthrough_options options = { .size = sizeof(options), .read_only = true };
	struct fb_wire_setattr_in set = { .valid = FB_SETATTR_MODE };
	struct fb_wire_attr_out attr;
	struct fb_wire_entry_out entry;
	uint64_t node;

	(void)state;
	start(&options);
	share_make(&share, "file", "", 0600);
	node = node_of(&share, "file");
	assert_int_equal(node_mkdir(&share, ROOT, "d", 0700, &entry), -EROFS);
	assert_int_equal(node_mknod(&share, ROOT, "n", S_IFREG, 0, &entry), -EROFS);
	assert_int_equal(node_symlink(&share, ROOT, "s", "x", &entry), -EROFS);
	assert_int_equal(node_link(&share, node, ROOT, "l", &entry), -EROFS);
	assert_int_equal(node_unlink(&share, ROOT, "file"), -EROFS);
	assert_int_equal(node_rmdir(&share, ROOT, "d"), -EROFS);
	assert_int_equal(node_rename(&share, ROOT, "file", ROOT, "f", 0), -EROFS);
	assert_int_equal(node_setattr(&share, node, &set, &attr), -EROFS);
	assert_int_equal(node_access(&share, node, W_OK), -EROFS);
	assert_int_equal(node_access(&share, node, R_OK), 0);
}

static void test_permissions_of_the_caller(void **state)
{
	struct fb_wire_entry_out entry;
	struct fb_wire_setattr_in set = { .valid = FB_SETATTR_MODE, .mode = 0777 };
	struct fb_wire_attr_out attr;
	uint64_t node, dir;

	(void)state;
	need_root();
	share_make(&share, "file", "", 0640);
	assert_int_equal(mkdir(share_path(&share, "dir"), 0700), 0);
	share_make(&share, "dir/inner", "", 0644);
	node = node_of(&share, "file");
	dir = node_of(&share, "dir");
	assert_int_equal(node_access(&share, node, R_OK | W_OK), 0);
	assert_int_equal(node_access(&share, node, X_OK), -EACCES);
	assert_int_equal(node_access(&share, node, 8), -EINVAL);
	/* The loopback's client does not check permissions: the host does. */
	share.uid = share.gid = 1000;
	assert_int_equal(node_access(&share, node, R_OK), -EACCES);
	assert_int_equal(node_access(&share, node, F_OK), 0);
	assert_int_equal(share_lookup(&share, dir, "inner", &entry), -EACCES);
	assert_int_equal(node_setattr(&share, node, &set, &attr), -EPERM);
	assert_int_equal(node_unlink(&share, dir, "inner"), -EACCES);
	share.gid = 0;
	assert_int_equal(node_access(&share, node, R_OK), 0);
}

static void test_statfs_and_syncfs(void **state)
{
	struct fb_wire_statfs_out out;

	(void)state;
	assert_int_equal(node_statfs(&share, ROOT, &out), 0);
	assert_true(out.st.blocks > 0 && out.st.bsize > 0 && out.st.namelen > 0);
	assert_int_equal(node_syncfs(&share, ROOT), 0);
	assert_int_equal(node_statfs(&share, 4711, &out), -ESTALE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_OWN(name) cmocka_unit_test_teardown(name, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_lookup),
		TEST(test_names_that_lead_out),
		TEST(test_name_that_is_renamed_meanwhile),
		TEST(test_symlink_is_not_followed),
		TEST(test_hard_links_are_one_node),
		TEST(test_forget),
		TEST(test_unlinked_node_lives_until_forgotten),
		TEST_OWN(test_negative_entry),
		TEST_OWN(test_cache_policies),
		TEST_OWN(test_timeouts_of_directories),
		TEST(test_make_all_types),
		TEST(test_special_files_are_not_opened),
		TEST_OWN(test_made_by_user),
		TEST(test_unknown_ids),
		TEST_OWN(test_supplementary_group),
		TEST(test_umask_is_the_clients),
		TEST(test_link),
		TEST_OWN(test_label_that_fails_takes_the_name_back),
		TEST(test_remove),
		TEST(test_rename),
		TEST(test_whiteout_is_the_callers),
		TEST(test_getattr_with_handle),
		TEST(test_statx_tells_birth),
		TEST(test_setattr_order),
		TEST(test_setattr_refuses),
		TEST(test_setattr_on_symlink),
		TEST(test_truncate_kills_suid),
		TEST(test_truncate_keeps_sgid_without_execution),
		TEST(test_truncate_and_chmod),
		TEST_OWN(test_seal_size),
		TEST_OWN(test_read_only),
		TEST(test_permissions_of_the_caller),
		TEST(test_statfs_and_syncfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
