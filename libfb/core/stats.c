/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/stats.h"

#include <stdatomic.h>
#include <time.h>

uint64_t fb_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The first bucket whose bound, 2^n microseconds, is not below the latency. */
static unsigned bucket_of(uint64_t latency_ns)
{
	uint64_t us = latency_ns / 1000 + (latency_ns % 1000 != 0);
	unsigned n = us <= 1 ? 0 : 64u - (unsigned)__builtin_clzll(us - 1);

	return n < FB_STATS_BUCKETS ? n : FB_STATS_BUCKETS - 1;
}

typedef void add_fn(_Atomic uint64_t *counter, uint64_t amount);

static void add_alone(_Atomic uint64_t *counter, uint64_t amount)
{
	uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, now + amount, memory_order_relaxed);
}

static void add_shared(_Atomic uint64_t *counter, uint64_t amount)
{
	atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline void count(struct fb_op_stats *stats, const struct fb_op_sample *sample, add_fn *add)
{
	add(&stats->requests, 1);
	add(&stats->bytes_in, sample->bytes_in);
	add(&stats->bytes_out, sample->bytes_out);
	add(&stats->latency_ns, sample->latency_ns);
	add(&stats->buckets[bucket_of(sample->latency_ns)], 1);
	if (sample->failed)
		add(&stats->errors, 1);
}

void fb_op_stats_count(struct fb_op_stats *stats, const struct fb_op_sample *sample)
{
	count(stats, sample, add_alone);
}

void fb_op_stats_count_shared(struct fb_op_stats *stats, const struct fb_op_sample *sample)
{
	count(stats, sample, add_shared);
}

void fb_op_stats_add(const struct fb_op_stats *stats, struct fb_stats *sum)
{
	sum->requests += get(&stats->requests);
	sum->errors += get(&stats->errors);
	sum->bytes_in += get(&stats->bytes_in);
	sum->bytes_out += get(&stats->bytes_out);
	sum->latency_ns += get(&stats->latency_ns);
	for (unsigned i = 0; i < FB_STATS_BUCKETS; i++)
		sum->buckets[i] += get(&stats->buckets[i]);
}
