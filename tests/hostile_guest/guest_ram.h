/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of a guest, laid out so that nothing comes right by accident.
 *
 * Five regions, each in a memfd of its own: "low" at 0, then three that follow each other without a
 * gap, then "high" at 4 GiB. The front end's addresses are neither the guest's nor ours, and stand
 * in the opposite order, with gaps between all of them; one region does not start at the beginning
 * of its file. Memory around the two borders between neighbours is kept free for buffers that are
 * meant to run over them.
 */
#ifndef TESTS_GUEST_RAM_H
#define TESTS_GUEST_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/vhost_wire.h"

#define GUEST_RAM_REGIONS 5u /* there from the start */
#define GUEST_RAM_REGIONS_MAX 64u
#define GUEST_RAM_BORDERS 2u
#define GUEST_RAM_BORDER_ROOM (UINT64_C(64) << 10) /* kept free on each side */
#define GUEST_RAM_SIZE_MIN (UINT64_C(4) << 20)
#define GUEST_RAM_SIZE_MAX (UINT64_C(4) << 30)
#define GUEST_RAM_NONE UINT64_MAX /* an address that is none */

struct guest_ram_region {
	struct fb_wire_vhost_region wire; /* as the front end tells of it */
	int fd;                           /* -1: this region is not there */
	uint8_t *host;
	uint64_t used; /* the allocator's: what it has given out, from the start of the region */
	uint64_t end;  /* and where it has to stop */
};

struct guest_ram {
	struct guest_ram_region regions[GUEST_RAM_REGIONS_MAX];
	unsigned count; /* removed ones included */
	unsigned next;  /* the allocator goes from region to region */
	uint64_t borders[GUEST_RAM_BORDERS];
};

struct guest_ram_mark {
	uint64_t used[GUEST_RAM_REGIONS_MAX];
};

/* Returns 0 or -errno; _fini() also takes a ram of zeros, or one that _init() failed on. */
int guest_ram_init(struct guest_ram *ram, uint64_t size);
void guest_ram_fini(struct guest_ram *ram);

/* Find memory; the next call looks in another region first. GUEST_RAM_NONE: it is full. */
uint64_t guest_ram_alloc(struct guest_ram *ram, uint64_t size, uint64_t align);
uint64_t guest_ram_alloc_in(struct guest_ram *ram, unsigned number, uint64_t size, uint64_t align);
void guest_ram_reset(struct guest_ram *ram);
void guest_ram_mark(const struct guest_ram *ram, struct guest_ram_mark *ret_mark);
void guest_ram_release(struct guest_ram *ram, const struct guest_ram_mark *mark);

/*
 * The address of a buffer that has `before` of its bytes in front of border 0 or 1. The memory is
 * not kept account of: at most one buffer can lie over a border. GUEST_RAM_NONE when there is no
 * room for it, or when it does not run over the border.
 */
uint64_t guest_ram_straddle(const struct guest_ram *ram, unsigned border, uint64_t before,
			    uint64_t size);

/* Where we see it; NULL unless it lies in one region as a whole. */
void *guest_ram_ptr(const struct guest_ram *ram, uint64_t gpa, uint64_t size);
/* Where the front end sees it, or GUEST_RAM_NONE. */
uint64_t guest_ram_user(const struct guest_ram *ram, uint64_t gpa);
/* The region that an address lies in, or -1. */
int guest_ram_find(const struct guest_ram *ram, uint64_t gpa);

/* Copy, over borders too. Return 0, or -EFAULT where memory ends; up to there it is copied. */
int guest_ram_write(const struct guest_ram *ram, uint64_t gpa, const void *from, uint64_t size);
int guest_ram_read(const struct guest_ram *ram, uint64_t gpa, void *to, uint64_t size);

/*
 * Plug in one more region, whose file has `offset` bytes in front of it, or unplug one: the device
 * is not told (front_end_add_region(), front_end_remove_region()). guest_ram_alloc() takes nothing
 * from such regions.
 */
int guest_ram_add(struct guest_ram *ram, uint64_t gpa, uint64_t size, uint64_t offset,
		  unsigned *ret_region);
void guest_ram_remove(struct guest_ram *ram, unsigned number);

#endif
