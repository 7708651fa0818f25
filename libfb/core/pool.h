/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests of one channel, made once and used again.
 *
 * Only the channel's worker takes requests. It gives them back with fb_pool_give(); other threads,
 * which complete requests that the driver held back, with fb_pool_return(). No locks: the first is
 * a list of the worker's own, the second an atomic stack.
 */
#ifndef FB_CORE_POOL_H
#define FB_CORE_POOL_H

#include <stddef.h>

struct fb_channel;
struct fb_req;

struct fb_pool {
	struct fb_channel *channel;
	size_t buffer_size;                /* bytes of memory that come with each request */
	struct fb_req *free;               /* the worker's own */
	_Atomic(struct fb_req *) returned; /* given back by others */
	_Atomic(struct fb_req *) all;      /* every request, for fb_pool_each(); grows only */
	size_t idle;                       /* length of free */
};

void fb_pool_init(struct fb_pool *pool, struct fb_channel *channel, size_t buffer_size);

/* Free all requests; none may be under way. */
void fb_pool_fini(struct fb_pool *pool);

/* Take a request, or NULL when there is no memory for another. */
struct fb_req *fb_pool_take(struct fb_pool *pool);

/* Give a request back, in the worker's thread. */
void fb_pool_give(struct fb_pool *pool, struct fb_req *req);

/* Give a request back from any thread. */
void fb_pool_return(struct fb_pool *pool, struct fb_req *req);

/* Step through all requests ever made, in use or not: NULL starts and ends. Any thread. */
struct fb_req *fb_pool_each(struct fb_pool *pool, struct fb_req *after);

#endif
