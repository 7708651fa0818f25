/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FUSE over io_uring on a mount (Linux 6.14).
 *
 * The greeting comes through /dev/fuse. If the kernel offers rings, a ring is made for each worker
 * but the first before the greeting is answered; afterwards the workers come out of read(2) and arm
 * the slots of their rings. The first one stays with the descriptor: FORGET and INTERRUPT come there,
 * whatever has been agreed. A worker that is alone does both. If anything fails, requests go on
 * through /dev/fuse: the kernel lets us go back until each queue has a slot.
 *
 * Source: Documentation/filesystems/fuse/fuse-io-uring.rst, fs/fuse/dev_uring.c.
 */
#ifndef FB_TRANSPORT_URING_H
#define FB_TRANSPORT_URING_H

#include <stdbool.h>
#include <stdint.h>

struct fb_conn;
struct fb_dev_fuse;
struct fb_fuse_channel;
struct fb_session;
struct fb_transport;
struct fb_uring;

/*
 * Plan rings for a mount of this session, by its number of workers. Returns 0, or -errno with a
 * sentence where there can be none.
 */
int fb_uring_new(const struct fb_session *session, struct fb_uring **ret_uring);
void fb_uring_free(struct fb_uring *uring);

/* How many workers it takes, with the one that reads /dev/fuse. */
unsigned fb_uring_workers(const struct fb_uring *uring);

/* As fb_transport_ops.prepare: make the rings, or say that it is not possible. */
uint64_t fb_uring_prepare(struct fb_transport *transport, const struct fb_conn *conn);

/*
 * The greeting has been answered: have the workers change over, if there are rings. By the worker of
 * this channel.
 */
void fb_uring_switch(struct fb_dev_fuse *fuse, struct fb_fuse_channel *own);

/* A worker more, while rings are used: give its channel one. Returns 0 or -errno. */
int fb_uring_add_channel(struct fb_dev_fuse *fuse, struct fb_fuse_channel *channel);

/* Whether this channel's requests come from its ring. By its worker, which may start it now. */
bool fb_uring_is_used(struct fb_dev_fuse *fuse, struct fb_fuse_channel *channel);

/* Whether requests come over io_uring now, but those that never do. */
bool fb_uring_is_on(const struct fb_dev_fuse *fuse);

/* The number of queues all of whose workers have been stuck in the driver since the last tick. With the lock held. */
unsigned fb_uring_starving(const struct fb_dev_fuse *fuse);

#endif
