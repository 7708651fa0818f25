/* SPDX-License-Identifier: BSD-3-Clause */
#include "feature.h"

#include "check.h"
#include "runner.h"

#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

enum state { STATE_UNKNOWN, STATE_PRESENT, STATE_MISSING };

/*
 * Skip when a call failed the way a missing feature fails. Any other failure counts as present: the
 * checks then say what is wrong.
 */
static void lacking(long result, const char *call)
{
	int error = errno;

	if (result == -1 && (error == EOPNOTSUPP || error == ENOSYS || error == EINVAL ||
			     error == ENOTTY || error == ENODEV || error == EISDIR))
		expect_skip("%s gives %s", call, expect_errno_name(error));
}

#define LACKING(call) lacking((long)(call), #call)

static void probe_root(void)
{
	if (geteuid() != 0)
		expect_skip("needs root");
}

static void probe_users(void)
{
	probe_root();
	if (identity_try_user() < 0)
		expect_skip("can not become uid %u gid %u: %s", user_uid(), user_gid(),
			    expect_errno_name(errno));
	if (access(".", R_OK | X_OK) < 0)
		expect_skip("other users can not get in: %s", expect_errno_name(errno));
}

static void probe_mount(void)
{
	probe_root();
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		expect_skip("no private mount namespace: %s", expect_errno_name(errno));
}

static void probe_dir_nlink(void)
{
	dir_make("d", 0755);
	if (file_links("d") != 2)
		expect_skip("a new directory has nlink %ju", (uintmax_t)file_links("d"));
	dir_make("d/sub", 0755);
	if (file_links("d") != 3)
		expect_skip("directories do not count their sub-directories");
}

static void probe_tmpfile(void)
{
	LACKING(open(".", O_TMPFILE | O_RDWR, 0644));
}

static void probe_noreplace(void)
{
	file_make("a", "");
	LACKING(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE));
}

static void probe_exchange(void)
{
	file_make("a", "");
	file_make("b", "");
	LACKING(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE));
}

static void probe_whiteout(void)
{
	file_make("a", "");
	if (renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_WHITEOUT) < 0 && errno == EPERM)
		expect_skip("renameat2(RENAME_WHITEOUT) gives EPERM");
	file_make("c", "");
	LACKING(renameat2(AT_FDCWD, "c", AT_FDCWD, "d", RENAME_WHITEOUT));
}

static void probe_user_xattr(void)
{
	file_make("f", "");
	LACKING(setxattr("f", "user.probe", "v", 1, 0));
}

static void probe_trusted_xattr(void)
{
	probe_root();
	file_make("f", "");
	if (setxattr("f", "trusted.probe", "v", 1, 0) < 0 && errno == EPERM)
		expect_skip("setxattr(trusted.probe) gives EPERM");
	LACKING(setxattr("f", "trusted.probe", "v", 1, 0));
}

static void probe_file_capability(void)
{
	/* version 2, CAP_NET_RAW permitted */
	static const unsigned char capability[20] = { 0, 0, 0, 2, 0, 0x20 };

	probe_root();
	file_make("f", "");
	if (setxattr("f", "security.capability", capability, sizeof(capability), 0) < 0 &&
	    errno == EPERM)
		expect_skip("setxattr(security.capability) gives EPERM");
	LACKING(setxattr("f", "security.capability", capability, sizeof(capability), 0));
}

static void probe_acl(void)
{
	/* version 2; user::rw- group::r-- other::r-- */
	static const unsigned char acl[] = { 2,    0,    0, 0, 1,    0,    6,    0,    0xff, 0xff,
					     0xff, 0xff, 4, 0, 4,    0,    0xff, 0xff, 0xff, 0xff,
					     32,   0,    4, 0, 0xff, 0xff, 0xff, 0xff };

	file_make("f", "");
	LACKING(setxattr("f", "system.posix_acl_access", acl, sizeof(acl), 0));
}

static void probe_allocation(int mode, const char *call)
{
	int fd = file_open_new("f");
	char data[8192] = "";

	file_put(fd, data, sizeof(data), 0);
	lacking(fallocate(fd, mode, 0, 4096), call);
}

static void probe_fallocate(void)
{
	probe_allocation(0, "fallocate(0)");
}

static void probe_punch_hole(void)
{
	probe_allocation(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, "fallocate(PUNCH_HOLE)");
}

static void probe_zero_range(void)
{
	probe_allocation(FALLOC_FL_ZERO_RANGE, "fallocate(ZERO_RANGE)");
}

static void probe_seek_hole(void)
{
	int fd = file_open_new("f");

	file_put(fd, "end", 3, 8 << 20);
	if (lseek(fd, 0, SEEK_HOLE) > 0)
		expect_skip("SEEK_HOLE does not see holes");
}

static void probe_copy_range(void)
{
	int fd = file_open_new("f");
	int to = file_open_new("g");

	file_put(fd, "data", 4, 0);
	LACKING(copy_file_range(fd, NULL, to, NULL, 4, 0));
}

static void probe_btime(void)
{
	struct statx status;

	file_make("f", "");
	LACKING(statx(AT_FDCWD, "f", 0, STATX_BTIME, &status));
	if (!(status.stx_mask & STATX_BTIME))
		expect_skip("statx gives no birth time");
}

static void probe_device(void)
{
	probe_root();
	if (mknod("null", S_IFCHR | 0600, makedev(1, 3)) < 0)
		expect_skip("mknod of a device gives %s", expect_errno_name(errno));
}

static void probe_direct_io(void)
{
	file_make("f", "");
	LACKING(open("f", O_RDWR | O_DIRECT));
}

static void probe_inode_flags(void)
{
	int fd = file_open_new("f");
	int flags = 0;

	LACKING(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	flags |= FS_NODUMP_FL;
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 && errno == EPERM)
		expect_skip("FS_IOC_SETFLAGS gives EPERM");
	LACKING(ioctl(fd, FS_IOC_SETFLAGS, &flags));
}

static void probe_shared_mmap(void)
{
	int fd = file_open_new("f");

	EXPECT_OK(ftruncate(fd, 4096));
	LACKING(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
}

static void probe_ofd_lock(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	LACKING(fcntl(file_open_new("f"), F_OFD_SETLK, &lock));
}

static void probe_flock(void)
{
	LACKING(flock(file_open_new("f"), LOCK_EX | LOCK_NB));
}

static int wait_for_byte(int fd, off_t start)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = 1
	};

	return fcntl(fd, F_SETLKW, &lock);
}

static void ignore_signal(int number)
{
	(void)number;
}

/* An alarm then interrupts a system call, which is not started again. */
static void catch_alarm(void)
{
	struct sigaction action = { .sa_handler = ignore_signal };

	EXPECT_OK(sigaction(SIGALRM, &action, NULL));
}

/* POSIX lets a system leave it out; then the two wait until the alarm. */
static void probe_deadlock(void)
{
	int fd = file_open_new("f");
	struct gate locked;
	pid_t pid;

	gate_init(&locked);
	EXPECT_OK(wait_for_byte(fd, 0));
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		EXPECT_OK(wait_for_byte(fd, 1));
		gate_open(&locked, 1);
		wait_for_byte(fd, 0);
		_exit(0);
	}
	gate_wait(&locked);
	pause_ms(200);
	catch_alarm();
	alarm(2);
	if (wait_for_byte(fd, 1) < 0 && errno == EINTR)
		expect_skip("deadlocks are not detected");
}

static void probe_proc(void)
{
	if (access("/proc/self/fd/0", F_OK) < 0)
		expect_skip("no /proc");
}

static void probe_exec(void)
{
	struct statvfs status;

	EXPECT_OK(statvfs(".", &status));
	if (status.f_flag & ST_NOEXEC)
		expect_skip("mounted noexec");
}

static struct {
	const char *name;
	void (*probe)(void);
	enum state state;
	bool required;
	char reason[256];
} features[] = {
#define FEATURE(symbol, text, function) { .name = text, .probe = probe_##function },
	FEATURES(FEATURE)
#undef FEATURE
};

bool feature_require(const char *name)
{
	bool all = strcmp(name, "all") == 0;
	bool found = all;

	for (int i = 0; i < FEATURE_COUNT; i++)
		if (all || strcmp(features[i].name, name) == 0)
			features[i].required = found = true;
	return found;
}

void feature_list(void)
{
	for (int i = 0; i < FEATURE_COUNT; i++)
		puts(features[i].name);
}

static bool is_missing(struct runner *runner, int feature)
{
	struct outcome outcome;

	if (features[feature].state == STATE_UNKNOWN) {
		runner_run(runner, features[feature].probe, &outcome);
		features[feature].state =
			outcome.verdict == VERDICT_SKIPPED ? STATE_MISSING : STATE_PRESENT;
		snprintf(features[feature].reason, sizeof(features[feature].reason),
			 "no %s: %.200s", features[feature].name, outcome.detail);
	}
	return features[feature].state == STATE_MISSING;
}

bool feature_missing(struct runner *runner, uint32_t needs, const char **ret_reason,
		     bool *ret_required)
{
	for (int i = 0; i < FEATURE_COUNT; i++) {
		if (!(needs & (1u << i)) || !is_missing(runner, i))
			continue;
		*ret_reason = features[i].reason;
		*ret_required = features[i].required;
		return true;
	}
	return false;
}
