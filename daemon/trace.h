/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every request in one line, for --trace.
 */
#ifndef FBFSD_TRACE_H
#define FBFSD_TRACE_H

#include <libfb/session.h>
#include <stdio.h>

struct trace {
	FILE *file; /* NULL: where messages go */
};

/* Open the file; NULL for where messages go. Returns 0 or -errno with a sentence. */
int trace_open(struct trace *trace, const char *file) FB_MUST_CHECK;

/* Print what the session does until trace_close(). */
void trace_attach(struct trace *trace, struct fb_session *session);

/* After the session has ended. */
void trace_close(struct trace *trace);

#endif
