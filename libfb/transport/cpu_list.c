/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/cpu_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/scope.h"

/* Longest list that is read, in bytes: "0,2,4,…" with as many numbers as there may be. */
#define TEXT_MAX (FB_CPU_MAX * 5u)

/* Take a number from *text. Returns it, or -EINVAL. */
static long take_number(const char **text)
{
	char *end;
	long number;

	if (**text < '0' || **text > '9')
		return -EINVAL;
	number = strtol(*text, &end, 10);
	*text = end;
	return number < (long)FB_CPU_MAX ? number : -EINVAL;
}

/* Take "N" or "N-M". Returns 0 or -EINVAL. */
static int take_range(const char **text, struct fb_cpu_list *list)
{
	long first = take_number(text), last = first;

	if (first >= 0 && **text == '-') {
		++*text;
		last = take_number(text);
	}
	if (first < 0 || last < first)
		return -EINVAL;
	if (list->count > 0 && list->cpu[list->count - 1] >= (unsigned)first)
		return -EINVAL;
	for (long cpu = first; cpu <= last; cpu++)
		list->cpu[list->count++] = (unsigned)cpu;
	return 0;
}

int fb_cpu_list_parse(const char *text, struct fb_cpu_list *ret_list)
{
	int r;

	ret_list->count = 0;
	do {
		r = take_range(&text, ret_list);
	} while (r == 0 && *text++ == ',');
	if (r == 0 && text[-1] != '\0' && text[-1] != '\n')
		r = -EINVAL;
	return r;
}

int fb_cpu_list_read(const char *name, struct fb_cpu_list *ret_list)
{
	FB_SCOPED_FREE char *text = calloc(1, TEXT_MAX + 1);
	char path[64];
	FB_SCOPED_FD fd = -1;

	if (!text)
		return -ENOMEM;
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, TEXT_MAX) < 0)
		return -errno;
	return fb_cpu_list_parse(text, ret_list);
}

bool fb_cpu_list_has(const struct fb_cpu_list *list, unsigned cpu)
{
	for (unsigned i = 0; i < list->count; i++)
		if (list->cpu[i] == cpu)
			return true;
	return false;
}
