/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bytes that the driver hands over when its client moves to another server: little-endian
 * numbers, and runs of bytes with their length in front. This is the order:
 *
 *	u32 FB_MIGRATION_VERSION, u32 type of the share's root, u64 next node number
 *	u32 count of mounts that handles belong to; for each: run path of a file on it
 *	u64 count of nodes, their numbers going up; for each:
 *		u64 number, u64 lookups, u32 type, u32 FB_MIGRATION_SUBMOUNT or 0,
 *		u32 enum fb_migration_by, then
 *		PATH:   run path below the share; run handle to compare with, may be empty; u32 its type
 *		HANDLE: u32 index of its mount, u64 inode number, run handle, u32 its type
 *	u64 count of open files; for each: u64 fh, u64 node, u32 kind, u32 flags
 */
#ifndef LIBFB_PASSTHROUGH_MIGRATION_BYTES_H
#define LIBFB_PASSTHROUGH_MIGRATION_BYTES_H

#include <libfb/driver.h>

#include <endian.h>
#include <string.h>

#define FB_MIGRATION_VERSION 1u
#define FB_MIGRATION_SUBMOUNT 1u
/* Bytes of a path at most. */
#define FB_MIGRATION_PATH_MAX 65535u

/* How the other side finds a node. */
enum fb_migration_by {
	FB_MIGRATION_LOST, /* not at all */
	FB_MIGRATION_PATH,
	FB_MIGRATION_HANDLE,
};

/* What is written; the first error stays. */
struct fb_migration_out {
	struct fb_state *to;
	int result;
};

static inline void fb_migration_put(struct fb_migration_out *out, const void *data, size_t size)
{
	if (out->result == 0)
		out->result = fb_state_put(out->to, data, size);
}

static inline void fb_migration_put_u32(struct fb_migration_out *out, uint32_t value)
{
	const uint32_t word = htole32(value);

	fb_migration_put(out, &word, sizeof(word));
}

static inline void fb_migration_put_u64(struct fb_migration_out *out, uint64_t value)
{
	const uint64_t word = htole64(value);

	fb_migration_put(out, &word, sizeof(word));
}

static inline void fb_migration_put_run(struct fb_migration_out *out, const void *data, size_t size)
{
	fb_migration_put_u32(out, (uint32_t)size);
	fb_migration_put(out, data, size);
}

/* What is read. After its end there are zeros, and cut says so. */
struct fb_migration_in {
	const uint8_t *at;
	size_t left;
	bool cut;
};

static inline const void *fb_migration_take(struct fb_migration_in *in, size_t size)
{
	const void *taken = in->at;

	if (size > in->left) {
		in->cut = true;
		in->left = 0;
		return NULL;
	}
	in->at += size;
	in->left -= size;
	return taken;
}

static inline uint32_t fb_migration_take_u32(struct fb_migration_in *in)
{
	uint32_t word = 0;
	const void *taken = fb_migration_take(in, sizeof(word));

	if (taken)
		memcpy(&word, taken, sizeof(word));
	return le32toh(word);
}

static inline uint64_t fb_migration_take_u64(struct fb_migration_in *in)
{
	uint64_t word = 0;
	const void *taken = fb_migration_take(in, sizeof(word));

	if (taken)
		memcpy(&word, taken, sizeof(word));
	return le64toh(word);
}

struct fb_migration_run {
	const char *bytes; /* borrowed from what is read */
	uint32_t size;
};

static inline struct fb_migration_run fb_migration_take_run(struct fb_migration_in *in)
{
	struct fb_migration_run run = { .size = fb_migration_take_u32(in) };

	run.bytes = fb_migration_take(in, run.size);
	if (!run.bytes)
		run.size = 0;
	return run;
}

#endif
