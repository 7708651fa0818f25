/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What goes over a vhost-user socket, and the split virtqueue.
 *
 * Messages are in the byte order of the machine, rings and the device's configuration are
 * little-endian. Source: QEMU's docs/interop/vhost-user.rst; OASIS Virtual I/O Device specification.
 */
#ifndef FB_TRANSPORT_VHOST_WIRE_H
#define FB_TRANSPORT_VHOST_WIRE_H

#include <libfb/virtio_fs.h>
#include <stdint.h>

#include "protocol/wire.h"

/* Flags of a message. */
#define FB_VHOST_VERSION_MASK 0x3u
#define FB_VHOST_VERSION 0x1u
#define FB_VHOST_REPLY 0x4u
#define FB_VHOST_NEED_REPLY 0x8u

/* The longest payload that any front end sends; more is a broken connection. */
#define FB_VHOST_PAYLOAD_MAX 4096u
/* Descriptors that one message can carry. */
#define FB_VHOST_FDS_MAX 32u

/* Device features. */
#define FB_VIRTIO_F_LOG_ALL (UINT64_C(1) << 26)
#define FB_VIRTIO_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define FB_VIRTIO_F_EVENT_IDX (UINT64_C(1) << 29)
#define FB_VHOST_F_PROTOCOL_FEATURES (UINT64_C(1) << 30)
#define FB_VIRTIO_F_VERSION_1 (UINT64_C(1) << 32)

/* Protocol features: bit numbers. */
enum fb_vhost_feature {
	FB_VHOST_MQ = 0,
	FB_VHOST_LOG_SHMFD = 1,
	FB_VHOST_REPLY_ACK = 3,
	FB_VHOST_BACKEND_REQ = 5,
	FB_VHOST_CONFIG = 9,
	FB_VHOST_BACKEND_SEND_FD = 10,
	FB_VHOST_INFLIGHT_SHMFD = 12,
	FB_VHOST_RESET_DEVICE = 13,
	FB_VHOST_CONFIGURE_MEM_SLOTS = 15,
	FB_VHOST_STATUS = 16,
	FB_VHOST_DEVICE_STATE = 19,
};

struct fb_wire_vhost_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload */
};
FB_WIRE_IS(vhost_header, 12);
FB_WIRE_AT(vhost_header, request, 0);
FB_WIRE_AT(vhost_header, flags, 4);
FB_WIRE_AT(vhost_header, size, 8);

struct fb_wire_vhost_u64 {
	uint64_t value;
};
FB_WIRE_IS(vhost_u64, 8);
FB_WIRE_AT(vhost_u64, value, 0);

/* Of a message with a ring's descriptor. */
#define FB_VHOST_RING_INDEX_MASK 0xffu
#define FB_VHOST_RING_NO_FD 0x100u

struct fb_wire_vhost_ring_state {
	uint32_t index;
	uint32_t num;
};
FB_WIRE_IS(vhost_ring_state, 8);
FB_WIRE_AT(vhost_ring_state, index, 0);
FB_WIRE_AT(vhost_ring_state, num, 4);

#define FB_VHOST_RING_LOG 0x1u

struct fb_wire_vhost_ring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc; /* these three are addresses of the front end's own */
	uint64_t used;
	uint64_t avail;
	uint64_t log; /* of the guest's: where the used ring lies for the dirty log */
};
FB_WIRE_IS(vhost_ring_addr, 40);
FB_WIRE_AT(vhost_ring_addr, index, 0);
FB_WIRE_AT(vhost_ring_addr, flags, 4);
FB_WIRE_AT(vhost_ring_addr, desc, 8);
FB_WIRE_AT(vhost_ring_addr, used, 16);
FB_WIRE_AT(vhost_ring_addr, avail, 24);
FB_WIRE_AT(vhost_ring_addr, log, 32);

struct fb_wire_vhost_region {
	uint64_t guest; /* the guest's physical address */
	uint64_t size;
	uint64_t user;   /* the front end's address */
	uint64_t offset; /* in the file that comes along */
};
FB_WIRE_IS(vhost_region, 32);
FB_WIRE_AT(vhost_region, guest, 0);
FB_WIRE_AT(vhost_region, size, 8);
FB_WIRE_AT(vhost_region, user, 16);
FB_WIRE_AT(vhost_region, offset, 24);

/* SET_MEM_TABLE: count regions follow. */
struct fb_wire_vhost_memory {
	uint32_t count;
	uint32_t padding;
};
FB_WIRE_IS(vhost_memory, 8);
FB_WIRE_AT(vhost_memory, count, 0);
FB_WIRE_AT(vhost_memory, padding, 4);

/* ADD_MEM_REG, REM_MEM_REG. */
struct fb_wire_vhost_slot {
	uint64_t padding;
	struct fb_wire_vhost_region region;
};
FB_WIRE_IS(vhost_slot, 40);
FB_WIRE_AT(vhost_slot, padding, 0);
FB_WIRE_AT(vhost_slot, region, 8);

struct fb_wire_vhost_log {
	uint64_t size;
	uint64_t offset;
};
FB_WIRE_IS(vhost_log, 16);
FB_WIRE_AT(vhost_log, size, 0);
FB_WIRE_AT(vhost_log, offset, 8);

/* GET_CONFIG, SET_CONFIG: size bytes follow. */
struct fb_wire_vhost_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
};
FB_WIRE_IS(vhost_config, 12);
FB_WIRE_AT(vhost_config, offset, 0);
FB_WIRE_AT(vhost_config, size, 4);
FB_WIRE_AT(vhost_config, flags, 8);

/* The room of every device's configuration. */
#define FB_VHOST_CONFIG_MAX 256u

/* SET_DEVICE_STATE_FD. */
#define FB_VHOST_STATE_SAVE 0u
#define FB_VHOST_STATE_LOAD 1u
#define FB_VHOST_PHASE_STOPPED 0u

struct fb_wire_vhost_state_fd {
	uint32_t direction;
	uint32_t phase;
};
FB_WIRE_IS(vhost_state_fd, 8);
FB_WIRE_AT(vhost_state_fd, direction, 0);
FB_WIRE_AT(vhost_state_fd, phase, 4);

/*
 * The answer of SET_DEVICE_STATE_FD: the low 8 bits are an error, the next says that no descriptor
 * comes back. CHECK_DEVICE_STATE: 0 is good.
 */
#define FB_VHOST_RESULT_BEGUN 0x100u
#define FB_VHOST_RESULT_FAILED 0x101u

struct fb_wire_vhost_result {
	uint64_t value;
};
FB_WIRE_IS(vhost_result, 8);
FB_WIRE_AT(vhost_result, value, 0);

/* ---- the device ---------------------------------------------------------------------------- */

struct fb_wire_virtio_fs_config {
	uint8_t tag[FB_VIRTIO_FS_TAG_MAX]; /* padded with zeros, not terminated */
	uint32_t request_queues;
};
FB_WIRE_IS(virtio_fs_config, 40);
FB_WIRE_AT(virtio_fs_config, tag, 0);
FB_WIRE_AT(virtio_fs_config, request_queues, 36);

/* ---- the split virtqueue ------------------------------------------------------------------- */

#define FB_VRING_SIZE_MAX 32768u

#define FB_VRING_DESC_NEXT 0x1u
#define FB_VRING_DESC_WRITE 0x2u
#define FB_VRING_DESC_INDIRECT 0x4u

struct fb_wire_vring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};
FB_WIRE_IS(vring_desc, 16);
FB_WIRE_AT(vring_desc, addr, 0);
FB_WIRE_AT(vring_desc, len, 8);
FB_WIRE_AT(vring_desc, flags, 12);
FB_WIRE_AT(vring_desc, next, 14);

/*
 * The avail ring: flags, idx, one number for each entry, used_event; 2 bytes each. The used ring:
 * flags, idx (2 bytes each), one element for each entry, avail_event (2 bytes).
 */
#define FB_VRING_FLAGS 0u
#define FB_VRING_IDX 2u
#define FB_VRING_ENTRIES 4u
#define FB_VRING_AVAIL_NO_CALL 0x1u /* in the avail ring's flags */
#define FB_VRING_USED_NO_KICK 0x1u  /* in the used ring's flags */

struct fb_wire_vring_used {
	uint32_t id;
	uint32_t len;
};
FB_WIRE_IS(vring_used, 8);
FB_WIRE_AT(vring_used, id, 0);
FB_WIRE_AT(vring_used, len, 4);

#define FB_VRING_DESC_SIZE(num) ((size_t)(num) * sizeof(struct fb_wire_vring_desc))
#define FB_VRING_AVAIL_SIZE(num) (FB_VRING_ENTRIES + 2 * (size_t)(num) + 2)
#define FB_VRING_USED_SIZE(num)                                                                    \
	(FB_VRING_ENTRIES + (size_t)(num) * sizeof(struct fb_wire_vring_used) + 2)

#endif
