/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Decodes out of memory that ends where the message ends, so that a sanitizer sees each byte read
 * too much.
 */
#ifndef TESTS_TABLE_EXACT_H
#define TESTS_TABLE_EXACT_H

#include "message.h"

struct exact {
	uint8_t *block;
	struct fb_args args;
	int result;
};

/* Decode the first head_size of total_size bytes. Free it with exact_free(). */
void exact_decode(struct exact *e, const struct fb_decode_rules *rules, const void *bytes,
		  size_t head_size, size_t total_size);
void exact_free(struct exact *e);

/* Decode a whole message and forget it again; returns what fb_decode returned. */
int exact_result(const struct message *m);

/* Fail the test unless everything that the arguments point to lies inside the message. */
void exact_assert_inside(const struct exact *e, size_t head_size, size_t total_size);

#endif
