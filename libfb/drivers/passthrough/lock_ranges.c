/* SPDX-License-Identifier: BSD-3-Clause */
#include "lock_ranges.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

/* Append a range that begins behind all others; one that goes on where the last ended joins it. */
static void push(struct fb_lock_ranges *ranges, struct fb_lock range)
{
	struct fb_lock *last = ranges->count > 0 ? &ranges->items[ranges->count - 1] : NULL;

	if (last && last->type == range.type && last->end + 1 == range.start)
		last->end = range.end;
	else
		ranges->items[ranges->count++] = range;
}

static void push_lock(struct fb_lock_ranges *ranges, const struct fb_lock *lock)
{
	if (lock->type != F_UNLCK)
		push(ranges, *lock);
}

int fb_lock_ranges_with(const struct fb_lock_ranges *from, const struct fb_lock *lock,
			struct fb_lock_ranges *ret_ranges)
{
	struct fb_lock_ranges made = { 0 };
	bool placed = false;

	/* Dropping locks must be possible still, as long as that does not make more of them. */
	if (lock->type != F_UNLCK && from->count + 2 > FB_LOCK_RANGES_MAX)
		return -ENOLCK;
	/* Cutting a hole into one range makes two of it, so two more are always enough. */
	made.items = malloc((from->count + 2) * sizeof(*made.items));
	if (!made.items)
		return -ENOMEM;
	for (size_t i = 0; i < from->count; i++) {
		const struct fb_lock *old = &from->items[i];
		struct fb_lock part = *old;

		if (old->start < lock->start) {
			part.end = old->end < lock->start ? old->end : lock->start - 1;
			push(&made, part);
		}
		if (old->end <= lock->end)
			continue;
		if (!placed)
			push_lock(&made, lock);
		placed = true;
		part.start = old->start > lock->end ? old->start : lock->end + 1;
		part.end = old->end;
		push(&made, part);
	}
	if (!placed)
		push_lock(&made, lock);
	if (made.count > FB_LOCK_RANGES_MAX) {
		free(made.items);
		return -ENOLCK;
	}
	*ret_ranges = made;
	return 0;
}

const struct fb_lock *fb_lock_ranges_conflict(const struct fb_lock_ranges *ranges,
					      const struct fb_lock *lock)
{
	for (size_t i = 0; i < ranges->count; i++) {
		const struct fb_lock *held = &ranges->items[i];

		if (held->start > lock->end)
			break;
		if (held->end >= lock->start && (held->type == F_WRLCK || lock->type == F_WRLCK))
			return held;
	}
	return NULL;
}
