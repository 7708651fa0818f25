/* SPDX-License-Identifier: BSD-3-Clause */
#include "runner.h"

#include "expect.h"
#include "file.h"
#include "tree.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILL_GRACE_MS = 3000 };

/* A process of a running body, seen from the runner. */
struct job {
	pid_t pid;
	int pipe; /* messages; end of file once the last process of the group is gone */
	char message[1024];
	size_t size;
};

static void decide(struct outcome *outcome, enum verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void decide(struct outcome *outcome, enum verdict verdict, const char *format, ...)
{
	va_list arguments;

	outcome->verdict = verdict;
	va_start(arguments, format);
	vsnprintf(outcome->detail, sizeof(outcome->detail), format, arguments);
	va_end(arguments);
	for (char *byte = outcome->detail; *byte != '\0'; byte++)
		if ((unsigned char)*byte < ' ')
			*byte = '?';
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Output of what a check starts must not get into the report. */
static void close_standard_streams(void)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd <= 2; fd++) {
		if (null >= 0)
			dup2(null, fd);
		else
			close(fd);
	}
	if (null > 2)
		close(null);
}

static _Noreturn void run_body(const struct runner *runner, const char *name, int pipe,
			       void (*body)(void))
{
	int directory;

	expect_init(pipe);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	umask(022);
	close_standard_streams();
	directory = EXPECT_OK(openat(runner->scratch, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	EXPECT_OK(fchdir(directory));
	EXPECT_OK(close(directory));
	body();
	_exit(0);
}

/* False, with errno, if there is no job. */
static bool start_job(const struct runner *runner, const char *name, void (*body)(void),
		      struct job *ret_job)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		run_body(runner, name, ends[1], body);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return false;
	}
	setpgid(pid, pid);
	*ret_job = (struct job){ .pid = pid, .pipe = ends[0] };
	return true;
}

/*
 * Wait for the first message, or for every process of the job to end. False when time is up first.
 */
static bool read_messages(struct job *job, unsigned limit_ms)
{
	long long deadline = now_ms() + limit_ms;

	for (;;) {
		struct pollfd entry = { .fd = job->pipe, .events = POLLIN };
		long long left = deadline - now_ms();
		char data[1024];
		ssize_t size;

		if (poll(&entry, 1, left < 0 ? 0 : (int)left) == 0)
			return false;
		size = read(job->pipe, data, sizeof(data));
		if (size == 0)
			return true;
		if (size < 0)
			continue;
		memcpy(job->message, data, (size_t)size);
		job->message[sizeof(job->message) - 1] = '\0';
		job->size = (size_t)size;
		return true;
	}
}

/* Reap the first process. False if it can not even be killed. */
static bool reap(const struct job *job, int *ret_status)
{
	long long deadline = now_ms() + KILL_GRACE_MS;

	while (waitpid(job->pid, ret_status, WNOHANG) == 0) {
		if (now_ms() > deadline)
			return false;
		pause_ms(1);
	}
	return true;
}

static void judge(const struct job *job, int status, struct outcome *outcome)
{
	if (job->size > 0 && job->message[0] == EXPECT_TAG_SKIP)
		decide(outcome, VERDICT_SKIPPED, "%s", job->message + 1);
	else if (job->size > 0)
		decide(outcome, VERDICT_FAILED, "%s", job->message + 1);
	else if (WIFSIGNALED(status))
		decide(outcome, VERDICT_FAILED, "expected an orderly end, got signal %d (%s)",
		       WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		decide(outcome, VERDICT_FAILED, "expected exit status 0, got %d",
		       WEXITSTATUS(status));
	else
		decide(outcome, VERDICT_PASSED, "%s", "");
}

static void finish_job(const struct runner *runner, struct job *job, struct outcome *outcome)
{
	bool in_time = read_messages(job, runner->limit_ms);
	bool reaped;
	int status = 0;

	kill(-job->pid, SIGKILL);
	reaped = reap(job, &status);
	close(job->pipe);
	if (!in_time || !reaped)
		decide(outcome, VERDICT_FAILED, "timed out after %u ms%s", runner->limit_ms,
		       reaped ? "" : " and can not be killed");
	else
		judge(job, status, outcome);
}

void runner_run(struct runner *runner, void (*body)(void), struct outcome *ret_outcome)
{
	struct job job;
	char name[32];
	int result;

	snprintf(name, sizeof(name), "c%u", ++runner->count);
	if (mkdirat(runner->scratch, name, 0755) < 0) {
		decide(ret_outcome, VERDICT_FAILED, "scratch directory: expected mkdir, got %s",
		       expect_errno_name(errno));
		return;
	}
	if (!start_job(runner, name, body, &job)) {
		decide(ret_outcome, VERDICT_FAILED, "process: expected fork, got %s",
		       expect_errno_name(errno));
		return;
	}
	finish_job(runner, &job, ret_outcome);
	result = tree_remove(runner->scratch, name);
	if (result < 0 && ret_outcome->verdict != VERDICT_FAILED)
		decide(ret_outcome, VERDICT_FAILED,
		       "clean-up: expected all it left to be removable, got %s",
		       expect_errno_name(-result));
}
