/* SPDX-License-Identifier: BSD-3-Clause */
#include "inode_clock.h"

#include <assert.h>

/* Nodes that were in use lately and are passed over in one go of the clock. */
#define CLOCK_PATIENCE 16u

static void clock_append(struct fb_inode_shard *shard, struct fb_inode *inode)
{
	inode->clock_next = NULL;
	inode->clock_prev = shard->clock_last;
	if (shard->clock_last)
		shard->clock_last->clock_next = inode;
	else
		shard->clock_first = inode;
	shard->clock_last = inode;
}

static void clock_unlink(struct fb_inode_shard *shard, struct fb_inode *inode)
{
	if (inode->clock_prev)
		inode->clock_prev->clock_next = inode->clock_next;
	else
		shard->clock_first = inode->clock_next;
	if (inode->clock_next)
		inode->clock_next->clock_prev = inode->clock_prev;
	else
		shard->clock_last = inode->clock_prev;
	inode->clock_prev = inode->clock_next = NULL;
}

void fb_inode_clock_add(struct fb_inode_table *table, struct fb_inode_shard *shard,
			struct fb_inode *inode)
{
	assert(!inode->in_clock);
	clock_append(shard, inode);
	inode->in_clock = true;
	atomic_fetch_add_explicit(&table->closable, 1, memory_order_relaxed);
}

void fb_inode_clock_remove(struct fb_inode_table *table, struct fb_inode_shard *shard,
			   struct fb_inode *inode)
{
	if (!inode->in_clock)
		return;
	clock_unlink(shard, inode);
	inode->in_clock = false;
	atomic_fetch_sub_explicit(&table->closable, 1, memory_order_relaxed);
}

bool fb_inode_clock_set_fd(struct fb_inode_table *table, struct fb_inode *inode, int fd,
			   bool closable)
{
	struct fb_inode_shard *shard = fb_inode_table_shard(table, inode->node);
	bool set;

	pthread_mutex_lock(&shard->lock);
	set = inode->fd < 0;
	if (set)
		inode->fd = fd;
	if (set && closable && inode->in_table)
		fb_inode_clock_add(table, shard, inode);
	pthread_mutex_unlock(&shard->lock);
	return set;
}

struct fb_inode *fb_inode_clock_pick(struct fb_inode_table *table, uint32_t shard_index)
{
	struct fb_inode_shard *shard = &table->by_id[shard_index % FB_INODE_SHARDS];
	struct fb_inode *picked = NULL;

	pthread_mutex_lock(&shard->lock);
	for (unsigned i = 0; i < CLOCK_PATIENCE && shard->clock_first && !picked; i++) {
		struct fb_inode *inode = shard->clock_first;

		clock_unlink(shard, inode);
		clock_append(shard, inode);
		if (!atomic_exchange_explicit(&inode->used, false, memory_order_relaxed) &&
		    inode->refs == 1)
			picked = fb_inode_ref(inode);
	}
	pthread_mutex_unlock(&shard->lock);
	return picked;
}

int fb_inode_clock_take_fd(struct fb_inode_table *table, struct fb_inode *inode)
{
	struct fb_inode_shard *shard = fb_inode_table_shard(table, inode->node);
	int fd = -1;

	pthread_mutex_lock(&shard->lock);
	/* One reference is the table's, one the caller's; new ones need the lock. */
	if (inode->in_clock && inode->refs == 2) {
		fd = atomic_exchange(&inode->fd, -1);
		fb_inode_clock_remove(table, shard, inode);
	}
	pthread_mutex_unlock(&shard->lock);
	return fd;
}

void fb_inode_clock_keep_fd(struct fb_inode_table *table, struct fb_inode *inode)
{
	struct fb_inode_shard *shard = fb_inode_table_shard(table, inode->node);

	pthread_mutex_lock(&shard->lock);
	fb_inode_clock_remove(table, shard, inode);
	pthread_mutex_unlock(&shard->lock);
}
