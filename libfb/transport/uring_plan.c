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
			const struct fb_cpu_list *online, unsigned wanted, unsigned most)
{
	plan->queue_count = 0;
	add(plan, possible, online, true);
	plan->online_count = plan->queue_count;
	add(plan, possible, online, false);
	if (plan->online_count == 0)
		plan->online_count = plan->queue_count;
	plan->workers = wanted > plan->online_count ? wanted : plan->online_count;
	if (plan->workers > most)
		plan->workers = most;
}

/* Workers beyond the number of processors that are online double one of those each. */
unsigned fb_uring_plan_queues(const struct fb_uring_plan *plan, unsigned worker, uint16_t *ret_qids)
{
	unsigned count = 0, first = worker;
	unsigned step = plan->workers < plan->online_count ? plan->workers : plan->online_count;

	if (worker >= plan->online_count) {
		ret_qids[0] = plan->qids[worker % plan->online_count];
		return 1;
	}
	for (; first < plan->queue_count; first += step)
		ret_qids[count++] = plan->qids[first];
	return count;
}
