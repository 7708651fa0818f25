/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocol/op_row.h"

#include <assert.h>
#include <stddef.h>

/* The words of the columns tail and room, as initializers. */
#define NO_TAIL .tail = FB_TAIL_NONE
#define BYTES(in, field)                                                                           \
	.tail = FB_TAIL_BYTES, .tail_field = offsetof(struct fb_wire_##in, field), .tail_element = 1
#define ARRAY(in, field, element)                                                                  \
	.tail = FB_TAIL_ARRAY, .tail_field = offsetof(struct fb_wire_##in, field),                 \
	.tail_element = FB_WIRE_SIZE(element)
#define NO_ROOM .room_field = FB_ROW_NO_ROOM
#define ROOM(in, field) .room_field = offsetof(struct fb_wire_##in, field)

/* Sizes of the fixed structs of answers, as constants that an initializer may use. */
enum {
#define FB_X(shape, out) REPLY_SIZE_##shape = FB_WIRE_SIZE(out),
	FB_REPLY_TABLE(FB_X)
#undef FB_X
};

/* Opcodes are small numbers: the array that finds them has a place for each. */
enum { OPCODE_END = FB_OP_COPY_FILE_RANGE_64 + 1 };

static const struct fb_op_row rows[FB_OP_ROW_COUNT] = {
#define FB_X(number, name_, handler, op, since_, in, names_, tail_, room_, shape, absent_, soft_,  \
	     flags_)                                                                               \
	[FB_OP_INDEX_##name_] = {                                                                  \
		.name = #name_,                                                                    \
		.opcode = (number),                                                                \
		.flags = (flags_),                                                                 \
		.index = FB_OP_INDEX_##name_,                                                      \
		.since = (since_),                                                                 \
		.names = (names_),                                                                 \
		.in_size = FB_WIRE_SIZE(in),                                                       \
		tail_,                                                                             \
		room_,                                                                             \
		.reply = FB_REPLY_##shape,                                                         \
		.reply_size = REPLY_SIZE_##shape,                                                  \
		.absent = (absent_),                                                               \
		.soft = (soft_),                                                                   \
	},
	FB_OP_TABLE(FB_X)
#undef FB_X
};

static const struct fb_op_row *const by_opcode[OPCODE_END] = {
#define FB_X(number, name, ...) [number] = &rows[FB_OP_INDEX_##name],
	FB_OP_TABLE(FB_X)
#undef FB_X
};

const struct fb_op_row *fb_op_row_find(uint32_t opcode)
{
	return opcode < OPCODE_END ? by_opcode[opcode] : NULL;
}

const struct fb_op_row *fb_op_row_at(unsigned index)
{
	assert(index < FB_OP_ROW_COUNT);
	return &rows[index];
}

const struct fb_op_row *fb_op_row_next(const struct fb_op_row *row)
{
	return row->index + 1 < FB_OP_ROW_COUNT ? row + 1 : NULL;
}

const char *fb_op_row_name(uint32_t opcode)
{
	const struct fb_op_row *row = fb_op_row_find(opcode);

	return row ? row->name : "UNKNOWN";
}
