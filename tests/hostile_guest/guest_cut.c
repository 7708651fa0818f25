/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cutting requests into pieces.
 *
 * Source: Linux, fs/fuse/virtio_fs.c, for GUEST_SPLIT_LINUX.
 */
#include "guest_cut.h"

#define PAGE 4096u

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* First pieces of these lengths (0: as much as is left), then pieces of step bytes. */
static unsigned cut(uint32_t size, const uint32_t *heads, unsigned head_count, uint32_t step,
		    unsigned limit, uint32_t *ret_lens)
{
	unsigned count = 0;

	while (size > 0 && count < limit) {
		uint32_t len = count < head_count ? heads[count] : step;

		if (len == 0 || count + 1 == limit)
			len = size;
		ret_lens[count] = least(len, size);
		size -= ret_lens[count++];
	}
	return count;
}

static unsigned cut_by(const struct guest_options *options, uint32_t size, const uint32_t *heads,
		       unsigned head_count, unsigned limit, uint32_t *ret_lens)
{
	switch (options->split) {
	case GUEST_SPLIT_LINUX:
		return cut(size, heads, head_count, PAGE, limit, ret_lens);
	case GUEST_SPLIT_CUT:
		return cut(size, heads, 0, options->cut, limit, ret_lens);
	default:
		return cut(size, heads, 0, 0, limit, ret_lens);
	}
}

unsigned guest_cut_request(const struct guest_options *options, uint32_t opcode, uint32_t size,
			   unsigned limit, uint32_t *ret_lens)
{
	const uint32_t heads[] = {
		sizeof(struct fb_wire_in_header),
		opcode == FB_OP_WRITE ? (uint32_t)sizeof(struct fb_wire_write_in) : 0,
	};

	return cut_by(options, size, heads, 2, limit, ret_lens);
}

unsigned guest_cut_room(const struct guest_options *options, uint32_t opcode, uint32_t size,
			unsigned limit, uint32_t *ret_lens)
{
	const uint32_t heads[] = { sizeof(struct fb_wire_out_header), 0 };
	bool pages = opcode == FB_OP_READ || opcode == FB_OP_READDIR ||
		     opcode == FB_OP_READDIRPLUS || opcode == FB_OP_READLINK;

	return cut_by(options, size, heads, pages ? 1 : 2, limit, ret_lens);
}
