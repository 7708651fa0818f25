/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fbfsd: shows a directory of the host through FUSE.
 */
#include <errno.h>
#include <grp.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "background.h"
#include "completion.h"
#include "descriptors.h"
#include "guest_server.h"
#include "help.h"
#include "messages.h"
#include "options.h"
#include "place.h"
#include "server.h"
#include "supervisor.h"

/* Output that was asked for must have arrived: a full disk behind fbfsd --help > file is an error. */
static enum exit_code printed(void)
{
	return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_DONE : EXIT_SYSTEM;
}

static enum exit_code fail(enum exit_code code)
{
	messages_fail();
	return code;
}

/* Root may be a member of groups: what a caller may do must not depend on who started us. */
static void drop_groups(void)
{
	if (geteuid() == 0 && getgroups(0, NULL) > 0 && setgroups(0, NULL) < 0)
		fb_log(FB_LOG_WARNING, "the groups of whoever started fbfsd stay in force: %s",
		       strerror(errno));
}

static enum exit_code serve_place(const struct options *options, const struct place *place)
{
	struct background background = { .report_fd = -1 };

	if (options->fake)
		return EXIT_DONE;
	if (options_for_guest(options))
		return guest_server_run(options, place);
	if (!options->foreground && background_enter(&background) < 0)
		return fail(EXIT_SYSTEM);
	if (background.is_parent)
		return background.code;
	return server_run(options, place, &background);
}

static enum exit_code serve(const struct options *options)
{
	struct place place;
	enum exit_code code;

	/* Before anything is opened; a mountpoint /dev/fd/N is one of them. */
	if (!options->foreground && !place_is_descriptor(options->mountpoint))
		descriptors_close_inherited();
	if (descriptors_fill_standard() < 0)
		return fail(EXIT_SYSTEM);
	messages_init(options->log_level,
		      options->syslog     ? MESSAGES_SYSLOG :
		      options->foreground ? MESSAGES_STDERR :
					    MESSAGES_BACKGROUND,
		      options->log_name);
	drop_groups();
	if (options->config)
		return supervisor_run(options);
	code = place_init(&place, options) < 0 ? fail(EXIT_MOUNT) : serve_place(options, &place);
	place_fini(&place);
	return code;
}

static enum exit_code run(const struct options *options)
{
	switch (options->command) {
	case COMMAND_HELP:
		help_print(stdout);
		return printed();
	case COMMAND_VERSION:
		printf("fbfsd %s\n", FB_VERSION_STRING);
		return printed();
	case COMMAND_CAPABILITIES:
		puts("{\n  \"type\": \"fs\",\n  \"features\": [\n    \"migrate-precopy\",\n"
		     "    \"separate-options\"\n  ]\n}");
		return printed();
	case COMMAND_COMPLETION:
		if (completion_print(stdout, options->completion_shell) < 0)
			return fail(EXIT_USAGE);
		return printed();
	default:
		return serve(options);
	}
}

/*
 * One heap for all threads: malloc_trim(3) does not give back the end of another thread's, megabytes for
 * each after a walk over many files. Requests take memory only for what is new to the client.
 */
static void share_heap(void)
{
#ifdef __GLIBC__
	(void)mallopt(M_ARENA_MAX, 1);
#endif
}

int main(int argc, char **argv)
{
	struct options options;
	enum exit_code code;

	share_heap();
	options_init(&options);
	code = options_parse(&options, argc, argv) < 0 ? fail(EXIT_USAGE) : run(&options);
	options_fini(&options);
	return (int)code;
}
