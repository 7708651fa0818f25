/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/virtio_chain.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <libfb/log.h>
#include <string.h>

#include "core/iov.h"
#include "transport/guest_memory.h"
#include "transport/vhost_wire.h"

#define DESC_SIZE sizeof(struct fb_wire_vring_desc)

/* ---- the walk ------------------------------------------------------------------------------ */

/* How far a walk has come. */
struct walk {
	const struct fb_guest_memory *memory;
	struct fb_chain *chain;
	unsigned steps; /* descriptors seen */
};

/* The table that an indirect descriptor points to, as pieces: it may cross a region's border. */
struct table {
	struct iovec iov[2];
	int pieces;
	uint32_t count; /* descriptors */
};

static struct fb_wire_vring_desc from_wire(const struct fb_wire_vring_desc *desc)
{
	return (struct fb_wire_vring_desc){ .addr = le64toh(desc->addr),
					    .len = le32toh(desc->len),
					    .flags = le16toh(desc->flags),
					    .next = le16toh(desc->next) };
}

/* Read one descriptor of the ring's own table, once. */
static struct fb_wire_vring_desc ring_desc(const struct fb_descriptors *at, uint16_t index)
{
	const uint64_t *words = (const void *)(at->table + index * DESC_SIZE);
	uint64_t copy[2];
	struct fb_wire_vring_desc desc;

	copy[0] = __atomic_load_n(&words[0], __ATOMIC_RELAXED);
	copy[1] = __atomic_load_n(&words[1], __ATOMIC_RELAXED);
	memcpy(&desc, copy, sizeof(desc));
	return from_wire(&desc);
}

/* Read one descriptor of an indirect table, once. */
static struct fb_wire_vring_desc table_desc(const struct table *table, uint32_t index)
{
	struct iovec copy[2] = { table->iov[0], table->iov[1] }, *iov = copy;
	size_t count = (size_t)table->pieces;
	struct fb_wire_vring_desc desc;

	fb_iov_skip(&iov, &count, index * DESC_SIZE);
	fb_iov_take(&iov, &count, &desc, sizeof(desc));
	return from_wire(&desc);
}

/* Append what one plain descriptor points to. */
static int append(struct walk *walk, const struct fb_wire_vring_desc *desc)
{
	struct fb_chain *chain = walk->chain;
	unsigned used = chain->read_count + chain->write_count;
	bool writable = desc->flags & FB_VRING_DESC_WRITE;
	int pieces;

	if (!writable && chain->write_count > 0 && desc->len > 0)
		return fb_fail(EINVAL, "a readable descriptor behind a writable one");
	pieces = fb_guest_memory_pieces(walk->memory, desc->addr, desc->len, chain->iov + used,
					chain->max - used);
	if (pieces == -EFAULT)
		return fb_fail(EFAULT,
			       "address %#llx is not in memory that the front end shares "
			       "(memory-backend-memfd,share=on in QEMU)",
			       (unsigned long long)desc->addr);
	if (pieces < 0)
		return fb_fail(E2BIG, "a chain of more than %u pieces", chain->max);
	if (writable) {
		chain->write_count += (unsigned)pieces;
		chain->write_size += desc->len;
	} else {
		chain->read_count += (unsigned)pieces;
		chain->read_size += desc->len;
	}
	return 0;
}

/* Count a descriptor, so that no loop in a chain is endless. */
static int step(struct walk *walk, uint32_t most)
{
	if (walk->steps++ >= most)
		return fb_fail(E2BIG, "a chain of more than %u descriptors", most);
	return 0;
}

static int walk_table(struct walk *walk, const struct table *table)
{
	uint32_t index = 0, most = walk->steps + table->count;

	for (;;) {
		struct fb_wire_vring_desc desc = table_desc(table, index);
		int r = step(walk, most);

		if (r == 0 && (desc.flags & FB_VRING_DESC_INDIRECT))
			r = fb_fail(EINVAL, "an indirect descriptor in an indirect table");
		if (r == 0)
			r = append(walk, &desc);
		if (r < 0 || !(desc.flags & FB_VRING_DESC_NEXT))
			return r;
		index = desc.next;
		if (index >= table->count)
			return fb_fail(EINVAL, "descriptor %u of an indirect table of %u", index,
				       table->count);
	}
}

static int walk_indirect(struct walk *walk, const struct fb_wire_vring_desc *at)
{
	struct table table = { .pieces = 0 };

	if (at->flags & FB_VRING_DESC_NEXT)
		return fb_fail(EINVAL, "an indirect descriptor that is not the last");
	if (at->len == 0 || at->len % DESC_SIZE != 0)
		return fb_fail(EINVAL, "an indirect table of %u bytes", at->len);
	table.count = at->len / DESC_SIZE;
	if (table.count > walk->chain->max)
		return fb_fail(E2BIG, "an indirect table of %u descriptors", table.count);
	table.pieces = fb_guest_memory_pieces(walk->memory, at->addr, at->len, table.iov, 2);
	if (table.pieces < 0)
		return fb_fail(EFAULT, "an indirect table that is not in shared memory");
	assert(table.pieces <= 2);
	return walk_table(walk, &table);
}

int fb_chain_walk(const struct fb_descriptors *descriptors, const struct fb_guest_memory *memory,
		  uint16_t head, struct fb_chain *chain)
{
	struct walk walk = { .memory = memory, .chain = chain };
	uint16_t index = head;
	int r;

	chain->read_count = chain->write_count = 0;
	chain->read_size = chain->write_size = 0;
	for (;;) {
		struct fb_wire_vring_desc desc = ring_desc(descriptors, index);

		r = step(&walk, descriptors->num);
		if (r == 0 && (desc.flags & FB_VRING_DESC_INDIRECT))
			return descriptors->indirect ? walk_indirect(&walk, &desc) :
						       fb_fail(EINVAL, "an indirect descriptor");
		if (r == 0)
			r = append(&walk, &desc);
		if (r < 0 || !(desc.flags & FB_VRING_DESC_NEXT))
			return r;
		index = desc.next;
		if (index >= descriptors->num)
			return fb_fail(EINVAL, "descriptor %u of a ring of %u", index,
				       descriptors->num);
	}
}
