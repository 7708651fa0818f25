/* SPDX-License-Identifier: BSD-3-Clause */
/* Handlers that work on open files and directories. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/driver_call.h"
#include "core/handlers.h"
#include "protocol/pack.h"

int fb_handle_open(struct fb_req *req)
{
	const struct fb_wire_open_in *in = req->args.in;

	if (in->flags & FB_OPEN_NEVER)
		return -EINVAL;
	return driver(req)->open(self(req), req, node(req), open_flags(in->flags), in->open_flags,
				 &req->out.open);
}

int fb_handle_opendir(struct fb_req *req)
{
	const struct fb_wire_open_in *in = req->args.in;

	if (in->flags & FB_OPEN_NEVER)
		return -EINVAL;
	return driver(req)->opendir(self(req), req, node(req), open_flags(in->flags),
				    &req->out.open);
}

int fb_handle_read(struct fb_req *req)
{
	const struct fb_wire_read_in *in = req->args.in;
	struct fb_session *session = req->channel->session;
	struct fb_backing_file *file;
	int fd = driver(req)->read ? -1 : fb_backing_take(session, node(req), in->fh, &file);

	req->io = (struct fb_io){ in->read_flags, in->flags, in->lock_owner };
	if (fd >= 0) {
		ssize_t got = fb_sink_from_fd(&req->sink, fd, in->size, in->offset);

		fb_backing_give(session, node(req), file);
		return (int)got;
	}
	if (!driver(req)->read)
		return -req->args.row->absent;
	return driver(req)->read(self(req), req, node(req), in->fh, &req->sink, in->size,
				 in->offset);
}

int fb_handle_write(struct fb_req *req)
{
	const struct fb_wire_write_in *in = req->args.in;
	bool append = (in->flags & O_APPEND) && !(in->write_flags & FB_WRITE_CACHE);
	struct fb_session *session = req->channel->session;
	struct fb_backing_file *file;
	int fd = -1;

	/* No client sends that; and who works on one buffer a request counts on it. */
	if (in->size > atomic_load_explicit(&session->max_write, memory_order_relaxed))
		return -EINVAL;
	if (!driver(req)->write)
		fd = fb_backing_take(session, node(req), in->fh, &file);
	req->io = (struct fb_io){ in->write_flags, in->flags, in->lock_owner };
	if (fd >= 0) {
		ssize_t put = fb_source_to_fd(&req->source, fd, in->size, in->offset,
					      append ? RWF_APPEND : 0);

		fb_backing_give(session, node(req), file);
		return (int)put;
	}
	if (!driver(req)->write)
		return -req->args.row->absent;
	return driver(req)->write(self(req), req, node(req), in->fh, &req->source, in->size,
				  in->offset);
}

int fb_handle_flush(struct fb_req *req)
{
	const struct fb_wire_flush_in *in = req->args.in;

	return driver(req)->flush(self(req), req, node(req), in->fh, in->lock_owner);
}

static struct fb_release release_of(const struct fb_wire_release_in *in)
{
	return (struct fb_release){ in->release_flags, in->flags, in->lock_owner };
}

int fb_handle_release(struct fb_req *req)
{
	const struct fb_wire_release_in *in = req->args.in;
	struct fb_release how = release_of(in);

	fb_backing_release(req->channel->session, node(req), in->fh);
	if (driver(req)->release)
		driver(req)->release(self(req), node(req), in->fh, &how);
	return 0;
}

int fb_handle_releasedir(struct fb_req *req)
{
	const struct fb_wire_release_in *in = req->args.in;
	struct fb_release how = release_of(in);

	driver(req)->releasedir(self(req), node(req), in->fh, &how);
	return 0;
}

int fb_handle_fsync(struct fb_req *req)
{
	const struct fb_wire_fsync_in *in = req->args.in;

	return driver(req)->fsync(self(req), req, node(req), in->fh, in->fsync_flags);
}

int fb_handle_fsyncdir(struct fb_req *req)
{
	const struct fb_wire_fsync_in *in = req->args.in;

	return driver(req)->fsyncdir(self(req), req, node(req), in->fh, in->fsync_flags);
}

int fb_handle_readdir(struct fb_req *req)
{
	const struct fb_wire_read_in *in = req->args.in;

	return driver(req)->readdir(self(req), req, node(req), in->fh, in->offset, &req->dirsink);
}

int fb_handle_readdirplus(struct fb_req *req)
{
	const struct fb_wire_read_in *in = req->args.in;

	return driver(req)->readdirplus(self(req), req, node(req), in->fh, in->offset,
					&req->dirsink);
}

int fb_handle_getlk(struct fb_req *req)
{
	const struct fb_wire_lk_in *in = req->args.in;

	fb_unpack_lock(&in->lk, &req->in.lock);
	req->out.lock.type = F_UNLCK;
	return driver(req)->getlk(self(req), req, node(req), in->fh, in->owner, &req->in.lock,
				  in->lk_flags & FB_LK_FLOCK, &req->out.lock);
}

static int setlk(struct fb_req *req, uint32_t wait)
{
	const struct fb_wire_lk_in *in = req->args.in;

	fb_unpack_lock(&in->lk, &req->in.lock);
	return driver(req)->setlk(self(req), req, node(req), in->fh, in->owner, &req->in.lock,
				  (in->lk_flags & FB_LK_FLOCK) | wait);
}

int fb_handle_setlk(struct fb_req *req)
{
	return setlk(req, 0);
}

int fb_handle_setlkw(struct fb_req *req)
{
	return setlk(req, FB_LK_WAIT);
}

int fb_handle_fallocate(struct fb_req *req)
{
	const struct fb_wire_fallocate_in *in = req->args.in;

	return driver(req)->fallocate(self(req), req, node(req), in->fh, in->mode, in->offset,
				      in->length);
}

int fb_handle_lseek(struct fb_req *req)
{
	const struct fb_wire_lseek_in *in = req->args.in;

	return driver(req)->lseek(self(req), req, node(req), in->fh, in->offset, in->whence,
				  &req->out.number);
}

static int copy_file_range(struct fb_req *req, uint64_t max)
{
	const struct fb_wire_copy_file_range_in *in = req->args.in;

	return driver(req)->copy_file_range(
		self(req), req, node(req), in->fh_in, in->off_in, in->nodeid_out, in->fh_out,
		in->off_out, in->len < max ? in->len : max, in->flags, &req->out.number);
}

int fb_handle_copy_file_range(struct fb_req *req)
{
	return copy_file_range(req, FB_COPY_MAX);
}

int fb_handle_copy_file_range_64(struct fb_req *req)
{
	return copy_file_range(req, INT64_MAX);
}

/* Those of Linux that change a file, by programs of 32 bits too; a driver's own are its to refuse. */
static bool ioctl_changes(uint32_t cmd)
{
	switch (cmd) {
	case FS_IOC_SETFLAGS:
	case FS_IOC32_SETFLAGS:
	case FS_IOC_SETVERSION:
	case FS_IOC32_SETVERSION:
	case FS_IOC_FSSETXATTR:
	case FS_IOC_SETFSLABEL:
		return true;
	default:
		return false;
	}
}

int fb_handle_ioctl(struct fb_req *req)
{
	const struct fb_wire_ioctl_in *in = req->args.in;
	struct fb_ioctl *call = &req->in.ioctl;

	*call = (struct fb_ioctl){
		.flags = in->flags,
		.cmd = in->cmd,
		.arg = in->arg,
		.in = req->args.tail,
		.in_size = in->in_size,
		.out_size = (uint32_t)req->sink.room,
	};

	if (req->channel->session->options.read_only && ioctl_changes(call->cmd))
		return -EROFS;
	return driver(req)->ioctl(self(req), req, node(req), in->fh, call, &req->sink,
				  &req->out.ioctl_result);
}

int fb_handle_poll(struct fb_req *req)
{
	const struct fb_wire_poll_in *in = req->args.in;

	return driver(req)->poll(self(req), req, node(req), in->fh, in->kh, in->flags, in->events,
				 &req->out.revents);
}

int fb_handle_bmap(struct fb_req *req)
{
	const struct fb_wire_bmap_in *in = req->args.in;

	return driver(req)->bmap(self(req), req, node(req), in->block, in->blocksize,
				 &req->out.number);
}

int fb_handle_setupmapping(struct fb_req *req)
{
	const struct fb_wire_setupmapping_in *in = req->args.in;

	req->in.mapping = (struct fb_mapping){
		in->fh, in->foffset, in->len, in->moffset, in->flags,
	};
	return driver(req)->setupmapping(self(req), req, node(req), &req->in.mapping);
}

/* The ranges lie unaligned behind a count of 4 bytes; the request keeps the copy. */
int fb_handle_removemapping(struct fb_req *req)
{
	uint32_t count = req->args.tail_count;
	struct fb_mapping_range *ranges;

	static_assert(sizeof(*ranges) == sizeof(struct fb_wire_removemapping_one), "same layout");
	if (count == 0)
		return 0;
	ranges = req->bounce = malloc(req->args.tail_size);
	if (!ranges)
		return -ENOMEM;
	memcpy(ranges, req->args.tail, req->args.tail_size);
	return driver(req)->removemapping(self(req), req, node(req), ranges, count);
}
