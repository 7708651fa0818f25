/* SPDX-License-Identifier: BSD-3-Clause */
/* More than the share has descriptors for: rows F15 and F16. */
#include "stage.h"

#include "share_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILES 1500u /* more than the share has descriptors */

/* ---- how much ------------------------------------------------------------------------------------ */

/* Opens until the budget is used up: one call fails, all else goes on. */
static void test_F15_open_files(void **state)
{
	struct fb_wire_create_out made = make_file("f");
	unsigned opened = 0, descriptors = share_descriptors();
	uint64_t fh = 0;
	int r = 0;

	(void)state;
	while (r == 0 && opened < 5 * DEVICE_DESCRIPTORS) {
		r = guest_open(&first, made.entry.nodeid, O_RDONLY, &fh);
		opened += r == 0;
	}
	assert_int_equal(r, -ENFILE);
	assert_in_range(opened, DEVICE_DESCRIPTORS / 2, DEVICE_DESCRIPTORS);
	works();
	assert_int_equal(guest_release(&first, made.entry.nodeid, fh), 0);
	assert_int_equal(guest_open(&first, made.entry.nodeid, O_RDONLY, &fh), 0);
	greet(FLAGS);
	assert_in_range(share_descriptors(), 1, descriptors);
	works();
}

static void make_many(void)
{
	char name[16];

	for (unsigned i = 0; i < FILES; i++) {
		int fd;

		snprintf(name, sizeof(name), "many%u", i);
		fd = open(host_path(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		close(fd);
	}
}

/* Look all of them up. Returns how many could be. */
static unsigned look_up_many(void)
{
	struct fb_wire_entry_out entry;
	unsigned found = 0;
	char name[16];

	for (unsigned i = 0; i < FILES; i++) {
		int r;

		snprintf(name, sizeof(name), "many%u", i);
		r = guest_lookup(&first, GUEST_ROOT, name, &entry);
		assert_true(r == 0 || r == -ENFILE);
		found += r == 0;
	}
	return found;
}

static void share_with_handles(enum fb_inode_handles handles)
{
	const struct fb_passthrough_options how = { .size = sizeof(how),
						    .handles = handles,
						    .max_descriptors = DEVICE_DESCRIPTORS };

	share_anew(&how, NULL);
	greet(FLAGS | FB_INIT_DO_READDIRPLUS);
}

static void test_F16_nodes_by_handle(void **state)
{
	struct fb_passthrough *driver;
	const struct fb_passthrough_options mandatory = { .size = sizeof(mandatory),
							  .handles = FB_HANDLES_MANDATORY };
	unsigned before;

	(void)state;
	if (fb_passthrough_new("/tmp", &mandatory, &driver) < 0)
		SKIP_BECAUSE("file handles can not be used here");
	fb_passthrough_free(driver);
	share_with_handles(FB_HANDLES_PREFER);
	before = share_descriptors();
	make_many();
	assert_int_equal(look_up_many(), FILES);
	assert_in_range(share_descriptors(), before, before + DEVICE_DESCRIPTORS);
	works();
}

static void test_F16_nodes_by_descriptor(void **state)
{
	unsigned before;

	(void)state;
	share_with_handles(FB_HANDLES_NEVER);
	before = share_descriptors();
	make_many();
	assert_in_range(look_up_many(), DEVICE_DESCRIPTORS / 2, DEVICE_DESCRIPTORS);
	assert_in_range(share_descriptors(), before, before + DEVICE_DESCRIPTORS);
	works();
}

/* Entries of READDIRPLUS that begin with "many"; those without a node are counted apart. */
static unsigned list_many(uint64_t fh, unsigned *ret_without)
{
	static uint8_t buffer[65536];
	struct fb_wire_read_in in = { .fh = fh, .size = sizeof(buffer) };
	unsigned names = 0;
	size_t len = 1;

	while (len > 0) {
		assert_int_equal(guest_ask(&first, FB_OP_READDIRPLUS, GUEST_ROOT, &in, sizeof(in),
					   NULL, 0, buffer, sizeof(buffer), &len),
				 0);
		for (size_t at = 0; at < len;) {
			struct fb_wire_direntplus plus;

			memcpy(&plus, buffer + at, sizeof(plus));
			in.offset = plus.dirent.off;
			if (memcmp(buffer + at + sizeof(plus), "many", 4) == 0) {
				names++;
				*ret_without += plus.entry_out.nodeid == 0;
			}
			at += (sizeof(plus) + plus.dirent.namelen + 7) / 8 * 8;
		}
	}
	return names;
}

/* Without a descriptor there is a name without a node, never a missing name. */
static void test_F16_listing(void **state)
{
	unsigned without = 0;
	uint64_t fh;

	(void)state;
	share_with_handles(FB_HANDLES_NEVER);
	make_many();
	assert_int_equal(guest_opendir(&first, GUEST_ROOT, &fh), 0);
	assert_int_equal(list_many(fh, &without), FILES);
	assert_in_range(without, FILES - DEVICE_DESCRIPTORS, FILES);
	works();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_F15_open_files),
		TEST(test_F16_nodes_by_handle),
		TEST(test_F16_nodes_by_descriptor),
		TEST(test_F16_listing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
