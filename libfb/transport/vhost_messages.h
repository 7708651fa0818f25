/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What each message of a front end does to the device.
 *
 * A handler gets a message that its row of the table has been checked against. It returns 0 or
 * -errno with a sentence in fb_last_error(), and puts its own answer into the message.
 */
#ifndef FB_TRANSPORT_VHOST_MESSAGES_H
#define FB_TRANSPORT_VHOST_MESSAGES_H

#include "transport/vhost_table.h"

struct fb_vhost_device;
struct fb_vhost_message;

typedef int fb_vhost_handler(struct fb_vhost_device *device, struct fb_vhost_message *message);

#define FB_X(number, name, payload, more, fds, ring, feature, reply, handler)                      \
	fb_vhost_handler fb_vhost_handle_##handler;
FB_VHOST_TABLE(FB_X)
#undef FB_X

#endif
