/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mounting: the new mount API first, then mount(2), then fusermount3.
 */
#ifndef FB_TRANSPORT_MOUNT_H
#define FB_TRANSPORT_MOUNT_H

#include <stdbool.h>
#include <sys/types.h>

#include "transport/mount_table.h"

struct fb_mount_plan;
struct fb_mountpoint;

/* A mount of ours. */
struct fb_mount {
	int fd;   /* of /dev/fuse */
	bool own; /* to be unmounted by us; not one that came as /dev/fd/N */
	struct fb_mount_id id;
	char path[PATH_MAX]; /* where it was mounted */
	int watch_fd;        /* see struct fb_fusermount */
	pid_t watcher;
};

/* Mount on a point. Returns 0 or -errno with a sentence. */
int fb_mount_make(const struct fb_mountpoint *point, const struct fb_mount_plan *plan,
		  struct fb_mount *ret_mount);

/*
 * Take a descriptor that somebody has mounted already, when name is /dev/fd/N. Returns 1, 0 when
 * name is something else, or -errno with a sentence; then the descriptor is left alone.
 */
int fb_mount_adopt(const char *name, struct fb_mount *ret_mount);

/* Close the descriptors, which ends the connection; does not unmount. */
void fb_mount_close(struct fb_mount *mount);

#endif
