/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The beginning and the end of a session, as its file system sees them.
 */
#include "bodies.h"

static bool conn_field(PyObject *object, const char *name, uint64_t most, uint64_t *ret)
{
	PyObject *value = PyObject_GetAttrString(object, name);
	bool read = value && fbpy_u64(value, ret);

	Py_XDECREF(value);
	if (read && *ret > most) {
		PyErr_Format(PyExc_OverflowError, "conn.%s is out of range", name);
		read = false;
	}
	return read;
}

/* What init has changed. */
static bool conn_from(PyObject *object, struct fb_conn *conn)
{
	uint64_t write, ahead, gran, depth;

	if (!conn_field(object, "wanted", UINT64_MAX, &conn->wanted) ||
	    !conn_field(object, "max_write", UINT32_MAX, &write) ||
	    !conn_field(object, "max_readahead", UINT32_MAX, &ahead) ||
	    !conn_field(object, "time_gran_ns", UINT32_MAX, &gran) ||
	    !conn_field(object, "max_stack_depth", UINT32_MAX, &depth))
		return false;
	conn->max_write = (uint32_t)write;
	conn->max_readahead = (uint32_t)ahead;
	conn->time_gran_ns = (uint32_t)gran;
	conn->max_stack_depth = (uint32_t)depth;
	return true;
}

PyObject *fbpy_conn_to(const struct fb_conn *conn)
{
	return PyObject_CallFunction(
		fbpy_known.Conn, "IIKKIIIINN", conn->minor, conn->page_size,
		(unsigned long long)conn->offered, (unsigned long long)conn->wanted,
		conn->max_write, conn->max_readahead, conn->time_gran_ns, conn->max_stack_depth,
		PyBool_FromLong(conn->default_permissions), PyBool_FromLong(conn->notifications));
}

int fbpy_init(struct fbpy_fs *fs, struct fb_session *session, struct fb_conn *conn)
{
	PyObject *object, *result = NULL;
	int r = 0;

	(void)session;
	/* A class tells with each open whether there is a backing file; a driver below has decided. */
	if (fs->layer != FBPY_LOWER)
		conn->wanted |= conn->offered & FB_INIT_PASSTHROUGH;
	FBPY_ENTER;
	object = fbpy_conn_to(conn);
	if (object)
		result = PyObject_CallMethod(fs->server, "_init", "O", object);
	if (!result || !conn_from(object, conn))
		r = fbpy_error(fs, FBPY_OP_init);
	Py_XDECREF(object);
	Py_XDECREF(result);
	FBPY_LEAVE;
	return r;
}

void fbpy_destroy(struct fbpy_fs *fs)
{
	FBPY_ENTER;
	struct fbpy_args args = { .values = { fs->object }, .count = 1 };

	fbpy_run_last(fs, FBPY_OP_destroy, &args);
	fbpy_slots_clear(&fs->files);
	fbpy_slots_clear(&fs->dirs);
	fbpy_slots_clear(&fs->nodes);
	PyDict_Clear(fs->ids);
	FBPY_LEAVE;
}
