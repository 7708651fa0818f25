/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The features that client and server agree on with FUSE_INIT: the only place that tells who may
 * grant what. Their numbers are in <libfb/types.h>, as drivers see them.
 *
 * Columns:
 *   bit      number in the two words together
 *   NAME     FB_INIT_NAME
 *   since    minor version from which on it is granted
 *   party    whose duty it is, and so who may want it: see enum fb_init_party
 *   needs    features that have to be granted with it; they are taken along when they are offered,
 *            else this one is dropped
 *   beats    features that are dropped when this one is granted
 *   meaning  for people
 */
#ifndef FB_PROTOCOL_INIT_FLAGS_H
#define FB_PROTOCOL_INIT_FLAGS_H

#include <libfb/types.h>
#include <stdbool.h>
#include <stdint.h>

enum fb_init_party {
	FB_INIT_CORE,      /* the library keeps the promise, whoever the driver is */
	FB_INIT_DRIVER,    /* only a driver can keep it */
	FB_INIT_TRANSPORT, /* only some transports can keep it */
	FB_INIT_VIRTIO,    /* as TRANSPORT, and offered by virtio-fs alone */
	FB_INIT_INFO,      /* the client tells what it can; granting it changes nothing */
	FB_INIT_NEVER      /* not granted */
};

/* SECURITY_CTX came with 7.36, but it is 7.38 that tells where in a message the contexts begin. */
#define FB_INIT_FLAG_TABLE(X)                                                                      \
	X(0, ASYNC_READ, 0, CORE, 0, 0, "several reads of a file at a time, in any order")         \
	X(1, POSIX_LOCKS, 0, DRIVER, 0, 0, "fcntl locks reach the server")                         \
	X(2, FILE_OPS, 0, NEVER, 0, 0, "never used")                                               \
	X(3, ATOMIC_O_TRUNC, 0, DRIVER, 0, 0, "open truncates by itself")                          \
	X(4, EXPORT_SUPPORT, 0, DRIVER, 0, FB_INIT_NO_EXPORT_SUPPORT,                              \
	  "lookup of . and .. on any node, forgotten ones too")                                    \
	X(5, BIG_WRITES, 0, CORE, 0, 0, "writes larger than a page")                               \
	X(6, DONT_MASK, 0, DRIVER, 0, 0, "modes come unmasked, the umask beside them")             \
	X(7, SPLICE_WRITE, 0, INFO, 0, 0, "the device takes spliced answers")                      \
	X(8, SPLICE_MOVE, 0, INFO, 0, 0, "the device takes whole pages")                           \
	X(9, SPLICE_READ, 0, INFO, 0, 0, "the device gives spliced requests")                      \
	X(10, FLOCK_LOCKS, 0, DRIVER, 0, 0, "flock locks reach the server")                        \
	X(11, HAS_IOCTL_DIR, 0, INFO, 0, 0, "ioctls on directories")                               \
	X(12, AUTO_INVAL_DATA, 0, DRIVER, 0, FB_INIT_EXPLICIT_INVAL_DATA,                          \
	  "a changed mtime or size drops cached data")                                             \
	X(13, DO_READDIRPLUS, 0, DRIVER, 0, 0, "listings come with attributes")                    \
	X(14, READDIRPLUS_AUTO, 0, DRIVER, FB_INIT_DO_READDIRPLUS, 0,                              \
	  "listings come with attributes when that pays")                                          \
	X(15, ASYNC_DIO, 0, CORE, 0, 0, "several direct reads and writes at a time")               \
	X(16, WRITEBACK_CACHE, 0, DRIVER, 0, FB_INIT_PASSTHROUGH,                                  \
	  "the client owns size and times of open files and writes back later")                    \
	X(17, NO_OPEN_SUPPORT, 0, INFO, 0, 0, "ENOSYS to open means open files have no state")     \
	X(18, PARALLEL_DIROPS, 0, CORE, 0, 0, "several lookups and listings of a directory")       \
	X(19, HANDLE_KILLPRIV, 0, DRIVER, 0, 0, "suid, sgid and capabilities are always cleared")  \
	X(20, POSIX_ACL, 0, DRIVER, FB_INIT_DONT_MASK | FB_INIT_SETXATTR_EXT, 0,                   \
	  "POSIX ACLs, stored by the server, checked by the client")                               \
	X(21, ABORT_ERROR, 27, CORE, 0, 0, "an aborted connection has an errno of its own")        \
	X(22, MAX_PAGES, 28, CORE, 0, 0, "init_out.max_pages is valid")                            \
	X(23, CACHE_SYMLINKS, 28, DRIVER, 0, 0, "targets of symbolic links are cached")            \
	X(24, NO_OPENDIR_SUPPORT, 29, INFO, 0, 0,                                                  \
	  "ENOSYS to opendir means open directories have no state")                                \
	X(25, EXPLICIT_INVAL_DATA, 30, DRIVER, 0, 0, "only notifications drop cached data")        \
	X(26, MAP_ALIGNMENT, 31, VIRTIO, 0, 0, "init_out.map_alignment is valid")                  \
	X(27, SUBMOUNTS, 32, VIRTIO, 0, 0, "directories may be mounts of their own")               \
	X(28, HANDLE_KILLPRIV_V2, 33, DRIVER, 0, FB_INIT_HANDLE_KILLPRIV,                          \
	  "suid and sgid are cleared when the client says so")                                     \
	X(29, SETXATTR_EXT, 33, CORE, 0, 0, "setxattr with flags of its own")                      \
	X(30, INIT_EXT, 36, CORE, 0, 0, "there is a second word of features")                      \
	X(31, RESERVED, 0, NEVER, 0, 0, "reserved")                                                \
	X(32, SECURITY_CTX, 38, DRIVER, FB_INIT_INIT_EXT, 0,                                       \
	  "new inodes come with their security context")                                           \
	X(33, HAS_INODE_DAX, 36, VIRTIO, FB_INIT_INIT_EXT, 0, "DAX for single inodes")             \
	X(34, CREATE_SUPP_GROUP, 38, DRIVER, FB_INIT_INIT_EXT, 0,                                  \
	  "new inodes come with the caller's membership in the directory's group")                 \
	X(35, HAS_EXPIRE_ONLY, 38, INFO, FB_INIT_INIT_EXT, 0,                                      \
	  "names can be expired instead of dropped")                                               \
	X(36, DIRECT_IO_ALLOW_MMAP, 39, DRIVER, FB_INIT_INIT_EXT, 0,                               \
	  "files opened for direct I/O can be mapped shared")                                      \
	X(37, PASSTHROUGH, 40, TRANSPORT, FB_INIT_INIT_EXT, 0,                                     \
	  "reads and writes go to a backing file without the server")                              \
	X(38, NO_EXPORT_SUPPORT, 40, CORE, FB_INIT_INIT_EXT, 0, "no file handles")                 \
	X(39, HAS_RESEND, 40, INFO, FB_INIT_INIT_EXT, 0, "requests can be asked for again")        \
	X(40, ALLOW_IDMAP, 41, DRIVER, FB_INIT_INIT_EXT, 0,                                        \
	  "id-mapped mounts: ids may be unknown; needs default_permissions")                       \
	X(41, OVER_IO_URING, 42, TRANSPORT, FB_INIT_INIT_EXT, 0, "requests come over io_uring")    \
	X(42, REQUEST_TIMEOUT, 43, CORE, FB_INIT_INIT_EXT, 0, "a late answer ends the connection")

/* Features as data. */
struct fb_init_flag {
	const char *name, *meaning;
	uint64_t needs, beats; /* FB_INIT_* */
	enum fb_init_party party;
	uint8_t since;
};

/* Number of features: their bits are 0 to FB_INIT_FLAG_COUNT - 1. */
#define FB_INIT_FLAG_COUNT 43U
/* All of them. */
#define FB_INIT_KNOWN (FB_INIT_BIT(FB_INIT_FLAG_COUNT) - 1)

/* Find a feature by its bit, or NULL. */
const struct fb_init_flag *fb_init_flag_find(unsigned bit);

/* All features that are this party's. */
uint64_t fb_init_flags_of(enum fb_init_party party);

/*
 * Settle what is granted: of wanted, what is offered and the table allows, with all that it needs
 * and without what it excludes. offered is what client, transport and session can together (what
 * is not in it is never granted, not even because something needs it); default_permissions says
 * that the mount checks modes by itself. FB_INIT_INIT_EXT is granted exactly when a feature of the
 * second word is: a client ignores that word otherwise.
 */
uint64_t fb_init_flags_settle(uint64_t offered, uint64_t wanted, uint32_t minor,
			      bool default_permissions);

#endif
