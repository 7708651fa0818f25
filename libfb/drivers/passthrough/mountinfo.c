/* SPDX-License-Identifier: BSD-3-Clause */
#include "mountinfo.h"

#include <stdlib.h>
#include <string.h>

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Blanks and backslashes are written as three octal digits: \040. */
static void decode(char *path)
{
	char *to = path;

	for (const char *from = path; *from; from++) {
		*to = *from;
		if (from[0] == '\\' && is_octal(from[1]) && is_octal(from[2]) &&
		    is_octal(from[3])) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 3;
		}
		to++;
	}
	*to = '\0';
}

bool fb_mountinfo_parse(char *line, struct fb_mountinfo *ret_mountinfo)
{
	char *rest = line, *fields[5];

	/* id parent major:minor root mount-point … */
	for (unsigned i = 0; i < 5; i++) {
		fields[i] = strsep(&rest, " ");
		if (!fields[i])
			return false;
	}
	decode(fields[4]);
	*ret_mountinfo = (struct fb_mountinfo){
		.mnt_id = strtoull(fields[0], NULL, 10),
		.parent = strtoull(fields[1], NULL, 10),
		.path = fields[4],
	};
	return true;
}
