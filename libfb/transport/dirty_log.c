/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/dirty_log.h"

#include <errno.h>
#include <libfb/log.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_SIZE UINT64_C(4096)

void fb_dirty_log_init(struct fb_dirty_log *log)
{
	*log = (struct fb_dirty_log){ 0 };
	pthread_rwlock_init(&log->lock, NULL);
}

void fb_dirty_log_fini(struct fb_dirty_log *log)
{
	if (log->map)
		munmap(log->map, log->map_size);
	pthread_rwlock_destroy(&log->lock);
}

/* Map the bits. Returns the start of the mapping, or MAP_FAILED with errno set. */
static void *map_bits(const struct fb_wire_vhost_log *at, int fd, uint64_t skip, size_t map_size)
{
	struct stat stat;

	if (at->size == 0 || at->size > SIZE_MAX / 2 || at->offset + at->size < at->offset ||
	    fstat(fd, &stat) < 0 ||
	    (S_ISREG(stat.st_mode) && at->offset + at->size > (uint64_t)stat.st_size)) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	return mmap(NULL, map_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    (off_t)(at->offset - skip));
}

int fb_dirty_log_set(struct fb_dirty_log *log, const struct fb_wire_vhost_log *at, int fd)
{
	uint64_t skip = fd >= 0 ? at->offset % (uint64_t)sysconf(_SC_PAGESIZE) : 0;
	size_t map_size = fd >= 0 ? (size_t)(skip + at->size) : 0, old_size;
	void *map = fd >= 0 ? map_bits(at, fd, skip, map_size) : NULL, *old;

	if (map == MAP_FAILED)
		return fb_fail(errno, "mapping the log of dirty pages: %s", strerror(errno));
	pthread_rwlock_wrlock(&log->lock);
	old = log->map;
	old_size = log->map_size;
	log->map = map;
	log->map_size = map_size;
	log->size = fd >= 0 ? at->size : 0;
	atomic_store(&log->bits, map ? (uint8_t *)map + skip : NULL);
	pthread_rwlock_unlock(&log->lock);
	if (old)
		munmap(old, old_size);
	return 0;
}

void fb_dirty_log_mark(struct fb_dirty_log *log, uint64_t guest, uint64_t size)
{
	uint64_t page = guest / PAGE_SIZE, last = size > 0 ? (guest + size - 1) / PAGE_SIZE : 0;
	uint8_t *bits;

	if (size == 0)
		return;
	pthread_rwlock_rdlock(&log->lock);
	bits = atomic_load(&log->bits);
	for (; bits && page <= last && page / 8 < log->size; page++)
		__atomic_fetch_or(&bits[page / 8], (uint8_t)(1u << (page % 8)), __ATOMIC_RELEASE);
	pthread_rwlock_unlock(&log->lock);
}
