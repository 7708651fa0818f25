/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extensions: what a request that makes an inode carries behind its last name.
 */
#ifndef FB_PROTOCOL_EXTENSION_H
#define FB_PROTOCOL_EXTENSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fb_ext;

/*
 * Check the size bytes at `at`, which need not be aligned, and note where groups and security
 * contexts are. flags is what was negotiated (FB_INIT_*). Unknown kinds are skipped; one that was
 * not negotiated, or comes twice, is refused. Returns 0 or -EINVAL.
 */
int fb_extension_parse(const uint8_t *at, size_t size, uint64_t flags, struct fb_ext *ret_ext);

/* As fb_args_label(). */
bool fb_extension_label(const struct fb_ext *ext, size_t index, const char **ret_name,
			const void **ret_value, size_t *ret_size);

#endif
