/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FUSE requests of a guest.
 */
#include "guest_fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/types.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first minor version whose INIT has flags2. */
#define LONG_INIT_MINOR 36u

struct guest_caller guest_self(struct guest *guest, unsigned queue)
{
	return (struct guest_caller){
		.guest = guest, .queue = queue, .uid = geteuid(), .gid = getegid()
	};
}

int guest_ask(const struct guest_caller *caller, uint32_t opcode, uint64_t node, const void *in,
	      size_t in_size, const void *rest, size_t rest_size, void *out, size_t room,
	      size_t *ret_len)
{
	struct fb_wire_in_header header = {
		.len = (uint32_t)(sizeof(header) + in_size + rest_size),
		.opcode = opcode,
		.unique = guest_unique(caller->guest),
		.nodeid = node,
		.uid = caller->uid,
		.gid = caller->gid,
		.pid = caller->pid,
	};
	struct fb_wire_out_header answer;
	const struct iovec parts[] = {
		{ &header, sizeof(header) },
		{ (void *)in, in_size },
		{ (void *)rest, rest_size },
	};
	const struct iovec answers[] = { { &answer, sizeof(answer) }, { out, room } };
	size_t len;
	int r = guest_call_parts(caller->guest, caller->queue, parts, 3, answers, 2, &len);

	if (r < 0)
		return r;
	if (answer.error != 0)
		return answer.error;
	len -= sizeof(answer);
	if (!ret_len)
		return len == room ? 0 : -EBADMSG;
	*ret_len = len;
	return 0;
}

static int ask_name(const struct guest_caller *caller, uint32_t opcode, uint64_t node,
		    const void *in, size_t in_size, const char *name, void *out, size_t room)
{
	return guest_ask(caller, opcode, node, in, in_size, name, strlen(name) + 1, out, room,
			 NULL);
}

/* ---- the session ----------------------------------------------------------------------------- */

int guest_init(struct guest *guest, uint32_t minor, uint64_t flags,
	       struct fb_wire_init_out *ret_init)
{
	const struct guest_caller kernel = { .guest = guest, .queue = GUEST_REQUESTS };
	struct fb_wire_init_in in = {
		.major = FB_KERNEL_VERSION,
		.minor = minor,
		.max_readahead = 1u << 20,
		.flags = (uint32_t)flags,
		.flags2 = (uint32_t)(flags >> 32),
	};
	size_t size = minor >= LONG_INIT_MINOR ? sizeof(in) : FB_WIRE_INIT_IN_SHORT;
	struct fb_wire_init_out out = { 0 };
	int r = guest_ask(&kernel, FB_OP_INIT, 0, &in, size, NULL, 0, &out, sizeof(out), NULL);

	if (r < 0)
		return r;
	guest->init = out;
	if (ret_init)
		*ret_init = out;
	return 0;
}

int guest_destroy(struct guest *guest)
{
	const struct guest_caller kernel = { .guest = guest, .queue = GUEST_REQUESTS };

	return guest_ask(&kernel, FB_OP_DESTROY, 0, NULL, 0, NULL, 0, NULL, 0, NULL);
}

int guest_forget(struct guest *guest, uint64_t node, uint64_t lookups)
{
	struct {
		struct fb_wire_in_header header;
		struct fb_wire_forget_in in;
	} message = {
		.header = {
			.len = sizeof(message),
			.opcode = FB_OP_FORGET,
			.unique = guest_unique(guest),
			.nodeid = node,
		},
		.in = { .nlookup = lookups },
	};

	return guest_call(guest, GUEST_HIPRIO, &message, sizeof(message), NULL, 0, NULL);
}

/* ---- names ----------------------------------------------------------------------------------- */

int guest_lookup(const struct guest_caller *caller, uint64_t parent, const char *name,
		 struct fb_wire_entry_out *ret_entry)
{
	return ask_name(caller, FB_OP_LOOKUP, parent, NULL, 0, name, ret_entry, sizeof(*ret_entry));
}

int guest_mkdir(const struct guest_caller *caller, uint64_t parent, const char *name, uint32_t mode,
		struct fb_wire_entry_out *ret_entry)
{
	struct fb_wire_mkdir_in in = { .mode = mode };

	return ask_name(caller, FB_OP_MKDIR, parent, &in, sizeof(in), name, ret_entry,
			sizeof(*ret_entry));
}

int guest_unlink(const struct guest_caller *caller, uint64_t parent, const char *name)
{
	return ask_name(caller, FB_OP_UNLINK, parent, NULL, 0, name, NULL, 0);
}

int guest_rmdir(const struct guest_caller *caller, uint64_t parent, const char *name)
{
	return ask_name(caller, FB_OP_RMDIR, parent, NULL, 0, name, NULL, 0);
}

int guest_create(const struct guest_caller *caller, uint64_t parent, const char *name,
		 uint32_t flags, uint32_t mode, struct fb_wire_create_out *ret_created)
{
	struct fb_wire_create_in in = { .flags = flags | O_CREAT, .mode = S_IFREG | mode };

	return ask_name(caller, FB_OP_CREATE, parent, &in, sizeof(in), name, ret_created,
			sizeof(*ret_created));
}

/* ---- nodes and files ------------------------------------------------------------------------- */

int guest_getattr(const struct guest_caller *caller, uint64_t node, struct fb_wire_attr *ret_attr)
{
	struct fb_wire_getattr_in in = { 0 };
	struct fb_wire_attr_out out;
	int r = guest_ask(caller, FB_OP_GETATTR, node, &in, sizeof(in), NULL, 0, &out, sizeof(out),
			  NULL);

	if (r == 0)
		*ret_attr = out.attr;
	return r;
}

static int open_as(const struct guest_caller *caller, uint32_t opcode, uint64_t node,
		   uint32_t flags, uint64_t *ret_fh)
{
	struct fb_wire_open_in in = { .flags = flags };
	struct fb_wire_open_out out;
	int r = guest_ask(caller, opcode, node, &in, sizeof(in), NULL, 0, &out, sizeof(out), NULL);

	if (r == 0)
		*ret_fh = out.fh;
	return r;
}

int guest_open(const struct guest_caller *caller, uint64_t node, uint32_t flags, uint64_t *ret_fh)
{
	return open_as(caller, FB_OP_OPEN, node, flags, ret_fh);
}

int guest_opendir(const struct guest_caller *caller, uint64_t node, uint64_t *ret_fh)
{
	return open_as(caller, FB_OP_OPENDIR, node, O_RDONLY | O_DIRECTORY, ret_fh);
}

static int release_as(const struct guest_caller *caller, uint32_t opcode, uint64_t node,
		      uint64_t fh)
{
	struct fb_wire_release_in in = { .fh = fh };

	return guest_ask(caller, opcode, node, &in, sizeof(in), NULL, 0, NULL, 0, NULL);
}

int guest_release(const struct guest_caller *caller, uint64_t node, uint64_t fh)
{
	return release_as(caller, FB_OP_RELEASE, node, fh);
}

int guest_releasedir(const struct guest_caller *caller, uint64_t node, uint64_t fh)
{
	return release_as(caller, FB_OP_RELEASEDIR, node, fh);
}

static int read_as(const struct guest_caller *caller, uint32_t opcode, uint64_t node, uint64_t fh,
		   uint64_t offset, void *to, uint32_t size, size_t *ret_len)
{
	struct fb_wire_read_in in = { .fh = fh, .offset = offset, .size = size };

	return guest_ask(caller, opcode, node, &in, sizeof(in), NULL, 0, to, size, ret_len);
}

int guest_read(const struct guest_caller *caller, uint64_t node, uint64_t fh, uint64_t offset,
	       void *to, uint32_t size, size_t *ret_len)
{
	return read_as(caller, FB_OP_READ, node, fh, offset, to, size, ret_len);
}

int guest_readdir(const struct guest_caller *caller, uint64_t node, uint64_t fh, uint64_t offset,
		  void *to, uint32_t size, size_t *ret_len)
{
	return read_as(caller, FB_OP_READDIR, node, fh, offset, to, size, ret_len);
}

int guest_write(const struct guest_caller *caller, uint64_t node, uint64_t fh, uint64_t offset,
		const void *from, uint32_t size, size_t *ret_len)
{
	struct fb_wire_write_in in = { .fh = fh, .offset = offset, .size = size };
	struct fb_wire_write_out out;
	int r = guest_ask(caller, FB_OP_WRITE, node, &in, sizeof(in), from, size, &out, sizeof(out),
			  NULL);

	if (r == 0 && out.size > size)
		return -EBADMSG;
	if (r == 0)
		*ret_len = out.size;
	return r;
}

int guest_statfs(const struct guest_caller *caller, uint64_t node,
		 struct fb_wire_statfs_out *ret_statfs)
{
	return guest_ask(caller, FB_OP_STATFS, node, NULL, 0, NULL, 0, ret_statfs,
			 sizeof(*ret_statfs), NULL);
}
