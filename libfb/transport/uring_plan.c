/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/uring_plan.h"

static void add(struct fb_uring_plan *plan, const struct fb_cpu_list *possible,
		const struct fb_cpu_list *online, bool is_online)
{
	for (unsigned i = 0; i < possible->count; i++)
		if (fb_cpu_list_has(online, possible->cpu[i]) == is_online)
			plan->qids[plan->queue_count++] = (uint16_t)possible->cpu[i];
}

void fb_uring_plan_make(struct fb_uring_plan *plan, const struct fb_cpu_list *possible,
			const struct fb_cpu_list *online, unsigned most)
{
	plan->queue_count = 0;
	add(plan, possible, online, true);
	plan->online_count = plan->queue_count;
	add(plan, possible, online, false);
	if (plan->online_count == 0)
		plan->online_count = plan->queue_count;
	plan->workers = plan->online_count < most ? plan->online_count : most;
}

unsigned fb_uring_plan_queues(const struct fb_uring_plan *plan, unsigned worker, uint16_t *ret_qids)
{
	unsigned count = 0;

	for (unsigned i = worker; i < plan->queue_count; i += plan->workers)
		ret_qids[count++] = plan->qids[i];
	return count;
}
