/* SPDX-License-Identifier: BSD-3-Clause */
/* Handlers that work on names in directories. */
#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "core/driver_call.h"
#include "core/handlers.h"

int fb_handle_lookup(struct fb_req *req)
{
	return driver(req)->lookup(self(req), req, node(req), name(req), &req->out.entry);
}

int fb_handle_symlink(struct fb_req *req)
{
	return driver(req)->symlink(self(req), req, node(req), name(req), req->args.name[1],
				    &req->out.entry);
}

int fb_handle_mknod(struct fb_req *req)
{
	const struct fb_wire_mknod_in *in = req->args.in;

	return driver(req)->mknod(self(req), req, node(req), name(req), in->mode, in->rdev,
				  &req->out.entry);
}

int fb_handle_mkdir(struct fb_req *req)
{
	const struct fb_wire_mkdir_in *in = req->args.in;

	return driver(req)->mkdir(self(req), req, node(req), name(req), in->mode, &req->out.entry);
}

int fb_handle_unlink(struct fb_req *req)
{
	return driver(req)->unlink(self(req), req, node(req), name(req));
}

int fb_handle_rmdir(struct fb_req *req)
{
	return driver(req)->rmdir(self(req), req, node(req), name(req));
}

static int handle_rename(struct fb_req *req, uint64_t new_parent, uint32_t flags)
{
	return driver(req)->rename(self(req), req, node(req), name(req), new_parent,
				   req->args.name[1], flags);
}

int fb_handle_rename(struct fb_req *req)
{
	const struct fb_wire_rename_in *in = req->args.in;

	return handle_rename(req, in->newdir, 0);
}

int fb_handle_rename2(struct fb_req *req)
{
	const struct fb_wire_rename2_in *in = req->args.in;

	return handle_rename(req, in->newdir, in->flags);
}

int fb_handle_link(struct fb_req *req)
{
	const struct fb_wire_link_in *in = req->args.in;

	return driver(req)->link(self(req), req, in->oldnodeid, node(req), name(req),
				 &req->out.entry);
}

/* The client's kernel checks modes by itself, and the driver relies on that. */
static bool client_checks(const struct fb_req *req)
{
	const struct fb_session *session = req->channel->session;

	return session->transport->default_permissions ||
	       (atomic_load(&session->granted) & FB_INIT_POSIX_ACL);
}

/* Third part of create_read_only(): the open has ended with r. */
static int open_ended(struct fb_req *req, void *arg, int r)
{
	(void)arg;
	if (r < 0)
		undo_lookup(req, req->out.entry.node);
	return r;
}

/* Second part: the lookup has ended with r. */
static int open_found(struct fb_req *req, void *arg, int r)
{
	uint32_t type = req->out.entry.attr.mode & S_IFMT;

	(void)arg;
	if (r < 0 || req->out.entry.node == 0)
		return r < 0 && r != -ENOENT ? r : -EROFS;
	if (type != S_IFREG)
		return open_ended(req, NULL, type == S_IFDIR ? -EISDIR : -EROFS);
	/* It does not check what it believes to be new: have it look again. */
	if (client_checks(req))
		return open_ended(req, NULL, -ESTALE);
	if (!driver(req)->open)
		return 0;
	r = fb_req_push_hook(req, open_ended, NULL);
	if (r < 0)
		return open_ended(req, NULL, r);
	r = driver(req)->open(self(req), req, req->out.entry.node, O_RDONLY, 0, &req->out.open);
	if (r == FB_PENDING)
		return r;
	req->hook_count = 0;
	return open_ended(req, NULL, r);
}

/*
 * Creating on a read-only session: a file that is there opens for reading, as open(2) does on a
 * read-only mount. The lookup that this costs is counted, because the answer gives the node.
 */
static int create_read_only(struct fb_req *req)
{
	const struct fb_wire_create_in *in = req->args.in;
	int r;

	if ((in->flags & (O_ACCMODE | O_EXCL | O_TRUNC)) != O_RDONLY || !driver(req)->lookup)
		return -EROFS;
	r = fb_req_push_hook(req, open_found, NULL);
	if (r < 0)
		return r;
	r = driver(req)->lookup(self(req), req, node(req), name(req), &req->out.entry);
	if (r == FB_PENDING)
		return r;
	req->hook_count = 0;
	return open_found(req, NULL, r);
}

int fb_handle_create(struct fb_req *req)
{
	const struct fb_wire_create_in *in = req->args.in;

	if (in->flags & FB_OPEN_NEVER & ~(uint32_t)(O_CREAT | O_EXCL))
		return -EINVAL;
	if (req->channel->session->options.read_only)
		return create_read_only(req);
	return driver(req)->create(self(req), req, node(req), name(req), in->mode,
				   open_flags(in->flags), in->open_flags, &req->out.entry,
				   &req->out.open);
}

int fb_handle_tmpfile(struct fb_req *req)
{
	const struct fb_wire_create_in *in = req->args.in;
	int flags = open_flags(in->flags) & ~(O_TMPFILE | O_CREAT);

	return driver(req)->tmpfile(self(req), req, node(req), in->mode, flags, in->open_flags,
				    &req->out.entry, &req->out.open);
}

int fb_handle_readlink(struct fb_req *req)
{
	return driver(req)->readlink(self(req), req, node(req), &req->sink);
}
