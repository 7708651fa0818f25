/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/uring_slot.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/req.h"
#include "core/transport.h"
#include "protocol/decode.h"

/* Bytes of payload that stay. */
#define KEPT (64u << 10)
#define IN_HEADER sizeof(struct fb_wire_in_header)
#define OUT_HEADER sizeof(struct fb_wire_out_header)

struct fb_uring_slot *fb_uring_slot_new(size_t size)
{
	struct fb_uring_slot *slot = calloc(1, sizeof(*slot));
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *memory;

	if (!slot)
		return NULL;
	memory =
		mmap(NULL, page + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		free(slot);
		return NULL;
	}
	/* A child would have each request copied that comes after the fork. */
	madvise(memory, page + size, MADV_DONTFORK);
	slot->header = memory;
	slot->payload = (uint8_t *)memory + page;
	slot->payload_size = size;
	slot->registered[0] = (struct iovec){ slot->header, sizeof(*slot->header) };
	slot->registered[1] = (struct iovec){ slot->payload, size };
	return slot;
}

void fb_uring_slot_free(struct fb_uring_slot *slot)
{
	uint8_t *memory = (uint8_t *)slot->header;

	munmap(memory, (size_t)(slot->payload - memory) + slot->payload_size);
	free(slot);
}

/* Put head and rest of the message together. Returns its size, or 0 when the numbers do not fit. */
static size_t assemble(struct fb_uring_slot *slot, struct fb_req *req, size_t *ret_head)
{
	const struct fb_wire_in_header *header = (const void *)slot->header->in_out;
	uint8_t *to = req->buffer;
	size_t used = slot->header->ring_ent_in_out.payload_sz, fixed, head;

	if (used > slot->payload_size || header->len < IN_HEADER + used)
		return 0;
	fixed = header->len - IN_HEADER - used;
	head = fb_decode_head_size(header, header->len);
	if (fixed > sizeof(slot->header->op_in) || head < IN_HEADER + fixed ||
	    head > req->buffer_size)
		return 0;
	memcpy(to, header, IN_HEADER);
	memcpy(to + IN_HEADER, slot->header->op_in, fixed);
	memcpy(to + IN_HEADER + fixed, slot->payload, head - IN_HEADER - fixed);
	slot->rest.iov_base = slot->payload + (head - IN_HEADER - fixed);
	slot->rest.iov_len = header->len - head;
	slot->came = used;
	*ret_head = head;
	return header->len;
}

void fb_uring_slot_open(struct fb_uring_slot *slot, struct fb_req *req)
{
	size_t head, total;

	req->slot = slot;
	total = assemble(slot, req, &head);
	if (total == 0) {
		/* The header alone, which is shorter than it says. */
		memcpy(req->buffer, slot->header->in_out, IN_HEADER);
		head = total = IN_HEADER;
	}
	fb_req_set_message(req, req->buffer, head, total, &slot->rest, head < total ? 1 : 0);
}

int fb_uring_slot_room(struct fb_uring_slot *slot, struct fb_req *req, size_t head_size,
		       size_t size, struct iovec **ret_iov)
{
	size_t start = head_size - OUT_HEADER;

	if (size > slot->payload_size - start)
		size = slot->payload_size - start;
	req->room_iov = (struct iovec){ slot->payload + start, size };
	*ret_iov = &req->room_iov;
	return 1;
}

static void fill(struct fb_uring_slot *slot, const void *head, size_t body_size)
{
	memcpy(slot->header->in_out, head, OUT_HEADER);
	slot->header->ring_ent_in_out.flags = 0;
	slot->header->ring_ent_in_out.payload_sz = (uint32_t)body_size;
}

void fb_uring_slot_fill(struct fb_uring_slot *slot, const struct fb_answer *answer)
{
	size_t fixed = answer->head_size - OUT_HEADER;

	assert(!answer->given && fixed + answer->placed <= slot->payload_size);
	memcpy(slot->payload, (const uint8_t *)answer->head + OUT_HEADER, fixed);
	fill(slot, answer->head, fixed + answer->placed);
}

void fb_uring_slot_fill_empty(struct fb_uring_slot *slot)
{
	const struct fb_wire_out_header header = { .len = OUT_HEADER, .unique = slot->commit_id };

	fill(slot, &header, 0);
}

size_t fb_uring_slot_note_use(struct fb_uring_slot *slot)
{
	size_t now = slot->header->ring_ent_in_out.payload_sz, before = slot->used;

	if (now < slot->came)
		now = slot->came;
	if (now <= before)
		return 0;
	slot->used = now;
	return now - before;
}

size_t fb_uring_slot_trim(struct fb_uring_slot *slot)
{
	size_t freed = slot->used > KEPT ? slot->used - KEPT : 0;

	if (freed == 0)
		return 0;
	madvise(slot->payload + KEPT, slot->payload_size - KEPT, MADV_DONTNEED);
	slot->used = KEPT;
	return freed;
}
