/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From names and descriptors to files, without ever leaving the shared tree.
 */
#ifndef LIBFB_PASSTHROUGH_RESOLVE_H
#define LIBFB_PASSTHROUGH_RESOLVE_H

#include <libfb/types.h>

#include <sys/types.h>

struct fb_passthrough;

/*
 * openat2(2) of one name in dirfd with RESOLVE_BENEATH, NO_MAGICLINKS and NO_SYMLINKS; O_NOFOLLOW
 * and O_CLOEXEC are added. openat(2) of one component where openat2 is missing or a rename disturbed
 * it. mode counts only with O_CREAT or O_TMPFILE. Retries after closing idle descriptors. Returns a
 * descriptor or -errno.
 */
int fb_resolve_open(struct fb_passthrough *fs, int dirfd, const char *name, int flags,
		    mode_t mode) FB_MUST_CHECK;

/* Open the name itself as O_PATH: a final symbolic link is returned, not followed. */
int fb_resolve_path(struct fb_passthrough *fs, int dirfd, const char *name) FB_MUST_CHECK;

/* Open again, with other flags, the file behind a descriptor. Not for special files. */
int fb_resolve_reopen(struct fb_passthrough *fs, int fd, int flags) FB_MUST_CHECK;

/* statx(2) of the file behind fd: basic fields, birth time, mount. */
struct statx;
int fb_resolve_stat(int fd, struct statx *ret_statx) FB_MUST_CHECK;

/* Room for the decimal name of a descriptor below /proc/self/fd, with the path in front. */
#define FB_PROC_PATH_MAX 32

/* The name of a descriptor in the directory fs->proc_self_fd, for the …at() calls that follow. */
void fb_resolve_proc_name(int fd, char ret_name[static FB_PROC_PATH_MAX]);

/*
 * A path of the file behind fd for calls that know paths only (setxattr and the like; with those
 * that follow symbolic links, since it is one). Where /proc is out of sight (a sandbox), the thread
 * gets a working directory of its own and enters the kept /proc/self/fd. Returns 0 or -errno.
 */
int fb_resolve_proc_path(struct fb_passthrough *fs, int fd,
			 char ret_path[static FB_PROC_PATH_MAX]) FB_MUST_CHECK;

#endif
