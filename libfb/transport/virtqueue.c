/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/virtqueue.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- words in guest memory ----------------------------------------------------------------- */

static uint16_t load(const uint8_t *at)
{
	return le16toh(__atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_RELAXED));
}

/* What the guest wrote before it wrote this is seen from here on. */
static uint16_t load_acquire(const uint8_t *at)
{
	return le16toh(__atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_ACQUIRE));
}

/*
 * Two that go together: what is stored is seen by the guest before what is loaded is read. The guest
 * does the same the other way round, so that one of the two sees the other's word.
 */
static void store_first(uint8_t *at, uint16_t value)
{
	__atomic_store_n((uint16_t *)(void *)at, htole16(value), __ATOMIC_SEQ_CST);
}

static uint16_t load_then(const uint8_t *at)
{
	return le16toh(__atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_SEQ_CST));
}

static uint8_t *used_event(const struct fb_virtqueue *queue)
{
	return queue->avail + FB_VRING_ENTRIES + 2 * (size_t)queue->num;
}

static uint8_t *avail_event(const struct fb_virtqueue *queue)
{
	return queue->used + FB_VRING_ENTRIES +
	       (size_t)queue->num * sizeof(struct fb_wire_vring_used);
}

/* ---- beginning and end --------------------------------------------------------------------- */

int fb_virtqueue_start(struct fb_virtqueue *queue, uint16_t base)
{
	assert(queue->under_way == 0);
	if (queue->taken_room < queue->num) {
		uint64_t *taken = realloc(queue->taken, ((size_t)queue->num + 63) / 64 * 8);

		if (!taken)
			return -ENOMEM;
		queue->taken = taken;
		queue->taken_room = queue->num;
	}
	memset(queue->taken, 0, ((size_t)queue->taken_room + 63) / 64 * 8);
	queue->next_avail = base;
	queue->next_used = load(queue->used + FB_VRING_IDX);
	queue->called_valid = false;
	return 0;
}

void fb_virtqueue_fini(struct fb_virtqueue *queue)
{
	free(queue->taken);
	queue->taken = NULL;
	queue->taken_room = 0;
}

/* ---- chains -------------------------------------------------------------------------------- */

/* Note that a head is under way. Returns false when it is already. */
static bool mark_taken(struct fb_virtqueue *queue, uint16_t head)
{
	uint64_t bit = UINT64_C(1) << (head % 64);

	if (queue->taken[head / 64] & bit)
		return false;
	queue->taken[head / 64] |= bit;
	queue->under_way++;
	return true;
}

static void mark_given(struct fb_virtqueue *queue, uint16_t head)
{
	assert(queue->under_way > 0);
	queue->under_way--;
	queue->taken[head / 64] &= ~(UINT64_C(1) << (head % 64));
}

int fb_virtqueue_take(struct fb_virtqueue *queue)
{
	uint16_t idx = load_acquire(queue->avail + FB_VRING_IDX);
	uint16_t waiting = (uint16_t)(idx - queue->next_avail), head;
	size_t slot = queue->next_avail & (queue->num - 1u);

	if (waiting == 0)
		return -EAGAIN;
	if (waiting > queue->num)
		return -EPROTO;
	head = load(queue->avail + FB_VRING_ENTRIES + 2 * slot);
	if (head >= queue->num || !mark_taken(queue, head))
		return -EPROTO;
	queue->next_avail++;
	return head;
}

/* Whether the guest wants to hear of what was given back since the last decision. */
static bool wants_call(struct fb_virtqueue *queue)
{
	uint16_t old = queue->called, now = queue->next_used, event;
	bool valid = queue->called_valid;

	if (!queue->event_idx)
		return !(load_then(queue->avail + FB_VRING_FLAGS) & FB_VRING_AVAIL_NO_CALL);
	queue->called = now;
	queue->called_valid = true;
	if (!valid)
		return true;
	event = load_then(used_event(queue));
	return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

bool fb_virtqueue_give(struct fb_virtqueue *queue, uint16_t head, uint32_t len)
{
	size_t slot = queue->next_used & (queue->num - 1u);
	struct fb_wire_vring_used used = { .id = htole32(head), .len = htole32(len) };

	mark_given(queue, head);
	memcpy(queue->used + FB_VRING_ENTRIES + slot * sizeof(used), &used, sizeof(used));
	queue->next_used++;
	store_first(queue->used + FB_VRING_IDX, queue->next_used);
	return wants_call(queue);
}

bool fb_virtqueue_waits(const struct fb_virtqueue *queue)
{
	return load_acquire(queue->avail + FB_VRING_IDX) != queue->next_avail;
}

void fb_virtqueue_busy(struct fb_virtqueue *queue)
{
	/* With EVENT_IDX the event that was asked for lies behind. */
	if (!queue->event_idx)
		store_first(queue->used + FB_VRING_FLAGS, FB_VRING_USED_NO_KICK);
}

bool fb_virtqueue_rest(struct fb_virtqueue *queue)
{
	if (queue->event_idx)
		store_first(avail_event(queue), queue->next_avail);
	else
		store_first(queue->used + FB_VRING_FLAGS, 0);
	/* Either we see the guest's next chain, or it sees that we want a kick. */
	return load_then(queue->avail + FB_VRING_IDX) == queue->next_avail;
}
