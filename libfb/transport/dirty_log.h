/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which pages of the guest have been written, for a front end that migrates it: a bit for each page
 * of 4096 bytes, in memory shared with the front end.
 */
#ifndef FB_TRANSPORT_DIRTY_LOG_H
#define FB_TRANSPORT_DIRTY_LOG_H

#include <libfb/types.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "transport/vhost_wire.h"

struct fb_dirty_log {
	pthread_rwlock_t lock;   /* who marks reads, who changes the map writes */
	_Atomic bool on;         /* mark all that is written to the guest */
	_Atomic(uint8_t *) bits; /* NULL: no map yet */
	uint64_t size;           /* bytes of bits */
	void *map;
	size_t map_size;
};

void fb_dirty_log_init(struct fb_dirty_log *log);
void fb_dirty_log_fini(struct fb_dirty_log *log);

/*
 * Use this map from now on: when this returns nobody writes to the old one any more, and it is
 * unmapped. fd stays the caller's, -1 is no map. Returns 0 or -errno.
 */
int fb_dirty_log_set(struct fb_dirty_log *log, const struct fb_wire_vhost_log *at,
		     int fd) FB_MUST_CHECK;

/* Mark the pages of size bytes at a guest's address; those beyond the map are left out. */
void fb_dirty_log_mark(struct fb_dirty_log *log, uint64_t guest, uint64_t size);

#endif
