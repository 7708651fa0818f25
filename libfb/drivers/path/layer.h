/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The path layer itself: what its parts share.
 */
#ifndef LIBFB_PATH_LAYER_H
#define LIBFB_PATH_LAYER_H

#include <libfb/path.h>

#include <pthread.h>
#include <stdatomic.h>

#include "node_table.h"

struct fb_path_call;

struct fb_path {
	struct fb_path_ops ops; /* the user's */
	void *self;
	uint64_t entry_timeout_ns, attr_timeout_ns, negative_timeout_ns; /* 0 is none */
	struct fb_driver_ops driver_ops;

	pthread_mutex_t lock; /* over all that follows; never held in an operation of the user's */
	pthread_cond_t changed; /* names can be used, or moved, again */
	unsigned waiting;       /* for that */
	struct fb_path_table table;
	struct fb_path_call *calls; /* for requests to come */
	unsigned call_count;
	uint64_t epoch;    /* how many clients have gone */
	uint64_t last_dir; /* fh of an open directory */

	_Atomic uint64_t changes; /* requests that changed something */
	_Atomic bool backed;      /* some changes are not seen here */
};

/* How many nodes there are, without the root: for tests. */
size_t fb_path_count(struct fb_path *fs);

/* Attributes on their way to the client: of this node. */
void fb_path_finish_attr(const struct fb_path *fs, struct fb_path_node *node,
			 struct fb_attr_reply *reply);

/* One more lookup of a node, and what the client is told of it. Under the lock. */
void fb_path_count_lookup(const struct fb_path *fs, struct fb_path_node *node,
			  const struct fb_attr_reply *reply, struct fb_entry *ret_entry);

/* Hold the layer's lock until the end of the scope. */
static inline pthread_mutex_t *fb_path_lock(struct fb_path *fs)
{
	pthread_mutex_lock(&fs->lock);
	return &fs->lock;
}

static inline void fb_path_unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

#define FB_PATH_LOCKED(fs)                                                                         \
	__attribute__((cleanup(fb_path_unlock), unused)) pthread_mutex_t *fb_path_locked_ =        \
		fb_path_lock(fs)

#endif
