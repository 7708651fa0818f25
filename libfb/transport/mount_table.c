/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/mount_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/scope.h"

static inline void scope_fclose(FILE **file)
{
	if (*file)
		fclose(*file);
}

#define SCOPED_FILE __attribute__((cleanup(scope_fclose))) FILE

uint64_t fb_mount_number(int fd)
{
	FB_SCOPED_FREE char *line = NULL;
	unsigned long long number = 0;
	SCOPED_FILE *info = NULL;
	size_t size = 0;
	char path[64];

	/* Not /proc/self: a thread may have descriptors of its own. */
	snprintf(path, sizeof(path), "/proc/thread-self/fdinfo/%d", fd);
	info = fopen(path, "re");
	while (info && getline(&line, &size, info) > 0)
		if (sscanf(line, "mnt_id: %llu", &number) == 1)
			break;
	return number;
}

/* Undo the octal escapes of /proc in place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		unsigned code;

		if (from[0] == '\\' && sscanf(from + 1, "%3o", &code) == 1) {
			*to = (char)code;
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/*
 * A line is "36 35 98:0 /root /where/it/is rw,noatime master:1 - type source rw". Source: proc(5).
 * Returns whether it describes the mount with this number.
 */
static bool line_parse(char *line, uint64_t number, struct fb_mount_entry *entry)
{
	char *dash = strstr(line, " - "), *path;
	unsigned long long found;
	int skip = 0;

	if (sscanf(line, "%llu %*u %u:%u %*s %n", &found, &entry->id.major, &entry->id.minor,
		   &skip) != 3 ||
	    found != number || !skip || !dash)
		return false;
	path = line + skip;
	path[strcspn(path, " ")] = '\0';
	unescape(path);
	if (strlen(path) >= sizeof(entry->path))
		return false;
	strcpy(entry->path, path);
	entry->id.number = number;
	dash += strlen(" - ");
	dash[strcspn(dash, " ")] = '\0';
	entry->fuse = strcmp(dash, "fuse") == 0 || strcmp(dash, "fuseblk") == 0 ||
		      strncmp(dash, "fuse.", 5) == 0;
	return true;
}

int fb_mount_entry_find(uint64_t number, struct fb_mount_entry *ret_entry)
{
	SCOPED_FILE *table = fopen("/proc/thread-self/mountinfo", "re");
	FB_SCOPED_FREE char *line = NULL;
	struct fb_mount_entry entry = { 0 };
	size_t size = 0;

	while (table && getline(&line, &size, table) > 0) {
		if (!line_parse(line, number, &entry))
			continue;
		*ret_entry = entry;
		return 0;
	}
	return -ENOENT;
}
