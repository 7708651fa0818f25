/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/fuse_channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libfb/log.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/req.h"
#include "core/scope.h"
#include "core/session.h"
#include "protocol/wire.h"
#include "transport/data_size.h"
#include "transport/dev_fuse.h"
#include "transport/fuse_fd.h"
#include "transport/fuse_tick.h"
#include "transport/uring.h"
#include "transport/uring_kick.h"
#include "transport/uring_ring.h"
#include "transport/uring_slot.h"

/* Headers and fixed struct of a WRITE. */
#define WRITE_HEAD (sizeof(struct fb_wire_in_header) + sizeof(struct fb_wire_write_in))

/* ---- channels ------------------------------------------------------------------------------ */

/* Channel 0 has the mounted descriptor itself; others fall back on it where none can be had. */
static void choose_fd(struct fb_dev_fuse *fuse, struct fb_fuse_channel *channel, unsigned index)
{
	int fd = index > 0 ? fb_fuse_fd_clone(fuse->mount.fd) : -1;

	channel->own_fd = fd >= 0;
	channel->fd = fd >= 0 ? fd : fuse->mount.fd;
	if (index > 0 && fd < 0)
		fb_log(FB_LOG_DEBUG, "worker %u shares a descriptor of /dev/fuse: %s", index,
		       strerror(-fd));
}

static void release(struct fb_fuse_channel *channel)
{
	if (channel->own_fd)
		close(channel->fd);
	if (channel->ring)
		fb_uring_ring_free(channel->ring);
	fb_channel_fini(&channel->channel);
	free(channel);
}

int fb_fuse_channel_open(struct fb_transport *transport, unsigned index,
			 struct fb_channel **ret_channel)
{
	struct fb_dev_fuse *fuse = fb_dev_fuse_of(transport);
	struct fb_fuse_channel *channel = calloc(1, sizeof(*channel));
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
	r = fb_uring_add_channel(fuse, channel);
	if (r < 0) {
		release(channel);
		return r;
	}
	channel->next = fuse->channels;
	fuse->channels = channel;
	*ret_channel = &channel->channel;
	return 0;
}

/* Nobody reads from the channel yet. */
int fb_fuse_channel_ready_fd(struct fb_channel *base)
{
	struct fb_dev_fuse *fuse = fb_dev_fuse_of(base->transport);
	struct fb_fuse_channel *channel = fb_fuse_channel_of(base);
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

void fb_fuse_channel_close(struct fb_channel *base)
{
	struct fb_dev_fuse *fuse = fb_dev_fuse_of(base->transport);
	struct fb_fuse_channel *channel = fb_fuse_channel_of(base);
	struct fb_fuse_channel **at;

	pthread_mutex_lock(&fuse->lock);
	for (at = &fuse->channels; *at != channel; at = &(*at)->next)
		assert(*at);
	*at = channel->next;
	pthread_mutex_unlock(&fuse->lock);
	release(channel);
}

/* ---- requests ------------------------------------------------------------------------------ */

/* Whether it is not the descriptor alone that the worker waits for. */
static bool waits_itself(const struct fb_fuse_channel *channel)
{
	return channel->no_wait || (channel->ring && channel->ring->read_fd == channel->fd);
}

/* What an error of read(2) means. Returns 1 to try again, else what receive() is to return. */
static int read_failed(const struct fb_fuse_channel *channel, int error)
{
	int r;

	switch (error) {
	case ENOENT: /* the request was withdrawn while it was copied */
		return 1;
	case EAGAIN:
		r = waits_itself(channel) ? -EAGAIN : fb_fuse_fd_wait(channel->fd);
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

/* Who asks, and for how much. */
static void note(struct fb_fuse_channel *channel, const void *message, size_t size)
{
	const struct fb_wire_in_header *header = message;
	uint32_t pieces;

	if (size >= sizeof(*header) && header->pid) {
		atomic_store_explicit(&channel->client, header->pid, memory_order_relaxed);
		fb_fuse_follow(channel, header->pid);
	}
	/* The shortest message that tells of data. */
	if (size < sizeof(*header) + sizeof(struct fb_wire_read_in))
		return;
	pieces = fb_data_size(header->opcode, header + 1) / FB_DATA_PIECE;
	if (pieces)
		atomic_fetch_add_explicit(&channel->pieces, pieces, memory_order_relaxed);
}

/* Read a message from the descriptor. Returns as receive does. */
static int receive_read(struct fb_fuse_channel *channel, struct fb_req *req)
{
	const struct fb_dev_fuse_sizes *sizes = &fb_dev_fuse_of(req->channel->transport)->sizes;
	uint8_t *message = (uint8_t *)req->buffer + sizes->lead;
	ssize_t n = -1;
	int r = 1;

	req->slot = NULL;
	while (n < 0 && r == 1) {
		n = read(channel->fd, message, sizes->message);
		if (n < 0)
			r = read_failed(channel, errno);
	}
	if (r == 1) {
		note(channel, message, (size_t)n);
		fb_req_set_message(req, message, (size_t)n, (size_t)n, NULL, 0);
	}
	return r;
}

/* The ring tells of messages at the descriptor too, where one worker does everything. */
static int receive_ring(struct fb_fuse_channel *channel, struct fb_req *req)
{
	int qid = fb_uring_ring_replace(channel->ring), r;

	if (qid >= 0)
		fb_uring_kick(fb_dev_fuse_of(req->channel->transport), (uint16_t)qid);
	do {
		r = fb_uring_ring_receive(channel->ring, req);
		if (r != FB_URING_READ)
			return r;
		r = receive_read(channel, req);
		channel->ring->readable = r != -EAGAIN;
	} while (r == -EAGAIN);
	return r;
}

/* The worker is here for the first time. */
static void settle(struct fb_dev_fuse *fuse, struct fb_fuse_channel *channel)
{
	channel->settled = true;
	if (!fuse->may_yield)
		return;
	FB_SCOPED_LOCK(&fuse->lock);
	fb_yield_keeper_disinherit(&fuse->keeper);
	fb_yield_thread_begin(&channel->thread);
}

void fb_fuse_channel_leave(struct fb_channel *base)
{
	struct fb_fuse_channel *channel = fb_fuse_channel_of(base);

	FB_SCOPED_LOCK(&fb_dev_fuse_of(base->transport)->lock);
	fb_yield_thread_end(&channel->thread);
	channel->settled = false;
}

int fb_fuse_channel_receive(struct fb_channel *base, struct fb_req *req)
{
	struct fb_dev_fuse *fuse = fb_dev_fuse_of(base->transport);
	struct fb_fuse_channel *channel = fb_fuse_channel_of(base);
	int r;

	if (!channel->settled)
		settle(fuse, channel);
	r = fb_uring_is_used(fuse, channel) ? receive_ring(channel, req) :
					      receive_read(channel, req);

	if (r == 1 && is_writeback(req))
		atomic_fetch_add(&fuse->writeback_begun, 1);
	return r;
}

/* Where the room for an answer begins in a request's buffer. */
static size_t room_start(const struct fb_dev_fuse_sizes *sizes, const struct fb_req *req)
{
	return (sizes->lead + req->total_size + sizes->page - 1) / sizes->page * sizes->page;
}

int fb_fuse_channel_room(struct fb_req *req, size_t head_size, size_t size, struct iovec **ret_iov)
{
	const struct fb_dev_fuse_sizes *sizes = &fb_dev_fuse_of(req->channel->transport)->sizes;
	size_t start = room_start(sizes, req);

	if (req->slot)
		return fb_uring_slot_room(req->slot, req, head_size, size, ret_iov);
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
		atomic_fetch_add(&fb_dev_fuse_of(req->channel->transport)->writeback_ended, 1);
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
static ssize_t send_elsewhere(struct fb_dev_fuse *fuse, const struct iovec *iov, int count)
{
	ssize_t n = -1;

	FB_SCOPED_LOCK(&fuse->lock);
	errno = ENOENT;
	for (struct fb_fuse_channel *c = fuse->channels; c && n < 0 && errno == ENOENT; c = c->next)
		n = writev(c->fd, iov, count);
	return n;
}

/* Returns 0 or -errno. */
static int send_written(const struct fb_req *req, const struct fb_answer *answer)
{
	struct fb_dev_fuse *fuse = fb_dev_fuse_of(req->channel->transport);
	size_t start = room_start(&fuse->sizes, req);
	const void *body = answer->given ? answer->given : (uint8_t *)req->buffer + start;
	struct iovec iov[] = {
		{ (void *)(uintptr_t)answer->head, answer->head_size },
		{ (void *)(uintptr_t)body, answer->placed },
	};
	int count = answer->placed ? 2 : 1;
	ssize_t n;

	assert(answer->given || start + answer->placed <= fuse->sizes.buffer);
	/* The kernel takes an answer whole or not at all; a signal does not interrupt this. */
	n = writev(fb_fuse_channel_of(req->channel)->fd, iov, count);
	if (n < 0 && errno == ENOENT && (answer_unique(answer) & FB_UNIQUE_RESEND))
		n = send_elsewhere(fuse, iov, count);
	return n < 0 ? -errno : 0;
}

int fb_fuse_channel_send(struct fb_req *req, const struct fb_answer *answer)
{
	struct fb_dev_fuse *fuse = fb_dev_fuse_of(req->channel->transport);
	int r = 0;

	if (req->slot) {
		fb_uring_slot_fill(req->slot, answer);
		fb_uring_ring_answer(req->slot, req->by_worker);
	} else {
		r = send_written(req, answer);
	}
	writeback_end(req);
	if (r == 0 && fuse->uring && req->args.row && req->args.row->opcode == FB_OP_INIT)
		fb_uring_switch(fuse, fb_fuse_channel_of(req->channel));
	return r;
}

void fb_fuse_channel_drop(struct fb_req *req)
{
	if (req->slot) {
		fb_uring_slot_fill_empty(req->slot);
		fb_uring_ring_answer(req->slot, req->by_worker);
	}
	writeback_end(req);
}
