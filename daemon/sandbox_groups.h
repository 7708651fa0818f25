/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The groups that the process is in because of who started it.
 */
#ifndef FBFSD_SANDBOX_GROUPS_H
#define FBFSD_SANDBOX_GROUPS_H

#include <libfb/types.h>

/*
 * Leave them, as root; in a user namespace that forbids it they stay, if it has only one group id, so
 * that they are the user's own. Returns 0, or -errno with a sentence for fb_last_error().
 */
int sandbox_groups_drop(void) FB_MUST_CHECK;

#endif
