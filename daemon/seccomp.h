/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The system calls that a server for virtual machines may make: those of seccomp_table.h.
 */
#ifndef FBFSD_SECCOMP_H
#define FBFSD_SECCOMP_H

#include <libfb/types.h>

/* What happens at any other system call. */
enum seccomp_action {
	SECCOMP_KILL = 0, /* the process ends (SIGSYS) */
	SECCOMP_LOG,      /* it is done, and the kernel logs it */
	SECCOMP_TRAP,     /* SIGSYS, which leaves a core dump where those are on */
	SECCOMP_NONE,     /* no filter */
};

struct seccomp_options {
	enum seccomp_action action;
	bool syslog;  /* allow to connect to syslog again, as after a restart of it */
	bool handles; /* allow to open files by their handles: unless --inode-file-handles=never */
};

/*
 * Install the filter for all threads, for good; sets no_new_privs. After sandbox_enter() and
 * capabilities_apply(), in the process that will serve: it may signal only itself. Returns 0, or
 * -errno with a sentence for fb_last_error().
 */
int seccomp_restrict(const struct seccomp_options *options) FB_MUST_CHECK;

#endif
