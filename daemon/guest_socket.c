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
		return fb_fail(errno, "--fd=%d is no socket: %s", fd, strerror(errno));
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
	int result = 0;

	*socket = (struct guest_socket){ .listen_fd = -1, .connected_fd = -1 };
	if (guest->fd != FD_NONE)
		return adopt(socket, (int)guest->fd);
	if (guest->socket_group)
		result = find_group(guest->socket_group, &group);
	if (result == 0)
		result = fb_virtio_fs_listen(guest->socket_path, group, &socket->listen_fd);
	if (result < 0)
		return result;
	socket->path = strdup(guest->socket_path);
	return socket->path ? 0 : fb_fail(ENOMEM, "out of memory");
}

int guest_socket_accept(struct guest_socket *socket, int stop_fd, int *ret_fd)
{
	struct pollfd fds[] = { { .fd = stop_fd, .events = POLLIN },
				{ .fd = socket->listen_fd, .events = POLLIN } };
	int n;

	if (socket->connected_fd >= 0) {
		*ret_fd = socket->connected_fd;
		socket->connected_fd = -1;
		return 1;
	}
	if (socket->listen_fd < 0)
		return 0;
	do
		n = poll(fds, 2, -1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fb_fail(errno, "waiting for a monitor: %s", strerror(errno));
	if (fds[0].revents)
		return 0;
	n = fb_virtio_fs_accept(socket->listen_fd, ret_fd);
	return n < 0 ? n : 1;
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
