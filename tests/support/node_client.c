/* SPDX-License-Identifier: BSD-3-Clause */
#include "node_client.h"

#include "cmocka_setup.h"

#include <errno.h>
#include <string.h>

static struct iovec piece(const void *data, size_t size)
{
	return (struct iovec){ .iov_base = (void *)(uintptr_t)data, .iov_len = size };
}

/* A request of a fixed struct and up to two names; returns 0 or -errno, with the whole body. */
static int call(struct share_client *client, uint32_t opcode, uint64_t node, struct iovec fixed,
		const char *first, const char *second, void *body, size_t size)
{
	struct iovec pieces[3] = { fixed };
	size_t count = 1;
	ssize_t got;

	if (first)
		pieces[count++] = piece(first, strlen(first) + 1);
	if (second)
		pieces[count++] = piece(second, strlen(second) + 1);
	got = share_call(client, opcode, node, pieces, count, body, size);
	if (got < 0)
		return (int)got;
	assert_int_equal(got, size);
	return 0;
}

int node_mkdir(struct share_client *client, uint64_t parent, const char *name, uint32_t mode,
	       struct fb_wire_entry_out *ret_entry)
{
	struct fb_wire_mkdir_in in = { .mode = mode };

	return call(client, FB_OP_MKDIR, parent, piece(&in, sizeof(in)), name, NULL, ret_entry,
		    sizeof(*ret_entry));
}

int node_mknod(struct share_client *client, uint64_t parent, const char *name, uint32_t mode,
	       uint32_t rdev, struct fb_wire_entry_out *ret_entry)
{
	struct fb_wire_mknod_in in = { .mode = mode, .rdev = rdev };

	return call(client, FB_OP_MKNOD, parent, piece(&in, sizeof(in)), name, NULL, ret_entry,
		    sizeof(*ret_entry));
}

int node_symlink(struct share_client *client, uint64_t parent, const char *name, const char *target,
		 struct fb_wire_entry_out *ret_entry)
{
	return call(client, FB_OP_SYMLINK, parent, piece(NULL, 0), name, target, ret_entry,
		    sizeof(*ret_entry));
}

int node_link(struct share_client *client, uint64_t node, uint64_t parent, const char *name,
	      struct fb_wire_entry_out *ret_entry)
{
	struct fb_wire_link_in in = { .oldnodeid = node };

	return call(client, FB_OP_LINK, parent, piece(&in, sizeof(in)), name, NULL, ret_entry,
		    sizeof(*ret_entry));
}

int node_unlink(struct share_client *client, uint64_t parent, const char *name)
{
	return call(client, FB_OP_UNLINK, parent, piece(NULL, 0), name, NULL, NULL, 0);
}

int node_rmdir(struct share_client *client, uint64_t parent, const char *name)
{
	return call(client, FB_OP_RMDIR, parent, piece(NULL, 0), name, NULL, NULL, 0);
}

int node_rename(struct share_client *client, uint64_t parent, const char *name, uint64_t new_parent,
		const char *new_name, uint32_t flags)
{
	struct fb_wire_rename2_in in = { .newdir = new_parent, .flags = flags };

	return call(client, FB_OP_RENAME2, parent, piece(&in, sizeof(in)), name, new_name, NULL, 0);
}

int node_getattr(struct share_client *client, uint64_t node, struct fb_wire_attr_out *ret_attr)
{
	struct fb_wire_getattr_in in = { 0 };

	return call(client, FB_OP_GETATTR, node, piece(&in, sizeof(in)), NULL, NULL, ret_attr,
		    sizeof(*ret_attr));
}

int node_getattr_fh(struct share_client *client, uint64_t node, uint64_t fh)
{
	struct fb_wire_getattr_in in = { .getattr_flags = FB_GETATTR_FH, .fh = fh };
	struct fb_wire_attr_out out;

	return call(client, FB_OP_GETATTR, node, piece(&in, sizeof(in)), NULL, NULL, &out,
		    sizeof(out));
}

int node_setattr(struct share_client *client, uint64_t node, const struct fb_wire_setattr_in *set,
		 struct fb_wire_attr_out *ret_attr)
{
	return call(client, FB_OP_SETATTR, node, piece(set, sizeof(*set)), NULL, NULL, ret_attr,
		    sizeof(*ret_attr));
}

int node_statx(struct share_client *client, uint64_t node, uint32_t mask,
	       struct fb_wire_statx_out *ret_statx)
{
	struct fb_wire_statx_in in = { .sx_mask = mask };

	return call(client, FB_OP_STATX, node, piece(&in, sizeof(in)), NULL, NULL, ret_statx,
		    sizeof(*ret_statx));
}

ssize_t node_readlink(struct share_client *client, uint64_t node, char *to, size_t size)
{
	return share_call(client, FB_OP_READLINK, node, NULL, 0, to, size);
}

int node_statfs(struct share_client *client, uint64_t node, struct fb_wire_statfs_out *ret_statfs)
{
	return call(client, FB_OP_STATFS, node, piece(NULL, 0), NULL, NULL, ret_statfs,
		    sizeof(*ret_statfs));
}

int node_syncfs(struct share_client *client, uint64_t node)
{
	struct fb_wire_syncfs_in in = { 0 };

	return call(client, FB_OP_SYNCFS, node, piece(&in, sizeof(in)), NULL, NULL, NULL, 0);
}

int node_access(struct share_client *client, uint64_t node, uint32_t mask)
{
	struct fb_wire_access_in in = { .mask = mask };

	return call(client, FB_OP_ACCESS, node, piece(&in, sizeof(in)), NULL, NULL, NULL, 0);
}

int node_call_extended(struct share_client *client, uint32_t opcode, uint64_t node,
		       const struct iovec *parts, size_t count, void *body, size_t size)
{
	unsigned char message[4096], answer[1024];
	struct fb_wire_in_header header = {
		.len = sizeof(header),
		.opcode = opcode,
		.unique = client->unique += 2,
		.nodeid = node,
		.uid = client->uid,
		.gid = client->gid,
		.pid = client->pid,
		.total_extlen = (uint16_t)(parts[count - 1].iov_len / 8),
	};
	struct fb_wire_out_header out;
	ssize_t got;

	for (size_t i = 0; i < count; i++) {
		if (parts[i].iov_len == 0)
			continue;
		assert_true(header.len + parts[i].iov_len <= sizeof(message));
		memcpy(message + header.len, parts[i].iov_base, parts[i].iov_len);
		header.len += (uint32_t)parts[i].iov_len;
	}
	memcpy(message, &header, sizeof(header));
	got = fb_loopback_send(client->loopback, message, header.len, answer, sizeof(answer));
	assert_true(got >= (ssize_t)sizeof(out));
	memcpy(&out, answer, sizeof(out));
	if (out.error != 0)
		return out.error;
	assert_int_equal(got, sizeof(out) + size);
	memcpy(body, answer + sizeof(out), size);
	return 0;
}

int node_mkdir_extended(struct share_client *client, uint64_t parent, const char *name,
			uint32_t mode, const void *extensions, size_t size,
			struct fb_wire_entry_out *ret_entry)
{
	const struct fb_wire_mkdir_in in = { .mode = mode };
	const struct iovec parts[] = {
		piece(&in, sizeof(in)),
		piece(name, strlen(name) + 1),
		piece(extensions, size),
	};

	return node_call_extended(client, FB_OP_MKDIR, parent, parts, 3, ret_entry,
				  sizeof(*ret_entry));
}

uint64_t node_of(struct share_client *client, const char *name)
{
	struct fb_wire_entry_out entry;
	int result = share_lookup(client, FB_ROOT_NODE, name, &entry);

	if (result < 0)
		fail_msg("lookup of %s: %d", name, result);
	return entry.nodeid;
}
