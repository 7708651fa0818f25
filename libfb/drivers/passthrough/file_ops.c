/* SPDX-License-Identifier: BSD-3-Clause */
#include "file_ops.h"

#include "capability.h"
#include "credentials.h"
#include "file_use.h"
#include "inode.h"
#include "io_ops.h"
#include "lock_owners.h"
#include "lock_waiters.h"
#include "open_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

/* Bytes copied between two looks at whether the caller still wants it. */
#define COPY_SLICE (UINT64_C(64) << 20)

/*
 * Some file systems report at close() that data could not be stored (NFS, CIFS): close a copy of
 * the descriptor and see. It also tells them that the file may be opened elsewhere now.
 */
static int close_copy(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	/* Without a free descriptor nothing is lost: fsync() reports the error too. */
	if (copy < 0)
		return 0;
	return close(copy) < 0 && errno != EINTR ? -errno : 0;
}

/* Without a handle there is still an owner, whose locks go. */
static int flush_stateless(struct fb_passthrough *fs, uint64_t node, uint64_t lock_owner)
{
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, node);

	if (!at.inode)
		return -ESTALE;
	fb_lock_owners_drop(fs, at.inode, lock_owner);
	return 0;
}

static int op_flush(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t lock_owner)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_HANDLE struct fb_handle_pin at = fb_handle_pin(fs, fh, node, FB_HANDLE_FILE);

	(void)req;
	if (!at.handle && fh == 0 && fs->options.stateless_open)
		return flush_stateless(fs, node, lock_owner);
	if (!at.handle)
		return -EBADF;
	fb_lock_owners_drop(fs, at.handle->inode, lock_owner);
	return (at.handle->flags & O_ACCMODE) == O_RDONLY ? 0 : close_copy(at.handle->fd);
}

static void op_release(void *self, uint64_t node, uint64_t fh, const struct fb_release *how)
{
	struct fb_passthrough *fs = self;
	struct fb_handle *handle = fb_handle_close(fs, fh, node, FB_HANDLE_FILE);

	if (!handle)
		return;
	if (how->flags & FB_RELEASE_FLUSH)
		fb_lock_owners_drop(fs, handle->inode, how->lock_owner);
	fb_lock_owners_drop_handle(fs, handle->inode, handle);
	/* Closing unlocks as well, but a request under way may keep the descriptor a while. */
	if ((how->flags & FB_RELEASE_FLOCK_UNLOCK) && flock(handle->fd, LOCK_UN) == 0)
		fb_lock_waiters_kick(fs->handles->waiters);
	fb_handle_put(fs, handle);
}

static int op_fsync(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint32_t flags)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_FILE_USE struct fb_file_use use = { .fd = -1 };
	int result = fb_file_use_begin(&use, fs, NULL, node, fh, FB_HANDLE_FILE, O_RDONLY);

	(void)req;
	if (result < 0)
		return result;
	result = flags & FB_FSYNC_DATASYNC ? fdatasync(use.fd) : fsync(use.fd);
	return result < 0 ? -errno : 0;
}

/* Punching needs KEEP_SIZE; the others either way. */
static bool known_mode(uint32_t mode)
{
	switch (mode) {
	case 0:
	case FALLOC_FL_KEEP_SIZE:
	case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
	case FALLOC_FL_ZERO_RANGE:
	case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
		return true;
	default:
		return false;
	}
}

/* These requests carry no wish to clear suid and sgid: whoever is not root does (xfstests 683). */
static void kill_suidgid_for(struct fb_passthrough *fs, const struct fb_req *req, int fd,
			     struct fb_cred_guard *guard)
{
	if (fb_req_caller(req)->uid != 0)
		fb_credentials_kill_suidgid(fs, fd, guard);
}

static int op_fallocate(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint32_t mode,
			uint64_t off, uint64_t len)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_FILE_USE struct fb_file_use use = { .fd = -1 };
	FB_SCOPE_CRED struct fb_cred_guard guard = { 0 };
	int result =
		fb_file_use_begin(&use, fs, fb_req_caller(req), node, fh, FB_HANDLE_FILE, O_WRONLY);

	if (result < 0)
		return result;
	if (!known_mode(mode))
		return -EOPNOTSUPP;
	if (off > INT64_MAX || len > INT64_MAX || len == 0)
		return -EINVAL;
	if (len > INT64_MAX - off)
		return -EFBIG;
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		result = fb_io_ops_check_seal(fs, use.fd, off, len);
	if (result == 0)
		result = fb_capability_drop(fs, use.fd);
	if (result < 0)
		return result;
	kill_suidgid_for(fs, req, use.fd, &guard);
	do
		result = fallocate(use.fd, (int)mode, (off_t)off, (off_t)len) < 0 ? -errno : 0;
	while (result == -EINTR && !fb_req_interrupted(req));
	return result;
}

static int op_lseek(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t off,
		    uint32_t whence, uint64_t *ret_off)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_FILE_USE struct fb_file_use use = { .fd = -1 };
	int result =
		fb_file_use_begin(&use, fs, fb_req_caller(req), node, fh, FB_HANDLE_FILE, O_RDONLY);
	off_t at;

	if (result < 0)
		return result;
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return -EINVAL;
	if (off > INT64_MAX)
		return -ENXIO;
	/* It moves the descriptor's position, which nothing here uses: no lock is needed. */
	at = lseek(use.fd, (off_t)off, (int)whence);
	if (at < 0)
		return -errno;
	*ret_off = (uint64_t)at;
	return 0;
}

/* Copy slice by slice, until the end of the file, an error, or nobody wants it any more. */
static int copy_slices(const struct fb_req *req, int in, uint64_t off_in, int out, uint64_t off_out,
		       uint64_t len, uint64_t *ret_copied)
{
	off64_t from = (off64_t)off_in, to = (off64_t)off_out;
	ssize_t copied = 0;
	uint64_t done = 0;

	while (done < len && (done == 0 || !fb_req_interrupted(req))) {
		uint64_t left = len - done;

		copied = copy_file_range(in, &from, out, &to, left < COPY_SLICE ? left : COPY_SLICE,
					 0);
		if (copied <= 0)
			break;
		done += (uint64_t)copied;
	}
	if (copied < 0 && done == 0)
		return -errno;
	*ret_copied = done;
	return 0;
}

static int op_copy_file_range(void *self, struct fb_req *req, uint64_t node_in, uint64_t fh_in,
			      uint64_t off_in, uint64_t node_out, uint64_t fh_out, uint64_t off_out,
			      uint64_t len, uint64_t flags, uint64_t *ret_copied)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_FILE_USE struct fb_file_use in = { .fd = -1 }, out = { .fd = -1 };
	FB_SCOPE_CRED struct fb_cred_guard guard = { 0 };
	int result = fb_file_use_begin(&in, fs, fb_req_caller(req), node_in, fh_in, FB_HANDLE_FILE,
				       O_RDONLY);

	if (result == 0)
		result = fb_file_use_begin(&out, fs, fb_req_caller(req), node_out, fh_out,
					   FB_HANDLE_FILE, O_WRONLY);
	if (result < 0)
		return result;
	if (flags != 0 || off_in > INT64_MAX || off_out > INT64_MAX)
		return -EINVAL;
	if (len > INT64_MAX - off_in)
		len = INT64_MAX - off_in;
	if (len > INT64_MAX - off_out)
		len = INT64_MAX - off_out;
	result = fb_io_ops_check_seal(fs, out.fd, off_out, len);
	if (result == 0)
		result = fb_capability_drop(fs, out.fd);
	if (result < 0)
		return result;
	kill_suidgid_for(fs, req, out.fd, &guard);
	return copy_slices(req, in.fd, off_in, out.fd, off_out, len, ret_copied);
}

void fb_file_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops)
{
	fb_open_ops_fill(fs, ops);
	fb_io_ops_fill(fs, ops);
	/*
	 * Without open files a close has nothing to report: what was written was closed then. Left
	 * out, it costs no round trip, and dirty pages go before it all the same (fs/fuse/file.c).
	 */
	if (!fs->options.stateless_open || fs->posix_lock)
		ops->flush = op_flush;
	ops->release = op_release;
	ops->fsync = op_fsync;
	ops->fallocate = op_fallocate;
	/*
	 * The kernel asks for data and holes without writing dirty pages out (fs/fuse/file.c): the
	 * host does not know of them yet. Left out, it takes the whole file for data.
	 */
	if (!fs->writeback)
		ops->lseek = op_lseek;
	ops->copy_file_range = op_copy_file_range;
}
