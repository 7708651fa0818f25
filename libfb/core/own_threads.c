/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/own_threads.h"

#include <errno.h>
#include <libfb/log.h>
#include <libfb/session.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "core/dispatch.h"
#include "core/keeper.h"
#include "core/scope.h"
#include "core/session.h"
#include "core/worker.h"

/* ---- a thread of the program comes and goes -------------------------------------------------- */

/* Have the keeper be able to wake this thread. Returns whether the signal was blocked before. */
static bool signal_allow(void)
{
	sigset_t wake, before;

	sigemptyset(&wake);
	sigaddset(&wake, fb_wake_signal());
	pthread_sigmask(SIG_UNBLOCK, &wake, &before);
	return sigismember(&before, fb_wake_signal()) == 1;
}

static void signal_restore(bool blocked)
{
	sigset_t wake;

	sigemptyset(&wake);
	sigaddset(&wake, fb_wake_signal());
	if (blocked)
		pthread_sigmask(SIG_BLOCK, &wake, NULL);
}

static int check(const struct fb_session *session)
{
	if (!session)
		return fb_fail(EINVAL, "a session is needed");
	if (!session->options.own_threads)
		return fb_fail(EINVAL, "the session is served by threads of the library");
	if (fb_dispatch_active())
		return fb_fail(EDEADLK, "this thread is in the middle of a request");
	return 0;
}

/*
 * Become a worker; called with the lock held. Returns 1 and the worker, 0 when the session has
 * ended, or -errno.
 */
static int join(struct fb_workers *workers, struct fb_worker **ret_worker)
{
	int r;

	if (!workers->started)
		return fb_fail(ENOTCONN, "the session was not started");
	if (atomic_load(&workers->leave))
		return 0;
	fb_keeper_reap(workers);
	if (workers->live >= workers->session->options.workers)
		return fb_fail(EBUSY, "%u threads serve the session already",
			       atomic_load(&workers->live));
	r = fb_worker_take(workers, ret_worker);
	if (r < 0)
		return fb_fail(-r, "no channel for a thread: %s", strerror(-r));
	(*ret_worker)->own = true;
	(*ret_worker)->thread = pthread_self();
	atomic_store(&(*ret_worker)->tid, gettid());
	fb_worker_begun(*ret_worker);
	return 1;
}

int fb_session_work(struct fb_session *session)
{
	struct fb_worker *worker;
	bool blocked;
	int r = check(session), error;

	if (r < 0)
		return r;
	pthread_mutex_lock(&session->workers.lock);
	r = join(&session->workers, &worker);
	pthread_mutex_unlock(&session->workers.lock);
	if (r < 0)
		return r;
	if (r == 0)
		return atomic_load(&session->workers.error);
	blocked = signal_allow();
	r = fb_worker_serve(worker);
	error = atomic_load(&session->workers.error);
	/* From here on the session may be gone. */
	fb_worker_leave(worker, r);
	signal_restore(blocked);
	return r < 0 ? r : error;
}

/* ---- an event loop --------------------------------------------------------------------------- */

int fb_session_ready_fd(struct fb_session *session, int *ret_fd)
{
	int r = check(session);

	(void)ret_fd;
	return r < 0 ? r : fb_fail(EOPNOTSUPP, "this transport can not be served by an event loop");
}

int fb_session_work_ready(struct fb_session *session, unsigned most)
{
	int r = check(session);

	(void)most;
	return r < 0 ? r : fb_fail(EINVAL, "fb_session_ready_fd() comes first");
}
