/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where messages go: standard error or syslog(3).
 */
#ifndef FBFSD_MESSAGES_H
#define FBFSD_MESSAGES_H

#include <libfb/log.h>

enum messages_to {
	MESSAGES_STDERR,
	MESSAGES_SYSLOG,
	MESSAGES_BACKGROUND, /* syslog(3), and warnings on standard error while it is there */
};

/* Take the messages of the library too, up to level; 0 means none. Once, before there are threads. With a
 * name (or NULL) behind "fbfsd: " in each message. */
void messages_init(unsigned level, enum messages_to to, const char *name);

/* One line that was asked for, whatever the level: statistics, a traced request. */
void messages_line(enum fb_log_level level, const char *text);

/* One line "fbfsd: …" on standard error about what could not be done, with fb_last_error(). */
void messages_fail(void);

#endif
