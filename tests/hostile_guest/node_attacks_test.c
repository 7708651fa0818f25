/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes that are not the guest's, or not there any more, and ways out of the share: F11, F12, F21, F22. */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static bool own_namespace;

static struct fb_wire_entry_out look_up(const char *name)
{
	struct fb_wire_entry_out entry;

	assert_int_equal(guest_lookup(&other, GUEST_ROOT, name, &entry), 0);
	return entry;
}

/* ---- numbers ------------------------------------------------------------------------------------ */

static void test_F11_unknown_nodes(void **state)
{
	struct fb_wire_create_out made = make_file("f");
	struct fb_wire_attr attr;

	(void)state;
	assert_int_equal(guest_getattr(&first, 0, &attr), -ESTALE);
	assert_int_equal(guest_getattr(&first, UINT64_MAX, &attr), -ESTALE);
	assert_int_equal(guest_getattr(&first, made.entry.nodeid + 1, &attr), -ESTALE);
	assert_int_equal(guest_release(&first, made.entry.nodeid, made.open.fh), 0);
	assert_int_equal(guest_forget(guest, made.entry.nodeid, 1), 0);
	assert_int_equal(guest_getattr(&first, made.entry.nodeid, &attr), -ESTALE);
	works();
}

static void test_F11_unknown_files(void **state)
{
	struct fb_wire_create_out made = make_file("f"), another = make_file("g");
	uint64_t node = made.entry.nodeid, fh = made.open.fh;
	char byte;
	size_t done;

	(void)state;
	assert_int_equal(guest_read(&first, node, fh + 1000, 0, &byte, 1, &done), -EBADF);
	assert_int_equal(guest_read(&first, node, another.open.fh, 0, &byte, 1, &done), -EBADF);
	assert_int_equal(guest_read(&first, GUEST_ROOT, fh, 0, &byte, 1, &done), -EBADF);
	assert_int_equal(guest_release(&first, node, fh), 0);
	assert_int_equal(guest_read(&first, node, fh, 0, &byte, 1, &done), -EBADF);
	assert_int_equal(guest_release(&first, node, fh), 0); /* of nothing */
	works();
}

static void test_F11_files_of_the_wrong_kind(void **state)
{
	struct fb_wire_create_out made = make_file("f");
	char bytes[512];
	uint64_t dir;
	size_t done;

	(void)state;
	assert_int_equal(guest_opendir(&first, GUEST_ROOT, &dir), 0);
	assert_int_equal(guest_read(&first, GUEST_ROOT, dir, 0, bytes, 1, &done), -EBADF);
	assert_int_equal(guest_readdir(&first, made.entry.nodeid, made.open.fh, 0, bytes,
				       sizeof(bytes), &done),
			 -EBADF);
	assert_int_equal(guest_releasedir(&first, made.entry.nodeid, made.open.fh), 0);
	assert_int_equal(guest_read(&first, made.entry.nodeid, made.open.fh, 0, bytes, 1, &done),
			 0); /* it is open still */
	works();
}

static void test_F12_more_than_was_looked_up(void **state)
{
	struct fb_wire_create_out made = make_file("f");
	struct fb_wire_attr attr;
	size_t done;

	(void)state;
	assert_int_equal(guest_forget(guest, made.entry.nodeid, UINT64_MAX), 0);
	assert_int_equal(guest_forget(guest, made.entry.nodeid, UINT64_MAX), 0);
	assert_int_equal(guest_getattr(&first, made.entry.nodeid, &attr), -ESTALE);
	/* What is open stays open. */
	assert_int_equal(guest_write(&first, made.entry.nodeid, made.open.fh, 0, "x", 1, &done), 0);
	assert_int_equal(look_up("f").attr.size, 1);
	works();
}

static void test_F12_the_root(void **state)
{
	(void)state;
	assert_int_equal(guest_forget(guest, GUEST_ROOT, 1), 0);
	assert_int_equal(guest_forget(guest, GUEST_ROOT, UINT64_MAX), 0);
	works();
}

/* A request that waits holds its node. */
static void test_F12_during_an_operation(void **state)
{
	struct guest_request *waiting = wait_for_lock("locked");
	uint64_t node = look_up("locked").nodeid;
	struct fb_wire_attr attr;

	(void)state;
	assert_int_equal(guest_forget(guest, node, UINT64_MAX), 0);
	assert_int_equal(guest_getattr(&other, node, &attr), -ESTALE);
	lives();
	assert_int_equal(guest_stop(guest), 0);
	assert_int_equal(lock_ends(waiting), -EINTR);
	assert_int_equal(guest_start(guest), 0);
	works();
}

static void *look_up_again(void *arg)
{
	struct guest_caller *caller = arg;
	struct fb_wire_entry_out entry;
	struct fb_wire_attr attr;
	int r = 0;

	for (unsigned i = 0; i < 3000 && r == 0; i++) {
		r = guest_lookup(caller, GUEST_ROOT, "f", &entry);
		if (r == 0)
			r = guest_getattr(caller, entry.nodeid, &attr);
		if (r == -ESTALE) /* forgotten meanwhile */
			r = 0;
	}
	return r == 0 ? NULL : "no answer";
}

/* The same node is looked up on one ring and forgotten on another. */
static void test_F12_beside_lookups(void **state)
{
	pthread_t thread;
	void *result;

	(void)state;
	(void)make_file("f");
	assert_int_equal(pthread_create(&thread, NULL, look_up_again, &other), 0);
	for (uint64_t i = 0; i < 3000; i++)
		assert_int_equal(guest_forget(guest, 2 + i % 20, 1 + i % 3), 0);
	pthread_join(thread, &result);
	assert_null(result);
	works();
}

/* BATCH_FORGET on the ring of those that nobody waits for. */
static void batch_forget(uint32_t count, const struct fb_wire_forget_one *ones, size_t size)
{
	struct fb_wire_batch_forget_in in = { .count = count };
	uint8_t body[512];
	struct request r;
	size_t len = 99;

	memcpy(body, &in, sizeof(in));
	memcpy(body + sizeof(in), ones, size);
	r = request(FB_OP_BATCH_FORGET, 0, body, sizeof(in) + size);
	assert_int_equal(guest_call(guest, GUEST_HIPRIO, &r, r.header.len, NULL, 0, &len), 0);
	assert_int_equal(len, 0);
}

static void test_F12_more_than_there_are(void **state)
{
	struct fb_wire_create_out made = make_file("f");
	struct fb_wire_forget_one ones[2] = { { made.entry.nodeid, 1 }, { GUEST_ROOT, 7 } };
	struct fb_wire_attr attr;

	(void)state;
	batch_forget(3, ones, sizeof(ones));
	batch_forget(UINT32_MAX, ones, sizeof(ones));
	batch_forget(1, ones, sizeof(ones));
	batch_forget(2, ones, sizeof(ones) - 1);
	assert_int_equal(guest_getattr(&first, made.entry.nodeid, &attr), 0); /* none was taken */
	batch_forget(2, ones, sizeof(ones));
	assert_int_equal(guest_getattr(&first, made.entry.nodeid, &attr), -ESTALE);
	works();
}

/* ---- ways out ------------------------------------------------------------------------------------- */

static void test_F21_links_are_not_followed(void **state)
{
	struct fb_wire_entry_out entry;
	char target[32] = "";
	size_t len;
	uint64_t link;

	(void)state;
	assert_int_equal(symlink("/etc", host_path("out")), 0);
	link = look_up("out").nodeid;
	assert_int_equal(guest_lookup(&first, link, "passwd", &entry), -ENOTDIR);
	assert_int_equal(guest_unlink(&first, link, "passwd"), -ENOTDIR);
	assert_int_equal(guest_mkdir(&first, link, "fb-hostile", 0700, &entry), -ENOTDIR);
	assert_int_equal(guest_ask(&first, FB_OP_READLINK, link, NULL, 0, NULL, 0, target,
				   sizeof(target), &len),
			 0);
	assert_int_equal(len, 4); /* it is stored as it is */
	assert_memory_equal(target, "/etc", 4);
	works();
}

static atomic_bool enough;

/* On the host, a directory and a link out of the share take turns under one name. */
static void *swap(void *arg)
{
	char names[2][100];

	(void)arg;
	snprintf(names[0], sizeof(names[0]), "%s/turn", device.folder);
	snprintf(names[1], sizeof(names[1]), "%s/link", device.folder);
	while (!enough)
		(void)renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE);
	return NULL;
}

static void test_F21_race(void **state)
{
	struct fb_wire_entry_out entry, inner;
	unsigned directories = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(mkdir(host_path("turn"), 0700), 0);
	assert_int_equal(symlink("/etc", host_path("link")), 0);
	enough = false;
	assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
	for (unsigned i = 0; i < 5000; i++) {
		int r;

		assert_int_equal(guest_lookup(&first, GUEST_ROOT, "turn", &entry), 0);
		directories += S_ISDIR(entry.attr.mode);
		r = guest_lookup(&first, entry.nodeid, "passwd", &inner);
		assert_int_equal(r, S_ISDIR(entry.attr.mode) ? -ENOENT : -ENOTDIR);
	}
	enough = true;
	pthread_join(thread, NULL);
	print_message("%u times a directory\n", directories);
	works();
}

static int rename_to(uint64_t parent, const char *names, size_t size)
{
	struct fb_wire_rename_in in = { .newdir = parent };

	return guest_ask(&first, FB_OP_RENAME, GUEST_ROOT, &in, sizeof(in), names, size, NULL, 0,
			 NULL);
}

static int enter_namespace(void **state)
{
	(void)state;
	own_namespace =
		unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	return 0;
}

static void test_F22_across_mounts(void **state)
{
	struct fb_wire_create_out made = make_file("f");
	struct fb_wire_link_in in = { .oldnodeid = made.entry.nodeid };
	struct fb_wire_entry_out entry;
	uint64_t below;

	(void)state;
	if (!own_namespace)
		SKIP_BECAUSE("needs a mount namespace of its own");
	assert_int_equal(mkdir(host_path("mount"), 0700), 0);
	assert_int_equal(mount("none", host_path("mount"), "tmpfs", 0, "size=1m"), 0);
	below = look_up("mount").nodeid;
	assert_int_equal(rename_to(below, "f\0g", 4), -EXDEV);
	assert_int_equal(guest_ask(&first, FB_OP_LINK, below, &in, sizeof(in), "g", 2, &entry,
				   sizeof(entry), NULL),
			 -EXDEV);
	assert_int_equal(access(host_path("f"), F_OK), 0);
	assert_int_equal(access(host_path("mount/g"), F_OK), -1);
	assert_int_equal(umount2(host_path("mount"), MNT_DETACH), 0);
	works();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_F11_unknown_nodes),
		TEST(test_F11_unknown_files),
		TEST(test_F11_files_of_the_wrong_kind),
		TEST(test_F12_more_than_was_looked_up),
		TEST(test_F12_the_root),
		TEST(test_F12_during_an_operation),
		TEST(test_F12_beside_lookups),
		TEST(test_F12_more_than_there_are),
		TEST(test_F21_links_are_not_followed),
		TEST(test_F21_race),
		TEST(test_F22_across_mounts),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
