/* SPDX-License-Identifier: BSD-3-Clause */
#include "file_ops.h"

#include <errno.h>
#include <fcntl.h>

#include "call.h"

static int opened(struct fb_path_call *call, int result)
{
	if (result < 0)
		return result;
	if (call->ret_open->backing_fd >= 0)
		atomic_store(&call->fs->backed, true);
	FB_PATH_LOCKED(call->fs);
	fb_path_made_open(call, 0, call->ret_open->fh);
	return 0;
}

static int path_open(void *self, struct fb_req *req, uint64_t node, int flags, uint32_t open_flags,
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
	call->changes = (flags & O_TRUNC) != 0;
	return fb_path_end(
		call, fs->ops.open(fs->self, req, call->at[0].path, flags, open_flags, ret_open));
}

static void path_release(void *self, uint64_t node, uint64_t fh, const struct fb_release *how)
{
	fb_path_release(self, node, fh, false, how);
}

/* Begin what is done to an open file. */
static int begin_file(struct fb_path *fs, struct fb_req *req, uint64_t node, uint64_t fh,
		      struct fb_path_call **ret_call)
{
	const struct fb_path_place at = { .node = node, .fh = &fh };

	return fb_path_begin(fs, req, &at, 1, ret_call);
}

static int path_read(void *self, struct fb_req *req, uint64_t node, uint64_t fh, struct fb_sink *to,
		     size_t count, uint64_t off)
{
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = begin_file(fs, req, node, fh, &call);

	if (r < 0)
		return r;
	return fb_path_end(call, fs->ops.read(fs->self, req, call->at[0].path, fh, to, count, off));
}

static int path_write(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		      struct fb_source *from, size_t count, uint64_t off)
{
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = begin_file(fs, req, node, fh, &call);

	if (r < 0)
		return r;
	call->changes = true;
	return fb_path_end(call,
			   fs->ops.write(fs->self, req, call->at[0].path, fh, from, count, off));
}

static int path_flush(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		      uint64_t lock_owner)
{
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = begin_file(fs, req, node, fh, &call);

	if (r < 0)
		return r;
	return fb_path_end(call, fs->ops.flush(fs->self, req, call->at[0].path, fh, lock_owner));
}

static int path_fsync(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint32_t flags)
{
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = begin_file(fs, req, node, fh, &call);

	if (r < 0)
		return r;
	return fb_path_end(call, fs->ops.fsync(fs->self, req, call->at[0].path, fh, flags));
}

static int path_getlk(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t owner,
		      const struct fb_lock *lock, uint32_t flags, struct fb_lock *ret_lock)
{
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = begin_file(fs, req, node, fh, &call);

	if (r < 0)
		return r;
	call->lock = *lock;
	return fb_path_end(call, fs->ops.getlk(fs->self, req, call->at[0].path, fh, owner,
					       &call->lock, flags, ret_lock));
}

static int path_setlk(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t owner,
		      const struct fb_lock *lock, uint32_t flags)
{
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = begin_file(fs, req, node, fh, &call);

	if (r < 0)
		return r;
	call->lock = *lock;
	return fb_path_end(call, fs->ops.setlk(fs->self, req, call->at[0].path, fh, owner,
					       &call->lock, flags));
}

static int path_fallocate(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint32_t mode,
			  uint64_t off, uint64_t len)
{
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = begin_file(fs, req, node, fh, &call);

	if (r < 0)
		return r;
	call->changes = true;
	return fb_path_end(call,
			   fs->ops.fallocate(fs->self, req, call->at[0].path, fh, mode, off, len));
}

static int path_lseek(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t off,
		      uint32_t whence, uint64_t *ret_off)
{
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = begin_file(fs, req, node, fh, &call);

	if (r < 0)
		return r;
	return fb_path_end(
		call, fs->ops.lseek(fs->self, req, call->at[0].path, fh, off, whence, ret_off));
}

static int path_copy_file_range(void *self, struct fb_req *req, uint64_t node_in, uint64_t fh_in,
				uint64_t off_in, uint64_t node_out, uint64_t fh_out,
				uint64_t off_out, uint64_t len, uint64_t flags,
				uint64_t *ret_copied)
{
	const struct fb_path_place at[] = { { .node = node_in, .fh = &fh_in },
					    { .node = node_out, .fh = &fh_out } };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, at, 2, &call);

	if (r < 0)
		return r;
	call->changes = true;
	return fb_path_end(call, fs->ops.copy_file_range(fs->self, req, call->at[0].path, fh_in,
							 off_in, call->at[1].path, fh_out, off_out,
							 len, flags, ret_copied));
}

static int path_ioctl(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		      const struct fb_ioctl *ioctl, struct fb_sink *to, int32_t *ret_result)
{
	const struct fb_path_place at = { .node = node,
					  .fh = &fh,
					  .dir = (ioctl->flags & FB_IOCTL_DIR) != 0 };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	call->ioctl = *ioctl;
	call->changes = true;
	return fb_path_end(call, fs->ops.ioctl(fs->self, req, call->at[0].path,
					       call->at[0].fh ? *call->at[0].fh : 0, &call->ioctl,
					       to, ret_result));
}

static int path_poll(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t kh,
		     uint32_t flags, uint32_t events, uint32_t *ret_revents)
{
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = begin_file(fs, req, node, fh, &call);

	if (r < 0)
		return r;
	return fb_path_end(call, fs->ops.poll(fs->self, req, call->at[0].path, fh, kh, flags,
					      events, ret_revents));
}

void fb_path_file_ops(const struct fb_path_ops *ops, struct fb_driver_ops *to)
{
	to->open = ops->open ? path_open : NULL;
	to->release = ops->open || ops->create || ops->tmpfile ? path_release : NULL;
	to->read = ops->read ? path_read : NULL;
	to->write = ops->write ? path_write : NULL;
	to->flush = ops->flush ? path_flush : NULL;
	to->fsync = ops->fsync ? path_fsync : NULL;
	to->getlk = ops->getlk ? path_getlk : NULL;
	to->setlk = ops->setlk ? path_setlk : NULL;
	to->fallocate = ops->fallocate ? path_fallocate : NULL;
	to->lseek = ops->lseek ? path_lseek : NULL;
	to->copy_file_range = ops->copy_file_range ? path_copy_file_range : NULL;
	to->ioctl = ops->ioctl ? path_ioctl : NULL;
	to->poll = ops->poll ? path_poll : NULL;
}
