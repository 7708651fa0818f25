/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: storm DIRECTORY SECONDS THREADS SEED [hostile]
 *
 * Threads create, open, read, link, rename, unlink and list the same few names in the same few
 * folders, all at once. Several storms may run in one directory, also through several mounts of it;
 * then say "hostile" to each: somebody else changes the directory, so that ESTALE is possible.
 *
 * A file is filled in a folder of its own before it gets its public name: a client that sees it half
 * filled would be right to remember that size for as long as it remembers attributes. Its content
 * follows from the number at its head. So whoever reads a public file must find it empty or exactly complete: a piece of another
 * file, or a missing end, is a violation. So is an error that POSIX does not know for the call here.
 * Prints "operations N violations N"; the exit status is 1 if there was one.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	FOLDERS = 4,
	NAMES = 24,
	WORDS_MAX = 3000, /* some files end inside a page, some have several */
	COMPLAINTS_MAX = 20,
	THREADS_MAX = 128,
};

/* Where files are made; nobody lists it. */
#define WORKSHOP "new"

struct thread {
	pthread_t id;
	unsigned number;
	unsigned seed;
	uint64_t made;
	uint64_t words[WORDS_MAX + 1];
};

static int top;
static bool hostile;
static atomic_bool stop;
static atomic_ulong operations, violations;

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void complain(const char *format, ...)
{
	va_list arguments;

	if (atomic_fetch_add(&violations, 1) >= COMPLAINTS_MAX)
		return;
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

/* A call that failed: one of the errors (ended by 0) is what may happen here. */
static void check_error(const char *call, const char *name, ...)
{
	int error = errno, allowed;
	va_list arguments;

	if (hostile && error == ESTALE)
		return;
	va_start(arguments, name);
	while ((allowed = va_arg(arguments, int)) != 0 && allowed != error)
		;
	va_end(arguments);
	if (allowed != error)
		complain("%s %s: %s", call, name, strerror(error));
}

/*
 * What makes a name without opening it (mkdir, symlink) is told ENOENT by a server that finds it
 * taken away by somebody else before it could look at it.
 */
static int taken_away(void)
{
	return hostile ? ENOENT : EEXIST;
}

static unsigned draw(struct thread *self, unsigned limit)
{
	return (unsigned)rand_r(&self->seed) % limit;
}

static size_t words_of(uint64_t number)
{
	return 1 + (size_t)(number * 2654435761u >> 7) % WORDS_MAX;
}

static uint64_t word_of(uint64_t number, size_t index)
{
	return (number + index) * UINT64_C(0x9e3779b97f4a7c15) ^ number;
}

static void pick(struct thread *self, char name[64], const char *kind)
{
	snprintf(name, 64, "d%u/%s%u", draw(self, FOLDERS), kind, draw(self, NAMES));
}

/* ---- content -------------------------------------------------------------------------------------- */

static bool fill(struct thread *self, int fd, uint64_t number)
{
	size_t count = words_of(number);
	ssize_t done;

	self->words[0] = number;
	for (size_t i = 1; i < count; i++)
		self->words[i] = word_of(number, i);
	done = write(fd, self->words, count * sizeof(uint64_t));
	if (done != (ssize_t)(count * sizeof(uint64_t)))
		complain("write gave %zd (%s)", done, strerror(errno));
	return done > 0;
}

static void check_content(struct thread *self, int fd, const char *name)
{
	size_t size = 0;
	ssize_t got;
	uint64_t number;

	while ((got = pread(fd, (char *)self->words + size, sizeof(self->words) - size,
			    (off_t)size)) > 0)
		size += (size_t)got;
	if (got < 0)
		return check_error("read", name, 0);
	if (size == 0)
		return;
	number = self->words[0];
	if (size != words_of(number) * sizeof(uint64_t))
		return complain("%s holds %zu bytes; file %#jx has %zu", name, size,
				(uintmax_t)number, words_of(number) * sizeof(uint64_t));
	for (size_t i = 1; i < words_of(number); i++) {
		if (self->words[i] != word_of(number, i))
			return complain("%s: word %zu is not of file %#jx", name, i,
					(uintmax_t)number);
	}
}

/* ---- what threads do -------------------------------------------------------------------------------- */

static void publish(struct thread *self)
{
	char temporary[64], name[64];
	uint64_t number = (uint64_t)getpid() << 40 | (uint64_t)self->number << 32 | ++self->made;
	int fd;

	snprintf(temporary, sizeof(temporary), "%s/%d.%u", WORKSHOP, (int)getpid(), self->number);
	fd = openat(top, temporary, O_RDWR | O_CREAT | O_EXCL, 0644);
	if (fd < 0)
		return check_error("create", temporary, 0);
	if (fill(self, fd, number)) {
		pick(self, name, "f");
		if (renameat(top, temporary, top, name) < 0) {
			check_error("rename", name, EISDIR, 0);
			if (unlinkat(top, temporary, 0) < 0)
				check_error("unlink", temporary, 0);
		}
	}
	check_content(self, fd, temporary);
	close(fd);
}

static void create_empty(struct thread *self)
{
	char name[64];
	int fd;

	pick(self, name, "f");
	fd = openat(top, name, O_RDWR | O_CREAT | (draw(self, 2) ? O_EXCL : 0), 0644);
	if (fd < 0)
		return check_error("open O_CREAT", name, EEXIST, 0);
	check_content(self, fd, name);
	close(fd);
}

static void read_one(struct thread *self)
{
	char name[64];
	int fd;

	pick(self, name, "f");
	fd = openat(top, name, O_RDONLY);
	if (fd < 0)
		return check_error("open", name, ENOENT, 0);
	check_content(self, fd, name);
	close(fd);
}

static void open_unlink(struct thread *self)
{
	char name[64];
	struct stat status;
	int fd;

	pick(self, name, "f");
	fd = openat(top, name, O_RDWR);
	if (fd < 0)
		return check_error("open", name, ENOENT, 0);
	if (unlinkat(top, name, 0) < 0)
		check_error("unlink", name, ENOENT, 0);
	if (fstat(fd, &status) < 0)
		check_error("fstat", name, 0);
	check_content(self, fd, name);
	close(fd);
}

static void move(struct thread *self)
{
	char from[64], to[64];

	pick(self, from, "f");
	pick(self, to, "f");
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, draw(self, 8) ? 0 : 1 + draw(self, 2)) < 0)
		check_error("rename", from, ENOENT, EEXIST, 0);
}

static void make_link(struct thread *self)
{
	char from[64], to[64];

	pick(self, from, "f");
	pick(self, to, "f");
	if (linkat(top, from, top, to, 0) < 0)
		check_error("link", to, ENOENT, EEXIST, 0);
}

static void remove_one(struct thread *self)
{
	char name[64];

	pick(self, name, "f");
	if (unlinkat(top, name, 0) < 0)
		check_error("unlink", name, ENOENT, 0);
}

static void folders(struct thread *self)
{
	char name[64], other[64];

	pick(self, name, "s");
	switch (draw(self, 3)) {
	case 0:
		if (mkdirat(top, name, 0755) < 0)
			check_error("mkdir", name, EEXIST, taken_away(), 0);
		break;
	case 1:
		if (unlinkat(top, name, AT_REMOVEDIR) < 0)
			check_error("rmdir", name, ENOENT, 0);
		break;
	default:
		pick(self, other, "s");
		if (renameat(top, name, top, other) < 0)
			check_error("rename folder", name, ENOENT, 0);
	}
}

static void symlinks(struct thread *self)
{
	char name[64], target[64];
	ssize_t length;

	pick(self, name, "l");
	if (draw(self, 2)) {
		if (symlinkat(name, top, name) < 0)
			check_error("symlink", name, EEXIST, taken_away(), 0);
		else if (draw(self, 2) && unlinkat(top, name, 0) < 0)
			check_error("unlink", name, ENOENT, 0);
		return;
	}
	length = readlinkat(top, name, target, sizeof(target));
	if (length < 0)
		check_error("readlink", name, ENOENT, 0);
	else if ((size_t)length != strlen(name) || memcmp(target, name, (size_t)length) != 0)
		complain("readlink %s gave %.*s", name, (int)length, target);
	if (draw(self, 2) && unlinkat(top, name, 0) < 0)
		check_error("unlink", name, ENOENT, 0);
}

/*
 * A name that is none of ours is a violation. One that is renamed meanwhile may be listed twice or not
 * at all.
 */
static void list(struct thread *self)
{
	struct dirent *entry;
	char folder[16];
	DIR *stream;
	int fd;

	snprintf(folder, sizeof(folder), "d%u", draw(self, FOLDERS));
	fd = openat(top, folder, O_RDONLY | O_DIRECTORY);
	stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream)
		return check_error("opendir", folder, 0);
	while (errno = 0, (entry = readdir(stream)) != NULL) {
		char *end;
		unsigned long number = strtoul(entry->d_name + 1, &end, 10);

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (!strchr("fsl", entry->d_name[0]) || *end || number >= NAMES)
			complain("%s lists %s", folder, entry->d_name);
		else if (entry->d_name[0] == 's' && entry->d_type != DT_DIR)
			complain("%s lists %s as type %d", folder, entry->d_name, entry->d_type);
	}
	if (errno)
		check_error("readdir", folder, 0);
	closedir(stream);
}

static void look(struct thread *self)
{
	struct stat status;
	char name[64];

	pick(self, name, draw(self, 4) ? "f" : "s");
	if (fstatat(top, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		check_error("lstat", name, ENOENT, 0);
	else if (S_ISDIR(status.st_mode) != (strchr(name, 's') != NULL))
		complain("%s has mode %o", name, status.st_mode);
}

static void *run(void *arg)
{
	static void (*const works[])(struct thread *) = {
		publish,   publish,    create_empty, read_one, read_one, open_unlink, move, move,
		make_link, remove_one, folders,      symlinks, list,     look,        look,
	};
	struct thread *self = arg;

	while (!stop) {
		works[draw(self, sizeof(works) / sizeof(works[0]))](self);
		atomic_fetch_add_explicit(&operations, 1, memory_order_relaxed);
	}
	return NULL;
}

static void make_folder(const char *name)
{
	if (mkdirat(top, name, 0755) < 0 && errno != EEXIST)
		err(2, "%s", name);
}

int main(int argc, char **argv)
{
	static struct thread threads[THREADS_MAX];
	unsigned count;

	if (argc < 5 || (count = (unsigned)atoi(argv[3])) == 0 || count > THREADS_MAX)
		errx(2, "usage: storm DIRECTORY SECONDS THREADS SEED [hostile]");
	hostile = argc > 5;
	top = open(argv[1], O_RDONLY | O_DIRECTORY);
	if (top < 0 || fchdir(top) < 0)
		err(2, "%s", argv[1]);
	make_folder(WORKSHOP);
	for (unsigned i = 0; i < FOLDERS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "d%u", i);
		make_folder(name);
	}
	for (unsigned i = 0; i < count; i++) {
		threads[i].number = i;
		threads[i].seed = (unsigned)atoi(argv[4]) * 1000 + i;
		if (pthread_create(&threads[i].id, NULL, run, &threads[i]) != 0)
			errx(2, "no thread");
	}
	sleep((unsigned)atoi(argv[2]));
	stop = true;
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i].id, NULL);
	printf("operations %lu violations %lu\n", operations, violations);
	return violations ? 1 : 0;
}
