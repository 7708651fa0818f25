/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A chain of descriptors, as pieces of memory of this process: what the guest lets us read, then
 * what it lets us write.
 *
 * Security model: a chain is walked once, each descriptor is read once, and every fault refuses the
 * whole. What comes out lies in the memory table that was given, but its bytes still are the
 * guest's, who may change them.
 */
#ifndef FB_TRANSPORT_VIRTIO_CHAIN_H
#define FB_TRANSPORT_VIRTIO_CHAIN_H

#include <libfb/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct fb_guest_memory;

struct fb_chain {
	struct iovec *iov; /* room for max pieces: first the readable, then the writable */
	unsigned max;
	unsigned read_count, write_count; /* pieces */
	size_t read_size, write_size;     /* bytes */
};

/* Where descriptors are. */
struct fb_descriptors {
	const uint8_t *table; /* in guest memory */
	uint16_t num;
	bool indirect; /* VIRTIO_F_INDIRECT_DESC */
};

/*
 * Walk the chain that begins with descriptor head, below num. The chain's iov and max are set by the
 * caller; max is the most descriptors of an indirect table, too. Returns 0, or -errno with a
 * sentence in fb_last_error(): -EFAULT (not in shared memory), -E2BIG, -EINVAL.
 */
int fb_chain_walk(const struct fb_descriptors *descriptors, const struct fb_guest_memory *memory,
		  uint16_t head, struct fb_chain *chain) FB_MUST_CHECK;

#endif
