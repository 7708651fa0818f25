/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/vhost_user.h"

#include <errno.h>
#include <libfb/log.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/scope.h"
#include "transport/guest_memory.h"
#include "transport/vhost_socket.h"
#include "transport/vhost_row.h"

/* ---- one message ------------------------------------------------------------------------------ */

/* What the table says about the ring that the message names. */
static int check_ring(const struct fb_vhost_device *device, const struct fb_vhost_row *row,
		      const struct fb_vhost_message *message)
{
	uint64_t word = 0;
	uint32_t index;

	if (row->ring == FB_VHOST_RING_NONE)
		return 0;
	memcpy(&word, message->payload,
	       row->ring == FB_VHOST_RING_FD ? sizeof(word) : sizeof(index));
	index = (uint32_t)(row->ring == FB_VHOST_RING_FD ? word & FB_VHOST_RING_INDEX_MASK : word);
	if (index >= device->ring_count)
		return fb_fail(EINVAL, "%s: ring %u of %u (see --queues)", row->name, index,
			       device->ring_count);
	if (row->ring == FB_VHOST_RING_FD &&
	    !(word & FB_VHOST_RING_NO_FD) != (message->fd_count == 1))
		return fb_fail(EINVAL, "%s: the descriptor is %s", row->name,
			       message->fd_count ? "not announced" : "missing");
	return 0;
}

static int check(const struct fb_vhost_device *device, const struct fb_vhost_row *row,
		 const struct fb_vhost_message *message)
{
	uint32_t size = message->header.size;

	if (!row)
		return fb_fail(EOPNOTSUPP, "message %u is unknown", message->header.request);
	if (row->feature && !(device->protocol_features & row->feature))
		return fb_fail(EOPNOTSUPP, "%s was not negotiated", row->name);
	if (size < row->payload || (size > row->payload && !row->more))
		return fb_fail(EINVAL, "%s: %u bytes instead of %zu", row->name, size,
			       row->payload);
	if (message->fd_count < row->fds_least || message->fd_count > row->fds_most)
		return fb_fail(EINVAL, "%s: %u descriptors", row->name, message->fd_count);
	return check_ring(device, row, message);
}

static void acknowledge(struct fb_vhost_message *message, int result)
{
	const struct fb_wire_vhost_u64 out = { result < 0 };

	memcpy(message->reply, &out, sizeof(out));
	message->reply_size = sizeof(out);
}

/* Answer as the message wants: its own answer, an acknowledgement, or nothing. */
static int finish(struct fb_vhost_device *device, const struct fb_vhost_row *row,
		  struct fb_vhost_message *message, int result)
{
	bool ack = (message->header.flags & FB_VHOST_NEED_REPLY) &&
		   (device->protocol_features & (UINT64_C(1) << FB_VHOST_REPLY_ACK));

	if (result < 0)
		fb_log(FB_LOG_WARNING, "the front end: %s", fb_last_error());
	if (message->reply_size == 0 && row && row->reply > 0) {
		memset(message->reply, 0, row->reply); /* it waits for this one */
		memcpy(message->reply, &row->refusal, sizeof(row->refusal));
		message->reply_size = row->reply;
	}
	if (message->reply_size == 0 && !ack)
		return 0;
	if (message->reply_size == 0)
		acknowledge(message, result);
	return fb_vhost_answer(device->socket, message, message->reply_size);
}

/* While a state is transferred nothing may change, and the front end knows that. */
static int handle(struct fb_vhost_device *device, const struct fb_vhost_row *row,
		  struct fb_vhost_message *message)
{
	if (row->reply == 0)
		fb_vhost_transfer_cancel(&device->transfer);
	return row->handle(device, message);
}

static int serve(struct fb_vhost_device *device)
{
	struct fb_vhost_message message;
	int r;

	while ((r = fb_vhost_receive(device->socket, &message)) == 1) {
		const struct fb_vhost_row *row = fb_vhost_row(message.header.request);
		int result = check(device, row, &message);

		if (result == 0)
			result = handle(device, row, &message);
		r = finish(device, row, &message, result);
		fb_vhost_message_end(&message);
		if (r < 0)
			return r;
	}
	fb_vhost_message_end(&message);
	return r;
}

int fb_vhost_serve(struct fb_vhost_device *device)
{
	int r = serve(device);

	fb_vhost_transfer_cancel(&device->transfer);
	return r;
}

/* ---- beginning and end ------------------------------------------------------------------------ */

static int init_rings(struct fb_vhost_device *device)
{
	device->rings = calloc(device->ring_count, sizeof(*device->rings));
	if (!device->rings)
		return -ENOMEM;
	for (unsigned i = 0; i < device->ring_count; i++)
		fb_ring_init(&device->rings[i], i,
			     i == FB_VHOST_HIPRIO && !device->one_crew ? &device->hiprio :
									 &device->requests,
			     &device->log);
	return 0;
}

int fb_vhost_init(struct fb_vhost_device *device)
{
	int r = fb_ready_init(&device->requests);

	if (r < 0)
		return r;
	r = fb_ready_init(&device->hiprio);
	if (r < 0) {
		fb_ready_fini(&device->requests);
		return r;
	}
	fb_dirty_log_init(&device->log);
	device->memory = fb_guest_memory_new();
	device->protocol_features = 0;
	device->backend_fd = -1;
	r = device->memory ? init_rings(device) : -ENOMEM;
	if (r == 0)
		return 0;
	fb_guest_memory_unref(device->memory);
	fb_dirty_log_fini(&device->log);
	fb_ready_fini(&device->hiprio);
	fb_ready_fini(&device->requests);
	return r;
}

void fb_vhost_fini(struct fb_vhost_device *device)
{
	for (unsigned i = 0; i < device->ring_count; i++)
		fb_ring_fini(&device->rings[i]);
	free(device->rings);
	fb_guest_memory_unref(device->memory);
	fb_dirty_log_fini(&device->log);
	fb_ready_fini(&device->hiprio);
	fb_ready_fini(&device->requests);
	fb_fd_drop(&device->backend_fd);
	fb_fd_drop(&device->socket);
}

void fb_vhost_after_fork(struct fb_vhost_device *device)
{
	fb_fd_drop(&device->backend_fd);
	fb_fd_drop(&device->socket);
}
