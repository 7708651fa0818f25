/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver's own state.
 */
#ifndef LIBFB_PASSTHROUGH_STATE_H
#define LIBFB_PASSTHROUGH_STATE_H

#include "budget.h"
#include "credentials.h"
#include "id_map.h"
#include "identity.h"
#include "inode_table.h"
#include "mount_fds.h"
#include "xattr_map.h"

#include <libfb/driver.h>
#include <libfb/log.h>
#include <libfb/passthrough.h>

struct fb_handle_table; /* of the files half */

struct fb_passthrough {
	struct fb_driver_ops ops; /* without what the options rule out */

	/* Fixed by fb_passthrough_new(). */
	struct fb_passthrough_options options;
	bool xattr, posix_acl, posix_lock, flock, readdir, readdirplus, killpriv;
	bool kernel_passthrough, direct_io, allow_mmap, noatime, writeback;
	struct fb_xattr_map *xattr_map; /* or NULL */
	const char *capability; /* what xattr_map makes of security.capability; NULL: it stays */
	char capability_room[FB_XATTR_NAME_ROOM];
	struct fb_id_map uids, gids;
	int proc_self_fd;  /* the directory /proc/self/fd, O_PATH */
	int proc;          /* the directory /proc, O_PATH: groups of callers */
	bool proc_visible; /* proc_self_fd is what /proc/self/fd names */
	pid_t pid;         /* whose /proc/self/fd it is */
	int source_fd;     /* the shared directory or file, O_PATH */
	struct fb_credentials own;
	enum fb_inode_handles handle_mode; /* after the probe */
	bool ready;                        /* tables are set up: fb_passthrough_free() */

	/* Of the client that is being served: set by init, dropped by destroy. */
	struct fb_session *session;
	uint64_t granted;         /* FB_INIT_*: as far as known in init */
	bool default_permissions; /* it checks modes and ACLs by itself */
	uint64_t entry_timeout_ns, attr_timeout_ns, negative_timeout_ns;
	uint64_t dir_entry_timeout_ns, dir_attr_timeout_ns;
	bool all_as_caller; /* FB_CREDENTIALS_ACCESS means something */
	_Atomic bool noted_excess;

	struct fb_inode_table inodes;
	struct fb_mount_fds mounts;
	struct fb_budget budget;
	struct fb_handle_table *handles;
};

/*
 * What the files half provides. _new: for a driver that starts; _clear: the client is gone, close
 * all (before the nodes are dropped); _free: end. fb_inode_files_free: a node's memory goes; no
 * request works on it any more.
 */
int fb_handle_table_new(struct fb_handle_table **ret_handles) FB_MUST_CHECK;
void fb_handle_table_clear(struct fb_passthrough *fs);
void fb_handle_table_free(struct fb_handle_table *handles);
void fb_inode_files_free(struct fb_passthrough *fs, struct fb_inode_files *files);

/* Each puts its operations into ops, less what fs->options rule out. fs is fully set up. */
void fb_node_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops);
void fb_file_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops);
void fb_dir_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops);
void fb_xattr_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops);
void fb_lock_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops);
void fb_ioctl_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops);

#endif
