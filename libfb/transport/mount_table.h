/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is mounted where, from /proc. Nothing here sends a request to a file system, so a dead or
 * busy server can not hold it up.
 */
#ifndef FB_TRANSPORT_MOUNT_TABLE_H
#define FB_TRANSPORT_MOUNT_TABLE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A mount's number and its superblock's device. Both may be used again once the mount and the
 * superblock are gone.
 */
struct fb_mount_id {
	uint64_t number; /* 0: not known */
	unsigned major, minor;
};

struct fb_mount_entry {
	struct fb_mount_id id;
	bool fuse;           /* type fuse, fuseblk or fuse.… */
	char path[PATH_MAX]; /* where it is now: mounts can be moved */
};

/* The number of the mount that a descriptor (O_PATH will do) lies on, or 0. */
uint64_t fb_mount_number(int fd);

/* Find a mount by its number. Returns 0, or -ENOENT when it is not (or no longer) in sight. */
int fb_mount_entry_find(uint64_t number, struct fb_mount_entry *ret_entry);

#endif
