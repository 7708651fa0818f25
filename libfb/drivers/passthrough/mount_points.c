/* SPDX-License-Identifier: BSD-3-Clause */
#include "mount_points.h"

#include "handle_table.h"
#include "mountinfo.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

struct mount_name {
	uint64_t parent; /* the mount that it stands on */
	char *name;
};

struct fb_mount_names {
	_Atomic unsigned refs;
	size_t count;
	struct mount_name *items; /* sorted */
};

struct fb_mount_points {
	pthread_mutex_t lock;
	int fd; /* mountinfo: poll() tells once of a change */
	struct fb_mount_names *names;
};

struct fb_mount_points *fb_mount_points_new(void)
{
	struct fb_mount_points *points = calloc(1, sizeof(*points));

	if (!points)
		return NULL;
	pthread_mutex_init(&points->lock, NULL);
	points->fd = -1;
	return points;
}

void fb_mount_points_free(struct fb_mount_points *points)
{
	if (!points)
		return;
	fb_mount_names_put(points->names);
	if (points->fd >= 0)
		close(points->fd);
	pthread_mutex_destroy(&points->lock);
	free(points);
}

void fb_mount_names_put(struct fb_mount_names *names)
{
	if (!names || atomic_fetch_sub(&names->refs, 1) > 1)
		return;
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i].name);
	free(names->items);
	free(names);
}

static int compare(const void *left, const void *right)
{
	const struct mount_name *a = left, *b = right;

	if (a->parent != b->parent)
		return a->parent < b->parent ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* Add what a line of mountinfo says. */
static int add_line(struct fb_mount_names *names, char *line)
{
	struct mount_name *grown, added;
	struct fb_mountinfo info;
	const char *slash;

	if (!fb_mountinfo_parse(line, &info))
		return 0;
	slash = strrchr(info.path, '/');
	if (!slash || !slash[1])
		return 0;
	added = (struct mount_name){ .parent = info.parent, .name = strdup(slash + 1) };
	grown = realloc(names->items, (names->count + 1) * sizeof(*grown));
	if (grown)
		names->items = grown;
	if (!grown || !added.name) {
		free(added.name);
		return -ENOMEM;
	}
	names->items[names->count++] = added;
	return 0;
}

static void file_close(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* Read all of mountinfo. Returns NULL when that fails. */
static struct fb_mount_names *read_names(int mountinfo)
{
	FB_CLEANUP(file_close) FILE *file = NULL;
	FB_SCOPE_FREE char *line = NULL;
	FB_SCOPE_FD int fd = fcntl(mountinfo, F_DUPFD_CLOEXEC, 0);
	struct fb_mount_names *names = calloc(1, sizeof(*names));
	size_t size = 0;
	int result = 0;

	if (!names)
		return NULL;
	atomic_init(&names->refs, 1);
	if (fd >= 0 && lseek(fd, 0, SEEK_SET) == 0)
		file = fdopen(fd, "re");
	if (!file) {
		fb_mount_names_put(names);
		return NULL;
	}
	(void)fb_fd_steal(&fd);
	while (result == 0 && getline(&line, &size, file) > 0)
		result = add_line(names, line);
	if (result < 0 || ferror(file)) {
		fb_mount_names_put(names);
		return NULL;
	}
	if (names->count > 0)
		qsort(names->items, names->count, sizeof(*names->items), compare);
	return names;
}

/* Read again if mounts have changed since; called with the lock held. */
static void refresh(struct fb_passthrough *fs, struct fb_mount_points *points)
{
	struct pollfd poll_for = { .events = POLLPRI };

	if (points->fd < 0)
		points->fd = openat(fs->proc, "self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (points->fd < 0)
		return;
	poll_for.fd = points->fd;
	if (points->names && poll(&poll_for, 1, 0) == 0)
		return;
	fb_mount_names_put(points->names);
	points->names = read_names(points->fd);
}

struct fb_mount_names *fb_mount_names_get(struct fb_passthrough *fs)
{
	struct fb_mount_points *points = fs->handles->mount_points;
	struct fb_mount_names *names;

	pthread_mutex_lock(&points->lock);
	refresh(fs, points);
	names = points->names;
	if (names)
		atomic_fetch_add(&names->refs, 1);
	pthread_mutex_unlock(&points->lock);
	return names;
}

bool fb_mount_names_have(const struct fb_mount_names *names, uint64_t mnt_id, const char *name)
{
	struct mount_name wanted = { .parent = mnt_id, .name = (char *)(uintptr_t)name };

	if (!names)
		return true;
	return names->count > 0 &&
	       bsearch(&wanted, names->items, names->count, sizeof(wanted), compare);
}
