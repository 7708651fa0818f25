/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/guest_memory.h"

#include <assert.h>
#include <errno.h>
#include <libfb/log.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HUGETLBFS_MAGIC 0x958458f6

/* ---- regions ------------------------------------------------------------------------------- */

/* The pages of the file: hugetlbfs maps whole ones of its own size only. */
static uint64_t page_of(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC)
		return (uint64_t)fs.f_bsize;
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* What the numbers alone tell. */
static int check_numbers(const struct fb_wire_vhost_region *at)
{
	if (at->size == 0 || at->size > SIZE_MAX / 2)
		return fb_fail(EINVAL, "a memory region of %llu bytes",
			       (unsigned long long)at->size);
	if (at->guest + at->size < at->guest || at->user + at->size < at->user ||
	    at->offset + at->size < at->offset)
		return fb_fail(EINVAL, "a memory region goes beyond the last address");
	return 0;
}

/* Bytes beyond the file's end can be mapped, but not touched. */
static int check_file(const struct fb_wire_vhost_region *at, int fd)
{
	struct stat stat;

	if (fstat(fd, &stat) < 0)
		return fb_fail(errno, "a memory region's file: %s", strerror(errno));
	if (S_ISREG(stat.st_mode) && at->offset + at->size > (uint64_t)stat.st_size)
		return fb_fail(EINVAL, "a memory region is longer than its file");
	return 0;
}

int fb_guest_region_map(const struct fb_wire_vhost_region *at, int fd,
			struct fb_guest_region **ret_region)
{
	struct fb_guest_region *region;
	uint64_t page, skip;
	int r = check_numbers(at);

	if (r == 0)
		r = check_file(at, fd);
	if (r < 0)
		return r;
	region = calloc(1, sizeof(*region));
	if (!region)
		return fb_fail(ENOMEM, "no memory for a memory region");
	page = page_of(fd);
	skip = at->offset % page;
	region->map_size = (size_t)((skip + at->size + page - 1) / page * page);
	region->map = mmap(NULL, region->map_size, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_NORESERVE, fd, (off_t)(at->offset - skip));
	if (region->map == MAP_FAILED) {
		r = fb_fail(errno, "mapping guest memory: %s", strerror(errno));
		free(region);
		return r;
	}
	/* Core dumps are not for the guest's data. */
	madvise(region->map, region->map_size, MADV_DONTDUMP);
	/* Nor for a forked child, which would keep it and could answer a request a second time. */
	madvise(region->map, region->map_size, MADV_DONTFORK);
	region->refs = 1;
	region->at = *at;
	region->host = (uint8_t *)region->map + skip;
	*ret_region = region;
	return 0;
}

static struct fb_guest_region *region_ref(struct fb_guest_region *region)
{
	atomic_fetch_add(&region->refs, 1);
	return region;
}

void fb_guest_region_unref(struct fb_guest_region *region)
{
	if (!region || atomic_fetch_sub(&region->refs, 1) > 1)
		return;
	munmap(region->map, region->map_size);
	free(region);
}

/* ---- tables -------------------------------------------------------------------------------- */

static struct fb_guest_memory *table_new(unsigned room)
{
	struct fb_guest_memory *memory =
		calloc(1, sizeof(*memory) + room * sizeof(struct fb_guest_region *));

	if (memory)
		memory->refs = 1;
	return memory;
}

struct fb_guest_memory *fb_guest_memory_new(void)
{
	return table_new(0);
}

struct fb_guest_memory *fb_guest_memory_ref(struct fb_guest_memory *memory)
{
	atomic_fetch_add_explicit(&memory->refs, 1, memory_order_relaxed);
	return memory;
}

void fb_guest_memory_unref(struct fb_guest_memory *memory)
{
	if (!memory || atomic_fetch_sub_explicit(&memory->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (unsigned i = 0; i < memory->count; i++)
		fb_guest_region_unref(memory->regions[i]);
	free(memory);
}

/* Whether [a, a + a_size) and [b, b + b_size) have a byte in common; neither wraps. */
static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

static bool is_same(const struct fb_wire_vhost_region *a, const struct fb_wire_vhost_region *b)
{
	return a->guest == b->guest && a->user == b->user && a->size == b->size;
}

/* Where a region with this guest address is or belongs. */
static unsigned place_of(const struct fb_guest_memory *memory, uint64_t guest)
{
	unsigned low = 0, high = memory->count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (memory->regions[middle]->at.guest < guest)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Copy the regions of a table, but not the one to be left out (NULL: none). */
static struct fb_guest_memory *copy_without(const struct fb_guest_memory *memory,
					    const struct fb_wire_vhost_region *without,
					    unsigned more)
{
	struct fb_guest_memory *copy = table_new(memory->count + more);

	for (unsigned i = 0; copy && i < memory->count; i++)
		if (!without || !is_same(&memory->regions[i]->at, without))
			copy->regions[copy->count++] = region_ref(memory->regions[i]);
	return copy;
}

static int check_overlap(const struct fb_guest_memory *memory,
			 const struct fb_wire_vhost_region *at)
{
	for (unsigned i = 0; i < memory->count; i++) {
		const struct fb_wire_vhost_region *other = &memory->regions[i]->at;

		if (overlap(at->guest, at->size, other->guest, other->size) ||
		    overlap(at->user, at->size, other->user, other->size))
			return fb_fail(EINVAL, "a memory region overlaps another");
	}
	return 0;
}

int fb_guest_memory_add(const struct fb_guest_memory *memory, struct fb_guest_region *region,
			struct fb_guest_memory **ret_memory)
{
	struct fb_guest_memory *copy = copy_without(memory, &region->at, 1);
	unsigned place;
	int r;

	if (!copy)
		return fb_fail(ENOMEM, "no memory for a table of memory regions");
	r = check_overlap(copy, &region->at);
	if (r == 0 && copy->count == FB_GUEST_REGIONS_MAX)
		r = fb_fail(ENOSPC, "more than %u memory regions", FB_GUEST_REGIONS_MAX);
	if (r < 0) {
		fb_guest_memory_unref(copy);
		return r;
	}
	place = place_of(copy, region->at.guest);
	for (unsigned i = copy->count++; i > place; i--)
		copy->regions[i] = copy->regions[i - 1];
	copy->regions[place] = region_ref(region);
	*ret_memory = copy;
	return 0;
}

int fb_guest_memory_remove(const struct fb_guest_memory *memory,
			   const struct fb_wire_vhost_region *at,
			   struct fb_guest_memory **ret_memory)
{
	struct fb_guest_memory *copy = copy_without(memory, at, 0);

	if (!copy)
		return fb_fail(ENOMEM, "no memory for a table of memory regions");
	if (copy->count == memory->count) {
		fb_guest_memory_unref(copy);
		return fb_fail(ENOENT, "there is no such memory region");
	}
	*ret_memory = copy;
	return 0;
}

bool fb_guest_memory_is_missed(const struct fb_guest_memory *from, const struct fb_guest_memory *to)
{
	for (unsigned i = 0; i < from->count; i++) {
		const struct fb_guest_region *region = from->regions[i];
		unsigned place = place_of(to, region->at.guest);

		if (place < to->count && to->regions[place] == region)
			continue;
		if (atomic_load(&from->refs) > 1 || atomic_load(&region->refs) > 1)
			return true;
	}
	return false;
}

/* ---- addresses ----------------------------------------------------------------------------- */

void *fb_guest_memory_user(const struct fb_guest_memory *memory, uint64_t user, uint64_t size)
{
	for (unsigned i = 0; i < memory->count; i++) {
		const struct fb_guest_region *region = memory->regions[i];
		uint64_t skip = user - region->at.user;

		if (user >= region->at.user && skip < region->at.size &&
		    size <= region->at.size - skip)
			return region->host + skip;
	}
	return NULL;
}

/* The region that holds a guest address, or NULL. */
static const struct fb_guest_region *region_at(const struct fb_guest_memory *memory, uint64_t guest)
{
	unsigned place = place_of(memory, guest);

	if (place < memory->count && memory->regions[place]->at.guest == guest)
		return memory->regions[place];
	if (place == 0)
		return NULL;
	place--;
	return guest - memory->regions[place]->at.guest < memory->regions[place]->at.size ?
		       memory->regions[place] :
		       NULL;
}

int fb_guest_memory_pieces(const struct fb_guest_memory *memory, uint64_t guest, uint64_t size,
			   struct iovec *iov, unsigned max)
{
	unsigned count = 0;

	if (guest + size < guest)
		return -EFAULT;
	while (size > 0) {
		const struct fb_guest_region *region = region_at(memory, guest);
		uint64_t skip, part;

		if (!region)
			return -EFAULT;
		if (count == max)
			return -E2BIG;
		skip = guest - region->at.guest;
		part = region->at.size - skip < size ? region->at.size - skip : size;
		iov[count++] = (struct iovec){ region->host + skip, (size_t)part };
		guest += part;
		size -= part;
	}
	return (int)count;
}

uint64_t fb_guest_memory_address(const struct fb_guest_memory *memory, const void *host)
{
	const uint8_t *byte = host;
	const struct fb_guest_region *region;
	unsigned i = 0;

	do {
		assert(i < memory->count);
		region = memory->regions[i++];
	} while (byte < region->host || byte >= region->host + region->at.size);
	return region->at.guest + (uint64_t)(byte - region->host);
}
