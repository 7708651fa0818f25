/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The threads of a session: workers, each with a channel of its own, and one keeper.
 *
 * A worker reads a message, serves it, reads the next. There are options.workers of them; while all
 * wait inside the driver the keeper starts more, up to options.max_workers, and sends them away when
 * they are not needed any more. It also brings the session to its end. With options.own_threads the
 * workers are threads of the program (own_threads.c), which come and go as they like.
 * Workers share no lock and write no shared memory on the way of a request.
 */
#ifndef FB_CORE_WORKER_H
#define FB_CORE_WORKER_H

#include <libfb/session.h>
#include <pthread.h>

struct fb_channel;

/* A thread and its channel. */
struct fb_worker {
	struct fb_worker *next;
	struct fb_workers *workers;
	struct fb_channel *channel;
	pthread_t thread;
	_Atomic pid_t tid;
	bool running;        /* under lock: a thread owns the channel */
	bool own;            /* the thread is the program's: nobody joins it */
	bool ready;          /* it serves an event loop: left, while it is with other things */
	uint64_t begun_seen; /* keeper only: channel->begun at the last tick */
	_Atomic bool leave;
	bool left; /* under left_lock: the thread uses nothing of the session any more */
};

struct fb_workers {
	struct fb_session *session;
	pthread_mutex_t lock;
	pthread_cond_t finished_changed;
	struct fb_worker *list; /* under lock, as all down to ready_fd */
	bool started, finished;
	int result;
	int ready_fd;                      /* for an event loop, or -1 */
	int over_fd;                       /* eventfd: nothing is served any more; or -1 */
	_Atomic(struct fb_worker *) ready; /* of the event loop */
	pthread_mutex_t left_lock;         /* innermost */
	_Atomic unsigned live, peak;
	pthread_t keeper;
	int wake_fd;           /* eventfd: the keeper sleeps on it */
	_Atomic bool watching; /* the keeper looks every few milliseconds */
	_Atomic bool leave;    /* workers are to return */
	_Atomic bool ended;    /* a worker saw the end of the connection */
	_Atomic bool shut;     /* the transport has brought the connection to its end */
	_Atomic bool closed;   /* and the notifier has stopped */
	_Atomic int error;     /* the first receive error, or 0 */
};

int fb_workers_init(struct fb_workers *workers, struct fb_session *session);
void fb_workers_fini(struct fb_workers *workers);

/* Start one more worker; called with the lock held. Returns 0 or -errno. */
int fb_worker_start(struct fb_workers *workers);

/* Have one more worker, without a thread; called with the lock held. Returns 0 or -errno. */
int fb_worker_take(struct fb_workers *workers, struct fb_worker **ret_worker);

/* It has one now: other threads look after it. With the lock held. */
void fb_worker_begun(struct fb_worker *worker);

/* Whether a worker is to return. */
bool fb_worker_must_leave(struct fb_worker *worker);

/* Serve until the end. Returns how the connection ended, or 1 when sent away. */
int fb_worker_serve(struct fb_worker *worker);

/* Serve one request if there is any. Returns what fb_channel_receive() returned. */
int fb_worker_serve_one(struct fb_worker *worker);

/* Say how it ended (1: it has not), as the last that the worker's thread does with the session. */
void fb_worker_leave(struct fb_worker *worker, int r);

/* Start the threads of the library. Returns 0 or -errno; then none runs. */
int fb_workers_start(struct fb_workers *workers);

/* Ask the threads to end. Safe in a signal handler. */
void fb_workers_stop(struct fb_workers *workers);

/* Wait for the end of all threads. Returns how the session ended. */
int fb_workers_join(struct fb_workers *workers);

/*
 * Have workers that wait for a message look up, so that receive returns -EINTR. Best done again and
 * again until it has shown: a signal between two steps of theirs is lost, and another thread may be at
 * the list.
 */
void fb_workers_wake(struct fb_workers *workers);

/* In a forked child: its workers end, and wake nobody in the parent. */
void fb_workers_after_fork(struct fb_workers *workers);

void fb_workers_stats(struct fb_workers *workers, struct fb_session_stats *ret_stats);

#endif
