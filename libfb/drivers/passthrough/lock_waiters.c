/* SPDX-License-Identifier: BSD-3-Clause */
#include "lock_waiters.h"

#include "handle_table.h"
#include "inode.h"
#include "state.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <time.h>

/* How long to leave a lock of the host's programs alone between two tries. */
#define DELAY_MIN_NS UINT64_C(1000000)
#define DELAY_MAX_NS UINT64_C(64000000)
#define SECOND_NS UINT64_C(1000000000)

struct fb_lock_wait {
	struct fb_lock_wait *next;
	struct fb_passthrough *fs;
	struct fb_req *req;
	struct fb_lock_wait_for what;
	_Atomic bool interrupted;
	bool reached, followed; /* by the search for deadlocks */
	uint64_t due_ns, delay_ns;
	int result;
};

/*
 * Only the thread takes waits out of the list, others append; so the thread may keep a place in it
 * while it lets go of the lock.
 */
struct fb_lock_waiters {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct fb_lock_wait *first, **end;
	_Atomic unsigned count;
	bool kicked, stopping, running;
	pthread_t thread;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

struct fb_lock_waiters *fb_lock_waiters_new(void)
{
	struct fb_lock_waiters *waiters = calloc(1, sizeof(*waiters));
	pthread_condattr_t attr;

	if (!waiters)
		return NULL;
	waiters->end = &waiters->first;
	pthread_mutex_init(&waiters->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&waiters->changed, &attr);
	pthread_condattr_destroy(&attr);
	return waiters;
}

void fb_lock_waiters_free(struct fb_lock_waiters *waiters)
{
	if (!waiters)
		return;
	fb_lock_waiters_stop(waiters);
	pthread_cond_destroy(&waiters->changed);
	pthread_mutex_destroy(&waiters->lock);
	free(waiters);
}

int fb_lock_waiters_try(struct fb_passthrough *fs, const struct fb_lock_wait_for *what)
{
	if (what->flock == 0)
		return fb_lock_owners_set(fs, what->inode, &what->request);
	if (!fb_handle_is_open(what->request.handle))
		return -EBADF;
	if (flock(what->request.handle->fd, what->flock | LOCK_NB) < 0)
		return -errno;
	atomic_store(&what->request.handle->flocked, what->flock != LOCK_UN);
	return 0;
}

static void wait_free(struct fb_lock_wait *wait)
{
	fb_inode_put(wait->fs, wait->what.inode);
	fb_handle_put(wait->fs, wait->what.request.handle);
	free(wait);
}

/* Answer those in the list, with no lock held: completing takes the interrupt lock. */
static void finish(struct fb_lock_wait *done)
{
	while (done) {
		struct fb_lock_wait *wait = done;

		done = wait->next;
		fb_req_on_interrupt(wait->req, NULL, NULL);
		if (fb_req_complete(wait->req, wait->result) < 0)
			fb_log(FB_LOG_ERR, "a lock request was answered twice");
		wait_free(wait);
	}
}

/* Try one wait without the lock. Returns whether it has come to an end. */
static bool try_one(struct fb_lock_waiters *waiters, struct fb_lock_wait *wait)
{
	wait->result = -EINTR;
	if (waiters->stopping || atomic_load(&wait->interrupted))
		return true;
	pthread_mutex_unlock(&waiters->lock);
	wait->result = fb_lock_waiters_try(wait->fs, &wait->what);
	pthread_mutex_lock(&waiters->lock);
	if (wait->result != -EAGAIN)
		return true;
	wait->due_ns = now_ns() + wait->delay_ns;
	wait->delay_ns = wait->delay_ns < DELAY_MAX_NS ? wait->delay_ns * 2 : DELAY_MAX_NS;
	return false;
}

static void take_out(struct fb_lock_waiters *waiters, struct fb_lock_wait **at)
{
	struct fb_lock_wait *wait = *at;

	*at = wait->next;
	if (waiters->end == &wait->next)
		waiters->end = at;
	atomic_fetch_sub(&waiters->count, 1);
}

/* Try all waits that are due, first come first served. Returns when to come again. */
static uint64_t try_all(struct fb_lock_waiters *waiters, bool all, struct fb_lock_wait **ret_done)
{
	struct fb_lock_wait **at = &waiters->first, *done = NULL;
	uint64_t next_ns = UINT64_MAX, now = now_ns();

	while (*at) {
		struct fb_lock_wait *wait = *at;
		bool try = all || wait->due_ns <= now || atomic_load(&wait->interrupted);

		if (try && try_one(waiters, wait)) {
			take_out(waiters, at);
			wait->next = done;
			done = wait;
			continue;
		}
		if (wait->due_ns < next_ns)
			next_ns = wait->due_ns;
		at = &wait->next;
	}
	*ret_done = done;
	return next_ns;
}

static void sleep_until(struct fb_lock_waiters *waiters, uint64_t until_ns)
{
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / SECOND_NS),
		.tv_nsec = (long)(until_ns % SECOND_NS),
	};

	if (waiters->kicked || waiters->stopping)
		return;
	if (until_ns == UINT64_MAX)
		pthread_cond_wait(&waiters->changed, &waiters->lock);
	else
		pthread_cond_timedwait(&waiters->changed, &waiters->lock, &until);
}

static void *serve(void *arg)
{
	struct fb_lock_waiters *waiters = arg;
	struct fb_lock_wait *done;
	uint64_t next_ns;
	bool all;

	pthread_mutex_lock(&waiters->lock);
	while (!waiters->stopping || waiters->first) {
		all = waiters->kicked || waiters->stopping;
		waiters->kicked = false;
		next_ns = try_all(waiters, all, &done);
		if (done) {
			pthread_mutex_unlock(&waiters->lock);
			finish(done);
			pthread_mutex_lock(&waiters->lock);
			continue;
		}
		sleep_until(waiters, next_ns);
	}
	pthread_mutex_unlock(&waiters->lock);
	return NULL;
}

/* Workers may yield (fb_mount_options.yields) and be bound to a processor; this thread is like the program's first. */
static void unlike_worker(pthread_attr_t *attr)
{
	cpu_set_t ours, where;

	if (sched_getaffinity(0, sizeof(ours), &ours) == 0 &&
	    sched_getaffinity(getpid(), sizeof(where), &where) == 0 && !CPU_EQUAL(&ours, &where))
		pthread_attr_setaffinity_np(attr, sizeof(where), &where);
	if (syscall(SYS_sched_getscheduler, 0) == (SCHED_IDLE | SCHED_RESET_ON_FORK))
		pthread_attr_setinheritsched(attr, PTHREAD_EXPLICIT_SCHED);
}

/* Start the thread if need be, deaf to the program's signals; called with the lock held. */
static int start(struct fb_lock_waiters *waiters)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int error;

	if (waiters->running)
		return 0;
	pthread_attr_init(&attr);
	unlike_worker(&attr);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&waiters->thread, &attr, serve, waiters);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	waiters->running = error == 0;
	return -error;
}

void fb_lock_waiters_stop(struct fb_lock_waiters *waiters)
{
	bool running;

	pthread_mutex_lock(&waiters->lock);
	running = waiters->running;
	waiters->stopping = true;
	pthread_cond_signal(&waiters->changed);
	pthread_mutex_unlock(&waiters->lock);
	if (running)
		pthread_join(waiters->thread, NULL);
	assert(!waiters->first);
	waiters->running = false;
	waiters->stopping = false;
}

void fb_lock_waiters_kick(struct fb_lock_waiters *waiters)
{
	if (atomic_load(&waiters->count) == 0)
		return;
	pthread_mutex_lock(&waiters->lock);
	waiters->kicked = true;
	pthread_cond_signal(&waiters->changed);
	pthread_mutex_unlock(&waiters->lock);
}

static void interrupt(struct fb_req *req, void *arg)
{
	struct fb_lock_wait *wait = arg;

	(void)req;
	atomic_store(&wait->interrupted, true);
	fb_lock_waiters_kick(wait->fs->handles->waiters);
}

/* Whether the owner of blocker holds what wait waits for. */
static bool blocks(const struct fb_lock_wait *blocker, const struct fb_lock_wait *wait)
{
	return blocker->what.flock == 0 && wait->what.flock == 0 &&
	       blocker->what.request.owner != wait->what.request.owner &&
	       fb_lock_owners_blocks(wait->what.inode, blocker->what.request.owner,
				     &wait->what.request.lock);
}

/* Mark the waits whose owners hold what wait waits for. Returns whether there were new ones. */
static bool reach(struct fb_lock_waiters *waiters, const struct fb_lock_wait *wait)
{
	bool more = false;

	for (struct fb_lock_wait *other = waiters->first; other; other = other->next) {
		if (other->reached || !blocks(other, wait))
			continue;
		other->reached = true;
		more = true;
	}
	return more;
}

/*
 * Follow who waits for whom from a new wait: when one that it depends on waits for it, none of them
 * would ever go on. Called with the lock held.
 */
static bool would_deadlock(struct fb_lock_waiters *waiters, const struct fb_lock_wait *wait)
{
	bool more;

	for (struct fb_lock_wait *other = waiters->first; other; other = other->next)
		other->reached = other->followed = false;
	more = reach(waiters, wait);
	while (more) {
		more = false;
		for (struct fb_lock_wait *w = waiters->first; w; w = w->next) {
			if (!w->reached || w->followed)
				continue;
			if (blocks(wait, w))
				return true;
			w->followed = true;
			more |= reach(waiters, w);
		}
	}
	return false;
}

/* Append the wait. Returns 0 or -errno; then it is the caller's still. */
static int append(struct fb_lock_waiters *waiters, struct fb_lock_wait *wait)
{
	int result = start(waiters);

	if (result < 0)
		return result;
	if (atomic_load(&waiters->count) >= FB_LOCK_WAITERS_MAX)
		return -ENOLCK;
	if (wait->what.flock == 0 && would_deadlock(waiters, wait))
		return -EDEADLK;
	*waiters->end = wait;
	waiters->end = &wait->next;
	atomic_fetch_add(&waiters->count, 1);
	/* The lock may have been dropped since it was tried: try again at once. */
	waiters->kicked = true;
	pthread_cond_signal(&waiters->changed);
	return 0;
}

int fb_lock_waiters_add(struct fb_passthrough *fs, struct fb_req *req,
			const struct fb_lock_wait_for *what)
{
	struct fb_lock_waiters *waiters = fs->handles->waiters;
	struct fb_lock_wait *wait = calloc(1, sizeof(*wait));
	int result;

	if (!wait)
		return -ENOMEM;
	wait->fs = fs;
	wait->req = req;
	wait->what = *what;
	wait->delay_ns = DELAY_MIN_NS;
	fb_inode_ref(what->inode);
	if (what->request.handle)
		fb_handle_ref(what->request.handle);
	/* Before the thread sees it: afterwards the request may be gone. */
	fb_req_on_interrupt(req, interrupt, wait);
	pthread_mutex_lock(&waiters->lock);
	result = append(waiters, wait);
	pthread_mutex_unlock(&waiters->lock);
	if (result == 0)
		return FB_PENDING;
	fb_req_on_interrupt(req, NULL, NULL);
	wait_free(wait);
	return result;
}
