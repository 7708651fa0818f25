/* SPDX-License-Identifier: BSD-3-Clause */
#include "name_ops.h"

#include "label.h"
#include "resolve.h"
#include "state.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/sysmacros.h>

/* ---- making ------------------------------------------------------------------------------------------ */

/* What is to be made. */
struct made {
	mode_t mode; /* with the type */
	dev_t rdev;
	const char *target; /* of a symbolic link */
};

/*
 * Make the name, as its caller. Returns 0 or -errno; ret_file is an open descriptor of a regular
 * file, -1 for what has to be looked up.
 */
static int make(struct fb_passthrough *fs, int dirfd, const char *name, const struct made *made,
		int *ret_file)
{
	int result;

	switch (made->mode & S_IFMT) {
	case S_IFREG:
		/* Unlike mknod this tells for certain which inode was made. */
		*ret_file =
			fb_resolve_open(fs, dirfd, name, O_CREAT | O_EXCL | O_WRONLY, made->mode);
		return *ret_file < 0 ? *ret_file : 0;
	case S_IFDIR:
		result = mkdirat(dirfd, name, made->mode & 07777);
		break;
	case S_IFLNK:
		assert(made->target);
		result = symlinkat(made->target, dirfd, name);
		break;
	default:
		result = mknodat(dirfd, name, made->mode, made->rdev);
	}
	return result < 0 ? -errno : 0;
}

/* The O_PATH descriptor of what was made, and what statx(2) tells of it. */
static int open_made(struct fb_passthrough *fs, int dirfd, const char *name,
		     const struct made *made, int file, struct statx *ret_statx)
{
	FB_SCOPE_FD int fd =
		file >= 0 ? fb_resolve_reopen(fs, file, O_PATH) : fb_resolve_path(fs, dirfd, name);
	int result;

	if (fd < 0)
		return fd;
	result = fb_resolve_stat(fd, ret_statx);
	if (result < 0)
		return result;
	/* Somebody on the host has put something else in its place: clients reject that. */
	if ((ret_statx->stx_mode & S_IFMT) != (made->mode & S_IFMT))
		return -ESTALE;
	return fb_fd_steal(&fd);
}

static int make_node(struct fb_passthrough *fs, struct fb_req *req, uint64_t parent,
		     const char *name, const struct made *made, struct fb_entry *ret_entry)
{
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, parent);
	FB_SCOPE_CRED struct fb_cred_guard guard = { 0 };
	FB_SCOPE_FD int file = -1;
	struct statx statx;
	int result, fd, dirfd;

	if (!at.inode)
		return -ESTALE;
	if (fs->options.read_only)
		return -EROFS;
	dirfd = fb_inode_fd(fs, at.inode);
	if (dirfd < 0)
		return dirfd;

	FB_SCOPE_LABEL struct fb_label_guard label = fb_label_begin(fs, req);

	result = fb_credentials_assume(fs, fb_req_caller(req), FB_CREDENTIALS_CREATE, &guard);
	if (result < 0)
		return result;

	result = make(fs, dirfd, name, made, &file);
	fb_credentials_restore(&guard);
	if (result < 0)
		return result;
	fd = open_made(fs, dirfd, name, made, file, &statx);
	/* Gone again, by the host: have the client try once more. ENOENT would blame the path. */
	if (fd < 0)
		return fd == -ENOENT ? -ESTALE : fd;
	result = fb_label_apply(fs, req, fd);
	if (result > 0) /* that was one more change */
		result = fb_resolve_stat(fd, &statx);
	if (result < 0) {
		fb_label_undo(fs, dirfd, name, fd);
		close(fd);
		return result;
	}
	return fb_inode_enter_seen(fs, at.inode, fd, &statx, ret_entry, NULL);
}

static int symlink_name(void *self, struct fb_req *req, uint64_t parent, const char *name,
			const char *target, struct fb_entry *ret_entry)
{
	const struct made made = { .mode = S_IFLNK | 0777, .target = target };

	return make_node(self, req, parent, name, &made, ret_entry);
}

static int mknod_name(void *self, struct fb_req *req, uint64_t parent, const char *name,
		      uint32_t mode, uint32_t rdev, struct fb_entry *ret_entry)
{
	const struct made made = {
		.mode = mode & (S_IFMT | 07777),
		.rdev = makedev(fb_rdev_major(rdev), fb_rdev_minor(rdev)),
	};

	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		return make_node(self, req, parent, name, &made, ret_entry);
	default:
		return -EINVAL;
	}
}

static int mkdir_name(void *self, struct fb_req *req, uint64_t parent, const char *name,
		      uint32_t mode, struct fb_entry *ret_entry)
{
	const struct made made = { .mode = S_IFDIR | (mode & 07777) };

	return make_node(self, req, parent, name, &made, ret_entry);
}

static int link_name(void *self, struct fb_req *req, uint64_t node, uint64_t new_parent,
		     const char *new_name, struct fb_entry *ret_entry)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, node);
	FB_SCOPE_INODE struct fb_inode_pin to = fb_inode_pin(fs, new_parent);
	FB_SCOPE_CRED struct fb_cred_guard guard = { 0 };
	char name[FB_PROC_PATH_MAX];
	int result, fd, dirfd;

	if (!at.inode || !to.inode)
		return -ESTALE;
	if (fs->options.read_only)
		return -EROFS;
	fd = fb_inode_fd(fs, at.inode);
	if (fd < 0)
		return fd;
	dirfd = fb_inode_fd(fs, to.inode);
	if (dirfd < 0)
		return dirfd;
	result = fb_credentials_assume(fs, fb_req_caller(req), FB_CREDENTIALS_ACCESS, &guard);
	if (result < 0)
		return result;
	/* Follows /proc's link to the file, symbolic links included; needs no capability. */
	fb_resolve_proc_name(fd, name);
	if (linkat(fs->proc_self_fd, name, dirfd, new_name, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	fb_credentials_restore(&guard);
	return fb_inode_enter_again(fs, at.inode, ret_entry);
}

/* ---- removing and moving ------------------------------------------------------------------------------- */

/*
 * What a name stands for that is about to go. Only of interest when descriptors have been closed:
 * its node might have only a file handle, which ends with the last name.
 */
static int open_victim(struct fb_passthrough *fs, int dirfd, const char *name)
{
	return fs->budget.evictions > 0 ? fb_resolve_path(fs, dirfd, name) : -1;
}

static void keep_victim(struct fb_passthrough *fs, int fd)
{
	if (fd >= 0)
		fb_inode_keep(fs, fd);
}

static int remove_name(struct fb_passthrough *fs, struct fb_req *req, uint64_t parent,
		       const char *name, int flags)
{
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, parent);
	FB_SCOPE_CRED struct fb_cred_guard guard = { 0 };
	int result, dirfd;

	if (!at.inode)
		return -ESTALE;
	if (fs->options.read_only)
		return -EROFS;
	dirfd = fb_inode_fd(fs, at.inode);
	if (dirfd < 0)
		return dirfd;

	FB_SCOPE_FD int victim = open_victim(fs, dirfd, name);

	result = fb_credentials_assume(fs, fb_req_caller(req), FB_CREDENTIALS_ACCESS, &guard);
	if (result < 0)
		return result;
	if (unlinkat(dirfd, name, flags) < 0)
		return -errno;
	fb_credentials_restore(&guard);
	keep_victim(fs, victim);
	return 0;
}

static int unlink_name(void *self, struct fb_req *req, uint64_t parent, const char *name)
{
	return remove_name(self, req, parent, name, 0);
}

static int rmdir_name(void *self, struct fb_req *req, uint64_t parent, const char *name)
{
	return remove_name(self, req, parent, name, AT_REMOVEDIR);
}

static int rename_name(void *self, struct fb_req *req, uint64_t parent, const char *name,
		       uint64_t new_parent, const char *new_name, uint32_t flags)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_INODE struct fb_inode_pin from = fb_inode_pin(fs, parent);
	FB_SCOPE_INODE struct fb_inode_pin to = fb_inode_pin(fs, new_parent);
	FB_SCOPE_CRED struct fb_cred_guard guard = { 0 };
	int result, from_fd, to_fd;

	if (!from.inode || !to.inode)
		return -ESTALE;
	if (flags & ~(FB_RENAME_NOREPLACE | FB_RENAME_EXCHANGE | FB_RENAME_WHITEOUT))
		return -EINVAL;
	if (fs->options.read_only)
		return -EROFS;
	from_fd = fb_inode_fd(fs, from.inode);
	if (from_fd < 0)
		return from_fd;
	to_fd = fb_inode_fd(fs, to.inode);
	if (to_fd < 0)
		return to_fd;

	FB_SCOPE_FD int victim = open_victim(fs, to_fd, new_name);

	/* A whiteout is a new inode, which belongs to the caller. */
	result = fb_credentials_assume(
		fs, fb_req_caller(req),
		flags & FB_RENAME_WHITEOUT ? FB_CREDENTIALS_CREATE : FB_CREDENTIALS_ACCESS, &guard);
	if (result < 0)
		return result;
	/* By number: not every libc has renameat2(). */
	if (syscall(SYS_renameat2, from_fd, name, to_fd, new_name, flags) < 0)
		return -errno;
	fb_credentials_restore(&guard);
	keep_victim(fs, victim);
	return 0;
}

void fb_name_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops)
{
	(void)fs;
	ops->symlink = symlink_name;
	ops->mknod = mknod_name;
	ops->mkdir = mkdir_name;
	ops->link = link_name;
	ops->unlink = unlink_name;
	ops->rmdir = rmdir_name;
	ops->rename = rename_name;
}
