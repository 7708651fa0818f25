/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: tree DIRECTORY COUNT PER_FOLDER
 *
 * Makes COUNT empty files, PER_FOLDER in each of the folders d0, d1, …: quickly, for tests that need
 * very many.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	unsigned long count, per_folder;
	int folder = -1;
	char name[32];

	if (argc != 4)
		errx(2, "usage: tree DIRECTORY COUNT PER_FOLDER");
	count = strtoul(argv[2], NULL, 10);
	per_folder = strtoul(argv[3], NULL, 10);
	if (per_folder == 0 || chdir(argv[1]) < 0)
		err(1, "%s", argv[1]);
	for (unsigned long i = 0; i < count; i++) {
		int fd;

		if (i % per_folder == 0) {
			snprintf(name, sizeof(name), "d%lu", i / per_folder);
			if (folder >= 0)
				close(folder);
			if (mkdir(name, 0755) < 0)
				err(1, "%s", name);
			folder = open(name, O_RDONLY | O_DIRECTORY);
		}
		snprintf(name, sizeof(name), "f%lu", i);
		fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
		if (fd < 0)
			err(1, "%s", name);
		close(fd);
	}
	return 0;
}
