/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The io_uring of one worker, and its slots.
 *
 * The kernel hands a request to the slot of a queue that was answered last, and copies it while the
 * thread that answered it is in io_uring_enter(2). A worker has several slots for each queue: what comes
 * while it is inside the driver waits for it, and then comes all at once. So what may take long is for
 * other threads (core/offload.h). Answering and waiting for what comes next are one system call.
 *
 * A slot stays as long as the connection: the kernel has no way to give one back.
 */
#ifndef FB_TRANSPORT_URING_RING_H
#define FB_TRANSPORT_URING_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/uring_home.h"
#include "transport/uring_slot.h"

struct fb_mount;

/* Slots of a worker for each of its queues. */
#define FB_URING_DEPTH 16u

/* A queue of the kernel's that this ring has slots for: the requests of one processor. */
struct fb_uring_queue {
	uint16_t qid;
	unsigned armed; /* slots that the kernel has, or gets with the next system call */
};

struct fb_uring_ring {
	struct io_uring io;
	bool started; /* by the thread that receives from it: nobody else can */
	struct fb_uring_home home;
	int read_fd;    /* of /dev/fuse, whose messages are told of too; or -1 */
	bool readable;  /* it may have one */
	bool read_turn; /* the last message was the ring's: it is the descriptor's turn */
	size_t payload_size;
	size_t used; /* bytes of all payloads that have memory, as far as it matters */
	struct fb_uring_slot *slots;
	struct fb_uring_slot *last;           /* that a request came in */
	_Atomic(struct fb_uring_slot *) done; /* answered by other threads */
	_Atomic uint64_t file;                /* node of a regular file that was used last, or 0 */
	_Atomic bool asleep;                  /* wake_fd is to be written */
	int wake_fd;                          /* eventfd */
	unsigned queue_count;
	struct fb_uring_queue queues[];
};

/* What fb_uring_ring_receive() returns when read_fd may have a message. */
#define FB_URING_READ 2

/*
 * Make a ring for a mount that serves these queues. read_fd: see above; taken on
 * success. Returns 0 or -errno.
 */
int fb_uring_ring_new(const struct fb_mount *mount, size_t payload_size, const uint16_t *qids,
		      unsigned queue_count, int read_fd, struct fb_uring_ring **ret_ring);
void fb_uring_ring_free(struct fb_uring_ring *ring);

/*
 * Have the kernel refuse a slot, which sends all requests through /dev/fuse again if not all queues have
 * one yet. Returns 0 or -errno.
 */
int fb_uring_refuse(const struct fb_mount *mount);

/* Arm slots for each queue. For the thread that is going to receive. Returns 0 or -errno. */
int fb_uring_ring_start(struct fb_uring_ring *ring);

/*
 * If the driver holds back the request that came last, and its queue has no other slot here, arm one
 * more. Returns the queue's number, for it wants a kick (uring_kick.h), or -1. Before each receive.
 */
int fb_uring_ring_replace(struct fb_uring_ring *ring);

/*
 * Send what has been answered and wait for a request. Returns 1; FB_URING_READ; 0 at the end of the
 * connection; -EINTR when woken for nothing; -errno.
 */
int fb_uring_ring_receive(struct fb_uring_ring *ring, struct fb_req *req);

/*
 * The slot has been filled. own: by the ring's own thread, whose next receive sends it.
 */
void fb_uring_ring_answer(struct fb_uring_slot *slot, bool own);

/* Have receive return -EINTR, now or when it is called next. */
void fb_uring_ring_wake(struct fb_uring_ring *ring);

/* In a forked child: close what keeps the connection open. */
void fb_uring_ring_after_fork(struct fb_uring_ring *ring);

/* Whether a request has come that receive has not seen yet. By any thread. */
bool fb_uring_ring_is_due(const struct fb_uring_ring *ring);

bool fb_uring_ring_serves(const struct fb_uring_ring *ring, uint16_t qid);

#endif
