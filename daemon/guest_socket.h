/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the monitor of a virtual machine connects.
 */
#ifndef FBFSD_GUEST_SOCKET_H
#define FBFSD_GUEST_SOCKET_H

#include "options.h"

struct guest_socket {
	int listen_fd;    /* -1: none */
	int connected_fd; /* a connection that was handed over; -1: none, or taken */
	char *path;       /* of a socket that we made; removed at the end */
};

/*
 * Make the socket that options ask for, or take the one that was handed over. Returns 0, or -errno
 * with a sentence. Call guest_socket_close() either way.
 */
int guest_socket_open(struct guest_socket *socket, const struct options *options) FB_MUST_CHECK;

/*
 * Wait for a connection on which something is said; stop_fd becomes readable when that is to end.
 * Returns 1 and the connection, 0 when it is to end, or -errno with a sentence.
 */
int guest_socket_accept(struct guest_socket *socket, int stop_fd, int *ret_fd) FB_MUST_CHECK;

/* Let go of it; remove says whether the socket's name goes too. */
void guest_socket_close(struct guest_socket *socket, bool remove);

#endif
