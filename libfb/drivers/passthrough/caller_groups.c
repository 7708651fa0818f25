/* SPDX-License-Identifier: BSD-3-Clause */
#include "caller_groups.h"

#include "scope.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

/* More than this no process has: include/uapi/linux/limits.h, NGROUPS_MAX. */
#define GROUPS_MAX 65536u

/* Read one number and step over it. Returns false at the end of the line. */
static bool next_number(const char **text, uint32_t *ret_number)
{
	char *end;
	unsigned long long number = strtoull(*text, &end, 10);

	if (end == *text || number > UINT32_MAX)
		return false;
	*text = end;
	*ret_number = (uint32_t)number;
	return true;
}

static int parse_list(const char *text, uint32_t **ret_groups, size_t *ret_count)
{
	FB_SCOPE_FREE uint32_t *groups = NULL;
	size_t count = 0, room = 0;
	uint32_t group;

	while (count < GROUPS_MAX && next_number(&text, &group)) {
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

/* "Uid:" is followed by the real, effective, saved and file-system id. */
static bool is_of_user(const char *line, uint32_t uid)
{
	const char *at = line + strlen("Uid:");
	uint32_t id = 0;

	for (int i = 0; i < 4; i++) {
		if (!next_number(&at, &id))
			return false;
	}
	return id == uid;
}

int fb_caller_groups_parse(FILE *status, uint32_t uid, uint32_t **ret_groups, size_t *ret_count)
{
	FB_SCOPE_FREE char *line = NULL;
	size_t size = 0;
	bool same_user = false;

	while (getline(&line, &size, status) > 0) {
		if (strncmp(line, "Uid:", strlen("Uid:")) == 0)
			same_user = is_of_user(line, uid);
		if (strncmp(line, "Groups:", strlen("Groups:")) != 0)
			continue;
		/* The number may belong to another process by now. */
		if (!same_user)
			return -ESRCH;
		return parse_list(line + strlen("Groups:"), ret_groups, ret_count);
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
