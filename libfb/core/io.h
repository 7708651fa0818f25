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

/* Bytes that are the first of a sink, and lie elsewhere; data NULL: there are none. */
struct fb_given {
	const void *data;
	size_t size;
	void *at; /* their place in the room */
	void (*release)(void *arg);
	void *arg;
};

struct fb_sink {
	struct iovec *iov; /* what is free; changed in place */
	size_t count;
	size_t room;
	size_t size; /* filled so far */
	bool takes_given;
	struct fb_given given;
};

struct fb_dirsink {
	uint8_t *buffer;
	size_t room, size;
	bool plus;
	/* Of a driver: it takes the entries instead of the buffer. */
	int (*add)(void *arg, const struct fb_dirent *entry, const struct fb_entry *plus);
	void *arg;
};

/* Make a source or sink of these pieces, which are borrowed and used up. */
void fb_source_init(struct fb_source *from, struct iovec *iov, size_t count);
void fb_sink_init(struct fb_sink *to, struct iovec *iov, size_t count);

/*
 * What is to be sent in the place of the room: NULL for the room itself. Given bytes that others follow
 * are put into it.
 */
const void *fb_sink_settle(struct fb_sink *to);

/* Nobody looks at given bytes any more. */
void fb_sink_release(struct fb_sink *to);

#endif
