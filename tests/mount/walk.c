/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: walk DIRECTORY [open]
 *
 * Lists everything below DIRECTORY, looks at each entry with lstat, with "open" also opens each
 * regular file for a moment, and prints "entries N errors N". An entry that is listed but can not be
 * reached, or whose inode number or type is not the one listed, is an error.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COMPLAINTS_MAX = 20 };

static unsigned long entries, errors;
static bool opens;

static void complain(const char *what, const char *name, int error)
{
	if (errors++ < COMPLAINTS_MAX)
		fprintf(stderr, "%s %s: %s\n", what, name, error ? strerror(error) : "mismatch");
}

static void open_once(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_NONBLOCK);

	if (fd < 0)
		complain("open", name, errno);
	else
		close(fd);
}

static void walk(int folder)
{
	DIR *stream = fdopendir(folder);
	struct dirent *entry;
	struct stat status;

	if (!stream) {
		complain("fdopendir", "", errno);
		close(folder);
		return;
	}
	while (errno = 0, (entry = readdir(stream)) != NULL) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		entries++;
		if (fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
			complain("lstat", entry->d_name, errno);
			continue;
		}
		if (status.st_ino != entry->d_ino ||
		    (mode_t)DTTOIF(entry->d_type) != (status.st_mode & S_IFMT))
			complain("readdir against lstat", entry->d_name, 0);
		if (S_ISREG(status.st_mode) && opens)
			open_once(folder, entry->d_name);
		if (S_ISDIR(status.st_mode)) {
			int below = openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY);

			if (below < 0)
				complain("opendir", entry->d_name, errno);
			else
				walk(below);
		}
	}
	if (errno)
		complain("readdir", "", errno);
	closedir(stream);
}

int main(int argc, char **argv)
{
	int top;

	if (argc < 2 || argc > 3)
		errx(2, "usage: walk DIRECTORY [open]");
	opens = argc == 3;
	top = open(argv[1], O_RDONLY | O_DIRECTORY);
	if (top >= 0)
		walk(top);
	else
		err(1, "%s", argv[1]);
	printf("entries %lu errors %lu\n", entries, errors);
	return errors ? 1 : 0;
}
