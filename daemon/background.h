/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Into the background: the parent ends when the child has reported how the start went.
 */
#ifndef FBFSD_BACKGROUND_H
#define FBFSD_BACKGROUND_H

#include <libfb/types.h>

#include "exit_code.h"

struct background {
	int report_fd; /* in the child: where the parent listens; -1 in the foreground */
	bool is_parent;
	enum exit_code code; /* in the parent: what to exit with */
};

/*
 * Fork. In the parent this returns when the child has reported (or died), with is_parent set and
 * code to exit with; the report has been printed then. Call it before there are threads. Returns 0,
 * or -errno with a sentence for fb_last_error().
 */
int background_enter(struct background *background) FB_MUST_CHECK;

/*
 * Tell the parent that all went well, after letting go of terminal and working directory. Returns
 * -ECANCELED when nobody waits any more, as after Ctrl-C: then the start is to be undone.
 */
int background_detach(struct background *background) FB_MUST_CHECK;

/* Tell the parent what went wrong: one line of text, and what to exit with. */
void background_fail(struct background *background, enum exit_code code, const char *text);

#endif
