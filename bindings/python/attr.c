/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The type Attr: what stat(2) tells of a file, and the helpers File, Dir, … that make one.
 *
 * A handler makes one for nearly every request, so it has a constructor that does not go through a
 * dictionary of keywords.
 */
#include "fbpy.h"

#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000LL
#define BLOCK 512u
#define BLKSIZE_DEFAULT 4096u

PyTypeObject *fbpy_attr_type;

/* What an attribute that is left out is: the server's ids, and the time when libfb was imported. */
static struct fb_attr defaults;

enum field {
	F_mode,
	F_size,
	F_ino,
	F_nlink,
	F_uid,
	F_gid,
	F_rdev,
	F_blocks,
	F_blksize,
	F_atime_ns,
	F_mtime_ns,
	F_ctime_ns,
	FIELD_COUNT
};

static const char *const field_names[FIELD_COUNT] = {
	"mode", "size",   "ino",     "nlink",    "uid",      "gid",
	"rdev", "blocks", "blksize", "atime_ns", "mtime_ns", "ctime_ns",
};

static PyObject *short_names[FIELD_COUNT], *long_names[FIELD_COUNT]; /* interned */

/* ---- numbers ---------------------------------------------------------------------------------- */

struct fb_time fbpy_time_from_ns(long long ns)
{
	long long sec = ns / NS, rest = ns % NS;

	if (rest < 0) {
		rest += NS;
		sec--;
	}
	return (struct fb_time){ .sec = sec, .nsec = (uint32_t)rest };
}

static PyObject *time_to_ns(struct fb_time time)
{
	__int128 ns = (__int128)time.sec * NS + time.nsec;

	if (ns >= LLONG_MIN && ns <= LLONG_MAX)
		return PyLong_FromLongLong((long long)ns);
	return PyErr_Format(PyExc_OverflowError, "a time of %lld s is beyond 64 bits of ns",
			    (long long)time.sec);
}

static bool out_of_range(enum field field)
{
	PyErr_Format(PyExc_OverflowError, "%s is out of range", field_names[field]);
	return false;
}

/* Device numbers are those of os.makedev(). */
static bool set_rdev(struct fb_attr *attr, unsigned long long value)
{
	if (major(value) > 0xfff || minor(value) > 0xfffff)
		return out_of_range(F_rdev);
	attr->rdev = fb_rdev_pack(major(value), minor(value));
	return true;
}

static bool set_unsigned(struct fb_attr *attr, enum field field, unsigned long long value)
{
	if (field == F_rdev)
		return set_rdev(attr, value);
	if (field == F_ino)
		attr->ino = value;
	else if (field == F_blocks)
		attr->blocks = value;
	else if (field == F_size && value <= INT64_MAX)
		attr->size = value;
	else if (value > UINT32_MAX || field == F_size)
		return out_of_range(field);
	else
		*(field == F_mode  ? &attr->mode :
		  field == F_nlink ? &attr->nlink :
		  field == F_uid   ? &attr->uid :
		  field == F_gid   ? &attr->gid :
				     &attr->blksize) = (uint32_t)value;
	return true;
}

static bool set_time(struct fb_attr *attr, enum field field, PyObject *value)
{
	long long ns = PyLong_AsLongLong(value);

	if (ns == -1 && PyErr_Occurred())
		return false;
	*(field == F_atime_ns ? &attr->atime :
	  field == F_mtime_ns ? &attr->mtime :
				&attr->ctime) = fbpy_time_from_ns(ns);
	return true;
}

static bool set_field(struct fb_attr *attr, enum field field, PyObject *value)
{
	unsigned long long number;

	if (!PyLong_Check(value)) {
		PyObject *index = PyNumber_Index(value); /* as of numpy */
		bool done = index && set_field(attr, field, index);

		Py_XDECREF(index);
		return done;
	}
	if (field >= F_atime_ns)
		return set_time(attr, field, value);
	number = PyLong_AsUnsignedLongLong(value);
	if (number == (unsigned long long)-1 && PyErr_Occurred())
		return false;
	return set_unsigned(attr, field, number);
}

static PyObject *get_field(const struct fb_attr *attr, enum field field)
{
	switch (field) {
	case F_mode:
		return PyLong_FromUnsignedLong(attr->mode);
	case F_size:
		return PyLong_FromUnsignedLongLong(attr->size);
	case F_ino:
		return PyLong_FromUnsignedLongLong(attr->ino);
	case F_nlink:
		return PyLong_FromUnsignedLong(attr->nlink);
	case F_uid:
		return PyLong_FromUnsignedLong(attr->uid);
	case F_gid:
		return PyLong_FromUnsignedLong(attr->gid);
	case F_rdev:
		return PyLong_FromUnsignedLongLong(
			makedev(fb_rdev_major(attr->rdev), fb_rdev_minor(attr->rdev)));
	case F_blocks:
		return PyLong_FromUnsignedLongLong(attr->blocks);
	case F_blksize:
		return PyLong_FromUnsignedLong(attr->blksize);
	case F_atime_ns:
		return time_to_ns(attr->atime);
	case F_mtime_ns:
		return time_to_ns(attr->mtime);
	default:
		return time_to_ns(attr->ctime);
	}
}

/* ---- making ------------------------------------------------------------------------------------ */

static int find_field(PyObject *name)
{
	for (int i = 0; i < FIELD_COUNT; i++)
		if (name == short_names[i] || name == long_names[i])
			return i;
	for (int i = 0; i < FIELD_COUNT; i++)
		if (PyUnicode_Compare(name, short_names[i]) == 0 ||
		    PyUnicode_Compare(name, long_names[i]) == 0)
			return i;
	PyErr_Format(PyExc_TypeError, "attributes have no field '%U'", name);
	return -1;
}

/* Set fields by name; blocks follow the size unless they are given. */
static bool set_keywords(struct fb_attr *attr, PyObject *const *values, PyObject *names)
{
	Py_ssize_t count = names ? PyTuple_GET_SIZE(names) : 0;
	bool size = false, blocks = false;

	for (Py_ssize_t i = 0; i < count; i++) {
		int field = find_field(PyTuple_GET_ITEM(names, i));

		if (field < 0 || !set_field(attr, (enum field)field, values[i]))
			return false;
		size |= field == F_size;
		blocks |= field == F_blocks;
	}
	if (size && !blocks)
		attr->blocks = (attr->size + BLOCK - 1) / BLOCK;
	return true;
}

static PyObject *attr_new(PyTypeObject *type, const struct fb_attr *attr)
{
	struct fbpy_attr *self = (struct fbpy_attr *)type->tp_alloc(type, 0);

	if (self)
		self->attr = *attr;
	return (PyObject *)self;
}

PyObject *fbpy_attr_to(const struct fb_attr *attr)
{
	return attr_new(fbpy_attr_type, attr);
}

/* Attr(mode=0, **fields), File(mode=0o644, **fields), …: type is or-ed into the mode. */
PyObject *fbpy_attr_make(PyTypeObject *of, uint32_t type, uint32_t mode, PyObject *const *args,
			 Py_ssize_t count, PyObject *names)
{
	struct fb_attr attr = defaults;

	if (count > 1) {
		PyErr_SetString(PyExc_TypeError,
				"only the mode can be given without its name: size=…, mtime_ns=…");
		return NULL;
	}
	attr.mode = mode;
	if (count == 1 && !set_field(&attr, F_mode, args[0]))
		return NULL;
	if (!set_keywords(&attr, args + count, names))
		return NULL;
	if (type)
		attr.mode = (attr.mode & ~(uint32_t)S_IFMT) | type;
	return attr_new(of, &attr);
}

static PyObject *attr_vectorcall(PyObject *type, PyObject *const *args, size_t nargs,
				 PyObject *names)
{
	return fbpy_attr_make((PyTypeObject *)type, 0, 0, args, PyVectorcall_NARGS(nargs), names);
}

/* Subclasses come this way. */
static PyObject *attr_tp_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	struct fb_attr attr = defaults;
	PyObject *name, *value;
	Py_ssize_t at = 0;
	bool size = false, blocks = false;

	if (!PyArg_ParseTuple(args, "|I:Attr", &attr.mode))
		return NULL;
	while (keywords && PyDict_Next(keywords, &at, &name, &value)) {
		int field = find_field(name);

		if (field < 0 || !set_field(&attr, (enum field)field, value))
			return NULL;
		size |= field == F_size;
		blocks |= field == F_blocks;
	}
	if (size && !blocks)
		attr.blocks = (attr.size + BLOCK - 1) / BLOCK;
	return attr_new(type, &attr);
}

static PyObject *attr_replace(PyObject *self, PyObject *const *args, Py_ssize_t count,
			      PyObject *names)
{
	struct fb_attr attr = ((struct fbpy_attr *)self)->attr;

	if (count > 0)
		return PyErr_Format(PyExc_TypeError, "replace() takes fields by name only");
	if (!set_keywords(&attr, args, names))
		return NULL;
	return attr_new(Py_TYPE(self), &attr);
}

/* ---- from what handlers return ------------------------------------------------------------------ */

/* An object with st_*, such as os.stat_result. Only the mode must be there. */
static bool from_object(PyObject *value, struct fb_attr *attr)
{
	for (int i = 0; i < FIELD_COUNT; i++) {
		PyObject *field = PyObject_GetAttr(value, long_names[i]);
		bool set;

		if (!field && (i == F_mode || !PyErr_ExceptionMatches(PyExc_AttributeError)))
			return false;
		if (!field) {
			PyErr_Clear();
			continue;
		}
		set = set_field(attr, (enum field)i, field);
		Py_DECREF(field);
		if (!set)
			return false;
		if (i == F_size)
			attr->blocks = (attr->size + BLOCK - 1) / BLOCK;
	}
	return true;
}

bool fbpy_attr_from(PyObject *value, struct fb_attr *ret_attr)
{
	struct fb_attr attr = defaults;

	if (PyObject_TypeCheck(value, fbpy_attr_type)) {
		*ret_attr = ((struct fbpy_attr *)value)->attr;
		return true;
	}
	if (!from_object(value, &attr))
		return false;
	*ret_attr = attr;
	return true;
}

/* ---- the type ----------------------------------------------------------------------------------- */

static PyObject *attr_get(PyObject *self, void *field)
{
	return get_field(&((struct fbpy_attr *)self)->attr, (enum field)(intptr_t)field);
}

static int attr_set(PyObject *self, PyObject *value, void *field)
{
	if (!value) {
		PyErr_SetString(PyExc_AttributeError, "attributes can not be deleted");
		return -1;
	}
	return set_field(&((struct fbpy_attr *)self)->attr, (enum field)(intptr_t)field, value) ?
		       0 :
		       -1;
}

static bool times_equal(const struct fb_time *a, const struct fb_time *b)
{
	return a->sec == b->sec && a->nsec == b->nsec;
}

static bool attrs_equal(const struct fb_attr *a, const struct fb_attr *b)
{
	return a->mode == b->mode && a->size == b->size && a->ino == b->ino &&
	       a->nlink == b->nlink && a->uid == b->uid && a->gid == b->gid && a->rdev == b->rdev &&
	       a->blocks == b->blocks && a->blksize == b->blksize &&
	       times_equal(&a->atime, &b->atime) && times_equal(&a->mtime, &b->mtime) &&
	       times_equal(&a->ctime, &b->ctime);
}

static PyObject *attr_compare(PyObject *a, PyObject *b, int how)
{
	bool equal;

	if ((how != Py_EQ && how != Py_NE) || !PyObject_TypeCheck(b, fbpy_attr_type))
		Py_RETURN_NOTIMPLEMENTED;
	equal = attrs_equal(&((struct fbpy_attr *)a)->attr, &((struct fbpy_attr *)b)->attr);
	return PyBool_FromLong(equal == (how == Py_EQ));
}

static PyObject *attr_repr(PyObject *self)
{
	const struct fb_attr *a = &((struct fbpy_attr *)self)->attr;
	char mode[16];

	snprintf(mode, sizeof(mode), "0o%o", a->mode);
	return PyUnicode_FromFormat("libfb.Attr(%s, size=%llu, ino=%llu, nlink=%u, uid=%u, "
				    "gid=%u)",
				    mode, (unsigned long long)a->size, (unsigned long long)a->ino,
				    a->nlink, a->uid, a->gid);
}

static void attr_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	type->tp_free(self);
	Py_DECREF(type);
}

#define FIELD(name, doc)                                                                           \
	{                                                                                          \
		"st_" #name, attr_get, attr_set, doc, (void *)(intptr_t)F_##name                   \
	}

static PyGetSetDef attr_getset[] = {
	FIELD(mode, "file type and permissions, as stat.S_IFREG | 0o644"),
	FIELD(size, "bytes"),
	FIELD(ino, "inode number; 0: libfb chooses"),
	FIELD(nlink, "names of the file"),
	FIELD(uid, "owner"),
	FIELD(gid, "group"),
	FIELD(rdev, "device, as os.makedev() makes it"),
	FIELD(blocks, "blocks of 512 bytes; follows the size unless it is given"),
	FIELD(blksize, "preferred bytes of one read or write"),
	FIELD(atime_ns, "last access, ns since 1970"),
	FIELD(mtime_ns, "last change of the data, ns since 1970"),
	FIELD(ctime_ns, "last change of the attributes, ns since 1970"),
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyMethodDef attr_methods[] = {
	{ "replace", (PyCFunction)(void (*)(void))attr_replace, METH_FASTCALL | METH_KEYWORDS,
	  "replace($self, *, mode=..., " FBPY_ATTR_FIELDS ")\n--\n\n"
	  "Copy with other values for these fields." },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot attr_slots[] = {
	{ Py_tp_new, attr_tp_new },
	{ Py_tp_dealloc, attr_dealloc },
	{ Py_tp_getset, attr_getset },
	{ Py_tp_methods, attr_methods },
	{ Py_tp_richcompare, attr_compare },
	{ Py_tp_hash, PyObject_HashNotImplemented },
	{ Py_tp_repr, attr_repr },
	{ Py_tp_doc,
	  "Attr(mode=0, *, " FBPY_ATTR_FIELDS ")\n--\n\n"
	  "What stat(2) tells of a file. Sizes are bytes, times integer nanoseconds since 1970.\n"
	  "Left out: owner and group of this process; the time when libfb was imported; one\n"
	  "link, a blksize of 4096, blocks that follow the size; else 0. Names may begin with\n"
	  "st_ too. Raises OverflowError for a number that the field can not hold." },
	{ 0, NULL },
};

static PyType_Spec attr_spec = {
	.name = "libfb.Attr",
	.basicsize = sizeof(struct fbpy_attr),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = attr_slots,
};

static void defaults_init(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	defaults = (struct fb_attr){
		.nlink = 1,
		.uid = geteuid(),
		.gid = getegid(),
		.blksize = BLKSIZE_DEFAULT,
		.mtime = { .sec = now.tv_sec, .nsec = (uint32_t)now.tv_nsec },
	};
	defaults.atime = defaults.ctime = defaults.mtime;
}

int fbpy_attr_init(PyObject *module)
{
	for (int i = 0; i < FIELD_COUNT; i++) {
		char name[16];

		snprintf(name, sizeof(name), "st_%s", field_names[i]);
		short_names[i] = PyUnicode_InternFromString(field_names[i]);
		long_names[i] = PyUnicode_InternFromString(name);
		if (!short_names[i] || !long_names[i])
			return -1;
	}
	defaults_init();
	fbpy_attr_type = (PyTypeObject *)PyType_FromSpec(&attr_spec);
	if (!fbpy_attr_type)
		return -1;
	fbpy_attr_type->tp_vectorcall = attr_vectorcall;
	if (PyModule_AddFunctions(module, fbpy_attr_helpers) < 0)
		return -1;
	return PyModule_AddObjectRef(module, "Attr", (PyObject *)fbpy_attr_type);
}
