/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state of a session, as one server hands it over to another: this head, then the driver's
 * bytes. All numbers are little-endian.
 */
#ifndef FB_PROTOCOL_WIRE_STATE_H
#define FB_PROTOCOL_WIRE_STATE_H

#include "protocol/wire.h"

#define FB_STATE_MAGIC "libfb st"
#define FB_STATE_VERSION 1u

/* Flags of what was agreed. */
#define FB_STATE_STATELESS_OPEN 0x1u
#define FB_STATE_STATELESS_OPENDIR 0x2u
#define FB_STATE_DEFAULT_PERMISSIONS 0x4u
#define FB_STATE_FLAGS 0x7u

struct fb_wire_state {
	uint8_t magic[8];
	uint32_t version;
	uint32_t checksum; /* CRC-32 of all that follows */
	uint64_t size;     /* bytes, head and driver's together */
	uint64_t granted;  /* FB_INIT_* */
	uint32_t minor;    /* 0: the client has not greeted, and nothing more is said */
	uint32_t max_write;
	uint32_t time_gran_ns;
	uint32_t flags;
};
FB_WIRE_IS(state, 48);
FB_WIRE_AT(state, magic, 0);
FB_WIRE_AT(state, version, 8);
FB_WIRE_AT(state, checksum, 12);
FB_WIRE_AT(state, size, 16);
FB_WIRE_AT(state, granted, 24);
FB_WIRE_AT(state, minor, 32);
FB_WIRE_AT(state, max_write, 36);
FB_WIRE_AT(state, time_gran_ns, 40);
FB_WIRE_AT(state, flags, 44);

/* What the checksum covers begins behind it. */
#define FB_STATE_CHECKED offsetof(struct fb_wire_state, size)

#endif
