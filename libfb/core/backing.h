/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Backing descriptors: open files whose data lies in another file, named by a descriptor.
 *
 * Where the kernel allows it (FUSE passthrough) it reads and writes that file by itself. All opens
 * of one node must then agree (fs/fuse/iomode.c), so this table keeps one registered id a node for
 * as long as any file of the node is open, and never mixes. Elsewhere the core serves reads and
 * writes from the descriptor.
 */
#ifndef FB_CORE_BACKING_H
#define FB_CORE_BACKING_H

#include <libfb/types.h>
#include <pthread.h>

struct fb_backing_file;
struct fb_backing_node;
struct fb_session;
struct fb_transport;

/* Parts with a lock each, and the lists of each. */
#define FB_BACKING_SHARDS 64
#define FB_BACKING_BUCKETS 16

/* Opens and releases of other nodes go on while one registers its descriptor with the kernel. */
struct fb_backing_shard {
	pthread_mutex_t lock;
	pthread_cond_t unused;   /* a file that was removed is not read or written any more */
	_Atomic unsigned count;  /* nodes here */
	_Atomic unsigned served; /* open files that the core serves itself */
	struct fb_backing_node *buckets[FB_BACKING_BUCKETS];
	/* To be used again, so that an open needs no malloc. */
	struct fb_backing_node *spare_nodes;
	struct fb_backing_file *spare_files;
	unsigned spare_node_count, spare_file_count;
};

struct fb_backings {
	struct fb_backing_shard shards[FB_BACKING_SHARDS];
};

void fb_backings_init(struct fb_backings *backings);
void fb_backings_fini(struct fb_backings *backings);

/* How many nodes there are with files that the core or the kernel serves. */
unsigned fb_backings_count(const struct fb_backings *backings);

/* Forget everything; transport (may be NULL) takes its ids back. */
void fb_backings_clear(struct fb_backings *backings, struct fb_transport *transport);

/*
 * A file of node was opened: choose how its data is served and set open->flags. Returns the id for
 * the client's kernel, or 0 when data goes through the server.
 */
int fb_backing_open(struct fb_session *session, uint64_t node, struct fb_open *open);

/* The file is to be released, or nobody got to know of it: it is not used any more. */
void fb_backing_release(struct fb_session *session, uint64_t node, uint64_t fh);

/*
 * Take the descriptor that the core reads and writes for this open file. Its release waits until
 * fb_backing_give(): a hostile client may send both at a time, and the driver closes what is
 * released. Returns the descriptor and *ret_file, or -1.
 */
int fb_backing_take(struct fb_session *session, uint64_t node, uint64_t fh,
		    struct fb_backing_file **ret_file);
void fb_backing_give(struct fb_session *session, uint64_t node, struct fb_backing_file *file);

#endif
