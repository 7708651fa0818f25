/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How large the kernel lets requests be.
 */
#ifndef FB_TRANSPORT_PAGES_LIMIT_H
#define FB_TRANSPORT_PAGES_LIMIT_H

#include <stdint.h>

/* Pages that this kernel allows in one request. */
uint32_t fb_pages_limit(void);

#endif
