/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include "feature.h"

#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { STATUS_USAGE = 2, ID_MIN = 3, ID_MAX = 0x7fffffff };

static const char usage[] =
	"usage: fb-conformance DIR [options]\n"
	"Check POSIX and Linux file-system behaviour in DIR; the report is TAP.\n"
	"  --list              print the ids of the checks\n"
	"  --list-features     print the features --require knows\n"
	"  --only PATTERN      run checks whose id matches this glob (repeatable)\n"
	"  --quick             leave out checks that take over a second\n"
	"  --require FEATURE   fail, not skip, when FEATURE (or any: all) is missing\n"
	"  --uid U, --gid G    identity of the unprivileged user (65534)\n"
	"  --timeout SECONDS   limit for one check (20)\n";

static _Noreturn void refuse(const char *problem, const char *value)
{
	fprintf(stderr, "fb-conformance: %s: %s\n%s", problem, value, usage);
	exit(STATUS_USAGE);
}

static unsigned parse_number(const char *text, unsigned min, unsigned max)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < min || value > max)
		refuse("bad number", text);
	return (unsigned)value;
}

static void parse_one(int option, const char *value, struct options *options)
{
	switch (option) {
	case 'o':
		if (options->pattern_count == OPTIONS_PATTERNS_MAX)
			refuse("too many patterns", value);
		options->patterns[options->pattern_count++] = value;
		break;
	case 'r':
		if (!feature_require(value))
			refuse("unknown feature", value);
		break;
	case 'u':
		options->uid = parse_number(value, ID_MIN, ID_MAX);
		break;
	case 'g':
		options->gid = parse_number(value, ID_MIN, ID_MAX);
		break;
	case 't':
		options->limit_s = parse_number(value, 1, 3600);
		break;
	case 'q':
		options->quick = true;
		break;
	case 'l':
		options->list = true;
		break;
	case 'f':
		feature_list();
		exit(0);
	case 'h':
		fputs(usage, stdout);
		exit(0);
	default:
		fputs(usage, stderr);
		exit(STATUS_USAGE);
	}
}

void options_parse(int argc, char **argv, struct options *ret_options)
{
	static const struct option known[] = {
		{ "list", no_argument, NULL, 'l' },
		{ "list-features", no_argument, NULL, 'f' },
		{ "only", required_argument, NULL, 'o' },
		{ "quick", no_argument, NULL, 'q' },
		{ "require", required_argument, NULL, 'r' },
		{ "uid", required_argument, NULL, 'u' },
		{ "gid", required_argument, NULL, 'g' },
		{ "timeout", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = { .uid = 65534, .gid = 65534, .limit_s = 20 };
	int option;

	while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1)
		parse_one(option, optarg, &options);
	if (!options.list && argc - optind != 1)
		refuse("expected one directory", argc > optind ? argv[optind + 1] : "none given");
	options.directory = argv[optind];
	*ret_options = options;
}

bool options_select(const struct options *options, const char *id, bool slow)
{
	if (slow && options->quick)
		return false;
	if (options->pattern_count == 0)
		return true;
	for (size_t i = 0; i < options->pattern_count; i++)
		if (fnmatch(options->patterns[i], id, 0) == 0)
			return true;
	return false;
}
