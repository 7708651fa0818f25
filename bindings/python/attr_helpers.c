/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * File(), Dir() and their like: an Attr of one type of file.
 */
#include "fbpy.h"

#include <sys/stat.h>

#define HELPER(name, type, mode)                                                                   \
	static PyObject *make_##name(PyObject *module, PyObject *const *args, Py_ssize_t count,    \
				     PyObject *names)                                              \
	{                                                                                          \
		(void)module;                                                                      \
		return fbpy_attr_make(fbpy_attr_type, type, mode, args, count, names);             \
	}

HELPER(file, S_IFREG, 0644)
HELPER(dir, S_IFDIR, 0755)
HELPER(symlink, S_IFLNK, 0777)
HELPER(fifo, S_IFIFO, 0644)
HELPER(socket, S_IFSOCK, 0755)

/* Device(mode, rdev=…): the mode tells whether it is a block or a character device. */
static PyObject *make_device(PyObject *module, PyObject *const *args, Py_ssize_t count,
			     PyObject *names)
{
	struct fbpy_attr *self = (struct fbpy_attr *)fbpy_attr_make(
		fbpy_attr_type, 0, S_IFCHR | 0600, args, count, names);

	(void)module;
	if (self && !S_ISBLK(self->attr.mode) && !S_ISCHR(self->attr.mode)) {
		Py_DECREF(self);
		PyErr_SetString(PyExc_ValueError,
				"a device's mode needs stat.S_IFBLK or stat.S_IFCHR");
		return NULL;
	}
	return (PyObject *)self;
}

#define HELPER_DEF(name, function, mode, doc)                                                      \
	{                                                                                          \
		name, (PyCFunction)(void (*)(void))function, METH_FASTCALL | METH_KEYWORDS,        \
			name "($module, mode=" mode ", *, " FBPY_ATTR_FIELDS ")\n--\n\n" doc       \
	}

PyMethodDef fbpy_attr_helpers[] = {
	HELPER_DEF("File", make_file, "0o644", "The attributes of a regular file, as an Attr."),
	HELPER_DEF("Dir", make_dir, "0o755", "The attributes of a directory, as an Attr."),
	HELPER_DEF("Symlink", make_symlink, "0o777",
		   "The attributes of a symbolic link, as an Attr."),
	HELPER_DEF("Fifo", make_fifo, "0o644", "The attributes of a named pipe, as an Attr."),
	HELPER_DEF("Socket", make_socket, "0o755", "The attributes of a socket, as an Attr."),
	HELPER_DEF("Device", make_device, "0o20600",
		   "The attributes of a device, as an Attr. The mode has stat.S_IFCHR or S_IFBLK\n"
		   "in it (else ValueError); rdev is as os.makedev() makes it."),
	{ NULL, NULL, 0, NULL },
};
