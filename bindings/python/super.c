/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What super().read(…) of a Passthrough does: call the driver below with arguments from Python, and make
 * Python's of what it answers. Called inside handlers only, for it is their request that the driver
 * answers.
 */
#include "super.h"

#include "super_parts.h"

#define NS 1e9

/* ---- what comes back -------------------------------------------------------------------------- */

PyObject *fbpy_super_failed(int r)
{
	errno = -r;
	return PyErr_SetFromErrno(PyExc_OSError);
}

PyObject *fbpy_super_none(int r)
{
	if (r < 0)
		return fbpy_super_failed(r);
	Py_RETURN_NONE;
}

PyObject *fbpy_super_entry(int r, const struct fb_entry *entry)
{
	if (r < 0)
		return fbpy_super_failed(r);
	if (entry->node == 0)
		return fbpy_super_failed(-ENOENT);
	return PyObject_CallFunction(fbpy_known.Entry, "KNdd", (unsigned long long)entry->node,
				     fbpy_attr_to(&entry->attr),
				     (double)entry->entry_timeout_ns / NS,
				     (double)entry->attr_timeout_ns / NS);
}

/* A libfb.Opened with the driver's fh, made as the tuple that it is. */
PyObject *fbpy_super_opened(int r, const struct fb_open *opened)
{
	PyObject *fields, *args, *object;

	if (r < 0)
		return fbpy_super_failed(r);
	fields = opened->backing_fd >= 0 ? Py_BuildValue("(KiI)", (unsigned long long)opened->fh,
							 opened->backing_fd, opened->flags) :
					   Py_BuildValue("(KOI)", (unsigned long long)opened->fh,
							 Py_None, opened->flags);
	args = fields ? PyTuple_Pack(1, fields) : NULL;
	object = args ? PyTuple_Type.tp_new((PyTypeObject *)fbpy_known.Opened, args, NULL) : NULL;
	Py_XDECREF(fields);
	Py_XDECREF(args);
	return object;
}

/* ---- what goes there ---------------------------------------------------------------------------- */

int fbpy_to_name(PyObject *value, void *to)
{
	struct fbpy_name_arg *text = to;
	Py_ssize_t size;

	if (!value) {
		Py_CLEAR(text->hold);
		return 0;
	}
	text->bytes = fbpy_text(value, &text->hold, &size);
	if (text->bytes && strlen(text->bytes) == (size_t)size)
		return Py_CLEANUP_SUPPORTED;
	if (text->bytes)
		PyErr_SetString(PyExc_ValueError, "a name with a NUL");
	Py_CLEAR(text->hold);
	return 0;
}

/* ---- by name -------------------------------------------------------------------------------------- */

/* The call whose handler runs here, if a driver is below it; or NULL with an error set. */
static struct fbpy_call *of_handler(void)
{
	struct fbpy_call *call = fbpy_current();

	if (call && call->fs->layer == FBPY_LOWER && call->req)
		return call;
	PyErr_SetString(PyExc_RuntimeError,
			"the driver's operations can be called inside handlers of a "
			"libfb.Passthrough only, before the first await");
	return NULL;
}

static const struct {
	const char *name;
	PyObject *(*call)(struct fbpy_call *call, PyObject *args);
} operations[] = {
#define OPERATION(op) { #op, fbpy_super_##op },
	FBPY_SUPER_OPS(OPERATION)
#undef OPERATION
};

PyObject *lower_call(const char *op, PyObject *args)
{
	struct fbpy_call *call = of_handler();

	for (size_t i = 0; call && i < sizeof(operations) / sizeof(*operations); i++)
		if (!strcmp(op, operations[i].name))
			return operations[i].call(call, args);
	return call ? PyErr_Format(PyExc_AttributeError, "the driver below has no %s", op) : NULL;
}
