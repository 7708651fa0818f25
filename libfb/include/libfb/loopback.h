/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transport in memory: a client in the same process sends FUSE messages and reads the answers.
 *
 * For unit tests of drivers and for fuzzers: needs no kernel, root or mount. Requests are served in
 * the thread that sends them.
 */
#ifndef LIBFB_LOOPBACK_H
#define LIBFB_LOOPBACK_H

#include <libfb/session.h>
#include <libfb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fb_loopback;

/* What the client of a loopback offers; zero means the default. */
struct fb_loopback_options {
	size_t size;
	uint32_t minor;   /* of protocol 7; default: the newest that libfb knows */
	uint64_t offered; /* FB_INIT_*; default: all that a plain Linux mount offers */
	bool no_init;     /* do not greet: the test sends INIT itself */
};

/*
 * Attach a loopback to session and greet it (FUSE_INIT). The session is referenced, options may be
 * NULL. Returns 0 and a loopback; -EBUSY when the session has a transport, -EINVAL (options without
 * size), -ENOMEM, or what the greeting was answered with: then the session can be tried again.
 */
int fb_loopback_new(struct fb_session *session, const struct fb_loopback_options *options,
		    struct fb_loopback **ret_loopback) FB_MUST_CHECK;

/* Say goodbye (the driver's destroy runs) and free; NULL is ignored. */
void fb_loopback_free(struct fb_loopback *loopback);

/*
 * Send one whole message and wait for its answer, served in this thread (an operation that returns
 * FB_PENDING is waited for). answer takes up to size bytes. Returns the length of the answer; 0
 * when the request is one that has none; -ENOBUFS when it did not fit, and is lost; -ENOTCONN after
 * the end; -EMFILE when 1024 threads are sending already; -EINVAL or -ENOMEM. message may be
 * malformed in any way.
 */
ssize_t fb_loopback_send(struct fb_loopback *loopback, const void *message, size_t message_size,
			 void *answer, size_t size) FB_MUST_CHECK;

/*
 * Send without waiting. ret_ticket names the answer for fb_loopback_receive(). Returns 0, or
 * -ENOTCONN, -EMFILE, -EINVAL or -ENOMEM as fb_loopback_send().
 */
int fb_loopback_submit(struct fb_loopback *loopback, const void *message, size_t message_size,
		       uint64_t *ret_ticket) FB_MUST_CHECK;

/*
 * Wait for the answer to a ticket, at most timeout_ms (-1: for ever). Returns its length or 0 as
 * fb_loopback_send(); -ETIMEDOUT; -ENOBUFS when it did not fit, and is lost; -EINVAL for a ticket
 * that was not given out, or whose answer has been received.
 */
ssize_t fb_loopback_receive(struct fb_loopback *loopback, uint64_t ticket, void *answer,
			    size_t size, int timeout_ms) FB_MUST_CHECK;

/*
 * Read the next notification of the session, waiting at most timeout_ms. Returns its length,
 * -ETIMEDOUT, -EINVAL, or -ENOBUFS when it did not fit, and is lost.
 */
ssize_t fb_loopback_notification(struct fb_loopback *loopback, void *message, size_t size,
				 int timeout_ms) FB_MUST_CHECK;

/* Have the next count answers fail with -error on their way, as when a caller has gone (ENOENT). */
void fb_loopback_drop_answers(struct fb_loopback *loopback, unsigned count, int error);

#ifdef __cplusplus
}
#endif

#endif
