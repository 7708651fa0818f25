/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the arguments of single opcodes have to obey, beyond their shape.
 */
#ifndef FB_PROTOCOL_CHECKS_H
#define FB_PROTOCOL_CHECKS_H

#include <stdint.h>

struct fb_args;

/* Check arguments whose shape has been checked. Returns 0 or -errno. */
int fb_check_args(const struct fb_args *args);

/* The umask that came with a request that makes an inode, else 0. */
uint32_t fb_check_umask(const struct fb_args *args);

#endif
