/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/io.h"

#include <assert.h>
#include <errno.h>
#include <libfb/log.h>
#include <stdlib.h>
#include <string.h>

#include "core/iov.h"
#include "protocol/dirent.h"

/* Pieces given to one system call: few enough for the stack, many enough for large transfers. */
#define PIECES_MAX 64

static size_t iov_total(const struct iovec *iov, size_t count)
{
	size_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += iov[i].iov_len;
	return total;
}

/* Fill part with the first pieces of iov, at most size bytes. Returns how many pieces. */
static int iov_front(const struct iovec *iov, size_t count, size_t size,
		     struct iovec part[static PIECES_MAX])
{
	int used = 0;

	while (size > 0 && used < PIECES_MAX && (size_t)used < count) {
		part[used] = iov[used];
		if (part[used].iov_len > size)
			part[used].iov_len = size;
		size -= part[used].iov_len;
		used++;
	}
	return used;
}

/* Beyond lie the negative numbers, of which -1 is the file's own position to preadv2(2). */
static bool offset_fits(uint64_t off)
{
	return off <= INT64_MAX;
}

void fb_source_init(struct fb_source *from, struct iovec *iov, size_t count)
{
	*from = (struct fb_source){ .iov = iov, .count = count, .size = iov_total(iov, count) };
}

size_t fb_source_size(const struct fb_source *from)
{
	return from->size;
}

const struct iovec *fb_source_iov(const struct fb_source *from, size_t *ret_count)
{
	*ret_count = from->count;
	return from->iov;
}

size_t fb_source_skip(struct fb_source *from, size_t size)
{
	if (size > from->size)
		size = from->size;
	fb_iov_skip(&from->iov, &from->count, size);
	from->size -= size;
	return size;
}

size_t fb_source_copy(struct fb_source *from, void *to, size_t size)
{
	if (size > from->size)
		size = from->size;
	fb_iov_take(&from->iov, &from->count, to, size);
	from->size -= size;
	return size;
}

ssize_t fb_source_to_fd(struct fb_source *from, int fd, size_t count, uint64_t off, int rwf_flags)
{
	struct iovec part[PIECES_MAX];
	size_t done = 0;

	if (!offset_fits(off))
		return -EINVAL;
	if (count > from->size)
		count = from->size;
	while (done < count) {
		int pieces = iov_front(from->iov, from->count, count - done, part);
		ssize_t wrote = pwritev2(fd, part, pieces, (off_t)(off + done), rwf_flags);

		if (wrote <= 0)
			return done > 0 || wrote == 0 ? (ssize_t)done : -errno;
		done += fb_source_skip(from, (size_t)wrote);
	}
	return (ssize_t)done;
}

void fb_sink_init(struct fb_sink *to, struct iovec *iov, size_t count)
{
	*to = (struct fb_sink){ .iov = iov, .count = count, .room = iov_total(iov, count) };
}

size_t fb_sink_room(const struct fb_sink *to)
{
	return to->room;
}

size_t fb_sink_size(const struct fb_sink *to)
{
	return to->size;
}

const struct iovec *fb_sink_iov(const struct fb_sink *to, size_t *ret_count)
{
	*ret_count = to->count;
	return to->iov;
}

int fb_sink_filled(struct fb_sink *to, size_t size)
{
	if (size > to->room)
		return -EINVAL;
	fb_iov_skip(&to->iov, &to->count, size);
	to->room -= size;
	to->size += size;
	return 0;
}

int fb_sink_put(struct fb_sink *to, const void *data, size_t size)
{
	if (size > to->room)
		return -ERANGE;
	fb_iov_put(to->iov, data, size);
	return fb_sink_filled(to, size);
}

int fb_sink_give(struct fb_sink *to, const void *data, size_t size, void (*release)(void *arg),
		 void *arg)
{
	int r;

	if (to->takes_given && to->size == 0 && size > 0 && size <= to->room &&
	    to->iov->iov_len >= size) {
		to->given = (struct fb_given){ data, size, to->iov->iov_base, release, arg };
		return fb_sink_filled(to, size);
	}
	r = fb_sink_put(to, data, size);
	if (r == 0 && release)
		release(arg);
	return r;
}

const void *fb_sink_settle(struct fb_sink *to)
{
	if (to->given.data && to->size > to->given.size) {
		memcpy(to->given.at, to->given.data, to->given.size);
		fb_sink_release(to);
	}
	return to->given.data;
}

void fb_sink_release(struct fb_sink *to)
{
	struct fb_given given = to->given;

	if (!given.data)
		return;
	to->given.data = NULL;
	if (given.release)
		given.release(given.arg);
}

ssize_t fb_sink_from_fd(struct fb_sink *to, int fd, size_t count, uint64_t off)
{
	struct iovec part[PIECES_MAX];
	size_t done = 0;

	if (!offset_fits(off))
		return -EINVAL;
	if (count > to->room)
		count = to->room;
	while (done < count) {
		int pieces = iov_front(to->iov, to->count, count - done, part);
		ssize_t got = preadv2(fd, part, pieces, (off_t)(off + done), 0);

		if (got < 0 && errno == EINTR && done > 0)
			continue;
		/* Not a short count: that would tell the client where the file ends. */
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		if (fb_sink_filled(to, (size_t)got) < 0)
			return -EIO;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

bool fb_dirsink_plus(const struct fb_dirsink *to)
{
	return to->plus;
}

bool fb_dirsink_fits(const struct fb_dirsink *to, size_t name_len)
{
	return to->add || fb_dirent_size(name_len, to->plus) <= to->room - to->size;
}

int fb_dirsink_add(struct fb_dirsink *to, const struct fb_dirent *entry,
		   const struct fb_entry *plus)
{
	uint8_t *at;
	int added;

	if (to->add)
		return fb_dirent_valid(entry) ? to->add(to->arg, entry, plus) : -EINVAL;
	/* Without room there is no buffer either. */
	at = to->room > 0 ? to->buffer + to->size : NULL;
	added = fb_dirent_add(at, to->room - to->size, to->plus, entry, plus);
	if (added < 0)
		return added;
	to->size += (size_t)added;
	return 0;
}

/* ---- of a driver's own ------------------------------------------------------------------------------ */

/* A source or sink with the one piece that it is made of. */
struct own_source {
	struct fb_source source;
	struct iovec iov;
};

struct own_sink {
	struct fb_sink sink;
	struct iovec iov;
};

int fb_source_new(const void *data, size_t size, struct fb_source **ret_source)
{
	struct own_source *own = calloc(1, sizeof(*own));

	if (!own)
		return fb_fail(ENOMEM, "no memory for a source");
	own->iov = (struct iovec){ (void *)(uintptr_t)data, size };
	fb_source_init(&own->source, &own->iov, 1);
	*ret_source = &own->source;
	return 0;
}

void fb_source_free(struct fb_source *from)
{
	free(from);
}

int fb_sink_new(void *memory, size_t size, struct fb_sink **ret_sink)
{
	struct own_sink *own = calloc(1, sizeof(*own));

	if (!own)
		return fb_fail(ENOMEM, "no memory for a sink");
	own->iov = (struct iovec){ memory, size };
	fb_sink_init(&own->sink, &own->iov, 1);
	*ret_sink = &own->sink;
	return 0;
}

void fb_sink_free(struct fb_sink *to)
{
	free(to);
}

int fb_dirsink_new(int (*add)(void *arg, const struct fb_dirent *entry,
			      const struct fb_entry *plus),
		   void *arg, bool plus, struct fb_dirsink **ret_sink)
{
	struct fb_dirsink *own = calloc(1, sizeof(*own));

	if (!own)
		return fb_fail(ENOMEM, "no memory for a sink");
	*own = (struct fb_dirsink){ .plus = plus, .add = add, .arg = arg };
	*ret_sink = own;
	return 0;
}

void fb_dirsink_free(struct fb_dirsink *to)
{
	free(to);
}
