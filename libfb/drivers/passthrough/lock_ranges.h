/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The byte ranges that one owner has locked in one file: sorted, disjoint, never of type F_UNLCK.
 *
 * The host decides who gets a lock. These lists mirror what it granted, because the host can not
 * tell which of our own descriptors holds a range: they name the holder for F_GETLK, find
 * deadlocks, and show when an owner holds nothing any more. Pure functions.
 */
#ifndef LIBFB_PASSTHROUGH_LOCK_RANGES_H
#define LIBFB_PASSTHROUGH_LOCK_RANGES_H

#include <libfb/types.h>

/* Ranges that one owner may hold in one file. */
#define FB_LOCK_RANGES_MAX 16384u

struct fb_lock_ranges {
	struct fb_lock *items; /* malloc()ed */
	size_t count;
};

/*
 * What from becomes when lock is set (or cleared: F_UNLCK) in it. from is left alone. Returns 0
 * and new ranges, -ENOLCK when they would be too many, or -ENOMEM.
 */
int fb_lock_ranges_with(const struct fb_lock_ranges *from, const struct fb_lock *lock,
			struct fb_lock_ranges *ret_ranges) FB_MUST_CHECK;

/* The first range that keeps somebody else from getting lock, or NULL. Borrowed from ranges. */
const struct fb_lock *fb_lock_ranges_conflict(const struct fb_lock_ranges *ranges,
					      const struct fb_lock *lock);

#endif
