/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Public structs that begin with their size, so that programs and libraries of other versions fit.
 */
#ifndef FB_CORE_SIZED_H
#define FB_CORE_SIZED_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Take a struct over from a caller: fields that the caller does not know become 0. */
static inline int fb_sized_take(void *to, size_t to_size, const void *from, size_t from_size)
{
	if (from_size < sizeof(size_t))
		return -EINVAL;
	memset(to, 0, to_size);
	memcpy(to, from, from_size < to_size ? from_size : to_size);
	return 0;
}

/* Fill a caller's struct of to_size bytes, as far as the caller knows it. */
static inline void fb_sized_give(void *to, size_t to_size, const void *from, size_t from_size)
{
	memcpy(to, from, from_size < to_size ? from_size : to_size);
}

#endif
