/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The greeting: FUSE_INIT, where client and server agree on version, features and sizes.
 */
#ifndef FB_CORE_INIT_H
#define FB_CORE_INIT_H

#include <libfb/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/wire.h"

struct fb_channel;
struct fb_session;

/* What a client has agreed on with another server, from which it comes. */
struct fb_init_agreed {
	uint64_t granted; /* FB_INIT_* */
	uint32_t minor, max_write, time_gran_ns;
	bool stateless_open, stateless_opendir, default_permissions;
};

/*
 * Answer a greeting: settle what the client, the transport and the driver can, and start the
 * driver. channel is the one whose worker calls this, with greet_lock held. Returns 0 and *ret_out,
 * or -errno, which refuses the client.
 */
int fb_init_greet(struct fb_session *session, const struct fb_channel *channel,
		  const struct fb_wire_init_in *in, struct fb_wire_init_out *ret_out);

/*
 * Start the driver for a client that has been greeted elsewhere: all that it was granted there must
 * hold here. Call with greet_lock held. Returns 0, or -errno with a sentence: then fb_session_end()
 * is due.
 */
int fb_init_resume(struct fb_session *session, const struct fb_init_agreed *was) FB_MUST_CHECK;

#endif
