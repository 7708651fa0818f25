/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs one body of code in a process, a process group and an empty directory of its own, under a
 * time limit.
 */
#ifndef CONFORMANCE_RUNNER_H
#define CONFORMANCE_RUNNER_H

enum verdict { VERDICT_PASSED, VERDICT_FAILED, VERDICT_SKIPPED };

struct runner {
	int scratch; /* directory in which each body gets its own */
	unsigned limit_ms;
	unsigned count; /* bodies run so far: names their directories */
};

struct outcome {
	enum verdict verdict;
	char detail[1024]; /* one line; empty when passed */
};

/* Run body to its end, then remove what it left. Always gives a verdict. */
void runner_run(struct runner *runner, void (*body)(void), struct outcome *ret_outcome);

#endif
