/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small values in both directions: names, numbers, times.
 */
#include "fbpy.h"

#include <math.h>

#define NS 1e9

PyObject *fbpy_name(const struct fbpy_fs *fs, const char *name)
{
	Py_ssize_t size = (Py_ssize_t)strlen(name);

	if (fs->bytes_names)
		return PyBytes_FromStringAndSize(name, size);
	return PyUnicode_DecodeUTF8(name, size, "surrogateescape");
}

const char *fbpy_text(PyObject *value, PyObject **ret_hold, Py_ssize_t *ret_size)
{
	const char *text = NULL;

	*ret_hold = NULL;
	if (PyUnicode_Check(value)) {
		text = PyUnicode_AsUTF8AndSize(value, ret_size);
		if (text) {
			*ret_hold = Py_NewRef(value);
			return text;
		}
		PyErr_Clear(); /* bytes that are not UTF-8 */
		*ret_hold = PyUnicode_AsEncodedString(value, "utf-8", "surrogateescape");
	} else if (PyBytes_Check(value)) {
		*ret_hold = Py_NewRef(value);
	} else {
		PyErr_Format(PyExc_TypeError, "a name is str or bytes, not %s",
			     Py_TYPE(value)->tp_name);
	}
	if (!*ret_hold)
		return NULL;
	*ret_size = PyBytes_GET_SIZE(*ret_hold);
	return PyBytes_AS_STRING(*ret_hold);
}

bool fbpy_u64(PyObject *value, uint64_t *ret_value)
{
	PyObject *index = PyNumber_Index(value);
	unsigned long long number;

	if (!index)
		return false;
	number = PyLong_AsUnsignedLongLong(index);
	Py_DECREF(index);
	if (number == (unsigned long long)-1 && PyErr_Occurred())
		return false;
	*ret_value = number;
	return true;
}

bool fbpy_timeout(PyObject *value, uint64_t *ret_ns)
{
	double seconds = PyFloat_AsDouble(value);

	if (seconds == -1.0 && PyErr_Occurred())
		return false;
	if (!(seconds >= 0)) {
		PyErr_SetString(PyExc_ValueError, "a timeout is a number of seconds, 0 or more");
		return false;
	}
	*ret_ns = seconds * NS >= (double)INT64_MAX ? INT64_MAX : (uint64_t)(seconds * NS);
	return true;
}
