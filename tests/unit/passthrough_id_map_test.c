/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Translation of ids: its rules, and that every request and every answer goes through it.
 */
#include "cmocka_setup.h"

#include "node_client.h"

#include "drivers/passthrough/state.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOT FB_ROOT_NODE
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RULES(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* ---- rules ---------------------------------------------------------------------------------------- */

static struct fb_id_map map_of(const char *const *rules)
{
	struct fb_id_map map;
	int result = fb_id_map_init(&map, "uid", rules);

	if (result < 0)
		fail_msg("%d: %s", result, fb_last_error());
	return map;
}

/* What the client's id becomes; FORBIDDEN: EPERM. */
#define FORBIDDEN INT64_C(-1)

static void expect_to_host(const struct fb_id_map *map, uint32_t id, int64_t expected)
{
	uint32_t host = 4711;
	int result = fb_id_map_to_host(map, id, &host);

	assert_int_equal(result, expected == FORBIDDEN ? -EPERM : 0);
	assert_int_equal(host, expected == FORBIDDEN ? 4711 : expected);
}

static void expect_to_client(const struct fb_id_map *map, uint32_t id, uint32_t expected)
{
	assert_int_equal(fb_id_map_to_client(map, id), expected);
}

/* What no rule names stays, and so does the id that is none. */
static void expect_same(const struct fb_id_map *map, uint32_t id)
{
	expect_to_host(map, id, id);
	expect_to_client(map, id, id);
}

static void guest_is_one_way(void **state)
{
	struct fb_id_map map = map_of(RULES("guest:1000:2000:10"));

	(void)state;
	expect_to_host(&map, 999, 999);
	expect_to_host(&map, 1000, 2000);
	expect_to_host(&map, 1009, 2009);
	expect_to_host(&map, 1010, 1010);
	expect_same(&map, 2000);
	expect_to_client(&map, 1000, 1000);
	expect_same(&map, UINT32_MAX);
	fb_id_map_fini(&map);
}

static void host_is_the_other_way(void **state)
{
	struct fb_id_map map = map_of(RULES("host:2000:1000:10"));

	(void)state;
	expect_to_client(&map, 1999, 1999);
	expect_to_client(&map, 2000, 1000);
	expect_to_client(&map, 2009, 1009);
	expect_to_client(&map, 2010, 2010);
	expect_to_host(&map, 1000, 1000);
	expect_to_host(&map, 2000, 2000);
	fb_id_map_fini(&map);
}

static void map_is_both_ways(void **state)
{
	struct fb_id_map map = map_of(RULES("map:1000:2000:10"));

	(void)state;
	expect_to_host(&map, 1009, 2009);
	expect_to_client(&map, 2009, 1009);
	expect_to_host(&map, 1010, 1010);
	expect_to_client(&map, 2010, 2010);
	expect_to_host(&map, 2000, 2000);
	fb_id_map_fini(&map);
}

static void squashing_makes_one_of_many(void **state)
{
	struct fb_id_map map = map_of(RULES("squash-guest:5:7:3", "squash-host:100:0:50"));

	(void)state;
	expect_to_host(&map, 4, 4);
	expect_to_host(&map, 5, 7);
	expect_to_host(&map, 7, 7);
	expect_to_host(&map, 8, 8);
	expect_to_client(&map, 99, 99);
	expect_to_client(&map, 100, 0);
	expect_to_client(&map, 149, 0);
	expect_to_client(&map, 150, 150);
	fb_id_map_fini(&map);
}

static void forbidden_ids_have_no_counterpart(void **state)
{
	struct fb_id_map map = map_of(RULES("forbid-guest:0:1000", "forbid-guest:1001:4294966294"));

	(void)state;
	expect_to_host(&map, 0, FORBIDDEN);
	expect_to_host(&map, 999, FORBIDDEN);
	expect_to_host(&map, 1000, 1000);
	expect_to_host(&map, 1001, FORBIDDEN);
	expect_to_host(&map, UINT32_MAX - 1, FORBIDDEN);
	expect_to_client(&map, 0, 0);
	expect_same(&map, UINT32_MAX); /* of no caller and no owner: others see to it */
	fb_id_map_fini(&map);
}

/* The example of drivers.md, 4.4: a server with the id 1001, a client that works as 1000. */
static void the_example_works(void **state)
{
	struct fb_id_map map = map_of(RULES("squash-guest:0:1001:4294967295", "host:1001:1000:1"));

	(void)state;
	expect_to_host(&map, 0, 1001);
	expect_to_host(&map, 1000, 1001);
	expect_to_host(&map, UINT32_MAX - 1, 1001);
	expect_to_client(&map, 1001, 1000);
	expect_to_client(&map, 1000, 1000);
	expect_to_client(&map, 0, 0);
	expect_same(&map, UINT32_MAX);
	fb_id_map_fini(&map);
}

static void separators_are_free(void **state)
{
	static const char *const rules[] = {
		"map:1:2:1", "map/1/2/1", "map,1,2,1", "map 1 2 1", "map.1.2.1", "map=1=2=1",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rules); i++) {
		struct fb_id_map map = map_of(RULES(rules[i]));

		expect_to_host(&map, 1, 2);
		fb_id_map_fini(&map);
	}
}

/* Ranges in any order that touch one another; the host's ids may come from several. */
static void many_ranges_are_searched(void **state)
{
	enum { RANGES = 1000 };
	static char texts[RANGES][32];
	static const char *rules[RANGES + 1];
	struct fb_id_map map;

	(void)state;
	for (unsigned i = 0; i < RANGES; i++) {
		unsigned at = i * 7 % RANGES; /* out of order */

		snprintf(texts[i], sizeof(texts[i]), "map:%u:%u:3", at * 3, 5000000 + at * 5);
		rules[i] = texts[i];
	}
	map = map_of(rules);
	for (uint32_t id = 0; id < RANGES * 3; id++) {
		uint32_t host = 5000000 + id / 3 * 5 + id % 3;

		expect_to_host(&map, id, host);
		expect_to_client(&map, host, id);
	}
	expect_to_client(&map, 5000003, 5000003); /* a gap */
	expect_same(&map, RANGES * 3);
	fb_id_map_fini(&map);
}

static void no_rules_are_no_map(void **state)
{
	struct fb_id_map map = map_of(NULL);

	(void)state;
	assert_false(fb_id_map_exists(&map));
	expect_same(&map, 0);
	map = map_of((const char *const[]){ NULL });
	assert_false(fb_id_map_exists(&map));
	fb_id_map_fini(&map);
	fb_id_map_fini(&map);
}

static const struct {
	const char *rules[3], *sentence;
} wrong[] = {
	{ { "" }, "has to begin with" },
	{ { ":1:2:3" }, "has to begin with" },
	{ { "Map:1:2:3" }, "has to begin with" },
	{ { "squash:1:2:3" }, "has to begin with" },
	{ { "map-1-2-3" }, "has to begin with" }, /* part of the word */
	{ { "map1:2:3" }, "has to begin with" },
	{ { "map_1_2_3" }, "has to begin with" },
	{ { "map" }, "three numbers" },
	{ { "map:1:2" }, "three numbers" },
	{ { "map:1,2,3" }, "three numbers" },
	{ { "forbid-guest:1" }, "two numbers" },
	{ { "map:1:2:3:" }, "something follows" },
	{ { "map:1:2:3:4" }, "something follows" },
	{ { "forbid-guest:1:2:3" }, "something follows" },
	{ { "map:1:2:3 " }, "something follows" },
	{ { "map:::" }, "numbers from 0" },
	{ { "map:1:2:" }, "numbers from 0" },
	{ { "map: 1:2:3" }, "numbers from 0" },
	{ { "map:-1:2:3" }, "numbers from 0" },
	{ { "map:+1:2:3" }, "numbers from 0" },
	{ { "map:0x1:2:3" }, "three numbers" },
	{ { "map:4294967296:2:3" }, "numbers from 0" },
	{ { "map:99999999999999999999999999:2:3" }, "numbers from 0" },
	/* No range wraps, neither of those from nor of those to. */
	{ { "guest:4294967295:0:1" }, "from 4294967295 on there are 0" },
	{ { "guest:1:0:4294967295" }, "from 1 on there are 4294967294" },
	{ { "guest:0:1:4294967295" }, "from 1 on there are 4294967294" },
	{ { "map:0:4294967290:10" }, "from 4294967290 on there are 5" },
	{ { "squash-guest:0:4294967295:1" }, "the last id is 4294967294" },
	{ { "forbid-guest:2001:4294967295" }, "from 2001 on there are 4294965294" },
	{ { "forbid-guest:1:1", "guest:0:5:10", NULL }, "overlap: each id of the client" },
	{ { "map:0:0:10", "guest:9:100:1", NULL }, "overlap: each id of the client" },
	{ { "host:0:0:10", "map:100:9:1", NULL }, "overlap: each id of the host" },
	{ { "squash-host:9:0:1", "squash-host:0:5:10", NULL },
	  "rules squash-host:0:5:10 and squash-host:9:0:1 overlap" },
	{ { "map:1:2:3", "nonsense", NULL }, "rule nonsense" },
};

static void wrong_rules_are_refused(void **state)
{
	struct fb_id_map map;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		print_message("%s\n", wrong[i].rules[0]);
		assert_int_equal(fb_id_map_init(&map, "gid", wrong[i].rules), -EINVAL);
		assert_false(fb_id_map_exists(&map));
		if (!strstr(fb_last_error(), wrong[i].sentence) ||
		    strncmp(fb_last_error(), "gid translation", 15) != 0)
			fail_msg("%s", fb_last_error());
	}
}

/* As virtiofsd takes them: Incus forbids what lies before the first range even where nothing does. */
static void rules_for_no_ids_change_nothing(void **state)
{
	struct fb_id_map map = map_of(RULES("map:0:1000:10", "forbid-guest:0:0", "map:5:2:0"));

	(void)state;
	expect_to_host(&map, 0, 1000);
	expect_to_host(&map, 5, 1005);
	expect_to_host(&map, 10, 10);
	fb_id_map_fini(&map);
	map = map_of(RULES("forbid-guest:4294967295:0"));
	expect_to_host(&map, 7, 7);
	assert_false(fb_id_map_exists(&map));
	fb_id_map_fini(&map);
}

/* Ways are apart from one another, and what ids become may be the same. */
static void these_do_not_overlap(void **state)
{
	struct fb_id_map map = map_of(RULES("guest:0:100:10", "host:0:100:10", "guest:10:100:10",
					    "squash-guest:20:100:10", "forbid-guest:30:1"));

	(void)state;
	expect_to_host(&map, 19, 109);
	expect_to_host(&map, 29, 100);
	expect_to_host(&map, 31, 31);
	fb_id_map_fini(&map);
}

static void too_many_rules_are_refused(void **state)
{
	static const char *rules[FB_ID_MAP_RULES_MAX + 2];
	struct fb_id_map map;

	(void)state;
	for (size_t i = 0; i <= FB_ID_MAP_RULES_MAX; i++)
		rules[i] = "map:1:2:3";
	assert_int_equal(fb_id_map_init(&map, "uid", rules), -EINVAL);
	assert_non_null(strstr(fb_last_error(), "4097 rules"));
	rules[FB_ID_MAP_RULES_MAX] = NULL;
	assert_int_equal(fb_id_map_init(&map, "uid", rules), -EINVAL);
	assert_non_null(strstr(fb_last_error(), "overlap"));
}

/* ---- the driver ------------------------------------------------------------------------------------- */

static struct share_client share;

static void need_root(void)
{
	if (geteuid() != 0)
		SKIP_BECAUSE("needs root");
}

static void begin_with(struct fb_passthrough_options options)
{
	options.size = sizeof(options);
	share_open(&share, &options, NULL);
}

/* The client's 1000 to 1009 are 2000 to 2009, its groups 3000 more; 500 and 600 are nobody. */
static void begin(void)
{
	begin_with((struct fb_passthrough_options){
		.translate_uid = RULES("map:1000:2000:10", "forbid-guest:500:1"),
		.translate_gid = RULES("map:1000:4000:10", "forbid-guest:600:1"),
	});
	share.uid = 1000;
	share.gid = 1001;
}

static int teardown(void **state)
{
	(void)state;
	if (share.session)
		share_close(&share);
	share = (struct share_client){ 0 };
	return 0;
}

static void expect_host(const char *name, uid_t uid, gid_t gid)
{
	struct stat stat;

	assert_int_equal(lstat(share_path(&share, name), &stat), 0);
	assert_int_equal(stat.st_uid, uid);
	assert_int_equal(stat.st_gid, gid);
}

static bool host_has(const char *name)
{
	struct stat stat;

	return lstat(share_path(&share, name), &stat) == 0;
}

/* The answer tells the client's ids, and the host's file has the host's. */
static void expect_made(const char *name, const struct fb_wire_attr *attr)
{
	print_message("%s\n", name);
	assert_int_equal(attr->uid, 1000);
	assert_int_equal(attr->gid, 1001);
	expect_host(name, 2000, 4001);
}

static void what_is_made_belongs_to_the_caller(void **state)
{
	struct fb_wire_create_out created;
	struct fb_wire_entry_out entry;

	(void)state;
	need_root();
	begin();
	assert_int_equal(share_create(&share, ROOT, "file", 0644, O_RDWR | O_CREAT, &created), 0);
	expect_made("file", &created.entry.attr);
	assert_int_equal(node_link(&share, created.entry.nodeid, ROOT, "link", &entry), 0);
	expect_made("link", &entry.attr);
	/* There already: opened. */
	assert_int_equal(share_create(&share, ROOT, "file", 0644, O_RDWR | O_CREAT, &created), 0);
	expect_made("file", &created.entry.attr);
	assert_int_equal(
		share_create(&share, ROOT, "file", 0644, O_RDWR | O_CREAT | O_TRUNC, &created), 0);
	expect_made("file", &created.entry.attr);
	assert_int_equal(node_mkdir(&share, ROOT, "dir", 0755, &entry), 0);
	expect_made("dir", &entry.attr);
	assert_int_equal(node_mknod(&share, ROOT, "fifo", S_IFIFO | 0600, 0, &entry), 0);
	expect_made("fifo", &entry.attr);
	assert_int_equal(node_mknod(&share, ROOT, "node", S_IFREG | 0600, 0, &entry), 0);
	expect_made("node", &entry.attr);
	assert_int_equal(node_symlink(&share, ROOT, "symlink", "target", &entry), 0);
	expect_made("symlink", &entry.attr);
	assert_int_equal(share_tmpfile(&share, ROOT, 0600, O_RDWR | O_TMPFILE, &created), 0);
	assert_int_equal(created.entry.attr.uid, 1000);
	assert_int_equal(created.entry.attr.gid, 1001);
	assert_int_equal(node_rename(&share, ROOT, "node", ROOT, "moved", FB_RENAME_WHITEOUT), 0);
	expect_host("node", 2000, 4001);
}

static void expect_plus(uint64_t fh)
{
	unsigned char listed[4096];
	ssize_t size = share_list(&share, FB_OP_READDIRPLUS, ROOT, fh, 0, listed, sizeof(listed));
	bool found = false;

	assert_true(size > 0);
	for (size_t at = 0; at < (size_t)size;) {
		struct fb_wire_direntplus entry;

		memcpy(&entry, listed + at, sizeof(entry));
		at += sizeof(entry);
		if (entry.dirent.namelen == 1 && listed[at] == 'f') {
			assert_int_equal(entry.entry_out.attr.uid, 1003);
			assert_int_equal(entry.entry_out.attr.gid, 1004);
			found = true;
		}
		at += (entry.dirent.namelen + 7) / 8 * 8;
	}
	assert_true(found);
}

/* Every kind of answer that has attributes. */
static void answers_tell_the_clients_ids(void **state)
{
	const struct fb_wire_setattr_in touch = { .valid =
							  FB_SETATTR_MTIME | FB_SETATTR_MTIME_NOW };
	struct fb_wire_entry_out entry;
	struct fb_wire_statx_out statx;
	struct fb_wire_attr_out attr;
	uint64_t fh;

	(void)state;
	need_root();
	begin();
	share.uid = share.gid = 0;
	share_make(&share, "f", "", 0666);
	assert_int_equal(chown(share_path(&share, "f"), 2003, 4004), 0);
	assert_int_equal(share_lookup(&share, ROOT, "f", &entry), 0);
	assert_int_equal(entry.attr.uid, 1003);
	assert_int_equal(entry.attr.gid, 1004);
	assert_int_equal(node_getattr(&share, entry.nodeid, &attr), 0);
	assert_int_equal(attr.attr.uid, 1003);
	assert_int_equal(attr.attr.gid, 1004);
	assert_int_equal(node_setattr(&share, entry.nodeid, &touch, &attr), 0);
	assert_int_equal(attr.attr.uid, 1003);
	assert_int_equal(attr.attr.gid, 1004);
	assert_int_equal(node_statx(&share, entry.nodeid, 0x7ff, &statx), 0);
	assert_int_equal(statx.stat.uid, 1003);
	assert_int_equal(statx.stat.gid, 1004);
	assert_int_equal(share_open_dir(&share, ROOT, O_RDONLY, &fh), 0);
	expect_plus(fh);
	/* Those that no rule names stay as they are. */
	assert_int_equal(node_getattr(&share, ROOT, &attr), 0);
	assert_int_equal(attr.attr.uid, 0);
}

static int change_owner(uint64_t node, uint32_t uid, uint32_t gid, uint32_t valid)
{
	const struct fb_wire_setattr_in in = {
		.valid = valid, .uid = uid, .gid = gid, .size = 2, .mode = 0600
	};
	struct fb_wire_attr_out attr;
	int result = node_setattr(&share, node, &in, &attr);

	if (result == 0 && (valid & FB_SETATTR_UID))
		assert_int_equal(attr.attr.uid, uid);
	if (result == 0 && (valid & FB_SETATTR_GID))
		assert_int_equal(attr.attr.gid, gid);
	return result;
}

static void owners_are_set_by_the_clients_ids(void **state)
{
	uint64_t node;

	(void)state;
	need_root();
	begin();
	share.uid = share.gid = 0;
	share_make(&share, "f", "content", 0644);
	node = node_of(&share, "f");
	assert_int_equal(change_owner(node, 1005, 0, FB_SETATTR_UID), 0);
	expect_host("f", 2005, 0);
	assert_int_equal(change_owner(node, 0, 1009, FB_SETATTR_GID), 0);
	expect_host("f", 2005, 4009);
	assert_int_equal(change_owner(node, 1010, 999, FB_SETATTR_UID | FB_SETATTR_GID), 0);
	expect_host("f", 1010, 999);
}

/* D5; and nothing of such a request is done. */
static void files_are_not_given_to_forbidden_ids(void **state)
{
	uint64_t node;

	(void)state;
	need_root();
	begin();
	share.uid = share.gid = 0;
	share_make(&share, "f", "content", 0644);
	node = node_of(&share, "f");
	assert_int_equal(change_owner(node, 500, 0, FB_SETATTR_UID), -EPERM);
	assert_int_equal(change_owner(node, 0, 600, FB_SETATTR_GID), -EPERM);
	assert_int_equal(
		change_owner(node, 1000, 600,
			     FB_SETATTR_UID | FB_SETATTR_GID | FB_SETATTR_SIZE | FB_SETATTR_MODE),
		-EPERM);
	expect_host("f", 0, 0);
	share_expect(&share, "f", "content");
	/* The number of the one kind means nothing to the other. */
	assert_int_equal(change_owner(node, 600, 500, FB_SETATTR_UID | FB_SETATTR_GID), 0);
	expect_host("f", 600, 500);
}

static void ids_that_are_none_are_not_set(void **state)
{
	uint64_t node;

	(void)state;
	need_root();
	begin_with((struct fb_passthrough_options){
		.translate_uid = RULES("squash-guest:0:2000:4294967295"),
		.translate_gid = RULES("squash-guest:0:2000:4294967295"),
	});
	share_make(&share, "f", "", 0644);
	node = node_of(&share, "f");
	assert_int_equal(change_owner(node, UINT32_MAX, 0, FB_SETATTR_UID), -EINVAL);
	assert_int_equal(change_owner(node, 0, UINT32_MAX, FB_SETATTR_GID), -EINVAL);
	expect_host("f", 0, 0);
}

static void expect_nothing_made(int error)
{
	struct fb_wire_create_out created;
	struct fb_wire_entry_out entry;

	assert_int_equal(share_create(&share, ROOT, "x", 0644, O_RDWR | O_CREAT, &created), error);
	assert_int_equal(share_create(&share, ROOT, "x", 0644, O_RDWR | O_CREAT | O_EXCL, &created),
			 error);
	assert_int_equal(share_tmpfile(&share, ROOT, 0600, O_RDWR | O_TMPFILE, &created), error);
	assert_int_equal(node_mkdir(&share, ROOT, "x", 0755, &entry), error);
	assert_int_equal(node_mknod(&share, ROOT, "x", S_IFREG | 0600, 0, &entry), error);
	assert_int_equal(node_symlink(&share, ROOT, "x", "target", &entry), error);
	assert_int_equal(node_rename(&share, ROOT, "f", ROOT, "x", FB_RENAME_WHITEOUT), error);
	assert_false(host_has("x"));
	assert_true(host_has("f"));
}

/* D5 */
static void forbidden_ids_make_nothing(void **state)
{
	struct fb_wire_entry_out entry;

	(void)state;
	need_root();
	begin();
	share_make(&share, "f", "", 0666);
	share.driver->all_as_caller = false; /* as with default_permissions */
	share.uid = 500;
	expect_nothing_made(-EPERM);
	share.uid = 1000;
	share.gid = 600;
	expect_nothing_made(-EPERM);
	/* What the client's kernel has allowed is not refused to them. */
	share.uid = 500;
	assert_int_equal(share_lookup(&share, ROOT, "f", &entry), 0);
	share_release(&share, entry.nodeid, share_open_name(&share, "f", O_RDWR).fh, 0);
	assert_int_equal(node_unlink(&share, ROOT, "f"), 0);
}

/* Where the host checks, it would not know whom to check. */
static void forbidden_ids_are_nobody_to_the_host(void **state)
{
	struct fb_wire_entry_out entry;

	(void)state;
	need_root();
	begin();
	share_make(&share, "f", "", 0666);
	assert_true(share.driver->all_as_caller);
	share.uid = 500;
	assert_int_equal(share_lookup(&share, ROOT, "f", &entry), -EPERM);
	share.uid = 1000;
	assert_int_equal(share_lookup(&share, ROOT, "f", &entry), 0);
}

/* With ALLOW_IDMAP requests that make nothing carry no ids; no rule may take them for some. */
static void unknown_callers_are_not_translated(void **state)
{
	struct fb_wire_entry_out entry;
	struct fb_wire_attr_out attr;

	(void)state;
	need_root();
	begin_with((struct fb_passthrough_options){
		.translate_uid = RULES("squash-guest:0:2000:4294967295"),
		.translate_gid = RULES("forbid-guest:0:4294967295"),
	});
	share_make(&share, "f", "", 0600);
	share.driver->all_as_caller = false;
	share.uid = share.gid = UINT32_MAX;
	assert_int_equal(share_lookup(&share, ROOT, "f", &entry), 0);
	assert_int_equal(node_getattr(&share, entry.nodeid, &attr), 0);
	assert_int_equal(node_access(&share, entry.nodeid, R_OK), 0);
	expect_nothing_made(-EINVAL);
}

/* With permissions checked by the host, it is the host's id that counts. */
static void the_host_checks_its_own_ids(void **state)
{
	struct fb_wire_open_out open;
	uint64_t node;

	(void)state;
	need_root();
	begin();
	share_make(&share, "f", "", 0600);
	node = node_of(&share, "f");
	assert_int_equal(chown(share_path(&share, "f"), 2000, 0), 0);
	share.uid = 1000;
	assert_int_equal(share_open_file(&share, node, O_RDWR, 0, &open), 0);
	share.uid = 1001;
	assert_int_equal(share_open_file(&share, node, O_RDWR, 0, &open), -EACCES);
	share.uid = 2000; /* also the host's 2000, since no rule names it */
	assert_int_equal(share_open_file(&share, node, O_RDWR, 0, &open), 0);
}

/* ---- groups ------------------------------------------------------------------------------------------ */

/* ext_header, supp_groups, one gid: what a request carries. */
static int make_in_group(uint64_t parent, const char *name, uint32_t group,
			 struct fb_wire_entry_out *ret_entry)
{
	const uint32_t extension[] = { 16, FB_WIRE_EXT_GROUPS, 1, group };

	return node_mkdir_extended(&share, parent, name, 0755, extension, sizeof(extension),
				   ret_entry);
}

static void groups_that_are_sent_are_translated(void **state)
{
	struct fb_wire_entry_out dir, entry;

	(void)state;
	need_root();
	begin();
	share.driver->all_as_caller = false;
	assert_int_equal(mkdir(share_path(&share, "team"), 0770), 0);
	assert_int_equal(chown(share_path(&share, "team"), 0, 4005), 0);
	assert_int_equal(chmod(share_path(&share, "team"), 02770), 0);
	assert_int_equal(share_lookup(&share, ROOT, "team", &dir), 0);
	assert_int_equal(dir.attr.gid, 1005);
	assert_int_equal(make_in_group(dir.nodeid, "mine", 1005, &entry), 0);
	assert_int_equal(entry.attr.gid, 1005);
	assert_int_equal(entry.attr.mode, S_IFDIR | 02755);
	expect_host("team/mine", 2000, 4005);
	assert_int_equal(make_in_group(dir.nodeid, "forbidden", 600, &entry), -EPERM);
	assert_int_equal(make_in_group(dir.nodeid, "others", 1006, &entry), -EACCES);
	assert_false(host_has("team/forbidden"));
}

/* All groups of a process that is no other than this one; its own ids are the client's, too. */
static int translate_own_groups(void)
{
	static const gid_t client[] = { 600, 1002, 1003, 77 };
	struct fb_passthrough *fs = calloc(1, sizeof(*fs));
	struct fb_caller self = { .gid = 1001, .pid = (uint32_t)getpid() };
	struct fb_cred_guard guard = { 0 };
	gid_t groups[8];
	int count;

	if (!fs || setgroups(COUNT(client), client) < 0 || fb_credentials_init(&fs->own) < 0 ||
	    fb_id_map_init(&fs->uids, "uid", RULES("guest:0:2000:1")) < 0 ||
	    fb_id_map_init(&fs->gids, "gid", RULES("map:1000:4000:10", "forbid-guest:600:1")) < 0)
		return 2;
	fs->proc = open("/proc", O_PATH | O_CLOEXEC);
	fs->all_as_caller = true;
	/* By the client's uid, 0, is the process found in /proc; by the host's, 2000, it acts. */
	if (fb_credentials_assume(fs, &self, FB_CREDENTIALS_ACCESS, &guard) < 0)
		return 3;
	count = getgroups(8, groups);
	if (count != 3 || groups[0] != 77 || groups[1] != 4002 || groups[2] != 4003)
		return 4;
	if (geteuid() != 2000 && syscall(SYS_geteuid) != 2000)
		return 5;
	fb_credentials_restore(&guard);
	count = getgroups(8, groups);
	fb_credentials_fini(&fs->own);
	fb_id_map_fini(&fs->uids);
	fb_id_map_fini(&fs->gids);
	close(fs->proc);
	free(fs);
	return count == 4 && geteuid() == 0 ? 0 : 6;
}

static int in_child(int (*work)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(work());
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void all_groups_of_a_process_are_translated(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(translate_own_groups), 0);
}

/* ---- beginning and ending ---------------------------------------------------------------------------- */

static int serve_unprivileged(void)
{
	struct fb_wire_create_out created;
	struct fb_wire_entry_out entry;
	struct stat stat;
	int failed = 0;

	if (setgroups(0, NULL) < 0 || setresgid(100, 100, 100) < 0 ||
	    setresuid(1001, 1001, 1001) < 0)
		return 2;
	begin_with((struct fb_passthrough_options){
		.translate_uid = RULES("squash-guest:0:1001:4294967295", "host:1001:1000:1"),
		.translate_gid = RULES("squash-guest:0:100:4294967295", "host:100:1000:1"),
	});
	/* The client's root, its user, and whoever else: all are the one that the server may be. */
	share.uid = share.gid = 0;
	failed |= node_mkdir(&share, ROOT, "dir", 0755, &entry) != 0;
	failed |= entry.attr.uid != 1000 || entry.attr.gid != 1000;
	share.uid = share.gid = 1000;
	failed |= share_create(&share, ROOT, "f", 0600, O_RDWR | O_CREAT, &created) != 0;
	failed |= created.entry.attr.uid != 1000 || created.entry.attr.gid != 1000;
	share.uid = share.gid = 4711;
	failed |= node_symlink(&share, entry.nodeid, "link", "target", &entry) != 0;
	failed |= lstat(share_path(&share, "dir/link"), &stat) != 0 || stat.st_uid != 1001;
	/* To the client, its root gives files away; to the host nothing changes. */
	share.uid = share.gid = 0;
	failed |= node_setattr(&share, created.entry.nodeid,
			       &(struct fb_wire_setattr_in){
				       .valid = FB_SETATTR_UID | FB_SETATTR_GID, .uid = 7 },
			       &(struct fb_wire_attr_out){ 0 }) != 0;
	share.uid = UINT32_MAX;
	failed |= node_mkdir(&share, ROOT, "none", 0755, &entry) != -EINVAL;
	share_close(&share);
	return failed;
}

/* P9; the example of drivers.md, 4.4. */
static void an_unprivileged_server_serves_everybody(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(serve_unprivileged), 0);
}

static int refusal(struct fb_passthrough_options options)
{
	struct fb_passthrough *driver = NULL;
	int result;

	options.size = sizeof(options);
	result = fb_passthrough_new("/tmp", &options, &driver);
	fb_passthrough_free(driver);
	return result;
}

static void wrong_options_are_refused(void **state)
{
	(void)state;
	assert_int_equal(
		refusal((struct fb_passthrough_options){ .translate_uid = RULES("map:1:2:3"),
							 .translate_gid = RULES("map") }),
		-EINVAL);
	assert_int_equal(
		refusal((struct fb_passthrough_options){ .translate_uid = RULES("map"),
							 .translate_gid = RULES("map:1:2:3") }),
		-EINVAL);
	/* The ids inside of ACLs stay. */
	assert_int_equal(refusal((struct fb_passthrough_options){
				 .translate_uid = RULES("map:1:2:3"), .posix_acl = FB_ON }),
			 -EINVAL);
	assert_non_null(strstr(fb_last_error(), "ACLs"));
	assert_int_equal(refusal((struct fb_passthrough_options){
				 .translate_gid = RULES("forbid-guest:1:1"), .posix_acl = FB_ON }),
			 -EINVAL);
	assert_int_equal(
		refusal((struct fb_passthrough_options){
			.translate_uid = (const char *const[]){ NULL }, .posix_acl = FB_ON }),
		0);
}

/* The caller may do with its strings what it likes. */
static void rules_are_copied(void **state)
{
	char rule[] = "map:0:2000:1";
	const char *rules[] = { rule, NULL };

	(void)state;
	need_root();
	begin_with((struct fb_passthrough_options){ .translate_uid = rules });
	memset(rule, 'x', sizeof(rule) - 1);
	rules[0] = NULL;
	assert_null(share.driver->options.translate_uid);
	share.driver->all_as_caller = false;
	assert_int_equal(change_owner(ROOT, 0, 0, FB_SETATTR_UID), 0);
	expect_host(".", 2000, 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(guest_is_one_way),
		TEST(host_is_the_other_way),
		TEST(map_is_both_ways),
		TEST(squashing_makes_one_of_many),
		TEST(forbidden_ids_have_no_counterpart),
		TEST(the_example_works),
		TEST(separators_are_free),
		TEST(many_ranges_are_searched),
		TEST(no_rules_are_no_map),
		TEST(wrong_rules_are_refused),
		TEST(rules_for_no_ids_change_nothing),
		TEST(these_do_not_overlap),
		TEST(too_many_rules_are_refused),
		TEST(what_is_made_belongs_to_the_caller),
		TEST(answers_tell_the_clients_ids),
		TEST(owners_are_set_by_the_clients_ids),
		TEST(files_are_not_given_to_forbidden_ids),
		TEST(ids_that_are_none_are_not_set),
		TEST(forbidden_ids_make_nothing),
		TEST(forbidden_ids_are_nobody_to_the_host),
		TEST(unknown_callers_are_not_translated),
		TEST(the_host_checks_its_own_ids),
		TEST(groups_that_are_sent_are_translated),
		TEST(all_groups_of_a_process_are_translated),
		TEST(an_unprivileged_server_serves_everybody),
		TEST(wrong_options_are_refused),
		TEST(rules_are_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
