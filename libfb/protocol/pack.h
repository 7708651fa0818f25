/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between the structs of <libfb/types.h> and those of the wire. Packing writes every byte of the
 * wire struct, padding included, so that nothing of the server's memory goes to the peer.
 */
#ifndef FB_PROTOCOL_PACK_H
#define FB_PROTOCOL_PACK_H

#include <libfb/types.h>
#include <stdint.h>

#include "protocol/wire.h"

/*
 * Seconds before 1970 become two's complement; nanoseconds from 1,000,000,000 on become 999,999,999,
 * as Linux makes of them. Timeouts of UINT64_MAX ns last for 584 years.
 */
void fb_pack_attr(const struct fb_attr *attr, struct fb_wire_attr *ret_out);
void fb_pack_attr_reply(const struct fb_attr_reply *reply, struct fb_wire_attr_out *ret_out);
void fb_pack_entry(const struct fb_entry *entry, struct fb_wire_entry_out *ret_out);
void fb_pack_statx(const struct fb_statx *statx, struct fb_wire_statx_out *ret_out);
void fb_pack_statfs(const struct fb_statfs *statfs, struct fb_wire_statfs_out *ret_out);
void fb_pack_lock(const struct fb_lock *lock, struct fb_wire_file_lock *ret_out);

/* backing_id: 0 without a backing file that the kernel knows. */
void fb_pack_open(const struct fb_open *open, int32_t backing_id, struct fb_wire_open_out *ret_out);

/* The way back, for requests and their locks. */
void fb_unpack_setattr(const struct fb_wire_setattr_in *in, struct fb_setattr *ret_set);
void fb_unpack_lock(const struct fb_wire_file_lock *in, struct fb_lock *ret_lock);

#endif
