/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the options mean.
 */
#ifndef LIBFB_PASSTHROUGH_OPTIONS_H
#define LIBFB_PASSTHROUGH_OPTIONS_H

#include <libfb/passthrough.h>

/*
 * Copy the options (NULL: defaults) into fs, make its maps, and settle its switches and timeouts.
 * Returns 0, or -EINVAL or -ENOMEM with a sentence in fb_last_error().
 */
int fb_options_apply(struct fb_passthrough *fs,
		     const struct fb_passthrough_options *options) FB_MUST_CHECK;

/* Free the maps. */
void fb_options_fini(struct fb_passthrough *fs);

/*
 * Set the timeouts by the options and by whether the client's kernel checks permissions
 * (fs->default_permissions), which is known when it has greeted.
 */
void fb_options_settle_timeouts(struct fb_passthrough *fs);

#endif
