/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/thread.h"

#include <errno.h>
#include <libfb/session.h>
#include <signal.h>

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

int fb_thread_start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	sigset_t blocked, before;
	int r;

	sigfillset(&blocked);
	sigdelset(&blocked, fb_wake_signal());
	pthread_sigmask(SIG_SETMASK, &blocked, &before);
	r = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}
