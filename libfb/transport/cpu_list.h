/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processors, as the kernel lists them: "0-3,8" (Documentation/admin-guide/cputopology.rst).
 */
#ifndef FB_TRANSPORT_CPU_LIST_H
#define FB_TRANSPORT_CPU_LIST_H

#include <stdbool.h>

/* More than any kernel is built for. */
#define FB_CPU_MAX 8192u

struct fb_cpu_list {
	unsigned count;
	unsigned cpu[FB_CPU_MAX]; /* numbers, ascending */
};

/* Read a list. Returns 0, or -EINVAL when it is none, or has a number of FB_CPU_MAX and more. */
int fb_cpu_list_parse(const char *text, struct fb_cpu_list *ret_list);

/*
 * Read /sys/devices/system/cpu/NAME, where name is "possible", "online" and the like. Returns 0 or
 * -errno.
 */
int fb_cpu_list_read(const char *name, struct fb_cpu_list *ret_list);

bool fb_cpu_list_has(const struct fb_cpu_list *list, unsigned cpu);

#endif
