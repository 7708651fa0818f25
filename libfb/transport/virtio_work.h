/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A request of a guest: from a chain to a message, and the answer back into the chain.
 *
 * Security model: header, fixed struct and names are copied once, and only the copy is looked at.
 * Bulk data stays in the guest's memory, where it may change at any time.
 */
#ifndef FB_TRANSPORT_VIRTIO_WORK_H
#define FB_TRANSPORT_VIRTIO_WORK_H

#include <libfb/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "transport/virtio_chain.h"
#include "transport/virtio_ring.h"

struct fb_answer;
struct fb_req;

/* What comes with each request, at the start of its buffer; then room for the message, then pieces. */
struct fb_virtio_work {
	struct fb_ring_work ring;
	struct fb_chain chain;
	struct iovec *room; /* as many pieces, for the core to use up */
};

/* Bytes of buffer for a request whose chain has up to pieces_max pieces. */
size_t fb_virtio_work_size(unsigned pieces_max);

/* Set a request's buffer up, for a chain to be taken. */
struct fb_virtio_work *fb_virtio_work_begin(struct fb_req *req, unsigned pieces_max);

/*
 * Make a message of the chain that was taken. Returns false when it can not even be refused: then the
 * chain was given back.
 */
bool fb_virtio_work_open(struct fb_req *req, struct fb_virtio_work *work);

/* As struct fb_transport_ops has them. */
int fb_virtio_work_room(struct fb_req *req, size_t head_size, size_t size, struct iovec **ret_iov);
int fb_virtio_work_send(struct fb_req *req, const struct fb_answer *answer);
void fb_virtio_work_drop(struct fb_req *req);

#endif
