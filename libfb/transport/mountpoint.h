/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mount points: the path that somebody typed, made absolute and looked at.
 */
#ifndef FB_TRANSPORT_MOUNTPOINT_H
#define FB_TRANSPORT_MOUNTPOINT_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct fb_mountpoint {
	char path[PATH_MAX]; /* absolute, without symbolic links */
	mode_t type;         /* S_IFDIR or S_IFREG */
};

/*
 * Find a directory or regular file to mount on. What a dead server left there is unmounted first
 * with replace_stale, else an error. Returns 0 or -errno with a sentence.
 */
int fb_mountpoint_resolve(const char *name, bool replace_stale, struct fb_mountpoint *ret_point);

/* How to unmount. */
enum fb_unmount_how {
	FB_UNMOUNT_PLAIN, /* only if it is not busy; dirty pages are written back first */
	FB_UNMOUNT_LAZY,  /* also when it is busy: it goes on for those who use it */
	FB_UNMOUNT_FORCE, /* also when it is busy: it ends for them at once, where root can do so */
};

/*
 * Unmount what is at path (absolute), by ourselves or else through fusermount3. Returns 0 or
 * -errno with a sentence.
 */
int fb_mountpoint_unmount(const char *path, enum fb_unmount_how how);

/* Whether an error is what a mount answers when its server is gone. */
bool fb_mountpoint_is_stale(int error);

#endif
