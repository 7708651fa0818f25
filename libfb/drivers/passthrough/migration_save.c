/* SPDX-License-Identifier: BSD-3-Clause */
#include "migration.h"

#include "handle_table.h"
#include "identity.h"
#include "inode.h"
#include "migration_bytes.h"
#include "migration_path.h"
#include "mount_fds.h"
#include "resolve.h"
#include "state.h"

#include <errno.h>
#include <string.h>

/* A mount that file handles belong to, and the path of a file on it. */
struct saved_mount {
	const struct fb_mount_fd *mount;
	char *path;
};

struct saving {
	struct fb_passthrough *fs;
	struct fb_migration_out out;
	struct fb_migration_node *nodes; /* by their numbers */
	size_t count, room;
	struct saved_mount *mounts;
	uint32_t mount_count;
};

/* ---- gathering --------------------------------------------------------------------------------------- */

static int add_node(struct saving *saving, struct fb_inode *inode)
{
	size_t room = saving->room ? 2 * saving->room : 256;
	struct fb_migration_node *grown = saving->nodes;

	if (saving->count == saving->room) {
		grown = reallocarray(saving->nodes, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		saving->nodes = grown;
		saving->room = room;
	}
	/* Not pinned, or the budget could not close the descriptors of those that it is not about. */
	grown[saving->count++] = (struct fb_migration_node){ .inode = inode };
	return 0;
}

static int compare(const void *left, const void *right)
{
	const struct fb_migration_node *a = left, *b = right;

	return a->inode->node < b->inode->node ? -1 : a->inode->node > b->inode->node;
}

static int gather_shard(struct saving *saving, struct fb_inode_shard *shard)
{
	int result = 0;

	pthread_mutex_lock(&shard->lock);
	for (size_t i = 0; i < shard->map.size && result == 0; i++) {
		struct fb_inode *inode = shard->map.buckets[i];

		for (; inode && result == 0; inode = inode->next_by_id)
			if (inode->node != FB_ROOT_NODE)
				result = add_node(saving, inode);
	}
	pthread_mutex_unlock(&shard->lock);
	return result;
}

static int gather(struct saving *saving)
{
	int result = 0;

	for (unsigned i = 0; i < FB_INODE_SHARDS && result == 0; i++)
		result = gather_shard(saving, &saving->fs->inodes.by_id[i]);
	if (saving->count > 0)
		qsort(saving->nodes, saving->count, sizeof(*saving->nodes), compare);
	return result;
}

static void release(struct saving *saving)
{
	for (size_t i = 0; i < saving->count; i++)
		free(saving->nodes[i].path);
	for (uint32_t i = 0; i < saving->mount_count; i++)
		free(saving->mounts[i].path);
	free(saving->mounts);
	free(saving->nodes);
}

/* ---- where nodes are --------------------------------------------------------------------------------- */

/* The path that the kernel knows, if it is right. */
static char *path_now(struct fb_passthrough *fs, const struct fb_inode *inode, int fd)
{
	char *path = fb_migration_path_by_proc(fs, fd);

	if (path && *path && fb_migration_path_leads_to(fs, path, inode))
		return path;
	free(path);
	return NULL;
}

/* Find the path, unless there is none. Returns 0, or what there is too little of to go on. */
static int find_path(struct fb_passthrough *fs, struct fb_migration_node *node)
{
	FB_SCOPE_INODE struct fb_inode_pin at = { fs, fb_inode_ref(node->inode) };
	int fd = fb_inode_fd(fs, at.inode);
	struct statx now;

	if (fd < 0)
		return fb_migration_is_about_file(fd) ? 0 : fd;
	node->named = fb_resolve_stat(fd, &now) == 0 && now.stx_nlink > 0;
	if (node->named)
		node->path = path_now(fs, at.inode, fd);
	return 0;
}

/* A path that was right when it was found may not be any more. */
static int confirm_path(struct fb_passthrough *fs, struct fb_migration_node *node)
{
	if (!node->path || fb_migration_path_leads_to(fs, node->path, node->inode))
		return 0;
	free(node->path);
	node->path = NULL;
	return find_path(fs, node);
}

static int find_paths(struct saving *saving)
{
	struct fb_passthrough *fs = saving->fs;
	int result = 0;

	if (fs->options.migration_mode == FB_MIGRATION_FILE_HANDLES)
		return 0;
	for (size_t i = 0; i < saving->count && result == 0; i++)
		result = find_path(fs, &saving->nodes[i]);
	if (result == 0)
		result = fb_migration_path_walk(fs, saving->nodes, saving->count);
	if (!fs->options.migration_confirm_paths)
		return result;
	for (size_t i = 0; i < saving->count && result == 0; i++)
		result = confirm_path(fs, &saving->nodes[i]);
	return result;
}

/* The file handle of a node, read now unless it is known. */
static int handle_of(struct fb_passthrough *fs, struct fb_inode *inode,
		     struct fb_identity *ret_handle)
{
	FB_SCOPE_INODE struct fb_inode_pin at = { fs, fb_inode_ref(inode) };
	int fd;

	if (inode->handle_size > 0) {
		ret_handle->handle_size = inode->handle_size;
		ret_handle->handle_type = inode->handle_type;
		memcpy(ret_handle->handle, inode->handle, inode->handle_size);
		return 0;
	}
	if (!fb_migration_may_use_handles(&fs->options))
		return -EOPNOTSUPP;
	fd = fb_inode_fd(fs, inode);
	return fd < 0 ? fd : fb_identity_read_handle(fd, ret_handle);
}

static char *path_of_mount(struct fb_passthrough *fs, const struct fb_mount_fd *mount)
{
	char *path = mount->fd < 0 ? NULL : fb_migration_path_by_proc(fs, mount->fd);
	FB_SCOPE_FD int fd = path ? fb_migration_path_open(fs, path) : -1;
	struct statx now;

	if (fd >= 0 && fb_resolve_stat(fd, &now) == 0 && now.stx_mnt_id == mount->mnt_id)
		return path;
	free(path);
	return NULL;
}

/* Find or add the mount of a node. Returns its index, -ESTALE when it can not be told, -ENOMEM. */
static int64_t index_of_mount(struct saving *saving, const struct fb_mount_fd *mount)
{
	struct saved_mount *grown;

	if (!mount)
		return -ESTALE;
	for (uint32_t i = 0; i < saving->mount_count; i++)
		if (saving->mounts[i].mount == mount)
			return saving->mounts[i].path ? (int64_t)i : -ESTALE;
	grown = reallocarray(saving->mounts, saving->mount_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	saving->mounts = grown;
	grown[saving->mount_count] = (struct saved_mount){
		.mount = mount,
		.path = path_of_mount(saving->fs, mount),
	};
	return grown[saving->mount_count++].path ? (int64_t)saving->mount_count - 1 : -ESTALE;
}

/* ---- writing ------------------------------------------------------------------------------------------ */

static void put_path(struct saving *saving, struct fb_migration_node *node)
{
	struct fb_identity verify = { 0 };

	/* What can not be verified must not be found. */
	if (saving->fs->options.migration_verify_handles &&
	    handle_of(saving->fs, node->inode, &verify) < 0) {
		fb_migration_put_u32(&saving->out, FB_MIGRATION_LOST);
		return;
	}
	fb_migration_put_u32(&saving->out, FB_MIGRATION_PATH);
	fb_migration_put_run(&saving->out, node->path, strlen(node->path));
	fb_migration_put_run(&saving->out, verify.handle, verify.handle_size);
	fb_migration_put_u32(&saving->out, (uint32_t)verify.handle_type);
}

/* A file without a name, or one that is to be found by its handle anyway. */
static void put_handle(struct saving *saving, struct fb_inode *inode)
{
	struct fb_identity identity = { 0 };
	int64_t mount = index_of_mount(saving, inode->mount);

	if (mount == -ENOMEM)
		saving->out.result = -ENOMEM;
	if (mount < 0 || handle_of(saving->fs, inode, &identity) < 0) {
		fb_migration_put_u32(&saving->out, FB_MIGRATION_LOST);
		return;
	}
	fb_migration_put_u32(&saving->out, FB_MIGRATION_HANDLE);
	fb_migration_put_u32(&saving->out, (uint32_t)mount);
	fb_migration_put_u64(&saving->out, inode->ino);
	fb_migration_put_run(&saving->out, identity.handle, identity.handle_size);
	fb_migration_put_u32(&saving->out, (uint32_t)identity.handle_type);
}

static void put_node(struct saving *saving, struct fb_migration_node *node)
{
	struct fb_inode *inode = node->inode;
	bool by_handle = saving->fs->options.migration_mode == FB_MIGRATION_FILE_HANDLES;

	fb_migration_put_u64(&saving->out, inode->node);
	fb_migration_put_u64(&saving->out, inode->lookups);
	fb_migration_put_u32(&saving->out, inode->type);
	fb_migration_put_u32(&saving->out, inode->submount ? FB_MIGRATION_SUBMOUNT : 0);
	if (node->path)
		put_path(saving, node);
	else if (by_handle || !node->named)
		put_handle(saving, inode);
	else
		fb_migration_put_u32(&saving->out, FB_MIGRATION_LOST);
}

/* The mounts go first, but only the nodes tell which there are. */
static void find_mounts(struct saving *saving)
{
	for (size_t i = 0; i < saving->count; i++)
		if (!saving->nodes[i].path &&
		    index_of_mount(saving, saving->nodes[i].inode->mount) == -ENOMEM)
			saving->out.result = -ENOMEM;
}

static void put_nodes(struct saving *saving)
{
	find_mounts(saving);
	fb_migration_put_u32(&saving->out, saving->mount_count);
	for (uint32_t i = 0; i < saving->mount_count; i++) {
		const char *path = saving->mounts[i].path ? saving->mounts[i].path : "";

		fb_migration_put_run(&saving->out, path, strlen(path));
	}
	fb_migration_put_u64(&saving->out, saving->count);
	for (size_t i = 0; i < saving->count; i++)
		put_node(saving, &saving->nodes[i]);
}

/* What only a client gone wild has: an open file of a node that it has forgotten. */
static bool is_orphan(const struct fb_handle *handle)
{
	return !handle->inode->in_table;
}

static void put_files(struct saving *saving)
{
	struct fb_passthrough *fs = saving->fs;
	struct fb_handle *handle;
	uint64_t count = 0;

	for (uint32_t i = 0; (handle = fb_handle_next(fs, &i));)
		count += !is_orphan(handle);
	fb_migration_put_u64(&saving->out, count);
	for (uint32_t i = 0; (handle = fb_handle_next(fs, &i));) {
		if (is_orphan(handle))
			continue;
		fb_migration_put_u64(&saving->out, fb_handle_fh(handle));
		fb_migration_put_u64(&saving->out, handle->node);
		fb_migration_put_u32(&saving->out, handle->kind);
		fb_migration_put_u32(&saving->out, (uint32_t)handle->flags);
	}
}

static int check_locks(struct fb_passthrough *fs)
{
	struct fb_handle *handle;
	bool held = atomic_load(&fs->handles->lock_entries) > 0;

	for (uint32_t i = 0; !held && (handle = fb_handle_next(fs, &i));)
		held = atomic_load(&handle->flocked);
	if (held)
		return fb_fail(EBUSY, "the client holds file locks on the host, which can not move "
				      "to another server: it must drop them first");
	return 0;
}

int fb_migration_save(void *self, struct fb_state *to)
{
	struct fb_passthrough *fs = self;
	struct saving saving = { .fs = fs, .out.to = to };
	struct fb_inode *root = fb_inode_get(fs, FB_ROOT_NODE);
	int result = check_locks(fs);

	if (result == 0)
		result = gather(&saving);
	if (result == 0)
		result = find_paths(&saving);
	if (result == 0) {
		fb_migration_put_u32(&saving.out, FB_MIGRATION_VERSION);
		fb_migration_put_u32(&saving.out, root->type);
		fb_migration_put_u64(&saving.out, atomic_load(&fs->inodes.next_node));
		put_nodes(&saving);
		put_files(&saving);
		result = saving.out.result;
	}
	if (!fb_migration_is_about_file(result))
		(void)fb_fail(-result, "the client can not be handed over: %s", strerror(-result));
	fb_inode_put(fs, root);
	release(&saving);
	return result;
}
