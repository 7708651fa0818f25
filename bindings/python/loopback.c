/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A session's loopback: messages from Python, answered in the same thread.
 */
#include "handle.h"

static struct fb_loopback *loopback_of(PyObject *handle)
{
	struct fbpy_handle *self = fbpy_handle_of(handle);

	if (self && !self->loopback)
		PyErr_SetString(PyExc_RuntimeError, "the loopback is not open");
	return self ? self->loopback : NULL;
}

PyObject *loopback_open(PyObject *handle, unsigned minor, unsigned long long offered, bool no_init)
{
	const struct fb_loopback_options options = {
		.size = sizeof(options), .minor = minor, .offered = offered, .no_init = no_init
	};
	struct fbpy_handle *self = fbpy_handle_of(handle);
	int r;

	if (!self)
		return NULL;
	Py_BEGIN_ALLOW_THREADS r = fb_loopback_new(self->session, &options, &self->loopback);
	Py_END_ALLOW_THREADS if (r < 0) return fbpy_raise(r);
	Py_RETURN_NONE;
}

PyObject *loopback_close(PyObject *handle)
{
	struct fb_loopback *loopback = loopback_of(handle);

	if (!loopback)
		return NULL;
	((struct fbpy_handle *)handle)->loopback = NULL;
	Py_BEGIN_ALLOW_THREADS fb_loopback_free(loopback);
	Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

/* The answer in bytes of its own length, from memory of size bytes. */
static PyObject *answer_of(PyObject *memory, ssize_t n)
{
	if (n < 0) {
		Py_DECREF(memory);
		return fbpy_raise((int)n);
	}
	_PyBytes_Resize(&memory, n);
	return memory;
}

PyObject *loopback_send(PyObject *handle, PyObject *message, size_t size)
{
	struct fb_loopback *loopback = loopback_of(handle);
	PyObject *memory;
	Py_buffer view;
	ssize_t n;

	if (!loopback || PyObject_GetBuffer(message, &view, PyBUF_SIMPLE) < 0)
		return NULL;
	memory = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
	if (!memory) {
		PyBuffer_Release(&view);
		return NULL;
	}
	Py_BEGIN_ALLOW_THREADS n = fb_loopback_send(loopback, view.buf, (size_t)view.len,
						    PyBytes_AS_STRING(memory), size);
	Py_END_ALLOW_THREADS PyBuffer_Release(&view);
	return answer_of(memory, n);
}

PyObject *loopback_submit(PyObject *handle, PyObject *message)
{
	struct fb_loopback *loopback = loopback_of(handle);
	uint64_t ticket = 0;
	Py_buffer view;
	int r;

	if (!loopback || PyObject_GetBuffer(message, &view, PyBUF_SIMPLE) < 0)
		return NULL;
	Py_BEGIN_ALLOW_THREADS r =
		fb_loopback_submit(loopback, view.buf, (size_t)view.len, &ticket);
	Py_END_ALLOW_THREADS PyBuffer_Release(&view);
	return r < 0 ? fbpy_raise(r) : PyLong_FromUnsignedLongLong(ticket);
}

PyObject *loopback_receive(PyObject *handle, unsigned long long ticket, size_t size, int timeout_ms)
{
	struct fb_loopback *loopback = loopback_of(handle);
	PyObject *memory = loopback ? PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size) : NULL;
	ssize_t n;

	if (!memory)
		return NULL;
	Py_BEGIN_ALLOW_THREADS n =
		fb_loopback_receive(loopback, ticket, PyBytes_AS_STRING(memory), size, timeout_ms);
	Py_END_ALLOW_THREADS return answer_of(memory, n);
}

PyObject *loopback_notification(PyObject *handle, size_t size, int timeout_ms)
{
	struct fb_loopback *loopback = loopback_of(handle);
	PyObject *memory = loopback ? PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size) : NULL;
	ssize_t n;

	if (!memory)
		return NULL;
	Py_BEGIN_ALLOW_THREADS n =
		fb_loopback_notification(loopback, PyBytes_AS_STRING(memory), size, timeout_ms);
	Py_END_ALLOW_THREADS return answer_of(memory, n);
}

PyObject *loopback_drop_answers(PyObject *handle, unsigned count, int error)
{
	struct fb_loopback *loopback = loopback_of(handle);

	if (!loopback)
		return NULL;
	fb_loopback_drop_answers(loopback, count, error);
	Py_RETURN_NONE;
}
