/* SPDX-License-Identifier: BSD-3-Clause */
/* fb-conformance: check that a directory behaves as POSIX and Linux promise. */
#include "groups.h"
#include "options.h"
#include "program.h"
#include "runner.h"
#include "tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

enum { STATUS_FAILED = 1, STATUS_CANNOT_RUN = 3 };

struct tally {
	unsigned number;      /* of the line printed last */
	unsigned verdicts[3]; /* by enum verdict */
};

typedef void check_visitor(const struct check *check, void *context);

static void for_each_check(const struct options *options, check_visitor *visit, void *context)
{
#define GROUP(name) name##_checks,
	static const struct check *const groups[] = { GROUPS(GROUP) };
#undef GROUP

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		for (const struct check *check = groups[i]; check->id != NULL; check++)
			if (options_select(options, check->id, check->slow))
				visit(check, context);
}

static void print_id(const struct check *check, void *context)
{
	(void)context;
	puts(check->id);
}

static void count_check(const struct check *check, void *context)
{
	unsigned *count = context;

	(void)check;
	(*count)++;
}

static void report(struct tally *tally, const char *id, const struct outcome *outcome)
{
	static const char *const separators[] = {
		[VERDICT_PASSED] = "",
		[VERDICT_FAILED] = " # detail: ",
		[VERDICT_SKIPPED] = " # SKIP ",
	};

	tally->verdicts[outcome->verdict]++;
	printf("%sok %u - %s%s%s\n", outcome->verdict == VERDICT_FAILED ? "not " : "",
	       ++tally->number, id, separators[outcome->verdict], outcome->detail);
	fflush(stdout);
}

struct run {
	struct runner runner;
	struct tally tally;
};

static void run_check(const struct check *check, void *context)
{
	struct run *run = context;
	struct outcome outcome = { .verdict = VERDICT_SKIPPED };
	const char *reason;
	bool required;

	if (feature_missing(&run->runner, check->needs, &reason, &required)) {
		if (required)
			outcome.verdict = VERDICT_FAILED;
		snprintf(outcome.detail, sizeof(outcome.detail), "%s%s",
			 required ? "expected a required feature, got " : "", reason);
	} else {
		runner_run(&run->runner, check->run, &outcome);
	}
	report(&run->tally, check->id, &outcome);
}

/*
 * Everybody may search the scratch directory, and it inherits nothing from DIR. It is reached by
 * descriptor, so DIR itself may be private.
 */
static int open_scratch(int directory, const char *name)
{
	int fd;

	if (mkdirat(directory, name, 0700) < 0)
		return -errno;
	fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0755) < 0)
		return -errno;
	(void)fremovexattr(fd, "system.posix_acl_default");
	return fd;
}

static int run_all(const struct options *options)
{
	struct run run = { .runner.limit_ms = options->limit_s * 1000 };
	int directory = open(options->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned count = 0;
	char name[64];
	int removed;

	snprintf(name, sizeof(name), "fb-conformance.%ld", (long)getpid());
	run.runner.scratch = directory < 0 ? -errno : open_scratch(directory, name);
	if (run.runner.scratch < 0) {
		fprintf(stderr, "fb-conformance: %s: %s\n", options->directory,
			strerror(-run.runner.scratch));
		return STATUS_CANNOT_RUN;
	}
	for_each_check(options, count_check, &count);
	printf("1..%u\n", count);
	for_each_check(options, run_check, &run);
	removed = tree_remove(directory, name);
	if (removed < 0)
		printf("# %s stays in the directory: %s\n", name, strerror(-removed));
	printf("%u passed, %u failed, %u skipped\n", run.tally.verdicts[VERDICT_PASSED],
	       run.tally.verdicts[VERDICT_FAILED], run.tally.verdicts[VERDICT_SKIPPED]);
	return run.tally.verdicts[VERDICT_FAILED] == 0 ? 0 : STATUS_FAILED;
}

int main(int argc, char **argv)
{
	struct options options;

	program_act(argc, argv);
	options_parse(argc, argv, &options);
	umask(022);
	if (options.list) {
		for_each_check(&options, print_id, NULL);
		return 0;
	}
	program_init(argv[0]);
	identity_init(options.uid, options.gid);
	return run_all(&options);
}
