/* SPDX-License-Identifier: BSD-3-Clause */
#include "node_ops.h"

#include "handle_table.h"
#include "resolve.h"
#include "state.h"

#include <errno.h>
#include <limits.h>
#include <sys/vfs.h>

/* ---- which node ------------------------------------------------------------------------------------- */

static int lookup(void *self, struct fb_req *req, uint64_t parent, const char *name,
		  struct fb_entry *ret_entry)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, parent);
	int result;

	if (!at.inode)
		return -ESTALE;
	result = fb_inode_lookup(fs, fb_req_caller(req), at.inode, name, ret_entry);
	if (result != -ENOENT || fs->negative_timeout_ns == 0)
		return result;
	/* Node 0 lets the client remember that there is no such name. */
	*ret_entry = (struct fb_entry){ .entry_timeout_ns = fs->negative_timeout_ns };
	return 0;
}

static void forget(void *self, uint64_t node, uint64_t count)
{
	fb_inode_forget(self, node, count);
}

/* ---- what it is --------------------------------------------------------------------------------------- */

/*
 * The descriptor to ask about a node: the open file's where the client names one, so that a wrong
 * fh is refused. handle is pinned with it. Returns a borrowed descriptor or -errno.
 */
static int fd_to_ask(struct fb_passthrough *fs, struct fb_inode_pin *at, const uint64_t *fh,
		     struct fb_handle_pin *handle)
{
	if (!at->inode)
		return -ESTALE;
	/* Without open there is no fh, and what the client sends is 0. */
	if (!fh || fs->options.stateless_open || !fb_inode_is_regular(at->inode))
		return fb_inode_fd(fs, at->inode);
	*handle = fb_handle_pin(fs, *fh, at->inode->node, FB_HANDLE_FILE);
	return handle->handle ? handle->handle->fd : -EBADF;
}

static int getattr(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
		   struct fb_attr_reply *ret_attr)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, node);
	FB_SCOPE_HANDLE struct fb_handle_pin handle = { .fs = fs };
	int result, fd = fd_to_ask(fs, &at, fh, &handle);
	struct statx statx;

	(void)req;
	if (fd < 0)
		return fd;
	result = fb_resolve_stat(fd, &statx);
	if (result < 0)
		return result;
	fb_inode_fill_attr(fs, at.inode, &statx, &ret_attr->attr);
	ret_attr->attr_timeout_ns = fb_inode_attr_timeout(fs, at.inode);
	return 0;
}

static int statx_node(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
		      uint32_t flags, uint32_t mask, struct fb_statx *ret_statx)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, node);
	FB_SCOPE_HANDLE struct fb_handle_pin handle = { .fs = fs };
	int fd = fd_to_ask(fs, &at, fh, &handle);
	int sync = (int)(flags & AT_STATX_SYNC_TYPE);
	struct statx st;

	(void)req;
	if (fd < 0)
		return fd;
	if (sync == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW | sync,
		  STATX_BASIC_STATS | (mask & STATX_BTIME), &st) < 0)
		return -errno;
	*ret_statx = (struct fb_statx){
		.btime = { .sec = st.stx_btime.tv_sec, .nsec = st.stx_btime.tv_nsec },
		.mask = st.stx_mask & (STATX_BASIC_STATS | STATX_BTIME),
		.attributes = st.stx_attributes & st.stx_attributes_mask,
		.attributes_mask = st.stx_attributes_mask,
		.dev_major = st.stx_dev_major,
		.dev_minor = st.stx_dev_minor,
		.attr_timeout_ns = fb_inode_attr_timeout(fs, at.inode),
	};
	fb_inode_fill_attr(fs, at.inode, &st, &ret_statx->attr);
	return 0;
}

static int readlink_node(void *self, struct fb_req *req, uint64_t node, struct fb_sink *to)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, node);
	char target[PATH_MAX];
	ssize_t size;
	int fd;

	(void)req;
	if (!at.inode)
		return -ESTALE;
	if (!S_ISLNK(at.inode->type))
		return -EINVAL;
	fd = fb_inode_fd(fs, at.inode);
	if (fd < 0)
		return fd;
	size = readlinkat(fd, "", target, sizeof(target));
	if (size < 0)
		return -errno;
	/* A cut target would be another target. */
	if ((size_t)size >= sizeof(target))
		return -ENAMETOOLONG;
	return fb_sink_put(to, target, (size_t)size);
}

static int access_node(void *self, struct fb_req *req, uint64_t node, uint32_t mask)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, node);
	FB_SCOPE_CRED struct fb_cred_guard guard = { 0 };
	char name[FB_PROC_PATH_MAX];
	int result, fd;

	if (!at.inode)
		return -ESTALE;
	if (mask & ~(uint32_t)(R_OK | W_OK | X_OK))
		return -EINVAL;
	if (fs->options.read_only && (mask & W_OK))
		return -EROFS;
	fd = fb_inode_fd(fs, at.inode);
	if (fd < 0)
		return fd;
	result = fb_credentials_assume(fs, fb_req_caller(req), FB_CREDENTIALS_ACCESS, &guard);
	if (result < 0)
		return result;
	/* The mode of a symbolic link means nothing, and the host would follow this name to it. */
	if (syscall(SYS_faccessat2, fd, "", mask, AT_EACCESS | AT_EMPTY_PATH) == 0)
		return 0;
	if (errno != ENOSYS)
		return -errno;
	fb_resolve_proc_name(fd, name);
	return faccessat(fs->proc_self_fd, name, (int)mask, AT_EACCESS) < 0 ? -errno : 0;
}

/* ---- where it is ------------------------------------------------------------------------------------------ */

static int statfs_node(void *self, struct fb_req *req, uint64_t node, struct fb_statfs *ret_statfs)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, node);
	struct statfs st;
	int fd;

	(void)req;
	if (!at.inode)
		return -ESTALE;
	fd = fb_inode_fd(fs, at.inode);
	if (fd < 0)
		return fd;
	if (fstatfs(fd, &st) < 0)
		return -errno;
	*ret_statfs = (struct fb_statfs){
		.blocks = st.f_blocks,
		.bfree = st.f_bfree,
		.bavail = st.f_bavail,
		.files = st.f_files,
		.ffree = st.f_ffree,
		.bsize = (uint32_t)st.f_bsize,
		.namelen = (uint32_t)st.f_namelen,
		.frsize = (uint32_t)(st.f_frsize ? st.f_frsize : st.f_bsize),
	};
	return 0;
}

static int syncfs_node(void *self, struct fb_req *req, uint64_t node)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, node);

	(void)req;
	if (!at.inode)
		return -ESTALE;
	/* A client that knows the submounts asks for each; to another all are one file system. */
	if (!(fs->granted & FB_INIT_SUBMOUNTS))
		return fb_mount_fds_sync(fs);
	if (!at.inode->mount)
		return -ESTALE; /* lost on the way from another server */
	if (at.inode->mount->fd < 0)
		return -EACCES;
	return syncfs(at.inode->mount->fd) < 0 ? -errno : 0;
}

void fb_node_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops)
{
	(void)fs;
	ops->lookup = lookup;
	ops->forget = forget;
	ops->getattr = getattr;
	ops->statx = statx_node;
	ops->readlink = readlink_node;
	ops->access = access_node;
	ops->statfs = statfs_node;
	ops->syncfs = syncfs_node;
}
