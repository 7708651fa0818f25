/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

#include <stdlib.h>
#include <string.h>

enum { TARGET_MAX = 4095, TARGET_MIN_MAX = 1023, CHAIN_MAX = 40 };

static void expect_target(const char *path, const char *target)
{
	char got[8192];

	EXPECT_EQ(EXPECT_OK(readlink(path, got, sizeof(got))), strlen(target));
	EXPECT_DATA(got, target, strlen(target));
}

static void target_kept(void)
{
	static const char *const targets[] = { "f",     "../f", "/abs/olute", "a/b/../c", "d/",
					       "//x//", ".",    " ",          "a\nb" };
	char name[] = "a";

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++, name[0]++) {
		EXPECT_OK(symlink(targets[i], name));
		expect_target(name, targets[i]);
	}
}

static void every_byte_kept(void)
{
	char target[256];

	for (int i = 0; i < 255; i++)
		target[i] = (char)(i + 1);
	target[255] = '\0';
	EXPECT_OK(symlink(target, "l"));
	expect_target("l", target);
}

static void attributes(void)
{
	struct stat status;

	umask(077);
	EXPECT_OK(symlink("target", "l"));
	status = file_stat("l");
	EXPECT(S_ISLNK(status.st_mode));
	EXPECT_MODE(status.st_mode & 07777, 0777);
	EXPECT_EQ(status.st_size, 6);
	EXPECT_EQ(status.st_nlink, 1);
}

static void lengths(void)
{
	static const size_t sizes[] = { 1, 15, 59, 60, 61, 127, 255, 256, 1000, 1023 };
	char target[1024];
	char name[] = "a";

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++, name[0]++) {
		memset(target, 't', sizes[i]);
		target[sizes[i]] = '\0';
		EXPECT_OK(symlink(target, name));
		expect_target(name, target);
		EXPECT_EQ(file_size(name), sizes[i]);
	}
}

/* Some file systems stop at 1023 bytes; then they must say so. */
static void longest_target(void)
{
	char target[TARGET_MAX + 1];

	memset(target, 't', TARGET_MAX);
	target[TARGET_MAX] = '\0';
	if (symlink(target, "l") < 0) {
		EXPECT_EQ(errno, ENAMETOOLONG);
		target[TARGET_MIN_MAX] = '\0';
		EXPECT_OK(symlink(target, "l"));
	}
	expect_target("l", target);
	EXPECT_EQ(file_size("l"), strlen(target));
}

static void too_long_target(void)
{
	char target[TARGET_MAX + 2];

	memset(target, 't', TARGET_MAX + 1);
	target[TARGET_MAX + 1] = '\0';
	EXPECT_ERR(symlink(target, "l"), ENAMETOOLONG);
	EXPECT_GONE("l");
}

static void empty_target(void)
{
	EXPECT_ERR(symlink("", "l"), ENOENT);
	EXPECT_GONE("l");
}

static void existing_name(void)
{
	file_make("f", "");
	EXPECT_OK(symlink("x", "l"));
	EXPECT_ERR(symlink("y", "f"), EEXIST);
	EXPECT_ERR(symlink("y", "l"), EEXIST);
	expect_target("l", "x");
}

static void missing_parent(void)
{
	file_make("f", "");
	EXPECT_ERR(symlink("x", "missing/l"), ENOENT);
	EXPECT_ERR(symlink("x", "f/l"), ENOTDIR);
}

static void readlink_needs_symlink(void)
{
	char target[8];

	file_make("f", "");
	dir_make("d", 0755);
	EXPECT_ERR(readlink("f", target, sizeof(target)), EINVAL);
	EXPECT_ERR(readlink("d", target, sizeof(target)), EINVAL);
	EXPECT_ERR(readlink("missing", target, sizeof(target)), ENOENT);
	EXPECT_ERR(readlink("f/x", target, sizeof(target)), ENOTDIR);
}

static void readlink_cuts_to_buffer(void)
{
	char target[8] = "########";

	EXPECT_OK(symlink("target", "l"));
	EXPECT_EQ(EXPECT_OK(readlink("l", target, 3)), 3);
	EXPECT_DATA(target, "tar#####", 8);
	EXPECT_ERR(readlink("l", target, 0), EINVAL);
}

static void resolved_from_its_directory(void)
{
	dir_make("a", 0755);
	dir_make("b", 0755);
	file_make("b/f", "text");
	EXPECT_OK(symlink("../b/f", "a/l"));
	EXPECT_TEXT("a/l", "text");
	EXPECT_OK(chdir("b"));
	EXPECT_TEXT("../a/l", "text");
}

static void to_directory(void)
{
	dir_make("d", 0755);
	EXPECT_OK(symlink("d", "l"));
	file_make("l/f", "text");
	EXPECT_TEXT("d/f", "text");
	EXPECT(S_ISDIR(file_stat("l/").st_mode));
	EXPECT_EQ(file_inode("l/."), file_inode("d"));
	EXPECT_EQ(file_inode("l/.."), file_inode("."));
}

static void to_file_with_slash(void)
{
	struct stat status;

	file_make("f", "");
	EXPECT_OK(symlink("f", "l"));
	EXPECT_ERR(stat("l/", &status), ENOTDIR);
	EXPECT_ERR(stat("l/x", &status), ENOTDIR);
}

static void loop(void)
{
	struct stat status;

	EXPECT_OK(symlink("b", "a"));
	EXPECT_OK(symlink("a", "b"));
	EXPECT_OK(symlink("self", "self"));
	EXPECT_ERR(stat("a", &status), ELOOP);
	EXPECT_ERR(stat("self", &status), ELOOP);
	EXPECT_ERR(open("self", O_RDWR | O_CREAT, 0644), ELOOP);
	EXPECT_ERR(chdir("self"), ELOOP);
	EXPECT_ERR(mkdir("self/d", 0755), ELOOP);
	EXPECT(S_ISLNK(file_stat("self").st_mode));
}

/* Linux follows forty. */
static void chain(void)
{
	char target[16] = "f";
	char name[16];
	struct stat status;

	file_make("f", "text");
	for (int i = 1; i <= CHAIN_MAX + 1; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		EXPECT_OK(symlink(target, name));
		memcpy(target, name, sizeof(target));
	}
	EXPECT_TEXT("l40", "text");
	EXPECT_ERR(stat("l41", &status), ELOOP);
}

static void target_may_come_later(void)
{
	EXPECT_OK(symlink("f", "l"));
	EXPECT_ERR(open("l", O_RDONLY), ENOENT);
	file_make("f", "text");
	EXPECT_TEXT("l", "text");
	EXPECT_OK(unlink("f"));
	EXPECT_ERR(open("l", O_RDONLY), ENOENT);
	EXPECT_OK(mkdir("f", 0755));
	EXPECT_OK(open("l", O_RDONLY | O_DIRECTORY));
}

static void relative_to_descriptor(void)
{
	char target[8];
	int fd;

	dir_make("d", 0755);
	fd = EXPECT_OK(open("d", O_RDONLY | O_DIRECTORY));
	EXPECT_OK(symlinkat("x", fd, "l"));
	EXPECT_EQ(EXPECT_OK(readlinkat(fd, "l", target, sizeof(target))), 1);
	expect_target("d/l", "x");
}

static void replaced_atomically(void)
{
	file_make("a", "A");
	file_make("b", "B");
	EXPECT_OK(symlink("a", "l"));
	EXPECT_TEXT("l", "A");
	EXPECT_OK(symlink("b", "new"));
	EXPECT_OK(rename("new", "l"));
	EXPECT_TEXT("l", "B");
	expect_target("l", "b");
}

static void mode_can_not_change(void)
{
	file_make("f", "");
	file_chmod("f", 0640);
	EXPECT_OK(symlink("f", "l"));
	EXPECT_ERR(fchmodat(AT_FDCWD, "l", 0600, AT_SYMLINK_NOFOLLOW), EOPNOTSUPP);
	EXPECT_MODE(file_mode("f"), 0640);
	EXPECT_MODE(file_mode("l"), 0777);
}

static void owner_is_creator(void)
{
	dir_make("d", 0777);
	become_user();
	EXPECT_OK(symlink("x", "d/l"));
	EXPECT_EQ(file_stat("d/l").st_uid, user_uid());
	EXPECT_EQ(file_stat("d/l").st_gid, user_gid());
}

static void needs_writable_parent(void)
{
	dir_make("d", 0755);
	become_user();
	EXPECT_ERR(symlink("x", "d/l"), EACCES);
}

static void anybody_reads_target(void)
{
	EXPECT_OK(symlink("target", "l"));
	become_user();
	expect_target("l", "target");
}

const struct check symlink_checks[] = {
	CHECK(symlink, target_kept),
	CHECK(symlink, every_byte_kept),
	CHECK(symlink, attributes),
	CHECK(symlink, lengths),
	CHECK(symlink, longest_target),
	CHECK(symlink, too_long_target),
	CHECK(symlink, empty_target),
	CHECK(symlink, existing_name),
	CHECK(symlink, missing_parent),
	CHECK(symlink, readlink_needs_symlink),
	CHECK(symlink, readlink_cuts_to_buffer),
	CHECK(symlink, resolved_from_its_directory),
	CHECK(symlink, to_directory),
	CHECK(symlink, to_file_with_slash),
	CHECK(symlink, loop),
	CHECK(symlink, chain),
	CHECK(symlink, target_may_come_later),
	CHECK(symlink, relative_to_descriptor),
	CHECK(symlink, replaced_atomically),
	CHECK(symlink, mode_can_not_change, .needs = NEED_PROC),
	CHECK(symlink, owner_is_creator, .needs = NEED_USERS),
	CHECK(symlink, needs_writable_parent, .needs = NEED_USERS),
	CHECK(symlink, anybody_reads_target, .needs = NEED_USERS),
	CHECK_END,
};
