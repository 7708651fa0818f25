/* SPDX-License-Identifier: BSD-3-Clause */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/log.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sandbox_groups.h"
#include "sandbox_ids.h"
#include "sandbox_namespace.h"
#include "sandbox_tree.h"

#ifdef FB_HAVE_SANDBOX
#define BUILT_WITH_SANDBOX true
#else
#define BUILT_WITH_SANDBOX false
#endif

/* ---- options -------------------------------------------------------------------------------------- */

static bool has_maps(const struct sandbox_options *options)
{
	return (options->uid_maps && options->uid_maps->count > 0) ||
	       (options->gid_maps && options->gid_maps->count > 0);
}

static int check_maps(const struct sandbox_options *options)
{
	struct sandbox_ids ids;
	int result;

	if (!has_maps(options))
		return 0;
	if (options->mode != SANDBOX_NAMESPACE)
		return fb_fail(EINVAL, "--uid-map, --gid-map: only with --sandbox=namespace");
	if (geteuid() == 0)
		return fb_fail(EINVAL, "--uid-map, --gid-map: only for ordinary users; root has "
				       "all ids as they are");
	result = sandbox_ids_read(&ids, "--uid-map", options->uid_maps, 0);
	return result < 0 ? result : sandbox_ids_read(&ids, "--gid-map", options->gid_maps, 0);
}

int sandbox_check(const struct sandbox_options *options)
{
	if (options->mode != SANDBOX_NONE && !BUILT_WITH_SANDBOX)
		return fb_fail(EOPNOTSUPP, "this fbfsd was built without libcap-ng and libseccomp, "
					   "and has no sandbox: use --sandbox=none");
	if (options->mode == SANDBOX_CHROOT && geteuid() != 0)
		return fb_fail(EPERM, "--sandbox=chroot is for root only: use --sandbox=namespace");
	return check_maps(options);
}

/* ---- chroot ---------------------------------------------------------------------------------------- */

/*
 * A proc of our own keeps those who reach its descriptor from the host's /proc/sys, and has no ".."
 * that leads to the host; but only CAP_SYS_ADMIN makes one.
 */
static int open_proc(void)
{
	int fd = sandbox_tree_open_proc();

	if (fd >= 0)
		return fd;
	fb_log(FB_LOG_WARNING,
	       "the chroot sandbox keeps a descriptor of the host's /proc: one of its own can not "
	       "be mounted (%s)",
	       strerror(-fd));
	fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fb_fail(errno, "/proc: %s", strerror(errno)) : fd;
}

static int enter_chroot(const char *source, struct sandbox *ret)
{
	struct stat status;
	int proc;

	if (stat(source, &status) < 0)
		return fb_fail(errno, "can not share %s: %s", source, strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return fb_fail(ENOTDIR,
			       "can not share %s: --sandbox=chroot is for directories; use "
			       "--sandbox=namespace for a file",
			       source);
	proc = open_proc();
	if (proc < 0)
		return proc;
	if (chroot(source) < 0 || chdir("/") < 0) {
		int error = errno;

		close(proc);
		return fb_fail(error, "can not make %s the root: %s", source, strerror(error));
	}
	*ret = (struct sandbox){ .source = "/", .proc_fd = proc };
	return 0;
}

/* ---- all modes -------------------------------------------------------------------------------------- */

static int enter_none(const char *source, struct sandbox *ret)
{
	*ret = (struct sandbox){ .source = source };
	return 0;
}

static int forbid_privileges(void)
{
	/* No program of the share can give what this process gave up. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fb_fail(errno, "prctl(PR_SET_NO_NEW_PRIVS): %s", strerror(errno));
	return 0;
}

int sandbox_enter(const struct sandbox_options *options, const char *source,
		  struct sandbox *ret_sandbox)
{
	int result = sandbox_check(options);

	tzset(); /* the time zone's file is out of reach afterwards */
	if (result == 0)
		result = sandbox_groups_drop();
	if (result < 0)
		return result;
	if (options->mode == SANDBOX_NAMESPACE)
		return sandbox_namespace_enter(options, source, ret_sandbox);
	result = forbid_privileges();
	if (result < 0)
		return result;
	return options->mode == SANDBOX_CHROOT ? enter_chroot(source, ret_sandbox) :
						 enter_none(source, ret_sandbox);
}
