/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver's side of a split virtqueue.
 *
 * Source: OASIS Virtual I/O Device specification, 2.7 "Split Virtqueues".
 */
#include "guest_ring.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* A call may be on its way while its answer is seen already. */
#define LATE_CALL_MS 500

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* ---- layout ---------------------------------------------------------------------------------- */

void guest_ring_reset(struct guest_ring *ring, uint16_t base)
{
	for (unsigned i = 0; i < ring->size; i++) {
		struct guest_ring_slot *slot = &ring->slots[i];

		if (slot->busy && slot->table != GUEST_RAM_NONE)
			guest_pool_give(ring->pool, slot->table, slot->table_size);
		*slot = (struct guest_ring_slot){ .table = GUEST_RAM_NONE };
		ring->free_next[i] = (uint16_t)(i + 1);
	}
	memset(ring->desc, 0, FB_VRING_DESC_SIZE(ring->size));
	memset(ring->avail, 0, FB_VRING_AVAIL_SIZE(ring->size));
	memset(ring->used, 0, FB_VRING_USED_SIZE(ring->size));
	ring->free_head = 0;
	ring->free_count = ring->size;
	ring->in_flight = 0;
	ring->avail_idx = base;
	ring->used_idx = base;
	ring->kicked = base;
	guest_ring_store(ring->avail + FB_VRING_IDX, base);
	guest_ring_store(ring->used + FB_VRING_IDX, base);
	/* A ring that got as far as base carries these two as well. */
	if (ring->event_idx) {
		guest_ring_store(guest_ring_avail_event(ring), base);
		guest_ring_set_used_event(ring, base);
	}
}

static int place(struct guest_ring *ring)
{
	uint64_t used = FB_VRING_DESC_SIZE(ring->size) + FB_VRING_AVAIL_SIZE(ring->size);
	uint64_t whole;

	used = (used + 63) / 64 * 64;
	whole = used + FB_VRING_USED_SIZE(ring->size);
	ring->desc_gpa = guest_pool_take(ring->pool, whole);
	if (ring->desc_gpa == GUEST_RAM_NONE)
		return -ENOMEM;
	ring->avail_gpa = ring->desc_gpa + FB_VRING_DESC_SIZE(ring->size);
	ring->used_gpa = ring->desc_gpa + used;
	ring->desc = guest_ram_ptr(ring->pool->ram, ring->desc_gpa, whole);
	ring->avail = (uint8_t *)ring->desc + (ring->avail_gpa - ring->desc_gpa);
	ring->used = (uint8_t *)ring->desc + used;
	return 0;
}

int guest_ring_init(struct guest_ring *ring, struct guest_pool *pool, unsigned size, uint16_t base,
		    bool event_idx, enum guest_ring_indirect indirect)
{
	*ring = (struct guest_ring){
		.pool = pool,
		.size = size,
		.event_idx = event_idx,
		.indirect = indirect,
		.kick_fd = -1,
		.call_fd = -1,
	};
	if (size == 0 || size > FB_VRING_SIZE_MAX || (size & (size - 1)) != 0)
		return -EINVAL;
	ring->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ring->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ring->slots = calloc(size, sizeof(*ring->slots));
	ring->free_next = calloc(size, sizeof(*ring->free_next));
	if (ring->kick_fd < 0 || ring->call_fd < 0 || !ring->slots || !ring->free_next ||
	    place(ring) < 0) {
		guest_ring_fini(ring);
		return -ENOMEM;
	}
	guest_ring_reset(ring, base);
	return 0;
}

void guest_ring_fini(struct guest_ring *ring)
{
	if (!ring->pool)
		return;
	if (ring->kick_fd >= 0)
		close(ring->kick_fd);
	if (ring->call_fd >= 0)
		close(ring->call_fd);
	free(ring->slots);
	free(ring->free_next);
	*ring = (struct guest_ring){ .kick_fd = -1, .call_fd = -1 };
}

/* ---- offering -------------------------------------------------------------------------------- */

void guest_ring_write_desc(struct fb_wire_vring_desc *desc, uint64_t gpa, uint32_t len,
			   uint16_t flags, uint16_t next)
{
	*desc = (struct fb_wire_vring_desc){ htole64(gpa), htole32(len), htole16(flags),
					     htole16(next) };
}

/* Take a free descriptor, which is the chain's last for now. */
static uint16_t take_desc(struct guest_ring *ring, const struct guest_segment *segment,
			  uint16_t flags, struct guest_ring_slot *slot, uint16_t head)
{
	uint16_t number = ring->free_head;

	ring->free_head = ring->free_next[number];
	ring->free_count--;
	guest_ring_write_desc(&ring->desc[number], segment->gpa, segment->len, flags, 0);
	if (slot->count > 0) {
		struct fb_wire_vring_desc *last = &ring->desc[slot->last];

		last->next = htole16(number);
		last->flags |= htole16(FB_VRING_DESC_NEXT);
		ring->free_next[slot->last] = number;
	}
	slot->last = number;
	slot->count++;
	return slot->count == 1 ? number : head;
}

static uint16_t write_flag(unsigned segment, unsigned readable)
{
	return segment >= readable ? FB_VRING_DESC_WRITE : 0;
}

/* Put these segments into a table; *ret_table is what the ring's descriptor says. */
static int build_table(struct guest_ring *ring, const struct guest_segment *segments,
		       unsigned first, unsigned readable, unsigned count,
		       struct guest_segment *ret_table)
{
	uint32_t size = (uint32_t)FB_VRING_DESC_SIZE(count - first);
	uint64_t gpa = guest_pool_take(ring->pool, size);
	struct fb_wire_vring_desc *table;

	if (gpa == GUEST_RAM_NONE)
		return -ENOMEM;
	table = guest_ram_ptr(ring->pool->ram, gpa, size);
	for (unsigned i = first; i < count; i++) {
		uint16_t flags = write_flag(i, readable);

		if (i + 1 < count)
			flags |= FB_VRING_DESC_NEXT;
		guest_ring_write_desc(&table[i - first], segments[i].gpa, segments[i].len, flags,
				      (uint16_t)(i + 1 < count ? i - first + 1 : 0));
	}
	*ret_table = (struct guest_segment){ gpa, size };
	return 0;
}

int guest_ring_add(struct guest_ring *ring, const struct guest_segment *segments, unsigned readable,
		   unsigned writable, void *cookie, uint16_t *ret_head)
{
	struct guest_ring_slot slot = { .cookie = cookie, .table = GUEST_RAM_NONE, .busy = true };
	struct guest_segment table = { 0 };
	unsigned count = readable + writable;
	unsigned direct = count;
	uint16_t head = 0;

	if (count == 0)
		return -EINVAL;
	if (ring->indirect == GUEST_RING_INDIRECT)
		direct = 0;
	else if (ring->indirect == GUEST_RING_MIXED)
		direct = count > 1 && ring->size > 1 ? 1 : 0;
	if (direct + (direct < count) > ring->free_count)
		return -EXFULL;
	if (direct < count) {
		int r = build_table(ring, segments, direct, readable, count, &table);

		if (r < 0)
			return r;
		slot.table = table.gpa;
		slot.table_size = table.len;
	}
	for (unsigned i = 0; i < direct; i++)
		head = take_desc(ring, &segments[i], write_flag(i, readable), &slot, head);
	if (direct < count)
		head = take_desc(ring, &table, FB_VRING_DESC_INDIRECT, &slot, head);
	ring->slots[head] = slot;
	ring->in_flight++;
	*ret_head = head;
	guest_ring_offer(ring, head);
	return 0;
}

void guest_ring_offer(struct guest_ring *ring, uint16_t head)
{
	guest_ring_store(guest_ring_avail_entry(ring, ring->avail_idx), head);
	guest_ring_set_avail_idx(ring, (uint16_t)(ring->avail_idx + 1));
}

void guest_ring_set_avail_idx(struct guest_ring *ring, uint16_t idx)
{
	ring->avail_idx = idx;
	guest_ring_store(ring->avail + FB_VRING_IDX, idx);
}

void guest_ring_set_used_event(struct guest_ring *ring, uint16_t event)
{
	guest_ring_store(guest_ring_used_event(ring), event);
}

void guest_ring_kick_now(struct guest_ring *ring)
{
	uint64_t one = 1;
	ssize_t r = write(ring->kick_fd, &one, sizeof(one));

	(void)r; /* EAGAIN: it is kicked as hard as can be */
	ring->kicked = ring->avail_idx;
	ring->kicks++;
}

void guest_ring_kick(struct guest_ring *ring)
{
	uint16_t added = (uint16_t)(ring->avail_idx - ring->kicked);
	uint16_t event;
	bool wanted;

	/* The device has seen idx before we look whether it has gone to sleep. */
	event = guest_ring_load(guest_ring_avail_event(ring));
	if (ring->event_idx)
		wanted = (uint16_t)(ring->avail_idx - event - 1) < added;
	else
		wanted = !(guest_ring_load(ring->used + FB_VRING_FLAGS) & FB_VRING_USED_NO_KICK);
	if (wanted || ring->always_kick) {
		guest_ring_kick_now(ring);
		return;
	}
	ring->kicked = ring->avail_idx;
	ring->kicks_saved++;
}

/* ---- taking answers -------------------------------------------------------------------------- */

bool guest_ring_has_used(const struct guest_ring *ring)
{
	return guest_ring_load(ring->used + FB_VRING_IDX) != ring->used_idx;
}

static void want_calls(struct guest_ring *ring, bool want)
{
	uint16_t flags = want ? 0 : (uint16_t)FB_VRING_AVAIL_NO_CALL;

	if (!ring->event_idx)
		guest_ring_store(ring->avail + FB_VRING_FLAGS, flags);
	else if (want)
		guest_ring_set_used_event(ring, ring->used_idx);
	/* With EVENT_IDX an event that has passed is silence enough. */
}

static void clear_calls(struct guest_ring *ring)
{
	uint64_t count;

	if (read(ring->call_fd, &count, sizeof(count)) == sizeof(count))
		ring->interrupts++;
}

/* Sleep until there is something, with nothing but the call to wake us. */
static int wait_used(struct guest_ring *ring, int timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms;
	struct pollfd poll_fd = { .fd = ring->call_fd, .events = POLLIN };

	while (!guest_ring_has_used(ring)) {
		int64_t left = deadline - now_ms();
		int r;

		clear_calls(ring);
		want_calls(ring, true);
		/* The device has seen that we sleep before we look for the last time. */
		if (guest_ring_has_used(ring))
			break;
		r = left <= 0 ? 0 : poll(&poll_fd, 1, (int)left);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r != 0)
			continue;
		if (!guest_ring_has_used(ring))
			return -ETIMEDOUT;
		if (poll(&poll_fd, 1, LATE_CALL_MS) <= 0)
			return -ETIME;
	}
	want_calls(ring, false);
	return 0;
}

int guest_ring_poll_raw(struct guest_ring *ring, int timeout_ms,
			struct fb_wire_vring_used *ret_used)
{
	const struct fb_wire_vring_used *used;
	int r = wait_used(ring, timeout_ms);

	if (r < 0)
		return r;
	used = guest_ring_used_entry(ring, ring->used_idx);
	*ret_used = (struct fb_wire_vring_used){ le32toh(used->id), le32toh(used->len) };
	ring->used_idx++;
	return 0;
}

int guest_ring_poll(struct guest_ring *ring, int timeout_ms, void **ret_cookie, uint32_t *ret_len)
{
	struct fb_wire_vring_used used;
	struct guest_ring_slot *slot;
	uint16_t pending;
	int r = guest_ring_poll_raw(ring, timeout_ms, &used);

	if (r < 0)
		return r;
	pending = (uint16_t)(guest_ring_load(ring->used + FB_VRING_IDX) - ring->used_idx + 1);
	if (pending > ring->in_flight || used.id >= ring->size || !ring->slots[used.id].busy)
		return -EBADE;
	slot = &ring->slots[used.id];
	ring->free_next[slot->last] = ring->free_head;
	ring->free_head = (uint16_t)used.id;
	ring->free_count += slot->count;
	ring->in_flight--;
	slot->busy = false;
	if (slot->table != GUEST_RAM_NONE)
		guest_pool_give(ring->pool, slot->table, slot->table_size);
	*ret_cookie = slot->cookie;
	*ret_len = used.len;
	return 0;
}
