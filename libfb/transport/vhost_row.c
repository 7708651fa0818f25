/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/vhost_row.h"

#include "transport/vhost_wire.h"

#define MORE true
#define EXACT false
#define FDS(least, most) least, most
#define RING_NONE FB_VHOST_RING_NONE
#define RING_STATE FB_VHOST_RING_STATE
#define RING_FD FB_VHOST_RING_FD
#define BIT(feature) (UINT64_C(1) << FB_VHOST_##feature)
#define FEATURE_ALWAYS 0
#define FEATURE_MQ BIT(MQ)
#define FEATURE_LOG_SHMFD BIT(LOG_SHMFD)
#define FEATURE_BACKEND_REQ BIT(BACKEND_REQ)
#define FEATURE_CONFIG BIT(CONFIG)
#define FEATURE_RESET_DEVICE BIT(RESET_DEVICE)
#define FEATURE_CONFIGURE_MEM_SLOTS BIT(CONFIGURE_MEM_SLOTS)
#define FEATURE_DEVICE_STATE BIT(DEVICE_STATE)
#define REFUSAL_ACK 0
#define REFUSAL_u64 0
#define REFUSAL_log 0
#define REFUSAL_ring_state 0
#define REFUSAL_config 0
#define REFUSAL_result FB_VHOST_RESULT_FAILED

/* What has no bytes. */
struct fb_wire_vhost_none {
};
struct fb_wire_vhost_ACK {
};

static const struct fb_vhost_row rows[] = {
/* clang-format off */
#define FB_X(number, name, payload, more, fds, ring, feature, reply, handler)                      \
	[number] = { #name, fb_vhost_handle_##handler, sizeof(struct fb_wire_vhost_##payload),     \
		     more, fds, ring, FEATURE_##feature, sizeof(struct fb_wire_vhost_##reply),    \
		     REFUSAL_##reply },
	/* clang-format on */
	FB_VHOST_TABLE(FB_X)
#undef FB_X
};

const struct fb_vhost_row *fb_vhost_row(uint32_t number)
{
	if (number >= sizeof(rows) / sizeof(rows[0]) || !rows[number].name)
		return NULL;
	return &rows[number];
}
