/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests on nodes and names, for a share_client. Results are 0 or -errno.
 */
#ifndef TESTS_NODE_CLIENT_H
#define TESTS_NODE_CLIENT_H

#include "share_client.h"

int node_mkdir(struct share_client *client, uint64_t parent, const char *name, uint32_t mode,
	       struct fb_wire_entry_out *ret_entry);
int node_mknod(struct share_client *client, uint64_t parent, const char *name, uint32_t mode,
	       uint32_t rdev, struct fb_wire_entry_out *ret_entry);
int node_symlink(struct share_client *client, uint64_t parent, const char *name, const char *target,
		 struct fb_wire_entry_out *ret_entry);
int node_link(struct share_client *client, uint64_t node, uint64_t parent, const char *name,
	      struct fb_wire_entry_out *ret_entry);
int node_unlink(struct share_client *client, uint64_t parent, const char *name);
int node_rmdir(struct share_client *client, uint64_t parent, const char *name);
int node_rename(struct share_client *client, uint64_t parent, const char *name, uint64_t new_parent,
		const char *new_name, uint32_t flags);
int node_getattr(struct share_client *client, uint64_t node, struct fb_wire_attr_out *ret_attr);
int node_getattr_fh(struct share_client *client, uint64_t node, uint64_t fh);
int node_setattr(struct share_client *client, uint64_t node, const struct fb_wire_setattr_in *set,
		 struct fb_wire_attr_out *ret_attr);
int node_statx(struct share_client *client, uint64_t node, uint32_t mask,
	       struct fb_wire_statx_out *ret_statx);
ssize_t node_readlink(struct share_client *client, uint64_t node, char *to, size_t size);
int node_statfs(struct share_client *client, uint64_t node, struct fb_wire_statfs_out *ret_statfs);
int node_syncfs(struct share_client *client, uint64_t node);
int node_access(struct share_client *client, uint64_t node, uint32_t mask);

/*
 * A request with extensions at its end: security labels and groups as they come on the wire. parts
 * are what stands before them, the last is the extensions, whose size is a multiple of 8. The body of
 * the answer, size bytes, goes to body.
 */
int node_call_extended(struct share_client *client, uint32_t opcode, uint64_t node,
		       const struct iovec *parts, size_t count, void *body, size_t size);
/* MKDIR that way. */
int node_mkdir_extended(struct share_client *client, uint64_t parent, const char *name,
			uint32_t mode, const void *extensions, size_t size,
			struct fb_wire_entry_out *ret_entry);

/* Look up a name of the root; fails the test unless it is there. Returns the node. */
uint64_t node_of(struct share_client *client, const char *name);

#endif
