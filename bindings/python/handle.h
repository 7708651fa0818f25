/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The object that owns a session: what libfb.Server holds and gives to the functions that SWIG wraps.
 */
#ifndef FBPY_HANDLE_H
#define FBPY_HANDLE_H

#include "fbpy.h"

#ifndef SWIG
struct fbpy_handle {
	PyObject_HEAD struct fbpy_fs *fs; /* NULL: closed */
	struct fb_session *session;
	struct fb_loopback *loopback;
	PyObject *trace;
};

int fbpy_handle_init(PyObject *module);

/* The handle that an object is, open; or NULL with an error set. */
struct fbpy_handle *fbpy_handle_of(PyObject *object);
/* The session of a handle, or NULL with an error set. */
struct fb_session *fbpy_session_of(PyObject *handle);
#endif

/* ---- functions of the module; see libfb/_server.py ---- */

/*
 * session_new(object, server, layer, methods, config, options, source): methods is a dict from names
 * to numbers of arguments; config has entry_timeout, attr_timeout, negative_timeout (s) and
 * bytes_names; options is a session_options; source belongs to layer 2: (directory,
 * passthrough_options).
 */
PyObject *session_new(PyObject *object, PyObject *server, int layer, PyObject *methods,
		      PyObject *config, struct fb_session_options *options, PyObject *source);
/* End the session and drop everything. May be called again. */
PyObject *session_close(PyObject *handle);
/* In a forked child: let go of the connection; the handle is closed, and the parent's is not. */
PyObject *session_forget(PyObject *handle);
/*
 * Serve another object of the same layer from the next call on, or the same one whose class has
 * changed; methods as for session_new(). Those that there were not at first are not called. The old
 * object must live on while handlers may run on it.
 */
PyObject *session_replace(PyObject *handle, PyObject *object, PyObject *methods);
/* The number of the node that the client knows by this object or path; None when it knows none. */
PyObject *session_find(PyObject *handle, PyObject *node);
/* How many objects are held: (nodes, files, directories). */
PyObject *session_held(PyObject *handle);
/* Give each traced line to a callable; None stops it. */
PyObject *session_set_trace(PyObject *handle, PyObject *callable);
/* The figures of each opcode that has been asked for, by its name. */
PyObject *session_statistics(PyObject *handle);
/* What was agreed with the client: a libfb.Conn, zeros before the greeting. */
PyObject *session_agreed(PyObject *handle);

/* Ask for what the client has cached: callable(bytes or None, errno) is called later, in any thread. */
PyObject *session_retrieve(PyObject *handle, unsigned long long node, unsigned long long off,
			   unsigned size, PyObject *callable);
/* Have unused nodes (a sequence of numbers) dropped and forgotten. */
PyObject *session_prune(PyObject *handle, PyObject *nodes);

/* Attach a client in memory and, unless no_init, greet. See fb_loopback_options. */
PyObject *loopback_open(PyObject *handle, unsigned minor, unsigned long long offered, bool no_init);
/* Detach the client: destroy() runs. */
PyObject *loopback_close(PyObject *handle);
/* Send one message, return its answer of at most size bytes: b"" where there is none. */
PyObject *loopback_send(PyObject *handle, PyObject *message, size_t size);
/* Send one message without waiting. Returns a ticket for loopback_receive(). */
PyObject *loopback_submit(PyObject *handle, PyObject *message);
/* Wait for the answer of a ticket for at most timeout_ms (-1: for ever), else TimeoutError. */
PyObject *loopback_receive(PyObject *handle, unsigned long long ticket, size_t size,
			   int timeout_ms);
/* Wait for the next notification, as loopback_receive() does. */
PyObject *loopback_notification(PyObject *handle, size_t size, int timeout_ms);
/* Have the next count answers fail with an errno on their way. */
PyObject *loopback_drop_answers(PyObject *handle, unsigned count, int error);

/* Entry, Opened, FdRange, … as the Python layer defines them. */
PyObject *register_known(PyObject *known);
/* The request that the handler in this thread answers; RuntimeError outside of handlers. */
PyObject *request_current(void);
/* Have what the library says given to a callable(level, text); None stops it. */
PyObject *log_to(PyObject *callable);

#endif
