/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam between the core and the transports.
 *
 * A transport carries messages: it gives requests to the core and takes answers. It owns channels;
 * a channel is what one worker thread reads from (a cloned descriptor of /dev/fuse, a virtqueue, …)
 * and an answer goes back to the channel that its request came from.
 */
#ifndef FB_CORE_TRANSPORT_H
#define FB_CORE_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct fb_channel;
struct fb_conn;
struct fb_req;
struct fb_transport;

/* An answer: its header and fixed struct, then what was filled into the request's room. */
struct fb_answer {
	const void *head;
	size_t head_size;
	size_t placed;     /* bytes at the start of the room */
	const void *given; /* or at this place, if it is not NULL */
};

struct fb_transport_ops {
	uint64_t features; /* FB_INIT_* that this transport can honour */

	/* Make the channel with this index ready, called before its worker runs. */
	int (*open_channel)(struct fb_transport *transport, unsigned index,
			    struct fb_channel **ret_channel);
	void (*close_channel)(struct fb_channel *channel);
	/*
	 * A greeting is about to be answered with conn: make ready what that takes. Returns the features
	 * that can not be granted after all. NULL: nothing to do.
	 */
	uint64_t (*prepare)(struct fb_transport *transport, const struct fb_conn *conn);
	/*
	 * Wait for a message and put it into req with fb_req_set_message(). Returns 1; 0 at the
	 * end of the connection; -EINTR when woken for nothing; -errno when the channel broke.
	 */
	int (*receive)(struct fb_channel *channel, struct fb_req *req);
	/*
	 * Have receive return -EAGAIN where it would wait. Returns a borrowed descriptor that polls
	 * readable when it would not, or -errno: nothing was changed. NULL: can not.
	 */
	int (*ready_fd)(struct fb_channel *channel);
	/* The channel's worker goes, for a while or for good. NULL: nothing to do. */
	void (*leave)(struct fb_channel *channel);
	/*
	 * Every few milliseconds while workers are in requests, and once after that: let no message
	 * wait for a worker that does not come back soon. Returns how many more workers that takes.
	 * NULL: they wait for nobody.
	 */
	unsigned (*tick)(struct fb_transport *transport);
	/*
	 * Provide memory for up to size bytes that follow head_size bytes of the answer. Returns
	 * the number of pieces, or -errno. The pieces are borrowed and used up by the core.
	 */
	int (*room)(struct fb_req *req, size_t head_size, size_t size, struct iovec **ret_iov);
	/* Send an answer. Returns 0, or -errno when nobody got it (-ENOENT: the caller has gone). */
	int (*send)(struct fb_req *req, const struct fb_answer *answer);
	/* The request ends without an answer (FORGET and its like). NULL: nothing to do. */
	void (*drop)(struct fb_req *req);
	/* Send a notification: one message in pieces. NULL where the client takes none. */
	int (*notify)(struct fb_transport *transport, const struct iovec *iov, int count);
	/* Register a descriptor for kernel passthrough: returns its id (> 0). NULL: can not. */
	int (*backing_open)(struct fb_transport *transport, int fd);
	void (*backing_close)(struct fb_transport *transport, int id);
	/* Bring the connection to its end, so that receive returns 0 everywhere (unmount). */
	void (*shut)(struct fb_transport *transport);
	/* In a forked child: close all that keeps the connection open. NULL: nothing does. */
	void (*after_fork)(struct fb_transport *transport);
	/* Free everything; all channels have been closed. */
	void (*free)(struct fb_transport *transport);
};

struct fb_transport {
	const struct fb_transport_ops *ops;
	struct fb_session *session; /* borrowed: the session owns its transport */
	_Atomic(const char *) name; /* for people */
	uint64_t features_wanted;   /* FB_INIT_* that it wants itself */
	unsigned workers;           /* that it takes at least; 0: any number */
	size_t max_room;            /* bytes; set before the first channel is opened */
	bool default_permissions;   /* the mount checks modes by itself */
	_Atomic bool keeps_workers; /* none can be sent away */
	_Atomic bool offloads;      /* requests queue up behind the worker that has received them */
	_Atomic bool takes_given;   /* an answer's bytes may lie outside of the room */
	bool threads;               /* served by worker threads; else by its own caller */
	bool greets_again;          /* a second INIT starts the session anew (a guest's reboot) */
};

#endif
