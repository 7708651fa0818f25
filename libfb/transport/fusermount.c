/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/fusermount.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/log.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/scope.h"
#include "transport/mount_options.h"

/* The descriptor number at which fusermount3 finds its end of the socket pair. */
#define COMM_FD 3
#define COMM_ENV "_FUSE_COMMFD=3"
/* Descriptors are moved up here first, so that none is in the way of 0 to 3. */
#define LOW_FDS 10
#define TEXT_MAX 256
#define OPTIONS_MAX 4096
/* How long a watcher may take to go: it only looks at the mount table. */
#define WATCHER_WAIT_MS 2000
#define WATCHER_STEP_MS 5

/* fusermount3 is setuid: look for it only where administrators put programs, not in $PATH. */
static const char *const places[] = {
	"/usr/bin/fusermount3", "/bin/fusermount3", "/usr/local/bin/fusermount3",
	"/run/wrappers/bin/fusermount3", /* NixOS has its setuid programs there */
};

static const char *find_program(void)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

/* Move a descriptor out of the way of those that the child is to have. */
static int move_up(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, LOW_FDS);

	close(fd);
	return moved < 0 ? -errno : moved;
}

/* Start the program with its socket at COMM_FD, its messages going to messages_fd. */
static int spawn(const char *program, char *const argv[], int comm_fd, int messages_fd,
		 pid_t *ret_pid)
{
	char path_env[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", comm_env[] = COMM_ENV;
	char *const envp[] = { path_env, comm_fd >= 0 ? comm_env : NULL, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, messages_fd, 1);
	posix_spawn_file_actions_adddup2(&actions, messages_fd, 2);
	if (comm_fd >= 0)
		posix_spawn_file_actions_adddup2(&actions, comm_fd, COMM_FD);
	/* A watcher lives as long as the mount: it must not hold descriptors of this program. */
	posix_spawn_file_actions_addclosefrom_np(&actions, comm_fd >= 0 ? COMM_FD + 1 : COMM_FD);
	r = posix_spawn(ret_pid, program, &actions, &attr, argv, envp);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* Wait for the program. Returns whether it succeeded. */
static bool succeeded(pid_t pid)
{
	int status = -1;
	pid_t r;

	do
		r = waitpid(pid, &status, 0);
	while (r < 0 && errno == EINTR);
	/* Somebody else in this process may wait for all children: then nobody knows. */
	return r == pid ? WIFEXITED(status) && WEXITSTATUS(status) == 0 : r < 0 && errno == ECHILD;
}

/* Report failure with what the program had to say, in one line. */
static int fail_with_messages(int messages_fd, const char *what, const char *path)
{
	char text[TEXT_MAX] = "";
	ssize_t n = pread(messages_fd, text, sizeof(text) - 1, 0);

	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	text[n > 0 ? n : 0] = '\0';
	for (char *newline = text; (newline = strchr(newline, '\n'));)
		*newline = ' ';
	return fb_fail(EPERM, "can not %s %s: %s", what, path,
		       *text ? text : "fusermount3 failed without saying why");
}

/* Append name[=value] to a comma-separated list; false when it is full. */
static bool list_add(char *list, const char *name, const char *value)
{
	size_t at = strlen(list);
	int n = snprintf(list + at, OPTIONS_MAX - at, "%s%s%s", at ? "," : "", name,
			 value && *value ? "=" : "");

	if (n < 0 || (size_t)n >= OPTIONS_MAX - at)
		return false;
	at += (size_t)n;
	for (; value && *value; value++) {
		if (at + 3 > OPTIONS_MAX)
			return false;
		if (*value == ',' || *value == '\\')
			list[at++] = '\\';
		list[at++] = *value;
	}
	list[at] = '\0';
	return true;
}

static int options_build(const struct fb_mount_plan *plan, char *list)
{
	const struct fb_mount_flag *row;
	bool fits = true;

	list[0] = '\0';
	for (size_t i = 0; (row = fb_mount_flag_at(i)); i++) {
		/* nosuid and nodev are fusermount3's defaults: say so when they are not wanted. */
		if (plan->flags & row->ms_flag)
			fits = fits && list_add(list, row->name, NULL);
		else if (row->ms_flag & (MS_NOSUID | MS_NODEV))
			fits = fits && list_add(list, row->opposite, NULL);
	}
	for (enum fb_mount_data key = 0; key < FB_MOUNT_DATA_COUNT; key++)
		if (plan->values[key])
			fits = fits && list_add(list, fb_mount_data_name(key), plan->values[key]);
	return fits ? 0 : fb_fail(EINVAL, "the mount options are too long for fusermount3");
}

/* Receive the descriptor that comes over the socket. Returns it, or -1 when none came. */
static int receive_fd(int socket)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	const struct cmsghdr *header;
	ssize_t n;
	int fd;

	do
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

int fb_fusermount_mount(const char *path, const struct fb_mount_plan *plan,
			struct fb_fusermount *ret_mount)
{
	char options[OPTIONS_MAX], name[] = "fusermount3", o[] = "-o", end[] = "--";
	char *const argv[] = { name, o, options, end, (char *)path, NULL };
	bool watch = plan->values[FB_MOUNT_DATA_auto_unmount];
	FB_SCOPED_FD messages = memfd_create("fusermount3", MFD_CLOEXEC);
	FB_SCOPED_FD comm = -1;
	FB_SCOPED_FD fuse = -1;
	FB_SCOPED_FD child = -1;
	const char *program = find_program();
	int pair[2], r;
	pid_t pid;

	if (!program)
		return fb_fail(EPERM,
			       "can not mount %s: only root can mount without fusermount3; "
			       "install the package fuse3",
			       path);
	r = options_build(plan, options);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return fb_fail(errno, "no socket pair for fusermount3: %s", strerror(errno));
	comm = pair[0];
	child = move_up(pair[1]);
	messages = messages < 0 ? messages : move_up(messages);
	if (child < 0 || messages < 0)
		return fb_fail(EMFILE, "no descriptors for fusermount3");
	r = spawn(program, argv, child, messages, &pid);
	if (r < 0)
		return fb_fail(-r, "can not run %s: %s", program, strerror(-r));
	close(fb_fd_steal(&child));
	fuse = receive_fd(comm);
	/* One that watches goes on running. */
	if (((fuse < 0 || !watch) && !succeeded(pid)) || fuse < 0)
		return fail_with_messages(messages, "mount", path);
	*ret_mount = (struct fb_fusermount){ .fd = fb_fd_steal(&fuse),
					     .watch_fd = watch ? fb_fd_steal(&comm) : -1,
					     .watcher = watch ? pid : 0 };
	return 0;
}

int fb_fusermount_unmount(const char *path, bool lazy)
{
	char name[] = "fusermount3", unmount[] = "-u", detach[] = "-z", end[] = "--";
	char *const argv_lazy[] = { name, unmount, detach, end, (char *)path, NULL };
	char *const argv_plain[] = { name, unmount, end, (char *)path, NULL };
	FB_SCOPED_FD messages = memfd_create("fusermount3", MFD_CLOEXEC);
	const char *program = find_program();
	pid_t pid;
	int r;

	if (!program)
		return fb_fail(EPERM,
			       "can not unmount %s: only root can without fusermount3; "
			       "install the package fuse3",
			       path);
	messages = messages < 0 ? messages : move_up(messages);
	if (messages < 0)
		return fb_fail(EMFILE, "no descriptor for fusermount3");
	r = spawn(program, lazy ? argv_lazy : argv_plain, -1, messages, &pid);
	if (r < 0)
		return fb_fail(-r, "can not run %s: %s", program, strerror(-r));
	if (!succeeded(pid))
		return fail_with_messages(messages, "unmount", path);
	return 0;
}

void fb_fusermount_release(int watch_fd, pid_t watcher)
{
	pid_t r = 0;

	if (watch_fd >= 0)
		close(watch_fd);
	for (int ms = 0; watcher > 0 && ms < WATCHER_WAIT_MS; ms += WATCHER_STEP_MS) {
		r = waitpid(watcher, NULL, WNOHANG);
		if (r != 0)
			return; /* gone, or never a child of this process: it forked meanwhile */
		poll(NULL, 0, WATCHER_STEP_MS);
	}
}
