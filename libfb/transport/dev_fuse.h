/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transport over /dev/fuse: one descriptor for each channel, all of one connection.
 *
 * A request's buffer:
 *
 *     | …… 80 bytes | data of a WRITE, or room for the answer … | slack |
 *     ^ page        ^ page                                              ^ page
 *
 * The message begins 80 bytes before a page boundary: that much come before the data of a WRITE,
 * which so is page-aligned, and a READ is no longer, so its answer's data is too. Other answers
 * begin at the first page boundary behind their message. Slack makes good for that page and for
 * the up to 16 KiB that an IOCTL carries in before it gets any out.
 *
 * The public function is in <libfb/dev_fuse.h>.
 */
#ifndef FB_TRANSPORT_DEV_FUSE_H
#define FB_TRANSPORT_DEV_FUSE_H

#include <libfb/dev_fuse.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/transport.h"
#include "transport/mount.h"
#include "transport/yield.h"

struct fb_fuse_channel;
struct fb_uring;

/* Sizes of a request's buffer, in bytes. */
struct fb_dev_fuse_sizes {
	size_t page;
	size_t lead;    /* from the buffer's start to the message */
	size_t message; /* longest message */
	size_t room;    /* longest data of an answer */
	size_t buffer;  /* all of it */
};

struct fb_dev_fuse {
	struct fb_transport transport;
	struct fb_mount mount;
	struct fb_dev_fuse_sizes sizes;
	pthread_mutex_t lock;
	struct fb_fuse_channel *channels; /* under lock */
	struct fb_uring *uring;           /* NULL: requests come through the descriptors only */
	uint64_t kicks;                   /* of queues, so far: uring_kick.h; under lock */
	bool may_yield;
	/* Of the workers that take turns at the descriptors, and of the keeper; under lock. */
	struct fb_yield yield;
	struct fb_yield_keeper keeper;
	unsigned slept_seen;   /* by the last tick */
	_Atomic int yield_cpu; /* where the workers yield, or FB_YIELD_ANY */
	/* Requests that bring dirty pages of the kernel's cache. */
	_Atomic uint64_t writeback_begun, writeback_ended;
	bool shut; /* by the session's keeper, then by free() */
};

/* The transport is the first member of ours. */
static inline struct fb_dev_fuse *fb_dev_fuse_of(struct fb_transport *transport)
{
	return (struct fb_dev_fuse *)transport;
}

/*
 * Settle sizes for writes of up to max_write bytes, where the kernel allows pages_limit pages in
 * one request.
 */
struct fb_dev_fuse_sizes fb_dev_fuse_sizes(size_t page, uint32_t max_write, uint32_t pages_limit);

#endif
