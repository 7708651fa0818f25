/* SPDX-License-Identifier: BSD-3-Clause */
#include "caller_groups.h"

#include "scope.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

/* More than this no process has: include/uapi/linux/limits.h, NGROUPS_MAX. */
#define GROUPS_MAX 65536u

static int parse_list(const char *text, uint32_t **ret_groups, size_t *ret_count)
{
	FB_SCOPE_FREE uint32_t *groups = NULL;
	size_t count = 0, room = 0;
	int length;
	uint32_t group;

	for (; count < GROUPS_MAX && sscanf(text, "%" SCNu32 "%n", &group, &length) == 1;
	     text += length) {
		if (count == room) {
			uint32_t *grown;

			room = room ? room * 2 : 16;
			grown = realloc(groups, room * sizeof(*groups));
			if (!grown)
				return -ENOMEM;
			groups = grown;
		}
		groups[count++] = group;
	}
	*ret_groups = fb_pointer_steal(&groups);
	*ret_count = count;
	return 0;
}

int fb_caller_groups_parse(FILE *status, uint32_t uid, uint32_t **ret_groups, size_t *ret_count)
{
	FB_SCOPE_FREE char *line = NULL;
	size_t size = 0;
	bool same_user = false;
	uint32_t fsuid;

	while (getline(&line, &size, status) > 0) {
		if (sscanf(line, "Uid: %*u %*u %*u %" SCNu32, &fsuid) == 1)
			same_user = fsuid == uid;
		if (strncmp(line, "Groups:", 7) != 0)
			continue;
		/* The number may belong to another process by now. */
		return same_user ? parse_list(line + 7, ret_groups, ret_count) : -ESRCH;
	}
	return -ESRCH;
}

int fb_caller_groups_read(int proc, const struct fb_caller *caller, uint32_t **ret_groups,
			  size_t *ret_count)
{
	char name[32];
	FILE *status;
	int fd, result;

	if (caller->pid == 0 || proc < 0)
		return -ESRCH;
	snprintf(name, sizeof(name), "%" PRIu32 "/status", caller->pid);
	fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -ESRCH;
	status = fdopen(fd, "r");
	if (!status) {
		close(fd);
		return -ENOMEM;
	}
	result = fb_caller_groups_parse(status, caller->uid, ret_groups, ret_count);
	fclose(status);
	return result;
}
