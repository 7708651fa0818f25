/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The orders in which front ends send their messages, as recorded from QEMU 7.2 and 10.0 and read
 * from the sources of cloud-hypervisor and crosvm.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "front_end.h"

/* What a monitor does its own way. */
struct style {
	uint64_t protocol; /* features that it asks for */
	bool owner_first;  /* SET_OWNER before all else */
	bool slots;        /* tells of memory by regions, if the device can */
	bool waits;        /* for nearly everything */
	bool waits_enable; /* for SET_VRING_ENABLE */
	bool asks_config;
	bool backend_waits; /* for SET_BACKEND_REQ_FD */
	bool resets;        /* RESET_DEVICE when the machine comes up */
};

#define BIT(name) (UINT64_C(1) << FB_VHOST_##name)
#define QEMU7_PROTOCOL                                                                             \
	(BIT(MQ) | BIT(LOG_SHMFD) | BIT(REPLY_ACK) | BIT(BACKEND_REQ) | BIT(BACKEND_SEND_FD) |     \
	 BIT(RESET_DEVICE) | BIT(CONFIGURE_MEM_SLOTS))

/*
 * The bits for the in-flight area (cloud-hypervisor) and shared memory (crosvm) are left out: they
 * change the order, and no device that is tested here has them.
 */
static const struct style styles[] = {
	[FRONT_END_QEMU7] = {
		.protocol = QEMU7_PROTOCOL,
		.slots = true,
		.backend_waits = true,
	},
	[FRONT_END_QEMU10] = {
		.protocol = QEMU7_PROTOCOL | BIT(DEVICE_STATE),
		.slots = true,
		.backend_waits = true,
		.waits_enable = true,
		.resets = true,
	},
	[FRONT_END_CLOUD_HYPERVISOR] = {
		.protocol = BIT(MQ) | BIT(LOG_SHMFD) | BIT(REPLY_ACK) | BIT(CONFIGURE_MEM_SLOTS) |
			    BIT(DEVICE_STATE),
		.owner_first = true,
		.waits = true,
		.waits_enable = true,
	},
	[FRONT_END_CROSVM] = {
		.protocol = BIT(MQ) | BIT(REPLY_ACK) | BIT(BACKEND_REQ) | BIT(CONFIG) |
			    BIT(DEVICE_STATE),
		.owner_first = true,
		.asks_config = true,
	},
};

static bool is_qemu(enum front_end_style style)
{
	return style == FRONT_END_QEMU7 || style == FRONT_END_QEMU10;
}

/* Do STEP for each ring until one fails; r must be there. */
#define FOR_RINGS(machine, i) for (unsigned i = 0; r == 0 && i < (machine)->ring_count; i++)
#define FOR_USED_RINGS(machine, i) FOR_RINGS(machine, i) if ((machine)->rings[i].used)

static int tell_u64(struct front_end *fe, bool waits, uint32_t request, uint64_t value)
{
	struct fb_wire_vhost_u64 payload = { value };

	return front_end_tell(fe, waits, request, &payload, sizeof(payload), NULL, 0);
}

/* ---- handshake ------------------------------------------------------------------------------- */

static int send_backend_fd(struct front_end *fe, const struct style *s)
{
	int pair[2];
	int r;

	if (!front_end_speaks(fe, FB_VHOST_BACKEND_REQ))
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	if (fe->backend_fd >= 0)
		close(fe->backend_fd);
	fe->backend_fd = pair[0];
	r = front_end_tell(fe, s->backend_waits, VHOST_SET_BACKEND_REQ_FD, NULL, 0, &pair[1], 1);
	close(pair[1]);
	return r;
}

/* The guest's driver reads the tag byte by byte, then the number of queues. */
static int read_config(struct front_end *fe)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < FB_VIRTIO_FS_TAG_MAX; i++)
		r = front_end_get_config(fe, i, &fe->config.tag[i], 1);
	if (r == 0)
		r = front_end_get_config(fe,
					 offsetof(struct fb_wire_virtio_fs_config, request_queues),
					 &fe->config.request_queues, sizeof(uint32_t));
	return r;
}

static int negotiate(struct front_end *fe, const struct style *s)
{
	int r = front_end_get_features(fe, &fe->offered);

	if (r < 0 || !(fe->offered & FB_VHOST_F_PROTOCOL_FEATURES))
		return r;
	r = front_end_get_protocol_features(fe, &fe->offered_protocol);
	if (r < 0)
		return r;
	/* Asking for an acknowledgement is legal from here on, not for this message yet. */
	r = tell_u64(fe, false, VHOST_SET_PROTOCOL_FEATURES, fe->offered_protocol & s->protocol);
	fe->protocol = fe->offered_protocol & s->protocol;
	return r;
}

static int ask_limits(struct front_end *fe, const struct style *s)
{
	int r = 0;

	if (front_end_speaks(fe, FB_VHOST_MQ))
		r = front_end_get_queue_num(fe, &fe->queue_num);
	if (r == 0 && s->slots && front_end_speaks(fe, FB_VHOST_CONFIGURE_MEM_SLOTS))
		r = front_end_get_max_mem_slots(fe, &fe->max_slots);
	return r;
}

/* What only QEMU does, after the limits are known. */
static int finish_qemu(struct front_end *fe, const struct style *s,
		       const struct front_end_machine *machine)
{
	int r = send_backend_fd(fe, s);

	if (r == 0)
		r = front_end_tell(fe, false, VHOST_SET_OWNER, NULL, 0, NULL, 0);
	if (r == 0)
		r = front_end_get_features(fe, &fe->offered);
	FOR_RINGS(machine, i)
	{
		r = front_end_tell_ring_fd(fe, false, VHOST_SET_VRING_CALL, i,
					   machine->rings[i].masked);
		if (r == 0)
			r = front_end_tell_ring_fd(fe, false, VHOST_SET_VRING_ERR, i,
						   machine->rings[i].err);
	}
	if (r == 0 && s->resets && front_end_speaks(fe, FB_VHOST_RESET_DEVICE))
		r = front_end_tell(fe, false, VHOST_RESET_DEVICE, NULL, 0, NULL, 0);
	return r;
}

int front_end_handshake(struct front_end *fe, enum front_end_style style,
			const struct front_end_machine *machine)
{
	const struct style *s = &styles[style];
	int r = 0;

	fe->protocol = 0;
	fe->features_sent = false;
	for (unsigned i = 0; i < GUEST_RAM_REGIONS_MAX; i++)
		fe->known[i] = false;
	if (s->owner_first)
		r = front_end_tell(fe, false, VHOST_SET_OWNER, NULL, 0, NULL, 0);
	if (r == 0)
		r = negotiate(fe, s);
	if (r == 0 && style == FRONT_END_CROSVM)
		r = send_backend_fd(fe, s);
	if (r == 0)
		r = ask_limits(fe, s);
	if (r == 0 && is_qemu(style))
		r = finish_qemu(fe, s, machine);
	if (r == 0 && s->asks_config && front_end_speaks(fe, FB_VHOST_CONFIG))
		r = read_config(fe);
	return r;
}

int front_end_rejoin(struct front_end *fe, uint64_t protocol)
{
	int r = front_end_tell(fe, false, VHOST_SET_OWNER, NULL, 0, NULL, 0);

	if (r == 0)
		r = front_end_get_features(fe, &fe->offered);
	if (r == 0)
		r = tell_u64(fe, false, VHOST_SET_PROTOCOL_FEATURES, protocol);
	fe->protocol = protocol;
	return r;
}

/* ---- start ----------------------------------------------------------------------------------- */

static int send_features(struct front_end *fe, const struct style *s, enum front_end_style style,
			 const struct front_end_machine *machine)
{
	uint64_t features = fe->offered & (machine->features | FB_VHOST_F_PROTOCOL_FEATURES);
	int r;

	if (style == FRONT_END_CROSVM && fe->features_sent && fe->features == features)
		return 0;
	r = tell_u64(fe, s->waits, VHOST_SET_FEATURES, features);
	fe->features = features;
	fe->features_sent = true;
	return r;
}

static int send_memory(struct front_end *fe, const struct style *s,
		       const struct front_end_machine *machine)
{
	const struct guest_ram *ram = machine->ram;
	int r = 0;

	if (!s->slots || !front_end_speaks(fe, FB_VHOST_CONFIGURE_MEM_SLOTS))
		return front_end_set_mem_table(fe, s->waits, ram);
	for (unsigned i = 0; r == 0 && i < ram->count; i++)
		if (ram->regions[i].fd >= 0 && !fe->known[i])
			r = front_end_add_region(fe, ram, i);
	return r;
}

static int send_calls(struct front_end *fe, const struct front_end_machine *machine, bool masked)
{
	int r = 0;

	FOR_RINGS(machine, i)
	{
		const struct front_end_ring *ring = &machine->rings[i];
		bool mask = masked || !ring->used;

		r = front_end_tell_ring_fd(fe, false, VHOST_SET_VRING_CALL, i,
					   mask ? ring->masked : ring->call);
	}
	return r;
}

/* Run these messages for a ring in their order; 0 ends. */
static int ring_messages(struct front_end *fe, bool waits, bool waits_enable,
			 const struct front_end_machine *machine, unsigned i, const uint32_t *order)
{
	const struct front_end_ring *ring = &machine->rings[i];
	int r = 0;

	for (; r == 0 && *order != 0; order++) {
		if (*order == VHOST_SET_VRING_ADDR)
			r = front_end_tell_ring_addr(fe, waits, i, 0, machine->ram, ring);
		else if (*order == VHOST_SET_VRING_NUM)
			r = front_end_tell_ring(fe, waits, *order, i, ring->num);
		else if (*order == VHOST_SET_VRING_BASE)
			r = front_end_tell_ring(fe, waits, *order, i, ring->base);
		else if (*order == VHOST_SET_VRING_ENABLE)
			r = front_end_tell_ring(fe, waits_enable, *order, i, 1);
		else if (*order == VHOST_SET_VRING_CALL)
			r = front_end_tell_ring_fd(fe, waits, *order, i, ring->call);
		else
			r = front_end_tell_ring_fd(fe, waits, *order, i, ring->kick);
	}
	return r;
}

int front_end_enable(struct front_end *fe, bool waits, const struct front_end_machine *machine,
		     bool enable)
{
	int r = 0;

	FOR_RINGS(machine, i)
	r = front_end_tell_ring(fe, waits, VHOST_SET_VRING_ENABLE, i, enable);
	return r;
}

static int start_qemu(struct front_end *fe, const struct style *s,
		      const struct front_end_machine *machine)
{
	static const uint32_t order[] = { VHOST_SET_VRING_NUM, VHOST_SET_VRING_BASE,
					  VHOST_SET_VRING_ADDR, VHOST_SET_VRING_KICK, 0 };
	int r = 0;

	FOR_USED_RINGS(machine, i)
	r = ring_messages(fe, false, false, machine, i, order);
	if (r == 0)
		r = front_end_enable(fe, s->waits_enable, machine, true);
	if (r == 0)
		r = send_calls(fe, machine, false);
	return r;
}

static int start_cloud_hypervisor(struct front_end *fe, const struct front_end_machine *machine)
{
	static const uint32_t order[] = { VHOST_SET_VRING_ADDR, VHOST_SET_VRING_BASE,
					  VHOST_SET_VRING_CALL, VHOST_SET_VRING_KICK, 0 };
	int r = 0;

	FOR_USED_RINGS(machine, i)
	r = front_end_tell_ring(fe, true, VHOST_SET_VRING_NUM, i, machine->rings[i].num);
	FOR_USED_RINGS(machine, i)
	r = ring_messages(fe, true, true, machine, i, order);
	FOR_USED_RINGS(machine, i)
	r = front_end_tell_ring(fe, true, VHOST_SET_VRING_ENABLE, i, 1);
	return r;
}

static int start_crosvm(struct front_end *fe, const struct front_end_machine *machine)
{
	static const uint32_t order[] = { VHOST_SET_VRING_NUM,
					  VHOST_SET_VRING_ADDR,
					  VHOST_SET_VRING_BASE,
					  VHOST_SET_VRING_CALL,
					  VHOST_SET_VRING_KICK,
					  VHOST_SET_VRING_ENABLE,
					  0 };
	int r = 0;

	FOR_USED_RINGS(machine, i)
	r = ring_messages(fe, false, false, machine, i, order);
	return r;
}

int front_end_start(struct front_end *fe, enum front_end_style style,
		    const struct front_end_machine *machine)
{
	const struct style *s = &styles[style];
	int r = 0;

	if (is_qemu(style))
		r = send_calls(fe, machine, true);
	if (r == 0)
		r = send_features(fe, s, style, machine);
	if (r == 0)
		r = send_memory(fe, s, machine);
	if (r == 0 && is_qemu(style))
		r = start_qemu(fe, s, machine);
	else if (r == 0 && style == FRONT_END_CLOUD_HYPERVISOR)
		r = start_cloud_hypervisor(fe, machine);
	else if (r == 0)
		r = start_crosvm(fe, machine);
	return r == 0 ? front_end_flush(fe) : r;
}

/* ---- stop ------------------------------------------------------------------------------------ */

int front_end_stop(struct front_end *fe, enum front_end_style style,
		   struct front_end_machine *machine)
{
	const struct style *s = &styles[style];
	int r = 0;

	if (is_qemu(style))
		r = front_end_enable(fe, s->waits_enable, machine, false);
	FOR_USED_RINGS(machine, i)
	{
		if (!is_qemu(style))
			r = front_end_tell_ring(fe, s->waits, VHOST_SET_VRING_ENABLE, i, 0);
		if (r == 0)
			r = front_end_get_vring_base(fe, i, &machine->rings[i].base);
	}
	if (r == 0 && is_qemu(style))
		r = send_calls(fe, machine, true);
	return r == 0 ? front_end_flush(fe) : r;
}
