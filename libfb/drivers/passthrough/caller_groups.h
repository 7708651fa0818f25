/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole group list of a caller, which FUSE does not send.
 */
#ifndef LIBFB_PASSTHROUGH_CALLER_GROUPS_H
#define LIBFB_PASSTHROUGH_CALLER_GROUPS_H

#include <libfb/driver.h>

#include <stdio.h>

/*
 * Read the groups of the process caller->pid from /proc (an O_PATH descriptor). Returns 0 and an
 * array (to be freed); -ESRCH when the process is gone or out of sight, or is not of the caller's
 * uid any more; or -ENOMEM.
 */
int fb_caller_groups_read(int proc, const struct fb_caller *caller, uint32_t **ret_groups,
			  size_t *ret_count) FB_MUST_CHECK;

/* The same from an open file in the form of /proc/PID/status. Source: proc_pid_status(5). */
int fb_caller_groups_parse(FILE *status, uint32_t uid, uint32_t **ret_groups,
			   size_t *ret_count) FB_MUST_CHECK;

#endif
