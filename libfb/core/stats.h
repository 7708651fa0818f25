/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counters and latency histograms, added up when somebody asks.
 *
 * A channel has two blocks: one that only its worker writes, with plain loads and stores, and one
 * for answers that come from other threads, with atomic additions.
 */
#ifndef FB_CORE_STATS_H
#define FB_CORE_STATS_H

#include <libfb/session.h>
#include <stdint.h>

struct fb_op_stats {
	_Atomic uint64_t requests, errors, bytes_in, bytes_out, latency_ns;
	_Atomic uint64_t buckets[FB_STATS_BUCKETS];
};

/* Monotonic clock in nanoseconds. */
uint64_t fb_now_ns(void);

/* One request that has ended. */
struct fb_op_sample {
	size_t bytes_in, bytes_out;
	uint64_t latency_ns;
	bool failed;
};

/* Count a request in a block that only this thread writes. */
void fb_op_stats_count(struct fb_op_stats *stats, const struct fb_op_sample *sample);

/* Count a request in a block that other threads write too. */
void fb_op_stats_count_shared(struct fb_op_stats *stats, const struct fb_op_sample *sample);

/* Add stats to sum. */
void fb_op_stats_add(const struct fb_op_stats *stats, struct fb_stats *sum);

#endif
