/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctls of /dev/fuse. Include <sys/ioctl.h> where they are used: how such a number is put
 * together depends on the architecture, and the protocol itself needs none.
 */
#ifndef FB_PROTOCOL_WIRE_DEV_H
#define FB_PROTOCOL_WIRE_DEV_H

#include "protocol/wire.h"

struct fb_wire_backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};
FB_WIRE_IS(backing_map, 16);
FB_WIRE_AT(backing_map, fd, 0);
FB_WIRE_AT(backing_map, flags, 4);
FB_WIRE_AT(backing_map, padding, 8);

#define FB_DEV_IOC_MAGIC 229

/* Join a fresh descriptor to the connection of the one in the argument. */
#define FB_DEV_IOC_CLONE _IOR(FB_DEV_IOC_MAGIC, 0, uint32_t)
/* 7.40: register a backing file; returns its id, which the other one takes back. */
#define FB_DEV_IOC_BACKING_OPEN _IOW(FB_DEV_IOC_MAGIC, 1, struct fb_wire_backing_map)
#define FB_DEV_IOC_BACKING_CLOSE _IOW(FB_DEV_IOC_MAGIC, 2, uint32_t)
/* Linux 6.18: have mount(2) wait for the answer to INIT. */
#define FB_DEV_IOC_SYNC_INIT _IO(FB_DEV_IOC_MAGIC, 3)

#endif
