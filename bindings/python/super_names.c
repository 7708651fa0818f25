/* SPDX-License-Identifier: BSD-3-Clause */
/* super() of a Passthrough: what is done to names and attributes. */
#include "super_parts.h"

#include <limits.h>

/* fh is None or a number. */
static bool maybe_fh(PyObject *value, uint64_t *fh, const uint64_t **ret)
{
	*ret = NULL;
	if (value == Py_None)
		return true;
	*ret = fh;
	return fbpy_u64(value, fh);
}

PyObject *fbpy_super_getattr(struct fbpy_call *call, PyObject *args)
{
	struct fb_attr_reply reply = { .attr_timeout_ns = 0 };
	PyObject *handle = Py_None;
	const uint64_t *fh;
	unsigned long long node;
	uint64_t number;
	int r;

	if (!PyArg_ParseTuple(args, "K|O:getattr", &node, &handle) ||
	    !maybe_fh(handle, &number, &fh))
		return NULL;
	FBPY_LOWER_CALL(getattr, node, fh, &reply);
	return r < 0 ? fbpy_super_failed(r) : fbpy_attr_to(&reply.attr);
}

static bool optional(PyObject *value, uint32_t bit, uint64_t *field, uint32_t *valid)
{
	if (value == Py_None)
		return true;
	*valid |= bit;
	return fbpy_u64(value, field);
}

static bool optional_time(PyObject *value, uint32_t bit, uint32_t now, struct fb_time *field,
			  uint32_t *valid)
{
	long long ns;

	if (value == Py_None)
		return true;
	ns = PyLong_AsLongLong(value);
	if (ns == -1 && PyErr_Occurred())
		return false;
	*valid = (*valid & ~now) | bit;
	field->sec = ns / 1000000000 - (ns % 1000000000 < 0);
	field->nsec = (uint32_t)(ns - field->sec * 1000000000);
	return true;
}

/* Changes of a libfb.Changes; what has no field there stays as the client sent it. */
static bool changes_from(struct fbpy_call *call, PyObject *changes, struct fb_setattr *set)
{
	const uint32_t kept = FB_SETATTR_LOCKOWNER | FB_SETATTR_KILL_SUIDGID;
	uint64_t mode = 0, uid = 0, gid = 0, size = 0;

	if (!PyTuple_Check(changes) || PyTuple_GET_SIZE(changes) < 7) {
		PyErr_SetString(PyExc_TypeError, "a libfb.Changes is needed");
		return false;
	}
	*set = call->set ? *call->set : (struct fb_setattr){ 0 };
	set->valid &= kept;
#define FIELD(at) PyTuple_GET_ITEM(changes, at)
	if (!optional(FIELD(0), FB_SETATTR_MODE, &mode, &set->valid) ||
	    !optional(FIELD(1), FB_SETATTR_UID, &uid, &set->valid) ||
	    !optional(FIELD(2), FB_SETATTR_GID, &gid, &set->valid) ||
	    !optional(FIELD(3), FB_SETATTR_SIZE, &size, &set->valid) ||
	    !optional_time(FIELD(4), FB_SETATTR_ATIME, FB_SETATTR_ATIME_NOW, &set->atime,
			   &set->valid) ||
	    !optional_time(FIELD(5), FB_SETATTR_MTIME, FB_SETATTR_MTIME_NOW, &set->mtime,
			   &set->valid) ||
	    !optional_time(FIELD(6), FB_SETATTR_CTIME, 0, &set->ctime, &set->valid))
		return false;
#undef FIELD
	set->mode = (uint32_t)mode;
	set->uid = (uint32_t)uid;
	set->gid = (uint32_t)gid;
	set->size = size;
	return true;
}

PyObject *fbpy_super_setattr(struct fbpy_call *call, PyObject *args)
{
	struct fb_attr_reply reply = { .attr_timeout_ns = 0 };
	PyObject *changes, *handle = Py_None;
	struct fb_setattr set;
	const uint64_t *fh;
	unsigned long long node;
	uint64_t number;
	int r;

	if (!PyArg_ParseTuple(args, "KO|O:setattr", &node, &changes, &handle) ||
	    !maybe_fh(handle, &number, &fh) || !changes_from(call, changes, &set))
		return NULL;
	if (fh) {
		set.fh = *fh;
		set.valid |= FB_SETATTR_FH;
	}
	FBPY_LOWER_CALL(setattr, node, &set, &reply);
	return r < 0 ? fbpy_super_failed(r) : fbpy_attr_to(&reply.attr);
}

PyObject *fbpy_super_lookup(struct fbpy_call *call, PyObject *args)
{
	struct fb_entry entry = { .node = 0 };
	struct fbpy_name_arg name = { NULL, NULL };
	unsigned long long parent;
	int r;

	if (!PyArg_ParseTuple(args, "KO&:lookup", &parent, fbpy_to_name, &name))
		return NULL;
	FBPY_LOWER_CALL(lookup, parent, name.bytes, &entry);
	Py_DECREF(name.hold);
	return fbpy_super_entry(r, &entry);
}

PyObject *fbpy_super_readlink(struct fbpy_call *call, PyObject *args)
{
	char target[PATH_MAX];
	unsigned long long node;
	struct fb_sink *to;
	Py_ssize_t size;
	int r;

	if (!PyArg_ParseTuple(args, "K:readlink", &node))
		return NULL;
	if (fb_sink_new(target, sizeof(target), &to) < 0)
		return PyErr_NoMemory();
	FBPY_LOWER_CALL(readlink, node, to);
	size = (Py_ssize_t)fb_sink_size(to);
	fb_sink_free(to);
	if (r < 0)
		return fbpy_super_failed(r);
	if (call->fs->bytes_names)
		return PyBytes_FromStringAndSize(target, size);
	return PyUnicode_DecodeUTF8(target, size, "surrogateescape");
}

PyObject *fbpy_super_symlink(struct fbpy_call *call, PyObject *args)
{
	struct fb_entry entry = { .node = 0 };
	struct fbpy_name_arg name = { NULL, NULL }, target = { NULL, NULL };
	unsigned long long parent;
	int r;

	if (!PyArg_ParseTuple(args, "KO&O&:symlink", &parent, fbpy_to_name, &name, fbpy_to_name,
			      &target))
		return NULL;
	FBPY_LOWER_CALL(symlink, parent, name.bytes, target.bytes, &entry);
	Py_DECREF(name.hold);
	Py_DECREF(target.hold);
	return fbpy_super_entry(r, &entry);
}

PyObject *fbpy_super_mknod(struct fbpy_call *call, PyObject *args)
{
	struct fb_entry entry = { .node = 0 };
	struct fbpy_name_arg name = { NULL, NULL };
	unsigned long long parent;
	unsigned mode, rdev = 0;
	int r;

	if (!PyArg_ParseTuple(args, "KO&I|I:mknod", &parent, fbpy_to_name, &name, &mode, &rdev))
		return NULL;
	FBPY_LOWER_CALL(mknod, parent, name.bytes, mode, rdev, &entry);
	Py_DECREF(name.hold);
	return fbpy_super_entry(r, &entry);
}

PyObject *fbpy_super_mkdir(struct fbpy_call *call, PyObject *args)
{
	struct fb_entry entry = { .node = 0 };
	struct fbpy_name_arg name = { NULL, NULL };
	unsigned long long parent;
	unsigned mode;
	int r;

	if (!PyArg_ParseTuple(args, "KO&I:mkdir", &parent, fbpy_to_name, &name, &mode))
		return NULL;
	FBPY_LOWER_CALL(mkdir, parent, name.bytes, mode, &entry);
	Py_DECREF(name.hold);
	return fbpy_super_entry(r, &entry);
}

PyObject *fbpy_super_unlink(struct fbpy_call *call, PyObject *args)
{
	struct fbpy_name_arg name = { NULL, NULL };
	unsigned long long parent;
	int r;

	if (!PyArg_ParseTuple(args, "KO&:unlink", &parent, fbpy_to_name, &name))
		return NULL;
	FBPY_LOWER_CALL(unlink, parent, name.bytes);
	Py_DECREF(name.hold);
	return fbpy_super_none(r);
}

PyObject *fbpy_super_rmdir(struct fbpy_call *call, PyObject *args)
{
	struct fbpy_name_arg name = { NULL, NULL };
	unsigned long long parent;
	int r;

	if (!PyArg_ParseTuple(args, "KO&:rmdir", &parent, fbpy_to_name, &name))
		return NULL;
	FBPY_LOWER_CALL(rmdir, parent, name.bytes);
	Py_DECREF(name.hold);
	return fbpy_super_none(r);
}

PyObject *fbpy_super_rename(struct fbpy_call *call, PyObject *args)
{
	struct fbpy_name_arg name = { NULL, NULL }, new_name = { NULL, NULL };
	unsigned long long parent, new_parent;
	unsigned flags = 0;
	int r;

	if (!PyArg_ParseTuple(args, "KO&KO&|I:rename", &parent, fbpy_to_name, &name, &new_parent,
			      fbpy_to_name, &new_name, &flags))
		return NULL;
	FBPY_LOWER_CALL(rename, parent, name.bytes, new_parent, new_name.bytes, flags);
	Py_DECREF(name.hold);
	Py_DECREF(new_name.hold);
	return fbpy_super_none(r);
}

PyObject *fbpy_super_link(struct fbpy_call *call, PyObject *args)
{
	struct fb_entry entry = { .node = 0 };
	struct fbpy_name_arg name = { NULL, NULL };
	unsigned long long node, parent;
	PyObject *unused = Py_None;
	int r;

	if (!PyArg_ParseTuple(args, "KKO&|O:link", &node, &parent, fbpy_to_name, &name, &unused))
		return NULL;
	FBPY_LOWER_CALL(link, node, parent, name.bytes, &entry);
	Py_DECREF(name.hold);
	return fbpy_super_entry(r, &entry);
}
