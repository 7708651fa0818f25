/* SPDX-License-Identifier: BSD-3-Clause */
/* super() of a Passthrough: what is done to open files and directories. */
#include "super_parts.h"

static PyObject *created_object(int r, const struct fb_entry *entry, const struct fb_open *opened)
{
	PyObject *first, *second;

	if (r < 0)
		return fbpy_super_failed(r);
	first = fbpy_super_entry(0, entry);
	second = fbpy_super_opened(0, opened);
	if (first && second)
		return Py_BuildValue("(NN)", first, second);
	Py_XDECREF(first);
	Py_XDECREF(second);
	return NULL;
}

PyObject *fbpy_super_open(struct fbpy_call *call, PyObject *args)
{
	struct fb_open opened = { .backing_fd = -1 };
	unsigned long long node;
	unsigned flags;
	int r;

	if (!PyArg_ParseTuple(args, "KI:open", &node, &flags))
		return NULL;
	FBPY_LOWER_CALL(open, node, (int)flags, call->open_flags, &opened);
	return fbpy_super_opened(r, &opened);
}

PyObject *fbpy_super_create(struct fbpy_call *call, PyObject *args)
{
	struct fb_open opened = { .backing_fd = -1 };
	struct fb_entry entry = { .node = 0 };
	struct fbpy_name_arg name = { NULL, NULL };
	unsigned long long parent;
	unsigned mode, flags;
	int r;

	if (!PyArg_ParseTuple(args, "KO&II:create", &parent, fbpy_to_name, &name, &mode, &flags))
		return NULL;
	FBPY_LOWER_CALL(create, parent, name.bytes, mode, (int)flags, call->open_flags, &entry,
			&opened);
	Py_DECREF(name.hold);
	return created_object(r, &entry, &opened);
}

PyObject *fbpy_super_tmpfile(struct fbpy_call *call, PyObject *args)
{
	struct fb_open opened = { .backing_fd = -1 };
	struct fb_entry entry = { .node = 0 };
	unsigned long long parent;
	unsigned mode, flags;
	int r;

	if (!PyArg_ParseTuple(args, "KII:tmpfile", &parent, &mode, &flags))
		return NULL;
	FBPY_LOWER_CALL(tmpfile, parent, mode, (int)flags, call->open_flags, &entry, &opened);
	return created_object(r, &entry, &opened);
}

/* An open file that no client is going to get. */
PyObject *fbpy_super_discard(struct fbpy_call *call, PyObject *args)
{
	const struct fb_release how = { .flags = 0 };
	unsigned long long node, fh;

	if (!PyArg_ParseTuple(args, "KK:discard", &node, &fh))
		return NULL;
	Py_BEGIN_ALLOW_THREADS if (call->fs->lower_ops->release)
		call->fs->lower_ops->release(call->fs->lower, node, fh, &how);
	Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

/* A name that no client is going to get: take one lookup back. */
PyObject *fbpy_super_unlookup(struct fbpy_call *call, PyObject *args)
{
	unsigned long long node;

	if (!PyArg_ParseTuple(args, "K:unlookup", &node))
		return NULL;
	Py_BEGIN_ALLOW_THREADS if (call->fs->lower_ops->forget)
		call->fs->lower_ops->forget(call->fs->lower, node, 1);
	Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

PyObject *fbpy_super_read(struct fbpy_call *call, PyObject *args)
{
	unsigned long long node, fh, off;
	struct fb_sink *to;
	Py_ssize_t size;
	PyObject *data;
	int r;

	if (!PyArg_ParseTuple(args, "KKKn:read", &node, &fh, &off, &size))
		return NULL;
	data = PyBytes_FromStringAndSize(NULL, size);
	if (!data || fb_sink_new(PyBytes_AS_STRING(data), (size_t)size, &to) < 0) {
		Py_XDECREF(data);
		return PyErr_NoMemory();
	}
	FBPY_LOWER_CALL(read, node, fh, to, (size_t)size, off);
	fb_sink_free(to);
	if (r < 0) {
		Py_DECREF(data);
		return fbpy_super_failed(r);
	}
	_PyBytes_Resize(&data, r);
	return data;
}

PyObject *fbpy_super_write(struct fbpy_call *call, PyObject *args)
{
	unsigned long long node, fh, off;
	struct fb_source *from;
	Py_buffer data;
	int r;

	if (!PyArg_ParseTuple(args, "KKKy*:write", &node, &fh, &off, &data))
		return NULL;
	if (fb_source_new(data.buf, (size_t)data.len, &from) < 0) {
		PyBuffer_Release(&data);
		return PyErr_NoMemory();
	}
	FBPY_LOWER_CALL(write, node, fh, from, (size_t)data.len, off);
	fb_source_free(from);
	PyBuffer_Release(&data);
	return r < 0 ? fbpy_super_failed(r) : PyLong_FromLong(r);
}

PyObject *fbpy_super_flush(struct fbpy_call *call, PyObject *args)
{
	unsigned long long node, fh, owner;
	int r;

	if (!PyArg_ParseTuple(args, "KKK:flush", &node, &fh, &owner))
		return NULL;
	FBPY_LOWER_CALL(flush, node, fh, owner);
	return fbpy_super_none(r);
}

PyObject *fbpy_super_fsync(struct fbpy_call *call, PyObject *args)
{
	unsigned long long node, fh;
	int datasync = 0, r;

	if (!PyArg_ParseTuple(args, "KK|p:fsync", &node, &fh, &datasync))
		return NULL;
	FBPY_LOWER_CALL(fsync, node, fh, datasync ? FB_FSYNC_DATASYNC : 0);
	return fbpy_super_none(r);
}

PyObject *fbpy_super_fsyncdir(struct fbpy_call *call, PyObject *args)
{
	unsigned long long node, fh;
	int datasync = 0, r;

	if (!PyArg_ParseTuple(args, "KK|p:fsyncdir", &node, &fh, &datasync))
		return NULL;
	FBPY_LOWER_CALL(fsyncdir, node, fh, datasync ? FB_FSYNC_DATASYNC : 0);
	return fbpy_super_none(r);
}

PyObject *fbpy_super_fallocate(struct fbpy_call *call, PyObject *args)
{
	unsigned long long node, fh, off, len;
	unsigned mode;
	int r;

	if (!PyArg_ParseTuple(args, "KKIKK:fallocate", &node, &fh, &mode, &off, &len))
		return NULL;
	FBPY_LOWER_CALL(fallocate, node, fh, mode, off, len);
	return fbpy_super_none(r);
}

PyObject *fbpy_super_lseek(struct fbpy_call *call, PyObject *args)
{
	unsigned long long node, fh, off;
	uint64_t found = 0;
	unsigned whence;
	int r;

	if (!PyArg_ParseTuple(args, "KKKI:lseek", &node, &fh, &off, &whence))
		return NULL;
	FBPY_LOWER_CALL(lseek, node, fh, off, whence, &found);
	return r < 0 ? fbpy_super_failed(r) : PyLong_FromUnsignedLongLong(found);
}

PyObject *fbpy_super_copy_file_range(struct fbpy_call *call, PyObject *args)
{
	unsigned long long in, fh_in, out, fh_out, off_in, off_out, len, flags = 0;
	uint64_t copied = 0;
	int r;

	if (!PyArg_ParseTuple(args, "KKKKKKK|K:copy_file_range", &in, &fh_in, &out, &fh_out,
			      &off_in, &off_out, &len, &flags))
		return NULL;
	FBPY_LOWER_CALL(copy_file_range, in, fh_in, off_in, out, fh_out, off_out, len, flags,
			&copied);
	return r < 0 ? fbpy_super_failed(r) : PyLong_FromUnsignedLongLong(copied);
}

static bool lock_from(PyObject *tuple, struct fb_lock *lock)
{
	unsigned long long start, end;
	unsigned type, pid;

	if (!PyTuple_Check(tuple) || !PyArg_ParseTuple(tuple, "IKKI", &type, &start, &end, &pid))
		return false;
	*lock = (struct fb_lock){ .start = start, .end = end, .type = type, .pid = pid };
	return true;
}

PyObject *fbpy_super_getlk(struct fbpy_call *call, PyObject *args)
{
	struct fb_lock lock, found = { .type = 0 };
	unsigned long long node, fh, owner;
	unsigned flags = 0;
	PyObject *tuple;
	int r;

	if (!PyArg_ParseTuple(args, "KKKO|I:getlk", &node, &fh, &owner, &tuple, &flags) ||
	    !lock_from(tuple, &lock))
		return NULL;
	FBPY_LOWER_CALL(getlk, node, fh, owner, &lock, flags, &found);
	if (r < 0)
		return fbpy_super_failed(r);
	return PyObject_CallFunction(fbpy_known.Lock, "IKKI", found.type,
				     (unsigned long long)found.start, (unsigned long long)found.end,
				     found.pid);
}

/* A lock that has to be waited for: the driver answers the request itself. */
PyObject *fbpy_super_setlk(struct fbpy_call *call, PyObject *args)
{
	unsigned long long node, fh, owner;
	struct fb_lock lock;
	unsigned flags = 0;
	PyObject *tuple;
	int r;

	if (!PyArg_ParseTuple(args, "KKKO|I:setlk", &node, &fh, &owner, &tuple, &flags) ||
	    !lock_from(tuple, &lock))
		return NULL;
	FBPY_LOWER_CALL(setlk, node, fh, owner, &lock, flags);
	if (r != FB_PENDING)
		return fbpy_super_none(r);
	call->lower_pending = true;
	return Py_NewRef(fbpy_known.PENDING);
}

struct gathering {
	PyObject *list; /* NULL after an error, which is set */
	const struct fbpy_fs *fs;
	uint64_t cookie; /* of the last one */
	bool any;
};

/* One name with the attributes that a listing has: type and inode number. With the GIL. */
static bool gather_one(struct gathering *g, const struct fb_dirent *entry)
{
	const struct fb_attr attr = { .mode = entry->type << 12, .ino = entry->ino, .nlink = 1 };
	char name[FB_NAME_MAX + 1];
	PyObject *pair;
	int r;

	memcpy(name, entry->name, entry->name_len);
	name[entry->name_len] = 0;
	pair = Py_BuildValue("(NN)", fbpy_name(g->fs, name), fbpy_attr_to(&attr));
	r = pair ? PyList_Append(g->list, pair) : -1;
	Py_XDECREF(pair);
	return r == 0;
}

static int gather(void *arg, const struct fb_dirent *entry, const struct fb_entry *plus)
{
	struct gathering *g = arg;
	int r = 0;

	(void)plus;
	FBPY_ENTER;
	if (!gather_one(g, entry))
		r = -ENOBUFS;
	FBPY_LEAVE;
	g->cookie = entry->cookie;
	g->any = true;
	return r;
}

/* The whole directory from its start, as a list of (name, Attr with type and ino only). */
PyObject *fbpy_super_readdir(struct fbpy_call *call, PyObject *args)
{
	struct gathering g = { .fs = call->fs, .any = true };
	unsigned long long node, fh;
	struct fb_dirsink *to;
	int r = 0;

	if (!PyArg_ParseTuple(args, "KK:readdir", &node, &fh))
		return NULL;
	g.list = PyList_New(0);
	if (!g.list || fb_dirsink_new(gather, &g, false, &to) < 0) {
		Py_XDECREF(g.list);
		return PyErr_NoMemory();
	}
	while (r >= 0 && g.any && !PyErr_Occurred()) {
		g.any = false;
		FBPY_LOWER_CALL(readdir, node, fh, g.cookie, to);
	}
	fb_dirsink_free(to);
	if (r >= 0 && !PyErr_Occurred())
		return g.list;
	Py_DECREF(g.list);
	return PyErr_Occurred() ? NULL : fbpy_super_failed(r);
}

PyObject *fbpy_super_opendir(struct fbpy_call *call, PyObject *args)
{
	struct fb_open opened = { .backing_fd = -1 };
	unsigned long long node;
	unsigned flags;
	int r;

	if (!PyArg_ParseTuple(args, "KI:opendir", &node, &flags))
		return NULL;
	FBPY_LOWER_CALL(opendir, node, (int)flags, &opened);
	return fbpy_super_opened(r, &opened);
}
