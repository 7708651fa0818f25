/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The nodes that a client knows, found by number and by identity.
 *
 * Both maps are split into shards with a lock each; no system call is made under one. Where two are
 * taken, it is the key shard's first, then the id shard's. "Find or make, and count" and "count
 * down, and remove at 0" both happen under the key shard's lock, so they exclude each other. The
 * maps grow and shrink with their content; the new memory is allocated before the lock is taken.
 */
#ifndef LIBFB_PASSTHROUGH_INODE_TABLE_H
#define LIBFB_PASSTHROUGH_INODE_TABLE_H

#include "inode.h"

#include <pthread.h>

#define FB_INODE_SHARDS 64u

struct fb_identity;

struct fb_inode_map {
	struct fb_inode **buckets;
	size_t size, used; /* buckets (a power of 2), nodes */
};

struct fb_inode_shard {
	pthread_mutex_t lock;
	struct fb_inode_map map;
	/* Id shards: nodes whose descriptor may be closed, the one to look at next first. */
	struct fb_inode *clock_first, *clock_last;
	char apart[64]; /* neighbours are other threads' */
};

struct fb_inode_table {
	struct fb_inode_shard by_id[FB_INODE_SHARDS];
	struct fb_inode_shard by_key[FB_INODE_SHARDS];
	_Atomic uint64_t next_node; /* only ever goes up, so that no number is used twice */
	_Atomic size_t count;
	_Atomic size_t freed;      /* nodes since memory was last given back to the system */
	_Atomic uint32_t closable; /* nodes on the clocks */
	uint64_t seed;             /* so that nobody can choose colliding inode numbers */
};

int fb_inode_table_init(struct fb_inode_table *table) FB_MUST_CHECK;

/* The table is empty by now. */
void fb_inode_table_fini(struct fb_inode_table *table);

/*
 * Make a node that is in no table, with one reference. identity->mount is taken over. Returns NULL
 * without memory.
 */
struct fb_inode *fb_inode_table_new_inode(struct fb_identity *identity, uint16_t type);

/* Find by number, pinned. Returns NULL when there is none. */
struct fb_inode *fb_inode_table_get(struct fb_inode_table *table, uint64_t node);

/* Find by identity, pinned, and count this many lookups. Returns NULL when there is none. */
struct fb_inode *fb_inode_table_find(struct fb_inode_table *table,
				     const struct fb_identity *identity, uint64_t lookups);

/*
 * Put a new node in and give it a number, unless it has one; its reference becomes the table's. Returns the node for
 * its identity, pinned and with one more lookup: fresh, or the one that was there already (then
 * fresh still belongs to the caller).
 */
struct fb_inode *fb_inode_table_insert(struct fb_inode_table *table, struct fb_inode *fresh);

/*
 * Put the root in, which has its own number, is never forgotten and never found by identity. Its
 * reference becomes the table's.
 */
void fb_inode_table_insert_root(struct fb_inode_table *table, struct fb_inode *root);

/* Count one more lookup of a pinned node. Returns 0, or -ESTALE when it is forgotten already. */
int fb_inode_table_count(struct fb_inode_table *table, struct fb_inode *inode) FB_MUST_CHECK;

/* What fb_inode_table_forget() found. */
enum fb_inode_forgot {
	FB_INODE_FORGOT_UNKNOWN, /* no such node: nothing to put */
	FB_INODE_FORGOT_SOME,    /* still known: put one reference */
	FB_INODE_FORGOT_LAST,    /* out of the table: put one reference and the table's */
};

/*
 * Count lookups down, to 0 at least; *ret_excess says whether it were too many. ret_inode is the
 * node, pinned.
 */
enum fb_inode_forgot fb_inode_table_forget(struct fb_inode_table *table, uint64_t node,
					   uint64_t count, bool *ret_excess,
					   struct fb_inode **ret_inode);

/*
 * Take every node out, whatever its counts. Returns them linked by next_by_id; the table's
 * references go to the caller. No operation is under way.
 */
struct fb_inode *fb_inode_table_detach(struct fb_inode_table *table);

/* The shard that a number belongs to. */
static inline struct fb_inode_shard *fb_inode_table_shard(struct fb_inode_table *table,
							  uint64_t node)
{
	return &table->by_id[node % FB_INODE_SHARDS];
}

#endif
