/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations on nodes: finding and forgetting them, what they are, what file system they are on.
 * fb_node_ops_fill() is declared in state.h; it puts in lookup, forget, getattr, statx, readlink,
 * statfs, syncfs and access.
 */
#ifndef LIBFB_PASSTHROUGH_NODE_OPS_H
#define LIBFB_PASSTHROUGH_NODE_OPS_H

#include "state.h"

#endif
