/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of the Python binding: what its C files share.
 *
 * A file system in Python is served by a driver in C, struct fbpy_fs, whose operations call the
 * object's methods. Every call has three steps: arguments become Python objects, the method runs, its
 * result is taken apart by a "finish" function. A handler that is a coroutine, or that takes its
 * request to answer it later, has its last step then: struct fbpy_call is all that the step needs.
 *
 * Everything here is touched with the GIL held only. Whatever can reach a driver (completing a request,
 * ending a session) is called without it.
 */
#ifndef FBPY_H
#define FBPY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <libfb/fb.h>
#include <libfb/listing.h>
#include <libfb/path.h>
#include <stdbool.h>

#include "slots.h"

/* Take the GIL in a function that C calls: from a worker (cheap) or from any other thread. */
#define FBPY_ENTER PyGILState_STATE fbpy_gil = PyGILState_Ensure()
#define FBPY_LEAVE PyGILState_Release(fbpy_gil)

/* What the methods take as their first argument. */
enum fbpy_layer {
	FBPY_NODES, /* objects of the file system's own: NodeFS */
	FBPY_PATHS, /* str or bytes: PathFS */
	FBPY_LOWER, /* numbers of the driver below: Passthrough */
};

/* One method: how many arguments it takes at most; -1 when the class does not have it. */
struct fbpy_method {
	PyObject *name;
	int argc;
};

enum fbpy_op {
#define FBPY_OP(op) FBPY_OP_##op,
	FB_DRIVER_OPS(FBPY_OP)
#undef FBPY_OP
		FBPY_OP_COUNT
};

/* Operations of nodes that can have a method of the same arguments. */
#define FBPY_NODE_METHODS(X)                                                                       \
	X(lookup)                                                                                  \
	X(getattr)                                                                                 \
	X(statx)                                                                                   \
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
	X(release)                                                                                 \
	X(fsync)                                                                                   \
	X(opendir)                                                                                 \
	X(readdir)                                                                                 \
	X(releasedir)                                                                              \
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
	X(ioctl)                                                                                   \
	X(poll)                                                                                    \
	X(bmap)                                                                                    \
	X(setupmapping)                                                                            \
	X(removemapping)

struct fbpy_fs {
	PyObject *object; /* the user's */
	PyObject *server; /* libfb.Server: explains errors, starts coroutines */
	enum fbpy_layer layer;
	struct fbpy_method methods[FBPY_OP_COUNT];
	struct fbpy_slots files, dirs, nodes;
	PyObject *ids; /* dict: node object -> its number */
	uint64_t entry_timeout_ns, attr_timeout_ns, negative_timeout_ns;
	bool bytes_names;
	struct fb_driver_ops ops;
	struct fb_path_ops path_ops;
	struct fb_path *path;         /* FBPY_PATHS */
	struct fb_passthrough *lower; /* FBPY_LOWER */
	const struct fb_driver_ops *lower_ops;
	struct fb_session *session; /* borrowed: it holds this */
};

struct fbpy_call;
typedef int fbpy_finish_fn(struct fbpy_call *call, PyObject *result);

/* One request that is being answered. */
struct fbpy_call {
	struct fbpy_fs *fs;
	struct fb_req *req;
	enum fbpy_op op;
	fbpy_finish_fn *finish;
	void *out, *more;    /* where the result goes: outputs live as long as the request */
	uint64_t size;       /* bytes asked for or given */
	uint64_t id;         /* the node or open file that is meant, where finish wants it */
	uint64_t node;       /* of readdir: the directory */
	uint32_t open_flags; /* FB_OPEN_*, for the driver below */
	const struct fb_setattr *set; /* the same */
	bool lower_pending;           /* the driver below has taken the request */
	PyObject *request;            /* struct fbpy_request that stands for this call; or NULL */
	struct fbpy_call *outer;
};

/* Arguments of a method, the object first. A NULL among those pushed: an error is set. */
struct fbpy_args {
	PyObject *values[12];
	int count;
	int file; /* where among values the open file is; 0: nowhere */
	bool failed;
};

/* Take the reference. */
static inline void fbpy_push(struct fbpy_args *args, PyObject *value)
{
	if (value && !args->failed)
		args->values[args->count++] = value;
	else
		Py_XDECREF(value);
	args->failed |= !value;
}

static inline void fbpy_push_u64(struct fbpy_args *args, uint64_t value)
{
	fbpy_push(args, PyLong_FromUnsignedLongLong(value));
}

static inline bool fbpy_has(const struct fbpy_fs *fs, enum fbpy_op op)
{
	return fs->methods[op].argc >= 0;
}

/*
 * Whether handles of this kind are objects that have their numbers here. With a driver below they are
 * its numbers, but for directories that a method lists.
 */
static inline bool fbpy_keeps_handles(const struct fbpy_fs *fs, const struct fbpy_slots *slots)
{
	return fs->layer != FBPY_LOWER || (slots == &fs->dirs && fbpy_has(fs, FBPY_OP_readdir));
}

/* Run the method of call and finish it; drops the arguments. Returns what the operation returns. */
int fbpy_run(struct fbpy_call *call, struct fbpy_args *args);

/* ---- errors ---- */

/* Turn the Python error that is set into -errno; log what is a bug. */
int fbpy_error(struct fbpy_fs *fs, enum fbpy_op op);
/* The same for a result of the wrong type. */
int fbpy_wrong(struct fbpy_call *call, PyObject *result, const char *wanted);
/* Raise OSError(-r) with libfb's sentence. Returns NULL. */
PyObject *fbpy_raise(int r);

/* A lookup that found nothing is an answer of its own where clients may remember that. */
int fbpy_absent(struct fbpy_call *call, int r);

/* ---- values ---- */

PyObject *fbpy_name(const struct fbpy_fs *fs, const char *name);
/* A name or path that Python gave, as bytes: borrowed from *ret_hold, which the caller drops. */
const char *fbpy_text(PyObject *value, PyObject **ret_hold, Py_ssize_t *ret_size);
bool fbpy_u64(PyObject *value, uint64_t *ret_value);
/* A non-negative time in seconds (int or float), or None for none, in ns. */
bool fbpy_timeout(PyObject *value, uint64_t *ret_ns);

struct fb_time fbpy_time_from_ns(long long ns);

/* ---- types ---- */

struct fbpy_attr {
	PyObject_HEAD struct fb_attr attr;
};

struct fbpy_request {
	PyObject_HEAD struct fbpy_call call; /* req NULL: answered, or its handler has returned */
	bool taken;                          /* it is answered through this object */
};

extern PyTypeObject *fbpy_attr_type, *fbpy_request_type;

/* What the Python layer defines and C recognizes; see libfb/_results.py for their fields. */
#define FBPY_KNOWN(X)                                                                              \
	X(Entry)                                                                                   \
	X(Opened)                                                                                  \
	X(FdRange)                                                                                 \
	X(Lock)                                                                                    \
	X(StatFS)                                                                                  \
	X(Statx)                                                                                   \
	X(Changes)                                                                                 \
	X(Conn)                                                                                    \
	X(PENDING)
struct fbpy_known {
#define FBPY_KNOWN_FIELD(name) PyObject *name;
	FBPY_KNOWN(FBPY_KNOWN_FIELD)
};
extern struct fbpy_known fbpy_known;

/* Fill ret_attr from an Attr, a stat_result or an object with st_*. Sets an error otherwise. */
bool fbpy_attr_from(PyObject *value, struct fb_attr *ret_attr);
/* Make an Attr from a mode and fields by name, as vectorcall gives them; type is put into the mode. */
PyObject *fbpy_attr_make(PyTypeObject *of, uint32_t type, uint32_t mode, PyObject *const *args,
			 Py_ssize_t count, PyObject *names);
extern PyMethodDef fbpy_attr_helpers[];
/* The fields in signatures, for inspect and help(). */
#define FBPY_ATTR_FIELDS                                                                           \
	"size=..., ino=..., nlink=..., uid=..., gid=..., rdev=..., blocks=..., blksize=..., "      \
	"atime_ns=..., mtime_ns=..., ctime_ns=..., **st_fields"
PyObject *fbpy_attr_to(const struct fb_attr *attr);

/* The call of the handler that runs in this thread, or NULL. */
struct fbpy_call *fbpy_current(void);
/* The request of the handler that runs in this thread. New reference. */
PyObject *fbpy_request_current(void);
/* Make the object that stands for a call, or find it. New reference; the call has one too. */
PyObject *fbpy_request_make(struct fbpy_call *call);
/* The handler has returned r: unless it is pending, the object must not be used any more. */
void fbpy_request_drop(struct fbpy_call *call, int r);

int fbpy_attr_init(PyObject *module);
int fbpy_request_init(PyObject *module);

/* ---- nodes ---- */

/* Count one lookup of a node object. Returns its number, or 0 with an error set. */
uint64_t fbpy_node_count(struct fbpy_fs *fs, PyObject *node);
/* What a number stands for. New reference, or NULL with ESTALE set. */
PyObject *fbpy_node_object(struct fbpy_fs *fs, uint64_t node);
/* The operation forget: the last lookup given back ends a node. */
void fbpy_node_forget(void *self, uint64_t node, uint64_t count);

/* ---- layers ---- */

/* Fill in the operations for which the object has methods. */
void fbpy_node_ops(struct fbpy_fs *fs);
void fbpy_path_ops(struct fbpy_fs *fs);

#endif
