/* SPDX-License-Identifier: BSD-3-Clause */
#include "negotiate.h"

#include "options.h"
#include "state.h"

#include <errno.h>
#include <sys/vfs.h>

/* ACLs are checked by the client's kernel, while the host applies default ACLs and clears S_ISGID. */
#define ACL_BITS (FB_INIT_POSIX_ACL | FB_INIT_DONT_MASK | FB_INIT_SETXATTR_EXT)

static void want(struct fb_conn *conn, uint64_t bits, bool on)
{
	conn->wanted = on ? conn->wanted | (bits & conn->offered) : conn->wanted & ~bits;
}

static bool offers(const struct fb_conn *conn, uint64_t bits)
{
	return (conn->offered & bits) == bits;
}

/* Whether the share itself is stacked on another file system, so that files lie one level deeper. */
static bool is_stacked(int fd)
{
	struct statfs statfs;

	if (fstatfs(fd, &statfs) < 0)
		return false;
	return statfs.f_type == FB_MAGIC_OVERLAY || statfs.f_type == FB_MAGIC_ECRYPTFS ||
	       statfs.f_type == FB_MAGIC_FUSE;
}

static void want_data_path(const struct fb_passthrough *fs, struct fb_conn *conn)
{
	want(conn, FB_INIT_WRITEBACK_CACHE, fs->writeback);
	want(conn, FB_INIT_ATOMIC_O_TRUNC, !fs->options.stateless_open);
	want(conn, FB_INIT_DIRECT_IO_ALLOW_MMAP, fs->allow_mmap);
	/* Pages go when mtime or size have changed. The other flag would keep them until told. */
	want(conn, FB_INIT_AUTO_INVAL_DATA, true);
	want(conn, FB_INIT_EXPLICIT_INVAL_DATA, false);
	want(conn, FB_INIT_PASSTHROUGH, fs->kernel_passthrough);
	if (fs->kernel_passthrough)
		conn->max_stack_depth = is_stacked(fs->source_fd) ? 2 : 1;
	conn->stateless_open = fs->options.stateless_open;
}

static void want_names(const struct fb_passthrough *fs, struct fb_conn *conn)
{
	want(conn, FB_INIT_PARALLEL_DIROPS, true);
	want(conn, FB_INIT_DO_READDIRPLUS | FB_INIT_READDIRPLUS_AUTO, fs->readdirplus);
	/* A node's target never changes: another link is another node. */
	want(conn, FB_INIT_CACHE_SYMLINKS, true);
	/* Numbers of nodes mean nothing after a restart, so file handles of the client can not last. */
	want(conn, FB_INIT_NO_EXPORT_SUPPORT, true);
	want(conn, FB_INIT_EXPORT_SUPPORT, false);
	want(conn, FB_INIT_SUBMOUNTS, fs->options.announce_submounts);
	conn->stateless_opendir = fs->options.stateless_opendir;
}

static void want_permissions(const struct fb_passthrough *fs, struct fb_conn *conn)
{
	/* The host knows of default ACLs, which replace the umask, whether we show them or not. */
	want(conn, FB_INIT_DONT_MASK, true);
	want(conn, FB_INIT_POSIX_ACL, fs->posix_acl);
	want(conn, FB_INIT_SETXATTR_EXT, true);
	want(conn, FB_INIT_HANDLE_KILLPRIV_V2, fs->killpriv);
	want(conn, FB_INIT_HANDLE_KILLPRIV, false);
	want(conn, FB_INIT_SECURITY_CTX, fs->options.security_label);
	want(conn, FB_INIT_CREATE_SUPP_GROUP, fs->own.may_switch);
	/* Requests that make nothing then come without ids: we must not need them. */
	want(conn, FB_INIT_ALLOW_IDMAP, conn->default_permissions && !fs->all_as_caller);
	want(conn, FB_INIT_POSIX_LOCKS, fs->posix_lock);
	want(conn, FB_INIT_FLOCK_LOCKS, fs->flock);
}

/*
 * Not every client knows that node 0 means a missing name to be remembered: firmware takes it for a
 * file (edk2, VirtioFsDxe). Those with a cache of names, as Linux, offer to look up in parallel.
 */
static void settle_missing_names(struct fb_passthrough *fs, const struct fb_conn *conn)
{
	if (fs->options.negative_timeout_ns == 0 && !offers(conn, FB_INIT_PARALLEL_DIROPS))
		fs->negative_timeout_ns = 0;
}

int fb_negotiate(struct fb_passthrough *fs, struct fb_conn *conn)
{
	if (fs->posix_acl && !offers(conn, ACL_BITS))
		return fb_fail(EPROTO, "POSIX ACLs are asked for, but the client can not do them");
	if (fs->options.security_label && !offers(conn, FB_INIT_SECURITY_CTX))
		return fb_fail(EPROTO,
			       "security labels are asked for, but the client does not send them");
	/* ACLs make the client check by itself, whatever its mount options. */
	fs->default_permissions = conn->default_permissions || fs->posix_acl;
	fs->all_as_caller = fs->options.caller_credentials || !fs->default_permissions;
	fb_options_settle_timeouts(fs);
	settle_missing_names(fs, conn);
	want_data_path(fs, conn);
	want_names(fs, conn);
	want_permissions(fs, conn);
	fs->granted = conn->wanted & conn->offered;
	return 0;
}
