/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bulk data: where the bytes of a write come from and where the bytes of a read go to.
 *
 * A source or sink hides whether its bytes lie in a buffer, in a ring's payload or in the memory of
 * a virtual machine. It belongs to its request and is valid until the request is completed. Bytes
 * in guest memory can change while you look at them: copy first, then check the copy.
 */
#ifndef LIBFB_IO_H
#define LIBFB_IO_H

#include <libfb/types.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fb_source; /* bytes to take: write */
struct fb_sink;   /* room to fill: read, readlink, getxattr, listxattr, ioctl */

/* Say how many bytes have not been taken yet. */
size_t fb_source_size(const struct fb_source *from);

/*
 * Show the bytes not taken yet where they lie. Borrowed; *ret_count is the number of pieces. The
 * pieces may be more than IOV_MAX.
 */
const struct iovec *fb_source_iov(const struct fb_source *from, size_t *ret_count);

/* Copy up to size bytes out and take them. Returns how many. */
size_t fb_source_copy(struct fb_source *from, void *to, size_t size);

/* Take size bytes without looking at them. Returns how many there were. */
size_t fb_source_skip(struct fb_source *from, size_t size);

/*
 * Write up to count bytes to a file at offset off, by the transport's best path, and take what was
 * written. rwf_flags are the RWF_* of pwritev2(2) (RWF_APPEND ignores off). Goes on after short
 * writes. Returns the bytes written, or -errno when not one byte could be; -EINVAL for an offset of
 * 2^63 and more.
 */
ssize_t fb_source_to_fd(struct fb_source *from, int fd, size_t count, uint64_t off,
			int rwf_flags) FB_MUST_CHECK;

/* Say how many more bytes fit. */
size_t fb_sink_room(const struct fb_sink *to);

/* Say how many bytes have been filled in. */
size_t fb_sink_size(const struct fb_sink *to);

/*
 * Append size bytes of data (copied). Returns 0, or -ERANGE when they do not fit; then nothing was
 * appended.
 */
int fb_sink_put(struct fb_sink *to, const void *data, size_t size) FB_MUST_CHECK;

/*
 * Append size bytes of data without copying them where the transport can: as the whole of an answer
 * on /dev/fuse. data must stay as it is until release(arg) is called: once, from any thread, when the
 * answer has been sent or will not be, whatever becomes of the request; or before this returns, where
 * the bytes were copied. release may be NULL. Returns 0, or -ERANGE when they do not fit; then nothing
 * was appended and release is not called.
 */
int fb_sink_give(struct fb_sink *to, const void *data, size_t size, void (*release)(void *arg),
		 void *arg) FB_MUST_CHECK;

/*
 * Show the room not filled yet where it lies, for a driver that fills it in place; then
 * fb_sink_filled() says how much. Borrowed; *ret_count is the number of pieces, which may be more
 * than IOV_MAX.
 */
const struct iovec *fb_sink_iov(const struct fb_sink *to, size_t *ret_count);

/* Count size bytes of the room as filled. Returns 0, or -EINVAL when there is less room. */
int fb_sink_filled(struct fb_sink *to, size_t size) FB_MUST_CHECK;

/*
 * Append up to count bytes read from a file at offset off, by the transport's best path. Goes on
 * after short reads, so less than count means end of file. Returns the bytes read, or -errno: also
 * after some bytes, as clients take a short answer for the end of the file; -EINVAL for an offset
 * of 2^63 and more.
 */
ssize_t fb_sink_from_fd(struct fb_sink *to, int fd, size_t count, uint64_t off) FB_MUST_CHECK;

/*
 * Make a source of size bytes at data, or a sink with room for size bytes at memory: for a driver that
 * calls another driver's read, write and the like with bytes of its own, say to encrypt them. The
 * memory is borrowed until the source or sink is freed. Returns 0, or -ENOMEM.
 */
int fb_source_new(const void *data, size_t size, struct fb_source **ret_source) FB_MUST_CHECK;
int fb_sink_new(void *memory, size_t size, struct fb_sink **ret_sink) FB_MUST_CHECK;

/* Free what the functions above made (never one that belongs to a request); NULL is ignored. */
void fb_source_free(struct fb_source *from);
void fb_sink_free(struct fb_sink *to);

/*
 * A directory listing being filled: the room of readdir and readdirplus.
 */
struct fb_dirsink;

/*
 * Say whether an entry with a name of name_len bytes still fits. readdirplus asks this before it
 * looks a name up, so that it takes no reference for an entry that is not sent.
 */
bool fb_dirsink_fits(const struct fb_dirsink *to, size_t name_len);

/*
 * Append one entry. With readdirplus, attributes come from plus; NULL, or a plus with node 0, means
 * "the name exists, attributes not at hand". plus is copied and ignored by readdir. A plus with a
 * node counts one lookup of that node, as lookup does; "." and ".." never count: pass NULL there.
 * When readdirplus fails afterwards, the library takes these lookups back.
 * Returns 0; -ENOBUFS when it does not fit (stop here, the client asks again with the cookie of
 * the last entry); -EINVAL for a name that no directory can hold or ino 0.
 */
int fb_dirsink_add(struct fb_dirsink *to, const struct fb_dirent *entry,
		   const struct fb_entry *plus) FB_MUST_CHECK;

/* Say whether the client wants attributes with the names: true in readdirplus. */
bool fb_dirsink_plus(const struct fb_dirsink *to);

/*
 * Make a sink that hands each entry to add instead of sending it: for a driver that calls another
 * driver's readdir (or, with plus, readdirplus) to look at the names. entry and plus are borrowed for the
 * call. add returns 0 to go on, or -ENOBUFS for full: then this entry was not taken. With plus the
 * lookups of the entries that were taken belong to whoever made the sink. arg is borrowed.
 * Returns 0, or -ENOMEM. Free it with fb_dirsink_free().
 */
int fb_dirsink_new(int (*add)(void *arg, const struct fb_dirent *entry,
			      const struct fb_entry *plus),
		   void *arg, bool plus, struct fb_dirsink **ret_sink) FB_MUST_CHECK;

/* Free what fb_dirsink_new() made; NULL is ignored. */
void fb_dirsink_free(struct fb_dirsink *to);

#ifdef __cplusplus
}
#endif

#endif
