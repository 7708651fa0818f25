/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values of options: text in, number out.
 */
#ifndef FBFSD_VALUE_H
#define FBFSD_VALUE_H

#include <libfb/types.h>

/* Read a whole number from low to high. Returns 0 or -EINVAL. */
int value_number(const char *text, uint64_t low, uint64_t high, uint64_t *ret_number) FB_MUST_CHECK;

/* Read a number of bytes, with K (1024) or M behind it. Returns 0 or -EINVAL. */
int value_size(const char *text, uint64_t low, uint64_t high, uint64_t *ret_size) FB_MUST_CHECK;

/* Read seconds, with a fraction or not, at most 10^9 of them. Returns 0 or -EINVAL. */
int value_seconds(const char *text, uint64_t *ret_ns) FB_MUST_CHECK;

#endif
