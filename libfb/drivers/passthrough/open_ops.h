/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operations open, create and tmpfile.
 */
#ifndef LIBFB_PASSTHROUGH_OPEN_OPS_H
#define LIBFB_PASSTHROUGH_OPEN_OPS_H

#include "state.h"

/* Put the three into ops, less what the options rule out. */
void fb_open_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops);

#endif
