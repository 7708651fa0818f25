/* SPDX-License-Identifier: BSD-3-Clause */
#include "lower.h"

#include <errno.h>

#include "results.h"

/*
 * One function an operation, as the driver below has another self. RESULT is empty for what returns
 * nothing.
 */
#define FORWARD(type, op, RESULT, params, ...)                                                     \
	static type lower_##op params                                                              \
	{                                                                                          \
		struct fbpy_fs *fs = self;                                                         \
                                                                                                   \
		RESULT fs->lower_ops->op(fs->lower, ##__VA_ARGS__);                                \
	}

FORWARD(int, lookup, return,
	(void *self, struct fb_req *req, uint64_t parent, const char *name,
	 struct fb_entry *ret_entry),
	req, parent, name, ret_entry)
FORWARD(void, forget, , (void *self, uint64_t node, uint64_t count), node, count)
FORWARD(int, getattr, return,
	(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
	 struct fb_attr_reply *ret_attr),
	req, node, fh, ret_attr)
FORWARD(int, statx, return,
	(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh, uint32_t flags,
	 uint32_t mask, struct fb_statx *ret_statx),
	req, node, fh, flags, mask, ret_statx)
FORWARD(int, setattr, return,
	(void *self, struct fb_req *req, uint64_t node, const struct fb_setattr *set,
	 struct fb_attr_reply *ret_attr),
	req, node, set, ret_attr)
FORWARD(int, readlink, return, (void *self, struct fb_req *req, uint64_t node, struct fb_sink *to),
	req, node, to)
FORWARD(int, symlink, return,
	(void *self, struct fb_req *req, uint64_t parent, const char *name, const char *target,
	 struct fb_entry *ret_entry),
	req, parent, name, target, ret_entry)
FORWARD(int, mknod, return,
	(void *self, struct fb_req *req, uint64_t parent, const char *name, uint32_t mode,
	 uint32_t rdev, struct fb_entry *ret_entry),
	req, parent, name, mode, rdev, ret_entry)
FORWARD(int, mkdir, return,
	(void *self, struct fb_req *req, uint64_t parent, const char *name, uint32_t mode,
	 struct fb_entry *ret_entry),
	req, parent, name, mode, ret_entry)
FORWARD(int, unlink, return, (void *self, struct fb_req *req, uint64_t parent, const char *name),
	req, parent, name)
FORWARD(int, rmdir, return, (void *self, struct fb_req *req, uint64_t parent, const char *name),
	req, parent, name)
FORWARD(int, rename, return,
	(void *self, struct fb_req *req, uint64_t parent, const char *name, uint64_t new_parent,
	 const char *new_name, uint32_t flags),
	req, parent, name, new_parent, new_name, flags)
FORWARD(int, link, return,
	(void *self, struct fb_req *req, uint64_t node, uint64_t new_parent, const char *new_name,
	 struct fb_entry *ret_entry),
	req, node, new_parent, new_name, ret_entry)
FORWARD(int, open, return,
	(void *self, struct fb_req *req, uint64_t node, int flags, uint32_t open_flags,
	 struct fb_open *ret_open),
	req, node, flags, open_flags, ret_open)
FORWARD(int, create, return,
	(void *self, struct fb_req *req, uint64_t parent, const char *name, uint32_t mode,
	 int flags, uint32_t open_flags, struct fb_entry *ret_entry, struct fb_open *ret_open),
	req, parent, name, mode, flags, open_flags, ret_entry, ret_open)
FORWARD(int, tmpfile, return,
	(void *self, struct fb_req *req, uint64_t parent, uint32_t mode, int flags,
	 uint32_t open_flags, struct fb_entry *ret_entry, struct fb_open *ret_open),
	req, parent, mode, flags, open_flags, ret_entry, ret_open)
FORWARD(int, read, return,
	(void *self, struct fb_req *req, uint64_t node, uint64_t fh, struct fb_sink *to,
	 size_t count, uint64_t off),
	req, node, fh, to, count, off)
FORWARD(int, write, return,
	(void *self, struct fb_req *req, uint64_t node, uint64_t fh, struct fb_source *from,
	 size_t count, uint64_t off),
	req, node, fh, from, count, off)
FORWARD(int, flush, return,
	(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t lock_owner), req,
	node, fh, lock_owner)
FORWARD(void, release, , (void *self, uint64_t node, uint64_t fh, const struct fb_release *how),
	node, fh, how)
FORWARD(int, fsync, return,
	(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint32_t flags), req, node, fh,
	flags)
FORWARD(int, opendir, return,
	(void *self, struct fb_req *req, uint64_t node, int flags, struct fb_open *ret_open), req,
	node, flags, ret_open)
FORWARD(int, readdir, return,
	(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t cookie,
	 struct fb_dirsink *to),
	req, node, fh, cookie, to)
FORWARD(int, readdirplus, return,
	(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t cookie,
	 struct fb_dirsink *to),
	req, node, fh, cookie, to)
FORWARD(void, releasedir, , (void *self, uint64_t node, uint64_t fh, const struct fb_release *how),
	node, fh, how)
FORWARD(int, fsyncdir, return,
	(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint32_t flags), req, node, fh,
	flags)
FORWARD(int, statfs, return,
	(void *self, struct fb_req *req, uint64_t node, struct fb_statfs *ret_statfs), req, node,
	ret_statfs)
FORWARD(int, syncfs, return, (void *self, struct fb_req *req, uint64_t node), req, node)
FORWARD(int, setxattr, return,
	(void *self, struct fb_req *req, uint64_t node, const char *name, const void *value,
	 size_t size, uint32_t flags),
	req, node, name, value, size, flags)
FORWARD(int, getxattr, return,
	(void *self, struct fb_req *req, uint64_t node, const char *name, struct fb_sink *to,
	 size_t size),
	req, node, name, to, size)
FORWARD(int, listxattr, return,
	(void *self, struct fb_req *req, uint64_t node, struct fb_sink *to, size_t size), req, node,
	to, size)
FORWARD(int, removexattr, return, (void *self, struct fb_req *req, uint64_t node, const char *name),
	req, node, name)
FORWARD(int, access, return, (void *self, struct fb_req *req, uint64_t node, uint32_t mask), req,
	node, mask)
FORWARD(int, getlk, return,
	(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t owner,
	 const struct fb_lock *lock, uint32_t flags, struct fb_lock *ret_lock),
	req, node, fh, owner, lock, flags, ret_lock)
FORWARD(int, setlk, return,
	(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t owner,
	 const struct fb_lock *lock, uint32_t flags),
	req, node, fh, owner, lock, flags)
FORWARD(int, fallocate, return,
	(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint32_t mode, uint64_t off,
	 uint64_t len),
	req, node, fh, mode, off, len)
FORWARD(int, lseek, return,
	(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t off, uint32_t whence,
	 uint64_t *ret_off),
	req, node, fh, off, whence, ret_off)
FORWARD(int, copy_file_range, return,
	(void *self, struct fb_req *req, uint64_t node_in, uint64_t fh_in, uint64_t off_in,
	 uint64_t node_out, uint64_t fh_out, uint64_t off_out, uint64_t len, uint64_t flags,
	 uint64_t *ret_copied),
	req, node_in, fh_in, off_in, node_out, fh_out, off_out, len, flags, ret_copied)
FORWARD(int, ioctl, return,
	(void *self, struct fb_req *req, uint64_t node, uint64_t fh, const struct fb_ioctl *call,
	 struct fb_sink *to, int32_t *ret_result),
	req, node, fh, call, to, ret_result)
FORWARD(int, poll, return,
	(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t kh, uint32_t flags,
	 uint32_t events, uint32_t *ret_revents),
	req, node, fh, kh, flags, events, ret_revents)
FORWARD(int, bmap, return,
	(void *self, struct fb_req *req, uint64_t node, uint64_t block, uint32_t blocksize,
	 uint64_t *ret_block),
	req, node, block, blocksize, ret_block)
FORWARD(int, setupmapping, return,
	(void *self, struct fb_req *req, uint64_t node, const struct fb_mapping *mapping), req,
	node, mapping)
FORWARD(int, removemapping, return,
	(void *self, struct fb_req *req, uint64_t node, const struct fb_mapping_range *ranges,
	 size_t count),
	req, node, ranges, count)

void fbpy_lower_ops(struct fbpy_fs *fs)
{
#define SET(op)                                                                                    \
	if (fs->lower_ops->op)                                                                     \
		fs->ops.op = lower_##op;
	FBPY_NODE_METHODS(SET)
	SET(forget)
	SET(readdirplus)
#undef SET
}

/* ---- directories that a method lists ---------------------------------------------------------------- */

uint64_t fbpy_lower_dir(struct fbpy_fs *fs, uint64_t fh)
{
	struct fbpy_slot *slot;
	uint64_t lower = fh;

	if (!fbpy_has(fs, FBPY_OP_readdir) || fs->layer != FBPY_LOWER)
		return fh;
	FBPY_ENTER;
	slot = fbpy_slots_get(&fs->dirs, fh);
	if (!slot || !fbpy_u64(slot->object, &lower))
		PyErr_Clear();
	FBPY_LEAVE;
	return lower;
}

void fbpy_lower_release(struct fbpy_fs *fs, uint64_t node, uint64_t fh,
			const struct fb_release *how)
{
	if (fs->lower && fs->lower_ops->release)
		fs->lower_ops->release(fs->lower, node, fh, how);
}

void fbpy_lower_releasedir(struct fbpy_fs *fs, uint64_t node, uint64_t fh,
			   const struct fb_release *how)
{
	if (fs->lower && fs->lower_ops->releasedir)
		fs->lower_ops->releasedir(fs->lower, node, fh, how);
}

/* Give the driver's open directory a number here. */
static int listed_opendir(void *self, struct fb_req *req, uint64_t node, int flags,
			  struct fb_open *ret_open)
{
	const struct fb_release how = { .open_flags = (uint32_t)flags };
	int r = lower_opendir(self, req, node, flags, ret_open);
	struct fbpy_fs *fs = self;
	uint64_t lower = ret_open->fh;
	PyObject *object;

	if (r != 0)
		return r;
	FBPY_ENTER;
	object = PyLong_FromUnsignedLongLong(lower);
	ret_open->fh = object ? fbpy_handle_add(&fs->dirs, object, NULL) : 0;
	if (!ret_open->fh)
		r = fbpy_error(fs, FBPY_OP_opendir);
	Py_XDECREF(object);
	FBPY_LEAVE;
	if (r < 0)
		fbpy_lower_releasedir(fs, node, lower, &how);
	return r;
}

static void listed_releasedir(void *self, uint64_t node, uint64_t fh, const struct fb_release *how)
{
	struct fbpy_fs *fs = self;
	uint64_t lower = fbpy_lower_dir(fs, fh);

	FBPY_ENTER;
	Py_XDECREF(fbpy_slots_take(&fs->dirs, fh));
	FBPY_LEAVE;
	fbpy_lower_releasedir(fs, node, lower, how);
}

static int listed_fsyncdir(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
			   uint32_t flags)
{
	return lower_fsyncdir(self, req, node, fbpy_lower_dir(self, fh), flags);
}

static int listed_ioctl(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
			const struct fb_ioctl *call, struct fb_sink *to, int32_t *ret_result)
{
	if (call->flags & FB_IOCTL_DIR)
		fh = fbpy_lower_dir(self, fh);
	return lower_ioctl(self, req, node, fh, call, to, ret_result);
}

void fbpy_lower_dir_ops(struct fbpy_fs *fs)
{
	struct fb_driver_ops *ops = &fs->ops;

	if (!fbpy_has(fs, FBPY_OP_readdir))
		return;
	/* The driver's own would show what is really there. */
	ops->readdirplus = NULL;
	if (!fbpy_has(fs, FBPY_OP_opendir))
		ops->opendir = listed_opendir;
	if (!fbpy_has(fs, FBPY_OP_releasedir))
		ops->releasedir = listed_releasedir;
	if (!fbpy_has(fs, FBPY_OP_fsyncdir) && ops->fsyncdir)
		ops->fsyncdir = listed_fsyncdir;
	if (!fbpy_has(fs, FBPY_OP_ioctl) && ops->ioctl)
		ops->ioctl = listed_ioctl;
}
