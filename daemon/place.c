/* SPDX-License-Identifier: BSD-3-Clause */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "scope.h"

/* Older C libraries do not name it. */
#ifndef STATX_ATTR_MOUNT_ROOT
#define STATX_ATTR_MOUNT_ROOT 0x2000
#endif

void place_fini(struct place *place)
{
	free(place->source);
	free(place->mountpoint);
	free(place->stats_file);
	*place = (struct place){ 0 };
}

static int resolve_source(struct place *place, const char *source, mode_t *ret_mode)
{
	struct stat status;

	place->source = realpath(source, NULL);
	if (!place->source && errno == ENOENT)
		return fb_fail(ENOENT, "source %s does not exist", source);
	if (!place->source || stat(place->source, &status) < 0)
		return fb_fail(errno, "source %s: %s", source, strerror(errno));
	if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode))
		return fb_fail(ENOTDIR, "source %s is not a directory (nor a regular file)",
			       source);
	*ret_mode = status.st_mode & S_IFMT;
	return 0;
}

/* The absolute path of something that may not answer: only its parent directory is looked at. */
static char *resolve_by_parent(const char *path)
{
	char for_parent[PATH_MAX], for_name[PATH_MAX], parent[PATH_MAX];
	char *joined = NULL;

	if (snprintf(for_parent, PATH_MAX, "%s", path) >= PATH_MAX)
		return NULL;
	memcpy(for_name, for_parent, PATH_MAX);
	if (!realpath(dirname(for_parent), parent))
		return NULL;
	if (asprintf(&joined, "%s/%s", strcmp(parent, "/") ? parent : "", basename(for_name)) < 0)
		return NULL;
	return joined;
}

/* Say whether a FUSE file system is mounted exactly here. */
static bool is_fuse_mount(const char *path)
{
	struct statx about;
	struct statfs fs;

	return statx(AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_TYPE, &about) == 0 &&
	       (about.stx_attributes & STATX_ATTR_MOUNT_ROOT) && statfs(path, &fs) == 0 &&
	       fs.f_type == FUSE_SUPER_MAGIC;
}

/* What fb_mount() can not know: how the mountpoint goes with the source. It tells all the rest. */
static int check_mountpoint(const char *mountpoint, const struct options *options,
			    mode_t source_type)
{
	struct stat status;

	if (stat(mountpoint, &status) < 0)
		return 0;
	if (S_ISDIR(source_type) && !S_ISDIR(status.st_mode))
		return fb_fail(ENOTDIR, "mountpoint %s is not a directory", mountpoint);
	if (S_ISREG(source_type) && !S_ISREG(status.st_mode))
		return fb_fail(ENOTDIR,
			       "mountpoint %s is not a regular file, but source %s is one: "
			       "touch a file to mount on",
			       mountpoint, options->source);
	if (!options->allow_nonempty && is_fuse_mount(mountpoint))
		return fb_fail(EBUSY,
			       "mountpoint %s is busy: a FUSE file system is mounted there. "
			       "Unmount it first (fusermount3 -u %s), or use -o nonempty",
			       mountpoint, mountpoint);
	return 0;
}

bool place_is_descriptor(const char *mountpoint)
{
	return strncmp(mountpoint, "/dev/fd/", strlen("/dev/fd/")) == 0;
}

static int resolve_mountpoint(struct place *place, const struct options *options,
			      mode_t source_type)
{
	const char *mountpoint = options->mountpoint;
	int result = 0;

	place->mounted_already = place_is_descriptor(mountpoint);
	if (!place->mounted_already) {
		result = check_mountpoint(mountpoint, options, source_type);
		place->mountpoint = realpath(mountpoint, NULL);
		if (!place->mountpoint)
			place->mountpoint = resolve_by_parent(mountpoint);
	}
	if (!place->mountpoint)
		place->mountpoint = strdup(mountpoint);
	return place->mountpoint ? result : fb_fail(ENOMEM, "out of memory");
}

static bool is_inside(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return strncmp(path, directory, length) == 0 &&
	       (path[length] == '/' || strcmp(directory, "/") == 0);
}

static int resolve_stats_file(struct place *place, const char *file)
{
	SCOPED_FREE char *here = NULL;

	if (!file)
		return 0;
	here = getcwd(NULL, 0);
	if (!here && *file != '/')
		return fb_fail(errno, "--stats-file=%s: no working directory: %s", file,
			       strerror(errno));
	if (asprintf(&place->stats_file, "%s%s%s", *file == '/' ? "" : here,
		     *file == '/' ? "" : "/", file) < 0)
		return fb_fail(ENOMEM, "out of memory");
	return 0;
}

int place_init(struct place *place, const struct options *options)
{
	mode_t source_type = 0;
	int result;

	*place = (struct place){ 0 };
	result = resolve_source(place, options->source, &source_type);
	if (result == 0)
		result = resolve_stats_file(place, options->stats_file);
	if (options_for_guest(options))
		return result;
	if (result == 0)
		result = resolve_mountpoint(place, options, source_type);
	if (result == 0 && is_inside(place->mountpoint, place->source))
		fb_log(FB_LOG_WARNING,
		       "mountpoint %s lies in source %s: programs that walk the mount will find "
		       "it in itself",
		       place->mountpoint, place->source);
	return result;
}
