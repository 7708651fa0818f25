/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A real fbfsd at the other end of a socket, a guest, and an account of what has been asked.
 */
#ifndef TESTS_DAEMON_RIG_H
#define TESTS_DAEMON_RIG_H

#include <stdint.h>

#include "guest.h"
#include "guest_fuse.h"

/* Start the daemon for an empty folder, and greet it. Returns 0 or -1; for cmocka. */
int rig_begin(void **state);

/* Hang up. Returns 0 if the daemon ended well and the tests have left nothing in the folder. */
int rig_end(void **state);

/* Greet once more. */
int rig_greet(void);

/* Whether an opcode has been asked. */
bool rig_has_asked(uint32_t opcode);

/* Where something of the folder is on the host; until the next call. */
const char *rig_path(const char *name);

/* guest_ask() on the first queue. */
int rig_ask(uint32_t opcode, uint64_t node, const void *in, size_t in_size, const void *rest,
	    size_t rest_size, void *out, size_t room, size_t *ret_len);

/* A request that has no answer: the chain comes back empty. */
int rig_tell(unsigned queue, uint32_t opcode, uint64_t node, const void *in, size_t in_size,
	     const void *rest, size_t rest_size);

#endif
