/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operations as both layers have them: args holds the object and what the operation is about (a
 * node, a path, or a parent and a name); the rest is pushed here, the method run, its result taken
 * apart. Called with the GIL. Each returns what the driver operation returns.
 */
#ifndef FBPY_BODIES_H
#define FBPY_BODIES_H

#include "fbpy.h"

/* Run an operation of a layer with the GIL, with arguments that ARGS begins, and return its result. */
#define FBPY_CALL(op_name, ARGS, ...) FBPY_CALL_WITH(op_name, .size = 0, ARGS, ##__VA_ARGS__)

/* The same, with one more FIELD of the call set. */
#define FBPY_CALL_WITH(op_name, FIELD, ARGS, ...)                                                  \
	struct fbpy_call call = { .fs = self, .req = req, .op = FBPY_OP_##op_name, FIELD };        \
	int r;                                                                                     \
                                                                                                   \
	FBPY_ENTER;                                                                                \
	struct fbpy_args args = ARGS;                                                              \
	r = fbpy_##op_name(&call, &args, ##__VA_ARGS__);                                           \
	FBPY_LEAVE;                                                                                \
	return r

/* The handle of an open file or directory. New reference, or NULL with EBADF set. */
PyObject *fbpy_file(struct fbpy_fs *fs, uint64_t fh);
PyObject *fbpy_dir(struct fbpy_fs *fs, uint64_t fh);

int fbpy_getattr(struct fbpy_call *call, struct fbpy_args *args, const uint64_t *fh,
		 struct fb_attr_reply *ret_attr);
int fbpy_statx(struct fbpy_call *call, struct fbpy_args *args, const uint64_t *fh, uint32_t flags,
	       uint32_t mask, struct fb_statx *ret_statx);
int fbpy_setattr(struct fbpy_call *call, struct fbpy_args *args, const struct fb_setattr *set,
		 struct fb_attr_reply *ret_attr);
int fbpy_readlink(struct fbpy_call *call, struct fbpy_args *args, struct fb_sink *to);
/* ret_entry is NULL where a layer has none. */
int fbpy_symlink(struct fbpy_call *call, struct fbpy_args *args, const char *target,
		 struct fb_entry *ret_entry);
int fbpy_mknod(struct fbpy_call *call, struct fbpy_args *args, uint32_t mode, uint32_t rdev,
	       struct fb_entry *ret_entry);
int fbpy_mkdir(struct fbpy_call *call, struct fbpy_args *args, uint32_t mode,
	       struct fb_entry *ret_entry);
int fbpy_unlink(struct fbpy_call *call, struct fbpy_args *args);
int fbpy_rmdir(struct fbpy_call *call, struct fbpy_args *args);
int fbpy_rename(struct fbpy_call *call, struct fbpy_args *args, uint32_t flags);
int fbpy_link(struct fbpy_call *call, struct fbpy_args *args, const uint64_t *fh,
	      struct fb_entry *ret_entry);
int fbpy_open(struct fbpy_call *call, struct fbpy_args *args, int flags, struct fb_open *ret_open);
int fbpy_create(struct fbpy_call *call, struct fbpy_args *args, uint32_t mode, int flags,
		struct fb_entry *ret_entry, struct fb_open *ret_open);
int fbpy_tmpfile(struct fbpy_call *call, struct fbpy_args *args, uint32_t mode, int flags,
		 struct fb_entry *ret_entry, struct fb_open *ret_open);
int fbpy_read(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, struct fb_sink *to,
	      size_t count, uint64_t off);
int fbpy_write(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, struct fb_source *from,
	       size_t count, uint64_t off);
int fbpy_flush(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, uint64_t lock_owner);
int fbpy_fsync(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, uint32_t flags);
int fbpy_opendir(struct fbpy_call *call, struct fbpy_args *args, int flags,
		 struct fb_open *ret_open);
int fbpy_fsyncdir(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, uint32_t flags);
int fbpy_statfs(struct fbpy_call *call, struct fbpy_args *args, struct fb_statfs *ret_statfs);
int fbpy_syncfs(struct fbpy_call *call, struct fbpy_args *args);
int fbpy_setxattr(struct fbpy_call *call, struct fbpy_args *args, const char *name,
		  const void *value, size_t size, uint32_t flags, const uint64_t *fh);
int fbpy_getxattr(struct fbpy_call *call, struct fbpy_args *args, const char *name,
		  struct fb_sink *to, size_t size, const uint64_t *fh);
int fbpy_listxattr(struct fbpy_call *call, struct fbpy_args *args, struct fb_sink *to, size_t size,
		   const uint64_t *fh);
int fbpy_removexattr(struct fbpy_call *call, struct fbpy_args *args, const char *name,
		     const uint64_t *fh);
int fbpy_access(struct fbpy_call *call, struct fbpy_args *args, uint32_t mask);
int fbpy_getlk(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, uint64_t owner,
	       const struct fb_lock *lock, uint32_t flags, struct fb_lock *ret_lock);
int fbpy_setlk(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, uint64_t owner,
	       const struct fb_lock *lock, uint32_t flags);
int fbpy_fallocate(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, uint32_t mode,
		   uint64_t off, uint64_t len);
int fbpy_lseek(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, uint64_t off,
	       uint32_t whence, uint64_t *ret_off);
/* args: both files, as (in, fh_in, out, fh_out). */
int fbpy_copy_file_range(struct fbpy_call *call, struct fbpy_args *args, uint64_t off_in,
			 uint64_t off_out, uint64_t len, uint64_t flags, uint64_t *ret_copied);
int fbpy_ioctl(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh,
	       const struct fb_ioctl *ioctl, struct fb_sink *to, int32_t *ret_result);
int fbpy_poll(struct fbpy_call *call, struct fbpy_args *args, uint64_t fh, uint64_t kh,
	      uint32_t flags, uint32_t events, uint32_t *ret_revents);
int fbpy_bmap(struct fbpy_call *call, struct fbpy_args *args, uint64_t block, uint32_t blocksize,
	      uint64_t *ret_block);

int fbpy_setupmapping(struct fbpy_call *call, struct fbpy_args *args,
		      const struct fb_mapping *mapping);
int fbpy_removemapping(struct fbpy_call *call, struct fbpy_args *args,
		       const struct fb_mapping_range *ranges, size_t count);

/* release and releasedir: fh is given back, whether there is a method or not. */
void fbpy_release(struct fbpy_fs *fs, struct fbpy_args *args, uint64_t fh,
		  const struct fb_release *how);
void fbpy_releasedir(struct fbpy_fs *fs, struct fbpy_args *args, uint64_t fh,
		     const struct fb_release *how);
/* Run a method whose result is nobody's; its error is logged. Drops the arguments. */
void fbpy_run_last(struct fbpy_fs *fs, enum fbpy_op op, struct fbpy_args *args);
/* A libfb.Conn. */
PyObject *fbpy_conn_to(const struct fb_conn *conn);
int fbpy_init(struct fbpy_fs *fs, struct fb_session *session, struct fb_conn *conn);
void fbpy_destroy(struct fbpy_fs *fs);

#endif
