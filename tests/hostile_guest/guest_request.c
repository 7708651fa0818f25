/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests of a guest: buffers, chains, and a look at the answers as strict as Linux's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "guest_cut.h"
#include "guest_internal.h"

#define NO_BORDER GUEST_RAM_BORDERS
/* Bytes that pieces of GUEST_SPLIT_CUT are moved by at most. */
#define ODD_MAX 7u

/* A piece of a request: where it is, and what was taken from the pool for it. */
struct block {
	uint64_t gpa;
	uint32_t size; /* 0: it lies over a border, the pool knows nothing of it */
};

/* One direction of a request. */
struct stream {
	uint32_t size;
	unsigned first, count; /* of the request's segments */
	unsigned border;       /* that its buffer lies over, or NO_BORDER */
};

struct guest_request {
	struct guest_request *next, *prev; /* in one of the queue's lists */
	unsigned queue;
	uint32_t opcode;
	uint64_t unique;
	bool headed; /* there is a whole header in it */
	bool done, given_up;
	int result;
	uint32_t used;
	struct stream in, out;
	unsigned room; /* for segments and blocks */
	struct guest_segment *segments;
	struct block blocks[];
};

uint64_t guest_unique(struct guest *guest)
{
	return atomic_fetch_add(&guest->unique, 2);
}

uint64_t guest_request_unique(const struct guest_request *request)
{
	return request->unique;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void list_add(struct guest_request **list, struct guest_request *request)
{
	request->prev = NULL;
	request->next = *list;
	if (request->next)
		request->next->prev = request;
	*list = request;
}

static void list_remove(struct guest_request **list, struct guest_request *request)
{
	if (request->prev)
		request->prev->next = request->next;
	else
		*list = request->next;
	if (request->next)
		request->next->prev = request->prev;
}

/* ---- buffers --------------------------------------------------------------------------------- */

static void free_request(struct guest *guest, struct guest_request *request)
{
	for (unsigned i = 0; i < request->in.count + request->out.count; i++)
		if (request->blocks[i].size > 0)
			guest_pool_give(&guest->pool, request->blocks[i].gpa,
					request->blocks[i].size);
	if (request->in.border != NO_BORDER)
		atomic_fetch_and(&guest->borders, ~(1u << request->in.border));
	if (request->out.border != NO_BORDER)
		atomic_fetch_and(&guest->borders, ~(1u << request->out.border));
	free(request->segments);
	free(request);
}

/* Lay the stream over a border, if that was asked for and one is free. */
static bool place_over_border(struct guest *guest, struct guest_request *request,
			      struct stream *stream)
{
	uint64_t gpa = GUEST_RAM_NONE;

	for (unsigned i = 0; i < GUEST_RAM_BORDERS && gpa == GUEST_RAM_NONE; i++) {
		uint64_t at =
			guest_ram_straddle(&guest->ram, i, guest->options.straddle, stream->size);

		if (at == GUEST_RAM_NONE || (atomic_fetch_or(&guest->borders, 1u << i) >> i & 1))
			continue;
		stream->border = i;
		gpa = at;
	}
	if (gpa == GUEST_RAM_NONE)
		return false;
	for (unsigned i = 0; i < stream->count; i++) {
		request->blocks[stream->first + i] = (struct block){ .size = 0 };
		request->segments[stream->first + i].gpa = gpa;
		gpa += request->segments[stream->first + i].len;
	}
	return true;
}

/* A buffer of its own for each piece, so that nothing lies behind the one before by luck. */
static int place(struct guest *guest, struct guest_request *request, struct stream *stream)
{
	bool odd = guest->options.split == GUEST_SPLIT_CUT;
	unsigned count = stream->count;

	if (place_over_border(guest, request, stream))
		return 0;
	for (unsigned i = 0; i < count; i++) {
		unsigned number = stream->first + i;
		struct guest_segment *segment = &request->segments[number];
		uint32_t move = odd ? i % (ODD_MAX + 1) : 0;
		struct block block = { .size = segment->len + (odd ? ODD_MAX : 0) };

		block.gpa = guest_pool_take(&guest->pool, block.size);
		if (block.gpa == GUEST_RAM_NONE) {
			stream->count = i; /* what free_request() has to give back */
			return -ENOMEM;
		}
		request->blocks[number] = block;
		segment->gpa = block.gpa + move;
	}
	return 0;
}

/* ---- copying --------------------------------------------------------------------------------- */

/* Can not fail: the segments are of our own memory. */
static void copy_piece(const struct guest *guest, uint64_t gpa, const struct iovec *part,
		       size_t offset, size_t size, bool into_guest)
{
	uint8_t *at;

	if (size == 0) /* the part may be nowhere */
		return;
	at = (uint8_t *)part->iov_base + offset;
	if (into_guest)
		guest_ram_write(&guest->ram, gpa, at, size);
	else
		guest_ram_read(&guest->ram, gpa, at, size);
}

/* Copy between a stream in guest memory and parts of ours, until either ends. */
static void copy(const struct guest *guest, const struct guest_request *request,
		 const struct stream *stream, const struct iovec *parts, unsigned count,
		 size_t size, bool into_guest)
{
	const struct guest_segment *segment = request->segments + stream->first;
	size_t seen = 0; /* of the segment */
	size_t done = 0; /* of the part */

	while (size > 0 && count > 0) {
		size_t left = parts->iov_len - done;

		if (left > segment->len - seen)
			left = segment->len - seen;
		if (left > size)
			left = size;
		copy_piece(guest, segment->gpa + seen, parts, done, left, into_guest);
		size -= left;
		seen += left;
		done += left;
		if (seen == segment->len && size > 0) {
			segment++;
			seen = 0;
		}
		if (done == parts->iov_len) {
			parts++;
			count--;
			done = 0;
		}
	}
}

static void copy_out(const struct guest *guest, const struct guest_request *request, void *to,
		     size_t size)
{
	struct iovec part = { .iov_base = to, .iov_len = size };

	copy(guest, request, &request->out, &part, 1, size, false);
}

/* ---- submitting ------------------------------------------------------------------------------ */

/* Read what can be read of the header in front of the parts. */
static void read_header(struct guest_request *request, const struct iovec *parts, unsigned count)
{
	struct fb_wire_in_header header;
	size_t got = 0;

	for (unsigned i = 0; i < count && got < sizeof(header); i++) {
		size_t part = parts[i].iov_len;

		if (part > sizeof(header) - got)
			part = sizeof(header) - got;
		if (part > 0)
			memcpy((uint8_t *)&header + got, parts[i].iov_base, part);
		got += part;
	}
	request->headed = got == sizeof(header);
	if (!request->headed)
		return;
	request->opcode = header.opcode;
	request->unique = header.unique;
}

/* Descriptors that a chain may have: as Linux, indirect tables are no longer than the ring. */
static unsigned chain_limit(const struct guest *guest)
{
	unsigned size = guest->options.ring_size;

	return size < 2 && !guest->options.no_indirect ? 2 : size;
}

static int cut_streams(const struct guest *guest, struct guest_request *request)
{
	const struct guest_options *options = &guest->options;
	unsigned limit = chain_limit(guest);
	unsigned in_limit = limit;
	uint32_t *lens = malloc(limit * sizeof(*lens));

	if (request->out.size > 0 && limit >= 2)
		in_limit = limit > 3 ? limit - 2 : limit - 1;
	request->segments = malloc(limit * sizeof(*request->segments));
	if (!lens || !request->segments) {
		free(lens);
		return -ENOMEM;
	}
	request->in.count =
		guest_cut_request(options, request->opcode, request->in.size, in_limit, lens);
	for (unsigned i = 0; i < request->in.count; i++)
		request->segments[i].len = lens[i];
	request->out.first = request->in.count;
	request->out.count = guest_cut_room(options, request->opcode, request->out.size,
					    limit - request->in.count, lens);
	for (unsigned i = 0; i < request->out.count; i++)
		request->segments[request->out.first + i].len = lens[i];
	free(lens);
	if (request->out.size > 0 && request->out.count == 0) {
		request->in.count = 0; /* nothing is placed yet */
		return -EXFULL;
	}
	return 0;
}

static int make_request(struct guest *guest, const struct iovec *parts, unsigned count, size_t room,
			struct guest_request **ret_request)
{
	unsigned limit = chain_limit(guest);
	struct guest_request *request =
		malloc(sizeof(*request) + limit * sizeof(request->blocks[0]));
	size_t size = 0;
	int r;

	if (!request)
		return -ENOMEM;
	/* Not its blocks: benchmarks make millions of requests with rings of a thousand entries. */
	memset(request, 0, sizeof(*request));
	for (unsigned i = 0; i < count; i++)
		size += parts[i].iov_len;
	request->in = (struct stream){ .size = (uint32_t)size, .border = NO_BORDER };
	request->out = (struct stream){ .size = (uint32_t)room, .border = NO_BORDER };
	read_header(request, parts, count);
	r = size > INT32_MAX || room > INT32_MAX ? -EXFULL : cut_streams(guest, request);
	if (r == 0) {
		unsigned out_count = request->out.count;

		request->out.count = 0; /* until they are placed, too */
		r = place(guest, request, &request->in);
		if (r == 0) {
			request->out.count = out_count;
			r = place(guest, request, &request->out);
		}
	}
	if (r < 0) {
		free_request(guest, request);
		return r;
	}
	copy(guest, request, &request->in, parts, count, size, true);
	*ret_request = request;
	return 0;
}

int guest_add_parts(struct guest *guest, unsigned queue, const struct iovec *parts, unsigned count,
		    size_t room, struct guest_request **ret_request)
{
	/* An answer that nobody wrote must not look like that of an earlier request. */
	static const struct fb_wire_out_header nothing = { .len = 0xa5a5a5a5, .error = 0xa5 };
	struct iovec header = { .iov_base = (void *)&nothing, .iov_len = sizeof(nothing) };
	struct guest_request *request = NULL;
	struct guest_queue *q;
	uint16_t head;
	int r;

	if (queue >= guest->queue_count)
		return -EINVAL;
	q = &guest->queues[queue];
	r = make_request(guest, parts, count, room, &request);
	if (r < 0)
		return r;
	copy(guest, request, &request->out, &header, 1,
	     room < sizeof(nothing) ? room : sizeof(nothing), true);
	request->queue = queue;
	r = guest_ring_add(&q->ring, request->segments, request->in.count, request->out.count,
			   request, &head);
	if (r < 0) {
		free_request(guest, request);
		return r;
	}
	list_add(&q->waiting, request);
	*ret_request = request;
	return 0;
}

void guest_kick(struct guest *guest, unsigned queue)
{
	guest_ring_kick(&guest->queues[queue].ring);
}

int guest_submit_parts(struct guest *guest, unsigned queue, const struct iovec *parts,
		       unsigned count, size_t room, struct guest_request **ret_request)
{
	int r = guest_add_parts(guest, queue, parts, count, room, ret_request);

	if (r == 0)
		guest_kick(guest, queue);
	return r;
}

int guest_submit(struct guest *guest, unsigned queue, const void *message, size_t size, size_t room,
		 struct guest_request **ret_request)
{
	struct iovec part = { .iov_base = (void *)message, .iov_len = size };

	return guest_submit_parts(guest, queue, &part, 1, room, ret_request);
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* What Linux looks at before it takes an answer, and what its callers rely on. */
static int examine(const struct guest *guest, const struct guest_request *request)
{
	struct fb_wire_out_header header;

	if (request->out.size == 0)
		return request->used == 0 ? 0 : -EBADMSG;
	if (request->used == 0)
		return -ENOMSG;
	if (request->used < sizeof(header) || request->used > request->out.size)
		return -EBADMSG;
	copy_out(guest, request, &header, sizeof(header));
	if (header.len != request->used || header.error > 0 || header.error < -FB_WIRE_ERRNO_MAX)
		return -EBADMSG;
	if (request->headed && header.unique != request->unique)
		return -EBADMSG;
	if (header.error != 0 && header.len != sizeof(header))
		return -EBADMSG;
	return 0;
}

/* Take one answer from the ring. */
static int take_answer(struct guest *guest, unsigned queue, int timeout_ms)
{
	struct guest_queue *q = &guest->queues[queue];
	struct guest_request *request;
	uint32_t used;
	void *cookie;
	int r = guest_ring_poll(&q->ring, timeout_ms, &cookie, &used);

	if (r < 0)
		return r;
	request = cookie;
	list_remove(&q->waiting, request);
	if (request->given_up) {
		free_request(guest, request);
		return 0;
	}
	request->used = used;
	request->result = examine(guest, request);
	request->done = true;
	list_add(&q->done, request);
	return 0;
}

static int wait_for(struct guest *guest, const struct guest_request *request)
{
	int r = 0;

	while (r == 0 && !request->done)
		r = take_answer(guest, request->queue, guest->options.timeout_ms);
	return r;
}

int guest_wait_parts(struct guest *guest, struct guest_request *request, const struct iovec *parts,
		     unsigned count, size_t *ret_len)
{
	int r = wait_for(guest, request);

	if (r < 0)
		return r;
	r = request->result;
	if (r == 0) {
		copy(guest, request, &request->out, parts, count, request->used, false);
		if (ret_len)
			*ret_len = request->used;
	}
	list_remove(&guest->queues[request->queue].done, request);
	free_request(guest, request);
	return r;
}

int guest_wait(struct guest *guest, struct guest_request *request, void *answer, size_t room,
	       size_t *ret_len)
{
	struct iovec part = { .iov_base = answer, .iov_len = answer ? room : 0 };

	return guest_wait_parts(guest, request, &part, 1, ret_len);
}

int guest_wait_any(struct guest *guest, unsigned queue, int timeout_ms,
		   struct guest_request **ret_request)
{
	struct guest_queue *q = &guest->queues[queue];
	int r = 0;

	while (r == 0 && !q->done)
		r = take_answer(guest, queue, timeout_ms);
	if (r == 0)
		*ret_request = q->done;
	return r;
}

void guest_give_up(struct guest *guest, struct guest_request *request)
{
	request->given_up = true;
	if (!request->done)
		return;
	list_remove(&guest->queues[request->queue].done, request);
	free_request(guest, request);
}

void guest_forget_requests(struct guest *guest, unsigned queue)
{
	struct guest_request **lists[] = { &guest->queues[queue].waiting,
					   &guest->queues[queue].done };

	for (unsigned i = 0; i < 2; i++)
		while (*lists[i]) {
			struct guest_request *request = *lists[i];

			list_remove(lists[i], request);
			free_request(guest, request);
		}
}

/* ---- both at once ---------------------------------------------------------------------------- */

int guest_call_parts(struct guest *guest, unsigned queue, const struct iovec *parts, unsigned count,
		     const struct iovec *answer, unsigned answer_count, size_t *ret_len)
{
	struct guest_request *request = NULL;
	size_t room = 0;
	int r;

	for (unsigned i = 0; i < answer_count; i++)
		room += answer[i].iov_len;
	r = guest_submit_parts(guest, queue, parts, count, room, &request);
	if (r < 0)
		return r;
	r = wait_for(guest, request);
	if (r < 0) {
		guest_give_up(guest, request);
		return r;
	}
	return guest_wait_parts(guest, request, answer, answer_count, ret_len);
}

int guest_call(struct guest *guest, unsigned queue, const void *message, size_t size, void *answer,
	       size_t room, size_t *ret_len)
{
	struct iovec part = { .iov_base = (void *)message, .iov_len = size };
	struct iovec out = { .iov_base = answer, .iov_len = room };

	return guest_call_parts(guest, queue, &part, 1, &out, room > 0, ret_len);
}
