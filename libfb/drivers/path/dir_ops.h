/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations on open directories.
 */
#ifndef LIBFB_PATH_DIR_OPS_H
#define LIBFB_PATH_DIR_OPS_H

#include <libfb/path.h>

/* Fill in the driver's operations that stand on these of the user's. */
void fb_path_dir_ops(const struct fb_path_ops *ops, struct fb_driver_ops *to);

#endif
