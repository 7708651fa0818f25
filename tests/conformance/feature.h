/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a file system, or the way it is mounted, may lack without being wrong. Each feature is
 * probed once, the first time a check asks for it; a check that needs a missing feature is skipped,
 * or fails if --require insists.
 */
#ifndef CONFORMANCE_FEATURE_H
#define CONFORMANCE_FEATURE_H

#include <stdbool.h>
#include <stdint.h>

struct runner;

/* symbol, name for --require, probe */
#define FEATURES(FEATURE)                                                                          \
	FEATURE(ROOT, "root", root)                                                                \
	FEATURE(USERS, "users", users)                                                             \
	FEATURE(MOUNT, "mount", mount)                                                             \
	FEATURE(DIR_NLINK, "dir-nlink", dir_nlink)                                                 \
	FEATURE(TMPFILE, "tmpfile", tmpfile)                                                       \
	FEATURE(NOREPLACE, "rename-noreplace", noreplace)                                          \
	FEATURE(EXCHANGE, "rename-exchange", exchange)                                             \
	FEATURE(WHITEOUT, "rename-whiteout", whiteout)                                             \
	FEATURE(USER_XATTR, "user-xattr", user_xattr)                                              \
	FEATURE(TRUSTED_XATTR, "trusted-xattr", trusted_xattr)                                     \
	FEATURE(FILE_CAPABILITY, "file-capability", file_capability)                               \
	FEATURE(ACL, "acl", acl)                                                                   \
	FEATURE(FALLOCATE, "fallocate", fallocate)                                                 \
	FEATURE(PUNCH_HOLE, "punch-hole", punch_hole)                                              \
	FEATURE(ZERO_RANGE, "zero-range", zero_range)                                              \
	FEATURE(SEEK_HOLE, "seek-hole", seek_hole)                                                 \
	FEATURE(COPY_RANGE, "copy-file-range", copy_range)                                         \
	FEATURE(BTIME, "btime", btime)                                                             \
	FEATURE(DEVICE, "device", device)                                                          \
	FEATURE(DIRECT_IO, "direct-io", direct_io)                                                 \
	FEATURE(INODE_FLAGS, "inode-flags", inode_flags)                                           \
	FEATURE(SHARED_MMAP, "shared-mmap", shared_mmap)                                           \
	FEATURE(OFD_LOCK, "ofd-lock", ofd_lock)                                                    \
	FEATURE(FLOCK, "flock", flock)                                                             \
	FEATURE(DEADLOCK, "deadlock-detection", deadlock)                                          \
	FEATURE(PROC, "proc", proc)                                                                \
	FEATURE(EXEC, "exec", exec)

#define FEATURE(symbol, name, probe) FEATURE_##symbol,
enum feature { FEATURES(FEATURE) FEATURE_COUNT };
#undef FEATURE

#define FEATURE(symbol, name, probe) NEED_##symbol = 1 << FEATURE_##symbol,
enum { FEATURES(FEATURE) NEED_NOTHING = 0 };
#undef FEATURE

/* Mark a feature, or "all", as required. False for an unknown name. */
bool feature_require(const char *name);

/* Print the names, one a line. */
void feature_list(void);

/*
 * Find the first missing feature of a set of NEED_ bits. False if none is missing; else *ret_reason
 * is a sentence that lives as long as the program, and *ret_required says whether --require named
 * the feature.
 */
bool feature_missing(struct runner *runner, uint32_t needs, const char **ret_reason,
		     bool *ret_required);

#endif
