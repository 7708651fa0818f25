/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/session.h"

#include <assert.h>
#include <errno.h>
#include <libfb/log.h>
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/scope.h"
#include "core/sized.h"
#include "protocol/op_row.h"

#define WORKERS_DEFAULT_MIN 4
#define WORKERS_DEFAULT_MAX 16
#define BLOCKED_WORKERS_MAX 64
#define MAX_WRITE_DEFAULT (1u << 20)
#define MAX_WRITE_LIMIT (256u << 20)
/* A client without FB_INIT_MAX_PAGES reads up to 32 pages at a time. */
#define ROOM_PAGES_MIN 32
#define MAX_PENDING_DEFAULT 4096
#define QUIESCE_MS 1
/* How long requests that the driver holds back may take to end with the session. */
#define DRAIN_MS 5000

/* More than there are processors: one that waits is woken sooner than one that ends its request. */
static uint32_t workers_by_default(void)
{
	long n = 2 * sysconf(_SC_NPROCESSORS_ONLN);

	if (n < WORKERS_DEFAULT_MIN)
		return WORKERS_DEFAULT_MIN;
	return n > WORKERS_DEFAULT_MAX ? WORKERS_DEFAULT_MAX : (uint32_t)n;
}

/* Threads: as many as are kept ready, and at most. */
static int threads_settle(struct fb_session_options *o)
{
	if (o->own_threads) {
		o->workers = o->workers ? o->workers : BLOCKED_WORKERS_MAX;
		o->max_workers = o->workers;
	}
	if (o->max_workers != 0 && o->workers > o->max_workers)
		return fb_fail(EINVAL, "workers (%u) is more than max_workers (%u)", o->workers,
			       o->max_workers);
	if (o->max_workers > FB_CHANNELS_MAX || o->workers > FB_CHANNELS_MAX)
		return fb_fail(EINVAL, "at most %d workers are possible", FB_CHANNELS_MAX);
	if (o->workers == 0)
		o->workers = workers_by_default();
	if (o->max_workers != 0 && o->workers > o->max_workers)
		o->workers = o->max_workers;
	if (o->max_workers == 0)
		o->max_workers = o->workers == 1                  ? 1 :
				 o->workers > BLOCKED_WORKERS_MAX ? o->workers :
								    BLOCKED_WORKERS_MAX;
	return 0;
}

static int options_settle(struct fb_session_options *o, uint32_t page_size)
{
	if (o->want & o->avoid)
		return fb_fail(EINVAL, "want and avoid name the same features");
	if (o->max_write > MAX_WRITE_LIMIT)
		return fb_fail(EINVAL, "max_write is more than %u bytes", MAX_WRITE_LIMIT);
	if (o->max_write == 0)
		o->max_write = MAX_WRITE_DEFAULT;
	/* Linux writes a page of its cache back as a whole (fs/fuse/file.c). */
	if (o->max_write < page_size)
		o->max_write = page_size;
	if (o->max_pending == 0)
		o->max_pending = MAX_PENDING_DEFAULT;
	return threads_settle(o);
}

static void session_init_locks(struct fb_session *session)
{
	pthread_condattr_t monotonic;

	pthread_mutex_init(&session->greet_lock, NULL);
	pthread_mutex_init(&session->phase_lock, NULL);
	pthread_mutex_init(&session->channels_lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&session->phase_changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

int fb_session_new(const struct fb_driver_ops *ops, void *self,
		   const struct fb_session_options *options, struct fb_session **ret_session)
{
	FB_SCOPED_FREE struct fb_session *session = calloc(1, sizeof(*session));
	int r;

	if (!ret_session)
		return fb_fail(EINVAL, "a place for the session is needed");
	if (!session)
		return fb_fail(ENOMEM, "no memory for a session");
	if (!ops || fb_sized_take(&session->ops, sizeof(session->ops), ops, ops->size) < 0)
		return fb_fail(EINVAL, "the operations' size is not set");
	if (options &&
	    fb_sized_take(&session->options, sizeof(session->options), options, options->size) < 0)
		return fb_fail(EINVAL, "the options' size is not set");
	session->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	r = options_settle(&session->options, session->page_size);
	if (r < 0)
		return r;
	session->refs = 1;
	session->self = self;
	session_init_locks(session);
	fb_interrupts_init(&session->interrupts);
	fb_backings_init(&session->backings);
	r = fb_workers_init(&session->workers, session);
	if (r < 0)
		return fb_fail(-r, "no descriptor for a session");
	fb_offload_init(&session->offload, session->options.max_workers);
	fb_notifier_init(&session->notifier, session);
	*ret_session = session;
	session = NULL;
	return 0;
}

struct fb_session *fb_session_ref(struct fb_session *session)
{
	atomic_fetch_add(&session->refs, 1);
	return session;
}

static void channels_close(struct fb_session *session)
{
	unsigned count = atomic_load(&session->channel_count);

	for (unsigned i = count; i > 0; i--)
		session->transport->ops->close_channel(session->channels[i - 1]);
	atomic_store(&session->channel_count, 0);
}

static void session_free(struct fb_session *session)
{
	fb_workers_stop(&session->workers);
	fb_workers_join(&session->workers);
	fb_notifier_stop(&session->notifier);
	fb_session_end_outside(session);
	if (atomic_load(&session->pending) > 0) {
		fb_log(FB_LOG_ERR, "%u requests were never completed: their session is not freed",
		       atomic_load(&session->pending));
		return;
	}
	fb_notifier_fini(&session->notifier);
	fb_offload_fini(&session->offload);
	if (session->transport)
		fb_session_detach(session);
	fb_workers_fini(&session->workers);
	fb_backings_fini(&session->backings);
	fb_interrupts_fini(&session->interrupts);
	pthread_cond_destroy(&session->phase_changed);
	pthread_mutex_destroy(&session->channels_lock);
	pthread_mutex_destroy(&session->phase_lock);
	pthread_mutex_destroy(&session->greet_lock);
	free(session);
}

void fb_session_unref(struct fb_session *session)
{
	if (session && atomic_fetch_sub(&session->refs, 1) == 1)
		session_free(session);
}

int fb_session_attach(struct fb_session *session, struct fb_transport *transport)
{
	FB_SCOPED_LOCK(&session->channels_lock);
	if (session->transport)
		return fb_fail(EBUSY, "the session has a transport already");
	transport->session = session;
	session->transport = transport;
	/* The client that was refused went with its transport; this is another one. */
	if (atomic_load(&session->phase) == FB_PHASE_REFUSED)
		fb_session_set_phase(session, FB_PHASE_NEW);
	return 0;
}

void fb_session_detach(struct fb_session *session)
{
	struct fb_transport *transport = session->transport;

	pthread_mutex_lock(&session->channels_lock);
	channels_close(session);
	session->transport = NULL;
	pthread_mutex_unlock(&session->channels_lock);
	transport->ops->free(transport);
}

int fb_session_open_channel(struct fb_session *session, struct fb_channel **ret_channel)
{
	unsigned index;
	int r;

	FB_SCOPED_LOCK(&session->channels_lock);
	index = atomic_load(&session->channel_count);
	if (index == FB_CHANNELS_MAX)
		return -EMFILE;
	r = session->transport->ops->open_channel(session->transport, index, ret_channel);
	if (r < 0)
		return r;
	session->channels[index] = *ret_channel;
	atomic_store(&session->channel_count, index + 1);
	return 0;
}

size_t fb_session_room(const struct fb_session *session)
{
	size_t page = session->page_size;
	size_t pages = (session->options.max_write + page - 1) / page;

	return page * (pages > ROOM_PAGES_MIN ? pages : ROOM_PAGES_MIN);
}

void fb_session_set_phase(struct fb_session *session, enum fb_phase phase)
{
	FB_SCOPED_LOCK(&session->phase_lock);
	atomic_store(&session->phase, phase);
	pthread_cond_broadcast(&session->phase_changed);
}

/* Let the requests that the driver holds back end: nobody waits for them any more. */
static void drain(struct fb_session *session)
{
	for (int ms = 0; ms < DRAIN_MS && atomic_load(&session->pending) > 0; ms++) {
		fb_interrupts_all(session);
		poll(NULL, 0, 1);
	}
}

/* Wait for the requests that workers are in the middle of; what comes now is refused. */
static void quiesce(struct fb_session *session, const struct fb_channel *own)
{
	unsigned count = atomic_load(&session->channel_count);

	for (unsigned i = 0; i < count; i++) {
		const struct fb_channel *channel = session->channels[i];
		uint64_t begun = atomic_load(&channel->begun);

		while (channel != own && atomic_load(&channel->ended) < begun)
			poll(NULL, 0, QUIESCE_MS);
	}
}

void fb_session_quiesce(struct fb_session *session)
{
	quiesce(session, NULL);
	while (!fb_offload_is_quiet(&session->offload))
		poll(NULL, 0, QUIESCE_MS);
}

void fb_session_end(struct fb_session *session, const struct fb_channel *own)
{
	bool greeted;

	fb_session_set_phase(session, FB_PHASE_ENDED);
	pthread_mutex_lock(&session->phase_lock);
	greeted = session->greeted;
	session->greeted = false;
	pthread_mutex_unlock(&session->phase_lock);
	if (!greeted)
		return;
	fb_interrupts_all(session);
	quiesce(session, own);
	/* Again and again: those that wait for a thread begin only now. */
	while (!fb_offload_is_quiet(&session->offload)) {
		fb_interrupts_all(session);
		poll(NULL, 0, QUIESCE_MS);
	}
	drain(session);
	fb_backings_clear(&session->backings, session->transport);
	if (session->ops.destroy)
		session->ops.destroy(session->self);
}

void fb_session_end_outside(struct fb_session *session)
{
	FB_SCOPED_LOCK(&session->greet_lock);
	fb_session_end(session, NULL);
}

struct fb_decode_rules fb_session_rules(struct fb_session *session)
{
	int phase = atomic_load(&session->phase);

	return (struct fb_decode_rules){
		.minor = atomic_load_explicit(&session->minor, memory_order_relaxed),
		.flags = atomic_load_explicit(&session->granted, memory_order_relaxed),
		.initialized = phase == FB_PHASE_READY,
	};
}

int fb_session_start(struct fb_session *session)
{
	if (!session)
		return fb_fail(EINVAL, "a session is needed");
	if (!session->transport || !session->transport->threads)
		return fb_fail(ENOTCONN, "nothing to serve: mount the session first");
	return fb_workers_start(&session->workers);
}

int fb_session_wait(struct fb_session *session)
{
	if (!session)
		return fb_fail(EINVAL, "a session is needed");
	return fb_workers_join(&session->workers);
}

int fb_session_run(struct fb_session *session)
{
	int r = fb_session_start(session), worked = 0;

	if (r < 0)
		return r;
	if (session->options.own_threads)
		worked = fb_session_work(session);
	/* Enough other threads serve it: -EBUSY. */
	if (worked < 0 && worked != -EBUSY)
		fb_session_stop(session);
	r = fb_session_wait(session);
	return r == 0 && worked != -EBUSY ? worked : r;
}

void fb_session_stop(struct fb_session *session)
{
	fb_workers_stop(&session->workers);
}

/* Other threads are gone, with the locks that they had. */
void fb_session_after_fork(struct fb_session *session)
{
	struct fb_transport *transport = session->transport;

	if (!transport || !transport->ops->after_fork)
		return;
	transport->ops->after_fork(transport);
	fb_workers_after_fork(&session->workers);
}

int fb_session_wait_ready(struct fb_session *session, int timeout_ms)
{
	struct timespec until;
	int r = 0;

	if (!session)
		return fb_fail(EINVAL, "a session is needed");
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (timeout_ms % 1000) * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	FB_SCOPED_LOCK(&session->phase_lock);
	while (atomic_load(&session->phase) == FB_PHASE_NEW && r == 0)
		r = timeout_ms < 0 ?
			    pthread_cond_wait(&session->phase_changed, &session->phase_lock) :
			    pthread_cond_timedwait(&session->phase_changed, &session->phase_lock,
						   &until);
	if (atomic_load(&session->phase) == FB_PHASE_NEW)
		return fb_fail(ETIMEDOUT, "the client has not greeted within %d ms", timeout_ms);
	if (!session->greeted)
		return fb_fail(ECONNREFUSED, "the session ended before it was ready");
	return 0;
}

void fb_session_conn(struct fb_session *session, struct fb_conn *ret_conn)
{
	struct fb_conn conn;

	pthread_mutex_lock(&session->phase_lock);
	conn = session->conn;
	pthread_mutex_unlock(&session->phase_lock);
	conn.size = ret_conn->size;
	fb_sized_give(ret_conn, conn.size, &conn, sizeof(conn));
}

void *fb_session_self(struct fb_session *session)
{
	return session->self;
}

bool fb_session_stats_op(struct fb_session *session, size_t index, struct fb_stats *ret_stats)
{
	unsigned count;

	if (index >= FB_OP_ROW_COUNT)
		return false;
	*ret_stats = (struct fb_stats){ .name = fb_op_row_at((unsigned)index)->name };
	FB_SCOPED_LOCK(&session->channels_lock);
	count = atomic_load(&session->channel_count);
	for (unsigned i = 0; i < count; i++) {
		fb_op_stats_add(&session->channels[i]->stats[index], ret_stats);
		fb_op_stats_add(&session->channels[i]->shared[index], ret_stats);
	}
	return true;
}

/* Requests that the driver holds back: not those that other threads are with. */
static uint32_t held_back(struct fb_session *session)
{
	uint32_t inside = atomic_load(&session->offload.inside);
	uint32_t pending = atomic_load(&session->pending);

	return pending > inside ? pending - inside : 0;
}

void fb_session_stats_all(struct fb_session *session, struct fb_session_stats *ret_stats)
{
	struct fb_session_stats stats = {
		.size = ret_stats->size,
		.malformed = atomic_load(&session->malformed),
		.undelivered = atomic_load(&session->undelivered),
		.interrupts = atomic_load(&session->interrupt_count),
		.pending = held_back(session),
		.transport = session->transport ? atomic_load(&session->transport->name) : NULL,
	};

	fb_notifier_stats(&session->notifier, &stats);
	fb_workers_stats(&session->workers, &stats);
	fb_sized_give(ret_stats, stats.size, &stats, sizeof(stats));
}

void fb_session_trace(struct fb_session *session, fb_trace_fn *trace, void *arg)
{
	atomic_store(&session->trace, NULL);
	atomic_store(&session->trace_arg, arg);
	atomic_store(&session->trace, trace);
}
