/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A directory listing that is gathered at once and sent page by page: for drivers whose directories
 * have no positions to go on from. Not for several threads at a time.
 */
#ifndef LIBFB_LISTING_H
#define LIBFB_LISTING_H

#include <libfb/io.h>
#include <libfb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fb_listing;

/* Make an empty listing. Returns 0 and the listing, or -ENOMEM. */
int fb_listing_new(struct fb_listing **ret_listing) FB_MUST_CHECK;

/* Free a listing with all that is in it; NULL is ignored. */
void fb_listing_free(struct fb_listing *listing);

/*
 * Put "." and ".." before all names, or, where they are, give them other inode numbers: those of the
 * directory and of its parent (0: not known). Returns 0; -EINVAL when there are names already but not
 * these; or -ENOMEM.
 */
int fb_listing_add_dots(struct fb_listing *listing, uint64_t ino,
			uint64_t parent_ino) FB_MUST_CHECK;

/*
 * Append a name of name_len bytes (copied). attr (copied) holds the attributes of what has the name:
 * all of them, so that they can go to the client along with the name; NULL where they are not at
 * hand, which a mode without a file type means, too. "." and ".." are ignored: see
 * fb_listing_add_dots(). Nothing looks whether the name is there already. Returns 0; -EINVAL for a name that no directory can hold (empty, longer than FB_NAME_MAX, with '/'
 * or NUL); or -ENOMEM. After an error the listing is what it was before.
 */
int fb_listing_add(struct fb_listing *listing, const char *name, size_t name_len,
		   const struct fb_attr *attr) FB_MUST_CHECK;

/*
 * Append a name of which no more is known than its inode number and its type (DT_* of <dirent.h>); 0
 * and DT_UNKNOWN where not even that. Else as fb_listing_add().
 */
int fb_listing_add_name(struct fb_listing *listing, const char *name, size_t name_len, uint64_t ino,
			uint32_t type) FB_MUST_CHECK;

/* Say how many names there are, besides "." and "..". */
size_t fb_listing_count(const struct fb_listing *listing);

/*
 * Look one name up for a client that wants attributes along with it: return 1 with *ret_entry
 * filled in and one lookup of its node counted, or 0 when the client gets the name only. An error
 * (-errno) means 0, too. entry is what is about to be sent; attr is what the listing knows, or NULL.
 */
typedef int fb_listing_plus_fn(void *arg, const struct fb_dirent *entry, const struct fb_attr *attr,
			       struct fb_entry *ret_entry);

/*
 * Send the names after cookie (0: from the first one on), until the sink is full: for readdir and
 * readdirplus. A name's cookie is its place, counted from 1. Names without an inode number get one
 * that is not 0. plus is called (with arg) for each name that fits if the client wants attributes;
 * it may be NULL. Returns 0 or -errno.
 */
int fb_listing_send(const struct fb_listing *listing, uint64_t cookie, struct fb_dirsink *to,
		    fb_listing_plus_fn *plus, void *arg) FB_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
