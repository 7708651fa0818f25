/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What to agree on with a client.
 */
#ifndef LIBFB_PASSTHROUGH_NEGOTIATE_H
#define LIBFB_PASSTHROUGH_NEGOTIATE_H

#include <libfb/driver.h>

struct fb_passthrough;

/*
 * Set conn->wanted by the options, and note in fs what is granted. Returns 0, or -EPROTO with a
 * sentence in fb_last_error() for a client that lacks what an option can not do without.
 */
int fb_negotiate(struct fb_passthrough *fs, struct fb_conn *conn) FB_MUST_CHECK;

#endif
