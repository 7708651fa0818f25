/* SPDX-License-Identifier: BSD-3-Clause */
#include "node_ops.h"

#include <errno.h>

#include "call.h"

static int attr_got(struct fb_path_call *call, int result)
{
	if (result < 0)
		return result;
	FB_PATH_LOCKED(call->fs);
	fb_path_finish_attr(call->fs, call->at[0].node, call->ret_attr);
	return result;
}

static int path_getattr(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
			struct fb_attr_reply *ret_attr)
{
	const struct fb_path_place at = { .node = node, .fh = fh };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	call->ret_attr = ret_attr;
	call->then = attr_got;
	return fb_path_end(
		call, fs->ops.getattr(fs->self, req, call->at[0].path, call->at[0].fh, ret_attr));
}

static int path_setattr(void *self, struct fb_req *req, uint64_t node, const struct fb_setattr *set,
			struct fb_attr_reply *ret_attr)
{
	const struct fb_path_place at = { .node = node,
					  .fh = set->valid & FB_SETATTR_FH ? &set->fh : NULL };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	call->set = *set;
	call->set.valid &= ~FB_SETATTR_FH;
	if (call->at[0].fh) {
		call->set.valid |= FB_SETATTR_FH;
		call->set.fh = *call->at[0].fh;
	}
	call->ret_attr = ret_attr;
	call->then = attr_got;
	call->changes = true;
	return fb_path_end(call,
			   fs->ops.setattr(fs->self, req, call->at[0].path, &call->set, ret_attr));
}

static int path_readlink(void *self, struct fb_req *req, uint64_t node, struct fb_sink *to)
{
	const struct fb_path_place at = { .node = node, .by_path = true };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	return fb_path_end(call, fs->ops.readlink(fs->self, req, call->at[0].path, to));
}

static int path_statfs(void *self, struct fb_req *req, uint64_t node, struct fb_statfs *ret_statfs)
{
	const struct fb_path_place at = { .node = node, .by_path = true, .or_root = true };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	return fb_path_end(call, fs->ops.statfs(fs->self, req, call->at[0].path, ret_statfs));
}

static int path_syncfs(void *self, struct fb_req *req, uint64_t node)
{
	const struct fb_path_place at = { .node = node, .by_path = true, .or_root = true };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	return fb_path_end(call, fs->ops.syncfs(fs->self, req, call->at[0].path));
}

static int path_access(void *self, struct fb_req *req, uint64_t node, uint32_t mask)
{
	const struct fb_path_place at = { .node = node, .by_path = true };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	return fb_path_end(call, fs->ops.access(fs->self, req, call->at[0].path, mask));
}

static int path_bmap(void *self, struct fb_req *req, uint64_t node, uint64_t block,
		     uint32_t blocksize, uint64_t *ret_block)
{
	const struct fb_path_place at = { .node = node, .by_path = true };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	return fb_path_end(
		call, fs->ops.bmap(fs->self, req, call->at[0].path, block, blocksize, ret_block));
}

static int path_setxattr(void *self, struct fb_req *req, uint64_t node, const char *name,
			 const void *value, size_t size, uint32_t flags)
{
	const struct fb_path_place at = { .node = node };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	call->changes = true;
	return fb_path_end(call, fs->ops.setxattr(fs->self, req, call->at[0].path, call->at[0].fh,
						  name, value, size, flags));
}

static int path_getxattr(void *self, struct fb_req *req, uint64_t node, const char *name,
			 struct fb_sink *to, size_t size)
{
	const struct fb_path_place at = { .node = node };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	return fb_path_end(call, fs->ops.getxattr(fs->self, req, call->at[0].path, call->at[0].fh,
						  name, to, size));
}

static int path_listxattr(void *self, struct fb_req *req, uint64_t node, struct fb_sink *to,
			  size_t size)
{
	const struct fb_path_place at = { .node = node };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	return fb_path_end(
		call, fs->ops.listxattr(fs->self, req, call->at[0].path, call->at[0].fh, to, size));
}

static int path_removexattr(void *self, struct fb_req *req, uint64_t node, const char *name)
{
	const struct fb_path_place at = { .node = node };
	struct fb_path *fs = self;
	struct fb_path_call *call;
	int r = fb_path_begin(fs, req, &at, 1, &call);

	if (r < 0)
		return r;
	call->changes = true;
	return fb_path_end(
		call, fs->ops.removexattr(fs->self, req, call->at[0].path, call->at[0].fh, name));
}

void fb_path_node_ops(const struct fb_path_ops *ops, struct fb_driver_ops *to)
{
	to->getattr = path_getattr;
	to->setattr = ops->setattr ? path_setattr : NULL;
	to->readlink = ops->readlink ? path_readlink : NULL;
	to->statfs = ops->statfs ? path_statfs : NULL;
	to->syncfs = ops->syncfs ? path_syncfs : NULL;
	to->access = ops->access ? path_access : NULL;
	to->bmap = ops->bmap ? path_bmap : NULL;
	to->setxattr = ops->setxattr ? path_setxattr : NULL;
	to->getxattr = ops->getxattr ? path_getxattr : NULL;
	to->listxattr = ops->listxattr ? path_listxattr : NULL;
	to->removexattr = ops->removexattr ? path_removexattr : NULL;
}
