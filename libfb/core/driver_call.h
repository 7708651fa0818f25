/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Short forms for the handlers: whom a request calls, and about which node.
 */
#ifndef FB_CORE_DRIVER_CALL_H
#define FB_CORE_DRIVER_CALL_H

#include <fcntl.h>

#include "core/channel.h"
#include "core/req.h"
#include "core/session.h"

static inline const struct fb_driver_ops *driver(const struct fb_req *req)
{
	return &req->channel->session->ops;
}

static inline void *self(const struct fb_req *req)
{
	return req->channel->session->self;
}

static inline uint64_t node(const struct fb_req *req)
{
	return req->args.header.nodeid;
}

/*
 * Flags that Linux never sends to open a node, and that would have a driver's open(2) do something
 * else, such as make a file.
 */
#define FB_OPEN_NEVER ((uint32_t)(O_CREAT | O_EXCL | O_PATH | (O_TMPFILE & ~O_DIRECTORY)))

/* Flags that mean nothing to a server. */
static inline int open_flags(uint32_t flags)
{
	return (int)(flags & ~(uint32_t)(O_NOCTTY | O_CLOEXEC));
}

static inline const char *name(const struct fb_req *req)
{
	return req->args.name[0];
}

/* Take back one lookup that nobody is told of. Of the root none are counted. */
static inline void undo_lookup(const struct fb_req *req, uint64_t found)
{
	if (found != 0 && found != FB_ROOT_NODE && driver(req)->forget)
		driver(req)->forget(self(req), found, 1);
}

#endif
