/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/virtio_work.h"

#include <errno.h>
#include <libfb/log.h>
#include <stdatomic.h>
#include <string.h>

#include "core/iov.h"
#include "core/req.h"
#include "core/stats.h"
#include "core/transport.h"
#include "protocol/op_row.h"
#include "transport/dirty_log.h"
#include "transport/guest_memory.h"
#include "transport/vhost_user.h"

/* What is copied out of the guest: of all but bulk data. SETXATTR is the longest such request. */
#define HEAD_MAX (FB_XATTR_MAX + 4096u)
/* Where that is in a request's buffer: aligned as the decoder wants it. */
#define HEAD_AT ((sizeof(struct fb_virtio_work) + 15) / 16 * 16)
#define IN_HEADER sizeof(struct fb_wire_in_header)
#define OUT_HEADER sizeof(struct fb_wire_out_header)

/* ---- a request's buffer ---------------------------------------------------------------------- */

size_t fb_virtio_work_size(unsigned pieces_max)
{
	return HEAD_AT + HEAD_MAX + 2 * pieces_max * sizeof(struct iovec);
}

static uint8_t *head_of(const struct fb_req *req)
{
	return (uint8_t *)req->buffer + HEAD_AT;
}

struct fb_virtio_work *fb_virtio_work_begin(struct fb_req *req, unsigned pieces_max)
{
	struct fb_virtio_work *work = req->buffer;

	work->chain.iov = (struct iovec *)(void *)(head_of(req) + HEAD_MAX);
	work->chain.max = pieces_max;
	work->room = work->chain.iov + pieces_max;
	return work;
}

static struct iovec *writable(const struct fb_virtio_work *work)
{
	return work->chain.iov + work->chain.read_count;
}

/* ---- from a chain to a message --------------------------------------------------------------- */

static bool expects_answer(const struct fb_op_row *row)
{
	return !row || !(row->flags & FB_ROW_NO_REPLY);
}

/* What is wrong with a chain, whatever its message says. Returns 0 or what to answer with. */
static int judge(const struct fb_virtio_ring *ring, const struct fb_op_row *row,
		 const struct fb_chain *chain)
{
	if (!row)
		return 0;
	/* What has to wait must not come where nothing waits. */
	if (ring->index == FB_VHOST_HIPRIO && !(row->flags & FB_ROW_HIPRIO))
		return -EIO;
	/* Before anything is done: the answer would not fit. */
	if (expects_answer(row) && row->reply != FB_REPLY_XATTR && row->reply != FB_REPLY_INIT &&
	    chain->write_size < OUT_HEADER + row->reply_size)
		return -EINVAL;
	return 0;
}

/*
 * Copy what must not change any more, and show the rest where it lies. The message is as long as
 * its header says; where the chain is shorter, the decoder sees that the two differ.
 */
static void set_message(struct fb_req *req, struct fb_virtio_work *work,
			const struct fb_wire_in_header *header)
{
	struct iovec *iov = work->chain.iov;
	size_t count = work->chain.read_count;
	size_t total = work->chain.read_size, head;

	if (header->len >= IN_HEADER && header->len < total) {
		total = header->len;
		count = fb_iov_cut(iov, count, total);
	}
	head = fb_decode_head_size(header, total);
	if (head > HEAD_MAX)
		head = total = IN_HEADER; /* shorter than it says: an error */
	fb_iov_skip(&iov, &count, IN_HEADER);
	memcpy(head_of(req), header, IN_HEADER);
	fb_iov_take(&iov, &count, head_of(req) + IN_HEADER, head - IN_HEADER);
	fb_req_set_message(req, head_of(req), head, total, iov, head < total ? count : 0);
}

bool fb_virtio_work_open(struct fb_req *req, struct fb_virtio_work *work)
{
	struct iovec first[sizeof(struct fb_wire_in_header)], *iov = first;
	const struct fb_chain *chain = &work->chain;
	size_t count = chain->read_count;
	struct fb_wire_in_header header;
	const struct fb_op_row *row;

	if (count > IN_HEADER)
		count = IN_HEADER;
	memcpy(first, chain->iov, count * sizeof(*first));
	if (chain->read_size < IN_HEADER || chain->write_size > UINT32_MAX) {
		fb_ring_give(&work->ring, 0);
		return false;
	}
	fb_iov_take(&iov, &count, &header, sizeof(header));
	row = fb_op_row_find(header.opcode);
	if (chain->write_size < OUT_HEADER && expects_answer(row)) {
		fb_ring_give(&work->ring, 0);
		return false;
	}
	set_message(req, work, &header);
	req->fault = judge(work->ring.ring, row, chain);
	return true;
}

/* ---- and back ------------------------------------------------------------------------------- */

int fb_virtio_work_room(struct fb_req *req, size_t head_size, size_t size, struct iovec **ret_iov)
{
	struct fb_virtio_work *work = req->buffer;
	size_t count = work->chain.write_count;
	struct iovec *iov = work->room;

	if (work->chain.write_size < head_size)
		return fb_fail(EINVAL, "the guest gives no room");
	/* Where it does not say how much it asks for, it asks for what it gives. */
	if (req->args.row->room_field == FB_ROW_NO_ROOM &&
	    size > work->chain.write_size - head_size)
		size = work->chain.write_size - head_size;
	if (size > work->chain.write_size - head_size)
		return fb_fail(EINVAL, "the guest gives less room than it asks for");
	memcpy(iov, writable(work), count * sizeof(*iov));
	fb_iov_skip(&iov, &count, head_size);
	*ret_iov = iov;
	return (int)fb_iov_cut(iov, count, size);
}

/* Keep a running mean of how long requests take, for call_help(). */
static void note_service(struct fb_virtio_ring *ring, uint64_t ns)
{
	uint32_t mean = atomic_load_explicit(&ring->service_ns, memory_order_relaxed);
	uint64_t next = (mean * UINT64_C(7) + ns) / 8;

	atomic_store_explicit(&ring->service_ns, next > UINT32_MAX ? UINT32_MAX : (uint32_t)next,
			      memory_order_relaxed);
}

/* Mark what was written into the guest, for a front end that migrates it. */
static void log_written(const struct fb_virtio_work *work, size_t size)
{
	struct fb_dirty_log *log = work->ring.ring->log;
	const struct iovec *iov = writable(work);

	if (!atomic_load_explicit(&log->on, memory_order_relaxed))
		return;
	for (; size > 0; iov++) {
		size_t part = iov->iov_len < size ? iov->iov_len : size;

		fb_dirty_log_mark(log, fb_guest_memory_address(work->ring.memory, iov->iov_base),
				  part);
		size -= part;
	}
}

/* The answer does not fit, its header does. */
static int refuse_room(struct fb_req *req, struct fb_virtio_work *work)
{
	const struct fb_wire_out_header header = { .len = OUT_HEADER,
						   .error = -EINVAL,
						   .unique = req->args.header.unique };

	fb_iov_put(writable(work), &header, sizeof(header));
	log_written(work, sizeof(header));
	fb_ring_give(&work->ring, sizeof(header));
	return -ENOBUFS;
}

int fb_virtio_work_send(struct fb_req *req, const struct fb_answer *answer)
{
	struct fb_virtio_work *work = req->buffer;
	size_t size = answer->head_size + answer->placed;

	if (size > work->chain.write_size)
		return refuse_room(req, work);
	fb_iov_put(writable(work), answer->head, answer->head_size);
	log_written(work, size);
	note_service(work->ring.ring, fb_now_ns() - req->begun_ns);
	fb_ring_give(&work->ring, (uint32_t)size);
	return 0;
}

void fb_virtio_work_drop(struct fb_req *req)
{
	struct fb_virtio_work *work = req->buffer;

	fb_ring_give(&work->ring, 0);
}
