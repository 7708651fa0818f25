/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open files and directories, by the number (fh) that the client sends back.
 *
 * An fh is a slot and the slot's generation, never a pointer: a number that was made up, released
 * or meant for another node or kind finds nothing. Finding and pinning a handle takes no lock and
 * no allocation. A pinned handle stays whole, so that RELEASE may run beside READ.
 */
#ifndef LIBFB_PASSTHROUGH_HANDLE_TABLE_H
#define LIBFB_PASSTHROUGH_HANDLE_TABLE_H

#include "scope.h"

#include <libfb/types.h>

#include <pthread.h>
#include <stdatomic.h>

struct fb_dir_stream;
struct fb_inode;
struct fb_lock_waiters;
struct fb_mount_points;
struct fb_passthrough;

enum fb_handle_kind {
	FB_HANDLE_FILE = 1,
	FB_HANDLE_DIR,
};

/* Slots come in chunks, which stay until the table goes, so that readers need no lock. */
#define FB_HANDLE_CHUNK_SLOTS 256u
#define FB_HANDLE_CHUNKS 4096u
#define FB_HANDLES_MAX (FB_HANDLE_CHUNK_SLOTS * FB_HANDLE_CHUNKS)

struct fb_handle {
	/* generation << 32 | FB_HANDLE_OPEN | references, of which being open is one. */
	_Atomic uint64_t state;
	uint32_t index;
	enum fb_handle_kind kind;
	int flags;             /* O_* that fd was opened with */
	int fd;                /* this handle's own, counted in the budget */
	_Atomic int cached_fd; /* beside an O_DIRECT fd: one without, counted; or -1 */
	_Atomic bool flocked;  /* it holds a flock(2) of the host */
	uint64_t node;
	struct fb_inode *inode;       /* pinned; NULL only in unit tests */
	struct fb_dir_stream *stream; /* of a directory */
	_Atomic uint32_t next_free;   /* index + 1 of the next one in the list, or 0 */
} __attribute__((aligned(64)));

struct fb_handle_table {
	pthread_mutex_t lock; /* of used; never taken to find a handle, nor to use a slot again */
	/*
	 * Slots to be used again: index + 1 of the first, or 0, and in the upper half a number that
	 * each change counts up, so that a slot that went and came back is not taken for unchanged.
	 */
	_Atomic uint64_t free;
	uint32_t used; /* slots that were ever in use */
	_Atomic uint32_t open;
	_Atomic uint32_t dir_buffers; /* kept by half-read directories */
	_Atomic size_t lock_entries;  /* see FB_LOCK_ENTRIES_MAX */
	_Atomic(struct fb_handle *) chunks[FB_HANDLE_CHUNKS];
	struct fb_lock_waiters *waiters;
	struct fb_mount_points *mount_points;
};

/* What a handle is made of; everything in it is taken. */
struct fb_handle_parts {
	enum fb_handle_kind kind;
	uint64_t node;
	struct fb_inode *inode;
	int fd; /* counted with fb_budget_take() */
	int flags;
	struct fb_dir_stream *stream;
};

/* Give back what no handle was made of. */
void fb_handle_parts_free(struct fb_passthrough *fs, const struct fb_handle_parts *parts);

/*
 * Make a handle; parts are taken, also on failure. The fh is never 0. Returns 0, or -ENFILE when
 * all slots are in use, or -ENOMEM.
 */
int fb_handle_add(struct fb_passthrough *fs, const struct fb_handle_parts *parts,
		  uint64_t *ret_fh) FB_MUST_CHECK;

/* Find and pin. Returns NULL unless fh is open, of this node and of this kind: answer -EBADF. */
struct fb_handle *fb_handle_get(struct fb_passthrough *fs, uint64_t fh, uint64_t node,
				enum fb_handle_kind kind);

/* Pin a handle that is pinned already. Returns handle. */
struct fb_handle *fb_handle_ref(struct fb_handle *handle);

/* Unpin; NULL is ignored. The last one closes and frees what was released. */
void fb_handle_put(struct fb_passthrough *fs, struct fb_handle *handle);

/*
 * Release: nobody finds the handle from now on. Returns it pinned, or NULL as fb_handle_get().
 */
struct fb_handle *fb_handle_close(struct fb_passthrough *fs, uint64_t fh, uint64_t node,
				  enum fb_handle_kind kind);

/* Say whether the handle has not been released yet. */
bool fb_handle_is_open(struct fb_handle *handle);

/* The number that the client knows a pinned handle by. */
uint64_t fb_handle_fh(struct fb_handle *handle);

/* ---- moving to another server; no request is under way --------------------------------------------- */

/* The next open handle from *index on, which then stands behind it; NULL after the last one. */
struct fb_handle *fb_handle_next(struct fb_passthrough *fs, uint32_t *index);

/*
 * Make a handle with a number that the client knows already; parts are taken, also on failure.
 * Afterwards fb_handle_settle() is due. Returns 0, -EINVAL for a number that can not be or is in use,
 * or -ENOMEM.
 */
int fb_handle_restore(struct fb_passthrough *fs, const struct fb_handle_parts *parts,
		      uint64_t fh) FB_MUST_CHECK;

/* See to it that nothing is going to have this number, which the client believes to be open. */
int fb_handle_avoid(struct fb_passthrough *fs, uint64_t fh) FB_MUST_CHECK;

/* All that came is there: find out which slots are free. */
void fb_handle_settle(struct fb_passthrough *fs);

/*
 * A pin that ends with its scope:
 *	FB_SCOPE_HANDLE struct fb_handle_pin at = fb_handle_pin(fs, fh, node, FB_HANDLE_FILE);
 *	if (!at.handle)
 *		return -EBADF;
 */
struct fb_handle_pin {
	struct fb_passthrough *fs;
	struct fb_handle *handle;
};

#define FB_SCOPE_HANDLE FB_CLEANUP(fb_handle_pin_end)

static inline struct fb_handle_pin fb_handle_pin(struct fb_passthrough *fs, uint64_t fh,
						 uint64_t node, enum fb_handle_kind kind)
{
	return (struct fb_handle_pin){ .fs = fs, .handle = fb_handle_get(fs, fh, node, kind) };
}

static inline void fb_handle_pin_end(const struct fb_handle_pin *pin)
{
	fb_handle_put(pin->fs, pin->handle);
}

#endif
