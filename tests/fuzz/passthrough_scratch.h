/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ground on which passthrough_fuzz plays: a shared directory with files of every type, and a
 * canary beside it that no message may ever reach.
 */
#ifndef TESTS_PASSTHROUGH_SCRATCH_H
#define TESTS_PASSTHROUGH_SCRATCH_H

#include <limits.h>

struct scratch {
	char base[64];   /* holds source and canary */
	char source[80]; /* to be shared */
	char before[16384];
};

/* Make base and canary: in /dev/shm, or in TMPDIR. Aborts when that fails. */
void scratch_make(struct scratch *scratch);

/* Make the shared directory anew. */
void scratch_fill(struct scratch *scratch);

/* Remove the shared directory, whatever it has become. */
void scratch_empty(struct scratch *scratch);

/* Abort unless everything beside the shared directory is what it was. */
void scratch_check(const struct scratch *scratch);

/* Remove all of it. */
void scratch_remove(struct scratch *scratch);

#endif
