/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Python errors to errno. What is common is decided here, quickly; the rest by Server._explain(), which
 * also logs bugs.
 */
#include "fbpy.h"

#include <errno.h>

/* The kernel refuses answers with other numbers, and their caller would wait for ever. */
#define ERRNO_MAX 511

/* Built-in classes that mean one error; also the only classes whose errno is taken as it is. */
static int class_errno(PyObject *type)
{
	const struct {
		PyObject *type;
		int error;
	} classes[] = {
		{ PyExc_FileNotFoundError, ENOENT },
		{ PyExc_FileExistsError, EEXIST },
		{ PyExc_PermissionError, EACCES },
		{ PyExc_NotADirectoryError, ENOTDIR },
		{ PyExc_IsADirectoryError, EISDIR },
		{ PyExc_OSError, EIO },
		{ PyExc_BlockingIOError, EAGAIN },
		{ PyExc_InterruptedError, EINTR },
		{ PyExc_TimeoutError, ETIMEDOUT },
		{ PyExc_BrokenPipeError, EPIPE },
		{ PyExc_ConnectionRefusedError, ECONNREFUSED },
		{ PyExc_ConnectionResetError, ECONNRESET },
		{ PyExc_ConnectionAbortedError, ECONNABORTED },
		{ PyExc_ProcessLookupError, ESRCH },
		{ PyExc_ChildProcessError, ECHILD },
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
		if (type == classes[i].type)
			return classes[i].error;
	return 0;
}

/* What an OSError of a built-in class says. Returns 0 for all others. */
static int os_errno(PyObject *type, PyObject *value)
{
	int error = class_errno(type);
	PyObject *number;
	long n;

	if (error == 0 || !value || (PyObject *)Py_TYPE(value) != type)
		return error;
	number = ((PyOSErrorObject *)value)->myerrno;
	if (!number || number == Py_None)
		return error;
	if (!PyLong_CheckExact(number))
		return EIO;
	n = PyLong_AsLong(number);
	if (n == -1 && PyErr_Occurred())
		PyErr_Clear();
	if (n < 1 || n > ERRNO_MAX)
		return EIO;
	/* The client would never ask again, for any file. */
	return n == ENOSYS ? EOPNOTSUPP : (int)n;
}

/* Ask the Python layer. The error that is set goes with this. */
static int explain(struct fbpy_fs *fs, enum fbpy_op op)
{
	PyObject *type, *value, *trace, *answer;
	long error = EIO;

	PyErr_Fetch(&type, &value, &trace);
	PyErr_NormalizeException(&type, &value, &trace);
	if (trace)
		PyException_SetTraceback(value, trace);
	answer = PyObject_CallMethod(fs->server, "_explain", "OO", fs->methods[op].name, value);
	if (answer && PyLong_Check(answer))
		error = PyLong_AsLong(answer);
	if (!answer)
		PyErr_WriteUnraisable(fs->server);
	Py_XDECREF(answer);
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(trace);
	return error < 1 || error > ERRNO_MAX ? EIO : (int)error;
}

int fbpy_error(struct fbpy_fs *fs, enum fbpy_op op)
{
	PyObject *type, *value, *trace;
	int error;

	PyErr_Fetch(&type, &value, &trace);
	/* Not yet made an object: an error raised in C with a text or number. */
	if (type && class_errno(type) && value && !PyExceptionInstance_Check(value))
		PyErr_NormalizeException(&type, &value, &trace);
	error = os_errno(type, value);
	if (error == 0) {
		PyErr_Restore(type, value, trace);
		return -explain(fs, op);
	}
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(trace);
	return -error;
}

int fbpy_wrong(struct fbpy_call *call, PyObject *result, const char *wanted)
{
	if (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_AttributeError) ||
	    PyErr_ExceptionMatches(PyExc_TypeError)) {
		PyErr_Clear();
		PyErr_Format(PyExc_TypeError, "%s.%U() returned %R (%s), not %s",
			     Py_TYPE(call->fs->object)->tp_name, call->fs->methods[call->op].name,
			     result, Py_TYPE(result)->tp_name, wanted);
	}
	return fbpy_error(call->fs, call->op);
}

PyObject *fbpy_raise(int r)
{
	const char *sentence = fb_last_error();
	PyObject *error =
		PyObject_CallFunction(PyExc_OSError, "is", -r, *sentence ? sentence : strerror(-r));

	if (error) {
		PyErr_SetObject((PyObject *)Py_TYPE(error), error);
		Py_DECREF(error);
	}
	return NULL;
}
