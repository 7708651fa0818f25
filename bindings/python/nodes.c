/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The nodes of a NodeFS: any hashable objects, and the numbers by which the client knows them.
 */
#include "results.h"

#include <errno.h>

static PyObject *stale(void)
{
	errno = ESTALE;
	return PyErr_SetFromErrno(PyExc_OSError);
}

PyObject *fbpy_node_object(struct fbpy_fs *fs, uint64_t node)
{
	struct fbpy_slot *slot;

	if (fs->layer == FBPY_LOWER)
		return PyLong_FromUnsignedLongLong(node);
	slot = fbpy_slots_get(&fs->nodes, node);
	return slot ? Py_NewRef(slot->object) : stale();
}

static uint64_t node_add(struct fbpy_fs *fs, PyObject *node)
{
	uint64_t number = fbpy_slots_add(&fs->nodes, node);
	PyObject *value = number ? PyLong_FromUnsignedLongLong(number) : NULL;

	if (!value || PyDict_SetItem(fs->ids, node, value) < 0) {
		if (number)
			Py_DECREF(fbpy_slots_take(&fs->nodes, number));
		number = 0;
	}
	Py_XDECREF(value);
	return number;
}

uint64_t fbpy_node_count(struct fbpy_fs *fs, PyObject *node)
{
	PyObject *known = PyDict_GetItemWithError(fs->ids, node);
	uint64_t number;

	if (known)
		number = PyLong_AsUnsignedLongLong(known);
	else
		number = PyErr_Occurred() ? 0 : node_add(fs, node);
	if (number)
		fbpy_slots_get(&fs->nodes, number)->count++;
	return number;
}

static void node_gone(struct fbpy_fs *fs, uint64_t number)
{
	PyObject *node = fbpy_slots_take(&fs->nodes, number);
	struct fbpy_args args = { .values = { fs->object }, .count = 1 };
	struct fbpy_call call = { .fs = fs, .op = FBPY_OP_forget, .finish = fbpy_finish_none };

	if (PyDict_DelItem(fs->ids, node) < 0)
		PyErr_Clear();
	if (fbpy_has(fs, FBPY_OP_forget)) {
		fbpy_push(&args, Py_NewRef(node));
		fbpy_run(&call, &args);
	}
	Py_DECREF(node);
}

/* The root stays. */
void fbpy_node_forget(void *self, uint64_t node, uint64_t count)
{
	struct fbpy_fs *fs = self;
	struct fbpy_slot *slot;

	FBPY_ENTER;
	slot = fbpy_slots_get(&fs->nodes, node);
	if (slot && node != FB_ROOT_NODE) {
		slot->count -= count < slot->count ? count : slot->count;
		if (slot->count == 0)
			node_gone(fs, node);
	}
	FBPY_LEAVE;
}
