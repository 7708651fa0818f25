/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel: what one worker reads from and answers to. Transports embed it as the first member of
 * their own struct.
 */
#ifndef FB_CORE_CHANNEL_H
#define FB_CORE_CHANNEL_H

#include <stdint.h>

#include "core/pool.h"
#include "core/stats.h"
#include "protocol/op_row.h"

struct fb_session;
struct fb_transport;

struct fb_channel {
	struct fb_transport *transport;
	struct fb_session *session;
	unsigned index;
	struct fb_pool pool;
	struct fb_op_stats *stats;  /* one a row of the opcode table, written by the worker */
	struct fb_op_stats *shared; /* the same, written by whoever completes a request */
	/* Mean time in the driver, a class of requests each: core/offload.h. */
	_Atomic uint32_t service_ns[2 * FB_OP_ROW_COUNT];
	/* Requests begun and ended, written by the worker: who looks sees whether it is stuck. */
	_Atomic uint64_t begun, ended;
};

/* Set up; each request gets buffer_size bytes of page-aligned memory. Returns 0 or -ENOMEM. */
int fb_channel_init(struct fb_channel *channel, struct fb_transport *transport, unsigned index,
		    size_t buffer_size);
void fb_channel_fini(struct fb_channel *channel);

#endif
