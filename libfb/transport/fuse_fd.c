/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/fuse_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/log.h>
#include <poll.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/scope.h"
#include "protocol/wire_dev.h"

int fb_fuse_fd_clone(int of)
{
	FB_SCOPED_FD fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	uint32_t argument = (uint32_t)of;

	if (fd < 0 || ioctl(fd, FB_DEV_IOC_CLONE, &argument) < 0)
		return -errno;
	return fb_fd_raise(fb_fd_steal(&fd));
}

int fb_fuse_fd_wait(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };

	return poll(&one, 1, -1) < 0 ? -errno : 0;
}

int fb_fuse_fd_no_wait(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

int fb_fuse_fd_ready(int mounted, bool own)
{
	FB_SCOPED_FD fd = fb_fuse_fd_clone(mounted);
	int flags, r;

	if (fd >= 0) {
		r = fb_fuse_fd_no_wait(fd);
		return r < 0 ? r : fb_fd_steal(&fd);
	}
	flags = fcntl(mounted, F_GETFL);
	/* Who handed it to us has the same open file: what it does is not ours to say. */
	if (!own && flags >= 0 && !(flags & O_NONBLOCK))
		return fd;
	r = fb_fuse_fd_no_wait(mounted);
	return r < 0 ? r : mounted;
}
