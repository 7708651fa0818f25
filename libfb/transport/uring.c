/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/log.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/keeper.h"
#include "core/scope.h"
#include "core/session.h"
#include "core/trace.h"
#include "transport/dev_fuse.h"
#include "transport/fuse_channel.h"
#include "transport/fuse_fd.h"
#include "transport/uring_kick.h"
#include "transport/uring_plan.h"
#include "transport/uring_ring.h"

#define PARAMETER "/sys/module/fuse/parameters/enable_uring"
/* Pause between two attempts to get the workers out of read(2). */
#define SWITCH_STEP_MS 1

enum state {
	STATE_OFF,
	STATE_PREPARED,  /* there are rings; the greeting has not been answered */
	STATE_SWITCHING, /* workers start their rings */
	STATE_ON,
};

struct fb_uring {
	bool alone; /* one worker does everything */
	_Atomic int state;
	_Atomic unsigned started, failed; /* rings, since the switch began */
	_Atomic int error;                /* why the first of them failed */
	struct fb_uring_plan plan;
};

/* ---- the plan --------------------------------------------------------------------------------- */

static int check_enabled(void)
{
	FB_SCOPED_FD fd = open(PARAMETER, O_RDONLY | O_CLOEXEC);
	char value = 0;

	if (fd < 0 || read(fd, &value, 1) != 1)
		return fb_fail(EOPNOTSUPP,
			       "this kernel has no FUSE over io_uring (Linux 6.14 has)");
	if (value != 'Y')
		return fb_fail(EOPNOTSUPP,
			       "FUSE over io_uring is off: root can write 1 to " PARAMETER);
	return 0;
}

/* The workers with slots that are wanted and possible; the first worker has none. */
static void plan(struct fb_uring *uring, const struct fb_session_options *options,
		 const struct fb_cpu_list *possible, const struct fb_cpu_list *online)
{
	unsigned most = options->max_workers;

	uring->alone = most == 1;
	fb_uring_plan_make(&uring->plan, possible, online, uring->alone ? 1 : most - 1);
}

int fb_uring_new(const struct fb_session *session, struct fb_uring **ret_uring)
{
	FB_SCOPED_FREE struct fb_uring *uring = calloc(1, sizeof(*uring));
	FB_SCOPED_FREE struct fb_cpu_list *lists = calloc(2, sizeof(*lists));
	int r = check_enabled();

	if (r < 0)
		return r;
	/* Threads of the program come when they like; the queues must be served from the beginning. */
	if (session->options.own_threads && session->options.workers > 1)
		return fb_fail(EOPNOTSUPP, "the program's threads can serve io_uring only where "
					   "there is one of them");
	if (!uring || !lists)
		return fb_fail(ENOMEM, "no memory for a plan");
	r = fb_cpu_list_read("possible", &lists[0]);
	if (r == 0)
		r = fb_cpu_list_read("online", &lists[1]);
	if (r < 0)
		return fb_fail(-r, "the processors are not known: %s", strerror(-r));
	plan(uring, &session->options, &lists[0], &lists[1]);
	*ret_uring = uring;
	uring = NULL;
	return 0;
}

void fb_uring_free(struct fb_uring *uring)
{
	free(uring);
}

unsigned fb_uring_workers(const struct fb_uring *uring)
{
	return uring->alone ? 1 : uring->plan.workers + 1;
}

/* ---- before the greeting is answered ------------------------------------------------------------ */

/* The worker of a channel among those with slots, or -1: it reads /dev/fuse. */
static int worker_of(const struct fb_uring *uring, const struct fb_fuse_channel *channel)
{
	return (int)channel->channel.index - (uring->alone ? 0 : 1);
}

/* Make the ring of a channel for these queues. Returns 0 or -errno. */
static int make_ring(struct fb_dev_fuse *fuse, struct fb_fuse_channel *channel,
		     const uint16_t *qids, unsigned count)
{
	int read_fd = -1, r;

	if (fuse->uring->alone) {
		read_fd = fb_fuse_fd_ready(fuse->mount.fd, false);
		if (read_fd == fuse->mount.fd)
			read_fd = fcntl(read_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (read_fd < 0)
			return read_fd;
	}
	r = fb_uring_ring_new(&fuse->mount, fuse->sizes.room, qids, count, read_fd, &channel->ring);
	if (r < 0 && read_fd >= 0)
		close(read_fd);
	return r;
}

static int make_planned_ring(struct fb_dev_fuse *fuse, struct fb_fuse_channel *channel,
			     uint16_t *qids)
{
	int worker = worker_of(fuse->uring, channel);

	if (worker < 0 || (unsigned)worker >= fuse->uring->plan.workers)
		return 0;
	return make_ring(fuse, channel, qids,
			 fb_uring_plan_queues(&fuse->uring->plan, (unsigned)worker, qids));
}

static void free_rings(struct fb_dev_fuse *fuse)
{
	for (struct fb_fuse_channel *c = fuse->channels; c; c = c->next) {
		if (c->ring)
			fb_uring_ring_free(c->ring);
		c->ring = NULL;
	}
}

/* Make all rings. Returns 0, or -errno: then there are none. */
static int make_rings(struct fb_dev_fuse *fuse)
{
	FB_SCOPED_FREE uint16_t *qids =
		calloc(fuse->uring->plan.queue_count, sizeof(*fuse->uring->plan.qids));
	int r = qids ? 0 : -ENOMEM;

	FB_SCOPED_LOCK(&fuse->lock);
	for (struct fb_fuse_channel *c = fuse->channels; c && r == 0; c = c->next)
		r = c->no_wait ? -EOPNOTSUPP : make_planned_ring(fuse, c, qids);
	if (r < 0)
		free_rings(fuse);
	return r;
}

static bool must_leave(const struct fb_dev_fuse *fuse)
{
	const struct fb_session *session = fuse->transport.session;

	return atomic_load(&session->stopping) || atomic_load(&session->workers.leave);
}

/* The greeting may come while the workers are being started. Returns whether all are there. */
static bool wait_for_workers(const struct fb_dev_fuse *fuse)
{
	const struct fb_session *session = fuse->transport.session;

	while (atomic_load(&session->channel_count) < fb_uring_workers(fuse->uring)) {
		if (must_leave(fuse))
			return false;
		poll(NULL, 0, SWITCH_STEP_MS);
	}
	return true;
}

uint64_t fb_uring_prepare(struct fb_transport *transport, const struct fb_conn *conn)
{
	struct fb_dev_fuse *fuse = fb_dev_fuse_of(transport);
	int r = -ECANCELED;

	if (!(conn->wanted & FB_INIT_OVER_IO_URING))
		return 0;
	if (!fuse->uring)
		return FB_INIT_OVER_IO_URING;
	if (wait_for_workers(fuse))
		r = make_rings(fuse);
	if (r < 0) {
		/* An event loop is no news. */
		fb_log(r == -EOPNOTSUPP ? FB_LOG_DEBUG : FB_LOG_WARNING,
		       "no io_uring, requests come through /dev/fuse: %s",
		       r == -EOPNOTSUPP ? "an event loop serves them" : strerror(-r));
		return FB_INIT_OVER_IO_URING;
	}
	/* Answers are put where the kernel looks for them; a ring has one thread for ever. */
	transport->takes_given = false;
	transport->keeps_workers = true;
	atomic_store(&fuse->uring->state, STATE_PREPARED);
	return 0;
}

/* ---- the change ------------------------------------------------------------------------------- */

/* Start the ring of a worker, which calls this. */
static void start_ring(struct fb_dev_fuse *fuse, struct fb_fuse_channel *channel)
{
	struct fb_uring *uring = fuse->uring;
	int r = fb_uring_ring_start(channel->ring), none = 0;

	if (r == 0) {
		if (channel->ring->read_fd >= 0)
			channel->fd = channel->ring->read_fd;
		if (!fuse->transport.session->options.own_threads &&
		    channel->ring->queue_count == 1)
			fb_uring_home_begin(&channel->ring->home, channel->ring->queues[0].qid);
		if (atomic_load(&uring->state) == STATE_ON)
			fb_uring_kick(fuse, channel->ring->queues[0].qid);
		atomic_fetch_add(&uring->started, 1);
		return;
	}
	channel->off_ring = true;
	atomic_compare_exchange_strong(&uring->error, &none, r);
	atomic_fetch_add(&uring->failed, 1);
}

static void wake_rings(struct fb_dev_fuse *fuse)
{
	FB_SCOPED_LOCK(&fuse->lock);
	for (struct fb_fuse_channel *c = fuse->channels; c; c = c->next)
		if (c->ring)
			fb_uring_ring_wake(c->ring);
}

/* Not all rings could be started: back to /dev/fuse, where the kernel goes when it refuses one. */
static void go_back(struct fb_dev_fuse *fuse)
{
	int error = atomic_load(&fuse->uring->error), r = fb_uring_refuse(&fuse->mount);

	fuse->transport.keeps_workers = false;
	atomic_store(&fuse->uring->state, STATE_OFF);
	wake_rings(fuse);
	/* Where it has been unmounted meanwhile no requests come at all. */
	fb_log(error == -ENOTCONN ? FB_LOG_DEBUG : FB_LOG_WARNING,
	       "no io_uring, requests come through /dev/fuse: %s", strerror(-error));
	if (r < 0 && r != -ENOTCONN)
		fb_log(FB_LOG_ERR, "the kernel waits for io_uring: %s", strerror(-r));
}

static void go_on(struct fb_dev_fuse *fuse)
{
	fuse->transport.offloads = !fuse->uring->alone;
	fuse->transport.name = "io_uring";
	atomic_store(&fuse->uring->state, STATE_ON);
	fb_log(FB_LOG_DEBUG, "requests come over io_uring: %u queues, %u workers",
	       fuse->uring->plan.queue_count, fuse->uring->plan.workers);
	fb_trace_say(fuse->transport.session, "requests come over io_uring");
}

void fb_uring_switch(struct fb_dev_fuse *fuse, struct fb_fuse_channel *own)
{
	struct fb_uring *uring = fuse->uring;
	unsigned planned = uring ? uring->plan.workers : 0;

	if (!uring || atomic_load(&uring->state) != STATE_PREPARED)
		return;
	atomic_store(&uring->state, STATE_SWITCHING);
	if (own->ring)
		start_ring(fuse, own);
	while (atomic_load(&uring->started) + atomic_load(&uring->failed) < planned &&
	       !must_leave(fuse)) {
		fb_workers_wake(&fuse->transport.session->workers);
		poll(NULL, 0, SWITCH_STEP_MS);
	}
	if (atomic_load(&uring->failed) > 0)
		go_back(fuse);
	else
		go_on(fuse);
}

bool fb_uring_is_used(struct fb_dev_fuse *fuse, struct fb_fuse_channel *channel)
{
	/* Before that another thread makes the rings. */
	if (!fuse->uring ||
	    atomic_load_explicit(&fuse->uring->state, memory_order_acquire) < STATE_SWITCHING ||
	    !channel->ring || channel->off_ring)
		return false;
	if (!channel->ring->started)
		start_ring(fuse, channel);
	return !channel->off_ring;
}

/* ---- while they are used ------------------------------------------------------------------------ */

/*
 * Whether the channel's worker has been in one request since the last tick. One that yields may stand in line: it is
 * not to yield any more, and looked at once more.
 */
static bool is_stuck(const struct fb_fuse_channel *channel)
{
	uint64_t ended = atomic_load(&channel->channel.ended);
	uint64_t begun = atomic_load(&channel->channel.begun);

	return begun != ended && begun == channel->begun_seen && !channel->thread.yields;
}

/* Workers of a queue that are not stuck. */
static unsigned free_workers(const struct fb_dev_fuse *fuse, uint16_t qid)
{
	unsigned count = 0;

	for (const struct fb_fuse_channel *c = fuse->channels; c; c = c->next)
		if (c->ring && !c->off_ring && fb_uring_ring_serves(c->ring, qid) && !is_stuck(c))
			count++;
	return count;
}

bool fb_uring_is_on(const struct fb_dev_fuse *fuse)
{
	return fuse->uring && atomic_load(&fuse->uring->state) == STATE_ON;
}

unsigned fb_uring_starving(const struct fb_dev_fuse *fuse)
{
	unsigned starving = 0;

	if (!fb_uring_is_on(fuse))
		return 0;
	for (unsigned i = 0; i < fuse->uring->plan.queue_count; i++)
		starving += free_workers(fuse, fuse->uring->plan.qids[i]) == 0;
	return starving;
}

/* The queue that needs one more worker most. */
static uint16_t neediest(const struct fb_dev_fuse *fuse)
{
	const struct fb_uring_plan *queues = &fuse->uring->plan;
	unsigned least = UINT_MAX;
	uint16_t qid = queues->qids[0];

	for (unsigned i = 0; i < queues->queue_count; i++) {
		unsigned count = free_workers(fuse, queues->qids[i]);

		if (count < least)
			qid = queues->qids[i];
		least = count < least ? count : least;
	}
	return qid;
}

int fb_uring_add_channel(struct fb_dev_fuse *fuse, struct fb_fuse_channel *channel)
{
	uint16_t qid;

	if (!fuse->uring || fuse->uring->alone || atomic_load(&fuse->uring->state) != STATE_ON)
		return 0;
	qid = neediest(fuse);
	return make_ring(fuse, channel, &qid, 1);
}
