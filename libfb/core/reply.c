/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/reply.h"

#include <assert.h>
#include <errno.h>
#include <libfb/log.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/driver_call.h"
#include "core/handlers.h"
#include "core/offload.h"
#include "core/probe.h"
#include "core/trace.h"
#include "core/transport.h"
#include "protocol/dirent.h"
#include "protocol/pack.h"

/* An answer on its way: how long the fixed struct is and how much of the room is used. */
struct parcel {
	size_t fixed;
	size_t placed;
	const void *given; /* see struct fb_answer */
};

/* A driver's mistake: said once for each, answered with EIO. */
static int mistake(const struct fb_req *req, const char *what)
{
	fb_log(FB_LOG_ERR, "%s: the driver returned %s", req->args.row->name, what);
	return -EIO;
}

/* What the client would refuse without a word, and without giving back what it was given. */
static int check_attr(const struct fb_req *req, const struct fb_attr *attr)
{
	if ((attr->mode & S_IFMT) == 0)
		return mistake(req, "a mode without a file type");
	if (attr->size > INT64_MAX)
		return mistake(req, "a size beyond all files");
	return 0;
}

/* The file type that the answer has to have, or 0 for any. */
static uint32_t type_made(const struct fb_req *req)
{
	uint32_t mode;

	switch (req->args.row->opcode) {
	case FB_OP_MKDIR:
		return S_IFDIR;
	case FB_OP_SYMLINK:
		return S_IFLNK;
	case FB_OP_CREATE:
	case FB_OP_TMPFILE:
		return S_IFREG;
	case FB_OP_MKNOD:
		mode = ((const struct fb_wire_mknod_in *)req->args.in)->mode & S_IFMT;
		return mode ? mode : S_IFREG;
	default:
		return 0;
	}
}

static int check_entry(const struct fb_req *req, const struct fb_entry *entry)
{
	uint32_t type = type_made(req);

	if (entry->node == 0)
		return req->args.row->opcode == FB_OP_LOOKUP ?
			       0 :
			       mistake(req, "an entry without a node");
	if (type && (entry->attr.mode & S_IFMT) != type)
		return mistake(req, "another type of file than was asked for");
	return check_attr(req, &entry->attr);
}

static int pack_entry(struct fb_req *req, int result, struct parcel *parcel)
{
	int r = check_entry(req, &req->out.entry);

	(void)result;
	fb_pack_entry(&req->out.entry, &req->answer.body.entry);
	parcel->fixed = sizeof(req->answer.body.entry);
	return r;
}

static int pack_attr(struct fb_req *req, int result, struct parcel *parcel)
{
	(void)result;
	fb_pack_attr_reply(&req->out.attr, &req->answer.body.attr);
	parcel->fixed = sizeof(req->answer.body.attr);
	return check_attr(req, &req->out.attr.attr);
}

static void fill_open(struct fb_req *req, uint64_t opened, struct fb_wire_open_out *out)
{
	int id = 0;

	if (req->args.row->flags & FB_ROW_GIVES_FILE)
		id = fb_backing_open(req->channel->session, opened, &req->out.open);
	fb_pack_open(&req->out.open, id, out);
}

static int pack_open(struct fb_req *req, int result, struct parcel *parcel)
{
	(void)result;
	fill_open(req, node(req), &req->answer.body.open);
	parcel->fixed = sizeof(req->answer.body.open);
	return 0;
}

static int pack_create(struct fb_req *req, int result, struct parcel *parcel)
{
	struct fb_wire_create_out *out = &req->answer.body.create;
	int r = check_entry(req, &req->out.entry);

	(void)result;
	fb_pack_entry(&req->out.entry, &out->entry);
	fill_open(req, req->out.entry.node, &out->open);
	parcel->fixed = sizeof(*out);
	return r;
}

static bool copied_in_bounds(const struct fb_req *req)
{
	return req->out.number <= ((const struct fb_wire_copy_file_range_in *)req->args.in)->len;
}

/* Of WRITE, and of the COPY_FILE_RANGE that answers with 32 bits. */
static int pack_write(struct fb_req *req, int result, struct parcel *parcel)
{
	bool copies = req->args.row->opcode == FB_OP_COPY_FILE_RANGE;
	uint64_t count = copies ? req->out.number : (uint64_t)result;

	if (count > (copies ? FB_COPY_MAX : req->args.tail_size))
		return mistake(req, "more bytes written than it was given");
	if (copies && !copied_in_bounds(req))
		return mistake(req, "more bytes copied than were asked for");
	req->answer.body.write = (struct fb_wire_write_out){ .size = (uint32_t)count };
	parcel->fixed = sizeof(req->answer.body.write);
	return 0;
}

static int pack_copy(struct fb_req *req, int result, struct parcel *parcel)
{
	(void)result;
	if (!copied_in_bounds(req))
		return mistake(req, "more bytes copied than were asked for");
	req->answer.body.copy =
		(struct fb_wire_copy_file_range_out){ .bytes_copied = req->out.number };
	parcel->fixed = sizeof(req->answer.body.copy);
	return 0;
}

static int pack_statfs(struct fb_req *req, int result, struct parcel *parcel)
{
	(void)result;
	fb_pack_statfs(&req->out.statfs, &req->answer.body.statfs);
	parcel->fixed = sizeof(req->answer.body.statfs);
	return 0;
}

static int pack_bytes(struct fb_req *req, int result, struct parcel *parcel)
{
	(void)result;
	parcel->placed = req->sink.size;
	parcel->given = fb_sink_settle(&req->sink);
	return 0;
}

static int pack_dirents(struct fb_req *req, int result, struct parcel *parcel)
{
	(void)result;
	parcel->placed = req->dirsink.size;
	if (req->bounce)
		return fb_sink_put(&req->sink, req->bounce, req->dirsink.size);
	return 0;
}

/* Bytes, or their number when the request had no room for any. */
static int pack_xattr(struct fb_req *req, int result, struct parcel *parcel)
{
	if (req->args.room > 0)
		return pack_bytes(req, result, parcel);
	if (result > FB_XATTR_MAX)
		return -E2BIG;
	req->answer.body.getxattr = (struct fb_wire_getxattr_out){ .size = (uint32_t)result };
	parcel->fixed = sizeof(req->answer.body.getxattr);
	return 0;
}

static int pack_lk(struct fb_req *req, int result, struct parcel *parcel)
{
	(void)result;
	fb_pack_lock(&req->out.lock, &req->answer.body.lk.lk);
	parcel->fixed = sizeof(req->answer.body.lk);
	return 0;
}

static int pack_ioctl(struct fb_req *req, int result, struct parcel *parcel)
{
	(void)result;
	req->answer.body.ioctl = (struct fb_wire_ioctl_out){ .result = req->out.ioctl_result };
	parcel->fixed = sizeof(req->answer.body.ioctl);
	parcel->placed = req->sink.size;
	parcel->given = fb_sink_settle(&req->sink);
	return 0;
}

static int pack_poll(struct fb_req *req, int result, struct parcel *parcel)
{
	(void)result;
	req->answer.body.poll = (struct fb_wire_poll_out){ .revents = req->out.revents };
	parcel->fixed = sizeof(req->answer.body.poll);
	return 0;
}

static int pack_bmap(struct fb_req *req, int result, struct parcel *parcel)
{
	(void)result;
	req->answer.body.bmap = (struct fb_wire_bmap_out){ .block = req->out.number };
	parcel->fixed = sizeof(req->answer.body.bmap);
	return 0;
}

static int pack_lseek(struct fb_req *req, int result, struct parcel *parcel)
{
	(void)result;
	req->answer.body.lseek = (struct fb_wire_lseek_out){ .offset = req->out.number };
	parcel->fixed = sizeof(req->answer.body.lseek);
	return 0;
}

static int pack_statx(struct fb_req *req, int result, struct parcel *parcel)
{
	(void)result;
	fb_pack_statx(&req->out.statx, &req->answer.body.statx);
	parcel->fixed = sizeof(req->answer.body.statx);
	return check_attr(req, &req->out.statx.attr);
}

/* The greeting has been filled in already. */
static int pack_init(struct fb_req *req, int result, struct parcel *parcel)
{
	(void)result;
	parcel->fixed = sizeof(req->answer.body.init);
	return 0;
}

static int pack_empty(struct fb_req *req, int result, struct parcel *parcel)
{
	(void)req;
	(void)result;
	(void)parcel;
	return 0;
}

#define pack_none pack_empty
typedef int pack_fn(struct fb_req *req, int result, struct parcel *parcel);

static pack_fn *const packers[] = {
	[FB_REPLY_NONE] = pack_empty,  [FB_REPLY_EMPTY] = pack_empty,
	[FB_REPLY_ENTRY] = pack_entry, [FB_REPLY_ATTR] = pack_attr,
	[FB_REPLY_OPEN] = pack_open,   [FB_REPLY_CREATE] = pack_create,
	[FB_REPLY_WRITE] = pack_write, [FB_REPLY_STATFS] = pack_statfs,
	[FB_REPLY_BYTES] = pack_bytes, [FB_REPLY_DIRENTS] = pack_dirents,
	[FB_REPLY_XATTR] = pack_xattr, [FB_REPLY_LK] = pack_lk,
	[FB_REPLY_IOCTL] = pack_ioctl, [FB_REPLY_POLL] = pack_poll,
	[FB_REPLY_BMAP] = pack_bmap,   [FB_REPLY_LSEEK] = pack_lseek,
	[FB_REPLY_COPY] = pack_copy,   [FB_REPLY_STATX] = pack_statx,
	[FB_REPLY_INIT] = pack_init,
};

int fb_answer_absent(struct fb_req *req)
{
	const struct fb_session *session = req->channel->session;
	uint32_t opcode = req->args.row->opcode;

	if ((opcode == FB_OP_OPEN && session->conn.stateless_open) ||
	    (opcode == FB_OP_OPENDIR && session->conn.stateless_opendir))
		return -ENOSYS;
	req->out.statfs = (struct fb_statfs){ 0 };
	if (opcode == FB_OP_STATFS) {
		req->out.statfs.namelen = FB_NAME_MAX;
		req->out.statfs.bsize = req->out.statfs.frsize = 512;
	}
	req->out.open.backing_fd = -1;
	/* Saves a round trip, and a process that dies with a file of its own mount open. */
	if (opcode == FB_OP_OPEN && !driver(req)->flush)
		req->out.open.flags = FB_FOPEN_NOFLUSH;
	return 0;
}

/* Take back from the driver what an undelivered answer would have handed out. */
static void undo_open(struct fb_req *req, uint64_t opened)
{
	struct fb_release how = { .open_flags = 0 };
	const struct fb_driver_ops *ops = driver(req);

	if (req->args.row->flags & FB_ROW_GIVES_FILE)
		fb_backing_release(req->channel->session, opened, req->out.open.fh);
	/* What OPEN without an operation hands out is not the driver's. */
	if ((req->args.row->flags & FB_ROW_GIVES_FILE) && ops->release &&
	    (ops->open || req->args.row->opcode != FB_OP_OPEN))
		ops->release(self(req), opened, req->out.open.fh, &how);
	if ((req->args.row->flags & FB_ROW_GIVES_DIR) && ops->releasedir && ops->opendir)
		ops->releasedir(self(req), opened, req->out.open.fh, &how);
}

/* Every entry of a listing with attributes counts one lookup. */
static void undo_listing(struct fb_req *req)
{
	struct fb_dirent_view view;
	size_t at = 0;

	while (at < req->dirsink.size &&
	       fb_dirent_next(req->dirsink.buffer, req->dirsink.size, true, &at, &view) > 0)
		undo_lookup(req, view.node);
}

static void undo(struct fb_req *req)
{
	uint32_t flags = req->args.row->flags;
	bool creates = flags & FB_ROW_GIVES_NODE;

	if (flags & (FB_ROW_GIVES_FILE | FB_ROW_GIVES_DIR))
		undo_open(req, creates ? req->out.entry.node : node(req));
	if (creates)
		undo_lookup(req, req->out.entry.node);
	if (req->args.row->opcode == FB_OP_READDIRPLUS)
		undo_listing(req);
}

/* Turn a result into what the wire can carry: 0 and a parcel, or an error from 1 to 511. */
static int pack(struct fb_req *req, int result, struct parcel *parcel)
{
	int r = result;

	if (result >= 0) {
		memset(&req->answer.body, 0,
		       req->args.row->reply == FB_REPLY_INIT ? 0 : req->args.row->reply_size);
		r = packers[req->args.row->reply](req, result, parcel);
		if (r < 0)
			undo(req);
	} else if (req->args.row->opcode == FB_OP_READDIRPLUS) {
		/* A listing that failed half-way: the entries before are not sent. */
		undo_listing(req);
	}
	if (r < 0)
		*parcel = (struct parcel){ 0 };
	if (r < -FB_WIRE_ERRNO_MAX)
		r = mistake(req, "a number that is no errno");
	return r;
}

static void count(struct fb_req *req, int error, size_t bytes_out)
{
	struct fb_channel *channel = req->channel;
	struct fb_op_sample sample = {
		.bytes_in = req->total_size,
		.bytes_out = bytes_out,
		.latency_ns = fb_now_ns() - req->begun_ns,
		.failed = error < 0,
	};

	if (!req->args.row)
		return;
	if (req->by_worker) {
		fb_op_stats_count(&channel->stats[req->args.row->index], &sample);
		if (atomic_load_explicit(&channel->transport->offloads, memory_order_relaxed))
			fb_offload_learn(channel, fb_offload_class(req), sample.latency_ns);
	} else {
		fb_op_stats_count_shared(&channel->shared[req->args.row->index], &sample);
	}
	FB_PROBE_END(req->args.header.unique, req->args.row->opcode, error, sample.latency_ns);
	if (atomic_load_explicit(&channel->session->trace, memory_order_relaxed))
		fb_trace_answer(req, error, bytes_out, sample.latency_ns);
}

static void drop(struct fb_req *req)
{
	const struct fb_transport_ops *transport = req->channel->transport->ops;

	if (transport->drop)
		transport->drop(req);
}

static void send_answer(struct fb_req *req, int result, uint64_t unique)
{
	struct fb_session *session = req->channel->session;
	struct parcel parcel = { 0 };
	int error = req->args.row ? pack(req, result, &parcel) : result;
	size_t head = sizeof(req->answer.header) + parcel.fixed;
	struct fb_answer answer = { &req->answer, head, parcel.placed, parcel.given };

	req->answer.header = (struct fb_wire_out_header){
		.len = (uint32_t)(head + parcel.placed),
		.error = error < 0 ? error : 0,
		.unique = unique,
	};
	/* Counted first: who has the answer may look at the figures at once. */
	count(req, error, head + parcel.placed);
	if (session->transport->ops->send(req, &answer) == 0)
		return;
	atomic_fetch_add(&session->undelivered, 1);
	if (error >= 0 && req->args.row)
		undo(req);
}

void fb_reply(struct fb_req *req, int result)
{
	const struct fb_op_row *row = req->args.row;
	uint64_t unique = fb_interrupts_finish(req->channel->session, req);

	if (row && (row->flags & FB_ROW_NO_REPLY)) {
		count(req, result, 0);
		drop(req);
	} else if (req->total_size < sizeof(struct fb_wire_in_header) || req->duplicate) {
		drop(req);
	} else {
		send_answer(req, result, unique);
	}
	free(req->bounce);
	req->bounce = NULL;
	fb_sink_release(&req->sink);
}
