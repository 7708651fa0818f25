/* SPDX-License-Identifier: BSD-3-Clause */
#include "dir_ops.h"

#include "credentials.h"
#include "dir_stream.h"
#include "file_use.h"
#include "inode.h"
#include "mount_points.h"
#include "open_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* What the kernel takes for "some inode" (fs/fuse/readdir.c: FUSE_UNKNOWN_INO). */
#define SOME_INO 0xffffffffu

static int open_dir(struct fb_passthrough *fs, const struct fb_req *req, struct fb_inode *inode)
{
	FB_SCOPE_CRED struct fb_cred_guard guard = { 0 };
	int result = fb_inode_fd(fs, inode);

	if (result >= 0)
		result = fb_credentials_assume(fs, fb_req_caller(req), FB_CREDENTIALS_ACCESS,
					       &guard);
	return result < 0 ? result : fb_inode_open(fs, inode, O_RDONLY | O_DIRECTORY);
}

static int op_opendir(void *self, struct fb_req *req, uint64_t node, int flags,
		      struct fb_open *ret_open)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, node);
	struct fb_open open = { .flags = fb_open_flags_dir(fs), .backing_fd = -1 };
	struct fb_handle_parts parts = { .kind = FB_HANDLE_DIR, .node = node };
	int result = fb_open_flags_check_dir(flags);

	if (!at.inode)
		return -ESTALE;
	if (result == 0 && !fb_inode_is_dir(at.inode))
		result = -ENOTDIR;
	if (result == 0)
		result = fb_budget_take(fs);
	if (result < 0)
		return result;
	parts.fd = open_dir(fs, req, at.inode);
	if (parts.fd < 0) {
		fb_budget_give(fs);
		return parts.fd;
	}
	parts.inode = fb_inode_ref(at.inode);
	parts.stream = fb_dir_stream_new();
	if (!parts.stream) {
		fb_handle_parts_free(fs, &parts);
		return -ENOMEM;
	}
	result = fb_handle_add(fs, &parts, &open.fh);
	if (result == 0)
		*ret_open = open;
	return result;
}

/* One readdir or readdirplus under way. */
struct listing {
	struct fb_passthrough *fs;
	const struct fb_caller *caller;
	struct fb_inode *dir;
	int fd;
	struct fb_dir_stream *stream; /* locked */
	struct fb_dirsink *to;
	struct fb_mount_names *names;
	bool got_names;
};

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Whether the name needs a look at what stands there, to give the number that stat(2) gives. */
static bool may_be_mounted(struct listing *listing, const char *name)
{
	if (!listing->got_names)
		listing->names = fb_mount_names_get(listing->fs);
	listing->got_names = true;
	return fb_mount_names_have(listing->names, listing->dir->mnt_id, name);
}

/* Number and type as the host lists them, and as they are where the list does not tell. */
static struct fb_dirent describe(struct listing *listing, const struct dirent64 *host)
{
	struct fb_dirent entry = {
		.ino = host->d_ino ? host->d_ino : SOME_INO,
		.cookie = (uint64_t)host->d_off,
		.type = host->d_type,
		.name = host->d_name,
		.name_len = strlen(host->d_name),
	};
	bool parent = strcmp(host->d_name, "..") == 0;
	struct stat now;

	/* Above the share there is nothing that a client may know of. */
	if (parent && listing->dir->node == FB_ROOT_NODE)
		entry.ino = listing->dir->ino;
	else if ((host->d_type == DT_UNKNOWN || host->d_ino == 0 ||
		  may_be_mounted(listing, host->d_name)) &&
		 fstatat(listing->fd, host->d_name, &now, AT_SYMLINK_NOFOLLOW) == 0) {
		entry.ino = now.st_ino;
		entry.type = IFTODT(now.st_mode);
	}
	return entry;
}

/* Add an entry with its attributes; one that can not be looked up is listed all the same. */
static int add_plus(struct listing *listing, struct fb_dirent *entry)
{
	struct fb_entry plus;
	int result = -ENOENT;

	if (!is_dots(entry->name))
		result = fb_inode_lookup(listing->fs, listing->caller, listing->dir, entry->name,
					 &plus);
	if (result < 0)
		return fb_dirsink_add(listing->to, entry, NULL);
	entry->ino = plus.attr.ino;
	entry->type = IFTODT(plus.attr.mode);
	result = fb_dirsink_add(listing->to, entry, &plus);
	if (result < 0)
		fb_inode_forget(listing->fs, plus.node, 1);
	return result;
}

/* Add the next entry. Returns 1, 0 when it is not for this answer, or -errno. */
static int add_next(struct listing *listing, const struct dirent64 *host)
{
	struct fb_dirent entry;
	int result;

	if (!fb_dirsink_fits(listing->to, strlen(host->d_name)))
		return 0;
	entry = describe(listing, host);
	result = fb_dirsink_plus(listing->to) ? add_plus(listing, &entry) :
						fb_dirsink_add(listing->to, &entry, NULL);
	if (result == -ENOBUFS)
		return 0;
	return result < 0 ? result : 1;
}

static int list(struct listing *listing, uint64_t cookie)
{
	const struct dirent64 *host;
	size_t added = 0;
	int more, result = fb_dir_stream_seek(listing->fs, listing->stream, listing->fd, cookie);

	while (result >= 0) {
		more = fb_dir_stream_peek(listing->fs, listing->stream, listing->fd, &host);
		if (more <= 0)
			return added > 0 ? 0 : more;
		result = add_next(listing, host);
		/* Not even one entry fits, as getdents(2) says it; nothing would mean the end. */
		if (result == 0)
			return added > 0 ? 0 : -EINVAL;
		if (result < 0)
			break;
		fb_dir_stream_step(listing->stream);
		added++;
	}
	return added > 0 ? 0 : result;
}

static int list_locked(struct listing *listing, uint64_t cookie)
{
	int result;

	pthread_mutex_lock(&listing->stream->lock);
	result = list(listing, cookie);
	fb_dir_stream_pause(listing->fs, listing->stream);
	pthread_mutex_unlock(&listing->stream->lock);
	fb_mount_names_put(listing->names);
	return result;
}

static int op_readdir(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t cookie,
		      struct fb_dirsink *to)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, node);
	FB_SCOPE_FILE_USE struct fb_file_use use = { .fd = -1 };
	struct listing listing = {
		.fs = fs,
		.caller = fb_req_caller(req),
		.dir = at.inode,
		.to = to,
	};
	struct fb_dir_stream *own = NULL;
	int result;

	if (!at.inode)
		return -ESTALE;
	result = fb_file_use_begin(&use, fs, fb_req_caller(req), node, fh, FB_HANDLE_DIR,
				   O_RDONLY | O_DIRECTORY);
	if (result < 0 || !fs->readdir)
		return result;
	if (!use.handle)
		own = fb_dir_stream_new();
	listing.fd = use.fd;
	listing.stream = use.handle ? use.handle->stream : own;
	result = listing.stream ? list_locked(&listing, cookie) : -ENOMEM;
	fb_dir_stream_free(fs, own);
	return result;
}

static void op_releasedir(void *self, uint64_t node, uint64_t fh, const struct fb_release *how)
{
	struct fb_passthrough *fs = self;

	(void)how;
	fb_handle_put(fs, fb_handle_close(fs, fh, node, FB_HANDLE_DIR));
}

static int op_fsyncdir(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint32_t flags)
{
	struct fb_passthrough *fs = self;
	FB_SCOPE_FILE_USE struct fb_file_use use = { .fd = -1 };
	int result =
		fb_file_use_begin(&use, fs, NULL, node, fh, FB_HANDLE_DIR, O_RDONLY | O_DIRECTORY);

	(void)req;
	if (result < 0)
		return result;
	result = flags & FB_FSYNC_DATASYNC ? fdatasync(use.fd) : fsync(use.fd);
	return result < 0 ? -errno : 0;
}

void fb_dir_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops)
{
	/* Left out, it tells the client that every opendir succeeds. */
	if (!fs->options.stateless_opendir)
		ops->opendir = op_opendir;
	ops->readdir = op_readdir;
	/* The sink knows which of the two was asked for. */
	if (fs->readdirplus)
		ops->readdirplus = op_readdir;
	ops->releasedir = op_releasedir;
	ops->fsyncdir = op_fsyncdir;
}
