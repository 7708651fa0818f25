/* SPDX-License-Identifier: BSD-3-Clause */
#include "lock_owners.h"

#include "handle_table.h"
#include "inode.h"
#include "lock_ranges.h"
#include "lock_waiters.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>

/* Open files of one node through which one owner has locked; more are a client gone wild. */
#define FHS_MAX 4096u

struct fb_lock_owner {
	struct fb_lock_owner *next;
	uint64_t owner;
	int fd; /* for nothing but locks; counted in the budget */
	struct fb_lock_ranges held;
	uint64_t *fhs; /* through which it has locked */
	size_t fh_count;
};

struct fb_inode_files {
	pthread_mutex_t lock;
	struct fb_lock_owner *owners;
};

static void files_unlock(struct fb_inode_files **files)
{
	if (*files)
		pthread_mutex_unlock(&(*files)->lock);
}

/* Lock what a node has of files for the rest of the scope; NULL is allowed. */
#define SCOPED_FILES(name, inode)                                                                  \
	FB_CLEANUP(files_unlock)                                                                   \
	struct fb_inode_files *name = files_lock(atomic_load(&(inode)->files))

static struct fb_inode_files *files_lock(struct fb_inode_files *files)
{
	if (files)
		pthread_mutex_lock(&files->lock);
	return files;
}

/* Make sure that the node has them. Returns 0 or -ENOMEM. */
static int files_make(struct fb_inode *inode)
{
	struct fb_inode_files *made, *none = NULL;

	if (atomic_load(&inode->files))
		return 0;
	made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	pthread_mutex_init(&made->lock, NULL);
	if (!atomic_compare_exchange_strong(&inode->files, &none, made)) {
		pthread_mutex_destroy(&made->lock);
		free(made);
	}
	return 0;
}

/* Count what a client has the host and us remember of its locks. Returns false when it is too much. */
static bool entries_take(struct fb_passthrough *fs, size_t count)
{
	size_t before = atomic_fetch_add(&fs->handles->lock_entries, count);

	if (count == 0 || before + count <= FB_LOCK_ENTRIES_MAX)
		return true;
	atomic_fetch_sub(&fs->handles->lock_entries, count);
	return false;
}

static void entries_give(struct fb_passthrough *fs, size_t count)
{
	atomic_fetch_sub(&fs->handles->lock_entries, count);
}

/* Unlink and free one owner; its locks end with its descriptor. */
static void owner_free(struct fb_passthrough *fs, struct fb_lock_owner **at)
{
	struct fb_lock_owner *owner = *at;

	*at = owner->next;
	close(owner->fd);
	fb_budget_give(fs);
	entries_give(fs, owner->held.count + owner->fh_count);
	free(owner->held.items);
	free(owner->fhs);
	free(owner);
}

void fb_inode_files_free(struct fb_passthrough *fs, struct fb_inode_files *files)
{
	if (!files)
		return;
	while (files->owners)
		owner_free(fs, &files->owners);
	pthread_mutex_destroy(&files->lock);
	free(files);
}

/* Where the owner hangs, or where it would. */
static struct fb_lock_owner **owner_at(struct fb_inode_files *files, uint64_t owner)
{
	struct fb_lock_owner **at = &files->owners;

	while (*at && (*at)->owner != owner)
		at = &(*at)->next;
	return at;
}

/* A write lock needs a descriptor open for writing, a read lock one for reading: try for both. */
static int open_for_locks(struct fb_passthrough *fs, struct fb_inode *inode)
{
	static const int modes[] = { O_RDWR, O_RDONLY, O_WRONLY };
	int fd = -EROFS;

	for (size_t i = fs->options.read_only ? 1 : 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		fd = fb_inode_open(fs, inode, modes[i]);
		if (fd >= 0 || (fd != -EACCES && fd != -EPERM && fd != -EROFS && fd != -ETXTBSY))
			break;
	}
	return fd;
}

static int owner_make(struct fb_passthrough *fs, struct fb_inode *inode, uint64_t owner,
		      struct fb_lock_owner **at)
{
	struct fb_lock_owner *made;
	int result = fb_budget_take(fs);

	if (result < 0)
		return result;
	made = calloc(1, sizeof(*made));
	result = made ? open_for_locks(fs, inode) : -ENOMEM;
	if (result < 0) {
		free(made);
		fb_budget_give(fs);
		return result;
	}
	made->owner = owner;
	made->fd = result;
	made->next = *at;
	*at = made;
	return 0;
}

/* Remember that the owner has locked through this handle. */
static int owner_add_fh(struct fb_passthrough *fs, struct fb_lock_owner *owner,
			struct fb_handle *handle)
{
	uint64_t fh = handle ? fb_handle_fh(handle) : 0;
	uint64_t *grown;

	for (size_t i = 0; i < owner->fh_count; i++)
		if (owner->fhs[i] == fh)
			return 0;
	if (owner->fh_count >= FHS_MAX || !entries_take(fs, 1))
		return -ENOLCK;
	grown = realloc(owner->fhs, (owner->fh_count + 1) * sizeof(*grown));
	if (!grown) {
		entries_give(fs, 1);
		return -ENOMEM;
	}
	grown[owner->fh_count++] = fh;
	owner->fhs = grown;
	return 0;
}

static struct flock to_flock(const struct fb_lock *lock)
{
	return (struct flock){
		.l_type = (short)lock->type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)lock->start,
		.l_len = lock->end >= INT64_MAX ? 0 : (off_t)(lock->end - lock->start + 1),
	};
}

/* Have the host set the lock, and note what it granted. */
static int owner_set(struct fb_passthrough *fs, struct fb_lock_owner *owner,
		     const struct fb_lock *lock)
{
	size_t before = owner->held.count, more;
	struct flock wanted = to_flock(lock);
	struct fb_lock_ranges after;
	int result = fb_lock_ranges_with(&owner->held, lock, &after);

	if (result < 0)
		return result;
	more = after.count > before ? after.count - before : 0;
	if (!entries_take(fs, more)) {
		free(after.items);
		return -ENOLCK;
	}
	if (fcntl(owner->fd, F_OFD_SETLK, &wanted) < 0)
		result = -errno;
	if (result < 0) {
		entries_give(fs, more);
		free(after.items);
		/* The handle was open for this; our descriptor could not be. */
		if (result == -EBADF)
			return -ENOLCK;
		return result == -EACCES ? -EAGAIN : result;
	}
	entries_give(fs, before + more - after.count);
	free(owner->held.items);
	owner->held = after;
	return 0;
}

/* Check that the client may lock this way through the handle. */
static int check_handle(struct fb_handle *handle, uint32_t type)
{
	int access;

	if (!handle)
		return 0;
	access = handle->flags & O_ACCMODE;
	if (!fb_handle_is_open(handle) || (type == F_WRLCK && access == O_RDONLY) ||
	    (type == F_RDLCK && access == O_WRONLY))
		return -EBADF;
	return 0;
}

static int set_locked(struct fb_passthrough *fs, struct fb_inode *inode,
		      struct fb_inode_files *files, const struct fb_lock_request *request)
{
	struct fb_lock_owner **at = owner_at(files, request->owner);
	int result = check_handle(request->handle, request->lock.type);

	if (result < 0)
		return result;
	if (!*at && request->lock.type == F_UNLCK)
		return 0;
	if (!*at)
		result = owner_make(fs, inode, request->owner, at);
	if (result < 0)
		return result;
	/* Who unlocks is known by now, or locks nothing: that must not fail for want of room. */
	if (request->lock.type != F_UNLCK)
		result = owner_add_fh(fs, *at, request->handle);
	if (result == 0)
		result = owner_set(fs, *at, &request->lock);
	if ((*at)->held.count == 0)
		owner_free(fs, at);
	return result;
}

int fb_lock_owners_set(struct fb_passthrough *fs, struct fb_inode *inode,
		       const struct fb_lock_request *request)
{
	int result = files_make(inode);

	if (result < 0)
		return result;
	{
		/* The handle is looked at under this lock: see fb_lock_owners_drop_handle(). */
		SCOPED_FILES(files, inode);

		result = set_locked(fs, inode, files, request);
	}
	/* Also a write lock that became a read lock lets others in. */
	if (result == 0 && request->lock.type != F_WRLCK)
		fb_lock_waiters_kick(fs->handles->waiters);
	return result;
}

/* Ask the host for locks of others. */
static int test_host(struct fb_passthrough *fs, struct fb_inode *inode, int owner_fd,
		     const struct fb_lock *lock, struct fb_lock *ret_lock)
{
	FB_SCOPE_FD int opened = owner_fd >= 0 ? -1 : open_for_locks(fs, inode);
	struct flock wanted = to_flock(lock);
	struct fb_lock found = *lock;

	if (owner_fd < 0 && opened < 0)
		return opened;
	if (fcntl(owner_fd >= 0 ? owner_fd : opened, F_OFD_GETLK, &wanted) < 0)
		return -errno;
	found.type = (uint32_t)wanted.l_type;
	if (found.type != F_UNLCK) {
		found.start = (uint64_t)wanted.l_start;
		found.end = wanted.l_len == 0 ? INT64_MAX :
						(uint64_t)(wanted.l_start + wanted.l_len - 1);
		/* -1 is an open file description lock of the host: nobody's. */
		found.pid = wanted.l_pid > 0 ? (uint32_t)wanted.l_pid : 0;
	}
	*ret_lock = found;
	return 0;
}

int fb_lock_owners_test(struct fb_passthrough *fs, struct fb_inode *inode,
			const struct fb_lock_request *request, struct fb_lock *ret_lock)
{
	SCOPED_FILES(files, inode);
	const struct fb_lock *held;
	int owner_fd = -1;

	for (struct fb_lock_owner *o = files ? files->owners : NULL; o; o = o->next) {
		if (o->owner == request->owner) {
			owner_fd = o->fd;
			continue;
		}
		held = fb_lock_ranges_conflict(&o->held, &request->lock);
		if (held) {
			*ret_lock = *held;
			return 0;
		}
	}
	return test_host(fs, inode, owner_fd, &request->lock, ret_lock);
}

bool fb_lock_owners_blocks(struct fb_inode *inode, uint64_t owner, const struct fb_lock *lock)
{
	SCOPED_FILES(files, inode);
	struct fb_lock_owner *found = files ? *owner_at(files, owner) : NULL;

	return found && fb_lock_ranges_conflict(&found->held, lock);
}

void fb_lock_owners_drop(struct fb_passthrough *fs, struct fb_inode *inode, uint64_t owner)
{
	{
		SCOPED_FILES(files, inode);
		struct fb_lock_owner **at = files ? owner_at(files, owner) : NULL;

		if (!at || !*at)
			return;
		owner_free(fs, at);
	}
	fb_lock_waiters_kick(fs->handles->waiters);
}

static bool locked_through(const struct fb_lock_owner *owner, uint64_t fh)
{
	for (size_t i = 0; i < owner->fh_count; i++)
		if (owner->fhs[i] == fh)
			return true;
	return false;
}

/*
 * A client sends RELEASE without an owner, and closing an open file description lock's file sends
 * no unlock: whoever has locked through the handle loses its locks. The handle was marked as
 * released before, and who sets a lock looks at that mark under the same lock as this, so none is
 * left behind.
 */
void fb_lock_owners_drop_handle(struct fb_passthrough *fs, struct fb_inode *inode,
				struct fb_handle *handle)
{
	uint64_t fh = fb_handle_fh(handle);
	bool dropped = false;

	{
		SCOPED_FILES(files, inode);
		struct fb_lock_owner **at = files ? &files->owners : NULL;

		while (at && *at) {
			if (!locked_through(*at, fh)) {
				at = &(*at)->next;
				continue;
			}
			owner_free(fs, at);
			dropped = true;
		}
	}
	if (dropped)
		fb_lock_waiters_kick(fs->handles->waiters);
}
