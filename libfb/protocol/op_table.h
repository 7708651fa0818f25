/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The FUSE opcodes: the only place that lists them.
 *
 * Decoding, bounds checks, dispatch, missing operations, read-only enforcement, tracing, statistics,
 * fuzzers and boundary tests are expansions of these rows.
 *
 * Columns:
 *   number   the opcode on the wire
 *   NAME     its name, FUSE_NAME in the kernel's header
 *   handler  suffix of the function that serves it (fb_handle_… in core/handle_*.c)
 *   op       member of struct fb_driver_ops that it calls; none = the core answers alone
 *   since    minor version of protocol 7 that brought it (0: before 7.1)
 *   in       the fixed struct after the header, struct fb_wire_…; none = there is none
 *   names    how many NUL-terminated names follow it
 *   tail     what follows the names: NO_TAIL, BYTES(in, field) or ARRAY(in, field, element)
 *   room     for answers of variable length, the field that limits it: ROOM(in, field) or NO_ROOM
 *   reply    shape of the answer: a row of FB_REPLY_TABLE
 *   absent   answer when the driver lacks op: an errno, or 0 for success. ENOSYS stands only where
 *            the kernel then does the right thing for the whole connection
 *   soft     what a driver's own -ENOSYS becomes, so that one node can not switch off all
 *   flags    FB_ROW_…
 */
#ifndef FB_PROTOCOL_OP_TABLE_H
#define FB_PROTOCOL_OP_TABLE_H

#include <errno.h>

#define FB_ROW_MUTATES 0x001u     /* changes the file system: EROFS on a read-only session */
#define FB_ROW_HIPRIO 0x002u      /* must not wait behind other requests */
#define FB_ROW_NO_REPLY 0x004u    /* never answered, not even with an error */
#define FB_ROW_EXTENSIONS 0x008u  /* may carry security contexts and groups at its end */
#define FB_ROW_GIVES_NODE 0x010u  /* a delivered answer counts one lookup */
#define FB_ROW_GIVES_FILE 0x020u  /* a delivered answer hands out an fh, for release */
#define FB_ROW_GIVES_DIR 0x040u   /* a delivered answer hands out an fh, for releasedir */
#define FB_ROW_ANY_NAME 0x080u    /* the name is no path component (xattr, tmpfile) */
#define FB_ROW_DOT_NAMES 0x100u   /* "." and ".." are legal with EXPORT_SUPPORT */
#define FB_ROW_BEFORE_INIT 0x200u /* legal before INIT has been answered */
#define FB_ROW_NO_CALLER 0x400u   /* the header carries no caller ids: never authorise by them */
#define FB_ROW_CREATES 0x800u     /* makes an inode: caller ids must be real (not 0xffffffff) */
#define FB_ROW_CORE 0x4000u       /* the core has a part in it, even if the driver lacks op */
#define FB_ROW_TARGET 0x1000u     /* the second name is what a symbolic link points to */
#define FB_ROW_BULK 0x2000u       /* the tail is bulk data: it may stay where it was received */

#define FB_OP_TABLE(X)                                                                             \
	X(1, LOOKUP, lookup, lookup, 0, none, 1, NO_TAIL, NO_ROOM, ENTRY, ENOENT, EOPNOTSUPP,      \
	  FB_ROW_GIVES_NODE | FB_ROW_DOT_NAMES)                                                    \
	X(2, FORGET, forget, forget, 0, forget_in, 0, NO_TAIL, NO_ROOM, NONE, 0, 0,                \
	  FB_ROW_NO_REPLY | FB_ROW_HIPRIO | FB_ROW_BEFORE_INIT | FB_ROW_NO_CALLER)                 \
	X(3, GETATTR, getattr, getattr, 0, getattr_in, 0, NO_TAIL, NO_ROOM, ATTR, EOPNOTSUPP,      \
	  EOPNOTSUPP, 0)                                                                           \
	X(4, SETATTR, setattr, setattr, 1, setattr_in, 0, NO_TAIL, NO_ROOM, ATTR, EPERM,           \
	  EOPNOTSUPP, FB_ROW_MUTATES)                                                              \
	X(5, READLINK, readlink, readlink, 0, none, 0, NO_TAIL, NO_ROOM, BYTES, EINVAL,            \
	  EOPNOTSUPP, 0)                                                                           \
	X(6, SYMLINK, symlink, symlink, 1, none, 2, NO_TAIL, NO_ROOM, ENTRY, EPERM, EPERM,         \
	  FB_ROW_MUTATES | FB_ROW_GIVES_NODE | FB_ROW_EXTENSIONS | FB_ROW_CREATES | FB_ROW_TARGET) \
	X(8, MKNOD, mknod, mknod, 1, mknod_in, 1, NO_TAIL, NO_ROOM, ENTRY, EPERM, EPERM,           \
	  FB_ROW_MUTATES | FB_ROW_GIVES_NODE | FB_ROW_EXTENSIONS | FB_ROW_CREATES)                 \
	X(9, MKDIR, mkdir, mkdir, 1, mkdir_in, 1, NO_TAIL, NO_ROOM, ENTRY, EPERM, EPERM,           \
	  FB_ROW_MUTATES | FB_ROW_GIVES_NODE | FB_ROW_EXTENSIONS | FB_ROW_CREATES)                 \
	X(10, UNLINK, unlink, unlink, 1, none, 1, NO_TAIL, NO_ROOM, EMPTY, EPERM, EPERM,           \
	  FB_ROW_MUTATES)                                                                          \
	X(11, RMDIR, rmdir, rmdir, 1, none, 1, NO_TAIL, NO_ROOM, EMPTY, EPERM, EPERM,              \
	  FB_ROW_MUTATES)                                                                          \
	X(12, RENAME, rename, rename, 1, rename_in, 2, NO_TAIL, NO_ROOM, EMPTY, EPERM, EPERM,      \
	  FB_ROW_MUTATES)                                                                          \
	X(13, LINK, link, link, 1, link_in, 1, NO_TAIL, NO_ROOM, ENTRY, EPERM, EPERM,              \
	  FB_ROW_MUTATES | FB_ROW_GIVES_NODE)                                                      \
	X(14, OPEN, open, open, 1, open_in, 0, NO_TAIL, NO_ROOM, OPEN, 0, EOPNOTSUPP,              \
	  FB_ROW_GIVES_FILE)                                                                       \
	X(15, READ, read, read, 1, read_in, 0, NO_TAIL, ROOM(read_in, size), BYTES, EINVAL,        \
	  EOPNOTSUPP, FB_ROW_CORE)                                                                 \
	X(16, WRITE, write, write, 1, write_in, 0, BYTES(write_in, size), NO_ROOM, WRITE, EINVAL,  \
	  EOPNOTSUPP, FB_ROW_MUTATES | FB_ROW_BULK | FB_ROW_CORE)                                  \
	X(17, STATFS, statfs, statfs, 0, none, 0, NO_TAIL, NO_ROOM, STATFS, 0, EOPNOTSUPP, 0)      \
	X(18, RELEASE, release, release, 1, release_in, 0, NO_TAIL, NO_ROOM, EMPTY, 0, 0,          \
	  FB_ROW_NO_CALLER | FB_ROW_CORE)                                                          \
	X(20, FSYNC, fsync, fsync, 1, fsync_in, 0, NO_TAIL, NO_ROOM, EMPTY, ENOSYS, EOPNOTSUPP, 0) \
	X(21, SETXATTR, setxattr, setxattr, 1, setxattr_in, 1, BYTES(setxattr_in, size), NO_ROOM,  \
	  EMPTY, ENOSYS, EOPNOTSUPP, FB_ROW_MUTATES | FB_ROW_ANY_NAME)                             \
	X(22, GETXATTR, getxattr, getxattr, 1, getxattr_in, 1, NO_TAIL, ROOM(getxattr_in, size),   \
	  XATTR, ENOSYS, EOPNOTSUPP, FB_ROW_ANY_NAME)                                              \
	X(23, LISTXATTR, listxattr, listxattr, 1, getxattr_in, 0, NO_TAIL,                         \
	  ROOM(getxattr_in, size), XATTR, ENOSYS, EOPNOTSUPP, 0)                                   \
	X(24, REMOVEXATTR, removexattr, removexattr, 1, none, 1, NO_TAIL, NO_ROOM, EMPTY, ENOSYS,  \
	  EOPNOTSUPP, FB_ROW_MUTATES | FB_ROW_ANY_NAME)                                            \
	X(25, FLUSH, flush, flush, 1, flush_in, 0, NO_TAIL, NO_ROOM, EMPTY, ENOSYS, EOPNOTSUPP, 0) \
	X(26, INIT, init, init, 0, init_in, 0, NO_TAIL, NO_ROOM, INIT, 0, EPROTO,                  \
	  FB_ROW_BEFORE_INIT | FB_ROW_NO_CALLER | FB_ROW_CORE)                                     \
	X(27, OPENDIR, opendir, opendir, 1, open_in, 0, NO_TAIL, NO_ROOM, OPEN, 0, EOPNOTSUPP,     \
	  FB_ROW_GIVES_DIR)                                                                        \
	X(28, READDIR, readdir, readdir, 1, read_in, 0, NO_TAIL, ROOM(read_in, size), DIRENTS,     \
	  ENOTDIR, EOPNOTSUPP, 0)                                                                  \
	X(29, RELEASEDIR, releasedir, releasedir, 1, release_in, 0, NO_TAIL, NO_ROOM, EMPTY, 0, 0, \
	  FB_ROW_NO_CALLER)                                                                        \
	X(30, FSYNCDIR, fsyncdir, fsyncdir, 2, fsync_in, 0, NO_TAIL, NO_ROOM, EMPTY, ENOSYS,       \
	  EOPNOTSUPP, 0)                                                                           \
	X(31, GETLK, getlk, getlk, 7, lk_in, 0, NO_TAIL, NO_ROOM, LK, ENOLCK, ENOLCK, 0)           \
	X(32, SETLK, setlk, setlk, 7, lk_in, 0, NO_TAIL, NO_ROOM, EMPTY, ENOLCK, ENOLCK, 0)        \
	X(33, SETLKW, setlkw, setlk, 7, lk_in, 0, NO_TAIL, NO_ROOM, EMPTY, ENOLCK, ENOLCK, 0)      \
	X(34, ACCESS, access, access, 3, access_in, 0, NO_TAIL, NO_ROOM, EMPTY, ENOSYS,            \
	  EOPNOTSUPP, 0)                                                                           \
	X(35, CREATE, create, create, 3, create_in, 1, NO_TAIL, NO_ROOM, CREATE, ENOSYS, EPERM,    \
	  FB_ROW_MUTATES | FB_ROW_GIVES_NODE | FB_ROW_GIVES_FILE | FB_ROW_EXTENSIONS |             \
		  FB_ROW_CREATES)                                                                  \
	X(36, INTERRUPT, interrupt, none, 7, interrupt_in, 0, NO_TAIL, NO_ROOM, NONE, 0, 0,        \
	  FB_ROW_HIPRIO | FB_ROW_NO_REPLY | FB_ROW_NO_CALLER)                                      \
	X(37, BMAP, bmap, bmap, 8, bmap_in, 0, NO_TAIL, NO_ROOM, BMAP, ENOSYS, EOPNOTSUPP, 0)      \
	X(38, DESTROY, destroy, none, 8, none, 0, NO_TAIL, NO_ROOM, EMPTY, 0, 0, FB_ROW_NO_CALLER) \
	X(39, IOCTL, ioctl, ioctl, 11, ioctl_in, 0, BYTES(ioctl_in, in_size),                      \
	  ROOM(ioctl_in, out_size), IOCTL, ENOTTY, ENOTTY, 0)                                      \
	X(40, POLL, poll, poll, 11, poll_in, 0, NO_TAIL, NO_ROOM, POLL, ENOSYS, EOPNOTSUPP, 0)     \
	X(41, NOTIFY_REPLY, notify_reply, none, 15, notify_retrieve_in, 0,                         \
	  BYTES(notify_retrieve_in, size), NO_ROOM, NONE, 0, 0,                                    \
	  FB_ROW_NO_REPLY | FB_ROW_NO_CALLER | FB_ROW_BULK)                                        \
	X(42, BATCH_FORGET, batch_forget, forget, 16, batch_forget_in, 0,                          \
	  ARRAY(batch_forget_in, count, forget_one), NO_ROOM, NONE, 0, 0,                          \
	  FB_ROW_NO_REPLY | FB_ROW_HIPRIO | FB_ROW_BEFORE_INIT | FB_ROW_NO_CALLER)                 \
	X(43, FALLOCATE, fallocate, fallocate, 19, fallocate_in, 0, NO_TAIL, NO_ROOM, EMPTY,       \
	  ENOSYS, EOPNOTSUPP, FB_ROW_MUTATES)                                                      \
	X(44, READDIRPLUS, readdirplus, readdirplus, 21, read_in, 0, NO_TAIL, ROOM(read_in, size), \
	  DIRENTS, EOPNOTSUPP, EOPNOTSUPP, 0)                                                      \
	X(45, RENAME2, rename2, rename, 23, rename2_in, 2, NO_TAIL, NO_ROOM, EMPTY, EPERM, EINVAL, \
	  FB_ROW_MUTATES)                                                                          \
	X(46, LSEEK, lseek, lseek, 24, lseek_in, 0, NO_TAIL, NO_ROOM, LSEEK, ENOSYS, EINVAL, 0)    \
	X(47, COPY_FILE_RANGE, copy_file_range, copy_file_range, 28, copy_file_range_in, 0,        \
	  NO_TAIL, NO_ROOM, WRITE, ENOSYS, EOPNOTSUPP, FB_ROW_MUTATES)                             \
	X(48, SETUPMAPPING, setupmapping, setupmapping, 31, setupmapping_in, 0, NO_TAIL, NO_ROOM,  \
	  EMPTY, ENOSYS, EOPNOTSUPP, 0)                                                            \
	X(49, REMOVEMAPPING, removemapping, removemapping, 31, removemapping_in, 0,                \
	  ARRAY(removemapping_in, count, removemapping_one), NO_ROOM, EMPTY, ENOSYS, EOPNOTSUPP,   \
	  0)                                                                                       \
	X(50, SYNCFS, syncfs, syncfs, 34, syncfs_in, 0, NO_TAIL, NO_ROOM, EMPTY, ENOSYS,           \
	  EOPNOTSUPP, 0)                                                                           \
	X(51, TMPFILE, tmpfile, tmpfile, 37, create_in, 1, NO_TAIL, NO_ROOM, CREATE, ENOSYS,       \
	  EOPNOTSUPP,                                                                              \
	  FB_ROW_MUTATES | FB_ROW_GIVES_NODE | FB_ROW_GIVES_FILE | FB_ROW_EXTENSIONS |             \
		  FB_ROW_ANY_NAME | FB_ROW_CREATES)                                                \
	X(52, STATX, statx, statx, 39, statx_in, 0, NO_TAIL, NO_ROOM, STATX, ENOSYS, EOPNOTSUPP,   \
	  0)                                                                                       \
	X(53, COPY_FILE_RANGE_64, copy_file_range_64, copy_file_range, 45, copy_file_range_in, 0,  \
	  NO_TAIL, NO_ROOM, COPY, ENOSYS, EOPNOTSUPP, FB_ROW_MUTATES)

/*
 * Shapes of answers: name, and the fixed struct they consist of. BYTES and DIRENTS are of variable
 * length; XATTR is bytes, or getxattr_out when the request asked for size 0; IOCTL is its struct
 * and bytes behind it; INIT may be shorter for an old peer.
 */
#define FB_REPLY_TABLE(X)                                                                          \
	X(NONE, none)                                                                              \
	X(EMPTY, none)                                                                             \
	X(ENTRY, entry_out)                                                                        \
	X(ATTR, attr_out)                                                                          \
	X(OPEN, open_out)                                                                          \
	X(CREATE, create_out)                                                                      \
	X(WRITE, write_out)                                                                        \
	X(STATFS, statfs_out)                                                                      \
	X(BYTES, none)                                                                             \
	X(DIRENTS, none)                                                                           \
	X(XATTR, getxattr_out)                                                                     \
	X(LK, lk_out)                                                                              \
	X(IOCTL, ioctl_out)                                                                        \
	X(POLL, poll_out)                                                                          \
	X(BMAP, bmap_out)                                                                          \
	X(LSEEK, lseek_out)                                                                        \
	X(COPY, copy_file_range_out)                                                               \
	X(STATX, statx_out)                                                                        \
	X(INIT, init_out)

#endif
