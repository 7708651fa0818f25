/* SPDX-License-Identifier: BSD-3-Clause */
#include "migration_path.h"

#include "inode.h"
#include "linux_compat.h"
#include "migration_bytes.h"
#include "resolve.h"
#include "state.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define BUFFER_SIZE 32768u

/* ---- paths ------------------------------------------------------------------------------------------- */

/* Name by name: for paths that are too long for one call, and where there is no openat2(2). */
static int open_stepwise(struct fb_passthrough *fs, const char *path)
{
	int at = fcntl(fs->source_fd, F_DUPFD_CLOEXEC, 0);
	int next;

	if (at < 0)
		return -errno;
	while (at >= 0 && *path) {
		size_t length = strcspn(path, "/");
		char name[NAME_MAX + 1];

		next = -ENAMETOOLONG;
		if (length < sizeof(name)) {
			memcpy(name, path, length);
			name[length] = '\0';
			next = fb_resolve_path(fs, at, name);
		}
		close(at);
		at = next;
		path += length + (path[length] == '/');
	}
	return at;
}

int fb_migration_path_open(struct fb_passthrough *fs, const char *path)
{
	int fd = -EXDEV;

	if (*path)
		fd = fb_resolve_path(fs, fs->source_fd, path);
	return fd == -EXDEV || fd == -ENAMETOOLONG ? open_stepwise(fs, path) : fd;
}

bool fb_migration_is_file_of(const struct fb_inode *inode, const struct statx *statx)
{
	return statx->stx_ino == inode->ino && fb_identity_dev(statx) == inode->dev &&
	       statx->stx_mnt_id == inode->mnt_id;
}

bool fb_migration_path_leads_to(struct fb_passthrough *fs, const char *path,
				const struct fb_inode *inode)
{
	FB_SCOPE_FD int fd = fb_migration_path_open(fs, path);
	struct statx now;

	return fd >= 0 && fb_resolve_stat(fd, &now) == 0 && fb_migration_is_file_of(inode, &now);
}

/* What proc says where a descriptor leads. Returns its length, 0 when it can not be told. */
static size_t read_proc(struct fb_passthrough *fs, int fd, char path[static PATH_MAX])
{
	char name[FB_PROC_PATH_MAX];
	ssize_t length;

	fb_resolve_proc_name(fd, name);
	length = readlinkat(fs->proc_self_fd, name, path, PATH_MAX);
	if (length <= 0 || length == PATH_MAX)
		return 0;
	path[length] = '\0';
	return (size_t)length;
}

char *fb_migration_path_by_proc(struct fb_passthrough *fs, int fd)
{
	char share[PATH_MAX], path[PATH_MAX];
	size_t length = read_proc(fs, fs->source_fd, share);

	if (length == 0 || read_proc(fs, fd, path) == 0)
		return NULL;
	/* In a sandbox the share is the root directory. */
	if (strcmp(share, "/") == 0)
		length = 0;
	if (strncmp(path, share, length) != 0 || (path[length] != '/' && path[length] != '\0'))
		return NULL;
	return strdup(path + length + (path[length] == '/'));
}

/* ---- the whole tree ---------------------------------------------------------------------------------- */

struct walk {
	struct fb_passthrough *fs;
	struct fb_migration_node **missing; /* sorted by inode number */
	size_t missing_count, left;
	char **dirs; /* paths of directories to look into */
	size_t dir_count, dir_room;
};

static int compare(const void *left, const void *right)
{
	const struct fb_migration_node *const *a = left, *const *b = right;
	uint64_t x = (*a)->inode->ino, y = (*b)->inode->ino;

	return x < y ? -1 : x > y;
}

/* The first missing node with this inode number, or with a higher one. */
static size_t first_missing(const struct walk *walk, uint64_t ino)
{
	size_t low = 0, high = walk->missing_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (walk->missing[middle]->inode->ino < ino)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_missing(const struct walk *walk, uint64_t ino)
{
	size_t i = first_missing(walk, ino);

	return i < walk->missing_count && walk->missing[i]->inode->ino == ino;
}

/* Note the path for every missing node that it leads to. */
static int note(struct walk *walk, const struct statx *statx, const char *path)
{
	for (size_t i = first_missing(walk, statx->stx_ino); i < walk->missing_count; i++) {
		struct fb_migration_node *node = walk->missing[i];

		if (node->inode->ino != statx->stx_ino)
			break;
		if (node->path || !fb_migration_is_file_of(node->inode, statx))
			continue;
		node->path = strdup(path);
		if (!node->path)
			return -ENOMEM;
		walk->left--;
	}
	return 0;
}

/* path is taken. */
static int push_dir(struct walk *walk, char *path)
{
	size_t room = walk->dir_room ? 2 * walk->dir_room : 64;
	char **grown = walk->dirs;

	if (walk->dir_count == walk->dir_room) {
		grown = realloc(walk->dirs, room * sizeof(*grown));
		if (!grown) {
			free(path);
			return -ENOMEM;
		}
		walk->dirs = grown;
		walk->dir_room = room;
	}
	grown[walk->dir_count++] = path;
	return 0;
}

static int look_at(struct walk *walk, const char *dir, int dirfd, const char *name)
{
	FB_SCOPE_FD int fd = fb_resolve_path(walk->fs, dirfd, name);
	FB_SCOPE_FREE char *path = NULL;
	struct statx statx;
	int result;

	/* What has gone meanwhile, or can not be looked at, is not what is looked for. */
	if (fd < 0 || fb_resolve_stat(fd, &statx) < 0)
		return 0;
	if (asprintf(&path, "%s%s%s", dir, *dir ? "/" : "", name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (strlen(path) > FB_MIGRATION_PATH_MAX)
		return 0;
	result = note(walk, &statx, path);
	if (result == 0 && S_ISDIR(statx.stx_mode))
		result = push_dir(walk, fb_pointer_steal(&path));
	return result;
}

/* Look at what may be missing, and at directories. A mount point is listed with another number. */
static int look_at_entry(struct walk *walk, const char *dir, int dirfd,
			 const struct dirent64 *entry)
{
	bool maybe_dir = entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;

	if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
		return 0;
	if (!maybe_dir && !is_missing(walk, entry->d_ino))
		return 0;
	return look_at(walk, dir, dirfd, entry->d_name);
}

static int look_into(struct walk *walk, const char *dir)
{
	_Alignas(struct dirent64) char buffer[BUFFER_SIZE];
	FB_SCOPE_FD int at = fb_migration_path_open(walk->fs, dir);
	FB_SCOPE_FD int dirfd = -1;
	ssize_t got;
	int result = 0;

	if (at >= 0)
		dirfd = fb_resolve_reopen(walk->fs, at, O_RDONLY | O_DIRECTORY);
	if (dirfd < 0)
		return 0;
	while (result == 0 && (got = getdents64(dirfd, buffer, sizeof(buffer))) > 0) {
		const struct dirent64 *entry;

		for (ssize_t i = 0; i < got && result == 0; i += entry->d_reclen) {
			entry = (const void *)(buffer + i);
			result = look_at_entry(walk, dir, dirfd, entry);
		}
	}
	return result;
}

static int walk_all(struct walk *walk)
{
	char *root = strdup("");
	int result = root ? push_dir(walk, root) : -ENOMEM;

	while (result == 0 && walk->dir_count > 0 && walk->left > 0) {
		FB_SCOPE_FREE char *dir = walk->dirs[--walk->dir_count];

		result = look_into(walk, dir);
	}
	return result;
}

int fb_migration_path_walk(struct fb_passthrough *fs, struct fb_migration_node *nodes, size_t count)
{
	struct walk walk = { .fs = fs };
	int result;

	for (size_t i = 0; i < count; i++)
		walk.left += nodes[i].named && !nodes[i].path;
	if (walk.left == 0)
		return 0;
	walk.missing = calloc(walk.left, sizeof(struct fb_migration_node *));
	if (!walk.missing)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (nodes[i].named && !nodes[i].path)
			walk.missing[walk.missing_count++] = &nodes[i];
	qsort(walk.missing, walk.missing_count, sizeof(struct fb_migration_node *), compare);
	result = walk_all(&walk);
	while (walk.dir_count > 0)
		free(walk.dirs[--walk.dir_count]);
	free(walk.dirs);
	free(walk.missing);
	return result;
}
