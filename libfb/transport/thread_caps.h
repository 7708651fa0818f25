/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Capabilities of the calling thread alone (libc and libcap-ng change those of all threads).
 */
#ifndef FB_TRANSPORT_THREAD_CAPS_H
#define FB_TRANSPORT_THREAD_CAPS_H

#include <stdbool.h>
#include <stdint.h>

struct fb_thread_caps {
	uint32_t effective[2];
	bool changed;
};

/* Take a capability (CAP_*) out of the effective set. What was before goes to *ret_before. */
void fb_thread_caps_drop(struct fb_thread_caps *ret_before, unsigned capability);

/* Bring back what was before. */
void fb_thread_caps_restore(const struct fb_thread_caps *before);

#endif
