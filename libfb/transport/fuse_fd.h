/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors of /dev/fuse that belong to one connection.
 */
#ifndef FB_TRANSPORT_FUSE_FD_H
#define FB_TRANSPORT_FUSE_FD_H

#include <stdbool.h>

/* Join another descriptor to the connection. Returns it, or -errno. */
int fb_fuse_fd_clone(int of);

/* Wait for a descriptor that does not block by itself, as /dev/fd/N may be. Returns 0 or -errno. */
int fb_fuse_fd_wait(int fd);

/* Have reads of a descriptor not wait. Returns 0 or -errno. */
int fb_fuse_fd_no_wait(int fd);

/*
 * A descriptor of the connection whose reads do not wait, other than the one that was mounted where
 * that can be. own: that one is ours to change. Returns it, mounted itself, or -errno.
 */
int fb_fuse_fd_ready(int mounted, bool own);

#endif
