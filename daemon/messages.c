/* SPDX-License-Identifier: BSD-3-Clause */
#include "messages.h"

#include <limits.h>
#include <stdio.h>
#include <syslog.h>

/* Whose messages they are: "NAME: ", or nothing. */
static char who[PATH_MAX + 2];

/* One write a line, so that the lines of several threads do not mix. */
static void to_stderr(void *arg, enum fb_log_level level, const char *text)
{
	(void)arg;
	fprintf(stderr, "fbfsd: %s%s%s\n", who, level == FB_LOG_WARNING ? "warning: " : "", text);
}

static void to_syslog(void *arg, enum fb_log_level level, const char *text)
{
	(void)arg;
	syslog((int)level, "%s%s", who, text);
}

static void in_background(void *arg, enum fb_log_level level, const char *text)
{
	to_syslog(arg, level, text);
	if (level <= FB_LOG_WARNING)
		to_stderr(arg, level, text);
}

static enum messages_to lines_to;

void messages_init(unsigned level, enum messages_to to, const char *name)
{
	static void (*const functions[])(void *arg, enum fb_log_level level, const char *text) = {
		[MESSAGES_STDERR] = to_stderr,
		[MESSAGES_SYSLOG] = to_syslog,
		[MESSAGES_BACKGROUND] = in_background,
	};

	lines_to = to;
	snprintf(who, sizeof(who), "%s%s", name ? name : "", name ? ": " : "");
	setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
	/* Connected at once: in a sandbox the socket of syslog is out of sight. */
	openlog("fbfsd", LOG_PID | (to == MESSAGES_STDERR ? 0 : LOG_NDELAY), LOG_DAEMON);
	fb_log_set(level ? functions[to] : NULL, NULL);
	if (level)
		fb_log_set_level((enum fb_log_level)level);
}

void messages_line(enum fb_log_level level, const char *text)
{
	if (lines_to == MESSAGES_STDERR)
		fprintf(stderr, "%s\n", text);
	else
		to_syslog(NULL, level, text);
}

void messages_fail(void)
{
	fprintf(stderr, "fbfsd: %s%s\n", who, fb_last_error());
}
