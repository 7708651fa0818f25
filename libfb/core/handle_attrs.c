/* SPDX-License-Identifier: BSD-3-Clause */
/* Handlers that read and change attributes, of nodes and of the whole file system. */
#include <errno.h>

#include "core/driver_call.h"
#include "core/handlers.h"
#include "protocol/pack.h"

int fb_handle_getattr(struct fb_req *req)
{
	const struct fb_wire_getattr_in *in = req->args.in;
	const uint64_t *fh = in->getattr_flags & FB_GETATTR_FH ? &in->fh : NULL;

	return driver(req)->getattr(self(req), req, node(req), fh, &req->out.attr);
}

int fb_handle_statx(struct fb_req *req)
{
	const struct fb_wire_statx_in *in = req->args.in;
	const uint64_t *fh = in->getattr_flags & FB_GETATTR_FH ? &in->fh : NULL;

	return driver(req)->statx(self(req), req, node(req), fh, in->sx_flags, in->sx_mask,
				  &req->out.statx);
}

int fb_handle_setattr(struct fb_req *req)
{
	fb_unpack_setattr(req->args.in, &req->in.setattr);
	return driver(req)->setattr(self(req), req, node(req), &req->in.setattr, &req->out.attr);
}

int fb_handle_access(struct fb_req *req)
{
	const struct fb_wire_access_in *in = req->args.in;

	return driver(req)->access(self(req), req, node(req), in->mask);
}

int fb_handle_statfs(struct fb_req *req)
{
	return driver(req)->statfs(self(req), req, node(req), &req->out.statfs);
}

int fb_handle_syncfs(struct fb_req *req)
{
	return driver(req)->syncfs(self(req), req, node(req));
}

int fb_handle_setxattr(struct fb_req *req)
{
	const struct fb_wire_setxattr_in *in = req->args.in;
	uint32_t flags = in->flags;

	if (in->setxattr_flags & FB_SETXATTR_ACL_KILL_SGID)
		flags |= FB_XATTR_ACL_KILL_SGID;
	return driver(req)->setxattr(self(req), req, node(req), name(req), req->args.tail,
				     req->args.tail_size, flags);
}

int fb_handle_getxattr(struct fb_req *req)
{
	return driver(req)->getxattr(self(req), req, node(req), name(req), &req->sink,
				     req->sink.room);
}

int fb_handle_listxattr(struct fb_req *req)
{
	return driver(req)->listxattr(self(req), req, node(req), &req->sink, req->sink.room);
}

int fb_handle_removexattr(struct fb_req *req)
{
	return driver(req)->removexattr(self(req), req, node(req), name(req));
}
