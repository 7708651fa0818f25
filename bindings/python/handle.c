/* SPDX-License-Identifier: BSD-3-Clause */
#include "handle.h"

#include "bodies.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

static PyTypeObject *handle_type;

struct fbpy_handle *fbpy_handle_of(PyObject *self)
{
	if (!PyObject_TypeCheck(self, handle_type)) {
		PyErr_SetString(PyExc_TypeError, "a session's handle is needed");
		return NULL;
	}
	if (!((struct fbpy_handle *)self)->session) {
		PyErr_SetString(PyExc_RuntimeError, "the session has been closed");
		return NULL;
	}
	return (struct fbpy_handle *)self;
}

struct fb_session *fbpy_session_of(PyObject *handle)
{
	struct fbpy_handle *self = fbpy_handle_of(handle);

	return self ? self->session : NULL;
}

/* ---- the file system -------------------------------------------------------------------------------- */

static void fs_free(struct fbpy_fs *fs)
{
	if (!fs)
		return;
	fb_path_free(fs->path);
	fb_passthrough_free(fs->lower);
	fbpy_slots_clear(&fs->files);
	fbpy_slots_clear(&fs->dirs);
	fbpy_slots_clear(&fs->nodes);
	for (int op = 0; op < FBPY_OP_COUNT; op++)
		Py_XDECREF(fs->methods[op].name);
	Py_XDECREF(fs->ids);
	Py_XDECREF(fs->object);
	Py_XDECREF(fs->server);
	PyMem_RawFree(fs);
}

static bool set_methods(struct fbpy_fs *fs, PyObject *methods)
{
	static const char *const names[] = {
#define NAME(op) #op,
		FB_DRIVER_OPS(NAME)
#undef NAME
	};

	for (int op = 0; op < FBPY_OP_COUNT; op++) {
		PyObject *argc;

		fs->methods[op].name = PyUnicode_InternFromString(names[op]);
		if (!fs->methods[op].name)
			return false;
		argc = PyDict_GetItemWithError(methods, fs->methods[op].name);
		if (!argc && PyErr_Occurred())
			return false;
		fs->methods[op].argc = argc ? (int)PyLong_AsLong(argc) : -1;
	}
	return !PyErr_Occurred();
}

static bool timeout_of(PyObject *config, const char *name, uint64_t *ret_ns)
{
	PyObject *value = PyDict_GetItemString(config, name);

	if (!value) {
		PyErr_Format(PyExc_KeyError, "%s", name);
		return false;
	}
	return fbpy_timeout(value, ret_ns);
}

/* The root is node 1 for as long as the session lives. */
static bool set_root(struct fbpy_fs *fs, PyObject *config)
{
	PyObject *root = PyDict_GetItemString(config, "root");
	PyObject *number = PyLong_FromLong(FB_ROOT_NODE);
	bool set = root && number && fbpy_slots_add(&fs->nodes, root) == FB_ROOT_NODE &&
		   PyDict_SetItem(fs->ids, root, number) == 0;

	Py_XDECREF(number);
	return set;
}

static uint64_t or_none(uint64_t timeout_ns)
{
	return timeout_ns ? timeout_ns : FB_TIMEOUT_NONE;
}

static bool paths_init(struct fbpy_fs *fs)
{
	const struct fb_path_options options = {
		.size = sizeof(options),
		.entry_timeout_ns = or_none(fs->entry_timeout_ns),
		.attr_timeout_ns = or_none(fs->attr_timeout_ns),
		.negative_timeout_ns = or_none(fs->negative_timeout_ns),
	};
	int r;

	fbpy_path_ops(fs);
	r = fb_path_new(&fs->path_ops, fs, &options, &fs->path);
	if (r < 0)
		fbpy_raise(r);
	return r == 0;
}

static bool lower_init(struct fbpy_fs *fs, PyObject *source)
{
	const struct fb_passthrough_options *options;
	PyObject *directory, *pointer;
	int r;

	if (!PyArg_ParseTuple(source, "O&O", PyUnicode_FSConverter, &directory, &pointer))
		return false;
	options = PyLong_AsVoidPtr(pointer);
	r = fb_passthrough_new(PyBytes_AS_STRING(directory), options, &fs->lower);
	Py_DECREF(directory);
	if (r < 0)
		fbpy_raise(r);
	else
		fs->lower_ops = fb_passthrough_ops(fs->lower);
	return r == 0;
}

static bool layer_init(struct fbpy_fs *fs, PyObject *config, PyObject *source)
{
	if (fs->layer == FBPY_PATHS)
		return paths_init(fs);
	if (fs->layer == FBPY_LOWER ? !lower_init(fs, source) : !set_root(fs, config))
		return false;
	fbpy_node_ops(fs);
	return true;
}

static struct fbpy_fs *fs_new(PyObject *object, PyObject *server, enum fbpy_layer layer,
			      PyObject *methods, PyObject *config, PyObject *source)
{
	struct fbpy_fs *fs = PyMem_RawCalloc(1, sizeof(*fs));

	if (!fs) {
		PyErr_NoMemory();
		return NULL;
	}
	fs->object = Py_NewRef(object);
	fs->server = Py_NewRef(server);
	fs->layer = layer;
	fs->ids = PyDict_New();
	fs->bytes_names = PyDict_GetItemString(config, "bytes_names") == Py_True;
	if (fs->ids && timeout_of(config, "entry_timeout", &fs->entry_timeout_ns) &&
	    timeout_of(config, "attr_timeout", &fs->attr_timeout_ns) &&
	    timeout_of(config, "negative_timeout", &fs->negative_timeout_ns) &&
	    set_methods(fs, methods) && layer_init(fs, config, source))
		return fs;
	fs_free(fs);
	return NULL;
}

/* ---- the handle --------------------------------------------------------------------------------------- */

static PyObject *handle_new(struct fbpy_fs *fs, struct fb_session_options *options)
{
	const struct fb_driver_ops *ops =
		fs->layer == FBPY_PATHS ? fb_path_driver_ops(fs->path) : &fs->ops;
	void *driver = fs->layer == FBPY_PATHS ? (void *)fs->path : fs;
	struct fbpy_handle *self = (struct fbpy_handle *)handle_type->tp_alloc(handle_type, 0);
	int r;

	if (!self)
		return NULL;
	r = fb_session_new(ops, driver, options, &self->session);
	if (r < 0) {
		Py_DECREF(self);
		return fbpy_raise(r);
	}
	fs->session = self->session;
	self->fs = fs;
	return (PyObject *)self;
}

PyObject *session_new(PyObject *object, PyObject *server, int layer, PyObject *methods,
		      PyObject *config, struct fb_session_options *options, PyObject *source)
{
	struct fbpy_fs *fs =
		fs_new(object, server, (enum fbpy_layer)layer, methods, config, source);
	PyObject *handle = fs ? handle_new(fs, options) : NULL;

	if (fs && !handle)
		fs_free(fs);
	return handle;
}

static void handle_close(struct fbpy_handle *self)
{
	struct fb_loopback *loopback = self->loopback;
	struct fb_session *session = self->session;
	struct fbpy_fs *fs = self->fs;

	self->loopback = NULL;
	self->session = NULL;
	self->fs = NULL;
	if (session) {
		Py_BEGIN_ALLOW_THREADS fb_loopback_free(loopback);
		fb_session_trace(session, NULL, NULL);
		fb_session_unref(session);
		Py_END_ALLOW_THREADS
	}
	fs_free(fs);
	Py_CLEAR(self->trace);
}

PyObject *session_close(PyObject *handle)
{
	if (!PyObject_TypeCheck(handle, handle_type)) {
		PyErr_SetString(PyExc_TypeError, "a session's handle is needed");
		return NULL;
	}
	handle_close((struct fbpy_handle *)handle);
	Py_RETURN_NONE;
}

/*
 * In a forked child. Locks that other threads had stay locked, so nothing is freed; a handler that this
 * child comes back from still finds its file system.
 */
PyObject *session_forget(PyObject *handle)
{
	struct fbpy_handle *self = fbpy_handle_of(handle);

	if (!self)
		return NULL;
	fb_session_after_fork(self->session);
	self->session = NULL;
	self->loopback = NULL;
	self->fs = NULL;
	Py_RETURN_NONE;
}

static void handle_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	handle_close((struct fbpy_handle *)self);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyType_Slot handle_slots[] = {
	{ Py_tp_dealloc, handle_dealloc },
	{ 0, NULL },
};

static PyType_Spec handle_spec = {
	.name = "libfb._fbc.Handle",
	.basicsize = sizeof(struct fbpy_handle),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = handle_slots,
};

int fbpy_handle_init(PyObject *module)
{
	handle_type = (PyTypeObject *)PyType_FromSpec(&handle_spec);
	if (!handle_type)
		return -1;
	return PyModule_AddObjectRef(module, "Handle", (PyObject *)handle_type);
}

/* ---- new code --------------------------------------------------------------------------------------------- */

/* What an operation was missing at first stays missing: the client may have been told, and remember. */
PyObject *session_replace(PyObject *handle, PyObject *object, PyObject *methods)
{
	struct fbpy_handle *self = fbpy_handle_of(handle);
	int argc[FBPY_OP_COUNT];

	if (!self)
		return NULL;
	for (int op = 0; op < FBPY_OP_COUNT; op++) {
		PyObject *name = self->fs->methods[op].name;
		PyObject *number = PyDict_GetItemWithError(methods, name);

		argc[op] = number ? (int)PyLong_AsLong(number) : self->fs->methods[op].argc;
		if (PyErr_Occurred())
			return NULL;
	}
	for (int op = 0; op < FBPY_OP_COUNT; op++)
		if (fbpy_has(self->fs, op))
			self->fs->methods[op].argc = argc[op];
	Py_XSETREF(self->fs->object, Py_NewRef(object));
	Py_RETURN_NONE;
}

/* ---- what it holds -------------------------------------------------------------------------------------- */

static PyObject *find_path(struct fbpy_fs *fs, PyObject *path)
{
	PyObject *hold;
	Py_ssize_t size;
	const char *text = fbpy_text(path, &hold, &size);
	uint64_t node;
	int r;

	if (!text)
		return NULL;
	r = fb_path_find(fs->path, text, &node);
	Py_DECREF(hold);
	if (r < 0)
		Py_RETURN_NONE;
	return PyLong_FromUnsignedLongLong(node);
}

PyObject *session_find(PyObject *handle, PyObject *node)
{
	struct fbpy_handle *self = fbpy_handle_of(handle);
	PyObject *number;

	if (!self)
		return NULL;
	if (self->fs->layer == FBPY_LOWER)
		return Py_NewRef(node);
	if (self->fs->layer == FBPY_PATHS)
		return find_path(self->fs, node);
	number = PyDict_GetItemWithError(self->fs->ids, node);
	if (!number && PyErr_Occurred())
		return NULL;
	return Py_NewRef(number ? number : Py_None);
}

PyObject *session_held(PyObject *handle)
{
	struct fbpy_handle *self = fbpy_handle_of(handle);

	if (!self)
		return NULL;
	return Py_BuildValue("(III)", self->fs->nodes.live, self->fs->files.live,
			     self->fs->dirs.live);
}

static void trace_line(void *arg, const char *text)
{
	PyObject *callable = arg, *result;

	FBPY_ENTER;
	result = PyObject_CallFunction(callable, "s", text);
	if (!result)
		PyErr_WriteUnraisable(callable);
	Py_XDECREF(result);
	FBPY_LEAVE;
}

PyObject *session_set_trace(PyObject *handle, PyObject *callable)
{
	struct fbpy_handle *self = fbpy_handle_of(handle);

	if (!self)
		return NULL;
	if (callable == Py_None) {
		fb_session_trace(self->session, NULL, NULL);
		Py_RETURN_NONE;
	}
	/* The old one is kept: a worker may be about to call it. */
	if (self->trace) {
		PyErr_SetString(PyExc_RuntimeError, "the session is traced already");
		return NULL;
	}
	self->trace = Py_NewRef(callable);
	fb_session_trace(self->session, trace_line, callable);
	Py_RETURN_NONE;
}

static PyObject *op_statistics(const struct fb_stats *stats)
{
	PyObject *buckets = PyList_New(FB_STATS_BUCKETS);

	for (int i = 0; buckets && i < FB_STATS_BUCKETS; i++) {
		PyObject *count = PyLong_FromUnsignedLongLong(stats->buckets[i]);

		if (!count)
			Py_CLEAR(buckets);
		else
			PyList_SET_ITEM(buckets, i, count);
	}
	if (!buckets)
		return NULL;
	return Py_BuildValue("{sKsKsKsKsKsN}", "requests", (unsigned long long)stats->requests,
			     "errors", (unsigned long long)stats->errors, "bytes_in",
			     (unsigned long long)stats->bytes_in, "bytes_out",
			     (unsigned long long)stats->bytes_out, "latency_ns",
			     (unsigned long long)stats->latency_ns, "buckets", buckets);
}

PyObject *session_statistics(PyObject *handle)
{
	struct fbpy_handle *self = fbpy_handle_of(handle);
	PyObject *all = self ? PyDict_New() : NULL;
	struct fb_stats stats;

	for (size_t i = 0; all && fb_session_stats_op(self->session, i, &stats); i++) {
		PyObject *one = stats.requests ? op_statistics(&stats) : NULL;

		if (one && PyDict_SetItemString(all, stats.name, one) < 0)
			Py_CLEAR(all);
		Py_XDECREF(one);
		if (PyErr_Occurred())
			Py_CLEAR(all);
	}
	return all;
}

PyObject *session_agreed(PyObject *handle)
{
	struct fbpy_handle *self = fbpy_handle_of(handle);
	struct fb_conn conn = { .size = sizeof(conn) };

	if (!self)
		return NULL;
	fb_session_conn(self->session, &conn);
	return fbpy_conn_to(&conn);
}
