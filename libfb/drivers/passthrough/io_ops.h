/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operations read and write.
 */
#ifndef LIBFB_PASSTHROUGH_IO_OPS_H
#define LIBFB_PASSTHROUGH_IO_OPS_H

#include "state.h"

/* Put the two into ops. */
void fb_io_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops);

/*
 * Check that bytes may be put at off: with sealed sizes not beyond the end. Returns 0, -EPERM,
 * -EFBIG or -errno.
 */
int fb_io_ops_check_seal(const struct fb_passthrough *fs, int fd, uint64_t off,
			 uint64_t size) FB_MUST_CHECK;

#endif
