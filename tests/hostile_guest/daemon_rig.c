/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon_rig.h"

#include <libfb/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MINOR 45
#define FLAGS                                                                                      \
	(FB_INIT_BIG_WRITES | FB_INIT_MAX_PAGES | FB_INIT_DO_READDIRPLUS | FB_INIT_POSIX_LOCKS |   \
	 FB_INIT_FLOCK_LOCKS | FB_INIT_ASYNC_READ | FB_INIT_PARALLEL_DIROPS)

static char folder[] = "/var/tmp/fb-daemon-XXXXXX";
static pid_t daemon_pid;
static struct guest *guest;
static struct guest_caller caller;
static uint64_t asked; /* opcodes, as bits */

/* ---- asking --------------------------------------------------------------------------------------- */

const char *rig_path(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

bool rig_has_asked(uint32_t opcode)
{
	return opcode < 64 && (asked >> opcode & 1);
}

int rig_ask(uint32_t opcode, uint64_t node, const void *in, size_t in_size, const void *rest,
	    size_t rest_size, void *out, size_t room, size_t *ret_len)
{
	asked |= UINT64_C(1) << opcode;
	return guest_ask(&caller, opcode, node, in, in_size, rest, rest_size, out, room, ret_len);
}

int rig_tell(unsigned queue, uint32_t opcode, uint64_t node, const void *in, size_t in_size,
	     const void *rest, size_t rest_size)
{
	struct fb_wire_in_header header = {
		.len = (uint32_t)(sizeof(header) + in_size + rest_size),
		.opcode = opcode,
		.unique = guest_unique(guest),
		.nodeid = node,
	};
	const struct iovec parts[] = { { &header, sizeof(header) },
				       { (void *)in, in_size },
				       { (void *)rest, rest_size } };

	asked |= UINT64_C(1) << opcode;
	return guest_call_parts(guest, queue, parts, 3, NULL, 0, NULL);
}

/* ---- the daemon ------------------------------------------------------------------------------------ */

static void serve(int fd)
{
	char at_fd[32], at_folder[64];

	snprintf(at_fd, sizeof(at_fd), "--fd=%d", fd);
	snprintf(at_folder, sizeof(at_folder), "--shared-dir=%s", folder);
	execl(FBFSD, "fbfsd", at_fd, at_folder, "--sandbox=none", "--seccomp=none", "--xattr",
	      "--posix-lock", "--flock", "--allow-direct-io", "--log-level=warn", NULL);
	_exit(127);
}

int rig_greet(void)
{
	asked |= UINT64_C(1) << FB_OP_INIT;
	return guest_init(guest, MINOR, FLAGS, NULL);
}

int rig_begin(void **state)
{
	struct guest_options options = { 0 };
	int pair[2];

	(void)state;
	if (!mkdtemp(folder) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return -1;
	daemon_pid = fork();
	if (daemon_pid == 0) {
		close(pair[0]); /* or it would never see us go */
		serve(pair[1]);
	}
	close(pair[1]);
	options.fd = pair[0];
	if (guest_new(&options, &guest) < 0)
		return -1;
	caller = (struct guest_caller){
		.guest = guest, .queue = GUEST_REQUESTS, .uid = geteuid(), .gid = getegid()
	};
	return rig_greet();
}

int rig_end(void **state)
{
	int status;

	(void)state;
	guest_free(guest);
	if (waitpid(daemon_pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return -1;
	return rmdir(folder); /* the tests have left nothing in it */
}
