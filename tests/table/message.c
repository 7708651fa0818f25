/* SPDX-License-Identifier: BSD-3-Clause */
#include "message.h"

#include <assert.h>
#include <string.h>

const struct fb_decode_rules message_rules_newest = {
	.minor = FB_KERNEL_MINOR,
	.flags = ~(uint64_t)FB_INIT_EXPORT_SUPPORT,
	.initialized = true,
};

const struct fb_decode_rules message_rules_oldest = {
	.minor = FB_KERNEL_MINOR_MIN,
	.flags = 0,
	.initialized = true,
};

struct fb_wire_in_header *message_header(struct message *m)
{
	return (struct fb_wire_in_header *)m->bytes;
}

void *message_in(struct message *m)
{
	return m->bytes + sizeof(struct fb_wire_in_header);
}

/* Fields that zero is no good for. */
static void fill_fixed(struct message *m)
{
	void *in = message_in(m);

	switch (m->row->opcode) {
	case FB_OP_INIT:
		((struct fb_wire_init_in *)in)->major = FB_KERNEL_VERSION;
		((struct fb_wire_init_in *)in)->minor = FB_KERNEL_MINOR;
		((struct fb_wire_init_in *)in)->max_readahead = 131072;
		break;
	case FB_OP_BMAP:
		((struct fb_wire_bmap_in *)in)->blocksize = 512;
		break;
	case FB_OP_FALLOCATE:
		((struct fb_wire_fallocate_in *)in)->length = 1;
		break;
	case FB_OP_LSEEK:
		((struct fb_wire_lseek_in *)in)->whence = FB_WIRE_SEEK_DATA;
		break;
	case FB_OP_SETUPMAPPING:
		((struct fb_wire_setupmapping_in *)in)->len = 4096;
		break;
	default:
		break;
	}
}

void message_begin(struct message *m, const struct fb_op_row *row,
		   const struct fb_decode_rules *rules)
{
	bool anonymous = row->flags & FB_ROW_NO_CALLER;

	*m = (struct message){ .row = row, .rules = *rules };
	*message_header(m) = (struct fb_wire_in_header){
		.opcode = row->opcode,
		.unique = 2 + 2 * (uint64_t)row->index,
		.nodeid = FB_ROOT_NODE,
		.uid = anonymous ? 0 : 1000,
		.gid = anonymous ? 0 : 1000,
		.pid = anonymous ? 0 : 4711,
	};
	m->size = sizeof(struct fb_wire_in_header) + fb_decode_fixed_size(rules, row);
	fill_fixed(m);
	message_set_room(m, 4096);
}

void message_add(struct message *m, const void *bytes, size_t size)
{
	assert(size <= sizeof(m->bytes) - m->size);
	if (size > 0)
		memcpy(m->bytes + m->size, bytes, size);
	m->size += size;
}

void message_add_name(struct message *m, const char *name)
{
	message_add(m, name, strlen(name) + 1);
}

static const char *default_name(const struct fb_op_row *row, unsigned i)
{
	if (row->opcode == FB_OP_TMPFILE)
		return "/";
	if (row->flags & FB_ROW_ANY_NAME)
		return "user.name";
	return i == 0 ? "name" : "other";
}

void message_add_names(struct message *m, unsigned first)
{
	for (unsigned i = first; i < m->row->names; i++)
		message_add_name(m, default_name(m->row, i));
}

static void set_field(struct message *m, uint16_t offset, uint32_t value)
{
	memcpy((uint8_t *)message_in(m) + offset, &value, sizeof(value));
}

void message_set_tail_field(struct message *m, uint32_t value)
{
	assert(m->row->tail != FB_TAIL_NONE);
	set_field(m, m->row->tail_field, value);
}

void message_set_room(struct message *m, uint32_t value)
{
	if (m->row->room_field != FB_ROW_NO_ROOM)
		set_field(m, m->row->room_field, value);
}

void message_add_tail(struct message *m, uint32_t count)
{
	size_t size = (size_t)count * m->row->tail_element;

	message_set_tail_field(m, count);
	assert(size <= sizeof(m->bytes) - m->size);
	for (size_t i = 0; i < size; i++)
		m->bytes[m->size + i] = (uint8_t)(i % 8 == 0 ? 1 + i / 8 : 0);
	m->size += size;
}

void message_add_extension(struct message *m, uint32_t type, const void *body, size_t size)
{
	size_t padding = (8 - size % 8) % 8;
	struct fb_wire_ext_header header = {
		.size = (uint32_t)(sizeof(header) + size + padding),
		.type = type,
	};

	message_add(m, &header, sizeof(header));
	message_add(m, body, size);
	message_add(m, "\0\0\0\0\0\0\0", padding);
	message_header(m)->total_extlen =
		(uint16_t)(message_header(m)->total_extlen + header.size / 8);
}

void message_end(struct message *m)
{
	message_header(m)->len = (uint32_t)m->size;
}

void message_build(struct message *m, const struct fb_op_row *row,
		   const struct fb_decode_rules *rules)
{
	message_begin(m, row, rules);
	message_add_names(m, 0);
	if (row->tail != FB_TAIL_NONE)
		message_add_tail(m, row->tail == FB_TAIL_BYTES ? MESSAGE_TAIL_BYTES :
								 MESSAGE_TAIL_ELEMENTS);
	message_end(m);
}
