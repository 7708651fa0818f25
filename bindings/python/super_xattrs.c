/* SPDX-License-Identifier: BSD-3-Clause */
/* super() of a Passthrough: extended attributes and the file system as a whole. */
#include "super_parts.h"

PyObject *fbpy_super_statfs(struct fbpy_call *call, PyObject *args)
{
	struct fb_statfs s = { .bsize = 0 };
	unsigned long long node;
	int r;

	if (!PyArg_ParseTuple(args, "K:statfs", &node))
		return NULL;
	FBPY_LOWER_CALL(statfs, node, &s);
	if (r < 0)
		return fbpy_super_failed(r);
	return PyObject_CallFunction(fbpy_known.StatFS, "IIKKKKKI", s.bsize, s.frsize,
				     (unsigned long long)s.blocks, (unsigned long long)s.bfree,
				     (unsigned long long)s.bavail, (unsigned long long)s.files,
				     (unsigned long long)s.ffree, s.namelen);
}

PyObject *fbpy_super_syncfs(struct fbpy_call *call, PyObject *args)
{
	unsigned long long node;
	int r;

	if (!PyArg_ParseTuple(args, "K:syncfs", &node))
		return NULL;
	FBPY_LOWER_CALL(syncfs, node);
	return fbpy_super_none(r);
}

PyObject *fbpy_super_setxattr(struct fbpy_call *call, PyObject *args)
{
	struct fbpy_name_arg name = { NULL, NULL };
	PyObject *unused = Py_None;
	unsigned long long node;
	unsigned flags = 0;
	Py_buffer value;
	int r;

	if (!PyArg_ParseTuple(args, "KO&y*|IO:setxattr", &node, fbpy_to_name, &name, &value, &flags,
			      &unused))
		return NULL;
	FBPY_LOWER_CALL(setxattr, node, name.bytes, value.buf, (size_t)value.len, flags);
	Py_DECREF(name.hold);
	PyBuffer_Release(&value);
	return fbpy_super_none(r);
}

/* An attribute's value, or all names with NULs between: name is NULL for those. */
static PyObject *xattr(struct fbpy_call *call, unsigned long long node, const char *name)
{
	PyObject *data = PyBytes_FromStringAndSize(NULL, FB_XATTR_MAX);
	struct fb_sink *to;
	int r;

	if (!data || fb_sink_new(PyBytes_AS_STRING(data), FB_XATTR_MAX, &to) < 0) {
		Py_XDECREF(data);
		return PyErr_NoMemory();
	}
	if (name)
		FBPY_LOWER_CALL(getxattr, node, name, to, FB_XATTR_MAX);
	else
		FBPY_LOWER_CALL(listxattr, node, to, FB_XATTR_MAX);
	fb_sink_free(to);
	if (r < 0) {
		Py_DECREF(data);
		return fbpy_super_failed(r);
	}
	_PyBytes_Resize(&data, r);
	return data;
}

PyObject *fbpy_super_getxattr(struct fbpy_call *call, PyObject *args)
{
	struct fbpy_name_arg name = { NULL, NULL };
	PyObject *unused = Py_None, *value;
	unsigned long long node;

	if (!PyArg_ParseTuple(args, "KO&|O:getxattr", &node, fbpy_to_name, &name, &unused))
		return NULL;
	value = xattr(call, node, name.bytes);
	Py_DECREF(name.hold);
	return value;
}

PyObject *fbpy_super_listxattr(struct fbpy_call *call, PyObject *args)
{
	PyObject *unused = Py_None, *all, *names;
	unsigned long long node;
	const char *at, *end;

	if (!PyArg_ParseTuple(args, "K|O:listxattr", &node, &unused))
		return NULL;
	all = xattr(call, node, NULL);
	names = all ? PyList_New(0) : NULL;
	at = all ? PyBytes_AS_STRING(all) : NULL;
	end = all ? at + PyBytes_GET_SIZE(all) : NULL;
	for (; names && at < end; at += strlen(at) + 1) {
		PyObject *name = fbpy_name(call->fs, at);

		if (!name || PyList_Append(names, name) < 0)
			Py_CLEAR(names);
		Py_XDECREF(name);
	}
	Py_XDECREF(all);
	return names;
}

PyObject *fbpy_super_removexattr(struct fbpy_call *call, PyObject *args)
{
	struct fbpy_name_arg name = { NULL, NULL };
	PyObject *unused = Py_None;
	unsigned long long node;
	int r;

	if (!PyArg_ParseTuple(args, "KO&|O:removexattr", &node, fbpy_to_name, &name, &unused))
		return NULL;
	FBPY_LOWER_CALL(removexattr, node, name.bytes);
	Py_DECREF(name.hold);
	return fbpy_super_none(r);
}

PyObject *fbpy_super_access(struct fbpy_call *call, PyObject *args)
{
	unsigned long long node;
	unsigned mask;
	int r;

	if (!PyArg_ParseTuple(args, "KI:access", &node, &mask))
		return NULL;
	FBPY_LOWER_CALL(access, node, mask);
	return fbpy_super_none(r);
}
