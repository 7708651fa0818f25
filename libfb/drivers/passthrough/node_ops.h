/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations on nodes: finding and forgetting them, what they are, what file system they are on.
 */
#ifndef LIBFB_PASSTHROUGH_NODE_OPS_H
#define LIBFB_PASSTHROUGH_NODE_OPS_H

#include <libfb/driver.h>

struct fb_passthrough;

/* Put lookup, forget, getattr, statx, readlink, statfs, syncfs and access into ops. */
void fb_node_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops);

#endif
