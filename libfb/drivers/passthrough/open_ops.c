/* SPDX-License-Identifier: BSD-3-Clause */
#include "open_ops.h"

#include "capability.h"
#include "credentials.h"
#include "handle_table.h"
#include "inode.h"
#include "label.h"
#include "linux_compat.h"
#include "open_flags.h"
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>

/* How often a name may come and go between two steps of create. */
#define CREATE_TRIES 8

/* A descriptor counted in the budget. */
struct counted_fd {
	struct fb_passthrough *fs;
	int fd;
	bool counted;
};

static void counted_end(const struct counted_fd *counted)
{
	if (counted->fd >= 0)
		close(counted->fd);
	if (counted->counted)
		fb_budget_give(counted->fs);
}

#define SCOPED_COUNTED FB_CLEANUP(counted_end) struct counted_fd

static int count(struct fb_passthrough *fs, struct counted_fd *ret_counted)
{
	int result = fb_budget_take(fs);

	if (result == 0)
		*ret_counted = (struct counted_fd){ .fs = fs, .fd = -1, .counted = true };
	return result;
}

/* The file is open: make a handle of it, or none where opens are stateless. opened is used up. */
static int finish_open(struct fb_passthrough *fs, struct fb_inode *inode, struct counted_fd *opened,
		       int host, int flags, struct fb_open *ret_open)
{
	struct fb_open open = { .flags = fb_open_flags_file(fs, inode->mount, host),
				.backing_fd = -1 };
	struct fb_handle_parts parts = {
		.kind = FB_HANDLE_FILE,
		.node = inode->node,
		.fd = opened->fd,
		.flags = host & ~O_TRUNC,
	};
	bool again;
	int result;

	/* The client sends no release then, not for create either (fs/fuse/file.c). */
	if (fs->options.stateless_open) {
		*ret_open = open;
		return 0;
	}
	again = (flags & O_ACCMODE) == O_RDONLY &&
		atomic_exchange_explicit(&inode->read_before, true, memory_order_relaxed);
	if (fb_open_flags_backing(fs, opened->fd, flags, again))
		open.backing_fd = opened->fd;
	parts.inode = fb_inode_ref(inode);
	opened->fd = -1;
	opened->counted = false;
	result = fb_handle_add(fs, &parts, &open.fh);
	if (result == 0)
		*ret_open = open;
	return result;
}

/*
 * Whether cutting the file takes its suid and sgid bits. A client's kernel without
 * FB_INIT_HANDLE_KILLPRIV_V2 asks for it at a truncation, but not at an open that truncates: then it
 * does for whoever is not root, as on the host.
 */
static bool cuts_suidgid(const struct fb_passthrough *fs, const struct fb_req *req, int host,
			 uint32_t open_flags)
{
	if (!(host & O_TRUNC))
		return false;
	if (fs->granted & FB_INIT_HANDLE_KILLPRIV_V2)
		return open_flags & FB_OPEN_KILL_SUIDGID;
	return fb_req_caller(req)->uid != 0;
}

/* Open as the caller where that is asked for, without the flags that need more than it may. */
static int open_as(struct fb_passthrough *fs, const struct fb_req *req, struct fb_inode *inode,
		   int *host, uint32_t open_flags)
{
	FB_SCOPE_CRED struct fb_cred_guard guard = { 0 };
	int result, fd = fb_inode_fd(fs, inode);

	if (fd < 0)
		return fd;
	result = fb_credentials_assume(fs, fb_req_caller(req), FB_CREDENTIALS_ACCESS, &guard);
	if (result < 0)
		return result;
	if (cuts_suidgid(fs, req, *host, open_flags))
		fb_credentials_kill_suidgid(fs, fd, &guard);
	result = fb_inode_open(fs, inode, *host);
	/* The client's kernel has checked that the caller owns the file; we may not own it. */
	if (result == -EPERM && (*host & O_NOATIME)) {
		*host &= ~O_NOATIME;
		result = fb_inode_open(fs, inode, *host);
	}
	return result;
}

static int check_type(const struct fb_inode *inode)
{
	if (fb_inode_is_dir(inode))
		return -EISDIR;
	return fb_inode_is_regular(inode) ? 0 : -EBADF;
}

static int open_inode(struct fb_passthrough *fs, const struct fb_req *req, struct fb_inode *inode,
		      int flags, uint32_t open_flags, struct fb_open *ret_open)
{
	SCOPED_COUNTED opened = { .fd = -1 };
	bool unreadable = false;
	int host, result = fb_open_flags_host(fs, flags, &host);

	if (result == 0)
		result = check_type(inode);
	if (result == 0)
		result = count(fs, &opened);
	if (result < 0)
		return result;
	opened.fd = open_as(fs, req, inode, &host, open_flags);
	/* Reading was our wish (see fb_open_flags_host()), writing the caller's. */
	if (opened.fd == -EACCES && (flags & O_ACCMODE) == O_WRONLY &&
	    (host & O_ACCMODE) == O_RDWR) {
		host = (host & ~O_ACCMODE) | O_WRONLY;
		unreadable = true;
		opened.fd = open_as(fs, req, inode, &host, open_flags);
	}
	if (opened.fd < 0)
		return opened.fd;
	if (host & O_TRUNC)
		result = fb_capability_drop(fs, opened.fd);
	if (result < 0)
		return result;
	result = finish_open(fs, inode, &opened, host, flags, ret_open);
	/* No page of it can be read in, so none may be written in part. */
	if (result == 0 && unreadable)
		ret_open->flags |= FB_FOPEN_DIRECT_IO;
	return result;
}

static int op_open(void *self, struct fb_req *req, uint64_t node, int flags, uint32_t open_flags,
		   struct fb_open *ret_open)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, node);

	if (!at.inode)
		return -ESTALE;
	return open_inode(fs, req, at.inode, flags, open_flags, ret_open);
}

/* Where and how a file is to be made. */
struct making {
	struct fb_passthrough *fs;
	struct fb_req *req;
	struct fb_inode *parent;
	const char *name; /* NULL: a file without a name */
	uint32_t mode;
	int flags; /* the client's */
	int host;  /* for the new file */
	uint32_t open_flags;
};

/*
 * Make the file as the caller. O_DIRECT is added afterwards, while the descriptor is still ours
 * alone: a file system without it would make the file and then refuse to open it.
 */
static int make_file(struct making *making)
{
	struct fb_passthrough *fs = making->fs;
	int make = making->name ? O_CREAT | O_EXCL : O_TMPFILE | (making->flags & O_EXCL);
	int dirfd = fb_inode_fd(fs, making->parent);
	FB_SCOPE_LABEL struct fb_label_guard label = fb_label_begin(fs, making->req);
	FB_SCOPE_CRED struct fb_cred_guard guard = { 0 };
	int fd, result;

	if (dirfd < 0)
		return dirfd;
	result = fb_credentials_assume(fs, fb_req_caller(making->req), FB_CREDENTIALS_CREATE,
				       &guard);
	if (result < 0)
		return result;
	fd = fb_resolve_open(fs, dirfd, making->name ? making->name : ".",
			     (making->host & ~O_DIRECT) | make, making->mode & 07777);
	if (fd < 0 || !(making->host & O_DIRECT))
		return fd;
	result = fcntl(fd, F_GETFL);
	if (result < 0 || fcntl(fd, F_SETFL, result | O_DIRECT) < 0)
		making->host &= ~O_DIRECT;
	return fd;
}

/* The file was made: label it, enter it as a node, make a handle. */
static int enter_made(struct making *making, struct counted_fd *opened, struct fb_entry *ret_entry,
		      struct fb_open *ret_open)
{
	struct fb_passthrough *fs = making->fs;
	FB_SCOPE_INODE struct fb_inode_pin made = { .fs = fs };
	int result = fb_label_apply(fs, making->req, opened->fd);

	if (result < 0) {
		int dirfd = fb_inode_fd(fs, making->parent);

		if (making->name && dirfd >= 0)
			fb_label_undo(fs, dirfd, making->name, opened->fd);
		return result;
	}
	result = fb_inode_enter_opened(fs, making->parent, opened->fd, ret_entry, &made.inode);
	if (result < 0)
		return result;
	result = finish_open(fs, made.inode, opened, making->host, making->flags, ret_open);
	if (result < 0)
		fb_inode_forget(fs, ret_entry->node, 1);
	return result;
}

static int make_and_enter(struct making *making, struct fb_entry *ret_entry,
			  struct fb_open *ret_open)
{
	SCOPED_COUNTED opened = { .fd = -1 };
	int result = count(making->fs, &opened);

	if (result < 0)
		return result;
	opened.fd = make_file(making);
	return opened.fd < 0 ? opened.fd : enter_made(making, &opened, ret_entry, ret_open);
}

/*
 * What create answers about an existing name that it does not open. ESTALE has the client look again
 * and do what is its to do: follow the link, open the FIFO. Also, check the permissions of a file
 * that the host has made meanwhile: its kernel checks none for what it believes to be new
 * (fs/fuse/dir.c, FMODE_CREATED), and only where we open as the caller does the host check them.
 */
static int check_existing(const struct making *making, const struct fb_inode *inode)
{
	if (fb_inode_is_dir(inode))
		return -EISDIR;
	if (S_ISLNK(inode->type) && (making->flags & O_NOFOLLOW))
		return -ELOOP;
	return fb_inode_is_regular(inode) && making->fs->all_as_caller ? 0 : -ESTALE;
}

static int open_found(struct making *making, struct fb_inode *inode, struct fb_entry *entry,
		      struct fb_open *ret_open)
{
	struct fb_passthrough *fs = making->fs;
	int flags = making->flags & ~(O_CREAT | O_EXCL);
	struct statx now;
	int result = check_existing(making, inode);

	if (result == 0)
		result = open_inode(fs, making->req, inode, flags, making->open_flags, ret_open);
	/* The attributes are those after the file was cut. */
	if (result == 0 && (flags & O_TRUNC) && fb_inode_stat(fs, inode, &now) == 0)
		fb_inode_fill_attr(fs, inode, &now, &entry->attr);
	return result;
}

/* The name exists: what it names now is looked up once and opened, so both are one inode. */
static int open_existing(struct making *making, struct fb_entry *ret_entry,
			 struct fb_open *ret_open)
{
	struct fb_passthrough *fs = making->fs;
	FB_SCOPE_INODE struct fb_inode_pin found = { .fs = fs };
	struct fb_entry entry;
	int result = fb_inode_lookup(fs, fb_req_caller(making->req), making->parent, making->name,
				     &entry);

	if (result < 0)
		return result;
	found.inode = fb_inode_get(fs, entry.node);
	result = found.inode ? open_found(making, found.inode, &entry, ret_open) : -ESTALE;
	if (result < 0)
		fb_inode_forget(fs, entry.node, 1);
	else
		*ret_entry = entry;
	return result;
}

/* Nothing can be made; open what is there instead. */
static int create_read_only(struct making *making, struct fb_entry *ret_entry,
			    struct fb_open *ret_open)
{
	int result = open_existing(making, ret_entry, ret_open);

	return result == -ENOENT ? -EROFS : result;
}

/* The read-only answer to O_EXCL does not open anything. */
static int refuse_read_only(struct making *making)
{
	struct fb_entry entry;
	int result = fb_inode_lookup(making->fs, fb_req_caller(making->req), making->parent,
				     making->name, &entry);

	if (result < 0)
		return result == -ENOENT ? -EROFS : result;
	fb_inode_forget(making->fs, entry.node, 1);
	return -EEXIST;
}

static int create(struct making *making, struct fb_entry *ret_entry, struct fb_open *ret_open)
{
	int result;

	if (making->fs->options.read_only)
		return making->flags & O_EXCL ? refuse_read_only(making) :
						create_read_only(making, ret_entry, ret_open);
	for (int i = 0; i < CREATE_TRIES; i++) {
		result = make_and_enter(making, ret_entry, ret_open);
		if (result != -EEXIST || (making->flags & O_EXCL))
			return result;
		result = open_existing(making, ret_entry, ret_open);
		if (result != -ENOENT)
			return result;
	}
	return -ESTALE;
}

/* Check and complete what is common to create and tmpfile. */
static int prepare(struct making *making)
{
	int flags = making->flags & ~(O_CREAT | O_EXCL | O_TRUNC);
	int result;

	if (!making->parent)
		return -ESTALE;
	if (!fb_inode_is_dir(making->parent))
		return -ENOTDIR;
	result = fb_open_flags_host(making->fs, flags, &making->host);
	/* A read-only share opens what exists: create() sees to it. */
	return result == -EROFS && making->name ? 0 : result;
}

static int op_create(void *self, struct fb_req *req, uint64_t parent, const char *name,
		     uint32_t mode, int flags, uint32_t open_flags, struct fb_entry *ret_entry,
		     struct fb_open *ret_open)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, parent);
	struct making making = {
		.fs = fs,
		.req = req,
		.parent = at.inode,
		.name = name,
		.mode = mode,
		.flags = flags,
		.open_flags = open_flags,
	};
	int result = prepare(&making);

	return result < 0 ? result : create(&making, ret_entry, ret_open);
}

static int op_tmpfile(void *self, struct fb_req *req, uint64_t parent, uint32_t mode, int flags,
		      uint32_t open_flags, struct fb_entry *ret_entry, struct fb_open *ret_open)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, parent);
	struct making making = {
		.fs = fs,
		.req = req,
		.parent = at.inode,
		.mode = mode,
		.flags = flags & ~O_TMPFILE,
		.open_flags = open_flags,
	};
	int result = prepare(&making);

	if (result < 0)
		return result;
	return fs->options.read_only ? -EROFS : make_and_enter(&making, ret_entry, ret_open);
}

void fb_open_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops)
{
	/* Left out, it tells the client that every open succeeds. */
	if (!fs->options.stateless_open)
		ops->open = op_open;
	ops->create = op_create;
	ops->tmpfile = op_tmpfile;
}
