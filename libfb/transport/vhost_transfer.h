/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handing the state of the session over: the front end gives a pipe or socket, and a thread writes the
 * state there, or reads one from there. It ends when the connection does, whatever the other end
 * of the pipe does.
 */
#ifndef FB_TRANSPORT_VHOST_TRANSFER_H
#define FB_TRANSPORT_VHOST_TRANSFER_H

#include <libfb/types.h>
#include <pthread.h>
#include <stdbool.h>

struct fb_session;

struct fb_vhost_transfer {
	/* Set by who begins it. */
	struct fb_session *session;
	int socket; /* the connection: its end ends the transfer */
	int fd;     /* the pipe or socket, taken over by fb_vhost_transfer_begin() */
	bool load;  /* else save */

	int cancel_fd;
	pthread_t thread;
	bool begun; /* and nobody has asked yet how it ended */
	bool joined;
	int result; /* of the thread, valid when it is joined */
};

/*
 * Begin. transfer holds what is to be done, its fd is taken, also on failure. Returns 0 or -errno
 * with a sentence; -EBUSY when one is under way already.
 */
int fb_vhost_transfer_begin(struct fb_vhost_transfer *transfer,
			    const struct fb_vhost_transfer *what) FB_MUST_CHECK;

/* Wait for the end. Returns how it went, once; -EINVAL with a sentence when none was begun. */
int fb_vhost_transfer_check(struct fb_vhost_transfer *transfer) FB_MUST_CHECK;

/* Cut the transfer short where it waits for the other end; when this returns it has ended. */
void fb_vhost_transfer_cancel(struct fb_vhost_transfer *transfer);

#endif
