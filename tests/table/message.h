/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Builds requests from the opcode table: for each row the smallest message that a client could
 * send. Tests, fuzzers and hostile peers start from it and break what they like.
 */
#ifndef TESTS_TABLE_MESSAGE_H
#define TESTS_TABLE_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/decode.h"

#define MESSAGE_MAX 8192

/* What the default tail of a row is made of: bytes, or elements of an array. */
#define MESSAGE_TAIL_BYTES 5u
#define MESSAGE_TAIL_ELEMENTS 2u

struct message {
	_Alignas(8) uint8_t bytes[MESSAGE_MAX];
	size_t size;
	const struct fb_op_row *row;
	struct fb_decode_rules rules;
};

/* Everything of the newest version has been negotiated. */
extern const struct fb_decode_rules message_rules_newest;
/* Nothing but the oldest version has. */
extern const struct fb_decode_rules message_rules_oldest;

/* The whole message of a row: header, struct, default names, default tail. */
void message_build(struct message *m, const struct fb_op_row *row,
		   const struct fb_decode_rules *rules);

/* Or step by step: header and struct with values that pass, */
void message_begin(struct message *m, const struct fb_op_row *row,
		   const struct fb_decode_rules *rules);
/* names and anything else, in the order of the wire, */
void message_add(struct message *m, const void *bytes, size_t size);
void message_add_name(struct message *m, const char *name);
/* the default names of the row from number first on, */
void message_add_names(struct message *m, unsigned first);
/* count bytes or elements, and the length field that says so, */
void message_add_tail(struct message *m, uint32_t count);
/* an extension of size bytes that is filled up to a multiple of 8, */
void message_add_extension(struct message *m, uint32_t type, const void *body, size_t size);
/* and the length in the header. */
void message_end(struct message *m);

/* Parts of the message, to be changed. */
struct fb_wire_in_header *message_header(struct message *m);
void *message_in(struct message *m);

/* Write a value into the length field of the row's tail, or its room. */
void message_set_tail_field(struct message *m, uint32_t value);
void message_set_room(struct message *m, uint32_t value);

#endif
