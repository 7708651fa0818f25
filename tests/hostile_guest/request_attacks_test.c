/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages that are no FUSE requests: rows F1 to F7 and F17. */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int lookup_bytes(const char *name, size_t size)
{
	struct request r = request(FB_OP_LOOKUP, GUEST_ROOT, name, size);

	return ask(&r, r.header.len, 256);
}

static void test_F1_no_header(void **state)
{
	struct request r = request(FB_OP_GETATTR, GUEST_ROOT, "", 0);

	(void)state;
	assert_int_equal(ask(&r, IN_HEADER - 1, 256), -ENOMSG);
	assert_int_equal(ask(&r, 1, 256), -ENOMSG);
	works();
}

static void test_F2_lengths(void **state)
{
	const struct fb_wire_getattr_in in = { 0 };
	struct request r = request(FB_OP_GETATTR, GUEST_ROOT, &in, sizeof(in));
	uint32_t right = r.header.len;

	(void)state;
	assert_int_equal(ask(&r, right, 256), 0);
	r.header.len = IN_HEADER - 1;
	assert_int_equal(ask(&r, right, 256), -EINVAL);
	r.header.len = right + 1;
	assert_int_equal(ask(&r, right, 256), -EINVAL);
	r.header.len = UINT32_MAX;
	assert_int_equal(ask(&r, right, 256), -EINVAL);
	r.header.len = right - 1; /* shorter than the struct */
	assert_int_equal(ask(&r, right, 256), -EINVAL);
	r.header.len = right; /* what is behind does not count */
	assert_int_equal(ask(&r, right + 100, 256), 0);
	works();
}

/* What older clients send is shorter than the struct, and right. */
static void test_F2_short_old_forms(void **state)
{
	struct {
		uint32_t size, flags;
		char rest[16];
	} setxattr = { .size = 1, .rest = "user.x\0v" };
	struct fb_wire_create_out made = make_file("f");
	struct request r;

	(void)state;
	assert_int_equal(guest_init(guest, 31, FLAGS, NULL), 0); /* of 16 bytes */
	assert_int_equal(guest_getattr(&first, made.entry.nodeid, &made.entry.attr), -ESTALE);
	made = make_file("g");
	r = request(FB_OP_SETXATTR, made.entry.nodeid, &setxattr, 8 + sizeof("user.x\0v") - 1);
	assert_int_equal(ask(&r, r.header.len, 256), 0);
	r = request(FB_OP_SETXATTR, made.entry.nodeid, &setxattr, 7);
	assert_int_equal(ask(&r, r.header.len, 256), -EINVAL);
	r = request(FB_OP_INIT, 0, &(struct fb_wire_init_in){ 7, 31, 0, 0, 0, { 0 } }, 15);
	assert_int_equal(ask(&r, r.header.len, 256), -EINVAL);
	works();
}

/* MKDIR with each room of this range: nothing may be made. */
static void make_directory_in(size_t room, size_t end, int error)
{
	struct fb_wire_mkdir_in in = { .mode = 0755 };
	uint8_t body[sizeof(in) + 4];
	struct fb_wire_entry_out entry;

	memcpy(body, &in, sizeof(in));
	memcpy(body + sizeof(in), "dir", 4);
	for (; room < end; room += 7) {
		struct request r = request(FB_OP_MKDIR, GUEST_ROOT, body, sizeof(body));

		assert_int_equal(ask(&r, r.header.len, room), error);
		assert_int_equal(guest_lookup(&other, GUEST_ROOT, "dir", &entry), -ENOENT);
	}
}

/* What can not be answered is not done. */
static void test_F3_no_room_for_a_header(void **state)
{
	(void)state;
	make_directory_in(1, OUT_HEADER, -ENOMSG);
	works();
}

static void test_F4_no_room_for_the_answer(void **state)
{
	(void)state;
	make_directory_in(OUT_HEADER, OUT_HEADER + sizeof(struct fb_wire_entry_out), -EINVAL);
	works();
}

static void test_F4_less_room_than_asked(void **state)
{
	struct fb_wire_create_out made = make_file("f");
	struct fb_wire_read_in in = { .size = 4096, .fh = made.open.fh };
	struct request r;

	(void)state;
	r = request(FB_OP_READ, made.entry.nodeid, &in, sizeof(in));
	assert_int_equal(ask(&r, r.header.len, OUT_HEADER + 4095), -EINVAL);
	r = request(FB_OP_READ, made.entry.nodeid, &in, sizeof(in));
	assert_int_equal(ask(&r, r.header.len, OUT_HEADER + 4096), 0);
	works();
}

static void test_F4_listing(void **state)
{
	struct fb_wire_read_in in = { .size = 4096 };
	struct request r;

	(void)state;
	assert_int_equal(guest_opendir(&first, GUEST_ROOT, &in.fh), 0);
	r = request(FB_OP_READDIR, GUEST_ROOT, &in, sizeof(in));
	assert_int_equal(ask(&r, r.header.len, OUT_HEADER + 4095), -EINVAL);
	r = request(FB_OP_READDIR, GUEST_ROOT, &in, sizeof(in));
	assert_int_equal(ask(&r, r.header.len, OUT_HEADER + 4096), 0);
	works();
}

static void test_F4_attribute(void **state)
{
	struct {
		struct fb_wire_getxattr_in in;
		char name[8];
	} body = { { .size = 100 }, "user.x" };
	struct request r = request(FB_OP_GETXATTR, GUEST_ROOT, &body, sizeof(body.in) + 7);

	(void)state;
	assert_int_equal(ask(&r, r.header.len, OUT_HEADER + 99), -EINVAL);
	assert_int_equal(ask(&r, r.header.len, OUT_HEADER + 100), -ENODATA);
	body.in.size = 0; /* how long is it? */
	r = request(FB_OP_GETXATTR, GUEST_ROOT, &body, sizeof(body.in) + 7);
	assert_int_equal(ask(&r, r.header.len, OUT_HEADER), -ENODATA);
	works();
}

static void test_F5_bytes_that_are_no_name(void **state)
{
	(void)state;
	assert_int_equal(lookup_bytes("abc", 3), -EINVAL); /* no NUL */
	assert_int_equal(lookup_bytes("abc\0def", 8), -EINVAL);
	assert_int_equal(lookup_bytes("", 0), -EINVAL);
	works();
}

static void test_F5_one_name_of_two(void **state)
{
	static const uint32_t opcodes[] = { FB_OP_RENAME, FB_OP_RENAME2, FB_OP_SYMLINK };
	static const size_t sizes[] = { sizeof(struct fb_wire_rename_in),
					sizeof(struct fb_wire_rename2_in), 0 };
	uint8_t body[64] = { GUEST_ROOT };

	(void)state;
	(void)make_file("one");
	for (unsigned i = 0; i < 3; i++) {
		struct request r;

		memcpy(body + sizes[i], "one\0two", 8);
		r = request(opcodes[i], GUEST_ROOT, body, sizes[i] + 4);
		assert_int_equal(ask(&r, r.header.len, 256), -EINVAL);
		r = request(opcodes[i], GUEST_ROOT, body, sizes[i] + 7); /* no NUL */
		assert_int_equal(ask(&r, r.header.len, 256), -EINVAL);
		assert_int_equal(access(host_path("one"), F_OK), 0);
		assert_int_equal(access(host_path("two"), F_OK), -1);
	}
	works();
}

/* Everything that takes the name of a directory entry, with what stands before and behind it. */
static const struct {
	uint32_t opcode;
	size_t before;
	const char *behind;
	size_t behind_size;
} named[] = {
	{ FB_OP_LOOKUP, 0, "", 0 },
	{ FB_OP_MKNOD, sizeof(struct fb_wire_mknod_in), "", 0 },
	{ FB_OP_MKDIR, sizeof(struct fb_wire_mkdir_in), "", 0 },
	{ FB_OP_UNLINK, 0, "", 0 },
	{ FB_OP_RMDIR, 0, "", 0 },
	{ FB_OP_SYMLINK, 0, "target", 7 },
	{ FB_OP_RENAME, sizeof(struct fb_wire_rename_in), "good", 5 },
	{ FB_OP_RENAME2, sizeof(struct fb_wire_rename2_in), "good", 5 },
	{ FB_OP_LINK, sizeof(struct fb_wire_link_in), "", 0 },
	{ FB_OP_CREATE, sizeof(struct fb_wire_create_in), "", 0 },
};

/* Ask for each of them with this name. */
static void all_refuse(const char *name, int error)
{
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		uint8_t body[512] = { GUEST_ROOT };
		size_t size = named[i].before, length = strlen(name) + 1;
		struct request r;

		memcpy(body + size, name, length);
		memcpy(body + size + length, named[i].behind, named[i].behind_size);
		r = request(named[i].opcode, GUEST_ROOT, body,
			    size + length + named[i].behind_size);
		assert_int_equal(ask(&r, r.header.len, 256), error);
	}
}

static void test_F6_names(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/etc", "/", "a/", "../x" };

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		all_refuse(bad[i], -EINVAL);
	works();
}

static void test_F6_long_names(void **state)
{
	char name[257];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	all_refuse(name, -ENAMETOOLONG);
	name[255] = '\0';
	assert_int_equal(lookup_bytes(name, 256), -ENOENT);
	works();
}

/* The second name of a rename is no better. */
static void test_F6_new_names(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/etc/x" };
	uint8_t body[64] = { GUEST_ROOT };

	(void)state;
	(void)make_file("one");
	memcpy(body + sizeof(struct fb_wire_rename_in), "one", 4);
	for (unsigned i = 0; i < 5; i++) {
		size_t size = sizeof(struct fb_wire_rename_in) + 4, length = strlen(bad[i]) + 1;
		struct request r;

		memcpy(body + size, bad[i], length);
		r = request(FB_OP_RENAME, GUEST_ROOT, body, size + length);
		assert_int_equal(ask(&r, r.header.len, 256), -EINVAL);
		assert_int_equal(access(host_path("one"), F_OK), 0);
	}
	works();
}

/* Above the root there is nothing, also for a client that may ask for "..". */
static void test_F6_dots_of_the_root(void **state)
{
	struct fb_wire_entry_out entry;
	int result;

	(void)state;
	greet(FLAGS | FB_INIT_EXPORT_SUPPORT);
	result = guest_lookup(&first, GUEST_ROOT, "..", &entry);
	if (guest->init.flags & FB_INIT_EXPORT_SUPPORT) {
		assert_int_equal(result, 0);
		assert_int_equal(entry.nodeid, GUEST_ROOT);
	} else {
		assert_int_equal(result, -EINVAL);
	}
	works();
}

/* CVE-2026-47243: the name of a symbolic link, not its target. */
static void test_F6_symlink_out(void **state)
{
	static const char body[] = "/etc/fb-hostile\0target";
	struct request r = request(FB_OP_SYMLINK, GUEST_ROOT, body, sizeof(body));

	(void)state;
	assert_int_equal(ask(&r, r.header.len, 256), -EINVAL);
	assert_int_equal(access("/etc/fb-hostile", F_OK), -1);
	works();
}

static void test_F7_writes(void **state)
{
	struct fb_wire_write_in in = { .size = 100 };
	struct fb_wire_create_out made = make_file("f");
	uint8_t body[sizeof(in) + 100] = { 0 };
	struct request r;

	(void)state;
	in.fh = made.open.fh;
	memcpy(body, &in, sizeof(in));
	r = request(FB_OP_WRITE, made.entry.nodeid, body, sizeof(in) + 99);
	assert_int_equal(ask(&r, r.header.len, 256), -EINVAL);
	in.offset = INT64_MAX - 10;
	memcpy(body, &in, sizeof(in));
	r = request(FB_OP_WRITE, made.entry.nodeid, body, sizeof(body));
	assert_true(ask(&r, r.header.len, 256) < 0);
	in.offset = UINT64_MAX - 10;
	memcpy(body, &in, sizeof(in));
	r = request(FB_OP_WRITE, made.entry.nodeid, body, sizeof(body));
	assert_true(ask(&r, r.header.len, 256) < 0);
	works();
}

static void test_F7_more_than_max_write(void **state)
{
	static char data[(1 << 20) + 4096];
	struct fb_wire_create_out made = make_file("f");
	size_t done;

	(void)state;
	assert_int_equal(
		guest_write(&first, made.entry.nodeid, made.open.fh, 0, data, 1 << 20, &done), 0);
	assert_int_equal(
		guest_write(&first, made.entry.nodeid, made.open.fh, 0, data, sizeof(data), &done),
		-EINVAL);
	works();
}

/* CREATE with an extension area: as long as it says, or total is set. Returns the error. */
static int create_with(const void *area, size_t size, uint16_t total)
{
	struct fb_wire_create_in in = { .flags = O_CREAT | O_RDWR, .mode = S_IFREG | 0600 };
	uint8_t body[4096];
	struct request r;

	memcpy(body, &in, sizeof(in));
	memcpy(body + sizeof(in), "new", 4);
	memcpy(body + sizeof(in) + 4, area, size);
	r = request(FB_OP_CREATE, GUEST_ROOT, body, sizeof(in) + 4 + size);
	r.header.total_extlen = total;
	return ask(&r, r.header.len, 512);
}

struct groups {
	struct fb_wire_ext_header header;
	struct fb_wire_supp_groups groups;
	uint32_t ids[3];
};

static void refused_groups(const struct groups *area)
{
	assert_int_equal(create_with(area, sizeof(*area), sizeof(*area) / 8), -EINVAL);
	assert_int_equal(access(host_path("new"), F_OK), -1);
}

static void test_F17_more_than_there_is(void **state)
{
	const uint64_t nothing = 0;

	(void)state;
	greet(FLAGS | FB_INIT_INIT_EXT | FB_INIT_CREATE_SUPP_GROUP | FB_INIT_SECURITY_CTX);
	assert_int_equal(create_with("", 0, 1), -EINVAL);
	assert_int_equal(create_with("", 0, UINT16_MAX), -EINVAL);
	assert_int_equal(create_with(&nothing, 8, 1), -EINVAL); /* shorter than a header */
	assert_int_equal(create_with(&nothing, 8, 100), -EINVAL);
	works();
}

static void test_F17_groups(void **state)
{
	const struct groups good = { .header = { sizeof(good), FB_WIRE_EXT_GROUPS },
				     .groups = { .nr_groups = 3 },
				     .ids = { 1, 2, 3 } };
	struct groups bad = good;

	(void)state;
	_Static_assert(sizeof(good) % 8 == 0, "extensions come in words of 8 bytes");
	greet(FLAGS | FB_INIT_INIT_EXT | FB_INIT_CREATE_SUPP_GROUP);
	bad.groups.nr_groups = 4;
	refused_groups(&bad);
	bad.groups.nr_groups = 65537;
	refused_groups(&bad);
	bad.groups.nr_groups = UINT32_MAX;
	refused_groups(&bad);
	bad = good;
	bad.header.size = sizeof(good) - 8;
	refused_groups(&bad);
	bad.header.size = sizeof(good) + 8;
	refused_groups(&bad);
	bad.header.size = UINT32_MAX;
	refused_groups(&bad);
	bad.header.size = 0;
	refused_groups(&bad);
	works();
}

static void test_F17_security_contexts(void **state)
{
	struct {
		struct fb_wire_ext_header header;
		struct fb_wire_secctx label;
		char text[16];
	} area = { { sizeof(area), 1 }, { .size = 4 }, "security.a\0val" };

	(void)state;
	greet(FLAGS | FB_INIT_INIT_EXT | FB_INIT_SECURITY_CTX);
	area.header.type = 31; /* so many are not there */
	assert_int_equal(create_with(&area, sizeof(area), sizeof(area) / 8), -EINVAL);
	area.header.type = 1;
	area.label.size = 1000;
	assert_int_equal(create_with(&area, sizeof(area), sizeof(area) / 8), -EINVAL);
	area.label.size = UINT32_MAX;
	assert_int_equal(create_with(&area, sizeof(area), sizeof(area) / 8), -EINVAL);
	memset(area.text, 'n', sizeof(area.text)); /* a name without an end */
	area.label.size = 4;
	assert_int_equal(create_with(&area, sizeof(area), sizeof(area) / 8), -EINVAL);
	assert_int_equal(access(host_path("new"), F_OK), -1);
	works();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_F1_no_header),
		TEST(test_F2_lengths),
		TEST(test_F2_short_old_forms),
		TEST(test_F3_no_room_for_a_header),
		TEST(test_F4_no_room_for_the_answer),
		TEST(test_F4_less_room_than_asked),
		TEST(test_F4_listing),
		TEST(test_F4_attribute),
		TEST(test_F5_bytes_that_are_no_name),
		TEST(test_F5_one_name_of_two),
		TEST(test_F6_names),
		TEST(test_F6_long_names),
		TEST(test_F6_new_names),
		TEST(test_F6_dots_of_the_root),
		TEST(test_F6_symlink_out),
		TEST(test_F7_writes),
		TEST(test_F7_more_than_max_write),
		TEST(test_F17_more_than_there_is),
		TEST(test_F17_groups),
		TEST(test_F17_security_contexts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
