/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of a session: the driver, its transport, and what they share.
 */
#ifndef FB_CORE_SESSION_H
#define FB_CORE_SESSION_H

#include <libfb/session.h>
#include <pthread.h>

#include "core/backing.h"
#include "core/channel.h"
#include "core/interrupt.h"
#include "core/notify.h"
#include "core/offload.h"
#include "core/transport.h"
#include "core/worker.h"
#include "protocol/decode.h"

/*
 * How far a session has come. It only ever grows, except where a client may greet again
 * (fb_transport.greets_again): a new greeting leads from REFUSED or ENDED back to READY; and a new
 * transport leads from REFUSED back to NEW.
 */
enum fb_phase {
	FB_PHASE_NEW,     /* not greeted yet */
	FB_PHASE_READY,   /* INIT has been answered */
	FB_PHASE_REFUSED, /* INIT was answered with an error */
	FB_PHASE_ENDED,
};

/* Channels that one session may have. */
#define FB_CHANNELS_MAX 1024

struct fb_session {
	_Atomic unsigned refs;
	struct fb_driver_ops ops;
	void *self;
	struct fb_session_options options;
	uint32_t page_size; /* of this machine */
	struct fb_transport *transport;

	/* The greeting. Workers read these without a lock: written before phase says READY. */
	pthread_mutex_t greet_lock; /* held while a greeting or goodbye is under way */
	pthread_mutex_t phase_lock;
	pthread_cond_t phase_changed;
	_Atomic int phase;
	_Atomic uint32_t minor;
	_Atomic uint64_t granted; /* FB_INIT_* */
	_Atomic uint32_t max_write;
	struct fb_conn conn; /* under phase_lock */
	bool greeted;        /* the driver's init has run and its destroy has not; phase_lock */

	/* Channels by index; only ever appended to, until the transport goes. */
	pthread_mutex_t channels_lock;
	_Atomic unsigned channel_count;
	struct fb_channel *channels[FB_CHANNELS_MAX];

	struct fb_workers workers;
	struct fb_offload offload;
	struct fb_interrupts interrupts;
	struct fb_notifier notifier;
	struct fb_backings backings;

	_Atomic uint64_t malformed, undelivered, interrupt_count;
	_Atomic unsigned refused_greetings; /* for the log */
	_Atomic uint32_t pending;
	_Atomic bool stopping;
	_Atomic(fb_trace_fn *) trace;
	_Atomic(void *) trace_arg;
};

/*
 * Give the session its transport, which belongs to it from then on. Returns 0, or -EBUSY when it
 * has one.
 */
int fb_session_attach(struct fb_session *session, struct fb_transport *transport);

/*
 * Take the transport away and free it with its channels: when the session goes, or before it has
 * been ready; then it can get another one. Nothing is being served.
 */
void fb_session_detach(struct fb_session *session);

/* Open the next channel of the session's transport. Returns 0 and the channel, or -errno. */
int fb_session_open_channel(struct fb_session *session, struct fb_channel **ret_channel);

/*
 * Bytes of data in one request at most, for transports whose client sets no limit of its own: whole
 * pages, as many as a write may have or a client without FB_INIT_MAX_PAGES reads.
 */
size_t fb_session_room(const struct fb_session *session);

/* Move to a phase and wake who waits for it. */
void fb_session_set_phase(struct fb_session *session, enum fb_phase phase);

/*
 * End the session with its client: later requests get errors, those that other workers are in the
 * middle of are waited for, and the driver's destroy runs if its init did. own is the channel whose
 * worker calls this, NULL for others. The second time it does nothing. Call with greet_lock held.
 */
void fb_session_end(struct fb_session *session, const struct fb_channel *own);

/* Wait for the requests that workers are in the middle of. Not for a worker to call. */
void fb_session_quiesce(struct fb_session *session);

/* The same as fb_session_end() from outside of the workers: takes greet_lock. */
void fb_session_end_outside(struct fb_session *session);

/* The rules that a message just received must keep. */
struct fb_decode_rules fb_session_rules(struct fb_session *session);

#endif
