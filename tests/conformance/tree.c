/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/*
 * Removing may disturb the position in the directory, so start again until a pass removes nothing.
 */
static int remove_entries(DIR *stream)
{
	bool removed;

	do {
		struct dirent *entry;

		removed = false;
		rewinddir(stream);
		while ((entry = readdir(stream)) != NULL) {
			int result;

			if (is_dot(entry->d_name))
				continue;
			result = tree_remove(dirfd(stream), entry->d_name);
			if (result < 0)
				return result;
			removed = true;
		}
	} while (removed);
	return 0;
}

int tree_remove(int parent, const char *name)
{
	DIR *stream;
	int result;
	int fd;

	if (unlinkat(parent, name, 0) == 0)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (fchmodat(parent, name, 0700, 0) < 0)
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	stream = fdopendir(fd);
	if (stream == NULL) {
		close(fd);
		return -ENOMEM;
	}
	result = remove_entries(stream);
	closedir(stream);
	if (result == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0)
		result = -errno;
	return result;
}
