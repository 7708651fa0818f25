/* SPDX-License-Identifier: BSD-3-Clause */
/* Extended attributes and who may see and change them; trusted.* and security.capability. */
#include "groups.h"

#include <string.h>
#include <sys/xattr.h>

/* Version 2, CAP_NET_RAW permitted. */
static const unsigned char capability[20] = { 0, 0, 0, 2, 0, 0x20 };

static void make_capable(const char *path)
{
	file_make(path, "text");
	EXPECT_OK(chmod(path, 0777));
	EXPECT_OK(setxattr(path, "security.capability", capability, sizeof(capability), 0));
}

static void expect_no_capability(const char *path)
{
	char value[64];

	EXPECT_ERR(getxattr(path, "security.capability", value, sizeof(value)), ENODATA);
}

static void capability_kept(void)
{
	unsigned char value[64];

	make_capable("f");
	EXPECT_EQ(EXPECT_OK(getxattr("f", "security.capability", value, sizeof(value))),
		  sizeof(capability));
	EXPECT_DATA(value, capability, sizeof(capability));
	EXPECT_OK(chmod("f", 0755));
	EXPECT_OK(rename("f", "g"));
	EXPECT_OK(getxattr("g", "security.capability", value, sizeof(value)));
}

static void capability_lost_by_write(void)
{
	make_capable("f");
	file_put(EXPECT_OK(open("f", O_WRONLY)), "x", 1, 0);
	expect_no_capability("f");
}

static void capability_lost_by_user_write(void)
{
	make_capable("f");
	become_user();
	file_put(EXPECT_OK(open("f", O_WRONLY)), "x", 1, 0);
	expect_no_capability("f");
}

static void capability_lost_by_truncate(void)
{
	make_capable("f");
	EXPECT_OK(truncate("f", 1));
	expect_no_capability("f");
	make_capable("g");
	EXPECT_OK(open("g", O_WRONLY | O_TRUNC));
	expect_no_capability("g");
}

static void capability_lost_by_chown(void)
{
	make_capable("f");
	EXPECT_OK(chown("f", 11, 12));
	expect_no_capability("f");
}

static void capability_needs_privilege(void)
{
	file_make_for("f", 0755, user_uid(), user_gid());
	become_user();
	EXPECT_ERR(setxattr("f", "security.capability", capability, sizeof(capability), 0), EPERM);
	expect_no_capability("f");
}

static void trusted_for_root(void)
{
	char value[8];

	file_make("f", "");
	dir_make("d", 0755);
	EXPECT_OK(symlink("f", "l"));
	EXPECT_OK(setxattr("f", "trusted.name", "value", 5, XATTR_CREATE));
	EXPECT_OK(setxattr("d", "trusted.name", "value", 5, 0));
	EXPECT_OK(lsetxattr("l", "trusted.other", "value", 5, 0));
	EXPECT_EQ(EXPECT_OK(getxattr("f", "trusted.name", value, sizeof(value))), 5);
	EXPECT_DATA(value, "value", 5);
	EXPECT_EQ(EXPECT_OK(lgetxattr("l", "trusted.other", value, sizeof(value))), 5);
	EXPECT_ERR(getxattr("f", "trusted.other", value, sizeof(value)), ENODATA);
	EXPECT_OK(removexattr("f", "trusted.name"));
}

static void trusted_hidden_from_users(void)
{
	char value[256];

	file_make_for("f", 0666, user_uid(), user_gid());
	EXPECT_OK(setxattr("f", "trusted.name", "value", 5, 0));
	become_user();
	EXPECT_ERR(setxattr("f", "trusted.name", "v", 1, 0), EPERM);
	EXPECT_ERR(removexattr("f", "trusted.name"), EPERM);
	EXPECT_ERR(getxattr("f", "trusted.name", value, sizeof(value)), ENODATA);
}

static void reading_needs_read_permission(void)
{
	char value[8];

	file_make("f", "");
	EXPECT_OK(setxattr("f", "user.name", "value", 5, 0));
	EXPECT_OK(chmod("f", 0600));
	become_user();
	EXPECT_ERR(getxattr("f", "user.name", value, sizeof(value)), EACCES);
	become_root();
	EXPECT_OK(chmod("f", 0604));
	become_user();
	EXPECT_EQ(EXPECT_OK(getxattr("f", "user.name", value, sizeof(value))), 5);
}

static void writing_needs_write_permission(void)
{
	file_make_mode("f", 0644);
	file_make_mode("g", 0666);
	become_user();
	EXPECT_ERR(setxattr("f", "user.name", "v", 1, 0), EACCES);
	EXPECT_ERR(removexattr("f", "user.name"), EACCES);
	EXPECT_OK(setxattr("g", "user.name", "v", 1, 0));
	EXPECT_OK(removexattr("g", "user.name"));
}

static void sticky_directory_is_for_its_owner(void)
{
	dir_make("d", 01777);
	become_user();
	EXPECT_ERR(setxattr("d", "user.name", "v", 1, 0), EPERM);
	become_root();
	EXPECT_OK(setxattr("d", "user.name", "v", 1, 0));
}

static void listing_needs_no_permission(void)
{
	char list[256];
	ssize_t size;

	file_make_mode("f", 0600);
	EXPECT_OK(setxattr("f", "user.name", "v", 1, 0));
	EXPECT_OK(chmod("f", 0));
	become_user();
	size = EXPECT_OK(listxattr("f", list, sizeof(list)));
	EXPECT(memmem(list, (size_t)size, "user.name", sizeof("user.name")) != NULL);
}

const struct check xattr_trust_checks[] = {
	CHECK(xattr_trust, capability_kept, .needs = NEED_FILE_CAPABILITY),
	CHECK(xattr_trust, capability_lost_by_write, .needs = NEED_FILE_CAPABILITY),
	CHECK(xattr_trust, capability_lost_by_user_write,
	      .needs = NEED_FILE_CAPABILITY | NEED_USERS),
	CHECK(xattr_trust, capability_lost_by_truncate, .needs = NEED_FILE_CAPABILITY),
	CHECK(xattr_trust, capability_lost_by_chown, .needs = NEED_FILE_CAPABILITY),
	CHECK(xattr_trust, capability_needs_privilege, .needs = NEED_FILE_CAPABILITY | NEED_USERS),
	CHECK(xattr_trust, trusted_for_root, .needs = NEED_TRUSTED_XATTR),
	CHECK(xattr_trust, trusted_hidden_from_users, .needs = NEED_TRUSTED_XATTR | NEED_USERS),
	CHECK(xattr_trust, reading_needs_read_permission, .needs = NEED_USER_XATTR | NEED_USERS),
	CHECK(xattr_trust, writing_needs_write_permission, .needs = NEED_USER_XATTR | NEED_USERS),
	CHECK(xattr_trust, sticky_directory_is_for_its_owner,
	      .needs = NEED_USER_XATTR | NEED_USERS),
	CHECK(xattr_trust, listing_needs_no_permission, .needs = NEED_USER_XATTR | NEED_USERS),
	CHECK_END,
};
