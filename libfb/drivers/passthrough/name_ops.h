/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations on names: making, removing and moving them.
 */
#ifndef LIBFB_PASSTHROUGH_NAME_OPS_H
#define LIBFB_PASSTHROUGH_NAME_OPS_H

#include <libfb/driver.h>

struct fb_passthrough;

/* Put symlink, mknod, mkdir, unlink, rmdir, rename and link into ops. */
void fb_name_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops);

#endif
