/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/worker.h"

#include <errno.h>
#include <libfb/log.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/types.h>
#include <unistd.h>

#include "core/dispatch.h"
#include "core/scope.h"
#include "core/session.h"
#include "core/thread.h"

/* How often the keeper looks after the workers while there is work. */
#define TICK_MS 10
/* Ticks without any request after which it sleeps. */
#define CALM_TICKS 100
/* Ticks after which it sees whether there are too many or too few workers. */
#define DEMAND_TICKS 16
/* In hundredths: all workers are busier than this: one more; others could do it all: fewer. */
#define GROW_ABOVE 85u
#define SHRINK_BELOW 60u
/* Pause of a worker that found no memory for a request. */
#define NO_MEMORY_MS 10

struct fb_worker {
	struct fb_worker *next;
	struct fb_workers *workers;
	struct fb_channel *channel;
	pthread_t thread;
	_Atomic pid_t tid;
	bool running;        /* keeper only: a thread owns the channel */
	uint64_t begun_seen; /* keeper only: channel->begun at the last tick */
	_Atomic bool leave;
	_Atomic bool left;
};

int fb_workers_init(struct fb_workers *workers, struct fb_session *session)
{
	workers->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (workers->wake_fd < 0)
		return -errno;
	workers->session = session;
	pthread_mutex_init(&workers->lock, NULL);
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
	pthread_mutex_destroy(&workers->lock);
	close(workers->wake_fd);
}

static void keeper_wake(struct fb_workers *workers)
{
	uint64_t one = 1;
	int saved = errno;

	/* The eventfd is full only when the keeper is about to wake anyway. */
	if (write(workers->wake_fd, &one, sizeof(one)) < 0)
		errno = saved;
}

/* Have the keeper look after the workers, if it could ever start another one. */
static void watch(struct fb_workers *workers)
{
	const struct fb_session_options *options = &workers->session->options;

	if (options->max_workers == options->workers ||
	    atomic_load_explicit(&workers->watching, memory_order_relaxed))
		return;
	if (!atomic_exchange(&workers->watching, true))
		keeper_wake(workers);
}

static bool must_leave(struct fb_worker *worker)
{
	return atomic_load_explicit(&worker->leave, memory_order_relaxed) ||
	       atomic_load_explicit(&worker->workers->leave, memory_order_relaxed);
}

/* The loop that everything is about. Returns how the connection ended, or 1 when sent away. */
static int serve(struct fb_worker *worker)
{
	struct fb_channel *channel = worker->channel;
	const struct fb_transport_ops *transport = channel->transport->ops;
	int r = -EINTR;

	while (!must_leave(worker) && (r == 1 || r == -EINTR)) {
		struct fb_req *req = fb_pool_take(&channel->pool);

		if (!req) {
			poll(NULL, 0, NO_MEMORY_MS);
			continue;
		}
		r = transport->receive(channel, req);
		if (r == 1) {
			watch(worker->workers);
			fb_channel_serve(channel, req);
		} else {
			fb_pool_give(&channel->pool, req);
		}
	}
	return must_leave(worker) ? 1 : r;
}

static void *worker_main(void *arg)
{
	struct fb_worker *worker = arg;
	struct fb_workers *workers = worker->workers;
	int none = 0, r;

	atomic_store(&worker->tid, gettid());
	r = serve(worker);
	if (r < 0)
		atomic_compare_exchange_strong(&workers->error, &none, r);
	if (r <= 0)
		atomic_store(&workers->ended, true);
	atomic_store(&worker->left, true);
	keeper_wake(workers);
	return NULL;
}

/* A worker that has a channel but no thread, or a new one. */
static struct fb_worker *worker_find(struct fb_workers *workers)
{
	struct fb_worker *worker;

	for (worker = workers->list; worker; worker = worker->next)
		if (!worker->running)
			return worker;
	worker = calloc(1, sizeof(*worker));
	if (!worker)
		return NULL;
	worker->workers = workers;
	if (fb_session_open_channel(workers->session, &worker->channel) < 0) {
		free(worker);
		return NULL;
	}
	worker->next = workers->list;
	workers->list = worker;
	return worker;
}

/* Start one more worker; called with the lock held. */
static int worker_start(struct fb_workers *workers)
{
	struct fb_worker *worker = worker_find(workers);
	int r;

	if (!worker)
		return -ENOMEM;
	atomic_store(&worker->leave, false);
	atomic_store(&worker->left, false);
	atomic_store(&worker->tid, 0);
	worker->begun_seen = 0;
	r = fb_thread_start(&worker->thread, worker_main, worker);
	if (r < 0)
		return r;
	worker->running = true;
	workers->live++;
	if (workers->live > workers->peak)
		workers->peak = workers->live;
	return 0;
}

/*
 * What the keeper saw in one tick: workers that wait, that are in one request since the last tick,
 * that have begun one since; and those that were in a request just now.
 */
struct tick {
	unsigned idle, stuck, moved, busy;
};

static struct tick tick_look(struct fb_workers *workers)
{
	struct tick tick = { 0 };

	for (struct fb_worker *w = workers->list; w; w = w->next) {
		uint64_t begun, ended;

		if (!w->running)
			continue;
		ended = atomic_load(&w->channel->ended);
		begun = atomic_load(&w->channel->begun);
		tick.busy += begun != ended;
		if (begun != w->begun_seen)
			tick.moved++;
		else if (begun != ended)
			tick.stuck++;
		else
			tick.idle++;
		w->begun_seen = begun;
	}
	return tick;
}

/* Start up to count workers more, but no more than limit in all. */
static void reinforce(struct fb_workers *workers, unsigned count, unsigned limit)
{
	for (unsigned i = 0; i < count && workers->live < limit; i++)
		if (worker_start(workers) < 0)
			return;
}

/* Join the workers that have left. */
static void reap(struct fb_workers *workers)
{
	for (struct fb_worker *w = workers->list; w; w = w->next) {
		if (!w->running || !atomic_load(&w->left))
			continue;
		pthread_join(w->thread, NULL);
		w->running = false;
		workers->live--;
	}
}

static bool is_idle(const struct fb_worker *worker)
{
	return atomic_load(&worker->channel->begun) == atomic_load(&worker->channel->ended);
}

/*
 * Send count idle workers away. They leave when the signal wakes them, or after one more request
 * that came first.
 */
static void send_away(struct fb_workers *workers, unsigned count)
{
	for (struct fb_worker *w = workers->list; w && count > 0; w = w->next) {
		if (!w->running || !is_idle(w))
			continue;
		atomic_store(&w->leave, true);
		pthread_kill(w->thread, fb_wake_signal());
		count--;
	}
}

/* ---- more workers while they wait, fewer when they need not --------------------------------------- */

/* A window of ticks in which the keeper has counted. */
struct demand {
	unsigned ticks, busy; /* busy workers, summed over the ticks */
	uint64_t since_ns;
	uint64_t runnable_ns; /* fb_thread_runnable_ns() of all workers when the window began */
};

/* Time that the workers have computed, or would have on a free processor. */
static uint64_t runnable_time(struct fb_workers *workers)
{
	uint64_t sum = 0;

	for (struct fb_worker *w = workers->list; w; w = w->next)
		if (w->running)
			sum += fb_thread_runnable_ns(atomic_load(&w->tid));
	return sum;
}

static void demand_begin(struct fb_workers *workers, struct demand *demand)
{
	*demand = (struct demand){ .since_ns = fb_now_ns(), .runnable_ns = runnable_time(workers) };
}

/* Whether the workers were busy with waiting rather than computing: more of them help then. */
static bool is_blocked(struct fb_workers *workers, const struct demand *demand)
{
	uint64_t wall = (fb_now_ns() - demand->since_ns) * workers->live;
	uint64_t runnable = runnable_time(workers);

	return runnable > 0 && (runnable - demand->runnable_ns) * 2 < wall;
}

/* How many workers there are beyond those that this load needs; busy is in hundredths of workers. */
static unsigned surplus(const struct fb_workers *workers, unsigned busy)
{
	unsigned needed = 1 + busy / SHRINK_BELOW, live = workers->live;

	if (needed < workers->session->options.workers)
		needed = workers->session->options.workers;
	return live > needed ? live - needed : 0;
}

/* The window is full: one worker more or some fewer, with room between the two. */
static void adjust(struct fb_workers *workers, const struct demand *demand)
{
	unsigned busy = demand->busy * 100 / demand->ticks;

	if (busy > workers->live * GROW_ABOVE && is_blocked(workers, demand))
		reinforce(workers, 1, workers->session->options.max_workers);
	else
		send_away(workers, surplus(workers, busy));
}

static void count_demand(struct fb_workers *workers, struct demand *demand, unsigned busy)
{
	demand->busy += busy;
	demand->ticks++;
	if (demand->ticks < DEMAND_TICKS)
		return;
	adjust(workers, demand);
	demand_begin(workers, demand);
}

static void keeper_sleep(struct fb_workers *workers, bool watching)
{
	struct pollfd fd = { .fd = workers->wake_fd, .events = POLLIN };
	uint64_t count;

	if (poll(&fd, 1, watching ? TICK_MS : -1) > 0 &&
	    read(workers->wake_fd, &count, sizeof(count)) < 0)
		return;
}

/*
 * Have all workers leave and wait for that; called with the lock held. They are woken and
 * interrupted again and again: a signal or an interrupt that comes between two steps of theirs is
 * lost.
 */
static void dismiss(struct fb_workers *workers)
{
	atomic_store(&workers->leave, true);
	while (workers->live > 0) {
		fb_interrupts_all(workers->session);
		for (struct fb_worker *w = workers->list; w; w = w->next)
			if (w->running)
				pthread_kill(w->thread, fb_wake_signal());
		keeper_sleep(workers, true);
		reap(workers);
	}
}

/* One look at the workers while there is work. Returns whether to look again soon. */
static bool keep_tick(struct fb_workers *workers, struct demand *demand, unsigned *calm)
{
	const struct fb_session_options *options = &workers->session->options;
	struct tick tick;

	FB_SCOPED_LOCK(&workers->lock);
	reap(workers);
	tick = tick_look(workers);
	*calm = tick.moved ? 0 : *calm + 1;
	if (tick.stuck && !tick.moved && !tick.idle)
		reinforce(workers, options->workers, options->max_workers);
	count_demand(workers, demand, tick.busy);
	if (*calm < CALM_TICKS || surplus(workers, tick.busy * 100) > 0)
		return true;
	/* With somebody idle, or nobody left to start, the next request can not starve. */
	return tick.idle == 0 && workers->live < options->max_workers;
}

/*
 * Stop watching. A worker that took a request just before did not see that; so look once more when
 * it must have, instead of having every request pay for an order of memory.
 */
static void rest(struct fb_workers *workers)
{
	atomic_store(&workers->watching, false);
	keeper_sleep(workers, true);
	FB_SCOPED_LOCK(&workers->lock);
	if (tick_look(workers).moved)
		atomic_store(&workers->watching, true);
}

/* Look after the workers until the session is to end. */
static void keep(struct fb_workers *workers)
{
	struct demand demand = { 0 };
	unsigned calm = 0;

	while (!atomic_load(&workers->session->stopping) && !atomic_load(&workers->ended)) {
		bool watching = atomic_load(&workers->watching);

		keeper_sleep(workers, watching);
		if (!watching)
			demand_begin(workers, &demand);
		else if (!keep_tick(workers, &demand, &calm))
			rest(workers);
	}
}

static void *keeper_main(void *arg)
{
	struct fb_workers *workers = arg;
	struct fb_session *session = workers->session;

	keep(workers);
	/* Workers go on while the transport ends: unmounting may write back dirty pages. */
	session->transport->ops->shut(session->transport);
	pthread_mutex_lock(&workers->lock);
	dismiss(workers);
	pthread_mutex_unlock(&workers->lock);
	fb_notifier_stop(&session->notifier);
	fb_session_end_outside(session);

	FB_SCOPED_LOCK(&workers->lock);
	workers->result = atomic_load(&workers->error);
	workers->finished = true;
	pthread_cond_broadcast(&workers->finished_changed);
	return NULL;
}

/* Undo a start that failed half-way. */
static int start_failed(struct fb_workers *workers, int r)
{
	dismiss(workers);
	atomic_store(&workers->leave, false);
	return fb_fail(-r, "worker threads can not be started");
}

int fb_workers_start(struct fb_workers *workers)
{
	struct fb_session *session = workers->session;
	int r = 0;

	fb_thread_install_wake();
	FB_SCOPED_LOCK(&workers->lock);
	if (workers->started)
		return fb_fail(EALREADY, "the session has been started before");
	for (unsigned i = 0; i < session->options.workers && r == 0; i++)
		r = worker_start(workers);
	if (r == 0)
		r = fb_thread_start(&workers->keeper, keeper_main, workers);
	if (r < 0)
		return start_failed(workers, r);
	workers->started = true;
	return 0;
}

void fb_workers_stop(struct fb_workers *workers)
{
	atomic_store(&workers->session->stopping, true);
	keeper_wake(workers);
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

void fb_workers_stats(struct fb_workers *workers, struct fb_session_stats *ret_stats)
{
	ret_stats->workers = atomic_load(&workers->live);
	ret_stats->workers_peak = atomic_load(&workers->peak);
}
