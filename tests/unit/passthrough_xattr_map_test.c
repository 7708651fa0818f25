/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The xattr map: its rules, and what a client sees through it. Capabilities that it renames go when
 * the host would take them.
 */
#include "cmocka_setup.h"

#include "node_client.h"

#include "drivers/passthrough/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ROOT FB_ROOT_NODE
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define MAP_ALL ":map::user.virtiofs.:"
#define MAP_TRUSTED "/map/trusted./user.virtiofs./"
#define HIDE_SECURITY "/bad/all/security./security./ /ok/all///"
#define MAP_LABEL ":map:security.selinux:trusted.virtiofs.:"
#define MAP_SECURITY ":map:security.:user.virtiofs.:"
#define KEEP_ACLS ":ok:all:system.posix_acl_:system.posix_acl_:"
#define KEPT_CAPABILITY "user.virtiofs.security.capability"

/* ---- rules ---------------------------------------------------------------------------------------- */

static struct fb_xattr_map *map_of(const char *rules)
{
	struct fb_xattr_map *map = NULL;
	int result = fb_xattr_map_new(rules, &map);

	if (result < 0)
		fail_msg("%s: %d: %s", rules, result, fb_last_error());
	return map;
}

/* What the client's name becomes; NULL: the errno is expected. */
static const struct to_host {
	const char *rules, *name, *expected;
	int error;
} to_host[] = {
	{ ":ok:all:::", "user.a", "user.a", 0 },
	{ MAP_ALL, "security.capability", "user.virtiofs.security.capability", 0 },
	{ MAP_ALL, "user.virtiofs.a", "user.virtiofs.user.virtiofs.a", 0 },
	{ MAP_TRUSTED, "trusted.a", "user.virtiofs.trusted.a", 0 },
	{ MAP_TRUSTED, "user.virtiofs.trusted.a", NULL, -EPERM },
	{ MAP_TRUSTED, "user.virtiofs.", NULL, -EPERM },
	{ MAP_TRUSTED, "user.virtiofs", "user.virtiofs", 0 },
	{ MAP_TRUSTED, "user.a", "user.a", 0 },
	{ HIDE_SECURITY, "security.selinux", NULL, -EPERM },
	{ HIDE_SECURITY, "user.security.", "user.security.", 0 },
	{ MAP_LABEL, "security.selinux", "trusted.virtiofs.security.selinux", 0 },
	{ MAP_LABEL, "security.capability", "security.capability", 0 },
	{ MAP_LABEL, "trusted.virtiofs.security.selinux", NULL, -EPERM },
	{ MAP_LABEL, "trusted.other", "trusted.other", 0 },
	{ ":unsupported:all:security.selinux:security.selinux::ok:all:::", "security.selinux", NULL,
	  -EOPNOTSUPP },
	/* The first rule that matches decides, and those of the other side do not count. */
	{ ":ok:client:user.a:::bad:all:user.:user.::ok:all:::", "user.ab", "user.ab", 0 },
	{ ":ok:client:user.a:::bad:all:user.:user.::ok:all:::", "user.b", NULL, -EPERM },
	{ ":bad:server:::\n:ok:client:::", "user.a", "user.a", 0 },
	{ ":prefix:server:user.:x.::ok:all:::", "user.a", "user.a", 0 },
	/* One rule may use another separator, or a character of its fields as one. */
	{ " \t\r\n\v\f+prefix+client+a:/b+user.+\n/ok/all///\n", "a:/bc", "user.a:/bc", 0 },
	{ "xokxallxxx", "user.a", "user.a", 0 },
	/* Blanks between separators belong to the name. */
	{ ":prefix:client: a:user. b:   :ok:all:::", " ac", "user. b ac", 0 },
	/* What virtiofsd's description writes out. */
	{ ":prefix:all::user.virtiofs.::bad:all:::", "trusted.a", "user.virtiofs.trusted.a", 0 },
};

static void names_become_the_hosts(void **state)
{
	char room[FB_XATTR_NAME_ROOM];
	const char *host;

	(void)state;
	for (size_t i = 0; i < COUNT(to_host); i++) {
		const struct to_host *row = &to_host[i];
		struct fb_xattr_map *map = map_of(row->rules);

		print_message("%s: %s\n", row->rules, row->name);
		host = NULL;
		assert_int_equal(fb_xattr_map_to_host(map, row->name, room, &host), row->error);
		if (row->expected)
			assert_string_equal(host, row->expected);
		else
			assert_null(host);
		fb_xattr_map_free(map);
	}
	assert_int_equal(fb_xattr_map_to_host(NULL, "user.a", room, &host), 0);
	assert_string_equal(host, "user.a");
	fb_xattr_map_free(NULL);
}

/* What the client is shown of a name that the host lists; NULL: nothing. */
static const struct to_client {
	const char *rules, *name, *expected;
} to_client[] = {
	{ ":ok:all:::", "user.a", "user.a" },
	{ MAP_ALL, "user.virtiofs.security.capability", "security.capability" },
	{ MAP_ALL, "user.virtiofs.user.virtiofs.a", "user.virtiofs.a" },
	{ MAP_ALL, "security.selinux", NULL },
	{ MAP_ALL, "user.a", NULL },
	{ MAP_ALL, "user.virtiofs", NULL },
	{ MAP_ALL, "user.virtiofs.", NULL }, /* an empty name would spoil the list */
	{ MAP_TRUSTED, "user.virtiofs.trusted.a", "trusted.a" },
	{ MAP_TRUSTED, "trusted.a", NULL },
	{ MAP_TRUSTED, "user.a", "user.a" },
	{ HIDE_SECURITY, "security.selinux", NULL },
	{ HIDE_SECURITY, "trusted.a", "trusted.a" },
	{ MAP_LABEL, "trusted.virtiofs.security.selinux", "security.selinux" },
	{ MAP_LABEL, "security.selinux", NULL },
	{ MAP_LABEL, "security.capability", "security.capability" },
	{ ":unsupported:all:security.selinux:security.selinux::ok:all:::", "security.selinux",
	  NULL },
	{ ":prefix:server::user.virtiofs.::ok:all:::", "user.virtiofs.a", "a" },
	{ ":ok:server::security.::bad:server:::\n:ok:client:::", "security.a", "security.a" },
	{ ":ok:server::security.::bad:server:::\n:ok:client:::", "user.a", NULL },
	{ ":bad:client:::\n:ok:server:::", "user.a", "user.a" },
};

static void names_become_the_clients(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(to_client); i++) {
		const struct to_client *row = &to_client[i];
		struct fb_xattr_map *map = map_of(row->rules);
		const char *client = fb_xattr_map_to_client(map, row->name);

		print_message("%s: %s\n", row->rules, row->name);
		if (row->expected)
			assert_string_equal(client, row->expected);
		else
			assert_null(client);
		fb_xattr_map_free(map);
	}
	assert_string_equal(fb_xattr_map_to_client(NULL, "user.a"), "user.a");
}

/* D6 and others; the sentence has to say what is wrong. */
static const struct {
	const char *rules, *sentence;
} wrong[] = {
	{ "", "is empty" },
	{ " \n", "is empty" },
	{ ":prefix:all:trusted.:user.virtiofs.:", "every name that the client uses" },
	{ ":ok:client:::", "every name that the host lists" },
	{ ":ok:server:::", "every name that the client uses" },
	{ ":bad:all:::x", "rule 2 (x): it ends early" },
	{ ":prefix:all::user.virtiofs.:", "every name that the host lists" },
	{ ":", "rule 1 (:): it ends early" },
	{ ":ok:all::", "it ends early" },
	{ ":ok:all::: :ok", "rule 2 (:ok): it ends early" },
	{ ":good:all:::", "its first part has to be" },
	{ ":OK:all:::", "its first part has to be" },
	{ "::all:::", "its first part has to be" },
	{ ": ok:all:::", "its first part has to be" },
	{ ":ok:both:::", "client, server or all" },
	{ ":ok::::", "client, server or all" },
	{ ":map::::", "the text to put in front" },
	{ ":map::user.a.::ok:all:::", "rule 2 (:ok:all:::): a map rule has to be the last" },
	{ ":map::user.a.: :map::user.b.:", "a map rule has to be the last" },
	/* The newline is the text in front, and the next rule begins with "o". */
	{ ":map:a:\n:ok:all:::", "rule 2 (ok:all:::): a map rule has to be the last" },
};

static void wrong_rules_are_refused(void **state)
{
	struct fb_xattr_map *map = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		print_message("%s\n", wrong[i].rules);
		assert_int_equal(fb_xattr_map_new(wrong[i].rules, &map), -EINVAL);
		assert_null(map);
		if (!strstr(fb_last_error(), wrong[i].sentence))
			fail_msg("%s", fb_last_error());
	}
}

static void limits_are_kept(void **state)
{
	char rules[FB_XATTR_MAP_RULES_MAX * 12 + 16], name[300], room[FB_XATTR_NAME_ROOM];
	struct fb_xattr_map *map = NULL;
	const char *host;
	size_t size = 0;

	(void)state;
	for (int i = 0; i < FB_XATTR_MAP_RULES_MAX; i++)
		size += (size_t)snprintf(rules + size, sizeof(rules) - size, ":ok:all:::");
	fb_xattr_map_free(map_of(rules));
	snprintf(rules + size, sizeof(rules) - size, ":ok:all:::");
	assert_int_equal(fb_xattr_map_new(rules, &map), -EINVAL);
	assert_non_null(strstr(fb_last_error(), "rule 257"));
	/* The short form counts as what it stands for. */
	snprintf(rules + size - 10, sizeof(rules) - size + 10, ":map:a:b:");
	assert_int_equal(fb_xattr_map_new(rules, &map), -EINVAL);

	memset(name, 'n', sizeof(name));
	snprintf(rules, sizeof(rules), ":ok:client:%.255s:: :ok:all:::", name);
	fb_xattr_map_free(map_of(rules));
	snprintf(rules, sizeof(rules), ":ok:client:%.256s:: :ok:all:::", name);
	assert_int_equal(fb_xattr_map_new(rules, &map), -EINVAL);
	assert_non_null(strstr(fb_last_error(), "255 bytes"));

	map = map_of(":map::user.v.:");
	name[XATTR_NAME_MAX - strlen("user.v.")] = '\0';
	assert_int_equal(fb_xattr_map_to_host(map, name, room, &host), 0);
	assert_int_equal(strlen(host), XATTR_NAME_MAX);
	name[XATTR_NAME_MAX - strlen("user.v.")] = 'n';
	name[XATTR_NAME_MAX - strlen("user.v.") + 1] = '\0';
	assert_int_equal(fb_xattr_map_to_host(map, name, room, &host), -ERANGE);
	fb_xattr_map_free(map);
}

/* Whether ordinary users of the client can write what privileged names become. */
static const struct {
	const char *rules, *begin; /* NULL: they can not */
} forgeries[] = {
	{ ":prefix:all:trusted.:user.virtiofs.: :ok:all:::", "user.virtiofs.trusted." },
	{ ":prefix:all:trusted.:user.virtiofs.: :bad:server::trusted.: :ok:all:::",
	  "user.virtiofs.trusted." },
	{ ":prefix:client:security.selinux:user.: :ok:all:::", "user.security.selinux" },
	{ ":prefix:all:s:user.v.: :ok:all:::", "user.v.security." },
	{ ":prefix:all:system.:user.v.: :bad:client:user.v.sys.:: :ok:all:::", "user.v.system." },
	{ MAP_ALL, NULL },
	{ MAP_TRUSTED, NULL },
	{ MAP_LABEL, NULL },
	{ HIDE_SECURITY, NULL },
	{ MAP_SECURITY, NULL },
	{ ":prefix:all::user.virtiofs.: :bad:all:::", NULL },
	{ ":prefix:all:trusted.:user.v.: :bad:client:user.v.trusted.:: :ok:all:::", NULL },
	{ ":prefix:all:trusted.:user.v.: :unsupported:client:user.:: :ok:all:::", NULL },
	{ ":bad:all:trusted.:: :prefix:all:trusted.:user.v.: :ok:all:::", NULL }, /* never taken */
	{ ":prefix:all:user.:user.v.: :ok:all:::", NULL },
	{ ":prefix:all:trusted.:security.: :ok:all:::", NULL }, /* not theirs to write */
	{ ":prefix:server:trusted.:user.v.: :ok:all:::", NULL },
};

static void forgeable_names_are_found(void **state)
{
	char room[FB_XATTR_NAME_ROOM];

	(void)state;
	for (size_t i = 0; i < COUNT(forgeries); i++) {
		struct fb_xattr_map *map = map_of(forgeries[i].rules);

		print_message("%s\n", forgeries[i].rules);
		assert_int_equal(fb_xattr_map_forgeable(map, room), forgeries[i].begin != NULL);
		if (forgeries[i].begin)
			assert_string_equal(room, forgeries[i].begin);
		fb_xattr_map_free(map);
	}
}

/* ---- the driver with a map ---------------------------------------------------------------------------- */

static struct share_client share;
static uint64_t node; /* of the file "f" */
static char host_path[128];

static void begin_with(struct fb_passthrough_options options)
{
	options.size = sizeof(options);
	share_open(&share, &options, NULL);
	share_make(&share, "f", "content", 0644);
	node = node_of(&share, "f");
	snprintf(host_path, sizeof(host_path), "%s", share_path(&share, "f"));
}

static void begin(const char *rules)
{
	begin_with((struct fb_passthrough_options){ .xattr_map = rules });
	if (setxattr(host_path, "user.probe", "", 0, 0) < 0)
		SKIP_BECAUSE("/tmp has no user.* attributes");
	removexattr(host_path, "user.probe");
}

static int teardown(void **state)
{
	(void)state;
	fb_log_set(NULL, NULL);
	if (share.session)
		share_close(&share);
	share = (struct share_client){ 0 };
	return 0;
}

static void need_root(void)
{
	if (geteuid() != 0)
		SKIP_BECAUSE("needs root");
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

static bool host_has(const char *name)
{
	return getxattr(host_path, name, NULL, 0) >= 0;
}

static int set(const char *name)
{
	return share_set_xattr(&share, node, name, "value", 5, 0);
}

static int get(const char *name)
{
	char value[16];

	return (int)share_get_xattr(&share, node, name, value, sizeof(value));
}

/* The list with a space behind each name. */
static const char *list(void)
{
	static char names[1024];
	ssize_t size = share_list_xattr(&share, node, names, sizeof(names) - 1);

	assert_true(size >= 0);
	assert_int_equal(share_list_xattr(&share, node, NULL, 0), size);
	for (ssize_t i = 0; i < size; i++)
		if (!names[i])
			names[i] = ' ';
	names[size] = '\0';
	return names;
}

static void set_host(const char *name)
{
	assert_int_equal(setxattr(host_path, name, "host", 4, 0), 0);
}

static void all_names_are_kept_below_one(void **state)
{
	(void)state;
	begin(MAP_ALL);
	set_host("user.foreign");
	set_host("user.virtiofs.");
	assert_int_equal(set("user.a"), 0);
	assert_int_equal(set("trusted.b"), 0);
	assert_int_equal(set("security.c"), 0);
	assert_true(host_has("user.virtiofs.user.a"));
	assert_true(host_has("user.virtiofs.trusted.b"));
	assert_true(host_has("user.virtiofs.security.c"));
	assert_false(host_has("user.a"));
	assert_int_equal(get("trusted.b"), 5);
	assert_int_equal(get("user.foreign"), -ENODATA);
	assert_string_equal(list(), "user.a trusted.b security.c ");
	/* The room that counts is the client's. */
	assert_int_equal(share_list_xattr(&share, node, (char[28]){ 0 }, 28), 28);
	assert_int_equal(share_list_xattr(&share, node, (char[27]){ 0 }, 27), -ERANGE);
	assert_int_equal(share_remove_xattr(&share, node, "trusted.b"), 0);
	assert_int_equal(share_remove_xattr(&share, node, "trusted.b"), -ENODATA);
	assert_false(host_has("user.virtiofs.trusted.b"));
	assert_true(host_has("user.foreign"));
	assert_int_equal(share_set_xattr(&share, node, "user.a", "x", 1, FB_XATTR_CREATE), -EEXIST);
	assert_int_equal(share_set_xattr(&share, node, "user.z", "x", 1, FB_XATTR_REPLACE),
			 -ENODATA);
}

static void names_too_long_for_the_host_do_not_exist(void **state)
{
	char name[XATTR_NAME_MAX + 1] = "user.";

	(void)state;
	begin(MAP_ALL);
	memset(name + 5, 'n', sizeof(name) - 6);
	assert_int_equal(set(name), -ERANGE);
	assert_int_equal(get(name), -ENODATA);
	assert_true(share_remove_xattr(&share, node, name) < 0);
}

static void one_kind_of_names_is_kept_below_another(void **state)
{
	(void)state;
	begin(MAP_TRUSTED);
	assert_int_equal(set("trusted.a"), 0);
	assert_int_equal(set("user.b"), 0);
	assert_true(host_has("user.virtiofs.trusted.a"));
	assert_true(host_has("user.b"));
	assert_string_equal(list(), "trusted.a user.b ");
	/* No way leads to the first but its own name. D8 */
	assert_int_equal(get("user.virtiofs.trusted.a"), -ENODATA);
	assert_int_equal(set("user.virtiofs.trusted.a"), -EPERM);
	assert_int_equal(share_remove_xattr(&share, node, "user.virtiofs.trusted.a"), -EPERM);
	if (geteuid() == 0) {
		set_host("trusted.hosts");
		assert_int_equal(get("trusted.hosts"), -ENODATA);
		assert_string_equal(list(), "trusted.a user.b ");
	}
}

/* D8 */
static void bad_names_are_neither_seen_nor_set(void **state)
{
	(void)state;
	need_root();
	begin(HIDE_SECURITY);
	set_host("security.fbtest");
	set_host("user.a");
	assert_int_equal(get("security.fbtest"), -ENODATA);
	assert_int_equal(set("security.fbtest"), -EPERM);
	assert_int_equal(share_remove_xattr(&share, node, "security.fbtest"), -EPERM);
	assert_string_equal(list(), "user.a ");
	assert_true(host_has("security.fbtest"));
}

static void unsupported_names_are_no_attributes(void **state)
{
	(void)state;
	begin("/unsupported/all/user.hidden/user.hidden/ /ok/all///");
	set_host("user.hidden");
	set_host("user.a");
	assert_int_equal(get("user.hidden"), -EOPNOTSUPP);
	assert_int_equal(set("user.hidden"), -EOPNOTSUPP);
	assert_int_equal(share_remove_xattr(&share, node, "user.hidden"), -EOPNOTSUPP);
	assert_string_equal(list(), "user.a ");
}

static void a_read_only_share_stays_so(void **state)
{
	(void)state;
	begin_with((struct fb_passthrough_options){ .xattr_map = MAP_TRUSTED, .read_only = true });
	assert_int_equal(set("trusted.a"), -EROFS);
	assert_int_equal(set("user.virtiofs.a"), -EROFS);
	assert_int_equal(share_remove_xattr(&share, node, "trusted.a"), -EROFS);
}

static int list_as_user(void)
{
	if (setresgid(1000, 1000, 1000) < 0 || setresuid(1000, 1000, 1000) < 0)
		return 2;
	share_open(&share,
		   &(struct fb_passthrough_options){ .size = sizeof(struct fb_passthrough_options),
						     .xattr_map = MAP_ALL },
		   NULL);
	share_make(&share, "closed", "", 0600);
	node = node_of(&share, "closed");
	if (set("security.a") < 0 || chmod(share_path(&share, "closed"), 0) < 0)
		return 3;
	if (strcmp(list(), "security.a ") != 0)
		return 4;
	share_close(&share);
	return 0;
}

/* D7: no file has to be opened for its list. */
static void an_unprivileged_server_lists_closed_files(void **state)
{
	pid_t child;
	int status;

	(void)state;
	need_root();
	child = fork();
	if (child == 0)
		_exit(list_as_user());
	assert_int_equal(waitpid(child, &status, 0), child);
	if (status != 0)
		share.session = NULL;
	assert_int_equal(status, 0);
}

/* ---- beginning ---------------------------------------------------------------------------------------- */

static void maps_that_contradict_are_refused(void **state)
{
	(void)state;
	assert_int_equal(refusal((struct fb_passthrough_options){ .xattr_map = MAP_ALL }), 0);
	assert_int_equal(refusal((struct fb_passthrough_options){ .xattr_map = "" }), -EINVAL);
	assert_int_equal(refusal((struct fb_passthrough_options){ .xattr_map = ":ok:client:::" }),
			 -EINVAL);
	assert_int_equal(
		refusal((struct fb_passthrough_options){ .xattr_map = MAP_ALL, .xattr = FB_OFF }),
		-EINVAL);
}

/* ACLs are the host's to apply: no map may come in between. */
static void acls_keep_their_names(void **state)
{
	static const struct {
		const char *rules;
		int result;
	} rows[] = {
		{ MAP_ALL, -EINVAL },
		{ ":map:system.:user.v.:", -EINVAL },
		{ ":bad:all:system.posix_acl_default:: :ok:all:::", -EINVAL },
		{ ":unsupported:server::system.: :ok:all:::", -EINVAL },
		{ KEEP_ACLS MAP_ALL, 0 },
		{ MAP_TRUSTED, 0 },
		{ HIDE_SECURITY, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		print_message("%s\n", rows[i].rules);
		assert_int_equal(refusal((struct fb_passthrough_options){
					 .xattr_map = rows[i].rules, .posix_acl = FB_ON }),
				 rows[i].result);
		if (rows[i].result < 0)
			assert_non_null(strstr(fb_last_error(), KEEP_ACLS));
	}
}

/* An ACL of version 2: owner rwx, user 1000 rwx, group r, mask rwx, others r. */
static const uint8_t acl[] = {
	2, 0,    0,   0,   1,   0,   7,  0, 255, 255, 255, 255, 2,   0,   7,
	0, 0xe8, 3,   0,   0,   4,   0,  4, 0,   255, 255, 255, 255, 16,  0,
	7, 0,    255, 255, 255, 255, 32, 0, 4,   0,   255, 255, 255, 255,
};

static void acls_pass_a_map_that_keeps_them(void **state)
{
	(void)state;
	begin_with((struct fb_passthrough_options){ .xattr_map = KEEP_ACLS MAP_ALL,
						    .posix_acl = FB_ON });
	if (share_set_xattr(&share, node, "system.posix_acl_access", acl, sizeof(acl), 0) ==
	    -EOPNOTSUPP)
		SKIP_BECAUSE("/tmp has no ACLs");
	assert_true(host_has("system.posix_acl_access"));
	assert_string_equal(list(), "system.posix_acl_access ");
	assert_int_equal(set("user.a"), 0);
	assert_true(host_has("user.virtiofs.user.a"));
}

/* Without ACLs a map opens no way to them, and its copies of them are hidden like them. */
static void acls_stay_hidden_behind_a_map(void **state)
{
	(void)state;
	begin(":prefix:all:user.back.:system.: :ok:all:::");
	assert_int_equal(get("system.posix_acl_access"), -EOPNOTSUPP);
	share_close(&share);
	begin(":prefix:client:posix_acl_:system.: :prefix:server::system.: :ok:all:::");
	assert_int_equal(share_set_xattr(&share, node, "posix_acl_access", acl, sizeof(acl), 0),
			 -EOPNOTSUPP);
	if (setxattr(host_path, "system.posix_acl_access", acl, sizeof(acl), 0) < 0)
		SKIP_BECAUSE("/tmp has no ACLs");
	assert_int_equal(get("posix_acl_access"), -EOPNOTSUPP);
	assert_string_equal(list(), "");
	share_close(&share);
	begin(MAP_ALL);
	set_host("user.virtiofs.system.posix_acl_access");
	assert_int_equal(get("system.posix_acl_access"), -EOPNOTSUPP);
	assert_string_equal(list(), "");
}

static char logged[512];
static unsigned warnings;

static void note(void *arg, enum fb_log_level level, const char *text)
{
	(void)arg;
	if (level != FB_LOG_WARNING || !strstr(text, "xattr map"))
		return;
	warnings++;
	snprintf(logged, sizeof(logged), "%s", text);
}

static void forgeable_names_are_warned_of(void **state)
{
	(void)state;
	fb_log_set(note, NULL);
	warnings = 0;
	assert_int_equal(refusal((struct fb_passthrough_options){ .xattr_map = MAP_TRUSTED }), 0);
	assert_int_equal(warnings, 0);
	assert_int_equal(refusal((struct fb_passthrough_options){
				 .xattr_map = ":prefix:all:trusted.:user.v.: :ok:all:::" }),
			 0);
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(logged, "user.v.trusted."));
	assert_non_null(strstr(logged, ":bad:client:user.v.trusted.::"));
	/* And the rule that it names helps. */
	assert_int_equal(refusal((struct fb_passthrough_options){
				 .xattr_map = ":prefix:all:trusted.:user.v.: "
					      ":bad:client:user.v.trusted.:: :ok:all:::" }),
			 0);
	assert_int_equal(warnings, 1);
}

/* The caller may do with its string what it likes. */
static void rules_are_copied(void **state)
{
	char rules[] = MAP_ALL;

	(void)state;
	begin(rules);
	memset(rules, 'x', sizeof(rules) - 1);
	assert_int_equal(set("user.a"), 0);
	assert_true(host_has("user.virtiofs.user.a"));
	assert_null(share.driver->options.xattr_map);
}

/* ---- labels ---------------------------------------------------------------------------------------------- */

static int make_labelled(const char *name, const char *attribute)
{
	struct {
		struct fb_wire_secctx_header header;
		struct fb_wire_secctx context;
		char text[24];
	} label = { .header = { sizeof(label), 1 }, .context = { 5, 0 } };
	struct fb_wire_entry_out entry;

	assert_true(strlen(attribute) + 1 + 6 <= sizeof(label.text));
	snprintf(label.text, sizeof(label.text), "%s", attribute);
	snprintf(label.text + strlen(attribute) + 1, 6, "label");
	return node_mkdir_extended(&share, ROOT, name, 0755, &label, sizeof(label), &entry);
}

static void labels_go_through_the_map(void **state)
{
	char value[16] = "";

	(void)state;
	need_root();
	begin_with(
		(struct fb_passthrough_options){ .xattr_map = MAP_LABEL, .security_label = true });
	assert_int_equal(make_labelled("dir", "security.selinux"), 0);
	snprintf(host_path, sizeof(host_path), "%s", share_path(&share, "dir"));
	assert_int_equal(getxattr(host_path, "trusted.virtiofs.security.selinux", value, 16), 5);
	assert_string_equal(value, "label");
	node = node_of(&share, "dir");
	assert_int_equal(get("security.selinux"), 5);
	assert_string_equal(list(), "security.selinux ");
	/* A new label later is one as well. */
	assert_int_equal(share_set_xattr(&share, node, "security.selinux", "new", 3, 0), 0);
	assert_int_equal(getxattr(host_path, "trusted.virtiofs.security.selinux", value, 16), 3);
	/* What the host's own SELinux has there is not the client's. */
	if (setxattr(host_path, "security.selinux", "host", 4, 0) == 0)
		assert_int_equal(get("security.selinux"), 3);
	/* Others are not renamed. */
	assert_int_equal(make_labelled("other", "security.fbtest"), 0);
	snprintf(host_path, sizeof(host_path), "%s", share_path(&share, "other"));
	assert_true(host_has("security.fbtest"));
	assert_int_equal(make_labelled("none", "trusted.fbtest"), -EINVAL);
}

/* A folder in the place of /proc, whose attr/fscreate is not to be touched. */
static void renamed_labels_are_nothing_to_the_hosts_selinux(void **state)
{
	char proc[128], path[160];
	struct stat stat;
	int fd;

	(void)state;
	need_root();
	begin_with(
		(struct fb_passthrough_options){ .xattr_map = MAP_LABEL, .security_label = true });
	snprintf(proc, sizeof(proc), "%s", share_path(&share, "proc"));
	snprintf(path, sizeof(path), "%s/thread-self", proc);
	assert_int_equal(mkdir(proc, 0700), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/thread-self/attr", proc);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/thread-self/attr/fscreate", proc);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	close(share.driver->proc);
	share.driver->proc = open(proc, O_PATH | O_CLOEXEC);
	assert_int_equal(make_labelled("dir", "security.selinux"), 0);
	assert_int_equal(lstat(path, &stat), 0);
	assert_int_equal(stat.st_size, 0);
}

static void labels_that_the_map_refuses(void **state)
{
	struct stat stat;

	(void)state;
	need_root();
	begin_with((struct fb_passthrough_options){ .xattr_map = HIDE_SECURITY,
						    .security_label = true });
	assert_int_equal(make_labelled("dir", "security.selinux"), -EPERM);
	assert_int_equal(lstat(share_path(&share, "dir"), &stat), -1);
	share_close(&share);
	/* A file system without such labels makes files all the same. */
	begin_with((struct fb_passthrough_options){
		.xattr_map = "/unsupported/all/security.selinux/security.selinux/ /ok/all///",
		.security_label = true });
	assert_int_equal(make_labelled("dir", "security.selinux"), 0);
	node = node_of(&share, "dir");
	assert_int_equal(get("security.selinux"), -EOPNOTSUPP);
	assert_int_equal(getxattr(share_path(&share, "dir"), "security.selinux", NULL, 0), -1);
}

/* ---- capabilities (CVE-2021-20263) ------------------------------------------------------------------------- */

static struct share_file file;

static int do_write(void)
{
	return (int)share_write(&share, node, file.fh, "x", 1, 0, O_RDWR, 0) - 1;
}

static int do_write_cached(void)
{
	return (int)share_write(&share, node, file.fh, "x", 1, 0, O_RDWR, FB_WRITE_CACHE) - 1;
}

static int do_append(void)
{
	return (int)share_write(&share, node, file.fh, "x", 1, 0, O_RDWR | O_APPEND, 0) - 1;
}

static int do_open_and_cut(void)
{
	struct fb_wire_open_out open;
	int result = share_open_file(&share, node, O_WRONLY | O_TRUNC, 0, &open);

	if (result == 0)
		share_release(&share, node, open.fh, 0);
	return result;
}

static int do_create_and_cut(void)
{
	struct fb_wire_create_out created;
	int result = share_create(&share, ROOT, "f", 0644, O_WRONLY | O_CREAT | O_TRUNC, &created);

	if (result == 0)
		share_release(&share, node, created.open.fh, 0);
	return result;
}

static int setattr(struct fb_wire_setattr_in set_in)
{
	struct fb_wire_attr_out out;

	return node_setattr(&share, node, &set_in, &out);
}

static int do_truncate(void)
{
	return setattr((struct fb_wire_setattr_in){ .valid = FB_SETATTR_SIZE, .size = 3 });
}

static int do_truncate_opened(void)
{
	return setattr((struct fb_wire_setattr_in){
		.valid = FB_SETATTR_SIZE | FB_SETATTR_FH, .fh = file.fh, .size = 3 });
}

static int do_chown(void)
{
	return setattr((struct fb_wire_setattr_in){ .valid = FB_SETATTR_UID, .uid = geteuid() });
}

static int do_chgrp(void)
{
	return setattr((struct fb_wire_setattr_in){ .valid = FB_SETATTR_GID, .gid = getegid() });
}

static int do_fallocate(void)
{
	return share_fallocate(&share, node, file.fh, 0, 0, 4096);
}

static int do_copy(void)
{
	const struct fb_wire_copy_file_range_in copy = {
		.fh_in = file.fh,
		.off_in = 0,
		.nodeid_out = node,
		.fh_out = file.fh,
		.off_out = 4096,
		.len = 1,
	};

	return share_copy(&share, &copy, node) == 1 ? 0 : -1;
}

static const struct step {
	const char *name;
	int (*run)(void);
} ending[] = {
	{ "write", do_write },
	{ "write from the cache", do_write_cached },
	{ "append", do_append },
	{ "open with O_TRUNC", do_open_and_cut },
	{ "create with O_TRUNC", do_create_and_cut },
	{ "truncate", do_truncate },
	{ "ftruncate", do_truncate_opened },
	{ "chown", do_chown },
	{ "chgrp", do_chgrp },
	{ "fallocate", do_fallocate },
	{ "copy_file_range", do_copy },
};

static int do_read(void)
{
	char got[4];

	return share_read(&share, node, file.fh, got, sizeof(got), 0, O_RDWR) >= 0 ? 0 : -1;
}

static int do_chmod(void)
{
	return setattr((struct fb_wire_setattr_in){ .valid = FB_SETATTR_MODE, .mode = 0640 });
}

static int do_touch(void)
{
	return setattr(
		(struct fb_wire_setattr_in){ .valid = FB_SETATTR_MTIME_NOW | FB_SETATTR_MTIME });
}

static int do_chown_in_vain(void)
{
	return setattr((struct fb_wire_setattr_in){ .valid = FB_SETATTR_UID, .uid = UINT32_MAX }) ==
			       -EINVAL ?
		       0 :
		       -1;
}

static int do_set_other(void)
{
	return set("user.other");
}

static const struct step harmless[] = {
	{ "read", do_read },
	{ "chmod", do_chmod },
	{ "touch", do_touch },
	{ "refused chown", do_chown_in_vain },
	{ "another attribute", do_set_other },
};

static void run_steps(const struct step *steps, size_t count, bool ends)
{
	for (size_t i = 0; i < count; i++) {
		print_message("%s\n", steps[i].name);
		set_host(KEPT_CAPABILITY);
		assert_int_equal(steps[i].run(), 0);
		assert_int_equal(host_has(KEPT_CAPABILITY), !ends);
		/* And where there is none. */
		removexattr(host_path, KEPT_CAPABILITY);
		assert_int_equal(steps[i].run(), 0);
	}
}

static void renamed_capabilities_end(void **state)
{
	(void)state;
	begin(MAP_SECURITY);
	file = share_open_name(&share, "f", O_RDWR);
	node = file.node;
	run_steps(ending, COUNT(ending), true);
	run_steps(harmless, COUNT(harmless), false);
}

/* The kernel of the client removes them by this request, as whoever writes. */
static void renamed_capabilities_are_removed_for_anybody(void **state)
{
	(void)state;
	need_root();
	begin(MAP_SECURITY);
	assert_int_equal(chmod(host_path, 0444), 0);
	set_host(KEPT_CAPABILITY);
	share.uid = share.gid = 1000;
	assert_int_equal(set("security.capability"), -EACCES);
	assert_int_equal(share_remove_xattr(&share, node, "security.capability"), 0);
	assert_false(host_has(KEPT_CAPABILITY));
}

/* As the host itself would: the server removes it, whoever the caller is. */
static void a_callers_chgrp_ends_capabilities(void **state)
{
	struct fb_wire_setattr_in in = { .valid = FB_SETATTR_GID, .gid = 1000 };

	(void)state;
	need_root();
	begin(MAP_SECURITY);
	assert_int_equal(chown(host_path, 1000, 1000), 0);
	assert_int_equal(chmod(host_path, 0444), 0);
	set_host(KEPT_CAPABILITY);
	assert_true(share.driver->all_as_caller);
	share.uid = share.gid = 1001;
	assert_int_equal(setattr(in), -EPERM);
	assert_true(host_has(KEPT_CAPABILITY));
	share.uid = share.gid = 1000;
	assert_int_equal(setattr(in), 0);
	assert_false(host_has(KEPT_CAPABILITY));
}

/* The data is gone, though the rest of the request was refused. */
static void half_a_change_ends_capabilities(void **state)
{
	(void)state;
	need_root();
	begin(MAP_SECURITY);
	assert_int_equal(chmod(host_path, 0666), 0);
	set_host(KEPT_CAPABILITY);
	share.uid = share.gid = 1000;
	assert_int_equal(setattr((struct fb_wire_setattr_in){
				 .valid = FB_SETATTR_SIZE | FB_SETATTR_MODE, .mode = 0600 }),
			 -EPERM);
	share_expect(&share, "f", "");
	assert_false(host_has(KEPT_CAPABILITY));
}

/* As on the host: a link can not have any, and those of a directory mean nothing. */
static void others_than_files_change_owners(void **state)
{
	(void)state;
	begin(MAP_SECURITY);
	assert_int_equal(symlink("f", share_path(&share, "link")), 0);
	node = node_of(&share, "link");
	assert_int_equal(do_chown(), 0);
	snprintf(host_path, sizeof(host_path), "%s", share_path(&share, "dir"));
	assert_int_equal(mkdir(host_path, 0755), 0);
	node = node_of(&share, "dir");
	set_host(KEPT_CAPABILITY);
	assert_int_equal(do_chown(), 0);
	assert_true(host_has(KEPT_CAPABILITY));
}

/* Opens without a handle: each write opens the file for itself. */
static void renamed_capabilities_end_without_opens(void **state)
{
	(void)state;
	begin_with((struct fb_passthrough_options){ .xattr_map = MAP_SECURITY,
						    .stateless_open = true });
	file = (struct share_file){ .node = node };
	if (setxattr(host_path, KEPT_CAPABILITY, "host", 4, 0) < 0)
		SKIP_BECAUSE("/tmp has no user.* attributes");
	assert_int_equal(do_write(), 0);
	assert_false(host_has(KEPT_CAPABILITY));
	set_host(KEPT_CAPABILITY);
	assert_int_equal(do_fallocate(), 0);
	assert_false(host_has(KEPT_CAPABILITY));
}

/* Only such maps cost anything, and only they keep the kernel from writing by itself. */
static void other_maps_leave_capabilities_to_the_host(void **state)
{
	static const struct {
		const char *rules;
		const char *name;
	} rows[] = {
		{ NULL, NULL },
		{ MAP_TRUSTED, NULL },
		{ MAP_LABEL, NULL },
		{ HIDE_SECURITY, NULL },
		{ MAP_ALL, "user.virtiofs.security.capability" },
		{ MAP_SECURITY, "user.virtiofs.security.capability" },
		{ ":prefix:client:security.capability:trusted.: :ok:all:::",
		  "trusted.security.capability" },
	};
	struct fb_passthrough_options options = { .size = sizeof(options) };
	struct fb_passthrough *driver;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		options.xattr_map = rows[i].rules;
		assert_int_equal(fb_passthrough_new("/tmp", &options, &driver), 0);
		assert_int_equal(driver->kernel_passthrough, !rows[i].name);
		if (rows[i].name)
			assert_string_equal(driver->capability, rows[i].name);
		else
			assert_null(driver->capability);
		fb_passthrough_free(driver);
	}
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_become_the_hosts),
		TEST(names_become_the_clients),
		TEST(wrong_rules_are_refused),
		TEST(limits_are_kept),
		TEST(forgeable_names_are_found),
		TEST(all_names_are_kept_below_one),
		TEST(names_too_long_for_the_host_do_not_exist),
		TEST(one_kind_of_names_is_kept_below_another),
		TEST(bad_names_are_neither_seen_nor_set),
		TEST(unsupported_names_are_no_attributes),
		TEST(a_read_only_share_stays_so),
		TEST(an_unprivileged_server_lists_closed_files),
		TEST(maps_that_contradict_are_refused),
		TEST(acls_keep_their_names),
		TEST(acls_pass_a_map_that_keeps_them),
		TEST(acls_stay_hidden_behind_a_map),
		TEST(forgeable_names_are_warned_of),
		TEST(rules_are_copied),
		TEST(labels_go_through_the_map),
		TEST(renamed_labels_are_nothing_to_the_hosts_selinux),
		TEST(labels_that_the_map_refuses),
		TEST(renamed_capabilities_end),
		TEST(renamed_capabilities_are_removed_for_anybody),
		TEST(a_callers_chgrp_ends_capabilities),
		TEST(half_a_change_ends_capabilities),
		TEST(others_than_files_change_owners),
		TEST(renamed_capabilities_end_without_opens),
		TEST(other_maps_leave_capabilities_to_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
