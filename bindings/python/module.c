/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Functions of the module that belong to no session.
 */
#include "handle.h"

PyObject *register_known(PyObject *known)
{
#define REGISTER(name)                                                                             \
	Py_XSETREF(fbpy_known.name, Py_XNewRef(PyDict_GetItemString(known, #name)));               \
	if (!fbpy_known.name)                                                                      \
		return PyErr_Format(PyExc_KeyError, #name);
	FBPY_KNOWN(REGISTER)
#undef REGISTER
	Py_RETURN_NONE;
}

PyObject *request_current(void)
{
	return fbpy_request_current();
}

static PyObject *log_callable;

/* May come in any thread, with the GIL or without. */
static void log_line(void *arg, enum fb_log_level level, const char *text)
{
	PyObject *type, *value, *trace, *result;

	(void)arg;
	FBPY_ENTER;
	PyErr_Fetch(&type, &value, &trace);
	result = log_callable ? PyObject_CallFunction(log_callable, "is", (int)level, text) : NULL;
	if (!result && PyErr_Occurred())
		PyErr_WriteUnraisable(log_callable);
	Py_XDECREF(result);
	PyErr_Restore(type, value, trace);
	FBPY_LEAVE;
}

PyObject *log_to(PyObject *callable)
{
	Py_XSETREF(log_callable, callable == Py_None ? NULL : Py_NewRef(callable));
	fb_log_set(callable == Py_None ? NULL : log_line, NULL);
	Py_RETURN_NONE;
}
