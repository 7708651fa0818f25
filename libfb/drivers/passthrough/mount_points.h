/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which names may be mount points. A host directory lists a mount point with the inode number of
 * what is below the mount; programs compare d_ino with st_ino. Only names that stand at the end of
 * a mount point's path are worth a statx(2).
 */
#ifndef LIBFB_PASSTHROUGH_MOUNT_POINTS_H
#define LIBFB_PASSTHROUGH_MOUNT_POINTS_H

#include <libfb/types.h>

struct fb_passthrough;
struct fb_mount_names;
struct fb_mount_points;

struct fb_mount_points *fb_mount_points_new(void);
void fb_mount_points_free(struct fb_mount_points *points);

/*
 * The names of this moment, read again only when mounts have changed; NULL when they can not be
 * known. To be given back with fb_mount_names_put().
 */
struct fb_mount_names *fb_mount_names_get(struct fb_passthrough *fs);
void fb_mount_names_put(struct fb_mount_names *names);

/*
 * Say whether name, in a directory on the mount mnt_id, may be a mount point. Without names
 * everything may.
 */
bool fb_mount_names_have(const struct fb_mount_names *names, uint64_t mnt_id, const char *name);

#endif
