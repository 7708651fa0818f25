/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/own_threads.h"

#include <errno.h>
#include <libfb/log.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/dispatch.h"
#include "core/keeper.h"
#include "core/scope.h"
#include "core/session.h"
#include "core/worker.h"

/* Requests in one turn of an event loop. */
#define MOST_DEFAULT 64

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
	/* The keeper may hold the lock and wait for this very request. */
	if (fb_dispatch_active())
		return fb_fail(EDEADLK, "this thread is in the middle of a request");
	return 0;
}

/*
 * Become a worker; called with the lock held. Returns 0 and the worker, NULL when the session has
 * ended, or -errno.
 */
static int join(struct fb_workers *workers, struct fb_worker **ret_worker)
{
	int r;

	*ret_worker = NULL;
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
	return 0;
}

int fb_session_work(struct fb_session *session)
{
	struct fb_worker *worker = NULL;
	bool blocked;
	int r = check(session), error;

	if (r < 0)
		return r;
	pthread_mutex_lock(&session->workers.lock);
	r = join(&session->workers, &worker);
	pthread_mutex_unlock(&session->workers.lock);
	if (r < 0)
		return r;
	if (!worker)
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

/* Not to be served by this thread, after all. */
static void give_back(struct fb_worker *worker)
{
	worker->running = false;
	worker->workers->live--;
}

/* The worker of the event loop, which is elsewhere now. Returns 0, -ENOTCONN after the end, … */
static int ready_worker(struct fb_workers *workers, struct fb_worker **ret_worker, int *ret_fd)
{
	int (*ready_fd)(struct fb_channel * channel) = workers->session->transport->ops->ready_fd;
	struct fb_worker *worker = atomic_load(&workers->ready);
	int r = 0;

	if (!ready_fd)
		return fb_fail(EOPNOTSUPP, "this transport can not be served by an event loop");
	if (!worker)
		r = join(workers, &worker);
	if (r < 0)
		return r;
	if (!worker)
		return fb_fail(ENOTCONN, "the session has ended");
	*ret_fd = ready_fd(worker->channel);
	if (*ret_fd < 0 && !worker->ready)
		give_back(worker);
	if (*ret_fd < 0)
		return fb_fail(-*ret_fd, "no descriptor for an event loop: %s", strerror(-*ret_fd));
	FB_SCOPED_LOCK(&workers->left_lock);
	worker->ready = true;
	worker->left = true;
	*ret_worker = worker;
	return 0;
}

static int watch(int epoll_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* Make the descriptor: readable when the transport's is, and once all is over. */
static int ready_make(struct fb_workers *workers)
{
	FB_SCOPED_FD epoll_fd = fb_fd_raise(epoll_create1(EPOLL_CLOEXEC));
	FB_SCOPED_FD over_fd = fb_fd_raise(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	struct fb_worker *worker = NULL;
	int fd = -1, r;

	if (epoll_fd < 0 || over_fd < 0)
		return fb_fail(errno, "no descriptor for an event loop: %s", strerror(errno));
	r = ready_worker(workers, &worker, &fd);
	if (r < 0)
		return r;
	/* Its channel is not for anybody else any more, whatever becomes of the rest. */
	atomic_store(&workers->ready, worker);
	if (watch(epoll_fd, fd) < 0 || watch(epoll_fd, over_fd) < 0)
		return fb_fail(errno, "no descriptor for an event loop: %s", strerror(errno));
	workers->ready_fd = fb_fd_steal(&epoll_fd);
	workers->over_fd = fb_fd_steal(&over_fd);
	return 0;
}

int fb_session_ready_fd(struct fb_session *session, int *ret_fd)
{
	struct fb_workers *workers;
	int r = check(session);

	if (r < 0)
		return r;
	if (!ret_fd)
		return fb_fail(EINVAL, "a place for the descriptor is needed");
	workers = &session->workers;
	FB_SCOPED_LOCK(&workers->lock);
	if (!workers->started)
		return fb_fail(ENOTCONN, "the session was not started");
	if (atomic_load(&workers->leave))
		return fb_fail(ENOTCONN, "the session has ended");
	r = workers->ready_fd < 0 ? ready_make(workers) : 0;
	if (r == 0)
		*ret_fd = workers->ready_fd;
	return r;
}

/* The event loop's thread comes by. Returns 0, -EBUSY, or -ENOTCONN when it comes too late. */
static int come(struct fb_worker *worker)
{
	struct fb_workers *workers = worker->workers;

	FB_SCOPED_LOCK(&workers->left_lock);
	if (!worker->left)
		return fb_fail(EBUSY, "another thread serves the event loop's requests");
	/* Either we see that all are to leave, or the keeper sees that we have not. */
	if (atomic_load(&workers->leave))
		return fb_fail(ENOTCONN, "the session has ended");
	worker->left = false;
	worker->thread = pthread_self();
	return 0;
}

/* Serve what is there. Returns the last result; *ret_served is how many. */
static int serve_turn(struct fb_worker *worker, unsigned most, unsigned *ret_served)
{
	const struct fb_transport_ops *transport = worker->channel->transport->ops;
	unsigned served = 0;
	int r = 1;

	for (unsigned i = 0; i < most && (r == 1 || r == -EINTR); i++) {
		if (fb_worker_must_leave(worker))
			break;
		r = fb_worker_serve_one(worker);
		served += r == 1;
	}
	if (transport->leave)
		transport->leave(worker->channel);
	*ret_served = served;
	return r == -EAGAIN || r == -EINTR ? 1 : r;
}

int fb_session_work_ready(struct fb_session *session, unsigned most)
{
	struct fb_worker *worker;
	unsigned served;
	bool blocked, over;
	int r = check(session);

	if (r < 0)
		return r;
	worker = atomic_load(&session->workers.ready);
	if (!worker)
		return fb_fail(EINVAL, "fb_session_ready_fd() comes first");
	r = come(worker);
	if (r < 0)
		return r;
	blocked = signal_allow();
	r = serve_turn(worker, most > 0 && most <= INT_MAX ? most : MOST_DEFAULT, &served);
	over = r == 0 || (served == 0 && fb_worker_must_leave(worker));
	/* From here on the session may be gone. */
	fb_worker_leave(worker, r);
	signal_restore(blocked);
	if (served > 0 || (r == 1 && !over))
		return (int)served;
	return over ? fb_fail(ENOTCONN, "the session has ended") : r;
}
