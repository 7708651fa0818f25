/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between public structs and wire structs: nothing is lost, and nothing of our memory leaks out.
 */
#include <string.h>

#include "cmocka_setup.h"
#include "protocol/pack.h"
#include "unpack.h"

#define NSEC_PER_SEC 1000000000u

/* Fill a wire struct with a byte before packing, so that what was not written shows. */
#define POISONED(type, name)                                                                       \
	type name;                                                                                 \
	memset(&(name), 0xa5, sizeof(name))

static const struct fb_attr attr = {
	.ino = 0x0102030405060708,
	.size = INT64_MAX,
	.blocks = 0x1112131415161718,
	.atime = { -1, 999999999 },
	.mtime = { INT64_MIN, 0 },
	.ctime = { INT64_MAX, 1 },
	.mode = 0100644,
	.nlink = 3,
	.uid = 1000,
	.gid = 0xfffffffe,
	.rdev = 0x12345678,
	.blksize = 4096,
	.flags = FB_ATTR_DAX,
};

static void assert_time(struct fb_time a, struct fb_time b)
{
	assert_true(a.sec == b.sec);
	assert_int_equal(a.nsec, b.nsec);
}

static void assert_attr(const struct fb_attr *a, const struct fb_attr *b)
{
	assert_true(a->ino == b->ino && a->size == b->size && a->blocks == b->blocks);
	assert_time(a->atime, b->atime);
	assert_time(a->mtime, b->mtime);
	assert_time(a->ctime, b->ctime);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->nlink, b->nlink);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->gid, b->gid);
	assert_int_equal(a->rdev, b->rdev);
	assert_int_equal(a->blksize, b->blksize);
	assert_int_equal(a->flags, b->flags);
}

/* Whether all bytes from one offset to another are zero. */
static void assert_zero(const void *at, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		assert_int_equal(((const uint8_t *)at)[i], 0);
}

static void attrs_round_trip(void **state)
{
	POISONED(struct fb_wire_attr, wire);
	struct fb_attr back;

	(void)state;
	fb_pack_attr(&attr, &wire);
	assert_true(wire.atime == UINT64_MAX);
	assert_true(wire.mtime == UINT64_C(1) << 63);
	unpack_attr(&wire, &back);
	assert_attr(&attr, &back);
}

static void nanoseconds_are_clamped(void **state)
{
	struct fb_attr odd = { .atime = { 1, NSEC_PER_SEC }, .mtime = { 1, UINT32_MAX } };
	struct fb_wire_attr wire;

	(void)state;
	fb_pack_attr(&odd, &wire);
	assert_int_equal(wire.atime, 1);
	assert_int_equal(wire.atimensec, NSEC_PER_SEC - 1);
	assert_int_equal(wire.mtimensec, NSEC_PER_SEC - 1);
	assert_int_equal(wire.ctimensec, 0);
}

static void entries_round_trip(void **state)
{
	static const uint64_t timeouts[] = {
		0, 1, NSEC_PER_SEC - 1, NSEC_PER_SEC, 1500000000, UINT64_MAX - 1, UINT64_MAX,
	};
	struct fb_entry entry = { .node = 5, .generation = UINT64_MAX, .attr = attr }, back;

	(void)state;
	for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
		POISONED(struct fb_wire_entry_out, wire);

		entry.entry_timeout_ns = timeouts[i];
		entry.attr_timeout_ns = timeouts[(i + 1) % 7];
		fb_pack_entry(&entry, &wire);
		assert_in_range(wire.entry_valid_nsec, 0, NSEC_PER_SEC - 1);
		assert_in_range(wire.attr_valid_nsec, 0, NSEC_PER_SEC - 1);
		unpack_entry(&wire, &back);
		assert_true(back.node == 5 && back.generation == UINT64_MAX);
		assert_true(back.entry_timeout_ns == entry.entry_timeout_ns);
		assert_true(back.attr_timeout_ns == entry.attr_timeout_ns);
		assert_attr(&back.attr, &attr);
	}
}

static void attr_replies_have_zero_padding(void **state)
{
	struct fb_attr_reply reply = { .attr = attr, .attr_timeout_ns = 2500000000 };
	POISONED(struct fb_wire_attr_out, wire);
	struct fb_attr back;

	(void)state;
	fb_pack_attr_reply(&reply, &wire);
	assert_int_equal(wire.attr_valid, 2);
	assert_int_equal(wire.attr_valid_nsec, 500000000);
	assert_int_equal(wire.dummy, 0);
	unpack_attr(&wire.attr, &back);
	assert_attr(&back, &attr);
}

static void statx_round_trips(void **state)
{
	struct fb_statx statx = {
		.attr = attr,
		.btime = { -5, 7 },
		.mask = 0xfff,
		.attributes = 0x1000,
		.attributes_mask = UINT64_MAX,
		.dev_major = 8,
		.dev_minor = 1,
		.attr_timeout_ns = 1000000001,
	};
	POISONED(struct fb_wire_statx_out, wire);
	struct fb_statx back;

	(void)state;
	statx.attr.flags = 0; /* statx has no place for them */
	fb_pack_statx(&statx, &wire);
	assert_int_equal(wire.flags, 0);
	assert_zero(&wire, offsetof(struct fb_wire_statx_out, spare),
		    offsetof(struct fb_wire_statx_out, stat));
	assert_zero(&wire.stat, offsetof(struct fb_wire_statx, __spare0),
		    offsetof(struct fb_wire_statx, ino));
	assert_zero(&wire.stat, offsetof(struct fb_wire_statx, __spare2), sizeof(wire.stat));
	assert_int_equal(wire.stat.atime.__reserved, 0);
	assert_int_equal(wire.stat.rdev_major, fb_rdev_major(attr.rdev));
	unpack_statx(&wire, &back);
	assert_attr(&back.attr, &statx.attr);
	assert_time(back.btime, statx.btime);
	assert_int_equal(back.mask, statx.mask);
	assert_true(back.attributes == statx.attributes);
	assert_true(back.attributes_mask == statx.attributes_mask);
	assert_int_equal(back.dev_major, 8);
	assert_int_equal(back.dev_minor, 1);
	assert_true(back.attr_timeout_ns == statx.attr_timeout_ns);
}

static void statfs_round_trips(void **state)
{
	struct fb_statfs statfs = { 1, 2, 3, 4, UINT64_MAX, 4096, 255, 512 };
	POISONED(struct fb_wire_statfs_out, wire);
	struct fb_statfs back = { 0 };

	(void)state;
	fb_pack_statfs(&statfs, &wire);
	assert_zero(&wire, offsetof(struct fb_wire_kstatfs, padding), sizeof(wire));
	unpack_statfs(&wire, &back);
	assert_true(back.blocks == 1 && back.bfree == 2 && back.bavail == 3 && back.files == 4);
	assert_true(back.ffree == UINT64_MAX);
	assert_int_equal(back.bsize, 4096);
	assert_int_equal(back.namelen, 255);
	assert_int_equal(back.frsize, 512);
}

static void locks_round_trip(void **state)
{
	struct fb_lock lock = { 10, INT64_MAX, 1, 4711 }, back;
	POISONED(struct fb_wire_file_lock, wire);

	(void)state;
	fb_pack_lock(&lock, &wire);
	fb_unpack_lock(&wire, &back);
	assert_true(back.start == 10 && back.end == INT64_MAX);
	assert_int_equal(back.type, 1);
	assert_int_equal(back.pid, 4711);
}

static void opens_are_packed(void **state)
{
	struct fb_open open = { .fh = 7, .flags = FB_FOPEN_KEEP_CACHE, .backing_fd = 9 };
	POISONED(struct fb_wire_open_out, wire);

	(void)state;
	fb_pack_open(&open, 3, &wire);
	assert_int_equal(wire.fh, 7);
	assert_int_equal(wire.open_flags, FB_FOPEN_KEEP_CACHE);
	assert_int_equal(wire.backing_id, 3);
}

static void setattr_is_unpacked(void **state)
{
	struct fb_wire_setattr_in in = {
		.valid = 0xfff,
		.fh = 1,
		.size = 2,
		.lock_owner = 3,
		.atime = UINT64_MAX,
		.atimensec = 999999999,
		.mtime = 4,
		.mtimensec = 5,
		.ctime = 6,
		.ctimensec = 7,
		.mode = 0100600,
		.uid = 8,
		.gid = 9,
	};
	struct fb_setattr set;

	(void)state;
	fb_unpack_setattr(&in, &set);
	assert_int_equal(set.valid, 0xfff);
	assert_true(set.fh == 1 && set.size == 2 && set.lock_owner == 3);
	assert_time(set.atime, (struct fb_time){ -1, 999999999 });
	assert_time(set.mtime, (struct fb_time){ 4, 5 });
	assert_time(set.ctime, (struct fb_time){ 6, 7 });
	assert_int_equal(set.mode, 0100600);
	assert_int_equal(set.uid, 8);
	assert_int_equal(set.gid, 9);
}

/* Every wire struct that an empty one is packed into is zero from end to end. */
static void nothing_packs_to_zeros(void **state)
{
	POISONED(struct fb_wire_entry_out, entry);
	POISONED(struct fb_wire_attr_out, attr_out);
	POISONED(struct fb_wire_statx_out, statx);
	POISONED(struct fb_wire_statfs_out, statfs);
	POISONED(struct fb_wire_file_lock, lock);
	POISONED(struct fb_wire_open_out, open);

	(void)state;
	fb_pack_entry(&(struct fb_entry){ 0 }, &entry);
	assert_zero(&entry, 0, sizeof(entry));
	fb_pack_attr_reply(&(struct fb_attr_reply){ 0 }, &attr_out);
	assert_zero(&attr_out, 0, sizeof(attr_out));
	fb_pack_statx(&(struct fb_statx){ 0 }, &statx);
	assert_zero(&statx, 0, sizeof(statx));
	fb_pack_statfs(&(struct fb_statfs){ 0 }, &statfs);
	assert_zero(&statfs, 0, sizeof(statfs));
	fb_pack_lock(&(struct fb_lock){ 0 }, &lock);
	assert_zero(&lock, 0, sizeof(lock));
	fb_pack_open(&(struct fb_open){ 0 }, 0, &open);
	assert_zero(&open, 0, sizeof(open));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attrs_round_trip),
		cmocka_unit_test(nanoseconds_are_clamped),
		cmocka_unit_test(entries_round_trip),
		cmocka_unit_test(attr_replies_have_zero_padding),
		cmocka_unit_test(statx_round_trips),
		cmocka_unit_test(statfs_round_trips),
		cmocka_unit_test(locks_round_trip),
		cmocka_unit_test(opens_are_packed),
		cmocka_unit_test(setattr_is_unpacked),
		cmocka_unit_test(nothing_packs_to_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
