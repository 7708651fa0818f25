/* SPDX-License-Identifier: BSD-3-Clause */
#include "lock_ops.h"

#include "handle_table.h"
#include "inode.h"
#include "lock_owners.h"
#include "lock_waiters.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

static bool valid_lock(const struct fb_lock *lock)
{
	return lock->start <= lock->end && lock->end <= INT64_MAX &&
	       (lock->type == F_RDLCK || lock->type == F_WRLCK || lock->type == F_UNLCK);
}

/* Find the open file that a lock goes through. Without one only stateless opens can do. */
static int find_handle(struct fb_passthrough *fs, const struct fb_handle_pin *at, uint64_t fh)
{
	return at->handle || (fs->options.stateless_open && fh == 0) ? 0 : -EBADF;
}

static int op_getlk(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t owner,
		    const struct fb_lock *lock, uint32_t flags, struct fb_lock *ret_lock)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, node);
	FB_SCOPE_HANDLE struct fb_handle_pin open = fb_handle_pin(fs, fh, node, FB_HANDLE_FILE);
	const struct fb_lock_request request = {
		.owner = owner,
		.lock = *lock,
		.handle = open.handle,
	};
	int result;

	(void)req;
	if (!at.inode)
		return -ESTALE;
	if (!fs->posix_lock)
		return -ENOSYS;
	if ((flags & FB_LK_FLOCK) || lock->type == F_UNLCK || !valid_lock(lock))
		return -EINVAL;
	result = find_handle(fs, &open, fh);
	return result < 0 ? result : fb_lock_owners_test(fs, at.inode, &request, ret_lock);
}

/* Try, and wait if that is wanted. */
static int take(struct fb_passthrough *fs, struct fb_req *req, const struct fb_lock_wait_for *what,
		bool wait)
{
	int result = fb_lock_waiters_try(fs, what);

	if (result != -EAGAIN || !wait)
		return result;
	return fb_lock_waiters_add(fs, req, what);
}

static int set_flock(struct fb_passthrough *fs, struct fb_req *req,
		     const struct fb_lock_wait_for *what, bool wait)
{
	static const int kinds[] = {
		[F_RDLCK] = LOCK_SH,
		[F_WRLCK] = LOCK_EX,
		[F_UNLCK] = LOCK_UN,
	};
	struct fb_lock_wait_for with = *what;
	int result;

	if (!fs->flock)
		return -ENOSYS;
	/* A flock belongs to one open file: without state there is none. */
	if (!what->request.handle)
		return -EBADF;
	with.flock = kinds[what->request.lock.type];
	result = take(fs, req, &with, wait);
	if (result == 0 && with.flock != LOCK_EX)
		fb_lock_waiters_kick(fs->handles->waiters);
	return result;
}

static int op_setlk(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t owner,
		    const struct fb_lock *lock, uint32_t flags)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, node);
	FB_SCOPE_HANDLE struct fb_handle_pin open = fb_handle_pin(fs, fh, node, FB_HANDLE_FILE);
	const struct fb_lock_wait_for what = {
		.inode = at.inode,
		.request = { .owner = owner, .lock = *lock, .handle = open.handle },
	};
	bool wait = (flags & FB_LK_WAIT) && lock->type != F_UNLCK;
	int result;

	if (!at.inode)
		return -ESTALE;
	result = find_handle(fs, &open, fh);
	if (result < 0)
		return result;
	if (!valid_lock(lock))
		return -EINVAL;
	if (flags & FB_LK_FLOCK)
		return set_flock(fs, req, &what, wait);
	if (!fs->posix_lock)
		return -ENOSYS;
	return take(fs, req, &what, wait);
}

void fb_lock_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops)
{
	if (fs->posix_lock)
		ops->getlk = op_getlk;
	if (fs->posix_lock || fs->flock)
		ops->setlk = op_setlk;
}
