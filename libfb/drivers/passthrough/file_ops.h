/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operations on open files beside read and write: flush, release, fsync, fallocate, lseek,
 * copy_file_range. fb_file_ops_fill() is declared in state.h; it puts in all operations on files.
 */
#ifndef LIBFB_PASSTHROUGH_FILE_OPS_H
#define LIBFB_PASSTHROUGH_FILE_OPS_H

#include "state.h"

#endif
