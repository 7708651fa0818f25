/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A transport with worker threads and no kernel: requests and answers are the packets of a socket
 * pair, from which all channels read.
 */
#ifndef TESTS_FAKE_TRANSPORT_H
#define TESTS_FAKE_TRANSPORT_H

#include <libfb/session.h>
#include <stdatomic.h>

#include "core/transport.h"

struct fake_transport {
	struct fb_transport transport;
	int server_fd, client_fd; /* the client's end belongs to the test */
	atomic_int channels_open, channels_most;
	atomic_int shut_count;
	atomic_int receive_error;    /* what the next receive fails with, -errno */
	int ready_error;             /* what asking for a descriptor fails with */
	int send_error;              /* what sending an answer fails with */
	_Atomic(const void *) given; /* of the last answer */
	struct fb_channel *no_wait;  /* of the event loop */
	int open_error;              /* what opening a channel beyond open_limit fails with */
	int open_limit;
};

/* Make one and attach it to session, which owns it from then on. Aborts when it can not. */
struct fake_transport *fake_transport_attach(struct fb_session *session);

/* Send a request with this opcode, node and body, and receive an answer; -ETIMEDOUT after 10 s. */
void fake_send(struct fake_transport *fake, uint32_t opcode, uint64_t unique, uint64_t node,
	       const void *body, size_t size);
int fake_receive(struct fake_transport *fake, uint64_t *ret_unique, int timeout_ms);

/* INIT, answered. */
void fake_greet(struct fake_transport *fake);

#endif
