/* SPDX-License-Identifier: BSD-3-Clause */
#include "capability.h"

#include "resolve.h"
#include "state.h"

#include <errno.h>
#include <sys/xattr.h>

static bool is_absent(int error)
{
	return error == ENODATA || error == EOPNOTSUPP;
}

int fb_capability_drop(const struct fb_passthrough *fs, int fd)
{
	/* Looking first: removing takes the inode's lock, and has the file system write. */
	if (!fs->capability || (fgetxattr(fd, fs->capability, NULL, 0) < 0 && is_absent(errno)))
		return 0;
	return fremovexattr(fd, fs->capability) < 0 && !is_absent(errno) ? -errno : 0;
}

int fb_capability_drop_path(struct fb_passthrough *fs, int path_fd)
{
	char path[FB_PROC_PATH_MAX];
	int result;

	if (!fs->capability)
		return 0;
	result = fb_resolve_proc_path(fs, path_fd, path);
	if (result < 0 || (getxattr(path, fs->capability, NULL, 0) < 0 && is_absent(errno)))
		return result;
	return removexattr(path, fs->capability) < 0 && !is_absent(errno) ? -errno : 0;
}
