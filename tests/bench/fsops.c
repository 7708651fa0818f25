/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: fsops [--paced] DIRECTORY THREADS COUNT [NAME...]
 *
 * Measures small operations in a folder that it makes in DIRECTORY, and removes it. COUNT operations
 * of each kind are shared out to THREADS threads, each with a folder of its own. NAMEs are the
 * kinds to measure (all); what those need is done anyway. Output: see sample.h.
 *
 * "-cold" means that the kernel has just dropped the names and inodes that nobody uses; without the
 * right to tell it so, these are left out. "stat" finds what another stat has just looked up. Data
 * that is read was written just before, so the machine's memory has it.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sample.h"

enum { SMALL = 4096, THREADS_MAX = 64, NAME_SIZE = 32 };

struct worker {
	int folder;
	unsigned count; /* its share of COUNT */
	int data;       /* its open file of COUNT times 4 KiB */
	DIR *listing;
	const char *prefix; /* of the names that its files have now */
	char buffer[SMALL];
	struct sample sample;
	pthread_t thread;
};

struct phase {
	const char *name;
	void (*one)(struct worker *worker, unsigned i);
	unsigned times;     /* COUNT by this; 0: once */
	bool cold;          /* forget names and inodes first */
	bool warm;          /* do it once unmeasured */
	bool needed;        /* by what comes later */
	const char *prefix; /* of the names from then on */
};

static struct worker workers[THREADS_MAX];
static unsigned threads;
static const struct phase *phase; /* that is to be done; NULL: the end */
static pthread_barrier_t barrier;

/* Drop what the kernel remembers of names and inodes. Returns whether it can be done. */
static bool forget(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, "2", 1) == 1;

	if (fd >= 0)
		close(fd);
	return done;
}

static void must(long result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
}

static const char *name_of(char name[NAME_SIZE], const char *prefix, unsigned i)
{
	snprintf(name, NAME_SIZE, "%s%u", prefix, i);
	return name;
}

/* ---- one operation on file i --------------------------------------------------------------- */

static int open_file(const struct worker *w, unsigned i, int flags)
{
	char name[NAME_SIZE];
	int fd = openat(w->folder, name_of(name, w->prefix, i), flags | O_CLOEXEC, 0644);

	must(fd, "open");
	return fd;
}

static void do_create(struct worker *w, unsigned i)
{
	close(open_file(w, i, O_WRONLY | O_CREAT | O_EXCL));
}

static void do_open(struct worker *w, unsigned i)
{
	close(open_file(w, i, O_RDONLY));
}

static void do_open_write(struct worker *w, unsigned i)
{
	int fd = open_file(w, i, O_WRONLY);

	must(write(fd, w->buffer, SMALL), "write");
	must(close(fd), "close");
}

static void do_open_read(struct worker *w, unsigned i)
{
	int fd = open_file(w, i, O_RDONLY);

	must(read(fd, w->buffer, SMALL), "read");
	close(fd);
}

static void do_stat(struct worker *w, unsigned i)
{
	struct stat status;
	char name[NAME_SIZE];

	must(fstatat(w->folder, name_of(name, w->prefix, i), &status, 0), "stat");
}

/* The next entry of the folder, which is opened anew at its end. */
static struct dirent *next_entry(struct worker *w)
{
	struct dirent *entry;

	if (!w->listing) {
		int fd = openat(w->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		must(fd, "opening a folder");
		w->listing = fdopendir(fd);
		if (!w->listing)
			err(1, "fdopendir");
	}
	entry = readdir(w->listing);
	if (!entry) {
		closedir(w->listing);
		w->listing = NULL;
	}
	return entry;
}

static void do_readdir(struct worker *w, unsigned i)
{
	(void)i;
	next_entry(w);
}

static void do_readdir_stat(struct worker *w, unsigned i)
{
	struct dirent *entry = next_entry(w);
	struct stat status;

	(void)i;
	if (entry)
		must(fstatat(w->folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW), "stat");
}

static void do_rename(struct worker *w, unsigned i)
{
	char from[NAME_SIZE], to[NAME_SIZE];

	must(renameat(w->folder, name_of(from, "f", i), w->folder, name_of(to, "g", i)), "rename");
}

static void do_unlink(struct worker *w, unsigned i)
{
	char name[NAME_SIZE];

	must(unlinkat(w->folder, name_of(name, w->prefix, i), 0), "unlink");
}

static void do_mkdir(struct worker *w, unsigned i)
{
	char name[NAME_SIZE];

	must(mkdirat(w->folder, name_of(name, "d", i), 0755), "mkdir");
}

static void do_rmdir(struct worker *w, unsigned i)
{
	char name[NAME_SIZE];

	must(unlinkat(w->folder, name_of(name, "d", i), AT_REMOVEDIR), "rmdir");
}

/* ---- in one open file ---------------------------------------------------------------------- */

static off_t somewhere(const struct worker *w, unsigned i)
{
	return (off_t)(i * 7919u % w->count) * SMALL;
}

static void do_write_seq(struct worker *w, unsigned i)
{
	must(pwrite(w->data, w->buffer, SMALL, (off_t)i * SMALL), "write");
}

static void do_write_random(struct worker *w, unsigned i)
{
	must(pwrite(w->data, w->buffer, SMALL, somewhere(w, i)), "write");
}

static void do_read_random(struct worker *w, unsigned i)
{
	must(pread(w->data, w->buffer, SMALL, somewhere(w, i)), "read");
}

/* Creating comes first, and removing what was created after all that needs it. */
static const struct phase phases[] = {
	{ "create", do_create, .needed = true },
	{ "stat", do_stat, .warm = true },
	{ "open-close", .one = do_open },
	{ "open-write-close", .one = do_open_write },
	{ "open-read-close", .one = do_open_read },
	{ "stat-cold", do_stat, .cold = true },
	{ "readdir", do_readdir, .times = 10, .warm = true },
	{ "readdir-stat-cold", do_readdir_stat, .cold = true },
	{ "write-4k-seq", do_write_seq, .needed = true },
	{ "write-4k-random", .one = do_write_random },
	{ "read-4k-random", .one = do_read_random },
	{ "rename", do_rename, .prefix = "g" },
	{ "unlink", do_unlink, .needed = true },
	{ "mkdir", do_mkdir, .needed = true },
	{ "rmdir", do_rmdir, .needed = true },
};

/* ---- measuring ----------------------------------------------------------------------------- */

static void do_share(struct worker *w)
{
	unsigned times = phase->times ? phase->times : 1;
	uint64_t before = sample_now_ns();

	memset(&w->sample, 0, sizeof(w->sample));
	for (unsigned i = 0; i < w->count * times; i++) {
		uint64_t after;

		phase->one(w, i);
		after = sample_now_ns();
		sample_add(&w->sample, after - before);
		before = after;
	}
	if (w->listing)
		closedir(w->listing);
	w->listing = NULL;
}

/* Main and workers meet before each phase and after it. */
static void *work(void *arg)
{
	struct worker *w = arg;

	for (;;) {
		pthread_barrier_wait(&barrier);
		if (!phase)
			return NULL;
		do_share(w);
		pthread_barrier_wait(&barrier);
	}
}

/* Returns the seconds that it took. */
static double do_phase(const struct phase *next)
{
	uint64_t start;

	phase = next;
	start = sample_now_ns();
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return (double)(sample_now_ns() - start) / 1e9;
}

static void measure(const struct phase *next)
{
	static struct sample all;
	double seconds;

	if (next->warm)
		do_phase(next);
	sample_begin(next->name);
	seconds = do_phase(next);
	memset(&all, 0, sizeof(all));
	for (unsigned i = 0; i < threads; i++)
		sample_merge(&all, &workers[i].sample);
	sample_done(next->name, &all, seconds);
}

static bool is_wanted(const char *name, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++) {
		if (strcmp(*names, name) == 0)
			return true;
	}
	return false;
}

static void do_phases(char **names)
{
	for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
		const struct phase *next = &phases[i];
		bool wanted = is_wanted(next->name, names) && (!next->cold || forget());

		if (wanted)
			measure(next);
		else if (next->needed)
			do_phase(next);
		for (unsigned w = 0; (wanted || next->needed) && next->prefix && w < threads; w++)
			workers[w].prefix = next->prefix;
	}
	phase = NULL;
	pthread_barrier_wait(&barrier);
}

static void start_worker(struct worker *w, int top, unsigned index, unsigned count)
{
	char name[NAME_SIZE];

	name_of(name, "t", index);
	must(mkdirat(top, name, 0755), "mkdir");
	w->folder = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(w->folder, "opening a folder");
	w->data = openat(w->folder, "data", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	must(w->data, "open");
	w->count = count;
	w->prefix = "f";
	memset(w->buffer, 'x', SMALL);
	if (pthread_create(&w->thread, NULL, work, w) != 0)
		errx(1, "no thread");
}

static void end_worker(struct worker *w, int top, unsigned index)
{
	char name[NAME_SIZE];

	pthread_join(w->thread, NULL);
	close(w->data);
	must(unlinkat(w->folder, "data", 0), "unlink");
	close(w->folder);
	must(unlinkat(top, name_of(name, "t", index), AT_REMOVEDIR), "rmdir");
}

static unsigned number(const char *text, unsigned most)
{
	unsigned long value = strtoul(text, NULL, 10);

	if (value < 1 || value > most)
		errx(2, "%s: a number from 1 to %u is wanted", text, most);
	return (unsigned)value;
}

int main(int argc, char **argv)
{
	char folder[] = "fsops-XXXXXX";
	unsigned count;
	int top;

	if (argc > 1 && strcmp(argv[1], "--paced") == 0) {
		sample_paced();
		argv++;
		argc--;
	}
	if (argc < 4)
		errx(2, "usage: fsops [--paced] DIRECTORY THREADS COUNT [NAME...]");
	threads = number(argv[2], THREADS_MAX);
	count = number(argv[3], 1u << 24);
	if (chdir(argv[1]) < 0 || !mkdtemp(folder))
		err(1, "%s", argv[1]);
	top = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(top, folder);
	pthread_barrier_init(&barrier, NULL, threads + 1);
	for (unsigned i = 0; i < threads; i++)
		start_worker(&workers[i], top, i, count < threads ? 1 : count / threads);
	do_phases(argv + 4);
	for (unsigned i = 0; i < threads; i++)
		end_worker(&workers[i], top, i);
	close(top);
	must(rmdir(folder), "rmdir");
	return 0;
}
