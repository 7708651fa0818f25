/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding what a call is about, and holding its paths. Under the layer's lock.
 *
 * Whoever works by path is counted in each node on the way, and whoever gives a name away waits until
 * nobody is counted in its node; others wait for him meanwhile. All that a call needs is taken at
 * once, and nothing is held while it waits, so nobody can wait for one another.
 */
#ifndef LIBFB_PATH_HOLD_H
#define LIBFB_PATH_HOLD_H

#include "call.h"

/* Find, pin and hold; waits. Errors as of fb_path_begin(): some may be pinned then. */
int fb_path_hold(struct fb_path_call *call, const struct fb_path_place *places) FB_MUST_CHECK;

/* Others may move what was held, or use what was moved. */
void fb_path_unhold(struct fb_path_call *call);

/* Unpin. Open files that were waiting for that are in call->ended afterwards. */
void fb_path_unpin(struct fb_path_call *call);

/* Write down the path of a place. Returns 0 also if none leads there; or -ENAMETOOLONG. */
int fb_path_write(struct fb_path_found *found) FB_MUST_CHECK;

#endif
