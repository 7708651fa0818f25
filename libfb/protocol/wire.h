/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The FUSE wire format: every struct that a request or an answer is made of, through protocol 7.45.
 *
 * Struct fb_wire_NAME is what Linux calls fuse_NAME, field by field, in the byte order of the host.
 * All 64-bit fields are aligned by hand, so that 32-bit and 64-bit peers agree; the assertions
 * below hold each size and offset in place. The ioctls of /dev/fuse are in wire_dev.h, FUSE over
 * io_uring is in wire_uring.h; what 7.46 adds is for io_uring alone and is described there.
 *
 * Source: Linux, include/uapi/linux/fuse.h (interface only).
 */
#ifndef FB_PROTOCOL_WIRE_H
#define FB_PROTOCOL_WIRE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/op_table.h"

#define FB_KERNEL_VERSION 7U
#define FB_KERNEL_MINOR 45U     /* the newest that this library speaks */
#define FB_KERNEL_MINOR_MIN 27U /* the oldest that it serves: sizes are the same from here on */

/* A request never fits into less than this, whatever the peer announces. */
#define FB_MIN_READ_BUFFER 8192U

/* Bytes of a fixed struct by its name in the opcode table; 0 for none. */
#define FB_WIRE_SIZE(name) sizeof(struct fb_wire_##name)

#define FB_WIRE_IS(name, size) static_assert(FB_WIRE_SIZE(name) == (size), "size of " #name)
#define FB_WIRE_AT(name, field, at)                                                                \
	static_assert(offsetof(struct fb_wire_##name, field) == (at), #name "." #field)

/* ---- opcodes ----------------------------------------------------------------------------------*/

enum fb_opcode {
#define FB_X(number, name, ...) FB_OP_##name = (number),
	FB_OP_TABLE(FB_X)
#undef FB_X
		FB_OP_CUSE_INIT = 4096, /* a character device in user space: not served */
	FB_OP_INIT_SWAPPED = 0x1a000000 /* INIT from a peer of the other byte order */
};

/* For rows of the opcode table without a fixed struct: an empty struct has size 0 in GNU C. */
struct fb_wire_none {
};
FB_WIRE_IS(none, 0);

/* ---- headers ----------------------------------------------------------------------------------*/

struct fb_wire_in_header {
	uint32_t len; /* bytes of the whole message, this header included */
	uint32_t opcode;
	uint64_t unique;
	uint64_t nodeid;
	uint32_t uid;
	uint32_t gid;
	uint32_t pid;
	uint16_t total_extlen; /* 7.38: extensions at the end of the message, in units of 8 bytes */
	uint16_t padding;
};
FB_WIRE_IS(in_header, 40);
FB_WIRE_AT(in_header, len, 0);
FB_WIRE_AT(in_header, opcode, 4);
FB_WIRE_AT(in_header, unique, 8);
FB_WIRE_AT(in_header, nodeid, 16);
FB_WIRE_AT(in_header, uid, 24);
FB_WIRE_AT(in_header, gid, 28);
FB_WIRE_AT(in_header, pid, 32);
FB_WIRE_AT(in_header, total_extlen, 36);
FB_WIRE_AT(in_header, padding, 38);

/* Bit 0 of unique belongs to INTERRUPT; bit 63 marks a request that is sent again. */
#define FB_UNIQUE_INTERRUPT (UINT64_C(1) << 0)
#define FB_UNIQUE_RESEND (UINT64_C(1) << 63)

struct fb_wire_out_header {
	uint32_t len;
	int32_t error; /* 0, or -errno; of a notification: its code */
	uint64_t unique;
};
FB_WIRE_IS(out_header, 16);
FB_WIRE_AT(out_header, len, 0);
FB_WIRE_AT(out_header, error, 4);
FB_WIRE_AT(out_header, unique, 8);

/* Largest errno that an answer may carry. */
#define FB_WIRE_ERRNO_MAX 511

/* ---- INIT -------------------------------------------------------------------------------------*/

struct fb_wire_init_in {
	uint32_t major;
	uint32_t minor;
	uint32_t max_readahead;
	uint32_t flags;
	uint32_t flags2; /* from here on since 7.36; valid with FB_INIT_INIT_EXT */
	uint32_t unused[11];
};
FB_WIRE_IS(init_in, 64);
FB_WIRE_AT(init_in, major, 0);
FB_WIRE_AT(init_in, minor, 4);
FB_WIRE_AT(init_in, max_readahead, 8);
FB_WIRE_AT(init_in, flags, 12);
FB_WIRE_AT(init_in, flags2, 16);
FB_WIRE_AT(init_in, unused, 20);

/* Bytes of init_in before 7.36. */
#define FB_WIRE_INIT_IN_SHORT 16U

struct fb_wire_init_out {
	uint32_t major;
	uint32_t minor;
	uint32_t max_readahead;
	uint32_t flags;
	uint16_t max_background;
	uint16_t congestion_threshold;
	uint32_t max_write;
	uint32_t time_gran;
	uint16_t max_pages;
	uint16_t map_alignment;
	uint32_t flags2;
	uint32_t max_stack_depth;
	uint16_t request_timeout; /* seconds */
	uint16_t unused[11];
};
FB_WIRE_IS(init_out, 64);
FB_WIRE_AT(init_out, major, 0);
FB_WIRE_AT(init_out, minor, 4);
FB_WIRE_AT(init_out, max_readahead, 8);
FB_WIRE_AT(init_out, flags, 12);
FB_WIRE_AT(init_out, max_background, 16);
FB_WIRE_AT(init_out, congestion_threshold, 18);
FB_WIRE_AT(init_out, max_write, 20);
FB_WIRE_AT(init_out, time_gran, 24);
FB_WIRE_AT(init_out, max_pages, 28);
FB_WIRE_AT(init_out, map_alignment, 30);
FB_WIRE_AT(init_out, flags2, 32);
FB_WIRE_AT(init_out, max_stack_depth, 36);
FB_WIRE_AT(init_out, request_timeout, 40);
FB_WIRE_AT(init_out, unused, 42);

/* ---- attributes and lookup --------------------------------------------------------------------*/

struct fb_wire_attr {
	uint64_t ino;
	uint64_t size;
	uint64_t blocks;
	uint64_t atime; /* seconds; negative ones in two's complement */
	uint64_t mtime;
	uint64_t ctime;
	uint32_t atimensec;
	uint32_t mtimensec;
	uint32_t ctimensec;
	uint32_t mode;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint32_t rdev;
	uint32_t blksize;
	uint32_t flags; /* 7.32; FB_ATTR_* */
};
FB_WIRE_IS(attr, 88);
FB_WIRE_AT(attr, ino, 0);
FB_WIRE_AT(attr, size, 8);
FB_WIRE_AT(attr, blocks, 16);
FB_WIRE_AT(attr, atime, 24);
FB_WIRE_AT(attr, mtime, 32);
FB_WIRE_AT(attr, ctime, 40);
FB_WIRE_AT(attr, atimensec, 48);
FB_WIRE_AT(attr, mtimensec, 52);
FB_WIRE_AT(attr, ctimensec, 56);
FB_WIRE_AT(attr, mode, 60);
FB_WIRE_AT(attr, nlink, 64);
FB_WIRE_AT(attr, uid, 68);
FB_WIRE_AT(attr, gid, 72);
FB_WIRE_AT(attr, rdev, 76);
FB_WIRE_AT(attr, blksize, 80);
FB_WIRE_AT(attr, flags, 84);

struct fb_wire_entry_out {
	uint64_t nodeid;
	uint64_t generation;
	uint64_t entry_valid; /* seconds */
	uint64_t attr_valid;
	uint32_t entry_valid_nsec;
	uint32_t attr_valid_nsec;
	struct fb_wire_attr attr;
};
FB_WIRE_IS(entry_out, 128);
FB_WIRE_AT(entry_out, nodeid, 0);
FB_WIRE_AT(entry_out, generation, 8);
FB_WIRE_AT(entry_out, entry_valid, 16);
FB_WIRE_AT(entry_out, attr_valid, 24);
FB_WIRE_AT(entry_out, entry_valid_nsec, 32);
FB_WIRE_AT(entry_out, attr_valid_nsec, 36);
FB_WIRE_AT(entry_out, attr, 40);

struct fb_wire_attr_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec;
	uint32_t dummy;
	struct fb_wire_attr attr;
};
FB_WIRE_IS(attr_out, 104);
FB_WIRE_AT(attr_out, attr_valid, 0);
FB_WIRE_AT(attr_out, attr_valid_nsec, 8);
FB_WIRE_AT(attr_out, dummy, 12);
FB_WIRE_AT(attr_out, attr, 16);

struct fb_wire_forget_in {
	uint64_t nlookup;
};
FB_WIRE_IS(forget_in, 8);
FB_WIRE_AT(forget_in, nlookup, 0);

struct fb_wire_forget_one {
	uint64_t nodeid;
	uint64_t nlookup;
};
FB_WIRE_IS(forget_one, 16);
FB_WIRE_AT(forget_one, nodeid, 0);
FB_WIRE_AT(forget_one, nlookup, 8);

struct fb_wire_batch_forget_in {
	uint32_t count;
	uint32_t dummy;
};
FB_WIRE_IS(batch_forget_in, 8);
FB_WIRE_AT(batch_forget_in, count, 0);
FB_WIRE_AT(batch_forget_in, dummy, 4);

#define FB_GETATTR_FH (UINT32_C(1) << 0) /* getattr_in and statx_in: fh is valid */

struct fb_wire_getattr_in {
	uint32_t getattr_flags;
	uint32_t dummy;
	uint64_t fh;
};
FB_WIRE_IS(getattr_in, 16);
FB_WIRE_AT(getattr_in, getattr_flags, 0);
FB_WIRE_AT(getattr_in, dummy, 4);
FB_WIRE_AT(getattr_in, fh, 8);

struct fb_wire_setattr_in {
	uint32_t valid; /* FB_SETATTR_* */
	uint32_t padding;
	uint64_t fh;
	uint64_t size;
	uint64_t lock_owner;
	uint64_t atime;
	uint64_t mtime;
	uint64_t ctime;
	uint32_t atimensec;
	uint32_t mtimensec;
	uint32_t ctimensec;
	uint32_t mode;
	uint32_t unused4;
	uint32_t uid;
	uint32_t gid;
	uint32_t unused5;
};
FB_WIRE_IS(setattr_in, 88);
FB_WIRE_AT(setattr_in, valid, 0);
FB_WIRE_AT(setattr_in, padding, 4);
FB_WIRE_AT(setattr_in, fh, 8);
FB_WIRE_AT(setattr_in, size, 16);
FB_WIRE_AT(setattr_in, lock_owner, 24);
FB_WIRE_AT(setattr_in, atime, 32);
FB_WIRE_AT(setattr_in, mtime, 40);
FB_WIRE_AT(setattr_in, ctime, 48);
FB_WIRE_AT(setattr_in, atimensec, 56);
FB_WIRE_AT(setattr_in, mtimensec, 60);
FB_WIRE_AT(setattr_in, ctimensec, 64);
FB_WIRE_AT(setattr_in, mode, 68);
FB_WIRE_AT(setattr_in, unused4, 72);
FB_WIRE_AT(setattr_in, uid, 76);
FB_WIRE_AT(setattr_in, gid, 80);
FB_WIRE_AT(setattr_in, unused5, 84);

struct fb_wire_sx_time {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t __reserved;
};
FB_WIRE_IS(sx_time, 16);
FB_WIRE_AT(sx_time, tv_sec, 0);
FB_WIRE_AT(sx_time, tv_nsec, 8);
FB_WIRE_AT(sx_time, __reserved, 12);

struct fb_wire_statx {
	uint32_t mask; /* STATX_* */
	uint32_t blksize;
	uint64_t attributes;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint16_t mode;
	uint16_t __spare0[1];
	uint64_t ino;
	uint64_t size;
	uint64_t blocks;
	uint64_t attributes_mask;
	struct fb_wire_sx_time atime;
	struct fb_wire_sx_time btime;
	struct fb_wire_sx_time ctime;
	struct fb_wire_sx_time mtime;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint64_t __spare2[14];
};
FB_WIRE_IS(statx, 256);
FB_WIRE_AT(statx, mask, 0);
FB_WIRE_AT(statx, blksize, 4);
FB_WIRE_AT(statx, attributes, 8);
FB_WIRE_AT(statx, nlink, 16);
FB_WIRE_AT(statx, uid, 20);
FB_WIRE_AT(statx, gid, 24);
FB_WIRE_AT(statx, mode, 28);
FB_WIRE_AT(statx, __spare0, 30);
FB_WIRE_AT(statx, ino, 32);
FB_WIRE_AT(statx, size, 40);
FB_WIRE_AT(statx, blocks, 48);
FB_WIRE_AT(statx, attributes_mask, 56);
FB_WIRE_AT(statx, atime, 64);
FB_WIRE_AT(statx, btime, 80);
FB_WIRE_AT(statx, ctime, 96);
FB_WIRE_AT(statx, mtime, 112);
FB_WIRE_AT(statx, rdev_major, 128);
FB_WIRE_AT(statx, rdev_minor, 132);
FB_WIRE_AT(statx, dev_major, 136);
FB_WIRE_AT(statx, dev_minor, 140);
FB_WIRE_AT(statx, __spare2, 144);

struct fb_wire_statx_in {
	uint32_t getattr_flags;
	uint32_t reserved;
	uint64_t fh;
	uint32_t sx_flags;
	uint32_t sx_mask;
};
FB_WIRE_IS(statx_in, 24);
FB_WIRE_AT(statx_in, getattr_flags, 0);
FB_WIRE_AT(statx_in, reserved, 4);
FB_WIRE_AT(statx_in, fh, 8);
FB_WIRE_AT(statx_in, sx_flags, 16);
FB_WIRE_AT(statx_in, sx_mask, 20);

struct fb_wire_statx_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec;
	uint32_t flags;
	uint64_t spare[2];
	struct fb_wire_statx stat;
};
FB_WIRE_IS(statx_out, 288);
FB_WIRE_AT(statx_out, attr_valid, 0);
FB_WIRE_AT(statx_out, attr_valid_nsec, 8);
FB_WIRE_AT(statx_out, flags, 12);
FB_WIRE_AT(statx_out, spare, 16);
FB_WIRE_AT(statx_out, stat, 32);

struct fb_wire_kstatfs {
	uint64_t blocks;
	uint64_t bfree;
	uint64_t bavail;
	uint64_t files;
	uint64_t ffree;
	uint32_t bsize;
	uint32_t namelen;
	uint32_t frsize;
	uint32_t padding;
	uint32_t spare[6];
};
FB_WIRE_IS(kstatfs, 80);
FB_WIRE_AT(kstatfs, blocks, 0);
FB_WIRE_AT(kstatfs, bfree, 8);
FB_WIRE_AT(kstatfs, bavail, 16);
FB_WIRE_AT(kstatfs, files, 24);
FB_WIRE_AT(kstatfs, ffree, 32);
FB_WIRE_AT(kstatfs, bsize, 40);
FB_WIRE_AT(kstatfs, namelen, 44);
FB_WIRE_AT(kstatfs, frsize, 48);
FB_WIRE_AT(kstatfs, padding, 52);
FB_WIRE_AT(kstatfs, spare, 56);

struct fb_wire_statfs_out {
	struct fb_wire_kstatfs st;
};
FB_WIRE_IS(statfs_out, 80);
FB_WIRE_AT(statfs_out, st, 0);

struct fb_wire_access_in {
	uint32_t mask;
	uint32_t padding;
};
FB_WIRE_IS(access_in, 8);
FB_WIRE_AT(access_in, mask, 0);
FB_WIRE_AT(access_in, padding, 4);

/* ---- names ------------------------------------------------------------------------------------*/

struct fb_wire_mknod_in {
	uint32_t mode;
	uint32_t rdev;
	uint32_t umask;
	uint32_t padding;
};
FB_WIRE_IS(mknod_in, 16);
FB_WIRE_AT(mknod_in, mode, 0);
FB_WIRE_AT(mknod_in, rdev, 4);
FB_WIRE_AT(mknod_in, umask, 8);
FB_WIRE_AT(mknod_in, padding, 12);

struct fb_wire_mkdir_in {
	uint32_t mode;
	uint32_t umask;
};
FB_WIRE_IS(mkdir_in, 8);
FB_WIRE_AT(mkdir_in, mode, 0);
FB_WIRE_AT(mkdir_in, umask, 4);

struct fb_wire_rename_in {
	uint64_t newdir;
};
FB_WIRE_IS(rename_in, 8);
FB_WIRE_AT(rename_in, newdir, 0);

struct fb_wire_rename2_in {
	uint64_t newdir;
	uint32_t flags; /* FB_RENAME_* */
	uint32_t padding;
};
FB_WIRE_IS(rename2_in, 16);
FB_WIRE_AT(rename2_in, newdir, 0);
FB_WIRE_AT(rename2_in, flags, 8);
FB_WIRE_AT(rename2_in, padding, 12);

struct fb_wire_link_in {
	uint64_t oldnodeid;
};
FB_WIRE_IS(link_in, 8);
FB_WIRE_AT(link_in, oldnodeid, 0);

/* ---- open files -------------------------------------------------------------------------------*/

struct fb_wire_open_in {
	uint32_t flags;      /* O_* */
	uint32_t open_flags; /* FB_OPEN_* */
};
FB_WIRE_IS(open_in, 8);
FB_WIRE_AT(open_in, flags, 0);
FB_WIRE_AT(open_in, open_flags, 4);

struct fb_wire_create_in {
	uint32_t flags; /* O_* */
	uint32_t mode;
	uint32_t umask;
	uint32_t open_flags; /* FB_OPEN_* */
};
FB_WIRE_IS(create_in, 16);
FB_WIRE_AT(create_in, flags, 0);
FB_WIRE_AT(create_in, mode, 4);
FB_WIRE_AT(create_in, umask, 8);
FB_WIRE_AT(create_in, open_flags, 12);

struct fb_wire_open_out {
	uint64_t fh;
	uint32_t open_flags; /* FB_FOPEN_* */
	int32_t backing_id;  /* 7.40 */
};
FB_WIRE_IS(open_out, 16);
FB_WIRE_AT(open_out, fh, 0);
FB_WIRE_AT(open_out, open_flags, 8);
FB_WIRE_AT(open_out, backing_id, 12);

/* The answer of CREATE and TMPFILE, which Linux writes as two structs in a row. */
struct fb_wire_create_out {
	struct fb_wire_entry_out entry;
	struct fb_wire_open_out open;
};
FB_WIRE_IS(create_out, 144);
FB_WIRE_AT(create_out, entry, 0);
FB_WIRE_AT(create_out, open, 128);

struct fb_wire_release_in {
	uint64_t fh;
	uint32_t flags;         /* O_* */
	uint32_t release_flags; /* FB_RELEASE_* */
	uint64_t lock_owner;
};
FB_WIRE_IS(release_in, 24);
FB_WIRE_AT(release_in, fh, 0);
FB_WIRE_AT(release_in, flags, 8);
FB_WIRE_AT(release_in, release_flags, 12);
FB_WIRE_AT(release_in, lock_owner, 16);

struct fb_wire_flush_in {
	uint64_t fh;
	uint32_t unused;
	uint32_t padding;
	uint64_t lock_owner;
};
FB_WIRE_IS(flush_in, 24);
FB_WIRE_AT(flush_in, fh, 0);
FB_WIRE_AT(flush_in, unused, 8);
FB_WIRE_AT(flush_in, padding, 12);
FB_WIRE_AT(flush_in, lock_owner, 16);

struct fb_wire_read_in {
	uint64_t fh;
	uint64_t offset;
	uint32_t size;
	uint32_t read_flags; /* FB_READ_* */
	uint64_t lock_owner;
	uint32_t flags; /* O_* */
	uint32_t padding;
};
FB_WIRE_IS(read_in, 40);
FB_WIRE_AT(read_in, fh, 0);
FB_WIRE_AT(read_in, offset, 8);
FB_WIRE_AT(read_in, size, 16);
FB_WIRE_AT(read_in, read_flags, 20);
FB_WIRE_AT(read_in, lock_owner, 24);
FB_WIRE_AT(read_in, flags, 32);
FB_WIRE_AT(read_in, padding, 36);

struct fb_wire_write_in {
	uint64_t fh;
	uint64_t offset;
	uint32_t size;
	uint32_t write_flags; /* FB_WRITE_* */
	uint64_t lock_owner;
	uint32_t flags; /* O_* */
	uint32_t padding;
};
FB_WIRE_IS(write_in, 40);
FB_WIRE_AT(write_in, fh, 0);
FB_WIRE_AT(write_in, offset, 8);
FB_WIRE_AT(write_in, size, 16);
FB_WIRE_AT(write_in, write_flags, 20);
FB_WIRE_AT(write_in, lock_owner, 24);
FB_WIRE_AT(write_in, flags, 32);
FB_WIRE_AT(write_in, padding, 36);

struct fb_wire_write_out {
	uint32_t size;
	uint32_t padding;
};
FB_WIRE_IS(write_out, 8);
FB_WIRE_AT(write_out, size, 0);
FB_WIRE_AT(write_out, padding, 4);

struct fb_wire_fsync_in {
	uint64_t fh;
	uint32_t fsync_flags; /* FB_FSYNC_* */
	uint32_t padding;
};
FB_WIRE_IS(fsync_in, 16);
FB_WIRE_AT(fsync_in, fh, 0);
FB_WIRE_AT(fsync_in, fsync_flags, 8);
FB_WIRE_AT(fsync_in, padding, 12);

struct fb_wire_fallocate_in {
	uint64_t fh;
	uint64_t offset;
	uint64_t length;
	uint32_t mode; /* FALLOC_FL_* */
	uint32_t padding;
};
FB_WIRE_IS(fallocate_in, 32);
FB_WIRE_AT(fallocate_in, fh, 0);
FB_WIRE_AT(fallocate_in, offset, 8);
FB_WIRE_AT(fallocate_in, length, 16);
FB_WIRE_AT(fallocate_in, mode, 24);
FB_WIRE_AT(fallocate_in, padding, 28);

/* The two values of whence that are sent: the client does the others by itself. */
#define FB_WIRE_SEEK_DATA 3U
#define FB_WIRE_SEEK_HOLE 4U

struct fb_wire_lseek_in {
	uint64_t fh;
	uint64_t offset;
	uint32_t whence;
	uint32_t padding;
};
FB_WIRE_IS(lseek_in, 24);
FB_WIRE_AT(lseek_in, fh, 0);
FB_WIRE_AT(lseek_in, offset, 8);
FB_WIRE_AT(lseek_in, whence, 16);
FB_WIRE_AT(lseek_in, padding, 20);

struct fb_wire_lseek_out {
	uint64_t offset;
};
FB_WIRE_IS(lseek_out, 8);
FB_WIRE_AT(lseek_out, offset, 0);

struct fb_wire_copy_file_range_in {
	uint64_t fh_in;
	uint64_t off_in;
	uint64_t nodeid_out;
	uint64_t fh_out;
	uint64_t off_out;
	uint64_t len;
	uint64_t flags;
};
FB_WIRE_IS(copy_file_range_in, 56);
FB_WIRE_AT(copy_file_range_in, fh_in, 0);
FB_WIRE_AT(copy_file_range_in, off_in, 8);
FB_WIRE_AT(copy_file_range_in, nodeid_out, 16);
FB_WIRE_AT(copy_file_range_in, fh_out, 24);
FB_WIRE_AT(copy_file_range_in, off_out, 32);
FB_WIRE_AT(copy_file_range_in, len, 40);
FB_WIRE_AT(copy_file_range_in, flags, 48);

struct fb_wire_copy_file_range_out {
	uint64_t bytes_copied;
};
FB_WIRE_IS(copy_file_range_out, 8);
FB_WIRE_AT(copy_file_range_out, bytes_copied, 0);

struct fb_wire_dirent {
	uint64_t ino;
	uint64_t off;
	uint32_t namelen;
	uint32_t type;
	/* namelen bytes, then zeros up to the next multiple of 8 */
};
FB_WIRE_IS(dirent, 24);
FB_WIRE_AT(dirent, ino, 0);
FB_WIRE_AT(dirent, off, 8);
FB_WIRE_AT(dirent, namelen, 16);
FB_WIRE_AT(dirent, type, 20);

struct fb_wire_direntplus {
	struct fb_wire_entry_out entry_out;
	struct fb_wire_dirent dirent;
};
FB_WIRE_IS(direntplus, 152);
FB_WIRE_AT(direntplus, entry_out, 0);
FB_WIRE_AT(direntplus, dirent, 128);

/* ---- extended attributes ----------------------------------------------------------------------*/

struct fb_wire_setxattr_in {
	uint32_t size;
	uint32_t flags;          /* XATTR_* of setxattr(2) */
	uint32_t setxattr_flags; /* from here on only with FB_INIT_SETXATTR_EXT */
	uint32_t padding;
};
FB_WIRE_IS(setxattr_in, 16);
FB_WIRE_AT(setxattr_in, size, 0);
FB_WIRE_AT(setxattr_in, flags, 4);
FB_WIRE_AT(setxattr_in, setxattr_flags, 8);
FB_WIRE_AT(setxattr_in, padding, 12);

/* Bytes of setxattr_in without FB_INIT_SETXATTR_EXT. */
#define FB_WIRE_SETXATTR_IN_SHORT 8U

#define FB_SETXATTR_ACL_KILL_SGID (UINT32_C(1) << 0)

struct fb_wire_getxattr_in {
	uint32_t size;
	uint32_t padding;
};
FB_WIRE_IS(getxattr_in, 8);
FB_WIRE_AT(getxattr_in, size, 0);
FB_WIRE_AT(getxattr_in, padding, 4);

struct fb_wire_getxattr_out {
	uint32_t size;
	uint32_t padding;
};
FB_WIRE_IS(getxattr_out, 8);
FB_WIRE_AT(getxattr_out, size, 0);
FB_WIRE_AT(getxattr_out, padding, 4);

/* ---- locks, polling, control ------------------------------------------------------------------*/

struct fb_wire_file_lock {
	uint64_t start;
	uint64_t end; /* inclusive; INT64_MAX is to the end of the file */
	uint32_t type;
	uint32_t pid;
};
FB_WIRE_IS(file_lock, 24);
FB_WIRE_AT(file_lock, start, 0);
FB_WIRE_AT(file_lock, end, 8);
FB_WIRE_AT(file_lock, type, 16);
FB_WIRE_AT(file_lock, pid, 20);

struct fb_wire_lk_in {
	uint64_t fh;
	uint64_t owner;
	struct fb_wire_file_lock lk;
	uint32_t lk_flags; /* FB_LK_FLOCK */
	uint32_t padding;
};
FB_WIRE_IS(lk_in, 48);
FB_WIRE_AT(lk_in, fh, 0);
FB_WIRE_AT(lk_in, owner, 8);
FB_WIRE_AT(lk_in, lk, 16);
FB_WIRE_AT(lk_in, lk_flags, 40);
FB_WIRE_AT(lk_in, padding, 44);

struct fb_wire_lk_out {
	struct fb_wire_file_lock lk;
};
FB_WIRE_IS(lk_out, 24);
FB_WIRE_AT(lk_out, lk, 0);

struct fb_wire_interrupt_in {
	uint64_t unique;
};
FB_WIRE_IS(interrupt_in, 8);
FB_WIRE_AT(interrupt_in, unique, 0);

struct fb_wire_bmap_in {
	uint64_t block;
	uint32_t blocksize;
	uint32_t padding;
};
FB_WIRE_IS(bmap_in, 16);
FB_WIRE_AT(bmap_in, block, 0);
FB_WIRE_AT(bmap_in, blocksize, 8);
FB_WIRE_AT(bmap_in, padding, 12);

struct fb_wire_bmap_out {
	uint64_t block;
};
FB_WIRE_IS(bmap_out, 8);
FB_WIRE_AT(bmap_out, block, 0);

struct fb_wire_ioctl_in {
	uint64_t fh;
	uint32_t flags; /* FB_IOCTL_* */
	uint32_t cmd;
	uint64_t arg;
	uint32_t in_size;
	uint32_t out_size;
};
FB_WIRE_IS(ioctl_in, 32);
FB_WIRE_AT(ioctl_in, fh, 0);
FB_WIRE_AT(ioctl_in, flags, 8);
FB_WIRE_AT(ioctl_in, cmd, 12);
FB_WIRE_AT(ioctl_in, arg, 16);
FB_WIRE_AT(ioctl_in, in_size, 24);
FB_WIRE_AT(ioctl_in, out_size, 28);

struct fb_wire_ioctl_out {
	int32_t result;
	uint32_t flags;
	uint32_t in_iovs;
	uint32_t out_iovs;
};
FB_WIRE_IS(ioctl_out, 16);
FB_WIRE_AT(ioctl_out, result, 0);
FB_WIRE_AT(ioctl_out, flags, 4);
FB_WIRE_AT(ioctl_out, in_iovs, 8);
FB_WIRE_AT(ioctl_out, out_iovs, 12);

struct fb_wire_ioctl_iovec {
	uint64_t base;
	uint64_t len;
};
FB_WIRE_IS(ioctl_iovec, 16);
FB_WIRE_AT(ioctl_iovec, base, 0);
FB_WIRE_AT(ioctl_iovec, len, 8);

struct fb_wire_poll_in {
	uint64_t fh;
	uint64_t kh;
	uint32_t flags; /* FB_POLL_SCHEDULE_NOTIFY */
	uint32_t events;
};
FB_WIRE_IS(poll_in, 24);
FB_WIRE_AT(poll_in, fh, 0);
FB_WIRE_AT(poll_in, kh, 8);
FB_WIRE_AT(poll_in, flags, 16);
FB_WIRE_AT(poll_in, events, 20);

struct fb_wire_poll_out {
	uint32_t revents;
	uint32_t padding;
};
FB_WIRE_IS(poll_out, 8);
FB_WIRE_AT(poll_out, revents, 0);
FB_WIRE_AT(poll_out, padding, 4);

struct fb_wire_syncfs_in {
	uint64_t padding;
};
FB_WIRE_IS(syncfs_in, 8);
FB_WIRE_AT(syncfs_in, padding, 0);

/* What comes back after FB_NOTIFY_RETRIEVE, as the request NOTIFY_REPLY. */
struct fb_wire_notify_retrieve_in {
	uint64_t dummy1;
	uint64_t offset;
	uint32_t size;
	uint32_t dummy2;
	uint64_t dummy3;
	uint64_t dummy4;
};
FB_WIRE_IS(notify_retrieve_in, 40);
FB_WIRE_AT(notify_retrieve_in, dummy1, 0);
FB_WIRE_AT(notify_retrieve_in, offset, 8);
FB_WIRE_AT(notify_retrieve_in, size, 16);
FB_WIRE_AT(notify_retrieve_in, dummy2, 20);
FB_WIRE_AT(notify_retrieve_in, dummy3, 24);
FB_WIRE_AT(notify_retrieve_in, dummy4, 32);

/* ---- memory windows (DAX) ---------------------------------------------------------------------*/

struct fb_wire_setupmapping_in {
	uint64_t fh; /* all ones: none */
	uint64_t foffset;
	uint64_t len;
	uint64_t flags; /* FB_MAPPING_* */
	uint64_t moffset;
};
FB_WIRE_IS(setupmapping_in, 40);
FB_WIRE_AT(setupmapping_in, fh, 0);
FB_WIRE_AT(setupmapping_in, foffset, 8);
FB_WIRE_AT(setupmapping_in, len, 16);
FB_WIRE_AT(setupmapping_in, flags, 24);
FB_WIRE_AT(setupmapping_in, moffset, 32);

struct fb_wire_removemapping_in {
	uint32_t count;
};
FB_WIRE_IS(removemapping_in, 4);
FB_WIRE_AT(removemapping_in, count, 0);

/* An array of these starts at offset 44 of the message, so its elements are not aligned. */
struct fb_wire_removemapping_one {
	uint64_t moffset;
	uint64_t len;
};
FB_WIRE_IS(removemapping_one, 16);
FB_WIRE_AT(removemapping_one, moffset, 0);
FB_WIRE_AT(removemapping_one, len, 8);

/* ---- extensions at the end of a request that makes an inode -------------------------------------
 * They follow the last name at once, so nothing in them is aligned: copy, never cast.
 */

#define FB_WIRE_MAX_NR_SECCTX 31U /* types up to this are security contexts */
#define FB_WIRE_EXT_GROUPS 32U    /* supplementary groups */

struct fb_wire_ext_header {
	uint32_t size; /* of the extension, this header included; a multiple of 8 */
	uint32_t type;
};
FB_WIRE_IS(ext_header, 8);
FB_WIRE_AT(ext_header, size, 0);
FB_WIRE_AT(ext_header, type, 4);

/* The same as ext_header, seen as the start of security contexts: the type is their number. */
struct fb_wire_secctx_header {
	uint32_t size;
	uint32_t nr_secctx;
};
FB_WIRE_IS(secctx_header, 8);
FB_WIRE_AT(secctx_header, size, 0);
FB_WIRE_AT(secctx_header, nr_secctx, 4);

/* One security context: this, the attribute's name with its NUL, then size bytes of label. */
struct fb_wire_secctx {
	uint32_t size;
	uint32_t padding;
};
FB_WIRE_IS(secctx, 8);
FB_WIRE_AT(secctx, size, 0);
FB_WIRE_AT(secctx, padding, 4);

/* Behind ext_header: this, then nr_groups times a uint32_t. */
struct fb_wire_supp_groups {
	uint32_t nr_groups;
};
FB_WIRE_IS(supp_groups, 4);
FB_WIRE_AT(supp_groups, nr_groups, 0);

/* ---- notifications: what a server sends unasked -------------------------------------------------
 * One write: an out_header with unique 0 and error = the code, then the struct and what follows it.
 */

enum fb_wire_notify_code {
	FB_NOTIFY_POLL = 1,
	FB_NOTIFY_INVAL_INODE = 2,
	FB_NOTIFY_INVAL_ENTRY = 3,
	FB_NOTIFY_STORE = 4,
	FB_NOTIFY_RETRIEVE = 5,
	FB_NOTIFY_DELETE = 6,
	FB_NOTIFY_RESEND = 7,    /* 7.40; nothing follows */
	FB_NOTIFY_INC_EPOCH = 8, /* 7.44; nothing follows */
	FB_NOTIFY_PRUNE = 9      /* 7.45 */
};

/* Linux: fuse_notify_poll_wakeup_out. */
struct fb_wire_notify_poll_out {
	uint64_t kh;
};
FB_WIRE_IS(notify_poll_out, 8);
FB_WIRE_AT(notify_poll_out, kh, 0);

struct fb_wire_notify_inval_inode_out {
	uint64_t ino; /* a nodeid */
	int64_t off;  /* < 0: attributes only */
	int64_t len;  /* <= 0: to the end */
};
FB_WIRE_IS(notify_inval_inode_out, 24);
FB_WIRE_AT(notify_inval_inode_out, ino, 0);
FB_WIRE_AT(notify_inval_inode_out, off, 8);
FB_WIRE_AT(notify_inval_inode_out, len, 16);

#define FB_NOTIFY_EXPIRE_ONLY (UINT32_C(1) << 0) /* look again instead of dropping */

/* The name and a NUL follow; namelen does not count the NUL. */
struct fb_wire_notify_inval_entry_out {
	uint64_t parent;
	uint32_t namelen;
	uint32_t flags;
};
FB_WIRE_IS(notify_inval_entry_out, 16);
FB_WIRE_AT(notify_inval_entry_out, parent, 0);
FB_WIRE_AT(notify_inval_entry_out, namelen, 8);
FB_WIRE_AT(notify_inval_entry_out, flags, 12);

/* The name and a NUL follow, as above. */
struct fb_wire_notify_delete_out {
	uint64_t parent;
	uint64_t child;
	uint32_t namelen;
	uint32_t padding;
};
FB_WIRE_IS(notify_delete_out, 24);
FB_WIRE_AT(notify_delete_out, parent, 0);
FB_WIRE_AT(notify_delete_out, child, 8);
FB_WIRE_AT(notify_delete_out, namelen, 16);
FB_WIRE_AT(notify_delete_out, padding, 20);

/* size bytes follow. */
struct fb_wire_notify_store_out {
	uint64_t nodeid;
	uint64_t offset;
	uint32_t size;
	uint32_t padding;
};
FB_WIRE_IS(notify_store_out, 24);
FB_WIRE_AT(notify_store_out, nodeid, 0);
FB_WIRE_AT(notify_store_out, offset, 8);
FB_WIRE_AT(notify_store_out, size, 16);
FB_WIRE_AT(notify_store_out, padding, 20);

/* The kernel sends NOTIFY_REPLY with unique = notify_unique. */
struct fb_wire_notify_retrieve_out {
	uint64_t notify_unique;
	uint64_t nodeid;
	uint64_t offset;
	uint32_t size;
	uint32_t padding;
};
FB_WIRE_IS(notify_retrieve_out, 32);
FB_WIRE_AT(notify_retrieve_out, notify_unique, 0);
FB_WIRE_AT(notify_retrieve_out, nodeid, 8);
FB_WIRE_AT(notify_retrieve_out, offset, 16);
FB_WIRE_AT(notify_retrieve_out, size, 24);
FB_WIRE_AT(notify_retrieve_out, padding, 28);

/* count times a uint64_t nodeid follow. */
struct fb_wire_notify_prune_out {
	uint32_t count;
	uint32_t padding;
	uint64_t spare;
};
FB_WIRE_IS(notify_prune_out, 16);
FB_WIRE_AT(notify_prune_out, count, 0);
FB_WIRE_AT(notify_prune_out, padding, 4);
FB_WIRE_AT(notify_prune_out, spare, 8);

#endif
