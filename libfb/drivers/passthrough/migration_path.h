/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where in the share a node is: its path, made of bytes, without a slash in front. The root's is
 * empty.
 */
#ifndef LIBFB_PASSTHROUGH_MIGRATION_PATH_H
#define LIBFB_PASSTHROUGH_MIGRATION_PATH_H

#include <libfb/types.h>

#include <stddef.h>
#include <sys/stat.h>

struct fb_inode;
struct fb_passthrough;

/* Open what a path names as O_PATH, however long it is. Returns a descriptor or -errno. */
int fb_migration_path_open(struct fb_passthrough *fs, const char *path) FB_MUST_CHECK;

/* Whether statx(2) told of this node's file. */
bool fb_migration_is_file_of(const struct fb_inode *inode, const struct statx *statx);

/* Whether the path still leads to the node's file. */
bool fb_migration_path_leads_to(struct fb_passthrough *fs, const char *path,
				const struct fb_inode *inode);

/*
 * What the kernel knows as the path of the file behind fd; it may be out of date. Returns a path (to
 * be freed), or NULL when it is outside of the share or can not be told.
 */
char *fb_migration_path_by_proc(struct fb_passthrough *fs, int fd);

/* A node to be handed over. */
struct fb_migration_node {
	struct fb_inode *inode;
	char *path; /* NULL: not found */
	bool named; /* the file has a name, so that there is a path */
};

/* Look for the paths that are missing in the whole tree. Returns 0 or -ENOMEM. */
int fb_migration_path_walk(struct fb_passthrough *fs, struct fb_migration_node *nodes,
			   size_t count) FB_MUST_CHECK;

#endif
