/* SPDX-License-Identifier: BSD-3-Clause */
/* The ranges that one owner has locked in one file: set, split, join, conflict. */
#include "cmocka_setup.h"

#include "drivers/passthrough/lock_ranges.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Change ranges in place. */
static void set(struct fb_lock_ranges *ranges, uint32_t type, uint64_t start, uint64_t end)
{
	const struct fb_lock lock = { .start = start, .end = end, .type = type };
	struct fb_lock_ranges after;

	assert_int_equal(fb_lock_ranges_with(ranges, &lock, &after), 0);
	free(ranges->items);
	*ranges = after;
}

/* "r0-9 w20-29" */
static void expect(const struct fb_lock_ranges *ranges, const char *expected)
{
	char text[256] = "";

	for (size_t i = 0; i < ranges->count; i++) {
		const struct fb_lock *item = &ranges->items[i];
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s%c%ju-%ju", i > 0 ? " " : "",
			 item->type == F_WRLCK ? 'w' : 'r', (uintmax_t)item->start,
			 (uintmax_t)item->end);
	}
	assert_string_equal(text, expected);
}

static void sets_and_clears(void **state)
{
	struct fb_lock_ranges ranges = { 0 };

	(void)state;
	set(&ranges, F_WRLCK, 10, 19);
	expect(&ranges, "w10-19");
	set(&ranges, F_RDLCK, 0, 4);
	expect(&ranges, "r0-4 w10-19");
	set(&ranges, F_UNLCK, 0, INT64_MAX);
	expect(&ranges, "");
	free(ranges.items);
}

static void splits(void **state)
{
	struct fb_lock_ranges ranges = { 0 };

	(void)state;
	set(&ranges, F_WRLCK, 0, 99);
	set(&ranges, F_UNLCK, 40, 49);
	expect(&ranges, "w0-39 w50-99");
	set(&ranges, F_RDLCK, 30, 59);
	expect(&ranges, "w0-29 r30-59 w60-99");
	set(&ranges, F_RDLCK, 10, 19);
	expect(&ranges, "w0-9 r10-19 w20-29 r30-59 w60-99");
	set(&ranges, F_UNLCK, 5, 70);
	expect(&ranges, "w0-4 w71-99");
	free(ranges.items);
}

static void joins(void **state)
{
	struct fb_lock_ranges ranges = { 0 };

	(void)state;
	set(&ranges, F_RDLCK, 0, 9);
	set(&ranges, F_RDLCK, 20, 29);
	set(&ranges, F_RDLCK, 10, 19);
	expect(&ranges, "r0-29");
	set(&ranges, F_WRLCK, 30, INT64_MAX);
	set(&ranges, F_RDLCK, 25, 40);
	expect(&ranges, "r0-40 w41-9223372036854775807");
	set(&ranges, F_WRLCK, 0, INT64_MAX);
	expect(&ranges, "w0-9223372036854775807");
	free(ranges.items);
}

static void finds_conflicts(void **state)
{
	struct fb_lock_ranges ranges = { 0 };
	struct fb_lock wanted = { .start = 5, .end = 25, .type = F_RDLCK };
	const struct fb_lock *held;

	(void)state;
	set(&ranges, F_RDLCK, 0, 9);
	set(&ranges, F_WRLCK, 20, 29);
	held = fb_lock_ranges_conflict(&ranges, &wanted);
	assert_non_null(held);
	assert_int_equal(held->start, 20);
	wanted.end = 19;
	assert_null(fb_lock_ranges_conflict(&ranges, &wanted));
	wanted.type = F_WRLCK;
	held = fb_lock_ranges_conflict(&ranges, &wanted);
	assert_non_null(held);
	assert_int_equal(held->start, 0);
	wanted.start = 10;
	assert_null(fb_lock_ranges_conflict(&ranges, &wanted));
	wanted.start = 30;
	wanted.end = INT64_MAX;
	assert_null(fb_lock_ranges_conflict(&ranges, &wanted));
	free(ranges.items);
}

static void has_a_limit(void **state)
{
	struct fb_lock_ranges ranges = { 0 }, after;
	const struct fb_lock last = { .start = 1u << 20, .end = 1u << 20, .type = F_RDLCK };

	(void)state;
	ranges.items = calloc(FB_LOCK_RANGES_MAX, sizeof(*ranges.items));
	assert_non_null(ranges.items);
	for (ranges.count = 0; ranges.count < FB_LOCK_RANGES_MAX - 1; ranges.count++)
		ranges.items[ranges.count] = (struct fb_lock){ .start = 2 * ranges.count,
							       .end = 2 * ranges.count,
							       .type = F_RDLCK };
	assert_int_equal(fb_lock_ranges_with(&ranges, &last, &after), -ENOLCK);
	free(ranges.items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_and_clears), cmocka_unit_test(splits),
		cmocka_unit_test(joins),           cmocka_unit_test(finds_conflicts),
		cmocka_unit_test(has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
