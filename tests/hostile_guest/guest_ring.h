/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver's side of a split virtqueue, laid out as QEMU and Linux do: descriptors, the avail
 * ring right behind them, the used ring at the next multiple of 64.
 *
 * One thread at a time works with a ring. The second half of this header is for tests that lie.
 */
#ifndef TESTS_GUEST_RING_H
#define TESTS_GUEST_RING_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest_pool.h"
#include "guest_ram.h"
#include "transport/vhost_wire.h"

#define GUEST_RING_ALIGN 4096u

enum guest_ring_indirect {
	GUEST_RING_DIRECT,
	GUEST_RING_INDIRECT, /* one descriptor, the whole chain in a table */
	GUEST_RING_MIXED,    /* the first segment direct, the others in a table */
};

struct guest_segment {
	uint64_t gpa;
	uint32_t len;
};

/* What is kept of a chain, by its head. */
struct guest_ring_slot {
	void *cookie;
	uint64_t table; /* GUEST_RAM_NONE: no indirect table */
	uint32_t table_size;
	uint16_t last, count; /* of its descriptors in the ring */
	bool busy;
};

struct guest_ring {
	struct guest_pool *pool; /* borrowed; indirect tables come from it */
	unsigned size;
	bool event_idx;
	enum guest_ring_indirect indirect;
	bool always_kick; /* for the test to set: kick even when the device does not ask for it */

	uint64_t desc_gpa, avail_gpa, used_gpa;
	struct fb_wire_vring_desc *desc;
	uint8_t *avail, *used;
	int kick_fd, call_fd; /* ours, eventfds: writing, and reading without blocking */

	uint16_t avail_idx; /* of the next chain */
	uint16_t used_idx;  /* of the next element to take */
	uint16_t kicked;    /* avail_idx at the last look whether to kick */
	uint16_t free_head;
	unsigned free_count;
	uint16_t *free_next;
	struct guest_ring_slot *slots;
	unsigned in_flight;

	/* For measurements. */
	uint64_t kicks, kicks_saved, interrupts;
};

/*
 * Lay a ring out in one region of the pool's memory, with both indices at base. Returns 0 or
 * -errno; _fini() also takes a ring of zeros, or one that _init() failed on. The memory
 * stays taken.
 */
int guest_ring_init(struct guest_ring *ring, struct guest_pool *pool, unsigned size, uint16_t base,
		    bool event_idx, enum guest_ring_indirect indirect);
void guest_ring_fini(struct guest_ring *ring);
/* Begin again at base with everything free, as a driver does that starts anew. */
void guest_ring_reset(struct guest_ring *ring, uint16_t base);

/*
 * Offer a chain: first the readable segments, then the writable ones. The device sees it at once,
 * but is not kicked. Returns 0; -EXFULL when there are not enough free descriptors; -EINVAL for no
 * segments at all; -ENOMEM when there is no memory for the table.
 */
int guest_ring_add(struct guest_ring *ring, const struct guest_segment *segments, unsigned readable,
		   unsigned writable, void *cookie, uint16_t *ret_head);

/* Kick if the device wants to be kicked for what was added since the last call. */
void guest_ring_kick(struct guest_ring *ring);
/* Kick in any case. */
void guest_ring_kick_now(struct guest_ring *ring);

/* Is there an answer that guest_ring_poll() would return at once? */
bool guest_ring_has_used(const struct guest_ring *ring);

/*
 * Take an answer: at once if there is one, else sleep until the device calls. Returns 0;
 * -ETIMEDOUT; -ETIME when an answer came without the call that was asked for (the next poll takes
 * it); -EBADE when the device returns what it never had, and the ring is useless then.
 */
int guest_ring_poll(struct guest_ring *ring, int timeout_ms, void **ret_cookie, uint32_t *ret_len);

/* ---- raw access ------------------------------------------------------------------------------ */

/*
 * Little-endian words of the rings, for one who knows the offsets (FB_VRING_*). A store is seen by the
 * device before what is loaded next is read: ThreadSanitizer knows no fences.
 */
static inline uint16_t guest_ring_load(const uint8_t *at)
{
	return le16toh(__atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_SEQ_CST));
}

static inline void guest_ring_store(uint8_t *at, uint16_t value)
{
	__atomic_store_n((uint16_t *)(void *)at, htole16(value), __ATOMIC_SEQ_CST);
}

static inline uint8_t *guest_ring_avail_entry(const struct guest_ring *ring, uint16_t idx)
{
	return ring->avail + FB_VRING_ENTRIES + 2 * (size_t)(idx & (ring->size - 1));
}

static inline uint8_t *guest_ring_used_event(const struct guest_ring *ring)
{
	return ring->avail + FB_VRING_ENTRIES + 2 * (size_t)ring->size;
}

static inline uint8_t *guest_ring_avail_event(const struct guest_ring *ring)
{
	return ring->used + FB_VRING_ENTRIES +
	       sizeof(struct fb_wire_vring_used) * (size_t)ring->size;
}

static inline struct fb_wire_vring_used *guest_ring_used_entry(const struct guest_ring *ring,
							       uint16_t idx)
{
	return (struct fb_wire_vring_used *)(void *)(ring->used + FB_VRING_ENTRIES) +
	       (idx & (ring->size - 1));
}

/* Write a descriptor, of the ring or of a table in guest memory. */
void guest_ring_write_desc(struct fb_wire_vring_desc *desc, uint64_t gpa, uint32_t len,
			   uint16_t flags, uint16_t next);
/* Offer a head that was not made by guest_ring_add(), and move avail's idx by one. */
void guest_ring_offer(struct guest_ring *ring, uint16_t head);
/* Move avail's idx to anything. */
void guest_ring_set_avail_idx(struct guest_ring *ring, uint16_t idx);
void guest_ring_set_used_event(struct guest_ring *ring, uint16_t event);
/*
 * Wait for the device to return any head, known or not: a chain that was made by hand comes back
 * here. Errors as guest_ring_poll().
 */
int guest_ring_poll_raw(struct guest_ring *ring, int timeout_ms,
			struct fb_wire_vring_used *ret_used);

#endif
