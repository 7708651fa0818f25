/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The system calls of a server for virtual machines: the only place that lists them.
 *
 * ALLOW(name)                         without limits
 * NEWER(name, number)                 the same; younger than libseccomp may be. Such numbers are the
 *                                     same on all machines but alpha
 * EQUAL(name, index, value)           only when this argument (from 0), an int, is value; rows add up
 * MASKED(name, index, mask, value)    only when the bits of mask in it are value
 * FAIL(name, error)                   never, but with an error instead of the action: for calls that
 *                                     C libraries try and can do without
 *
 * Names that a machine does not have are left out there. Where C libraries differ, both ways stand
 * here: fstat and newfstatat, epoll_wait and epoll_pwait, mmap and mmap2.
 */
#ifndef FBFSD_SECCOMP_TABLE_H
#define FBFSD_SECCOMP_TABLE_H

#define SECCOMP_CLONE_NEW                                                                          \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET | CLONE_VFORK | CLONE_PTRACE)

/* Stands for the process's own number. */
#define SECCOMP_OWN_PID UINT32_MAX

/* Older headers do not name it; C libraries name their memory with it. */
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* The flags of clone(2) come second there. */
#ifdef __s390x__
#define SECCOMP_CLONE_FLAGS 1
#else
#define SECCOMP_CLONE_FLAGS 0
#endif

/* clang-format off */

/* Files of the share. */
#define SECCOMP_FILES(ALLOW, NEWER, EQUAL, MASKED, FAIL)                                           \
	ALLOW(open) ALLOW(openat) ALLOW(openat2) ALLOW(close)                                      \
	ALLOW(read) ALLOW(readv) ALLOW(pread64) ALLOW(preadv) ALLOW(preadv2)                       \
	ALLOW(write) ALLOW(writev) ALLOW(pwrite64) ALLOW(pwritev) ALLOW(pwritev2)                  \
	ALLOW(lseek) ALLOW(_llseek) ALLOW(copy_file_range) ALLOW(fallocate)                        \
	ALLOW(ftruncate) ALLOW(ftruncate64) ALLOW(fsync) ALLOW(fdatasync) ALLOW(syncfs)            \
	ALLOW(fstat) ALLOW(fstat64) ALLOW(fstatat64) ALLOW(newfstatat) ALLOW(statx)                \
	ALLOW(stat) ALLOW(stat64) ALLOW(lstat) ALLOW(lstat64) ALLOW(fstatfs) ALLOW(fstatfs64)      \
	ALLOW(getdents64) ALLOW(readlinkat) ALLOW(faccessat) ALLOW(faccessat2)                     \
	ALLOW(mkdirat) ALLOW(mknodat) ALLOW(symlinkat) ALLOW(linkat)                               \
	ALLOW(unlink) ALLOW(unlinkat) ALLOW(rename) ALLOW(renameat) ALLOW(renameat2)               \
	ALLOW(chmod) ALLOW(fchmod) ALLOW(fchmodat) NEWER(fchmodat2, 452)                           \
	ALLOW(fchown) ALLOW(fchown32) ALLOW(fchownat)                                              \
	ALLOW(utimensat) ALLOW(utimensat_time64)                                                   \
	ALLOW(getxattr) ALLOW(lgetxattr) ALLOW(fgetxattr)                                          \
	ALLOW(setxattr) ALLOW(lsetxattr) ALLOW(fsetxattr)                                          \
	ALLOW(listxattr) ALLOW(llistxattr) ALLOW(flistxattr)                                       \
	ALLOW(removexattr) ALLOW(lremovexattr) ALLOW(fremovexattr)                                 \
	ALLOW(flock) ALLOW(fchdir) ALLOW(umask) ALLOW(dup)                                         \
	EQUAL(fcntl, 1, F_DUPFD) EQUAL(fcntl, 1, F_DUPFD_CLOEXEC)                                  \
	EQUAL(fcntl, 1, F_GETFD) EQUAL(fcntl, 1, F_SETFD)                                          \
	EQUAL(fcntl, 1, F_GETFL) EQUAL(fcntl, 1, F_SETFL)                                          \
	EQUAL(fcntl, 1, F_OFD_GETLK) EQUAL(fcntl, 1, F_OFD_SETLK)                                  \
	EQUAL(fcntl64, 1, F_DUPFD) EQUAL(fcntl64, 1, F_DUPFD_CLOEXEC)                              \
	EQUAL(fcntl64, 1, F_GETFD) EQUAL(fcntl64, 1, F_SETFD)                                      \
	EQUAL(fcntl64, 1, F_GETFL) EQUAL(fcntl64, 1, F_SETFL)                                      \
	EQUAL(fcntl64, 1, F_OFD_GETLK) EQUAL(fcntl64, 1, F_OFD_SETLK)                              \
	EQUAL(ioctl, 1, FS_IOC_GETFLAGS) EQUAL(ioctl, 1, FS_IOC_SETFLAGS)                          \
	EQUAL(ioctl, 1, FS_IOC_FSGETXATTR) EQUAL(ioctl, 1, FS_IOC_FSSETXATTR)                      \
	EQUAL(ioctl, 1, FS_IOC_GETVERSION) EQUAL(ioctl, 1, FS_IOC_GETFSLABEL)

/* What stdio asks before it writes to a terminal: glibc, others. */
#define SECCOMP_STDIO(ALLOW, NEWER, EQUAL, MASKED, FAIL)                                           \
	EQUAL(ioctl, 1, TCGETS) EQUAL(ioctl, 1, TIOCGWINSZ)

/* Unless handles are never used. */
#define SECCOMP_HANDLES(ALLOW, NEWER, EQUAL, MASKED, FAIL)                                         \
	ALLOW(name_to_handle_at) ALLOW(open_by_handle_at)

/* Acting as the guest's users, each thread for itself. */
#define SECCOMP_CALLERS(ALLOW, NEWER, EQUAL, MASKED, FAIL)                                         \
	ALLOW(setresuid) ALLOW(setresuid32) ALLOW(setresgid) ALLOW(setresgid32)                    \
	ALLOW(setgroups) ALLOW(setgroups32) ALLOW(setfsgid) ALLOW(setfsgid32)                      \
	ALLOW(getgroups) ALLOW(getgroups32) ALLOW(capget) ALLOW(capset)                            \
	EQUAL(unshare, 0, CLONE_FS)

/* The connection to the virtual machine. */
#define SECCOMP_GUEST(ALLOW, NEWER, EQUAL, MASKED, FAIL)                                           \
	ALLOW(accept) ALLOW(accept4) ALLOW(recvmsg) ALLOW(sendmsg)                                 \
	ALLOW(shutdown) ALLOW(getsockopt)                                                          \
	ALLOW(eventfd2) ALLOW(epoll_create1) ALLOW(epoll_ctl)                                      \
	ALLOW(epoll_wait) ALLOW(epoll_pwait) NEWER(epoll_pwait2, 441)                              \
	ALLOW(poll) ALLOW(ppoll) ALLOW(ppoll_time64)

/*
 * Memory and threads. mmap and mprotect make nothing executable. The flags of clone3 can not be
 * looked at; C libraries then take clone, and that only makes threads.
 */
#define SECCOMP_RUNTIME(ALLOW, NEWER, EQUAL, MASKED, FAIL)                                         \
	ALLOW(brk) ALLOW(munmap) ALLOW(mremap) ALLOW(madvise) ALLOW(membarrier)                    \
	MASKED(mmap, 2, PROT_EXEC, 0) MASKED(mmap2, 2, PROT_EXEC, 0)                               \
	MASKED(mprotect, 2, PROT_EXEC, 0)                                                          \
	MASKED(clone, SECCOMP_CLONE_FLAGS, CLONE_THREAD | SECCOMP_CLONE_NEW, CLONE_THREAD)         \
	FAIL(clone3, ENOSYS)                                                                       \
	ALLOW(exit) ALLOW(exit_group) ALLOW(futex) ALLOW(futex_time64)                             \
	ALLOW(set_robust_list) ALLOW(get_robust_list) ALLOW(rseq) ALLOW(set_tid_address)           \
	ALLOW(sched_yield) ALLOW(sched_getaffinity) ALLOW(sched_getscheduler)                      \
	ALLOW(getcpu) ALLOW(restart_syscall)                                                       \
	ALLOW(rt_sigaction) ALLOW(rt_sigprocmask) ALLOW(rt_sigreturn) ALLOW(sigreturn)             \
	ALLOW(rt_sigtimedwait) ALLOW(rt_sigtimedwait_time64) ALLOW(sigaltstack)                    \
	ALLOW(signalfd4) ALLOW(pipe2)                                                              \
	ALLOW(nanosleep) ALLOW(clock_nanosleep) ALLOW(clock_nanosleep_time64)                      \
	ALLOW(clock_gettime) ALLOW(clock_gettime64) ALLOW(clock_getres)                            \
	ALLOW(clock_getres_time64) ALLOW(gettimeofday) ALLOW(time) ALLOW(getrandom)                \
	ALLOW(getpid) ALLOW(gettid) EQUAL(tgkill, 0, SECCOMP_OWN_PID)                              \
	ALLOW(getuid) ALLOW(getuid32) ALLOW(geteuid) ALLOW(geteuid32)                              \
	ALLOW(getgid) ALLOW(getgid32) ALLOW(getegid) ALLOW(getegid32)                              \
	ALLOW(getrlimit) ALLOW(ugetrlimit) MASKED(prlimit64, 2, UINT64_MAX, 0)                        \
	ALLOW(getrusage) ALLOW(sysinfo) ALLOW(uname)                                               \
	EQUAL(prctl, 0, PR_SET_NAME) EQUAL(prctl, 0, PR_GET_NAME)                                  \
	EQUAL(prctl, 0, PR_GET_SECUREBITS) EQUAL(prctl, 0, PR_SET_VMA)

/* How other C libraries than glibc signal their threads. */
#define SECCOMP_NOT_GLIBC(ALLOW, NEWER, EQUAL, MASKED, FAIL) ALLOW(tkill)

/* syslog(3), which connects again when the journal was started anew; and so sd_notify(3) can. */
#define SECCOMP_SYSLOG(ALLOW, NEWER, EQUAL, MASKED, FAIL)                                          \
	EQUAL(socket, 0, AF_UNIX) ALLOW(connect) ALLOW(sendto) ALLOW(setsockopt)

/* Without it; but sd_notify(3) tries. */
#define SECCOMP_NO_SYSLOG(ALLOW, NEWER, EQUAL, MASKED, FAIL)                                       \
	FAIL(socket, EACCES)

/* clang-format on */

#endif
