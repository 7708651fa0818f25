/* SPDX-License-Identifier: BSD-3-Clause */
#include "id_map.h"

#include "scope.h"

#include <libfb/log.h>

#include <errno.h>
#include <string.h>

#define DIGITS "0123456789"
#define WORD DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"

enum becomes {
	SHIFTED,  /* each another one */
	SQUASHED, /* all the same one */
	FORBIDDEN,
};

struct fb_id_range {
	uint32_t first, last; /* never UINT32_MAX */
	uint32_t to;          /* what first becomes */
	enum becomes becomes;
	const char *rule; /* while the rules are read: for sentences */
};

/* ---- reading the rules -------------------------------------------------------------------------------- */

/* The forms of a rule: its word, and two or three numbers, of which the last is how many ids. */
static const struct form {
	const char *word;
	enum becomes becomes;
	bool to_host, to_client; /* which ways; for both, the host's ids come second */
	size_t numbers;
} forms[] = {
	{ "guest", SHIFTED, true, false, 3 },          { "host", SHIFTED, false, true, 3 },
	{ "squash-guest", SQUASHED, true, false, 3 },  { "squash-host", SQUASHED, false, true, 3 },
	{ "forbid-guest", FORBIDDEN, true, false, 2 }, { "map", SHIFTED, true, true, 3 },
};

struct reader {
	const char *what; /* "uid" or "gid" */
	const char *rule;
	struct fb_id_map *map;
};

static int refuse(const struct reader *reader, const char *why)
{
	return fb_fail(EINVAL, "%s translation, rule %.60s: %s", reader->what, reader->rule, why);
}

static const struct form *find_form(const char *word, size_t len)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (strlen(forms[i].word) == len && strncmp(forms[i].word, word, len) == 0)
			return &forms[i];
	return NULL;
}

/* One number, in decimal digits alone. Returns false when there is none that is an id. */
static bool read_number(const char **at, uint32_t *ret_number)
{
	size_t digits = strspn(*at, DIGITS);
	uint64_t number = 0;

	for (size_t i = 0; i < digits && number <= UINT32_MAX; i++)
		number = number * 10 + (uint64_t)((*at)[i] - '0');
	if (digits == 0 || number > UINT32_MAX)
		return false;
	*at += digits;
	*ret_number = (uint32_t)number;
	return true;
}

static int read_numbers(const struct reader *reader, const struct form *form, const char *at,
			uint32_t numbers[static 3])
{
	char separator = *at;

	for (size_t i = 0; i < form->numbers; i++) {
		if (!separator || *at != separator)
			return refuse(reader,
				      form->numbers == 3 ?
					      "its word has to be followed by three numbers, "
					      "the separator before each" :
					      "its word has to be followed by two numbers, "
					      "the separator before each");
		at++;
		if (!read_number(&at, &numbers[i]))
			return refuse(reader, "ids and counts are numbers from 0 to 4294967295");
	}
	return *at ? refuse(reader, "something follows its last number") : 0;
}

/* UINT32_MAX is no id, so a range has to end before it. */
static int check_range(const struct reader *reader, uint32_t first, uint32_t count)
{
	if (count <= UINT32_MAX - first)
		return 0;
	return fb_fail(
		EINVAL,
		"%s translation, rule %.60s: the last id is 4294967294, from %u on there are "
		"%u at most",
		reader->what, reader->rule, first, UINT32_MAX - first);
}

static int add(const struct reader *reader, struct fb_id_ranges *ranges, const struct form *form,
	       uint32_t first, uint32_t to, uint32_t count)
{
	int result = check_range(reader, first, count);

	if (result == 0 && form->becomes != FORBIDDEN)
		result = check_range(reader, to, form->becomes == SQUASHED ? 1 : count);
	if (result < 0)
		return result;
	ranges->ranges[ranges->count++] = (struct fb_id_range){
		.first = first,
		.last = first + (count - 1),
		.to = to,
		.becomes = form->becomes,
		.rule = reader->rule,
	};
	return 0;
}

static int read_rule(const struct reader *reader)
{
	size_t len = strspn(reader->rule, WORD);
	const struct form *form = find_form(reader->rule, len);
	uint32_t numbers[3] = { 0 }, count;
	int result;

	if (!form)
		return refuse(reader, "it has to begin with guest, host, squash-guest, "
				      "squash-host, forbid-guest or map");
	result = read_numbers(reader, form, reader->rule + len, numbers);
	if (result < 0)
		return result;
	count = numbers[form->numbers - 1];
	if (count == 0)
		return 0; /* programs that compute the gaps between ranges write such rules */
	if (form->to_host)
		result = add(reader, &reader->map->to_host, form, numbers[0], numbers[1], count);
	if (result == 0 && form->to_client)
		result = add(reader, &reader->map->to_client, form, numbers[form->to_host],
			     numbers[!form->to_host], count);
	return result;
}

static int compare(const void *a, const void *b)
{
	const struct fb_id_range *left = a, *right = b;

	return (left->first > right->first) - (left->first < right->first);
}

/* Put the ranges of one way in order. */
static int sort(const struct reader *reader, struct fb_id_ranges *ranges, const char *whose)
{
	struct fb_id_range *range = ranges->ranges;

	qsort(range, ranges->count, sizeof(*range), compare);
	for (size_t i = 1; i < ranges->count; i++) {
		if (range[i].first <= range[i - 1].last)
			return fb_fail(EINVAL,
				       "%s translation: rules %.60s and %.60s overlap: each id of "
				       "the %s may be in one rule only",
				       reader->what, range[i - 1].rule, range[i].rule, whose);
	}
	for (size_t i = 0; i < ranges->count; i++)
		range[i].rule = NULL;
	return 0;
}

static int read_rules(struct reader *reader, const char *const *rules, size_t count)
{
	struct fb_id_map *map = reader->map;
	int result = 0;

	map->to_host.ranges = calloc(count, sizeof(*map->to_host.ranges));
	map->to_client.ranges = calloc(count, sizeof(*map->to_client.ranges));
	if (!map->to_host.ranges || !map->to_client.ranges)
		return fb_fail(ENOMEM, "no memory for the %s translation", reader->what);
	for (size_t i = 0; result == 0 && i < count; i++) {
		reader->rule = rules[i];
		result = read_rule(reader);
	}
	if (result == 0)
		result = sort(reader, &map->to_host, "client");
	if (result == 0)
		result = sort(reader, &map->to_client, "host");
	return result;
}

int fb_id_map_init(struct fb_id_map *map, const char *what, const char *const *rules)
{
	struct reader reader = { .what = what, .map = map };
	size_t count = 0;
	int result;

	*map = (struct fb_id_map){ 0 };
	while (rules && rules[count])
		count++;
	if (count == 0)
		return 0;
	if (count > FB_ID_MAP_RULES_MAX)
		return fb_fail(EINVAL, "%s translation: %zu rules are too many, %d is the most",
			       what, count, FB_ID_MAP_RULES_MAX);
	result = read_rules(&reader, rules, count);
	if (result < 0)
		fb_id_map_fini(map);
	return result;
}

void fb_id_map_fini(struct fb_id_map *map)
{
	free(map->to_host.ranges);
	free(map->to_client.ranges);
	*map = (struct fb_id_map){ 0 };
}

/* ---- ids ------------------------------------------------------------------------------------------------ */

static const struct fb_id_range *find(const struct fb_id_ranges *ranges, uint32_t id)
{
	size_t low = 0, high = ranges->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct fb_id_range *range = &ranges->ranges[middle];

		if (id < range->first)
			high = middle;
		else if (id > range->last)
			low = middle + 1;
		else
			return range;
	}
	return NULL;
}

static uint32_t translate(const struct fb_id_range *range, uint32_t id)
{
	return range->becomes == SQUASHED ? range->to : range->to + (id - range->first);
}

int fb_id_map_to_host(const struct fb_id_map *map, uint32_t id, uint32_t *ret_id)
{
	const struct fb_id_range *range = find(&map->to_host, id);

	if (range && range->becomes == FORBIDDEN)
		return -EPERM;
	*ret_id = range ? translate(range, id) : id;
	return 0;
}

uint32_t fb_id_map_to_client(const struct fb_id_map *map, uint32_t id)
{
	const struct fb_id_range *range = find(&map->to_client, id);

	return range ? translate(range, id) : id;
}
