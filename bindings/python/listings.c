/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What readdir returns: an iterable of names, of names with attributes, of os.DirEntry.
 */
#include "results.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

/* Inode numbers of "." and ".."; 0: not told. */
struct dots {
	uint64_t ino, parent_ino;
};

/* How an open directory of nodes is being listed. */
struct page {
	struct fbpy_fs *fs;
	PyObject *entries;
	bool failed;
};

static void note_dots(struct dots *dots, const char *name, uint64_t ino)
{
	if (strcmp(name, ".") == 0)
		dots->ino = ino;
	else if (strcmp(name, "..") == 0)
		dots->parent_ino = ino;
}

static bool add(struct fb_listing *listing, struct dots *dots, PyObject *name,
		const struct fb_attr *attr)
{
	PyObject *hold;
	Py_ssize_t size;
	const char *text = fbpy_text(name, &hold, &size);
	int r;

	if (!text)
		return false;
	if (attr && attr->ino)
		note_dots(dots, text, attr->ino);
	r = fb_listing_add(listing, text, (size_t)size, attr);
	Py_DECREF(hold);
	if (r == -ENOMEM)
		PyErr_NoMemory();
	else if (r < 0)
		PyErr_Format(PyExc_ValueError, "%R is no name that a directory can hold", name);
	return r == 0;
}

static uint64_t call_number(PyObject *object, const char *method)
{
	PyObject *value = PyObject_CallMethod(object, method, NULL);
	uint64_t number = 0;

	if (!value || !fbpy_u64(value, &number))
		PyErr_Clear();
	Py_XDECREF(value);
	return number;
}

static bool is_type(PyObject *entry, const char *method)
{
	PyObject *question = PyObject_GetAttrString(entry, method), *none = PyTuple_New(0);
	PyObject *follow = Py_BuildValue("{sO}", "follow_symlinks", Py_False);
	PyObject *answer = NULL;
	bool is;

	if (question && none && follow)
		answer = PyObject_Call(question, none, follow);
	is = answer == Py_True;
	PyErr_Clear();
	Py_XDECREF(question);
	Py_XDECREF(none);
	Py_XDECREF(follow);
	Py_XDECREF(answer);
	return is;
}

/* An os.DirEntry, or what has its methods: the kernel told its type along with the name. */
static bool add_dir_entry(struct fb_listing *listing, PyObject *entry)
{
	PyObject *name = PyObject_GetAttrString(entry, "name"), *hold;
	uint32_t type = DT_UNKNOWN;
	Py_ssize_t size;
	const char *text;
	int r;

	if (!name)
		return false;
	if (is_type(entry, "is_dir"))
		type = DT_DIR;
	else if (is_type(entry, "is_file"))
		type = DT_REG;
	else if (call_number(entry, "is_symlink"))
		type = DT_LNK;
	text = fbpy_text(name, &hold, &size);
	r = text ? fb_listing_add_name(listing, text, (size_t)size, call_number(entry, "inode"),
				       type) :
		   -EINVAL;
	Py_XDECREF(hold);
	Py_DECREF(name);
	if (r < 0 && !PyErr_Occurred())
		PyErr_SetString(PyExc_ValueError, "a name that no directory can hold");
	return r == 0;
}

/* Add one item. *ret_entry is what comes with the name when that is a libfb.Entry (borrowed). */
static bool add_item(struct fb_listing *listing, struct dots *dots, PyObject *item,
		     PyObject **ret_entry)
{
	struct fb_attr attr;
	PyObject *with;

	*ret_entry = Py_None;
	if (PyUnicode_Check(item) || PyBytes_Check(item))
		return add(listing, dots, item, NULL);
	if (!PyTuple_Check(item))
		return add_dir_entry(listing, item);
	if (PyTuple_GET_SIZE(item) != 2) {
		PyErr_Format(PyExc_TypeError,
			     "readdir gives names, (name, attributes) or os.DirEntry, not %R",
			     item);
		return false;
	}
	with = PyTuple_GET_ITEM(item, 1);
	if (with == Py_None)
		return add(listing, dots, PyTuple_GET_ITEM(item, 0), NULL);
	if ((PyObject *)Py_TYPE(with) == fbpy_known.Entry) {
		*ret_entry = with;
		with = PyTuple_GET_ITEM(with, 1);
	}
	return fbpy_attr_from(with, &attr) && add(listing, dots, PyTuple_GET_ITEM(item, 0), &attr);
}

/* "." and ".." are not counted: they get no place in entries here. */
static bool gather(struct fb_listing *listing, struct dots *dots, PyObject *entries,
		   PyObject *items)
{
	PyObject *each = PyObject_GetIter(items), *item;
	bool good = each != NULL;

	while (good && (item = PyIter_Next(each))) {
		size_t before = fb_listing_count(listing);
		PyObject *entry;

		good = add_item(listing, dots, item, &entry);
		if (good && entries && fb_listing_count(listing) > before)
			good = PyList_Append(entries, entry) == 0;
		Py_DECREF(item);
	}
	Py_XDECREF(each);
	return good && !PyErr_Occurred();
}

int fbpy_finish_listing(struct fbpy_call *call, PyObject *result)
{
	struct dots dots = { 0 }; /* the path layer knows better */

	if (gather(call->out, &dots, NULL, result))
		return 0;
	return fbpy_error(call->fs, call->op);
}

/* ---- nodes: pages of an open directory ---------------------------------------------------------------- */

static int plus(void *arg, const struct fb_dirent *dirent, const struct fb_attr *attr,
		struct fb_entry *ret_entry)
{
	struct page *page = arg;
	PyObject *value = PyList_GetItem(page->entries, (Py_ssize_t)dirent->cookie - 1);
	struct fbpy_call call = { .fs = page->fs, .op = FBPY_OP_readdir, .out = ret_entry };

	(void)attr;
	if (!value || value == Py_None)
		return 0;
	return fbpy_finish_entry(&call, value) < 0 ? 0 : 1;
}

int fbpy_send_page(struct fbpy_call *call, struct fbpy_slot *dir)
{
	struct page page = { .fs = call->fs, .entries = Py_NewRef(dir->extra) };
	int r = fb_listing_send(dir->listing, call->size, call->out, plus, &page);

	Py_DECREF(page.entries);
	return r;
}

/* A listing with "." and "..", for which there is nothing in entries. */
static bool begin(const struct dots *dots, struct fb_listing **ret_listing, PyObject **ret_entries)
{
	if (fb_listing_new(ret_listing) < 0)
		return false;
	*ret_entries = Py_BuildValue("[OO]", Py_None, Py_None);
	if (*ret_entries && fb_listing_add_dots(*ret_listing, dots->ino, dots->parent_ino) == 0)
		return true;
	PyErr_Clear();
	Py_XDECREF(*ret_entries);
	fb_listing_free(*ret_listing);
	return false;
}

/* All of a directory, with the inode numbers for "." and ".." that came with it. */
static bool fill(struct fb_listing *listing, struct dots *dots, PyObject *entries, PyObject *items)
{
	return gather(listing, dots, entries, items) &&
	       fb_listing_add_dots(listing, dots->ino, dots->parent_ino) == 0;
}

int fbpy_finish_page(struct fbpy_call *call, PyObject *result)
{
	struct fbpy_slot *dir = fbpy_slots_get(&call->fs->nodes, call->node);
	struct dots dots = { .ino = dir ? dir->ino : 0 };
	struct fb_listing *listing;
	PyObject *entries, *old;

	if (!begin(&dots, &listing, &entries))
		return -ENOMEM;
	dir = NULL;
	if (fill(listing, &dots, entries, result))
		dir = fbpy_slots_get(&call->fs->dirs, call->id);
	if (!dir) { /* a bad item; or released while it was being listed */
		fb_listing_free(listing);
		Py_DECREF(entries);
		return PyErr_Occurred() ? fbpy_error(call->fs, call->op) : -EBADF;
	}
	old = dir->extra;
	fb_listing_free(dir->listing);
	dir->listing = listing;
	dir->extra = entries;
	Py_XDECREF(old);
	dir = fbpy_slots_get(&call->fs->dirs, call->id);
	return dir ? fbpy_send_page(call, dir) : -EBADF;
}
