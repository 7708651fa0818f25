/* SPDX-License-Identifier: BSD-3-Clause */
#include "mount_fds.h"

#include "identity.h"
#include "mountinfo.h"
#include "resolve.h"
#include "state.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/vfs.h>

void fb_mount_fds_init(struct fb_mount_fds *mounts)
{
	memset(mounts, 0, sizeof(*mounts));
	pthread_mutex_init(&mounts->lock, NULL);
}

void fb_mount_fds_fini(struct fb_mount_fds *mounts)
{
	assert(mounts->count == 0);
	pthread_mutex_destroy(&mounts->lock);
}

/* ---- mountinfo ------------------------------------------------------------------------------- */

int fb_mount_fds_find(FILE *mountinfo, uint64_t mnt_id, char **ret_path)
{
	FB_SCOPE_FREE char *line = NULL;
	struct fb_mountinfo info;
	size_t size = 0;

	while (getline(&line, &size, mountinfo) > 0) {
		if (!fb_mountinfo_parse(line, &info) || info.mnt_id != mnt_id)
			continue;
		*ret_path = strdup(info.path);
		return *ret_path ? 0 : -ENOMEM;
	}
	return -ENOENT;
}

/* Open a mount through its mount point. The file is read late, so its paths begin at our root. */
static int open_by_mountinfo(struct fb_passthrough *fs, uint64_t mnt_id)
{
	FB_SCOPE_FREE char *path = NULL;
	struct statx statx;
	FILE *mountinfo;
	int result, file = openat(fs->proc, "self/mountinfo", O_RDONLY | O_CLOEXEC);

	if (file < 0)
		return -errno;
	mountinfo = fdopen(file, "r");
	if (!mountinfo) {
		close(file);
		return -ENOMEM;
	}
	result = fb_mount_fds_find(mountinfo, mnt_id, &path);
	fclose(mountinfo);
	if (result < 0)
		return result;

	FB_SCOPE_FD int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	result = fb_resolve_stat(fd, &statx);
	if (result < 0)
		return result;
	/* Another mount may cover this one; and no device is to be opened. */
	if (statx.stx_mnt_id != mnt_id || !(S_ISDIR(statx.stx_mode) || S_ISREG(statx.stx_mode)))
		return -ESTALE;
	return fb_resolve_reopen(fs, fd, O_RDONLY | O_NOCTTY | O_NONBLOCK);
}

/* ---- opening ------------------------------------------------------------------------------------ */

/* Open some file of the mount, in a way that open_by_handle_at() takes. */
static int open_mount(struct fb_passthrough *fs, uint64_t mnt_id, int near_fd,
		      const struct statx *near)
{
	/*
	 * The first file seen of a mount is nearly always its root directory, or the share's: opening
	 * that again can not be led astray by paths.
	 */
	int fd = -EACCES;

	if (S_ISDIR(near->stx_mode) || S_ISREG(near->stx_mode))
		fd = fb_resolve_reopen(fs, near_fd, O_RDONLY | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0 || fd == -EMFILE || fd == -ENFILE)
		return fd;
	return open_by_mountinfo(fs, mnt_id);
}

/*
 * File handles of some file systems stop working when the host forgets the inode, which is exactly
 * when they would be needed.
 */
static bool handles_last(int fd)
{
	struct statfs statfs;

	if (fstatfs(fd, &statfs) < 0)
		return false;
	return statfs.f_type != FB_MAGIC_MSDOS && statfs.f_type != FB_MAGIC_EXFAT &&
	       statfs.f_type != FB_MAGIC_FUSE;
}

/*
 * File systems whose close() never brings news: all write errors come from fsync(), as there. On
 * others (NFS, CIFS, overlayfs, FUSE …) close() may report that the space ran out.
 */
static bool close_is_silent(int fd)
{
	struct statfs of;

	if (fstatfs(fd, &of) < 0)
		return false;
	switch ((uint32_t)of.f_type) {
	case FB_MAGIC_EXT4:
	case FB_MAGIC_BTRFS:
	case FB_MAGIC_F2FS:
	case FB_MAGIC_TMPFS:
	case FB_MAGIC_XFS:
	case FB_MAGIC_BCACHEFS:
		return true;
	default:
		return false;
	}
}

/* Try out whether a file can be opened by its handle. */
static bool handles_work(const struct fb_mount_fd *mount, int near_fd, const struct statx *near)
{
	struct fb_identity identity = { 0 };
	struct statx statx;

	if (!handles_last(mount->fd) || fb_identity_read_handle(near_fd, &identity) < 0)
		return false;

	FB_SCOPE_FD int fd = fb_identity_open_handle(mount->fd, identity.handle_type,
						     identity.handle, identity.handle_size);

	return fd >= 0 && fb_resolve_stat(fd, &statx) == 0 && statx.stx_ino == near->stx_ino &&
	       fb_identity_dev(&statx) == fb_identity_dev(near);
}

/* ---- the table ----------------------------------------------------------------------------------- */

static struct fb_mount_fd **bucket_of(struct fb_mount_fds *mounts, uint64_t mnt_id)
{
	return &mounts->buckets[mnt_id % FB_MOUNT_BUCKETS];
}

/* With the lock held: find and count. */
static struct fb_mount_fd *find(struct fb_mount_fds *mounts, uint64_t mnt_id)
{
	struct fb_mount_fd *mount = *bucket_of(mounts, mnt_id);

	while (mount && mount->mnt_id != mnt_id)
		mount = mount->next;
	if (mount)
		mount->refs++;
	return mount;
}

static void free_mount(struct fb_mount_fd *mount)
{
	if (mount->fd >= 0) {
		close(mount->fd);
		fb_budget_give(mount->fs);
	}
	free(mount);
}

static int make(struct fb_passthrough *fs, uint64_t mnt_id, int near_fd,
		struct fb_mount_fd **ret_mount)
{
	struct fb_mount_fd *mount = calloc(1, sizeof(*mount));
	struct statx near;
	int result;

	if (!mount)
		return -ENOMEM;
	*mount = (struct fb_mount_fd){ .fs = fs, .mnt_id = mnt_id, .refs = 1, .fd = -1 };
	result = fb_resolve_stat(near_fd, &near);
	if (result == 0)
		result = fb_budget_take(fs);
	if (result < 0) {
		free(mount);
		return result;
	}
	mount->fd = open_mount(fs, mnt_id, near_fd, &near);
	if (mount->fd < 0)
		fb_budget_give(fs);
	if (mount->fd == -EMFILE || mount->fd == -ENFILE || mount->fd == -ENOMEM) {
		result = mount->fd;
		free(mount);
		return result;
	}
	/* Before Linux 5.8 all mounts look like one (number 0), so what one can says nothing. */
	mount->silent_close = mnt_id != 0 && close_is_silent(near_fd);
	if (mount->fd >= 0 && mnt_id != 0 && fs->handle_mode != FB_HANDLES_NEVER)
		mount->handles = handles_work(mount, near_fd, &near);
	if (mount->fd < 0)
		mount->fd = -1;
	*ret_mount = mount;
	return 0;
}

int fb_mount_fds_get(struct fb_passthrough *fs, struct fb_mount_fd *near, uint64_t mnt_id, int fd,
		     struct fb_mount_fd **ret_mount)
{
	struct fb_mount_fds *mounts = &fs->mounts;
	struct fb_mount_fd *mount, *fresh, **bucket = bucket_of(mounts, mnt_id);
	int result;

	if (near && near->mnt_id == mnt_id) {
		near->refs++; /* a node holds one, so that it can not be on its way out */
		*ret_mount = near;
		return 0;
	}
	pthread_mutex_lock(&mounts->lock);
	mount = find(mounts, mnt_id);
	pthread_mutex_unlock(&mounts->lock);
	if (mount) {
		*ret_mount = mount;
		return 0;
	}
	result = make(fs, mnt_id, fd, &fresh);
	if (result < 0)
		return result;
	pthread_mutex_lock(&mounts->lock);
	mount = find(mounts, mnt_id);
	if (!mount) {
		fresh->next = *bucket;
		*bucket = fresh;
		mounts->count++;
		mount = fb_pointer_steal(&fresh);
	}
	pthread_mutex_unlock(&mounts->lock);
	if (fresh)
		free_mount(fresh); /* another thread was faster */
	*ret_mount = mount;
	return 0;
}

void fb_mount_fds_put(struct fb_mount_fd *mount)
{
	struct fb_mount_fds *mounts;
	struct fb_mount_fd **link;
	uint32_t refs;

	if (!mount)
		return;
	refs = mount->refs;
	while (refs > 1) {
		if (atomic_compare_exchange_weak(&mount->refs, &refs, refs - 1))
			return;
	}
	/* The last use ends under the lock, so that nobody finds the mount meanwhile. */
	mounts = &mount->fs->mounts;
	pthread_mutex_lock(&mounts->lock);
	if (--mount->refs > 0) {
		pthread_mutex_unlock(&mounts->lock);
		return;
	}
	link = bucket_of(mounts, mount->mnt_id);
	while (*link != mount)
		link = &(*link)->next;
	*link = mount->next;
	mounts->count--;
	pthread_mutex_unlock(&mounts->lock);
	free_mount(mount);
}

/* All mounts, counted. Returns an array of *ret_count, or NULL without memory. */
static struct fb_mount_fd **snapshot(struct fb_mount_fds *mounts, size_t *ret_count)
{
	struct fb_mount_fd **list;
	size_t count = 0;

	pthread_mutex_lock(&mounts->lock);
	list = malloc((mounts->count + 1) * sizeof(struct fb_mount_fd *));
	for (unsigned i = 0; list && i < FB_MOUNT_BUCKETS; i++) {
		for (struct fb_mount_fd *mount = mounts->buckets[i]; mount; mount = mount->next) {
			mount->refs++;
			list[count++] = mount;
		}
	}
	pthread_mutex_unlock(&mounts->lock);
	*ret_count = count;
	return list;
}

int fb_mount_fds_sync(struct fb_passthrough *fs)
{
	size_t count;
	FB_SCOPE_FREE struct fb_mount_fd **list = snapshot(&fs->mounts, &count);
	int result = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (list[i]->fd >= 0 && syncfs(list[i]->fd) < 0 && result == 0)
			result = -errno;
		fb_mount_fds_put(list[i]);
	}
	return result;
}
