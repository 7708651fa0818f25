/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole guest: its life.
 */
#include "guest.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "guest_internal.h"

#define RAM_SIZE (UINT64_C(64) << 20)
#define RING_SIZE 128u

static void put_defaults(struct guest_options *options)
{
	if (options->queues == 0)
		options->queues = 1;
	if (options->set_up == 0 || options->set_up > options->queues)
		options->set_up = options->queues;
	if (options->ring_size == 0)
		options->ring_size = RING_SIZE;
	if (options->ram_size == 0)
		options->ram_size = RAM_SIZE;
	if (options->cut == 0)
		options->cut = 1;
	if (options->timeout_ms == 0)
		options->timeout_ms = FRONT_END_TIMEOUT_MS;
}

static uint64_t driver_features(const struct guest_options *options)
{
	uint64_t features = FB_VIRTIO_F_VERSION_1;

	if (!options->no_event_idx)
		features |= FB_VIRTIO_F_EVENT_IDX;
	if (!options->no_indirect)
		features |= FB_VIRTIO_F_INDIRECT_DESC;
	return features;
}

static void describe_queue(struct guest *guest, unsigned number)
{
	const struct guest_queue *queue = &guest->queues[number];

	guest->machine.rings[number] = (struct front_end_ring){
		.used = number <= guest->options.set_up,
		.num = queue->ring.size,
		.base = guest->options.base,
		.desc = queue->ring.desc_gpa,
		.avail = queue->ring.avail_gpa,
		.used_at = queue->ring.used_gpa,
		.kick = queue->ring.kick_fd,
		.call = queue->ring.call_fd,
		.masked = queue->masked_fd,
		.err = queue->err_fd,
	};
}

static int make_queues(struct guest *guest)
{
	const struct guest_options *options = &guest->options;
	enum guest_ring_indirect indirect = options->no_indirect ? GUEST_RING_DIRECT :
					    options->mixed       ? GUEST_RING_MIXED :
								   GUEST_RING_INDIRECT;

	for (unsigned i = 0; i < guest->queue_count; i++) {
		struct guest_queue *queue = &guest->queues[i];
		int r = guest_ring_init(&queue->ring, &guest->pool, options->ring_size,
					options->base, !options->no_event_idx, indirect);

		if (r < 0)
			return r;
		queue->ring.always_kick = options->always_kick;
		queue->masked_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		queue->err_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (queue->masked_fd < 0 || queue->err_fd < 0)
			return -errno;
		describe_queue(guest, i);
	}
	return 0;
}

static int connect_socket(struct guest *guest)
{
	const struct guest_options *options = &guest->options;
	int r = 0;

	if (options->path)
		r = front_end_connect(&guest->fe, options->path);
	else
		front_end_adopt(&guest->fe, options->fd);
	guest->fe.timeout_ms = options->timeout_ms;
	guest->fe.acks = options->acks;
	guest->fe.bytewise = options->bytewise;
	guest->fe.glue = options->glue;
	guest->fe.budget = options->messages > 0 ? options->messages : -1;
	return r;
}

static int build(struct guest *guest)
{
	int r = connect_socket(guest);

	if (r == 0)
		r = guest_ram_init(&guest->ram, guest->options.ram_size);
	if (r < 0)
		return r;
	guest->queues = calloc(guest->queue_count, sizeof(*guest->queues));
	guest->machine.rings = calloc(guest->queue_count, sizeof(*guest->machine.rings));
	if (!guest->queues || !guest->machine.rings)
		return -ENOMEM;
	for (unsigned i = 0; i < guest->queue_count; i++)
		guest->queues[i] = (struct guest_queue){ .masked_fd = -1, .err_fd = -1 };
	r = make_queues(guest);
	if (r == 0)
		r = front_end_handshake(&guest->fe, guest->options.style, &guest->machine);
	if (r == 0 && !guest->options.idle)
		r = guest_start(guest);
	return r;
}

int guest_new(const struct guest_options *options, struct guest **ret_guest)
{
	struct guest *guest = calloc(1, sizeof(*guest));
	int r;

	if (!guest)
		return -ENOMEM;
	guest->options = *options;
	put_defaults(&guest->options);
	guest->queue_count = 1 + guest->options.queues;
	guest->machine.ram = &guest->ram;
	guest->machine.ring_count = guest->queue_count;
	guest->machine.features = driver_features(&guest->options);
	guest->unique = 2;
	guest_pool_init(&guest->pool, &guest->ram);
	r = build(guest);
	if (r < 0)
		guest_free(guest);
	else
		*ret_guest = guest;
	return r;
}

void guest_free(struct guest *guest)
{
	if (!guest)
		return;
	front_end_close(&guest->fe);
	for (unsigned i = 0; guest->queues && i < guest->queue_count; i++) {
		guest_forget_requests(guest, i);
		guest_ring_fini(&guest->queues[i].ring);
		if (guest->queues[i].masked_fd >= 0)
			close(guest->queues[i].masked_fd);
		if (guest->queues[i].err_fd >= 0)
			close(guest->queues[i].err_fd);
	}
	guest_pool_fini(&guest->pool);
	guest_ram_fini(&guest->ram);
	free(guest->machine.rings);
	free(guest->queues);
	free(guest);
}

int guest_start(struct guest *guest)
{
	int r;

	/* cloud-hypervisor's base is what it finds in the guest's memory. */
	for (unsigned i = 0;
	     guest->options.style == FRONT_END_CLOUD_HYPERVISOR && i < guest->queue_count; i++)
		guest->machine.rings[i].base =
			guest_ring_load(guest->queues[i].ring.avail + FB_VRING_IDX);
	r = front_end_start(&guest->fe, guest->options.style, &guest->machine);
	guest->started = r == 0;
	return r;
}

int guest_stop(struct guest *guest)
{
	guest->started = false;
	return front_end_stop(&guest->fe, guest->options.style, &guest->machine);
}

void guest_reset_rings(struct guest *guest, uint16_t base)
{
	for (unsigned i = 0; i < guest->queue_count; i++) {
		guest_forget_requests(guest, i);
		guest_ring_reset(&guest->queues[i].ring, base);
		guest->machine.rings[i].base = base;
	}
}

int guest_reconnect(struct guest *guest, int fd)
{
	uint64_t protocol = guest->fe.protocol;
	int r;

	front_end_close(&guest->fe);
	if (fd >= 0) {
		guest->options.path = NULL;
		guest->options.fd = fd;
	}
	r = connect_socket(guest);
	if (r == 0)
		r = front_end_rejoin(&guest->fe, protocol);
	return r == 0 ? guest_start(guest) : r;
}

bool guest_ring_failed(struct guest *guest, unsigned queue)
{
	uint64_t count;

	return read(guest->queues[queue].err_fd, &count, sizeof(count)) == sizeof(count);
}
