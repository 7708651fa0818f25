/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which rings have something to look at: those that the guest has kicked, and those that somebody
 * of ours has named. Any number of workers wait here; each gets another ring.
 */
#ifndef FB_TRANSPORT_VIRTIO_READY_H
#define FB_TRANSPORT_VIRTIO_READY_H

#include <libfb/types.h>
#include <pthread.h>
#include <stdbool.h>

struct fb_virtio_ring;

struct fb_ready {
	int epoll_fd;
	int more_fd; /* eventfd: the list has one more */
	int end_fd;  /* eventfd: it is over; never read, so that all see it */
	pthread_mutex_t lock;
	struct fb_virtio_ring *first, **last; /* under lock: the list of named rings */
	_Atomic unsigned named;               /* its length */
	_Atomic unsigned idle;                /* workers that wait */
};

/* Returns 0 or -errno. */
int fb_ready_init(struct fb_ready *ready) FB_MUST_CHECK;
void fb_ready_fini(struct fb_ready *ready);

/* Watch a ring's kicks; or no longer. Returns 0 or -errno. */
int fb_ready_watch(struct fb_ready *ready, int kick_fd, struct fb_virtio_ring *ring) FB_MUST_CHECK;
void fb_ready_unwatch(struct fb_ready *ready, int kick_fd);

/* Have some worker look at this ring. It may do so in vain. */
void fb_ready_name(struct fb_ready *ready, struct fb_virtio_ring *ring);

/*
 * The next ring to look at, waiting for it if wait says so. Returns 1 and the ring; 0 when it is
 * over; -EAGAIN when there is none and wait is false; -EINTR; or -errno.
 */
int fb_ready_next(struct fb_ready *ready, bool wait, struct fb_virtio_ring **ret_ring);

/* It is over: everybody who waits returns. */
void fb_ready_end(struct fb_ready *ready);

#endif
