/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ending a mount of ours without losing what its users wrote, and without ever hanging.
 *
 * Unmounting makes the kernel write dirty pages back, which are requests to this very process. A
 * thread that waits for them in the kernel can not be killed, and while it shares the descriptors
 * of /dev/fuse, they stay open and the wait never ends, not even with SIGKILL. So every step runs
 * in a thread of its own that has given up all descriptors, and is left behind when it makes no
 * progress.
 */
#ifndef FB_TRANSPORT_UNMOUNT_H
#define FB_TRANSPORT_UNMOUNT_H

#include <stdint.h>

struct fb_mount;

/* How the dirty pages of the kernel's cache are being written. */
struct fb_mount_progress {
	/* A number that grows with each request that begins or ends, and how many are under way. */
	uint64_t (*writeback)(void *arg, uint64_t *ret_under_way);
	void *arg;
};

/*
 * Unmount. progress: requests are being answered, so that dirty pages can be written back first;
 * NULL when they are not. Does nothing when the mount is not ours, or gone; one that lies below
 * another mount is left alone. A mount that is busy ends for its users where root or the kernel
 * can do that; else they keep it until the descriptors of /dev/fuse are closed. Failures are
 * logged.
 */
void fb_mount_end(const struct fb_mount *mount, const struct fb_mount_progress *progress);

/*
 * Look at the root of a mount from this processor, in the background, so that its server gets a GETATTR
 * from there. Nothing is said if that can not be.
 */
void fb_mount_touch(const struct fb_mount *mount, unsigned cpu);

#endif
