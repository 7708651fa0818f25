/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Capabilities of files that the xattr map keeps under another name. The host, which takes
 * security.capability away from a file that is written to, cut or given to somebody else, does not
 * know them: left there, they would pass to whatever was written (CVE-2021-20263).
 */
#ifndef LIBFB_PASSTHROUGH_CAPABILITY_H
#define LIBFB_PASSTHROUGH_CAPABILITY_H

#include <libfb/types.h>

struct fb_passthrough;

/*
 * Take them away from the file behind fd, before its data or right after its owner changes; without
 * such a map this does nothing. A file that has none costs one fgetxattr(2). fd is open for I/O,
 * path_fd is O_PATH and of a regular file. Needs the daemon's own credentials. Returns 0 or -errno.
 */
int fb_capability_drop(const struct fb_passthrough *fs, int fd) FB_MUST_CHECK;
int fb_capability_drop_path(struct fb_passthrough *fs, int path_fd) FB_MUST_CHECK;

#endif
