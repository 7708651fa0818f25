/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests of callers who may not, or are not who they say: rows F18 to F20 and F23. */
#include "stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NOBODY UINT32_MAX
#define CAPABILITY "security.capability"

/* ---- who asks ----------------------------------------------------------------------------------- */

static void need_root(void)
{
	if (geteuid() != 0)
		SKIP_BECAUSE("needs root");
}

static struct guest_caller caller(uint32_t uid, uint32_t gid)
{
	return (struct guest_caller){
		.guest = guest, .queue = GUEST_REQUESTS, .uid = uid, .gid = gid
	};
}

static void test_F18_nobody_creates(void **state)
{
	const struct guest_caller nobodies[] = { caller(NOBODY, 0), caller(0, NOBODY),
						 caller(NOBODY, NOBODY) };
	struct fb_wire_mknod_in node = { .mode = S_IFREG | 0600 };
	struct fb_wire_create_out made;
	struct fb_wire_entry_out entry;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		const struct guest_caller *who = &nobodies[i];

		assert_int_equal(guest_create(who, GUEST_ROOT, "new", O_RDWR, 0600, &made),
				 -EINVAL);
		assert_int_equal(guest_mkdir(who, GUEST_ROOT, "new", 0700, &entry), -EINVAL);
		assert_int_equal(guest_ask(who, FB_OP_MKNOD, GUEST_ROOT, &node, sizeof(node), "new",
					   4, &entry, sizeof(entry), NULL),
				 -EINVAL);
		assert_int_equal(guest_ask(who, FB_OP_SYMLINK, GUEST_ROOT, NULL, 0, "new\0to", 7,
					   &entry, sizeof(entry), NULL),
				 -EINVAL);
		assert_int_equal(access(host_path("new"), F_OK), -1);
	}
	works();
}

/* Whoever has no ids may still read: so requests look of clients whose mount maps ids. */
static void test_F18_nobody_reads(void **state)
{
	const struct guest_caller nobody = caller(NOBODY, NOBODY);
	struct fb_wire_create_out made = make_file("f");
	struct fb_wire_attr attr;
	uint64_t fh;

	(void)state;
	assert_int_equal(guest_getattr(&nobody, made.entry.nodeid, &attr), 0);
	assert_int_equal(guest_open(&nobody, made.entry.nodeid, O_RDONLY, &fh), 0);
	works();
}

/* -1 would mean "leave it" to chown(2). */
static void test_F18_nobody_owns(void **state)
{
	struct fb_wire_setattr_in in = { .valid = FB_SETATTR_UID, .uid = NOBODY };
	struct fb_wire_create_out made = make_file("f");
	struct fb_wire_attr_out out;

	(void)state;
	assert_int_equal(guest_ask(&first, FB_OP_SETATTR, made.entry.nodeid, &in, sizeof(in), NULL,
				   0, &out, sizeof(out), NULL),
			 -EINVAL);
	works();
}

/* ---- who the server is afterwards ----------------------------------------------------------------- */

/* What a thread's status says of ids, groups and effective capabilities. */
static void identity_of(const char *tid, char text[static 1024])
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/status", tid);
	file = fopen(path, "re");
	text[0] = '\0';
	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, "Uid:", 4) == 0 || strncmp(line, "Gid:", 4) == 0 ||
		    strncmp(line, "Groups:", 7) == 0 || strncmp(line, "CapEff:", 7) == 0)
			strncat(text, line, 1023 - strlen(text));
	if (file)
		fclose(file);
}

/* All threads of this process, the device's among them, are who they were. */
static void all_are_themselves(void)
{
	DIR *tasks = opendir("/proc/self/task");
	char ours[1024], theirs[1024];
	const struct dirent *task;
	unsigned threads = 0;

	assert_non_null(tasks);
	snprintf(theirs, sizeof(theirs), "%d", getpid());
	identity_of(theirs, ours);
	while ((task = readdir(tasks))) {
		if (task->d_name[0] == '.')
			continue;
		identity_of(task->d_name, theirs);
		if (theirs[0]) /* it is there still */
			assert_string_equal(theirs, ours);
		threads++;
	}
	closedir(tasks);
	assert_true(threads > 2);
}

struct with_groups {
	struct fb_wire_create_in in;
	char name[8];
	struct fb_wire_ext_header header;
	struct fb_wire_supp_groups groups;
	uint32_t ids[1];
};

/* CREATE with a supplementary group. */
static int create_with_group(uint32_t uid, uint32_t gid, uint32_t group, const char *name)
{
	struct with_groups body = {
		.in = { .flags = O_CREAT | O_RDWR, .mode = S_IFREG | 0660 },
		.header = { 16, FB_WIRE_EXT_GROUPS },
		.groups = { .nr_groups = 1 },
		.ids = { group },
	};
	struct request r;

	assert_int_equal(strlen(name), sizeof(body.name) - 1);
	memcpy(body.name, name, sizeof(body.name));
	r = request(FB_OP_CREATE, GUEST_ROOT, &body, sizeof(body));
	r.header.uid = uid;
	r.header.gid = gid;
	r.header.total_extlen = 2;
	return ask(&r, r.header.len, 512);
}

static void made_by(const char *name, uid_t uid, gid_t gid)
{
	struct stat stat;

	assert_int_equal(lstat(host_path(name), &stat), 0);
	assert_int_equal(stat.st_uid, uid);
	assert_int_equal(stat.st_gid, gid);
	assert_int_equal(unlink(host_path(name)), 0);
}

/* Groups of one request are not the next one's, whoever asks. */
static void test_F19_extra_groups(void **state)
{
	(void)state;
	need_root();
	greet(FLAGS | FB_INIT_INIT_EXT | FB_INIT_CREATE_SUPP_GROUP);
	assert_int_equal(chmod(device.folder, 01777), 0);
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(create_with_group(0, 0, 4242, "by_root"), 0);
		made_by("by_root", 0, 0);
		assert_int_equal(create_with_group(1000, 1001, 4243, "by_user"), 0);
		made_by("by_user", 1000, 1001);
	}
	works();
	all_are_themselves();
}

/* A request that fails after the switch leaves nobody behind. */
static void test_F19_failing_half_way(void **state)
{
	const struct guest_caller user = caller(1000, 1001);
	struct fb_wire_create_out made;
	struct fb_wire_entry_out entry;

	(void)state;
	need_root();
	greet(FLAGS | FB_INIT_INIT_EXT | FB_INIT_CREATE_SUPP_GROUP);
	(void)make_file("f");
	assert_int_equal(chmod(device.folder, 0700), 0); /* the user can not get in */
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(create_with_group(1000, 1001, 4242, "by_user"), -EACCES);
		assert_int_equal(guest_mkdir(&user, GUEST_ROOT, "dir", 0700, &entry), -EACCES);
		assert_int_equal(guest_mkdir(&first, GUEST_ROOT, "f", 0700, &entry), -EEXIST);
	}
	assert_int_equal(guest_create(&first, GUEST_ROOT, "by_root", O_RDWR, 0600, &made), 0);
	made_by("by_root", 0, 0);
	works();
	all_are_themselves();
}

/* ---- attributes ----------------------------------------------------------------------------------- */

/* SETXATTR of `there` bytes that says `size`. */
static int set_attribute(uint64_t node, const char *name, size_t length, uint32_t size,
			 size_t there)
{
	static uint8_t bytes[70000];
	struct {
		uint32_t size, flags;
	} in = { .size = size };

	memcpy(bytes, name, length);
	memset(bytes + length, 'v', there);
	return guest_ask(&first, FB_OP_SETXATTR, node, &in, sizeof(in), bytes, length + there, NULL,
			 0, NULL);
}

static void test_F20_sizes(void **state)
{
	struct fb_wire_create_out made = make_file("f");
	uint64_t node = made.entry.nodeid;

	(void)state;
	assert_int_equal(set_attribute(node, "user.x", 7, 10, 9), -EINVAL);
	assert_int_equal(set_attribute(node, "user.x", 7, 9, 10), -EINVAL);
	assert_int_equal(set_attribute(node, "user.x", 7, UINT32_MAX, 10), -EINVAL);
	assert_int_equal(set_attribute(node, "user.x", 7, 65537, 65537), -E2BIG);
	works();
}

static void test_F20_names(void **state)
{
	struct fb_wire_create_out made = make_file("f");
	uint64_t node = made.entry.nodeid;

	(void)state;
	assert_int_equal(set_attribute(node, "user.x", 6, 0, 0), -EINVAL); /* no NUL */
	assert_int_equal(set_attribute(node, "", 1, 0, 0), -EINVAL);
	works();
}

static bool has_capability(void)
{
	return getxattr(host_path("program"), "user.guest." CAPABILITY, NULL, 0) >= 0;
}

/* Give the program the capability under its other name. */
static void grant(uint64_t node)
{
	assert_int_equal(set_attribute(node, CAPABILITY, sizeof(CAPABILITY), 20, 20), 0);
	assert_true(has_capability());
}

/* Under another name the host does not take it away when the file is changed: the server does. */
static void test_F20_capability_by_another_name(void **state)
{
	const struct fb_passthrough_options how = { .size = sizeof(how),
						    .xattr_map = ":map::user.guest.:" };
	struct fb_wire_setattr_in cut = { .valid = FB_SETATTR_SIZE };
	struct fb_wire_setattr_in own = { .valid = FB_SETATTR_UID, .uid = geteuid() };
	struct fb_wire_create_out made;
	struct fb_wire_attr_out out;
	uint64_t node;
	size_t done;

	(void)state;
	share_anew(&how, NULL);
	made = make_file("program");
	node = made.entry.nodeid;
	if (setxattr(host_path("program"), "user.test", "", 0, 0) < 0)
		SKIP_BECAUSE("this file system has no user attributes");
	grant(node);
	assert_int_equal(guest_write(&first, node, made.open.fh, 0, "x", 1, &done), 0);
	assert_false(has_capability());
	grant(node);
	assert_int_equal(guest_ask(&first, FB_OP_SETATTR, node, &cut, sizeof(cut), NULL, 0, &out,
				   sizeof(out), NULL),
			 0);
	assert_false(has_capability());
	grant(node);
	assert_int_equal(guest_ask(&first, FB_OP_SETATTR, node, &own, sizeof(own), NULL, 0, &out,
				   sizeof(out), NULL),
			 0);
	assert_false(has_capability());
	works();
}

/* ---- shares that can not be changed ----------------------------------------------------------------- */

static uint64_t file_node, file_fh;

/* A change of the file or beside it. */
static int change(uint32_t opcode, const void *in, size_t in_size, const char *names, size_t size)
{
	uint8_t answer[512];
	size_t len;
	bool by_name = size > 0 && opcode != FB_OP_SETXATTR && opcode != FB_OP_REMOVEXATTR;

	return guest_ask(&first, opcode, by_name ? GUEST_ROOT : file_node, in, in_size, names, size,
			 answer, sizeof(answer), &len);
}

#define CHANGE(opcode, in, names) change(opcode, &(in), sizeof(in), names, sizeof(names) - 1)

static void names_stay(void)
{
	struct fb_wire_rename_in rename = { .newdir = GUEST_ROOT };
	struct fb_wire_rename2_in rename2 = { .newdir = GUEST_ROOT };
	struct fb_wire_link_in link = { .oldnodeid = file_node };
	struct fb_wire_mkdir_in mkdir = { .mode = 0700 };
	struct fb_wire_mknod_in mknod = { .mode = S_IFREG | 0600 };
	struct fb_wire_create_in create = { .flags = O_CREAT | O_RDWR, .mode = S_IFREG | 0600 };
	struct fb_wire_create_in tmpfile = { .flags = O_RDWR, .mode = S_IFREG | 0600 };

	assert_int_equal(CHANGE(FB_OP_RENAME, rename, "file\0new\0"), -EROFS);
	assert_int_equal(CHANGE(FB_OP_RENAME2, rename2, "file\0new\0"), -EROFS);
	assert_int_equal(CHANGE(FB_OP_LINK, link, "new\0"), -EROFS);
	assert_int_equal(CHANGE(FB_OP_MKDIR, mkdir, "new\0"), -EROFS);
	assert_int_equal(CHANGE(FB_OP_MKNOD, mknod, "new\0"), -EROFS);
	assert_int_equal(CHANGE(FB_OP_CREATE, create, "new\0"), -EROFS);
	assert_int_equal(CHANGE(FB_OP_TMPFILE, tmpfile, "/\0"), -EROFS);
	assert_int_equal(change(FB_OP_SYMLINK, NULL, 0, "new\0to", 7), -EROFS);
	assert_int_equal(change(FB_OP_UNLINK, NULL, 0, "file", 5), -EROFS);
	assert_int_equal(change(FB_OP_RMDIR, NULL, 0, "dir", 4), -EROFS);
}

static void opens_for_change(uint32_t flags)
{
	uint64_t fh;

	assert_int_equal(guest_open(&first, file_node, flags, &fh), -EROFS);
}

/* All that changes a file, with the error for a file that is open for reading only. */
static void content_stays(int error)
{
	struct fb_wire_setattr_in setattr = { .valid = FB_SETATTR_MODE, .mode = 0777 };
	struct fb_wire_write_in write = { .fh = file_fh, .size = 1 };
	struct fb_wire_fallocate_in fallocate = { .fh = file_fh, .length = 10 };
	struct fb_wire_copy_file_range_in copy = { .fh_in = file_fh,
						   .nodeid_out = file_node,
						   .fh_out = file_fh,
						   .off_out = 100,
						   .len = 1 };
	struct fb_wire_ioctl_in ioctl = { .fh = file_fh, .cmd = FS_IOC_SETFLAGS, .in_size = 4 };
	const uint32_t setxattr[] = { 1, 0 };
	uint8_t answer[64];
	size_t len;

	opens_for_change(O_RDWR);
	opens_for_change(O_WRONLY);
	opens_for_change(O_RDONLY | O_TRUNC);
	assert_int_equal(CHANGE(FB_OP_SETATTR, setattr, ""), -EROFS);
	assert_int_equal(CHANGE(FB_OP_SETXATTR, setxattr, "user.x\0v"), -EROFS);
	assert_int_equal(change(FB_OP_REMOVEXATTR, NULL, 0, "user.x", 7), -EROFS);
	assert_int_equal(guest_ask(&first, FB_OP_WRITE, file_node, &write, sizeof(write), "x", 1,
				   answer, sizeof(answer), &len),
			 error);
	assert_int_equal(CHANGE(FB_OP_FALLOCATE, fallocate, ""), error);
	assert_int_equal(CHANGE(FB_OP_COPY_FILE_RANGE, copy, ""), error);
	assert_int_equal(guest_ask(&first, FB_OP_IOCTL, file_node, &ioctl, sizeof(ioctl), "\0\0\0",
				   4, answer, sizeof(answer), &len),
			 -EROFS);
}

/* Everything is refused by the server; the tree of the host stays as it is, and can be read. */
static void nothing_changes(int error)
{
	struct fb_wire_entry_out entry;
	struct stat before, after;
	int fd = open(host_path("file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, "content", 7), 7);
	close(fd);
	assert_int_equal(mkdir(host_path("dir"), 0700), 0);
	assert_int_equal(stat(host_path("file"), &before), 0);
	assert_int_equal(guest_lookup(&first, GUEST_ROOT, "file", &entry), 0);
	file_node = entry.nodeid;
	assert_int_equal(guest_open(&first, file_node, O_RDONLY, &file_fh), 0);
	names_stay();
	content_stays(error);
	assert_int_equal(stat(host_path("file"), &after), 0);
	assert_memory_equal(&after.st_ctim, &before.st_ctim, sizeof(after.st_ctim));
	assert_int_equal(access(host_path("new"), F_OK), -1);
	assert_int_equal(access(host_path("dir"), F_OK), 0);
	works();
}

static void test_F23_session_of_readers(void **state)
{
	const struct fb_session_options readers = { .size = sizeof(readers), .read_only = true };

	(void)state;
	share_anew(NULL, &readers);
	nothing_changes(-EROFS);
}

static void test_F23_share_for_readers(void **state)
{
	const struct fb_passthrough_options how = { .size = sizeof(how), .read_only = true };

	(void)state;
	share_anew(&how, NULL);
	nothing_changes(-EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_F18_nobody_creates),
		TEST(test_F18_nobody_reads),
		TEST(test_F18_nobody_owns),
		TEST(test_F19_extra_groups),
		TEST(test_F19_failing_half_way),
		TEST(test_F20_sizes),
		TEST(test_F20_names),
		TEST(test_F20_capability_by_another_name),
		TEST(test_F23_session_of_readers),
		TEST(test_F23_share_for_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
