/* SPDX-License-Identifier: BSD-3-Clause */
/* What of the /dev/fuse transport needs no mount: sizes, bad arguments, the mount table. */
#include "cmocka_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/fb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/dev_fuse.h"
#include "transport/mount_table.h"
#include "transport/mountpoint.h"

#define HEADERS 80u /* of a WRITE */
#define XATTR_MAX (HEADERS + 256 + 65536u)
#define IOCTL_IN (40 + 32 + 16383u)

static void check_sizes(size_t page, uint32_t max_write, uint32_t limit)
{
	struct fb_dev_fuse_sizes s = fb_dev_fuse_sizes(page, max_write, limit);
	size_t behind_ioctl = (s.lead + IOCTL_IN + page - 1) / page * page;
	size_t behind_getxattr = page + page;

	assert_int_equal((s.lead + HEADERS) % page, 0);
	assert_int_equal(s.lead % 8, 0);
	assert_int_equal(s.room % page, 0);
	assert_int_equal(s.message, HEADERS + s.room);
	assert_true(s.message >= XATTR_MAX);
	assert_true(s.lead + s.message <= s.buffer);
	/* A READ's answer starts at the second page, an IOCTL's and a GETXATTR's further behind. */
	assert_true(page + s.room <= s.buffer);
	assert_true(behind_ioctl + 16384 <= s.buffer);
	assert_true(behind_getxattr + 65536 <= s.buffer);
	/* All the core may grant: whole pages, no more than the kernel allows. */
	assert_true(s.room >= 32 * page);
	assert_true(limit < 32 || s.room <= (size_t)limit * page);
}

static void test_sizes(void **state)
{
	static const uint32_t writes[] = { 1, 4096, 65536, 131072, 1048575, 1048576, 256u << 20 };
	static const uint32_t limits[] = { 1, 32, 256, 1024, 65535 };

	(void)state;
	for (size_t w = 0; w < sizeof(writes) / sizeof(writes[0]); w++)
		for (size_t l = 0; l < sizeof(limits) / sizeof(limits[0]); l++) {
			check_sizes(4096, writes[w], limits[l]);
			check_sizes(65536, writes[w], limits[l]);
		}
	assert_int_equal(fb_dev_fuse_sizes(4096, 1u << 20, 256).room, 1u << 20);
	assert_int_equal(fb_dev_fuse_sizes(4096, 4u << 20, 256).room, 1u << 20);
}

static int lookup(void *self, struct fb_req *req, uint64_t parent, const char *name,
		  struct fb_entry *ret_entry)
{
	(void)self;
	(void)req;
	(void)parent;
	(void)name;
	(void)ret_entry;
	return -ENOENT;
}

static struct fb_session *session_new(void)
{
	const struct fb_driver_ops ops = { .size = sizeof(ops), .lookup = lookup };
	struct fb_session *session;

	assert_int_equal(fb_session_new(&ops, NULL, NULL, &session), 0);
	return session;
}

/* Mount and expect it to fail with this error and a sentence that holds these words. */
static void expect_failure(const char *mountpoint, const char *options, int error,
			   const char *words)
{
	struct fb_mount_options o = { .size = sizeof(o), .options = options };
	struct fb_session *session = session_new();

	assert_int_equal(fb_mount(session, mountpoint, &o), -error);
	if (!strstr(fb_last_error(), words))
		fail_msg("\"%s\" does not say \"%s\"", fb_last_error(), words);
	fb_session_unref(session);
}

static void test_bad_mountpoints(void **state)
{
	char name[] = "/tmp/fb-dev-fuse-XXXXXX", below[64], fifo[64];

	(void)state;
	assert_non_null(mkdtemp(name));
	snprintf(below, sizeof(below), "%s/none", name);
	snprintf(fifo, sizeof(fifo), "%s/fifo", name);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	expect_failure(below, NULL, ENOENT, "does not exist");
	expect_failure(fifo, NULL, ENOTDIR, "neither a directory nor a regular file");
	expect_failure("/dev/null/x", NULL, ENOTDIR, "not a directory");
	expect_failure("", NULL, EINVAL, "no mountpoint");
	expect_failure(NULL, NULL, EINVAL, "no mountpoint");
	expect_failure(name, "frobnicate", EINVAL, "\"frobnicate\"");
	unlink(fifo);
	rmdir(name);
}

static void test_bad_descriptors(void **state)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	char name[32];

	(void)state;
	assert_true(fd >= 0);
	snprintf(name, sizeof(name), "/dev/fd/%d", fd);
	expect_failure(name, NULL, EINVAL, "not a descriptor of /dev/fuse");
	close(fd);
	expect_failure("/dev/fd/999999", NULL, EBADF, "no such descriptor");
	expect_failure("/dev/fd/", NULL, EINVAL, "not a number");
	expect_failure("/dev/fd/-1", NULL, EINVAL, "not a number");
	expect_failure("/dev/fd/1x", NULL, EINVAL, "not a number");
	expect_failure("/dev/fd/99999999999999999999", NULL, EINVAL, "not a number");
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		SKIP_BECAUSE("no /dev/fuse here");
	snprintf(name, sizeof(name), "/dev/fd/%d", fd);
	expect_failure(name, NULL, EINVAL, "not mounted yet");
	/* What was refused still belongs to the caller. */
	assert_int_equal(close(fd), 0);
}

static void test_bad_arguments(void **state)
{
	struct fb_mount_options no_size = { .size = 0 };
	struct fb_session *session = session_new();
	struct fb_loopback *loopback;

	(void)state;
	assert_int_equal(fb_mount(NULL, "/tmp", NULL), -EINVAL);
	assert_int_equal(fb_mount(session, "/tmp", &no_size), -EINVAL);
	assert_int_equal(fb_loopback_new(session, NULL, &loopback), 0);
	assert_int_equal(fb_mount(session, "/tmp", NULL), -EBUSY);
	fb_loopback_free(loopback);
	fb_session_unref(session);
}

static void test_unmount_of_other_things(void **state)
{
	(void)state;
	assert_int_equal(fb_unmount(NULL), -EINVAL);
	assert_int_equal(fb_unmount(""), -EINVAL);
	assert_int_equal(fb_unmount("/nonexistent/at/all"), -ENOENT);
	assert_int_equal(fb_unmount("/proc/self"), -EINVAL);
	assert_non_null(strstr(fb_last_error(), "not a mount point"));
	assert_int_equal(fb_unmount("/proc"), -EINVAL);
	assert_non_null(strstr(fb_last_error(), "not a mount of a FUSE file system"));
}

static void test_resolve(void **state)
{
	char name[] = "/tmp/fb-dev-fuse-XXXXXX", link[64], file[64], before[PATH_MAX];
	struct fb_mountpoint point;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(name));
	snprintf(link, sizeof(link), "%s/link", name);
	snprintf(file, sizeof(file), "%s/a file", name);
	fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlink(name, link), 0);

	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(name), 0);
	assert_int_equal(fb_mountpoint_resolve(".", false, &point), 0);
	assert_string_equal(point.path, name);
	assert_int_equal(point.type, S_IFDIR);
	assert_int_equal(fb_mountpoint_resolve("link/", false, &point), 0);
	assert_string_equal(point.path, name);
	assert_int_equal(fb_mountpoint_resolve("link/a file", false, &point), 0);
	assert_string_equal(point.path, file);
	assert_int_equal(point.type, S_IFREG);
	unlink(file);
	unlink(link);
	rmdir(name);
	assert_int_equal(fb_mountpoint_resolve(".", false, &point), -ENOENT);
	assert_int_equal(chdir(before), 0);
}

static void test_mount_table(void **state)
{
	struct fb_mount_entry entry;
	int fd = open("/proc", O_PATH | O_CLOEXEC);
	uint64_t number = fb_mount_number(fd);

	(void)state;
	assert_true(number > 0);
	assert_int_equal(fb_mount_entry_find(number, &entry), 0);
	assert_string_equal(entry.path, "/proc");
	assert_int_equal(entry.id.number, number);
	assert_false(entry.fuse);
	close(fd);
	assert_int_equal(fb_mount_number(fd), 0);
	assert_int_equal(fb_mount_entry_find(UINT64_MAX, &entry), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_bad_mountpoints),
		cmocka_unit_test(test_bad_descriptors),
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_unmount_of_other_things),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_mount_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
