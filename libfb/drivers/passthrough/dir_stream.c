/* SPDX-License-Identifier: BSD-3-Clause */
#include "dir_stream.h"

#include "handle_table.h"
#include "state.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#define BUFFER_SIZE 32768u

/* Half-read directories that may keep what was read ahead; beyond, it is read again. */
#define BUFFERS_KEPT 1024u

struct fb_dir_stream *fb_dir_stream_new(void)
{
	struct fb_dir_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	pthread_mutex_init(&stream->lock, NULL);
	stream->known = true;
	return stream;
}

static void drop_buffer(struct fb_passthrough *fs, struct fb_dir_stream *stream)
{
	if (!stream->buffer)
		return;
	free(stream->buffer);
	stream->buffer = NULL;
	stream->known = stream->known && stream->next == stream->filled;
	stream->next = stream->filled = 0;
	atomic_fetch_sub(&fs->handles->dir_buffers, 1);
}

void fb_dir_stream_free(struct fb_passthrough *fs, struct fb_dir_stream *stream)
{
	if (!stream)
		return;
	drop_buffer(fs, stream);
	pthread_mutex_destroy(&stream->lock);
	free(stream);
}

/* Have at least one entry in the buffer. Returns 1, 0 at the end, or -errno. */
static int fill(struct fb_passthrough *fs, struct fb_dir_stream *stream, int fd)
{
	ssize_t got;

	if (stream->next < stream->filled)
		return 1;
	if (!stream->buffer) {
		stream->buffer = malloc(BUFFER_SIZE);
		if (!stream->buffer)
			return -ENOMEM;
		atomic_fetch_add(&fs->handles->dir_buffers, 1);
	}
	got = getdents64(fd, stream->buffer, BUFFER_SIZE);
	if (got < 0)
		return -errno;
	stream->next = 0;
	stream->filled = (size_t)got;
	return got > 0 ? 1 : 0;
}

static const struct dirent64 *next_entry(const struct fb_dir_stream *stream)
{
	return (const void *)(stream->buffer + stream->next);
}

void fb_dir_stream_step(struct fb_dir_stream *stream)
{
	const struct dirent64 *entry = next_entry(stream);

	assert(stream->next < stream->filled);
	stream->at = (uint64_t)entry->d_off;
	stream->next += entry->d_reclen;
}

static int rewind_to(struct fb_dir_stream *stream, int fd, uint64_t cookie)
{
	stream->known = false;
	stream->next = stream->filled = 0;
	if (lseek(fd, (off_t)cookie, SEEK_SET) < 0)
		return -errno;
	stream->at = cookie;
	stream->known = true;
	return 0;
}

/* NFS uses all 64 bits for a cookie, of which lseek() takes 63: read up to it. */
static int rescan(struct fb_passthrough *fs, struct fb_dir_stream *stream, int fd, uint64_t cookie)
{
	int result = rewind_to(stream, fd, 0);

	while (result == 0 && stream->at != cookie) {
		result = fill(fs, stream, fd);
		if (result == 0)
			return -EINVAL;
		if (result < 0)
			return result;
		fb_dir_stream_step(stream);
		result = 0;
	}
	return result;
}

int fb_dir_stream_seek(struct fb_passthrough *fs, struct fb_dir_stream *stream, int fd,
		       uint64_t cookie)
{
	bool fresh = stream->filled == 0 && stream->at == 0;

	if (stream->known && cookie == stream->at && (cookie != 0 || fresh))
		return 0;
	if (cookie > INT64_MAX)
		return rescan(fs, stream, fd, cookie);
	return rewind_to(stream, fd, cookie);
}

int fb_dir_stream_peek(struct fb_passthrough *fs, struct fb_dir_stream *stream, int fd,
		       const struct dirent64 **ret_entry)
{
	int result = fill(fs, stream, fd);

	if (result > 0)
		*ret_entry = next_entry(stream);
	return result;
}

void fb_dir_stream_pause(struct fb_passthrough *fs, struct fb_dir_stream *stream)
{
	bool used_up = stream->next == stream->filled;

	if (used_up || atomic_load(&fs->handles->dir_buffers) > BUFFERS_KEPT)
		drop_buffer(fs, stream);
}
