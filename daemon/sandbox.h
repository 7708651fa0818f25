/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a server for virtual machines sees of the host: a guest that takes it over is to find
 * nothing but the shared tree.
 */
#ifndef FBFSD_SANDBOX_H
#define FBFSD_SANDBOX_H

#include <libfb/types.h>

#include "words.h"

enum sandbox_mode {
	SANDBOX_NAMESPACE = 0, /* a mount, process and network namespace of its own */
	SANDBOX_CHROOT,        /* only root can have it; for containers that forbid namespaces */
	SANDBOX_NONE,          /* the driver's own care about names is the only barrier */
};

/* uid_maps and gid_maps hold rules ":inside:outside:count:"; NULL or none: the own id as it is. */
struct sandbox_options {
	enum sandbox_mode mode;
	const struct words *uid_maps, *gid_maps;
};

struct sandbox {
	bool is_parent;
	int exit_code; /* in the parent: the server's, or 128 and the signal that killed it */
	/* In the server, for the passthrough driver: */
	const char *source;
	int proc_fd; /* 0: the driver is to open /proc itself */
};

/*
 * Look at the options: rules that can be read, a mode that this user and this build can have.
 * Returns 0, or -errno with a sentence for fb_last_error() that says what to change.
 */
int sandbox_check(const struct sandbox_options *options) FB_MUST_CHECK;

/*
 * Enter the sandbox around the directory (or regular file) source, which is borrowed for as long as
 * ret_sandbox. Call it before there are threads, after everything that needs a path of the host: the
 * listening socket, log files, openlog(LOG_NDELAY), sd_notify().
 *
 * With SANDBOX_NAMESPACE this forks. The server, process 1 of its namespace, returns at once. The
 * parent stays in the process that was started, hands on SIGTERM, SIGINT, SIGHUP, SIGUSR1 and
 * SIGUSR2, and returns with is_parent when the server has ended; it has closed all descriptors but
 * 0, 1, 2 and has no capabilities by then, but still sees the host's paths. The server is killed
 * when its parent dies.
 *
 * Returns 0, or -errno with a sentence for fb_last_error(). Nothing may be served after a failure: a
 * part of the sandbox may be there already. A failure in the server is the server's to tell; the
 * parent then returns 0 with the exit code that it chose.
 */
int sandbox_enter(const struct sandbox_options *options, const char *source,
		  struct sandbox *ret_sandbox) FB_MUST_CHECK;

#endif
