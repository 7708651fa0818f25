/* SPDX-License-Identifier: BSD-3-Clause */
#include "unpack.h"

#define NSEC_PER_SEC UINT64_C(1000000000)

/* Nothing is corrected here: what is wrong in an answer has to show. */
static struct fb_time time_of(uint64_t sec, uint32_t nsec)
{
	return (struct fb_time){ .sec = (int64_t)sec, .nsec = nsec };
}

static struct fb_time sx_time_of(struct fb_wire_sx_time time)
{
	return (struct fb_time){ .sec = time.tv_sec, .nsec = time.tv_nsec };
}

static uint64_t timeout_of(uint64_t sec, uint32_t nsec)
{
	return sec * NSEC_PER_SEC + nsec;
}

void unpack_attr(const struct fb_wire_attr *in, struct fb_attr *ret_attr)
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

void unpack_entry(const struct fb_wire_entry_out *in, struct fb_entry *ret_entry)
{
	*ret_entry = (struct fb_entry){
		.node = in->nodeid,
		.generation = in->generation,
		.entry_timeout_ns = timeout_of(in->entry_valid, in->entry_valid_nsec),
		.attr_timeout_ns = timeout_of(in->attr_valid, in->attr_valid_nsec),
	};
	unpack_attr(&in->attr, &ret_entry->attr);
}

void unpack_statx(const struct fb_wire_statx_out *in, struct fb_statx *ret_statx)
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

void unpack_statfs(const struct fb_wire_statfs_out *in, struct fb_statfs *ret_statfs)
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
