/* SPDX-License-Identifier: BSD-3-Clause */
#include <libfb/virtio_fs.h>

#include <endian.h>
#include <errno.h>
#include <libfb/log.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/channel.h"
#include "core/dispatch.h"
#include "core/interrupt.h"
#include "core/req.h"
#include "core/scope.h"
#include "core/session.h"
#include "core/sized.h"
#include "core/state.h"
#include "core/stats.h"
#include "core/thread.h"
#include "core/transport.h"
#include "protocol/init_flags.h"
#include "transport/vhost_user.h"
#include "transport/virtio_poll.h"
#include "transport/virtio_work.h"

#define REQUEST_QUEUES_DEFAULT 64u
/* Pieces of a chain besides its pages; and at least as many as Windows cuts a request into. */
#define PIECES_MORE 64u
#define PIECES_MIN (1024u + PIECES_MORE)
/* Chains that a worker takes from one ring while others may wait. */
#define TURN 64u
/* Requests that take longer than this are worth a second worker on their ring. */
#define SLOW_NS 50000u
/* What needs a kernel at the other end, or memory that is mapped into the guest. */
#define NOT_FEATURES                                                                               \
	(FB_INIT_PASSTHROUGH | FB_INIT_OVER_IO_URING | FB_INIT_RESERVED | FB_INIT_MAP_ALIGNMENT |  \
	 FB_INIT_HAS_INODE_DAX | FB_INIT_ABORT_ERROR)

struct virtio_channel {
	struct fb_channel channel;
	struct fb_ready *ready;
	struct fb_virtio_ring *ring; /* that this worker takes chains from; NULL: any */
	unsigned turn;               /* chains in a row */
	bool no_wait;                /* for an event loop, which waits itself */
	struct fb_virtio_poll poll;
};

struct virtio_fs {
	struct fb_transport transport;
	struct fb_vhost_device device;
	unsigned pieces_max; /* of a chain */
	bool may_poll;       /* there is another processor for the guest */
	pthread_t messages, hiprio;
	struct virtio_channel *hiprio_channel;
	bool shut; /* by the session's keeper, then by free() */
	_Atomic bool ended;
	_Atomic int result; /* of the connection */
};

/* The transport and the channel are the first members of ours. */
static struct virtio_fs *of_transport(struct fb_transport *transport)
{
	return (struct virtio_fs *)transport;
}

static struct virtio_channel *of_channel(struct fb_channel *channel)
{
	return (struct virtio_channel *)channel;
}

/* ---- workers --------------------------------------------------------------------------------- */

/* Have another worker take what waits in this ring, where requests take long enough to be worth it. */
static void call_help(struct fb_virtio_ring *ring)
{
	if (atomic_load_explicit(&ring->service_ns, memory_order_relaxed) < SLOW_NS ||
	    atomic_load_explicit(&ring->ready->idle, memory_order_relaxed) == 0)
		return;
	if (fb_ring_waits(ring))
		fb_ready_name(ring->ready, ring);
}

/* Find a ring to take from. Returns 1, or what receive() is to return. */
static int choose_ring(struct virtio_channel *channel)
{
	struct fb_virtio_ring *ring = channel->ring;
	int r;

	if (ring && channel->turn < TURN)
		return 1;
	/* After some time in one ring, those that wait for a worker have their turn. */
	r = fb_ready_next(channel->ready, !ring && !channel->no_wait, &channel->ring);
	if (!ring)
		fb_virtio_poll_woken(&channel->poll);
	if (r == 1 && ring && ring != channel->ring)
		fb_ready_name(channel->ready, ring);
	if (r == -EAGAIN && ring)
		r = 1;
	channel->turn = 0;
	return r;
}

static int virtio_receive(struct fb_channel *base, struct fb_req *req)
{
	struct virtio_fs *fs = of_transport(base->transport);
	struct virtio_channel *channel = of_channel(base);
	struct fb_virtio_work *work = fb_virtio_work_begin(req, fs->pieces_max);

	for (;;) {
		int r;

		if (atomic_load_explicit(&fs->ended, memory_order_relaxed))
			return atomic_load(&fs->result);
		r = choose_ring(channel);
		if (r == 0)
			return atomic_load(&fs->result);
		if (r < 0)
			return r;
		if (!channel->no_wait)
			fb_virtio_poll(&channel->poll, channel->ring);
		r = fb_ring_take(channel->ring, &work->ring, &work->chain);
		if (r == 0) {
			channel->ring = NULL;
			if (fs->may_poll && !channel->no_wait)
				fb_virtio_poll_asleep(&channel->poll);
			continue;
		}
		channel->turn++;
		/* A guest can have as many of these as it likes: look first whether to go on. */
		if (r < 0 || !fb_virtio_work_open(req, work))
			return -EINTR;
		call_help(channel->ring);
		return 1;
	}
}

/* Called by the session's keeper now and then while there is work: nothing waits for one worker. */
static unsigned virtio_tick(struct fb_transport *transport)
{
	struct fb_vhost_device *device = &of_transport(transport)->device;

	for (unsigned i = device->one_crew ? 0 : 1; i < device->ring_count; i++)
		if (fb_ring_is_stuck(&device->rings[i]))
			fb_ready_name(&device->requests, &device->rings[i]);
	return 0;
}

static int virtio_open_channel(struct fb_transport *transport, unsigned index,
			       struct fb_channel **ret_channel)
{
	struct virtio_fs *fs = of_transport(transport);
	struct virtio_channel *channel = calloc(1, sizeof(*channel));
	int r;

	if (!channel)
		return -ENOMEM;
	r = fb_channel_init(&channel->channel, transport, index,
			    fb_virtio_work_size(fs->pieces_max));
	if (r < 0) {
		free(channel);
		return r;
	}
	channel->ready = &fs->device.requests;
	*ret_channel = &channel->channel;
	return 0;
}

/* Nobody takes from the channel yet. */
static int virtio_ready_fd(struct fb_channel *base)
{
	struct virtio_channel *channel = of_channel(base);

	channel->no_wait = true;
	return channel->ready->epoll_fd;
}

/* Its worker goes: the ring must not wait for it. */
static void virtio_leave(struct fb_channel *base)
{
	struct virtio_channel *channel = of_channel(base);

	if (channel->ring)
		fb_ready_name(channel->ready, channel->ring);
	channel->ring = NULL;
}

static void virtio_close_channel(struct fb_channel *channel)
{
	fb_channel_fini(channel);
	free(channel);
}

/* ---- the two threads -------------------------------------------------------------------------- */

/* Ring 0 has a thread of its own: FORGETs must not wait behind requests that block. */
static void *hiprio_main(void *arg)
{
	struct virtio_fs *fs = arg;
	struct fb_channel *channel = &fs->hiprio_channel->channel;
	int r = 1;

	while (r == 1 || r == -EINTR) {
		struct fb_req *req;

		r = fb_channel_receive(channel, &req);
		if (r == 1)
			fb_channel_serve(channel, req);
	}
	return NULL;
}

static void end(struct virtio_fs *fs, int result)
{
	atomic_store(&fs->result, result);
	atomic_store(&fs->ended, true);
	fb_ready_end(&fs->device.requests);
	fb_ready_end(&fs->device.hiprio);
}

static void *messages_main(void *arg)
{
	struct virtio_fs *fs = arg;
	int r = fb_vhost_serve(&fs->device);

	/* A message that our own end has cut off is no mistake of the front end. */
	if (atomic_load(&fs->ended))
		return NULL;
	if (r < 0)
		fb_log(FB_LOG_ERR, "%s", fb_last_error());
	end(fs, r);
	return NULL;
}

/* The front end has reset the device, or given it to another driver of its guest. */
static void on_reset(void *arg)
{
	struct fb_session *session = arg;

	if (atomic_load(&session->phase) == FB_PHASE_READY)
		fb_session_end_outside(session);
}

static void on_hurry(void *arg)
{
	fb_interrupts_all(arg);
}

static void virtio_shut(struct fb_transport *transport)
{
	struct virtio_fs *fs = of_transport(transport);

	if (fs->shut)
		return;
	fs->shut = true;
	end(fs, atomic_load(&fs->result));
	shutdown(fs->device.socket, SHUT_RDWR);
	pthread_join(fs->messages, NULL);
	if (fs->hiprio_channel)
		pthread_join(fs->hiprio, NULL);
}

static void virtio_free(struct fb_transport *transport)
{
	struct virtio_fs *fs = of_transport(transport);

	virtio_shut(transport);
	fb_vhost_fini(&fs->device);
	free(fs);
}

static void virtio_after_fork(struct fb_transport *transport)
{
	struct virtio_fs *fs = of_transport(transport);

	fb_vhost_after_fork(&fs->device);
}

static const struct fb_transport_ops ops = {
	.features = FB_INIT_KNOWN & ~NOT_FEATURES,
	.open_channel = virtio_open_channel,
	.close_channel = virtio_close_channel,
	.receive = virtio_receive,
	.ready_fd = virtio_ready_fd,
	.leave = virtio_leave,
	.room = fb_virtio_work_room,
	.send = fb_virtio_work_send,
	.drop = fb_virtio_work_drop,
	.tick = virtio_tick,
	.shut = virtio_shut,
	.after_fork = virtio_after_fork,
	.free = virtio_free,
};

/* ---- the beginning ---------------------------------------------------------------------------- */

/* Settle the device's configuration. */
static int configure(struct fb_vhost_device *device, const struct fb_virtio_fs_options *options)
{
	uint32_t queues =
		options->request_queues ? options->request_queues : REQUEST_QUEUES_DEFAULT;
	size_t length = options->tag ? strlen(options->tag) : 0;

	if (queues >= FB_VHOST_RINGS_MAX)
		return fb_fail(EINVAL, "%u request queues; at most %u are possible", queues,
			       FB_VHOST_RINGS_MAX - 1);
	if (options->tag && (length == 0 || length > FB_VIRTIO_FS_TAG_MAX))
		return fb_fail(EINVAL, "a tag has 1 to %d bytes, not %zu", FB_VIRTIO_FS_TAG_MAX,
			       length);
	if (length > 0 && strchr(options->tag, '\n'))
		return fb_fail(EINVAL, "Linux can not mount a tag with a new line in it");
	device->ring_count = 1 + queues;
	device->has_tag = length > 0;
	if (length > 0)
		memcpy(device->config.tag, options->tag, length);
	device->config.request_queues = htole32(queues);
	return 0;
}

static struct virtio_fs *make(const struct fb_session *session)
{
	struct virtio_fs *fs = calloc(1, sizeof(*fs));
	size_t room = fb_session_room(session);

	if (!fs)
		return NULL;
	fs->may_poll = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	fs->pieces_max = (unsigned)(room / session->page_size + PIECES_MORE);
	if (fs->pieces_max < PIECES_MIN)
		fs->pieces_max = PIECES_MIN;
	fs->transport = (struct fb_transport){
		.ops = &ops,
		.name = "virtio-fs",
		.max_room = room,
		/* Linux checks permissions by itself on virtio-fs (fs/fuse/virtio_fs.c). */
		.default_permissions = true,
		.threads = true,
		.greets_again = true,
	};
	return fs;
}

/* Start ring 0's thread. Returns 0 or -errno. */
static int start_hiprio(struct virtio_fs *fs, struct fb_session *session)
{
	struct fb_channel *channel;
	int r = fb_session_open_channel(session, &channel);

	if (r < 0)
		return r;
	of_channel(channel)->ready = &fs->device.hiprio;
	fs->hiprio_channel = of_channel(channel);
	r = fb_thread_start(&fs->hiprio, hiprio_main, fs);
	if (r < 0)
		fs->hiprio_channel = NULL;
	return r;
}

/* Start the threads; the transport is the session's already. */
static int start(struct virtio_fs *fs, struct fb_session *session)
{
	int r = 0;

	fb_thread_install_wake();
	/* Where the program has the threads, its driver is called in no others. */
	if (!fs->device.one_crew)
		r = start_hiprio(fs, session);
	if (r < 0)
		return r;
	r = fb_thread_start(&fs->messages, messages_main, fs);
	if (r < 0 && fs->hiprio_channel) {
		fb_ready_end(&fs->device.hiprio);
		pthread_join(fs->hiprio, NULL);
	}
	return r;
}

/* Undo what attach has done so far; the connection stays the caller's. */
static int give_up(struct virtio_fs *fs, struct fb_session *session, int r)
{
	fs->shut = true;
	fs->device.socket = -1;
	fb_session_detach(session);
	return fb_fail(-r, "the device can not be started: %s", strerror(-r));
}

/* Make the device for a connection and start it. fs is used up. */
static int attach(struct virtio_fs *fs, struct fb_session *session, int fd)
{
	int r;

	fs->device.socket = fd;
	fs->device.reset = on_reset;
	fs->device.hurry = on_hurry;
	fs->device.arg = session;
	fs->device.one_crew = session->options.own_threads;
	fs->device.state = fb_state_is_possible(session) ? session : NULL;
	r = fb_vhost_init(&fs->device);
	if (r < 0) {
		free(fs);
		return fb_fail(-r, "the device can not be made: %s", strerror(-r));
	}
	r = fb_session_attach(session, &fs->transport);
	if (r < 0) {
		fs->device.socket = -1;
		fb_vhost_fini(&fs->device);
		free(fs);
		return r;
	}
	r = start(fs, session);
	return r < 0 ? give_up(fs, session, r) : 0;
}

int fb_virtio_fs_attach(struct fb_session *session, int fd,
			const struct fb_virtio_fs_options *options)
{
	struct fb_virtio_fs_options known = { 0 };
	struct virtio_fs *fs;
	int r;

	if (!session || fd < 0)
		return fb_fail(EINVAL, "a session and a connection are needed");
	if (options && fb_sized_take(&known, sizeof(known), options, options->size) < 0)
		return fb_fail(EINVAL, "the options' size is not set");
	fs = make(session);
	if (!fs)
		return fb_fail(ENOMEM, "no memory for a device");
	r = configure(&fs->device, &known);
	if (r < 0) {
		free(fs);
		return r;
	}
	return attach(fs, session, fd);
}
