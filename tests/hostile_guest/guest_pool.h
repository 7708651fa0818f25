/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers in guest memory that come back: what was given is kept by its size, a power of two, for
 * the next who takes. Any thread may use it.
 */
#ifndef TESTS_GUEST_POOL_H
#define TESTS_GUEST_POOL_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "guest_ram.h"

#define GUEST_POOL_ORDERS 32u

struct guest_pool_shelf {
	uint64_t *blocks;
	size_t count, room;
};

struct guest_pool {
	struct guest_ram *ram;
	pthread_mutex_t lock;
	struct guest_pool_shelf shelves[GUEST_POOL_ORDERS];
};

void guest_pool_init(struct guest_pool *pool, struct guest_ram *ram);
void guest_pool_fini(struct guest_pool *pool);

/* Aligned to its size or a page, whichever is less. Returns GUEST_RAM_NONE when memory is full. */
uint64_t guest_pool_take(struct guest_pool *pool, uint64_t size);
/* With the size that it was taken with. */
void guest_pool_give(struct guest_pool *pool, uint64_t gpa, uint64_t size);

#endif
