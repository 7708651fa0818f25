/* SPDX-License-Identifier: BSD-3-Clause */
#include "xattr_map.h"

#include "scope.h"

#include <libfb/log.h>

#include <errno.h>
#include <string.h>

/* Where every program that may write to a file may set attributes. */
#define USER "user."

#define BLANKS " \t\n\v\f\r"

enum type {
	PREFIX,
	OK,
	BAD,
	UNSUPPORTED,
};

/* A part of the rules: nothing ends it. */
struct text {
	const char *at;
	size_t len;
};

struct rule {
	enum type type;
	bool client, server; /* which names it is for */
	struct text key;     /* how the client's names begin */
	struct text prepend; /* how the host's do */
};

struct fb_xattr_map {
	char *rules_text; /* what the rules point into */
	size_t count;
	struct rule rules[FB_XATTR_MAP_RULES_MAX];
};

static bool begins(const char *name, const struct text *with)
{
	return strncmp(name, with->at, with->len) == 0;
}

/* ---- reading the rules -------------------------------------------------------------------------------- */

struct reader {
	struct fb_xattr_map *map;
	const char *rule; /* where it begins: for the sentence */
	size_t number;    /* of the rule, from 1 */
	const char *at;   /* the next field */
	char separator;
	bool has_map; /* the last rule was the short form */
};

static int refuse(const struct reader *reader, const char *why)
{
	int shown = (int)strcspn(reader->rule, "\r\n");

	return fb_fail(EINVAL, "xattr map, rule %zu (%.*s%s): %s", reader->number,
		       shown > 60 ? 60 : shown, reader->rule, shown > 60 ? "..." : "", why);
}

static int read_field(struct reader *reader, struct text *ret_text)
{
	const char *end = strchr(reader->at, reader->separator);
	struct text text = { .at = reader->at };

	if (!end)
		return refuse(reader, "it ends early: the separator it begins with has to follow "
				      "each of its parts");
	text.len = (size_t)(end - reader->at);
	if (text.len > XATTR_NAME_MAX)
		return refuse(reader, "no name is longer than 255 bytes");
	reader->at = end + 1;
	*ret_text = text;
	return 0;
}

static bool is(const struct text *text, const char *word)
{
	return text->len == strlen(word) && begins(word, text);
}

static int read_scope(struct reader *reader, struct rule *rule)
{
	struct text scope = { 0 };
	int result = read_field(reader, &scope);

	if (result < 0)
		return result;
	rule->client = is(&scope, "client") || is(&scope, "all");
	rule->server = is(&scope, "server") || is(&scope, "all");
	if (!rule->client && !rule->server)
		return refuse(reader, "its second part has to be client, server or all");
	return 0;
}

static int add(struct reader *reader, const struct rule *rule)
{
	struct fb_xattr_map *map = reader->map;

	if (map->count == FB_XATTR_MAP_RULES_MAX)
		return refuse(reader, "a map has at most 256 rules");
	map->rules[map->count++] = *rule;
	return 0;
}

/* The short form stands for two rules or four, which decide on every name. */
static int add_map(struct reader *reader)
{
	static const struct text all = { .at = "" };
	struct text key = { 0 }, prepend = { 0 };
	int result = read_field(reader, &key);

	if (result == 0)
		result = read_field(reader, &prepend);
	if (result < 0)
		return result;
	if (prepend.len == 0)
		return refuse(reader, "its third part, the text to put in front, is missing");

	const struct rule rules[] = {
		{ PREFIX, true, true, key, prepend },
		/* What the host itself has under these names is not the client's. */
		{ BAD, false, true, all, key },
		/* The client must not get at its renamed attributes past the rules for them. */
		{ BAD, true, false, prepend, all },
		{ OK, true, true, all, all },
	};
	const struct rule nothing_else = { BAD, true, true, all, all };

	reader->has_map = true;
	result = add(reader, &rules[0]);
	if (key.len == 0)
		return result < 0 ? result : add(reader, &nothing_else);
	for (size_t i = 1; result == 0 && i < sizeof(rules) / sizeof(rules[0]); i++)
		result = add(reader, &rules[i]);
	return result;
}

static int read_rule(struct reader *reader)
{
	static const char *const types[] = {
		[PREFIX] = "prefix",
		[OK] = "ok",
		[BAD] = "bad",
		[UNSUPPORTED] = "unsupported",
	};
	struct rule rule = { 0 };
	struct text type = { 0 };
	size_t which = 0;
	int result = read_field(reader, &type);

	if (result < 0)
		return result;
	if (is(&type, "map"))
		return add_map(reader);
	while (which < sizeof(types) / sizeof(types[0]) && !is(&type, types[which]))
		which++;
	if (which == sizeof(types) / sizeof(types[0]))
		return refuse(reader,
			      "its first part has to be prefix, ok, bad, unsupported or map");
	rule.type = (enum type)which;
	result = read_scope(reader, &rule);
	if (result == 0)
		result = read_field(reader, &rule.key);
	if (result == 0)
		result = read_field(reader, &rule.prepend);
	return result < 0 ? result : add(reader, &rule);
}

static int read_rules(struct fb_xattr_map *map)
{
	struct reader reader = { .map = map, .at = map->rules_text };
	int result = 0;

	while (result == 0) {
		reader.at += strspn(reader.at, BLANKS);
		if (!*reader.at)
			break;
		reader.number++;
		reader.rule = reader.at;
		if (reader.has_map)
			return refuse(&reader, "a map rule has to be the last one");
		reader.separator = *reader.at++;
		result = read_rule(&reader);
	}
	return result;
}

/* Whether there is a rule for whatever name the client uses, or the host lists. */
static bool takes_all(const struct fb_xattr_map *map, bool client)
{
	for (size_t i = 0; i < map->count; i++) {
		const struct rule *rule = &map->rules[i];

		if (client ? rule->client && rule->key.len == 0 :
			     rule->server && rule->prepend.len == 0)
			return true;
	}
	return false;
}

static int check(const struct fb_xattr_map *map)
{
	bool client = takes_all(map, true);

	if (map->count == 0)
		return fb_fail(EINVAL, "the xattr map is empty: leave it out, or give it rules");
	if (!client || !takes_all(map, false))
		return fb_fail(EINVAL,
			       "the xattr map does not say what becomes of every name that the %s: "
			       "end it with a rule for all, such as :ok:all::: or :bad:all:::",
			       client ? "host lists" : "client uses");
	return 0;
}

int fb_xattr_map_new(const char *rules, struct fb_xattr_map **ret_map)
{
	struct fb_xattr_map *map = calloc(1, sizeof(*map));
	int result;

	if (map)
		map->rules_text = strdup(rules);
	if (!map || !map->rules_text) {
		fb_xattr_map_free(map);
		return fb_fail(ENOMEM, "no memory for an xattr map");
	}
	result = read_rules(map);
	if (result == 0)
		result = check(map);
	if (result < 0)
		fb_xattr_map_free(map);
	else
		*ret_map = map;
	return result;
}

void fb_xattr_map_free(struct fb_xattr_map *map)
{
	if (map)
		free(map->rules_text);
	free(map);
}

/* ---- names ------------------------------------------------------------------------------------------------ */

/* Put one after the other. Returns false when that is too long for a name. */
static bool join(const struct text *first, const char *second, size_t second_len,
		 char room[static FB_XATTR_NAME_ROOM])
{
	if (first->len + second_len > XATTR_NAME_MAX)
		return false;
	memcpy(room, first->at, first->len);
	memcpy(room + first->len, second, second_len);
	room[first->len + second_len] = '\0';
	return true;
}

static const struct rule *find(const struct fb_xattr_map *map, const char *name, bool client)
{
	static const struct rule none = { .type = BAD };

	for (size_t i = 0; i < map->count; i++) {
		const struct rule *rule = &map->rules[i];

		if (client ? rule->client && begins(name, &rule->key) :
			     rule->server && begins(name, &rule->prepend))
			return rule;
	}
	return &none; /* check() has seen to it that there is one */
}

int fb_xattr_map_to_host(const struct fb_xattr_map *map, const char *name,
			 char room[static FB_XATTR_NAME_ROOM], const char **ret_name)
{
	const struct rule *rule = map ? find(map, name, true) : NULL;

	if (!rule || rule->type == OK) {
		*ret_name = name;
		return 0;
	}
	if (rule->type == UNSUPPORTED)
		return -EOPNOTSUPP;
	if (rule->type == BAD)
		return -EPERM;
	if (!join(&rule->prepend, name, strlen(name), room))
		return -ERANGE;
	*ret_name = room;
	return 0;
}

const char *fb_xattr_map_to_client(const struct fb_xattr_map *map, const char *name)
{
	const struct rule *rule = map ? find(map, name, false) : NULL;

	if (!rule || rule->type == OK)
		return name;
	/* Nothing but the prefix would leave no name, and clients reject lists with an empty one. */
	if (rule->type != PREFIX || !name[rule->prepend.len])
		return NULL;
	return name + rule->prepend.len;
}

bool fb_xattr_map_keeps(const struct fb_xattr_map *map, const char *name)
{
	char room[FB_XATTR_NAME_ROOM];
	const char *host, *client = fb_xattr_map_to_client(map, name);

	return client == name && fb_xattr_map_to_host(map, name, room, &host) == 0 && host == name;
}

/* ---- names that others could write ------------------------------------------------------------------------ */

/* Whether the client's name leads to this one of the host. */
static bool leads(const struct fb_xattr_map *map, const char *name, const char *expected)
{
	char room[FB_XATTR_NAME_ROOM];
	const char *host;

	return fb_xattr_map_to_host(map, name, room, &host) == 0 && strcmp(host, expected) == 0;
}

/* For the privileged names that this rule renames and that begin so. */
static bool rule_forgeable(const struct fb_xattr_map *map, const struct rule *rule,
			   const char *privileged, char room[static FB_XATTR_NAME_ROOM])
{
	const struct text begin = { .at = privileged, .len = strlen(privileged) };
	struct text kept = begin;
	const char *name;

	if (rule->key.len > begin.len)
		kept = rule->key; /* only some of them */
	if (strncmp(kept.at, begin.at, begin.len) != 0 ||
	    strncmp(kept.at, rule->key.at, rule->key.len) != 0)
		return false;
	if (!join(&rule->prepend, kept.at, kept.len, room))
		return false;
	name = room + rule->prepend.len;
	return leads(map, name, room) && leads(map, room, room);
}

bool fb_xattr_map_forgeable(const struct fb_xattr_map *map, char room[static FB_XATTR_NAME_ROOM])
{
	static const char *const privileged[] = { "trusted.", "security.", "system." };

	for (size_t i = 0; i < map->count; i++) {
		const struct rule *rule = &map->rules[i];

		if (rule->type != PREFIX || !rule->client || rule->prepend.len < strlen(USER) ||
		    strncmp(rule->prepend.at, USER, strlen(USER)) != 0)
			continue;
		for (size_t n = 0; n < sizeof(privileged) / sizeof(privileged[0]); n++) {
			if (rule_forgeable(map, rule, privileged[n], room))
				return true;
		}
	}
	return false;
}
