/* SPDX-License-Identifier: BSD-3-Clause */
#include "io_ops.h"

#include "capability.h"
#include "credentials.h"
#include "file_use.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* O_DIRECT wants aligned memory; a block of every device divides a page. */
#define BOUNCE_ALIGN 4096u
#define BOUNCE_MAX (1024u * 1024u)

#define READ_FLAGS (O_SYNC | O_DSYNC | O_DIRECT)

/* Aligned memory for count bytes, or the most that is used at a time. */
static void *bounce_new(size_t count, size_t *ret_size)
{
	size_t size = count < BOUNCE_MAX ? count : BOUNCE_MAX;

	*ret_size = size;
	size = (size + BOUNCE_ALIGN - 1) / BOUNCE_ALIGN * BOUNCE_ALIGN;
	return aligned_alloc(BOUNCE_ALIGN, size);
}

/*
 * Read with O_DIRECT into memory that is not aligned, which is not the caller's fault: its own
 * offset and size decide.
 */
static ssize_t read_bounced(struct fb_sink *to, int fd, size_t count, uint64_t off)
{
	size_t size, done = 0;
	FB_SCOPE_FREE void *bounce = bounce_new(count, &size);
	ssize_t got = 0;

	if (!bounce)
		return -ENOMEM;
	while (done < count) {
		size_t part = count - done < size ? count - done : size;

		got = pread(fd, bounce, part, (off_t)(off + done));
		if (got <= 0 || fb_sink_put(to, bounce, (size_t)got) < 0)
			break;
		done += (size_t)got;
	}
	return got < 0 && done == 0 ? -errno : (ssize_t)done;
}

static ssize_t write_bounced(struct fb_source *from, int fd, size_t count, uint64_t off, int rwf)
{
	size_t size, done = 0;
	FB_SCOPE_FREE void *bounce = bounce_new(count, &size);
	ssize_t wrote = 0;

	if (!bounce)
		return -ENOMEM;
	while (done < count) {
		size_t part =
			fb_source_copy(from, bounce, count - done < size ? count - done : size);
		struct iovec piece = { .iov_base = bounce, .iov_len = part };

		wrote = pwritev2(fd, &piece, 1, (off_t)(off + done), rwf);
		if (wrote <= 0)
			break;
		done += (size_t)wrote;
		/* What was copied can not be put back: a short write ends here. */
		if ((size_t)wrote < part)
			break;
	}
	return wrote < 0 && done == 0 ? -errno : (ssize_t)done;
}

/* Flags for a descriptor that is opened for one request only. */
static int private_flags(const struct fb_passthrough *fs, int access, const struct fb_io *io)
{
	int keep = fs->direct_io ? READ_FLAGS : READ_FLAGS & ~O_DIRECT;

	return access | ((int)io->open_flags & keep);
}

static bool range_ok(uint64_t off, uint64_t size)
{
	return off <= INT64_MAX && size <= INT64_MAX - off;
}

static int op_read(void *self, struct fb_req *req, uint64_t node, uint64_t fh, struct fb_sink *to,
		   size_t count, uint64_t off)
{
	struct fb_passthrough *fs = self;
	const struct fb_io *io = fb_req_io(req);
	FB_SCOPE_FILE_USE struct fb_file_use use = { .fd = -1 };
	int fd = fb_file_use_begin(&use, fs, fb_req_caller(req), node, fh, FB_HANDLE_FILE,
				   private_flags(fs, O_RDONLY, io));
	ssize_t got;

	if (fd == 0)
		fd = fb_file_use_data_fd(&use, (int)io->open_flags);
	if (fd < 0)
		return fd;
	if (!range_ok(off, count))
		return -EINVAL;
	got = fb_sink_from_fd(to, fd, count, off);
	if (got == -EINVAL && ((int)io->open_flags & O_DIRECT))
		got = read_bounced(to, fd, count, off);
	return (int)got;
}

int fb_io_ops_check_seal(const struct fb_passthrough *fs, int fd, uint64_t off, uint64_t size)
{
	struct stat now;

	if (!range_ok(off, size))
		return -EFBIG;
	if (!fs->options.seal_size || size == 0)
		return 0;
	if (fstat(fd, &now) < 0)
		return -errno;
	return off + size > (uint64_t)now.st_size ? -EPERM : 0;
}

/*
 * What the client's page cache writes goes where it stood there; a program's own write to a file
 * that appends goes to the host's end of file, in one step.
 */
static int write_rwf(const struct fb_io *io)
{
	bool appends = ((int)io->open_flags & O_APPEND) && !(io->flags & FB_WRITE_CACHE);

	return appends ? RWF_APPEND : 0;
}

static ssize_t write_data(const struct fb_file_use *use, const struct fb_io *io, int fd,
			  struct fb_source *from, size_t count, uint64_t off)
{
	FB_SCOPE_CRED struct fb_cred_guard guard = { 0 };
	int rwf = write_rwf(io);
	ssize_t wrote;

	if (io->flags & FB_WRITE_KILL_SUIDGID)
		fb_credentials_kill_suidgid(use->fs, fd, &guard);
	wrote = fb_source_to_fd(from, fd, count, off, rwf);
	if (wrote == -EINVAL && ((int)io->open_flags & O_DIRECT))
		wrote = write_bounced(from, fd, count, off, rwf);
	return wrote;
}

static int op_write(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		    struct fb_source *from, size_t count, uint64_t off)
{
	struct fb_passthrough *fs = self;
	const struct fb_io *io = fb_req_io(req);
	FB_SCOPE_FILE_USE struct fb_file_use use = { .fd = -1 };
	int result, fd = fb_file_use_begin(&use, fs, fb_req_caller(req), node, fh, FB_HANDLE_FILE,
					   private_flags(fs, O_WRONLY, io));

	if (fd == 0)
		fd = fb_file_use_data_fd(&use, (int)io->open_flags);
	if (fd < 0)
		return fd;
	if (!range_ok(off, count))
		return -EFBIG;
	/* Every byte that is appended changes the size. */
	if (fs->options.seal_size && write_rwf(io) && count > 0)
		return -EPERM;
	result = fb_io_ops_check_seal(fs, fd, off, count);
	if (result == 0)
		result = fb_capability_drop(fs, fd);
	if (result < 0)
		return result;
	return (int)write_data(&use, io, fd, from, count, off);
}

void fb_io_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops)
{
	(void)fs;
	ops->read = op_read;
	ops->write = op_write;
}
