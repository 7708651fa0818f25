/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads for requests that take long, where others queue up behind the worker that received them
 * (fb_transport.offloads): it goes on, and such a request is completed as one that the driver held back.
 *
 * What takes long is learned: a channel keeps a running mean for each class of requests. Until some of
 * them have been quick they are believed to take long.
 */
#ifndef FB_CORE_OFFLOAD_H
#define FB_CORE_OFFLOAD_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

struct fb_channel;
struct fb_offload_thread;
struct fb_req;
struct fb_session;

struct fb_offload {
	pthread_mutex_t lock;
	pthread_cond_t changed;       /* there is work, or all is over */
	struct fb_req *first, **last; /* under lock, as all down to stopping */
	unsigned waiting, idle, count, most;
	struct fb_offload_thread *threads;
	bool stopping;
	cpu_set_t anywhere; /* where its threads may run: a worker that starts one may be bound */
	_Atomic unsigned inside; /* requests that wait or are in the driver */
};

void fb_offload_init(struct fb_offload *offload, unsigned most);

/* Whether nobody is inside the driver, and no request waits. */
bool fb_offload_is_quiet(const struct fb_offload *offload);

/* End the threads. */
void fb_offload_fini(struct fb_offload *offload);

/* Make a channel believe that all requests take long. */
void fb_offload_expect(struct fb_channel *channel);

/* Whether requests like this one, which has been decoded, have taken long on its channel. */
bool fb_offload_is_slow(const struct fb_req *req);

/* This request, or one of the same class, has taken ns in the driver. From any thread. */
void fb_offload_learn(struct fb_channel *channel, unsigned class, uint64_t ns);

/* The class of a request: its row, and whether much data comes with it or is asked for. */
unsigned fb_offload_class(const struct fb_req *req);

/*
 * Have another thread serve a request that has been decoded: it counts as pending, and is that thread's
 * from then on. Returns whether one does.
 */
bool fb_offload_push(struct fb_offload *offload, struct fb_req *req);

#endif
