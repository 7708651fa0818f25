/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the session's keeper does for a mount each 10 ms while there is work: it counts queues that starve,
 * and sees whether workers should yield their processor to the client (yield.h).
 */
#ifndef FB_TRANSPORT_FUSE_TICK_H
#define FB_TRANSPORT_FUSE_TICK_H

#include <stdint.h>

struct fb_fuse_channel;
struct fb_transport;

/* As fb_transport_ops.tick. */
unsigned fb_fuse_tick(struct fb_transport *transport);

/*
 * A request of this client has come through /dev/fuse. Now and then, while the workers yield, they are sent after
 * their client, whom Linux moves for reasons of its own. By the channel's worker.
 */
void fb_fuse_follow(struct fb_fuse_channel *channel, uint32_t client);

#endif
