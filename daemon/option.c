/* SPDX-License-Identifier: BSD-3-Clause */
#include "option.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scope.h"
#include "value.h"

/* Other names of a value stand behind the first NULL: understood, but not shown. */
static const struct option_choice cache_choices[] = {
	{ "auto", FB_CACHE_AUTO },
	{ "always", FB_CACHE_ALWAYS },
	{ "metadata", FB_CACHE_METADATA },
	{ "never", FB_CACHE_NEVER },
	{ NULL, 0 },
	{ "none", FB_CACHE_NEVER },
	{ NULL, 0 },
};

static const struct option_choice handle_choices[] = {
	{ "prefer", FB_HANDLES_PREFER },       { "never", FB_HANDLES_NEVER },
	{ "mandatory", FB_HANDLES_MANDATORY }, { NULL, 0 },
	{ "fallback", FB_HANDLES_PREFER },     { NULL, 0 },
};

static const struct option_choice transport_choices[] = {
	{ "auto", FB_TRANSPORT_AUTO },
	{ "dev-fuse", FB_TRANSPORT_DEV_FUSE },
	{ "io-uring", FB_TRANSPORT_IO_URING },
	{ NULL, 0 },
};

static const struct option_choice migration_mode_choices[] = {
	{ "find-paths", FB_MIGRATION_FIND_PATHS },
	{ "file-handles", FB_MIGRATION_FILE_HANDLES },
	{ NULL, 0 },
	{ NULL, 0 },
};

static const struct option_choice migration_error_choices[] = {
	{ "abort", FB_MIGRATION_ABORT },
	{ "guest-error", FB_MIGRATION_GUEST_ERROR },
	{ NULL, 0 },
	{ NULL, 0 },
};

static const struct option_choice log_choices[] = {
	{ "off", LOG_LEVEL_OFF },
	{ "error", FB_LOG_ERR },
	{ "warn", FB_LOG_WARNING },
	{ "info", FB_LOG_INFO },
	{ "debug", FB_LOG_DEBUG },
	{ "trace", LOG_LEVEL_TRACE },
	{ NULL, 0 },
	{ "err", FB_LOG_ERR },
	{ "warning", FB_LOG_WARNING },
	{ NULL, 0 },
};

static const struct option_choice sandbox_choices[] = {
	{ "namespace", SANDBOX_NAMESPACE },
	{ "chroot", SANDBOX_CHROOT },
	{ "none", SANDBOX_NONE },
	{ NULL, 0 },
	{ NULL, 0 },
};

static const struct option_choice seccomp_choices[] = {
	{ "kill", SECCOMP_KILL },
	{ "log", SECCOMP_LOG },
	{ "trap", SECCOMP_TRAP },
	{ "none", SECCOMP_NONE },
	{ NULL, 0 },
	{ NULL, 0 },
};

/* Say which values there are, the ones before the first NULL. */
static int fail_choice(const struct option_choice *choices, const struct option_use *use)
{
	char allowed[128] = "";

	for (const char *between = ""; choices->name; choices++, between = ", ") {
		size_t used = strlen(allowed);

		snprintf(allowed + used, sizeof(allowed) - used, "%s%s", between, choices->name);
	}
	return fb_fail(EINVAL, "%s: '%s' is none of %s", use->spelled, use->value, allowed);
}

static int store_choice(const struct option_choice *choices, const struct option_use *use,
			unsigned *ret_value)
{
	for (unsigned ends = 0, i = 0; ends < 2; i++) {
		if (!choices[i].name) {
			ends++;
		} else if (strcasecmp(choices[i].name, use->value) == 0) {
			*ret_value = choices[i].value;
			return 0;
		}
	}
	return fail_choice(choices, use);
}

static int set_help(struct options *options, const char *value)
{
	(void)value;
	options->command = COMMAND_HELP;
	return 0;
}

static int set_version(struct options *options, const char *value)
{
	(void)value;
	options->command = COMMAND_VERSION;
	return 0;
}

static int set_completion(struct options *options, const char *value)
{
	options->command = COMMAND_COMPLETION;
	options->completion_shell = value;
	return 0;
}

static int set_capabilities(struct options *options, const char *value)
{
	(void)value;
	options->command = COMMAND_CAPABILITIES;
	return 0;
}

static int add_map(struct words *maps, const char *value)
{
	return words_add(maps, value) < 0 ? fb_fail(ENOMEM, "out of memory") : 0;
}

static int add_uid_map(struct options *options, const char *value)
{
	return add_map(&options->guest.uid_maps, value);
}

static int add_gid_map(struct options *options, const char *value)
{
	return add_map(&options->guest.gid_maps, value);
}

static int add_translate_uid(struct options *options, const char *value)
{
	return add_map(&options->translate_uid, value);
}

static int add_translate_gid(struct options *options, const char *value)
{
	return add_map(&options->translate_gid, value);
}

static int set_debug(struct options *options, const char *value)
{
	(void)value;
	options->foreground = true;
	options->log_level = LOG_LEVEL_TRACE;
	return 0;
}

static int set_list(struct options *options, const char *value)
{
	return options_parse_list(options, value);
}

/* A time as struct fb_passthrough_options has it, where 0 means "by the cache policy". */
static int parse_seconds(const char *spelled, const char *value, uint64_t *ret_ns)
{
	uint64_t ns;

	if (value_seconds(value, &ns) < 0)
		return fb_fail(EINVAL, "%s: '%s' is no number of seconds such as 10, 0.5 or 0",
			       spelled, value);
	*ret_ns = ns ? ns : FB_TIMEOUT_NONE;
	return 0;
}

static int set_timeout(struct options *options, const char *value)
{
	int result = parse_seconds("timeout", value, &options->passthrough.entry_timeout_ns);

	if (result == 0)
		options->passthrough.attr_timeout_ns = options->passthrough.entry_timeout_ns;
	return result;
}

static int set_direct_io(struct options *options, const char *value)
{
	(void)value;
	options->passthrough.cache = FB_CACHE_METADATA;
	return set_timeout(options, "1");
}

#define AT(field) .offset = offsetof(struct options, field)
#define FLAG(field) .kind = OPTION_FLAG, AT(field)
#define TOGGLE(field) .kind = OPTION_TOGGLE, AT(field)
#define SWITCH(field) .kind = OPTION_SWITCH, AT(field)
#define PRESET(field, value) .kind = OPTION_PRESET, AT(field), .detail.number = (value)
#define PRESET_BOOL(field, value) .kind = OPTION_BOOL, AT(field), .detail.number = (value)
#define NUMBER(field, first, last)                                                                 \
	.kind = OPTION_NUMBER, AT(field), .detail.range = { .low = (first), .high = (last) }
#define SIZE(field, first, last)                                                                   \
	.kind = OPTION_SIZE, AT(field), .detail.range = { .low = (first), .high = (last) }
#define SECONDS(field) .kind = OPTION_SECONDS, AT(field)
#define CHOICE(field, list) .kind = OPTION_CHOICE, AT(field), .detail.choices = (list)
#define TEXT(field) .kind = OPTION_TEXT, AT(field)
#define TRACE(field, file)                                                                         \
	.kind = OPTION_TRACE, AT(field), .detail.number = offsetof(struct options, file)
#define WORD .kind = OPTION_WORD
#define IGNORE .kind = OPTION_IGNORE
#define REFUSE(text) .kind = OPTION_REFUSE, .detail.reason = (text)
#define CALL(function) .kind = OPTION_CALL, .detail.call = (function)

const struct option_row option_rows[] = {
#define OPTION(option, short_option, value, in_group, store, default_text, text)                   \
	{ .name = (option),                                                                        \
	  .letter = (short_option),                                                                \
	  .argument = (value),                                                                     \
	  .group = GROUP_##in_group,                                                               \
	  .preset = (default_text),                                                                \
	  .help = (text),                                                                          \
	  store },
	OPTION_TABLE(OPTION)
#undef OPTION
		{ 0 },
};

bool option_log_level(const char *name, unsigned *ret_level)
{
	const struct option_use use = { .spelled = "RUST_LOG", .value = name };

	return store_choice(log_choices, &use, ret_level) == 0;
}

const char *option_group_title(enum option_group group)
{
	static const char *const titles[] = {
#define GROUP(name, title) [GROUP_##name] = (title),
		OPTION_GROUPS(GROUP)
#undef GROUP
	};

	return titles[group];
}

bool option_can_be_off(const struct option_row *row)
{
	return row->kind == OPTION_TOGGLE || row->kind == OPTION_SWITCH;
}

bool option_is_word(const struct option_row *row)
{
	return row->group == GROUP_KERNEL || row->group == GROUP_IGNORED;
}

bool option_value_is_optional(const struct option_row *row)
{
	return row->argument && row->argument[0] == '[';
}

static bool same_letter(char a, char b)
{
	return (a == '_' ? '-' : a) == (b == '_' ? '-' : b);
}

/* Compare with one of the names in "a|b|c". */
static bool has_name(const char *names, const char *name, size_t length)
{
	while (names) {
		size_t here = strcspn(names, "|"), i = 0;

		while (i < length && i < here && same_letter(names[i], name[i]))
			i++;
		if (i == length && i == here)
			return true;
		names = strchr(names, '|');
		names += names ? 1 : 0;
	}
	return false;
}

static bool is_no(const char *name, size_t length)
{
	return length > 3 && strncmp(name, "no", 2) == 0 && same_letter(name[2], '-');
}

const struct option_row *option_find(const char *name, size_t length, bool *ret_off)
{
	for (const struct option_row *row = option_rows; row->name; row++) {
		bool off = option_can_be_off(row) && is_no(name, length) &&
			   has_name(row->name, name + 3, length - 3);

		if (off || has_name(row->name, name, length)) {
			*ret_off = off;
			return row;
		}
	}
	return NULL;
}

static int store_number(const struct option_row *row, const struct option_use *use,
			uint32_t *ret_number)
{
	bool size = row->kind == OPTION_SIZE;
	uint32_t low = row->detail.range.low, high = row->detail.range.high;
	uint64_t number = 0;

	if ((size ? value_size : value_number)(use->value, low, high, &number) < 0)
		return fb_fail(EINVAL, "%s: '%s' is no %s from %u to %u", use->spelled, use->value,
			       size ? "size in bytes" : "number", low, high);
	*ret_number = (uint32_t)number;
	return 0;
}

/* Keep name or name=value for the kernel. */
static int store_word(struct options *options, const struct option_use *use)
{
	char *word = NULL;
	uint64_t size;

	if (strcmp(use->name, "max_read") == 0 &&
	    value_number(use->value, 4096, 999999999, &size) < 0)
		return fb_fail(EINVAL, "%s: '%s' is no number of bytes from 4096 to 999999999",
			       use->spelled, use->value);
	if (asprintf(&word, "%s%s%s", use->name, use->value ? "=" : "",
		     use->value ? use->value : "") < 0)
		return fb_fail(ENOMEM, "out of memory");
	return words_take(&options->kernel_words, word);
}

static int check_value(const struct option_row *row, const struct option_use *use)
{
	if (row->group == GROUP_IGNORED)
		return 0;
	if (use->value && (!row->argument || use->off))
		return fb_fail(EINVAL, "%s takes no value ('%s' was given)", use->spelled,
			       use->value);
	if (!use->value && row->argument && !use->off && !option_value_is_optional(row))
		return fb_fail(EINVAL, "%s needs a value: %s=%s", use->spelled, use->spelled,
			       row->argument);
	if (use->value && !*use->value)
		return fb_fail(EINVAL, "%s: the value is empty", use->spelled);
	return 0;
}

/* What needs no value. Returns whether it was that. */
static bool store_constant(const struct option_row *row, const struct option_use *use, void *field)
{
	_Static_assert(sizeof(enum fb_switch) == sizeof(unsigned), "stored as unsigned");
	_Static_assert(sizeof(enum fb_cache) == sizeof(unsigned), "stored as unsigned");
	switch (row->kind) {
	case OPTION_FLAG:
	case OPTION_TOGGLE:
	case OPTION_TRACE:
		*(bool *)field = !use->off;
		return true;
	case OPTION_SWITCH:
		*(unsigned *)field = use->off ? FB_OFF : FB_ON;
		return true;
	case OPTION_PRESET:
		*(unsigned *)field = (unsigned)row->detail.number;
		return true;
	case OPTION_BOOL:
		*(bool *)field = row->detail.number;
		return true;
	case OPTION_IGNORE:
		return true;
	default:
		return false;
	}
}

static int store_value(const struct option_row *row, struct options *options,
		       const struct option_use *use, void *field)
{
	switch (row->kind) {
	case OPTION_NUMBER:
	case OPTION_SIZE:
		return store_number(row, use, field);
	case OPTION_SECONDS:
		return parse_seconds(use->spelled, use->value, field);
	case OPTION_CHOICE:
		return store_choice(row->detail.choices, use, field);
	case OPTION_TEXT:
		*(const char **)field = use->value;
		return 0;
	case OPTION_WORD:
		return store_word(options, use);
	case OPTION_REFUSE:
		return fb_fail(EINVAL, "%s: %s", use->spelled, row->detail.reason);
	default:
		return row->detail.call(options, use->value);
	}
}

int option_apply(const struct option_row *row, struct options *options,
		 const struct option_use *use)
{
	void *field = (char *)options + row->offset;
	int result = check_value(row, use);

	if (result < 0)
		return result;
	if (row->kind == OPTION_TRACE && use->value)
		*(const char **)((char *)options + row->detail.number) = use->value;
	return store_constant(row, use, field) ? 0 : store_value(row, options, use, field);
}
