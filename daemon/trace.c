/* SPDX-License-Identifier: BSD-3-Clause */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/log.h>
#include <string.h>
#include <unistd.h>

#include "messages.h"

/* For the user alone: a trace tells names and sizes of everybody's files. */
#define TRACE_MODE 0600

int trace_open(struct trace *trace, const char *file)
{
	int fd;

	*trace = (struct trace){ 0 };
	if (!file)
		return 0;
	fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, TRACE_MODE);
	if (fd < 0)
		return fb_fail(errno, "--trace=%s: %s", file, strerror(errno));
	trace->file = fdopen(fd, "a");
	if (!trace->file) {
		close(fd);
		return fb_fail(ENOMEM, "out of memory");
	}
	setvbuf(trace->file, NULL, _IOLBF, BUFSIZ);
	return 0;
}

static void print(void *arg, const char *text)
{
	const struct trace *trace = arg;

	if (trace->file)
		fprintf(trace->file, "%s\n", text);
	else
		messages_line(FB_LOG_DEBUG, text);
}

void trace_attach(struct trace *trace, struct fb_session *session)
{
	fb_session_trace(session, print, trace);
}

void trace_close(struct trace *trace)
{
	if (trace->file)
		fclose(trace->file);
	*trace = (struct trace){ 0 };
}
