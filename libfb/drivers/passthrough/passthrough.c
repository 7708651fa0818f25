/* SPDX-License-Identifier: BSD-3-Clause */
#include <libfb/passthrough.h>

#include "migration.h"
#include "name_ops.h"
#include "negotiate.h"
#include "options.h"
#include "resolve.h"
#include "setattr_ops.h"
#include "state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- one client ------------------------------------------------------------------------------------ */

/* The client is gone, and all that it had. */
static void reset(struct fb_passthrough *fs)
{
	fb_handle_table_clear(fs);
	fb_inode_drop_all(fs);
	fs->session = NULL;
	fs->granted = 0;
	fs->noted_excess = false;
	fs->budget.warned = false;
}

static int enter_root(struct fb_passthrough *fs)
{
	FB_SCOPE_FD int fd = fcntl(fs->source_fd, F_DUPFD_CLOEXEC, 0);
	FB_SCOPE_IDENTITY struct fb_identity identity = { 0 };
	struct fb_inode *root;
	struct statx statx;
	int result;

	if (fd < 0)
		return -errno;
	result = fb_resolve_stat(fd, &statx);
	if (result == 0)
		result = fb_identity_read(fs, NULL, fd, &statx, &identity);
	if (result == 0)
		result = fb_budget_take(fs);
	if (result < 0)
		return result;
	identity.handle_size = 0; /* the root's descriptor always stays open */
	root = fb_inode_table_new_inode(&identity, statx.stx_mode & S_IFMT);
	if (!root) {
		fb_budget_give(fs);
		return -ENOMEM;
	}
	root->fd = fb_fd_steal(&fd);
	fb_inode_table_insert_root(&fs->inodes, root);
	return 0;
}

/*
 * The directory of descriptors belongs to a process: after a fork, as of a daemon, to the wrong one.
 */
static int open_proc(struct fb_passthrough *fs)
{
	char path[FB_PROC_PATH_MAX];
	struct stat source, seen;

	if (fs->pid != getpid()) {
		int fd = openat(fs->proc, "self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			return fb_fail(errno, "can not open self/fd in /proc: %s", strerror(errno));
		if (fs->proc_self_fd >= 0)
			close(fs->proc_self_fd);
		fs->proc_self_fd = fd;
		fs->pid = getpid();
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fs->source_fd);
	/* Who hands a proc over is in a sandbox: what is at /proc there may be its clients'. */
	fs->proc_visible = fs->options.proc_fd == 0 && fstat(fs->source_fd, &source) == 0 &&
			   stat(path, &seen) == 0 && source.st_ino == seen.st_ino &&
			   source.st_dev == seen.st_dev;
	return 0;
}

/* What creating files needs is found out now, not with the first file: some sandboxes forbid it. */
static int try_own_umask(struct fb_passthrough *fs)
{
	int result = fs->options.read_only ? 0 : fb_credentials_own_fs();

	if (result < 0)
		return fb_fail(-result,
			       "a thread can not have a umask of its own: allow unshare(CLONE_FS), "
			       "or share read-only (%s)",
			       strerror(-result));
	return 0;
}

static int init(void *self, struct fb_session *session, struct fb_conn *conn)
{
	struct fb_passthrough *fs = self;
	int result;

	reset(fs); /* a rebooted guest greets again without a goodbye */
	fb_credentials_fini(&fs->own);
	result = fb_credentials_init(&fs->own); /* a sandbox may have come in between */
	if (result == 0)
		result = open_proc(fs);
	if (result == 0)
		result = try_own_umask(fs);
	if (result == 0)
		result = fb_negotiate(fs, conn);
	if (result == 0)
		result = enter_root(fs);
	if (result < 0)
		return result;
	fs->session = session;
	return 0;
}

static void destroy(void *self)
{
	reset(self);
}

/* ---- the driver ------------------------------------------------------------------------------------- */

static int open_source(struct fb_passthrough *fs, const char *source)
{
	struct stat stat;

	/* The one place where a symbolic link is followed. */
	fs->source_fd = open(source, O_PATH | O_CLOEXEC);
	if (fs->source_fd < 0 || fstat(fs->source_fd, &stat) < 0)
		return fb_fail(errno, "can not share %s: %s", source, strerror(errno));
	if (!S_ISDIR(stat.st_mode) && !S_ISREG(stat.st_mode))
		return fb_fail(ENOTDIR,
			       "can not share %s: it is neither a directory nor a regular file",
			       source);
	return 0;
}

static int open_files(struct fb_passthrough *fs, const char *source)
{
	int result = open_source(fs, source);

	if (result < 0)
		return result;
	fs->proc = fs->options.proc_fd > 0 ? fcntl(fs->options.proc_fd, F_DUPFD_CLOEXEC, 0) :
					     open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fs->proc < 0)
		return fb_fail(errno, "can not open /proc, which the passthrough driver needs: %s",
			       strerror(errno));
	return open_proc(fs);
}

static int make_tables(struct fb_passthrough *fs)
{
	int result = fb_inode_table_init(&fs->inodes);

	if (result < 0)
		return fb_fail(-result, "can not make the table of nodes: %s", strerror(-result));
	result = fb_handle_table_new(&fs->handles);
	if (result < 0) {
		fb_inode_table_fini(&fs->inodes);
		return fb_fail(-result, "can not make the table of open files: %s",
			       strerror(-result));
	}
	fb_mount_fds_init(&fs->mounts);
	fs->ready = true;
	return 0;
}

static void fill_ops(struct fb_passthrough *fs)
{
	fs->ops = (struct fb_driver_ops){
		.size = sizeof(fs->ops),
		.init = init,
		.destroy = destroy,
		.save = fb_migration_save,
		.load = fb_migration_load,
	};
	fb_node_ops_fill(fs, &fs->ops);
	fb_name_ops_fill(fs, &fs->ops);
	fb_setattr_ops_fill(fs, &fs->ops);
	fb_file_ops_fill(fs, &fs->ops);
	fb_dir_ops_fill(fs, &fs->ops);
	fb_xattr_ops_fill(fs, &fs->ops);
	fb_lock_ops_fill(fs, &fs->ops);
	fb_ioctl_ops_fill(fs, &fs->ops);
}

static int set_up(struct fb_passthrough *fs, const char *source,
		  const struct fb_passthrough_options *options)
{
	int result = fb_options_apply(fs, options);

	if (result == 0)
		result = fb_budget_init(&fs->budget, fs->options.max_descriptors);
	if (result == 0)
		result = fb_credentials_init(&fs->own);
	if (result == 0)
		result = open_files(fs, source);
	if (result == 0)
		result = make_tables(fs);
	if (result == 0)
		result = fb_identity_probe(fs);
	if (result == 0)
		fill_ops(fs);
	return result;
}

int fb_passthrough_new(const char *source, const struct fb_passthrough_options *options,
		       struct fb_passthrough **ret_passthrough)
{
	struct fb_passthrough *fs;
	int result;

	if (!source || !ret_passthrough)
		return fb_fail(EINVAL, "fb_passthrough_new() needs a source and a place for the "
				       "result");
	fs = calloc(1, sizeof(*fs));
	if (!fs)
		return fb_fail(ENOMEM, "no memory for a passthrough driver");
	fs->source_fd = fs->proc = fs->proc_self_fd = -1;
	result = set_up(fs, source, options);
	if (result < 0) {
		fb_passthrough_free(fs);
		return result;
	}
	*ret_passthrough = fs;
	return 0;
}

void fb_passthrough_free(struct fb_passthrough *passthrough)
{
	if (!passthrough)
		return;
	if (passthrough->ready) {
		reset(passthrough);
		fb_handle_table_free(passthrough->handles);
		fb_inode_table_fini(&passthrough->inodes);
		fb_mount_fds_fini(&passthrough->mounts);
	}
	fb_credentials_fini(&passthrough->own);
	fb_options_fini(passthrough);
	fb_fd_scope_close(&passthrough->source_fd);
	fb_fd_scope_close(&passthrough->proc_self_fd);
	fb_fd_scope_close(&passthrough->proc);
	free(passthrough);
}

const struct fb_driver_ops *fb_passthrough_ops(const struct fb_passthrough *passthrough)
{
	return &passthrough->ops;
}
