/* SPDX-License-Identifier: BSD-3-Clause */
#include "sandbox_parent.h"

#include <errno.h>
#include <libfb/log.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "capabilities.h"

/* How long the server may take to end before it is told again. */
#define TELL_AGAIN_S 1

static const int handed_on[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 };

static bool is_ignored(int signal)
{
	struct sigaction action;

	return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/* What nohup(1) has us ignore is nothing to hand on. */
static void waited_for(sigset_t *ret_set)
{
	sigemptyset(ret_set);
	for (size_t i = 0; i < sizeof(handed_on) / sizeof(handed_on[0]); i++)
		if (!is_ignored(handed_on[i]))
			sigaddset(ret_set, handed_on[i]);
	sigaddset(ret_set, SIGCHLD);
}

void sandbox_parent_block_signals(sigset_t *ret_before)
{
	sigset_t set;

	waited_for(&set);
	sigprocmask(SIG_BLOCK, &set, ret_before);
}

/* Nothing of the server's stays here: its socket is closed when it ends, and not later. */
static int let_go(void)
{
	closelog();
	if (close_range(STDERR_FILENO + 1, ~0U, 0) < 0)
		return fb_fail(errno, "descriptors can not be closed: %s", strerror(errno));
	return capabilities_drop_all();
}

static int exit_code_of(int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	fb_log(FB_LOG_ERR, "the server was killed by signal %d (%s)%s", WTERMSIG(status),
	       strsignal(WTERMSIG(status)),
	       WTERMSIG(status) == SIGSYS ? ": a system call that --seccomp forbids" : "");
	return 128 + WTERMSIG(status);
}

static bool ends(int signal)
{
	return signal == SIGTERM || signal == SIGINT || signal == SIGHUP;
}

/*
 * As process 1 of its namespace the server never sees a signal that it does not handle yet: so that
 * none is lost while it starts, it is told to end until it does.
 */
static void hand_on(pid_t server, const sigset_t *set)
{
	static int ending;
	const struct timespec soon = { .tv_sec = TELL_AGAIN_S };
	int signal = ending ? sigtimedwait(set, NULL, &soon) : sigwaitinfo(set, NULL);

	if (signal < 0 && errno == EAGAIN)
		signal = ending;
	if (signal <= 0 || signal == SIGCHLD)
		return;
	if (ends(signal))
		ending = signal;
	kill(server, signal);
}

int sandbox_parent_wait(pid_t server)
{
	sigset_t set;
	int status, result = let_go();
	pid_t ended;

	if (result < 0) {
		kill(server, SIGKILL);
		return result;
	}
	waited_for(&set);
	signal(SIGCHLD, SIG_DFL); /* ignored, it would take the status away */
	do {
		ended = waitpid(server, &status, WNOHANG);
		if (ended == 0)
			hand_on(server, &set);
	} while (ended == 0 || (ended < 0 && errno == EINTR));
	if (ended < 0)
		return fb_fail(errno, "the server can not be waited for: %s", strerror(errno));
	return exit_code_of(status);
}

int sandbox_parent_follow(int parent_fd)
{
	struct pollfd parent = { .fd = parent_fd, .events = POLLIN };

	/* Not SIGTERM: process 1 of a namespace does not see it before it handles it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return fb_fail(errno, "prctl(PR_SET_PDEATHSIG): %s", strerror(errno));
	/* From here on the signal comes; before, the parent may have gone. */
	if (poll(&parent, 1, 0) != 0)
		return fb_fail(ESRCH, "the process that started the server is gone");
	return 0;
}
