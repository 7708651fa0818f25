/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a received message to the driver's operation.
 */
#ifndef FB_CORE_DISPATCH_H
#define FB_CORE_DISPATCH_H

#include <stdbool.h>

struct fb_channel;
struct fb_req;

/*
 * Wait for a message of the channel, with a request of its pool. Returns 1 and the request, which
 * fb_channel_serve() must follow; else what the transport's receive returned, or -EINTR after a pause
 * where there was no memory. In the channel's worker.
 */
int fb_channel_receive(struct fb_channel *channel, struct fb_req **ret_req);

/* Count a request that was received, as begun; fb_channel_serve() must follow. */
void fb_channel_begin(struct fb_channel *channel);

/*
 * Serve one message that a transport has put into req: decode it, call the driver, answer. The
 * request goes back to its pool, now or when the driver completes it.
 */
void fb_channel_serve(struct fb_channel *channel, struct fb_req *req);

/* Serve a request that its worker has decoded and that counts as pending, in another thread. */
void fb_dispatch_offloaded(struct fb_req *req);

/* Whether this thread is inside fb_channel_serve(), so that the client may be waiting for it. */
bool fb_dispatch_active(void);

#endif
