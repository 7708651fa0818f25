/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What hostile guests and monitors that make mistakes are tried on: a device in this process, a guest
 * with two request queues, and the proof that both go on.
 *
 * R, F and M in the names of tests are rows of the attack table: rings, FUSE requests, messages; rows.sh
 * sees to it that each has one.
 */
#ifndef TESTS_STAGE_H
#define TESTS_STAGE_H

#include "cmocka_setup.h"

#include "device.h"
#include "guest.h"
#include "guest_fuse.h"

#define FLAGS (FB_INIT_BIG_WRITES | FB_INIT_MAX_PAGES | FB_INIT_POSIX_LOCKS)
#define MINOR 38
#define OTHER (GUEST_REQUESTS + 1)
#define IN_HEADER sizeof(struct fb_wire_in_header)
#define OUT_HEADER sizeof(struct fb_wire_out_header)
#define ATTR_SIZE (OUT_HEADER + sizeof(struct fb_wire_attr_out))

extern struct device device;
extern struct guest *guest;
extern struct guest_caller first, other; /* each on a request queue of its own */

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int set_up(void **state);
/* End all; no descriptor and no mapping of this process may be left. */
int tear_down(void **state);

/* In the place of what set_up() made: another share and session; NULL for the defaults. */
void share_anew(const struct fb_passthrough_options *share,
		const struct fb_session_options *session);
/* Another guest on a new connection, which has not greeted yet. */
void connect_anew(const struct guest_options *options);
void greet(uint64_t flags);

/* A good request on the other ring and a FORGET; on both request rings. */
void lives(void);
void works(void);

/* The ring that is attacked. */
struct guest_ring *ring(void);
/* Rings made anew in a device that was stopped, or is to be. */
void restart(void);
/* The first ring has broken: it says so, takes nothing, and can be started anew. */
void broken(void);

/* A message that is acknowledged. */
#define TELL(request, payload, fds, count)                                                         \
	front_end_ack(&guest->fe, request, &(payload), sizeof(payload), fds, count)

/* ---- requests ------------------------------------------------------------------------------------ */

struct request {
	struct fb_wire_in_header header;
	uint8_t body[8192];
};

struct request request(uint32_t opcode, uint64_t node, const void *body, size_t size);

/*
 * Send bytes as they are on the first ring, with room for an answer. Returns the error of the answer, or
 * -errno.
 */
int ask(const void *message, size_t size, size_t room);

/* A new file of the share, open for reading and writing. */
struct fb_wire_create_out make_file(const char *name);

/* Have a lock of the whole file asked for, waiting for it. Returns the request. */
struct guest_request *ask_for_lock(const struct fb_wire_create_out *file, uint64_t owner,
				   uint64_t unique);
/* Wait for the answer to it. Returns its error. */
int lock_ends(struct guest_request *asked);
/* Wait until the device has taken everything from the first ring. */
void all_is_taken(void);
/* A request that is under way until it is interrupted. */
struct guest_request *wait_for_lock(const char *name);

/* A path of the host in the share: valid until the next call. */
const char *host_path(const char *name);

#endif
