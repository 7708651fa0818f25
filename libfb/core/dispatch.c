/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/dispatch.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libfb/log.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/handlers.h"
#include "core/offload.h"
#include "core/probe.h"
#include "core/reply.h"
#include "core/session.h"
#include "protocol/op_row.h"

/* Pause of a worker that found no memory for a request. */
#define NO_MEMORY_MS 10

static _Thread_local bool active;

bool fb_dispatch_active(void)
{
	return active;
}

void fb_req_set_message(struct fb_req *req, const void *head, size_t head_size, size_t total_size,
			struct iovec *rest, size_t rest_count)
{
	req->message = head;
	req->head_size = head_size;
	req->total_size = total_size;
	req->rest = rest;
	req->rest_count = rest_count;
	req->fault = 0;
}

/* What the core knows of an opcode beyond the protocol: who serves it, and which operation. */
struct handler {
	int (*call)(struct fb_req *req);
	ptrdiff_t op; /* offset in struct fb_driver_ops, or NO_OP */
};

#define NO_OP (-1)
#define OP_none NO_OP
#define OP_OF(op) OP_##op
#define DECLARE_OP(op) OP_##op = offsetof(struct fb_driver_ops, op),
enum { FB_DRIVER_OPS(DECLARE_OP) };

static const struct handler handlers[] = {
#define HANDLER(number, name, handler, op, ...) { fb_handle_##handler, OP_OF(op) },
	FB_OP_TABLE(HANDLER)
#undef HANDLER
};

/* The struct and its list of members agree: one pointer each, behind the size. */
#define COUNT_OP(op) +1
static_assert(sizeof(struct fb_driver_ops) ==
		      sizeof(size_t) + (0 FB_DRIVER_OPS(COUNT_OP)) * sizeof(void (*)(void)),
	      "FB_DRIVER_OPS lists every operation");

static bool has_op(const struct fb_session *session, ptrdiff_t op)
{
	void (*pointer)(void);

	if (op == NO_OP)
		return true;
	memcpy(&pointer, (const uint8_t *)&session->ops + op, sizeof(pointer));
	return pointer != NULL;
}

static void set_caller(struct fb_req *req)
{
	const struct fb_wire_in_header *header = &req->args.header;

	req->caller = (struct fb_caller){
		.uid = header->uid,
		.gid = header->gid,
		.pid = header->pid,
		.umask = req->args.umask,
		.groups = req->groups,
		.group_count = fb_args_groups(&req->args, req->groups, FB_REQ_GROUPS_MAX),
	};
}

/* Make a source of the bytes at the end of the message. */
static void set_source(struct fb_req *req)
{
	const struct fb_args *args = &req->args;

	if (req->rest_count > 0) {
		assert(args->tail_offset == req->head_size);
		fb_source_init(&req->source, req->rest, req->rest_count);
		return;
	}
	req->tail_iov = (struct iovec){ (uint8_t *)(uintptr_t)req->message + args->tail_offset,
					args->tail_size };
	fb_source_init(&req->source, &req->tail_iov, 1);
}

/* A directory listing is made in one piece, whatever the transport's room looks like. */
static int set_dirsink(struct fb_req *req)
{
	struct fb_sink *to = &req->sink;
	void *buffer = to->iov->iov_base;

	if (to->count > 1)
		buffer = req->bounce = malloc(to->room);
	if (!buffer)
		return -ENOMEM;
	req->dirsink = (struct fb_dirsink){ .buffer = buffer,
					    .room = to->room,
					    .plus = req->args.row->opcode == FB_OP_READDIRPLUS };
	return 0;
}

static int set_sink(struct fb_req *req)
{
	const struct fb_op_row *row = req->args.row;
	struct fb_transport *transport = req->channel->transport;
	size_t head = sizeof(struct fb_wire_out_header) +
		      (row->reply == FB_REPLY_IOCTL ? sizeof(struct fb_wire_ioctl_out) : 0);
	size_t size = req->args.room;
	struct iovec *iov;
	int count;

	fb_sink_init(&req->sink, NULL, 0);
	if (size == 0)
		return 0;
	if (size > transport->max_room && row->opcode == FB_OP_READ)
		return -EINVAL;
	if (size > transport->max_room)
		size = transport->max_room;
	count = transport->ops->room(req, head, size, &iov);
	if (count < 0)
		return count;
	fb_sink_init(&req->sink, iov, (size_t)count);
	req->sink.takes_given = transport->takes_given;
	if (row->reply == FB_REPLY_DIRENTS && count > 0)
		return set_dirsink(req);
	return 0;
}

/* Whether an open asks for more than reading. */
static bool opens_for_change(const struct fb_req *req)
{
	const struct fb_wire_open_in *in = req->args.in;
	uint32_t flags = req->args.row->opcode == FB_OP_OPEN ? in->flags : 0;

	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

/* Whether the driver holds back as many requests as it may. Those in other threads are not held back. */
static bool is_full(struct fb_session *session)
{
	uint64_t offloaded = atomic_load_explicit(&session->offload.inside, memory_order_relaxed);

	return atomic_load_explicit(&session->pending, memory_order_relaxed) >=
	       session->options.max_pending + offloaded;
}

static int check(struct fb_req *req, const struct handler *handler)
{
	const struct fb_op_row *row = req->args.row;
	struct fb_session *session = req->channel->session;

	if (session->options.read_only && row->opcode != FB_OP_CREATE &&
	    ((row->flags & FB_ROW_MUTATES) || opens_for_change(req)))
		return -EROFS;
	if (!(row->flags & FB_ROW_CORE) && !has_op(session, handler->op))
		return row->absent ? -row->absent : fb_answer_absent(req);
	if (!(row->flags & (FB_ROW_NO_REPLY | FB_ROW_HIPRIO | FB_ROW_NO_CALLER)) &&
	    is_full(session))
		return -ENOMEM;
	return 1;
}

static int dispatch(struct fb_req *req)
{
	const struct fb_op_row *row = req->args.row;
	const struct handler *handler = &handlers[row->index];
	int r;

	FB_PROBE_BEGIN(req->args.header.unique, row->opcode, req->args.header.nodeid);
	r = check(req, handler);
	if (r <= 0)
		return r;
	set_caller(req);
	set_source(req);
	r = set_sink(req);
	if (r < 0)
		return r;
	r = handler->call(req);
	return r == -ENOSYS ? -row->soft : r;
}

static void reset(struct fb_req *req)
{
	req->begun_ns = fb_now_ns();
	req->hook_count = 0;
	req->duplicate = false;
	req->dirsink = (struct fb_dirsink){ 0 };
	req->by_worker = false;
	req->caller = (struct fb_caller){ 0 };
	memset(&req->out, 0, sizeof(req->out));
	req->out.open.backing_fd = -1;
	atomic_store_explicit(&req->interrupted_unique, 0, memory_order_relaxed);
	atomic_store_explicit(&req->progress, 0, memory_order_release);
}

/* Whether a request is a second copy of one under way, which answers for both from now on. */
static bool is_duplicate(struct fb_session *session, const struct fb_req *req)
{
	return (req->args.header.unique & FB_UNIQUE_RESEND) &&
	       fb_interrupts_adopt(session, req->args.header.unique);
}

static void refuse(struct fb_session *session, const struct fb_req *req, int r)
{
	atomic_fetch_add(&session->malformed, 1);
	if (req->args.row)
		FB_PROBE_BEGIN(req->args.header.unique, req->args.row->opcode,
			       req->args.header.nodeid);
	fb_log(FB_LOG_DEBUG, "malformed %s request of %zu bytes: error %d",
	       req->args.row ? req->args.row->name : "unknown", req->total_size, -r);
}

/* The operation keeps the request; it may even have completed it already. */
static void keep_pending(struct fb_channel *channel, struct fb_req *req)
{
	_Atomic uint32_t *pending = &channel->session->pending;

	atomic_fetch_add(pending, 1);
	if (atomic_fetch_or(&req->progress, FB_REQ_RETURNED) & FB_REQ_ANSWERED) {
		atomic_fetch_sub(pending, 1);
		fb_pool_give(&channel->pool, req);
	}
}

/*
 * Whether a request may wait for other threads. An interrupt is for those who are in them, a goodbye
 * waits for them, and so may a greeting.
 */
static bool can_wait(const struct fb_op_row *row)
{
	return handlers[row->index].op != NO_OP &&
	       !(row->flags & (FB_ROW_HIPRIO | FB_ROW_BEFORE_INIT));
}

/* Whether another thread serves a request now, so that those behind it need not wait. */
static bool is_offloaded(struct fb_channel *channel, struct fb_req *req)
{
	return atomic_load_explicit(&channel->transport->offloads, memory_order_relaxed) &&
	       can_wait(req->args.row) && fb_offload_is_slow(req) &&
	       fb_offload_push(&channel->session->offload, req);
}

/* The operation has returned its result. */
static void answer(struct fb_channel *channel, struct fb_req *req, int r)
{
	if (atomic_fetch_or(&req->progress, FB_REQ_CLAIMED) & FB_REQ_CLAIMED) {
		fb_log(FB_LOG_ERR, "the driver completed a %s request and returned a result too",
		       req->args.row->name);
		keep_pending(channel, req);
		return;
	}
	req->by_worker = true;
	fb_reply(req, r);
	fb_pool_give(&channel->pool, req);
}

/* Have the driver serve a request that is in order, here or in another thread. */
static void run(struct fb_channel *channel, struct fb_req *req)
{
	int r;

	/* Who waits for no answer is not interrupted; NOTIFY_REPLY even has a unique of ours. */
	if (!(req->args.row->flags & FB_ROW_NO_REPLY))
		fb_interrupts_begin(channel->session, req);
	if (is_offloaded(channel, req))
		return;
	r = dispatch(req);
	if (r == FB_PENDING)
		keep_pending(channel, req);
	else
		answer(channel, req, r);
}

/* Count up a number that only this thread writes. */
static void step(_Atomic uint64_t *counter, memory_order order)
{
	uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, now + 1, order);
}

void fb_channel_begin(struct fb_channel *channel)
{
	/* In this order with reading the phase: a goodbye waits for us, or we see it. */
	step(&channel->begun, memory_order_seq_cst);
}

int fb_channel_receive(struct fb_channel *channel, struct fb_req **ret_req)
{
	struct fb_req *req = fb_pool_take(&channel->pool);
	int r;

	if (!req) {
		poll(NULL, 0, NO_MEMORY_MS);
		return -EINTR;
	}
	r = channel->transport->ops->receive(channel, req);
	if (r != 1) {
		fb_pool_give(&channel->pool, req);
		return r;
	}
	fb_channel_begin(channel);
	*ret_req = req;
	return 1;
}

void fb_channel_serve(struct fb_channel *channel, struct fb_req *req)
{
	bool outer = active; /* a driver may itself be the client of a loopback */
	struct fb_decode_rules rules;
	int r;

	rules = fb_session_rules(channel->session);
	active = true;
	reset(req);
	r = fb_decode(&rules, req->message, req->head_size, req->total_size, &req->args);
	if (r == 0)
		r = req->fault;
	if (r < 0)
		refuse(channel->session, req, r);
	else
		req->duplicate = is_duplicate(channel->session, req);
	if (r < 0 || req->duplicate)
		answer(channel, req, r);
	else
		run(channel, req);
	active = outer;
	step(&channel->ended, memory_order_release);
}

/* One more of RETURNED and ANSWERED; with both a request goes, which other threads than its worker had. */
static void pass(struct fb_req *req, unsigned mine, unsigned other)
{
	struct fb_channel *channel = req->channel;
	struct fb_session *session = channel->session;

	if (!(atomic_fetch_or(&req->progress, mine) & other))
		return;
	fb_pool_return(&channel->pool, req);
	/* Last of all: a session that ends waits for this before it frees everything. */
	atomic_fetch_sub(&session->pending, 1);
}

/* The result of a request that its worker holds back is there. Returns 0 or -EALREADY. */
static int finish(struct fb_req *req, int result)
{
	if (atomic_fetch_or(&req->progress, FB_REQ_CLAIMED) & FB_REQ_CLAIMED) {
		fb_log(FB_LOG_ERR, "the driver completed a request twice");
		return fb_fail(EALREADY, "the request had been completed before");
	}
	fb_reply(req, result);
	pass(req, FB_REQ_ANSWERED, FB_REQ_RETURNED);
	return 0;
}

int fb_req_complete(struct fb_req *req, int result)
{
	if (result == FB_PENDING)
		return fb_fail(EINVAL, "FB_PENDING is no result to complete a request with");
	while (req->hook_count > 0) {
		struct fb_req_hook hook = req->hooks[--req->hook_count];

		result = hook.call(req, hook.arg, result);
		if (result == FB_PENDING)
			return 0;
	}
	return finish(req, result == -ENOSYS ? -req->args.row->soft : result);
}

void fb_dispatch_offloaded(struct fb_req *req)
{
	uint64_t begun = fb_now_ns();
	int r;

	active = true;
	r = dispatch(req);
	fb_offload_learn(req->channel, fb_offload_class(req), fb_now_ns() - begun);
	/* A mistake of the driver's is logged; it has its answer. */
	if (r != FB_PENDING)
		(void)finish(req, r);
	/* Not before: whoever has completed it, this thread has used it. */
	pass(req, FB_REQ_RETURNED, FB_REQ_ANSWERED);
	active = false;
}

int fb_req_push_hook(struct fb_req *req, int (*hook)(struct fb_req *req, void *arg, int result),
		     void *arg)
{
	if (req->hook_count == FB_REQ_HOOKS_MAX)
		return fb_fail(ENOSPC, "a request takes %d hooks", FB_REQ_HOOKS_MAX);
	req->hooks[req->hook_count++] = (struct fb_req_hook){ hook, arg };
	return 0;
}

const struct fb_caller *fb_req_caller(const struct fb_req *req)
{
	return &req->caller;
}

struct fb_session *fb_req_session(const struct fb_req *req)
{
	return req->channel->session;
}

const struct fb_io *fb_req_io(const struct fb_req *req)
{
	return &req->io;
}

bool fb_req_label(const struct fb_req *req, size_t index, struct fb_label *ret_label)
{
	return fb_args_label(&req->args, index, &ret_label->name, &ret_label->value,
			     &ret_label->size);
}
