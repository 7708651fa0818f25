/* SPDX-License-Identifier: BSD-3-Clause */
#include "credentials.h"

#include "caller_groups.h"
#include "linux_compat.h"
#include "state.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>

#define CAP_BIT(cap) (UINT64_C(1) << (cap))
#define NO_ID UINT32_MAX

/* ---- this thread, by raw system calls ----------------------------------------------------------- */

static int set_groups(size_t count, const uint32_t *groups)
{
	return syscall(FB_SYS_SETGROUPS, count, groups) < 0 ? -errno : 0;
}

/* An id that the user namespace does not have is nobody whom we may be. */
static int set_failed(void)
{
	return errno == EINVAL ? -EPERM : -errno;
}

static int set_gid(uint32_t gid)
{
	return syscall(FB_SYS_SETRESGID, NO_ID, gid, NO_ID) < 0 ? set_failed() : 0;
}

static int set_uid(uint32_t uid)
{
	return syscall(FB_SYS_SETRESUID, NO_ID, uid, NO_ID) < 0 ? set_failed() : 0;
}

/* Returns what it was before, and does not tell whether it worked. */
static uint32_t set_fsgid(uint32_t gid)
{
	return (uint32_t)syscall(FB_SYS_SETFSGID, gid);
}

static int get_caps(struct __user_cap_data_struct ret_caps[2])
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capget, &header, ret_caps) < 0 ? -errno : 0;
}

static uint64_t effective_of(const struct __user_cap_data_struct caps[2])
{
	return (uint64_t)caps[1].effective << 32 | caps[0].effective;
}

/* Make these capabilities effective, as far as they are permitted, and no others. */
static int set_effective(uint64_t effective)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];
	int result = get_caps(caps);

	if (result < 0)
		return result;
	caps[0].effective = (uint32_t)effective & caps[0].permitted;
	caps[1].effective = (uint32_t)(effective >> 32) & caps[1].permitted;
	return syscall(SYS_capset, &header, caps) < 0 ? -errno : 0;
}

int fb_credentials_own_fs(void)
{
	/*
	 * Each time: a thread that this one starts, and one in a child process, share again. The
	 * kernel does nothing when there is nothing to do.
	 */
	return unshare(CLONE_FS) < 0 ? -errno : 0;
}

/* ---- the process as it is ------------------------------------------------------------------------ */

static int read_groups(struct fb_credentials *own)
{
	int count = getgroups(0, NULL);

	if (count < 0)
		return -errno;
	if (count == 0)
		return 0;
	own->groups = calloc((size_t)count, sizeof(*own->groups));
	if (!own->groups)
		return -ENOMEM;
	_Static_assert(sizeof(gid_t) == sizeof(uint32_t), "group ids are passed to the kernel");
	count = getgroups(count, own->groups);
	if (count < 0)
		return -errno;
	own->group_count = (size_t)count;
	return 0;
}

int fb_credentials_init(struct fb_credentials *own)
{
	struct __user_cap_data_struct caps[2];
	int result;

	*own = (struct fb_credentials){ .uid = geteuid(), .gid = getegid() };
	result = get_caps(caps);
	if (result == 0)
		result = read_groups(own);
	if (result < 0) {
		fb_credentials_fini(own);
		return fb_fail(-result, "can not read the server's own groups and capabilities: %s",
			       strerror(-result));
	}
	own->effective = effective_of(caps);
	/* Bits that a service manager may set: user ids then change without capabilities. */
	own->keeps_caps = prctl(PR_GET_SECUREBITS) & SECBIT_NO_SETUID_FIXUP;
	own->regained = own->uid == 0 && !own->keeps_caps &&
			own->effective == ((uint64_t)caps[1].permitted << 32 | caps[0].permitted);
	own->may_switch =
		(own->effective & CAP_BIT(CAP_SETUID)) && (own->effective & CAP_BIT(CAP_SETGID));
	return 0;
}

void fb_credentials_fini(struct fb_credentials *own)
{
	free(fb_pointer_steal(&own->groups));
}

/* ---- becoming somebody else ------------------------------------------------------------------------ */

static int switch_groups(const struct fb_credentials *own, struct fb_cred_guard *guard,
			 size_t count, const uint32_t *groups)
{
	int result;

	if (count == own->group_count &&
	    (count == 0 || memcmp(groups, own->groups, count * sizeof(*groups)) == 0))
		return 0;
	result = set_groups(count, groups);
	guard->groups = result == 0;
	return result;
}

/*
 * The groups that came with the request, for the file that it makes: none of them may be forbidden.
 */
static int switch_sent_groups(struct fb_passthrough *fs, const struct fb_caller *caller,
			      struct fb_cred_guard *guard)
{
	FB_SCOPE_FREE uint32_t *groups = NULL;
	int result = 0;

	if (caller->group_count == 0 || !fb_id_map_exists(&fs->gids))
		return switch_groups(&fs->own, guard, caller->group_count, caller->groups);
	groups = calloc(caller->group_count, sizeof(*groups));
	if (!groups)
		return -ENOMEM;
	for (size_t i = 0; result == 0 && i < caller->group_count; i++)
		result = fb_id_map_to_host(&fs->gids, caller->groups[i], &groups[i]);
	return result < 0 ? result : switch_groups(&fs->own, guard, caller->group_count, groups);
}

/*
 * All groups of the caller's process, which it did not choose for this request: a forbidden one is
 * left out. Returns -ESRCH when they can not be found.
 */
static int switch_all_groups(struct fb_passthrough *fs, const struct fb_caller *caller,
			     struct fb_cred_guard *guard)
{
	FB_SCOPE_FREE uint32_t *groups = NULL;
	size_t count, kept = 0;
	int result = fb_caller_groups_read(fs->proc, caller, &groups, &count);

	if (result < 0)
		return result;
	for (size_t i = 0; i < count; i++)
		if (fb_id_map_to_host(&fs->gids, groups[i], &groups[kept]) == 0)
			kept++;
	return switch_groups(&fs->own, guard, kept, groups);
}

static int switch_ids(struct fb_passthrough *fs, const struct fb_caller *caller,
		      struct fb_cred_guard *guard)
{
	const struct fb_credentials *own = &fs->own;
	int result = 0;

	if (caller->gid != own->gid) {
		result = set_gid(caller->gid);
		guard->gid = result == 0;
	}
	if (result == 0 && caller->uid != own->uid) {
		result = set_uid(caller->uid);
		guard->uid = result == 0;
	}
	return result;
}

/*
 * After the switch: a plain user has no capabilities, even when we are one with some. A client
 * that checked permissions but can not send the group that granted them keeps the one to override.
 */
static int switch_caps(struct fb_passthrough *fs, const struct fb_caller *caller,
		       enum fb_credentials_for purpose, struct fb_cred_guard *guard)
{
	bool override = purpose == FB_CREDENTIALS_CREATE && fs->default_permissions &&
			!fs->all_as_caller && !(fs->granted & FB_INIT_CREATE_SUPP_GROUP);
	uint64_t keep = override ? fs->own.effective & CAP_BIT(CAP_DAC_OVERRIDE) : 0;
	int result;

	if (caller->uid == 0 || !guard->uid)
		return 0;
	if (fs->own.uid == 0 && keep == 0 && !fs->own.keeps_caps)
		return 0; /* the kernel has cleared them */
	result = set_effective(keep);
	guard->caps = result == 0;
	return result;
}

/* host is caller with the host's numbers, in which /proc does not know it. */
static int switch_all(struct fb_passthrough *fs, const struct fb_caller *caller,
		      const struct fb_caller *host, enum fb_credentials_for purpose,
		      struct fb_cred_guard *guard)
{
	int result = -ESRCH;

	if (fs->all_as_caller)
		result = switch_all_groups(fs, caller, guard);
	if (result == -ESRCH) /* only what the client sent: the directory's group or none */
		result = switch_sent_groups(fs, caller, guard);
	if (result == 0)
		result = switch_ids(fs, host, guard);
	if (result == 0)
		result = switch_caps(fs, host, purpose, guard);
	return result;
}

/* The caller's ids as the host numbers them. */
static int translate_ids(const struct fb_passthrough *fs, const struct fb_caller *caller,
			 struct fb_caller *ret_host)
{
	int result = fb_id_map_to_host(&fs->uids, caller->uid, &ret_host->uid);

	return result < 0 ? result : fb_id_map_to_host(&fs->gids, caller->gid, &ret_host->gid);
}

static int switch_umask(const struct fb_passthrough *fs, const struct fb_caller *caller,
			struct fb_cred_guard *guard)
{
	int result = fb_credentials_own_fs();

	if (result < 0)
		return result;
	guard->old_umask = umask(fs->granted & FB_INIT_DONT_MASK ? caller->umask & 0777 : 0);
	guard->umask = true;
	return 0;
}

int fb_credentials_assume(struct fb_passthrough *fs, const struct fb_caller *caller,
			  enum fb_credentials_for purpose, struct fb_cred_guard *guard)
{
	struct fb_caller host = { 0 };
	int result;

	*guard = (struct fb_cred_guard){ .own = &fs->own };
	if (purpose == FB_CREDENTIALS_ACCESS && !fs->all_as_caller)
		return 0;
	/* To the system calls this would mean "leave it as it is": the daemon's own. */
	if (caller->uid == NO_ID || caller->gid == NO_ID)
		return -EINVAL;
	result = translate_ids(fs, caller, &host);
	if (result < 0)
		return result;
	if (!fs->own.may_switch && (host.uid != fs->own.uid || host.gid != fs->own.gid))
		return -EPERM;
	if (purpose == FB_CREDENTIALS_CREATE)
		result = switch_umask(fs, caller, guard);
	if (result == 0 && fs->own.may_switch)
		result = switch_all(fs, caller, &host, purpose, guard);
	if (result < 0)
		fb_credentials_restore(guard);
	return result;
}

void fb_credentials_drop_fsetid(struct fb_passthrough *fs, struct fb_cred_guard *guard)
{
	struct __user_cap_data_struct caps[2];
	uint64_t effective;

	if (!(fs->own.effective & CAP_BIT(CAP_FSETID)))
		return;
	guard->own = &fs->own;
	if (get_caps(caps) < 0)
		return;
	effective = effective_of(caps);
	if (!(effective & CAP_BIT(CAP_FSETID)))
		return; /* gone with the switch to a plain user */
	if (set_effective(effective & ~CAP_BIT(CAP_FSETID)) == 0)
		guard->caps = true;
}

void fb_credentials_kill_suidgid(struct fb_passthrough *fs, int fd, struct fb_cred_guard *guard)
{
	struct stat stat;

	if (fstat(fd, &stat) < 0 || !(stat.st_mode & (S_ISUID | S_ISGID)))
		return;
	fb_credentials_drop_fsetid(fs, guard);
	/* The host takes such a bit away from those who are not of the file's group: be of it. */
	if ((stat.st_mode & (S_ISGID | S_IXGRP)) == S_ISGID && guard->own && !guard->uid &&
	    fs->own.may_switch) {
		set_fsgid(stat.st_gid);
		guard->fsgid = true;
	}
}

/* ---- and oneself again --------------------------------------------------------------------------------- */

static void end_unless(int result, const char *what)
{
	if (result == 0)
		return;
	fb_log(FB_LOG_ERR, "passthrough: can not restore %s after acting as a caller: %s", what,
	       strerror(-result));
	abort();
}

void fb_credentials_restore(struct fb_cred_guard *guard)
{
	const struct fb_credentials *own = guard->own;

	if (!own)
		return;
	if (guard->umask)
		umask(guard->old_umask);
	if (guard->fsgid) {
		set_fsgid(own->gid);
		end_unless(set_fsgid(NO_ID) == own->gid ? 0 : -EPERM, "the file-system group id");
	}
	if (guard->uid)
		end_unless(set_uid(own->uid), "the user id");
	if (guard->uid ? !own->regained : guard->caps)
		end_unless(set_effective(own->effective), "capabilities");
	if (guard->gid)
		end_unless(set_gid(own->gid), "the group id");
	if (guard->groups)
		end_unless(set_groups(own->group_count, own->groups), "the groups");
	*guard = (struct fb_cred_guard){ 0 };
}
