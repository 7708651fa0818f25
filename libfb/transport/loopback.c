/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/loopback.h"

#include <errno.h>
#include <libfb/log.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/channel.h"
#include "core/dispatch.h"
#include "core/req.h"
#include "core/scope.h"
#include "core/session.h"
#include "core/sized.h"
#include "core/transport.h"
#include "protocol/init_flags.h"
#include "protocol/wire.h"
#include "transport/mailbox.h"

/* Headers and fixed struct of a WRITE. */
#define WRITE_HEAD (sizeof(struct fb_wire_in_header) + sizeof(struct fb_wire_write_in))
#define READAHEAD_DEFAULT (128u << 10)
/* What needs a kernel at the other end. */
#define NOT_FEATURES (FB_INIT_PASSTHROUGH | FB_INIT_OVER_IO_URING | FB_INIT_RESERVED)
/* What only virtio-fs offers, and what nobody does. */
#define NOT_OFFERED                                                                                \
	(FB_INIT_FILE_OPS | FB_INIT_MAP_ALIGNMENT | FB_INIT_SUBMOUNTS | FB_INIT_RESERVED |         \
	 FB_INIT_HAS_INODE_DAX)
/* The minor version from which on the greeting has a second word of features. */
#define INIT_EXT_SINCE 36
#define FIRST_UNIQUE 2

struct loop_channel {
	struct fb_channel channel;
	struct loop_channel *next_idle;
};

struct fb_loopback {
	struct fb_transport transport;
	struct fb_session *session; /* referenced */
	struct fb_mailbox box;
	pthread_mutex_t lock;
	struct loop_channel *idle; /* under lock */
};

/* The transport is the first member of ours. */
static struct fb_loopback *of_transport(struct fb_transport *transport)
{
	return (struct fb_loopback *)transport;
}

/* ---- what the core asks for ---------------------------------------------------------------- */

static int loopback_open_channel(struct fb_transport *transport, unsigned index,
				 struct fb_channel **ret_channel)
{
	struct loop_channel *channel = calloc(1, sizeof(*channel));
	int r;

	if (!channel)
		return -ENOMEM;
	r = fb_channel_init(&channel->channel, transport, index, 0);
	if (r < 0) {
		free(channel);
		return r;
	}
	*ret_channel = &channel->channel;
	return 0;
}

static void loopback_close_channel(struct fb_channel *channel)
{
	fb_channel_fini(channel);
	free(channel);
}

/* There is no worker that could wait for a message: they come with fb_loopback_send(). */
static int loopback_receive(struct fb_channel *channel, struct fb_req *req)
{
	(void)channel;
	(void)req;
	return 0;
}

static int loopback_room(struct fb_req *req, size_t head_size, size_t size, struct iovec **ret_iov)
{
	struct fb_call *call = fb_call_of(req);
	void *room = malloc(size);

	(void)head_size;
	if (!room)
		return -ENOMEM;
	free(call->room);
	call->room = room;
	req->room_iov = (struct iovec){ room, size };
	*ret_iov = &req->room_iov;
	return 1;
}

static int loopback_send(struct fb_req *req, const struct fb_answer *answer)
{
	struct fb_loopback *loop = of_transport(req->channel->transport);

	return fb_mailbox_answer(&loop->box, fb_call_of(req), answer->head, answer->head_size,
				 answer->placed);
}

static void loopback_drop(struct fb_req *req)
{
	struct fb_loopback *loop = of_transport(req->channel->transport);

	fb_mailbox_answer(&loop->box, fb_call_of(req), NULL, 0, 0);
}

static int loopback_notify(struct fb_transport *transport, const struct iovec *iov, int count)
{
	return fb_mailbox_notify(&of_transport(transport)->box, iov, count);
}

static void loopback_shut(struct fb_transport *transport)
{
	(void)transport;
}

/* All channels are closed: nobody looks at a message any more. */
static void loopback_free(struct fb_transport *transport)
{
	struct fb_loopback *loop = of_transport(transport);

	fb_mailbox_fini(&loop->box);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

static const struct fb_transport_ops ops = {
	.features = FB_INIT_KNOWN & ~NOT_FEATURES,
	.open_channel = loopback_open_channel,
	.close_channel = loopback_close_channel,
	.receive = loopback_receive,
	.room = loopback_room,
	.send = loopback_send,
	.drop = loopback_drop,
	.notify = loopback_notify,
	.shut = loopback_shut,
	.free = loopback_free,
};

/* ---- sending ------------------------------------------------------------------------------- */

/* A channel for this thread alone until it is given back: pools have one owner. */
static int channel_take(struct fb_loopback *loop, struct loop_channel **ret_channel)
{
	struct fb_channel *opened;
	int r;

	pthread_mutex_lock(&loop->lock);
	*ret_channel = loop->idle;
	if (loop->idle)
		loop->idle = loop->idle->next_idle;
	pthread_mutex_unlock(&loop->lock);
	if (*ret_channel)
		return 0;
	r = fb_session_open_channel(loop->session, &opened);
	if (r < 0)
		return fb_fail(-r, "no channel for a message: %s", strerror(-r));
	*ret_channel = (struct loop_channel *)opened;
	return 0;
}

static void channel_give(struct fb_loopback *loop, struct loop_channel *channel)
{
	FB_SCOPED_LOCK(&loop->lock);
	channel->next_idle = loop->idle;
	loop->idle = channel;
}

/* Serve a call in this thread. Returns its ticket, or 0 without memory; then the call is gone. */
static uint64_t serve(struct fb_loopback *loop, struct loop_channel *channel, struct fb_call *call)
{
	struct fb_pool *pool = &channel->channel.pool;
	struct fb_req *req = fb_pool_take(pool);
	uint64_t ticket;

	if (!req) {
		fb_call_free(call);
		return 0;
	}
	fb_req_set_message(req, call->message, call->size, call->size, NULL, 0);
	ticket = fb_mailbox_add(&loop->box, call, req);
	fb_channel_begin(&channel->channel);
	fb_channel_serve(&channel->channel, req);
	/* Back in our own list, it is over; one held back by the driver returns by another way. */
	if (pool->free == req)
		fb_mailbox_part(&loop->box, req);
	return ticket;
}

static bool has_ended(const struct fb_loopback *loop)
{
	int phase = atomic_load(&loop->session->phase);

	return phase == FB_PHASE_ENDED || atomic_load(&loop->session->stopping);
}

int fb_loopback_submit(struct fb_loopback *loop, const void *message, size_t message_size,
		       uint64_t *ret_ticket)
{
	struct loop_channel *channel;
	struct fb_call *call;
	uint64_t ticket;
	int r;

	if (!loop || (!message && message_size > 0) || !ret_ticket)
		return fb_fail(EINVAL,
			       "a loopback, a message and a place for the ticket are needed");
	if (has_ended(loop))
		return fb_fail(ENOTCONN, "the session has ended");
	call = fb_call_new(message, message_size);
	if (!call)
		return fb_fail(ENOMEM, "no memory for a message");
	r = channel_take(loop, &channel);
	if (r < 0) {
		fb_call_free(call);
		return r;
	}
	ticket = serve(loop, channel, call);
	channel_give(loop, channel);
	if (ticket == 0)
		return fb_fail(ENOMEM, "no memory for a message");
	*ret_ticket = ticket;
	return 0;
}

/* ---- receiving ----------------------------------------------------------------------------- */

ssize_t fb_loopback_receive(struct fb_loopback *loop, uint64_t ticket, void *answer, size_t size,
			    int timeout_ms)
{
	if (!loop || (!answer && size > 0))
		return fb_fail(EINVAL, "a loopback and a place for the answer are needed");
	return fb_mailbox_fetch(&loop->box, ticket, answer, size, timeout_ms);
}

ssize_t fb_loopback_send(struct fb_loopback *loop, const void *message, size_t message_size,
			 void *answer, size_t size)
{
	uint64_t ticket = 0;
	int r;

	if (!answer && size > 0)
		return fb_fail(EINVAL, "a place for the answer is needed");
	r = fb_loopback_submit(loop, message, message_size, &ticket);
	return r < 0 ? r : fb_loopback_receive(loop, ticket, answer, size, -1);
}

ssize_t fb_loopback_notification(struct fb_loopback *loop, void *message, size_t size,
				 int timeout_ms)
{
	if (!loop || (!message && size > 0))
		return fb_fail(EINVAL, "a loopback and a place for the message are needed");
	return fb_mailbox_notification(&loop->box, message, size, timeout_ms);
}

void fb_loopback_drop_answers(struct fb_loopback *loop, unsigned count, int error)
{
	if (loop)
		fb_mailbox_drop(&loop->box, count, error);
}

/* ---- beginning and end --------------------------------------------------------------------- */

struct init_message {
	struct fb_wire_in_header header;
	struct fb_wire_init_in in;
};

struct init_answer {
	struct fb_wire_out_header header;
	struct fb_wire_init_out out;
};

/* Returns 0, or what INIT was answered with. */
static int greet(struct fb_loopback *loop, const struct fb_loopback_options *options)
{
	uint32_t minor = options->minor ? options->minor : FB_KERNEL_MINOR;
	uint64_t offered = options->offered ? options->offered : FB_INIT_KNOWN & ~NOT_OFFERED;
	struct init_message message = { 0 };
	struct init_answer answer;
	size_t size = sizeof(message);
	ssize_t n;

	if (offered >> 32)
		offered |= FB_INIT_INIT_EXT;
	if (minor < INIT_EXT_SINCE) {
		size -= sizeof(message.in) - FB_WIRE_INIT_IN_SHORT;
		offered &= UINT32_MAX & ~FB_INIT_INIT_EXT;
	}
	message.header = (struct fb_wire_in_header){ .len = (uint32_t)size,
						     .opcode = FB_OP_INIT,
						     .unique = FIRST_UNIQUE };
	message.in = (struct fb_wire_init_in){ .major = FB_KERNEL_VERSION,
					       .minor = minor,
					       .max_readahead = READAHEAD_DEFAULT,
					       .flags = (uint32_t)offered,
					       .flags2 = (uint32_t)(offered >> 32) };
	n = fb_loopback_send(loop, &message, size, &answer, sizeof(answer));
	if (n < (ssize_t)sizeof(answer.header))
		return n < 0 ? (int)n : -EPROTO;
	if (answer.header.error < 0)
		return fb_fail(-answer.header.error, "the session refused the greeting: %s",
			       strerror(-answer.header.error));
	return 0;
}

static struct fb_loopback *loopback_make(const struct fb_session *session)
{
	struct fb_loopback *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->transport = (struct fb_transport){
		.ops = &ops,
		.name = "loopback",
		.max_room = fb_session_room(session),
	};
	fb_mailbox_init(&loop->box);
	pthread_mutex_init(&loop->lock, NULL);
	return loop;
}

/* Undo what fb_loopback_new() did: the greeting failed. */
static void give_up(struct fb_session *session)
{
	/* Where only the answer was lost, the driver has begun: it has to end. */
	if (atomic_load(&session->phase) == FB_PHASE_READY)
		fb_session_end_outside(session);
	else
		fb_session_detach(session);
	fb_session_unref(session);
}

int fb_loopback_new(struct fb_session *session, const struct fb_loopback_options *options,
		    struct fb_loopback **ret_loopback)
{
	struct fb_loopback_options known = { 0 };
	struct fb_loopback *loop;
	int r;

	if (!session || !ret_loopback)
		return fb_fail(EINVAL, "a session and a place for the loopback are needed");
	if (options && fb_sized_take(&known, sizeof(known), options, options->size) < 0)
		return fb_fail(EINVAL, "the options' size is not set");
	loop = loopback_make(session);
	if (!loop)
		return fb_fail(ENOMEM, "no memory for a loopback");
	r = fb_session_attach(session, &loop->transport);
	if (r < 0) {
		loopback_free(&loop->transport);
		return r;
	}
	loop->session = fb_session_ref(session);
	r = known.no_init ? 0 : greet(loop, &known);
	if (r < 0) {
		give_up(session);
		return r;
	}
	*ret_loopback = loop;
	return 0;
}

void fb_loopback_free(struct fb_loopback *loop)
{
	struct fb_session *session;

	if (!loop)
		return;
	session = loop->session;
	fb_session_end_outside(session);
	fb_session_unref(session);
}
