/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/vhost_messages.h"

#include <assert.h>
#include <errno.h>
#include <libfb/log.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "core/scope.h"
#include "transport/guest_memory.h"
#include "transport/vhost_row.h"
#include "transport/vhost_socket.h"
#include "transport/vhost_user.h"

#define FEATURES                                                                                   \
	(FB_VIRTIO_F_VERSION_1 | FB_VIRTIO_F_INDIRECT_DESC | FB_VIRTIO_F_EVENT_IDX |               \
	 FB_VIRTIO_F_LOG_ALL | FB_VHOST_F_PROTOCOL_FEATURES)
#define BIT(feature) (UINT64_C(1) << FB_VHOST_##feature)
#define PROTOCOL_FEATURES                                                                          \
	(BIT(MQ) | BIT(LOG_SHMFD) | BIT(REPLY_ACK) | BIT(BACKEND_REQ) | BIT(BACKEND_SEND_FD) |     \
	 BIT(RESET_DEVICE) | BIT(CONFIGURE_MEM_SLOTS))

/* How long requests under way may take before they are asked to hurry, and how often then. */
#define PATIENCE_MS 100
#define HURRY_MS 10

/* ---- small things ---------------------------------------------------------------------------- */

static const void *payload(const struct fb_vhost_message *message)
{
	return message->payload;
}

static uint64_t payload_u64(const struct fb_vhost_message *message)
{
	const struct fb_wire_vhost_u64 *in = payload(message);

	return in->value;
}

static int answer(struct fb_vhost_message *message, const void *reply, size_t size)
{
	memcpy(message->reply, reply, size);
	message->reply_size = size;
	return 0;
}

static int answer_u64(struct fb_vhost_message *message, uint64_t value)
{
	const struct fb_wire_vhost_u64 out = { value };

	return answer(message, &out, sizeof(out));
}

/* The ring that the message names; the table's check has seen to it that there is one. */
static struct fb_virtio_ring *ring_of(struct fb_vhost_device *device,
				      const struct fb_vhost_message *message)
{
	uint32_t index;

	memcpy(&index, message->payload, sizeof(index));
	if (fb_vhost_row(message->header.request)->ring == FB_VHOST_RING_FD)
		index &= FB_VHOST_RING_INDEX_MASK;
	assert(index < device->ring_count);
	return &device->rings[index];
}

/* The message's only descriptor, which belongs to the caller then; -1: there is none. */
static int take_fd(struct fb_vhost_message *message)
{
	return message->fd_count > 0 ? fb_fd_steal(&message->fds[0]) : -1;
}

int fb_vhost_handle_refuse(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	(void)device;
	(void)message;
	return fb_fail(EOPNOTSUPP, "nothing can be set");
}

/* Wait until something has ended; those under way are hurried up after some time. */
static void wait_until(struct fb_vhost_device *device, bool (*over)(void *arg), void *arg)
{
	for (int ms = 0; !over(arg); ms++) {
		if (ms >= PATIENCE_MS && ms % HURRY_MS == 0)
			device->hurry(device->arg);
		poll(NULL, 0, 1);
	}
}

/* ---- features -------------------------------------------------------------------------------- */

static uint64_t protocol_features(const struct fb_vhost_device *device)
{
	return PROTOCOL_FEATURES | (device->has_tag ? BIT(CONFIG) : 0) |
	       (device->state ? BIT(DEVICE_STATE) : 0);
}

int fb_vhost_handle_get_features(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	(void)device;
	return answer_u64(message, FEATURES);
}

int fb_vhost_handle_set_features(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	uint64_t features = payload_u64(message);

	if (features & ~FEATURES)
		return fb_fail(EINVAL, "features %#llx were not offered",
			       (unsigned long long)(features & ~FEATURES));
	atomic_store(&device->log.on, (features & FB_VIRTIO_F_LOG_ALL) != 0);
	for (unsigned i = 0; i < device->ring_count; i++)
		fb_ring_set_features(&device->rings[i], features);
	return 0;
}

int fb_vhost_handle_get_protocol_features(struct fb_vhost_device *device,
					  struct fb_vhost_message *message)
{
	return answer_u64(message, protocol_features(device));
}

int fb_vhost_handle_set_protocol_features(struct fb_vhost_device *device,
					  struct fb_vhost_message *message)
{
	uint64_t features = payload_u64(message), unknown = features & ~protocol_features(device);

	if (unknown)
		return fb_fail(EINVAL, "protocol features %#llx were not offered",
			       (unsigned long long)unknown);
	device->protocol_features = features;
	return 0;
}

int fb_vhost_handle_get_queue_num(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	return answer_u64(message, device->ring_count);
}

int fb_vhost_handle_set_backend_req_fd(struct fb_vhost_device *device,
				       struct fb_vhost_message *message)
{
	if (device->backend_fd >= 0)
		close(device->backend_fd);
	device->backend_fd = take_fd(message);
	return 0;
}

int fb_vhost_handle_get_config(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	struct {
		struct fb_wire_vhost_config head;
		uint8_t bytes[FB_VHOST_CONFIG_MAX];
	} out = { .head = *(const struct fb_wire_vhost_config *)payload(message) };
	uint8_t all[FB_VHOST_CONFIG_MAX] = { 0 };
	uint32_t at = out.head.offset, size = out.head.size;

	if (at > sizeof(all) || size > sizeof(all) - at) {
		out.head.size = 0;
		return answer(message, &out, sizeof(out.head));
	}
	memcpy(all, &device->config, sizeof(device->config));
	memcpy(out.bytes, all + at, size);
	return answer(message, &out, sizeof(out.head) + size);
}

/* ---- the life of the device ------------------------------------------------------------------ */

static bool is_idle(void *arg)
{
	return fb_ring_under_way(arg) == 0;
}

/* Take nothing more from a ring and wait for what was taken. Returns where it stands. */
static uint16_t stop_ring(struct fb_vhost_device *device, struct fb_virtio_ring *ring)
{
	fb_ring_pause(ring);
	wait_until(device, is_idle, ring);
	return fb_ring_stop(ring);
}

/* All rings as they were at first, and nobody remembers what the guest did. */
static void reset_all(struct fb_vhost_device *device)
{
	for (unsigned i = 0; i < device->ring_count; i++)
		fb_ring_pause(&device->rings[i]);
	for (unsigned i = 0; i < device->ring_count; i++) {
		stop_ring(device, &device->rings[i]);
		fb_ring_forget(&device->rings[i]);
	}
	atomic_store(&device->log.on, false);
	device->reset(device->arg);
}

int fb_vhost_handle_reset_device(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	(void)message;
	reset_all(device);
	return 0;
}

struct change {
	struct fb_guest_memory *from, *to;
};

static bool is_changed(void *arg)
{
	const struct change *change = arg;

	return !fb_guest_memory_is_missed(change->from, change->to);
}

/* Go over to another table of memory; when this returns what is not in it any more is unmapped. */
static void use_memory(struct fb_vhost_device *device, struct fb_guest_memory *memory)
{
	struct change change = { device->memory, memory };

	device->memory = memory;
	for (unsigned i = 0; i < device->ring_count; i++)
		fb_ring_set_memory(&device->rings[i], memory);
	wait_until(device, is_changed, &change);
	fb_guest_memory_unref(change.from);
}

/* The first time it is a greeting, later the device has been taken out and put in again. */
int fb_vhost_handle_set_owner(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	struct fb_guest_memory *none = fb_guest_memory_new();

	(void)message;
	if (!none)
		return fb_fail(ENOMEM, "no memory for a table of memory regions");
	reset_all(device);
	use_memory(device, none);
	return fb_dirty_log_set(&device->log, NULL, -1);
}

int fb_vhost_handle_reset_owner(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	(void)message;
	for (unsigned i = 0; i < device->ring_count; i++)
		fb_ring_enable(&device->rings[i], false);
	return 0;
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Make *memory, which is the caller's, a table with one region more. */
static int add_region(struct fb_guest_memory **memory, const struct fb_wire_vhost_region *at,
		      int fd)
{
	struct fb_guest_memory *more;
	struct fb_guest_region *region;
	int r = fb_guest_region_map(at, fd, &region);

	if (r < 0)
		return r;
	r = fb_guest_memory_add(*memory, region, &more);
	fb_guest_region_unref(region);
	if (r < 0)
		return r;
	fb_guest_memory_unref(*memory);
	*memory = more;
	return 0;
}

int fb_vhost_handle_set_mem_table(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	const struct fb_wire_vhost_memory *head = payload(message);
	const struct fb_wire_vhost_region *regions = (const void *)(head + 1);
	struct fb_guest_memory *memory;
	int r = 0;

	if (head->count != message->fd_count ||
	    message->header.size != sizeof(*head) + head->count * sizeof(*regions))
		return fb_fail(EINVAL, "a table of %u memory regions in %u bytes with %u files",
			       head->count, message->header.size, message->fd_count);
	memory = fb_guest_memory_new();
	if (!memory)
		return fb_fail(ENOMEM, "no memory for a table of memory regions");
	for (uint32_t i = 0; i < head->count && r == 0; i++)
		r = add_region(&memory, &regions[i], message->fds[i]);
	if (r < 0)
		fb_guest_memory_unref(memory);
	else
		use_memory(device, memory);
	return r;
}

int fb_vhost_handle_get_max_mem_slots(struct fb_vhost_device *device,
				      struct fb_vhost_message *message)
{
	(void)device;
	return answer_u64(message, FB_GUEST_REGIONS_MAX);
}

int fb_vhost_handle_add_mem_reg(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	const struct fb_wire_vhost_slot *slot = payload(message);
	struct fb_guest_memory *memory = fb_guest_memory_ref(device->memory);
	int r = add_region(&memory, &slot->region, message->fds[0]);

	if (r < 0)
		fb_guest_memory_unref(memory);
	else
		use_memory(device, memory);
	return r;
}

int fb_vhost_handle_rem_mem_reg(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	const struct fb_wire_vhost_slot *slot = payload(message);
	struct fb_guest_memory *memory;
	int r = fb_guest_memory_remove(device->memory, &slot->region, &memory);

	if (r == 0)
		use_memory(device, memory);
	return r;
}

int fb_vhost_handle_set_log_base(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	const struct fb_wire_vhost_log *log = payload(message);
	int r = fb_dirty_log_set(&device->log, log, message->fds[0]);

	if (r < 0)
		fb_log(FB_LOG_WARNING, "SET_LOG_BASE: %s", fb_last_error());
	/* It is answered in any case, with what it said. */
	return answer(message, log, sizeof(*log));
}

int fb_vhost_handle_set_log_fd(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	(void)device;
	(void)message;
	return 0;
}

/* ---- rings ----------------------------------------------------------------------------------- */

int fb_vhost_handle_set_vring_num(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	const struct fb_wire_vhost_ring_state *in = payload(message);

	return fb_ring_set_num(ring_of(device, message), in->num);
}

int fb_vhost_handle_set_vring_addr(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	return fb_ring_set_addr(ring_of(device, message), payload(message));
}

int fb_vhost_handle_set_vring_base(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	const struct fb_wire_vhost_ring_state *in = payload(message);

	return fb_ring_set_base(ring_of(device, message), in->num);
}

int fb_vhost_handle_get_vring_base(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	struct fb_virtio_ring *ring = ring_of(device, message);
	const struct fb_wire_vhost_ring_state out = { ring->index, stop_ring(device, ring) };

	return answer(message, &out, sizeof(out));
}

int fb_vhost_handle_set_vring_kick(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	struct fb_virtio_ring *ring = ring_of(device, message);
	int fd = take_fd(message), r = fb_ring_set_kick(ring, fd);

	if (r < 0 && fd >= 0)
		close(fd);
	return r;
}

int fb_vhost_handle_set_vring_call(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	fb_ring_set_call(ring_of(device, message), take_fd(message));
	return 0;
}

int fb_vhost_handle_set_vring_err(struct fb_vhost_device *device, struct fb_vhost_message *message)
{
	fb_ring_set_err(ring_of(device, message), take_fd(message));
	return 0;
}

int fb_vhost_handle_set_vring_enable(struct fb_vhost_device *device,
				     struct fb_vhost_message *message)
{
	const struct fb_wire_vhost_ring_state *in = payload(message);

	fb_ring_enable(ring_of(device, message), in->num != 0);
	return 0;
}

/* ---- the state of the session ------------------------------------------------------------------ */

static bool is_stopped(const struct fb_vhost_device *device)
{
	for (unsigned i = 0; i < device->ring_count; i++)
		if (fb_ring_is_started(&device->rings[i]))
			return false;
	return true;
}

int fb_vhost_handle_set_device_state_fd(struct fb_vhost_device *device,
					struct fb_vhost_message *message)
{
	const struct fb_wire_vhost_state_fd *in = payload(message);
	struct fb_vhost_transfer what = {
		.session = device->state,
		.socket = device->socket,
		.load = in->direction == FB_VHOST_STATE_LOAD,
	};
	int r;

	if (in->direction != FB_VHOST_STATE_SAVE && in->direction != FB_VHOST_STATE_LOAD)
		return fb_fail(EINVAL, "a state can not go in direction %u", in->direction);
	if (in->phase != FB_VHOST_PHASE_STOPPED)
		return fb_fail(EOPNOTSUPP, "a state can not be transferred in phase %u", in->phase);
	if (!is_stopped(device))
		return fb_fail(EBUSY, "a state can not be transferred while a ring runs");
	what.fd = take_fd(message);
	r = fb_vhost_transfer_begin(&device->transfer, &what);
	return r < 0 ? r : answer_u64(message, FB_VHOST_RESULT_BEGUN);
}

int fb_vhost_handle_check_device_state(struct fb_vhost_device *device,
				       struct fb_vhost_message *message)
{
	int r = fb_vhost_transfer_check(&device->transfer);

	return r < 0 ? r : answer_u64(message, 0);
}
