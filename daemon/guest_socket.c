/* SPDX-License-Identifier: BSD-3-Clause */
#include "guest_socket.h"

#include <errno.h>
#include <grp.h>
#include <libfb/virtio_fs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "service.h"
#include "value.h"

/* Find a group by its name or number. */
static int find_group(const char *name, gid_t *ret_group)
{
	struct group *found = NULL, group;
	uint64_t number;
	char room[4096];

	if (getgrnam_r(name, &group, room, sizeof(room), &found) == 0 && found)
		*ret_group = found->gr_gid;
	else if (value_number(name, 0, UINT32_MAX - 1, &number) == 0)
		*ret_group = (gid_t)number;
	else
		return fb_fail(ENOENT, "--socket-group=%s: there is no such group", name);
	return 0;
}

/* Whether a descriptor that was handed over listens, or is a connection already. */
static int adopt(struct guest_socket *socket, int fd)
{
	int listens = 0;
	socklen_t size = sizeof(listens);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0)
		return fb_fail(errno, "descriptor %d is no socket: %s", fd, strerror(errno));
	if (listens)
		socket->listen_fd = fd;
	else
		socket->connected_fd = fd;
	return 0;
}

int guest_socket_open(struct guest_socket *socket, const struct options *options)
{
	const struct guest_options *guest = &options->guest;
	gid_t group = (gid_t)-1;
	int fd, result = 0;

	*socket = (struct guest_socket){ .listen_fd = -1, .connected_fd = -1 };
	if (guest->fd != FD_NONE)
		return adopt(socket, (int)guest->fd);
	if (guest->listen_fd != FD_NONE)
		return adopt(socket, (int)guest->listen_fd);
	fd = service_socket(guest->socket_path);
	if (fd >= 0)
		return adopt(socket, fd);
	if (guest->socket_group)
		result = find_group(guest->socket_group, &group);
	if (result == 0)
		result = fb_virtio_fs_listen(guest->socket_path, group, &socket->listen_fd);
	if (result < 0)
		return result;
	socket->path = strdup(guest->socket_path);
	return socket->path ? 0 : fb_fail(ENOMEM, "out of memory");
}

/* Wait until a socket has something to read. Returns 1, 0 when it is to end, or -errno. */
static int wait_for(int fd, int stop_fd)
{
	struct pollfd fds[] = { { .fd = stop_fd, .events = POLLIN },
				{ .fd = fd, .events = POLLIN } };
	int n;

	do
		n = poll(fds, 2, -1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fb_fail(errno, "waiting for a monitor: %s", strerror(errno));
	return fds[0].revents ? 0 : 1;
}

/* Whether there is a first word, and not the end of the connection. */
static bool has_spoken(int connection)
{
	char byte;
	struct iovec room = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &room, .msg_iovlen = 1 };

	return recvmsg(connection, &message, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/*
 * Whoever goes without a word was no monitor: it only looked whether somebody listens, as another
 * fbfsd does before it takes the socket's name.
 */
int guest_socket_accept(struct guest_socket *socket, int stop_fd, int *ret_fd)
{
	int result = 1, connection;

	if (socket->connected_fd >= 0) {
		*ret_fd = socket->connected_fd;
		socket->connected_fd = -1;
		return 1;
	}
	if (socket->listen_fd < 0)
		return 0;
	while ((result = wait_for(socket->listen_fd, stop_fd)) == 1) {
		result = fb_virtio_fs_accept(socket->listen_fd, &connection);
		if (result < 0)
			return result;
		result = wait_for(connection, stop_fd);
		if (result == 1 && has_spoken(connection)) {
			*ret_fd = connection;
			return 1;
		}
		close(connection);
		if (result < 1)
			return result;
	}
	return result;
}

void guest_socket_close(struct guest_socket *socket, bool remove)
{
	if (socket->listen_fd >= 0)
		close(socket->listen_fd);
	if (socket->connected_fd >= 0)
		close(socket->connected_fd);
	if (remove && socket->path)
		unlink(socket->path);
	free(socket->path);
	*socket = (struct guest_socket){ .listen_fd = -1, .connected_fd = -1 };
}
