/* SPDX-License-Identifier: BSD-3-Clause */
#include "sandbox_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/log.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox_groups.h"
#include "sandbox_ids.h"
#include "sandbox_parent.h"
#include "sandbox_tree.h"
#include "scope.h"

struct ids {
	bool mapped; /* else: root, with all ids as they are */
	struct sandbox_ids uids, gids;
};

/* ---- the process that was started ---------------------------------------------------------------- */

static int fail_unshare(void)
{
	return fb_fail(errno,
		       "namespaces can not be made: %s. They take CAP_SYS_ADMIN; in a container "
		       "without it use --sandbox=chroot",
		       strerror(errno));
}

/* What has to be there before the fork: processes, and for users a world in which they are root. */
static int unshare_first(const struct sandbox_options *options, struct ids *ids)
{
	int result;

	if (geteuid() == 0)
		return unshare(CLONE_NEWPID) < 0 ? fail_unshare() : 0;
	ids->mapped = true;
	result = sandbox_ids_read(&ids->uids, "--uid-map", options->uid_maps, geteuid());
	if (result == 0)
		result = sandbox_ids_read(&ids->gids, "--gid-map", options->gid_maps, getegid());
	return result < 0 ? result : sandbox_ids_unshare(CLONE_NEWPID, &ids->uids, &ids->gids);
}

static int become_root(const struct ids *ids)
{
	int result = 0;

	if (ids->mapped)
		result = sandbox_ids_become_root(&ids->uids, &ids->gids);
	/* Those that a user is in, if the maps allow it. */
	return result < 0 ? result : sandbox_groups_drop();
}

/* ---- the server -------------------------------------------------------------------------------------- */

/*
 * Mounts and network. Not in the parent: pivot_root(2) moves everybody in a namespace, and the parent
 * is to see the host, where the socket is.
 */
static int unshare_rest(const char *source, int *ret_source)
{
	int fd;

	if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0)
		return fail_unshare();
	/* Only mounts of the own namespace can be cloned. */
	fd = open(source, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return fb_fail(errno, "can not share %s: %s", source, strerror(errno));
	*ret_source = fd;
	return 0;
}

static int mount_all(int source_fd, struct sandbox *ret)
{
	struct sandbox sandbox = { .proc_fd = sandbox_tree_open_proc() };
	int result;

	if (sandbox.proc_fd < 0)
		return fb_fail(
			-sandbox.proc_fd,
			"a proc file system for the sandbox can not be mounted: %s. It takes "
			"Linux 5.8 and, for users, a /proc of which nothing is hidden",
			strerror(-sandbox.proc_fd));
	result = sandbox_tree_enter(source_fd, &sandbox.source);
	if (result < 0) {
		close(sandbox.proc_fd);
		return result;
	}
	*ret = sandbox;
	return 0;
}

/* parent_fd is taken. */
static int enter(const struct ids *ids, const char *source, int parent_fd, struct sandbox *ret)
{
	SCOPED_FD parent = parent_fd;
	SCOPED_FD source_fd = -1;
	int result = unshare_rest(source, &source_fd);

	/* The source was opened as who we were: the way there may be closed to the sandbox's root. */
	if (result == 0)
		result = become_root(ids);
	if (result == 0)
		result = sandbox_parent_follow(parent); /* changing ids would undo it */
	if (result < 0)
		return result;
	/* Away from the terminal: nobody types into it, and Ctrl-C comes through the parent. */
	setsid();
	return mount_all(source_fd, ret);
}

/* ---- both ---------------------------------------------------------------------------------------------- */

static int wait_in_parent(const struct ids *ids, pid_t server, struct sandbox *ret)
{
	int death_signal = 0, result;

	prctl(PR_GET_PDEATHSIG, &death_signal);
	result = become_root(ids); /* or it may not signal the server */
	/* Changing ids undoes it; whoever started us may have asked for it. */
	if (result == 0 && death_signal)
		prctl(PR_SET_PDEATHSIG, death_signal);
	if (result < 0)
		return result;
	result = sandbox_parent_wait(server);
	if (result < 0)
		return result;
	*ret = (struct sandbox){ .is_parent = true, .exit_code = result };
	return 0;
}

/* *ret_self: a descriptor of the parent, for the child; the parent closes all that it has anyway. */
static pid_t fork_server(int *ret_self)
{
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	sigset_t before;
	pid_t server;

	if (self < 0)
		return fb_fail(errno, "pidfd_open: %s", strerror(errno));
	fflush(NULL); /* or both would write it */
	sandbox_parent_block_signals(&before);
	server = fork();
	if (server < 0) {
		int error = errno;

		close(self);
		return fb_fail(error, "fork: %s", strerror(error));
	}
	if (server == 0)
		sigprocmask(SIG_SETMASK, &before, NULL);
	*ret_self = self;
	return server;
}

int sandbox_namespace_enter(const struct sandbox_options *options, const char *source,
			    struct sandbox *ret_sandbox)
{
	struct ids ids = { 0 };
	int self = -1, result = unshare_first(options, &ids);
	pid_t server;

	if (result < 0)
		return result;
	/* Not earlier: newuidmap and newgidmap are setuid. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fb_fail(errno, "prctl(PR_SET_NO_NEW_PRIVS): %s", strerror(errno));
	server = fork_server(&self);
	if (server < 0)
		return server;
	return server > 0 ? wait_in_parent(&ids, server, ret_sandbox) :
			    enter(&ids, source, self, ret_sandbox);
}
