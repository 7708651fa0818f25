/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/scope.h"
#include "core/session.h"
#include "core/thread.h"
#include "core/worker.h"

/* How often the keeper looks after the workers while there is work. */
#define TICK_MS 10
/* Ticks without any request after which it sleeps. */
#define CALM_TICKS 100
/* Ticks after which it sees whether there are too many or too few workers. */
#define DEMAND_TICKS 16
/* In hundredths: all workers are busier than this: one more; others could do it all: fewer. */
#define GROW_ABOVE 85u
#define SHRINK_BELOW 60u

void fb_keeper_wake(struct fb_workers *workers)
{
	fb_eventfd_signal(workers->wake_fd);
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
	if (workers->session->options.own_threads)
		return;
	for (unsigned i = 0; i < count && workers->live < limit; i++)
		if (fb_worker_start(workers) < 0)
			return;
}

/* Whether a worker does not come back. */
static bool has_left(struct fb_worker *worker)
{
	struct fb_workers *workers = worker->workers;

	FB_SCOPED_LOCK(&workers->left_lock);
	return worker->left && (!worker->ready || atomic_load(&workers->leave));
}

void fb_keeper_reap(struct fb_workers *workers)
{
	for (struct fb_worker *w = workers->list; w; w = w->next) {
		if (!w->running || !has_left(w))
			continue;
		if (!w->own)
			pthread_join(w->thread, NULL);
		w->running = false;
		workers->live--;
	}
}

/* Wake a worker's thread out of a system call, if it is still ours. */
static void wake_worker(struct fb_worker *worker)
{
	FB_SCOPED_LOCK(&worker->workers->left_lock);
	if (!worker->left)
		pthread_kill(worker->thread, fb_wake_signal());
}

void fb_workers_wake(struct fb_workers *workers)
{
	if (pthread_mutex_trylock(&workers->lock) != 0)
		return;
	for (struct fb_worker *w = workers->list; w; w = w->next)
		if (w->running)
			wake_worker(w);
	pthread_mutex_unlock(&workers->lock);
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
		wake_worker(w);
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

/* Called with the lock held. */
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

	if (atomic_load(&workers->session->transport->keeps_workers))
		return 0;
	if (needed < workers->session->options.workers)
		needed = workers->session->options.workers;
	return live > needed ? live - needed : 0;
}

/*
 * The window is full: one worker more or some fewer, with room between the two; none fewer while
 * the load rises. now: workers that are busy at this moment.
 */
static void adjust(struct fb_workers *workers, const struct demand *demand, unsigned now)
{
	unsigned busy = demand->busy * 100 / demand->ticks;

	if (busy > workers->live * GROW_ABOVE && is_blocked(workers, demand))
		reinforce(workers, 1, workers->session->options.max_workers);
	else
		send_away(workers, surplus(workers, busy > now * 100 ? busy : now * 100));
}

static void count_demand(struct fb_workers *workers, struct demand *demand, unsigned busy)
{
	demand->busy += busy;
	demand->ticks++;
	if (demand->ticks < DEMAND_TICKS)
		return;
	adjust(workers, demand, busy);
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
 * They are woken and interrupted again and again: a signal or an interrupt that comes between two
 * steps of theirs is lost.
 */
void fb_keeper_dismiss(struct fb_workers *workers)
{
	atomic_store(&workers->leave, true);
	if (workers->over_fd >= 0)
		fb_eventfd_signal(workers->over_fd);
	while (workers->live > 0) {
		fb_interrupts_all(workers->session);
		for (struct fb_worker *w = workers->list; w; w = w->next)
			if (w->running)
				wake_worker(w);
		fb_keeper_reap(workers);
		if (workers->live > 0)
			keeper_sleep(workers, true);
	}
}

/* One look at the workers while there is work. Returns whether to look again soon. */
static bool keep_tick(struct fb_workers *workers, struct demand *demand, unsigned *calm)
{
	const struct fb_session_options *options = &workers->session->options;
	struct fb_transport *transport = workers->session->transport;
	unsigned starving;
	struct tick tick;

	FB_SCOPED_LOCK(&workers->lock);
	fb_keeper_reap(workers);
	starving = transport->ops->tick ? transport->ops->tick(transport) : 0;
	reinforce(workers, starving, options->max_workers);
	tick = tick_look(workers);
	*calm = tick.moved ? 0 : *calm + 1;
	if (tick.stuck && !tick.moved && !tick.idle)
		reinforce(workers, options->workers, options->max_workers);
	count_demand(workers, demand, tick.busy);
	if (*calm < CALM_TICKS || starving > 0 || surplus(workers, tick.busy * 100) > 0)
		return true;
	/* With somebody idle, or nobody left to start, the next request can not starve. */
	return tick.idle == 0 && workers->live < options->max_workers && !options->own_threads;
}

/* There is work again. */
static void wake_up(struct fb_workers *workers, struct demand *demand)
{
	FB_SCOPED_LOCK(&workers->lock);
	demand_begin(workers, demand);
}

/* Stop watching, unless a worker took a request just before and so did not see that. */
static void rest(struct fb_workers *workers)
{
	atomic_store(&workers->watching, false);
	FB_SCOPED_LOCK(&workers->lock);
	if (tick_look(workers).moved)
		atomic_store(&workers->watching, true);
}

static bool is_to_end(const struct fb_workers *workers)
{
	return atomic_load(&workers->session->stopping) || atomic_load(&workers->ended);
}

static bool is_shut(const struct fb_workers *workers)
{
	return atomic_load(&workers->shut);
}

/* Look after the workers until it is over. */
static void keep(struct fb_workers *workers, bool (*over)(const struct fb_workers *workers))
{
	struct demand demand = { 0 };
	unsigned calm = 0;

	while (!over(workers)) {
		bool watching = atomic_load(&workers->watching);

		keeper_sleep(workers, watching);
		if (!watching)
			wake_up(workers, &demand);
		else if (!keep_tick(workers, &demand, &calm))
			rest(workers);
	}
}

/*
 * The end of the connection. Unmounting may write back dirty pages, and a notification that is being
 * sent may wait in the client's kernel for an answer: the workers go on meanwhile.
 */
static void *closer_main(void *arg)
{
	struct fb_workers *workers = arg;
	struct fb_session *session = workers->session;

	session->transport->ops->shut(session->transport);
	atomic_store(&workers->shut, true);
	fb_keeper_wake(workers);
	fb_notifier_stop(&session->notifier);
	atomic_store(&workers->closed, true);
	fb_keeper_wake(workers);
	return NULL;
}

/* End the connection while the workers are looked after. */
static void close_connection(struct fb_workers *workers)
{
	pthread_t closer;

	if (fb_thread_start(&closer, closer_main, workers) < 0) {
		closer_main(workers);
		return;
	}
	keep(workers, is_shut);
	while (!atomic_load(&workers->closed)) {
		fb_interrupts_all(workers->session);
		keeper_sleep(workers, true);
	}
	pthread_join(closer, NULL);
}

void *fb_keeper_main(void *arg)
{
	struct fb_workers *workers = arg;

	keep(workers, is_to_end);
	close_connection(workers);
	pthread_mutex_lock(&workers->lock);
	fb_keeper_dismiss(workers);
	pthread_mutex_unlock(&workers->lock);
	fb_session_end_outside(workers->session);

	FB_SCOPED_LOCK(&workers->lock);
	workers->result = atomic_load(&workers->error);
	workers->finished = true;
	pthread_cond_broadcast(&workers->finished_changed);
	return NULL;
}
