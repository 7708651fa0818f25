/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who serves which queue of FUSE over io_uring. Linux has a queue for each processor that is possible
 * in this machine, and puts a request into that of the processor that its caller runs on; the mount
 * stands still until each queue has a slot.
 */
#ifndef FB_TRANSPORT_URING_PLAN_H
#define FB_TRANSPORT_URING_PLAN_H

#include <stdint.h>

#include "transport/cpu_list.h"

struct fb_uring_plan {
	unsigned queue_count;
	unsigned online_count;
	unsigned workers;          /* that have slots from the beginning */
	uint16_t qids[FB_CPU_MAX]; /* of processors that are online first */
};

/*
 * Plan for these processors. Each that is online gets a worker of its own if there may be so many: most.
 */
void fb_uring_plan_make(struct fb_uring_plan *plan, const struct fb_cpu_list *possible,
			const struct fb_cpu_list *online, unsigned most);

/* The queues of a worker below plan->workers, at most plan->queue_count. Returns how many. */
unsigned fb_uring_plan_queues(const struct fb_uring_plan *plan, unsigned worker,
			      uint16_t *ret_qids);

#endif
