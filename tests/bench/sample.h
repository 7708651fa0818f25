/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One measurement of many equal operations, and how it is told to whoever started the program:
 *
 *   begin NAME                                    only with sample_paced()
 *   done NAME OPERATIONS SECONDS P50 P99 P99.9    the last three in microseconds
 *
 * With sample_paced() the program waits for a line after each of these, so that the starter can look
 * at the server before and after.
 */
#ifndef TESTS_BENCH_SAMPLE_H
#define TESTS_BENCH_SAMPLE_H

#include <stdint.h>

/* Buckets of equal width within each power of two: percentiles are exact to 3 %. */
#define SAMPLE_SUB_BITS 5
#define SAMPLE_SUB (1u << SAMPLE_SUB_BITS)
#define SAMPLE_BUCKETS ((64 - SAMPLE_SUB_BITS + 1) * SAMPLE_SUB)

/* Each thread has its own; zeros are an empty one. */
struct sample {
	uint64_t count;
	uint64_t buckets[SAMPLE_BUCKETS];
};

uint64_t sample_now_ns(void);
void sample_add(struct sample *sample, uint64_t ns);
/* Add what another thread measured. */
void sample_merge(struct sample *into, const struct sample *from);
/* The duration in ns that the given share of all (0.99) did not exceed. */
double sample_quantile(const struct sample *sample, double share);

void sample_paced(void);
void sample_begin(const char *name);
void sample_done(const char *name, const struct sample *sample, double seconds);

#endif
