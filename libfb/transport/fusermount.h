/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fusermount3, the setuid program through which ordinary users mount and unmount, and which
 * unmounts when the server dies.
 */
#ifndef FB_TRANSPORT_FUSERMOUNT_H
#define FB_TRANSPORT_FUSERMOUNT_H

#include <stdbool.h>
#include <sys/types.h>

struct fb_mount_plan;

/* A mount made by fusermount3. */
struct fb_fusermount {
	int fd;       /* of /dev/fuse */
	int watch_fd; /* with auto_unmount: fusermount3 unmounts when the last copy is closed; or -1 */
	pid_t watcher; /* with auto_unmount: the fusermount3 that waits for that; or 0 */
};

/* Mount on path (absolute). Returns 0 or -errno with a sentence. */
int fb_fusermount_mount(const char *path, const struct fb_mount_plan *plan,
			struct fb_fusermount *ret_mount);

/* Unmount what is at path (absolute); lazily: even if it is busy. Returns 0 or -errno. */
int fb_fusermount_unmount(const char *path, bool lazy);

/* Let the watcher of auto_unmount go and bury it: the mount is gone. */
void fb_fusermount_release(int watch_fd, pid_t watcher);

#endif
