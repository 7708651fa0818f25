/* SPDX-License-Identifier: BSD-3-Clause */
#include "dir_ops.h"

#include <errno.h>
#include <time.h>

#include "call.h"
#include "listing.h"

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- open and close ------------------------------------------------------------------------ */

/* The client gets an fh of the layer's own, behind which there is room for a listing. */
static int opened(struct fb_path_call *call, int result)
{
	struct fb_path_found *found = &call->at[0];

	if (result < 0)
		return result;
	FB_PATH_LOCKED(call->fs);
	found->made->dir = true;
	found->made->user_fh = call->ret_open->fh;
	found->made->fh = call->ret_open->fh = ++call->fs->last_dir;
	fb_path_open_add(found->node, found->made);
	found->made = NULL;
	return 0;
}

static int path_opendir(void *self, struct fb_req *req, uint64_t node, int flags,
			struct fb_open *ret_open)
{
	const struct fb_path_place at = { .node = node, .by_path = true, .makes_open = true };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	call->ret_open = ret_open;
	call->then = opened;
	ret_open->fh = 0;
	if (!fs->ops.opendir)
		return fb_path_end(call, 0);
	return fb_path_end(call, fs->ops.opendir(fs->self, req, call->at[0].path, flags, ret_open));
}

static void path_releasedir(void *self, uint64_t node, uint64_t fh, const struct fb_release *how)
{
	fb_path_release(self, node, fh, true, how);
}

static int path_fsyncdir(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint32_t flags)
{
	const struct fb_path_place at = { .node = node, .fh = &fh, .dir = true };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	return fb_path_end(
		call, fs->ops.fsyncdir(fs->self, req, call->at[0].path, *call->at[0].fh, flags));
}

/* ---- listings ------------------------------------------------------------------------------ */

/*
 * Attributes in a listing grow old before it is sent: they are good for the page that was asked for when
 * it was made (a client knows what it changed since it asked), and for others while nothing happened.
 */
static bool trusts(const struct fb_path_call *call)
{
	struct fb_path *fs = call->fs;

	return !atomic_load(&fs->backed) && atomic_load(&fs->changes) == call->changes_before &&
	       now_ns() - call->listed_ns <= fs->attr_timeout_ns;
}

static int plus(void *arg, const struct fb_dirent *entry, const struct fb_attr *attr,
		struct fb_entry *ret_entry)
{
	struct fb_path_call *call = arg;
	struct fb_path_node *dir = call->at[0].node, *node;
	struct fb_path *fs = call->fs;
	struct fb_attr_reply reply = { .attr_timeout_ns = 0 };

	if (!attr || !call->trusts)
		return 0;
	reply.attr = *attr;
	FB_PATH_LOCKED(fs);
	if (!fb_path_node_has_path(dir))
		return 0;
	node = fb_path_table_find(&fs->table, dir, entry->name, entry->name_len);
	if (!node)
		node = fb_path_table_make(&fs->table, dir, entry->name, entry->name_len);
	if (!node)
		return 0;
	fb_path_count_lookup(fs, node, &reply, ret_entry);
	return 1;
}

static int send_page(struct fb_path_call *call)
{
	return fb_listing_send(call->listing, call->cookie, call->dirsink, plus, call);
}

/* The user has listed the directory: that is what this open directory holds now. */
static int listed(struct fb_path_call *call, int result)
{
	struct fb_path_open *open = call->at[0].open;
	struct fb_listing *before;

	if (result < 0)
		return result;
	pthread_mutex_lock(&call->fs->lock);
	before = open->listing;
	open->listing = fb_listing_ref(call->listing);
	open->changes = call->changes_before;
	open->listed_ns = call->listed_ns;
	pthread_mutex_unlock(&call->fs->lock);
	fb_listing_free(before);
	call->trusts = true;
	return send_page(call);
}

static uint64_t ino_of(const struct fb_path_node *node)
{
	return node->ino ? node->ino : node->id;
}

/* Begin a listing with "." and "..". */
static int start(struct fb_path_call *call)
{
	const struct fb_path_node *node = call->at[0].node;
	uint64_t ino, parent_ino;
	int r = fb_listing_new(&call->listing);

	if (r < 0)
		return r;
	call->changes_before = atomic_load(&call->fs->changes);
	call->listed_ns = now_ns();
	pthread_mutex_lock(&call->fs->lock);
	ino = ino_of(node);
	parent_ino = ino_of(node->parent ? node->parent : node);
	pthread_mutex_unlock(&call->fs->lock);
	return fb_listing_add_dots(call->listing, ino, parent_ino);
}

/* The listing that the client goes on with, shared; or NULL when it is to be made. */
static struct fb_listing *go_on_with(struct fb_path_call *call)
{
	const struct fb_path_open *open = call->at[0].open;

	FB_PATH_LOCKED(call->fs);
	if (call->cookie == 0 || !open->listing)
		return NULL;
	call->changes_before = open->changes;
	call->listed_ns = open->listed_ns;
	return fb_listing_ref(open->listing);
}

/* READDIR and READDIRPLUS: the sink knows which. */
static int path_readdir(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t cookie,
			struct fb_dirsink *to)
{
	const struct fb_path_place at = { .node = node, .fh = &fh, .dir = true, .with_path = true };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	call->cookie = cookie;
	call->dirsink = to;
	call->listing = go_on_with(call);
	if (call->listing) {
		call->trusts = trusts(call);
		return fb_path_end(call, send_page(call));
	}
	r = call->at[0].path ? start(call) : -ENOENT;
	if (r < 0)
		return fb_path_end(call, r);
	call->then = listed;
	return fb_path_end(call, fs->ops.readdir(fs->self, req, call->at[0].path, *call->at[0].fh,
						 call->listing));
}

void fb_path_dir_ops(const struct fb_path_ops *ops, struct fb_driver_ops *to)
{
	bool opens = ops->opendir || ops->readdir;

	to->opendir = opens ? path_opendir : NULL;
	to->releasedir = opens ? path_releasedir : NULL;
	to->readdir = ops->readdir ? path_readdir : NULL;
	to->readdirplus = ops->readdir ? path_readdir : NULL;
	to->fsyncdir = ops->fsyncdir && opens ? path_fsyncdir : NULL;
}
