/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rows of the message table as data.
 */
#ifndef FB_TRANSPORT_VHOST_ROW_H
#define FB_TRANSPORT_VHOST_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/vhost_messages.h"

/* How a message names a ring. */
enum fb_vhost_ring { FB_VHOST_RING_NONE, FB_VHOST_RING_STATE, FB_VHOST_RING_FD };

struct fb_vhost_row {
	const char *name;
	fb_vhost_handler *handle;
	size_t payload; /* bytes */
	bool more;      /* bytes may follow them */
	unsigned fds_least, fds_most;
	enum fb_vhost_ring ring;
	uint64_t feature; /* a bit of the protocol features; 0: none needed */
	size_t reply;     /* bytes of its own answer; 0: none */
	uint64_t refusal; /* how that begins when the message was refused */
};

/* Find the row of a message, or NULL. */
const struct fb_vhost_row *fb_vhost_row(uint32_t number);

#endif
