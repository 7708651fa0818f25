/* SPDX-License-Identifier: BSD-3-Clause */
#include "xattr_ops.h"

#include "credentials.h"
#include "inode.h"
#include "resolve.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#define ACL_PREFIX "system.posix_acl_"
#define ACL_ACCESS "system.posix_acl_access"
#define CAPABILITY "security.capability"

/*
 * A node under work. The host's calls get the path of its descriptor below /proc: that works for
 * every type, and for files that may not be opened; f…xattr() refuses O_PATH descriptors.
 */
struct target {
	struct fb_inode_pin at;
	struct fb_cred_guard guard;
	char path[FB_PROC_PATH_MAX];
};

static void target_end(struct target *target)
{
	fb_credentials_restore(&target->guard);
	fb_inode_pin_end(&target->at);
}

#define SCOPED_TARGET FB_CLEANUP(target_end) struct target

/* Work on a node as caller, or as ourselves when that is NULL. */
static int target_begin(struct target *target, struct fb_passthrough *fs,
			const struct fb_caller *caller, uint64_t node)
{
	int result;

	target->at = fb_inode_pin(fs, node);
	if (!target->at.inode)
		return -ESTALE;
	result = fb_inode_fd(fs, target->at.inode);
	if (result >= 0)
		result = fb_resolve_proc_path(fs, result, target->path);
	if (result < 0 || !caller)
		return result;
	return fb_credentials_assume(fs, caller, FB_CREDENTIALS_ACCESS, &target->guard);
}

/* Without ACLs the client's kernel would not obey them: there are none then. */
static bool hidden(const struct fb_passthrough *fs, const char *name)
{
	return !fs->posix_acl && strncmp(name, ACL_PREFIX, strlen(ACL_PREFIX)) == 0;
}

/* The client's name, and the one that the host has for it. */
struct name {
	const char *client, *host; /* host may be room */
	char room[FB_XATTR_NAME_ROOM];
};

static int find_name(const struct fb_passthrough *fs, const char *client, struct name *name)
{
	int result;

	if (hidden(fs, client))
		return -EOPNOTSUPP;
	name->client = client;
	result = fb_xattr_map_to_host(fs->xattr_map, client, name->room, &name->host);
	/* Some odd map could lead there. */
	return result == 0 && hidden(fs, name->host) ? -EOPNOTSUPP : result;
}

static int find_name_to_change(const struct fb_passthrough *fs, const char *client,
			       struct name *name)
{
	return fs->options.read_only ? -EROFS : find_name(fs, client, name);
}

/*
 * The client found that the caller may not keep S_ISGID over its change of the ACL. The host clears
 * it only for those outside of the file's group, and we may be inside.
 */
static int kill_sgid(struct fb_passthrough *fs, struct target *target)
{
	struct statx now;
	int result = fb_inode_stat(fs, target->at.inode, &now);

	if (result < 0)
		return result;
	if (!(now.stx_mode & S_ISGID))
		return 0;
	return chmod(target->path, now.stx_mode & 07777 & ~(mode_t)S_ISGID) < 0 ? -errno : 0;
}

static int op_setxattr(void *self, struct fb_req *req, uint64_t node, const char *client,
		       const void *value, size_t size, uint32_t flags)
{
	struct fb_passthrough *fs = self;
	SCOPED_TARGET target = { 0 };
	struct name name;
	bool kill = (flags & FB_XATTR_ACL_KILL_SGID) && strcmp(client, ACL_ACCESS) == 0;
	int result = find_name_to_change(fs, client, &name);

	if (result < 0)
		return result;
	if (flags & ~(FB_XATTR_CREATE | FB_XATTR_REPLACE | FB_XATTR_ACL_KILL_SGID))
		return -EINVAL;
	result = target_begin(&target, fs, fb_req_caller(req), node);
	if (result < 0)
		return result;
	if (kill)
		fb_credentials_drop_fsetid(fs, &target.guard);
	flags &= FB_XATTR_CREATE | FB_XATTR_REPLACE;
	if (setxattr(target.path, name.host, value, size, (int)flags) < 0)
		return -errno;
	return kill ? kill_sgid(fs, &target) : 0;
}

static int op_removexattr(void *self, struct fb_req *req, uint64_t node, const char *client)
{
	struct fb_passthrough *fs = self;
	SCOPED_TARGET target = { 0 };
	/*
	 * A write of anybody takes the file's capabilities away: this is how the client's kernel
	 * does it. It has checked who may do so otherwise (security/commoncap.c).
	 */
	bool kill = strcmp(client, CAPABILITY) == 0;
	struct name name;
	int result = find_name_to_change(fs, client, &name);

	if (result == 0)
		result = target_begin(&target, fs, kill ? NULL : fb_req_caller(req), node);
	if (result < 0)
		return result;
	return removexattr(target.path, name.host) < 0 ? -errno : 0;
}

/* Read into a room that is in pieces. */
static ssize_t get_bounced(const char *path, const char *name, struct fb_sink *to, size_t size)
{
	FB_SCOPE_FREE char *value = malloc(size);
	ssize_t got;

	if (!value)
		return -ENOMEM;
	got = getxattr(path, name, value, size);
	if (got < 0)
		return -errno;
	return fb_sink_put(to, value, (size_t)got) < 0 ? -ERANGE : got;
}

static ssize_t get(const char *path, const char *name, struct fb_sink *to, size_t size)
{
	size_t pieces;
	const struct iovec *iov = fb_sink_iov(to, &pieces);
	ssize_t got;

	if (size > 0 && pieces != 1)
		return get_bounced(path, name, to, size);
	got = getxattr(path, name, size > 0 ? iov->iov_base : NULL, size);
	if (got < 0)
		return -errno;
	return size > 0 && fb_sink_filled(to, (size_t)got) < 0 ? -ERANGE : got;
}

static int op_getxattr(void *self, struct fb_req *req, uint64_t node, const char *client,
		       struct fb_sink *to, size_t size)
{
	struct fb_passthrough *fs = self;
	SCOPED_TARGET target = { 0 };
	struct name name;
	int result = find_name(fs, client, &name);

	/*
	 * What may not be set is not there either. Nor is what has no name on the host: ERANGE would
	 * have programs try again with more room.
	 */
	if (result == -EPERM || result == -ERANGE)
		return -ENODATA;
	if (result == 0)
		result = target_begin(&target, fs, fb_req_caller(req), node);
	if (result < 0)
		return result;
	if (size > fb_sink_room(to))
		size = fb_sink_room(to);
	return (int)get(target.path, name.host, to, size);
}

/*
 * Turn a list of the host's names into the client's, in place: none gets longer. Returns its new
 * length.
 */
static size_t filter(const struct fb_passthrough *fs, char *list, size_t size)
{
	size_t kept = 0;

	for (size_t at = 0, next; at < size; at = next) {
		const char *name = fb_xattr_map_to_client(fs->xattr_map, list + at);

		next = at + strlen(list + at) + 1;
		if (name && !hidden(fs, list + at) && !hidden(fs, name)) {
			size_t len = strlen(name) + 1;

			memmove(list + kept, name, len);
			kept += len;
		}
	}
	return kept;
}

/* Hidden names may be all that does not fit: read everything, filter, then measure. */
static int put_list(const struct fb_passthrough *fs, const char *path, char *list,
		    struct fb_sink *to, size_t size)
{
	ssize_t got = listxattr(path, list, FB_XATTR_MAX);
	size_t kept;
	int result;

	if (got < 0)
		return -errno;
	kept = filter(fs, list, (size_t)got);
	if (size == 0)
		return (int)kept;
	result = kept <= size ? fb_sink_put(to, list, kept) : -ERANGE;
	return result < 0 ? result : (int)kept;
}

static int op_listxattr(void *self, struct fb_req *req, uint64_t node, struct fb_sink *to,
			size_t size)
{
	struct fb_passthrough *fs = self;
	SCOPED_TARGET target = { 0 };
	int result = target_begin(&target, fs, fb_req_caller(req), node);
	char *list;

	if (result < 0)
		return result;
	list = malloc(FB_XATTR_MAX);
	if (!list)
		return -ENOMEM;
	result = put_list(fs, target.path, list, to, size);
	free(list);
	return result;
}

void fb_xattr_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops)
{
	if (!fs->xattr)
		return;
	ops->setxattr = op_setxattr;
	ops->getxattr = op_getxattr;
	ops->listxattr = op_listxattr;
	ops->removexattr = op_removexattr;
}
