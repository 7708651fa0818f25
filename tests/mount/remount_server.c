/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program for test_remount.py that mounts an empty folder, looks at it and unmounts it, TIMES times:
 *
 *	remount_server TIMES MOUNTPOINT
 *
 * After the first tenth, and at the end, it says what it holds: "held: N descriptors, N kB, N threads".
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server.h"

static int do_getattr(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
		      struct fb_attr_reply *ret_attr)
{
	(void)self;
	(void)req;
	(void)fh;
	ret_attr->attr = (struct fb_attr){ .ino = node, .mode = S_IFDIR | 0777, .nlink = 1 };
	return 0;
}

static int do_lookup(void *self, struct fb_req *req, uint64_t parent, const char *name,
		     struct fb_entry *ret_entry)
{
	(void)self;
	(void)req;
	(void)parent;
	(void)name;
	(void)ret_entry;
	return -ENOENT;
}

static const struct fb_driver_ops ops = {
	.size = sizeof(ops),
	.lookup = do_lookup,
	.getattr = do_getattr,
};

static unsigned entries_in(const char *path)
{
	DIR *dir = opendir(path);
	unsigned count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

static void print_held(void)
{
	unsigned long kilobytes = 0;
	char line[128];
	FILE *status = fopen("/proc/self/status", "re");

	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "RssAnon: %lu kB", &kilobytes) == 1)
			break;
	if (status)
		fclose(status);
	printf("held: %u descriptors, %lu kB, %u threads\n", entries_in("/proc/self/fd"), kilobytes,
	       entries_in("/proc/self/task"));
}

static int once(const char *mountpoint)
{
	const struct fb_session_options session_options = { .size = sizeof(session_options) };
	const struct fb_mount_options options = server_mount_options();
	struct fb_session *session;
	char path[4096];
	struct stat st;
	int r, error;

	if (server_serve(&ops, NULL, &session_options, mountpoint, &options, &session) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/missing", mountpoint);
	error = stat(path, &st) < 0 ? errno : 0;
	fb_session_stop(session);
	r = fb_session_wait(session);
	fb_session_unref(session);
	if (r == 0 && error == ENOENT)
		return 0;
	printf("failed: the lookup: %s; the end: %d\n", strerror(error), r);
	return -1;
}

int main(int argc, char **argv)
{
	int times = argc == 3 ? atoi(argv[1]) : 0;

	server_begin();
	for (int i = 0; i < times; i++) {
		if (once(argv[2]) < 0) {
			printf("failed: at turn %d\n", i);
			return 1;
		}
		if (i == times / 10)
			print_held();
	}
	print_held();
	return times > 0 ? 0 : 2;
}
