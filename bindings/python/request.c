/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The type Request: who asks, and the means to answer later.
 */
#include "fbpy.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

PyTypeObject *fbpy_request_type;

static struct fbpy_request *of(PyObject *self)
{
	return (struct fbpy_request *)self;
}

PyObject *fbpy_request_make(struct fbpy_call *call)
{
	struct fbpy_request *self;

	if (call->request)
		return Py_NewRef(call->request);
	if (!call->req) {
		PyErr_SetString(PyExc_RuntimeError, "this operation has no request");
		return NULL;
	}
	self = (struct fbpy_request *)fbpy_request_type->tp_alloc(fbpy_request_type, 0);
	if (!self)
		return NULL;
	self->call = *call;
	self->call.outer = NULL;
	call->request = Py_NewRef((PyObject *)self);
	return (PyObject *)self;
}

void fbpy_request_drop(struct fbpy_call *call, int r)
{
	if (!call->request)
		return;
	if (r != FB_PENDING)
		of(call->request)->call.req = NULL;
	Py_CLEAR(call->request);
}

/* The request that the object still stands for, or NULL with an error set. */
static struct fb_req *live(PyObject *self)
{
	struct fb_req *req = of(self)->call.req;

	if (!req)
		PyErr_SetString(PyExc_RuntimeError, "the request has been answered");
	return req;
}

/* ---- answering ---------------------------------------------------------------------------------- */

/* Complete the request with r. The object stands for nothing any more. */
static void complete(struct fbpy_request *self, int r)
{
	struct fb_req *req = self->call.req;
	int done;

	self->call.req = NULL;
	self->taken = false;
	Py_BEGIN_ALLOW_THREADS done = fb_req_complete(req, r);
	Py_END_ALLOW_THREADS(void)
		done; /* each request comes here once; a second time is refused before */
}

static bool may_answer(struct fbpy_request *self)
{
	if (!live((PyObject *)self))
		return false;
	if (!self->taken)
		PyErr_SetString(PyExc_RuntimeError,
				"the request was not taken: its handler answers it by returning");
	return self->taken;
}

static PyObject *request_reply(PyObject *self, PyObject *value)
{
	struct fbpy_call call = of(self)->call;

	if (!may_answer(of(self)))
		return NULL;
	/* Nobody else can answer while the result is taken apart, which may run Python code. */
	of(self)->taken = false;
	complete(of(self), fbpy_absent(&call, call.finish(&call, value)));
	Py_RETURN_NONE;
}

static void set_errno(long number)
{
	PyObject *args = Py_BuildValue("(ls)", number, "");

	if (args)
		PyErr_SetObject(PyExc_OSError, args);
	Py_XDECREF(args);
}

static PyObject *request_fail(PyObject *self, PyObject *error)
{
	long number;
	int r;

	if (!may_answer(of(self)))
		return NULL;
	if (PyExceptionInstance_Check(error)) {
		PyErr_SetObject((PyObject *)Py_TYPE(error), error);
	} else if (PyExceptionClass_Check(error)) {
		PyErr_SetNone(error);
	} else {
		number = PyLong_AsLong(error);
		if (number == -1 && PyErr_Occurred())
			return NULL;
		set_errno(number);
	}
	of(self)->taken = false;
	r = fbpy_error(of(self)->call.fs, of(self)->call.op);
	complete(of(self), fbpy_absent(&of(self)->call, r));
	Py_RETURN_NONE;
}

static PyObject *request_take(PyObject *self, PyObject *unused)
{
	(void)unused;
	if (!live(self))
		return NULL;
	if (of(self)->taken) {
		PyErr_SetString(PyExc_RuntimeError, "the request was taken before");
		return NULL;
	}
	of(self)->taken = true;
	return Py_NewRef(self);
}

/* Nobody can answer it any more. */
static void abandon(struct fbpy_request *self)
{
	PyObject *type, *value, *trace;

	PyErr_Fetch(&type, &value, &trace);
	if (PyErr_WarnFormat(PyExc_ResourceWarning, 1,
			     "a request (%U) was taken and dropped without an answer: EIO",
			     self->call.fs->methods[self->call.op].name) < 0)
		PyErr_WriteUnraisable(NULL);
	complete(self, -EIO);
	PyErr_Restore(type, value, trace);
}

static void request_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	if (of(self)->call.req && of(self)->taken)
		abandon(of(self));
	type->tp_free(self);
	Py_DECREF(type);
}

/* ---- interruption --------------------------------------------------------------------------------- */

/* Runs in any thread, without the GIL: the event loop looks which request it was. */
static void wake(struct fb_req *req, void *arg)
{
	const uint64_t one = 1;

	(void)req;
	if (write((int)(intptr_t)arg, &one, sizeof(one)) < 0)
		return; /* the counter is full: the loop is woken anyway */
}

static PyObject *request_wake(PyObject *self, PyObject *fd)
{
	struct fb_req *req = live(self);
	long number = PyLong_AsLong(fd);

	if (!req || (number == -1 && PyErr_Occurred()))
		return NULL;
	fb_req_on_interrupt(req, wake, (void *)(intptr_t)number);
	Py_RETURN_NONE;
}

/* ---- who asks --------------------------------------------------------------------------------------- */

static PyObject *groups(const struct fb_caller *caller)
{
	PyObject *tuple = PyTuple_New((Py_ssize_t)caller->group_count);

	for (uint32_t i = 0; tuple && i < caller->group_count; i++) {
		PyObject *group = PyLong_FromUnsignedLong(caller->groups[i]);

		if (!group)
			Py_CLEAR(tuple);
		else
			PyTuple_SET_ITEM(tuple, i, group);
	}
	return tuple;
}

static PyObject *labels(const struct fb_req *req)
{
	PyObject *list = PyList_New(0);
	struct fb_label label;

	for (size_t i = 0; list && fb_req_label(req, i, &label); i++) {
		PyObject *one =
			Py_BuildValue("(sy#)", label.name, label.value, (Py_ssize_t)label.size);

		if (!one || PyList_Append(list, one) < 0)
			Py_CLEAR(list);
		Py_XDECREF(one);
	}
	return list;
}

/* Whether set-id bits are to go: of a write, or of an open that truncates (FB_INIT_HANDLE_KILLPRIV_V2). */
static bool kills(const struct fbpy_call *call, const struct fb_req *req)
{
	if (call->op == FBPY_OP_write)
		return fb_req_io(req)->flags & FB_WRITE_KILL_SUIDGID;
	return call->open_flags & FB_OPEN_KILL_SUIDGID;
}

enum part { UID, GID, PID, UMASK, GROUPS, LABELS, INTERRUPTED, OPEN_FLAGS, LOCK_OWNER, KILLS };

static PyObject *request_get(PyObject *self, void *part)
{
	const struct fb_req *req = live(self);
	const struct fb_caller *caller;

	if (!req)
		return NULL;
	caller = fb_req_caller(req);
	switch ((enum part)(intptr_t)part) {
	case UID:
		return PyLong_FromUnsignedLong(caller->uid);
	case GID:
		return PyLong_FromUnsignedLong(caller->gid);
	case PID:
		return PyLong_FromUnsignedLong(caller->pid);
	case UMASK:
		return PyLong_FromUnsignedLong(caller->umask);
	case GROUPS:
		return groups(caller);
	case LABELS:
		return labels(req);
	case INTERRUPTED:
		return PyBool_FromLong(fb_req_interrupted(req));
	case OPEN_FLAGS:
		return PyLong_FromUnsignedLong(fb_req_io(req)->open_flags);
	case LOCK_OWNER:
		return PyLong_FromUnsignedLongLong(fb_req_io(req)->lock_owner);
	case KILLS:
		return PyBool_FromLong(kills(&of(self)->call, req));
	}
	Py_UNREACHABLE();
}

static PyObject *request_op(PyObject *self, void *unused)
{
	(void)unused;
	return live(self) ? Py_NewRef(of(self)->call.fs->methods[of(self)->call.op].name) : NULL;
}

static PyObject *request_alive(PyObject *self, void *unused)
{
	(void)unused;
	return PyBool_FromLong(of(self)->call.req != NULL);
}

#define PART(name, part, doc)                                                                      \
	{                                                                                          \
		name, request_get, NULL, doc, (void *)(intptr_t)part                               \
	}

static PyGetSetDef request_getset[] = {
	PART("uid", UID, "user id of the caller, as the file system sees it"),
	PART("gid", GID, "group id of the caller"),
	PART("pid", PID, "process id; 0: not known here, or a guest's"),
	PART("umask", UMASK, "umask of a caller that makes a file"),
	PART("groups", GROUPS, "tuple of supplementary group ids, as far as sent"),
	PART("labels", LABELS, "list of (xattr name, bytes): security contexts of a new file"),
	PART("interrupted", INTERRUPTED, "True when the caller would take EINTR for an answer"),
	PART("open_flags", OPEN_FLAGS, "read and write: O_* of the open file as it is now"),
	PART("lock_owner", LOCK_OWNER, "read and write: who holds the file's locks"),
	PART("kill_suidgid", KILLS, "write, open, create: set-id bits are to be cleared"),
	{ "op", request_op, NULL, "name of the operation", NULL },
	{ "alive", request_alive, NULL, "False once the request has been answered", NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyMethodDef request_methods[] = {
	{ "take", request_take, METH_NOARGS,
	  "take($self)\n--\n\nKeep the request: the handler returns libfb.PENDING, and reply()\n"
	  "or fail() answers later, from any thread. Dropped without an answer: EIO." },
	{ "reply", request_reply, METH_O,
	  "reply($self, result, /)\n--\n\nAnswer with what the handler could have returned.\n"
	  "Raises RuntimeError when the request has been answered or was not taken." },
	{ "fail", request_fail, METH_O,
	  "fail($self, error, /)\n--\n\nAnswer with an errno, or an exception as a handler\n"
	  "raises it. Raises RuntimeError as reply() does." },
	{ "_wake", request_wake, METH_O,
	  "_wake($self, fd, /)\n--\n\nHave an eventfd written to when the caller is interrupted." },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot request_slots[] = {
	{ Py_tp_dealloc, request_dealloc },
	{ Py_tp_getset, request_getset },
	{ Py_tp_methods, request_methods },
	{ Py_tp_doc,
	  "Who asks, and the means to answer later. Valid until the request is answered;\n"
	  "RuntimeError afterwards." },
	{ 0, NULL },
};

static PyType_Spec request_spec = {
	.name = "libfb.Request",
	.basicsize = sizeof(struct fbpy_request),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = request_slots,
};

int fbpy_request_init(PyObject *module)
{
	fbpy_request_type = (PyTypeObject *)PyType_FromSpec(&request_spec);
	if (!fbpy_request_type)
		return -1;
	return PyModule_AddObjectRef(module, "Request", (PyObject *)fbpy_request_type);
}
