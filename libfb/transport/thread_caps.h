/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Capabilities of the calling thread alone (libc and libcap-ng change those of all threads).
 */
#ifndef FB_TRANSPORT_THREAD_CAPS_H
#define FB_TRANSPORT_THREAD_CAPS_H

#include <linux/capability.h>
#include <stdbool.h>

/* All sets of a thread, so that they can be brought back without being read again. */
struct fb_thread_caps {
	struct __user_cap_data_struct sets[2];
	bool changed;
};

/*
 * Take a capability (CAP_*) out of the effective set; does nothing when it is not there. What was
 * before goes to *ret_before.
 */
void fb_thread_caps_drop(struct fb_thread_caps *ret_before, unsigned capability);

/* Bring back what was before. */
void fb_thread_caps_restore(const struct fb_thread_caps *before);

#endif
