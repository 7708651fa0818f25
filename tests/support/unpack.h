/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers, read as a client does: the way back of "protocol/pack.h".
 */
#ifndef TESTS_UNPACK_H
#define TESTS_UNPACK_H

#include <libfb/types.h>

#include "protocol/wire.h"

void unpack_attr(const struct fb_wire_attr *in, struct fb_attr *ret_attr);
void unpack_entry(const struct fb_wire_entry_out *in, struct fb_entry *ret_entry);
void unpack_statx(const struct fb_wire_statx_out *in, struct fb_statx *ret_statx);
void unpack_statfs(const struct fb_wire_statfs_out *in, struct fb_statfs *ret_statfs);

#endif
