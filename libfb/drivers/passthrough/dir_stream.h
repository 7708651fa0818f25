/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading an open directory of the host from any cookie on.
 *
 * Cookies are the host's own (d_off), so they stay valid for as long as the host keeps them. The
 * position of the descriptor moves only when the client does not go on where it stopped.
 */
#ifndef LIBFB_PASSTHROUGH_DIR_STREAM_H
#define LIBFB_PASSTHROUGH_DIR_STREAM_H

#include <libfb/types.h>

#include <dirent.h>
#include <pthread.h>

struct fb_passthrough;

struct fb_dir_stream {
	pthread_mutex_t lock; /* for the caller to hold over all that follows */
	uint64_t at;          /* the cookie at which the next entry stands */
	bool known;           /* whether at is where buffer and descriptor are */
	size_t next, filled;  /* bytes in buffer */
	char *buffer;         /* or NULL */
};

/* Make the stream of a directory that was just opened. Returns NULL without memory. */
struct fb_dir_stream *fb_dir_stream_new(void);

void fb_dir_stream_free(struct fb_passthrough *fs, struct fb_dir_stream *stream);

/* Go to the entry after cookie; 0 starts over and sees what is new. Returns 0 or -errno. */
int fb_dir_stream_seek(struct fb_passthrough *fs, struct fb_dir_stream *stream, int fd,
		       uint64_t cookie) FB_MUST_CHECK;

/*
 * Look at the next entry. Borrowed until the stream moves. Returns 1, 0 at the end, or -errno.
 */
int fb_dir_stream_peek(struct fb_passthrough *fs, struct fb_dir_stream *stream, int fd,
		       const struct dirent64 **ret_entry) FB_MUST_CHECK;

/* Step over the entry that was looked at. */
void fb_dir_stream_step(struct fb_dir_stream *stream);

/* The client has got what it asked for: keep what was read ahead, unless many do so. */
void fb_dir_stream_pause(struct fb_passthrough *fs, struct fb_dir_stream *stream);

#endif
