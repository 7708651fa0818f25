/* SPDX-License-Identifier: BSD-3-Clause */
/* File names: any bytes but '/' and NUL, up to the limit, kept as they are. */
#include "groups.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/statvfs.h>

/* A name as long as the file system allows, with room for one byte more. */
struct long_name {
	char text[NAME_MAX + 2];
	size_t size;
};

static struct long_name longest_name(void)
{
	struct long_name name = { .size = NAME_MAX };
	struct statvfs status;

	EXPECT_OK(statvfs(".", &status));
	if (status.f_namemax < name.size)
		name.size = status.f_namemax;
	memset(name.text, 'n', name.size);
	return name;
}

static void expect_only_entry(const char *name)
{
	DIR *stream = EXPECT_POINTER(opendir("."));
	struct dirent *entry;
	unsigned found = 0;

	while ((entry = readdir(stream)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		EXPECT_EQ(strlen(entry->d_name), strlen(name));
		EXPECT_DATA(entry->d_name, name, strlen(name));
		found++;
	}
	EXPECT_EQ(found, 1);
	EXPECT_OK(closedir(stream));
}

static void longest_works(void)
{
	struct long_name name = longest_name();

	file_make(name.text, "text");
	EXPECT_TEXT(name.text, "text");
	expect_only_entry(name.text);
	EXPECT_OK(rename(name.text, "short"));
	EXPECT_OK(rename("short", name.text));
	EXPECT_OK(unlink(name.text));
	EXPECT_OK(mkdir(name.text, 0755));
	expect_only_entry(name.text);
	EXPECT_OK(rmdir(name.text));
}

static void longest_differ_in_last_byte(void)
{
	struct long_name name = longest_name();

	file_make(name.text, "n");
	name.text[name.size - 1] = 'm';
	EXPECT_GONE(name.text);
	file_make(name.text, "m");
	EXPECT_EQ(dir_count("."), 2);
	EXPECT_TEXT(name.text, "m");
}

static void too_long_refused(void)
{
	struct long_name name = longest_name();
	struct stat status;

	name.text[name.size] = 'n';
	file_make("f", "");
	EXPECT_ERR(open(name.text, O_RDONLY), ENAMETOOLONG);
	EXPECT_ERR(open(name.text, O_RDWR | O_CREAT, 0644), ENAMETOOLONG);
	EXPECT_ERR(stat(name.text, &status), ENAMETOOLONG);
	EXPECT_ERR(mkdir(name.text, 0755), ENAMETOOLONG);
	EXPECT_ERR(rmdir(name.text), ENAMETOOLONG);
	EXPECT_ERR(unlink(name.text), ENAMETOOLONG);
	EXPECT_ERR(mkfifo(name.text, 0644), ENAMETOOLONG);
}

static void too_long_second_name_refused(void)
{
	struct long_name name = longest_name();

	name.text[name.size] = 'n';
	file_make("f", "");
	EXPECT_ERR(link("f", name.text), ENAMETOOLONG);
	EXPECT_ERR(symlink("f", name.text), ENAMETOOLONG);
	EXPECT_ERR(rename("f", name.text), ENAMETOOLONG);
	EXPECT_ERR(rename(name.text, "g"), ENAMETOOLONG);
	EXPECT(file_exists("f"));
}

static void path_limit(void)
{
	char path[PATH_MAX + 1];
	struct stat status;

	file_make("f", "");
	for (size_t i = 0; i < sizeof(path); i += 2)
		memcpy(path + i, "./", i + 1 < sizeof(path) ? 2 : 1);
	memcpy(path + PATH_MAX - 2, "f", 2);
	EXPECT_OK(stat(path, &status));
	memcpy(path + PATH_MAX - 2, "/f", 3);
	EXPECT_ERR(stat(path, &status), ENAMETOOLONG);
}

static void every_byte_kept(void)
{
	for (int byte = 1; byte < 256; byte++) {
		char name[] = { 'a', (char)byte, 'b', '\0' };

		if (byte == '/')
			continue;
		file_make(name, "");
		expect_only_entry(name);
		EXPECT_OK(unlink(name));
	}
}

static void newline_kept(void)
{
	file_make("two\nlines\n", "text");
	expect_only_entry("two\nlines\n");
	EXPECT_TEXT("two\nlines\n", "text");
}

static void invalid_utf8_kept(void)
{
	static const char name[] = "\xff\xfe\x80\xc0\xaf";

	EXPECT_OK(mkdir(name, 0755));
	expect_only_entry(name);
	EXPECT_OK(chdir(name));
	file_make(name, "text");
	expect_only_entry(name);
}

static void case_matters(void)
{
	file_make("name", "lower");
	EXPECT_GONE("NAME");
	file_make("NAME", "upper");
	EXPECT_TEXT("name", "lower");
	EXPECT_OK(rename("name", "Name"));
	EXPECT_TEXT("Name", "lower");
	EXPECT_GONE("name");
}

/* One letter with an accent, composed and decomposed. */
static void unicode_not_normalised(void)
{
	file_make("\xc3\xa9", "composed");
	EXPECT_GONE("e\xcc\x81");
	file_make("e\xcc\x81", "decomposed");
	EXPECT_TEXT("\xc3\xa9", "composed");
	EXPECT_EQ(dir_count("."), 2);
}

static void dots_and_blanks_are_ordinary(void)
{
	static const char *const names[] = { "...", "..x", ".x", " ", " x",
					     "x ",  "x.",  "-",  "~", "*" };
	const size_t count = sizeof(names) / sizeof(names[0]);

	for (size_t i = 0; i < count; i++)
		file_make(names[i], names[i]);
	EXPECT_EQ(dir_count("."), count);
	for (size_t i = 0; i < count; i++)
		EXPECT_TEXT(names[i], names[i]);
}

static void dot_names_exist(void)
{
	file_make("f", "");
	EXPECT_ERR(mkdir(".", 0755), EEXIST);
	EXPECT_ERR(mkdir("..", 0755), EEXIST);
	EXPECT_ERR(symlink("x", "."), EEXIST);
	EXPECT_ERR(link("f", ".."), EEXIST);
	EXPECT_ERR(mkfifo("..", 0644), EEXIST);
}

static void repeated_slashes_are_one(void)
{
	dir_make("d", 0755);
	file_make("d///f", "text");
	EXPECT_TEXT("d/f", "text");
	EXPECT_TEXT(".//d/.//f", "text");
	EXPECT_EQ(file_inode("d/"), file_inode("d//"));
}

static void dot_dot_goes_up(void)
{
	dir_make("d", 0755);
	dir_make("d/e", 0755);
	file_make("f", "text");
	EXPECT_EQ(file_inode("d/e/.."), file_inode("d"));
	EXPECT_EQ(file_inode("d/e/../.."), file_inode("."));
	EXPECT_TEXT("d/e/../../f", "text");
}

static void deep_directories(void)
{
	enum { DEPTH = 100 };
	ino_t inodes[DEPTH];

	for (int i = 0; i < DEPTH; i++) {
		EXPECT_OK(mkdir("deeper", 0755));
		EXPECT_OK(chdir("deeper"));
		inodes[i] = file_inode(".");
	}
	file_make("bottom", "text");
	for (int i = DEPTH - 1; i >= 0; i--) {
		EXPECT_EQ(file_inode("."), inodes[i]);
		EXPECT_OK(chdir(".."));
	}
}

static void many_similar_names(void)
{
	enum { COUNT = 300 };
	struct long_name name = longest_name();

	for (int i = 0; i < COUNT; i++) {
		name.text[name.size - 1] = (char)('a' + i % 26);
		name.text[name.size - 2] = (char)('a' + i / 26);
		file_make(name.text, "");
	}
	EXPECT_EQ(dir_count("."), COUNT);
}

const struct check name_checks[] = {
	CHECK(name, longest_works),
	CHECK(name, longest_differ_in_last_byte),
	CHECK(name, too_long_refused),
	CHECK(name, too_long_second_name_refused),
	CHECK(name, path_limit),
	CHECK(name, every_byte_kept),
	CHECK(name, newline_kept),
	CHECK(name, invalid_utf8_kept),
	CHECK(name, case_matters),
	CHECK(name, unicode_not_normalised),
	CHECK(name, dots_and_blanks_are_ordinary),
	CHECK(name, dot_names_exist),
	CHECK(name, repeated_slashes_are_one),
	CHECK(name, dot_dot_goes_up),
	CHECK(name, deep_directories),
	CHECK(name, many_similar_names),
	CHECK_END,
};
