/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers in guest memory, on shelves by size.
 */
#include "guest_pool.h"

#include <stdlib.h>

#define ORDER_MIN 6u
#define PAGE UINT64_C(4096)

static unsigned order_of(uint64_t size)
{
	unsigned order = ORDER_MIN;

	while (order < GUEST_POOL_ORDERS && (UINT64_C(1) << order) < size)
		order++;
	return order;
}

void guest_pool_init(struct guest_pool *pool, struct guest_ram *ram)
{
	*pool = (struct guest_pool){ .ram = ram };
	pthread_mutex_init(&pool->lock, NULL);
}

void guest_pool_fini(struct guest_pool *pool)
{
	for (unsigned i = 0; i < GUEST_POOL_ORDERS; i++)
		free(pool->shelves[i].blocks);
	pthread_mutex_destroy(&pool->lock);
}

uint64_t guest_pool_take(struct guest_pool *pool, uint64_t size)
{
	unsigned order = order_of(size);
	uint64_t whole = UINT64_C(1) << order;
	struct guest_pool_shelf *shelf = &pool->shelves[order];
	uint64_t gpa;

	if (order >= GUEST_POOL_ORDERS)
		return GUEST_RAM_NONE;
	pthread_mutex_lock(&pool->lock);
	if (shelf->count > 0)
		gpa = shelf->blocks[--shelf->count];
	else
		gpa = guest_ram_alloc(pool->ram, whole, whole < PAGE ? whole : PAGE);
	pthread_mutex_unlock(&pool->lock);
	return gpa;
}

void guest_pool_give(struct guest_pool *pool, uint64_t gpa, uint64_t size)
{
	struct guest_pool_shelf *shelf = &pool->shelves[order_of(size)];

	pthread_mutex_lock(&pool->lock);
	if (shelf->count == shelf->room) {
		size_t room = shelf->room ? 2 * shelf->room : 64;
		uint64_t *blocks = reallocarray(shelf->blocks, room, sizeof(*blocks));

		if (blocks) {
			shelf->blocks = blocks;
			shelf->room = room;
		}
	}
	if (shelf->count < shelf->room) /* else the block is lost to this guest, no more */
		shelf->blocks[shelf->count++] = gpa;
	pthread_mutex_unlock(&pool->lock);
}
