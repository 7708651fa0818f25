/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operations on open directories: opendir, readdir, readdirplus, releasedir, fsyncdir.
 * fb_dir_ops_fill() is declared in state.h.
 */
#ifndef LIBFB_PASSTHROUGH_DIR_OPS_H
#define LIBFB_PASSTHROUGH_DIR_OPS_H

#include "state.h"

#endif
