/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's side of a split virtqueue: what is where in the shared memory, and in which order it
 * is read and written.
 *
 * The guest may change every byte at any time, so each is read once. No locks here: the caller has
 * one. Source: OASIS Virtual I/O Device specification, "Split Virtqueues".
 */
#ifndef FB_TRANSPORT_VIRTQUEUE_H
#define FB_TRANSPORT_VIRTQUEUE_H

#include <libfb/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "transport/vhost_wire.h"

struct fb_virtqueue {
	uint8_t *avail, *used; /* in guest memory */

	uint16_t num; /* entries: a power of two up to 32768 */
	uint16_t next_avail, next_used;
	uint16_t called;     /* next_used when it was last decided whether to call */
	bool called_valid;   /* false: call the next time, whatever the guest says */
	bool event_idx;      /* VIRTIO_F_EVENT_IDX */
	uint16_t under_way;  /* heads taken and not given back */
	uint64_t *taken;     /* a bit for each head; owned */
	uint16_t taken_room; /* heads that taken has bits for */
};

/*
 * Begin at entry base of the avail ring, with avail, used and num set; the used ring goes on where
 * it is. No head may be under way. Returns 0 or -ENOMEM.
 */
int fb_virtqueue_start(struct fb_virtqueue *queue, uint16_t base) FB_MUST_CHECK;

/* Free what start made. */
void fb_virtqueue_fini(struct fb_virtqueue *queue);

/*
 * Take the next chain. Returns the number of its first descriptor; -EAGAIN when there is none; -EPROTO
 * when the ring says what can not be: then leave it alone.
 */
int fb_virtqueue_take(struct fb_virtqueue *queue);

/* Give a chain back with len bytes written to it. Returns whether the guest wants a call. */
bool fb_virtqueue_give(struct fb_virtqueue *queue, uint16_t head, uint32_t len);

/* Ask for no kicks while somebody looks at the ring anyway. */
void fb_virtqueue_busy(struct fb_virtqueue *queue);

/* Ask for a kick at the next chain. Returns false when there is one already. */
bool fb_virtqueue_rest(struct fb_virtqueue *queue);

/* Whether there is a chain to take: for those who poll. */
bool fb_virtqueue_waits(const struct fb_virtqueue *queue);

#endif
