/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/pages_limit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/scope.h"

#define FILE_NAME "/proc/sys/fs/fuse/max_pages_limit" /* since Linux 6.13 */
#define DEFAULT 256

uint32_t fb_pages_limit(void)
{
	FB_SCOPED_FD fd = open(FILE_NAME, O_RDONLY | O_CLOEXEC);
	char text[16] = "";
	long limit = 0;

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		limit = strtol(text, NULL, 10);
	return limit > 0 && limit <= UINT16_MAX ? (uint32_t)limit : DEFAULT;
}
