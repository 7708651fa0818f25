/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A slot of FUSE over io_uring: memory in which the kernel puts one request, and finds its answer.
 *
 *     header    in_header, the operation's fixed struct, how many bytes of payload are used
 *     payload   what follows the struct: names and data; of an answer all behind its out_header
 *
 * A slot is the kernel's (armed) until a request is in it; then it is ours until it is answered.
 * Source: Documentation/filesystems/fuse/fuse-io-uring.rst, fs/fuse/dev_uring.c.
 */
#ifndef FB_TRANSPORT_URING_SLOT_H
#define FB_TRANSPORT_URING_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "protocol/wire_uring.h"

struct fb_answer;
struct fb_req;
struct fb_uring_queue;
struct fb_uring_ring;

struct fb_uring_slot {
	struct fb_uring_slot *next;      /* of the ring's slots */
	struct fb_uring_slot *next_done; /* of those that other threads have answered */
	struct fb_uring_ring *ring;
	struct fb_uring_queue *queue;
	struct fb_wire_uring_req_header *header;
	uint8_t *payload; /* page-aligned */
	size_t payload_size;
	struct iovec registered[2]; /* header and payload, as the kernel is told */
	struct iovec rest;          /* bulk data of the request in it */
	size_t came;                /* bytes of payload in the request */
	size_t used;                /* bytes of payload that have memory */
	uint64_t commit_id;
	bool owed; /* a request is in it that has not been answered */
};

/* Make a slot whose payload has room for size bytes. Returns NULL without memory. */
struct fb_uring_slot *fb_uring_slot_new(size_t size);
void fb_uring_slot_free(struct fb_uring_slot *slot);

/* The kernel has put a request in it: show it to the core. What can not be is a malformed one. */
void fb_uring_slot_open(struct fb_uring_slot *slot, struct fb_req *req);

/* As fb_transport_ops.room. */
int fb_uring_slot_room(struct fb_uring_slot *slot, struct fb_req *req, size_t head_size,
		       size_t size, struct iovec **ret_iov);

/* Put the answer in. */
void fb_uring_slot_fill(struct fb_uring_slot *slot, const struct fb_answer *answer);

/* The same for a request that expects no answer: the slot has to be given back all the same. */
void fb_uring_slot_fill_empty(struct fb_uring_slot *slot);

/* An answer is in it: see how much of the payload has memory by now. Returns by how much it has grown. */
size_t fb_uring_slot_note_use(struct fb_uring_slot *slot);

/* Give the memory of the payload back but for its beginning. Returns how many bytes. */
size_t fb_uring_slot_trim(struct fb_uring_slot *slot);

#endif
