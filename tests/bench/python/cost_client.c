/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: cost_client WORK CALLS    in a directory of the file system that is measured
 *
 * Asks a server for the same thing again and again: getattr, lookup (of names that are not there), stat,
 * or read (4 KiB).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 1000

static void do_getattr(int fd, long i)
{
	struct stat st;

	(void)i;
	if (fstat(fd, &st) < 0)
		exit(1);
}

static void do_lookup(int fd, long i)
{
	char name[16];
	struct stat st;

	(void)fd;
	snprintf(name, sizeof(name), "%ld", FILES + i % FILES);
	if (stat(name, &st) == 0)
		exit(1);
}

static void do_stat(int fd, long i)
{
	char name[16];
	struct stat st;

	(void)fd;
	snprintf(name, sizeof(name), "%ld", i % FILES);
	if (stat(name, &st) < 0)
		exit(1);
}

static void do_read(int fd, long i)
{
	char data[4096];

	(void)i;
	if (pread(fd, data, sizeof(data), 0) != sizeof(data))
		exit(1);
}

static const struct {
	const char *name;
	void (*run)(int fd, long i);
} works[] = {
	{ "getattr", do_getattr },
	{ "lookup", do_lookup },
	{ "stat", do_stat },
	{ "read", do_read },
};

int main(int argc, char **argv)
{
	long calls = argc == 3 ? atol(argv[2]) : 0;
	int fd = open("1", O_RDONLY);

	for (size_t w = 0; w < sizeof(works) / sizeof(*works) && calls > 0 && fd >= 0; w++) {
		if (strcmp(works[w].name, argv[1]) != 0)
			continue;
		for (long i = 0; i < calls; i++)
			works[w].run(fd, i);
		return 0;
	}
	return 2;
}
