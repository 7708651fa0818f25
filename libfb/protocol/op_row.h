/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rows of the opcode table as data, for everything that works on any opcode.
 */
#ifndef FB_PROTOCOL_OP_ROW_H
#define FB_PROTOCOL_OP_ROW_H

#include <stdint.h>

#include "protocol/op_table.h"
#include "protocol/wire.h"

/* What follows the names of a request. */
enum fb_tail {
	FB_TAIL_NONE,
	FB_TAIL_BYTES, /* as many bytes as its length field says */
	FB_TAIL_ARRAY  /* as many elements as its length field says */
};

enum fb_reply_shape {
#define FB_X(name, out) FB_REPLY_##name,
	FB_REPLY_TABLE(FB_X)
#undef FB_X
};

/* Rows by their place in the table, without gaps: an index for arrays of statistics. */
enum fb_op_index {
#define FB_X(number, name, ...) FB_OP_INDEX_##name,
	FB_OP_TABLE(FB_X)
#undef FB_X
		FB_OP_ROW_COUNT
};

struct fb_op_row {
	const char *name; /* as in the kernel's header, without FUSE_ */
	uint32_t opcode;
	uint32_t flags; /* FB_ROW_* */
	uint16_t index; /* below FB_OP_ROW_COUNT */
	uint8_t since;  /* minor version */
	uint8_t names;  /* 0, 1 or 2 */

	uint16_t
		in_size; /* of the newest fixed struct; fb_decode_fixed_size() tells what is sent */
	uint16_t tail_field;   /* offset of the length field in the fixed struct */
	uint16_t tail_element; /* bytes: 1 for FB_TAIL_BYTES */
	uint16_t room_field;   /* offset of a field in the fixed struct, or FB_ROW_NO_ROOM */
	enum fb_tail tail;

	enum fb_reply_shape reply;
	uint16_t reply_size; /* of the fixed struct of the answer */
	uint16_t absent;     /* errno, as in the table */
	uint16_t soft;       /* errno, as in the table */
};

#define FB_ROW_NO_ROOM UINT16_MAX

/* Find the row of an opcode, or NULL: one array access. */
const struct fb_op_row *fb_op_row_find(uint32_t opcode);

/* The row with this index, below FB_OP_ROW_COUNT. */
const struct fb_op_row *fb_op_row_at(unsigned index);

/* Step through all rows: for (row = fb_op_row_at(0); row; row = fb_op_row_next(row)). */
const struct fb_op_row *fb_op_row_next(const struct fb_op_row *row);

/* Name an opcode for people; "UNKNOWN" when there is none. */
const char *fb_op_row_name(uint32_t opcode);

#endif
