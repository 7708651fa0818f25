/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of a guest: regions in memfds, and a bump allocator over them.
 */
#include "guest_ram.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)

/* The front end's addresses fall while the region's number rises, so no two regions touch. */
#define USER_TOP UINT64_C(0x7f5a00000000)
#define USER_STEP (UINT64_C(0x200000000) + 0x11000)

/* Where the three neighbours start, and "high". */
#define MIDDLE_GPA (UINT64_C(1) << 30)
#define HIGH_GPA (UINT64_C(4) << 30)

static uint64_t round_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) / align * align;
}

int guest_ram_add(struct guest_ram *ram, uint64_t gpa, uint64_t size, uint64_t offset,
		  unsigned *ret_region)
{
	struct guest_ram_region region = { .fd = -1, .end = size };
	void *map;

	if (ram->count == GUEST_RAM_REGIONS_MAX)
		return -ENOSPC;
	region.wire = (struct fb_wire_vhost_region){
		.guest = gpa,
		.size = size,
		.user = USER_TOP - ram->count * USER_STEP,
		.offset = offset,
	};
	region.fd = memfd_create("guest", MFD_CLOEXEC);
	if (region.fd < 0)
		return -errno;
	map = MAP_FAILED;
	if (ftruncate(region.fd, (off_t)(offset + size)) == 0)
		map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
			   region.fd, (off_t)offset);
	if (map == MAP_FAILED) {
		int error = errno;

		close(region.fd);
		return -error;
	}
	region.host = map;
	*ret_region = ram->count;
	ram->regions[ram->count++] = region;
	return 0;
}

void guest_ram_remove(struct guest_ram *ram, unsigned number)
{
	struct guest_ram_region *region = &ram->regions[number];

	if (number >= ram->count || region->fd < 0)
		return;
	munmap(region->host, region->wire.size);
	close(region->fd);
	*region = (struct guest_ram_region){ .fd = -1 };
}

int guest_ram_init(struct guest_ram *ram, uint64_t size)
{
	uint64_t part = size / 8 / PAGE * PAGE;
	const struct fb_wire_vhost_region layout[GUEST_RAM_REGIONS] = {
		{ .guest = 0, .size = part },
		{ .guest = MIDDLE_GPA, .size = part, .offset = 5 * PAGE },
		{ .guest = MIDDLE_GPA + part, .size = part },
		{ .guest = MIDDLE_GPA + 2 * part, .size = part },
		{ .guest = HIGH_GPA, .size = 4 * part },
	};

	*ram = (struct guest_ram){ .borders = { MIDDLE_GPA + part, MIDDLE_GPA + 2 * part } };
	if (size < GUEST_RAM_SIZE_MIN || size > GUEST_RAM_SIZE_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < GUEST_RAM_REGIONS; i++) {
		unsigned region;
		int r = guest_ram_add(ram, layout[i].guest, layout[i].size, layout[i].offset,
				      &region);

		if (r < 0) {
			guest_ram_fini(ram);
			return r;
		}
	}
	for (unsigned i = 1; i <= GUEST_RAM_BORDERS; i++)
		ram->regions[i].end -= GUEST_RAM_BORDER_ROOM;
	guest_ram_reset(ram);
	return 0;
}

void guest_ram_fini(struct guest_ram *ram)
{
	for (unsigned i = 0; i < ram->count; i++)
		guest_ram_remove(ram, i);
	ram->count = 0;
}

/* ---- allocation ------------------------------------------------------------------------------ */

void guest_ram_reset(struct guest_ram *ram)
{
	for (unsigned i = 0; i < ram->count; i++)
		ram->regions[i].used = 0;
	for (unsigned i = 0; i < GUEST_RAM_BORDERS; i++)
		ram->regions[i + 2].used = GUEST_RAM_BORDER_ROOM;
	ram->next = 0;
}

void guest_ram_mark(const struct guest_ram *ram, struct guest_ram_mark *ret_mark)
{
	for (unsigned i = 0; i < GUEST_RAM_REGIONS_MAX; i++)
		ret_mark->used[i] = ram->regions[i].used;
}

void guest_ram_release(struct guest_ram *ram, const struct guest_ram_mark *mark)
{
	for (unsigned i = 0; i < ram->count; i++)
		if (mark->used[i] < ram->regions[i].used)
			ram->regions[i].used = mark->used[i];
}

uint64_t guest_ram_alloc_in(struct guest_ram *ram, unsigned number, uint64_t size, uint64_t align)
{
	struct guest_ram_region *region = &ram->regions[number];
	uint64_t at;

	if (number >= ram->count || region->fd < 0)
		return GUEST_RAM_NONE;
	at = round_up(region->wire.guest + region->used, align) - region->wire.guest;
	if (at > region->end || size > region->end - at)
		return GUEST_RAM_NONE;
	region->used = at + size;
	return region->wire.guest + at;
}

uint64_t guest_ram_alloc(struct guest_ram *ram, uint64_t size, uint64_t align)
{
	uint64_t gpa = GUEST_RAM_NONE;

	for (unsigned i = 0; i < GUEST_RAM_REGIONS && gpa == GUEST_RAM_NONE; i++) {
		gpa = guest_ram_alloc_in(ram, ram->next, size, align);
		ram->next = (ram->next + 1) % GUEST_RAM_REGIONS;
	}
	return gpa;
}

uint64_t guest_ram_straddle(const struct guest_ram *ram, unsigned border, uint64_t before,
			    uint64_t size)
{
	if (before == 0 || before >= size || before > GUEST_RAM_BORDER_ROOM ||
	    size - before > GUEST_RAM_BORDER_ROOM)
		return GUEST_RAM_NONE;
	return ram->borders[border] - before;
}

/* ---- access ---------------------------------------------------------------------------------- */

int guest_ram_find(const struct guest_ram *ram, uint64_t gpa)
{
	for (unsigned i = 0; i < ram->count; i++) {
		const struct guest_ram_region *region = &ram->regions[i];

		if (region->fd >= 0 && gpa - region->wire.guest < region->wire.size)
			return (int)i;
	}
	return -1;
}

/* Bytes from gpa to the end of its region, at most size; *ret_at is where we see them. */
static uint64_t piece(const struct guest_ram *ram, uint64_t gpa, uint64_t size, uint8_t **ret_at)
{
	int number = guest_ram_find(ram, gpa);
	const struct guest_ram_region *region;
	uint64_t at;

	if (number < 0)
		return 0;
	region = &ram->regions[number];
	at = gpa - region->wire.guest;
	*ret_at = region->host + at;
	return size < region->wire.size - at ? size : region->wire.size - at;
}

void *guest_ram_ptr(const struct guest_ram *ram, uint64_t gpa, uint64_t size)
{
	uint8_t *at = NULL;

	return piece(ram, gpa, size, &at) == size ? at : NULL;
}

uint64_t guest_ram_user(const struct guest_ram *ram, uint64_t gpa)
{
	int number = guest_ram_find(ram, gpa);

	if (number < 0)
		return GUEST_RAM_NONE;
	return ram->regions[number].wire.user + (gpa - ram->regions[number].wire.guest);
}

int guest_ram_write(const struct guest_ram *ram, uint64_t gpa, const void *from, uint64_t size)
{
	const uint8_t *bytes = from;

	while (size > 0) {
		uint8_t *at = NULL;
		uint64_t part = piece(ram, gpa, size, &at);

		if (part == 0)
			return -EFAULT;
		memcpy(at, bytes, part);
		bytes += part;
		gpa += part;
		size -= part;
	}
	return 0;
}

int guest_ram_read(const struct guest_ram *ram, uint64_t gpa, void *to, uint64_t size)
{
	uint8_t *bytes = to;

	while (size > 0) {
		uint8_t *at = NULL;
		uint64_t part = piece(ram, gpa, size, &at);

		if (part == 0)
			return -EFAULT;
		memcpy(bytes, at, part);
		bytes += part;
		gpa += part;
		size -= part;
	}
	return 0;
}
