/* SPDX-License-Identifier: BSD-3-Clause */
#include "sandbox_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/log.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scope.h"

/*
 * The mount calls of Linux 5.2 and 5.12 by their numbers: C libraries have got wrappers late, and
 * <linux/mount.h> does not go along with everybody's <sys/mount.h>. Source: linux/mount.h.
 */
enum {
	OPEN_CLONE = 1,     /* OPEN_TREE_CLONE */
	MOVE_FROM_FD = 0x4, /* MOVE_MOUNT_F_EMPTY_PATH */
	MOVE_TO_FD = 0x40,  /* MOVE_MOUNT_T_EMPTY_PATH */
	FSOPEN_CLOSE = 1,   /* FSOPEN_CLOEXEC */
	FSMOUNT_CLOSE = 1,  /* FSMOUNT_CLOEXEC */
	SET_STRING = 1,     /* FSCONFIG_SET_STRING */
	CREATE = 6,         /* FSCONFIG_CMD_CREATE */
	READ_ONLY = 1,      /* MOUNT_ATTR_… */
	NO_SUID = 2,
	NO_DEV = 4,
	NO_EXEC = 8,
	WHOLE_TREE = 0x8000, /* AT_RECURSIVE */
};

#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

#define FILE_NAME "file"

struct attributes {
	uint64_t set, clear, propagation, userns_fd;
};

/* ---- single steps ---------------------------------------------------------------------------------- */

/* A new file system with at most one option, mounted nowhere. Returns its descriptor or -errno. */
static int mount_new(const char *type, const char *option, const char *value, unsigned attributes)
{
	SCOPED_FD context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOSE);
	long fd;

	if (context < 0 || syscall(SYS_fsconfig, context, SET_STRING, option, value, 0) < 0 ||
	    syscall(SYS_fsconfig, context, CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = syscall(SYS_fsmount, context, FSMOUNT_CLOSE, attributes);
	return fd < 0 ? -errno : (int)fd;
}

static int set_attributes(int tree, unsigned how, uint64_t attributes)
{
	struct attributes wanted = { .set = attributes };

	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | how, &wanted, sizeof(wanted)) == 0)
		return 0;
	return fb_fail(errno, "the shared tree can not be mounted nosuid and nodev: %s%s",
		       strerror(errno), errno == ENOSYS ? " (it takes Linux 5.12)" : "");
}

/* Mount what tree holds onto the file or directory that on is. */
static int attach(int tree, int on)
{
	if (syscall(SYS_move_mount, tree, "", on, "", MOVE_FROM_FD | MOVE_TO_FD) == 0)
		return 0;
	return fb_fail(errno, "the shared tree can not be mounted: %s", strerror(errno));
}

int sandbox_tree_open_proc(void)
{
	return mount_new("proc", "subset", "pid", READ_ONLY | NO_SUID | NO_DEV | NO_EXEC);
}

/* ---- the root of the namespace ----------------------------------------------------------------------- */

/* A second view of the tree, with all that is mounted in it. Returns its descriptor, or -errno. */
static int clone_tree(int source_fd)
{
	long tree = syscall(SYS_open_tree, source_fd, "",
			    OPEN_CLONE | O_CLOEXEC | AT_EMPTY_PATH | WHOLE_TREE);

	return tree < 0 ? fb_fail(errno, "the shared tree can not be cloned: %s", strerror(errno)) :
			  (int)tree;
}

/* Put tree over the root, where nothing is in its way, and make it the root. */
static int become_root(int tree)
{
	if (fchdir(tree) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return fb_fail(errno, "the shared tree can not become the root: %s",
			       strerror(errno));
	/* Now the old root lies over the new one. See pivot_root(2), "pivot_root(".", ".")". */
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return fb_fail(errno, "the host's root can not be left: %s", strerror(errno));
	return 0;
}

static int open_root(void)
{
	return open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int enter_directory(int tree)
{
	SCOPED_FD root = open_root();
	int result;

	if (root < 0)
		return fb_fail(errno, "/: %s", strerror(errno));
	result = attach(tree, root);
	return result < 0 ? result : become_root(tree);
}

/* A root that holds nothing but the file. */
static int enter_file(int file)
{
	SCOPED_FD root = open_root();
	SCOPED_FD tree = mount_new("tmpfs", "mode", "0555", NO_SUID | NO_DEV | NO_EXEC);
	SCOPED_FD place = -1;
	int result;

	if (root < 0)
		return fb_fail(errno, "/: %s", strerror(errno));
	if (tree < 0)
		return fb_fail(-tree, "a root for the shared file can not be made: %s",
			       strerror(-tree));
	result = attach(tree, root);
	if (result < 0)
		return result;
	place = openat(tree, FILE_NAME, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (place < 0)
		return fb_fail(errno, "a place for the shared file can not be made: %s",
			       strerror(errno));
	result = attach(file, place);
	if (result == 0)
		result = set_attributes(tree, 0, READ_ONLY);
	return result < 0 ? result : become_root(tree);
}

int sandbox_tree_enter(int source_fd, const char **ret_source)
{
	struct stat status;
	SCOPED_FD tree = -1;
	int result;

	if (fstat(source_fd, &status) < 0)
		return fb_fail(errno, "the shared tree: %s", strerror(errno));
	/* What is mounted and unmounted here must not be so on the host. */
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return fb_fail(errno, "mounts can not be kept apart from the host's: %s%s",
			       strerror(errno),
			       errno == EINVAL ? " (/ is no mount point, as in a chroot: use "
						 "--sandbox=chroot there)" :
						 "");
	tree = clone_tree(source_fd);
	if (tree < 0)
		return tree;
	/* Not noexec: access(2) would find no program executable there. */
	result = set_attributes(tree, WHOLE_TREE, NO_SUID | NO_DEV);
	if (result == 0)
		result = S_ISDIR(status.st_mode) ? enter_directory(tree) : enter_file(tree);
	if (result == 0)
		*ret_source = S_ISDIR(status.st_mode) ? "/" : "/" FILE_NAME;
	return result;
}
