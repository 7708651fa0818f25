/* SPDX-License-Identifier: BSD-3-Clause */
#include "inode.h"

#include "inode_clock.h"
#include "resolve.h"
#include "state.h"

#include <errno.h>
#include <malloc.h>

/* Nodes that have to be freed before it is worth to look for whole pages: some megabytes. */
#define TRIM_NODES 32768u

/* ---- references ------------------------------------------------------------------------------------ */

struct fb_inode *fb_inode_get(struct fb_passthrough *fs, uint64_t node)
{
	return fb_inode_table_get(&fs->inodes, node);
}

/* The last reference is gone: nobody can find the node any more. */
static void free_inode(struct fb_passthrough *fs, struct fb_inode *inode)
{
	if (inode->files)
		fb_inode_files_free(fs, inode->files);
	if (inode->fd >= 0) {
		close(inode->fd);
		fb_budget_give(fs);
	}
	fb_mount_fds_put(inode->mount);
	free(inode);
}

static void put(struct fb_passthrough *fs, struct fb_inode *inode, uint32_t refs)
{
	if (atomic_fetch_sub(&inode->refs, refs) == refs)
		free_inode(fs, inode);
}

void fb_inode_put(struct fb_passthrough *fs, struct fb_inode *inode)
{
	if (inode)
		put(fs, inode, 1);
}

/*
 * glibc keeps what is freed unless it lies at the end of the heap. When a fifth of all nodes
 * has gone, look for pages to give back: measured, 22 ms after 500,000 nodes, next to nothing each.
 */
static void give_memory_back(struct fb_inode_table *table, size_t freed)
{
	size_t sum = atomic_fetch_add_explicit(&table->freed, freed, memory_order_relaxed) + freed;

	if (sum < TRIM_NODES || sum < table->count / 4 || atomic_exchange(&table->freed, 0) < sum)
		return;
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

/*
 * Linux up to 6.18 at least does it, too: an entry of READDIRPLUS for a directory that just moved is
 * forgotten at once, and counted into what is forgotten at the inode's end (fs/fuse/readdir.c,
 * fuse_direntplus_link()). The inode is still held for its older lookups, so nothing is lost.
 */
static void note_excess(struct fb_passthrough *fs, uint64_t node)
{
	if (!atomic_exchange(&fs->noted_excess, true))
		fb_log(FB_LOG_INFO,
		       "passthrough: the client forgets node %ju more often than it looked it up: "
		       "ignored, further ones silently",
		       (uintmax_t)node);
}

void fb_inode_forget(struct fb_passthrough *fs, uint64_t node, uint64_t count)
{
	struct fb_inode *inode;
	enum fb_inode_forgot forgot;
	bool excess = false;

	if (node == FB_ROOT_NODE)
		return; /* its count does not matter: it stays */
	forgot = fb_inode_table_forget(&fs->inodes, node, count, &excess, &inode);
	if (forgot == FB_INODE_FORGOT_UNKNOWN || excess)
		note_excess(fs, node);
	if (forgot == FB_INODE_FORGOT_SOME)
		put(fs, inode, 1);
	if (forgot != FB_INODE_FORGOT_LAST)
		return;
	put(fs, inode, 2);
	give_memory_back(&fs->inodes, 1);
}

void fb_inode_drop_all(struct fb_passthrough *fs)
{
	struct fb_inode *next;
	size_t freed = 0;

	for (struct fb_inode *inode = fb_inode_table_detach(&fs->inodes); inode; inode = next) {
		next = inode->next_by_id;
		fb_inode_put(fs, inode);
		freed++;
	}
	give_memory_back(&fs->inodes, freed);
}

/* ---- descriptors -------------------------------------------------------------------------------------- */

/* Give a node a descriptor, counted already. A node that got one meanwhile keeps that. */
static int adopt_fd(struct fb_passthrough *fs, struct fb_inode *inode, int fd)
{
	if (fb_inode_clock_set_fd(&fs->inodes, inode, fd, true))
		return fd;
	close(fd);
	fb_budget_give(fs);
	return inode->fd; /* stays while inode is pinned */
}

static int open_handle(struct fb_passthrough *fs, const struct fb_inode *inode)
{
	unsigned tries = 0;
	int fd;

	do
		fd = fb_identity_open_handle(inode->mount->fd, inode->handle_type, inode->handle,
					     inode->handle_size);
	while (fd < 0 && fb_budget_retry(fs, -fd, &tries));
	return fd;
}

int fb_inode_fd(struct fb_passthrough *fs, struct fb_inode *inode)
{
	int result, fd = inode->fd;

	if (fd >= 0)
		return fd;
	if (inode->handle_size == 0)
		return -ESTALE; /* lost on the way from another server */
	result = fb_budget_take(fs);
	if (result < 0)
		return result;
	fd = open_handle(fs, inode);
	if (fd < 0) {
		fb_budget_give(fs);
		return fd;
	}
	return adopt_fd(fs, inode, fd);
}

int fb_inode_open(struct fb_passthrough *fs, struct fb_inode *inode, int flags)
{
	int fd;

	if (!fb_inode_is_regular(inode) && !fb_inode_is_dir(inode))
		return -EBADF;
	fd = fb_inode_fd(fs, inode);
	if (fd < 0)
		return fd;
	return fb_resolve_reopen(fs, fd, flags | O_NOCTTY);
}

void fb_inode_keep(struct fb_passthrough *fs, int fd)
{
	FB_SCOPE_IDENTITY struct fb_identity identity = { 0 };
	struct statx statx;
	struct fb_inode *inode;
	int kept;

	if (fb_resolve_stat(fd, &statx) < 0 || statx.stx_nlink > 0 ||
	    fb_identity_read(fs, NULL, fd, &statx, &identity) < 0)
		return;
	inode = fb_inode_table_find(&fs->inodes, &identity, 0);
	if (!inode)
		return;
	if (inode->fd < 0 && fb_budget_take(fs) == 0) {
		kept = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (kept >= 0)
			adopt_fd(fs, inode, kept);
		else
			fb_budget_give(fs);
	}
	fb_inode_put(fs, inode);
}

/* ---- attributes ------------------------------------------------------------------------------------------ */

int fb_inode_stat(struct fb_passthrough *fs, struct fb_inode *inode, struct statx *ret_statx)
{
	int fd = fb_inode_fd(fs, inode);

	return fd < 0 ? fd : fb_resolve_stat(fd, ret_statx);
}

static struct fb_time time_of(const struct statx_timestamp *from)
{
	return (struct fb_time){ .sec = from->tv_sec, .nsec = from->tv_nsec };
}

void fb_inode_fill_attr(const struct fb_passthrough *fs, const struct fb_inode *inode,
			const struct statx *statx, struct fb_attr *ret_attr)
{
	*ret_attr = (struct fb_attr){
		.ino = statx->stx_ino,
		.size = statx->stx_size,
		.blocks = statx->stx_blocks,
		.atime = time_of(&statx->stx_atime),
		.mtime = time_of(&statx->stx_mtime),
		.ctime = time_of(&statx->stx_ctime),
		.mode = statx->stx_mode,
		.nlink = statx->stx_nlink,
		.uid = fb_id_map_to_client(&fs->uids, statx->stx_uid),
		.gid = fb_id_map_to_client(&fs->gids, statx->stx_gid),
		.rdev = fb_rdev_pack(statx->stx_rdev_major, statx->stx_rdev_minor),
		.blksize = statx->stx_blksize,
	};
	/* In every reply: the client would else take the mount point for a plain directory again. */
	if (inode->submount && (fs->granted & FB_INIT_SUBMOUNTS))
		ret_attr->flags |= FB_ATTR_SUBMOUNT;
}

uint64_t fb_inode_attr_timeout(const struct fb_passthrough *fs, const struct fb_inode *inode)
{
	return fb_inode_is_dir(inode) ? fs->dir_attr_timeout_ns : fs->attr_timeout_ns;
}

static void fill_entry(const struct fb_passthrough *fs, const struct fb_inode *inode,
		       const struct statx *statx, struct fb_entry *ret_entry)
{
	*ret_entry = (struct fb_entry){
		.node = inode->node,
		.entry_timeout_ns =
			fb_inode_is_dir(inode) ? fs->dir_entry_timeout_ns : fs->entry_timeout_ns,
		.attr_timeout_ns = fb_inode_attr_timeout(fs, inode),
	};
	fb_inode_fill_attr(fs, inode, statx, &ret_entry->attr);
}

/* ---- entries ------------------------------------------------------------------------------------------------ */

/* Make the node of a file that is not known yet. fd is taken. Returns it pinned, or NULL. */
static int make_inode(struct fb_passthrough *fs, const struct fb_inode *parent, int fd_taken,
		      uint16_t type, struct fb_identity *identity, struct fb_inode **ret_inode)
{
	FB_SCOPE_FD int fd = fd_taken;
	struct fb_inode *fresh, *inode;
	int result = fb_budget_take(fs);

	/* Out of descriptors: a node with a file handle is usable without one. */
	if (result < 0 && identity->handle_size == 0)
		return result;
	fresh = fb_inode_table_new_inode(identity, type);
	if (!fresh) {
		if (result == 0)
			fb_budget_give(fs);
		return -ENOMEM;
	}
	if (result == 0)
		fresh->fd = fb_fd_steal(&fd);
	fresh->submount = parent && S_ISDIR(type) &&
			  (fresh->dev != parent->dev || fresh->mnt_id != parent->mnt_id);
	inode = fb_inode_table_insert(&fs->inodes, fresh);
	if (inode != fresh)
		fb_inode_put(fs, fresh);
	*ret_inode = inode;
	return 0;
}

int fb_inode_enter_seen(struct fb_passthrough *fs, const struct fb_inode *parent, int fd_taken,
			const struct statx *statx, struct fb_entry *ret_entry,
			struct fb_inode **ret_inode)
{
	FB_SCOPE_FD int fd = fd_taken;
	FB_SCOPE_IDENTITY struct fb_identity identity = { 0 };
	struct fb_inode *inode;
	int result = fb_identity_read(fs, parent, fd, statx, &identity);

	if (result < 0)
		return result;
	inode = fb_inode_table_find(&fs->inodes, &identity, 1);
	if (!inode)
		result = make_inode(fs, parent, fb_fd_steal(&fd), statx->stx_mode & S_IFMT,
				    &identity, &inode);
	else if (inode->fd < 0 && fb_budget_take(fs) == 0)
		adopt_fd(fs, inode, fb_fd_steal(&fd));
	if (result < 0)
		return result;
	fill_entry(fs, inode, statx, ret_entry);
	if (ret_inode)
		*ret_inode = inode;
	else
		fb_inode_put(fs, inode);
	return 0;
}

int fb_inode_enter(struct fb_passthrough *fs, const struct fb_inode *parent, int fd_taken,
		   struct fb_entry *ret_entry, struct fb_inode **ret_inode)
{
	FB_SCOPE_FD int fd = fd_taken;
	struct statx statx;
	int result = fb_resolve_stat(fd, &statx);

	return result < 0 ? result :
			    fb_inode_enter_seen(fs, parent, fb_fd_steal(&fd), &statx, ret_entry,
						ret_inode);
}

/* Make the node of a number that comes from another server. fd is taken, -1: there is no file. */
static int restore(struct fb_passthrough *fs, struct fb_identity *identity, int fd_taken,
		   const struct fb_inode_known *known)
{
	FB_SCOPE_FD int fd = fd_taken;
	struct fb_inode *fresh = fb_inode_table_new_inode(identity, known->type), *inode;
	int result = fresh ? 0 : -ENOMEM;

	if (fresh && fd >= 0) {
		result = fb_budget_take(fs);
		if (result == 0)
			fresh->fd = fb_fd_steal(&fd);
		/* As in make_inode(). */
		else if (fresh->handle_size > 0)
			result = 0;
	}
	if (result < 0) {
		fb_inode_put(fs, fresh);
		return result;
	}
	fresh->node = known->node;
	fresh->lookups = known->lookups;
	fresh->submount = known->submount;
	inode = fb_inode_table_insert(&fs->inodes, fresh);
	if (inode != fresh) {
		fb_inode_forget(fs, inode->node, 1);
		fb_inode_put(fs, fresh);
		result = -EEXIST;
	}
	fb_inode_put(fs, inode);
	return result;
}

int fb_inode_restore(struct fb_passthrough *fs, int fd_taken, const struct statx *statx,
		     const struct fb_inode_known *known)
{
	FB_SCOPE_FD int fd = fd_taken;
	FB_SCOPE_IDENTITY struct fb_identity identity = { 0 };
	int result = fb_identity_read(fs, NULL, fd, statx, &identity);

	return result < 0 ? result : restore(fs, &identity, fb_fd_steal(&fd), known);
}

int fb_inode_restore_lost(struct fb_passthrough *fs, const struct fb_inode_known *known)
{
	/* No file is like this, so that nothing finds it by what it is. */
	struct fb_identity identity = { .ino = known->node,
					.dev = UINT64_MAX,
					.mnt_id = UINT64_MAX };

	return restore(fs, &identity, -1, known);
}

int fb_inode_enter_opened(struct fb_passthrough *fs, const struct fb_inode *parent, int fd,
			  struct fb_entry *ret_entry, struct fb_inode **ret_inode)
{
	int path_fd = fb_resolve_reopen(fs, fd, O_PATH);

	if (path_fd < 0)
		return path_fd;
	return fb_inode_enter(fs, parent, path_fd, ret_entry, ret_inode);
}

int fb_inode_enter_again(struct fb_passthrough *fs, struct fb_inode *inode,
			 struct fb_entry *ret_entry)
{
	struct statx statx;
	int result = fb_inode_stat(fs, inode, &statx);

	if (result == 0)
		result = fb_inode_table_count(&fs->inodes, inode);
	if (result == 0)
		fill_entry(fs, inode, &statx, ret_entry);
	return result;
}

int fb_inode_lookup(struct fb_passthrough *fs, const struct fb_caller *caller,
		    struct fb_inode *parent, const char *name, struct fb_entry *ret_entry)
{
	FB_SCOPE_CRED struct fb_cred_guard guard = { 0 };
	int result, fd, dirfd = fb_inode_fd(fs, parent);

	if (dirfd < 0)
		return dirfd;
	result = fb_credentials_assume(fs, caller, FB_CREDENTIALS_ACCESS, &guard);
	if (result < 0)
		return result;
	fd = fb_resolve_path(fs, dirfd, name);
	fb_credentials_restore(&guard);
	if (fd < 0)
		return fd;
	return fb_inode_enter(fs, parent, fd, ret_entry, NULL);
}
