/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocol/pack.h"

#define NSEC_PER_SEC 1000000000u

static uint32_t clamp_nsec(uint32_t nsec)
{
	return nsec < NSEC_PER_SEC ? nsec : NSEC_PER_SEC - 1;
}

static uint64_t timeout_of(uint64_t sec, uint32_t nsec)
{
	uint64_t clamped = clamp_nsec(nsec);

	if (sec > (UINT64_MAX - clamped) / NSEC_PER_SEC)
		return UINT64_MAX;
	return sec * NSEC_PER_SEC + clamped;
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

void fb_unpack_attr(const struct fb_wire_attr *in, struct fb_attr *ret_attr)
{
	*ret_attr = (struct fb_attr){
		.ino = in->ino,
		.size = in->size,
		.blocks = in->blocks,
		.atime = time_of(in->atime, in->atimensec),
		.mtime = time_of(in->mtime, in->mtimensec),
		.ctime = time_of(in->ctime, in->ctimensec),
		.mode = in->mode,
		.nlink = in->nlink,
		.uid = in->uid,
		.gid = in->gid,
		.rdev = in->rdev,
		.blksize = in->blksize,
		.flags = in->flags,
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

void fb_unpack_entry(const struct fb_wire_entry_out *in, struct fb_entry *ret_entry)
{
	*ret_entry = (struct fb_entry){
		.node = in->nodeid,
		.generation = in->generation,
		.entry_timeout_ns = timeout_of(in->entry_valid, in->entry_valid_nsec),
		.attr_timeout_ns = timeout_of(in->attr_valid, in->attr_valid_nsec),
	};
	fb_unpack_attr(&in->attr, &ret_entry->attr);
}

static struct fb_wire_sx_time sx_time(struct fb_time time)
{
	return (struct fb_wire_sx_time){ .tv_sec = time.sec, .tv_nsec = clamp_nsec(time.nsec) };
}

static struct fb_time sx_time_of(struct fb_wire_sx_time time)
{
	return (struct fb_time){ .sec = time.tv_sec, .nsec = clamp_nsec(time.tv_nsec) };
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

void fb_unpack_statx(const struct fb_wire_statx_out *in, struct fb_statx *ret_statx)
{
	const struct fb_wire_statx *stat = &in->stat;

	*ret_statx = (struct fb_statx){
		.attr = {
			.ino = stat->ino,
			.size = stat->size,
			.blocks = stat->blocks,
			.atime = sx_time_of(stat->atime),
			.mtime = sx_time_of(stat->mtime),
			.ctime = sx_time_of(stat->ctime),
			.mode = stat->mode,
			.nlink = stat->nlink,
			.uid = stat->uid,
			.gid = stat->gid,
			.rdev = fb_rdev_pack(stat->rdev_major, stat->rdev_minor),
			.blksize = stat->blksize,
		},
		.btime = sx_time_of(stat->btime),
		.mask = stat->mask,
		.attributes = stat->attributes,
		.attributes_mask = stat->attributes_mask,
		.dev_major = stat->dev_major,
		.dev_minor = stat->dev_minor,
		.attr_timeout_ns = timeout_of(in->attr_valid, in->attr_valid_nsec),
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

void fb_unpack_statfs(const struct fb_wire_statfs_out *in, struct fb_statfs *ret_statfs)
{
	*ret_statfs = (struct fb_statfs){
		.blocks = in->st.blocks,
		.bfree = in->st.bfree,
		.bavail = in->st.bavail,
		.files = in->st.files,
		.ffree = in->st.ffree,
		.bsize = in->st.bsize,
		.namelen = in->st.namelen,
		.frsize = in->st.frsize,
	};
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
