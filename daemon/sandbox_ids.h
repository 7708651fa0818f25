/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * User and group ids inside the sandbox of an ordinary user, and whose they are outside.
 * Source: user_namespaces(7).
 */
#ifndef FBFSD_SANDBOX_IDS_H
#define FBFSD_SANDBOX_IDS_H

#include <libfb/types.h>

#include "words.h"

/* The kernel takes at most this many. */
#define SANDBOX_RANGES_MAX 340

struct sandbox_range {
	uint32_t inside, outside, count;
};

struct sandbox_ids {
	size_t count;
	struct sandbox_range range[SANDBOX_RANGES_MAX];
};

/*
 * Read the rules of an option (its name is for errors), each ":inside:outside:count:" with any
 * character between that is no letter and no digit; NULL or none: own alone, as it is. Returns 0, or
 * -EINVAL with a sentence for fb_last_error().
 */
int sandbox_ids_read(struct sandbox_ids *ids, const char *option, const struct words *rules,
		     uint32_t own) FB_MUST_CHECK;

/*
 * Move into a user namespace, and into what else flags of unshare(2) name, with these ids. Returns 0,
 * or -errno with a sentence for fb_last_error().
 */
int sandbox_ids_unshare(int flags, const struct sandbox_ids *uids,
			const struct sandbox_ids *gids) FB_MUST_CHECK;

/* Become root of the namespace, where the ids hold a root. Returns as sandbox_ids_unshare(). */
int sandbox_ids_become_root(const struct sandbox_ids *uids,
			    const struct sandbox_ids *gids) FB_MUST_CHECK;

#endif
