/* SPDX-License-Identifier: BSD-3-Clause */
/* Listening for front ends. */
#include <errno.h>
#include <fcntl.h>
#include <libfb/log.h>
#include <libfb/virtio_fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/scope.h"

/* Connections that may wait: one is served, a few may try. */
#define BACKLOG 8

/* Whether somebody listens at an address. */
static bool is_alive(const struct sockaddr_un *address)
{
	FB_SCOPED_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 && (connect(fd, (const void *)address, sizeof(*address)) == 0 ||
			   errno == EAGAIN || errno == EINPROGRESS);
}

/* Whether the name is free, or a socket that nobody listens at. */
static int check_place(const struct sockaddr_un *address)
{
	struct stat stat;

	if (lstat(address->sun_path, &stat) < 0)
		return errno == ENOENT ?
			       0 :
			       fb_fail(errno, "%s: %s", address->sun_path, strerror(errno));
	if (!S_ISSOCK(stat.st_mode))
		return fb_fail(EEXIST, "%s exists and is not a socket", address->sun_path);
	if (is_alive(address))
		return fb_fail(EADDRINUSE, "%s is in use: another program listens there",
			       address->sun_path);
	return 0;
}

static int set_address(const char *path, struct sockaddr_un *ret_address)
{
	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!path || !*path)
		return fb_fail(EINVAL, "a socket needs a path");
	if (strlen(path) >= sizeof(ret_address->sun_path))
		return fb_fail(ENAMETOOLONG, "%s: the path of a socket has at most %zu bytes", path,
			       sizeof(ret_address->sun_path) - 1);
	strcpy(ret_address->sun_path, path);
	return 0;
}

/* A name in the same folder, for the time before it listens. */
static int temporary_address(const struct sockaddr_un *address, struct sockaddr_un *ret_address)
{
	const char *slash = strrchr(address->sun_path, '/');
	int folder = slash ? (int)(slash - address->sun_path) + 1 : 0;
	int n;

	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(ret_address->sun_path, sizeof(ret_address->sun_path), "%.*s.fb%x", folder,
		     address->sun_path, (unsigned)getpid());
	if (n < 0 || (size_t)n >= sizeof(ret_address->sun_path))
		return fb_fail(ENAMETOOLONG, "%s: the path of a socket is too long",
			       address->sun_path);
	return 0;
}

/* Bind, listen, and only then show the socket under its name: who sees it can connect. */
static int bind_and_show(int fd, const struct sockaddr_un *hidden, const struct sockaddr_un *shown,
			 gid_t group)
{
	mode_t mode = group == (gid_t)-1 ? 0600 : 0660;

	if (bind(fd, (const void *)hidden, sizeof(*hidden)) < 0)
		return fb_fail(errno, "%s: %s", shown->sun_path, strerror(errno));
	if ((group != (gid_t)-1 && lchown(hidden->sun_path, (uid_t)-1, group) < 0) ||
	    chmod(hidden->sun_path, mode) < 0 || listen(fd, BACKLOG) < 0 ||
	    rename(hidden->sun_path, shown->sun_path) < 0) {
		int r = fb_fail(errno, "%s: %s", shown->sun_path, strerror(errno));

		unlink(hidden->sun_path);
		return r;
	}
	return 0;
}

int fb_virtio_fs_listen(const char *path, gid_t group, int *ret_fd)
{
	struct sockaddr_un shown, hidden;
	FB_SCOPED_FD fd = -1;
	int r;

	if (!ret_fd)
		return fb_fail(EINVAL, "no place for the socket");
	r = set_address(path, &shown);
	if (r == 0)
		r = temporary_address(&shown, &hidden);
	if (r == 0)
		r = check_place(&shown);
	if (r < 0)
		return r;
	fd = fb_fd_raise(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	if (fd < 0)
		return fb_fail(errno, "a socket: %s", strerror(errno));
	unlink(hidden.sun_path);
	/* Until its mode is set nobody else may connect. */
	if (fchmod(fd, 0600) < 0)
		return fb_fail(errno, "a socket: %s", strerror(errno));
	r = bind_and_show(fd, &hidden, &shown, group);
	if (r == 0)
		*ret_fd = fb_fd_steal(&fd);
	return r;
}

int fb_virtio_fs_accept(int listen_fd, int *ret_fd)
{
	struct sockaddr_un peer;
	socklen_t size;
	int fd;

	if (!ret_fd)
		return fb_fail(EINVAL, "no place for the connection");
	do {
		size = sizeof(peer);
		fd = accept4(listen_fd, (void *)&peer, &size, SOCK_CLOEXEC);
	} while (fd < 0 && errno == ECONNABORTED);
	if (fd < 0)
		return fb_fail(errno, "waiting for a front end: %s", strerror(errno));
	*ret_fd = fb_fd_raise(fd);
	return 0;
}
