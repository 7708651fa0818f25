/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Acting as the caller of a request.
 *
 * Ids, groups and capabilities are changed on the calling thread alone, by raw system calls: those
 * of libc change every thread of the process. Only effective ids change; what was there before
 * comes back when the guard ends, and when it can not be brought back the process ends, since
 * going on with the wrong identity would be worse.
 *
 * Leaving uid 0 clears the effective capabilities: get descriptors (fb_inode_fd()) before.
 */
#ifndef LIBFB_PASSTHROUGH_CREDENTIALS_H
#define LIBFB_PASSTHROUGH_CREDENTIALS_H

#include "scope.h"

#include <libfb/driver.h>

#include <sys/types.h>

struct fb_passthrough;

/* Why an operation wants to be its caller. */
enum fb_credentials_for {
	/* It makes an inode, whose owner, group and quota are the caller's: always. */
	FB_CREDENTIALS_CREATE,
	/* Permissions are checked by the host: where the client's kernel does not check them. */
	FB_CREDENTIALS_ACCESS,
};

/* What the process is when it is itself: read once, when the driver is made. */
struct fb_credentials {
	uint32_t uid, gid; /* effective */
	uint32_t *groups;  /* supplementary */
	size_t group_count;
	uint64_t effective; /* capabilities, a bit each (CAP_*) */
	bool keeps_caps;    /* whatever the user id becomes */
	bool regained;      /* just by coming back to uid 0: all that are permitted */
	bool may_switch;    /* CAP_SETUID and CAP_SETGID */
};

struct fb_cred_guard {
	const struct fb_credentials *own; /* what to go back to; NULL: nothing was changed */
	bool groups, gid, uid, caps, umask, fsgid; /* what was changed */
	mode_t old_umask;
};

/* A guard that ends with its scope: FB_SCOPE_CRED struct fb_cred_guard guard = { 0 }; */
#define FB_SCOPE_CRED FB_CLEANUP(fb_credentials_restore)

/* Read the process' own credentials. Returns 0, or -errno with a sentence in fb_last_error(). */
int fb_credentials_init(struct fb_credentials *own) FB_MUST_CHECK;
void fb_credentials_fini(struct fb_credentials *own);

/*
 * Become caller, as the host numbers its ids. For FB_CREDENTIALS_CREATE this also sets the thread's
 * umask: 0, or the caller's when the client leaves it to us (FB_INIT_DONT_MASK); so pass the mode
 * to the host as it came.
 * guard is zeroed. Returns 0, -EINVAL for an id that is not known (UINT32_MAX), or -EPERM for one
 * that is forbidden, or when an unprivileged process is asked to be somebody else. On failure
 * nothing is changed.
 */
int fb_credentials_assume(struct fb_passthrough *fs, const struct fb_caller *caller,
			  enum fb_credentials_for purpose,
			  struct fb_cred_guard *guard) FB_MUST_CHECK;

/* Drop CAP_FSETID on this thread. guard is zeroed, or in use already. */
void fb_credentials_drop_fsetid(struct fb_passthrough *fs, struct fb_cred_guard *guard);

/*
 * Have the host clear the suid and sgid bits of the file behind fd (O_PATH will do) on the write,
 * truncation, fallocate … that follows, as it does for a plain user (FB_OPEN_KILL_SUIDGID,
 * FB_WRITE_KILL_SUIDGID, FB_SETATTR_KILL_SUIDGID, or a caller whose uid is not 0). An sgid bit
 * without group execution stays, as the protocol has it. Costs one fstat() for a file without such
 * bits. guard is zeroed, or in use already.
 */
void fb_credentials_kill_suidgid(struct fb_passthrough *fs, int fd, struct fb_cred_guard *guard);

/* Be the daemon again; a zeroed or restored guard is ignored. */
void fb_credentials_restore(struct fb_cred_guard *guard);

/*
 * Make sure that umask and working directory are this thread's own (unshare(2), CLONE_FS), before
 * either is changed. Not undone. Returns 0 or -errno.
 */
int fb_credentials_own_fs(void) FB_MUST_CHECK;

#endif
