/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the flags of a client's open to those of the host's, and to how the client may cache.
 */
#ifndef LIBFB_PASSTHROUGH_OPEN_FLAGS_H
#define LIBFB_PASSTHROUGH_OPEN_FLAGS_H

#include <libfb/types.h>

struct fb_mount_fd;
struct fb_passthrough;

/*
 * What to open the host's file with: the access mode, O_TRUNC and the flags that change how data is
 * written. Everything else stays behind: O_APPEND because it would spoil pwrite() (each request
 * says whether it appends), O_NONBLOCK and the rest because they mean nothing here. Returns 0,
 * -EINVAL for flags that never come with an open, -EROFS, or -EPERM when sizes are sealed.
 */
int fb_open_flags_host(const struct fb_passthrough *fs, int flags, int *ret_host) FB_MUST_CHECK;

/* Check the flags of opendir. Returns 0 or -EINVAL. */
int fb_open_flags_check_dir(int flags) FB_MUST_CHECK;

/* FB_FOPEN_* for a file of this mount that was opened with these flags of the host. */
uint32_t fb_open_flags_file(const struct fb_passthrough *fs, const struct fb_mount_fd *mount,
			    int host);

/* FB_FOPEN_* for a directory. */
uint32_t fb_open_flags_dir(const struct fb_passthrough *fs);

/*
 * Say whether the data of this file may go past the server, from the client's kernel to the host's
 * file. fd is it, open; flags are the client's; again says that it was opened for reading before.
 */
bool fb_open_flags_backing(const struct fb_passthrough *fs, int fd, int flags, bool again);

/* Say whether the client's kernel gathers writes. */
bool fb_open_flags_writeback(const struct fb_passthrough *fs);

#endif
