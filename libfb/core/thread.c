/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libfb/session.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/scope.h"

static void do_nothing(int signal)
{
	(void)signal;
}

int fb_wake_signal(void)
{
	return SIGRTMIN + 7;
}

void fb_thread_install_wake(void)
{
	struct sigaction now, wake = { .sa_handler = do_nothing };

	if (sigaction(fb_wake_signal(), NULL, &now) == 0 && now.sa_handler == SIG_DFL)
		sigaction(fb_wake_signal(), &wake, NULL);
}

/* A worker that yields (transport/yield.h) starts threads that do not; that flag of it marks one. */
static bool is_yielding(void)
{
	return syscall(SYS_sched_getscheduler, 0) == (SCHED_IDLE | SCHED_RESET_ON_FORK);
}

int fb_thread_start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	sigset_t blocked, before;
	pthread_attr_t attr;
	int r;

	pthread_attr_init(&attr);
	if (is_yielding())
		pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);

	sigfillset(&blocked);
	sigdelset(&blocked, fb_wake_signal());
	pthread_sigmask(SIG_SETMASK, &blocked, &before);
	r = pthread_create(thread, &attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -r;
}

uint64_t fb_thread_runnable_ns(pid_t tid)
{
	char path[64], text[64] = "";
	uint64_t computed, waited;
	FB_SCOPED_FD fd = -1;

	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 ||
	    sscanf(text, "%" SCNu64 " %" SCNu64, &computed, &waited) != 2)
		return 0;
	return computed + waited;
}

void fb_eventfd_signal(int fd)
{
	uint64_t one = 1;
	int saved = errno;

	/* EAGAIN: it is full, and whoever waits for it is about to wake anyway. EPIPE: nobody waits. */
	if (write(fd, &one, sizeof(one)) < 0)
		errno = saved;
}
