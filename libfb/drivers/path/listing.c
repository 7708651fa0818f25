/* SPDX-License-Identifier: BSD-3-Clause */
#include "listing.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What stands for an inode number that nobody knows: an entry can not have 0. */
#define UNKNOWN_INO UINT32_MAX

/* Places that an array gets at first. */
#define ROOM_MIN 32

/* Names that a listing holds: cookies and places in attrs fit. */
#define NAMES_MAX (UINT32_MAX - 1)

int fb_listing_new(struct fb_listing **ret_listing)
{
	struct fb_listing *listing = calloc(1, sizeof(*listing));

	if (!listing)
		return -ENOMEM;
	listing->refs = 1;
	*ret_listing = listing;
	return 0;
}

void fb_listing_free(struct fb_listing *listing)
{
	if (!listing || atomic_fetch_sub(&listing->refs, 1) > 1)
		return;
	free(listing->names);
	free(listing->attrs);
	free(listing->texts);
	free(listing);
}

struct fb_listing *fb_listing_ref(struct fb_listing *listing)
{
	atomic_fetch_add(&listing->refs, 1);
	return listing;
}

size_t fb_listing_count(const struct fb_listing *listing)
{
	return listing->count - listing->dots;
}

/* Have room for more things of this size behind count of them. Returns the array, or NULL. */
static void *grow(void *array, size_t size, size_t count, size_t more, size_t *room)
{
	size_t wanted = *room ? *room : ROOM_MIN;
	void *grown;

	if (*room - count >= more)
		return array;
	while (wanted - count < more)
		wanted *= 2;
	grown = realloc(array, wanted * size);
	if (grown)
		*room = wanted;
	return grown;
}

/* Have room for one name more, with attributes or without. */
static bool make_room(struct fb_listing *listing, size_t name_len, bool attr)
{
	void *names = grow(listing->names, sizeof(*listing->names), listing->count, 1,
			   &listing->name_room);
	void *texts, *attrs;

	if (!names)
		return false;
	listing->names = names;
	texts = grow(listing->texts, 1, listing->text_size, name_len, &listing->text_room);
	if (!texts)
		return false;
	listing->texts = texts;
	if (!attr)
		return true;
	attrs = grow(listing->attrs, sizeof(*listing->attrs), listing->attr_count, 1,
		     &listing->attr_room);
	if (attrs)
		listing->attrs = attrs;
	return attrs != NULL;
}

/* Append a name that has been looked at. attr is complete, or NULL. */
static int append(struct fb_listing *listing, const char *name, size_t name_len, uint64_t ino,
		  uint32_t type, const struct fb_attr *attr)
{
	struct fb_listing_name *added;

	if (listing->count >= NAMES_MAX || !make_room(listing, name_len, attr != NULL))
		return -ENOMEM;
	added = &listing->names[listing->count++];
	*added = (struct fb_listing_name){ .ino = ino,
					   .text = listing->text_size,
					   .length = (uint8_t)name_len,
					   .type = (uint8_t)type };
	memcpy(listing->texts + listing->text_size, name, name_len);
	listing->text_size += name_len;
	if (!attr)
		return 0;
	listing->attrs[listing->attr_count++] = *attr;
	added->attr = (uint32_t)listing->attr_count;
	return 0;
}

static bool is_dots(const char *name, size_t name_len)
{
	return name[0] == '.' && (name_len == 1 || (name_len == 2 && name[1] == '.'));
}

/* Returns 1 for a name to append, 0 for one to ignore. */
static int check(const char *name, size_t name_len)
{
	if (name_len == 0 || name_len > FB_NAME_MAX || memchr(name, '/', name_len) ||
	    memchr(name, '\0', name_len))
		return -EINVAL;
	return !is_dots(name, name_len);
}

int fb_listing_add(struct fb_listing *listing, const char *name, size_t name_len,
		   const struct fb_attr *attr)
{
	int r = check(name, name_len);
	bool complete = attr && (attr->mode & S_IFMT);

	if (r <= 0)
		return r;
	return append(listing, name, name_len, attr ? attr->ino : 0,
		      complete ? IFTODT(attr->mode) : DT_UNKNOWN, complete ? attr : NULL);
}

int fb_listing_add_name(struct fb_listing *listing, const char *name, size_t name_len, uint64_t ino,
			uint32_t type)
{
	int r = check(name, name_len);

	if (r <= 0)
		return r;
	/* Types are those of st_mode, of four bits. */
	return append(listing, name, name_len, ino, type > 15 ? DT_UNKNOWN : type, NULL);
}

int fb_listing_add_dots(struct fb_listing *listing, uint64_t ino, uint64_t parent_ino)
{
	int r;

	if (listing->dots) {
		listing->names[0].ino = ino;
		listing->names[1].ino = parent_ino;
		return 0;
	}
	if (listing->count > 0)
		return -EINVAL;
	r = append(listing, ".", 1, ino, DT_DIR, NULL);
	if (r == 0)
		r = append(listing, "..", 2, parent_ino, DT_DIR, NULL);
	if (r == 0)
		listing->dots = listing->count;
	else
		listing->count = 0; /* with one of them it would be no beginning */
	return r;
}

/* What is told along with a name: true, and *ret_entry is filled in and counted. */
static bool look_up(const struct fb_listing *listing, const struct fb_listing_name *name,
		    const struct fb_dirent *entry, fb_listing_plus_fn *plus, void *arg,
		    struct fb_entry *ret_entry)
{
	const struct fb_attr *attr = name->attr ? &listing->attrs[name->attr - 1] : NULL;

	return !is_dots(entry->name, entry->name_len) && plus(arg, entry, attr, ret_entry) > 0;
}

int fb_listing_send(const struct fb_listing *listing, uint64_t cookie, struct fb_dirsink *to,
		    fb_listing_plus_fn *plus, void *arg)
{
	bool wants_plus = plus && fb_dirsink_plus(to);

	for (; cookie < listing->count; cookie++) {
		const struct fb_listing_name *name = &listing->names[cookie];
		struct fb_dirent entry = { name->ino ? name->ino : UNKNOWN_INO, cookie + 1,
					   name->type, listing->texts + name->text, name->length };
		struct fb_entry found;
		bool known;
		int r;

		/* Before anything is counted that might not be sent. */
		if (!fb_dirsink_fits(to, entry.name_len))
			break;
		known = wants_plus && look_up(listing, name, &entry, plus, arg, &found);
		if (known && !name->ino && found.attr.ino)
			entry.ino = found.attr.ino;
		r = fb_dirsink_add(to, &entry, known ? &found : NULL);
		if (r < 0)
			return r;
	}
	return 0;
}
