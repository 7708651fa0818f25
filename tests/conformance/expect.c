/* SPDX-License-Identifier: BSD-3-Clause */
#include "expect.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGE_SIZE = 800 };

static int message_pipe = -1;

void expect_init(int pipe)
{
	message_pipe = pipe;
}

/* Short enough to be written atomically, so messages of several processes never mix. */
static void send_message(char tag, const char *text)
{
	char message[MESSAGE_SIZE];
	int size = snprintf(message, sizeof(message), "%c%s", tag, text);

	if (size >= (int)sizeof(message))
		size = (int)sizeof(message) - 1;
	if (write(message_pipe, message, (size_t)size + 1) < 0)
		abort();
}

void expect_fail(const char *file, int line, const char *format, ...)
{
	const char *slash = strrchr(file, '/');
	char text[MESSAGE_SIZE - 100];
	char message[MESSAGE_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	snprintf(message, sizeof(message), "%s (%.60s:%d)", text, slash ? slash + 1 : file, line);
	send_message(EXPECT_TAG_FAIL, message);
	_exit(1);
}

void expect_skip(const char *format, ...)
{
	char text[MESSAGE_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	send_message(EXPECT_TAG_SKIP, text);
	_exit(0);
}

const char *expect_errno_name(int number)
{
#define NAME(symbol)                                                                               \
	{                                                                                          \
		symbol, #symbol                                                                    \
	}
	static const struct {
		int number;
		const char *name;
	} names[] = {
		NAME(E2BIG),    NAME(EACCES),       NAME(EAGAIN),       NAME(EBADF),
		NAME(EBUSY),    NAME(ECONNREFUSED), NAME(EDEADLK),      NAME(EDQUOT),
		NAME(EEXIST),   NAME(EFAULT),       NAME(EFBIG),        NAME(EINTR),
		NAME(EINVAL),   NAME(EIO),          NAME(EISDIR),       NAME(ELOOP),
		NAME(EMFILE),   NAME(EMLINK),       NAME(ENAMETOOLONG), NAME(ENFILE),
		NAME(ENODATA),  NAME(ENODEV),       NAME(ENOENT),       NAME(ENOEXEC),
		NAME(ENOLCK),   NAME(ENOMEM),       NAME(ENOSPC),       NAME(ENOSYS),
		NAME(ENOTCONN), NAME(ENOTDIR),      NAME(ENOTEMPTY),    NAME(ENOTTY),
		NAME(ENXIO),    NAME(EOPNOTSUPP),   NAME(EOVERFLOW),    NAME(EPERM),
		NAME(EPIPE),    NAME(EPROTO),       NAME(ERANGE),       NAME(EROFS),
		NAME(ESPIPE),   NAME(ESTALE),       NAME(ETIMEDOUT),    NAME(ETXTBSY),
		NAME(EXDEV),
	};
#undef NAME

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == number)
			return names[i].name;
	return "E?";
}

int expect_ok(long value, const char *call, const char *file, int line)
{
	int error = errno;

	if (value == -1)
		expect_fail(file, line, "%s: expected success, got %s (%s)", call,
			    expect_errno_name(error), strerror(error));
	return (int)value;
}

void *expect_pointer(void *value, const char *call, const char *file, int line)
{
	int error = errno;

	if (value == NULL || value == MAP_FAILED)
		expect_fail(file, line, "%s: expected success, got %s (%s)", call,
			    expect_errno_name(error), strerror(error));
	return value;
}

void expect_err(long value, int wanted, int alternative, const char *call, const char *file,
		int line)
{
	int error = errno;
	char both[64];

	if (value == -1 && (error == wanted || error == alternative))
		return;
	snprintf(both, sizeof(both), "%s%s%s", expect_errno_name(wanted),
		 wanted == alternative ? "" : " or ",
		 wanted == alternative ? "" : expect_errno_name(alternative));
	if (value == -1)
		expect_fail(file, line, "%s: expected %s, got %s (%s)", call, both,
			    expect_errno_name(error), strerror(error));
	expect_fail(file, line, "%s: expected %s, got %ld", call, both, value);
}

void expect_eq(long long got, long long wanted, const char *expression, const char *file, int line)
{
	if (got != wanted)
		expect_fail(file, line, "%s: expected %lld, got %lld", expression, wanted, got);
}

void expect_mode(mode_t got, mode_t wanted, const char *expression, const char *file, int line)
{
	if (got != wanted)
		expect_fail(file, line, "%s: expected 0%o, got 0%o", expression, wanted, got);
}

void expect_true(bool holds, const char *expression, const char *file, int line)
{
	if (!holds)
		expect_fail(file, line, "expected %s, got the contrary", expression);
}

void expect_data(const void *got, const void *wanted, size_t size, const char *expression,
		 const char *file, int line)
{
	const unsigned char *left = got;
	const unsigned char *right = wanted;

	for (size_t i = 0; i < size; i++)
		if (left[i] != right[i])
			expect_fail(file, line, "%s: byte %zu of %zu: expected 0x%02x, got 0x%02x",
				    expression, i, size, right[i], left[i]);
}

void expect_text(const char *path, const char *wanted, const char *file, int line)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size;

	if (fd < 0)
		expect_fail(file, line, "content of %s: expected \"%s\", got %s on open", path,
			    wanted, expect_errno_name(errno));
	size = read(fd, text, sizeof(text) - 1);
	if (size < 0)
		expect_fail(file, line, "content of %s: expected \"%s\", got %s on read", path,
			    wanted, expect_errno_name(errno));
	text[size] = '\0';
	close(fd);
	if ((size_t)size != strlen(wanted) || strcmp(text, wanted) != 0)
		expect_fail(file, line,
			    "content of %s: expected \"%s\", got \"%.200s\" (%zd bytes)", path,
			    wanted, text, size);
}

void expect_gone(const char *path, const char *file, int line)
{
	struct stat status;

	if (lstat(path, &status) == 0)
		expect_fail(file, line, "%s: expected no such name, got inode %llu", path,
			    (unsigned long long)status.st_ino);
	if (errno != ENOENT)
		expect_fail(file, line, "lstat(%s): expected ENOENT, got %s", path,
			    expect_errno_name(errno));
}

static int compare_times(struct timespec left, struct timespec right)
{
	if (left.tv_sec != right.tv_sec)
		return left.tv_sec < right.tv_sec ? -1 : 1;
	if (left.tv_nsec != right.tv_nsec)
		return left.tv_nsec < right.tv_nsec ? -1 : 1;
	return 0;
}

void expect_later(struct timespec got, struct timespec before, const char *expression,
		  const char *file, int line)
{
	if (compare_times(got, before) <= 0)
		expect_fail(file, line, "%s: expected later than %lld.%09ld, got %lld.%09ld",
			    expression, (long long)before.tv_sec, before.tv_nsec,
			    (long long)got.tv_sec, got.tv_nsec);
}

void expect_time(struct timespec got, struct timespec wanted, const char *expression,
		 const char *file, int line)
{
	if (compare_times(got, wanted) != 0)
		expect_fail(file, line, "%s: expected %lld.%09ld, got %lld.%09ld", expression,
			    (long long)wanted.tv_sec, wanted.tv_nsec, (long long)got.tv_sec,
			    got.tv_nsec);
}

void expect_child(pid_t pid, int wanted, const char *file, int line)
{
	int status = 0;
	pid_t reaped;

	do
		reaped = waitpid(pid, &status, 0);
	while (reaped < 0 && errno == EINTR);
	if (reaped != pid)
		expect_fail(file, line, "waitpid: expected the child, got %s",
			    expect_errno_name(errno));
	if (WIFSIGNALED(status))
		expect_fail(file, line, "child: expected exit status %d, got signal %d", wanted,
			    WTERMSIG(status));
	if (WEXITSTATUS(status) != wanted)
		expect_fail(file, line, "child: expected exit status %d, got %d", wanted,
			    WEXITSTATUS(status));
}
