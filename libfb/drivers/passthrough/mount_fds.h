/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mounts that known nodes are on, with one descriptor for each: open_by_handle_at() wants one
 * that is not O_PATH, and so does syncfs().
 */
#ifndef LIBFB_PASSTHROUGH_MOUNT_FDS_H
#define LIBFB_PASSTHROUGH_MOUNT_FDS_H

#include <libfb/types.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define FB_MOUNT_BUCKETS 64

struct fb_passthrough;

struct fb_mount_fd {
	struct fb_mount_fd *next;
	struct fb_passthrough *fs;
	uint64_t mnt_id;
	_Atomic uint32_t refs; /* one for each node on it */
	int fd;                /* O_RDONLY, a directory or regular file; -1: could not be opened */
	bool handles;          /* file handles of this mount open again: tried out */
	bool silent_close;     /* close(2) never brings news there */
};

struct fb_mount_fds {
	pthread_mutex_t lock; /* of the chains, and of refs going to 0 */
	struct fb_mount_fd *buckets[FB_MOUNT_BUCKETS];
	size_t count;
};

void fb_mount_fds_init(struct fb_mount_fds *mounts);
void fb_mount_fds_fini(struct fb_mount_fds *mounts);

/*
 * Find or make the record of a mount and count one use of it. near (may be NULL) is tried first. fd
 * refers to a file on the mount. Needs the daemon's own credentials. Returns 0, or -ENOMEM or that
 * descriptors have run out; a mount that can not be opened is a record without descriptor.
 */
int fb_mount_fds_get(struct fb_passthrough *fs, struct fb_mount_fd *near, uint64_t mnt_id, int fd,
		     struct fb_mount_fd **ret_mount) FB_MUST_CHECK;

/* Count one use less; at 0 the descriptor is closed. NULL is ignored. */
void fb_mount_fds_put(struct fb_mount_fd *mount);

/* syncfs(2) on every known mount. Returns 0 or the first -errno. */
int fb_mount_fds_sync(struct fb_passthrough *fs) FB_MUST_CHECK;

/*
 * Read the mount point of a mount from a mountinfo file, with its octal escapes decoded. Returns 0
 * and a path (to be freed), -ENOENT when it is not listed, or -ENOMEM. Source: proc_pid_mountinfo(5).
 */
int fb_mount_fds_find(FILE *mountinfo, uint64_t mnt_id, char **ret_path) FB_MUST_CHECK;

#endif
