/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/mountpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/dev_fuse.h>
#include <libfb/log.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/scope.h"
#include "transport/fusermount.h"
#include "transport/mount_table.h"

/* Dead mounts that may lie on top of each other. */
#define STALE_MAX 64

bool fb_mountpoint_is_stale(int error)
{
	return error == ENOTCONN || error == ECONNABORTED;
}

static int open_failed(const char *name, int error)
{
	switch (error) {
	case ENOENT:
		return fb_fail(error, "mountpoint %s does not exist; make it with mkdir", name);
	case ENOTDIR:
		return fb_fail(error, "mountpoint %s: a part of the path is not a directory", name);
	case EACCES:
		return fb_fail(error, "mountpoint %s: no permission to go there", name);
	case ENOTCONN:
	case ECONNABORTED:
		return fb_fail(error, "mountpoint %s lies in a mount whose server is gone", name);
	default:
		return fb_fail(error, "mountpoint %s: %s", name, strerror(error));
	}
}

/*
 * Open a path without asking the file system at its end, which may be dead, and tell its absolute
 * path.
 */
static int open_path(const char *name, char path[PATH_MAX])
{
	FB_SCOPED_FD fd = open(name, O_PATH | O_CLOEXEC);
	char link[64];
	ssize_t n;

	if (fd < 0)
		return open_failed(name, errno);
	snprintf(link, sizeof(link), "/proc/thread-self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	if (n < 0 && errno == ENOENT && name[0] == '/')
		n = snprintf(path, PATH_MAX, "%s", name); /* without /proc */
	if (n <= 0 || n >= PATH_MAX - 1 || path[0] != '/')
		return fb_fail(EINVAL, "mountpoint %s can not be reached from the root directory",
			       name);
	path[n] = '\0';
	return fb_fd_steal(&fd);
}

static int look_failed(const char *name, int error)
{
	if (fb_mountpoint_is_stale(error))
		return fb_fail(error,
			       "mountpoint %s: a server that is gone left its mount there; run "
			       "\"fusermount3 -u %s\" or start with --replace",
			       name, name);
	if (error == EACCES)
		return fb_fail(error, "mountpoint %s is in use by another user's FUSE mount", name);
	return fb_fail(error, "mountpoint %s: %s", name, strerror(error));
}

/* Look at the mount point. Returns 0, or -errno with a sentence. */
static int look(const char *name, struct fb_mountpoint *point)
{
	FB_SCOPED_FD fd = open_path(name, point->path);
	struct statfs fs;
	struct stat st;

	if (fd < 0)
		return fd;
	/* Attributes may be cached, and outlive their server; statfs always asks it. */
	if (fstat(fd, &st) < 0 || (fstatfs(fd, &fs) < 0 && fb_mountpoint_is_stale(errno)))
		return look_failed(name, errno);
	if (st.st_nlink == 0)
		return fb_fail(ENOENT, "mountpoint %s has been removed", name);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return fb_fail(ENOTDIR, "mountpoint %s is neither a directory nor a regular file",
			       name);
	point->type = st.st_mode & S_IFMT;
	return 0;
}

int fb_mountpoint_resolve(const char *name, bool replace_stale, struct fb_mountpoint *ret_point)
{
	struct fb_mountpoint point;
	int r = look(name, &point);

	for (int i = 0; replace_stale && fb_mountpoint_is_stale(-r) && i < STALE_MAX; i++) {
		fb_log(FB_LOG_INFO, "unmounting what a server that is gone left at %s", point.path);
		r = fb_unmount(name);
		if (r == 0)
			r = look(name, &point);
	}
	if (r == 0)
		*ret_point = point;
	return r;
}

static int unmount_failed(const char *path, int error)
{
	switch (error) {
	case EBUSY:
		return fb_fail(error, "%s is busy: programs have files open or work there", path);
	case EINVAL:
		return fb_fail(error, "%s is not a mount point", path);
	case EPERM:
		return fb_fail(error, "no permission to unmount %s", path);
	default:
		return fb_fail(error, "can not unmount %s: %s", path, strerror(error));
	}
}

int fb_mountpoint_unmount(const char *path, enum fb_unmount_how how)
{
	int flags = UMOUNT_NOFOLLOW;

	if (how != FB_UNMOUNT_PLAIN)
		flags |= MNT_DETACH;
	if (how == FB_UNMOUNT_FORCE)
		flags |= MNT_FORCE;
	if (umount2(path, flags) == 0)
		return 0;
	if (errno == EPERM)
		return fb_fusermount_unmount(path, how != FB_UNMOUNT_PLAIN);
	return unmount_failed(path, errno);
}

/* Whether a mount of a FUSE file system is at path; unknown counts as yes. */
static int check_is_fuse(int fd, const char *path)
{
	uint64_t number = fb_mount_number(fd);
	struct fb_mount_entry entry;

	if (number == 0 || fb_mount_entry_find(number, &entry) < 0)
		return 0;
	if (strcmp(entry.path, path) != 0)
		return fb_fail(EINVAL, "%s is not a mount point", path);
	if (!entry.fuse)
		return fb_fail(EINVAL, "%s is not a mount of a FUSE file system", path);
	return 0;
}

int fb_unmount(const char *mountpoint)
{
	char path[PATH_MAX];
	int fd, r;

	if (!mountpoint || !*mountpoint)
		return fb_fail(EINVAL, "no mountpoint was given");
	fd = open_path(mountpoint, path);
	if (fd < 0)
		return fd;
	r = check_is_fuse(fd, path);
	close(fd);
	return r < 0 ? r : fb_mountpoint_unmount(path, FB_UNMOUNT_LAZY);
}
