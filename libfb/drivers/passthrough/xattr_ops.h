/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operations on extended attributes. fb_xattr_ops_fill() is declared in state.h.
 */
#ifndef LIBFB_PASSTHROUGH_XATTR_OPS_H
#define LIBFB_PASSTHROUGH_XATTR_OPS_H

#include "state.h"

#endif
