/* SPDX-License-Identifier: BSD-3-Clause */
/* Listing directories through the passthrough driver. */
#include "cmocka_setup.h"

#include "share_client.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_MAX 3000

static struct share_client client;

/* One listed name. */
struct entry {
	char name[NAME_MAX + 1];
	uint64_t ino, cookie, node;
	uint32_t type;
	struct fb_wire_attr attr;
};

static struct entry entries[NAMES_MAX];
static size_t entry_count;

static int setup(void **state)
{
	(void)state;
	share_open(&client, NULL, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	share_close(&client);
	return 0;
}

static void make_files(unsigned count)
{
	char name[64];

	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "file-%u-%0*u", i, (int)(i % 40), 0u);
		share_make(&client, name, "", 0644);
	}
}

static uint64_t open_root(void)
{
	uint64_t fh;

	assert_int_equal(share_open_dir(&client, FB_ROOT_NODE, O_RDONLY, &fh), 0);
	return fh;
}

/* Take one answer apart and append its entries. */
static void take(const uint8_t *answer, size_t size, bool plus)
{
	for (size_t at = 0; at < size;) {
		size_t head =
			plus ? sizeof(struct fb_wire_direntplus) : sizeof(struct fb_wire_dirent);
		struct entry *entry = &entries[entry_count++];
		struct fb_wire_direntplus wire = { 0 };

		assert_true(entry_count < NAMES_MAX && at + head <= size);
		if (plus)
			memcpy(&wire, answer + at, head);
		else
			memcpy(&wire.dirent, answer + at, head);
		assert_true(at + head + wire.dirent.namelen <= size);
		*entry = (struct entry){
			.ino = wire.dirent.ino,
			.cookie = wire.dirent.off,
			.type = wire.dirent.type,
			.node = wire.entry_out.nodeid,
			.attr = wire.entry_out.attr,
		};
		memcpy(entry->name, answer + at + head, wire.dirent.namelen);
		at += (head + wire.dirent.namelen + 7) / 8 * 8;
	}
}

/* Read on from cookie to the end in answers of size bytes. */
static void read_all(uint32_t opcode, uint64_t fh, uint64_t cookie, uint32_t size)
{
	uint8_t answer[32768];
	ssize_t got;

	for (;;) {
		got = share_list(&client, opcode, FB_ROOT_NODE, fh, cookie, answer, size);
		assert_true(got >= 0);
		if (got == 0)
			return;
		take(answer, (size_t)got, opcode == FB_OP_READDIRPLUS);
		cookie = entries[entry_count - 1].cookie;
	}
}

static void list(uint32_t opcode, uint32_t size)
{
	uint64_t fh = open_root();

	entry_count = 0;
	read_all(opcode, fh, 0, size);
	share_release_dir(&client, FB_ROOT_NODE, fh);
}

static struct entry *find(const char *name)
{
	struct entry *found = NULL;

	for (size_t i = 0; i < entry_count; i++) {
		if (strcmp(entries[i].name, name) != 0)
			continue;
		assert_null(found); /* once only */
		found = &entries[i];
	}
	return found;
}

static void forget_all(void)
{
	for (size_t i = 0; i < entry_count; i++)
		if (entries[i].node)
			share_forget(&client, entries[i].node, 1);
}

static void lists_each_name_once(void **state)
{
	static const uint32_t sizes[] = { 512, 4096, 32768 };
	struct dirent *host;
	size_t count;
	DIR *dir;

	(void)state;
	make_files(1000);
	for (size_t i = 0; i < 3; i++) {
		list(FB_OP_READDIR, sizes[i]);
		count = 0;
		dir = opendir(client.dir);
		while ((host = readdir(dir))) {
			struct entry *entry = find(host->d_name);

			assert_non_null(entry);
			assert_int_equal(entry->type, host->d_type);
			if (strcmp(host->d_name, "..") != 0)
				assert_int_equal(entry->ino, host->d_ino);
			count++;
		}
		closedir(dir);
		assert_int_equal(entry_count, count);
	}
}

/* P19: d_ino is st_ino, of every type. */
static void numbers_are_those_of_stat(void **state)
{
	static const uint32_t opcodes[] = { FB_OP_READDIR, FB_OP_READDIRPLUS };
	static const char *const names[] = { ".", "f", "dir", "link", "fifo" };
	struct stat host;

	(void)state;
	share_make(&client, "f", "", 0644);
	assert_int_equal(mkdir(share_path(&client, "dir"), 0755), 0);
	assert_int_equal(symlink("f", share_path(&client, "link")), 0);
	assert_int_equal(mkfifo(share_path(&client, "fifo"), 0644), 0);
	for (size_t i = 0; i < 2; i++) {
		list(opcodes[i], 4096);
		for (size_t n = 0; n < 5; n++) {
			struct entry *entry = find(names[n]);

			assert_non_null(entry);
			assert_int_equal(lstat(share_path(&client, names[n]), &host), 0);
			assert_int_equal(entry->ino, host.st_ino);
			assert_int_equal(entry->type, IFTODT(host.st_mode));
		}
		/* What lies above the share stays unknown. */
		assert_int_equal(find("..")->ino, find(".")->ino);
	}
}

/* P19, H10: also where something is mounted. */
static void mount_points_have_the_number_of_what_is_mounted(void **state)
{
	struct stat host;

	(void)state;
	assert_int_equal(mkdir(share_path(&client, "mnt here"), 0755), 0);
	list(FB_OP_READDIR, 4096);
	if (mount("libfb", share_path(&client, "mnt here"), "tmpfs", 0, "mode=755") < 0)
		SKIP_BECAUSE("mounting a tmpfs is not allowed");
	assert_int_equal(lstat(share_path(&client, "mnt here"), &host), 0);
	list(FB_OP_READDIR, 4096);
	assert_int_equal(find("mnt here")->ino, host.st_ino);
	list(FB_OP_READDIRPLUS, 4096);
	assert_int_equal(find("mnt here")->ino, host.st_ino);
	assert_int_equal(find("mnt here")->attr.ino, host.st_ino);
	forget_all();
	assert_int_equal(umount2(share_path(&client, "mnt here"), MNT_DETACH), 0);
	assert_int_equal(lstat(share_path(&client, "mnt here"), &host), 0);
	list(FB_OP_READDIR, 4096);
	assert_int_equal(find("mnt here")->ino, host.st_ino);
}

static void plus_brings_attributes(void **state)
{
	struct fb_wire_open_out open = { 0 };
	struct entry *entry;

	(void)state;
	share_make(&client, "f", "content", 0640);
	list(FB_OP_READDIRPLUS, 4096);
	entry = find("f");
	assert_int_not_equal(entry->node, 0);
	assert_int_equal(entry->attr.size, 7);
	assert_int_equal(entry->attr.mode, S_IFREG | 0640);
	assert_int_equal(find(".")->node, 0);
	assert_int_equal(find("..")->node, 0);
	assert_int_equal(share_open_file(&client, entry->node, O_RDONLY, 0, &open), 0);
	share_release(&client, entry->node, open.fh, 0);
	forget_all();
	assert_int_equal(share_open_file(&client, entry->node, O_RDONLY, 0, &open), -ESTALE);
}

/* P11: what does not fit any more is not counted; all counts are those of entries sent. */
static void plus_counts_what_it_sends(void **state)
{
	unsigned descriptors;
	struct fb_wire_open_out open = { 0 };

	(void)state;
	make_files(200);
	list(FB_OP_READDIR, 4096); /* opens the table of mounts */
	descriptors = share_descriptors();
	for (uint32_t size = 400; size < 1000; size += 56) {
		list(FB_OP_READDIRPLUS, size);
		assert_int_equal(entry_count, 202);
		forget_all();
		for (size_t i = 0; i < entry_count; i++)
			if (entries[i].node)
				assert_int_equal(share_open_file(&client, entries[i].node, O_RDONLY,
								 0, &open),
						 -ESTALE);
		assert_int_equal(share_descriptors(), descriptors);
	}
}

/* A name that went away between the listing and its lookup is listed all the same. */
static void vanished_names_do_no_harm(void **state)
{
	uint8_t answer[4096];
	uint64_t fh, cookie;
	size_t first;
	ssize_t got;

	(void)state;
	make_files(100);
	fh = open_root();
	entry_count = 0;
	got = share_list(&client, FB_OP_READDIRPLUS, FB_ROOT_NODE, fh, 0, answer, 512);
	assert_true(got > 0);
	take(answer, (size_t)got, true);
	cookie = entries[entry_count - 1].cookie;
	for (unsigned i = 0; i < 100; i++) {
		char name[64];

		snprintf(name, sizeof(name), "file-%u-%0*u", i, (int)(i % 40), 0u);
		unlink(share_path(&client, name));
	}
	/* Read ahead, or gone: never an error. */
	first = entry_count;
	assert_in_range(first, 1, 10);
	read_all(FB_OP_READDIRPLUS, fh, cookie, 4096);
	assert_int_equal(entry_count, 102);
	for (size_t i = first; i < entry_count; i++) {
		assert_int_equal(entries[i].node, 0);
		assert_int_not_equal(entries[i].ino, 0);
		assert_ptr_equal(find(entries[i].name), &entries[i]);
	}
	share_release_dir(&client, FB_ROOT_NODE, fh);
}

/* Any cookie that was returned can be gone back to, in any order. */
static void cookies_stay_valid(void **state)
{
	static struct entry before[NAMES_MAX];
	size_t count;
	uint64_t fh;

	(void)state;
	make_files(500);
	fh = open_root();
	entry_count = 0;
	read_all(FB_OP_READDIR, fh, 0, 4096);
	count = entry_count;
	memcpy(before, entries, sizeof(before));
	share_make(&client, "one-more", "", 0644);
	for (size_t i = count; i-- > 0; i -= i % 7) {
		uint8_t answer[512];
		ssize_t got = share_list(&client, FB_OP_READDIR, FB_ROOT_NODE, fh, before[i].cookie,
					 answer, sizeof(answer));

		entry_count = 0;
		assert_true(got >= 0);
		take(answer, (size_t)got, false);
		if (i + 1 < count && strcmp(entries[0].name, "one-more") != 0)
			assert_string_equal(entries[0].name, before[i + 1].name);
		if (i < 7)
			break;
	}
	/* Starting over shows what is new. */
	entry_count = 0;
	read_all(FB_OP_READDIR, fh, 0, 4096);
	assert_non_null(find("one-more"));
	share_release_dir(&client, FB_ROOT_NODE, fh);
}

static void small_answers_are_errors_not_the_end(void **state)
{
	uint8_t answer[64];
	uint64_t fh = open_root();

	(void)state;
	assert_int_equal(share_list(&client, FB_OP_READDIR, FB_ROOT_NODE, fh, 0, answer, 16),
			 -EINVAL);
}

static void wrong_handles_are_refused(void **state)
{
	uint8_t answer[4096];
	struct share_file file;
	uint64_t fh = open_root();

	(void)state;
	share_make(&client, "f", "", 0644);
	file = share_open_name(&client, "f", O_RDONLY);
	assert_int_equal(share_list(&client, FB_OP_READDIR, FB_ROOT_NODE, file.fh, 0, answer, 512),
			 -EBADF);
	assert_int_equal(share_list(&client, FB_OP_READDIR, file.node, file.fh, 0, answer, 512),
			 -EBADF);
	assert_int_equal(share_list(&client, FB_OP_READDIR, FB_ROOT_NODE, 0, 0, answer, 512),
			 -EBADF);
	assert_int_equal(share_list(&client, FB_OP_READDIR, 4711, fh, 0, answer, 512), -ESTALE);
	assert_int_equal(share_fsync(&client, FB_OP_FSYNCDIR, FB_ROOT_NODE, file.fh, 0), -EBADF);
	assert_int_equal(share_fsync(&client, FB_OP_FSYNCDIR, FB_ROOT_NODE, fh, 0), 0);
	share_release_dir(&client, FB_ROOT_NODE, fh);
	assert_int_equal(share_list(&client, FB_OP_READDIR, FB_ROOT_NODE, fh, 0, answer, 512),
			 -EBADF);
}

/* Names can be looked up that are not listed. */
static void can_be_turned_off(void **state)
{
	struct fb_passthrough_options options = { .size = sizeof(options), .readdir = FB_OFF };
	struct fb_passthrough *driver;
	struct fb_wire_entry_out entry;

	(void)state;
	share_open(&client, &options, NULL);
	assert_false(client.granted & FB_INIT_DO_READDIRPLUS);
	share_make(&client, "file", "", 0644);
	list(FB_OP_READDIR, 4096);
	assert_int_equal(entry_count, 0);
	assert_int_equal(share_lookup(&client, FB_ROOT_NODE, "file", &entry), 0);
	options.readdirplus = FB_ON;
	assert_int_equal(fb_passthrough_new("/tmp", &options, &driver), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lists_each_name_once),
		TEST(numbers_are_those_of_stat),
		TEST(mount_points_have_the_number_of_what_is_mounted),
		TEST(plus_brings_attributes),
		TEST(plus_counts_what_it_sends),
		TEST(vanished_names_do_no_harm),
		TEST(cookies_stay_valid),
		TEST(small_answers_are_errors_not_the_end),
		TEST(wrong_handles_are_refused),
		cmocka_unit_test_teardown(can_be_turned_off, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
