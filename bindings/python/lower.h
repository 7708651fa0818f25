/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Passthrough: a driver in C below, of which Python overrides single operations.
 */
#ifndef FBPY_LOWER_H
#define FBPY_LOWER_H

#include "fbpy.h"

/* Fill fs->ops with what goes straight to the driver below. */
void fbpy_lower_ops(struct fbpy_fs *fs);

#endif
