/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocol/pack.h"

#define NSEC_PER_SEC 1000000000u

static uint32_t clamp_nsec(uint32_t nsec)
{
	return nsec < NSEC_PER_SEC ? nsec : NSEC_PER_SEC - 1;
}

static struct fb_time time_of(uint64_t sec, uint32_t nsec)
{
	return (struct fb_time){ .sec = (int64_t)sec, .nsec = clamp_nsec(nsec) };
}

void fb_pack_attr(const struct fb_attr *attr, struct fb_wire_attr *ret_out)
{
	*ret_out = (struct fb_wire_attr){
		.ino = attr->ino,
		.size = attr->size,
		.blocks = attr->blocks,
		.atime = (uint64_t)attr->atime.sec,
		.mtime = (uint64_t)attr->mtime.sec,
		.ctime = (uint64_t)attr->ctime.sec,
		.atimensec = clamp_nsec(attr->atime.nsec),
		.mtimensec = clamp_nsec(attr->mtime.nsec),
		.ctimensec = clamp_nsec(attr->ctime.nsec),
		.mode = attr->mode,
		.nlink = attr->nlink,
		.uid = attr->uid,
		.gid = attr->gid,
		.rdev = attr->rdev,
		.blksize = attr->blksize,
		.flags = attr->flags,
	};
}

void fb_pack_attr_reply(const struct fb_attr_reply *reply, struct fb_wire_attr_out *ret_out)
{
	*ret_out = (struct fb_wire_attr_out){
		.attr_valid = reply->attr_timeout_ns / NSEC_PER_SEC,
		.attr_valid_nsec = (uint32_t)(reply->attr_timeout_ns % NSEC_PER_SEC),
	};
	fb_pack_attr(&reply->attr, &ret_out->attr);
}

void fb_pack_entry(const struct fb_entry *entry, struct fb_wire_entry_out *ret_out)
{
	*ret_out = (struct fb_wire_entry_out){
		.nodeid = entry->node,
		.generation = entry->generation,
		.entry_valid = entry->entry_timeout_ns / NSEC_PER_SEC,
		.attr_valid = entry->attr_timeout_ns / NSEC_PER_SEC,
		.entry_valid_nsec = (uint32_t)(entry->entry_timeout_ns % NSEC_PER_SEC),
		.attr_valid_nsec = (uint32_t)(entry->attr_timeout_ns % NSEC_PER_SEC),
	};
	fb_pack_attr(&entry->attr, &ret_out->attr);
}

static struct fb_wire_sx_time sx_time(struct fb_time time)
{
	return (struct fb_wire_sx_time){ .tv_sec = time.sec, .tv_nsec = clamp_nsec(time.nsec) };
}

void fb_pack_statx(const struct fb_statx *statx, struct fb_wire_statx_out *ret_out)
{
	const struct fb_attr *attr = &statx->attr;

	*ret_out = (struct fb_wire_statx_out){
		.attr_valid = statx->attr_timeout_ns / NSEC_PER_SEC,
		.attr_valid_nsec = (uint32_t)(statx->attr_timeout_ns % NSEC_PER_SEC),
		.stat = {
			.mask = statx->mask,
			.blksize = attr->blksize,
			.attributes = statx->attributes,
			.nlink = attr->nlink,
			.uid = attr->uid,
			.gid = attr->gid,
			.mode = (uint16_t)attr->mode,
			.ino = attr->ino,
			.size = attr->size,
			.blocks = attr->blocks,
			.attributes_mask = statx->attributes_mask,
			.atime = sx_time(attr->atime),
			.btime = sx_time(statx->btime),
			.ctime = sx_time(attr->ctime),
			.mtime = sx_time(attr->mtime),
			.rdev_major = fb_rdev_major(attr->rdev),
			.rdev_minor = fb_rdev_minor(attr->rdev),
			.dev_major = statx->dev_major,
			.dev_minor = statx->dev_minor,
		},
	};
}

void fb_pack_statfs(const struct fb_statfs *statfs, struct fb_wire_statfs_out *ret_out)
{
	*ret_out = (struct fb_wire_statfs_out){ .st = {
							.blocks = statfs->blocks,
							.bfree = statfs->bfree,
							.bavail = statfs->bavail,
							.files = statfs->files,
							.ffree = statfs->ffree,
							.bsize = statfs->bsize,
							.namelen = statfs->namelen,
							.frsize = statfs->frsize,
						} };
}

void fb_pack_lock(const struct fb_lock *lock, struct fb_wire_file_lock *ret_out)
{
	*ret_out = (struct fb_wire_file_lock){
		.start = lock->start,
		.end = lock->end,
		.type = lock->type,
		.pid = lock->pid,
	};
}

void fb_unpack_lock(const struct fb_wire_file_lock *in, struct fb_lock *ret_lock)
{
	*ret_lock = (struct fb_lock){
		.start = in->start,
		.end = in->end,
		.type = in->type,
		.pid = in->pid,
	};
}

void fb_pack_open(const struct fb_open *open, int32_t backing_id, struct fb_wire_open_out *ret_out)
{
	*ret_out = (struct fb_wire_open_out){
		.fh = open->fh,
		.open_flags = open->flags,
		.backing_id = backing_id,
	};
}

void fb_unpack_setattr(const struct fb_wire_setattr_in *in, struct fb_setattr *ret_set)
{
	*ret_set = (struct fb_setattr){
		.valid = in->valid,
		.mode = in->mode,
		.uid = in->uid,
		.gid = in->gid,
		.fh = in->fh,
		.size = in->size,
		.lock_owner = in->lock_owner,
		.atime = time_of(in->atime, in->atimensec),
		.mtime = time_of(in->mtime, in->mtimensec),
		.ctime = time_of(in->ctime, in->ctimensec),
	};
}
