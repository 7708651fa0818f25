/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which descriptors may be closed: those of nodes with a file handle, in each id shard on a list,
 * the "clock". A node that was used since the hand last came by gets another turn.
 */
#ifndef LIBFB_PASSTHROUGH_INODE_CLOCK_H
#define LIBFB_PASSTHROUGH_INODE_CLOCK_H

#include "inode_table.h"

/* Put a node on the clock, or take it off if it is there, with its id shard's lock held. */
void fb_inode_clock_add(struct fb_inode_table *table, struct fb_inode_shard *shard,
			struct fb_inode *inode);
void fb_inode_clock_remove(struct fb_inode_table *table, struct fb_inode_shard *shard,
			   struct fb_inode *inode);

/*
 * Give a pinned node the descriptor that it lacks; closable puts it on the clock. Returns false
 * when it has one: then fd still belongs to the caller.
 */
bool fb_inode_clock_set_fd(struct fb_inode_table *table, struct fb_inode *inode, int fd,
			   bool closable);

/* Pick an idle node of one id shard, pinned; NULL when it has none. */
struct fb_inode *fb_inode_clock_pick(struct fb_inode_table *table, uint32_t shard_index);

/*
 * Take the descriptor of a picked node, if the caller is still the only one who uses it. Returns it
 * or -1.
 */
int fb_inode_clock_take_fd(struct fb_inode_table *table, struct fb_inode *inode);

/* Take a node off its clock: its descriptor has to stay. */
void fb_inode_clock_keep_fd(struct fb_inode_table *table, struct fb_inode *inode);

#endif
