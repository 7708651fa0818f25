/* SPDX-License-Identifier: BSD-3-Clause */
#include "exact.h"

#include <stdlib.h>
#include <string.h>

#include "cmocka_setup.h"

void exact_decode(struct exact *e, const struct fb_decode_rules *rules, const void *bytes,
		  size_t head_size, size_t total_size)
{
	uint8_t *block = malloc(head_size ? head_size : 1);

	assert_non_null(block);
	if (head_size > 0)
		memcpy(block, bytes, head_size);
	e->result = fb_decode(rules, block, head_size, total_size, &e->args);
	e->block = block;
}

void exact_free(struct exact *e)
{
	free(e->block);
}

int exact_result(const struct message *m)
{
	struct exact e;
	int r;

	exact_decode(&e, &m->rules, m->bytes, m->size, m->size);
	r = e.result;
	if (r == 0)
		exact_assert_inside(&e, m->size, m->size);
	exact_free(&e);
	return r;
}

static void assert_range(const struct exact *e, const void *at, size_t size, size_t limit)
{
	size_t offset = (size_t)((const uint8_t *)at - e->block);

	assert_in_range(offset, sizeof(struct fb_wire_in_header), limit);
	assert_in_range(size, 0, limit - offset);
}

static void assert_extensions_inside(const struct exact *e, size_t total_size)
{
	uint32_t groups[4];
	const char *name;
	const void *value;
	size_t size;

	if (fb_args_groups(&e->args, groups, 4) > 0)
		assert_range(e, e->args.ext.groups, e->args.ext.group_count * sizeof(uint32_t),
			     total_size);
	for (size_t i = 0; fb_args_label(&e->args, i, &name, &value, &size); i++) {
		assert_range(e, name, strlen(name) + 1, total_size);
		assert_range(e, value, size, total_size);
	}
}

void exact_assert_inside(const struct exact *e, size_t head_size, size_t total_size)
{
	const struct fb_args *args = &e->args;
	bool own = args->in == &args->fixed;

	assert_non_null(args->row);
	assert_true((args->in != NULL) == (args->row->in_size > 0));
	if (args->in && !own)
		assert_range(e, args->in, args->row->in_size, head_size);
	for (unsigned i = 0; i < args->row->names; i++) {
		assert_range(e, args->name[i], args->name_len[i] + 1, head_size);
		assert_int_equal(strlen(args->name[i]), args->name_len[i]);
	}
	assert_in_range(args->tail_offset, sizeof(struct fb_wire_in_header), total_size);
	assert_in_range(args->tail_size, 0, total_size - args->tail_offset);
	if (args->tail)
		assert_range(e, args->tail, args->tail_size, head_size);
	assert_extensions_inside(e, total_size);
}
