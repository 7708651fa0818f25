/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocol/checks.h"

#include <errno.h>
#include <libfb/types.h>
#include <stdbool.h>

#include "protocol/decode.h"

/* The same on every architecture; <sys/stat.h> and <linux/falloc.h> are no business of pure code. */
#define MODE_TYPE 0170000u
#define MODE_FIFO 0010000u
#define MODE_CHR 0020000u
#define MODE_DIR 0040000u
#define MODE_BLK 0060000u
#define MODE_REG 0100000u
#define MODE_SOCK 0140000u

/* KEEP_SIZE, PUNCH_HOLE, COLLAPSE_RANGE, ZERO_RANGE, INSERT_RANGE, UNSHARE_RANGE */
#define FALLOC_MODES 0x7bu

#define NSEC_PER_SEC 1000000000u
#define LOCK_TYPE_MAX 2u /* F_RDLCK, F_WRLCK, F_UNLCK */

static int refuse_unless(bool good)
{
	return good ? 0 : -EINVAL;
}

/* Whether a range ends before offsets become negative numbers. */
static bool range_fits(uint64_t offset, uint64_t size)
{
	return offset <= INT64_MAX && size <= INT64_MAX - offset;
}

static int check_read(const struct fb_args *args)
{
	const struct fb_wire_read_in *in = args->in;

	return refuse_unless(range_fits(in->offset, in->size));
}

static int check_write(const struct fb_args *args)
{
	const struct fb_wire_write_in *in = args->in;

	return refuse_unless(range_fits(in->offset, in->size));
}

/* -1 as an id would mean "leave it alone" to chown(2), and a bad time to utimensat(2) too. */
static int check_setattr(const struct fb_args *args)
{
	const struct fb_wire_setattr_in *in = args->in;
	uint32_t valid = in->valid;
	bool atime = (valid & FB_SETATTR_ATIME) && !(valid & FB_SETATTR_ATIME_NOW);
	bool mtime = (valid & FB_SETATTR_MTIME) && !(valid & FB_SETATTR_MTIME_NOW);

	if (valid >= FB_SETATTR_KILL_SUIDGID << 1)
		return -EINVAL;
	if (((valid & FB_SETATTR_UID) && in->uid == UINT32_MAX) ||
	    ((valid & FB_SETATTR_GID) && in->gid == UINT32_MAX))
		return -EINVAL;
	if ((valid & FB_SETATTR_SIZE) && in->size > INT64_MAX)
		return -EINVAL;
	if ((atime && in->atimensec >= NSEC_PER_SEC) || (mtime && in->mtimensec >= NSEC_PER_SEC) ||
	    ((valid & FB_SETATTR_CTIME) && in->ctimensec >= NSEC_PER_SEC))
		return -EINVAL;
	return 0;
}

/* mknod(2): no type means a regular file, and directories are made by mkdir alone. */
static int check_mknod(const struct fb_args *args)
{
	const struct fb_wire_mknod_in *in = args->in;

	switch (in->mode & MODE_TYPE) {
	case 0:
	case MODE_REG:
	case MODE_CHR:
	case MODE_BLK:
	case MODE_FIFO:
	case MODE_SOCK:
		return 0;
	case MODE_DIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
}

static int check_mkdir(const struct fb_args *args)
{
	const struct fb_wire_mkdir_in *in = args->in;
	uint32_t type = in->mode & MODE_TYPE;

	return refuse_unless(type == 0 || type == MODE_DIR);
}

/* CREATE and TMPFILE. */
static int check_create(const struct fb_args *args)
{
	const struct fb_wire_create_in *in = args->in;
	uint32_t type = in->mode & MODE_TYPE;

	return refuse_unless(type == 0 || type == MODE_REG);
}

/* renameat2(2): exchanging goes with neither of the others. */
static int check_rename2(const struct fb_args *args)
{
	const struct fb_wire_rename2_in *in = args->in;
	uint32_t others = FB_RENAME_NOREPLACE | FB_RENAME_WHITEOUT;

	if (in->flags & ~(others | FB_RENAME_EXCHANGE))
		return -EINVAL;
	return refuse_unless(!(in->flags & FB_RENAME_EXCHANGE) || !(in->flags & others));
}

/* setxattr(2). A bit beyond could collide with those that the library adds for drivers. */
static int check_setxattr(const struct fb_args *args)
{
	const struct fb_wire_setxattr_in *in = args->in;

	if (in->size > FB_XATTR_MAX)
		return -E2BIG;
	return refuse_unless(!(in->flags & ~(FB_XATTR_CREATE | FB_XATTR_REPLACE)) &&
			     !(in->setxattr_flags & ~FB_SETXATTR_ACL_KILL_SGID));
}

/* GETLK, SETLK and SETLKW. Unknown flags could be taken for FB_LK_WAIT. */
static int check_lk(const struct fb_args *args)
{
	const struct fb_wire_lk_in *in = args->in;

	return refuse_unless(in->lk.type <= LOCK_TYPE_MAX && in->lk.start <= in->lk.end &&
			     in->lk.end <= INT64_MAX && !(in->lk_flags & ~FB_LK_FLOCK));
}

static int check_access(const struct fb_args *args)
{
	const struct fb_wire_access_in *in = args->in;

	return refuse_unless(in->mask <= 7);
}

static int check_bmap(const struct fb_args *args)
{
	const struct fb_wire_bmap_in *in = args->in;

	return refuse_unless(in->blocksize > 0);
}

static int check_ioctl(const struct fb_args *args)
{
	const struct fb_wire_ioctl_in *in = args->in;

	return refuse_unless(in->flags < FB_IOCTL_COMPAT_X32 << 1);
}

static int check_fallocate(const struct fb_args *args)
{
	const struct fb_wire_fallocate_in *in = args->in;

	if (in->length == 0 || !range_fits(in->offset, in->length))
		return -EINVAL;
	return in->mode & ~FALLOC_MODES ? -EOPNOTSUPP : 0;
}

/* lseek(2): nothing is to be found before the start of a file, and the client may well ask. */
static int check_lseek(const struct fb_args *args)
{
	const struct fb_wire_lseek_in *in = args->in;

	if (in->whence != FB_WIRE_SEEK_DATA && in->whence != FB_WIRE_SEEK_HOLE)
		return -EINVAL;
	return in->offset > INT64_MAX ? -ENXIO : 0;
}

static int check_copy_file_range(const struct fb_args *args)
{
	const struct fb_wire_copy_file_range_in *in = args->in;

	return refuse_unless(range_fits(in->off_in, in->len) && range_fits(in->off_out, in->len) &&
			     in->flags == 0);
}

static int check_setupmapping(const struct fb_args *args)
{
	const struct fb_wire_setupmapping_in *in = args->in;

	return refuse_unless(in->len > 0 && range_fits(in->foffset, in->len) &&
			     range_fits(in->moffset, in->len) &&
			     !(in->flags & ~(FB_MAPPING_READ | FB_MAPPING_WRITE)));
}

static int check_removemapping(const struct fb_args *args)
{
	struct fb_wire_removemapping_one one;

	for (uint32_t i = 0; i < args->tail_count; i++) {
		fb_args_element(args, i, &one);
		if (!range_fits(one.moffset, one.len))
			return -EINVAL;
	}
	return 0;
}

static int (*const checks[FB_OP_ROW_COUNT])(const struct fb_args *args) = {
	[FB_OP_INDEX_SETATTR] = check_setattr,
	[FB_OP_INDEX_MKNOD] = check_mknod,
	[FB_OP_INDEX_MKDIR] = check_mkdir,
	[FB_OP_INDEX_READ] = check_read,
	[FB_OP_INDEX_WRITE] = check_write,
	[FB_OP_INDEX_SETXATTR] = check_setxattr,
	[FB_OP_INDEX_GETLK] = check_lk,
	[FB_OP_INDEX_SETLK] = check_lk,
	[FB_OP_INDEX_SETLKW] = check_lk,
	[FB_OP_INDEX_ACCESS] = check_access,
	[FB_OP_INDEX_CREATE] = check_create,
	[FB_OP_INDEX_BMAP] = check_bmap,
	[FB_OP_INDEX_IOCTL] = check_ioctl,
	[FB_OP_INDEX_FALLOCATE] = check_fallocate,
	[FB_OP_INDEX_RENAME2] = check_rename2,
	[FB_OP_INDEX_LSEEK] = check_lseek,
	[FB_OP_INDEX_COPY_FILE_RANGE] = check_copy_file_range,
	[FB_OP_INDEX_SETUPMAPPING] = check_setupmapping,
	[FB_OP_INDEX_REMOVEMAPPING] = check_removemapping,
	[FB_OP_INDEX_TMPFILE] = check_create,
	[FB_OP_INDEX_COPY_FILE_RANGE_64] = check_copy_file_range,
};

int fb_check_args(const struct fb_args *args)
{
	const struct fb_wire_in_header *header = &args->header;

	/* -1 makes setfsuid(2) and the like do nothing: the inode would belong to the server. */
	if ((args->row->flags & FB_ROW_CREATES) &&
	    (header->uid == UINT32_MAX || header->gid == UINT32_MAX))
		return -EINVAL;
	return checks[args->row->index] ? checks[args->row->index](args) : 0;
}

uint32_t fb_check_umask(const struct fb_args *args)
{
	switch (args->row->opcode) {
	case FB_OP_MKNOD:
		return ((const struct fb_wire_mknod_in *)args->in)->umask & 0777;
	case FB_OP_MKDIR:
		return ((const struct fb_wire_mkdir_in *)args->in)->umask & 0777;
	case FB_OP_CREATE:
	case FB_OP_TMPFILE:
		return ((const struct fb_wire_create_in *)args->in)->umask & 0777;
	default:
		return 0;
	}
}
