/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * POSIX access control lists, through the raw attributes of the kernel (version 2, little-endian).
 */
#include "groups.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>
#include <sys/xattr.h>

enum { ENTRIES_MAX = 8, ACL_VERSION = 2, BLOB_MAX = 4 + 8 * ENTRIES_MAX };

enum tag { OWNER = 0x01, USER = 0x02, GROUP = 0x04, NAMED = 0x08, MASK = 0x10, OTHER = 0x20 };

static const char access_acl[] = "system.posix_acl_access";
static const char default_acl[] = "system.posix_acl_default";

struct entry {
	enum tag tag;
	unsigned rights;
	uint32_t id; /* for USER and NAMED (group) only */
};

struct acl {
	size_t count;
	struct entry entries[ENTRIES_MAX];
};

static size_t encode(const struct acl *acl, unsigned char *blob)
{
	uint32_t version = htole32(ACL_VERSION);

	memcpy(blob, &version, 4);
	for (size_t i = 0; i < acl->count; i++) {
		const struct entry *entry = &acl->entries[i];
		bool named = entry->tag == USER || entry->tag == NAMED;
		uint16_t tag = htole16((uint16_t)entry->tag);
		uint16_t rights = htole16((uint16_t)entry->rights);
		uint32_t id = htole32(named ? entry->id : UINT32_MAX);

		memcpy(blob + 4 + 8 * i, &tag, 2);
		memcpy(blob + 4 + 8 * i + 2, &rights, 2);
		memcpy(blob + 4 + 8 * i + 4, &id, 4);
	}
	return 4 + 8 * acl->count;
}

static int set_acl(const char *path, const char *type, const struct acl *acl)
{
	unsigned char blob[BLOB_MAX];

	return setxattr(path, type, blob, encode(acl, blob), 0);
}

static void expect_acl(const char *path, const char *type, const struct acl *acl)
{
	unsigned char wanted[BLOB_MAX];
	unsigned char got[BLOB_MAX + 64];
	size_t size = encode(acl, wanted);

	EXPECT_EQ(EXPECT_OK(getxattr(path, type, got, sizeof(got))), size);
	EXPECT_DATA(got, wanted, size);
}

static void expect_no_acl(const char *path, const char *type)
{
	char value[256];

	EXPECT_ERR(getxattr(path, type, value, sizeof(value)), ENODATA);
}

/* u::rwx u:USER:user g::group m::mask o::other */
static struct acl acl_for_user(unsigned user, unsigned group, unsigned mask, unsigned other)
{
	return (struct acl){
		.count = 5,
		.entries = { { OWNER, 7, 0 },
			     { USER, user, user_uid() },
			     { GROUP, group, 0 },
			     { MASK, mask, 0 },
			     { OTHER, other, 0 } },
	};
}

static struct acl plain_acl(unsigned owner, unsigned group, unsigned other)
{
	return (struct acl){
		.count = 3,
		.entries = { { OWNER, owner, 0 }, { GROUP, group, 0 }, { OTHER, other, 0 } },
	};
}

static void kept(void)
{
	struct acl acl = acl_for_user(6, 4, 7, 0);

	file_make("f", "");
	EXPECT_OK(set_acl("f", access_acl, &acl));
	expect_acl("f", access_acl, &acl);
}

static void mask_is_group_of_mode(void)
{
	struct acl acl = acl_for_user(7, 5, 6, 4);

	file_make("f", "");
	EXPECT_OK(set_acl("f", access_acl, &acl));
	EXPECT_MODE(file_mode("f"), 0764);
}

static void chmod_changes_mask(void)
{
	struct acl acl = acl_for_user(7, 7, 7, 7);
	struct acl wanted = acl_for_user(7, 7, 4, 1);

	file_make("f", "");
	EXPECT_OK(set_acl("f", access_acl, &acl));
	EXPECT_OK(chmod("f", 0641));
	wanted.entries[0].rights = 6;
	expect_acl("f", access_acl, &wanted);
	EXPECT_MODE(file_mode("f"), 0641);
}

static void minimal_is_just_a_mode(void)
{
	struct acl acl = plain_acl(6, 4, 1);

	file_make("f", "");
	EXPECT_OK(set_acl("f", access_acl, &acl));
	EXPECT_MODE(file_mode("f"), 0641);
	expect_no_acl("f", access_acl);
}

static void removal_keeps_mode(void)
{
	struct acl acl = acl_for_user(7, 5, 6, 4);

	file_make("f", "");
	EXPECT_OK(set_acl("f", access_acl, &acl));
	EXPECT_OK(removexattr("f", access_acl));
	expect_no_acl("f", access_acl);
	EXPECT_EQ(file_mode("f") & 0707, 0704);
}

static void new_file_has_none(void)
{
	file_make("f", "");
	dir_make("d", 0755);
	expect_no_acl("f", access_acl);
	expect_no_acl("d", access_acl);
	expect_no_acl("d", default_acl);
}

static void is_listed(void)
{
	struct acl acl = acl_for_user(6, 4, 7, 0);
	char list[1024];
	ssize_t size;

	dir_make("d", 0755);
	EXPECT_OK(set_acl("d", access_acl, &acl));
	EXPECT_OK(set_acl("d", default_acl, &acl));
	size = EXPECT_OK(listxattr("d", list, sizeof(list)));
	EXPECT(memmem(list, (size_t)size, access_acl, sizeof(access_acl)) != NULL);
	EXPECT(memmem(list, (size_t)size, default_acl, sizeof(default_acl)) != NULL);
}

static void size_probe_and_small_buffer(void)
{
	struct acl acl = acl_for_user(6, 4, 7, 0);
	char value[256];

	file_make("f", "");
	EXPECT_OK(set_acl("f", access_acl, &acl));
	EXPECT_EQ(EXPECT_OK(getxattr("f", access_acl, NULL, 0)), 44);
	EXPECT_ERR(getxattr("f", access_acl, value, 43), ERANGE);
}

static void invalid_refused(void)
{
	struct acl no_mask = {
		.count = 4,
		.entries = { { OWNER, 7, 0 }, { USER, 7, 1 }, { GROUP, 7, 0 }, { OTHER, 7, 0 } }
	};
	struct acl no_owner = { .count = 2, .entries = { { GROUP, 7, 0 }, { OTHER, 7, 0 } } };
	struct acl bad_rights = plain_acl(15, 7, 7);

	file_make("f", "");
	EXPECT_ERR(set_acl("f", access_acl, &no_mask), EINVAL);
	EXPECT_ERR(set_acl("f", access_acl, &no_owner), EINVAL);
	EXPECT_ERR(set_acl("f", access_acl, &bad_rights), EINVAL);
	EXPECT_ERR(setxattr("f", access_acl, "\2\0\0\0xxx", 7, 0), EINVAL);
	expect_no_acl("f", access_acl);
	EXPECT_MODE(file_mode("f"), 0644);
}

static void default_only_on_directory(void)
{
	struct acl acl = plain_acl(7, 5, 5);

	file_make("f", "");
	EXPECT_ERR(set_acl("f", default_acl, &acl), EACCES);
}

static void default_keeps_own_mode(void)
{
	struct acl acl = acl_for_user(7, 7, 7, 7);

	dir_make("d", 0750);
	EXPECT_OK(set_acl("d", default_acl, &acl));
	EXPECT_MODE(file_mode("d"), 0750);
	expect_acl("d", default_acl, &acl);
	expect_no_acl("d", access_acl);
}

static void default_inherited_by_file(void)
{
	struct acl acl = acl_for_user(6, 5, 7, 0);
	struct acl wanted = acl_for_user(6, 5, 6, 0);

	dir_make("d", 0755);
	EXPECT_OK(set_acl("d", default_acl, &acl));
	EXPECT_OK(open("d/f", O_RDWR | O_CREAT, 0666));
	wanted.entries[0].rights = 6;
	expect_acl("d/f", access_acl, &wanted);
	EXPECT_MODE(file_mode("d/f"), 0660);
}

static void default_inherited_by_directory(void)
{
	struct acl acl = acl_for_user(6, 5, 7, 0);

	dir_make("d", 0755);
	EXPECT_OK(set_acl("d", default_acl, &acl));
	EXPECT_OK(mkdir("d/e", 0777));
	expect_acl("d/e", default_acl, &acl);
	expect_acl("d/e", access_acl, &acl);
	EXPECT_OK(mkdir("d/e/g", 0700));
	expect_acl("d/e/g", default_acl, &acl);
	EXPECT_MODE(file_mode("d/e/g"), 0700);
}

static void default_inherited_by_fifo_not_symlink(void)
{
	struct acl acl = acl_for_user(6, 5, 7, 0);

	dir_make("d", 0755);
	EXPECT_OK(set_acl("d", default_acl, &acl));
	EXPECT_OK(mkfifo("d/p", 0666));
	EXPECT_MODE(file_mode("d/p"), 0660);
	EXPECT_OK(symlink("x", "d/l"));
	EXPECT_MODE(file_mode("d/l"), 0777);
}

static void umask_ignored_under_default(void)
{
	struct acl acl = plain_acl(7, 7, 7);

	dir_make("d", 0755);
	EXPECT_OK(set_acl("d", default_acl, &acl));
	umask(077);
	EXPECT_OK(open("d/f", O_RDWR | O_CREAT, 0666));
	EXPECT_MODE(file_mode("d/f"), 0666);
	EXPECT_OK(mkdir("d/e", 0777));
	EXPECT_MODE(file_mode("d/e"), 0777);
	EXPECT_OK(open("outside", O_RDWR | O_CREAT, 0666));
	EXPECT_MODE(file_mode("outside"), 0600);
}

static void default_removed(void)
{
	struct acl acl = acl_for_user(7, 7, 7, 7);

	dir_make("d", 0755);
	EXPECT_OK(set_acl("d", default_acl, &acl));
	EXPECT_OK(removexattr("d", default_acl));
	expect_no_acl("d", default_acl);
	EXPECT_OK(open("d/f", O_RDWR | O_CREAT, 0666));
	EXPECT_MODE(file_mode("d/f"), 0644);
	expect_no_acl("d/f", access_acl);
}

static void named_user_granted(void)
{
	struct acl acl = acl_for_user(6, 0, 6, 0);

	file_make("f", "");
	EXPECT_OK(set_acl("f", access_acl, &acl));
	become_user();
	EXPECT_OK(open("f", O_RDWR));
	EXPECT_OK(access("f", R_OK | W_OK));
	become_stranger();
	EXPECT_ERR(open("f", O_RDONLY), EACCES);
}

static void named_user_denied(void)
{
	struct acl acl = acl_for_user(0, 7, 7, 7);

	file_make("f", "");
	EXPECT_OK(set_acl("f", access_acl, &acl));
	become_user();
	EXPECT_ERR(open("f", O_RDONLY), EACCES);
	become_stranger();
	EXPECT_OK(open("f", O_RDWR));
}

static void named_group_granted(void)
{
	struct acl acl = { .count = 5,
			   .entries = { { OWNER, 7, 0 },
					{ GROUP, 0, 0 },
					{ NAMED, 4, club_gid() },
					{ MASK, 7, 0 },
					{ OTHER, 0, 0 } } };

	file_make("f", "");
	EXPECT_OK(set_acl("f", access_acl, &acl));
	become_member();
	EXPECT_OK(open("f", O_RDONLY));
	EXPECT_ERR(open("f", O_WRONLY), EACCES);
	become_user();
	EXPECT_ERR(open("f", O_RDONLY), EACCES);
}

static void mask_limits(void)
{
	struct acl acl = acl_for_user(7, 7, 4, 0);

	file_make("f", "");
	EXPECT_OK(set_acl("f", access_acl, &acl));
	become_user();
	EXPECT_OK(open("f", O_RDONLY));
	EXPECT_ERR(open("f", O_WRONLY), EACCES);
}

static void named_user_works_in_directory(void)
{
	struct acl acl = acl_for_user(7, 0, 7, 0);

	dir_make("d", 0700);
	EXPECT_OK(set_acl("d", access_acl, &acl));
	become_user();
	file_make("d/f", "");
	EXPECT_EQ(dir_count("d"), 1);
	EXPECT_OK(unlink("d/f"));
	become_stranger();
	EXPECT_ERR(open("d", O_RDONLY), EACCES);
}

static void is_for_the_owner(void)
{
	struct acl acl = acl_for_user(7, 7, 7, 7);

	file_make_mode("f", 0666);
	become_user();
	EXPECT_ERR(set_acl("f", access_acl, &acl), EPERM);
	EXPECT_ERR(removexattr("f", access_acl), EPERM);
	expect_no_acl("f", access_acl);
}

static void set_by_outsider_drops_setgid(void)
{
	struct acl acl = acl_for_user(7, 7, 7, 7);

	file_make_for("f", 02755, user_uid(), club_gid());
	become_user();
	EXPECT_OK(set_acl("f", access_acl, &acl));
	EXPECT_MODE(file_mode("f"), 0777);
}

static void updates_change_time(void)
{
	struct acl acl = acl_for_user(7, 5, 6, 4);
	struct stat before;

	file_make("f", "");
	before = file_stat("f");
	pause_tick();
	EXPECT_OK(set_acl("f", access_acl, &acl));
	EXPECT_LATER(file_stat("f").st_ctim, before.st_ctim);
	EXPECT_TIME(file_stat("f").st_mtim, before.st_mtim);
}

const struct check acl_checks[] = {
	CHECK(acl, kept, .needs = NEED_ACL),
	CHECK(acl, mask_is_group_of_mode, .needs = NEED_ACL),
	CHECK(acl, chmod_changes_mask, .needs = NEED_ACL),
	CHECK(acl, minimal_is_just_a_mode, .needs = NEED_ACL),
	CHECK(acl, removal_keeps_mode, .needs = NEED_ACL),
	CHECK(acl, new_file_has_none, .needs = NEED_ACL),
	CHECK(acl, is_listed, .needs = NEED_ACL),
	CHECK(acl, size_probe_and_small_buffer, .needs = NEED_ACL),
	CHECK(acl, invalid_refused, .needs = NEED_ACL),
	CHECK(acl, default_only_on_directory, .needs = NEED_ACL),
	CHECK(acl, default_keeps_own_mode, .needs = NEED_ACL),
	CHECK(acl, default_inherited_by_file, .needs = NEED_ACL),
	CHECK(acl, default_inherited_by_directory, .needs = NEED_ACL),
	CHECK(acl, default_inherited_by_fifo_not_symlink, .needs = NEED_ACL),
	CHECK(acl, umask_ignored_under_default, .needs = NEED_ACL),
	CHECK(acl, default_removed, .needs = NEED_ACL),
	CHECK(acl, named_user_granted, .needs = NEED_ACL | NEED_USERS),
	CHECK(acl, named_user_denied, .needs = NEED_ACL | NEED_USERS),
	CHECK(acl, named_group_granted, .needs = NEED_ACL | NEED_USERS),
	CHECK(acl, mask_limits, .needs = NEED_ACL | NEED_USERS),
	CHECK(acl, named_user_works_in_directory, .needs = NEED_ACL | NEED_USERS),
	CHECK(acl, is_for_the_owner, .needs = NEED_ACL | NEED_USERS),
	CHECK(acl, set_by_outsider_drops_setgid, .needs = NEED_ACL | NEED_USERS),
	CHECK(acl, updates_change_time, .needs = NEED_ACL),
	CHECK_END,
};
