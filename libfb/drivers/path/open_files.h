/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the client has open: which fh belongs to which node.
 *
 * A request pins the open file that it is about, so that the user's file system is told of a release
 * meanwhile when the request is done, and not before.
 */
#ifndef LIBFB_PATH_OPEN_FILES_H
#define LIBFB_PATH_OPEN_FILES_H

#include <libfb/driver.h>
#include <libfb/listing.h>

#include "node_table.h"

struct fb_path;

struct fb_path_open {
	struct fb_path_open *next;
	uint64_t fh;       /* the client's word for it */
	uint64_t user_fh;  /* the user's; the same for a file */
	uint64_t count;    /* how often the user gave this fh */
	unsigned pins;     /* requests that use it */
	bool dir, closing; /* closing: in no list any more, goes with the last pin */
	bool told;         /* the user has been told of the release */
	struct fb_release how;

	/* Of a directory: */
	struct fb_listing *listing; /* what it holds, or NULL; shared with who sends it */
	uint64_t changes;           /* of the layer, and when, before the listing was made */
	uint64_t listed_ns;
};

/* ---- under the layer's lock ---------------------------------------------------------------- */

/* The open file or directory of this node that is called fh, or NULL: -EBADF. */
struct fb_path_open *fb_path_open_find(struct fb_path_node *node, uint64_t fh, bool dir);

/*
 * Note that the client has it open. open is taken, and freed if its fh is there already. Returns the one
 * that is noted.
 */
struct fb_path_open *fb_path_open_add(struct fb_path_node *node, struct fb_path_open *open);

/* Unpin. Returns it if that was the last pin of one that is closing: fb_path_open_end() it. */
struct fb_path_open *fb_path_open_unpin(struct fb_path_open *open);

/* ---- without the lock ---------------------------------------------------------------------- */

/* Tell the user of the release, unless that has been done, and free. */
void fb_path_open_end(struct fb_path *fs, struct fb_path_open *open);

/* Free one that the client never knew, or that the user has been told of; NULL is ignored. */
void fb_path_open_free(struct fb_path_open *open);

/* RELEASE and RELEASEDIR. An fh that is not open is ignored. */
void fb_path_release(struct fb_path *fs, uint64_t id, uint64_t fh, bool dir,
		     const struct fb_release *how);

/* The client is gone: release all that it had open. */
void fb_path_release_all(struct fb_path *fs);

#endif
