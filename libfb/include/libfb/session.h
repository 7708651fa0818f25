/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sessions: one driver served to one client.
 *
 * Make a session, mount it (fb_mount() in dev_fuse.h), run it. A test attaches a loopback instead
 * (fb_loopback_new() in loopback.h): then messages are served as they are sent, and nothing is run.
 */
#ifndef LIBFB_SESSION_H
#define LIBFB_SESSION_H

#include <libfb/driver.h>
#include <libfb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero means the default everywhere. Set size to sizeof(struct fb_session_options). */
struct fb_session_options {
	size_t size;
	/* Threads kept ready for requests. Default: two a processor, 4 to 16. */
	uint32_t workers;
	/*
	 * Threads at most: more are started while all others wait inside the driver, so that
	 * blocking operations do not starve the rest. Default: the larger of workers and 64, but
	 * workers = 1 stays 1, so that a driver need not be thread-safe.
	 */
	uint32_t max_workers;
	/* Bytes in one write at most, from a page up. Default 1 MiB; the kernel may force less. */
	uint32_t max_write;
	/* Requests that the driver may hold back with FB_PENDING. Default 4096. */
	uint32_t max_pending;
	/* Background requests that the client may have under way. Default: the client's. */
	uint16_t max_background;
	/* Seconds after which the kernel ends the whole session for one late answer. Default: never. */
	uint16_t request_timeout_s;
	/*
	 * Refuse everything that would change the file system with EROFS. Of ioctls, those that
	 * Linux defines for files; a driver's own are for the driver to refuse.
	 */
	bool read_only;
	/* Features to grant or to withhold whatever the driver says (FB_INIT_*). */
	uint64_t want, avoid;
	/*
	 * Serve in threads of the program: those that are in fb_session_work() or
	 * fb_session_work_ready(). The library starts none for requests. workers is then how many
	 * there may be at once (default 64), max_workers is ignored.
	 */
	bool own_threads;
};

/*
 * Make a session. ops is copied, self is borrowed until the session is gone, options may be NULL.
 * Returns 0 and a session with one reference; -EINVAL (ops or options without size, contradicting
 * or too large options), -ENOMEM, or -EMFILE when no descriptor is left.
 */
int fb_session_new(const struct fb_driver_ops *ops, void *self,
		   const struct fb_session_options *options,
		   struct fb_session **ret_session) FB_MUST_CHECK;

/* Take one more reference. Returns session. */
struct fb_session *fb_session_ref(struct fb_session *session);

/*
 * Drop a reference; NULL is ignored. The last one stops the session, detaches its transport and
 * frees it.
 */
void fb_session_unref(struct fb_session *session);

/*
 * Serve until the client is gone or fb_session_stop() is called; then let the requests under way
 * end, unmount and return. With own_threads this thread is one of those that serve. Returns 0 for a clean end, what went wrong, or the errors of
 * fb_session_start().
 */
int fb_session_run(struct fb_session *session) FB_MUST_CHECK;

/*
 * Begin to serve in threads of the library and return. fb_session_wait() waits for the end. With
 * own_threads nothing is served until a thread of the program does it. Returns 0; -ENOTCONN when the
 * session is not mounted, or has a loopback; -EALREADY when it has been started before; -ENOMEM, or
 * -EAGAIN when no thread can be started.
 */
int fb_session_start(struct fb_session *session) FB_MUST_CHECK;

/*
 * Wait for the end of a session that was started. Returns 0 for a clean end, what went wrong, or
 * -ENOTCONN when it was not started.
 */
int fb_session_wait(struct fb_session *session) FB_MUST_CHECK;

/* Ask the session to end. Returns at once; safe from any thread and in a signal handler. */
void fb_session_stop(struct fb_session *session);

/*
 * With own_threads: serve requests in this thread until the session ends. Any number of threads up to
 * options.workers may do so; each keeps a reference to the session, and takes the signal
 * fb_wake_signal() meanwhile even if it blocks it otherwise. Other signals do not end it: their
 * handlers call fb_session_stop(). When all threads have left, fb_session_wait() says how it ended.
 *
 * In them, and in those that call fb_req_complete(), the driver's operations run; but destroy, save
 * and load run in a thread of the library.
 *
 * Returns 0 when the session has ended or was stopped, or what went wrong; -EINVAL without
 * own_threads; -ENOTCONN before fb_session_start(); -EBUSY when options.workers threads are in it;
 * -EDEADLK inside an operation; -ENOMEM.
 */
int fb_session_work(struct fb_session *session) FB_MUST_CHECK;

/*
 * With own_threads: return a descriptor that polls readable when there is something to do for
 * fb_session_work_ready(), for an event loop. There is one, whose thread counts as one of
 * options.workers. It is borrowed, and stays open until the session is gone; only watch it: what can
 * be read from it means nothing. Returns 0 and the descriptor; -EINVAL without own_threads; -ENOTCONN
 * before fb_session_start() and after the end; -EBUSY when options.workers threads are serving;
 * -EDEADLK inside an operation; -EOPNOTSUPP where the transport can not; -ENOMEM, or another -errno
 * where no descriptor can be had.
 */
int fb_session_ready_fd(struct fb_session *session, int *ret_fd) FB_MUST_CHECK;

/*
 * Serve what is there without waiting for more: at most `most` requests (0: 64), so that a turn of
 * the loop stays short; the descriptor stays readable while there is more. After fb_session_stop() go
 * on until it returns -ENOTCONN: unmounting may write back what the client has cached. Then take the
 * descriptor out of the loop and complete what is held back; fb_session_wait() says how it ended. To be
 * called by one thread at a time.
 *
 * Returns how many requests were served; 0 when there were none; -ENOTCONN when the session has
 * ended; -EINVAL before fb_session_ready_fd(); -EBUSY when another thread is in it; -EDEADLK inside
 * an operation; or what went wrong, which ends the session.
 */
int fb_session_work_ready(struct fb_session *session, unsigned most) FB_MUST_CHECK;

/*
 * Wait until the client has been greeted (FUSE_INIT answered) for at most timeout_ms, -1 for ever.
 * Returns 0, -ETIMEDOUT, or -ECONNREFUSED when the greeting failed or the session ended first.
 */
int fb_session_wait_ready(struct fb_session *session, int timeout_ms) FB_MUST_CHECK;

/*
 * Stop the session on SIGINT, SIGTERM and SIGHUP (those with their default action only) and ignore
 * SIGPIPE, for programs that serve one file system. session NULL restores the actions before.
 * Returns 0 or -EBUSY when another session has them.
 */
int fb_session_stop_on_signals(struct fb_session *session) FB_MUST_CHECK;

/*
 * The signal that libfb uses to wake a thread out of a system call (a real-time signal whose
 * handler does nothing; it is installed when the first session starts). Drivers may use it with
 * pthread_kill() from fb_req_on_interrupt(), as workers never block it.
 */
int fb_wake_signal(void);

/*
 * In a child that was forked while the session was served: close the child's copies of the descriptors
 * that keep the connection open. Otherwise a mount whose server dies waits for the child instead of
 * failing (ENOTCONN), and a machine monitor is not told either. The child must not use the session in
 * any other way, not even drop references; the parent's goes on undisturbed. Async-signal-safe. A
 * session with a loopback is the child's own and needs none of this.
 */
void fb_session_after_fork(struct fb_session *session);

/* Copy what was agreed with the client: zeros before it was greeted. Set ret_conn->size first. */
void fb_session_conn(struct fb_session *session, struct fb_conn *ret_conn);

/* Return the driver of a session, as given to fb_session_new(). */
void *fb_session_self(struct fb_session *session);

/*
 * Notifications to the client's kernel. Each is put into a queue and delivered by a thread of the
 * session, so that they are safe inside operations too. Returns 0 when queued, -EOPNOTSUPP where
 * the transport or the protocol version can not, -ENOBUFS when 4096 are waiting, -EINVAL, -ENOMEM,
 * -EAGAIN when no thread can be started, or -ENOTCONN before the greeting and after the end.
 */

/* Wake those who poll the handle kh (see fb_driver_ops.poll). Source: fs/fuse/file.c. */
int fb_notify_poll(struct fb_session *session, uint64_t kh) FB_MUST_CHECK;

/*
 * Forget what the client has cached of a node: attributes, and the data from off on for len bytes
 * (0: to the end). off < 0: only attributes and ACLs.
 */
int fb_notify_inval_node(struct fb_session *session, uint64_t node, int64_t off,
			 int64_t len) FB_MUST_CHECK;

/* Forget a name; with expire_only just look again at its next use. name is copied. */
int fb_notify_inval_entry(struct fb_session *session, uint64_t parent, const char *name,
			  bool expire_only) FB_MUST_CHECK;

/* A name was removed outside of the client: as inval_entry, and watchers see a deletion. */
int fb_notify_delete(struct fb_session *session, uint64_t parent, uint64_t child,
		     const char *name) FB_MUST_CHECK;

/* Put data into the client's page cache. data is copied; at most max_write bytes. */
int fb_notify_store(struct fb_session *session, uint64_t node, uint64_t off, const void *data,
		    size_t size) FB_MUST_CHECK;

/*
 * Ask for what the client's page cache holds of a node. done(arg, node, off, from, result) is
 * called once from any thread: result is the number of bytes in from, or -errno. arg is borrowed
 * until then.
 */
int fb_notify_retrieve(struct fb_session *session, uint64_t node, uint64_t off, uint32_t size,
		       void (*done)(void *arg, uint64_t node, uint64_t off, struct fb_source *from,
				    int result),
		       void *arg) FB_MUST_CHECK;

/* Have all unanswered requests sent again (7.40). */
int fb_notify_resend(struct fb_session *session) FB_MUST_CHECK;

/* Make every cached name and directory stale (7.44). */
int fb_notify_inc_epoch(struct fb_session *session) FB_MUST_CHECK;

/* Have unused inodes dropped and forgotten (7.45). nodes are copied. */
int fb_notify_prune(struct fb_session *session, const uint64_t *nodes, size_t count) FB_MUST_CHECK;

/*
 * Wait until all queued notifications have been delivered. Returns 0, or -EDEADLK inside an
 * operation, as the kernel may wait for its answer first, and inside done of fb_notify_retrieve().
 * For the same reason not to be called in the only thread that serves (own_threads).
 */
int fb_notify_flush(struct fb_session *session) FB_MUST_CHECK;

/* Upper bounds of the latency histogram's buckets are 2^n microseconds, n = 0 to 23; then more. */
#define FB_STATS_BUCKETS 25

/* One opcode's figures since the session was made. */
struct fb_stats {
	const char *name; /* of the opcode, such as "LOOKUP" */
	uint64_t requests, errors;
	uint64_t bytes_in, bytes_out;
	uint64_t latency_ns; /* sum over all requests */
	uint64_t buckets[FB_STATS_BUCKETS];
};

/* Figures of the session as a whole. */
struct fb_session_stats {
	size_t size;
	uint64_t malformed;     /* requests that broke the protocol */
	uint64_t undelivered;   /* answers whose caller had gone */
	uint64_t interrupts;    /* INTERRUPT requests */
	uint64_t notifications; /* delivered */
	uint64_t notification_errors;
	uint32_t workers, workers_peak; /* threads */
	uint32_t pending;               /* requests held back by the driver just now */
	const char *transport; /* "/dev/fuse", "io_uring", "virtio-fs", "loopback"; static */
};

/*
 * Read the figures of the opcode with this index, 0 upwards. Returns true, or false when there is
 * no such index.
 */
bool fb_session_stats_op(struct fb_session *session, size_t index, struct fb_stats *ret_stats);

/* Read the figures of the session. Set ret_stats->size first. */
void fb_session_stats_all(struct fb_session *session, struct fb_session_stats *ret_stats);

/* What a traced request looks like; text is one line, borrowed for the call. */
typedef void fb_trace_fn(void *arg, const char *text);

/*
 * Have each request and its answer described to trace, from any thread (NULL: stop). For people:
 * the form of the lines may change. arg is borrowed.
 */
void fb_session_trace(struct fb_session *session, fb_trace_fn *trace, void *arg);

#ifdef __cplusplus
}
#endif

#endif
