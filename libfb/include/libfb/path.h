/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The path layer: a driver for file systems that are written by path instead of by node.
 *
 * It keeps the tree of nodes that the client knows, and calls the operations below with paths. A
 * path is absolute ("/", "/a/b"; no slash at its end), a string of bytes without NUL or "." or "..",
 * and shorter than PATH_MAX: requests that would need a longer one get ENAMETOOLONG. It is borrowed
 * until the operation returns, or until the request is completed if it returns FB_PENDING.
 *
 * A file that was removed but is still open has no name: path is NULL then, and fh is an open file
 * of it. (So it is when a file was opened whose path has become too long.) Operations without an fh,
 * or with a NULL one, always get a path.
 *
 * While an operation works by path, names on this path do not change: a rename, unlink or rmdir
 * waits for it, and it for them. That ends when the operation returns, even with FB_PENDING: a
 * server that takes many requests and answers them later must do without, lest it waits for itself.
 * Operations on an open file (read, write, …) are not held up, and their path is only a hint:
 * what they are about is fh. The layer calls several operations at once, as many as the session has
 * workers; it holds no lock of its own then.
 */
#ifndef LIBFB_PATH_H
#define LIBFB_PATH_H

#include <libfb/driver.h>
#include <libfb/listing.h>
#include <libfb/types.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The operations, with the results, arguments and errors of those in struct fb_driver_ops. Set size to
 * sizeof(struct fb_path_ops). getattr must be there; what is left out is answered as in
 * a driver without it. What makes a name has no entry for an output: the layer asks getattr
 * afterwards. An fh is one that open, create or tmpfile (opendir) gave for this very file and has
 * not been released: the layer refuses all others.
 */
struct fb_path_ops {
	size_t size;

	int (*init)(void *self, struct fb_session *session, struct fb_conn *conn);
	/* The client is gone; what it had open has been released before. */
	void (*destroy)(void *self);

	/*
	 * fh is NULL unless the client names an open file, or the file has no name. An ino of 0 is
	 * filled in by the layer. Error: ENOENT.
	 */
	int (*getattr)(void *self, struct fb_req *req, const char *path, const uint64_t *fh,
		       struct fb_attr_reply *ret_attr);
	/* set->fh is there (FB_SETATTR_FH) as fh is in getattr. */
	int (*setattr)(void *self, struct fb_req *req, const char *path,
		       const struct fb_setattr *set, struct fb_attr_reply *ret_attr);
	int (*readlink)(void *self, struct fb_req *req, const char *path, struct fb_sink *to);
	int (*symlink)(void *self, struct fb_req *req, const char *path, const char *target);
	int (*mknod)(void *self, struct fb_req *req, const char *path, uint32_t mode,
		     uint32_t rdev);
	int (*mkdir)(void *self, struct fb_req *req, const char *path, uint32_t mode);
	/* The file lives on as long as it is open, as for a POSIX program. */
	int (*unlink)(void *self, struct fb_req *req, const char *path);
	int (*rmdir)(void *self, struct fb_req *req, const char *path);
	/* flags are FB_RENAME_*: refuse those that are not known with EINVAL. */
	int (*rename)(void *self, struct fb_req *req, const char *path, const char *new_path,
		      uint32_t flags);
	/* fh is there when path is NULL: a file of tmpfile gets its name so. */
	int (*link)(void *self, struct fb_req *req, const char *path, const uint64_t *fh,
		    const char *new_path);

	int (*open)(void *self, struct fb_req *req, const char *path, int flags,
		    uint32_t open_flags, struct fb_open *ret_open);
	int (*create)(void *self, struct fb_req *req, const char *path, uint32_t mode, int flags,
		      uint32_t open_flags, struct fb_open *ret_open);
	/* path is the directory. The file has no name: getattr with fh tells of it. */
	int (*tmpfile)(void *self, struct fb_req *req, const char *path, uint32_t mode, int flags,
		       uint32_t open_flags, struct fb_open *ret_open);
	int (*read)(void *self, struct fb_req *req, const char *path, uint64_t fh,
		    struct fb_sink *to, size_t count, uint64_t off);
	int (*write)(void *self, struct fb_req *req, const char *path, uint64_t fh,
		     struct fb_source *from, size_t count, uint64_t off);
	int (*flush)(void *self, struct fb_req *req, const char *path, uint64_t fh,
		     uint64_t lock_owner);
	void (*release)(void *self, const char *path, uint64_t fh, const struct fb_release *how);
	int (*fsync)(void *self, struct fb_req *req, const char *path, uint64_t fh, uint32_t flags);

	int (*opendir)(void *self, struct fb_req *req, const char *path, int flags,
		       struct fb_open *ret_open);
	/*
	 * Add all names to the listing, which is the client's view of this open directory until it
	 * starts from the beginning again. "." and ".." are not needed. fh is 0 without opendir. A
	 * directory that was removed is not listed. to is valid until the request is completed.
	 */
	int (*readdir)(void *self, struct fb_req *req, const char *path, uint64_t fh,
		       struct fb_listing *to);
	void (*releasedir)(void *self, const char *path, uint64_t fh, const struct fb_release *how);
	int (*fsyncdir)(void *self, struct fb_req *req, const char *path, uint64_t fh,
			uint32_t flags);

	/* path is "/" for a file that has no name. */
	int (*statfs)(void *self, struct fb_req *req, const char *path,
		      struct fb_statfs *ret_statfs);
	int (*syncfs)(void *self, struct fb_req *req, const char *path);
	/* fh is there when path is NULL, in these four. */
	int (*setxattr)(void *self, struct fb_req *req, const char *path, const uint64_t *fh,
			const char *name, const void *value, size_t size, uint32_t flags);
	int (*getxattr)(void *self, struct fb_req *req, const char *path, const uint64_t *fh,
			const char *name, struct fb_sink *to, size_t size);
	int (*listxattr)(void *self, struct fb_req *req, const char *path, const uint64_t *fh,
			 struct fb_sink *to, size_t size);
	int (*removexattr)(void *self, struct fb_req *req, const char *path, const uint64_t *fh,
			   const char *name);
	int (*access)(void *self, struct fb_req *req, const char *path, uint32_t mask);
	int (*getlk)(void *self, struct fb_req *req, const char *path, uint64_t fh, uint64_t owner,
		     const struct fb_lock *lock, uint32_t flags, struct fb_lock *ret_lock);
	int (*setlk)(void *self, struct fb_req *req, const char *path, uint64_t fh, uint64_t owner,
		     const struct fb_lock *lock, uint32_t flags);
	int (*fallocate)(void *self, struct fb_req *req, const char *path, uint64_t fh,
			 uint32_t mode, uint64_t off, uint64_t len);
	int (*lseek)(void *self, struct fb_req *req, const char *path, uint64_t fh, uint64_t off,
		     uint32_t whence, uint64_t *ret_off);
	/* Either path may be NULL. */
	int (*copy_file_range)(void *self, struct fb_req *req, const char *path_in, uint64_t fh_in,
			       uint64_t off_in, const char *path_out, uint64_t fh_out,
			       uint64_t off_out, uint64_t len, uint64_t flags,
			       uint64_t *ret_copied);
	/* With FB_IOCTL_DIR fh is one of opendir, or 0 without it. */
	int (*ioctl)(void *self, struct fb_req *req, const char *path, uint64_t fh,
		     const struct fb_ioctl *call, struct fb_sink *to, int32_t *ret_result);
	int (*poll)(void *self, struct fb_req *req, const char *path, uint64_t fh, uint64_t kh,
		    uint32_t flags, uint32_t events, uint32_t *ret_revents);
	int (*bmap)(void *self, struct fb_req *req, const char *path, uint64_t block,
		    uint32_t blocksize, uint64_t *ret_block);
};

/* Every operation by name, for bindings and wrappers: one X(name) each, in the struct's order. */
#define FB_PATH_OPS(X)                                                                             \
	X(init)                                                                                    \
	X(destroy)                                                                                 \
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
	X(bmap)

/* Zero means the default. Set size to sizeof(struct fb_path_options). */
struct fb_path_options {
	size_t size;
	/*
	 * For how long the client may remember names, attributes and that a name is not there, in
	 * nanoseconds. Default: 1 s, 1 s and not at all; FB_TIMEOUT_NONE for 0. Where getattr sets an
	 * attr_timeout_ns, that counts.
	 */
	uint64_t entry_timeout_ns, attr_timeout_ns, negative_timeout_ns;
};

struct fb_path;

/*
 * Make the driver. ops and options are copied, options may be NULL; self is borrowed until the
 * driver is freed. Returns 0 and the driver; or -EINVAL (ops without size or getattr) or -ENOMEM,
 * with a sentence in fb_last_error().
 */
int fb_path_new(const struct fb_path_ops *ops, void *self, const struct fb_path_options *options,
		struct fb_path **ret_layer) FB_MUST_CHECK;

/* Free the driver after its session is gone; NULL is ignored. */
void fb_path_free(struct fb_path *layer);

/* Its operations, for fb_session_new() with the driver as self. Borrowed from the driver. */
const struct fb_driver_ops *fb_path_driver_ops(const struct fb_path *layer);

/*
 * Find the node that the client knows by this path, for fb_notify_inval_node() and the like. Returns
 * 0 and the node, or -ENOENT when it knows none.
 */
int fb_path_find(struct fb_path *layer, const char *path, uint64_t *ret_node) FB_MUST_CHECK;

/*
 * Say which path a node has now: copied to buf with a NUL. Returns its length without that; -ESTALE
 * for a node that the client does not know, -ENOENT when it has no name any more, or -ENAMETOOLONG
 * when size is too small.
 */
ssize_t fb_path_of(struct fb_path *layer, uint64_t node, char *buf, size_t size) FB_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
