/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Passthrough: a driver in C below, of which Python overrides single operations.
 */
#ifndef FBPY_LOWER_H
#define FBPY_LOWER_H

#include "fbpy.h"

/* Fill fs->ops with what goes straight to the driver below. */
void fbpy_lower_ops(struct fbpy_fs *fs);

/*
 * Once the methods have their places: where a method lists directories, an open one has a number here,
 * which stands for the driver's.
 */
void fbpy_lower_dir_ops(struct fbpy_fs *fs);

/* The driver's number of an open directory. */
uint64_t fbpy_lower_dir(struct fbpy_fs *fs, uint64_t fh);

/* Have the driver, if there is one, release what a method has been told of. */
void fbpy_lower_release(struct fbpy_fs *fs, uint64_t node, uint64_t fh,
			const struct fb_release *how);
void fbpy_lower_releasedir(struct fbpy_fs *fs, uint64_t node, uint64_t fh,
			   const struct fb_release *how);

#endif
