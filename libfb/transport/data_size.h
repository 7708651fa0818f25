/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much data a request moves. So much that waking a thread on another processor takes no longer than
 * moving it is a piece: whoever moves pieces does not wait for each one, since it reads ahead or writes back.
 */
#ifndef FB_TRANSPORT_DATA_SIZE_H
#define FB_TRANSPORT_DATA_SIZE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/wire.h"

#define FB_DATA_PIECE 65536u

/* Bytes, by the request's fixed struct, which is there for READ and WRITE; 0 for all others. */
static inline uint32_t fb_data_size(uint32_t opcode, const void *fixed)
{
	const struct fb_wire_read_in *in = fixed;

	/* The size stands at the same place in both. */
	static_assert(offsetof(struct fb_wire_read_in, size) ==
			      offsetof(struct fb_wire_write_in, size),
		      "one struct does for both");
	return opcode == FB_OP_READ || opcode == FB_OP_WRITE ? in->size : 0;
}

#endif
