/* SPDX-License-Identifier: BSD-3-Clause */
#include "descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/log.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "options.h"
#include "value.h"

#define USEFUL_DESCRIPTORS 1000000u
/* For threads, logs and what the driver holds besides nodes and open files. */
#define RESERVED_DESCRIPTORS 1024u

/* The highest limit that anybody can have. */
static uint64_t system_limit(void)
{
	int fd = open("/proc/sys/fs/nr_open", O_RDONLY | O_CLOEXEC);
	char text[32] = "";
	uint64_t limit;

	if (fd < 0)
		return USEFUL_DESCRIPTORS;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	text[strcspn(text, "\n")] = '\0';
	return value_number(text, 1, UINT32_MAX, &limit) < 0 ? USEFUL_DESCRIPTORS : limit;
}

static int set_limit(rlim_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

static void set_useful_limit(void)
{
	struct rlimit limit;
	rlim_t wanted = system_limit();

	if (wanted > USEFUL_DESCRIPTORS)
		wanted = USEFUL_DESCRIPTORS;
	if (set_limit(wanted) < 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    set_limit(limit.rlim_max) < 0)
		fb_log(FB_LOG_WARNING, "the limit of open files stays at %lu",
		       (unsigned long)limit.rlim_cur);
}

int descriptors_set_limit(uint32_t nofile)
{
	struct rlimit limit = { 0 };
	int result;

	if (nofile == 0)
		return 0;
	if (nofile == NOFILE_DEFAULT) {
		set_useful_limit();
		return 0;
	}
	result = set_limit(nofile);
	if (result == 0)
		return 0;
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	return fb_fail(-result, "--rlimit-nofile=%u: %s; at most %lu are allowed", nofile,
		       strerror(-result), (unsigned long)limit.rlim_max);
}

uint32_t descriptors_for_driver(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	if (limit.rlim_cur > USEFUL_DESCRIPTORS)
		limit.rlim_cur = USEFUL_DESCRIPTORS;
	if (limit.rlim_cur <= 2 * RESERVED_DESCRIPTORS)
		return (uint32_t)limit.rlim_cur / 2;
	return (uint32_t)limit.rlim_cur - RESERVED_DESCRIPTORS;
}

void descriptors_close_inherited(void)
{
	if (close_range(STDERR_FILENO + 1, ~0U, 0) < 0)
		fb_log(FB_LOG_DEBUG, "descriptors of the caller stay open: %s", strerror(errno));
}

int descriptors_fill_standard(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			return fb_fail(errno, "/dev/null: %s", strerror(errno));
	} while (fd <= STDERR_FILENO);
	close(fd);
	return 0;
}
