/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which file is it? Inode number, device and mount; the mount tells bind mounts apart. Where the
 * file system has file handles, the handle too: it holds the inode's generation, so a reused inode
 * number is another file, and it opens the file again when its descriptor had to be closed.
 */
#ifndef LIBFB_PASSTHROUGH_IDENTITY_H
#define LIBFB_PASSTHROUGH_IDENTITY_H

#include "linux_compat.h"
#include "scope.h"

#include <libfb/types.h>

struct fb_inode;
struct fb_mount_fd;
struct fb_passthrough;

struct fb_identity {
	uint64_t ino, dev, mnt_id;
	struct fb_mount_fd *mount; /* counted: fb_identity_fini() */
	int handle_type;
	uint8_t handle_size; /* bytes of handle[]; 0: the mount has no usable ones */
	unsigned char handle[MAX_HANDLE_SZ];
};

#define FB_SCOPE_IDENTITY FB_CLEANUP(fb_identity_fini)

/*
 * Identify the file behind fd (O_PATH will do), of which statx(2) told this. near (may be NULL) is
 * a pinned node that is probably of the same mount. Needs the daemon's own credentials. Returns 0;
 * -EOPNOTSUPP where file handles are mandatory but the file has none; -errno.
 */
int fb_identity_read(struct fb_passthrough *fs, const struct fb_inode *near, int fd,
		     const struct statx *statx, struct fb_identity *ret_identity) FB_MUST_CHECK;

/* Give the mount back, unless a node took it (mount is then NULL). */
void fb_identity_fini(struct fb_identity *identity);

/*
 * Read the file handle of the file behind fd. Returns 0, or -EOPNOTSUPP or -EOVERFLOW for a file
 * that has none, or -errno.
 */
int fb_identity_read_handle(int fd, struct fb_identity *identity) FB_MUST_CHECK;

/* Open a file as O_PATH by its handle. Returns a descriptor or -errno (ESTALE: it is gone). */
int fb_identity_open_handle(int mount_fd, int type, const unsigned char *handle,
			    uint8_t size) FB_MUST_CHECK;

/*
 * Find out at start whether file handles work, by that of the share's root, and settle
 * fs->handle_mode: prefer turns into never where the process may not use them. Returns 0, or the
 * error that stands in the way of mandatory ones, with a sentence in fb_last_error().
 */
int fb_identity_probe(struct fb_passthrough *fs) FB_MUST_CHECK;

/* Device number as one word. */
static inline uint64_t fb_identity_dev(const struct statx *statx)
{
	return (uint64_t)statx->stx_dev_major << 32 | statx->stx_dev_minor;
}

#endif
