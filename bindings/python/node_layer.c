/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NodeFS and Passthrough: the operations of <libfb/driver.h>, each of which calls the method of the same
 * name. For NodeFS nodes are any hashable objects, which have their numbers here; for Passthrough
 * they are the numbers of the driver below, and what has no method goes there.
 */
#include "bodies.h"
#include "lower.h"
#include "results.h"

#include <errno.h>

/* ---- arguments -------------------------------------------------------------------------------------- */

static struct fbpy_args one(struct fbpy_fs *fs, uint64_t node)
{
	struct fbpy_args args = { .values = { fs->object }, .count = 1 };

	fbpy_push(&args, fbpy_node_object(fs, node));
	return args;
}

static struct fbpy_args named(struct fbpy_fs *fs, uint64_t parent, const char *name)
{
	struct fbpy_args args = one(fs, parent);

	fbpy_push(&args, fbpy_name(fs, name));
	return args;
}

static struct fbpy_args pair(struct fbpy_fs *fs, uint64_t parent, const char *name,
			     uint64_t new_parent, const char *new_name)
{
	struct fbpy_args args = named(fs, parent, name);

	fbpy_push(&args, fbpy_node_object(fs, new_parent));
	fbpy_push(&args, fbpy_name(fs, new_name));
	return args;
}

static struct fbpy_args linked(struct fbpy_fs *fs, uint64_t node, uint64_t parent, const char *name)
{
	struct fbpy_args args = one(fs, node);

	fbpy_push(&args, fbpy_node_object(fs, parent));
	fbpy_push(&args, fbpy_name(fs, name));
	return args;
}

/* ---- operations --------------------------------------------------------------------------------------- */

#define SELF void *self, struct fb_req *req

static int node_init(void *self, struct fb_session *session, struct fb_conn *conn)
{
	struct fbpy_fs *fs = self;
	int r = fs->lower ? fs->lower_ops->init(fs->lower, session, conn) : 0;

	if (r < 0)
		return r;
	r = fbpy_init(fs, session, conn);
	if (r < 0 && fs->lower && fs->lower_ops->destroy)
		fs->lower_ops->destroy(fs->lower);
	return r;
}

static void node_destroy(void *self)
{
	struct fbpy_fs *fs = self;

	fbpy_destroy(fs);
	if (fs->lower && fs->lower_ops->destroy)
		fs->lower_ops->destroy(fs->lower);
}

static int lookup(struct fbpy_call *call, struct fbpy_args *args, struct fb_entry *ret_entry)
{
	call->finish = fbpy_finish_entry;
	call->out = ret_entry;
	return fbpy_run(call, args);
}

static int node_lookup(SELF, uint64_t parent, const char *name, struct fb_entry *ret_entry)
{
	struct fbpy_fs *fs = self;
	struct fbpy_call call = { .fs = fs, .req = req, .op = FBPY_OP_lookup };
	int r;

	FBPY_ENTER;
	struct fbpy_args args = named(fs, parent, name);

	r = fbpy_absent(&call, lookup(&call, &args, ret_entry));
	FBPY_LEAVE;
	return r;
}

static int node_getattr(SELF, uint64_t node, const uint64_t *fh, struct fb_attr_reply *ret_attr)
{
	FBPY_CALL_WITH(getattr, .id = node, one(self, node), fh, ret_attr);
}

static int node_statx(SELF, uint64_t node, const uint64_t *fh, uint32_t flags, uint32_t mask,
		      struct fb_statx *ret_statx)
{
	FBPY_CALL_WITH(statx, .id = node, one(self, node), fh, flags, mask, ret_statx);
}

static int node_setattr(SELF, uint64_t node, const struct fb_setattr *set,
			struct fb_attr_reply *ret_attr)
{
	FBPY_CALL_WITH(setattr, .id = node, one(self, node), set, ret_attr);
}

static int node_readlink(SELF, uint64_t node, struct fb_sink *to)
{
	FBPY_CALL(readlink, one(self, node), to);
}

static int node_symlink(SELF, uint64_t parent, const char *name, const char *target,
			struct fb_entry *ret_entry)
{
	FBPY_CALL(symlink, named(self, parent, name), target, ret_entry);
}

static int node_mknod(SELF, uint64_t parent, const char *name, uint32_t mode, uint32_t rdev,
		      struct fb_entry *ret_entry)
{
	FBPY_CALL(mknod, named(self, parent, name), mode, rdev, ret_entry);
}

static int node_mkdir(SELF, uint64_t parent, const char *name, uint32_t mode,
		      struct fb_entry *ret_entry)
{
	FBPY_CALL(mkdir, named(self, parent, name), mode, ret_entry);
}

static int node_unlink(SELF, uint64_t parent, const char *name)
{
	FBPY_CALL(unlink, named(self, parent, name));
}

static int node_rmdir(SELF, uint64_t parent, const char *name)
{
	FBPY_CALL(rmdir, named(self, parent, name));
}

static int node_rename(SELF, uint64_t parent, const char *name, uint64_t new_parent,
		       const char *new_name, uint32_t flags)
{
	FBPY_CALL(rename, pair(self, parent, name, new_parent, new_name), flags);
}

static int node_link(SELF, uint64_t node, uint64_t new_parent, const char *new_name,
		     struct fb_entry *ret_entry)
{
	FBPY_CALL(link, linked(self, node, new_parent, new_name), NULL, ret_entry);
}

static int node_open(SELF, uint64_t node, int flags, uint32_t open_flags, struct fb_open *ret_open)
{
	FBPY_CALL_WITH(open, .open_flags = open_flags, one(self, node), flags, ret_open);
}

static int node_create(SELF, uint64_t parent, const char *name, uint32_t mode, int flags,
		       uint32_t open_flags, struct fb_entry *ret_entry, struct fb_open *ret_open)
{
	FBPY_CALL_WITH(create, .open_flags = open_flags, named(self, parent, name), mode, flags,
		       ret_entry, ret_open);
}

static int node_tmpfile(SELF, uint64_t parent, uint32_t mode, int flags, uint32_t open_flags,
			struct fb_entry *ret_entry, struct fb_open *ret_open)
{
	FBPY_CALL_WITH(tmpfile, .open_flags = open_flags, one(self, parent), mode, flags, ret_entry,
		       ret_open);
}

static int node_read(SELF, uint64_t node, uint64_t fh, struct fb_sink *to, size_t count,
		     uint64_t off)
{
	FBPY_CALL(read, one(self, node), fh, to, count, off);
}

static int node_write(SELF, uint64_t node, uint64_t fh, struct fb_source *from, size_t count,
		      uint64_t off)
{
	FBPY_CALL(write, one(self, node), fh, from, count, off);
}

static int node_flush(SELF, uint64_t node, uint64_t fh, uint64_t lock_owner)
{
	FBPY_CALL(flush, one(self, node), fh, lock_owner);
}

/* The driver below loses its open file in any case. */
static void node_release(void *self, uint64_t node, uint64_t fh, const struct fb_release *how)
{
	FBPY_ENTER;
	struct fbpy_args args = one(self, node);

	fbpy_release(self, &args, fh, how);
	FBPY_LEAVE;
	fbpy_lower_release(self, node, fh, how);
}

static int node_fsync(SELF, uint64_t node, uint64_t fh, uint32_t flags)
{
	FBPY_CALL(fsync, one(self, node), fh, flags);
}

/* Without a method a listing is all that an open directory is. */
static int opendir_without(struct fbpy_fs *fs, struct fb_open *ret_open)
{
	int r = 0;

	FBPY_ENTER;
	*ret_open = (struct fb_open){ .fh = fbpy_handle_add(&fs->dirs, Py_None, NULL),
				      .backing_fd = -1 };
	if (!ret_open->fh)
		r = fbpy_error(fs, FBPY_OP_opendir);
	FBPY_LEAVE;
	return r;
}

static int node_opendir(SELF, uint64_t node, int flags, struct fb_open *ret_open)
{
	if (!fbpy_has(self, FBPY_OP_opendir))
		return opendir_without(self, ret_open);
	FBPY_CALL(opendir, one(self, node), flags, ret_open);
}

static int node_readdir(SELF, uint64_t node, uint64_t fh, uint64_t cookie, struct fb_dirsink *to)
{
	struct fbpy_fs *fs = self;
	struct fbpy_call call = {
		.fs = fs,
		.req = req,
		.op = FBPY_OP_readdir,
		.finish = fbpy_finish_page,
		.out = to,
		.id = fh,
		.node = node,
		.size = cookie,
	};
	struct fbpy_slot *dir;
	int r;

	FBPY_ENTER;
	dir = fbpy_slots_get(&fs->dirs, fh);
	if (!dir) {
		r = -EBADF;
	} else if (cookie > 0 && dir->listing) {
		r = fbpy_send_page(&call, dir);
	} else {
		struct fbpy_args args = one(fs, node);

		fbpy_push(&args, Py_NewRef(dir->object));
		r = fbpy_run(&call, &args);
	}
	FBPY_LEAVE;
	return r;
}

static void node_releasedir(void *self, uint64_t node, uint64_t fh, const struct fb_release *how)
{
	uint64_t lower = fbpy_lower_dir(self, fh);

	FBPY_ENTER;
	struct fbpy_args args = one(self, node);

	fbpy_releasedir(self, &args, fh, how);
	FBPY_LEAVE;
	fbpy_lower_releasedir(self, node, lower, how);
}

static int node_fsyncdir(SELF, uint64_t node, uint64_t fh, uint32_t flags)
{
	FBPY_CALL(fsyncdir, one(self, node), fh, flags);
}

static int node_statfs(SELF, uint64_t node, struct fb_statfs *ret_statfs)
{
	FBPY_CALL(statfs, one(self, node), ret_statfs);
}

static int node_syncfs(SELF, uint64_t node)
{
	FBPY_CALL(syncfs, one(self, node));
}

static int node_setxattr(SELF, uint64_t node, const char *name, const void *value, size_t size,
			 uint32_t flags)
{
	FBPY_CALL(setxattr, one(self, node), name, value, size, flags, NULL);
}

static int node_getxattr(SELF, uint64_t node, const char *name, struct fb_sink *to, size_t size)
{
	FBPY_CALL(getxattr, one(self, node), name, to, size, NULL);
}

static int node_listxattr(SELF, uint64_t node, struct fb_sink *to, size_t size)
{
	FBPY_CALL(listxattr, one(self, node), to, size, NULL);
}

static int node_removexattr(SELF, uint64_t node, const char *name)
{
	FBPY_CALL(removexattr, one(self, node), name, NULL);
}

static int node_access(SELF, uint64_t node, uint32_t mask)
{
	FBPY_CALL(access, one(self, node), mask);
}

static int node_getlk(SELF, uint64_t node, uint64_t fh, uint64_t owner, const struct fb_lock *lock,
		      uint32_t flags, struct fb_lock *ret_lock)
{
	FBPY_CALL(getlk, one(self, node), fh, owner, lock, flags, ret_lock);
}

static int node_setlk(SELF, uint64_t node, uint64_t fh, uint64_t owner, const struct fb_lock *lock,
		      uint32_t flags)
{
	FBPY_CALL(setlk, one(self, node), fh, owner, lock, flags);
}

static int node_fallocate(SELF, uint64_t node, uint64_t fh, uint32_t mode, uint64_t off,
			  uint64_t len)
{
	FBPY_CALL(fallocate, one(self, node), fh, mode, off, len);
}

static int node_lseek(SELF, uint64_t node, uint64_t fh, uint64_t off, uint32_t whence,
		      uint64_t *ret_off)
{
	FBPY_CALL(lseek, one(self, node), fh, off, whence, ret_off);
}

static struct fbpy_args both(struct fbpy_fs *fs, uint64_t in, uint64_t fh_in, uint64_t out,
			     uint64_t fh_out)
{
	struct fbpy_args args = one(fs, in);

	fbpy_push(&args, fbpy_file(fs, fh_in));
	fbpy_push(&args, fbpy_node_object(fs, out));
	fbpy_push(&args, fbpy_file(fs, fh_out));
	return args;
}

static int node_copy_file_range(SELF, uint64_t node_in, uint64_t fh_in, uint64_t off_in,
				uint64_t node_out, uint64_t fh_out, uint64_t off_out, uint64_t len,
				uint64_t flags, uint64_t *ret_copied)
{
	FBPY_CALL(copy_file_range, both(self, node_in, fh_in, node_out, fh_out), off_in, off_out,
		  len, flags, ret_copied);
}

static int node_ioctl(SELF, uint64_t node, uint64_t fh, const struct fb_ioctl *ioctl,
		      struct fb_sink *to, int32_t *ret_result)
{
	FBPY_CALL(ioctl, one(self, node), fh, ioctl, to, ret_result);
}

static int node_poll(SELF, uint64_t node, uint64_t fh, uint64_t kh, uint32_t flags, uint32_t events,
		     uint32_t *ret_revents)
{
	FBPY_CALL(poll, one(self, node), fh, kh, flags, events, ret_revents);
}

static int node_bmap(SELF, uint64_t node, uint64_t block, uint32_t blocksize, uint64_t *ret_block)
{
	FBPY_CALL(bmap, one(self, node), block, blocksize, ret_block);
}

static int node_setupmapping(SELF, uint64_t node, const struct fb_mapping *mapping)
{
	FBPY_CALL(setupmapping, one(self, node), mapping);
}

static int node_removemapping(SELF, uint64_t node, const struct fb_mapping_range *ranges,
			      size_t count)
{
	FBPY_CALL(removemapping, one(self, node), ranges, count);
}

/* ---- which there are ------------------------------------------------------------------------------------ */

/* Operations that have a method; the others stay what they are. */
static void set_methods(const struct fbpy_fs *fs, struct fb_driver_ops *ops)
{
#define SET(op)                                                                                    \
	if (fbpy_has(fs, FBPY_OP_##op))                                                            \
		ops->op = node_##op;
	FBPY_NODE_METHODS(SET)
#undef SET
}

void fbpy_node_ops(struct fbpy_fs *fs)
{
	struct fb_driver_ops *ops = &fs->ops;

	*ops = (struct fb_driver_ops){ .size = sizeof(*ops) };
	if (fs->layer == FBPY_LOWER)
		fbpy_lower_ops(fs);
	set_methods(fs, ops);
	ops->init = node_init;
	ops->destroy = node_destroy;
	if (fs->layer == FBPY_LOWER) {
		fbpy_lower_dir_ops(fs);
		return;
	}
	/* These keep the tables, whether there is a method or not. */
	ops->forget = fbpy_node_forget;
	ops->release = node_release;
	ops->releasedir = node_releasedir;
	if (ops->readdir) {
		ops->opendir = node_opendir;
		ops->readdirplus = node_readdir;
	}
}
