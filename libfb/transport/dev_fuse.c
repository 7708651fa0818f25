/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/dev_fuse.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libfb/dev_fuse.h>
#include <libfb/log.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/channel.h"
#include "core/req.h"
#include "core/scope.h"
#include "core/session.h"
#include "core/sized.h"
#include "core/transport.h"
#include "protocol/init_flags.h"
#include "protocol/wire.h"
#include "protocol/wire_dev.h"
#include "transport/fuse_fd.h"
#include "transport/mount.h"
#include "transport/mount_options.h"
#include "transport/mountpoint.h"
#include "transport/pages_limit.h"
#include "transport/thread_caps.h"
#include "transport/unmount.h"

#define SOURCE_DEFAULT "libfb"
/* Pages in one request of a client that does not know FB_INIT_MAX_PAGES; covers SETXATTR too. */
#define PAGES_MIN 32
/* Headers and fixed struct of a WRITE. */
#define WRITE_HEAD (sizeof(struct fb_wire_in_header) + sizeof(struct fb_wire_write_in))
/* An ioctl's number has 14 bits for the size of its argument. */
#define IOCTL_MAX (1u << 14)
/* Offered by virtio-fs only, or needing another way to receive requests. */
#define NOT_FEATURES                                                                               \
	(FB_INIT_FILE_OPS | FB_INIT_MAP_ALIGNMENT | FB_INIT_SUBMOUNTS | FB_INIT_RESERVED |         \
	 FB_INIT_HAS_INODE_DAX | FB_INIT_OVER_IO_URING)

struct fuse_channel {
	struct fb_channel channel;
	struct fuse_channel *next;
	int fd;
	bool own_fd;
	bool no_wait; /* for an event loop, which waits itself */
};

struct dev_fuse {
	struct fb_transport transport;
	struct fb_mount mount;
	struct fb_dev_fuse_sizes sizes;
	pthread_mutex_t lock;
	struct fuse_channel *channels; /* under lock */
	/* Requests that bring dirty pages of the kernel's cache. */
	_Atomic uint64_t writeback_begun, writeback_ended;
	bool shut; /* by the session's keeper, then by free() */
};

/* The transport and the channel are the first members of ours. */
static struct dev_fuse *of_transport(struct fb_transport *transport)
{
	return (struct dev_fuse *)transport;
}

static struct fuse_channel *of_channel(struct fb_channel *channel)
{
	return (struct fuse_channel *)channel;
}

static size_t round_up(size_t size, size_t to)
{
	return (size + to - 1) / to * to;
}

struct fb_dev_fuse_sizes fb_dev_fuse_sizes(size_t page, uint32_t max_write, uint32_t pages_limit)
{
	struct fb_dev_fuse_sizes sizes = { .page = page, .lead = page - WRITE_HEAD };
	size_t pages = round_up(max_write, page) / page;

	if (pages > pages_limit)
		pages = pages_limit;
	if (pages < PAGES_MIN)
		pages = PAGES_MIN;
	sizes.room = pages * page;
	sizes.message = WRITE_HEAD + sizes.room;
	sizes.buffer = page + sizes.room + page + round_up(IOCTL_MAX, page);
	return sizes;
}

/* ---- channels ------------------------------------------------------------------------------ */

/* Channel 0 has the mounted descriptor itself; others fall back on it where none can be had. */
static void choose_fd(struct dev_fuse *fuse, struct fuse_channel *channel, unsigned index)
{
	int fd = index > 0 ? fb_fuse_fd_clone(fuse->mount.fd) : -1;

	channel->own_fd = fd >= 0;
	channel->fd = fd >= 0 ? fd : fuse->mount.fd;
	if (index > 0 && fd < 0)
		fb_log(FB_LOG_DEBUG, "worker %u shares a descriptor of /dev/fuse: %s", index,
		       strerror(-fd));
}

static int dev_fuse_open_channel(struct fb_transport *transport, unsigned index,
				 struct fb_channel **ret_channel)
{
	struct dev_fuse *fuse = of_transport(transport);
	struct fuse_channel *channel = calloc(1, sizeof(*channel));
	int r;

	if (!channel)
		return -ENOMEM;
	r = fb_channel_init(&channel->channel, transport, index, fuse->sizes.buffer);
	if (r < 0) {
		free(channel);
		return r;
	}
	choose_fd(fuse, channel, index);
	FB_SCOPED_LOCK(&fuse->lock);
	channel->next = fuse->channels;
	fuse->channels = channel;
	*ret_channel = &channel->channel;
	return 0;
}

/* Nobody reads from the channel yet. */
static int dev_fuse_ready_fd(struct fb_channel *base)
{
	struct dev_fuse *fuse = of_transport(base->transport);
	struct fuse_channel *channel = of_channel(base);
	int fd = channel->fd, r = 0;

	if (channel->own_fd)
		r = fb_fuse_fd_no_wait(fd);
	else
		r = fd = fb_fuse_fd_ready(fuse->mount.fd, fuse->mount.own);
	if (r < 0)
		return r;
	FB_SCOPED_LOCK(&fuse->lock);
	channel->own_fd = fd != fuse->mount.fd;
	channel->fd = fd;
	channel->no_wait = true;
	return fd;
}

static void dev_fuse_close_channel(struct fb_channel *base)
{
	struct dev_fuse *fuse = of_transport(base->transport);
	struct fuse_channel *channel = of_channel(base);
	struct fuse_channel **at;

	pthread_mutex_lock(&fuse->lock);
	for (at = &fuse->channels; *at != channel; at = &(*at)->next)
		assert(*at);
	*at = channel->next;
	pthread_mutex_unlock(&fuse->lock);
	if (channel->own_fd)
		close(channel->fd);
	fb_channel_fini(base);
	free(channel);
}

/* ---- requests ------------------------------------------------------------------------------ */

/* What an error of read(2) means. Returns 1 to try again, else what receive() is to return. */
static int read_failed(const struct fuse_channel *channel, int error)
{
	int r;

	switch (error) {
	case ENOENT: /* the request was withdrawn while it was copied */
		return 1;
	case EAGAIN:
		r = channel->no_wait ? -EAGAIN : fb_fuse_fd_wait(channel->fd);
		return r < 0 ? r : 1;
	case EINTR:
		return -EINTR;
	case ENODEV:       /* unmounted */
	case ECONNABORTED: /* aborted, with FB_INIT_ABORT_ERROR */
		return 0;
	case EPERM:
		return fb_fail(error, "the descriptor of /dev/fuse is not mounted");
	default:
		fb_log(FB_LOG_ERR, "reading a request from /dev/fuse: %s", strerror(error));
		return fb_fail(error, "reading a request from /dev/fuse: %s", strerror(error));
	}
}

/* Whether a request brings dirty pages of the kernel's cache. */
static bool is_writeback(const struct fb_req *req)
{
	const struct fb_wire_in_header *header = (const void *)req->message;
	const struct fb_wire_write_in *in = (const void *)(header + 1);

	return req->head_size >= WRITE_HEAD && header->opcode == FB_OP_WRITE &&
	       (in->write_flags & FB_WRITE_CACHE);
}

static int dev_fuse_receive(struct fb_channel *channel, struct fb_req *req)
{
	struct dev_fuse *fuse = of_transport(channel->transport);
	const struct fb_dev_fuse_sizes *sizes = &fuse->sizes;
	uint8_t *message = (uint8_t *)req->buffer + sizes->lead;
	const struct fuse_channel *own = of_channel(channel);
	ssize_t n = -1;
	int r = 1;

	while (n < 0 && r == 1) {
		n = read(own->fd, message, sizes->message);
		if (n < 0)
			r = read_failed(own, errno);
	}
	if (r != 1)
		return r;
	fb_req_set_message(req, message, (size_t)n, (size_t)n, NULL, 0);
	if (is_writeback(req))
		atomic_fetch_add(&fuse->writeback_begun, 1);
	return 1;
}

static int dev_fuse_room(struct fb_req *req, size_t head_size, size_t size, struct iovec **ret_iov)
{
	const struct fb_dev_fuse_sizes *sizes = &of_transport(req->channel->transport)->sizes;
	size_t start = round_up(sizes->lead + req->total_size, sizes->page);

	(void)head_size;
	assert(start <= sizes->buffer);
	if (size > sizes->buffer - start)
		size = sizes->buffer - start;
	req->room_iov = (struct iovec){ (uint8_t *)req->buffer + start, size };
	*ret_iov = &req->room_iov;
	return 1;
}

static void writeback_end(struct fb_req *req)
{
	if (is_writeback(req))
		atomic_fetch_add(&of_transport(req->channel->transport)->writeback_ended, 1);
}

static uint64_t answer_unique(const struct fb_answer *answer)
{
	const struct fb_wire_out_header *header = answer->head;

	return header->unique;
}

/*
 * The kernel takes an answer only through the descriptor that the request was read from; a request
 * that was sent again while its first copy was under way may have been read from any.
 */
static ssize_t send_elsewhere(struct dev_fuse *fuse, const struct iovec *iov, int count)
{
	ssize_t n = -1;

	FB_SCOPED_LOCK(&fuse->lock);
	errno = ENOENT;
	for (struct fuse_channel *c = fuse->channels; c && n < 0 && errno == ENOENT; c = c->next)
		n = writev(c->fd, iov, count);
	return n;
}

static int dev_fuse_send(struct fb_req *req, const struct fb_answer *answer)
{
	struct dev_fuse *fuse = of_transport(req->channel->transport);
	const struct fb_dev_fuse_sizes *sizes = &fuse->sizes;
	size_t start = round_up(sizes->lead + req->total_size, sizes->page);
	const void *body = answer->given ? answer->given : (uint8_t *)req->buffer + start;
	struct iovec iov[] = {
		{ (void *)(uintptr_t)answer->head, answer->head_size },
		{ (void *)(uintptr_t)body, answer->placed },
	};
	int r, count = answer->placed ? 2 : 1;
	ssize_t n;

	assert(answer->given || start + answer->placed <= sizes->buffer);
	/* The kernel takes an answer whole or not at all; a signal does not interrupt this. */
	n = writev(of_channel(req->channel)->fd, iov, count);
	if (n < 0 && errno == ENOENT && (answer_unique(answer) & FB_UNIQUE_RESEND))
		n = send_elsewhere(fuse, iov, count);
	r = n < 0 ? -errno : 0;
	writeback_end(req);
	return r;
}

static int dev_fuse_notify(struct fb_transport *transport, const struct iovec *iov, int count)
{
	return writev(of_transport(transport)->mount.fd, iov, count) < 0 ? -errno : 0;
}

/* ---- kernel passthrough -------------------------------------------------------------------- */

/*
 * The kernel reads and writes backing files with the rights that the registering thread has now.
 * Without CAP_FSETID a write clears set-id bits of a file that gets them while it is open; keeping
 * them is what would be wrong for most callers.
 */
static int dev_fuse_backing_open(struct fb_transport *transport, int fd)
{
	struct fb_wire_backing_map map = { .fd = fd };
	struct fb_thread_caps before;
	int id;

	fb_thread_caps_drop(&before, CAP_FSETID);
	id = ioctl(of_transport(transport)->mount.fd, FB_DEV_IOC_BACKING_OPEN, &map);
	id = id < 0 ? -errno : id;
	fb_thread_caps_restore(&before);
	return id;
}

static void dev_fuse_backing_close(struct fb_transport *transport, int id)
{
	uint32_t argument = (uint32_t)id;

	/* After an unmount the ids are gone with the connection. */
	if (ioctl(of_transport(transport)->mount.fd, FB_DEV_IOC_BACKING_CLOSE, &argument) < 0)
		fb_log(FB_LOG_DEBUG, "backing file %d: %s", id, strerror(errno));
}

/* ---- the end ------------------------------------------------------------------------------- */

/* What fb_mount_end() watches. */
static uint64_t writeback(void *arg, uint64_t *ret_under_way)
{
	struct dev_fuse *fuse = arg;
	/* In this order, lest more should have ended than begun. */
	uint64_t ended = atomic_load(&fuse->writeback_ended);
	uint64_t begun = atomic_load(&fuse->writeback_begun);

	*ret_under_way = begun - ended;
	return begun + ended;
}

/* Called by the session's keeper while the workers go on. */
static void dev_fuse_shut(struct fb_transport *transport)
{
	struct dev_fuse *fuse = of_transport(transport);
	const struct fb_mount_progress progress = { writeback, fuse };
	bool served = atomic_load(&transport->session->workers.live) > 0;

	if (!fuse->shut)
		fb_mount_end(&fuse->mount, served ? &progress : NULL);
	fuse->shut = true;
}

static void dev_fuse_free(struct fb_transport *transport)
{
	struct dev_fuse *fuse = of_transport(transport);

	/* Never run: nobody answers, so nothing can be written back. */
	if (!fuse->shut)
		fb_mount_end(&fuse->mount, NULL);
	fb_mount_close(&fuse->mount);
	pthread_mutex_destroy(&fuse->lock);
	free(fuse);
}

/* The list of channels is in order at any moment, also for who can not take the lock. */
static void dev_fuse_after_fork(struct fb_transport *transport)
{
	struct dev_fuse *fuse = of_transport(transport);

	for (struct fuse_channel *channel = fuse->channels; channel; channel = channel->next) {
		if (channel->own_fd)
			fb_fd_drop(&channel->fd);
		channel->fd = -1;
	}
	fb_fd_drop(&fuse->mount.fd);
	fb_fd_drop(&fuse->mount.watch_fd);
}

static const struct fb_transport_ops ops = {
	.features = FB_INIT_KNOWN & ~NOT_FEATURES,
	.open_channel = dev_fuse_open_channel,
	.close_channel = dev_fuse_close_channel,
	.receive = dev_fuse_receive,
	.ready_fd = dev_fuse_ready_fd,
	.room = dev_fuse_room,
	.send = dev_fuse_send,
	.drop = writeback_end,
	.notify = dev_fuse_notify,
	.backing_open = dev_fuse_backing_open,
	.backing_close = dev_fuse_backing_close,
	.shut = dev_fuse_shut,
	.after_fork = dev_fuse_after_fork,
	.free = dev_fuse_free,
};

/* ---- the beginning ------------------------------------------------------------------------- */

/* Put together what is wanted of the mount: options given in the text win. */
static int plan_make(struct fb_mount_plan *plan, const struct fb_mount_options *options)
{
	int r = fb_mount_plan_parse(plan, options->options);

	if (r == 0)
		r = fb_mount_plan_default(plan, FB_MOUNT_DATA_fsname,
					  options->source ? options->source : SOURCE_DEFAULT);
	if (r == 0)
		r = fb_mount_plan_default(plan, FB_MOUNT_DATA_subtype, options->subtype);
	if (r == 0 && options->auto_unmount)
		r = fb_mount_plan_default(plan, FB_MOUNT_DATA_auto_unmount, "");
	return r;
}

static int mount_find_or_make(const char *mountpoint, bool replace_stale,
			      const struct fb_mount_plan *plan, struct fb_mount *ret_mount)
{
	struct fb_mountpoint point;
	int r = fb_mount_adopt(mountpoint, ret_mount);

	if (r != 0)
		return r;
	r = fb_mountpoint_resolve(mountpoint, replace_stale, &point);
	return r < 0 ? r : fb_mount_make(&point, plan, ret_mount);
}

/* Attach the session to a mount, which belongs to the transport afterwards. */
static int attach(struct fb_session *session, const struct fb_mount *mount,
		  bool default_permissions)
{
	struct dev_fuse *fuse = calloc(1, sizeof(*fuse));
	int r;

	if (!fuse)
		return fb_fail(ENOMEM, "no memory for a mount");
	fuse->mount = *mount;
	fuse->sizes =
		fb_dev_fuse_sizes(session->page_size, session->options.max_write, fb_pages_limit());
	fuse->transport = (struct fb_transport){
		.ops = &ops,
		.max_room = fuse->sizes.room,
		.default_permissions = default_permissions,
		.takes_given = true,
		.threads = true,
	};
	pthread_mutex_init(&fuse->lock, NULL);
	r = fb_session_attach(session, &fuse->transport);
	if (r < 0) {
		pthread_mutex_destroy(&fuse->lock);
		free(fuse);
	}
	return r;
}

/* Undo a mount that nobody is going to serve; one that was handed to us stays open. */
static void abandon(struct fb_mount *mount)
{
	if (!mount->own)
		return;
	fb_mount_end(mount, NULL);
	fb_mount_close(mount);
}

static int copy_options(const struct fb_mount_options *from, struct fb_mount_options *to)
{
	*to = (struct fb_mount_options){ 0 };
	if (from && fb_sized_take(to, sizeof(*to), from, from->size) < 0)
		return fb_fail(EINVAL, "the options' size is not set");
	return 0;
}

int fb_mount(struct fb_session *session, const char *mountpoint,
	     const struct fb_mount_options *options)
{
	struct fb_mount mount = { .fd = -1 };
	struct fb_mount_options known;
	struct fb_mount_plan plan;
	int r = copy_options(options, &known);

	if (r < 0)
		return r;
	if (!session || !mountpoint || !*mountpoint)
		return fb_fail(EINVAL,
			       session ? "no mountpoint was given" : "no session was given");
	if (session->transport)
		return fb_fail(EBUSY, "the session has a transport already");
	fb_mount_plan_init(&plan);
	r = plan_make(&plan, &known);
	if (r == 0)
		r = mount_find_or_make(mountpoint, known.replace_stale, &plan, &mount);
	if (r >= 0) {
		r = attach(session, &mount, plan.values[FB_MOUNT_DATA_default_permissions]);
		if (r < 0)
			abandon(&mount);
	}
	fb_mount_plan_fini(&plan);
	return r < 0 ? r : 0;
}
