/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One option: a row of option_table.h, and what it does to struct options.
 */
#ifndef FBFSD_OPTION_H
#define FBFSD_OPTION_H

#include <stddef.h>

#include "option_table.h"
#include "options.h"

enum option_group {
#define GROUP(name, title) GROUP_##name,
	OPTION_GROUPS(GROUP)
#undef GROUP
};

/* What a value of an option may be; name NULL ends the list, hidden ones follow the first NULL. */
struct option_choice {
	const char *name;
	unsigned value;
};

enum option_kind {
	OPTION_FLAG,    /* bool: true */
	OPTION_TOGGLE,  /* bool: true, with no_ false */
	OPTION_SWITCH,  /* enum fb_switch: FB_ON, with no_ FB_OFF */
	OPTION_PRESET,  /* unsigned or enum: detail.number */
	OPTION_BOOL,    /* bool: detail.number */
	OPTION_NUMBER,  /* uint32_t from detail.range */
	OPTION_SIZE,    /* uint32_t bytes from detail.range, K and M understood */
	OPTION_SECONDS, /* uint64_t nanoseconds; FB_TIMEOUT_NONE for 0 */
	OPTION_CHOICE,  /* unsigned or enum from detail.choices */
	OPTION_TEXT,    /* const char * */
	OPTION_TRACE,   /* bool: true, and const char * at detail.number if there is a value */
	OPTION_WORD,    /* goes to the kernel as it is */
	OPTION_IGNORE,  /* nothing */
	OPTION_REFUSE,  /* an error: detail.reason */
	OPTION_CALL,    /* detail.call */
};

struct option_row {
	const char *name, *argument, *preset, *help;
	enum option_group group;
	enum option_kind kind;
	size_t offset; /* of the field in struct options */
	union {
		size_t number;
		struct {
			uint32_t low, high;
		} range;
		const struct option_choice *choices;
		const char *reason;
		int (*call)(struct options *options, const char *value);
	} detail;
	char letter;
};

/* All rows; name NULL ends them. */
extern const struct option_row option_rows[];

/* Understand a level of messages by its name. */
bool option_log_level(const char *name, unsigned *ret_level);

/* The heading of a group, NULL for hidden options. */
const char *option_group_title(enum option_group group);

/* Say whether the option takes no_. */
bool option_can_be_off(const struct option_row *row);

/* Say whether the option exists only after -o. */
bool option_is_word(const struct option_row *row);

/* Say whether the value may be left out. */
bool option_value_is_optional(const struct option_row *row);

/*
 * Find an option by its long name; '_' counts as '-'. With no- in front of an option that can be
 * off, *ret_off is true. Returns NULL when there is none.
 */
const struct option_row *option_find(const char *name, size_t length, bool *ret_off);

/* One option as it was given. */
struct option_use {
	const char *spelled; /* for errors: --cache, -f or -o cache */
	const char *name;    /* cache; needed for options that exist only after -o */
	const char *value;   /* NULL: none. Borrowed for as long as the options */
	bool off;
};

/* Do what an option says. Returns 0 or -errno with a sentence for fb_last_error(). */
int option_apply(const struct option_row *row, struct options *options,
		 const struct option_use *use) FB_MUST_CHECK;

#endif
