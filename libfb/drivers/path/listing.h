/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of a listing, and what the path layer does with it beyond <libfb/listing.h>.
 */
#ifndef LIBFB_PATH_LISTING_H
#define LIBFB_PATH_LISTING_H

#include <libfb/listing.h>

struct fb_listing_name {
	uint64_t ino;   /* 0: not known */
	size_t text;    /* offset in texts */
	uint32_t attr;  /* place in attrs, counted from 1; or 0 */
	uint8_t length; /* of the name */
	uint8_t type;   /* DT_* */
};

struct fb_listing {
	struct fb_listing_name *names;
	struct fb_attr *attrs;
	char *texts;
	size_t count, name_room;
	size_t attr_count, attr_room;
	size_t text_size, text_room;
	size_t dots;           /* of the names are "." and "..", which are not counted */
	_Atomic unsigned refs; /* who shares it */
};

/* Share it; fb_listing_free() gives one share back. Returns listing. */
struct fb_listing *fb_listing_ref(struct fb_listing *listing);

#endif
