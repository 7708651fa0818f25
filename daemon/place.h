/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where from and where to: paths made absolute and looked at before anything is mounted.
 */
#ifndef FBFSD_PLACE_H
#define FBFSD_PLACE_H

#include <libfb/types.h>

#include "options.h"

struct place {
	char *source, *mountpoint; /* absolute; for a virtual machine there is no mountpoint */
	char *stats_file;          /* absolute, or NULL */
	bool mounted_already;      /* the mountpoint is /dev/fd/N */
};

/* Say whether a mountpoint is /dev/fd/N: a descriptor of /dev/fuse that is mounted already. */
bool place_is_descriptor(const char *mountpoint);

/*
 * Resolve the paths of options. Returns 0, or -errno with a sentence for fb_last_error() that says
 * which one is wrong and what to do. Call place_fini() either way.
 */
int place_init(struct place *place, const struct options *options) FB_MUST_CHECK;
void place_fini(struct place *place);

#endif
