/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages on a vhost-user socket: a header of 12 bytes, which alone brings descriptors, and a
 * payload.
 */
#ifndef FB_TRANSPORT_VHOST_SOCKET_H
#define FB_TRANSPORT_VHOST_SOCKET_H

#include <libfb/types.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/vhost_wire.h"

/* One message; both payloads are aligned for every struct. */
struct fb_vhost_message {
	struct fb_wire_vhost_header header;
	_Alignas(8) uint8_t payload[FB_VHOST_PAYLOAD_MAX];
	int fds[FB_VHOST_FDS_MAX]; /* whoever keeps one takes it out with fb_fd_steal() */
	unsigned fd_count;

	_Alignas(8) uint8_t reply[sizeof(struct fb_wire_vhost_config) + FB_VHOST_CONFIG_MAX];
	size_t reply_size; /* of what the message's handler answers */
};

/*
 * Wait for a message. Returns 1; 0 at the end of the connection; -errno with a sentence in
 * fb_last_error() when it is broken: cut messages, other versions, payloads that are too long.
 */
int fb_vhost_receive(int socket, struct fb_vhost_message *message) FB_MUST_CHECK;

/*
 * Send the size bytes of message->reply as the answer to the message. Returns 0, also when the front
 * end has hung up meanwhile, or -errno.
 */
int fb_vhost_answer(int socket, const struct fb_vhost_message *message, size_t size) FB_MUST_CHECK;

/* Close the descriptors that nobody has taken. */
void fb_vhost_message_end(struct fb_vhost_message *message);

#endif
