/* SPDX-License-Identifier: BSD-3-Clause */
#include "file_use.h"

#include "credentials.h"
#include "inode.h"
#include "resolve.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>

/* Open for one operation. */
static int open_private(struct fb_passthrough *fs, const struct fb_caller *caller, uint64_t node,
			enum fb_handle_kind kind, int access)
{
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, node);
	FB_SCOPE_CRED struct fb_cred_guard guard = { 0 };
	int result;

	if (!at.inode)
		return -ESTALE;
	if (kind == FB_HANDLE_DIR && !fb_inode_is_dir(at.inode))
		return -ENOTDIR;
	if (kind == FB_HANDLE_FILE && fb_inode_is_dir(at.inode))
		return -EISDIR;
	if (fs->options.read_only && (access & O_ACCMODE) != O_RDONLY)
		return -EROFS;
	result = fb_inode_fd(fs, at.inode);
	if (result >= 0 && caller)
		result = fb_credentials_assume(fs, caller, FB_CREDENTIALS_ACCESS, &guard);
	return result < 0 ? result : fb_inode_open(fs, at.inode, access);
}

int fb_file_use_begin(struct fb_file_use *use, struct fb_passthrough *fs,
		      const struct fb_caller *caller, uint64_t node, uint64_t fh,
		      enum fb_handle_kind kind, int access)
{
	bool stateless =
		kind == FB_HANDLE_DIR ? fs->options.stateless_opendir : fs->options.stateless_open;
	struct fb_handle *handle = fb_handle_get(fs, fh, node, kind);
	int fd;

	if (!handle && (fh != 0 || !stateless))
		return -EBADF;
	fd = handle ? handle->fd : open_private(fs, caller, node, kind, access);
	if (fd < 0)
		return fd;
	*use = (struct fb_file_use){ .fs = fs, .handle = handle, .fd = fd };
	return 0;
}

void fb_file_use_end(const struct fb_file_use *use)
{
	if (use->handle)
		fb_handle_put(use->fs, use->handle);
	else if (use->fd >= 0)
		close(use->fd);
}

/* Open a handle's second descriptor and keep it; another thread may be faster. */
static int open_cached(struct fb_passthrough *fs, struct fb_handle *handle)
{
	int flags = handle->flags & ~(O_DIRECT | O_TRUNC);
	int result = fb_budget_take(fs);
	int kept = -1;

	if (result < 0)
		return result;
	result = fb_resolve_reopen(fs, handle->fd, flags);
	if (result >= 0 && atomic_compare_exchange_strong(&handle->cached_fd, &kept, result))
		return result;
	if (result >= 0)
		close(result);
	fb_budget_give(fs);
	return result < 0 ? result : kept;
}

int fb_file_use_data_fd(const struct fb_file_use *use, int open_flags)
{
	struct fb_handle *handle = use->handle;
	int cached;

	if (!handle || !(handle->flags & O_DIRECT) || (open_flags & O_DIRECT))
		return use->fd;
	cached = atomic_load(&handle->cached_fd);
	return cached >= 0 ? cached : open_cached(use->fs, handle);
}
