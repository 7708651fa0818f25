/* SPDX-License-Identifier: BSD-3-Clause */
#include <libfb/log.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#define TEXT_MAX 512

typedef void log_fn(void *arg, enum fb_log_level level, const char *text);

static _Atomic(log_fn *) log_callback;
static _Atomic(void *) log_arg;
static _Atomic int log_level = FB_LOG_INFO;

static _Thread_local char last_error[TEXT_MAX];

void fb_log_set(log_fn *log, void *arg)
{
	atomic_store(&log_callback, NULL);
	atomic_store(&log_arg, arg);
	atomic_store(&log_callback, log);
}

void fb_log_set_level(enum fb_log_level level)
{
	atomic_store(&log_level, level);
}

void fb_log(enum fb_log_level level, const char *format, ...)
{
	log_fn *log = atomic_load(&log_callback);
	char text[TEXT_MAX];
	va_list args;

	if (!log || (int)level > atomic_load_explicit(&log_level, memory_order_relaxed))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log(atomic_load(&log_arg), level, text);
}

const char *fb_last_error(void)
{
	return last_error;
}

int fb_fail(int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(last_error, sizeof(last_error), format, args);
	va_end(args);
	return -error;
}
