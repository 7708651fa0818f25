/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/pool.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/req.h"

/* Requests whose buffers stay mapped when a burst of held-back requests is over. */
#define IDLE_MAX 8

void fb_pool_init(struct fb_pool *pool, struct fb_channel *channel, size_t buffer_size)
{
	*pool = (struct fb_pool){ .channel = channel, .buffer_size = buffer_size };
}

static int buffer_map(struct fb_pool *pool, struct fb_req *req)
{
	void *buffer;

	if (pool->buffer_size == 0 || req->buffer)
		return 0;
	buffer = mmap(NULL, pool->buffer_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (buffer == MAP_FAILED)
		return -1;
	req->buffer = buffer;
	req->buffer_size = pool->buffer_size;
	return 0;
}

static void buffer_unmap(struct fb_req *req)
{
	if (req->buffer)
		munmap(req->buffer, req->buffer_size);
	req->buffer = NULL;
}

static struct fb_req *make(struct fb_pool *pool)
{
	struct fb_req *req = calloc(1, sizeof(*req));

	if (!req)
		return NULL;
	req->channel = pool->channel;
	req->next_made = atomic_load(&pool->all);
	atomic_store(&pool->all, req);
	return req;
}

void fb_pool_fini(struct fb_pool *pool)
{
	struct fb_req *req = atomic_load(&pool->all);

	while (req) {
		struct fb_req *next = req->next_made;

		buffer_unmap(req);
		free(req);
		req = next;
	}
	*pool = (struct fb_pool){ 0 };
}

/* Move what others gave back to the worker's own list; spare buffers go to the system. */
static void collect(struct fb_pool *pool)
{
	struct fb_req *req = atomic_exchange(&pool->returned, NULL);

	while (req) {
		struct fb_req *next = req->next;

		if (pool->idle >= IDLE_MAX)
			buffer_unmap(req);
		fb_pool_give(pool, req);
		req = next;
	}
}

struct fb_req *fb_pool_take(struct fb_pool *pool)
{
	struct fb_req *req;

	if (atomic_load_explicit(&pool->returned, memory_order_relaxed))
		collect(pool);
	req = pool->free;
	if (req) {
		pool->free = req->next;
		pool->idle--;
	} else {
		req = make(pool);
	}
	if (req && buffer_map(pool, req) < 0) {
		fb_pool_give(pool, req);
		return NULL;
	}
	return req;
}

void fb_pool_give(struct fb_pool *pool, struct fb_req *req)
{
	assert(req->channel == pool->channel);
	req->next = pool->free;
	pool->free = req;
	pool->idle++;
}

void fb_pool_return(struct fb_pool *pool, struct fb_req *req)
{
	struct fb_req *head = atomic_load(&pool->returned);

	assert(req->channel == pool->channel);
	do {
		req->next = head;
	} while (!atomic_compare_exchange_weak(&pool->returned, &head, req));
}

struct fb_req *fb_pool_each(struct fb_pool *pool, struct fb_req *after)
{
	return after ? after->next_made : atomic_load(&pool->all);
}
