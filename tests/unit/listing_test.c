/* SPDX-License-Identifier: BSD-3-Clause */
/* Listings that are gathered at once and sent page by page. */
#include "cmocka_setup.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <libfb/listing.h>

#include "core/io.h"
#include "protocol/dirent.h"

static int set_up(void **state)
{
	struct fb_listing *listing;

	assert_int_equal(fb_listing_new(&listing), 0);
	*state = listing;
	return 0;
}

static int tear_down(void **state)
{
	fb_listing_free(*state);
	return 0;
}

/* A page of this size, and what is in it. */
struct page {
	_Alignas(8) uint8_t bytes[65536];
	struct fb_dirsink sink;
	size_t at;
	bool plus;
};

static void page_init(struct page *page, size_t room, bool plus)
{
	page->sink = (struct fb_dirsink){ .buffer = page->bytes, .room = room, .plus = plus };
	page->at = 0;
	page->plus = plus;
}

static bool page_next(struct page *page, struct fb_dirent_view *view)
{
	int r = fb_dirent_next(page->bytes, page->sink.size, page->plus, &page->at, view);

	assert_true(r >= 0);
	return r > 0;
}

static void test_names_are_checked(void **state)
{
	struct fb_listing *listing = *state;
	char name[FB_NAME_MAX + 1];

	memset(name, 'x', sizeof(name));
	assert_int_equal(fb_listing_add(listing, "", 0, NULL), -EINVAL);
	assert_int_equal(fb_listing_add(listing, "a/b", 3, NULL), -EINVAL);
	assert_int_equal(fb_listing_add(listing, "a\0b", 3, NULL), -EINVAL);
	assert_int_equal(fb_listing_add(listing, name, sizeof(name), NULL), -EINVAL);
	assert_int_equal(fb_listing_add_name(listing, "/", 1, 5, DT_DIR), -EINVAL);
	assert_int_equal(fb_listing_count(listing), 0);
	assert_int_equal(fb_listing_add(listing, name, FB_NAME_MAX, NULL), 0);
	assert_int_equal(fb_listing_count(listing), 1);
}

static void test_dots_are_ignored(void **state)
{
	struct fb_listing *listing = *state;

	assert_int_equal(fb_listing_add(listing, ".", 1, NULL), 0);
	assert_int_equal(fb_listing_add(listing, "..", 2, NULL), 0);
	assert_int_equal(fb_listing_count(listing), 0);
	assert_int_equal(fb_listing_add(listing, "...", 3, NULL), 0);
	assert_int_equal(fb_listing_add(listing, ".a", 2, NULL), 0);
	assert_int_equal(fb_listing_count(listing), 2);
}

static void expect_dot(struct page *page, const char *name, uint64_t ino, uint64_t cookie)
{
	struct fb_dirent_view view;

	assert_true(page_next(page, &view));
	assert_int_equal(view.dirent.name_len, strlen(name));
	assert_memory_equal(view.dirent.name, name, strlen(name));
	assert_int_equal(view.dirent.ino, ino);
	assert_int_equal(view.dirent.type, DT_DIR);
	assert_int_equal(view.dirent.cookie, cookie);
}

static void test_dots_come_first(void **state)
{
	struct fb_listing *listing = *state;
	struct fb_dirent_view view;
	struct page *page = calloc(1, sizeof(*page));

	assert_int_equal(fb_listing_add_dots(listing, 5, 0), 0);
	assert_int_equal(fb_listing_add(listing, "a", 1, NULL), 0);
	assert_int_equal(fb_listing_count(listing), 1);
	assert_int_equal(fb_listing_add_dots(listing, 6, 7), 0); /* other numbers, same places */
	page_init(page, 4096, false);
	assert_int_equal(fb_listing_send(listing, 0, &page->sink, NULL, NULL), 0);
	expect_dot(page, ".", 6, 1);
	expect_dot(page, "..", 7, 2);
	assert_true(page_next(page, &view));
	assert_int_equal(view.dirent.cookie, 3);
	assert_false(page_next(page, &view));
	free(page);
}

static void test_dots_come_not_later(void **state)
{
	struct fb_listing *listing = *state;

	assert_int_equal(fb_listing_add(listing, "a", 1, NULL), 0);
	assert_int_equal(fb_listing_add_dots(listing, 5, 6), -EINVAL);
	assert_int_equal(fb_listing_count(listing), 1);
}

static void test_names_are_copied(void **state)
{
	struct fb_listing *listing = *state;
	struct fb_dirent_view view;
	struct page *page = calloc(1, sizeof(*page));
	char name[] = "name";

	assert_int_equal(fb_listing_add(listing, name, 3, NULL), 0);
	memset(name, 'x', sizeof(name));
	page_init(page, 4096, false);
	assert_int_equal(fb_listing_send(listing, 0, &page->sink, NULL, NULL), 0);
	assert_true(page_next(page, &view));
	assert_int_equal(view.dirent.name_len, 3);
	assert_memory_equal(view.dirent.name, "nam", 3);
	assert_int_equal(view.dirent.cookie, 1);
	assert_true(view.dirent.ino != 0);
	assert_false(page_next(page, &view));
	free(page);
}

static void test_what_is_known_is_sent(void **state)
{
	const struct fb_attr dir = { .ino = 77, .mode = S_IFDIR | 0700 }, odd = { .ino = 78 };
	struct fb_listing *listing = *state;
	struct fb_dirent_view view;
	struct page *page = calloc(1, sizeof(*page));

	assert_int_equal(fb_listing_add(listing, "a", 1, &dir), 0);
	assert_int_equal(fb_listing_add(listing, "b", 1, &odd), 0);
	assert_int_equal(fb_listing_add_name(listing, "c", 1, 79, DT_FIFO), 0);
	assert_int_equal(fb_listing_add_name(listing, "d", 1, 80, 400), 0);
	page_init(page, 4096, false);
	assert_int_equal(fb_listing_send(listing, 0, &page->sink, NULL, NULL), 0);
	assert_true(page_next(page, &view));
	assert_int_equal(view.dirent.ino, 77);
	assert_int_equal(view.dirent.type, DT_DIR);
	assert_true(page_next(page, &view));
	assert_int_equal(view.dirent.ino, 78);
	assert_int_equal(view.dirent.type, DT_UNKNOWN);
	assert_true(page_next(page, &view));
	assert_int_equal(view.dirent.ino, 79);
	assert_int_equal(view.dirent.type, DT_FIFO);
	assert_true(page_next(page, &view));
	assert_int_equal(view.dirent.type, DT_UNKNOWN);
	free(page);
}

struct looker {
	unsigned calls;
	int result;
};

static int look_up(void *arg, const struct fb_dirent *entry, const struct fb_attr *attr,
		   struct fb_entry *ret_entry)
{
	struct looker *looker = arg;

	(void)entry;
	looker->calls++;
	if (looker->result == 1)
		*ret_entry = (struct fb_entry){ .node = 5, .attr = *attr };
	return looker->result;
}

static void test_plus_is_asked_for_what_is_sent_only(void **state)
{
	const struct fb_attr attr = { .ino = 9, .mode = S_IFREG | 0600 };
	struct fb_listing *listing = *state;
	struct looker looker = { .result = 1 };
	struct fb_dirent_view view;
	struct page *page = calloc(1, sizeof(*page));
	unsigned sent = 0;

	for (int i = 0; i < 100; i++)
		assert_int_equal(fb_listing_add(listing, "name", 4, &attr), 0);
	page_init(page, 1000, true);
	assert_int_equal(fb_listing_send(listing, 0, &page->sink, look_up, &looker), 0);
	while (page_next(page, &view)) {
		assert_int_equal(view.node, 5);
		sent++;
	}
	assert_true(sent > 0 && sent < 100);
	assert_int_equal(looker.calls, sent);
	/* Without plus nobody asks. */
	page_init(page, 1000, false);
	assert_int_equal(fb_listing_send(listing, 0, &page->sink, look_up, &looker), 0);
	assert_int_equal(looker.calls, sent);
	free(page);
}

static void test_without_attributes_the_name_is_sent(void **state)
{
	struct fb_listing *listing = *state;
	struct looker looker = { .result = -ENOENT };
	struct fb_dirent_view view;
	struct page *page = calloc(1, sizeof(*page));

	assert_int_equal(fb_listing_add(listing, "a", 1, NULL), 0);
	for (int result = -1; result <= 0; result++) {
		looker.result = result;
		page_init(page, 1000, true);
		assert_int_equal(fb_listing_send(listing, 0, &page->sink, look_up, &looker), 0);
		assert_true(page_next(page, &view));
		assert_int_equal(view.node, 0);
	}
	assert_int_equal(looker.calls, 2);
	free(page);
}

static void test_cookies_beyond_the_end_send_nothing(void **state)
{
	struct fb_listing *listing = *state;
	struct page *page = calloc(1, sizeof(*page));
	const uint64_t cookies[] = { 1, 2, UINT32_MAX, UINT64_MAX };

	assert_int_equal(fb_listing_add(listing, "a", 1, NULL), 0);
	for (size_t i = 0; i < sizeof(cookies) / sizeof(cookies[0]); i++) {
		page_init(page, 1000, false);
		assert_int_equal(fb_listing_send(listing, cookies[i], &page->sink, NULL, NULL), 0);
		assert_int_equal(page->sink.size, 0);
	}
	page_init(page, 0, false);
	assert_int_equal(fb_listing_send(listing, 0, &page->sink, NULL, NULL), 0);
	free(page);
}

#define MANY 100000u

/* Each name once, in order, whatever the size of the pages. */
static void test_many_names_in_odd_pages(void **state)
{
	static const size_t rooms[] = { 33, 97, 1013, 4096, 65535 };
	struct fb_listing *listing = *state;
	struct fb_dirent_view view;
	struct page *page = calloc(1, sizeof(*page));
	uint64_t cookie;
	char name[32];

	for (unsigned i = 0; i < MANY; i++) {
		int length = snprintf(name, sizeof(name), "%u", i);

		assert_int_equal(fb_listing_add(listing, name, (size_t)length, NULL), 0);
	}
	assert_int_equal(fb_listing_count(listing), MANY);
	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		unsigned seen = 0;

		cookie = 0;
		do {
			page_init(page, rooms[i], false);
			assert_int_equal(fb_listing_send(listing, cookie, &page->sink, NULL, NULL),
					 0);
			while (page_next(page, &view)) {
				snprintf(name, sizeof(name), "%u", seen++);
				assert_int_equal(view.dirent.name_len, strlen(name));
				assert_memory_equal(view.dirent.name, name, view.dirent.name_len);
				cookie = view.dirent.cookie;
			}
		} while (page->sink.size > 0);
		assert_int_equal(seen, MANY);
	}
	free(page);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names_are_checked),
		TEST(test_dots_are_ignored),
		TEST(test_dots_come_first),
		TEST(test_dots_come_not_later),
		TEST(test_names_are_copied),
		TEST(test_what_is_known_is_sent),
		TEST(test_plus_is_asked_for_what_is_sent_only),
		TEST(test_without_attributes_the_name_is_sent),
		TEST(test_cookies_beyond_the_end_send_nothing),
		TEST(test_many_names_in_odd_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
