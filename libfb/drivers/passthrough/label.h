/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Security contexts that come with requests that make an inode (FB_INIT_SECURITY_CTX).
 */
#ifndef LIBFB_PASSTHROUGH_LABEL_H
#define LIBFB_PASSTHROUGH_LABEL_H

#include "scope.h"

#include <libfb/driver.h>

struct fb_passthrough;

struct fb_label_guard {
	int file; /* the thread's attr/fscreate, or -1 */
};

#define FB_SCOPE_LABEL FB_CLEANUP(fb_label_end)

/*
 * Where the host runs SELinux: have this thread's next inodes made with the request's label, so that
 * it is there from the first moment. Elsewhere this does nothing, and fb_label_apply() is what
 * counts. Needs the daemon's own credentials.
 *	FB_SCOPE_LABEL struct fb_label_guard label = fb_label_begin(fs, req);
 */
struct fb_label_guard fb_label_begin(struct fb_passthrough *fs, const struct fb_req *req);
void fb_label_end(struct fb_label_guard *guard);

/*
 * Give the new file behind fd (O_PATH will do) the request's labels. Needs the daemon's own
 * credentials. Returns 0 when there were none, 1 when there were, -EINVAL for a name outside of "security.", or -errno: then fb_label_undo().
 * An xattr map renames labels as any other attribute; of those that it calls unsupported nothing is
 * kept.
 */
int fb_label_apply(struct fb_passthrough *fs, const struct fb_req *req, int fd) FB_MUST_CHECK;

/*
 * After a step behind the creation of name failed: remove the name, but only when it still is the
 * file behind fd.
 */
void fb_label_undo(struct fb_passthrough *fs, int dirfd, const char *name, int fd);

#endif
