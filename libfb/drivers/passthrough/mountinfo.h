/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines of /proc/PID/mountinfo. Source: proc_pid_mountinfo(5).
 */
#ifndef LIBFB_PASSTHROUGH_MOUNTINFO_H
#define LIBFB_PASSTHROUGH_MOUNTINFO_H

#include <stdbool.h>
#include <stdint.h>

struct fb_mountinfo {
	uint64_t mnt_id, parent;
	char *path; /* of the mount point, decoded; part of the line */
};

/* Take a line apart, in place. Returns whether it was one. */
bool fb_mountinfo_parse(char *line, struct fb_mountinfo *ret_mountinfo);

#endif
