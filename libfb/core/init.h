/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The greeting: FUSE_INIT, where client and server agree on version, features and sizes.
 */
#ifndef FB_CORE_INIT_H
#define FB_CORE_INIT_H

#include "protocol/wire.h"

struct fb_channel;
struct fb_session;

/*
 * Answer a greeting: settle what the client, the transport and the driver can, and start the
 * driver. channel is the one whose worker calls this, with greet_lock held. Returns 0 and *ret_out,
 * or -errno, which refuses the client.
 */
int fb_init_greet(struct fb_session *session, const struct fb_channel *channel,
		  const struct fb_wire_init_in *in, struct fb_wire_init_out *ret_out);

#endif
