/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any greeting, and a driver with any wishes: what is granted was offered and may be granted, and
 * sizes are sane.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "core/session.h"
#include "protocol/init_flags.h"
#include "rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WITH_PERMISSIONS 0x01
#define WITH_BACKING 0x02
#define WITHOUT_READDIRPLUS 0x04
#define WITHOUT_INIT 0x08
#define WITHOUT_NOTIFY 0x10
#define STATELESS 0x20
#define REFUSES 0x40

/* The input: session and driver, then the body of INIT. */
struct input {
	uint64_t want, avoid;   /* of the options */
	uint64_t driver_wanted; /* of the driver */
	uint32_t option_max_write;
	uint32_t driver_max_write, driver_readahead, driver_gran, driver_depth, driver_minor;
	uint16_t timeout_s, background;
	uint32_t flags;
};

static struct input input;

static void change(struct fb_conn *conn)
{
	conn->wanted = input.driver_wanted;
	conn->max_write = input.driver_max_write;
	conn->max_readahead = input.driver_readahead;
	conn->time_gran_ns = input.driver_gran;
	conn->max_stack_depth = input.driver_depth;
	conn->minor = input.driver_minor;
	conn->page_size = input.driver_minor;
	conn->offered = ~UINT64_C(0);
	conn->stateless_open = conn->stateless_opendir = input.flags & STATELESS;
}

static int backing_open(struct fb_transport *transport, int fd)
{
	(void)transport;
	(void)fd;
	return -EPERM;
}

static struct rig *start(struct fb_transport_ops *ops)
{
	struct rig *rig = rig_new();
	struct fb_transport *transport;

	rig->mock.conn_change = change;
	if (input.flags & WITHOUT_READDIRPLUS)
		mock_leave_out(&rig->mock, MOCK_readdirplus);
	if (input.flags & WITHOUT_INIT)
		mock_leave_out(&rig->mock, MOCK_init);
	if (input.flags & REFUSES)
		mock_force(&rig->mock, MOCK_init, -EACCES);
	rig->options.want = input.want & ~input.avoid;
	rig->options.avoid = input.avoid;
	rig->options.max_write = input.option_max_write % ((256u << 20) + 1);
	rig->options.request_timeout_s = input.timeout_s;
	rig->options.max_background = input.background;
	rig->loop_options.no_init = true;
	CHECK(rig_connect(rig) == 0);
	transport = rig->session->transport;
	*ops = *transport->ops;
	ops->features = ~UINT64_C(0);
	ops->backing_open = input.flags & WITH_BACKING ? backing_open : NULL;
	if (input.flags & WITHOUT_NOTIFY)
		ops->notify = NULL;
	transport->ops = ops;
	transport->default_permissions = input.flags & WITH_PERMISSIONS;
	return rig;
}

static void check_flags(const struct rig *rig, const struct fb_wire_init_in *in,
			const struct fb_wire_init_out *out)
{
	uint64_t offered = in->flags, granted = out->flags | (uint64_t)out->flags2 << 32;

	if (in->flags & FB_INIT_INIT_EXT)
		offered |= (uint64_t)in->flags2 << 32;
	CHECK((granted & ~offered) == 0);
	CHECK((granted & input.avoid) == 0);
	CHECK((granted >> 32 != 0) == !!(granted & FB_INIT_INIT_EXT));
	for (unsigned bit = 0; bit < 64; bit++) {
		const struct fb_init_flag *flag = fb_init_flag_find(bit);

		if (!(granted & FB_INIT_BIT(bit)))
			continue;
		CHECK(flag && flag->party != FB_INIT_NEVER);
		CHECK(flag->since <= out->minor);
		CHECK((flag->needs & ~granted) == 0);
		CHECK((flag->beats & granted) == 0);
	}
	if (granted & FB_INIT_ALLOW_IDMAP)
		CHECK((input.flags & WITH_PERMISSIONS) || (granted & FB_INIT_POSIX_ACL));
	if (granted & FB_INIT_PASSTHROUGH)
		CHECK(input.flags & WITH_BACKING);
	if (granted & (FB_INIT_DO_READDIRPLUS | FB_INIT_READDIRPLUS_AUTO))
		CHECK(rig->mock.ops.readdirplus);
	CHECK(out->max_stack_depth <= 2);
	CHECK((out->max_stack_depth > 0) == !!(granted & FB_INIT_PASSTHROUGH));
	CHECK((out->request_timeout > 0) == !!(granted & FB_INIT_REQUEST_TIMEOUT));
	CHECK((out->max_pages > 0) == !!(granted & FB_INIT_MAX_PAGES));
	CHECK(rig->session->granted == granted);
}

static void check_sizes(struct rig *rig, const struct fb_wire_init_in *in,
			const struct fb_wire_init_out *out)
{
	uint32_t pages = out->max_pages ? out->max_pages : 32;
	const uint16_t zeros[11] = { 0 };
	struct fb_conn conn = { .size = sizeof(conn) };

	CHECK(out->major == 7 && out->minor >= 27 && out->minor <= 45 && out->minor <= in->minor);
	CHECK(out->max_write >= 4096 && out->max_write <= rig->session->options.max_write);
	CHECK(out->max_write <= (uint64_t)pages * 4096);
	CHECK((uint64_t)out->max_pages * 4096 <= rig->session->transport->max_room);
	CHECK(out->max_readahead <= in->max_readahead);
	CHECK(out->time_gran >= 1 && out->time_gran <= 1000000000);
	CHECK(out->congestion_threshold <= out->max_background);
	CHECK(out->map_alignment == 0);
	CHECK(memcmp(out->unused, zeros, sizeof(zeros)) == 0);
	fb_session_conn(rig->session, &conn);
	CHECK(conn.minor == out->minor && conn.max_write == out->max_write);
	CHECK(conn.page_size == 4096);
	CHECK(!conn.stateless_open && !conn.stateless_opendir); /* the mock has both operations */
	CHECK(fb_session_wait_ready(rig->session, 0) == 0);
}

static void greet(struct rig *rig, const uint8_t *body, size_t size)
{
	struct client *c = &rig->client;
	struct fb_wire_init_in in = { 0 };
	struct fb_wire_init_out out;
	int r = client_call(c, FB_OP_INIT, 0, body, size, NULL, 0);

	memcpy(&in, body, size < sizeof(in) ? size : sizeof(in));
	if (size < 16) {
		CHECK(r == -EINVAL);
		return;
	}
	if (in.major < 7 || (in.major == 7 && in.minor < 27)) {
		CHECK(r == -EPROTO);
		return;
	}
	if (in.major == 7 && (input.flags & REFUSES) && rig->mock.ops.init) {
		CHECK(r == -EACCES && client_getattr(c, 1) == -EIO);
		return;
	}
	CHECK(r == 0 && client_body_size(c) == sizeof(out));
	memcpy(&out, client_body(c), sizeof(out));
	if (in.major > 7) {
		CHECK(out.major == 7 && out.flags == 0 && client_getattr(c, 1) == -EIO);
		return;
	}
	check_flags(rig, &in, &out);
	check_sizes(rig, &in, &out);
	CHECK(client_getattr(c, 1) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fb_transport_ops ops;
	struct rig *rig;

	if (size < sizeof(input) || size > sizeof(input) + 128)
		return 0;
	memcpy(&input, data, sizeof(input));
	rig = start(&ops);
	greet(rig, data + sizeof(input), size - sizeof(input));
	rig_end(rig);
	return 0;
}
