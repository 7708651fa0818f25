/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: fsops DIRECTORY [COUNT [BYTES]]
 *
 * Measures small operations in an empty folder that it makes in DIRECTORY, each COUNT times (2000),
 * and sequential data of BYTES (256 MiB) in pieces of 128 KiB. Creates come from 1 to 8 threads in the
 * same folder, too ("creates-N": the time of all together, for one file). Prints a line "NAME VALUE UNIT" for
 * each: microseconds for one operation, or MiB/s. "cold" means that the kernel has just dropped the
 * names and inodes that nobody uses (needs root, else these lines are left out). Data that is read
 * was written just before, so the machine's memory has it.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 128 << 10, SMALL = 4096, THREADS_MAX = 8 };

static unsigned count = 2000;
static char buffer[PIECE];

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* Drop what the kernel remembers. Returns whether it can be done. */
static bool forget(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, "2", 1) == 1;

	if (fd >= 0)
		close(fd);
	return done;
}

static char *name_of(const char *prefix, unsigned i)
{
	static char name[32];

	snprintf(name, sizeof(name), "%s%u", prefix, i);
	return name;
}

static void must(long result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
}

/* ---- one operation on file i ----------------------------------------------------------------------- */

static void do_create(unsigned i)
{
	int fd = open(name_of("f", i), O_WRONLY | O_CREAT | O_EXCL, 0644);

	must(fd, "create");
	close(fd);
}

static void do_create_write(unsigned i)
{
	int fd = open(name_of("c", i), O_WRONLY | O_CREAT | O_EXCL, 0644);

	must(fd, "create");
	must(write(fd, buffer, SMALL), "write");
	close(fd);
}

static void do_open(unsigned i)
{
	int fd = open(name_of("f", i), O_RDONLY);

	must(fd, "open");
	close(fd);
}

static void do_stat(unsigned i)
{
	struct stat status;

	must(stat(name_of("f", i), &status), "stat");
}

static void do_write(unsigned i)
{
	int fd = open(name_of("f", i), O_WRONLY);

	must(fd, "open");
	must(write(fd, buffer, SMALL), "write");
	close(fd);
}

static void do_read(unsigned i)
{
	int fd = open(name_of("f", i), O_RDONLY);

	must(fd, "open");
	must(read(fd, buffer, SMALL), "read");
	close(fd);
}

static void do_rename(unsigned i)
{
	char old[32];

	strcpy(old, name_of("f", i));
	must(rename(old, name_of("g", i)), "rename");
}

static void do_unlink(unsigned i)
{
	must(unlink(name_of("g", i)), "unlink");
}

static void do_mkdir(unsigned i)
{
	must(mkdir(name_of("d", i), 0755), "mkdir");
}

static void do_rmdir(unsigned i)
{
	must(rmdir(name_of("d", i)), "rmdir");
}

/* In one open file: pieces of 4 KiB here and there. */
static int open_file;

static void do_pwrite(unsigned i)
{
	must(pwrite(open_file, buffer, SMALL, (off_t)((i * 7919u) % count) * SMALL), "pwrite");
}

static void do_pread(unsigned i)
{
	must(pread(open_file, buffer, SMALL, (off_t)((i * 7919u) % count) * SMALL), "pread");
}

static void remove_all(const char *prefix)
{
	for (unsigned i = 0; i < count; i++)
		must(unlink(name_of(prefix, i)), "unlink");
}

/* ---- measuring ----------------------------------------------------------------------------------------- */

static void measure(const char *name, void (*operation)(unsigned i))
{
	double start = now();

	for (unsigned i = 0; i < count; i++)
		operation(i);
	printf("%s %.3f us\n", name, (now() - start) / count);
}

static unsigned threads;

static void *create_share(void *arg)
{
	char name[32];

	for (unsigned i = (unsigned)(uintptr_t)arg; i < count; i += threads) {
		int fd;

		snprintf(name, sizeof(name), "t%u", i);
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
		must(fd, "create");
		close(fd);
	}
	return NULL;
}

static void measure_creates(unsigned number)
{
	pthread_t running[THREADS_MAX];
	double start = now();

	threads = number;
	for (uintptr_t i = 0; i < number; i++) {
		if (pthread_create(&running[i], NULL, create_share, (void *)i) != 0)
			errx(1, "no thread");
	}
	for (unsigned i = 0; i < number; i++)
		pthread_join(running[i], NULL);
	printf("creates-%u %.3f us\n", number, (now() - start) / count);
	remove_all("t");
}

static void measure_readdir(const char *name, bool stats)
{
	double start = now();
	unsigned seen = 0;
	DIR *folder = opendir(".");
	struct dirent *entry;
	struct stat status;

	if (!folder)
		err(1, "opendir");
	while ((entry = readdir(folder)) != NULL) {
		seen++;
		if (stats)
			must(fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW),
			     "stat");
	}
	closedir(folder);
	printf("%s %.3f us\n", name, (now() - start) / seen);
}

static void measure_data(const char *name, bool writes, off_t bytes)
{
	int fd = open("data", writes ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY, 0644);
	double start;

	must(fd, "open");
	start = now();
	for (off_t done = 0; done < bytes; done += PIECE) {
		ssize_t moved = writes ? write(fd, buffer, PIECE) : read(fd, buffer, PIECE);

		if (moved != PIECE)
			err(1, "%s", name);
	}
	if (writes)
		must(fsync(fd), "fsync");
	printf("%s %.1f MiB/s\n", name, (double)bytes / 1.048576 / (now() - start));
	close(fd);
}

static void measure_open_file(void)
{
	open_file = open("open", O_RDWR | O_CREAT, 0644);
	must(open_file, "open");
	measure("write-4k", do_pwrite);
	measure("read-4k", do_pread);
	close(open_file);
	must(unlink("open"), "unlink");
}

int main(int argc, char **argv)
{
	off_t bytes = 256 << 20;
	bool can_forget = forget();

	if (argc < 2 || chdir(argv[1]) < 0 || (mkdir("fsops", 0755) < 0 && errno != EEXIST) ||
	    chdir("fsops") < 0)
		err(2, "usage: fsops DIRECTORY [COUNT [BYTES]]");
	if (argc > 2)
		count = (unsigned)strtoul(argv[2], NULL, 10);
	if (argc > 3)
		bytes = (off_t)strtoull(argv[3], NULL, 10) / PIECE * PIECE;
	memset(buffer, 'x', sizeof(buffer));
	measure("create", do_create);
	measure("create-write-4k-close", do_create_write);
	remove_all("c");
	for (unsigned number = 1; number <= THREADS_MAX; number *= 2)
		measure_creates(number);
	measure("open-write-4k-close", do_write);
	measure("open-close", do_open);
	measure("open-read-4k-close", do_read);
	if (can_forget && forget())
		measure("stat-cold", do_stat);
	measure("stat-warm", do_stat);
	if (can_forget && forget())
		measure_readdir("readdir-cold", false);
	if (can_forget && forget())
		measure_readdir("readdir-stat-cold", true);
	measure("rename", do_rename);
	measure("unlink", do_unlink);
	measure("mkdir", do_mkdir);
	measure("rmdir", do_rmdir);
	measure_open_file();
	measure_data("sequential-write", true, bytes);
	measure_data("sequential-read", false, bytes);
	must(unlink("data"), "unlink");
	must(chdir(".."), "chdir");
	must(rmdir("fsops"), "rmdir");
	return 0;
}
