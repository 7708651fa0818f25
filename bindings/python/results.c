/* SPDX-License-Identifier: BSD-3-Clause */
#include "results.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

/* Bytes from which on handing them over costs less than copying them. */
#define GIVE_FROM 16384u
#define FIELD(tuple, at) PyTuple_GET_ITEM(tuple, at)

/* Fields of libfb.Entry, Opened, FdRange and Lock: see libfb/_results.py. */
enum { ENTRY_NODE, ENTRY_ATTR, ENTRY_TIMEOUT, ENTRY_ATTR_TIMEOUT };
enum { OPENED_HANDLE, OPENED_BACKING, OPENED_FLAGS };
enum { RANGE_FD, RANGE_OFFSET, RANGE_LENGTH };
enum { STATX_ATTR, STATX_BTIME_NS, STATX_REST };
enum { LOCK_TYPE, LOCK_START, LOCK_END, LOCK_PID };

static bool is_a(PyObject *value, PyObject *type)
{
	return (PyObject *)Py_TYPE(value) == type;
}

int fbpy_finish_none(struct fbpy_call *call, PyObject *result)
{
	(void)call;
	(void)result;
	return 0;
}

/* ---- attributes ----------------------------------------------------------------------------------- */

/* For the "." of a listing. */
static void note_ino(struct fbpy_fs *fs, uint64_t node, uint64_t ino)
{
	struct fbpy_slot *slot = fs->layer == FBPY_NODES ? fbpy_slots_get(&fs->nodes, node) : NULL;

	if (slot)
		slot->ino = ino;
}

/* None: the file system's own. */
static bool own_timeout(PyObject *value, uint64_t other, uint64_t *ret_ns)
{
	*ret_ns = other;
	return value == Py_None || fbpy_timeout(value, ret_ns);
}

/* Nodes may say for how long: by an Entry, as lookup does, whose node nobody looks at. */
static bool timed_attr(struct fbpy_call *call, PyObject *result, struct fb_attr_reply *reply)
{
	PyObject *timeout = Py_None;

	if (is_a(result, fbpy_known.Entry)) {
		timeout = FIELD(result, ENTRY_ATTR_TIMEOUT);
		result = FIELD(result, ENTRY_ATTR);
	}
	return result != Py_None && fbpy_attr_from(result, &reply->attr) &&
	       own_timeout(timeout, call->fs->attr_timeout_ns, &reply->attr_timeout_ns);
}

int fbpy_finish_attr(struct fbpy_call *call, PyObject *result)
{
	struct fb_attr_reply *reply = call->out;
	bool read;

	if (call->fs->layer == FBPY_PATHS)
		read = result != Py_None && fbpy_attr_from(result, &reply->attr);
	else
		read = timed_attr(call, result, reply);
	if (!read)
		return fbpy_wrong(call, result, "attributes (libfb.Attr, os.stat_result, …)");
	if (call->fs->layer != FBPY_PATHS) {
		if (reply->attr.ino == 0)
			reply->attr.ino = call->id;
		note_ino(call->fs, call->id, reply->attr.ino);
	}
	return 0;
}

/* A libfb.Statx: attributes, and what stat(2) does not tell. */
int fbpy_finish_statx(struct fbpy_call *call, PyObject *result)
{
	struct fb_statx *to = call->out;
	unsigned long long attributes, known;
	long long btime = 0;

	if (!is_a(result, fbpy_known.Statx) ||
	    !fbpy_attr_from(FIELD(result, STATX_ATTR), &to->attr) ||
	    !PyArg_ParseTuple(FIELD(result, STATX_REST), "KKII", &attributes, &known,
			      &to->dev_major, &to->dev_minor))
		return fbpy_wrong(call, result, "a libfb.Statx");
	to->attributes = attributes;
	to->attributes_mask = known;
	to->mask = STATX_BASIC_STATS;
	if (FIELD(result, STATX_BTIME_NS) != Py_None) {
		btime = PyLong_AsLongLong(FIELD(result, STATX_BTIME_NS));
		to->mask |= STATX_BTIME;
	}
	if (PyErr_Occurred())
		return fbpy_wrong(call, result, "a libfb.Statx");
	to->btime = fbpy_time_from_ns(btime);
	to->attr_timeout_ns = call->fs->attr_timeout_ns;
	if (to->attr.ino == 0)
		to->attr.ino = call->id;
	return 0;
}

static bool entry_from(struct fbpy_fs *fs, PyObject *value, struct fb_entry *entry)
{
	entry->generation = 0; /* a node's number says how often its place has been used */
	if (!fbpy_attr_from(FIELD(value, ENTRY_ATTR), &entry->attr) ||
	    !own_timeout(FIELD(value, ENTRY_TIMEOUT), fs->entry_timeout_ns,
			 &entry->entry_timeout_ns) ||
	    !own_timeout(FIELD(value, ENTRY_ATTR_TIMEOUT), fs->attr_timeout_ns,
			 &entry->attr_timeout_ns))
		return false;
	entry->node = fs->layer == FBPY_LOWER ? 0 : fbpy_node_count(fs, FIELD(value, ENTRY_NODE));
	if (fs->layer == FBPY_LOWER && !fbpy_u64(FIELD(value, ENTRY_NODE), &entry->node))
		return false;
	if (entry->attr.ino == 0)
		entry->attr.ino = entry->node;
	note_ino(fs, entry->node, entry->attr.ino);
	return entry->node != 0;
}

/* No such name; the client may remember that for the Entry's time. */
static bool is_absent(const struct fbpy_call *call, PyObject *result)
{
	return call->op == FBPY_OP_lookup && call->fs->layer == FBPY_NODES &&
	       is_a(result, fbpy_known.Entry) && FIELD(result, ENTRY_NODE) == Py_None &&
	       FIELD(result, ENTRY_ATTR) == Py_None;
}

static int no_entry(struct fbpy_call *call, PyObject *value)
{
	struct fb_entry *entry = call->out;

	*entry = (struct fb_entry){ 0 };
	if (!own_timeout(FIELD(value, ENTRY_TIMEOUT), call->fs->negative_timeout_ns,
			 &entry->entry_timeout_ns))
		return fbpy_wrong(call, value, "a libfb.Entry");
	return entry->entry_timeout_ns ? 0 : -ENOENT;
}

int fbpy_absent(struct fbpy_call *call, int r)
{
	struct fb_entry *entry = call->out;

	if (r != -ENOENT || call->op != FBPY_OP_lookup || call->fs->layer != FBPY_NODES ||
	    !call->fs->negative_timeout_ns)
		return r;
	*entry = (struct fb_entry){ .entry_timeout_ns = call->fs->negative_timeout_ns };
	return 0;
}

int fbpy_finish_entry(struct fbpy_call *call, PyObject *result)
{
	if (is_absent(call, result))
		return no_entry(call, result);
	if (!is_a(result, fbpy_known.Entry) || !entry_from(call->fs, result, call->out))
		return fbpy_wrong(call, result, "a libfb.Entry");
	return 0;
}

/* ---- open files ----------------------------------------------------------------------------------- */

uint64_t fbpy_handle_add(struct fbpy_slots *slots, PyObject *handle, PyObject *extra)
{
	uint64_t number = fbpy_slots_add(slots, handle);

	if (number)
		fbpy_slots_get(slots, number)->extra = Py_XNewRef(extra);
	return number;
}

/* Take a libfb.Opened apart. backing is borrowed. */
static bool opened_from(PyObject *result, struct fb_open *ret, PyObject **handle,
			PyObject **backing)
{
	uint64_t flags;

	*handle = FIELD(result, OPENED_HANDLE);
	if (!fbpy_u64(FIELD(result, OPENED_FLAGS), &flags))
		return false;
	ret->flags = (uint32_t)flags;
	if (FIELD(result, OPENED_BACKING) == Py_None)
		return true;
	*backing = FIELD(result, OPENED_BACKING);
	ret->backing_fd = PyObject_AsFileDescriptor(*backing);
	return ret->backing_fd >= 0;
}

static int open_from(struct fbpy_call *call, struct fbpy_slots *slots, struct fb_open *ret,
		     PyObject *result)
{
	PyObject *handle = result, *backing = NULL;

	*ret = (struct fb_open){ .backing_fd = -1 };
	if (is_a(result, fbpy_known.Opened) && !opened_from(result, ret, &handle, &backing))
		return fbpy_wrong(call, result, "a libfb.Opened with valid fields");
	/* Saves a round trip, and processes that die with a file of their own mount open. */
	if (slots == &call->fs->files && call->fs->layer != FBPY_LOWER &&
	    !fbpy_has(call->fs, FBPY_OP_flush))
		ret->flags |= FB_FOPEN_NOFLUSH;
	if (!fbpy_keeps_handles(call->fs, slots))
		return fbpy_u64(handle, &ret->fh) ? 0 : fbpy_wrong(call, result, "an fh");
	ret->fh = fbpy_handle_add(slots, handle, backing);
	return ret->fh ? 0 : fbpy_error(call->fs, call->op);
}

int fbpy_finish_open(struct fbpy_call *call, PyObject *result)
{
	return open_from(call, &call->fs->files, call->out, result);
}

int fbpy_finish_opendir(struct fbpy_call *call, PyObject *result)
{
	return open_from(call, &call->fs->dirs, call->out, result);
}

/* create and tmpfile of nodes: a pair of what lookup and open return. */
int fbpy_finish_create(struct fbpy_call *call, PyObject *result)
{
	struct fb_open *opened = call->more;
	int r;

	if (!PyTuple_CheckExact(result) || PyTuple_GET_SIZE(result) != 2 ||
	    !is_a(FIELD(result, 0), fbpy_known.Entry))
		return fbpy_wrong(call, result, "a pair (libfb.Entry, handle)");
	r = open_from(call, &call->fs->files, opened, FIELD(result, 1));
	if (r < 0)
		return r;
	if (entry_from(call->fs, FIELD(result, 0), call->out))
		return 0;
	r = fbpy_wrong(call, result, "a pair (libfb.Entry, handle)");
	if (call->fs->layer != FBPY_LOWER)
		Py_XDECREF(fbpy_slots_take(&call->fs->files, opened->fh));
	return r;
}

/* ---- data ------------------------------------------------------------------------------------------ */

/* The bytes go from the file to the client without being seen here. */
static int data_from_file(struct fbpy_call *call, PyObject *result)
{
	uint64_t off, length;
	int fd = PyObject_AsFileDescriptor(FIELD(result, RANGE_FD));
	ssize_t r;

	if (fd < 0 || !fbpy_u64(FIELD(result, RANGE_OFFSET), &off) ||
	    !fbpy_u64(FIELD(result, RANGE_LENGTH), &length))
		return fbpy_wrong(call, result, "a valid libfb.FdRange");
	if (length > call->size)
		length = call->size;
	Py_BEGIN_ALLOW_THREADS r = fb_sink_from_fd(call->out, fd, length, off);
	Py_END_ALLOW_THREADS return (int)r;
}

static int too_much(struct fbpy_call *call, PyObject *result, size_t size)
{
	PyErr_Format(PyExc_ValueError, "%s.%U() returned %zu bytes, but %llu were asked for",
		     Py_TYPE(call->fs->object)->tp_name, call->fs->methods[call->op].name, size,
		     (unsigned long long)call->size);
	(void)result;
	return fbpy_error(call->fs, call->op);
}

/* Put the bytes of a buffer, wherever they lie, into the sink. */
static int put(struct fbpy_call *call, PyObject *result, uint64_t most, int too_long)
{
	struct fb_sink *to = call->out;
	Py_buffer view;
	int r;

	if (PyObject_GetBuffer(result, &view, PyBUF_CONTIG_RO) < 0) {
		PyObject *copy;

		PyErr_Clear(); /* memory with gaps is copied first */
		copy = PyObject_CheckBuffer(result) ? PyBytes_FromObject(result) : NULL;
		if (!copy)
			return fbpy_wrong(call, result, "bytes or another buffer");
		r = put(call, copy, most, too_long);
		Py_DECREF(copy);
		return r;
	}
	if ((uint64_t)view.len > most)
		r = too_long ? -too_long : too_much(call, result, (size_t)view.len);
	else
		r = fb_sink_put(to, view.buf, (size_t)view.len);
	if (r == 0)
		r = (int)view.len;
	PyBuffer_Release(&view);
	return r;
}

/* Bytes that were sent from where they lie; in any thread. */
static void drop_sent(void *bytes)
{
	FBPY_ENTER;
	Py_DECREF((PyObject *)bytes);
	FBPY_LEAVE;
}

/* Bytes never change, so large ones need no copy. */
static int put_bytes(struct fbpy_call *call, PyObject *bytes)
{
	const char *data = PyBytes_AS_STRING(bytes);
	size_t size = (size_t)PyBytes_GET_SIZE(bytes);
	int r;

	if (size > call->size)
		return too_much(call, bytes, size);
	if (size < GIVE_FROM) {
		r = fb_sink_put(call->out, data, size);
	} else {
		Py_INCREF(bytes);
		r = fb_sink_give(call->out, data, size, drop_sent, bytes);
		if (r < 0)
			Py_DECREF(bytes);
	}
	return r < 0 ? -EIO : (int)size;
}

int fbpy_finish_data(struct fbpy_call *call, PyObject *result)
{
	if (PyBytes_CheckExact(result))
		return put_bytes(call, result);
	if (is_a(result, fbpy_known.FdRange))
		return data_from_file(call, result);
	return put(call, result, call->size, 0);
}

int fbpy_finish_link(struct fbpy_call *call, PyObject *result)
{
	PyObject *hold;
	Py_ssize_t size;
	const char *text = fbpy_text(result, &hold, &size);
	int r = -EIO;

	if (!text)
		return fbpy_wrong(call, result, "a link's target (str or bytes)");
	if (size > 0 && size < PATH_MAX && !memchr(text, 0, (size_t)size))
		r = fb_sink_put(call->out, text, (size_t)size) < 0 ? -ENAMETOOLONG : (int)size;
	Py_DECREF(hold);
	return r;
}

int fbpy_finish_xattr(struct fbpy_call *call, PyObject *result)
{
	Py_buffer view;
	int r;

	if (call->size > 0)
		return put(call, result, call->size, ERANGE);
	if (PyObject_GetBuffer(result, &view, PyBUF_SIMPLE) < 0)
		return fbpy_wrong(call, result, "an attribute's value (bytes)");
	r = view.len > FB_XATTR_MAX ? -E2BIG : (int)view.len;
	PyBuffer_Release(&view);
	return r;
}

/* Join names with a NUL behind each. */
static PyObject *join(PyObject *names)
{
	PyObject *all = PyByteArray_FromStringAndSize(NULL, 0), *each = PyObject_GetIter(names);
	PyObject *name;

	while (all && each && (name = PyIter_Next(each))) {
		PyObject *hold = NULL;
		Py_ssize_t size, at = PyByteArray_GET_SIZE(all);
		const char *text = fbpy_text(name, &hold, &size);

		if (text && PyByteArray_Resize(all, at + size + 1) == 0)
			memcpy(PyByteArray_AS_STRING(all) + at, text, (size_t)size + 1);
		Py_XDECREF(hold);
		Py_DECREF(name);
		if (PyErr_Occurred())
			break;
	}
	Py_XDECREF(each);
	if (PyErr_Occurred())
		Py_CLEAR(all);
	return all;
}

int fbpy_finish_xattrs(struct fbpy_call *call, PyObject *result)
{
	PyObject *all = PyUnicode_Check(result) || PyBytes_Check(result) ? NULL : join(result);
	int r;

	if (!all)
		return fbpy_wrong(call, result, "names of attributes (an iterable of str)");
	r = fbpy_finish_xattr(call, all);
	Py_DECREF(all);
	return r;
}

int fbpy_finish_written(struct fbpy_call *call, PyObject *result)
{
	uint64_t written = call->size;

	if (result != Py_None && (!fbpy_u64(result, &written) || written > call->size)) {
		PyErr_Clear();
		PyErr_Format(PyExc_ValueError, "%s.write() returned %R; %llu bytes were given",
			     Py_TYPE(call->fs->object)->tp_name, result,
			     (unsigned long long)call->size);
		return fbpy_error(call->fs, call->op);
	}
	return (int)written;
}

/* ---- the rest ---------------------------------------------------------------------------------------- */

static bool statfs_field(PyObject *value, const char *name, uint64_t *field)
{
	PyObject *number = PyObject_GetAttrString(value, name);
	bool read = number && fbpy_u64(number, field);

	Py_XDECREF(number);
	return read;
}

int fbpy_finish_statfs(struct fbpy_call *call, PyObject *result)
{
	struct fb_statfs *to = call->out;
	uint64_t bsize, frsize, namelen;

	if (!statfs_field(result, "f_blocks", &to->blocks) ||
	    !statfs_field(result, "f_bfree", &to->bfree) ||
	    !statfs_field(result, "f_bavail", &to->bavail) ||
	    !statfs_field(result, "f_files", &to->files) ||
	    !statfs_field(result, "f_ffree", &to->ffree) ||
	    !statfs_field(result, "f_bsize", &bsize) ||
	    !statfs_field(result, "f_frsize", &frsize) ||
	    !statfs_field(result, "f_namemax", &namelen))
		return fbpy_wrong(call, result, "a libfb.StatFS or os.statvfs_result");
	to->bsize = (uint32_t)bsize;
	to->frsize = (uint32_t)frsize;
	to->namelen = (uint32_t)namelen;
	return 0;
}

int fbpy_finish_lock(struct fbpy_call *call, PyObject *result)
{
	struct fb_lock *lock = call->out;
	uint64_t type, pid;

	*lock = (struct fb_lock){ .type = F_UNLCK };
	if (result == Py_None)
		return 0;
	if (!is_a(result, fbpy_known.Lock) || !fbpy_u64(FIELD(result, LOCK_TYPE), &type) ||
	    !fbpy_u64(FIELD(result, LOCK_START), &lock->start) ||
	    !fbpy_u64(FIELD(result, LOCK_END), &lock->end) ||
	    !fbpy_u64(FIELD(result, LOCK_PID), &pid))
		return fbpy_wrong(call, result, "a libfb.Lock or None");
	lock->type = (uint32_t)type;
	lock->pid = (uint32_t)pid;
	return 0;
}

int fbpy_finish_u64(struct fbpy_call *call, PyObject *result)
{
	return fbpy_u64(result, call->out) ? 0 : fbpy_wrong(call, result, "a number, 0 or more");
}

int fbpy_finish_u32(struct fbpy_call *call, PyObject *result)
{
	uint64_t value;

	if (!fbpy_u64(result, &value) || value > UINT32_MAX)
		return fbpy_wrong(call, result, "a number of 32 bits");
	*(uint32_t *)call->out = (uint32_t)value;
	return 0;
}

/* None, the call's result, its data, or both: (result, data). */
int fbpy_finish_ioctl(struct fbpy_call *call, PyObject *result)
{
	int32_t *number = call->more;
	PyObject *data = NULL;
	uint64_t value = 0;

	if (PyTuple_CheckExact(result) && PyTuple_GET_SIZE(result) == 2) {
		data = FIELD(result, 1);
		result = FIELD(result, 0);
	} else if (PyObject_CheckBuffer(result)) {
		data = result;
		result = Py_None;
	}
	if (result != Py_None && (!fbpy_u64(result, &value) || value > INT32_MAX))
		return fbpy_wrong(call, result, "None, a number, bytes or (number, bytes)");
	*number = (int32_t)value;
	return data ? put(call, data, call->size, 0) : 0;
}
