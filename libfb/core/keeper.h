/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thread that looks after a session's workers: more of them while they wait, fewer when they need
 * not be, and the end of all.
 */
#ifndef FB_CORE_KEEPER_H
#define FB_CORE_KEEPER_H

struct fb_workers;

/* The thread of the workers in arg: it ends when the session is to end, and all have left. */
void *fb_keeper_main(void *arg);

/* Have the keeper look at once. Safe in a signal handler. */
void fb_keeper_wake(struct fb_workers *workers);

/* Account for the workers that have left; called with their lock held. */
void fb_keeper_reap(struct fb_workers *workers);

/* Have all workers leave and wait for that; called with their lock held. */
void fb_keeper_dismiss(struct fb_workers *workers);

#endif
