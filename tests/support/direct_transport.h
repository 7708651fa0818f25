/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A transport without a wire: one worker, run by the caller, finds its requests in memory and leaves
 * the answers there. What a request costs on it is the core's part and the driver's.
 */
#ifndef TESTS_DIRECT_TRANSPORT_H
#define TESTS_DIRECT_TRANSPORT_H

#include <libfb/session.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/transport.h"
#include "core/worker.h"

#define DIRECT_ROOM 16384

/* One request, in memory aligned to 8. */
struct direct_message {
	const void *bytes;
	size_t size;
};

struct direct_transport {
	struct fb_transport transport;
	struct fb_worker worker;
	const struct direct_message *next, *end; /* still to be received */
	unsigned room_pieces;                    /* of how many pieces the room for data is: 1 */
	struct iovec pieces[8];
	uint64_t answers, errors;        /* sent since the last serve; those with this error: */
	int error;                       /* of the last answer */
	_Alignas(8) uint8_t answer[512]; /* header and fixed struct of the last one */
	_Alignas(8) uint8_t room[DIRECT_ROOM];
};

/* Make one and attach it to session, which owns it from then on. Aborts when it can not. */
struct direct_transport *direct_transport_attach(struct fb_session *session);

/* Serve requests in this thread, by the loop that every worker runs. */
void direct_serve(struct direct_transport *direct, const struct direct_message *messages,
		  size_t count);

/* INIT, answered. */
void direct_greet(struct direct_transport *direct);

#endif
