/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A ring of the device: a virtqueue, what the front end has said about it, and whether it may be
 * used now.
 *
 * Started and enabled are the front end's to say, broken is ours: the guest wrote what can not be.
 * A ring that is all right is live: its kicks are watched, and workers take chains from it.
 * Everything is under the ring's lock, which is held for a few memory accesses only.
 */
#ifndef FB_TRANSPORT_VIRTIO_RING_H
#define FB_TRANSPORT_VIRTIO_RING_H

#include <libfb/types.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "transport/vhost_wire.h"
#include "transport/virtio_chain.h"
#include "transport/virtqueue.h"

struct fb_dirty_log;
struct fb_guest_memory;
struct fb_ready;

struct fb_virtio_ring {
	/* Set once. */
	unsigned index;
	struct fb_ready *ready;
	struct fb_dirty_log *log;

	pthread_mutex_t lock; /* of all down to live */
	struct fb_virtqueue queue;
	struct fb_descriptors descriptors;
	struct fb_guest_memory *memory; /* referenced; NULL: none yet */
	struct fb_wire_vhost_ring_addr addr;
	uint64_t features; /* FB_VIRTIO_F_* */
	uint32_t num;
	uint16_t base;
	int kick_fd, call_fd, err_fd; /* -1: none */
	bool addr_set;
	bool started, enabled, broken;
	bool fresh; /* started, but the queue has not begun at base */
	bool live;
	bool resting;        /* the guest kicks when it has more */
	uint64_t taken_seen; /* by the session's keeper */

	_Atomic unsigned refused, unmapped, breaks; /* how often, for the log */
	_Atomic uint64_t taken;                     /* chains, ever */
	_Atomic uint32_t service_ns; /* how long a request of this ring takes, about */

	struct fb_virtio_ring *next_named; /* under the lock of ready, as named */
	bool named;
};

/* What was taken from a ring. */
struct fb_ring_work {
	struct fb_virtio_ring *ring;
	struct fb_guest_memory *memory; /* referenced */
	uint16_t head;
};

void fb_ring_init(struct fb_virtio_ring *ring, unsigned index, struct fb_ready *ready,
		  struct fb_dirty_log *log);
void fb_ring_fini(struct fb_virtio_ring *ring);

/* ---- what the front end says; each returns 0 or -errno with a sentence -------------------------- */

int fb_ring_set_num(struct fb_virtio_ring *ring, uint32_t num) FB_MUST_CHECK;
int fb_ring_set_base(struct fb_virtio_ring *ring, uint32_t base) FB_MUST_CHECK;
int fb_ring_set_addr(struct fb_virtio_ring *ring,
		     const struct fb_wire_vhost_ring_addr *addr) FB_MUST_CHECK;
void fb_ring_set_features(struct fb_virtio_ring *ring, uint64_t features);
void fb_ring_set_memory(struct fb_virtio_ring *ring, struct fb_guest_memory *memory);
void fb_ring_enable(struct fb_virtio_ring *ring, bool enable);

/* These take the descriptor over; -1 is none. */
int fb_ring_set_kick(struct fb_virtio_ring *ring, int kick_fd) FB_MUST_CHECK;
void fb_ring_set_call(struct fb_virtio_ring *ring, int call_fd);
void fb_ring_set_err(struct fb_virtio_ring *ring, int err_fd);

/* Whether the front end has started the ring and not stopped it. */
bool fb_ring_is_started(struct fb_virtio_ring *ring);

/* Take nothing more from the ring; what is under way goes on. */
void fb_ring_pause(struct fb_virtio_ring *ring);

/* How many chains are under way. */
unsigned fb_ring_under_way(struct fb_virtio_ring *ring);

/* After a pause, with nothing under way: the ring is stopped. Returns where it would go on. */
uint16_t fb_ring_stop(struct fb_virtio_ring *ring);

/* After a stop: forget everything that was said about the ring, but not its err_fd. */
void fb_ring_forget(struct fb_virtio_ring *ring);

/* ---- what workers do ------------------------------------------------------------------------- */

/*
 * Take the next chain. Returns 1 with work and the chain's pieces (chain->iov and max are the
 * caller's); 0 when there is none: the ring is left to its kicks; -EAGAIN when there was one that is
 * not right: it has been given back unanswered.
 */
int fb_ring_take(struct fb_virtio_ring *ring, struct fb_ring_work *ret_work,
		 struct fb_chain *chain) FB_MUST_CHECK;

/* Give a chain back with len bytes written; work is used up. */
void fb_ring_give(struct fb_ring_work *work, uint32_t len);

/*
 * Whether the ring waits for a worker that has not come back to it since the last time this was
 * asked: nobody takes from it, and the guest does not kick.
 */
bool fb_ring_is_stuck(struct fb_virtio_ring *ring);

/* Whether there is a chain to take just now. */
bool fb_ring_waits(struct fb_virtio_ring *ring);

#endif
