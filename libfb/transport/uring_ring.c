/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/uring_ring.h"

#include <assert.h>
#include <errno.h>
#include <libfb/log.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/scope.h"
#include "core/thread.h"
#include "transport/data_size.h"
#include "transport/mount.h"
#include "transport/uring_kick.h"
#include "transport/uring_queues.h"

/* Entries of the queues: answers are sent in bunches; those of other threads may be many. */
#define SQ_ENTRIES 16u
#define CQ_ENTRIES 64u
/* Answers that may wait until what has come in meanwhile is served too. */
#define BUNCH 8u
/* Bytes of payload that a ring keeps when nothing has come for so long. */
#define USED_MAX (1u << 20)
#define IDLE_S 1

/*
 * Descriptors that are registered with the ring. When it goes they are closed from the last to the first:
 * who watches for our end (fusermount3) sees it when the connection has ended too.
 */
enum { WATCH_FILE, FUSE_FILE, FILE_COUNT };
/* Completions that belong to no slot. */
#define OF_WAKE_FD 1u
#define OF_READ_FD 2u

/* The ring that this thread has started. */
static _Thread_local struct fb_uring_ring *mine;

/* ---- commands ------------------------------------------------------------------------------- */

static struct io_uring_sqe *take_sqe(struct fb_uring_ring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->io);

	while (!sqe) {
		io_uring_submit(&ring->io);
		sqe = io_uring_get_sqe(&ring->io);
	}
	memset(sqe, 0, 2 * sizeof(*sqe));
	return sqe;
}

static struct io_uring_sqe *command(struct fb_uring_slot *slot, uint32_t operation)
{
	struct io_uring_sqe *sqe = take_sqe(slot->ring);
	struct fb_wire_uring_cmd_req *arguments = (void *)sqe->cmd;

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->fd = FUSE_FILE;
	sqe->cmd_op = operation;
	sqe->user_data = (uintptr_t)slot;
	arguments->qid = slot->queue->qid;
	arguments->commit_id = slot->commit_id;
	slot->queue->armed++;
	return sqe;
}

/* Have one slot more for a queue. Returns 0 or -ENOMEM. */
static int add_slot(struct fb_uring_ring *ring, struct fb_uring_queue *queue)
{
	struct fb_uring_slot *slot = fb_uring_slot_new(ring->payload_size);
	struct io_uring_sqe *sqe;

	if (!slot)
		return -ENOMEM;
	slot->ring = ring;
	slot->queue = queue;
	slot->next = ring->slots;
	ring->slots = slot;
	sqe = command(slot, FB_URING_CMD_REGISTER);
	sqe->addr = (uintptr_t)slot->registered;
	sqe->len = 2;
	return 0;
}

/* Have the slot's answer sent, with the next system call. */
static void commit(struct fb_uring_slot *slot)
{
	assert(slot->owed);
	slot->owed = false;
	slot->ring->used += fb_uring_slot_note_use(slot);
	command(slot, FB_URING_CMD_COMMIT_AND_FETCH);
}

static void watch(struct fb_uring_ring *ring, int fd, uint64_t user_data)
{
	struct io_uring_sqe *sqe = take_sqe(ring);

	io_uring_prep_poll_multishot(sqe, fd, POLLIN);
	sqe->user_data = user_data;
}

/* ---- beginning and end ------------------------------------------------------------------------ */

static int set_up(struct fb_uring_ring *ring, const struct fb_mount *mount)
{
	/* The thread that receives is not known yet; it alone may enter the ring. */
	struct io_uring_params params = {
		.flags = IORING_SETUP_SQE128 | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED |
			 IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_TASKRUN_FLAG,
		.cq_entries = CQ_ENTRIES,
	};
	const int files[FILE_COUNT] = { mount->watch_fd, mount->fd };
	int r = fb_uring_queues_init(SQ_ENTRIES, &params, &ring->io);

	if (r < 0)
		return r;
	r = io_uring_register_files(&ring->io, files, FILE_COUNT);
	if (r < 0)
		fb_uring_queues_fini(&ring->io);
	return r;
}

int fb_uring_ring_new(const struct fb_mount *mount, size_t payload_size, const uint16_t *qids,
		      unsigned queue_count, int read_fd, struct fb_uring_ring **ret_ring)
{
	FB_SCOPED_FD wake_fd = fb_fd_raise(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	struct fb_uring_ring *ring;
	int r;

	if (wake_fd < 0)
		return -errno;
	ring = calloc(1, sizeof(*ring) + queue_count * sizeof(*ring->queues));
	if (!ring)
		return -ENOMEM;
	r = set_up(ring, mount);
	if (r < 0) {
		free(ring);
		return r;
	}
	ring->payload_size = payload_size;
	ring->wake_fd = fb_fd_steal(&wake_fd);
	ring->read_fd = read_fd;
	ring->queue_count = queue_count;
	for (unsigned i = 0; i < queue_count; i++)
		ring->queues[i].qid = qids[i];
	*ret_ring = ring;
	return 0;
}

void fb_uring_ring_free(struct fb_uring_ring *ring)
{
	/* First of all: the kernel may still write into the slots. */
	fb_uring_queues_fini(&ring->io);
	while (ring->slots) {
		struct fb_uring_slot *slot = ring->slots;

		ring->slots = slot->next;
		fb_uring_slot_free(slot);
	}
	close(ring->wake_fd);
	if (ring->read_fd >= 0)
		close(ring->read_fd);
	free(ring);
}

int fb_uring_refuse(const struct fb_mount *mount)
{
	struct io_uring_params params = { .flags = IORING_SETUP_SQE128 };
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	struct io_uring io;
	int r = fb_uring_queues_init(1, &params, &io);

	if (r < 0)
		return r;
	sqe = io_uring_get_sqe(&io);
	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = mount->fd;
	sqe->cmd_op = FB_URING_CMD_REGISTER;
	/* No memory at all: refused with EINVAL, which is what we want. */
	r = io_uring_submit_and_wait(&io, 1);
	if (r >= 0)
		r = io_uring_peek_cqe(&io, &cqe);
	if (r == 0)
		r = cqe->res == -EINVAL ? 0 : cqe->res;
	fb_uring_queues_fini(&io);
	return r;
}

/* What the kernel says of the first commands, if it refuses one. */
static int refusal(struct fb_uring_ring *ring)
{
	struct io_uring_cqe *cqe;
	unsigned head;

	io_uring_for_each_cqe(&ring->io, head, cqe) if (cqe->res < 0) return cqe->res;
	return 0;
}

int fb_uring_ring_start(struct fb_uring_ring *ring)
{
	int r = io_uring_register((unsigned)ring->io.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
				  0);

	if (r < 0)
		return r;
	ring->started = true;
	mine = ring;
	/* Saves a look at the table of descriptors each time; does not matter if it fails. */
	io_uring_register_ring_fd(&ring->io);
	watch(ring, ring->wake_fd, OF_WAKE_FD);
	if (ring->read_fd >= 0)
		watch(ring, ring->read_fd, OF_READ_FD);
	for (unsigned i = 0; i < ring->queue_count * FB_URING_DEPTH && r >= 0; i++)
		r = add_slot(ring, &ring->queues[i % ring->queue_count]);
	if (r < 0)
		return r;
	r = io_uring_submit(&ring->io);
	return r < 0 ? r : refusal(ring);
}

void fb_uring_ring_after_fork(struct fb_uring_ring *ring)
{
	fb_fd_drop(&ring->io.ring_fd);
	fb_fd_drop(&ring->wake_fd);
	fb_fd_drop(&ring->read_fd);
}

bool fb_uring_ring_is_due(const struct fb_uring_ring *ring)
{
	return __atomic_load_n(ring->io.sq.kflags, __ATOMIC_RELAXED) & IORING_SQ_TASKRUN;
}

bool fb_uring_ring_serves(const struct fb_uring_ring *ring, uint16_t qid)
{
	for (unsigned i = 0; i < ring->queue_count; i++)
		if (ring->queues[i].qid == qid)
			return true;
	return false;
}

/* ---- answers -------------------------------------------------------------------------------- */

void fb_uring_ring_wake(struct fb_uring_ring *ring)
{
	fb_eventfd_signal(ring->wake_fd);
}

void fb_uring_ring_answer(struct fb_uring_slot *slot, bool own)
{
	struct fb_uring_ring *ring = slot->ring;
	struct fb_uring_slot *first;

	if (own) {
		commit(slot);
		return;
	}
	first = atomic_load(&ring->done);
	do {
		slot->next_done = first;
	} while (!atomic_compare_exchange_weak(&ring->done, &first, slot));
	/* Either we see that the worker sleeps, or it sees the slot before it does. */
	if (atomic_exchange(&ring->asleep, false))
		fb_uring_ring_wake(ring);
}

static void commit_done(struct fb_uring_ring *ring)
{
	struct fb_uring_slot *slot = atomic_exchange(&ring->done, NULL);

	while (slot) {
		struct fb_uring_slot *next = slot->next_done;

		commit(slot);
		slot = next;
	}
}

int fb_uring_ring_replace(struct fb_uring_ring *ring)
{
	struct fb_uring_slot *last = ring->last;

	ring->last = NULL;
	if (!last || !last->owed || last->queue->armed > 0)
		return -1;
	/* Without memory for one the next answer brings the slot back. */
	if (add_slot(ring, last->queue) < 0 || io_uring_submit(&ring->io) < 0) {
		fb_log(FB_LOG_WARNING, "no memory for one more request of queue %u",
		       last->queue->qid);
		return -1;
	}
	return last->queue->qid;
}

/* ---- requests --------------------------------------------------------------------------------- */

/* Give memory back that large requests have used. The kernel fills slots only while we are inside it. */
static void trim(struct fb_uring_ring *ring)
{
	for (struct fb_uring_slot *slot = ring->slots; slot; slot = slot->next)
		if (!slot->owed)
			ring->used -= fb_uring_slot_trim(slot);
}

/* Send what is to be sent, and wait; not for ever where memory is to be given back. Returns >= 0 or -errno. */
static int wait_for_more(struct fb_uring_ring *ring)
{
	struct __kernel_timespec idle = { .tv_sec = IDLE_S };
	struct io_uring_cqe *cqe;
	int r;

	if (ring->used <= USED_MAX)
		return io_uring_submit_and_wait(&ring->io, 1);
	r = io_uring_submit_and_wait_timeout(&ring->io, &cqe, 1, &idle, NULL);
	if (r != -ETIME)
		return r;
	trim(ring);
	return 0;
}

/* One system call: send what is to be sent, and wait where nothing is there yet. */
static int enter(struct fb_uring_ring *ring)
{
	int r;

	if (io_uring_cq_ready(&ring->io) > 0 || ring->readable) {
		r = io_uring_sq_ready(&ring->io) >= BUNCH ? io_uring_submit(&ring->io) : 0;
		return r < 0 ? r : 0;
	}
	atomic_store(&ring->asleep, true);
	if (atomic_load(&ring->done)) {
		atomic_store(&ring->asleep, false);
		return 0;
	}
	r = wait_for_more(ring);
	atomic_store_explicit(&ring->asleep, false, memory_order_relaxed);
	fb_uring_home_came(&ring->home, io_uring_cq_ready(&ring->io));
	/* What is short now may be there in a moment. */
	return r == -EAGAIN || r == -EBUSY ? -EINTR : r < 0 ? r : 0;
}

/* A regular file that the client knows is what a kick needs, and where data is much the worker need not stay. */
static void note_data(struct fb_uring_slot *slot)
{
	const struct fb_wire_in_header *header = (const void *)slot->header->in_out;
	uint32_t size = fb_data_size(header->opcode, slot->header->op_in);

	if (size == 0)
		return;
	atomic_store_explicit(&slot->ring->file, header->nodeid, memory_order_relaxed);
	fb_uring_home_data(&slot->ring->home, size);
}

static bool is_kick(const struct fb_uring_slot *slot)
{
	return slot->commit_id >= FB_URING_KICKS_FROM;
}

/* A slot's command has ended. Returns what receive is to return. */
static int slot_event(struct fb_uring_slot *slot, int result, struct fb_req *req)
{
	slot->queue->armed--;
	switch (result) {
	case 0:
		slot->owed = true;
		slot->commit_id = slot->header->ring_ent_in_out.commit_id;
		if (!is_kick(slot)) {
			slot->ring->last = slot;
			note_data(slot);
			fb_uring_slot_open(slot, req);
			return 1;
		}
		fb_uring_slot_fill_empty(slot);
		commit(slot);
		return -EINTR;
	case -ENOTCONN:     /* unmounted */
	case -ECONNABORTED: /* aborted */
	case -ECANCELED:
		return 0;
	default:
		fb_log(FB_LOG_ERR, "a request over io_uring: %s", strerror(-result));
		return fb_fail(-result, "a request over io_uring: %s", strerror(-result));
	}
}

/* Empty an eventfd. */
static void drain(int fd)
{
	uint64_t count;

	while (read(fd, &count, sizeof(count)) > 0)
		;
}

/* Look at a completion. Returns what receive is to return. */
static int event(struct fb_uring_ring *ring, const struct io_uring_cqe *cqe, struct fb_req *req)
{
	switch (cqe->user_data) {
	case OF_WAKE_FD:
		if (!(cqe->flags & IORING_CQE_F_MORE))
			watch(ring, ring->wake_fd, OF_WAKE_FD);
		drain(ring->wake_fd);
		return -EINTR;
	case OF_READ_FD:
		if (!(cqe->flags & IORING_CQE_F_MORE))
			watch(ring, ring->read_fd, OF_READ_FD);
		ring->readable = true;
		return FB_URING_READ;
	default:
		return slot_event((void *)(uintptr_t)cqe->user_data, cqe->res, req);
	}
}

int fb_uring_ring_receive(struct fb_uring_ring *ring, struct fb_req *req)
{
	struct io_uring_cqe *cqe, copy;
	int r;

	/* A worker leaves its ring only when the connection ends; who comes later comes too late. */
	if (mine != ring)
		return 0;
	if (atomic_load_explicit(&ring->done, memory_order_relaxed))
		commit_done(ring);
	r = enter(ring);
	if (r < 0 && r != -EINTR)
		fb_log(FB_LOG_ERR, "waiting for a request over io_uring: %s", strerror(-r));
	if (r < 0)
		return r;
	if (ring->readable && (ring->read_turn || io_uring_cq_ready(&ring->io) == 0)) {
		ring->read_turn = false;
		return FB_URING_READ;
	}
	if (io_uring_peek_cqe(&ring->io, &cqe) != 0)
		return -EINTR;
	copy = *cqe;
	io_uring_cqe_seen(&ring->io, cqe);
	ring->read_turn = true;
	return event(ring, &copy, req);
}
