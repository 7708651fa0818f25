/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/channel.h"

#include <errno.h>
#include <stdlib.h>

#include "core/offload.h"
#include "core/transport.h"
#include "protocol/op_row.h"

int fb_channel_init(struct fb_channel *channel, struct fb_transport *transport, unsigned index,
		    size_t buffer_size)
{
	struct fb_op_stats *stats = calloc(2 * (size_t)FB_OP_ROW_COUNT, sizeof(*stats));

	if (!stats)
		return -ENOMEM;
	channel->transport = transport;
	channel->session = transport->session;
	channel->index = index;
	channel->stats = stats;
	channel->shared = stats + FB_OP_ROW_COUNT;
	channel->begun = 0;
	channel->ended = 0;
	fb_offload_expect(channel);
	fb_pool_init(&channel->pool, channel, buffer_size);
	return 0;
}

void fb_channel_fini(struct fb_channel *channel)
{
	fb_pool_fini(&channel->pool);
	free(channel->stats);
	channel->stats = channel->shared = NULL;
}
