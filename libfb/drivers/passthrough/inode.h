/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One node: a file of the host that the client knows by a number.
 *
 * Two counts keep a node alive. lookups is the client's: +1 for each entry that it was given, less
 * what it forgets; at 0 the node leaves the table. refs is the driver's own: the table holds one,
 * each operation that works on the node another ("pins" it); at 0 the memory and the descriptor
 * go. So a hostile FORGET can not pull a node away from under a running operation.
 *
 * Pins begin only under the lock of the node's id shard, so that the budget, which holds that lock,
 * may close the descriptor of a node that nobody but the table refers to.
 */
#ifndef LIBFB_PASSTHROUGH_INODE_H
#define LIBFB_PASSTHROUGH_INODE_H

#include "scope.h"

#include <libfb/types.h>

#include <stdatomic.h>
#include <sys/stat.h>

struct fb_passthrough;
struct fb_mount_fd;
struct fb_inode_files; /* of the files half: locks and open counts of this node */

struct fb_inode {
	struct fb_inode *next_by_id, *next_by_key; /* chains of the two maps */
	struct fb_inode *clock_prev, *clock_next;  /* id shard's list of closable descriptors */
	uint64_t node;                             /* the number the client knows */
	uint64_t ino, dev, mnt_id;                 /* which file: never change */
	uint64_t lookups;                          /* guarded by the key shard's lock */
	struct fb_mount_fd *mount;                 /* counted; NULL: lost */
	_Atomic(struct fb_inode_files *) files;    /* freed by fb_inode_files_free() */
	_Atomic uint32_t refs;
	_Atomic int fd;           /* O_PATH, or -1: reopen by handle; without one it is lost */
	uint16_t type;            /* S_IFMT bits of st_mode: never change */
	_Atomic bool used;        /* since the clock hand last came by */
	_Atomic bool read_before; /* was opened for reading */
	bool submount;            /* the root of another mount, announced so */
	bool in_clock;            /* guarded by the id shard's lock */
	bool in_table;            /* guarded by the id shard's lock */
	uint8_t handle_size;      /* bytes of handle[], 0: keep the descriptor */
	int handle_type;
	unsigned char handle[];
};

/* Find a node and pin it. Returns NULL for a node that is not known (answer -ESTALE). */
struct fb_inode *fb_inode_get(struct fb_passthrough *fs, uint64_t node);

/* Pin a node that the caller has pinned already. Returns inode. */
static inline struct fb_inode *fb_inode_ref(struct fb_inode *inode)
{
	atomic_fetch_add_explicit(&inode->refs, 1, memory_order_relaxed);
	return inode;
}

/* Unpin; NULL is ignored. */
void fb_inode_put(struct fb_passthrough *fs, struct fb_inode *inode);

/*
 * The node's O_PATH descriptor, reopened by its file handle where it had been closed. Needs the
 * daemon's own credentials: call it before fb_credentials_assume(). Borrowed while inode is pinned.
 * Returns it or -errno.
 */
int fb_inode_fd(struct fb_passthrough *fs, struct fb_inode *inode) FB_MUST_CHECK;

/*
 * Open the node for I/O with these O_* flags (O_CLOEXEC and O_NOCTTY are added). Only regular files
 * and directories: -EBADF for everything else, so that no client opens a device of the host. The
 * caller has called fb_inode_fd() before where other credentials are in effect. Returns a new
 * descriptor, not counted in the budget (fb_budget_take() for one that is kept), or -errno.
 */
int fb_inode_open(struct fb_passthrough *fs, struct fb_inode *inode, int flags) FB_MUST_CHECK;

/*
 * Find or make the node of the file that fd (O_PATH) refers to, count one lookup of it and
 * fill the entry: attributes, timeouts. fd is taken, also on failure. parent says whether a mount
 * was crossed (NULL: was not). ret_inode may be NULL, else the node comes pinned. Needs the daemon's
 * own credentials. Returns 0 or -errno; fb_inode_forget(fs, entry.node, 1) takes it back.
 */
int fb_inode_enter(struct fb_passthrough *fs, const struct fb_inode *parent, int fd,
		   struct fb_entry *ret_entry, struct fb_inode **ret_inode) FB_MUST_CHECK;

/* The same where statx(2) has just told of the file. */
int fb_inode_enter_seen(struct fb_passthrough *fs, const struct fb_inode *parent, int fd,
			const struct statx *statx, struct fb_entry *ret_entry,
			struct fb_inode **ret_inode) FB_MUST_CHECK;

/* What a client that comes from another server knows of a node. */
struct fb_inode_known {
	uint64_t node, lookups;
	uint16_t type;
	bool submount;
};

/*
 * Make the node of the file behind fd (O_PATH), of which statx told, for a number that nobody has
 * here. fd is taken, also on failure. Returns 0; -EEXIST when the file has another number; -errno.
 */
int fb_inode_restore(struct fb_passthrough *fs, int fd, const struct statx *statx,
		     const struct fb_inode_known *known) FB_MUST_CHECK;

/* The same where there is no file any more: all that can be done with the node is to forget it. */
int fb_inode_restore_lost(struct fb_passthrough *fs,
			  const struct fb_inode_known *known) FB_MUST_CHECK;

/* As fb_inode_enter() for a descriptor that is open for I/O: create, tmpfile. fd is borrowed. */
int fb_inode_enter_opened(struct fb_passthrough *fs, const struct fb_inode *parent, int fd,
			  struct fb_entry *ret_entry, struct fb_inode **ret_inode) FB_MUST_CHECK;

/*
 * Look name up in parent as lookup does: counts one lookup. caller is who asks, for the case that
 * operations run as their callers. Returns 0 or -errno.
 */
struct fb_caller;
int fb_inode_lookup(struct fb_passthrough *fs, const struct fb_caller *caller,
		    struct fb_inode *parent, const char *name,
		    struct fb_entry *ret_entry) FB_MUST_CHECK;

/* Count one more lookup of a pinned node and fill the entry anew: link. Returns 0 or -errno. */
int fb_inode_enter_again(struct fb_passthrough *fs, struct fb_inode *inode,
			 struct fb_entry *ret_entry) FB_MUST_CHECK;

/*
 * A name of the file behind fd (O_PATH) was removed: when it was the last one, see to it that its
 * node has a descriptor, since its file handle is good for nothing from now on.
 */
void fb_inode_keep(struct fb_passthrough *fs, int fd);

/* Drop all nodes, whatever their counts. */
void fb_inode_drop_all(struct fb_passthrough *fs);

/* Take back count lookups. */
void fb_inode_forget(struct fb_passthrough *fs, uint64_t node, uint64_t count);

/* statx(2) of the node through its descriptor: basic fields, birth time and mount. */
int fb_inode_stat(struct fb_passthrough *fs, struct fb_inode *inode,
		  struct statx *ret_statx) FB_MUST_CHECK;

/* Turn what statx told of this node into FUSE's attributes. */
void fb_inode_fill_attr(const struct fb_passthrough *fs, const struct fb_inode *inode,
			const struct statx *statx, struct fb_attr *ret_attr);

/* How long the client may remember them. */
uint64_t fb_inode_attr_timeout(const struct fb_passthrough *fs, const struct fb_inode *inode);

static inline bool fb_inode_is_dir(const struct fb_inode *inode)
{
	return S_ISDIR(inode->type);
}

static inline bool fb_inode_is_regular(const struct fb_inode *inode)
{
	return S_ISREG(inode->type);
}

/*
 * A pin that ends with its scope:
 *	FB_SCOPE_INODE struct fb_inode_pin at = fb_inode_pin(fs, node);
 *	if (!at.inode)
 *		return -ESTALE;
 */
struct fb_inode_pin {
	struct fb_passthrough *fs;
	struct fb_inode *inode;
};

#define FB_SCOPE_INODE FB_CLEANUP(fb_inode_pin_end)

static inline struct fb_inode_pin fb_inode_pin(struct fb_passthrough *fs, uint64_t node)
{
	return (struct fb_inode_pin){ .fs = fs, .inode = fb_inode_get(fs, node) };
}

static inline void fb_inode_pin_end(const struct fb_inode_pin *pin)
{
	fb_inode_put(pin->fs, pin->inode);
}

#endif
