/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver interface: what a file system implements.
 *
 * An operation returns its result: >= 0 for success (a number of bytes where that has a meaning),
 * -errno for failure, FB_PENDING for "I took the request and will call fb_req_complete() later,
 * from any thread". Outputs (ret_…) live inside the request: they stay valid until it is completed
 * and are looked at only on success. Inputs that are pointers are borrowed until the request is
 * completed. Operations are called by several threads at once (see fb_session_options.workers).
 *
 * Names have been checked before a driver sees them: 1 to FB_NAME_MAX bytes, no '/', never "." or
 * "..". Node and fh are numbers that the client sends back: a hostile client can send any. A
 * driver answers -ESTALE for a node and -EBADF for an fh that it never gave out.
 *
 * A driver may leave any operation out; the answer is then what POSIX programs expect of a file
 * system without it (mkdir: EPERM, getxattr: EOPNOTSUPP, fsync: success, …). A driver that returns
 * -ENOSYS means "not here": the client gets EOPNOTSUPP or the like, and asks again next time.
 */
#ifndef LIBFB_DRIVER_H
#define LIBFB_DRIVER_H

#include <libfb/io.h>
#include <libfb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fb_session;
struct fb_req;
struct fb_state; /* grows: what save tells */

/*
 * What client and server agree on when a session starts. The library fills it before it calls
 * init, and checks afterwards: what was not offered, or what the transport can not honour, is
 * never granted.
 */
struct fb_conn {
	size_t size;              /* of this struct; init finds it set */
	uint32_t minor;           /* of protocol 7, the lower of both sides */
	uint32_t page_size;       /* bytes, the server's; a client may have another */
	uint64_t offered;         /* FB_INIT_*: what client and transport both can */
	uint64_t wanted;          /* FB_INIT_*: in: what suits most drivers; change it */
	uint32_t max_write;       /* bytes in one write; may be lowered */
	uint32_t max_readahead;   /* bytes; may be lowered */
	uint32_t time_gran_ns;    /* resolution of file times, 1 to 1,000,000,000 */
	uint32_t max_stack_depth; /* for FB_INIT_PASSTHROUGH: 1, or 2 for a stacked source */
	bool default_permissions; /* the client's kernel checks modes by itself */
	bool notifications;       /* fb_notify_… can reach the client */
	/*
	 * Ask for opens without a round trip: with the operation open (opendir) left out, tell the
	 * client once that opening always succeeds. It then keeps cached data over opens, and
	 * there is no fh and no release.
	 */
	bool stateless_open, stateless_opendir;
};

/* Who is asking. Valid until the request is completed. */
struct fb_caller {
	uint32_t uid, gid; /* file-system ids; UINT32_MAX: not known (id-mapped mount) */
	uint32_t pid;      /* 0: not in the server's pid namespace, or a guest */
	uint32_t umask;    /* of a request that makes an inode; see FB_INIT_DONT_MASK */
	uint32_t group_count;
	const uint32_t *groups; /* supplementary groups as far as sent: at most the directory's */
};

/* One security context that a new inode is to get (FB_INIT_SECURITY_CTX). */
struct fb_label {
	const char *name; /* of the xattr, such as "security.selinux" */
	const void *value;
	size_t size; /* bytes of value */
};

/* How an open file is released. */
struct fb_release {
	uint32_t flags;      /* FB_RELEASE_* */
	uint32_t open_flags; /* O_* */
	uint64_t lock_owner;
};

/* One range of removemapping. */
struct fb_mapping_range {
	uint64_t window_offset, len; /* bytes */
};

/*
 * The operations. Set size to sizeof(struct fb_driver_ops), so that a library that knows more
 * operations sees the rest as left out. self is the pointer given to fb_session_new().
 */
struct fb_driver_ops {
	size_t size;

	/* Start: look at conn, change conn->wanted. An error refuses the client. */
	int (*init)(void *self, struct fb_session *session, struct fb_conn *conn);
	/* End: the client is gone, all nodes and open files with it. Called once for each init. */
	void (*destroy)(void *self);

	/* Find name in parent. Counts one lookup of the node. */
	int (*lookup)(void *self, struct fb_req *req, uint64_t parent, const char *name,
		      struct fb_entry *ret_entry);
	/* Take back count lookups of a node; at 0 its number may be used again. Must not block. */
	void (*forget)(void *self, uint64_t node, uint64_t count);
	/* Attributes; fh is NULL unless the client names an open file. */
	int (*getattr)(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
		       struct fb_attr_reply *ret_attr);
	/* Attributes with birth time; mask is STATX_*. Set only the bits that were filled. */
	int (*statx)(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
		     uint32_t flags, uint32_t mask, struct fb_statx *ret_statx);
	/*
	 * Change what set->valid says (FB_SETATTR_*), and answer the attributes afterwards. Errors:
	 * EPERM, EACCES, EFBIG, ENOSPC, EINVAL.
	 */
	int (*setattr)(void *self, struct fb_req *req, uint64_t node, const struct fb_setattr *set,
		       struct fb_attr_reply *ret_attr);
	/* Put 1 to 4095 bytes into the sink, no NUL. */
	int (*readlink)(void *self, struct fb_req *req, uint64_t node, struct fb_sink *to);
	/* Make a symbolic link to target. Counts one lookup. Errors as for mknod. */
	int (*symlink)(void *self, struct fb_req *req, uint64_t parent, const char *name,
		       const char *target, struct fb_entry *ret_entry);
	/*
	 * Make a file of the type in mode, never a directory. The caller's umask has been taken off
	 * mode unless FB_INIT_DONT_MASK was agreed. rdev is as fb_rdev_pack() makes it. Counts one
	 * lookup. Errors: EEXIST, ENOENT, ENOSPC, EACCES, EPERM.
	 */
	int (*mknod)(void *self, struct fb_req *req, uint64_t parent, const char *name,
		     uint32_t mode, uint32_t rdev, struct fb_entry *ret_entry);
	/* Make a directory. Umask, lookup and errors are as for mknod; EMLINK too. */
	int (*mkdir)(void *self, struct fb_req *req, uint64_t parent, const char *name,
		     uint32_t mode, struct fb_entry *ret_entry);
	/*
	 * Remove a name, not of a directory. A node that the client knows, and open files, live on.
	 * Errors: ENOENT, EISDIR, EACCES, EPERM.
	 */
	int (*unlink)(void *self, struct fb_req *req, uint64_t parent, const char *name);
	/* Remove an empty directory. Errors: ENOENT, ENOTDIR, ENOTEMPTY, EACCES, EPERM. */
	int (*rmdir)(void *self, struct fb_req *req, uint64_t parent, const char *name);
	/* flags are FB_RENAME_*. */
	int (*rename)(void *self, struct fb_req *req, uint64_t parent, const char *name,
		      uint64_t new_parent, const char *new_name, uint32_t flags);
	/* Give node another name. Counts one more lookup of it. */
	int (*link)(void *self, struct fb_req *req, uint64_t node, uint64_t new_parent,
		    const char *new_name, struct fb_entry *ret_entry);

	/* flags are O_*, never O_CREAT; open_flags FB_OPEN_*. */
	int (*open)(void *self, struct fb_req *req, uint64_t node, int flags, uint32_t open_flags,
		    struct fb_open *ret_open);
	/* Make and open a file in one step; entry and open file are one inode. */
	int (*create)(void *self, struct fb_req *req, uint64_t parent, const char *name,
		      uint32_t mode, int flags, uint32_t open_flags, struct fb_entry *ret_entry,
		      struct fb_open *ret_open);
	/* Make and open a file without a name. */
	int (*tmpfile)(void *self, struct fb_req *req, uint64_t parent, uint32_t mode, int flags,
		       uint32_t open_flags, struct fb_entry *ret_entry, struct fb_open *ret_open);
	/* Put up to count bytes from off into the sink; fewer means end of file. Returns them. */
	int (*read)(void *self, struct fb_req *req, uint64_t node, uint64_t fh, struct fb_sink *to,
		    size_t count, uint64_t off);
	/* Take count bytes from the source. Returns the bytes written. */
	int (*write)(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		     struct fb_source *from, size_t count, uint64_t off);
	/* One close(2) of a descriptor: report late errors, drop this owner's POSIX locks. */
	int (*flush)(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		     uint64_t lock_owner);
	/* The last descriptor is closed: exactly once for each fh that a client was given. */
	void (*release)(void *self, uint64_t node, uint64_t fh, const struct fb_release *how);
	/* flags are FB_FSYNC_*. */
	int (*fsync)(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint32_t flags);

	/* Open a directory; flags are O_*. Errors: EACCES, ENOTDIR. */
	int (*opendir)(void *self, struct fb_req *req, uint64_t node, int flags,
		       struct fb_open *ret_open);
	/* Add entries after cookie (0: from the start) until fb_dirsink_add() says full. */
	int (*readdir)(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t cookie,
		       struct fb_dirsink *to);
	/* As readdir, with a lookup of each entry. Needs readdir too. */
	int (*readdirplus)(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
			   uint64_t cookie, struct fb_dirsink *to);
	/* As release, for each fh of opendir. */
	void (*releasedir)(void *self, uint64_t node, uint64_t fh, const struct fb_release *how);
	/* Make the names in a directory durable; flags are FB_FSYNC_*. Error: EIO. */
	int (*fsyncdir)(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint32_t flags);

	/* Tell the sizes of the file system that node lies in, as statfs(2). Error: EIO. */
	int (*statfs)(void *self, struct fb_req *req, uint64_t node, struct fb_statfs *ret_statfs);
	/* Write out all that has been changed, as syncfs(2). Error: EIO. */
	int (*syncfs)(void *self, struct fb_req *req, uint64_t node);
	/* flags are FB_XATTR_*. */
	int (*setxattr)(void *self, struct fb_req *req, uint64_t node, const char *name,
			const void *value, size_t size, uint32_t flags);
	/* size 0: return the length. Else fill the sink, or -ERANGE. Returns the length. */
	int (*getxattr)(void *self, struct fb_req *req, uint64_t node, const char *name,
			struct fb_sink *to, size_t size);
	/* As getxattr; names end with NUL each. */
	int (*listxattr)(void *self, struct fb_req *req, uint64_t node, struct fb_sink *to,
			 size_t size);
	/* Remove an extended attribute. Errors: ENODATA, EOPNOTSUPP, EPERM. */
	int (*removexattr)(void *self, struct fb_req *req, uint64_t node, const char *name);
	/* mask is R_OK, W_OK, X_OK or F_OK; not called with default_permissions. */
	int (*access)(void *self, struct fb_req *req, uint64_t node, uint32_t mask);
	/* Name a lock that would stop this one, type F_UNLCK when none does. flags: FB_LK_*. */
	int (*getlk)(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t owner,
		     const struct fb_lock *lock, uint32_t flags, struct fb_lock *ret_lock);
	/* With FB_LK_WAIT wait, best outside the calling thread, until granted or interrupted. */
	int (*setlk)(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t owner,
		     const struct fb_lock *lock, uint32_t flags);
	/* mode is FALLOC_FL_*. */
	int (*fallocate)(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint32_t mode,
			 uint64_t off, uint64_t len);
	/* whence is SEEK_DATA or SEEK_HOLE. */
	int (*lseek)(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t off,
		     uint32_t whence, uint64_t *ret_off);
	/* May copy less than len. */
	int (*copy_file_range)(void *self, struct fb_req *req, uint64_t node_in, uint64_t fh_in,
			       uint64_t off_in, uint64_t node_out, uint64_t fh_out,
			       uint64_t off_out, uint64_t len, uint64_t flags,
			       uint64_t *ret_copied);
	/* Returns the bytes put into the sink; *ret_result is what ioctl(2) returns, >= 0. */
	int (*ioctl)(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		     const struct fb_ioctl *call, struct fb_sink *to, int32_t *ret_result);
	/* With FB_POLL_SCHEDULE_NOTIFY remember kh for fb_notify_poll(). Events are POLL*. */
	int (*poll)(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t kh,
		    uint32_t flags, uint32_t events, uint32_t *ret_revents);
	/* For block devices: say where a block of the file lies, in units of blocksize. EIO. */
	int (*bmap)(void *self, struct fb_req *req, uint64_t node, uint64_t block,
		    uint32_t blocksize, uint64_t *ret_block);
	/* Map a piece of a file into the client's window of memory (virtio-fs). Error: EINVAL. */
	int (*setupmapping)(void *self, struct fb_req *req, uint64_t node,
			    const struct fb_mapping *mapping);
	/* Undo mappings; there is at least one range. Error: EINVAL. */
	int (*removemapping)(void *self, struct fb_req *req, uint64_t node,
			     const struct fb_mapping_range *ranges, size_t count);

	/*
	 * The client moves to another server (a virtual machine that migrates): append all that the
	 * other one must know of nodes and open files. No request is under way; the client may also
	 * stay here after all, so change nothing. An error's sentence (fb_fail()) tells why it can
	 * not move.
	 */
	int (*save)(void *self, struct fb_state *to);
	/*
	 * Take over a client: after init, before its first request. state is what the save of
	 * another server appended, or what somebody else made up: check all of it. After an error
	 * destroy is called. A driver has both of these or none.
	 */
	int (*load)(void *self, const void *state, size_t size);
};

/* Every operation by name, for bindings and wrappers: one X(name) each, in the struct's order. */
#define FB_DRIVER_OPS(X)                                                                           \
	X(init)                                                                                    \
	X(destroy)                                                                                 \
	X(lookup)                                                                                  \
	X(forget)                                                                                  \
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
	X(readdirplus)                                                                             \
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
	X(removemapping)                                                                           \
	X(save)                                                                                    \
	X(load)

/* Say who asks. Borrowed until the request is completed. */
const struct fb_caller *fb_req_caller(const struct fb_req *req);

/* The session that the request belongs to. Borrowed. */
struct fb_session *fb_req_session(const struct fb_req *req);

/* The arguments that come with a read or write beside node, fh, count and offset. Borrowed. */
const struct fb_io *fb_req_io(const struct fb_req *req);

/*
 * Step through the security contexts of a request that makes an inode: the one with this index.
 * Returns true and fills *ret_label (borrowed), or false when there are no more.
 */
bool fb_req_label(const struct fb_req *req, size_t index, struct fb_label *ret_label);

/* Say whether the caller was interrupted by a signal and would take -EINTR for an answer. */
bool fb_req_interrupted(const struct fb_req *req);

/*
 * Have wake(req, arg) called once when the caller is interrupted, from another thread; at once when
 * it already has been. wake must not block and must not complete the request itself; it wakes
 * whoever does. It runs under a lock of the session: do not call this while holding a lock that wake
 * takes. wake NULL takes the wish back: when this returns, wake is not running and will not
 * be called. Completing a request takes it back too. arg is borrowed.
 */
void fb_req_on_interrupt(struct fb_req *req, void (*wake)(struct fb_req *req, void *arg),
			 void *arg);

/*
 * Complete a request for which an operation returned FB_PENDING. result is what the operation would
 * have returned. May be called from any thread, also before the operation has returned. The request
 * and all that was borrowed from it are gone afterwards. Returns 0, or -EALREADY when the request
 * had been completed before (a mistake of the driver, which is logged), or -EINVAL when result is
 * FB_PENDING: then it is still to be completed.
 */
int fb_req_complete(struct fb_req *req, int result) FB_MUST_CHECK;

/* Hooks that fit on one request. */
#define FB_REQ_HOOKS_MAX 4

/*
 * For drivers that stack on others: see the result of a lower operation that returned FB_PENDING.
 * The hook set last runs first. It returns the result to go on with (often the one that it got), or
 * FB_PENDING to keep the request. arg is borrowed. Returns 0, or -ENOSPC.
 */
int fb_req_push_hook(struct fb_req *req, int (*hook)(struct fb_req *req, void *arg, int result),
		     void *arg) FB_MUST_CHECK;

/*
 * Append size bytes of data (copied) to what a driver's save tells. Returns 0, -E2BIG when it is too
 * much for a state, or -ENOMEM.
 */
int fb_state_put(struct fb_state *to, const void *data, size_t size) FB_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
