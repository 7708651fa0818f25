/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PathFS: the operations of <libfb/path.h>, each of which calls the method of the same name.
 */
#include "bodies.h"
#include "results.h"

/* A file that has lost its name: None. */
static PyObject *path_object(const struct fbpy_fs *fs, const char *path)
{
	return path ? fbpy_name(fs, path) : Py_NewRef(Py_None);
}

static struct fbpy_args one(struct fbpy_fs *fs, const char *path)
{
	struct fbpy_args args = { .values = { fs->object }, .count = 1 };

	fbpy_push(&args, path_object(fs, path));
	return args;
}

static struct fbpy_args two(struct fbpy_fs *fs, const char *path, const char *other)
{
	struct fbpy_args args = one(fs, path);

	fbpy_push(&args, path_object(fs, other));
	return args;
}

#define SELF void *self, struct fb_req *req

static int path_init(void *self, struct fb_session *session, struct fb_conn *conn)
{
	return fbpy_init(self, session, conn);
}

static void path_destroy(void *self)
{
	fbpy_destroy(self);
}

static int path_getattr(SELF, const char *path, const uint64_t *fh, struct fb_attr_reply *ret_attr)
{
	FBPY_CALL(getattr, one(self, path), fh, ret_attr);
}

static int path_setattr(SELF, const char *path, const struct fb_setattr *set,
			struct fb_attr_reply *ret_attr)
{
	FBPY_CALL(setattr, one(self, path), set, ret_attr);
}

static int path_readlink(SELF, const char *path, struct fb_sink *to)
{
	FBPY_CALL(readlink, one(self, path), to);
}

static int path_symlink(SELF, const char *path, const char *target)
{
	FBPY_CALL(symlink, one(self, path), target, NULL);
}

static int path_mknod(SELF, const char *path, uint32_t mode, uint32_t rdev)
{
	FBPY_CALL(mknod, one(self, path), mode, rdev, NULL);
}

static int path_mkdir(SELF, const char *path, uint32_t mode)
{
	FBPY_CALL(mkdir, one(self, path), mode, NULL);
}

static int path_unlink(SELF, const char *path)
{
	FBPY_CALL(unlink, one(self, path));
}

static int path_rmdir(SELF, const char *path)
{
	FBPY_CALL(rmdir, one(self, path));
}

static int path_rename(SELF, const char *path, const char *new_path, uint32_t flags)
{
	FBPY_CALL(rename, two(self, path, new_path), flags);
}

static int path_link(SELF, const char *path, const uint64_t *fh, const char *new_path)
{
	FBPY_CALL(link, two(self, path, new_path), fh, NULL);
}

static int path_open(SELF, const char *path, int flags, uint32_t open_flags,
		     struct fb_open *ret_open)
{
	FBPY_CALL_WITH(open, .open_flags = open_flags, one(self, path), flags, ret_open);
}

static int path_create(SELF, const char *path, uint32_t mode, int flags, uint32_t open_flags,
		       struct fb_open *ret_open)
{
	FBPY_CALL_WITH(create, .open_flags = open_flags, one(self, path), mode, flags, NULL,
		       ret_open);
}

static int path_tmpfile(SELF, const char *path, uint32_t mode, int flags, uint32_t open_flags,
			struct fb_open *ret_open)
{
	FBPY_CALL_WITH(tmpfile, .open_flags = open_flags, one(self, path), mode, flags, NULL,
		       ret_open);
}

static int path_read(SELF, const char *path, uint64_t fh, struct fb_sink *to, size_t count,
		     uint64_t off)
{
	FBPY_CALL(read, one(self, path), fh, to, count, off);
}

static int path_write(SELF, const char *path, uint64_t fh, struct fb_source *from, size_t count,
		      uint64_t off)
{
	FBPY_CALL(write, one(self, path), fh, from, count, off);
}

static int path_flush(SELF, const char *path, uint64_t fh, uint64_t lock_owner)
{
	FBPY_CALL(flush, one(self, path), fh, lock_owner);
}

static void path_release(void *self, const char *path, uint64_t fh, const struct fb_release *how)
{
	FBPY_ENTER;
	struct fbpy_args args = one(self, path);

	fbpy_release(self, &args, fh, how);
	FBPY_LEAVE;
}

static int path_fsync(SELF, const char *path, uint64_t fh, uint32_t flags)
{
	FBPY_CALL(fsync, one(self, path), fh, flags);
}

static int path_opendir(SELF, const char *path, int flags, struct fb_open *ret_open)
{
	FBPY_CALL(opendir, one(self, path), flags, ret_open);
}

static int path_readdir(SELF, const char *path, uint64_t fh, struct fb_listing *to)
{
	struct fbpy_call call = {
		.fs = self, .req = req, .op = FBPY_OP_readdir, .finish = fbpy_finish_listing
	};
	int r;

	FBPY_ENTER;
	struct fbpy_args args = one(self, path);

	call.out = to;
	fbpy_push(&args, fbpy_dir(self, fh));
	r = fbpy_run(&call, &args);
	FBPY_LEAVE;
	return r;
}

static void path_releasedir(void *self, const char *path, uint64_t fh, const struct fb_release *how)
{
	FBPY_ENTER;
	struct fbpy_args args = one(self, path);

	fbpy_releasedir(self, &args, fh, how);
	FBPY_LEAVE;
}

static int path_fsyncdir(SELF, const char *path, uint64_t fh, uint32_t flags)
{
	FBPY_CALL(fsyncdir, one(self, path), fh, flags);
}

static int path_statfs(SELF, const char *path, struct fb_statfs *ret_statfs)
{
	FBPY_CALL(statfs, one(self, path), ret_statfs);
}

static int path_syncfs(SELF, const char *path)
{
	FBPY_CALL(syncfs, one(self, path));
}

static int path_setxattr(SELF, const char *path, const uint64_t *fh, const char *name,
			 const void *value, size_t size, uint32_t flags)
{
	FBPY_CALL(setxattr, one(self, path), name, value, size, flags, fh);
}

static int path_getxattr(SELF, const char *path, const uint64_t *fh, const char *name,
			 struct fb_sink *to, size_t size)
{
	FBPY_CALL(getxattr, one(self, path), name, to, size, fh);
}

static int path_listxattr(SELF, const char *path, const uint64_t *fh, struct fb_sink *to,
			  size_t size)
{
	FBPY_CALL(listxattr, one(self, path), to, size, fh);
}

static int path_removexattr(SELF, const char *path, const uint64_t *fh, const char *name)
{
	FBPY_CALL(removexattr, one(self, path), name, fh);
}

static int path_access(SELF, const char *path, uint32_t mask)
{
	FBPY_CALL(access, one(self, path), mask);
}

static int path_getlk(SELF, const char *path, uint64_t fh, uint64_t owner,
		      const struct fb_lock *lock, uint32_t flags, struct fb_lock *ret_lock)
{
	FBPY_CALL(getlk, one(self, path), fh, owner, lock, flags, ret_lock);
}

static int path_setlk(SELF, const char *path, uint64_t fh, uint64_t owner,
		      const struct fb_lock *lock, uint32_t flags)
{
	FBPY_CALL(setlk, one(self, path), fh, owner, lock, flags);
}

static int path_fallocate(SELF, const char *path, uint64_t fh, uint32_t mode, uint64_t off,
			  uint64_t len)
{
	FBPY_CALL(fallocate, one(self, path), fh, mode, off, len);
}

static int path_lseek(SELF, const char *path, uint64_t fh, uint64_t off, uint32_t whence,
		      uint64_t *ret_off)
{
	FBPY_CALL(lseek, one(self, path), fh, off, whence, ret_off);
}

static struct fbpy_args both(struct fbpy_fs *fs, const char *in, uint64_t fh_in, const char *out,
			     uint64_t fh_out)
{
	struct fbpy_args args = one(fs, in);

	fbpy_push(&args, fbpy_file(fs, fh_in));
	fbpy_push(&args, path_object(fs, out));
	fbpy_push(&args, fbpy_file(fs, fh_out));
	return args;
}

static int path_copy_file_range(SELF, const char *path_in, uint64_t fh_in, uint64_t off_in,
				const char *path_out, uint64_t fh_out, uint64_t off_out,
				uint64_t len, uint64_t flags, uint64_t *ret_copied)
{
	FBPY_CALL(copy_file_range, both(self, path_in, fh_in, path_out, fh_out), off_in, off_out,
		  len, flags, ret_copied);
}

static int path_ioctl(SELF, const char *path, uint64_t fh, const struct fb_ioctl *ioctl,
		      struct fb_sink *to, int32_t *ret_result)
{
	FBPY_CALL(ioctl, one(self, path), fh, ioctl, to, ret_result);
}

static int path_poll(SELF, const char *path, uint64_t fh, uint64_t kh, uint32_t flags,
		     uint32_t events, uint32_t *ret_revents)
{
	FBPY_CALL(poll, one(self, path), fh, kh, flags, events, ret_revents);
}

static int path_bmap(SELF, const char *path, uint64_t block, uint32_t blocksize,
		     uint64_t *ret_block)
{
	FBPY_CALL(bmap, one(self, path), block, blocksize, ret_block);
}

void fbpy_path_ops(struct fbpy_fs *fs)
{
	struct fb_path_ops *ops = &fs->path_ops;

	*ops = (struct fb_path_ops){ .size = sizeof(*ops) };
#define SET(op)                                                                                    \
	if (fbpy_has(fs, FBPY_OP_##op))                                                            \
		ops->op = path_##op;
	FB_PATH_OPS(SET)
#undef SET
	/* These keep the tables, whether there is a method or not. */
	ops->init = path_init;
	ops->destroy = path_destroy;
	ops->release = path_release;
	ops->releasedir = path_releasedir;
}
