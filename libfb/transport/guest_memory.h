/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of a virtual machine, as far as its front end shares it.
 *
 * A table of regions never changes once it is made: adding or removing a region makes a new one.
 * Whoever works on guest memory holds a reference on the table that he translated with, so a region
 * is unmapped when nobody uses it any more.
 *
 * Two kinds of addresses, never mixed: descriptors and the dirty log hold the guest's, ring
 * addresses are the front end's own.
 */
#ifndef FB_TRANSPORT_GUEST_MEMORY_H
#define FB_TRANSPORT_GUEST_MEMORY_H

#include <libfb/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "transport/vhost_wire.h"

/* Regions that one table can hold: as many as Linux' own vhost allows. */
#define FB_GUEST_REGIONS_MAX 509u

/* A mapped region. */
struct fb_guest_region {
	_Atomic unsigned refs;
	struct fb_wire_vhost_region at;
	uint8_t *host; /* where the region begins in this process */
	void *map;     /* what to unmap: from a page's beginning */
	size_t map_size;
};

struct fb_guest_memory {
	_Atomic unsigned refs;
	unsigned count;
	struct fb_guest_region *regions[]; /* by guest address */
};

/*
 * Map what the front end describes; fd stays the caller's. Returns 0 and a region with one
 * reference, or -errno with a sentence in fb_last_error().
 */
int fb_guest_region_map(const struct fb_wire_vhost_region *at, int fd,
			struct fb_guest_region **ret_region) FB_MUST_CHECK;

/* Drop a reference; NULL is ignored. */
void fb_guest_region_unref(struct fb_guest_region *region);

/* A table without regions, with one reference; NULL when there is no memory. */
struct fb_guest_memory *fb_guest_memory_new(void);

struct fb_guest_memory *fb_guest_memory_ref(struct fb_guest_memory *memory);
void fb_guest_memory_unref(struct fb_guest_memory *memory);

/*
 * Make a table with one region more, which is referenced; the same region again takes the old one's
 * place. Returns 0, -EINVAL when it overlaps another, -ENOSPC when there are too many, or -ENOMEM.
 */
int fb_guest_memory_add(const struct fb_guest_memory *memory, struct fb_guest_region *region,
			struct fb_guest_memory **ret_memory) FB_MUST_CHECK;

/* Make a table without the region at these addresses and of this size; -ENOENT: there is none. */
int fb_guest_memory_remove(const struct fb_guest_memory *memory,
			   const struct fb_wire_vhost_region *at,
			   struct fb_guest_memory **ret_memory) FB_MUST_CHECK;

/*
 * Whether anybody but the caller still holds what is in one table and not in the one that follows it:
 * requests under way have been translated with it, or with a table before.
 */
bool fb_guest_memory_is_missed(const struct fb_guest_memory *from,
			       const struct fb_guest_memory *to);

/* Where size bytes at the front end's address lie; NULL unless they lie in one region. */
void *fb_guest_memory_user(const struct fb_guest_memory *memory, uint64_t user, uint64_t size);

/*
 * Where size bytes at the guest's address lie: appends to iov, which has room for max pieces, one
 * piece a region. Returns their number (0 for size 0), -EFAULT when a part is not mapped, or -E2BIG.
 */
int fb_guest_memory_pieces(const struct fb_guest_memory *memory, uint64_t guest, uint64_t size,
			   struct iovec *iov, unsigned max) FB_MUST_CHECK;

/* The guest's address of a byte that fb_guest_memory_pieces() found. */
uint64_t fb_guest_memory_address(const struct fb_guest_memory *memory, const void *host);

#endif
