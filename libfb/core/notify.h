/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notifications to the client's kernel: a bounded queue and a thread that empties it.
 *
 * A thread of its own, because the kernel takes locks for a notification that it may hold while it
 * waits for an answer (fs/fuse/notify.c): delivered from an operation it could wait for itself.
 */
#ifndef FB_CORE_NOTIFY_H
#define FB_CORE_NOTIFY_H

#include <libfb/session.h>
#include <pthread.h>

struct fb_notice;
struct fb_req;
struct fb_retrieval;

#define FB_NOTICES_MAX 4096

struct fb_notifier {
	struct fb_session *session;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct fb_notice *first, **last; /* under lock, as all down to stopped */
	size_t waiting;                  /* queued and not delivered yet */
	struct fb_retrieval *retrievals;
	uint64_t next_retrieval;
	bool started, stopped;
	pthread_t thread;
	_Atomic uint64_t delivered, failed;
	_Atomic unsigned unasked; /* for the log */
};

void fb_notifier_init(struct fb_notifier *notifier, struct fb_session *session);
void fb_notifier_fini(struct fb_notifier *notifier);

/* End the thread; what is still queued is dropped, retrievals are answered with -ENOTCONN. */
void fb_notifier_stop(struct fb_notifier *notifier);

/* NOTIFY_REPLY: hand retrieved data to whoever asked for it. */
void fb_notifier_retrieved(struct fb_notifier *notifier, struct fb_req *req);

void fb_notifier_stats(struct fb_notifier *notifier, struct fb_session_stats *ret_stats);

#endif
