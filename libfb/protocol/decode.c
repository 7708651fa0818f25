/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocol/decode.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "protocol/checks.h"
#include "protocol/extension.h"

#define HEADER_SIZE sizeof(struct fb_wire_in_header)

/* The version that gave two bytes of padding in the header a meaning. */
#define EXTENSIONS_SINCE 38

/* Where the decoder is in the message; end lies before the extensions. */
struct cursor {
	const uint8_t *head;
	size_t at, end;
};

static size_t left(const struct cursor *c)
{
	return c->end - c->at;
}

size_t fb_decode_head_size(const struct fb_wire_in_header *header, size_t total_size)
{
	const struct fb_op_row *row = fb_op_row_find(header->opcode);
	size_t size = row && (row->flags & FB_ROW_BULK) ? HEADER_SIZE + row->in_size : total_size;

	return size < total_size ? size : total_size;
}

size_t fb_decode_fixed_size(const struct fb_decode_rules *rules, const struct fb_op_row *row)
{
	if (row->opcode == FB_OP_INIT)
		return FB_WIRE_INIT_IN_SHORT;
	if (row->opcode == FB_OP_SETXATTR && !(rules->flags & FB_INIT_SETXATTR_EXT))
		return FB_WIRE_SETXATTR_IN_SHORT;
	return row->in_size;
}

/* Fill header and row, and decide whether this request may come now. */
static int take_header(const struct fb_decode_rules *rules, const void *head, size_t head_size,
		       size_t total_size, struct fb_args *args)
{
	if (head_size < HEADER_SIZE || head_size > total_size)
		return -EINVAL;
	memcpy(&args->header, head, HEADER_SIZE);
	args->row = fb_op_row_find(args->header.opcode);
	if (args->header.opcode == FB_OP_INIT_SWAPPED)
		return -EPROTO;
	if (args->header.len != total_size)
		return -EINVAL;
	if (!args->row)
		return -ENOSYS;
	if (head_size < fb_decode_head_size(&args->header, total_size))
		return -EINVAL;
	if (!rules->initialized)
		return args->row->flags & FB_ROW_BEFORE_INIT ? 0 : -EIO;
	return args->row->since <= rules->minor ? 0 : -ENOSYS;
}

/* Extensions come off the end before anything else is looked at. */
static int take_extensions(const struct fb_decode_rules *rules, struct cursor *c,
			   struct fb_args *args)
{
	size_t size = rules->minor < EXTENSIONS_SINCE ? 0 : args->header.total_extlen * (size_t)8;

	if (size == 0)
		return 0;
	if (!(args->row->flags & FB_ROW_EXTENSIONS) || size > left(c))
		return -EINVAL;
	c->end -= size;
	return fb_extension_parse(c->head + c->end, size, rules->flags, &args->ext);
}

/* Two structs have two lengths each: complete them with zeros in args->fixed. */
static void lengthen(struct cursor *c, size_t size, struct fb_args *args)
{
	struct fb_wire_init_in *init = &args->fixed.init;

	if (args->row->opcode == FB_OP_INIT) {
		size = left(c) < sizeof(*init) ? left(c) : sizeof(*init);
		memcpy(init, c->head + c->at, size);
		if (!(init->flags & FB_INIT_INIT_EXT))
			init->flags2 = 0;
		args->in = init;
		c->at = c->end;
		return;
	}
	memcpy(&args->fixed.setxattr, c->head + c->at, size);
	args->in = &args->fixed.setxattr;
	c->at += size;
}

static int take_fixed(const struct fb_decode_rules *rules, struct cursor *c, struct fb_args *args)
{
	size_t size = fb_decode_fixed_size(rules, args->row);

	if (size > left(c))
		return -EINVAL;
	if (size == 0)
		return 0;
	if (args->row->opcode == FB_OP_INIT || args->row->opcode == FB_OP_SETXATTR) {
		lengthen(c, size, args);
		return 0;
	}
	args->in = c->head + c->at;
	c->at += size;
	return 0;
}

static bool is_dot_name(const char *name, size_t len)
{
	return (len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.');
}

static int check_name(const struct fb_decode_rules *rules, const struct fb_args *args, unsigned i)
{
	const char *name = args->name[i];
	size_t len = args->name_len[i];
	uint32_t flags = args->row->flags;

	if (len == 0)
		return -EINVAL;
	if ((flags & FB_ROW_TARGET) && i == 1)
		return len <= FB_LINK_MAX ? 0 : -ENAMETOOLONG;
	if (flags & FB_ROW_ANY_NAME)
		return len <= FB_NAME_MAX ? 0 : -ERANGE;
	if (len > FB_NAME_MAX)
		return -ENAMETOOLONG;
	if (memchr(name, '/', len))
		return -EINVAL;
	if (is_dot_name(name, len) &&
	    !((flags & FB_ROW_DOT_NAMES) && (rules->flags & FB_INIT_EXPORT_SUPPORT)))
		return -EINVAL;
	return 0;
}

static int take_names(const struct fb_decode_rules *rules, struct cursor *c, struct fb_args *args)
{
	for (unsigned i = 0; i < args->row->names; i++) {
		const uint8_t *name = c->head + c->at;
		const uint8_t *end = memchr(name, 0, left(c));
		int r;

		if (!end)
			return -EINVAL;
		args->name[i] = (const char *)name;
		args->name_len[i] = (size_t)(end - name);
		c->at += args->name_len[i] + 1;
		r = check_name(rules, args, i);
		if (r < 0)
			return r;
	}
	return 0;
}

static uint32_t field(const struct fb_args *args, uint16_t offset)
{
	uint32_t value;

	memcpy(&value, (const uint8_t *)args->in + offset, sizeof(value));
	return value;
}

/* Whatever is left has to be the tail, to the byte. */
static int take_tail(struct cursor *c, size_t head_size, struct fb_args *args)
{
	const struct fb_op_row *row = args->row;
	size_t size = left(c);

	args->tail_offset = c->at;
	args->tail_size = size;
	if (row->tail == FB_TAIL_NONE)
		return size == 0 ? 0 : -EINVAL;
	args->tail_count = field(args, row->tail_field);
	if (size % row->tail_element != 0 || size / row->tail_element != args->tail_count)
		return -EINVAL;
	if (c->end <= head_size)
		args->tail = c->head + c->at;
	return 0;
}

static void set_room(struct fb_args *args)
{
	if (args->row->room_field != FB_ROW_NO_ROOM)
		args->room = field(args, args->row->room_field);
	else if (args->row->reply == FB_REPLY_BYTES)
		args->room = FB_LINK_MAX;
}

int fb_decode(const struct fb_decode_rules *rules, const void *head, size_t head_size,
	      size_t total_size, struct fb_args *ret_args)
{
	struct cursor c = { .head = head, .at = HEADER_SIZE, .end = total_size };
	int r;

	assert(((uintptr_t)head & 7) == 0);
	memset(ret_args, 0, sizeof(*ret_args));
	r = take_header(rules, head, head_size, total_size, ret_args);
	if (r == 0)
		r = take_extensions(rules, &c, ret_args);
	if (r == 0)
		r = take_fixed(rules, &c, ret_args);
	if (r == 0)
		r = take_names(rules, &c, ret_args);
	if (r == 0)
		r = take_tail(&c, head_size, ret_args);
	if (r < 0)
		return r;
	assert(ret_args->tail_offset + ret_args->tail_size == c.end && c.end <= total_size);
	set_room(ret_args);
	ret_args->umask = fb_check_umask(ret_args);
	return fb_check_args(ret_args);
}

void fb_args_element(const struct fb_args *args, uint32_t index, void *ret_element)
{
	size_t size = args->row->tail_element;

	assert(args->row->tail == FB_TAIL_ARRAY && index < args->tail_count);
	memcpy(ret_element, args->tail + index * size, size);
}

uint32_t fb_args_groups(const struct fb_args *args, uint32_t *ret_groups, uint32_t max)
{
	uint32_t count = args->ext.group_count < max ? args->ext.group_count : max;

	if (count > 0)
		memcpy(ret_groups, args->ext.groups, count * sizeof(*ret_groups));
	return count;
}

bool fb_args_label(const struct fb_args *args, size_t index, const char **ret_name,
		   const void **ret_value, size_t *ret_size)
{
	return fb_extension_label(&args->ext, index, ret_name, ret_value, ret_size);
}
