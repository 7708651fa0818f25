/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Byte-range locks of the client's programs, taken on the host.
 *
 * All programs of a client share our process, so POSIX locks would never conflict among them. Each
 * pair of a node and an owner therefore gets a descriptor of its own and an open file description
 * lock on it (F_OFD_SETLK), which also conflicts with the locks of programs on the host.
 */
#ifndef LIBFB_PASSTHROUGH_LOCK_OWNERS_H
#define LIBFB_PASSTHROUGH_LOCK_OWNERS_H

#include <libfb/types.h>

/* Ranges, and open files that were locked through, of all owners together: the rest gets ENOLCK. */
#define FB_LOCK_ENTRIES_MAX (UINT32_C(1) << 20)

struct fb_handle;
struct fb_inode;
struct fb_passthrough;

/* Who wants which range, through which open file. */
struct fb_lock_request {
	uint64_t owner;
	struct fb_lock lock;
	struct fb_handle *handle; /* pinned; NULL when opens are stateless */
};

/*
 * Take, change or drop a lock without waiting. Returns 0, -EAGAIN when somebody else holds the
 * range, -EBADF when the handle was released or is not open for this, -ENOLCK, -ENFILE, …
 */
int fb_lock_owners_set(struct fb_passthrough *fs, struct fb_inode *inode,
		       const struct fb_lock_request *request) FB_MUST_CHECK;

/* Name a lock that keeps the request from being granted; type F_UNLCK when there is none. */
int fb_lock_owners_test(struct fb_passthrough *fs, struct fb_inode *inode,
			const struct fb_lock_request *request,
			struct fb_lock *ret_lock) FB_MUST_CHECK;

/* Say whether owner holds a range of the node that conflicts with lock. */
bool fb_lock_owners_blocks(struct fb_inode *inode, uint64_t owner, const struct fb_lock *lock);

/* Drop all that owner holds of the node: one of its descriptors was closed. */
void fb_lock_owners_drop(struct fb_passthrough *fs, struct fb_inode *inode, uint64_t owner);

/* Drop every owner that has locked through this handle, which was released. */
void fb_lock_owners_drop_handle(struct fb_passthrough *fs, struct fb_inode *inode,
				struct fb_handle *handle);

#endif
