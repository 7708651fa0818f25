/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/worker.h"

#include <errno.h>
#include <libfb/log.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/dispatch.h"
#include "core/keeper.h"
#include "core/scope.h"
#include "core/session.h"
#include "core/thread.h"

int fb_workers_init(struct fb_workers *workers, struct fb_session *session)
{
	workers->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (workers->wake_fd < 0)
		return -errno;
	workers->session = session;
	workers->ready_fd = -1;
	workers->over_fd = -1;
	pthread_mutex_init(&workers->lock, NULL);
	pthread_mutex_init(&workers->left_lock, NULL);
	pthread_cond_init(&workers->finished_changed, NULL);
	return 0;
}

void fb_workers_fini(struct fb_workers *workers)
{
	while (workers->list) {
		struct fb_worker *worker = workers->list;

		workers->list = worker->next;
		free(worker);
	}
	pthread_cond_destroy(&workers->finished_changed);
	pthread_mutex_destroy(&workers->left_lock);
	pthread_mutex_destroy(&workers->lock);
	close(workers->wake_fd);
	if (workers->ready_fd >= 0)
		close(workers->ready_fd);
	if (workers->over_fd >= 0)
		close(workers->over_fd);
}

/*
 * Have the keeper look after the workers, if there is anything that it could do. Called when a request
 * has been counted as begun: either we see that the keeper is about to rest, or it sees the request.
 */
static void watch(struct fb_workers *workers)
{
	const struct fb_session_options *options = &workers->session->options;

	if ((options->max_workers == options->workers && !workers->session->transport->ops->tick) ||
	    atomic_load(&workers->watching))
		return;
	if (!atomic_exchange(&workers->watching, true))
		fb_keeper_wake(workers);
}

bool fb_worker_must_leave(struct fb_worker *worker)
{
	return atomic_load_explicit(&worker->leave, memory_order_relaxed) ||
	       atomic_load_explicit(&worker->workers->leave, memory_order_relaxed);
}

int fb_worker_serve_one(struct fb_worker *worker)
{
	struct fb_req *req;
	int r = fb_channel_receive(worker->channel, &req);

	if (r == 1) {
		watch(worker->workers);
		fb_channel_serve(worker->channel, req);
	}
	return r;
}

/* The loop that everything is about. */
int fb_worker_serve(struct fb_worker *worker)
{
	const struct fb_transport_ops *transport = worker->channel->transport->ops;
	int r = -EINTR;

	while (!fb_worker_must_leave(worker) && (r == 1 || r == -EINTR))
		r = fb_worker_serve_one(worker);
	if (transport->leave)
		transport->leave(worker->channel);
	return fb_worker_must_leave(worker) ? 1 : r;
}

void fb_worker_leave(struct fb_worker *worker, int r)
{
	struct fb_workers *workers = worker->workers;
	int none = 0;

	if (r < 0)
		atomic_compare_exchange_strong(&workers->error, &none, r);
	if (r <= 0)
		atomic_store(&workers->ended, true);
	/* An event loop comes here at each turn, and does not wake the keeper for nothing. */
	FB_SCOPED_LOCK(&workers->left_lock);
	worker->left = true;
	if (!worker->ready || r <= 0 || atomic_load(&workers->leave))
		fb_keeper_wake(workers);
}

static void *worker_main(void *arg)
{
	struct fb_worker *worker = arg;

	atomic_store(&worker->tid, gettid());
	fb_worker_leave(worker, fb_worker_serve(worker));
	return NULL;
}

/* A worker that has a channel but no thread, or a new one. Returns 0 or -errno. */
static int worker_find(struct fb_workers *workers, struct fb_worker **ret_worker)
{
	struct fb_worker *worker;
	int r;

	for (worker = workers->list; worker && worker->running; worker = worker->next)
		;
	*ret_worker = worker;
	if (worker)
		return 0;
	worker = calloc(1, sizeof(*worker));
	if (!worker)
		return -ENOMEM;
	worker->workers = workers;
	r = fb_session_open_channel(workers->session, &worker->channel);
	if (r < 0) {
		free(worker);
		return r;
	}
	worker->next = workers->list;
	workers->list = *ret_worker = worker;
	return 0;
}

int fb_worker_take(struct fb_workers *workers, struct fb_worker **ret_worker)
{
	struct fb_worker *worker;
	int r = worker_find(workers, &worker);

	if (r < 0)
		return r;
	atomic_store(&worker->leave, false);
	atomic_store(&worker->tid, 0);
	worker->left = false;
	worker->begun_seen = 0;
	/* Counted before it can have served anything. */
	workers->live++;
	*ret_worker = worker;
	return 0;
}

void fb_worker_begun(struct fb_worker *worker)
{
	struct fb_workers *workers = worker->workers;

	worker->running = true;
	if (workers->live > workers->peak)
		workers->peak = workers->live;
}

int fb_worker_start(struct fb_workers *workers)
{
	struct fb_worker *worker;
	int r = fb_worker_take(workers, &worker);

	if (r < 0)
		return r;
	r = fb_thread_start(&worker->thread, worker_main, worker);
	if (r < 0) {
		workers->live--;
		return r;
	}
	fb_worker_begun(worker);
	return 0;
}

/* Undo a start that failed half-way. */
static int start_failed(struct fb_workers *workers, int r)
{
	fb_keeper_dismiss(workers);
	atomic_store(&workers->leave, false);
	return fb_fail(-r, "worker threads can not be started");
}

/* Workers from the beginning. */
static unsigned planned(const struct fb_session *session)
{
	unsigned workers = session->options.workers, least = session->transport->workers;

	return workers > least ? workers : least;
}

int fb_workers_start(struct fb_workers *workers)
{
	struct fb_session *session = workers->session;
	int r = 0;

	fb_thread_install_wake();
	FB_SCOPED_LOCK(&workers->lock);
	if (workers->started)
		return fb_fail(EALREADY, "the session has been started before");
	for (unsigned i = 0; i < planned(session) && !session->options.own_threads; i++) {
		r = fb_worker_start(workers);
		if (r < 0)
			break;
	}
	if (r == 0)
		r = fb_thread_start(&workers->keeper, fb_keeper_main, workers);
	if (r < 0)
		return start_failed(workers, r);
	workers->started = true;
	return 0;
}

void fb_workers_stop(struct fb_workers *workers)
{
	atomic_store(&workers->session->stopping, true);
	fb_keeper_wake(workers);
}

int fb_workers_join(struct fb_workers *workers)
{
	FB_SCOPED_LOCK(&workers->lock);
	if (!workers->started)
		return fb_fail(ENOTCONN, "the session was not started");
	while (!workers->finished)
		pthread_cond_wait(&workers->finished_changed, &workers->lock);
	if (workers->keeper)
		pthread_join(workers->keeper, NULL);
	workers->keeper = 0;
	return workers->result;
}

void fb_workers_after_fork(struct fb_workers *workers)
{
	atomic_store(&workers->leave, true);
	fb_fd_drop(&workers->wake_fd);
	fb_fd_drop(&workers->ready_fd);
	fb_fd_drop(&workers->over_fd);
}

void fb_workers_stats(struct fb_workers *workers, struct fb_session_stats *ret_stats)
{
	ret_stats->workers = atomic_load(&workers->live);
	ret_stats->workers_peak = atomic_load(&workers->peak);
}
