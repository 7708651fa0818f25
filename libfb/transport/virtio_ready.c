/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/virtio_ready.h"

#include <errno.h>
#include <libfb/log.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/scope.h"
#include "core/thread.h"
#include "transport/virtio_ring.h"

/*
 * Edges, not levels: an event wakes one worker, and nobody needs to read the descriptor, so that no
 * kick can be lost by reading it at the wrong time.
 */
static int watch(struct fb_ready *ready, int fd, void *what, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = what };

	return epoll_ctl(ready->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int fb_ready_init(struct fb_ready *ready)
{
	int r = 0;

	ready->epoll_fd = fb_fd_raise(epoll_create1(EPOLL_CLOEXEC));
	ready->more_fd = fb_fd_raise(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	ready->end_fd = fb_fd_raise(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	pthread_mutex_init(&ready->lock, NULL);
	ready->first = NULL;
	ready->last = &ready->first;
	ready->named = ready->idle = 0;
	if (ready->epoll_fd < 0 || ready->more_fd < 0 || ready->end_fd < 0)
		r = -errno;
	if (r == 0)
		r = watch(ready, ready->more_fd, &ready->more_fd, EPOLLIN | EPOLLET);
	if (r == 0)
		r = watch(ready, ready->end_fd, &ready->end_fd, EPOLLIN);
	if (r < 0)
		fb_ready_fini(ready);
	return r;
}

void fb_ready_fini(struct fb_ready *ready)
{
	const int fds[] = { ready->epoll_fd, ready->more_fd, ready->end_fd };

	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	pthread_mutex_destroy(&ready->lock);
}

int fb_ready_watch(struct fb_ready *ready, int kick_fd, struct fb_virtio_ring *ring)
{
	return watch(ready, kick_fd, ring, EPOLLIN | EPOLLET);
}

void fb_ready_unwatch(struct fb_ready *ready, int kick_fd)
{
	if (epoll_ctl(ready->epoll_fd, EPOLL_CTL_DEL, kick_fd, NULL) < 0)
		fb_log(FB_LOG_DEBUG, "a kick descriptor was not watched: %s", strerror(errno));
}

void fb_ready_name(struct fb_ready *ready, struct fb_virtio_ring *ring)
{
	pthread_mutex_lock(&ready->lock);
	if (!ring->named) {
		ring->named = true;
		ring->next_named = NULL;
		*ready->last = ring;
		ready->last = &ring->next_named;
		atomic_fetch_add(&ready->named, 1);
	}
	pthread_mutex_unlock(&ready->lock);
	fb_eventfd_signal(ready->more_fd);
}

/* The first of the list, or NULL. */
static struct fb_virtio_ring *take_named(struct fb_ready *ready)
{
	struct fb_virtio_ring *ring;

	if (atomic_load(&ready->named) == 0)
		return NULL;
	FB_SCOPED_LOCK(&ready->lock);
	ring = ready->first;
	if (!ring)
		return NULL;
	ready->first = ring->next_named;
	if (!ready->first)
		ready->last = &ready->first;
	ring->named = false;
	atomic_fetch_sub(&ready->named, 1);
	return ring;
}

/* Wait for one event. Returns 1 with what it is about (NULL: the list), 0, -EAGAIN or -errno. */
static int wait_event(struct fb_ready *ready, bool wait, struct fb_virtio_ring **ret_ring)
{
	struct epoll_event event;
	int n;

	atomic_fetch_add(&ready->idle, wait);
	n = epoll_wait(ready->epoll_fd, &event, 1, wait ? -1 : 0);
	atomic_fetch_sub(&ready->idle, wait);
	if (n <= 0)
		return n == 0 ? -EAGAIN : -errno;
	if (event.data.ptr == &ready->end_fd)
		return 0;
	*ret_ring = event.data.ptr == &ready->more_fd ? NULL : event.data.ptr;
	return 1;
}

int fb_ready_next(struct fb_ready *ready, bool wait, struct fb_virtio_ring **ret_ring)
{
	struct fb_virtio_ring *ring;
	int r = 1;

	for (;;) {
		ring = take_named(ready);
		if (!ring)
			r = wait_event(ready, wait, &ring);
		if (r != 1)
			return r;
		if (!ring)
			continue;
		/* One edge may stand for several names: whoever takes one sends the next worker. */
		if (atomic_load(&ready->named) > 0)
			fb_eventfd_signal(ready->more_fd);
		*ret_ring = ring;
		return 1;
	}
}

void fb_ready_end(struct fb_ready *ready)
{
	fb_eventfd_signal(ready->end_fd);
}
