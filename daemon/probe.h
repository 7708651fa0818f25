/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ask a mount for a sign of life.
 */
#ifndef FBFSD_PROBE_H
#define FBFSD_PROBE_H

#include <libfb/types.h>

/*
 * Wait until the file system at mountpoint answers statfs(2). Returns 0, -ETIMEDOUT after
 * timeout_s, or another -errno, with a sentence for fb_last_error(). After a time-out a thread
 * is left behind: it waits for the answer until the mount or the process ends.
 */
int probe_mount(const char *mountpoint, unsigned timeout_s) FB_MUST_CHECK;

#endif
