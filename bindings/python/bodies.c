/* SPDX-License-Identifier: BSD-3-Clause */
#include "bodies.h"

#include <errno.h>
#include <time.h>

#include "results.h"

#define NS 1000000000LL

/* ---- arguments ------------------------------------------------------------------------------------ */

/* open is the method that gives such numbers: without it all files are opened as 0. */
static PyObject *handle(struct fbpy_fs *fs, struct fbpy_slots *slots, enum fbpy_op open,
			uint64_t fh)
{
	struct fbpy_slot *slot;

	if (!fbpy_keeps_handles(fs, slots))
		return PyLong_FromUnsignedLongLong(fh);
	if (fh == 0 && !fbpy_has(fs, open))
		return Py_NewRef(Py_None);
	slot = fbpy_slots_get(slots, fh);
	if (slot)
		return Py_NewRef(slot->object);
	errno = EBADF;
	return PyErr_SetFromErrno(PyExc_OSError);
}

PyObject *fbpy_file(struct fbpy_fs *fs, uint64_t fh)
{
	return handle(fs, &fs->files, FBPY_OP_open, fh);
}

PyObject *fbpy_dir(struct fbpy_fs *fs, uint64_t fh)
{
	return handle(fs, &fs->dirs, FBPY_OP_opendir, fh);
}

static void push_file(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh)
{
	args->file = args->count;
	fbpy_push(args, fbpy_file(call->fs, fh));
}

/* Without an open file: None. */
static void push_maybe_file(struct fbpy_call *call, struct fbpy_args *args, const uint64_t *fh)
{
	args->file = args->count;
	fbpy_push(args, fh ? fbpy_file(call->fs, *fh) : Py_NewRef(Py_None));
}

static PyObject *maybe(bool given, uint64_t value)
{
	return given ? PyLong_FromUnsignedLongLong(value) : Py_NewRef(Py_None);
}

static int run(struct fbpy_call *call, struct fbpy_args *args, fbpy_finish_fn *finish, void *out)
{
	call->finish = finish;
	call->out = out;
	return fbpy_run(call, args);
}

/* Whether the method takes one argument more than has been pushed: it gets the flags. */
static bool takes_more(const struct fbpy_call *call, const struct fbpy_args *args)
{
	return call->fs->methods[call->op].argc > args->count - 1;
}

/* ---- attributes ------------------------------------------------------------------------------------- */

int fbpy_getattr(struct fbpy_call *call, struct fbpy_args *args, const uint64_t *fh,
		 struct fb_attr_reply *ret_attr)
{
	push_maybe_file(call, args, fh);
	return run(call, args, fbpy_finish_attr, ret_attr);
}

static PyObject *maybe_time(bool given, bool now, struct fb_time time)
{
	struct timespec clock;

	if (!given && !now)
		return Py_NewRef(Py_None);
	if (now) {
		clock_gettime(CLOCK_REALTIME, &clock);
		time = (struct fb_time){ clock.tv_sec, (uint32_t)clock.tv_nsec };
	}
	return PyLong_FromLongLong(time.sec * NS + (long long)time.nsec);
}

int fbpy_statx(struct fbpy_call *call, struct fbpy_args *args, const uint64_t *fh, uint32_t flags,
	       uint32_t mask, struct fb_statx *ret_statx)
{
	push_maybe_file(call, args, fh);
	fbpy_push_u64(args, flags);
	fbpy_push_u64(args, mask);
	return run(call, args, fbpy_finish_statx, ret_statx);
}

/* A libfb.Changes. */
static PyObject *changes(const struct fb_setattr *set)
{
	uint32_t valid = set->valid;

	return PyObject_CallFunction(
		fbpy_known.Changes, "NNNNNNNi", maybe(valid & FB_SETATTR_MODE, set->mode & 07777),
		maybe(valid & FB_SETATTR_UID, set->uid), maybe(valid & FB_SETATTR_GID, set->gid),
		maybe(valid & FB_SETATTR_SIZE, set->size),
		maybe_time(valid & FB_SETATTR_ATIME, valid & FB_SETATTR_ATIME_NOW, set->atime),
		maybe_time(valid & FB_SETATTR_MTIME, valid & FB_SETATTR_MTIME_NOW, set->mtime),
		maybe_time(valid & FB_SETATTR_CTIME, false, set->ctime), (int)valid);
}

int fbpy_setattr(struct fbpy_call *call, struct fbpy_args *args, const struct fb_setattr *set,
		 struct fb_attr_reply *ret_attr)
{
	call->set = set;
	fbpy_push(args, changes(set));
	push_maybe_file(call, args, set->valid & FB_SETATTR_FH ? &set->fh : NULL);
	return run(call, args, fbpy_finish_attr, ret_attr);
}

/* ---- names -------------------------------------------------------------------------------------------- */

/* The answer of what makes a name. */
static int made(struct fbpy_call *call, struct fbpy_args *args, struct fb_entry *ret_entry)
{
	return run(call, args, ret_entry ? fbpy_finish_entry : fbpy_finish_none, ret_entry);
}

int fbpy_readlink(struct fbpy_call *call, struct fbpy_args *args, struct fb_sink *to)
{
	return run(call, args, fbpy_finish_link, to);
}

int fbpy_symlink(struct fbpy_call *call, struct fbpy_args *args, const char *target,
		 struct fb_entry *ret_entry)
{
	fbpy_push(args, fbpy_name(call->fs, target));
	return made(call, args, ret_entry);
}

int fbpy_mknod(struct fbpy_call *call, struct fbpy_args *args, uint32_t mode, uint32_t rdev,
	       struct fb_entry *ret_entry)
{
	fbpy_push_u64(args, mode);
	fbpy_push_u64(args, rdev);
	return made(call, args, ret_entry);
}

int fbpy_mkdir(struct fbpy_call *call, struct fbpy_args *args, uint32_t mode,
	       struct fb_entry *ret_entry)
{
	fbpy_push_u64(args, mode);
	return made(call, args, ret_entry);
}

int fbpy_unlink(struct fbpy_call *call, struct fbpy_args *args)
{
	return run(call, args, fbpy_finish_none, NULL);
}

int fbpy_rmdir(struct fbpy_call *call, struct fbpy_args *args)
{
	return run(call, args, fbpy_finish_none, NULL);
}

int fbpy_rename(struct fbpy_call *call, struct fbpy_args *args, uint32_t flags)
{
	if (flags && !takes_more(call, args)) {
		errno = EINVAL;
		fbpy_push(args, PyErr_SetFromErrno(PyExc_OSError));
	}
	if (takes_more(call, args))
		fbpy_push_u64(args, flags);
	return run(call, args, fbpy_finish_none, NULL);
}

int fbpy_link(struct fbpy_call *call, struct fbpy_args *args, const uint64_t *fh,
	      struct fb_entry *ret_entry)
{
	push_maybe_file(call, args, fh);
	return made(call, args, ret_entry);
}

/* ---- open files ----------------------------------------------------------------------------------------- */

int fbpy_open(struct fbpy_call *call, struct fbpy_args *args, int flags, struct fb_open *ret_open)
{
	fbpy_push_u64(args, (uint32_t)flags);
	return run(call, args, fbpy_finish_open, ret_open);
}

static int create(struct fbpy_call *call, struct fbpy_args *args, uint32_t mode, int flags,
		  struct fb_entry *ret_entry, struct fb_open *ret_open)
{
	fbpy_push_u64(args, mode);
	fbpy_push_u64(args, (uint32_t)flags);
	if (!ret_entry)
		return run(call, args, fbpy_finish_open, ret_open);
	call->more = ret_open;
	return run(call, args, fbpy_finish_create, ret_entry);
}

int fbpy_create(struct fbpy_call *call, struct fbpy_args *args, uint32_t mode, int flags,
		struct fb_entry *ret_entry, struct fb_open *ret_open)
{
	return create(call, args, mode, flags, ret_entry, ret_open);
}

int fbpy_tmpfile(struct fbpy_call *call, struct fbpy_args *args, uint32_t mode, int flags,
		 struct fb_entry *ret_entry, struct fb_open *ret_open)
{
	return create(call, args, mode, flags, ret_entry, ret_open);
}

int fbpy_read(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, struct fb_sink *to,
	      size_t count, uint64_t off)
{
	push_file(call, args, fh);
	fbpy_push_u64(args, off);
	fbpy_push_u64(args, count);
	call->size = count;
	return run(call, args, fbpy_finish_data, to);
}

int fbpy_write(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, struct fb_source *from,
	       size_t count, uint64_t off)
{
	PyObject *data = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)count);

	call->size = data ? fb_source_copy(from, PyBytes_AS_STRING(data), count) : 0;
	push_file(call, args, fh);
	fbpy_push_u64(args, off);
	fbpy_push(args, data);
	return run(call, args, fbpy_finish_written, NULL);
}

int fbpy_flush(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, uint64_t lock_owner)
{
	push_file(call, args, fh);
	fbpy_push_u64(args, lock_owner);
	return run(call, args, fbpy_finish_none, NULL);
}

int fbpy_fsync(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, uint32_t flags)
{
	push_file(call, args, fh);
	fbpy_push(args, PyBool_FromLong(flags & FB_FSYNC_DATASYNC));
	return run(call, args, fbpy_finish_none, NULL);
}

int fbpy_opendir(struct fbpy_call *call, struct fbpy_args *args, int flags,
		 struct fb_open *ret_open)
{
	fbpy_push_u64(args, (uint32_t)flags);
	return run(call, args, fbpy_finish_opendir, ret_open);
}

int fbpy_fsyncdir(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, uint32_t flags)
{
	fbpy_push(args, fbpy_dir(call->fs, fh));
	fbpy_push(args, PyBool_FromLong(flags & FB_FSYNC_DATASYNC));
	return run(call, args, fbpy_finish_none, NULL);
}

/* The method's result is nobody's; its error is logged. */
void fbpy_run_last(struct fbpy_fs *fs, enum fbpy_op op, struct fbpy_args *args)
{
	struct fbpy_call call = { .fs = fs, .op = op, .finish = fbpy_finish_none };

	if (fbpy_has(fs, op)) {
		fbpy_run(&call, args);
		return;
	}
	while (args->count > 1)
		Py_DECREF(args->values[--args->count]);
	PyErr_Clear();
}

static void give_back(struct fbpy_fs *fs, enum fbpy_op op, enum fbpy_op open,
		      struct fbpy_slots *slots, struct fbpy_args *args, uint64_t fh,
		      const struct fb_release *how)
{
	fbpy_push(args, handle(fs, slots, open, fh));
	/* Whose BSD locks end with it. */
	fbpy_push(args, maybe(how->flags & FB_RELEASE_FLOCK_UNLOCK, how->lock_owner));
	fbpy_run_last(fs, op, args);
	/* Only now: until the method returns, other requests may name the file. */
	if (fbpy_keeps_handles(fs, slots))
		Py_XDECREF(fbpy_slots_take(slots, fh));
}

void fbpy_release(struct fbpy_fs *fs, struct fbpy_args *args, uint64_t fh,
		  const struct fb_release *how)
{
	give_back(fs, FBPY_OP_release, FBPY_OP_open, &fs->files, args, fh, how);
}

void fbpy_releasedir(struct fbpy_fs *fs, struct fbpy_args *args, uint64_t fh,
		     const struct fb_release *how)
{
	give_back(fs, FBPY_OP_releasedir, FBPY_OP_opendir, &fs->dirs, args, fh, how);
}

/* ---- the file system; extended attributes ------------------------------------------------------------- */

int fbpy_statfs(struct fbpy_call *call, struct fbpy_args *args, struct fb_statfs *ret_statfs)
{
	return run(call, args, fbpy_finish_statfs, ret_statfs);
}

int fbpy_syncfs(struct fbpy_call *call, struct fbpy_args *args)
{
	return run(call, args, fbpy_finish_none, NULL);
}

int fbpy_setxattr(struct fbpy_call *call, struct fbpy_args *args, const char *name,
		  const void *value, size_t size, uint32_t flags, const uint64_t *fh)
{
	fbpy_push(args, fbpy_name(call->fs, name));
	fbpy_push(args, PyBytes_FromStringAndSize(value, (Py_ssize_t)size));
	fbpy_push_u64(args, flags);
	push_maybe_file(call, args, fh);
	return run(call, args, fbpy_finish_none, NULL);
}

int fbpy_getxattr(struct fbpy_call *call, struct fbpy_args *args, const char *name,
		  struct fb_sink *to, size_t size, const uint64_t *fh)
{
	fbpy_push(args, fbpy_name(call->fs, name));
	call->size = size;
	push_maybe_file(call, args, fh);
	return run(call, args, fbpy_finish_xattr, to);
}

int fbpy_listxattr(struct fbpy_call *call, struct fbpy_args *args, struct fb_sink *to, size_t size,
		   const uint64_t *fh)
{
	call->size = size;
	push_maybe_file(call, args, fh);
	return run(call, args, fbpy_finish_xattrs, to);
}

int fbpy_removexattr(struct fbpy_call *call, struct fbpy_args *args, const char *name,
		     const uint64_t *fh)
{
	fbpy_push(args, fbpy_name(call->fs, name));
	push_maybe_file(call, args, fh);
	return run(call, args, fbpy_finish_none, NULL);
}

int fbpy_access(struct fbpy_call *call, struct fbpy_args *args, uint32_t mask)
{
	fbpy_push_u64(args, mask);
	return run(call, args, fbpy_finish_none, NULL);
}

/* ---- locks ---------------------------------------------------------------------------------------------- */

static void push_lock(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, uint64_t owner,
		      const struct fb_lock *lock, uint32_t flags)
{
	push_file(call, args, fh);
	fbpy_push_u64(args, owner);
	fbpy_push(args, PyObject_CallFunction(fbpy_known.Lock, "IKKI", lock->type,
					      (unsigned long long)lock->start,
					      (unsigned long long)lock->end, lock->pid));
	fbpy_push_u64(args, flags);
}

int fbpy_getlk(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, uint64_t owner,
	       const struct fb_lock *lock, uint32_t flags, struct fb_lock *ret_lock)
{
	push_lock(call, args, fh, owner, lock, flags);
	return run(call, args, fbpy_finish_lock, ret_lock);
}

int fbpy_setlk(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, uint64_t owner,
	       const struct fb_lock *lock, uint32_t flags)
{
	push_lock(call, args, fh, owner, lock, flags);
	return run(call, args, fbpy_finish_none, NULL);
}

/* ---- ranges and devices ----------------------------------------------------------------------------------- */

int fbpy_fallocate(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, uint32_t mode,
		   uint64_t off, uint64_t len)
{
	push_file(call, args, fh);
	fbpy_push_u64(args, mode);
	fbpy_push_u64(args, off);
	fbpy_push_u64(args, len);
	return run(call, args, fbpy_finish_none, NULL);
}

int fbpy_lseek(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, uint64_t off,
	       uint32_t whence, uint64_t *ret_off)
{
	push_file(call, args, fh);
	fbpy_push_u64(args, off);
	fbpy_push_u64(args, whence);
	return run(call, args, fbpy_finish_u64, ret_off);
}

int fbpy_copy_file_range(struct fbpy_call *call, struct fbpy_args *args, uint64_t off_in,
			 uint64_t off_out, uint64_t len, uint64_t flags, uint64_t *ret_copied)
{
	fbpy_push_u64(args, off_in);
	fbpy_push_u64(args, off_out);
	fbpy_push_u64(args, len);
	fbpy_push_u64(args, flags);
	return run(call, args, fbpy_finish_u64, ret_copied);
}

int fbpy_ioctl(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh,
	       const struct fb_ioctl *ioctl, struct fb_sink *to, int32_t *ret_result)
{
	if (ioctl->flags & FB_IOCTL_DIR)
		fbpy_push(args, fbpy_dir(call->fs, fh));
	else
		push_file(call, args, fh);
	fbpy_push_u64(args, ioctl->cmd);
	fbpy_push_u64(args, ioctl->arg);
	fbpy_push(args, PyBytes_FromStringAndSize(ioctl->in, (Py_ssize_t)ioctl->in_size));
	fbpy_push_u64(args, ioctl->out_size);
	fbpy_push_u64(args, ioctl->flags);
	call->size = ioctl->out_size;
	call->more = ret_result;
	return run(call, args, fbpy_finish_ioctl, to);
}

int fbpy_poll(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, uint64_t kh,
	      uint32_t flags, uint32_t events, uint32_t *ret_revents)
{
	push_file(call, args, fh);
	fbpy_push_u64(args, events);
	fbpy_push(args, maybe(flags & FB_POLL_SCHEDULE_NOTIFY, kh));
	return run(call, args, fbpy_finish_u32, ret_revents);
}

int fbpy_bmap(struct fbpy_call *call, struct fbpy_args *args, uint64_t block, uint32_t blocksize,
	      uint64_t *ret_block)
{
	fbpy_push_u64(args, block);
	fbpy_push_u64(args, blocksize);
	return run(call, args, fbpy_finish_u64, ret_block);
}

/* ---- the client's window of memory (virtio-fs) ---------------------------------------------------- */

int fbpy_setupmapping(struct fbpy_call *call, struct fbpy_args *args,
		      const struct fb_mapping *mapping)
{
	push_file(call, args, mapping->fh);
	fbpy_push_u64(args, mapping->file_offset);
	fbpy_push_u64(args, mapping->len);
	fbpy_push_u64(args, mapping->window_offset);
	fbpy_push_u64(args, mapping->flags);
	return run(call, args, fbpy_finish_none, NULL);
}

int fbpy_removemapping(struct fbpy_call *call, struct fbpy_args *args,
		       const struct fb_mapping_range *ranges, size_t count)
{
	PyObject *list = PyList_New(0);

	for (size_t i = 0; list && i < count; i++) {
		PyObject *range = Py_BuildValue("(KK)", (unsigned long long)ranges[i].window_offset,
						(unsigned long long)ranges[i].len);

		if (!range || PyList_Append(list, range) < 0)
			Py_CLEAR(list);
		Py_XDECREF(range);
	}
	fbpy_push(args, list);
	return run(call, args, fbpy_finish_none, NULL);
}
