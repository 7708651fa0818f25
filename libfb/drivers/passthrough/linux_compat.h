/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the oldest supported headers (Debian 12: glibc 2.36, Linux 6.1) or another libc lack. Values
 * are those of the kernel's include/uapi.
 */
#ifndef LIBFB_PASSTHROUGH_LINUX_COMPAT_H
#define LIBFB_PASSTHROUGH_LINUX_COMPAT_H

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif

/* 16-bit ids are behind the plain names on some 32-bit machines. */
#ifdef SYS_setresuid32
#define FB_SYS_SETRESUID SYS_setresuid32
#define FB_SYS_SETRESGID SYS_setresgid32
#define FB_SYS_SETGROUPS SYS_setgroups32
#define FB_SYS_SETFSGID SYS_setfsgid32
#else
#define FB_SYS_SETRESUID SYS_setresuid
#define FB_SYS_SETRESGID SYS_setresgid
#define FB_SYS_SETGROUPS SYS_setgroups
#define FB_SYS_SETFSGID SYS_setfsgid
#endif

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000u
#endif
#ifndef MAX_HANDLE_SZ
#define MAX_HANDLE_SZ 128
#endif
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#define RENAME_EXCHANGE (1 << 1)
#define RENAME_WHITEOUT (1 << 2)
#endif

/* statfs(2), f_type: linux/magic.h is not installed everywhere. */
#define FB_MAGIC_MSDOS 0x4d44
#define FB_MAGIC_EXFAT 0x2011bab0
#define FB_MAGIC_FUSE 0x65735546
#define FB_MAGIC_OVERLAY 0x794c7630
#define FB_MAGIC_ECRYPTFS 0xf15f
#define FB_MAGIC_EXT4 0xef53
#define FB_MAGIC_XFS 0x58465342
#define FB_MAGIC_BTRFS 0x9123683e
#define FB_MAGIC_F2FS 0xf2f52010
#define FB_MAGIC_TMPFS 0x01021994
#define FB_MAGIC_BCACHEFS 0xca451a4e

#endif
