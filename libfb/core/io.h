/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of sources and sinks: pieces of memory that are used up from the front.
 */
#ifndef FB_CORE_IO_H
#define FB_CORE_IO_H

#include <libfb/io.h>

struct fb_source {
	struct iovec *iov; /* what is left; changed in place */
	size_t count;
	size_t size;
};

struct fb_sink {
	struct iovec *iov; /* what is free; changed in place */
	size_t count;
	size_t room;
	size_t size; /* filled so far */
};

struct fb_dirsink {
	uint8_t *buffer;
	size_t room, size;
	bool plus;
};

/* Make a source or sink of these pieces, which are borrowed and used up. */
void fb_source_init(struct fb_source *from, struct iovec *iov, size_t count);
void fb_sink_init(struct fb_sink *to, struct iovec *iov, size_t count);

#endif
