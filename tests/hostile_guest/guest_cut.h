/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a request and the room for its answer are cut into pieces: as the drivers of different guests
 * do.
 */
#ifndef TESTS_GUEST_CUT_H
#define TESTS_GUEST_CUT_H

#include <stdint.h>

#include "guest.h"

/*
 * Cut a request of size bytes, or the room for the answer to it, into at most limit pieces. Returns
 * how many there are; each length is written to ret_lens.
 */
unsigned guest_cut_request(const struct guest_options *options, uint32_t opcode, uint32_t size,
			   unsigned limit, uint32_t *ret_lens);
unsigned guest_cut_room(const struct guest_options *options, uint32_t opcode, uint32_t size,
			unsigned limit, uint32_t *ret_lens);

#endif
