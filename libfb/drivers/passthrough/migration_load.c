/* SPDX-License-Identifier: BSD-3-Clause */
#include "migration.h"

#include "dir_stream.h"
#include "handle_table.h"
#include "identity.h"
#include "inode.h"
#include "migration_bytes.h"
#include "migration_path.h"
#include "mount_fds.h"
#include "open_flags.h"
#include "resolve.h"
#include "state.h"

#include <errno.h>
#include <string.h>

/* Bytes of a path that a sentence shows. */
#define SHOWN_MAX 100

struct loading {
	struct fb_passthrough *fs;
	struct fb_migration_in in;
	struct fb_mount_fd **mounts; /* counted; NULL: it is not there */
	uint32_t mount_count;
	uint64_t next_node, last_node;
	size_t lost; /* nodes and open files that are not there any more */
};

/* One node as it was described. */
struct described {
	struct fb_inode_known known;
	uint32_t by;
	struct fb_migration_run path, handle;
	uint32_t handle_type, mount;
	uint64_t ino;
};

/* ---- mistakes ---------------------------------------------------------------------------------------- */

static int damaged(const char *what)
{
	return fb_fail(EINVAL, "the client's state is damaged: %s", what);
}

/* The path for people; names are any bytes. */
static const char *shown(const struct fb_migration_run *path, char room[static SHOWN_MAX + 1])
{
	size_t length = path->size < SHOWN_MAX ? path->size : SHOWN_MAX;

	if (length == 0)
		return "without a name that is known";
	for (size_t i = 0; i < length; i++)
		room[i] = path->bytes[i] >= ' ' && path->bytes[i] <= '~' ? path->bytes[i] : '?';
	room[length] = '\0';
	return room;
}

static const char *reason(int error)
{
	return error == -EACCES ? "file handles are not trusted here (see the migration's mode)" :
				  strerror(-error);
}

/* A file is not there: the whole client is refused, or sees that with this file alone. */
static int lose(struct loading *loading, const struct described *node, int error)
{
	char path[SHOWN_MAX + 1];
	int result = fb_fail(-error, "node %ju (%s) is not found again: %s",
			     (uintmax_t)node->known.node, shown(&node->path, path), reason(error));

	if (loading->fs->options.migration_on_error != FB_MIGRATION_GUEST_ERROR ||
	    !fb_migration_is_about_file(error))
		return result;
	if (loading->lost++ == 0)
		fb_log(FB_LOG_WARNING, "passthrough: %s", fb_last_error());
	return fb_inode_restore_lost(loading->fs, &node->known);
}

/* ---- mounts ------------------------------------------------------------------------------------------ */

/* A path as a string of its own, to be freed. It has been checked. */
static char *string_of(const struct fb_migration_run *path)
{
	return strndup(path->bytes, path->size);
}

static bool is_path(const struct fb_migration_run *path)
{
	return path->bytes && path->size <= FB_MIGRATION_PATH_MAX &&
	       !memchr(path->bytes, '\0', path->size);
}

/* A mount that is not there is found missing with the first node that needs it. */
static int open_mount(struct loading *loading, const struct fb_migration_run *at,
		      struct fb_mount_fd **ret_mount)
{
	FB_SCOPE_FREE char *path = string_of(at);
	struct statx statx;
	int result;

	if (!path)
		return -ENOMEM;

	FB_SCOPE_FD int fd = fb_migration_path_open(loading->fs, path);

	if (fd < 0 || fb_resolve_stat(fd, &statx) < 0)
		return 0;
	result = fb_mount_fds_get(loading->fs, NULL, statx.stx_mnt_id, fd, ret_mount);
	return result;
}

static int load_mounts(struct loading *loading)
{
	uint32_t count = fb_migration_take_u32(&loading->in);
	int result = 0;

	/* Each takes up at least the length of its path. */
	if (count > loading->in.left / sizeof(uint32_t))
		return damaged("it is cut off");
	loading->mounts = calloc(count + 1, sizeof(struct fb_mount_fd *));
	if (!loading->mounts)
		return -ENOMEM;
	loading->mount_count = count;
	for (uint32_t i = 0; i < count && result == 0; i++) {
		struct fb_migration_run path = fb_migration_take_run(&loading->in);

		if (!is_path(&path))
			return damaged("a mount has no path");
		if (fb_migration_may_use_handles(&loading->fs->options))
			result = open_mount(loading, &path, &loading->mounts[i]);
	}
	return result;
}

static void free_mounts(struct loading *loading)
{
	for (uint32_t i = 0; i < loading->mount_count; i++)
		fb_mount_fds_put(loading->mounts[i]);
	free(loading->mounts);
}

/* ---- nodes ------------------------------------------------------------------------------------------- */

static bool is_type(uint32_t type)
{
	return S_ISREG(type) || S_ISDIR(type) || S_ISLNK(type) || S_ISFIFO(type) ||
	       S_ISSOCK(type) || S_ISCHR(type) || S_ISBLK(type);
}

static int take_place(struct loading *loading, struct described *node)
{
	struct fb_migration_in *in = &loading->in;

	node->by = fb_migration_take_u32(in);
	if (node->by == FB_MIGRATION_LOST)
		return 0;
	if (node->by == FB_MIGRATION_PATH) {
		node->path = fb_migration_take_run(in);
		if (!is_path(&node->path) || node->path.size == 0)
			return damaged("a node has no path");
	} else if (node->by == FB_MIGRATION_HANDLE) {
		node->mount = fb_migration_take_u32(in);
		node->ino = fb_migration_take_u64(in);
	} else {
		return damaged("a node is found in no way that is known");
	}
	node->handle = fb_migration_take_run(in);
	node->handle_type = fb_migration_take_u32(in);
	if (node->handle.size > MAX_HANDLE_SZ)
		return damaged("a file handle is too long");
	if (node->by == FB_MIGRATION_HANDLE &&
	    (node->mount >= loading->mount_count || node->handle.size == 0))
		return damaged("a file handle belongs to no mount");
	return 0;
}

static int take_node(struct loading *loading, struct described *ret_node)
{
	struct fb_migration_in *in = &loading->in;
	struct described node = { .known.node = fb_migration_take_u64(in) };
	uint32_t type, flags;
	int result;

	node.known.lookups = fb_migration_take_u64(in);
	type = fb_migration_take_u32(in);
	flags = fb_migration_take_u32(in);
	result = take_place(loading, &node);
	if (in->cut)
		return damaged("it is cut off");
	if (result < 0)
		return result;
	if (node.known.node <= loading->last_node || node.known.node >= loading->next_node)
		return damaged("numbers of nodes are out of order");
	if (node.known.lookups == 0 || node.known.lookups > INT64_MAX || !is_type(type) ||
	    (flags & ~FB_MIGRATION_SUBMOUNT))
		return damaged("a node can not be like that");
	node.known.type = (uint16_t)type;
	node.known.submount = flags & FB_MIGRATION_SUBMOUNT;
	loading->last_node = node.known.node;
	*ret_node = node;
	return 0;
}

static int open_by_path(struct loading *loading, const struct described *node)
{
	FB_SCOPE_FREE char *path = string_of(&node->path);

	return path ? fb_migration_path_open(loading->fs, path) : -ENOMEM;
}

static int open_by_handle(struct loading *loading, const struct described *node)
{
	const struct fb_mount_fd *mount = loading->mounts[node->mount];

	if (!fb_migration_may_use_handles(&loading->fs->options))
		return -EOPNOTSUPP;
	if (!mount || mount->fd < 0)
		return -ESTALE;
	return fb_identity_open_handle(mount->fd, (int)node->handle_type,
				       (const unsigned char *)node->handle.bytes,
				       (uint8_t)node->handle.size);
}

static int open_node(struct loading *loading, const struct described *node)
{
	if (node->by == FB_MIGRATION_LOST)
		return -ESTALE;
	return node->by == FB_MIGRATION_PATH ? open_by_path(loading, node) :
					       open_by_handle(loading, node);
}

/* Whether it is the very file: the handle of one that took its place is another one. */
static int verify(struct loading *loading, const struct described *node, int fd)
{
	struct fb_identity now = { 0 };
	int result = 0;

	if (node->by != FB_MIGRATION_PATH || node->handle.size == 0)
		return 0;
	if (!fb_migration_may_use_handles(&loading->fs->options))
		return -EOPNOTSUPP;
	result = fb_identity_read_handle(fd, &now);
	if (result < 0)
		return result;
	return now.handle_size == node->handle.size && now.handle_type == (int)node->handle_type &&
			       memcmp(now.handle, node->handle.bytes, now.handle_size) == 0 ?
		       0 :
		       -ESTALE;
}

/*
 * A handle leads to any file of the file system, also outside of the share, so who makes a state up
 * could choose. Files that have no name can be found in no other way.
 */
static bool may_go_by_handle(const struct loading *loading, const struct statx *statx)
{
	return statx->stx_nlink == 0 ||
	       loading->fs->options.migration_mode == FB_MIGRATION_FILE_HANDLES;
}

static int find_node(struct loading *loading, const struct described *node)
{
	FB_SCOPE_FD int fd = open_node(loading, node);
	struct statx statx;
	int result = fd < 0 ? fd : fb_resolve_stat(fd, &statx);

	if (result < 0)
		return result;
	/* The client would not take another type for the same file, nor should it get one. */
	if ((statx.stx_mode & S_IFMT) != node->known.type ||
	    (node->by == FB_MIGRATION_HANDLE && statx.stx_ino != node->ino))
		return -ESTALE;
	if (node->by == FB_MIGRATION_HANDLE && !may_go_by_handle(loading, &statx))
		return -EACCES;
	result = verify(loading, node, fd);
	if (result < 0)
		return result;
	return fb_inode_restore(loading->fs, fb_fd_steal(&fd), &statx, &node->known);
}

static int load_nodes(struct loading *loading)
{
	uint64_t count = fb_migration_take_u64(&loading->in);
	int result = 0;

	for (uint64_t i = 0; i < count && result == 0; i++) {
		struct described node = { 0 };

		result = take_node(loading, &node);
		if (result < 0)
			return result;
		result = find_node(loading, &node);
		if (result < 0)
			result = lose(loading, &node, result);
	}
	return result;
}

/* ---- open files -------------------------------------------------------------------------------------- */

struct described_file {
	uint64_t fh, node;
	uint32_t kind;
	int flags;
};

static int open_file(struct fb_passthrough *fs, struct fb_inode *inode,
		     const struct described_file *file, int *ret_flags)
{
	int host = 0, fd, result = 0;

	if (file->kind == FB_HANDLE_DIR)
		return fb_inode_open(fs, inode, O_RDONLY | O_DIRECTORY);
	result = fb_open_flags_host(fs, file->flags & ~O_TRUNC, &host);
	if (result < 0)
		return result;
	fd = fb_inode_open(fs, inode, host);
	/* This file system may be one without. */
	if (fd == -EINVAL && (host & O_DIRECT)) {
		host &= ~O_DIRECT;
		fd = fb_inode_open(fs, inode, host);
	}
	*ret_flags = host;
	return fd;
}

/* Open the file again, with its old number. */
static int restore_file(struct loading *loading, struct fb_inode *inode,
			const struct described_file *file)
{
	struct fb_passthrough *fs = loading->fs;
	struct fb_handle_parts parts = { .kind = file->kind, .node = file->node };
	int result = fb_budget_take(fs);

	if (result < 0)
		return result;
	parts.fd = open_file(fs, inode, file, &parts.flags);
	if (parts.fd < 0) {
		fb_budget_give(fs);
		return parts.fd;
	}
	parts.inode = fb_inode_ref(inode);
	if (file->kind == FB_HANDLE_DIR)
		parts.stream = fb_dir_stream_new();
	if (file->kind == FB_HANDLE_DIR && !parts.stream) {
		fb_handle_parts_free(fs, &parts);
		return -ENOMEM;
	}
	return fb_handle_restore(fs, &parts, file->fh);
}

static int lose_file(struct loading *loading, const struct described_file *file, int error)
{
	int result = fb_fail(-error, "a file of node %ju can not be opened again: %s",
			     (uintmax_t)file->node, strerror(-error));

	if (loading->fs->options.migration_on_error != FB_MIGRATION_GUEST_ERROR ||
	    !fb_migration_is_about_file(error))
		return result;
	if (loading->lost++ == 0)
		fb_log(FB_LOG_WARNING, "passthrough: %s", fb_last_error());
	return fb_handle_avoid(loading->fs, file->fh);
}

static int check_file(const struct fb_inode *inode, const struct described_file *file)
{
	bool right = inode && (file->kind == FB_HANDLE_DIR  ? fb_inode_is_dir(inode) :
			       file->kind == FB_HANDLE_FILE ? fb_inode_is_regular(inode) :
							      false);

	return right ? 0 : damaged("an open file is of no node");
}

static int load_file(struct loading *loading, const struct described_file *file)
{
	struct fb_passthrough *fs = loading->fs;
	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, file->node);
	int result = check_file(at.inode, file);

	if (result < 0)
		return result;
	result = fb_inode_fd(fs, at.inode);
	if (result >= 0)
		result = restore_file(loading, at.inode, file);
	if (result < 0 && result != -EINVAL)
		result = lose_file(loading, file, result);
	return result == -EINVAL ? damaged("an open file can not be like that") : result;
}

static int load_files(struct loading *loading)
{
	struct fb_migration_in *in = &loading->in;
	uint64_t count = fb_migration_take_u64(in);
	int result = 0;

	for (uint64_t i = 0; i < count && result == 0; i++) {
		struct described_file file = { .fh = fb_migration_take_u64(in) };

		file.node = fb_migration_take_u64(in);
		file.kind = fb_migration_take_u32(in);
		file.flags = (int)fb_migration_take_u32(in);
		if (in->cut)
			return damaged("it is cut off");
		result = load_file(loading, &file);
	}
	return result;
}

/* ---- all ---------------------------------------------------------------------------------------------- */

static int load_head(struct loading *loading)
{
	struct fb_passthrough *fs = loading->fs;
	FB_SCOPE_INODE struct fb_inode_pin root = fb_inode_pin(fs, FB_ROOT_NODE);
	uint32_t version = fb_migration_take_u32(&loading->in);
	uint32_t type = fb_migration_take_u32(&loading->in);

	loading->next_node = fb_migration_take_u64(&loading->in);
	loading->last_node = FB_ROOT_NODE;
	if (loading->in.cut)
		return damaged("it is cut off");
	if (version != FB_MIGRATION_VERSION)
		return fb_fail(EPROTO, "the client's state is of version %u; version %u is needed",
			       version, FB_MIGRATION_VERSION);
	if (type != root.inode->type)
		return fb_fail(ENOTDIR, "one server shares a directory, the other one a file");
	if (loading->next_node <= FB_ROOT_NODE || loading->next_node > INT64_MAX)
		return damaged("numbers of nodes have run out");
	/* Numbers only go up, also those that this server has given out before. */
	if (atomic_load(&fs->inodes.next_node) < loading->next_node)
		atomic_store(&fs->inodes.next_node, loading->next_node);
	return 0;
}

static int load_all(struct loading *loading)
{
	int result = load_head(loading);

	if (result == 0)
		result = load_mounts(loading);
	if (result == 0)
		result = load_nodes(loading);
	if (result == 0)
		result = load_files(loading);
	if (result == 0 && loading->in.cut)
		return damaged("it is cut off");
	if (result == 0 && loading->in.left > 0)
		return damaged("something is left over");
	return result;
}

int fb_migration_load(void *self, const void *state, size_t size)
{
	struct fb_passthrough *fs = self;
	struct loading loading = { .fs = fs, .in = { .at = state, .left = size } };
	int result = load_all(&loading);

	fb_handle_settle(fs);
	free_mounts(&loading);
	if (!fb_migration_is_about_file(result))
		(void)fb_fail(-result, "the client can not be taken over: %s", strerror(-result));
	if (result == 0 && loading.lost > 0)
		fb_log(FB_LOG_WARNING,
		       "passthrough: %zu files that the client knows are not here: they answer "
		       "with errors",
		       loading.lost);
	return result;
}
