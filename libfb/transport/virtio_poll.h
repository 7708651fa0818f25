/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Looking for a guest's next request for a short time before going to sleep.
 *
 * A guest that does one thing after the other comes back soon: it then needs no kick, and we need not be
 * woken. As Linux' halt_poll_ns, it is done only while it pays: not when requests come seldom, and not
 * when they come as soon as we sleep, since then the guest was waiting for our processor.
 */
#ifndef FB_TRANSPORT_VIRTIO_POLL_H
#define FB_TRANSPORT_VIRTIO_POLL_H

#include <stdbool.h>
#include <stdint.h>

struct fb_virtio_ring;

/* A worker's; zeros are a good beginning. */
struct fb_virtio_poll {
	uint64_t length_ns; /* how long to look; 0: not at all */
	uint64_t asleep_ns; /* when it went to sleep; 0: it did not */
	uint64_t not_before_ns;
	bool failed; /* looked in vain before it went to sleep */
};

/* Look for the ring's next chain, if that has paid lately; meanwhile the guest does not kick. */
void fb_virtio_poll(struct fb_virtio_poll *poll, struct fb_virtio_ring *ring);

/* The worker goes to sleep; it was woken. */
void fb_virtio_poll_asleep(struct fb_virtio_poll *poll);
void fb_virtio_poll_woken(struct fb_virtio_poll *poll);

#endif
