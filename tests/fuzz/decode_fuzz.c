/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a request: decoding ends with an errno or with arguments that lie inside the
 * message, under all rules and with bulk data cut off.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "protocol/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER_SIZE sizeof(struct fb_wire_in_header)
#define GROUPS_SHOWN 8

static const struct fb_decode_rules all_rules[] = {
	{ .minor = FB_KERNEL_MINOR, .flags = UINT64_MAX, .initialized = true },
	{ .minor = FB_KERNEL_MINOR, .flags = 0, .initialized = true },
	{ .minor = FB_KERNEL_MINOR_MIN, .flags = 0, .initialized = true },
	{ .initialized = false },
};

/* One message in a block that ends where it ends. */
struct message {
	uint8_t *head;
	size_t head_size, total_size;
};

static void check_range(const struct message *m, const void *at, size_t size)
{
	const uint8_t *start = at;

	CHECK(start >= m->head + HEADER_SIZE && start <= m->head + m->head_size);
	CHECK(size <= (size_t)(m->head + m->head_size - start));
}

static void check_names(const struct message *m, const struct fb_args *args)
{
	uint32_t flags = args->row->flags;

	for (unsigned i = 0; i < args->row->names; i++) {
		bool target = (flags & FB_ROW_TARGET) && i == 1;

		check_range(m, args->name[i], args->name_len[i] + 1);
		CHECK(strlen(args->name[i]) == args->name_len[i]);
		CHECK(args->name_len[i] > 0);
		CHECK(args->name_len[i] <= (target ? FB_LINK_MAX : FB_NAME_MAX));
		CHECK(target || (flags & FB_ROW_ANY_NAME) || !strchr(args->name[i], '/'));
	}
}

static void check_tail(const struct message *m, const struct fb_args *args)
{
	uint64_t element[2] = { 0 };

	CHECK(args->tail_offset >= HEADER_SIZE && args->tail_offset <= m->total_size);
	CHECK(args->tail_size <= m->total_size - args->tail_offset);
	if (args->tail)
		check_range(m, args->tail, args->tail_size);
	CHECK(args->row->tail != FB_TAIL_NONE || args->tail_size == 0);
	CHECK(args->row->tail != FB_TAIL_BYTES || args->tail_count == args->tail_size);
	for (uint32_t i = 0; args->row->tail == FB_TAIL_ARRAY && i < args->tail_count; i++)
		fb_args_element(args, i, element);
}

static void check_extensions(const struct message *m, const struct fb_args *args)
{
	uint32_t groups[GROUPS_SHOWN];
	const char *name;
	const void *value;
	size_t size, labels = 0;

	CHECK(fb_args_groups(args, groups, GROUPS_SHOWN) <= GROUPS_SHOWN);
	if (args->ext.groups)
		check_range(m, args->ext.groups, args->ext.group_count * sizeof(uint32_t));
	while (fb_args_label(args, labels, &name, &value, &size)) {
		check_range(m, name, strlen(name) + 1);
		check_range(m, value, size);
		labels++;
	}
	CHECK(labels == args->ext.label_count);
}

static int decode(const struct fb_decode_rules *rules, const struct message *m)
{
	struct fb_args args;
	int r = fb_decode(rules, m->head, m->head_size, m->total_size, &args);

	CHECK(r <= 0 && r >= -FB_WIRE_ERRNO_MAX);
	if (m->head_size >= HEADER_SIZE && m->head_size <= m->total_size)
		CHECK(memcmp(&args.header, m->head, HEADER_SIZE) == 0);
	if (r < 0)
		return r;
	CHECK(args.row && args.row->opcode == args.header.opcode);
	CHECK(args.header.len == m->total_size);
	CHECK((args.in != NULL) == (args.row->in_size > 0));
	CHECK(((uintptr_t)args.in & 7) == 0);
	if (args.in && args.in != &args.fixed)
		check_range(m, args.in, args.row->in_size);
	check_names(m, &args);
	check_tail(m, &args);
	check_extensions(m, &args);
	return r;
}

/* Decode with the bytes from head_size on out of reach. */
static int decode_head(const struct fb_decode_rules *rules, const uint8_t *data, size_t head_size,
		       size_t total_size)
{
	struct message m = { calloc(1, head_size ? head_size : 1), head_size, total_size };
	int r;

	CHECK(m.head);
	if (head_size > 0)
		memcpy(m.head, data, head_size);
	r = decode(rules, &m);
	free(m.head);
	return r;
}

static void decode_all(const uint8_t *data, size_t size)
{
	struct fb_wire_in_header header = { .len = 0 };
	size_t head_size = size;

	if (size >= HEADER_SIZE) {
		memcpy(&header, data, HEADER_SIZE);
		head_size = fb_decode_head_size(&header, size);
		CHECK(head_size <= size);
	}
	for (size_t i = 0; i < sizeof(all_rules) / sizeof(all_rules[0]); i++) {
		int r = decode_head(&all_rules[i], data, size, size);

		/* Where bulk data lies makes no difference; one byte less of the rest does. */
		CHECK(decode_head(&all_rules[i], data, head_size, size) == r);
		CHECK(decode_head(&all_rules[i], data, (head_size + size) / 2, size) == r);
		if (head_size > 0)
			CHECK(decode_head(&all_rules[i], data, head_size - 1, size) < 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t len = (uint32_t)size;
	uint8_t *fitted;

	decode_all(data, size);
	if (size < sizeof(len) || memcmp(data, &len, sizeof(len)) == 0)
		return 0;
	/* A wrong length in the header would hide everything behind it. */
	fitted = malloc(size);
	CHECK(fitted);
	memcpy(fitted, data, size);
	memcpy(fitted, &len, sizeof(len));
	decode_all(fitted, size);
	free(fitted);
	return 0;
}
