/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Assertions for checks. A check runs in a process of its own, so the first assertion that does not
 * hold writes one sentence to the runner's pipe and ends the process; nothing has to be unwound.
 */
#ifndef CONFORMANCE_EXPECT_H
#define CONFORMANCE_EXPECT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

/* First byte of a message on the pipe. */
#define EXPECT_TAG_FAIL 'F'
#define EXPECT_TAG_SKIP 'S'

/* Send messages to pipe; called once in every check's process. */
void expect_init(int pipe);

_Noreturn void expect_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* End the check as skipped. */
_Noreturn void expect_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The symbolic name of an errno value, "E?" for rare ones. */
const char *expect_errno_name(int number);

int expect_ok(long value, const char *call, const char *file, int line);
void *expect_pointer(void *value, const char *call, const char *file, int line);
void expect_err(long value, int wanted, int alternative, const char *call, const char *file,
		int line);
void expect_eq(long long got, long long wanted, const char *expression, const char *file, int line);
void expect_mode(mode_t got, mode_t wanted, const char *expression, const char *file, int line);
void expect_true(bool holds, const char *expression, const char *file, int line);
void expect_data(const void *got, const void *wanted, size_t size, const char *expression,
		 const char *file, int line);
void expect_text(const char *path, const char *wanted, const char *file, int line);
void expect_gone(const char *path, const char *file, int line);
void expect_later(struct timespec got, struct timespec before, const char *expression,
		  const char *file, int line);
void expect_time(struct timespec got, struct timespec wanted, const char *expression,
		 const char *file, int line);
void expect_child(pid_t pid, int wanted, const char *file, int line);

#define FAIL(...) expect_fail(__FILE__, __LINE__, __VA_ARGS__)

/*
 * The call must not return -1; evaluates to what it returned, which must fit an int (for lseek use
 * EXPECT_EQ).
 */
#define EXPECT_OK(call) expect_ok((long)(call), #call, __FILE__, __LINE__)

/* The call must not return NULL or MAP_FAILED. */
#define EXPECT_POINTER(call) expect_pointer((call), #call, __FILE__, __LINE__)

/* The call must return -1 and set this errno, or one of these two. */
#define EXPECT_ERR(call, wanted) expect_err((long)(call), wanted, wanted, #call, __FILE__, __LINE__)
#define EXPECT_ERR2(call, wanted, alternative)                                                     \
	expect_err((long)(call), wanted, alternative, #call, __FILE__, __LINE__)

#define EXPECT_EQ(got, wanted)                                                                     \
	expect_eq((long long)(got), (long long)(wanted), #got, __FILE__, __LINE__)
#define EXPECT(condition) expect_true((condition), #condition, __FILE__, __LINE__)

/* Like EXPECT_EQ, printed in octal. */
#define EXPECT_MODE(got, wanted) expect_mode((got), (wanted), #got, __FILE__, __LINE__)

#define EXPECT_DATA(got, wanted, size)                                                             \
	expect_data((got), (wanted), (size), #got, __FILE__, __LINE__)

/* The file's whole content is this string. */
#define EXPECT_TEXT(path, wanted) expect_text((path), (wanted), __FILE__, __LINE__)

/* No such name. */
#define EXPECT_GONE(path) expect_gone((path), __FILE__, __LINE__)

/* Time stamps: strictly later, or exactly equal. */
#define EXPECT_LATER(got, before) expect_later((got), (before), #got, __FILE__, __LINE__)
#define EXPECT_TIME(got, wanted) expect_time((got), (wanted), #got, __FILE__, __LINE__)

/* The child process ends by itself, with success or with this status. */
#define EXPECT_CHILD(pid) EXPECT_STATUS(pid, 0)
#define EXPECT_STATUS(pid, wanted) expect_child((pid), (wanted), __FILE__, __LINE__)

#endif
