/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operation that changes attributes.
 */
#ifndef LIBFB_PASSTHROUGH_SETATTR_OPS_H
#define LIBFB_PASSTHROUGH_SETATTR_OPS_H

#include <libfb/driver.h>

struct fb_passthrough;

/* Put setattr into ops. */
void fb_setattr_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops);

#endif
