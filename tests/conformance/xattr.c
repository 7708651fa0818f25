/* SPDX-License-Identifier: BSD-3-Clause */
/* Extended attributes in the user namespace. */
#include "groups.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

static void expect_value(const char *path, const char *name, const void *wanted, size_t size)
{
	char *got = EXPECT_POINTER(malloc(XATTR_SIZE_MAX));

	EXPECT_EQ(EXPECT_OK(getxattr(path, name, got, XATTR_SIZE_MAX)), size);
	EXPECT_DATA(got, wanted, size);
	free(got);
}

static bool is_listed(const char *path, const char *name)
{
	char list[XATTR_LIST_MAX];
	int size = EXPECT_OK(llistxattr(path, list, sizeof(list)));

	EXPECT(size == 0 || list[size - 1] == '\0');
	for (int at = 0; at < size; at += (int)strlen(list + at) + 1)
		if (strcmp(list + at, name) == 0)
			return true;
	return false;
}

static void set_and_get(void)
{
	file_make("f", "");
	EXPECT_OK(setxattr("f", "user.name", "value", 5, 0));
	expect_value("f", "user.name", "value", 5);
	EXPECT(is_listed("f", "user.name"));
}

static void set_replaces(void)
{
	char big[500];

	memset(big, 'b', sizeof(big));
	file_make("f", "");
	EXPECT_OK(setxattr("f", "user.name", "value", 5, 0));
	EXPECT_OK(setxattr("f", "user.name", big, sizeof(big), 0));
	expect_value("f", "user.name", big, sizeof(big));
	EXPECT_OK(setxattr("f", "user.name", "v", 1, 0));
	expect_value("f", "user.name", "v", 1);
}

static void removed(void)
{
	char value[8];

	file_make("f", "");
	EXPECT_OK(setxattr("f", "user.name", "value", 5, 0));
	EXPECT_OK(removexattr("f", "user.name"));
	EXPECT_ERR(getxattr("f", "user.name", value, sizeof(value)), ENODATA);
	EXPECT_ERR(removexattr("f", "user.name"), ENODATA);
	EXPECT(!is_listed("f", "user.name"));
}

static void missing_attribute(void)
{
	char value[8];

	file_make("f", "");
	EXPECT_ERR(getxattr("f", "user.missing", value, sizeof(value)), ENODATA);
	EXPECT_ERR(getxattr("f", "user.missing", NULL, 0), ENODATA);
	EXPECT_ERR(removexattr("f", "user.missing"), ENODATA);
}

static void missing_file(void)
{
	char value[8];

	file_make("f", "");
	EXPECT_ERR(getxattr("missing", "user.name", value, sizeof(value)), ENOENT);
	EXPECT_ERR(setxattr("missing", "user.name", "v", 1, 0), ENOENT);
	EXPECT_ERR(listxattr("f/x", value, sizeof(value)), ENOTDIR);
}

static void create_flag(void)
{
	file_make("f", "");
	EXPECT_OK(setxattr("f", "user.name", "old", 3, XATTR_CREATE));
	EXPECT_ERR(setxattr("f", "user.name", "new", 3, XATTR_CREATE), EEXIST);
	expect_value("f", "user.name", "old", 3);
}

static void replace_flag(void)
{
	char value[8];

	file_make("f", "");
	EXPECT_ERR(setxattr("f", "user.name", "new", 3, XATTR_REPLACE), ENODATA);
	EXPECT_ERR(getxattr("f", "user.name", value, sizeof(value)), ENODATA);
	EXPECT_OK(setxattr("f", "user.name", "old", 3, 0));
	EXPECT_OK(setxattr("f", "user.name", "new", 3, XATTR_REPLACE));
	expect_value("f", "user.name", "new", 3);
}

static void unknown_flag(void)
{
	file_make("f", "");
	EXPECT_ERR(setxattr("f", "user.name", "v", 1, 0x100), EINVAL);
	EXPECT(!is_listed("f", "user.name"));
}

static void size_probe(void)
{
	char list[XATTR_LIST_MAX];

	file_make("f", "");
	EXPECT_OK(setxattr("f", "user.name", "value", 5, 0));
	EXPECT_EQ(EXPECT_OK(getxattr("f", "user.name", NULL, 0)), 5);
	EXPECT(EXPECT_OK(listxattr("f", NULL, 0)) >= EXPECT_OK(listxattr("f", list, sizeof(list))));
	EXPECT(EXPECT_OK(listxattr("f", list, sizeof(list))) >= (int)sizeof("user.name"));
}

static void small_buffer(void)
{
	char value[5] = "####";

	file_make("f", "");
	EXPECT_OK(setxattr("f", "user.name", "value", 5, 0));
	EXPECT_ERR(getxattr("f", "user.name", value, 4), ERANGE);
	EXPECT_ERR(listxattr("f", value, 4), ERANGE);
	EXPECT_EQ(EXPECT_OK(getxattr("f", "user.name", value, 5)), 5);
}

static void empty_value(void)
{
	char value[8];

	file_make("f", "");
	EXPECT_OK(setxattr("f", "user.name", "", 0, 0));
	EXPECT_EQ(EXPECT_OK(getxattr("f", "user.name", NULL, 0)), 0);
	EXPECT_EQ(EXPECT_OK(getxattr("f", "user.name", value, sizeof(value))), 0);
	EXPECT(is_listed("f", "user.name"));
}

static void binary_value(void)
{
	unsigned char value[256];

	for (int i = 0; i < 256; i++)
		value[i] = (unsigned char)i;
	file_make("f", "");
	EXPECT_OK(setxattr("f", "user.name", value, sizeof(value), 0));
	expect_value("f", "user.name", value, sizeof(value));
}

/*
 * Limits differ: every size up to the first refusal must be kept, and at least 512 bytes must go.
 */
static void large_values(void)
{
	static unsigned char value[XATTR_SIZE_MAX];
	size_t size;

	file_make("f", "");
	for (size = 256; size <= XATTR_SIZE_MAX; size *= 2) {
		data_fill(value, size, (unsigned)size);
		if (setxattr("f", "user.large", value, size, 0) < 0) {
			EXPECT(errno == ENOSPC || errno == E2BIG || errno == ERANGE);
			break;
		}
		expect_value("f", "user.large", value, size);
		EXPECT_EQ(EXPECT_OK(getxattr("f", "user.large", NULL, 0)), size);
	}
	EXPECT(size > 512);
	data_fill(value, size / 2, (unsigned)(size / 2));
	expect_value("f", "user.large", value, size / 2);
}

static void too_large_value(void)
{
	static unsigned char value[XATTR_SIZE_MAX + 1];

	file_make("f", "");
	EXPECT_ERR(setxattr("f", "user.name", value, sizeof(value), 0), E2BIG);
	EXPECT(!is_listed("f", "user.name"));
}

static void long_names(void)
{
	char name[XATTR_NAME_MAX + 2] = "user.";
	char value[8];

	memset(name + 5, 'n', XATTR_NAME_MAX - 5);
	file_make("f", "");
	EXPECT_OK(setxattr("f", name, "value", 5, 0));
	expect_value("f", name, "value", 5);
	EXPECT(is_listed("f", name));
	name[XATTR_NAME_MAX] = 'n';
	EXPECT_ERR(setxattr("f", name, "value", 5, 0), ERANGE);
	EXPECT_ERR(getxattr("f", name, value, sizeof(value)), ERANGE);
}

static void unusual_names(void)
{
	static const char *const names[] = { "user.a/b", "user.\xff\xfe", "user..", "user. ",
					     "user.new\nline" };

	file_make("f", "");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		EXPECT_OK(setxattr("f", names[i], names[i], strlen(names[i]), 0));
		expect_value("f", names[i], names[i], strlen(names[i]));
		EXPECT(is_listed("f", names[i]));
	}
}

static void bad_names(void)
{
	file_make("f", "");
	EXPECT_ERR(setxattr("f", "", "v", 1, 0), ERANGE);
	EXPECT_ERR2(setxattr("f", "nonsense.name", "v", 1, 0), EOPNOTSUPP, EPERM);
	EXPECT_ERR2(setxattr("f", "user.", "v", 1, 0), EINVAL, EOPNOTSUPP);
}

static void many_attributes(void)
{
	char name[32];

	file_make("f", "");
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "user.n%d", i);
		EXPECT_OK(setxattr("f", name, name, strlen(name), 0));
	}
	for (int i = 0; i < 30; i += 2) {
		snprintf(name, sizeof(name), "user.n%d", i);
		EXPECT_OK(removexattr("f", name));
	}
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "user.n%d", i);
		EXPECT_EQ(is_listed("f", name), i % 2);
		if (i % 2)
			expect_value("f", name, name, strlen(name));
	}
}

static void on_directory(void)
{
	dir_make("d", 0755);
	EXPECT_OK(setxattr("d", "user.name", "value", 5, 0));
	expect_value("d", "user.name", "value", 5);
	EXPECT(is_listed("d", "user.name"));
	file_make("d/f", "");
	EXPECT(!is_listed("d/f", "user.name"));
}

static void on_descriptor(void)
{
	char value[8];
	char list[256];
	int fd = file_open_new("f");

	EXPECT_OK(fsetxattr(fd, "user.name", "value", 5, 0));
	EXPECT_EQ(EXPECT_OK(fgetxattr(fd, "user.name", value, sizeof(value))), 5);
	EXPECT_OK(flistxattr(fd, list, sizeof(list)));
	expect_value("f", "user.name", "value", 5);
	EXPECT_OK(fremovexattr(fd, "user.name"));
	EXPECT(!is_listed("f", "user.name"));
}

static void refused_on_symlink(void)
{
	file_make("f", "");
	EXPECT_OK(symlink("f", "l"));
	EXPECT_ERR(lsetxattr("l", "user.name", "v", 1, 0), EPERM);
	EXPECT(!is_listed("l", "user.name"));
	EXPECT(!is_listed("f", "user.name"));
}

static void refused_on_fifo(void)
{
	EXPECT_OK(mkfifo("p", 0644));
	EXPECT_ERR(setxattr("p", "user.name", "v", 1, 0), EPERM);
}

static void follows_symlink(void)
{
	file_make("f", "");
	EXPECT_OK(symlink("f", "l"));
	EXPECT_OK(setxattr("l", "user.name", "value", 5, 0));
	expect_value("f", "user.name", "value", 5);
	EXPECT_OK(removexattr("l", "user.name"));
	EXPECT(!is_listed("f", "user.name"));
}

static void shared_by_links(void)
{
	file_make("f", "");
	EXPECT_OK(link("f", "g"));
	EXPECT_OK(setxattr("f", "user.name", "value", 5, 0));
	expect_value("g", "user.name", "value", 5);
	EXPECT_OK(unlink("f"));
	expect_value("g", "user.name", "value", 5);
}

static void private_to_inode(void)
{
	file_make("f", "");
	EXPECT_OK(setxattr("f", "user.name", "value", 5, 0));
	EXPECT_OK(unlink("f"));
	file_make("f", "");
	EXPECT(!is_listed("f", "user.name"));
}

static void updates_change_time_only(void)
{
	struct stat before;

	file_make("f", "");
	before = file_stat("f");
	pause_tick();
	EXPECT_OK(setxattr("f", "user.name", "value", 5, 0));
	EXPECT_LATER(file_stat("f").st_ctim, before.st_ctim);
	EXPECT_TIME(file_stat("f").st_mtim, before.st_mtim);
	before = file_stat("f");
	pause_tick();
	EXPECT_OK(removexattr("f", "user.name"));
	EXPECT_LATER(file_stat("f").st_ctim, before.st_ctim);
}

static void survives_writes(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(fsetxattr(fd, "user.name", "value", 5, 0));
	file_put(fd, "text", 4, 0);
	EXPECT_OK(ftruncate(fd, 0));
	EXPECT_OK(chmod("f", 0600));
	expect_value("f", "user.name", "value", 5);
}

const struct check xattr_checks[] = {
	CHECK(xattr, set_and_get, .needs = NEED_USER_XATTR),
	CHECK(xattr, set_replaces, .needs = NEED_USER_XATTR),
	CHECK(xattr, removed, .needs = NEED_USER_XATTR),
	CHECK(xattr, missing_attribute, .needs = NEED_USER_XATTR),
	CHECK(xattr, missing_file, .needs = NEED_USER_XATTR),
	CHECK(xattr, create_flag, .needs = NEED_USER_XATTR),
	CHECK(xattr, replace_flag, .needs = NEED_USER_XATTR),
	CHECK(xattr, unknown_flag, .needs = NEED_USER_XATTR),
	CHECK(xattr, size_probe, .needs = NEED_USER_XATTR),
	CHECK(xattr, small_buffer, .needs = NEED_USER_XATTR),
	CHECK(xattr, empty_value, .needs = NEED_USER_XATTR),
	CHECK(xattr, binary_value, .needs = NEED_USER_XATTR),
	CHECK(xattr, large_values, .needs = NEED_USER_XATTR),
	CHECK(xattr, too_large_value, .needs = NEED_USER_XATTR),
	CHECK(xattr, long_names, .needs = NEED_USER_XATTR),
	CHECK(xattr, unusual_names, .needs = NEED_USER_XATTR),
	CHECK(xattr, bad_names, .needs = NEED_USER_XATTR),
	CHECK(xattr, many_attributes, .needs = NEED_USER_XATTR),
	CHECK(xattr, on_directory, .needs = NEED_USER_XATTR),
	CHECK(xattr, on_descriptor, .needs = NEED_USER_XATTR),
	CHECK(xattr, refused_on_symlink, .needs = NEED_USER_XATTR),
	CHECK(xattr, refused_on_fifo, .needs = NEED_USER_XATTR),
	CHECK(xattr, follows_symlink, .needs = NEED_USER_XATTR),
	CHECK(xattr, shared_by_links, .needs = NEED_USER_XATTR),
	CHECK(xattr, private_to_inode, .needs = NEED_USER_XATTR),
	CHECK(xattr, updates_change_time_only, .needs = NEED_USER_XATTR),
	CHECK(xattr, survives_writes, .needs = NEED_USER_XATTR),
	CHECK_END,
};
