/* SPDX-License-Identifier: BSD-3-Clause */
#include "resolve.h"

#include "credentials.h"
#include "linux_compat.h"
#include "state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Set once openat2(2) turned out to be missing or forbidden (Linux before 5.6, old sandboxes). */
static _Atomic bool no_openat2;

/* By openat: one component, its link not followed, can only leave the tree by "..". */
static int open_component(int dirfd, const char *name, int flags, mode_t mode)
{
	int fd;

	if (strchr(name, '/') || strcmp(name, "..") == 0)
		return -EXDEV;
	fd = openat(dirfd, name, flags, mode & 07777);
	if (fd < 0)
		return -errno;
	return fd;
}

static int open_beneath(int dirfd, const char *name, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)flags,
		.mode = flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? mode & 07777 : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
	};
	long fd;

	if (atomic_load_explicit(&no_openat2, memory_order_relaxed))
		return open_component(dirfd, name, flags, mode);
	fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	if (fd >= 0)
		return (int)fd;
	if (errno == ENOSYS) {
		no_openat2 = true;
		fb_log(FB_LOG_WARNING,
		       "passthrough: openat2 is missing: names are opened by openat");
	} else if (errno != EAGAIN && errno != EXDEV) {
		return -errno;
	}
	/* EAGAIN, EXDEV: somebody renamed meanwhile, and Linux can not tell whether the file was in dirfd. */
	return open_component(dirfd, name, flags, mode);
}

int fb_resolve_open(struct fb_passthrough *fs, int dirfd, const char *name, int flags, mode_t mode)
{
	unsigned tries = 0;
	int fd;

	do
		fd = open_beneath(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
	while (fd < 0 && fb_budget_retry(fs, -fd, &tries));
	return fd;
}

int fb_resolve_path(struct fb_passthrough *fs, int dirfd, const char *name)
{
	return fb_resolve_open(fs, dirfd, name, O_PATH, 0);
}

int fb_resolve_reopen(struct fb_passthrough *fs, int fd, int flags)
{
	char name[FB_PROC_PATH_MAX];
	unsigned tries = 0;
	int reopened;

	fb_resolve_proc_name(fd, name);
	do
		reopened = openat(fs->proc_self_fd, name, (flags & ~O_NOFOLLOW) | O_CLOEXEC);
	while (reopened < 0 && fb_budget_retry(fs, errno, &tries));
	return reopened < 0 ? -errno : reopened;
}

int fb_resolve_stat(int fd, struct statx *ret_statx)
{
	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW,
		  STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, ret_statx) < 0)
		return -errno;
	/* Linux before 5.8 does not tell the mount. */
	if (!(ret_statx->stx_mask & STATX_MNT_ID))
		ret_statx->stx_mnt_id = 0;
	return 0;
}

void fb_resolve_proc_name(int fd, char ret_name[static FB_PROC_PATH_MAX])
{
	snprintf(ret_name, FB_PROC_PATH_MAX, "%d", fd);
}

int fb_resolve_proc_path(struct fb_passthrough *fs, int fd, char ret_path[static FB_PROC_PATH_MAX])
{
	int result;

	if (fs->proc_visible) {
		snprintf(ret_path, FB_PROC_PATH_MAX, "/proc/self/fd/%d", fd);
		return 0;
	}
	fb_resolve_proc_name(fd, ret_path);
	/* Each time: the thread may be the program's, which goes where it likes between requests. */
	result = fb_credentials_own_fs();
	if (result < 0)
		return result;
	return fchdir(fs->proc_self_fd) < 0 ? -errno : 0;
}
