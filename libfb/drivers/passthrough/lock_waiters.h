/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lock requests that wait (F_SETLKW, flock without LOCK_NB), outside of the workers.
 *
 * One thread tries again for all of them: at once when a lock of this client is dropped, and every
 * few milliseconds for locks of the host's programs. A blocking fcntl() could only be ended by a
 * signal, and a library has none to spare.
 */
#ifndef LIBFB_PASSTHROUGH_LOCK_WAITERS_H
#define LIBFB_PASSTHROUGH_LOCK_WAITERS_H

#include "lock_owners.h"

#include <libfb/driver.h>

/* Requests that may wait at a time; more get ENOLCK. */
#define FB_LOCK_WAITERS_MAX 1024u

struct fb_lock_waiters;

/* What is waited for. */
struct fb_lock_wait_for {
	struct fb_inode *inode;         /* a pin of its own is taken */
	struct fb_lock_request request; /* request.handle too */
	int flock;                      /* LOCK_SH or LOCK_EX; 0: the range of request */
};

struct fb_lock_waiters *fb_lock_waiters_new(void);
void fb_lock_waiters_free(struct fb_lock_waiters *waiters);

/*
 * Let the request wait. Returns FB_PENDING, -EDEADLK when it would wait for itself, -ENOLCK when
 * too many wait, or -ENOMEM or -EAGAIN when there is no memory or no thread.
 */
int fb_lock_waiters_add(struct fb_passthrough *fs, struct fb_req *req,
			const struct fb_lock_wait_for *what) FB_MUST_CHECK;

/* Try for one lock without waiting. Returns 0, -EAGAIN or -errno. */
int fb_lock_waiters_try(struct fb_passthrough *fs,
			const struct fb_lock_wait_for *what) FB_MUST_CHECK;

/* A lock was dropped. */
void fb_lock_waiters_kick(struct fb_lock_waiters *waiters);

/* Answer all that wait with -EINTR and end the thread; the next add starts it again. */
void fb_lock_waiters_stop(struct fb_lock_waiters *waiters);

#endif
