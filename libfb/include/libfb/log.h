/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the library has to say. It never prints: messages go to one callback.
 */
#ifndef LIBFB_LOG_H
#define LIBFB_LOG_H

#include <libfb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The values are those of syslog(3). */
enum fb_log_level {
	FB_LOG_ERR = 3,
	FB_LOG_WARNING = 4,
	FB_LOG_INFO = 6,
	FB_LOG_DEBUG = 7,
};

/*
 * Have every message given to log (NULL: to nobody, the default), from any thread and also from
 * several at once. text is one line without a newline, borrowed for the call. Set it before the
 * first session. arg is borrowed.
 */
void fb_log_set(void (*log)(void *arg, enum fb_log_level level, const char *text), void *arg);

/* Have only messages up to this level made. The default is FB_LOG_INFO. */
void fb_log_set_level(enum fb_log_level level);

/* Hand a message to the callback, as drivers do. */
void fb_log(enum fb_log_level level, const char *format, ...) FB_PRINTF(2, 3);

/*
 * Explain the last failure of a libfb call in this thread: a sentence for people that names what is
 * wrong and what to do; "" when there was none. Valid until the next failure in this thread.
 */
const char *fb_last_error(void);

/*
 * Note a sentence for fb_last_error() and return -error, so that a driver can write
 * "return fb_fail(ENOTDIR, …)".
 */
int fb_fail(int error, const char *format, ...) FB_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif

#endif
