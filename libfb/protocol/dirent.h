/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Directory streams: what READDIR and READDIRPLUS answer with.
 *
 * An entry is a struct fb_wire_dirent (READDIRPLUS: fb_wire_direntplus), the name without NUL, and
 * zeros up to a multiple of 8. Entries are whole or absent: a peer drops a split one silently.
 */
#ifndef FB_PROTOCOL_DIRENT_H
#define FB_PROTOCOL_DIRENT_H

#include <libfb/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/wire.h"

/* One entry as it stands in a stream. */
struct fb_dirent_view {
	struct fb_dirent dirent;        /* its name lies in the stream: no NUL behind it */
	uint64_t node;                  /* for which this entry counts one lookup, or 0 */
	struct fb_wire_entry_out entry; /* zero without plus */
};

/* Bytes that an entry with a name of name_len bytes takes up. */
size_t fb_dirent_size(size_t name_len, bool plus);

/* Whether a directory can hold an entry: its name is one, its ino is not 0. */
bool fb_dirent_valid(const struct fb_dirent *dirent);

/*
 * Write one entry to `to`, which needs no alignment and has room for `room` bytes. With plus,
 * attributes come from entry; NULL, or an entry with node 0, means that there are none at hand.
 * "." and ".." never get any, because no peer counts a lookup for them. Returns the bytes written;
 * -ENOBUFS when it does not fit; -EINVAL for a name that no directory can hold, or ino 0. On
 * failure nothing is written.
 */
int fb_dirent_add(void *to, size_t room, bool plus, const struct fb_dirent *dirent,
		  const struct fb_entry *entry);

/*
 * Step through a stream of size bytes: read the entry at *at and move *at behind it. Returns 1, or
 * 0 at the end, or -EINVAL where the stream is broken.
 */
int fb_dirent_next(const void *stream, size_t size, bool plus, size_t *at,
		   struct fb_dirent_view *ret_view);

#endif
