/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts: finding the request whose caller was hit by a signal.
 *
 * Requests under way are found by looking through the pools of all channels, so that a request
 * pays one store for it. An INTERRUPT can arrive before its target has got that far: such early
 * ones wait in a small table.
 */
#ifndef FB_CORE_INTERRUPT_H
#define FB_CORE_INTERRUPT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct fb_req;
struct fb_session;

#define FB_INTERRUPTS_EARLY_MAX 64

struct fb_interrupts {
	pthread_mutex_t lock;
	_Atomic unsigned early_count;
	struct {
		uint64_t unique;
		uint64_t since_ns;
	} early[FB_INTERRUPTS_EARLY_MAX];
};

void fb_interrupts_init(struct fb_interrupts *interrupts);
void fb_interrupts_fini(struct fb_interrupts *interrupts);

/* The request is under way from here on: interrupts find it. */
void fb_interrupts_begin(struct fb_session *session, struct fb_req *req);

/*
 * The request is to be answered: nobody finds it from here on, and its wake function is not
 * running any more. Returns the unique to answer with.
 */
uint64_t fb_interrupts_finish(struct fb_session *session, struct fb_req *req);

/* Interrupt the request with this unique, now or when it appears. */
void fb_interrupts_send(struct fb_session *session, uint64_t unique);

/* Interrupt every request under way: the session is ending. */
void fb_interrupts_all(struct fb_session *session);

/*
 * A request was sent again (its unique has the resend bit): if the first copy is still under way,
 * have it answered with the new unique. Returns whether it was.
 */
bool fb_interrupts_adopt(struct fb_session *session, uint64_t unique);

#endif
