/* SPDX-License-Identifier: BSD-3-Clause */
#include "setattr_ops.h"

#include "capability.h"
#include "handle_table.h"
#include "resolve.h"
#include "state.h"

#include <errno.h>

/* What one setattr works on. */
struct change {
	struct fb_passthrough *fs;
	struct fb_inode *inode;
	int fd;                   /* O_PATH, of the node */
	struct fb_handle *handle; /* the open file that the client named, or NULL */
	const struct fb_setattr *set;
	const struct fb_caller *caller;
	uid_t uid; /* of the host; UINT32_MAX: stays as it is */
	gid_t gid;
	bool ends_capabilities; /* size or owner has changed */
};

static bool sets(const struct change *change, uint32_t bits)
{
	return (change->set->valid & bits) != 0;
}

/* With seal_size only the size that the file has already. */
static int check_seal(const struct change *change)
{
	struct statx statx;
	int result = fb_resolve_stat(change->fd, &statx);

	if (result < 0)
		return result;
	return statx.stx_size == change->set->size ? 0 : -EPERM;
}

/* The switch may go without CAP_FSETID, which a mode that is set afterwards needs: it ends here. */
static int set_size(struct change *change)
{
	struct fb_passthrough *fs = change->fs;
	const struct fb_handle *handle = change->handle;
	FB_SCOPE_CRED struct fb_cred_guard guard = { 0 };
	FB_SCOPE_FD int opened = -1;
	int result, fd;

	if (!sets(change, FB_SETATTR_SIZE))
		return 0;
	if (change->set->size > INT64_MAX)
		return -EFBIG;
	if (fb_inode_is_dir(change->inode))
		return -EISDIR;
	if (!fb_inode_is_regular(change->inode))
		return -EINVAL;
	if (fs->options.seal_size)
		return check_seal(change);
	result = fb_credentials_assume(fs, change->caller, FB_CREDENTIALS_ACCESS, &guard);
	if (result < 0)
		return result;
	if (sets(change, FB_SETATTR_KILL_SUIDGID))
		fb_credentials_kill_suidgid(fs, change->fd, &guard);
	if (handle && (handle->flags & O_ACCMODE) != O_RDONLY) {
		fd = handle->fd;
	} else {
		opened = fb_inode_open(fs, change->inode, O_WRONLY);
		fd = opened;
	}
	if (fd < 0)
		return fd;
	if (ftruncate(fd, (off_t)change->set->size) < 0)
		return -errno;
	change->ends_capabilities = true;
	return 0;
}

static int set_owner(struct change *change)
{
	if (!sets(change, FB_SETATTR_UID | FB_SETATTR_GID))
		return 0;
	if (fchownat(change->fd, "", change->uid, change->gid, AT_EMPTY_PATH) < 0)
		return -errno;
	change->ends_capabilities = true;
	return 0;
}

static int set_mode(const struct change *change)
{
	char name[FB_PROC_PATH_MAX];

	if (!sets(change, FB_SETATTR_MODE))
		return 0;
	if (S_ISLNK(change->inode->type))
		return -EOPNOTSUPP;
	fb_resolve_proc_name(change->fd, name);
	if (fchmodat(change->fs->proc_self_fd, name, change->set->mode & 07777, 0) < 0)
		return -errno;
	return 0;
}

/* One of the two times. */
static int time_to_set(const struct change *change, uint32_t value, uint32_t now,
		       const struct fb_time *time, struct timespec *ret_time)
{
	*ret_time = (struct timespec){ .tv_nsec = UTIME_OMIT };
	if (sets(change, now)) {
		ret_time->tv_nsec = UTIME_NOW;
	} else if (sets(change, value)) {
		/* Larger numbers have a meaning of their own to the host. */
		if (time->nsec > 999999999)
			return -EINVAL;
		*ret_time = (struct timespec){ .tv_sec = time->sec, .tv_nsec = time->nsec };
	}
	return 0;
}

static int set_times(const struct change *change)
{
	const struct fb_setattr *set = change->set;
	struct timespec times[2];
	int result;

	result =
		time_to_set(change, FB_SETATTR_ATIME, FB_SETATTR_ATIME_NOW, &set->atime, &times[0]);
	if (result == 0)
		result = time_to_set(change, FB_SETATTR_MTIME, FB_SETATTR_MTIME_NOW, &set->mtime,
				     &times[1]);
	if (result < 0 || (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT))
		return result;
	return utimensat(change->fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/* Before anything is changed. Finds the host's ids. */
static int check(struct change *change)
{
	const struct fb_setattr *set = change->set;
	int result = 0;

	if ((sets(change, FB_SETATTR_UID) && set->uid == UINT32_MAX) ||
	    (sets(change, FB_SETATTR_GID) && set->gid == UINT32_MAX))
		return -EINVAL; /* to the host that would mean "leave it as it is" */
	if (sets(change, FB_SETATTR_UID))
		result = fb_id_map_to_host(&change->fs->uids, set->uid, &change->uid);
	if (result == 0 && sets(change, FB_SETATTR_GID))
		result = fb_id_map_to_host(&change->fs->gids, set->gid, &change->gid);
	return result;
}

/*
 * In this order: a change of size or owner clears suid and sgid bits, so a mode that comes with it
 * has to follow, and every change but the last alters the times. FB_SETATTR_CTIME can not be obeyed
 * and need not be: the host sets it.
 */
static int change_all(struct change *change)
{
	FB_SCOPE_CRED struct fb_cred_guard guard = { 0 };
	int result = set_size(change);

	if (result == 0)
		result = fb_credentials_assume(change->fs, change->caller, FB_CREDENTIALS_ACCESS,
					       &guard);
	if (result == 0)
		result = set_owner(change);
	if (result == 0)
		result = set_mode(change);
	if (result == 0)
		result = set_times(change);
	return result;
}

/* The host does this for names that it knows, whoever asks. */
static int end_capabilities(const struct change *change)
{
	if (!change->ends_capabilities || !fb_inode_is_regular(change->inode))
		return 0;
	return fb_capability_drop_path(change->fs, change->fd);
}

/* Also after a change that has succeeded in part. */
static int change_and_end(struct change *change)
{
	int result = change_all(change);
	int ended = end_capabilities(change);

	return result < 0 ? result : ended;
}

static int setattr(void *self, struct fb_req *req, uint64_t node, const struct fb_setattr *set,
		   struct fb_attr_reply *ret_attr)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, node);
	FB_SCOPE_HANDLE struct fb_handle_pin handle = { .fs = fs };
	struct change change = {
		.fs = fs,
		.inode = at.inode,
		.set = set,
		.caller = fb_req_caller(req),
		.uid = UINT32_MAX,
		.gid = UINT32_MAX,
	};
	struct statx statx;
	int result;

	if (!at.inode)
		return -ESTALE;
	if (fs->options.read_only)
		return -EROFS;
	if ((set->valid & FB_SETATTR_FH) && !fs->options.stateless_open) {
		handle = fb_handle_pin(fs, set->fh, node, FB_HANDLE_FILE);
		if (!handle.handle)
			return -EBADF;
	}
	change.handle = handle.handle;
	change.fd = fb_inode_fd(fs, at.inode);
	if (change.fd < 0)
		return change.fd;
	result = check(&change);
	if (result == 0)
		result = change_and_end(&change);
	if (result == 0)
		result = fb_resolve_stat(change.fd, &statx);
	if (result < 0)
		return result;
	fb_inode_fill_attr(fs, at.inode, &statx, &ret_attr->attr);
	/*
	 * A change of nothing is a client on its way to a write that clears suid and sgid bits: the
	 * mode of before must not outlive it.
	 */
	ret_attr->attr_timeout_ns = set->valid ? fb_inode_attr_timeout(fs, at.inode) : 0;
	return 0;
}

void fb_setattr_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops)
{
	(void)fs;
	ops->setattr = setattr;
}
