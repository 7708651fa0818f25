/* SPDX-License-Identifier: BSD-3-Clause */
#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/log.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scope.h"

/* One write to a pipe that is not torn: a code and a line of text. */
struct report {
	int code;
	char text[PIPE_BUF - sizeof(int)];
};

/* Returns whether the parent is there to read it. */
static bool send_report(struct background *background, const struct report *report)
{
	ssize_t sent;

	do {
		sent = write(background->report_fd, report, sizeof(*report));
	} while (sent < 0 && errno == EINTR);
	close(background->report_fd);
	background->report_fd = -1;
	return sent == (ssize_t)sizeof(*report);
}

static bool receive_report(int fd, struct report *ret_report)
{
	ssize_t received;

	do {
		received = read(fd, ret_report, sizeof(*ret_report));
	} while (received < 0 && errno == EINTR);
	return received == (ssize_t)sizeof(*ret_report);
}

/* The child ended without a report. */
static void print_death(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) < 0)
		fprintf(stderr, "fbfsd: the server ended unexpectedly\n");
	else if (WIFSIGNALED(status))
		fprintf(stderr, "fbfsd: the server was killed by signal %d (%s) while starting\n",
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		fprintf(stderr, "fbfsd: the server ended with status %d while starting\n",
			WEXITSTATUS(status));
}

static enum exit_code wait_for_child(pid_t child, int fd)
{
	struct report report;

	if (!receive_report(fd, &report)) {
		print_death(child);
		return EXIT_SYSTEM;
	}
	if (report.code != EXIT_DONE)
		fprintf(stderr, "fbfsd: %.*s\n", (int)sizeof(report.text), report.text);
	return (enum exit_code)report.code;
}

int background_enter(struct background *background)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fb_fail(errno, "pipe: %s", strerror(errno));
	child = fork();
	if (child < 0) {
		int error = errno;

		close(ends[0]);
		close(ends[1]);
		return fb_fail(error, "fork: %s", strerror(error));
	}
	background->is_parent = child > 0;
	if (background->is_parent) {
		close(ends[1]);
		background->code = wait_for_child(child, ends[0]);
		close(ends[0]);
		return 0;
	}
	close(ends[0]);
	background->report_fd = ends[1];
	setsid();
	signal(SIGPIPE, SIG_IGN); /* the parent may have been interrupted: then nobody reads */
	return 0;
}

static int silence(void)
{
	SCOPED_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++) {
		if (dup2(null, fd) < 0)
			return -errno;
	}
	return null < 0 ? -errno : 0;
}

int background_detach(struct background *background)
{
	struct report report = { .code = EXIT_DONE };
	int result;

	if (background->report_fd < 0)
		return 0;
	if (chdir("/") < 0)
		return fb_fail(errno, "chdir /: %s", strerror(errno));
	result = silence();
	if (result < 0)
		return fb_fail(-result, "/dev/null: %s", strerror(-result));
	return send_report(background, &report) ? 0 : fb_fail(ECANCELED, "the start was given up");
}

void background_fail(struct background *background, enum exit_code code, const char *text)
{
	struct report report = { .code = (int)code };

	if (background->report_fd < 0)
		return;
	snprintf(report.text, sizeof(report.text), "%s", text);
	(void)send_report(background, &report);
}
