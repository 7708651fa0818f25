/* SPDX-License-Identifier: BSD-3-Clause */
#include "value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_MAX UINT64_C(1000000000)
#define NS_PER_S UINT64_C(1000000000)

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* strtoull() with the end, but neither blanks nor signs, which it would take. */
static int leading_number(const char *text, uint64_t *ret_number, const char **ret_end)
{
	char *end;

	if (!is_digit(*text))
		return -EINVAL;
	errno = 0;
	*ret_number = strtoull(text, &end, 10);
	*ret_end = end;
	return errno ? -EINVAL : 0;
}

int value_number(const char *text, uint64_t low, uint64_t high, uint64_t *ret_number)
{
	const char *end;
	uint64_t number;

	if (leading_number(text, &number, &end) < 0 || *end || number < low || number > high)
		return -EINVAL;
	*ret_number = number;
	return 0;
}

int value_size(const char *text, uint64_t low, uint64_t high, uint64_t *ret_size)
{
	const char *end;
	uint64_t size;
	unsigned shift = 0;

	if (leading_number(text, &size, &end) < 0)
		return -EINVAL;
	if (strcmp(end, "K") == 0 || strcmp(end, "k") == 0)
		shift = 10;
	else if (strcmp(end, "M") == 0 || strcmp(end, "m") == 0)
		shift = 20;
	else if (*end)
		return -EINVAL;
	if (size > high >> shift || size << shift < low)
		return -EINVAL;
	*ret_size = size << shift;
	return 0;
}

int value_seconds(const char *text, uint64_t *ret_ns)
{
	const char *end = text;
	uint64_t seconds = 0, ns = 0, unit = NS_PER_S / 10;

	if (*text != '.' && leading_number(text, &seconds, &end) < 0)
		return -EINVAL;
	if (*end == '.') {
		if (!is_digit(*++end))
			return -EINVAL;
		for (; is_digit(*end); end++, unit /= 10)
			ns += (uint64_t)(*end - '0') * unit;
	}
	if (*end || seconds > SECONDS_MAX)
		return -EINVAL;
	*ret_ns = seconds * NS_PER_S + ns;
	return 0;
}
