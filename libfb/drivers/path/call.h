/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A request on its way through the layer: what it is about, and what comes next.
 *
 * An operation begins a call, which finds the nodes, takes their paths and holds these; calls
 * the user's operation; and ends the call with its result. If that is FB_PENDING the call lives on
 * until the request is completed. What is to be done after the user's operation is a function,
 * call->then, which may call the user once more and set another one; it runs in either case.
 *
 *	struct fb_path_place at = { .node = node };
 *	struct fb_path_call *call;
 *	int r = fb_path_begin(fs, req, &at, 1, &call);
 *
 *	if (r < 0)
 *		return r;
 *	call->then = attr_got;
 *	return fb_path_end(call, fs->ops.getattr(fs->self, req, call->at[0].path, …));
 */
#ifndef LIBFB_PATH_CALL_H
#define LIBFB_PATH_CALL_H

#include "layer.h"
#include "open_files.h"

/* How a request speaks of a file, and what it wants of it. */
struct fb_path_place {
	uint64_t node;
	const char *name;   /* in this directory; NULL: the node itself */
	const uint64_t *fh; /* an open file of the node, or NULL */
	bool dir;           /* fh is one of a directory */
	bool moves;         /* its name goes: wait until nobody uses it */
	bool with_path;     /* hold the path, even of an open file */
	bool by_path;       /* an open file does not do where there is no path */
	bool or_root;       /* where there is none, the root is as good */
	bool makes_open;    /* the client may get an open file of it: have memory for that */
};

/* The same, found. */
struct fb_path_found {
	struct fb_path_node *node;
	struct fb_path_open *open; /* or NULL */
	bool pinned;               /* both */
	struct fb_path_node *held; /* node, or its directory if it moves: used; or NULL */
	struct fb_path_open *made; /* memory for an open file; or NULL */
	bool known;                /* the client knew the node before */
	const char *path;          /* NULL: no path leads there; else in text */
	const uint64_t *fh;        /* NULL, or of open */
	uint64_t fh_kept;
	char text[PATH_MAX];
};

typedef int fb_path_then_fn(struct fb_path_call *call, int result);

struct fb_path_call {
	struct fb_path_call *next; /* in the layer's list of unused ones */
	struct fb_path *fs;
	struct fb_req *req;
	fb_path_then_fn *then; /* runs on the next result; or NULL */
	uint64_t epoch;
	bool hooked;              /* the hook has not run; also: paths are held */
	bool returned, completed; /* of one that is pending: free when both */
	bool moves;               /* the nodes are marked as moving */
	bool changes;             /* success changes what listings tell */

	/* What the operation keeps for later: outputs and copies of arguments. */
	size_t entry_at; /* which place the entry is of */
	struct fb_entry *ret_entry;
	struct fb_open *ret_open;
	struct fb_attr_reply *ret_attr, attr;
	struct fb_dirsink *dirsink;
	struct fb_listing *listing;
	uint64_t cookie, changes_before, listed_ns;
	bool trusts; /* the attributes in the listing */
	uint32_t rename_flags;
	union {
		struct fb_setattr set;
		struct fb_lock lock;
		struct fb_ioctl ioctl;
	};

	struct fb_path_open *ended; /* released meanwhile: tell of it without the lock */
	size_t count;
	struct fb_path_found at[2];
};

/*
 * Begin: find the places, pin them, hold their paths as long as the operation runs, which may
 * take waiting. Returns 0 and the call, or what to answer: -ESTALE for a node, -EBADF for an fh that the
 * client does not know, -ENOENT in a directory without a path, -ENAMETOOLONG, -ENOMEM.
 */
int fb_path_begin(struct fb_path *fs, struct fb_req *req, const struct fb_path_place *places,
		  size_t count, struct fb_path_call **ret_call) FB_MUST_CHECK;

/* What to return from the driver's operation, given the result of the user's. */
int fb_path_end(struct fb_path_call *call, int result);

/*
 * Before a second operation of the user's: have its result come back too, and paths that are right. at
 * says which path matters; without one it fails unless an open file does. Returns 0 or -errno.
 */
int fb_path_again(struct fb_path_call *call, size_t at) FB_MUST_CHECK;

/* The call is about another node from now on, for which a place was found. Under the lock. */
void fb_path_replace(struct fb_path_call *call, size_t at, struct fb_path_node *node);

/*
 * The client is to get an open file of a place, of this fh: note it and pin it. Under the lock, with
 * makes_open.
 */
void fb_path_made_open(struct fb_path_call *call, size_t at, uint64_t fh);

/* Free those that are unused. */
void fb_path_calls_free(struct fb_path *fs);

#endif
