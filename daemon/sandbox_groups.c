/* SPDX-License-Identifier: BSD-3-Clause */
#include "sandbox_groups.h"

#include <errno.h>
#include <grp.h>
#include <libfb/log.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "scope.h"

static bool denied(void)
{
	SCOPED_FILE file = fopen("/proc/self/setgroups", "re");
	char word[8] = "";

	return file && fscanf(file, "%7s", word) == 1 && strcmp(word, "deny") == 0;
}

static bool has_one_group_id(void)
{
	SCOPED_FILE file = fopen("/proc/self/gid_map", "re");
	unsigned count = 0, more;

	return file && fscanf(file, "%*u %*u %u", &count) == 1 && count == 1 &&
	       fscanf(file, "%u", &more) != 1;
}

int sandbox_groups_drop(void)
{
	if (geteuid() != 0 || getgroups(0, NULL) == 0 || setgroups(0, NULL) == 0)
		return 0;
	if (errno == EPERM && denied() && has_one_group_id())
		return 0;
	return fb_fail(errno, "the groups of whoever started fbfsd can not be left: %s",
		       strerror(errno));
}
