/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel of /dev/fuse: a descriptor of the connection that its worker reads requests from and
 * writes answers to; and an io_uring instead, where one has been agreed on.
 *
 * The functions are those of struct fb_transport_ops.
 */
#ifndef FB_TRANSPORT_FUSE_CHANNEL_H
#define FB_TRANSPORT_FUSE_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/channel.h"
#include "core/transport.h"
#include "transport/yield.h"

struct fb_uring_ring;

struct fb_fuse_channel {
	struct fb_channel channel;
	struct fb_fuse_channel *next;
	int fd;
	bool own_fd;
	bool no_wait;               /* for an event loop, which waits itself */
	struct fb_uring_ring *ring; /* requests come from here once there is one and it is used */
	bool off_ring;              /* its ring could not be started */
	uint64_t begun_seen;        /* by the last tick */
	/* For the keeper: who sent the last request that names anybody, and how many pieces of data moved. */
	_Atomic uint32_t client, pieces;
	uint32_t pieces_seen;
	unsigned turns;                /* by the worker: fb_fuse_follow() */
	bool settled;                  /* its worker has been here; by the worker */
	struct fb_yield_thread thread; /* under the transport's lock */
	struct fb_yield yield;         /* of the worker at its ring; under the transport's lock */
};

static inline struct fb_fuse_channel *fb_fuse_channel_of(struct fb_channel *channel)
{
	return (struct fb_fuse_channel *)channel;
}

int fb_fuse_channel_open(struct fb_transport *transport, unsigned index,
			 struct fb_channel **ret_channel);
void fb_fuse_channel_close(struct fb_channel *channel);
int fb_fuse_channel_ready_fd(struct fb_channel *channel);
int fb_fuse_channel_receive(struct fb_channel *channel, struct fb_req *req);
int fb_fuse_channel_room(struct fb_req *req, size_t head_size, size_t size, struct iovec **ret_iov);
int fb_fuse_channel_send(struct fb_req *req, const struct fb_answer *answer);
void fb_fuse_channel_drop(struct fb_req *req);
void fb_fuse_channel_leave(struct fb_channel *channel);

#endif
