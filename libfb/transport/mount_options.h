/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text after mount -o, taken apart. Pure functions.
 */
#ifndef FB_TRANSPORT_MOUNT_OPTIONS_H
#define FB_TRANSPORT_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/mount.h>

/* Access time modes exclude one another: the last one given counts. */
#define FB_MOUNT_ATIME_MODES (MS_NOATIME | MS_RELATIME | MS_STRICTATIME)

/*
 * General options, each with its opposite: X(name, opposite, MS_ bit, MOUNT_ATTR_ bits, bits that
 * it switches off, whether it is also one of the superblock).
 */
#define FB_MOUNT_FLAG_TABLE(X)                                                                     \
	X(ro, rw, MS_RDONLY, MOUNT_ATTR_RDONLY, 0, true)                                           \
	X(nosuid, suid, MS_NOSUID, MOUNT_ATTR_NOSUID, 0, false)                                    \
	X(nodev, dev, MS_NODEV, MOUNT_ATTR_NODEV, 0, false)                                        \
	X(noexec, exec, MS_NOEXEC, MOUNT_ATTR_NOEXEC, 0, false)                                    \
	X(sync, async, MS_SYNCHRONOUS, 0, 0, true)                                                 \
	X(dirsync, nodirsync, MS_DIRSYNC, 0, 0, true)                                              \
	X(noatime, atime, MS_NOATIME, MOUNT_ATTR_NOATIME, FB_MOUNT_ATIME_MODES, false)             \
	X(nodiratime, diratime, MS_NODIRATIME, MOUNT_ATTR_NODIRATIME, 0, false)                    \
	X(relatime, norelatime, MS_RELATIME, MOUNT_ATTR_RELATIME, FB_MOUNT_ATIME_MODES, false)     \
	X(strictatime, nostrictatime, MS_STRICTATIME, MOUNT_ATTR_STRICTATIME,                      \
	  FB_MOUNT_ATIME_MODES, false)                                                             \
	X(nosymfollow, symfollow, MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW, 0, false)

/*
 * Options of the FUSE kernel module and of security modules, and the names that they all see:
 * X(name, kind of value). source is written fsname= by tradition.
 */
#define FB_MOUNT_DATA_TABLE(X)                                                                     \
	X(allow_other, NONE)                                                                       \
	X(default_permissions, NONE)                                                               \
	X(max_read, NUMBER)                                                                        \
	X(context, TEXT)                                                                           \
	X(fscontext, TEXT)                                                                         \
	X(defcontext, TEXT)                                                                        \
	X(rootcontext, TEXT)                                                                       \
	X(fsname, TEXT)                                                                            \
	X(subtype, TEXT)                                                                           \
	X(auto_unmount, NONE)

enum fb_mount_data {
#define ROW(name, kind) FB_MOUNT_DATA_##name,
	FB_MOUNT_DATA_TABLE(ROW)
#undef ROW
		FB_MOUNT_DATA_COUNT
};

struct fb_mount_plan {
	unsigned long flags;               /* MS_* */
	char *values[FB_MOUNT_DATA_COUNT]; /* NULL: not given; "" for options without a value */
};

/* One row of the table of flags. */
struct fb_mount_flag {
	const char *name, *opposite;
	unsigned long ms_flag, clears;
	unsigned attr;
	bool superblock;
};

/* Start with what every FUSE mount gets: nosuid and nodev. */
void fb_mount_plan_init(struct fb_mount_plan *plan);
void fb_mount_plan_fini(struct fb_mount_plan *plan);

/*
 * Add the options of a comma-separated list; "\," is a comma and "\\" a backslash within a value.
 * NULL and "" are empty lists. Returns 0, -EINVAL with a sentence that names the option, or
 * -ENOMEM.
 */
int fb_mount_plan_parse(struct fb_mount_plan *plan, const char *options);

/* Give an option a value unless it has one. value is copied. Returns 0 or -ENOMEM. */
int fb_mount_plan_default(struct fb_mount_plan *plan, enum fb_mount_data key, const char *value);

/* Step through the rows of the table of flags: NULL at the end. */
const struct fb_mount_flag *fb_mount_flag_at(size_t index);

/* The name of a data option, as written after -o. */
const char *fb_mount_data_name(enum fb_mount_data key);

/* The flags of a plan as MOUNT_ATTR_*, for fsmount(2). */
unsigned fb_mount_plan_attr(const struct fb_mount_plan *plan);

#endif
