/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/vhost_socket.h"

#include <errno.h>
#include <libfb/log.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/scope.h"

/* Room for the descriptors of one message, and to see that there were more. */
union control {
	struct cmsghdr align;
	uint8_t bytes[CMSG_SPACE(FB_VHOST_FDS_MAX * sizeof(int))];
};

static int broken(const char *what)
{
	return fb_fail(EPROTO, "the vhost-user connection is broken: %s", what);
}

static int failed(int error)
{
	return fb_fail(error, "the vhost-user connection: %s", strerror(error));
}

/* Take the descriptors out of a control message. Returns how many there was no place for. */
static unsigned take_fds(struct msghdr *control, struct fb_vhost_message *message)
{
	unsigned lost = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(control); c; c = CMSG_NXTHDR(control, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		const int *fds = (const void *)CMSG_DATA(c);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			if (message->fd_count < FB_VHOST_FDS_MAX)
				message->fds[message->fd_count++] = fb_fd_raise(fds[i]);
			else
				lost += close(fds[i]) == 0;
		}
	}
	return lost;
}

/*
 * Read up to size bytes. Never more than asked for: Linux hands out descriptors with the first byte
 * that they came with, and one read over two messages would mix them up.
 */
static ssize_t receive_some(int socket, void *to, size_t size, struct fb_vhost_message *message)
{
	union control control;
	struct iovec iov = { to, size };
	struct msghdr header = { .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control) };
	ssize_t got;

	do
		got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == ECONNRESET ? 0 : failed(errno);
	if (take_fds(&header, message) > 0 || (header.msg_flags & MSG_CTRUNC))
		return broken("too many descriptors in one message");
	return got;
}

/* Read all of size bytes. Returns 1, 0 when the connection ends before the first, or -errno. */
static int receive_all(int socket, void *to, size_t size, struct fb_vhost_message *message)
{
	for (size_t done = 0; done < size;) {
		ssize_t got = receive_some(socket, (uint8_t *)to + done, size - done, message);

		if (got < 0)
			return (int)got;
		if (got == 0)
			return done == 0 ? 0 : broken("it ends inside a message");
		done += (size_t)got;
	}
	return 1;
}

int fb_vhost_receive(int socket, struct fb_vhost_message *message)
{
	struct fb_wire_vhost_header *header = &message->header;
	int r;

	message->fd_count = 0;
	message->reply_size = 0;
	r = receive_all(socket, header, sizeof(*header), message);
	if (r <= 0)
		return r;
	if ((header->flags & FB_VHOST_VERSION_MASK) != FB_VHOST_VERSION)
		return broken("a message of another version");
	if (header->flags & FB_VHOST_REPLY)
		return broken("an answer that nobody asked for");
	if (header->size > FB_VHOST_PAYLOAD_MAX)
		return broken("a message that is too long");
	if (header->size == 0)
		return 1;
	r = receive_all(socket, message->payload, header->size, message);
	return r == 0 ? broken("it ends inside a message") : r;
}

int fb_vhost_answer(int socket, const struct fb_vhost_message *message, size_t size)
{
	struct fb_wire_vhost_header header = { .request = message->header.request,
					       .flags = FB_VHOST_VERSION | FB_VHOST_REPLY,
					       .size = (uint32_t)size };
	struct iovec iov[] = { { &header, sizeof(header) },
			       { (void *)(uintptr_t)message->reply, size } };
	struct msghdr out = { .msg_iov = iov, .msg_iovlen = 2 };
	size_t left = sizeof(header) + size;

	while (left > 0) {
		ssize_t sent = sendmsg(socket, &out, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		/* Who has hung up wants no answer; the next read is going to tell. */
		if (sent < 0 && errno == EPIPE)
			return 0;
		if (sent < 0)
			return failed(errno);
		left -= (size_t)sent;
		for (int i = 0; i < 2; i++) {
			size_t part = (size_t)sent < iov[i].iov_len ? (size_t)sent : iov[i].iov_len;

			iov[i].iov_base = (uint8_t *)iov[i].iov_base + part;
			iov[i].iov_len -= part;
			sent -= (ssize_t)part;
		}
	}
	return 0;
}

void fb_vhost_message_end(struct fb_vhost_message *message)
{
	for (unsigned i = 0; i < message->fd_count; i++)
		if (message->fds[i] >= 0)
			close(message->fds[i]);
	message->fd_count = 0;
}
