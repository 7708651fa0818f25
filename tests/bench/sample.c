/* SPDX-License-Identifier: BSD-3-Clause */
#include "sample.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static bool paced;

uint64_t sample_now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Durations below SAMPLE_SUB have a bucket each; above, the highest bits choose it. */
static unsigned bucket_of(uint64_t ns)
{
	unsigned shift;

	if (ns < SAMPLE_SUB)
		return (unsigned)ns;
	shift = 63u - (unsigned)__builtin_clzll(ns) - SAMPLE_SUB_BITS;
	return (shift + 1) * SAMPLE_SUB + (unsigned)((ns >> shift) - SAMPLE_SUB);
}

/* The middle of a bucket. */
static double duration_of(unsigned bucket)
{
	unsigned shift;

	if (bucket < SAMPLE_SUB)
		return bucket;
	shift = bucket / SAMPLE_SUB - 1;
	return ((double)(SAMPLE_SUB + bucket % SAMPLE_SUB) + 0.5) * (double)(UINT64_C(1) << shift);
}

void sample_add(struct sample *sample, uint64_t ns)
{
	sample->count++;
	sample->buckets[bucket_of(ns)]++;
}

void sample_merge(struct sample *into, const struct sample *from)
{
	into->count += from->count;
	for (unsigned i = 0; i < SAMPLE_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
}

double sample_quantile(const struct sample *sample, double share)
{
	double wanted = share * (double)sample->count;
	uint64_t seen = 0;

	for (unsigned i = 0; i < SAMPLE_BUCKETS; i++) {
		seen += sample->buckets[i];
		if (sample->buckets[i] && (double)seen >= wanted)
			return duration_of(i);
	}
	return 0;
}

void sample_paced(void)
{
	paced = true;
}

static void wait_for_line(void)
{
	char line[16];

	fflush(stdout);
	if (paced && !fgets(line, sizeof(line), stdin))
		exit(1); /* whoever started us is gone */
}

void sample_begin(const char *name)
{
	if (!paced)
		return;
	printf("begin %s\n", name);
	wait_for_line();
}

void sample_done(const char *name, const struct sample *sample, double seconds)
{
	printf("done %s %llu %.6f %.3f %.3f %.3f\n", name, (unsigned long long)sample->count,
	       seconds, sample_quantile(sample, 0.5) / 1e3, sample_quantile(sample, 0.99) / 1e3,
	       sample_quantile(sample, 0.999) / 1e3);
	wait_for_line();
}
