/* SPDX-License-Identifier: BSD-3-Clause */
#include "label.h"

#include "resolve.h"
#include "state.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#define SELINUX "security.selinux"

static bool wanted(const struct fb_passthrough *fs)
{
	return (fs->granted & FB_INIT_SECURITY_CTX) != 0;
}

struct fb_label_guard fb_label_begin(struct fb_passthrough *fs, const struct fb_req *req)
{
	struct fb_label_guard guard = { .file = -1 };
	struct fb_label label;

	/* Under another name it is the client's own, and nothing to the host's SELinux. */
	if (!wanted(fs) || fs->proc < 0 || !fb_xattr_map_keeps(fs->xattr_map, SELINUX))
		return guard;
	for (size_t i = 0; fb_req_label(req, i, &label); i++) {
		if (strcmp(label.name, SELINUX) != 0)
			continue;
		guard.file = openat(fs->proc, "thread-self/attr/fscreate", O_RDWR | O_CLOEXEC);
		if (guard.file >= 0 && write(guard.file, label.value, label.size) < 0) {
			close(guard.file); /* no SELinux, or it does not know the label */
			guard.file = -1;
		}
		break;
	}
	return guard;
}

void fb_label_end(struct fb_label_guard *guard)
{
	if (guard->file < 0)
		return;
	if (write(guard->file, "", 0) < 0)
		fb_log(FB_LOG_WARNING, "passthrough: can not reset the label of new files: %s",
		       strerror(errno));
	close(fb_fd_steal(&guard->file));
}

static int apply(const struct fb_passthrough *fs, const struct fb_label *label, const char *path)
{
	char room[FB_XATTR_NAME_ROOM];
	const char *name;
	int result;

	if (strncmp(label->name, "security.", 9) != 0)
		return -EINVAL;
	result = fb_xattr_map_to_host(fs->xattr_map, label->name, room, &name);
	/* Clients send labels unasked: with such a rule they would else make no file at all. */
	if (result == -EOPNOTSUPP)
		return 0;
	if (result == 0 && setxattr(path, name, label->value, label->size, 0) < 0)
		result = -errno;
	return result;
}

int fb_label_apply(struct fb_passthrough *fs, const struct fb_req *req, int fd)
{
	char path[FB_PROC_PATH_MAX];
	struct fb_label label;
	int result;

	if (!wanted(fs) || !fb_req_label(req, 0, &label))
		return 0;
	result = fb_resolve_proc_path(fs, fd, path);
	for (size_t i = 0; result == 0 && fb_req_label(req, i, &label); i++)
		result = apply(fs, &label, path);
	return result < 0 ? result : 1;
}

void fb_label_undo(struct fb_passthrough *fs, int dirfd, const char *name, int fd)
{
	FB_SCOPE_FD int now_fd = fb_resolve_path(fs, dirfd, name);
	struct statx made, now;

	if (now_fd < 0 || fb_resolve_stat(fd, &made) < 0 || fb_resolve_stat(now_fd, &now) < 0)
		return;
	if (made.stx_ino == now.stx_ino && made.stx_mnt_id == now.stx_mnt_id &&
	    fb_identity_dev(&made) == fb_identity_dev(&now) &&
	    unlinkat(dirfd, name, S_ISDIR(made.stx_mode) ? AT_REMOVEDIR : 0) < 0)
		fb_log(FB_LOG_WARNING, "passthrough: can not remove %s again: %s", name,
		       strerror(errno));
}
