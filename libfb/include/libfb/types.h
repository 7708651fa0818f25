/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Words that every other header shares: limits, flags and small structs.
 *
 * Flags have the values that FUSE gives them on the wire (Linux, include/uapi/linux/fuse.h), so a
 * driver, a packet dump and the kernel's source all speak of the same bits. Words are FUSE's and
 * POSIX's: a "node" is a FUSE nodeid, an "ino" is a st_ino, an "fh" is one open file.
 */
#ifndef LIBFB_TYPES_H
#define LIBFB_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FB_MUST_CHECK __attribute__((warn_unused_result))
#define FB_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define FB_MUST_CHECK
#define FB_PRINTF(text, first)
#endif

/* The node that every session starts with: the root directory (or the only file). */
#define FB_ROOT_NODE UINT64_C(1)

/* An operation returns this for "I took the request; fb_req_complete() brings the result". */
#define FB_PENDING 0x40000000

/* In options, where 0 nanoseconds means the default: 0 nanoseconds. */
#define FB_TIMEOUT_NONE UINT64_MAX

/* Longest file name in bytes, without the terminating NUL. */
#define FB_NAME_MAX 255

/* Longest value of an extended attribute, in bytes. */
#define FB_XATTR_MAX 65536

/*
 * Features that client and server agree on when a session starts: the bits of FUSE_INIT, first
 * and second word together. A driver sees them in struct fb_conn.
 */
#define FB_INIT_BIT(n) (UINT64_C(1) << (n))
#define FB_INIT_ASYNC_READ FB_INIT_BIT(0)
#define FB_INIT_POSIX_LOCKS FB_INIT_BIT(1)
#define FB_INIT_FILE_OPS FB_INIT_BIT(2)
#define FB_INIT_ATOMIC_O_TRUNC FB_INIT_BIT(3)
#define FB_INIT_EXPORT_SUPPORT FB_INIT_BIT(4)
#define FB_INIT_BIG_WRITES FB_INIT_BIT(5)
#define FB_INIT_DONT_MASK FB_INIT_BIT(6)
#define FB_INIT_SPLICE_WRITE FB_INIT_BIT(7)
#define FB_INIT_SPLICE_MOVE FB_INIT_BIT(8)
#define FB_INIT_SPLICE_READ FB_INIT_BIT(9)
#define FB_INIT_FLOCK_LOCKS FB_INIT_BIT(10)
#define FB_INIT_HAS_IOCTL_DIR FB_INIT_BIT(11)
#define FB_INIT_AUTO_INVAL_DATA FB_INIT_BIT(12)
#define FB_INIT_DO_READDIRPLUS FB_INIT_BIT(13)
#define FB_INIT_READDIRPLUS_AUTO FB_INIT_BIT(14)
#define FB_INIT_ASYNC_DIO FB_INIT_BIT(15)
#define FB_INIT_WRITEBACK_CACHE FB_INIT_BIT(16)
#define FB_INIT_NO_OPEN_SUPPORT FB_INIT_BIT(17)
#define FB_INIT_PARALLEL_DIROPS FB_INIT_BIT(18)
#define FB_INIT_HANDLE_KILLPRIV FB_INIT_BIT(19)
#define FB_INIT_POSIX_ACL FB_INIT_BIT(20)
#define FB_INIT_ABORT_ERROR FB_INIT_BIT(21)
#define FB_INIT_MAX_PAGES FB_INIT_BIT(22)
#define FB_INIT_CACHE_SYMLINKS FB_INIT_BIT(23)
#define FB_INIT_NO_OPENDIR_SUPPORT FB_INIT_BIT(24)
#define FB_INIT_EXPLICIT_INVAL_DATA FB_INIT_BIT(25)
#define FB_INIT_MAP_ALIGNMENT FB_INIT_BIT(26)
#define FB_INIT_SUBMOUNTS FB_INIT_BIT(27)
#define FB_INIT_HANDLE_KILLPRIV_V2 FB_INIT_BIT(28)
#define FB_INIT_SETXATTR_EXT FB_INIT_BIT(29)
#define FB_INIT_INIT_EXT FB_INIT_BIT(30)
#define FB_INIT_RESERVED FB_INIT_BIT(31)
#define FB_INIT_SECURITY_CTX FB_INIT_BIT(32)
#define FB_INIT_HAS_INODE_DAX FB_INIT_BIT(33)
#define FB_INIT_CREATE_SUPP_GROUP FB_INIT_BIT(34)
#define FB_INIT_HAS_EXPIRE_ONLY FB_INIT_BIT(35)
#define FB_INIT_DIRECT_IO_ALLOW_MMAP FB_INIT_BIT(36)
#define FB_INIT_PASSTHROUGH FB_INIT_BIT(37)
#define FB_INIT_NO_EXPORT_SUPPORT FB_INIT_BIT(38)
#define FB_INIT_HAS_RESEND FB_INIT_BIT(39)
#define FB_INIT_ALLOW_IDMAP FB_INIT_BIT(40)
#define FB_INIT_OVER_IO_URING FB_INIT_BIT(41)
#define FB_INIT_REQUEST_TIMEOUT FB_INIT_BIT(42)

/* struct fb_open, flags: how the client treats one open file. */
#define FB_FOPEN_DIRECT_IO (UINT32_C(1) << 0)
#define FB_FOPEN_KEEP_CACHE (UINT32_C(1) << 1)
#define FB_FOPEN_NONSEEKABLE (UINT32_C(1) << 2)
#define FB_FOPEN_CACHE_DIR (UINT32_C(1) << 3)
#define FB_FOPEN_STREAM (UINT32_C(1) << 4)
#define FB_FOPEN_NOFLUSH (UINT32_C(1) << 5)
#define FB_FOPEN_PARALLEL_DIRECT_WRITES (UINT32_C(1) << 6)
#define FB_FOPEN_PASSTHROUGH (UINT32_C(1) << 7) /* set by the library: see fb_open.backing_fd */

/* open, create and tmpfile, open_flags: clear suid, sgid and security.capability (KILLPRIV_V2). */
#define FB_OPEN_KILL_SUIDGID (UINT32_C(1) << 0)

/* struct fb_attr, flags. */
#define FB_ATTR_SUBMOUNT (UINT32_C(1) << 0)
#define FB_ATTR_DAX (UINT32_C(1) << 1)

/* struct fb_setattr, valid: which fields are to be changed. */
#define FB_SETATTR_MODE (UINT32_C(1) << 0)
#define FB_SETATTR_UID (UINT32_C(1) << 1)
#define FB_SETATTR_GID (UINT32_C(1) << 2)
#define FB_SETATTR_SIZE (UINT32_C(1) << 3)
#define FB_SETATTR_ATIME (UINT32_C(1) << 4)
#define FB_SETATTR_MTIME (UINT32_C(1) << 5)
#define FB_SETATTR_FH (UINT32_C(1) << 6)
#define FB_SETATTR_ATIME_NOW (UINT32_C(1) << 7)
#define FB_SETATTR_MTIME_NOW (UINT32_C(1) << 8)
#define FB_SETATTR_LOCKOWNER (UINT32_C(1) << 9)
#define FB_SETATTR_CTIME (UINT32_C(1) << 10)
#define FB_SETATTR_KILL_SUIDGID (UINT32_C(1) << 11)

/* write, flags (struct fb_io). */
#define FB_WRITE_CACHE (UINT32_C(1) << 0)        /* page-cache write-back: caller ids are 0 */
#define FB_WRITE_LOCKOWNER (UINT32_C(1) << 1)    /* lock_owner is valid */
#define FB_WRITE_KILL_SUIDGID (UINT32_C(1) << 2) /* clear suid and sgid */

/* read, flags (struct fb_io). */
#define FB_READ_LOCKOWNER (UINT32_C(1) << 1)

/* release, flags. */
#define FB_RELEASE_FLUSH (UINT32_C(1) << 0)
#define FB_RELEASE_FLOCK_UNLOCK (UINT32_C(1) << 1)

/* fsync and fsyncdir, flags. */
#define FB_FSYNC_DATASYNC (UINT32_C(1) << 0)

/* getlk and setlk, flags. */
#define FB_LK_FLOCK (UINT32_C(1) << 0) /* a BSD lock on the whole file, not a POSIX range */
#define FB_LK_WAIT (UINT32_C(1) << 16) /* block until granted or interrupted; set by the library */

/* ioctl, flags. */
#define FB_IOCTL_COMPAT (UINT32_C(1) << 0)
#define FB_IOCTL_UNRESTRICTED (UINT32_C(1) << 1)
#define FB_IOCTL_RETRY (UINT32_C(1) << 2)
#define FB_IOCTL_32BIT (UINT32_C(1) << 3)
#define FB_IOCTL_DIR (UINT32_C(1) << 4)
#define FB_IOCTL_COMPAT_X32 (UINT32_C(1) << 5)

/* poll, flags: remember kh and call fb_notify_poll() once. */
#define FB_POLL_SCHEDULE_NOTIFY (UINT32_C(1) << 0)

/* rename, flags: those of renameat2(2). */
#define FB_RENAME_NOREPLACE (UINT32_C(1) << 0)
#define FB_RENAME_EXCHANGE (UINT32_C(1) << 1)
#define FB_RENAME_WHITEOUT (UINT32_C(1) << 2)

/* setxattr, flags: those of setxattr(2), and the client's wish to clear S_ISGID. */
#define FB_XATTR_CREATE (UINT32_C(1) << 0)
#define FB_XATTR_REPLACE (UINT32_C(1) << 1)
#define FB_XATTR_ACL_KILL_SGID (UINT32_C(1) << 16)

/* setupmapping, flags. */
#define FB_MAPPING_WRITE (UINT64_C(1) << 0)
#define FB_MAPPING_READ (UINT64_C(1) << 1)

/* A point in time: seconds since 1970 (may be negative) and 0 to 999,999,999 nanoseconds. */
struct fb_time {
	int64_t sec;
	uint32_t nsec;
};

/* What stat(2) tells of a node. */
struct fb_attr {
	uint64_t ino;
	uint64_t size;   /* bytes, below 2^63 */
	uint64_t blocks; /* of 512 bytes */
	struct fb_time atime, mtime, ctime;
	uint32_t
		mode; /* with the file type, as st_mode; a mode without one is refused by clients */
	uint32_t nlink;
	uint32_t uid, gid;
	uint32_t rdev;    /* as the kernel's new_encode_dev(): fb_rdev_pack() */
	uint32_t blksize; /* preferred I/O size in bytes */
	uint32_t flags;   /* FB_ATTR_* */
};

/* Attributes and for how long the client may rely on them. */
struct fb_attr_reply {
	struct fb_attr attr;
	uint64_t attr_timeout_ns;
};

/*
 * The answer of lookup and of everything that makes a name. node 0 from lookup means "no such
 * name", to be remembered for entry_timeout_ns.
 */
struct fb_entry {
	uint64_t node;
	uint64_t generation; /* (node, generation) names one file for the life of the session */
	uint64_t entry_timeout_ns;
	uint64_t attr_timeout_ns;
	struct fb_attr attr;
};

/* The answer of open, opendir, create and tmpfile. */
struct fb_open {
	uint64_t fh;
	uint32_t flags; /* FB_FOPEN_* */
	/*
	 * A descriptor of a regular file that holds this file's data, or -1. Where the kernel can,
	 * reads, writes and mmap then go to it directly. Elsewhere the driver's read and write are
	 * called as usual; if it has none, the library serves them from the descriptor. Borrowed:
	 * keep it open until release() of this fh.
	 */
	int backing_fd;
};

/* What statfs(2) tells. Sizes in units of frsize. */
struct fb_statfs {
	uint64_t blocks, bfree, bavail;
	uint64_t files, ffree;
	uint32_t bsize, namelen, frsize;
};

/* A byte range and who holds it; end is inclusive, INT64_MAX is "to the end of the file". */
struct fb_lock {
	uint64_t start, end;
	uint32_t type; /* F_RDLCK, F_WRLCK or F_UNLCK of <fcntl.h> */
	uint32_t pid;
};

/* What statx(2) tells: fill only what is really known and say so in mask (STATX_*). */
struct fb_statx {
	struct fb_attr attr;
	struct fb_time btime;
	uint32_t mask;
	uint64_t attributes, attributes_mask;
	uint32_t dev_major, dev_minor;
	uint64_t attr_timeout_ns;
};

/* Arguments of setattr; fields without their bit in valid hold nothing. */
struct fb_setattr {
	uint32_t valid; /* FB_SETATTR_* */
	uint32_t mode;
	uint32_t uid, gid;
	uint64_t fh; /* valid with FB_SETATTR_FH */
	uint64_t size;
	uint64_t lock_owner;
	struct fb_time atime, mtime, ctime;
};

/* Arguments that come with every read and write, beside node, fh, count and offset. */
struct fb_io {
	uint32_t flags;      /* FB_READ_* or FB_WRITE_* */
	uint32_t open_flags; /* O_* of the open file as it is now (fcntl may have changed them) */
	uint64_t lock_owner;
};

/* Arguments of ioctl. */
struct fb_ioctl {
	uint32_t flags; /* FB_IOCTL_* */
	uint32_t cmd;
	uint64_t arg;   /* the caller's third argument, never a pointer to follow */
	const void *in; /* in_size bytes; borrowed until the request is completed */
	uint32_t in_size;
	uint32_t out_size; /* most bytes that the answer may carry */
};

/* One name in a directory. */
struct fb_dirent {
	uint64_t ino;     /* as st_ino; never 0 */
	uint64_t cookie;  /* where to go on after this entry */
	uint32_t type;    /* DT_* of <dirent.h>, DT_UNKNOWN allowed */
	const char *name; /* borrowed for the call */
	size_t name_len;  /* bytes, 1 to FB_NAME_MAX */
};

/* A piece of memory or a file that setupmapping maps into the client's window. */
struct fb_mapping {
	uint64_t fh;
	uint64_t file_offset, len, window_offset; /* bytes */
	uint64_t flags;                           /* FB_MAPPING_* */
};

/* Pack and unpack a device number the way FUSE carries it (the kernel's new_encode_dev). */
static inline uint32_t fb_rdev_pack(uint32_t major, uint32_t minor)
{
	return (minor & 0xffu) | (major << 8) | ((minor & ~0xffu) << 12);
}

static inline uint32_t fb_rdev_major(uint32_t rdev)
{
	return (rdev & 0xfff00u) >> 8;
}

static inline uint32_t fb_rdev_minor(uint32_t rdev)
{
	return (rdev & 0xffu) | ((rdev >> 12) & 0xfff00u);
}

#ifdef __cplusplus
}
#endif

#endif
