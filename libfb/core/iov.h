/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pieces of memory one behind the other, used up from the front. Sizes never exceed what they hold.
 */
#ifndef FB_CORE_IOV_H
#define FB_CORE_IOV_H

#include <stddef.h>
#include <sys/uio.h>

/* Use up size bytes. */
void fb_iov_skip(struct iovec **iov, size_t *count, size_t size);

/* Copy size bytes out and use them up. They are read once: who shares them may change them. */
void fb_iov_take(struct iovec **iov, size_t *count, void *to, size_t size);

/* Copy size bytes in; the pieces stay as they are. */
void fb_iov_put(const struct iovec *iov, const void *from, size_t size);

/* Cut pieces to size bytes. Returns how many are left. */
size_t fb_iov_cut(struct iovec *iov, size_t count, size_t size);

#endif
