/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notifications that need more than a call: what is answered later, and lists.
 */
#include "handle.h"

static void retrieved(void *arg, uint64_t node, uint64_t off, struct fb_source *from, int result)
{
	PyObject *callable = arg, *data = NULL, *done;

	(void)node;
	(void)off;
	FBPY_ENTER;
	if (result >= 0)
		data = PyBytes_FromStringAndSize(NULL, result);
	if (data)
		fb_source_copy(from, PyBytes_AS_STRING(data), (size_t)result);
	done = PyErr_Occurred() ? NULL :
				  PyObject_CallFunction(callable, "Oi", data ? data : Py_None,
							result < 0 ? -result : 0);
	if (!done)
		PyErr_WriteUnraisable(callable);
	Py_XDECREF(done);
	Py_XDECREF(data);
	Py_DECREF(callable);
	FBPY_LEAVE;
}

PyObject *session_retrieve(PyObject *handle, unsigned long long node, unsigned long long off,
			   unsigned size, PyObject *callable)
{
	struct fb_session *session = fbpy_session_of(handle);
	int r;

	if (!session)
		return NULL;
	Py_INCREF(callable);
	Py_BEGIN_ALLOW_THREADS r =
		fb_notify_retrieve(session, node, off, size, retrieved, callable);
	Py_END_ALLOW_THREADS if (r == 0) Py_RETURN_NONE;
	Py_DECREF(callable);
	return fbpy_raise(r);
}

PyObject *session_prune(PyObject *handle, PyObject *nodes)
{
	struct fb_session *session = fbpy_session_of(handle);
	PyObject *list = session ? PySequence_Fast(nodes, "a sequence of nodes is needed") : NULL;
	size_t count = list ? (size_t)PySequence_Fast_GET_SIZE(list) : 0;
	uint64_t *numbers = PyMem_Calloc(count ? count : 1, sizeof(*numbers));
	int r;

	for (size_t i = 0; numbers && list && i < count; i++)
		if (!fbpy_u64(PySequence_Fast_GET_ITEM(list, (Py_ssize_t)i), &numbers[i]))
			Py_CLEAR(list);
	r = list && numbers ? fb_notify_prune(session, numbers, count) : 0;
	PyMem_Free(numbers);
	if (!list || !numbers)
		return PyErr_Occurred() ? NULL : PyErr_NoMemory();
	Py_DECREF(list);
	if (r < 0)
		return fbpy_raise(r);
	Py_RETURN_NONE;
}
