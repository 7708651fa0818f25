/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What SWIG makes of libfb's installed headers: constants, option structs and the functions of
 * sessions, with the headers' own comments as docstrings. What is called for every request (attributes,
 * requests, the operations) is written by hand beside this file.
 */
%define MODULE_DOC
"What SWIG makes of libfb's C headers, under the same names without fb_ and FB_.

Functions raise OSError where those in C return -errno, and return what C puts into a ret_…; a
session is the handle that session_new() makes. Option structs are made with their size set.
"
%enddef
%module(package="libfb", docstring=MODULE_DOC) _swig

%{
#include "fbpy.h"
#include "handle.h"
#include "super.h"
%}

/* Each with its arguments and its comment in the header: docstrings.py writes docs.i. */
%feature("autodoc", "0");
%include "docs.i"

/* ---- names: fb_session_stop() is session_stop(), FB_RENAME_EXCHANGE is RENAME_EXCHANGE ---- */

%rename("%(strip:[fb_])s", regextarget=1) "^fb_";
%rename("%(strip:[FB_])s", regextarget=1) "^FB_";
%rename(fail_) fb_fail;

/* ---- the headers' own macros, as SWIG needs them ---- */

%define UINT64_C(c) c ## ULL %enddef
%define UINT32_C(c) c ## U %enddef
#define __attribute__(x)
%ignore FB_DRIVER_OPS;
%ignore FB_PATH_OPS;

/* ---- values ---- */

%include "stdint.i"
typedef unsigned int gid_t;
%typemap(in) uint64_t, size_t {
	$1 = PyLong_AsUnsignedLongLong($input);
	if ($1 == (unsigned long long)-1 && PyErr_Occurred())
		SWIG_fail;
}
%typemap(in) int64_t {
	$1 = PyLong_AsLongLong($input);
	if ($1 == -1 && PyErr_Occurred())
		SWIG_fail;
}
%typemap(out) uint64_t, size_t { $result = PyLong_FromUnsignedLongLong($1); }

/* A session is the handle that owns it. */
%typemap(in) struct fb_session *session {
	$1 = fbpy_session_of($input);
	if (!$1)
		SWIG_fail;
}
%typemap(in, numinputs=0) int *ret_fd (int fd) { $1 = &fd; }
%typemap(argout) int *ret_fd { $result = PyLong_FromLong(*$1); }
/* Bytes that are only looked at; held until the call is over. */
%typemap(in) (const void *data, size_t size) (Py_buffer view = { 0 }) {
	if (PyObject_GetBuffer($input, &view, PyBUF_SIMPLE) < 0)
		SWIG_fail;
	$1 = view.buf;
	$2 = (size_t)view.len;
}
%typemap(freearg) (const void *data, size_t size) {
	if (view$argnum.obj)
		PyBuffer_Release(&view$argnum);
}
/* Names with bytes that are not UTF-8, too. */
%typemap(in) const char *name (PyObject *hold = NULL) {
	if (!PyUnicode_FSConverter($input, &hold))
		SWIG_fail;
	$1 = PyBytes_AS_STRING(hold);
}
%typemap(freearg) const char *name {
	Py_XDECREF(hold$argnum);
}
%apply const char *name { const char *mountpoint, const char *path };

/* ---- errors: OSError with libfb's sentence ---- */

%define %fb_plain(function)
%exception function {
	$action
	if (result < 0) {
		fbpy_raise((int)result);
		SWIG_fail;
	}
}
%enddef

/* What can wait, or reach a driver: without the GIL. The session lives on until it returns. */
%define %fb_blocking(function)
%exception function {
	Py_BEGIN_ALLOW_THREADS
	$action
	Py_END_ALLOW_THREADS
	if (result < 0) {
		fbpy_raise((int)result);
		SWIG_fail;
	}
}
%enddef
%define %fb_session_blocking(function)
%exception function {
	fb_session_ref(arg1);
	Py_BEGIN_ALLOW_THREADS
	$action
	Py_END_ALLOW_THREADS
	Py_BEGIN_ALLOW_THREADS
	fb_session_unref(arg1);
	Py_END_ALLOW_THREADS
	if (result < 0) {
		fbpy_raise((int)result);
		SWIG_fail;
	}
}
%enddef

%fb_blocking(fb_mount)
%fb_blocking(fb_unmount)
%fb_blocking(fb_virtio_fs_attach)
%fb_plain(fb_virtio_fs_listen)
%fb_blocking(fb_virtio_fs_accept)
%fb_blocking(fb_session_start)
%fb_session_blocking(fb_session_work)
%fb_session_blocking(fb_session_work_ready)
%fb_session_blocking(fb_session_wait)
%fb_session_blocking(fb_session_wait_ready)
%fb_plain(fb_session_ready_fd)
%fb_plain(fb_notify_poll)
%fb_plain(fb_notify_inval_node)
%fb_plain(fb_notify_inval_entry)
%fb_plain(fb_notify_delete)
%fb_plain(fb_notify_store)
%fb_plain(fb_notify_resend)
%fb_plain(fb_notify_inc_epoch)
%fb_session_blocking(fb_notify_flush)

/* ---- structs: options are made with their size; those of the hot path are not wrapped ---- */

/* Strings in them are copied, and freed with the struct. */
%typemap(memberin) const char * {
	free((char *)(uintptr_t)$1);
	$1 = $input ? strdup($input) : NULL;
}
%define %fb_sized(name, FREE)
%ignore name::size;
%extend name {
	name()
	{
		struct name *made = calloc(1, sizeof(*made));

		if (made)
			made->size = sizeof(*made);
		return made;
	}
	~name()
	{
		FREE
		free($self);
	}
}
%enddef
#define FREE_STRING(field) free((char *)(uintptr_t)$self->field);
%fb_sized(fb_session_options, )
%fb_sized(fb_session_stats, )
%immutable fb_session_stats::transport; /* static: not ours to free */
%fb_sized(fb_mount_options, FREE_STRING(source) FREE_STRING(subtype) FREE_STRING(options))
%fb_sized(fb_virtio_fs_options, FREE_STRING(tag))
%fb_sized(fb_passthrough_options, FREE_STRING(xattr_map))
/* Lists of strings: by _passthrough_options() of libfb/_server.py, once that needs them. */
%ignore fb_passthrough_options::translate_uid;
%ignore fb_passthrough_options::translate_gid;
%extend fb_passthrough_options {
	/* Where the struct lies, for session_new(). */
	PyObject *pointer()
	{
		return PyLong_FromVoidPtr($self);
	}
}

%ignore fb_driver_ops;
%ignore fb_path_ops;
%ignore fb_caller;
%ignore fb_label;
%ignore fb_release;
%ignore fb_mapping_range;
%ignore fb_mapping;
%ignore fb_entry;
%ignore fb_attr;
%ignore fb_attr_reply;
%ignore fb_open;
%ignore fb_statfs;
%ignore fb_lock;
%ignore fb_statx;
%ignore fb_setattr;
%ignore fb_io;
%ignore fb_ioctl;
%ignore fb_dirent;
%ignore fb_time;
%ignore fb_stats;
%ignore fb_conn;
%ignore fb_path_options;
%ignore fb_loopback_options;
%ignore fb_session_options::size;

/* ---- functions that are for drivers, or need more than SWIG knows ---- */

%rename("$ignore", regextarget=1) "^fb_req_";
%rename("$ignore", regextarget=1) "^fb_sink_";
%rename("$ignore", regextarget=1) "^fb_source_";
%rename("$ignore", regextarget=1) "^fb_dirsink_";
%rename("$ignore", regextarget=1) "^fb_listing_";
%rename("$ignore", regextarget=1) "^fb_loopback_";
%rename("$ignore", regextarget=1) "^fb_path_";
%ignore fb_state_put;
%ignore fb_session_new;
%ignore fb_session_ref;
%ignore fb_session_unref;
%ignore fb_session_after_fork;
%ignore fb_session_run;
%ignore fb_session_self;
%ignore fb_session_conn;
%ignore fb_session_trace;
%ignore fb_session_stats_op;
%ignore fb_session_stop_on_signals;
%ignore fb_passthrough_new;
%ignore fb_passthrough_free;
%ignore fb_passthrough_ops;
%ignore fb_passthrough_check;
%ignore fb_notify_retrieve;
%ignore fb_notify_prune;
%ignore fb_log;
%ignore fb_log_set;
%ignore fb_fail;

%include <libfb/types.h>
%include <libfb/driver.h>
%include <libfb/session.h>
%include <libfb/dev_fuse.h>
%include <libfb/virtio_fs.h>
%include <libfb/passthrough.h>
%include <libfb/log.h>

/* ---- by hand ---- */

%exception;
%rename("%s") "";
%include "handle.h"
%include "super.h"

%init %{
#if SWIG_VERSION < 0x040400
	/*
	 * The object for global variables, which there are none of: SWIG would make it, and its type,
	 * when the interpreter ends. Such types come with a warning in SWIG 4.3, which may be an
	 * error by then, and then it would crash. Here warnings are off.
	 */
	if (!SWIG_globals())
		return NULL;
#endif
	if (fbpy_attr_init(m) < 0 || fbpy_request_init(m) < 0 || fbpy_handle_init(m) < 0)
		return NULL;
%}
