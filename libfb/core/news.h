/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a client can have happen as often as it likes is logged the first time, the second, the fourth
 * and so on: it must not fill the host's log.
 */
#ifndef FB_CORE_NEWS_H
#define FB_CORE_NEWS_H

#include <stdatomic.h>
#include <stdbool.h>

/* Count one more. Returns whether to talk about it. */
static inline bool fb_is_news(_Atomic unsigned *count)
{
	unsigned now = atomic_fetch_add(count, 1) + 1;

	return (now & (now - 1)) == 0;
}

#endif
