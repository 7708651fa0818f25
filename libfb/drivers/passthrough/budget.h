/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many descriptors the client may make us hold: those of nodes and of open files.
 *
 * Above a watermark, descriptors of nodes that are idle and can be opened again by their file
 * handle are closed, the ones unused for longest first (a clock in each id shard).
 */
#ifndef LIBFB_PASSTHROUGH_BUDGET_H
#define LIBFB_PASSTHROUGH_BUDGET_H

#include <libfb/types.h>

#include <stdatomic.h>

struct fb_passthrough;

struct fb_budget {
	uint32_t limit;     /* descriptors for nodes and open files */
	uint32_t watermark; /* above, idle ones are closed */
	_Atomic uint32_t taken;
	_Atomic uint64_t evictions; /* node descriptors closed so far */
	_Atomic uint32_t hand;      /* the id shard to look at next */
	_Atomic bool warned;        /* that the budget was used up */
};

/*
 * Find out what the process may open; max_descriptors 0: raise it as far as allowed, and use all but
 * a reserve. Returns 0, or -errno with a sentence in fb_last_error().
 */
int fb_budget_init(struct fb_budget *budget, uint32_t max_descriptors) FB_MUST_CHECK;

/*
 * Count one descriptor that is going to be kept (an open file, a lock's file): before it is opened.
 * Returns 0, or -ENFILE when the budget is used up and no idle descriptor can be closed.
 */
int fb_budget_take(struct fb_passthrough *fs) FB_MUST_CHECK;

/* One that was counted has been closed. */
void fb_budget_give(struct fb_passthrough *fs);

/*
 * After an open failed with error: when descriptors have run out (EMFILE, ENFILE), close some idle
 * ones. Returns whether to try again, which is true only a few times in a row: *tries starts at 0.
 *	do
 *		fd = …;
 *	while (fd < 0 && fb_budget_retry(fs, errno, &tries));
 */
bool fb_budget_retry(struct fb_passthrough *fs, int error, unsigned *tries);

#endif
