/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that must not be opened, and numbers that can not be: rows F13, F14, F24, F27 and F28. */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

static struct fb_wire_entry_out look_up(const char *name)
{
	struct fb_wire_entry_out entry;

	assert_int_equal(guest_lookup(&other, GUEST_ROOT, name, &entry), 0);
	return entry;
}

/* ---- what is opened ----------------------------------------------------------------------------- */

/* Neither by reading nor by writing, and nothing waits for it. */
static void never_opened(const char *name)
{
	uint64_t fh, node = look_up(name).nodeid;

	assert_int_equal(guest_open(&first, node, O_RDONLY, &fh), -EBADF);
	assert_int_equal(guest_open(&first, node, O_WRONLY, &fh), -EBADF);
	assert_int_equal(guest_open(&first, node, O_RDWR, &fh), -EBADF);
	assert_int_equal(guest_opendir(&first, node, &fh), -ENOTDIR);
	works();
}

static void test_F13_fifo(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(host_path("fifo"), 0666), 0);
	never_opened("fifo");
}

static void test_F13_symbolic_link(void **state)
{
	(void)state;
	assert_int_equal(symlink("/etc/passwd", host_path("link")), 0);
	never_opened("link");
}

static void test_F13_socket(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	strncpy(address.sun_path, host_path("socket"), sizeof(address.sun_path) - 1);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	never_opened("socket");
	close(fd);
}

static void test_F13_device(void **state)
{
	(void)state;
	if (mknod(host_path("null"), S_IFCHR | 0666, makedev(1, 3)) < 0)
		SKIP_BECAUSE("devices can not be made here");
	never_opened("null");
}

static int open_directory(uint32_t flags)
{
	struct fb_wire_open_in in = { .flags = flags };
	struct fb_wire_open_out out;

	return guest_ask(&first, FB_OP_OPENDIR, GUEST_ROOT, &in, sizeof(in), NULL, 0, &out,
			 sizeof(out), NULL);
}

static void test_F14_flags(void **state)
{
	static const uint32_t bad[] = { O_PATH, O_TMPFILE | O_RDWR, O_CREAT | O_RDWR, O_EXCL,
					O_ACCMODE };
	struct fb_wire_create_out made = make_file("f");
	uint64_t fh;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(guest_open(&first, made.entry.nodeid, bad[i], &fh), -EINVAL);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(open_directory(bad[i]), -EINVAL);
	works();
}

/* What needs more than a caller may is left out, as is what no Linux knows. */
static void test_F14_flags_that_are_masked(void **state)
{
	struct fb_wire_create_out made = make_file("f");
	uint64_t fh;

	(void)state;
	assert_int_equal(guest_open(&first, made.entry.nodeid, O_DIRECT, &fh), 0);
	assert_int_equal(guest_open(&first, made.entry.nodeid, O_NOATIME, &fh), 0);
	assert_int_equal(guest_open(&first, made.entry.nodeid, 1u << 30, &fh), 0);
	works();
}

/* ---- locks --------------------------------------------------------------------------------------- */

#define LOCKS 1200u

/* Thousands that wait for one lock: so many may, and all end with their ring. */
static void test_F24_locks_without_end(void **state)
{
	struct guest_request *asked[LOCKS];
	struct fb_wire_create_out made;
	unsigned waited = 0;

	(void)state;
	connect_anew(&(struct guest_options){ .queues = 2, .ring_size = 2048 });
	greet(FLAGS);
	made = make_file("locked");
	assert_int_equal(lock_ends(ask_for_lock(&made, 1, guest_unique(guest))), 0);
	for (unsigned i = 0; i < LOCKS; i++)
		asked[i] = ask_for_lock(&made, 2 + i, guest_unique(guest));
	all_is_taken();
	lives();
	assert_int_equal(guest_stop(guest), 0);
	for (unsigned i = 0; i < LOCKS; i++) {
		int r = lock_ends(asked[i]);

		assert_true(r == -EINTR || r == -ENOLCK);
		waited += r == -EINTR;
	}
	assert_int_equal(waited, 1024);
	assert_int_equal(guest_start(guest), 0);
	works();
}

/* ---- offsets -------------------------------------------------------------------------------------- */

static const uint64_t far[] = { INT64_MAX, UINT64_C(1) << 63, UINT64_MAX - 4095, UINT64_MAX };

static void test_F27_seek(void **state)
{
	struct fb_wire_create_out made = make_file("f");
	struct fb_wire_lseek_in in = { .fh = made.open.fh, .whence = SEEK_DATA };
	struct fb_wire_lseek_out out;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		in.offset = far[i];
		assert_int_equal(guest_ask(&first, FB_OP_LSEEK, made.entry.nodeid, &in, sizeof(in),
					   NULL, 0, &out, sizeof(out), NULL),
				 -ENXIO);
	}
	in = (struct fb_wire_lseek_in){ .fh = made.open.fh, .whence = 77 };
	assert_int_equal(guest_ask(&first, FB_OP_LSEEK, made.entry.nodeid, &in, sizeof(in), NULL, 0,
				   &out, sizeof(out), NULL),
			 -EINVAL);
	works();
}

static void test_F27_allocate(void **state)
{
	struct fb_wire_create_out made = make_file("f");
	struct fb_wire_fallocate_in in = { .fh = made.open.fh, .length = 4096 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		in.offset = far[i];
		assert_int_equal(guest_ask(&first, FB_OP_FALLOCATE, made.entry.nodeid, &in,
					   sizeof(in), NULL, 0, NULL, 0, NULL),
				 -EINVAL);
	}
	in = (struct fb_wire_fallocate_in){ .fh = made.open.fh, .length = UINT64_MAX };
	assert_int_equal(guest_ask(&first, FB_OP_FALLOCATE, made.entry.nodeid, &in, sizeof(in),
				   NULL, 0, NULL, 0, NULL),
			 -EINVAL);
	assert_int_equal(look_up("f").attr.size, 0);
	works();
}

static void test_F27_copy(void **state)
{
	struct fb_wire_create_out from = make_file("f"), to = make_file("g");
	struct fb_wire_write_out out;

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct fb_wire_copy_file_range_in in = { .fh_in = from.open.fh,
							 .fh_out = to.open.fh,
							 .nodeid_out = to.entry.nodeid,
							 .off_in = i < 4 ? far[i] : 0,
							 .off_out = i < 4 ? 0 : far[i - 4],
							 .len = 4096 };

		assert_int_equal(guest_ask(&first, FB_OP_COPY_FILE_RANGE, from.entry.nodeid, &in,
					   sizeof(in), NULL, 0, &out, sizeof(out), NULL),
				 -EINVAL);
	}
	assert_int_equal(look_up("g").attr.size, 0);
	works();
}

/* A place in a listing is a number of the host's file system, and no pointer of ours. */
static void test_F27_place_in_a_listing(void **state)
{
	static const uint64_t places[] = {
		1, 77, 0x7fffffff, INT64_MAX, UINT64_MAX, UINT64_C(1) << 63, 0xdeadbeefcafe
	};
	char bytes[4096];
	uint64_t fh;
	size_t len;

	(void)state;
	(void)make_file("f");
	assert_int_equal(guest_opendir(&first, GUEST_ROOT, &fh), 0);
	for (unsigned i = 0; i < 7; i++) {
		int r = guest_readdir(&first, GUEST_ROOT, fh, places[i], bytes, sizeof(bytes),
				      &len);

		assert_true(r == 0 || r == -EINVAL);
		assert_int_equal(
			guest_readdir(&first, GUEST_ROOT, fh, 0, bytes, sizeof(bytes), &len), 0);
		assert_true(len > 0);
	}
	works();
}

/* ---- special files -------------------------------------------------------------------------------- */

/* MKNOD of a type. Returns its error. */
static int make_node(const char *name, uint32_t mode, uint32_t rdev)
{
	struct fb_wire_mknod_in in = { .mode = mode, .rdev = rdev };
	struct fb_wire_entry_out entry;

	return guest_ask(&first, FB_OP_MKNOD, GUEST_ROOT, &in, sizeof(in), name, strlen(name) + 1,
			 &entry, sizeof(entry), NULL);
}

/* Whoever may on the host may here; what is made is never opened. */
static void test_F28_special_files(void **state)
{
	int r = make_node("null", S_IFCHR | 0666, 0x103);
	struct stat stat;

	(void)state;
	if (geteuid() != 0)
		assert_int_equal(r, -EPERM);
	if (r == 0) {
		assert_int_equal(lstat(host_path("null"), &stat), 0);
		assert_int_equal(stat.st_rdev, makedev(1, 3));
		never_opened("null");
	}
	assert_int_equal(make_node("fifo", S_IFIFO | 0600, 0), 0);
	never_opened("fifo");
	assert_int_equal(make_node("odd", 0150000 | 0600, 0), -EINVAL);
	works();
}

/* The bits are the caller's to set, and go when others write. */
static void test_F28_set_id_bits(void **state)
{
	struct fb_wire_write_in in = { .size = 1, .write_flags = FB_WRITE_KILL_SUIDGID };
	struct fb_wire_create_out made;
	struct fb_wire_write_out out;
	struct stat stat;

	(void)state;
	assert_int_equal(guest_create(&first, GUEST_ROOT, "program", O_RDWR, 06755, &made), 0);
	assert_int_equal(lstat(host_path("program"), &stat), 0);
	assert_int_equal(stat.st_mode, S_IFREG | 06755);
	in.fh = made.open.fh;
	assert_int_equal(guest_ask(&first, FB_OP_WRITE, made.entry.nodeid, &in, sizeof(in), "x", 1,
				   &out, sizeof(out), NULL),
			 0);
	assert_int_equal(lstat(host_path("program"), &stat), 0);
	assert_int_equal(stat.st_mode, S_IFREG | 0755);
	works();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_F13_fifo),
		TEST(test_F13_symbolic_link),
		TEST(test_F13_socket),
		TEST(test_F13_device),
		TEST(test_F14_flags),
		TEST(test_F14_flags_that_are_masked),
		TEST(test_F24_locks_without_end),
		TEST(test_F27_seek),
		TEST(test_F27_allocate),
		TEST(test_F27_copy),
		TEST(test_F27_place_in_a_listing),
		TEST(test_F28_special_files),
		TEST(test_F28_set_id_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
