/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What somebody would try who runs code in the server.
 */
#include "sandbox_scene.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#define UP "../../../../../../../.."
#define DESCRIPTORS 64

static int verdict(long result)
{
	return result < 0 ? errno : 0;
}

/* Whether this is the host's secret. */
static int is_secret(const struct scene *scene, int fd)
{
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return errno;
	return status.st_ino == scene->secret.st_ino && status.st_dev == scene->secret.st_dev ?
		       0 :
		       ENOENT;
}

/* ---- ways to files of the host ----------------------------------------------------------------------- */

static int absolute_path(const struct scene *scene)
{
	return is_secret(scene, open(scene->secret_path, O_RDONLY));
}

static int dotdot(const struct scene *scene)
{
	char path[512];

	snprintf(path, sizeof(path), UP "%s", scene->secret_path);
	return is_secret(scene, open(path, O_RDONLY));
}

/* From each descriptor that the server has. */
static int dotdot_descriptors(const struct scene *scene)
{
	char path[512];
	int result = ENOENT;

	snprintf(path, sizeof(path), UP "%s", scene->secret_path);
	for (int fd = 0; fd < DESCRIPTORS && result != 0; fd++)
		result = is_secret(scene, openat(fd, path, O_RDONLY));
	return result;
}

static int saved_root(const struct scene *scene)
{
	int saved = open(".", O_PATH | O_DIRECTORY);

	(void)mkdirat(AT_FDCWD, "probe-jail", 0700);
	if (chroot("probe-jail") < 0 || fchdir(saved) < 0)
		return errno;
	return dotdot(scene);
}

static int proc_root(const struct scene *scene)
{
	char path[512];

	snprintf(path, sizeof(path), "%d/root%s", (int)scene->outside, scene->secret_path);
	return is_secret(scene, openat(scene->proc_fd, path, O_RDONLY));
}

static int proc_own_root(const struct scene *scene)
{
	char path[512];

	snprintf(path, sizeof(path), "self/root" UP "%s", scene->secret_path);
	return is_secret(scene, openat(scene->proc_fd, path, O_RDONLY));
}

static int proc_environment(const struct scene *scene)
{
	char path[64];

	snprintf(path, sizeof(path), "%d/environ", (int)scene->outside);
	return verdict(openat(scene->proc_fd, path, O_RDONLY));
}

static int proc_settings(const struct scene *scene)
{
	return verdict(openat(scene->proc_fd, "sys/kernel/core_pattern", O_WRONLY));
}

static int proc_write(const struct scene *scene)
{
	return verdict(openat(scene->proc_fd, "self/oom_score_adj", O_WRONLY));
}

static int handle_outside(const struct scene *scene)
{
	int share = open(scene->source, O_RDONLY);

	return is_secret(scene,
			 (int)syscall(SYS_open_by_handle_at, share, scene->handle, O_RDONLY));
}

static int device(const struct scene *scene)
{
	(void)scene;
	(void)unlinkat(AT_FDCWD, "probe-device", 0);
	if (mknodat(AT_FDCWD, "probe-device", S_IFCHR | 0600, makedev(1, 3)) < 0)
		return errno;
	return verdict(openat(AT_FDCWD, "probe-device", O_RDONLY));
}

/* ---- namespaces and mounts ----------------------------------------------------------------------------- */

static int do_mount(const struct scene *scene)
{
	(void)scene;
	(void)mkdirat(AT_FDCWD, "probe-mount", 0700);
	return verdict(mount("none", "probe-mount", "tmpfs", 0, NULL));
}

static int do_remount(const struct scene *scene)
{
	(void)scene;
	return verdict(mount(NULL, ".", NULL, MS_REMOUNT | MS_BIND, NULL));
}

static int do_fsopen(const struct scene *scene)
{
	(void)scene;
	return verdict(syscall(SYS_fsopen, "tmpfs", 0));
}

static int do_unmount(const struct scene *scene)
{
	(void)scene;
	return verdict(umount2("probe-mount", MNT_DETACH));
}

static int do_setns(const struct scene *scene)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%d/ns/mnt", (int)scene->outside);
	fd = openat(scene->proc_fd, path, O_RDONLY);
	if (fd < 0)
		fd = openat(scene->proc_fd, "self/ns/mnt", O_RDONLY);
	return verdict(setns(fd, CLONE_NEWNS));
}

static int unshare_user(const struct scene *scene)
{
	(void)scene;
	return verdict(unshare(CLONE_NEWUSER));
}

static int unshare_mounts(const struct scene *scene)
{
	(void)scene;
	return verdict(unshare(CLONE_NEWNS));
}

static int clone_user(const struct scene *scene)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

	(void)scene;
	if (pid == 0)
		_exit(0);
	return verdict(pid);
}

/* ---- processes ------------------------------------------------------------------------------------------- */

static int do_fork(const struct scene *scene)
{
	long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	(void)scene;
	if (pid == 0)
		_exit(0);
	return verdict(pid);
}

static int do_exec(const struct scene *scene)
{
	char *const argv[] = { (char[]){ "true" }, NULL };

	(void)scene;
	execv("/bin/true", argv);
	return errno;
}

/* The program itself, which the sandbox shows at least through proc. */
static int exec_self(const struct scene *scene)
{
	int fd = openat(scene->proc_fd, "self/exe", O_RDONLY);
	char *const argv[] = { (char[]){ "sandbox_probe" }, (char[]){ "--hello" }, NULL };

	syscall(SYS_execveat, fd, "", argv, NULL, AT_EMPTY_PATH);
	return errno;
}

static int do_ptrace(const struct scene *scene)
{
	return verdict(ptrace(PTRACE_SEIZE, scene->outside, NULL, NULL));
}

static int do_kill(const struct scene *scene)
{
	return verdict(kill(scene->outside, 0));
}

static int kill_thread(const struct scene *scene)
{
	return verdict(syscall(SYS_tgkill, scene->outside, scene->outside, 0));
}

static int read_memory(const struct scene *scene)
{
	char word[8];
	struct iovec here = { word, sizeof(word) }, there = { word, sizeof(word) };

	return verdict(process_vm_readv(scene->outside, &here, 1, &there, 1, 0));
}

static int open_process(const struct scene *scene)
{
	return verdict(syscall(SYS_pidfd_open, scene->outside, 0));
}

/* ---- the rest of the kernel ------------------------------------------------------------------------------- */

static int socket_inet(const struct scene *scene)
{
	(void)scene;
	return verdict(socket(AF_INET, SOCK_STREAM, 0));
}

/* Whether there is a network beside the own loopback. */
static int network(const struct scene *scene)
{
	struct ifreq request = { .ifr_ifindex = 2 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)scene;
	return fd < 0 ? errno : verdict(ioctl(fd, SIOCGIFNAME, &request));
}

static int socket_netlink(const struct scene *scene)
{
	(void)scene;
	return verdict(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int socket_unix(const struct scene *scene)
{
	(void)scene;
	return verdict(socket(AF_UNIX, SOCK_DGRAM, 0));
}

static int terminal(const struct scene *scene)
{
	(void)scene;
	return verdict(ioctl(STDIN_FILENO, TIOCSTI, "x"));
}

/* The upper half of a command is not looked at by the kernel: the filter must not be fooled by it. */
static int terminal_in_disguise(const struct scene *scene)
{
	(void)scene;
	return verdict(syscall(SYS_ioctl, STDIN_FILENO, UINT64_C(1) << 32 | TIOCSTI, "x"));
}

static int all_capabilities(const struct scene *scene)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct all[2] = { { 1u << CAP_SYS_ADMIN, 1u << CAP_SYS_ADMIN, 0 } };

	(void)scene;
	return verdict(syscall(SYS_capset, &header, all));
}

static int add_key(const struct scene *scene)
{
	(void)scene;
	return verdict(syscall(SYS_add_key, "user", "fbfsd-probe", "x", 1, -1 /* this thread's */));
}

static int keyctl(const struct scene *scene)
{
	(void)scene;
	return verdict(syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -1, 1));
}

static int bpf(const struct scene *scene)
{
	uint32_t map[] = { 2 /* an array */, 4, 4, 1 };

	(void)scene;
	return verdict(syscall(SYS_bpf, 0 /* BPF_MAP_CREATE */, map, sizeof(map)));
}

static int uring(const struct scene *scene)
{
	char params[120] = "";

	(void)scene;
	return verdict(syscall(SYS_io_uring_setup, 1, params));
}

static int userfaultfd(const struct scene *scene)
{
	(void)scene;
	return verdict(syscall(SYS_userfaultfd, O_CLOEXEC));
}

static int perf(const struct scene *scene)
{
	char attr[64] = "";

	(void)scene;
	return verdict(syscall(SYS_perf_event_open, attr, 0, -1, -1, 0));
}

static int executable_memory(const struct scene *scene)
{
	void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)scene;
	return map == MAP_FAILED ? errno : verdict(mprotect(map, 4096, PROT_READ | PROT_EXEC));
}

static int dumpable(const struct scene *scene)
{
	(void)scene;
	return verdict(prctl(PR_SET_DUMPABLE, 1));
}

static int new_limit(const struct scene *scene)
{
	uint64_t limit[2] = { 1024, 1024 };

	(void)scene;
	return verdict(syscall(SYS_prlimit64, 0, 7 /* RLIMIT_NOFILE */, limit, NULL));
}

#ifdef __x86_64__
/* The numbers of 32-bit programs: 20 is getpid() there, and writev() here. */
static int other_numbers(const struct scene *scene)
{
	long result;

	(void)scene;
	__asm__ volatile("int $0x80" : "=a"(result) : "0"(20L) : "memory");
	return result > 0 ? 0 : ENOSYS;
}
#endif

const struct scene_row scene_attempts[] = {
	{ "open-absolute", absolute_path },
	{ "open-dotdot", dotdot },
	{ "open-dotdot-descriptors", dotdot_descriptors },
	{ "chroot-saved-root", saved_root },
	{ "proc-other-root", proc_root },
	{ "proc-own-root", proc_own_root },
	{ "proc-other-environ", proc_environment },
	{ "proc-sys", proc_settings },
	{ "proc-write", proc_write },
	{ "handle-outside", handle_outside },
	{ "device", device },
	{ "mount", do_mount },
	{ "remount", do_remount },
	{ "fsopen", do_fsopen },
	{ "umount", do_unmount },
	{ "setns", do_setns },
	{ "unshare-user", unshare_user },
	{ "unshare-mounts", unshare_mounts },
	{ "clone-user", clone_user },
	{ "fork", do_fork },
	{ "execve", do_exec },
	{ "execve-self", exec_self },
	{ "ptrace", do_ptrace },
	{ "kill", do_kill },
	{ "tgkill", kill_thread },
	{ "process-vm-readv", read_memory },
	{ "pidfd-open", open_process },
	{ "socket-inet", socket_inet },
	{ "network", network },
	{ "socket-netlink", socket_netlink },
	{ "socket-unix", socket_unix },
	{ "ioctl-tiocsti", terminal },
	{ "ioctl-tiocsti-disguised", terminal_in_disguise },
	{ "capset", all_capabilities },
	{ "add-key", add_key },
	{ "keyctl", keyctl },
	{ "bpf", bpf },
	{ "io-uring", uring },
	{ "userfaultfd", userfaultfd },
	{ "perf", perf },
	{ "mprotect-exec", executable_memory },
	{ "prctl-dumpable", dumpable },
	{ "prlimit", new_limit },
#ifdef __x86_64__
	{ "int80", other_numbers },
#endif
};
const size_t scene_attempt_count = sizeof(scene_attempts) / sizeof(scene_attempts[0]);
