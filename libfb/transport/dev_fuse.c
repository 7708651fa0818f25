/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/dev_fuse.h"

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
#include "transport/fuse_channel.h"
#include "transport/fuse_tick.h"
#include "transport/mount.h"
#include "transport/mount_options.h"
#include "transport/mountpoint.h"
#include "transport/pages_limit.h"
#include "transport/thread_caps.h"
#include "transport/unmount.h"
#include "transport/uring.h"
#include "transport/uring_ring.h"

#define SOURCE_DEFAULT "libfb"
/* Pages in one request of a client that does not know FB_INIT_MAX_PAGES; covers SETXATTR too. */
#define PAGES_MIN 32
/* Headers and fixed struct of a WRITE. */
#define WRITE_HEAD (sizeof(struct fb_wire_in_header) + sizeof(struct fb_wire_write_in))
/* An ioctl's number has 14 bits for the size of its argument. */
#define IOCTL_MAX (1u << 14)
/* Offered by virtio-fs only. */
#define NOT_FEATURES                                                                               \
	(FB_INIT_FILE_OPS | FB_INIT_MAP_ALIGNMENT | FB_INIT_SUBMOUNTS | FB_INIT_RESERVED |         \
	 FB_INIT_HAS_INODE_DAX)

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

/* ---- notifications and kernel passthrough -------------------------------------------------------------------- */

static int dev_fuse_notify(struct fb_transport *transport, const struct iovec *iov, int count)
{
	return writev(fb_dev_fuse_of(transport)->mount.fd, iov, count) < 0 ? -errno : 0;
}

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
	id = ioctl(fb_dev_fuse_of(transport)->mount.fd, FB_DEV_IOC_BACKING_OPEN, &map);
	id = id < 0 ? -errno : id;
	fb_thread_caps_restore(&before);
	return id;
}

static void dev_fuse_backing_close(struct fb_transport *transport, int id)
{
	uint32_t argument = (uint32_t)id;

	/* After an unmount the ids are gone with the connection. */
	if (ioctl(fb_dev_fuse_of(transport)->mount.fd, FB_DEV_IOC_BACKING_CLOSE, &argument) < 0)
		fb_log(FB_LOG_DEBUG, "backing file %d: %s", id, strerror(errno));
}

/* ---- the end ------------------------------------------------------------------------------- */

/* What fb_mount_end() watches. */
static uint64_t writeback(void *arg, uint64_t *ret_under_way)
{
	struct fb_dev_fuse *fuse = arg;
	/* In this order, lest more should have ended than begun. */
	uint64_t ended = atomic_load(&fuse->writeback_ended);
	uint64_t begun = atomic_load(&fuse->writeback_begun);

	*ret_under_way = begun - ended;
	return begun + ended;
}

/* Called by the session's keeper while the workers go on. */
static void dev_fuse_shut(struct fb_transport *transport)
{
	struct fb_dev_fuse *fuse = fb_dev_fuse_of(transport);
	const struct fb_mount_progress progress = { writeback, fuse };
	bool served = atomic_load(&transport->session->workers.live) > 0;

	if (!fuse->shut)
		fb_mount_end(&fuse->mount, served ? &progress : NULL);
	fuse->shut = true;
}

static void dev_fuse_fini(struct fb_dev_fuse *fuse)
{
	fb_uring_free(fuse->uring);
	pthread_mutex_destroy(&fuse->lock);
	free(fuse);
}

static void dev_fuse_free(struct fb_transport *transport)
{
	struct fb_dev_fuse *fuse = fb_dev_fuse_of(transport);

	/* Never run: nobody answers, so nothing can be written back. */
	if (!fuse->shut)
		fb_mount_end(&fuse->mount, NULL);
	fb_mount_close(&fuse->mount);
	dev_fuse_fini(fuse);
}

/* The list of channels is in order at any moment, also for who can not take the lock. */
static void dev_fuse_after_fork(struct fb_transport *transport)
{
	struct fb_dev_fuse *fuse = fb_dev_fuse_of(transport);

	for (struct fb_fuse_channel *channel = fuse->channels; channel; channel = channel->next) {
		if (channel->own_fd)
			fb_fd_drop(&channel->fd);
		channel->fd = -1;
		if (channel->ring)
			fb_uring_ring_after_fork(channel->ring);
	}
	fb_fd_drop(&fuse->mount.fd);
	fb_fd_drop(&fuse->mount.watch_fd);
}

static const struct fb_transport_ops ops = {
	.features = FB_INIT_KNOWN & ~NOT_FEATURES,
	.open_channel = fb_fuse_channel_open,
	.close_channel = fb_fuse_channel_close,
	.prepare = fb_uring_prepare,
	.receive = fb_fuse_channel_receive,
	.ready_fd = fb_fuse_channel_ready_fd,
	.leave = fb_fuse_channel_leave,
	.tick = fb_fuse_tick,
	.room = fb_fuse_channel_room,
	.send = fb_fuse_channel_send,
	.drop = fb_fuse_channel_drop,
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

/* Have requests come over io_uring, if that is wanted and can be. */
static void choose(struct fb_dev_fuse *fuse, const struct fb_session *session,
		   enum fb_mount_transport wanted)
{
	int r;

	/* Rings can not be handed over to another server, as a descriptor that came to us may be. */
	if (wanted == FB_TRANSPORT_DEV_FUSE || (wanted == FB_TRANSPORT_AUTO && !fuse->mount.own))
		return;
	r = fb_uring_new(session, &fuse->uring);
	if (r < 0) {
		fb_log(wanted == FB_TRANSPORT_AUTO ? FB_LOG_DEBUG : FB_LOG_WARNING,
		       "requests come through /dev/fuse: %s", fb_last_error());
		return;
	}
	fuse->transport.features_wanted = FB_INIT_OVER_IO_URING;
	fuse->transport.workers = fb_uring_workers(fuse->uring);
}

/* Attach the session to a mount, which belongs to the transport afterwards. */
static int attach(struct fb_session *session, const struct fb_mount *mount,
		  bool default_permissions, const struct fb_mount_options *options)
{
	struct fb_dev_fuse *fuse = calloc(1, sizeof(*fuse));
	int r;

	if (!fuse)
		return fb_fail(ENOMEM, "no memory for a mount");
	fuse->mount = *mount;
	fuse->may_yield = options->yields && !session->options.own_threads;
	atomic_init(&fuse->yield_cpu, FB_YIELD_ANY);
	fuse->sizes =
		fb_dev_fuse_sizes(session->page_size, session->options.max_write, fb_pages_limit());
	fuse->transport = (struct fb_transport){
		.ops = &ops,
		.name = "/dev/fuse",
		.max_room = fuse->sizes.room,
		.default_permissions = default_permissions,
		.takes_given = true,
		.threads = true,
	};
	pthread_mutex_init(&fuse->lock, NULL);
	choose(fuse, session, options->transport);
	r = fb_session_attach(session, &fuse->transport);
	if (r < 0)
		dev_fuse_fini(fuse);
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
	if ((unsigned)known.transport > FB_TRANSPORT_IO_URING)
		return fb_fail(EINVAL, "no such transport: %d", (int)known.transport);
	fb_mount_plan_init(&plan);
	r = plan_make(&plan, &known);
	if (r == 0)
		r = mount_find_or_make(mountpoint, known.replace_stale, &plan, &mount);
	if (r >= 0) {
		r = attach(session, &mount, plan.values[FB_MOUNT_DATA_default_permissions], &known);
		if (r < 0)
			abandon(&mount);
	}
	fb_mount_plan_fini(&plan);
	return r < 0 ? r : 0;
}
