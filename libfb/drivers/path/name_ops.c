/* SPDX-License-Identifier: BSD-3-Clause */
#include "name_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "call.h"

/* ---- entries ------------------------------------------------------------------------------- */

/* The attributes are there: the client gets the node. */
static int entry_got(struct fb_path_call *call, int result)
{
	struct fb_path_node *node = call->at[call->entry_at].node;

	if (result < 0)
		return result;
	FB_PATH_LOCKED(call->fs);
	/* Removed by somebody else meanwhile. */
	if (!node->files && !fb_path_node_has_path(node))
		return -ESTALE;
	fb_path_count_lookup(call->fs, node, &call->attr, call->ret_entry);
	return 0;
}

/* Ask for the attributes, and go on with then. */
static int ask(struct fb_path_call *call, fb_path_then_fn *then)
{
	const struct fb_path_found *found = &call->at[call->entry_at];
	struct fb_path *fs = call->fs;
	int r = fb_path_again(call, call->entry_at);

	if (r < 0)
		return then(call, r);
	call->then = then;
	return fs->ops.getattr(fs->self, call->req, found->path, found->fh, &call->attr);
}

/* What was just made is no node that the client knew by this name: that must have gone unseen. */
static void renew(struct fb_path_call *call, size_t at)
{
	struct fb_path_table *table = &call->fs->table;
	struct fb_path_node *old = call->at[at].node, *node;

	FB_PATH_LOCKED(call->fs);
	if (!call->at[at].known || !old->parent)
		return;
	node = fb_path_table_make(table, old->parent, old->name, strlen(old->name));
	if (!node)
		return;
	fb_path_replace(call, at, node);
	fb_path_node_detach(table, old);
	fb_path_table_tidy(table, old);
}

/* Something without an open file has been made. */
static int made(struct fb_path_call *call, int result)
{
	if (result < 0)
		return result;
	renew(call, call->entry_at);
	return ask(call, entry_got);
}

/* ---- finding ------------------------------------------------------------------------------- */

static int lookup_got(struct fb_path_call *call, int result)
{
	struct fb_path *fs = call->fs;

	if (result != -ENOENT)
		return entry_got(call, result);
	FB_PATH_LOCKED(fs);
	/* What has this name next is another file. */
	if (call->at[0].known)
		fb_path_node_detach(&fs->table, call->at[0].node);
	if (fs->negative_timeout_ns == 0)
		return result;
	*call->ret_entry = (struct fb_entry){ .entry_timeout_ns = fs->negative_timeout_ns };
	return 0;
}

static int path_lookup(void *self, struct fb_req *req, uint64_t parent, const char *name,
		       struct fb_entry *ret_entry)
{
	const struct fb_path_place at = { .node = parent, .name = name };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	call->ret_entry = ret_entry;
	call->then = lookup_got;
	return fb_path_end(call,
			   fs->ops.getattr(fs->self, req, call->at[0].path, NULL, &call->attr));
}

static void path_forget(void *self, uint64_t id, uint64_t count)
{
	struct fb_path *fs = self;
	struct fb_path_node *node;

	FB_PATH_LOCKED(fs);
	node = fb_path_table_get(&fs->table, id);
	if (!node || node == &fs->table.root)
		return;
	node->lookups -= count < node->lookups ? count : node->lookups;
	fb_path_table_tidy(&fs->table, node);
}

/* ---- making -------------------------------------------------------------------------------- */

static int path_symlink(void *self, struct fb_req *req, uint64_t parent, const char *name,
			const char *target, struct fb_entry *ret_entry)
{
	const struct fb_path_place at = { .node = parent, .name = name };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	call->ret_entry = ret_entry;
	call->then = made;
	call->changes = true;
	return fb_path_end(call, fs->ops.symlink(fs->self, req, call->at[0].path, target));
}

static int path_mknod(void *self, struct fb_req *req, uint64_t parent, const char *name,
		      uint32_t mode, uint32_t rdev, struct fb_entry *ret_entry)
{
	const struct fb_path_place at = { .node = parent, .name = name };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	call->ret_entry = ret_entry;
	call->then = made;
	call->changes = true;
	return fb_path_end(call, fs->ops.mknod(fs->self, req, call->at[0].path, mode, rdev));
}

static int path_mkdir(void *self, struct fb_req *req, uint64_t parent, const char *name,
		      uint32_t mode, struct fb_entry *ret_entry)
{
	const struct fb_path_place at = { .node = parent, .name = name };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	call->ret_entry = ret_entry;
	call->then = made;
	call->changes = true;
	return fb_path_end(call, fs->ops.mkdir(fs->self, req, call->at[0].path, mode));
}

static int path_link(void *self, struct fb_req *req, uint64_t node, uint64_t new_parent,
		     const char *new_name, struct fb_entry *ret_entry)
{
	const struct fb_path_place at[] = { { .node = node },
					    { .node = new_parent, .name = new_name } };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, at, 2, &call);

	if (r < 0)
		return r;
	call->entry_at = 1;
	call->ret_entry = ret_entry;
	call->then = made;
	call->changes = true;
	return fb_path_end(call, fs->ops.link(fs->self, req, call->at[0].path, call->at[0].fh,
					      call->at[1].path));
}

/* ---- making and opening -------------------------------------------------------------------- */

/* The client is not going to know of the file that was opened. */
static void close_again(struct fb_path_call *call)
{
	const struct fb_release how = { .flags = 0 };
	struct fb_path_found *found = &call->at[0];
	struct fb_path *fs = call->fs;
	struct fb_path_open *ended;

	pthread_mutex_lock(&fs->lock);
	ended = fb_path_open_unpin(found->open);
	found->open = NULL;
	pthread_mutex_unlock(&fs->lock);
	if (ended)
		fb_path_open_end(fs, ended);
	else
		fb_path_release(fs, found->node->id, found->fh_kept, false, &how);
}

static int created_got(struct fb_path_call *call, int result)
{
	result = entry_got(call, result);
	if (result < 0)
		close_again(call);
	return result;
}

/* Note what was opened, and ask for its attributes. */
static int note_created(struct fb_path_call *call)
{
	if (call->ret_open->backing_fd >= 0)
		atomic_store(&call->fs->backed, true);
	pthread_mutex_lock(&call->fs->lock);
	fb_path_made_open(call, 0, call->ret_open->fh);
	pthread_mutex_unlock(&call->fs->lock);
	return ask(call, created_got);
}

static int created(struct fb_path_call *call, int result)
{
	return result < 0 ? result : note_created(call);
}

static int created_new(struct fb_path_call *call, int result)
{
	if (result < 0)
		return result;
	renew(call, 0);
	return note_created(call);
}

static int path_create(void *self, struct fb_req *req, uint64_t parent, const char *name,
		       uint32_t mode, int flags, uint32_t open_flags, struct fb_entry *ret_entry,
		       struct fb_open *ret_open)
{
	const struct fb_path_place at = { .node = parent, .name = name, .makes_open = true };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	call->ret_entry = ret_entry;
	call->ret_open = ret_open;
	call->then = flags & O_EXCL ? created_new : created;
	call->changes = true;
	return fb_path_end(call, fs->ops.create(fs->self, req, call->at[0].path, mode, flags,
						open_flags, ret_open));
}

static int tmpfile_made(struct fb_path_call *call, int result)
{
	const struct fb_release how = { .flags = 0 };
	struct fb_path *fs = call->fs;
	struct fb_path_node *node;

	if (result < 0)
		return result;
	pthread_mutex_lock(&fs->lock);
	node = fb_path_table_make(&fs->table, NULL, NULL, 0);
	if (node)
		fb_path_replace(call, 0, node);
	pthread_mutex_unlock(&fs->lock);
	if (!node && fs->ops.release)
		fs->ops.release(fs->self, NULL, call->ret_open->fh, &how);
	if (!node)
		return -ENOMEM;
	call->at[0].path = NULL;
	return note_created(call);
}

static int path_tmpfile(void *self, struct fb_req *req, uint64_t parent, uint32_t mode, int flags,
			uint32_t open_flags, struct fb_entry *ret_entry, struct fb_open *ret_open)
{
	const struct fb_path_place at = { .node = parent, .by_path = true, .makes_open = true };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	call->ret_entry = ret_entry;
	call->ret_open = ret_open;
	call->then = tmpfile_made;
	return fb_path_end(call, fs->ops.tmpfile(fs->self, req, call->at[0].path, mode, flags,
						 open_flags, ret_open));
}

/* ---- removing and renaming ----------------------------------------------------------------- */

static int removed(struct fb_path_call *call, int result)
{
	if (result < 0)
		return result;
	FB_PATH_LOCKED(call->fs);
	fb_path_node_detach(&call->fs->table, call->at[0].node);
	return result;
}

/* op is unlink or rmdir of the user. */
static int remove_name(struct fb_path *fs, struct fb_req *req, uint64_t parent, const char *name,
		       int (*op)(void *self, struct fb_req *req, const char *path))
{
	const struct fb_path_place at = { .node = parent, .name = name, .moves = true };
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	call->then = removed;
	call->changes = true;
	return fb_path_end(call, op(fs->self, req, call->at[0].path));
}

static int path_unlink(void *self, struct fb_req *req, uint64_t parent, const char *name)
{
	struct fb_path *fs = self;

	return remove_name(fs, req, parent, name, fs->ops.unlink);
}

static int path_rmdir(void *self, struct fb_req *req, uint64_t parent, const char *name)
{
	struct fb_path *fs = self;

	return remove_name(fs, req, parent, name, fs->ops.rmdir);
}

/* The nodes change places; without EXCHANGE what is in the old place then is gone. */
static int renamed(struct fb_path_call *call, int result)
{
	struct fb_path_node *node = call->at[0].node, *target = call->at[1].node;
	struct fb_path_table *table = &call->fs->table;
	bool moved;

	if (result < 0 || node == target)
		return result;
	FB_PATH_LOCKED(call->fs);
	moved = fb_path_node_swap(table, node, target);
	/* The tree has changed while the request was held back: look them up anew. */
	if (!moved)
		fb_path_node_detach(table, node);
	if (!moved || !(call->rename_flags & FB_RENAME_EXCHANGE))
		fb_path_node_detach(table, target);
	return result;
}

/* A directory does not go below itself, nor in the place of what it lies in. */
static int check_rename(struct fb_path_call *call, uint32_t flags)
{
	const struct fb_path_node *node = call->at[0].node, *target = call->at[1].node;

	FB_PATH_LOCKED(call->fs);
	if (node != target && fb_path_node_is_below(target, node))
		return -EINVAL;
	if (node != target && fb_path_node_is_below(node, target))
		return flags & FB_RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	return 0;
}

static int path_rename(void *self, struct fb_req *req, uint64_t parent, const char *name,
		       uint64_t new_parent, const char *new_name, uint32_t flags)
{
	const struct fb_path_place at[] = {
		{ .node = parent, .name = name, .moves = true },
		{ .node = new_parent, .name = new_name, .moves = true }
	};
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, at, 2, &call);

	if (r < 0)
		return r;
	r = check_rename(call, flags);
	if (r < 0)
		return fb_path_end(call, r);
	call->rename_flags = flags;
	call->then = renamed;
	call->changes = true;
	return fb_path_end(
		call, fs->ops.rename(fs->self, req, call->at[0].path, call->at[1].path, flags));
}

void fb_path_name_ops(const struct fb_path_ops *ops, struct fb_driver_ops *to)
{
	to->lookup = path_lookup;
	to->forget = path_forget;
	to->symlink = ops->symlink ? path_symlink : NULL;
	to->mknod = ops->mknod ? path_mknod : NULL;
	to->mkdir = ops->mkdir ? path_mkdir : NULL;
	to->link = ops->link ? path_link : NULL;
	to->create = ops->create ? path_create : NULL;
	to->tmpfile = ops->tmpfile ? path_tmpfile : NULL;
	to->unlink = ops->unlink ? path_unlink : NULL;
	to->rmdir = ops->rmdir ? path_rmdir : NULL;
	to->rename = ops->rename ? path_rename : NULL;
}
