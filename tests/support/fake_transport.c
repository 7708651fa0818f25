/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_transport.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/channel.h"
#include "core/req.h"
#include "core/scope.h"
#include "core/session.h"
#include "protocol/wire.h"

#define MESSAGE_BYTES 16384

static struct fake_transport *of(struct fb_transport *transport)
{
	return (struct fake_transport *)transport;
}

static int fake_open_channel(struct fb_transport *transport, unsigned index,
			     struct fb_channel **ret_channel)
{
	struct fake_transport *fake = of(transport);
	struct fb_channel *channel;
	int open;

	if (fake->open_error && atomic_load(&fake->channels_open) >= fake->open_limit)
		return fake->open_error;
	channel = calloc(1, sizeof(*channel));
	assert(channel && fb_channel_init(channel, transport, index, 2 * MESSAGE_BYTES) == 0);
	open = atomic_fetch_add(&fake->channels_open, 1) + 1;
	if (open > fake->channels_most)
		fake->channels_most = open;
	*ret_channel = channel;
	return 0;
}

static void fake_close_channel(struct fb_channel *channel)
{
	atomic_fetch_sub(&of(channel->transport)->channels_open, 1);
	fb_channel_fini(channel);
	free(channel);
}

static int receive(struct fb_channel *channel, struct fb_req *req)
{
	struct fake_transport *fake = of(channel->transport);
	int flags = channel == fake->no_wait ? MSG_DONTWAIT : 0;
	ssize_t n = recv(fake->server_fd, req->buffer, MESSAGE_BYTES, flags);

	if (n > 0 && fake->receive_error)
		return fake->receive_error;
	if (n <= 0)
		return n == 0 ? 0 : -errno;
	fb_req_set_message(req, req->buffer, (size_t)n, (size_t)n, NULL, 0);
	return 1;
}

static int ready_fd(struct fb_channel *channel)
{
	struct fake_transport *fake = of(channel->transport);

	if (fake->ready_error)
		return fake->ready_error;
	fake->no_wait = channel;
	return fake->server_fd;
}

static int room(struct fb_req *req, size_t head_size, size_t size, struct iovec **ret_iov)
{
	(void)head_size;
	req->room_iov = (struct iovec){ (uint8_t *)req->buffer + MESSAGE_BYTES, size };
	*ret_iov = &req->room_iov;
	return 1;
}

static const void *body(struct fb_req *req, const struct fb_answer *answer)
{
	return answer->given ? answer->given : (uint8_t *)req->buffer + MESSAGE_BYTES;
}

static int send_answer(struct fb_req *req, const struct fb_answer *answer)
{
	struct iovec iov[2] = {
		{ (void *)(uintptr_t)answer->head, answer->head_size },
		{ (void *)(uintptr_t)body(req, answer), answer->placed },
	};
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };
	struct fake_transport *fake = of(req->channel->transport);
	int fd = fake->server_fd;

	if (fake->send_error)
		return fake->send_error;
	fake->given = answer->given;
	return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int notify(struct fb_transport *transport, const struct iovec *iov, int count)
{
	struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)iov,
				  .msg_iovlen = (size_t)count };

	return sendmsg(of(transport)->server_fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void shut(struct fb_transport *transport)
{
	atomic_fetch_add(&of(transport)->shut_count, 1);
	shutdown(of(transport)->server_fd, SHUT_RDWR);
}

static void after_fork(struct fb_transport *transport)
{
	struct fake_transport *fake = of(transport);

	fb_fd_drop(&fake->server_fd);
}

static void fake_free(struct fb_transport *transport)
{
	struct fake_transport *fake = of(transport);

	assert(atomic_load(&fake->channels_open) == 0);
	close(fake->server_fd);
	close(fake->client_fd);
	free(fake);
}

static const struct fb_transport_ops ops = {
	.features = ~UINT64_C(0),
	.open_channel = fake_open_channel,
	.close_channel = fake_close_channel,
	.receive = receive,
	.ready_fd = ready_fd,
	.room = room,
	.send = send_answer,
	.notify = notify,
	.shut = shut,
	.after_fork = after_fork,
	.free = fake_free,
};

struct fake_transport *fake_transport_attach(struct fb_session *session)
{
	struct fake_transport *fake = calloc(1, sizeof(*fake));
	int fds[2], r;

	assert(fake);
	r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds);
	assert(r == 0);
	fake->server_fd = fds[0];
	fake->client_fd = fds[1];
	fake->transport = (struct fb_transport){
		.ops = &ops,
		.max_room = MESSAGE_BYTES,
		.takes_given = true,
		.threads = true,
	};
	r = fb_session_attach(session, &fake->transport);
	assert(r == 0);
	return fake;
}

void fake_send(struct fake_transport *fake, uint32_t opcode, uint64_t unique, uint64_t node,
	       const void *body, size_t size)
{
	struct fb_wire_in_header header = { .len = (uint32_t)(sizeof(header) + size),
					    .opcode = opcode,
					    .unique = unique,
					    .nodeid = node };
	struct iovec iov[2] = { { &header, sizeof(header) }, { (void *)(uintptr_t)body, size } };
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n = sendmsg(fake->client_fd, &message, MSG_NOSIGNAL);

	assert(n == (ssize_t)header.len);
}

int fake_receive(struct fake_transport *fake, uint64_t *ret_unique, int timeout_ms)
{
	struct pollfd fd = { .fd = fake->client_fd, .events = POLLIN };
	struct {
		struct fb_wire_out_header header;
		uint8_t body[MESSAGE_BYTES];
	} answer;
	ssize_t n;

	if (poll(&fd, 1, timeout_ms) <= 0)
		return -ETIMEDOUT;
	n = recv(fake->client_fd, &answer, sizeof(answer), 0);
	if (n <= 0)
		return n == 0 ? -ENOTCONN : -errno;
	assert(n >= (ssize_t)sizeof(answer.header) && answer.header.len == (size_t)n);
	*ret_unique = answer.header.unique;
	return answer.header.error;
}

void fake_greet(struct fake_transport *fake)
{
	struct fb_wire_init_in in = { .major = 7, .minor = 45 };
	uint64_t unique = 0;
	int r;

	fake_send(fake, FB_OP_INIT, 2, 0, &in, sizeof(in));
	r = fake_receive(fake, &unique, 10000);
	assert(r == 0 && unique == 2);
}
