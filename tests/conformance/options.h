/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFORMANCE_OPTIONS_H
#define CONFORMANCE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { OPTIONS_PATTERNS_MAX = 64 };

struct options {
	const char *directory;
	const char *patterns[OPTIONS_PATTERNS_MAX]; /* borrowed from argv */
	size_t pattern_count;
	uid_t uid;
	gid_t gid;
	unsigned limit_s;
	bool list;
	bool quick;
};

/* Read the command line; ends the process on --help and on mistakes. */
void options_parse(int argc, char **argv, struct options *ret_options);

/* Whether the command line asks for the check of this id. */
bool options_select(const struct options *options, const char *id, bool slow);

#endif
