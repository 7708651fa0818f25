/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/init.h"

#include <errno.h>
#include <libfb/log.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/news.h"
#include "core/scope.h"
#include "core/session.h"
#include "protocol/init_flags.h"

/* What the core does itself, whoever the driver is: harmless for all and good for most. */
#define WANTED_ALWAYS                                                                              \
	(FB_INIT_ASYNC_READ | FB_INIT_BIG_WRITES | FB_INIT_ASYNC_DIO | FB_INIT_PARALLEL_DIROPS |   \
	 FB_INIT_MAX_PAGES | FB_INIT_AUTO_INVAL_DATA | FB_INIT_ABORT_ERROR |                       \
	 FB_INIT_HAS_IOCTL_DIR | FB_INIT_NO_EXPORT_SUPPORT | FB_INIT_HAS_EXPIRE_ONLY |             \
	 FB_INIT_HAS_RESEND | FB_INIT_SETXATTR_EXT | FB_INIT_DIRECT_IO_ALLOW_MMAP |                \
	 FB_INIT_NO_OPEN_SUPPORT | FB_INIT_NO_OPENDIR_SUPPORT)

/* Pages in one request when the client does not know FB_INIT_MAX_PAGES. */
#define PAGES_DEFAULT 32u
#define PAGES_MAX 65535u
/* A second. */
#define TIME_GRAN_MAX_NS 1000000000u

/* What suits most drivers that have these operations. */
static uint64_t wanted_by_default(const struct fb_session *session)
{
	uint64_t wanted = WANTED_ALWAYS | session->transport->features_wanted;

	if (session->ops.readdirplus)
		wanted |= FB_INIT_DO_READDIRPLUS | FB_INIT_READDIRPLUS_AUTO;
	if (session->ops.getlk && session->ops.setlk)
		wanted |= FB_INIT_POSIX_LOCKS;
	if (session->options.request_timeout_s > 0)
		wanted |= FB_INIT_REQUEST_TIMEOUT;
	return wanted;
}

static uint64_t offered_by(const struct fb_wire_init_in *in)
{
	uint64_t offered = in->flags;

	if (offered & FB_INIT_INIT_EXT)
		offered |= (uint64_t)in->flags2 << 32;
	return offered;
}

static struct fb_conn conn_offer(struct fb_session *session, const struct fb_wire_init_in *in)
{
	const struct fb_transport *transport = session->transport;
	uint64_t offered = offered_by(in) & transport->ops->features;

	if (!session->ops.readdirplus)
		offered &= ~(FB_INIT_DO_READDIRPLUS | FB_INIT_READDIRPLUS_AUTO);
	return (struct fb_conn){
		.size = sizeof(struct fb_conn),
		.minor = in->minor < FB_KERNEL_MINOR ? in->minor : FB_KERNEL_MINOR,
		.page_size = session->page_size,
		.offered = offered,
		.wanted = wanted_by_default(session) & offered,
		.max_write = session->options.max_write,
		.max_readahead = in->max_readahead,
		.time_gran_ns = 1,
		.max_stack_depth = 1,
		.default_permissions = transport->default_permissions,
		.notifications = transport->ops->notify != NULL,
	};
}

/* Features that sizes and operations of this session rule out. */
static uint64_t impossible(const struct fb_session *session, const struct fb_conn *conn)
{
	uint64_t out = session->options.avoid;

	if (session->options.request_timeout_s == 0)
		out |= FB_INIT_REQUEST_TIMEOUT;
	/* Writes that the core serves from a backing descriptor clear no set-id bits. */
	if (!session->ops.write)
		out |= FB_INIT_HANDLE_KILLPRIV | FB_INIT_HANDLE_KILLPRIV_V2;
	out |= FB_INIT_OVER_IO_URING & ~session->transport->features_wanted;
	if (conn->max_stack_depth < 1 || conn->max_stack_depth > 2 ||
	    !session->transport->ops->backing_open)
		out |= FB_INIT_PASSTHROUGH;
	return out;
}

/* without: features that are ruled out besides. */
static uint64_t settle(const struct fb_session *session, const struct fb_conn *conn,
		       uint64_t without)
{
	uint64_t wanted = conn->wanted | session->options.want;
	uint64_t possible = conn->offered & ~impossible(session, conn) & ~without;

	return fb_init_flags_settle(possible, wanted, conn->minor, conn->default_permissions);
}

/* Whole pages, as many as client and transport can take. */
static uint32_t pages_settle(const struct fb_session *session, const struct fb_conn *conn,
			     uint64_t granted)
{
	uint64_t room = session->transport->max_room / conn->page_size;
	uint64_t pages = (conn->max_write + conn->page_size - 1) / conn->page_size;
	uint64_t most = granted & FB_INIT_MAX_PAGES ? PAGES_MAX : PAGES_DEFAULT;

	if (pages > room)
		pages = room;
	if (pages > most)
		pages = most;
	return pages > 0 ? (uint32_t)pages : 1;
}

static void fill_out(const struct fb_session *session, const struct fb_conn *conn, uint32_t pages,
		     struct fb_wire_init_out *out)
{
	const struct fb_session_options *options = &session->options;

	*out = (struct fb_wire_init_out){
		.major = FB_KERNEL_VERSION,
		.minor = conn->minor,
		.max_readahead = conn->max_readahead,
		.flags = (uint32_t)conn->wanted,
		.flags2 = (uint32_t)(conn->wanted >> 32),
		.max_background = options->max_background,
		.congestion_threshold = (uint16_t)(options->max_background / 4 * 3),
		.max_write = conn->max_write,
		.time_gran = conn->time_gran_ns,
		.max_pages = (uint16_t)(conn->wanted & FB_INIT_MAX_PAGES ? pages : 0),
		.max_stack_depth = conn->wanted & FB_INIT_PASSTHROUGH ? conn->max_stack_depth : 0,
		.request_timeout =
			conn->wanted & FB_INIT_REQUEST_TIMEOUT ? options->request_timeout_s : 0,
	};
}

static int check_version(struct fb_session *session, const struct fb_wire_init_in *in)
{
	if (in->major < FB_KERNEL_VERSION ||
	    (in->major == FB_KERNEL_VERSION && in->minor < FB_KERNEL_MINOR_MIN)) {
		if (fb_is_news(&session->refused_greetings))
			fb_log(FB_LOG_ERR, "the client speaks FUSE %u.%u; 7.%u or newer is needed",
			       in->major, in->minor, FB_KERNEL_MINOR_MIN);
		return -EPROTO;
	}
	return 0;
}

/* What the driver may lower, not raise; and what the kernel would refuse. */
static void clamp(struct fb_session *session, const struct fb_conn *before, struct fb_conn *conn)
{
	conn->minor = before->minor;
	conn->page_size = before->page_size;
	conn->offered = before->offered;
	conn->default_permissions = before->default_permissions;
	if (conn->max_write > before->max_write || conn->max_write < conn->page_size)
		conn->max_write = before->max_write;
	if (conn->max_readahead > before->max_readahead)
		conn->max_readahead = before->max_readahead;
	if (conn->time_gran_ns < 1 || conn->time_gran_ns > TIME_GRAN_MAX_NS)
		conn->time_gran_ns = 1;
	/* An older client would hand the ENOSYS that says so to the application. */
	if (session->ops.open || !(before->offered & FB_INIT_NO_OPEN_SUPPORT))
		conn->stateless_open = false;
	if (session->ops.opendir || !(before->offered & FB_INIT_NO_OPENDIR_SUPPORT))
		conn->stateless_opendir = false;
}

/* Start the driver and settle with it what was offered. *ret_pages is for the answer. */
static int start_driver(struct fb_session *session, const struct fb_conn *before,
			struct fb_conn *ret_conn, uint32_t *ret_pages)
{
	struct fb_conn conn = *before;
	uint64_t without;
	uint32_t pages;
	int r = 0;

	if (session->ops.init)
		r = session->ops.init(session->self, session, &conn);
	if (r < 0) {
		if (fb_is_news(&session->refused_greetings))
			fb_log(FB_LOG_ERR, "the driver refuses the client: %s",
			       *fb_last_error() ? fb_last_error() : strerror(-r));
		return r;
	}
	clamp(session, before, &conn);
	conn.wanted = settle(session, &conn, 0);
	pages = pages_settle(session, &conn, conn.wanted);
	if (conn.max_write > pages * conn.page_size)
		conn.max_write = pages * conn.page_size;
	without = session->transport->ops->prepare ?
			  session->transport->ops->prepare(session->transport, &conn) :
			  0;
	if (without)
		conn.wanted = settle(session, &conn, without);
	*ret_conn = conn;
	*ret_pages = pages;
	return 0;
}

/* From now on that is what holds. */
static void agree(struct fb_session *session, const struct fb_conn *conn)
{
	atomic_store(&session->minor, conn->minor);
	atomic_store(&session->granted, conn->wanted);
	atomic_store(&session->max_write, conn->max_write);
	FB_SCOPED_LOCK(&session->phase_lock);
	session->conn = *conn;
	session->greeted = true;
}

static int start(struct fb_session *session, const struct fb_wire_init_in *in,
		 struct fb_wire_init_out *ret_out)
{
	struct fb_conn before = conn_offer(session, in), conn;
	uint32_t pages;
	int r = start_driver(session, &before, &conn, &pages);

	if (r < 0)
		return r;
	fill_out(session, &conn, pages, ret_out);
	agree(session, &conn);
	return 0;
}

int fb_init_greet(struct fb_session *session, const struct fb_channel *channel,
		  const struct fb_wire_init_in *in, struct fb_wire_init_out *ret_out)
{
	int phase = atomic_load(&session->phase);
	int r = check_version(session, in);

	if (in->major > FB_KERNEL_VERSION) {
		/* A newer peer reads our version and greets again with it. */
		*ret_out = (struct fb_wire_init_out){ .major = FB_KERNEL_VERSION,
						      .minor = FB_KERNEL_MINOR };
		return 0;
	}
	if (phase != FB_PHASE_NEW && !session->transport->greets_again) {
		fb_log(FB_LOG_ERR, "the client greeted twice");
		return -EINVAL;
	}
	if (r == 0 && phase == FB_PHASE_READY)
		fb_session_end(session, channel);
	if (r == 0)
		r = start(session, in, ret_out);
	fb_session_set_phase(session, r < 0 ? FB_PHASE_REFUSED : FB_PHASE_READY);
	return r;
}

/* ---- clients of another server --------------------------------------------------------------- */

static int fail_features(uint64_t missing)
{
	char names[256] = "";

	for (unsigned bit = 0; bit < 64; bit++) {
		const struct fb_init_flag *flag = fb_init_flag_find(bit);
		size_t used = strlen(names);

		if (missing & FB_INIT_BIT(bit))
			snprintf(names + used, sizeof(names) - used, " %s",
				 flag ? flag->name : "unknown");
	}
	return fb_fail(EOPNOTSUPP, "the client was granted what is not possible here:%s", names);
}

/* Whether what was settled here is what the client knows, and enough of it. */
static int check_agreed(const struct fb_init_agreed *was, const struct fb_conn *conn)
{
	if (was->granted & ~conn->wanted)
		return fail_features(was->granted & ~conn->wanted);
	if (was->max_write > conn->max_write || was->max_write < conn->page_size)
		return fb_fail(EOPNOTSUPP,
			       "the client writes up to %u bytes at a time; here it could be %u",
			       was->max_write, conn->max_write);
	if (was->stateless_open != conn->stateless_open ||
	    was->stateless_opendir != conn->stateless_opendir)
		return fb_fail(EOPNOTSUPP, "stateless opens are on for only one of the servers");
	if (was->default_permissions != conn->default_permissions)
		return fb_fail(EOPNOTSUPP, "who checks permissions differs between the servers");
	return 0;
}

int fb_init_resume(struct fb_session *session, const struct fb_init_agreed *was)
{
	/* It can do what it was granted; nothing else is going to be granted. */
	const struct fb_wire_init_in in = {
		.major = FB_KERNEL_VERSION,
		.minor = was->minor,
		.flags = (uint32_t)was->granted,
		.flags2 = (uint32_t)(was->granted >> 32),
	};
	struct fb_conn before, conn;
	uint32_t pages;
	int r;

	if (was->minor < FB_KERNEL_MINOR_MIN || was->minor > FB_KERNEL_MINOR)
		return fb_fail(EPROTO, "the client speaks FUSE 7.%u; 7.%u to 7.%u are known",
			       was->minor, FB_KERNEL_MINOR_MIN, FB_KERNEL_MINOR);
	before = conn_offer(session, &in);
	r = start_driver(session, &before, &conn, &pages);
	if (r < 0)
		return r;
	r = check_agreed(was, &conn);
	conn.max_write = was->max_write;
	if (was->time_gran_ns >= 1 && was->time_gran_ns <= TIME_GRAN_MAX_NS)
		conn.time_gran_ns = was->time_gran_ns;
	agree(session, &conn);
	return r;
}
