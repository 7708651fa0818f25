/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the operations of super_*.c share: from Python's arguments to the driver's, and back.
 */
#ifndef FBPY_SUPER_PARTS_H
#define FBPY_SUPER_PARTS_H

#include "fbpy.h"

#include <errno.h>

/* Call an operation of the driver below without the GIL; r is its result. */
#define FBPY_LOWER_CALL(op, ...)                                                                   \
	do {                                                                                       \
		const struct fb_driver_ops *ops = call->fs->lower_ops;                             \
                                                                                                   \
		Py_BEGIN_ALLOW_THREADS r =                                                         \
			ops->op ? ops->op(call->fs->lower, call->req, __VA_ARGS__) : -EOPNOTSUPP;  \
		Py_END_ALLOW_THREADS                                                               \
	} while (0)

/* A name or target that Python gave, with its owner. */
struct fbpy_name_arg {
	PyObject *hold;
	const char *bytes;
};

/* For "O&" of PyArg_ParseTuple(); drop hold afterwards. */
int fbpy_to_name(PyObject *value, void *name);

/* Raise OSError for -errno. Returns NULL. */
PyObject *fbpy_super_failed(int r);
PyObject *fbpy_super_none(int r);
PyObject *fbpy_super_entry(int r, const struct fb_entry *entry);
/* A libfb.Opened with the driver's fh. */
PyObject *fbpy_super_opened(int r, const struct fb_open *opened);

/* Every operation: call it for the request of call, with a tuple of arguments. */
#define FBPY_SUPER_OPS(X)                                                                          \
	X(lookup)                                                                                  \
	X(getattr)                                                                                 \
	X(setattr)                                                                                 \
	X(readlink)                                                                                \
	X(symlink)                                                                                 \
	X(mknod)                                                                                   \
	X(mkdir)                                                                                   \
	X(unlink)                                                                                  \
	X(rmdir)                                                                                   \
	X(rename)                                                                                  \
	X(link)                                                                                    \
	X(open)                                                                                    \
	X(create)                                                                                  \
	X(tmpfile)                                                                                 \
	X(read)                                                                                    \
	X(write)                                                                                   \
	X(flush)                                                                                   \
	X(fsync)                                                                                   \
	X(opendir)                                                                                 \
	X(readdir)                                                                                 \
	X(fsyncdir)                                                                                \
	X(statfs)                                                                                  \
	X(syncfs)                                                                                  \
	X(setxattr)                                                                                \
	X(getxattr)                                                                                \
	X(listxattr)                                                                               \
	X(removexattr)                                                                             \
	X(access)                                                                                  \
	X(getlk)                                                                                   \
	X(setlk)                                                                                   \
	X(fallocate)                                                                               \
	X(lseek)                                                                                   \
	X(copy_file_range)                                                                         \
	X(discard)                                                                                 \
	X(unlookup)
#define FBPY_SUPER_DECLARE(op) PyObject *fbpy_super_##op(struct fbpy_call *call, PyObject *args);
FBPY_SUPER_OPS(FBPY_SUPER_DECLARE)
#undef FBPY_SUPER_DECLARE

#endif
