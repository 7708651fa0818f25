/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole guest with its monitor: memory, socket, rings, and FUSE requests over them.
 *
 * Functions return 0 or -errno. What goes wrong on the way to an answer, or with it, is one of:
 *   -ETIMEDOUT   no answer came
 *   -ETIME       an answer came, but no interrupt
 *   -ENOMSG      the device returned the chain empty
 *   -EBADMSG     the answer is not one that Linux takes
 *   -EBADE       the used ring is out of order; it is useless from now on
 *   -EXFULL      the request does not fit into the ring, now or ever
 *   -EREMOTEIO, -ECONNRESET, -EPROTO, -ECANCELED   on the socket (front_end.h)
 *
 * Several threads may use one guest, each its own queues.
 */
#ifndef TESTS_GUEST_H
#define TESTS_GUEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "front_end.h"
#include "guest_pool.h"
#include "guest_ram.h"
#include "guest_ring.h"
#include "protocol/wire.h"

#define GUEST_HIPRIO 0u
#define GUEST_REQUESTS 1u /* the first request queue */

/* How requests and rooms are cut into descriptors. In a small ring the last are longer. */
enum guest_split {
	GUEST_SPLIT_LINUX,  /* header, arguments, pages; header, arguments, pages */
	GUEST_SPLIT_SINGLE, /* one for the request, one for the answer */
	GUEST_SPLIT_CUT,    /* pieces of `cut` bytes, which start at odd addresses */
};

/* Zeros are good defaults. */
struct guest_options {
	const char *path; /* of the socket; NULL: fd is one that is connected, and is taken over */
	int fd;
	enum front_end_style style;
	enum front_end_acks acks;
	bool bytewise, glue; /* see struct front_end */
	int messages;        /* the budget of front_end.h; 0: any number */

	unsigned queues;    /* request queues of the device; 0: 1 */
	unsigned set_up;    /* request queues that the driver sets up; 0: all of them */
	unsigned ring_size; /* 0: 128 */
	uint16_t base;      /* of each ring's indices */
	bool no_event_idx;  /* do not take the feature */
	bool no_indirect;   /* do not take the feature, and send direct chains only */
	bool mixed;         /* start indirect chains with a direct descriptor */
	bool always_kick;
	uint64_t ram_size; /* 0: 64 MiB */

	enum guest_split split;
	uint32_t cut;      /* 0: 1 */
	uint32_t straddle; /* a region ends behind so many bytes of each buffer; 0: none does */

	int timeout_ms; /* of requests and of the socket; 0: 10 s */
	bool idle;      /* guest_new() shakes hands, but does not start the rings */
};

struct guest_request;

struct guest_queue {
	struct guest_ring ring;
	int masked_fd, err_fd;
	struct guest_request *waiting; /* that are in the ring */
	struct guest_request *done;    /* the last one that nobody has waited for yet */
};

struct guest {
	struct guest_options options; /* with defaults put in */
	struct guest_ram ram;
	struct guest_pool pool;
	struct front_end fe;
	struct front_end_machine machine; /* its rings describe queues */
	struct guest_queue *queues;
	unsigned queue_count; /* the high-priority one included */
	bool started;

	_Atomic uint64_t unique;      /* of the next request */
	_Atomic unsigned borders;     /* borders in use, as bits */
	struct fb_wire_init_out init; /* what the last guest_init() was answered with */
};

/* ---- life ------------------------------------------------------------------------------------ */

/* Connect, shake hands, start the rings. On failure fd is closed all the same. */
int guest_new(const struct guest_options *options, struct guest **ret_guest);
/* Hang up and forget all; no message is sent. NULL is all right. */
void guest_free(struct guest *guest);

/* Start the rings where they stand; stop them, as when driver or machine pause. */
int guest_start(struct guest *guest);
int guest_stop(struct guest *guest);
/* Between the two: make the rings anew, as a driver does; what was in flight is forgotten. */
void guest_reset_rings(struct guest *guest, uint16_t base);
/*
 * Hang up and connect again as cloud-hypervisor does, with the rings as they are: to the path of
 * the options, or with fd, a new socket that is taken over, if it is not -1.
 */
int guest_reconnect(struct guest *guest, int fd);

/* Did the device write to the ring's error eventfd since the last time? */
bool guest_ring_failed(struct guest *guest, unsigned queue);

/* ---- requests -------------------------------------------------------------------------------- */

uint64_t guest_unique(struct guest *guest);

/*
 * Put a message, of any contents, into the ring, with room bytes for the answer (0: none is
 * expected), and kick. The parts are copied. The request must be waited for, or is guest_free()'s.
 */
int guest_submit(struct guest *guest, unsigned queue, const void *message, size_t size, size_t room,
		 struct guest_request **ret_request);
int guest_submit_parts(struct guest *guest, unsigned queue, const struct iovec *parts,
		       unsigned count, size_t room, struct guest_request **ret_request);
/* The same without a kick: several requests, then one guest_kick(). */
int guest_add_parts(struct guest *guest, unsigned queue, const struct iovec *parts, unsigned count,
		    size_t room, struct guest_request **ret_request);
void guest_kick(struct guest *guest, unsigned queue);

/*
 * Wait for this request; others of its queue that come back meanwhile are kept. Copies the answer,
 * at most room bytes of it, and ends the request, unless it returns -ETIMEDOUT, -ETIME or -EBADE:
 * then it can be waited for again, or given up. answer may be NULL.
 */
int guest_wait(struct guest *guest, struct guest_request *request, void *answer, size_t room,
	       size_t *ret_len);
int guest_wait_parts(struct guest *guest, struct guest_request *request, const struct iovec *parts,
		     unsigned count, size_t *ret_len);
/* Wait until any request of the queue is there; then guest_wait() for it returns at once. */
int guest_wait_any(struct guest *guest, unsigned queue, int timeout_ms,
		   struct guest_request **ret_request);
/* Nobody is going to wait for it; its buffers are kept until it comes back. */
void guest_give_up(struct guest *guest, struct guest_request *request);
uint64_t guest_request_unique(const struct guest_request *request);

/* guest_submit() and guest_wait(); a request that does not come back in time is given up. */
int guest_call(struct guest *guest, unsigned queue, const void *message, size_t size, void *answer,
	       size_t room, size_t *ret_len);
int guest_call_parts(struct guest *guest, unsigned queue, const struct iovec *parts, unsigned count,
		     const struct iovec *answer, unsigned answer_count, size_t *ret_len);

#endif
