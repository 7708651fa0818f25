/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of groups; each is one file with a table of checks. */
#ifndef CONFORMANCE_GROUPS_H
#define CONFORMANCE_GROUPS_H

#include "check.h"

#define GROUPS(GROUP)                                                                              \
	GROUP(open)                                                                                \
	GROUP(create)                                                                              \
	GROUP(tmpfile)                                                                             \
	GROUP(name)                                                                                \
	GROUP(read)                                                                                \
	GROUP(write)                                                                               \
	GROUP(direct)                                                                              \
	GROUP(truncate)                                                                            \
	GROUP(setid)                                                                               \
	GROUP(unlink)                                                                              \
	GROUP(orphan)                                                                              \
	GROUP(mkdir)                                                                               \
	GROUP(rmdir)                                                                               \
	GROUP(sticky)                                                                              \
	GROUP(link)                                                                                \
	GROUP(symlink)                                                                             \
	GROUP(rename)                                                                              \
	GROUP(rename_flags)                                                                        \
	GROUP(stat)                                                                                \
	GROUP(statfs)                                                                              \
	GROUP(chmod)                                                                               \
	GROUP(chown)                                                                               \
	GROUP(timestamps)                                                                          \
	GROUP(permission)                                                                          \
	GROUP(readdir)                                                                             \
	GROUP(xattr)                                                                               \
	GROUP(xattr_trust)                                                                         \
	GROUP(acl)                                                                                 \
	GROUP(lock)                                                                                \
	GROUP(ofd_lock)                                                                            \
	GROUP(flock)                                                                               \
	GROUP(mmap)                                                                                \
	GROUP(fallocate)                                                                           \
	GROUP(seek)                                                                                \
	GROUP(copy_range)                                                                          \
	GROUP(sync)                                                                                \
	GROUP(special)                                                                             \
	GROUP(ioctl)                                                                               \
	GROUP(exec)                                                                                \
	GROUP(cwd)                                                                                 \
	GROUP(race)

#define GROUP(name) extern const struct check name##_checks[];
GROUPS(GROUP)
#undef GROUP

#endif
