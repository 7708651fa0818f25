/* SPDX-License-Identifier: BSD-3-Clause */
#include "passthrough_scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* What scratch_check() compares, as text. */
struct report {
	char *text;
	size_t room;
};

#define NEED(good)                                                                                 \
	do {                                                                                       \
		if (!(good)) {                                                                     \
			perror(#good);                                                             \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static void put_file(int dirfd, const char *name, const char *content, mode_t mode)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	NEED(fd >= 0);
	NEED(write(fd, content, strlen(content)) == (ssize_t)strlen(content));
	NEED(fchmod(fd, mode) == 0);
	/* Not every file system has them. */
	(void)!fsetxattr(fd, "user.color", "blue", 4, 0);
	close(fd);
}

static int open_dir(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	NEED(fd >= 0);
	return fd;
}

/* ---- making ------------------------------------------------------------------------------------ */

static void describe_all(const struct scratch *scratch, char *text, size_t room);

void scratch_make(struct scratch *scratch)
{
	const char *place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
	int base, canary;

	snprintf(scratch->base, sizeof(scratch->base), "%.40s/fb-fuzz-XXXXXX",
		 place ? place : "/tmp");
	NEED(mkdtemp(scratch->base));
	snprintf(scratch->source, sizeof(scratch->source), "%s/source", scratch->base);
	base = open_dir(AT_FDCWD, scratch->base);
	NEED(fchmod(base, 0755) == 0);
	/* Open to everybody: a message that gets there shall not be saved by a mode. */
	NEED(mkdirat(base, "canary", 0777) == 0 && fchmodat(base, "canary", 0777, 0) == 0);
	canary = open_dir(base, "canary");
	put_file(canary, "file", "canary", 0666);
	NEED(mkdirat(canary, "dir", 0777) == 0 && fchmodat(canary, "dir", 0777, 0) == 0);
	NEED(symlinkat("file", canary, "link") == 0);
	close(canary);
	close(base);
	describe_all(scratch, scratch->before, sizeof(scratch->before));
}

void scratch_fill(struct scratch *scratch)
{
	char target[128];
	int source, dir;

	NEED(mkdir(scratch->source, 0777) == 0 && chmod(scratch->source, 0777) == 0);
	source = open_dir(AT_FDCWD, scratch->source);
	put_file(source, "file", "0123456789", 0666);
	put_file(source, "suid", "#!/bin/true", 06755);
	put_file(source, "none", "secret", 0);
	NEED(linkat(source, "file", source, "hard", 0) == 0);
	NEED(mkdirat(source, "dir", 0777) == 0 && fchmodat(source, "dir", 02777, 0) == 0);
	dir = open_dir(source, "dir");
	put_file(dir, "deep", "deep", 0644);
	NEED(symlinkat("../../canary/file", dir, "up") == 0);
	close(dir);
	NEED(symlinkat("../canary/file", source, "up") == 0);
	NEED(symlinkat("../canary/dir", source, "updir") == 0);
	snprintf(target, sizeof(target), "%s/canary", scratch->base);
	NEED(symlinkat(target, source, "abs") == 0);
	NEED(symlinkat("dir", source, "inside") == 0);
	NEED(mknodat(source, "fifo", S_IFIFO | 0666, 0) == 0);
	NEED(mknodat(source, "socket", S_IFSOCK | 0666, 0) == 0);
	/* Only root may. */
	(void)!mknodat(source, "zero", S_IFCHR | 0666, 1 << 8 | 5);
	close(source);
}

/* ---- removing ---------------------------------------------------------------------------------- */

static void remove_below(int dirfd, const char *name)
{
	const struct dirent *entry;
	DIR *dir;
	int fd;

	/* A client may have taken all rights from its directories. */
	(void)!fchmodat(dirfd, name, 0700, 0);
	fd = open_dir(dirfd, name);
	dir = fdopendir(fd);
	NEED(dir);
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, entry->d_name, 0) == 0)
			continue;
		NEED(errno == EISDIR || errno == EPERM);
		remove_below(fd, entry->d_name);
	}
	closedir(dir);
	NEED(unlinkat(dirfd, name, AT_REMOVEDIR) == 0);
}

void scratch_empty(struct scratch *scratch)
{
	remove_below(AT_FDCWD, scratch->source);
}

void scratch_remove(struct scratch *scratch)
{
	remove_below(AT_FDCWD, scratch->base);
}

/* ---- comparing --------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void say(struct report *report, const char *format,
						      ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(report->text, report->room, format, args);
	va_end(args);
	NEED(length >= 0 && (size_t)length < report->room);
	report->text += length;
	report->room -= (size_t)length;
}

static void describe_content(struct report *report, int dirfd, const char *name)
{
	char content[64] = "", names[256] = "";
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	NEED(fd >= 0);
	NEED(read(fd, content, sizeof(content) - 1) >= 0);
	if (flistxattr(fd, names, sizeof(names) - 1) < 0)
		names[0] = '\0';
	close(fd);
	say(report, " '%s' %s", content, names);
}

static void describe(struct report *report, int dirfd, const char *name);

static void describe_below(struct report *report, int dirfd, const char *name)
{
	struct dirent **entries;
	int fd = open_dir(dirfd, name);
	int count = scandirat(fd, ".", &entries, NULL, alphasort);

	NEED(count >= 0);
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.' && strcmp(entries[i]->d_name, "source") != 0)
			describe(report, fd, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	close(fd);
}

/* Everything but access times, which looking changes. */
static void describe(struct report *report, int dirfd, const char *name)
{
	char target[128] = "";
	struct stat st;

	NEED(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
	say(report, "%s %o %ju %ju %ju %ju %jd %jd.%09ld %jd.%09ld", name, st.st_mode,
	    (uintmax_t)st.st_ino, (uintmax_t)st.st_nlink, (uintmax_t)st.st_uid,
	    (uintmax_t)st.st_gid, (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec,
	    st.st_mtim.tv_nsec, (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	if (S_ISREG(st.st_mode))
		describe_content(report, dirfd, name);
	if (S_ISLNK(st.st_mode)) {
		NEED(readlinkat(dirfd, name, target, sizeof(target) - 1) > 0);
		say(report, " -> %s", target);
	}
	say(report, "\n");
	if (S_ISDIR(st.st_mode))
		describe_below(report, dirfd, name);
}

/* The base itself holds nothing but the two, and its times change with the source. */
static void describe_all(const struct scratch *scratch, char *text, size_t room)
{
	struct report report = { .text = text, .room = room };

	describe_below(&report, AT_FDCWD, scratch->base);
}

void scratch_check(const struct scratch *scratch)
{
	char now[sizeof(scratch->before)];

	describe_all(scratch, now, sizeof(now));
	if (strcmp(now, scratch->before) != 0) {
		fprintf(stderr, "outside of the share, before:\n%snow:\n%s", scratch->before, now);
		abort();
	}
}
