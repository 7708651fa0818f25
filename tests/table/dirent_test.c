/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Directory streams: what goes in comes out, entries are whole, and nothing is written beyond.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_setup.h"
#include "protocol/dirent.h"
#include "protocol/pack.h"

#define CANARY 0xa5

static const char *const names[] = {
	".", "..", "a", "seven77", "eight888", "nine99999", "\xc3\xa9"
};

#define NAME_COUNT (sizeof(names) / sizeof(names[0]))

static struct fb_dirent dirent_of(unsigned i)
{
	return (struct fb_dirent){
		.ino = 1000 + i,
		.cookie = UINT64_MAX - i,
		.type = i % 15,
		.name = names[i],
		.name_len = strlen(names[i]),
	};
}

static struct fb_entry entry_of(unsigned i)
{
	return (struct fb_entry){
		.node = 2000 + i,
		.generation = i,
		.entry_timeout_ns = 1500000000,
		.attr_timeout_ns = UINT64_MAX,
		.attr = { .ino = 1000 + i, .mode = 0100644, .size = i },
	};
}

/* Fill a buffer of room bytes until an entry does not fit; returns the number of entries. */
static unsigned fill(uint8_t *buffer, size_t room, bool plus, size_t *ret_size)
{
	size_t size = 0;
	unsigned i;

	for (i = 0; i < NAME_COUNT; i++) {
		struct fb_dirent dirent = dirent_of(i);
		struct fb_entry entry = entry_of(i);
		size_t needed = fb_dirent_size(dirent.name_len, plus);
		int r = fb_dirent_add(buffer + size, room - size, plus, &dirent, &entry);

		if (r < 0) {
			assert_int_equal(r, -ENOBUFS);
			assert_true(needed > room - size);
			break;
		}
		assert_int_equal(r, needed);
		size += needed;
	}
	*ret_size = size;
	return i;
}

static void assert_entry(const struct fb_dirent_view *view, unsigned i, bool plus)
{
	struct fb_dirent dirent = dirent_of(i);
	struct fb_entry entry = entry_of(i), zero = { .node = 0 };
	struct fb_wire_entry_out packed;
	bool with = plus && i >= 2;

	assert_int_equal(view->dirent.ino, dirent.ino);
	assert_true(view->dirent.cookie == dirent.cookie);
	assert_int_equal(view->dirent.type, dirent.type);
	assert_int_equal(view->dirent.name_len, dirent.name_len);
	assert_memory_equal(view->dirent.name, dirent.name, dirent.name_len);
	/* "." and ".." count no lookup, so they come without attributes */
	fb_pack_entry(with ? &entry : &zero, &packed);
	assert_memory_equal(&view->entry, &packed, sizeof(packed));
	assert_int_equal(view->node, with ? entry.node : 0);
}

static void sizes_are_the_kernels(void **state)
{
	(void)state;
	assert_int_equal(fb_dirent_size(1, false), 32);
	assert_int_equal(fb_dirent_size(8, false), 32);
	assert_int_equal(fb_dirent_size(9, false), 40);
	assert_int_equal(fb_dirent_size(255, false), 280);
	assert_int_equal(fb_dirent_size(1, true), 160);
	assert_int_equal(fb_dirent_size(8, true), 160);
	assert_int_equal(fb_dirent_size(9, true), 168);
	assert_int_equal(fb_dirent_size(255, true), 408);
}

/* Every size of buffer, in a block of exactly that size. */
static void streams_come_back_from_every_room(void **state)
{
	(void)state;
	for (unsigned plus = 0; plus < 2; plus++) {
		for (size_t room = 0; room <= 1300; room++) {
			uint8_t *buffer = malloc(room ? room : 1);
			struct fb_dirent_view view;
			size_t size, at = 0;
			unsigned count = fill(buffer, room, plus, &size);

			for (unsigned i = 0; i < count; i++) {
				assert_int_equal(fb_dirent_next(buffer, size, plus, &at, &view), 1);
				assert_entry(&view, i, plus);
			}
			assert_int_equal(at, size);
			assert_int_equal(fb_dirent_next(buffer, size, plus, &at, &view), 0);
			free(buffer);
		}
	}
}

/* Entries are written whole and padded with zeros; the rest of the buffer stays as it was. */
static void padding_is_zero_and_the_rest_untouched(void **state)
{
	uint8_t buffer[512];
	char name[FB_NAME_MAX];

	(void)state;
	memset(name, 'n', sizeof(name));
	for (size_t len = 1; len <= FB_NAME_MAX; len++) {
		for (unsigned plus = 0; plus < 2; plus++) {
			struct fb_dirent dirent = { 1, 2, 3, name, len };
			size_t size = fb_dirent_size(len, plus), before = plus ? 152 : 24;

			memset(buffer, CANARY, sizeof(buffer));
			assert_int_equal(fb_dirent_add(buffer, sizeof(buffer), plus, &dirent, NULL),
					 size);
			assert_int_equal(size % 8, 0);
			for (size_t i = 0; plus && i < sizeof(struct fb_wire_entry_out); i++)
				assert_int_equal(buffer[i], 0);
			for (size_t i = before + len; i < size; i++)
				assert_int_equal(buffer[i], 0);
			for (size_t i = size; i < sizeof(buffer); i++)
				assert_int_equal(buffer[i], CANARY);
		}
	}
}

static void what_does_not_fit_leaves_no_trace(void **state)
{
	uint8_t buffer[512], canary[512];
	struct fb_dirent dirent = dirent_of(3);

	(void)state;
	memset(canary, CANARY, sizeof(canary));
	for (unsigned plus = 0; plus < 2; plus++) {
		for (size_t room = 0; room < fb_dirent_size(dirent.name_len, plus); room++) {
			memset(buffer, CANARY, sizeof(buffer));
			assert_int_equal(fb_dirent_add(buffer, room, plus, &dirent, NULL),
					 -ENOBUFS);
			assert_memory_equal(buffer, canary, sizeof(buffer));
		}
	}
}

static int add_name(const char *name, size_t len, uint64_t ino)
{
	struct fb_dirent dirent = { ino, 1, 0, name, len };
	uint8_t buffer[512];

	return fb_dirent_add(buffer, sizeof(buffer), false, &dirent, NULL);
}

static void illegal_names_are_refused(void **state)
{
	char name[FB_NAME_MAX + 1];

	(void)state;
	memset(name, 'n', sizeof(name));
	assert_int_equal(add_name("", 0, 1), -EINVAL);
	assert_int_equal(add_name(NULL, 0, 1), -EINVAL);
	assert_int_equal(add_name(name, FB_NAME_MAX, 1), 280);
	assert_int_equal(add_name(name, FB_NAME_MAX + 1, 1), -EINVAL);
	assert_int_equal(add_name(name, SIZE_MAX, 1), -EINVAL);
	assert_int_equal(add_name("a/b", 3, 1), -EINVAL);
	assert_int_equal(add_name("/", 1, 1), -EINVAL);
	assert_int_equal(add_name("a\0b", 3, 1), -EINVAL);
	assert_int_equal(add_name("a", 2, 1), -EINVAL);
	assert_int_equal(add_name("a", 1, 0), -EINVAL);
	assert_int_equal(add_name(".", 1, 1), 32);
	assert_int_equal(add_name("..", 2, 1), 32);
}

/* Attributes that are not at hand: no lookup is counted, whatever else the entry holds. */
static void entries_without_node_are_zero(void **state)
{
	struct fb_dirent dirent = dirent_of(4);
	struct fb_entry entry = entry_of(4);
	struct fb_dirent_view view;
	uint8_t buffer[512];
	size_t at = 0;
	int r;

	(void)state;
	entry.node = 0;
	r = fb_dirent_add(buffer, sizeof(buffer), true, &dirent, &entry);
	assert_true(r > 0);
	assert_int_equal(fb_dirent_next(buffer, (size_t)r, true, &at, &view), 1);
	assert_int_equal(view.node, 0);
	assert_int_equal(view.entry.attr.mode, 0);
}

/* A reader of broken streams stops: cut at any byte, or with any field spoilt. */
static void broken_streams_are_noticed(void **state)
{
	uint8_t stream[1300];
	struct fb_dirent_view view;
	size_t size;

	(void)state;
	for (unsigned plus = 0; plus < 2; plus++) {
		unsigned count = fill(stream, sizeof(stream), plus, &size);

		for (size_t cut = 0; cut < size; cut++) {
			uint8_t *copy = malloc(cut ? cut : 1);
			size_t at = 0;
			unsigned seen = 0;
			int r;

			memcpy(copy, stream, cut);
			while ((r = fb_dirent_next(copy, cut, plus, &at, &view)) > 0)
				seen++;
			assert_true(seen < count);
			assert_int_equal(r, at == cut ? 0 : -EINVAL);
			free(copy);
		}
	}
}

static void spoilt_entries_are_noticed(void **state)
{
	static const uint32_t lengths[] = { 0, 9, 256, 4096, UINT32_MAX, UINT32_MAX - 23 };
	uint8_t stream[512];
	struct fb_dirent dirent = dirent_of(3);
	struct fb_wire_dirent wire;
	struct fb_dirent_view view;
	size_t at = 0;
	int size = fb_dirent_add(stream, sizeof(stream), false, &dirent, NULL);

	(void)state;
	memcpy(&wire, stream, sizeof(wire));
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct fb_wire_dirent spoilt = wire;

		spoilt.namelen = lengths[i];
		memcpy(stream, &spoilt, sizeof(spoilt));
		assert_int_equal(fb_dirent_next(stream, (size_t)size, false, &at, &view), -EINVAL);
	}
	wire.ino = 0;
	memcpy(stream, &wire, sizeof(wire));
	assert_int_equal(fb_dirent_next(stream, (size_t)size, false, &at, &view), -EINVAL);
	wire.ino = 1;
	memcpy(stream, &wire, sizeof(wire));
	stream[sizeof(wire)] = '/';
	assert_int_equal(fb_dirent_next(stream, (size_t)size, false, &at, &view), -EINVAL);
	stream[sizeof(wire)] = 0;
	assert_int_equal(fb_dirent_next(stream, (size_t)size, false, &at, &view), -EINVAL);
	assert_int_equal(at, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_the_kernels),
		cmocka_unit_test(streams_come_back_from_every_room),
		cmocka_unit_test(padding_is_zero_and_the_rest_untouched),
		cmocka_unit_test(what_does_not_fit_leaves_no_trace),
		cmocka_unit_test(illegal_names_are_refused),
		cmocka_unit_test(entries_without_node_are_zero),
		cmocka_unit_test(broken_streams_are_noticed),
		cmocka_unit_test(spoilt_entries_are_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
