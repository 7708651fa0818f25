/* SPDX-License-Identifier: BSD-3-Clause */
#include "direct_transport.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/channel.h"
#include "core/req.h"
#include "core/session.h"
#include "protocol/wire.h"

static struct direct_transport *of(struct fb_transport *transport)
{
	return (struct direct_transport *)transport;
}

static int open_channel(struct fb_transport *transport, unsigned index,
			struct fb_channel **ret_channel)
{
	struct fb_channel *channel = calloc(1, sizeof(*channel));

	assert(channel && fb_channel_init(channel, transport, index, 0) == 0);
	*ret_channel = channel;
	return 0;
}

static void close_channel(struct fb_channel *channel)
{
	fb_channel_fini(channel);
	free(channel);
}

static int receive(struct fb_channel *channel, struct fb_req *req)
{
	struct direct_transport *direct = of(channel->transport);
	const struct direct_message *message = direct->next;

	if (message == direct->end)
		return 0;
	direct->next++;
	fb_req_set_message(req, message->bytes, message->size, message->size, NULL, 0);
	return 1;
}

static int room(struct fb_req *req, size_t head_size, size_t size, struct iovec **ret_iov)
{
	struct direct_transport *direct = of(req->channel->transport);
	unsigned last = direct->room_pieces - 1;
	size_t piece = size / direct->room_pieces;

	(void)head_size;
	for (unsigned i = 0; i <= last; i++)
		direct->pieces[i] = (struct iovec){ direct->room + i * piece, piece };
	direct->pieces[last].iov_len = size - last * piece;
	*ret_iov = direct->pieces;
	return (int)direct->room_pieces;
}

static int send_answer(struct fb_req *req, const struct fb_answer *answer)
{
	struct direct_transport *direct = of(req->channel->transport);

	memcpy(direct->answer, answer->head, answer->head_size);
	direct->error = req->answer.header.error;
	direct->errors += direct->error != 0;
	direct->answers++;
	return 0;
}

static void shut(struct fb_transport *transport)
{
	(void)transport;
}

static void direct_free(struct fb_transport *transport)
{
	free(transport);
}

static const struct fb_transport_ops ops = {
	.features = ~UINT64_C(0),
	.open_channel = open_channel,
	.close_channel = close_channel,
	.receive = receive,
	.room = room,
	.send = send_answer,
	.shut = shut,
	.free = direct_free,
};

struct direct_transport *direct_transport_attach(struct fb_session *session)
{
	struct direct_transport *direct = calloc(1, sizeof(*direct));
	int r;

	assert(direct);
	direct->transport = (struct fb_transport){ .ops = &ops, .max_room = DIRECT_ROOM };
	direct->room_pieces = 1;
	r = fb_session_attach(session, &direct->transport);
	assert(r == 0);
	direct->worker.workers = &session->workers;
	r = fb_session_open_channel(session, &direct->worker.channel);
	assert(r == 0);
	return direct;
}

void direct_serve(struct direct_transport *direct, const struct direct_message *messages,
		  size_t count)
{
	int r;

	direct->next = messages;
	direct->end = messages + count;
	direct->answers = direct->errors = 0;
	r = fb_worker_serve(&direct->worker);
	assert(r == 0 && direct->next == direct->end);
}

void direct_greet(struct direct_transport *direct)
{
	struct {
		struct fb_wire_in_header header;
		struct fb_wire_init_in in;
	} init = {
		.header = { .len = sizeof(init), .opcode = FB_OP_INIT, .unique = 2 },
		.in = { .major = 7, .minor = 45 },
	};

	direct_serve(direct, &(struct direct_message){ &init, sizeof(init) }, 1);
	assert(direct->answers == 1 && direct->error == 0);
}
