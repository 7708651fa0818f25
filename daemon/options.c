/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <libfb/virtio_fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "option.h"
#include "scope.h"
#include "service.h"

/* More than one long option a row: the name, and no-name. */
#define LONG_OPTIONS_MAX 256
#define NAME_MAX_LENGTH 64

/* What getopt_long() needs, made from the table. */
struct command_line {
	struct option longs[LONG_OPTIONS_MAX];
	char names[LONG_OPTIONS_MAX][NAME_MAX_LENGTH];
	char shorts[64];
	size_t count;
};

void options_init(struct options *options)
{
	*options = (struct options){
		.passthrough.size = sizeof(options->passthrough),
		.session.size = sizeof(options->session),
		.mount = { .size = sizeof(options->mount), .subtype = "fbfsd" },
		.nofile = NOFILE_DEFAULT,
		.log_level = LOG_LEVEL_DEFAULT,
		.guest = { .fd = FD_NONE, .listen_fd = FD_NONE },
	};
}

void options_fini(struct options *options)
{
	words_fini(&options->translate_uid);
	words_fini(&options->translate_gid);
	words_fini(&options->guest.uid_maps);
	words_fini(&options->guest.gid_maps);
	words_fini(&options->kernel_words);
	words_fini(&options->given);
	words_fini(&options->storage);
}

/* Options that only programs of mount(8) and systemd understand. */
static bool is_foreign(const char *word)
{
	return strncasecmp(word, "x-", 2) == 0;
}

static int parse_word(struct options *options, char *word)
{
	size_t length = strcspn(word, "=");
	char spelled[NAME_MAX_LENGTH];
	struct option_use use = {
		.spelled = spelled,
		.name = word,
		.value = word[length] ? word + length + 1 : NULL,
	};
	const struct option_row *row = option_find(word, length, &use.off);

	if (is_foreign(word))
		return 0;
	if (!row || row->letter == 'o')
		return fb_fail(EINVAL, "unknown option -o %s (fbfsd --help lists all)", word);
	word[length] = '\0';
	snprintf(spelled, sizeof(spelled), "-o %s", word);
	return option_apply(row, options, &use);
}

int options_parse_list(struct options *options, const char *list)
{
	size_t first = options->storage.count;

	if (words_split(&options->storage, list) < 0)
		return fb_fail(ENOMEM, "out of memory");
	for (size_t i = first; i < options->storage.count; i++) {
		int result = parse_word(options, options->storage.word[i]);

		if (result < 0)
			return result;
	}
	return 0;
}

static void add_long(struct command_line *line, const struct option_row *row, const char *no)
{
	char *name = line->names[line->count];
	int argument = option_value_is_optional(row) ? optional_argument :
		       row->argument && !*no         ? required_argument :
						       no_argument;

	snprintf(name, NAME_MAX_LENGTH, "%s%s", no, row->name);
	line->longs[line->count++] = (struct option){ .name = name, .has_arg = argument };
}

/* Leave one place for the all-zero end. */
static bool is_full(const struct command_line *line)
{
	return line->count + 2 >= LONG_OPTIONS_MAX;
}

static void add_letter(struct command_line *line, const struct option_row *row)
{
	size_t used = strlen(line->shorts);

	if (row->letter)
		snprintf(line->shorts + used, sizeof(line->shorts) - used, "%c%s", row->letter,
			 row->argument ? ":" : "");
}

static void command_line_init(struct command_line *line)
{
	*line = (struct command_line){ .shorts = ":" };
	for (const struct option_row *row = option_rows; row->name && !is_full(line); row++) {
		if (option_is_word(row))
			continue;
		add_letter(line, row);
		add_long(line, row, "");
		if (option_can_be_off(row))
			add_long(line, row, "no-");
	}
}

static const struct option_row *find_letter(int letter)
{
	for (const struct option_row *row = option_rows; row->name; row++) {
		if (row->letter && row->letter == letter)
			return row;
	}
	return NULL;
}

/* What getopt_long() could not read. */
static int fail_unreadable(int found, char *argument)
{
	bool off;

	if (found == ':')
		return fb_fail(EINVAL, "%s needs a value", argument);
	if (strncmp(argument, "--", 2) != 0)
		return fb_fail(EINVAL, "unknown option -%c (fbfsd --help lists all)", optopt);
	if (option_find(argument + 2, strcspn(argument + 2, "="), &off))
		return fb_fail(EINVAL, "%s: the option takes no value", argument);
	return fb_fail(EINVAL, "unknown option %s (fbfsd --help lists all)", argument);
}

/* Note an option as it was given, for those that are to have the same. */
static int note(struct words *given, const struct option_use *use)
{
	const char *between = use->value && strncmp(use->spelled, "--", 2) == 0 ? "=" : "";
	char *word = NULL;

	if (strcmp(use->spelled, "--config") == 0)
		return 0;
	if (asprintf(&word, "%s%s%s", use->spelled, between, use->value ? use->value : "") < 0)
		word = NULL;
	return words_take(given, word) < 0 ? fb_fail(ENOMEM, "out of memory") : 0;
}

static int apply_found(struct options *options, const struct command_line *line, int found,
		       int index)
{
	char spelled[NAME_MAX_LENGTH + 2];
	struct option_use use = { .spelled = spelled, .value = optarg };
	const struct option_row *row;
	int result;

	if (found != 0) {
		row = find_letter(found);
		snprintf(spelled, sizeof(spelled), "-%c", found);
	} else {
		const char *name = line->names[index];

		row = option_find(name, strlen(name), &use.off);
		snprintf(spelled, sizeof(spelled), "--%s", name);
	}
	if (!row)
		return fb_fail(EINVAL, "unknown option %s", spelled);
	result = option_apply(row, options, &use);
	return result < 0 ? result : note(&options->given, &use);
}

bool options_for_guest(const struct options *options)
{
	return options->guest.socket_path || options->guest.fd != FD_NONE;
}

/* With --config everything stands in the file. */
static int take_nothing(const struct options *options, int count, char **argument)
{
	if (count > 0 || options->source)
		return fb_fail(EINVAL, "'%s': with --config the directories stand in the file",
			       count > 0 ? *argument : options->source);
	if (options_for_guest(options))
		return fb_fail(EINVAL, "--socket-path and --fd: with --config the sockets stand in "
				       "the file");
	return 0;
}

/* With a socket there is no MOUNTPOINT. */
static int take_source(struct options *options, int count, char **argument)
{
	if (count > 0 && !options->source) {
		options->source = *argument++;
		count--;
	}
	if (count > 0)
		return fb_fail(EINVAL, "'%s': with --socket-path or --fd nothing is mounted",
			       *argument);
	if (!options->source)
		return fb_fail(EINVAL, "the directory to show is missing: --shared-dir=SOURCE");
	return 0;
}

/* The socket that systemd listens at for us, where no other was named. */
static int adopt_socket(struct options *options)
{
	int count = service_sockets(), fd = service_socket(NULL);

	if (count > 1)
		return fb_fail(EINVAL,
			       "%d sockets were handed over: --socket-path says which one is for "
			       "this directory",
			       count);
	if (fd >= 0)
		options->guest.fd = (uint32_t)fd;
	return 0;
}

/* The arguments that are no options: SOURCE and MOUNTPOINT, the first unless -o source= has it. */
static int take_arguments(struct options *options, int count, char **argument)
{
	int result = 0;

	if (options->command != COMMAND_SERVE)
		return 0;
	if (options->config)
		return take_nothing(options, count, argument);
	if (!options_for_guest(options) && count + (options->source ? 1 : 0) < 2)
		result = adopt_socket(options);
	if (result < 0)
		return result;
	if (options_for_guest(options))
		return take_source(options, count, argument);
	if (count > 0 && !options->source) {
		options->source = *argument++;
		count--;
	}
	if (count > 1)
		return fb_fail(EINVAL,
			       "'%s' is one argument too many: fbfsd [options] SOURCE "
			       "MOUNTPOINT",
			       argument[1]);
	if (count < 1)
		return fb_fail(EINVAL,
			       "%s is missing: fbfsd [options] SOURCE MOUNTPOINT "
			       "(fbfsd --help)",
			       options->source ? "MOUNTPOINT" : "SOURCE");
	options->mountpoint = *argument;
	return 0;
}

static int check_contradictions(const struct options *options)
{
	const struct fb_session_options *session = &options->session;

	if (session->max_workers && session->workers > session->max_workers)
		return fb_fail(EINVAL, "--threads=%u is more than --max-threads=%u",
			       session->workers, session->max_workers);
	if (options->passthrough.posix_acl == FB_ON && options->passthrough.xattr == FB_OFF)
		return fb_fail(EINVAL, "--posix-acl needs --xattr: leave --no-xattr out");
	if (options->passthrough.xattr_map && options->passthrough.xattr == FB_OFF)
		return fb_fail(EINVAL, "--xattrmap needs --xattr: leave --no-xattr out");
	if (options->passthrough.security_label && options->passthrough.xattr == FB_OFF)
		return fb_fail(EINVAL, "--security-label needs --xattr: leave --no-xattr out");
	if (options->passthrough.writeback && options->passthrough.cache == FB_CACHE_NEVER)
		return fb_fail(EINVAL, "--writeback needs a cache: leave --cache=never out");
	return 0;
}

/* What does not go together where a virtual machine is served. */
static int check_guest(const struct options *options)
{
	const struct fb_passthrough_options *passthrough = &options->passthrough;
	const struct guest_options *guest = &options->guest;

	if (guest->socket_path && guest->fd != FD_NONE)
		return fb_fail(EINVAL, "--socket-path and --fd: only one of them");
	if (options->stats_file && guest->sandbox != SANDBOX_NONE)
		return fb_fail(EINVAL, "--stats-file needs --sandbox=none: nothing of the host can "
				       "be written in a sandbox");
	if (guest->tag && (strlen(guest->tag) > FB_VIRTIO_FS_TAG_MAX || strchr(guest->tag, '\n')))
		return fb_fail(EINVAL, "--tag: 1 to %d bytes without a new line",
			       FB_VIRTIO_FS_TAG_MAX);
	if (passthrough->migration_mode == FB_MIGRATION_FILE_HANDLES &&
	    (passthrough->migration_verify_handles || passthrough->migration_confirm_paths))
		return fb_fail(EINVAL, "--migration-mode=file-handles has no paths: leave "
				       "--migration-verify-handles and --migration-confirm-paths "
				       "out");
	if (guest->socket_group && !guest->socket_path && !options->config)
		return fb_fail(EINVAL, "--socket-group needs --socket-path");
	if (options->as_mount_helper)
		return fb_fail(EINVAL, "mount can not serve a virtual machine: run fbfsd");
	return 0;
}

static void set_default(enum fb_switch *value, enum fb_switch by_default)
{
	if (*value == FB_DEFAULT)
		*value = by_default;
}

/* Where virtiofsd's defaults are others than those of a mount. */
static void complete_guest(struct options *options)
{
	struct fb_passthrough_options *passthrough = &options->passthrough;
	bool needs_xattr = passthrough->posix_acl == FB_ON || passthrough->security_label ||
			   passthrough->xattr_map;

	options->foreground = true;
	set_default(&passthrough->xattr, needs_xattr ? FB_ON : FB_OFF);
	set_default(&passthrough->allow_mmap, FB_OFF);
	set_default(&passthrough->direct_io, FB_OFF);
	set_default(&passthrough->noatime, FB_OFF);
	set_default(&options->announce_submounts, FB_ON);
	if (options->guest.threads)
		options->session.max_workers = options->guest.threads;
}

/* virtiofsd's callers set its level by the environment. */
static unsigned level_by_environment(void)
{
	const char *level = getenv("RUST_LOG");
	unsigned value;

	return level && option_log_level(level, &value) ? value : FB_LOG_INFO;
}

/* What follows from several options together, or from the last one of several. */
static int complete(struct options *options)
{
	bool for_guest = options_for_guest(options) || options->config;
	int result;

	if (options->log_level == LOG_LEVEL_DEFAULT)
		options->log_level = for_guest ? level_by_environment() : FB_LOG_INFO;
	if (options->log_level == LOG_LEVEL_TRACE) {
		options->log_level = FB_LOG_DEBUG;
		options->trace = true;
	}
	if (options->single)
		options->session.workers = options->session.max_workers = 1;
	options->session.max_background = (uint16_t)options->max_background;
	options->session.request_timeout_s = (uint16_t)options->request_timeout_s;
	options->session.read_only = options->passthrough.read_only = options->read_only;
	if (options->no_splice)
		options->session.avoid |=
			FB_INIT_SPLICE_READ | FB_INIT_SPLICE_WRITE | FB_INIT_SPLICE_MOVE;
	options->passthrough.translate_uid = (const char *const *)options->translate_uid.word;
	options->passthrough.translate_gid = (const char *const *)options->translate_gid.word;
	options->passthrough.caller_credentials = options->default_permissions == FB_OFF;
	if (for_guest)
		complete_guest(options);
	options->passthrough.announce_submounts = options->announce_submounts == FB_ON;
	options->mount.yields = options->yields != FB_OFF;
	result = for_guest ? check_guest(options) : 0;
	return result < 0 ? result : check_contradictions(options);
}

/* mount(8) calls its helpers with letters of its own: helper SOURCE TARGET [-sfnv] [-N ns] [-o …] */
static int parse_as_mount_helper(struct options *options, int argc, char **argv)
{
	int found, result = 0;

	while (result == 0 && (found = getopt(argc, argv, ":sfnvVhN:o:t:")) != -1) {
		if (found == 'o')
			result = options_parse_list(options, optarg);
		else if (found == 'f')
			options->fake = true;
		else if (found == 'V')
			options->command = COMMAND_VERSION;
		else if (found == 'h')
			options->command = COMMAND_HELP;
		else if (found == 'N')
			result = fb_fail(EINVAL, "mount -N is not supported");
		else if (found == '?' || found == ':')
			result = fail_unreadable(found, argv[optind - 1]);
	}
	return result;
}

static int parse_command_line(struct options *options, int argc, char **argv)
{
	struct command_line line;
	int found, index = 0, result = 0;

	command_line_init(&line);
	while (result == 0 &&
	       (found = getopt_long(argc, argv, line.shorts, line.longs, &index)) != -1) {
		if (found == '?' || found == ':')
			result = fail_unreadable(found, argv[optind - 1]);
		else
			result = apply_found(options, &line, found, index);
	}
	return result;
}

int options_parse(struct options *options, int argc, char **argv)
{
	int result;

	opterr = 0;
	optind = 0; /* not the first command line, maybe */
	options->as_mount_helper = strncmp(program_invocation_short_name, "mount.", 6) == 0;
	result = options->as_mount_helper ? parse_as_mount_helper(options, argc, argv) :
					    parse_command_line(options, argc, argv);
	if (result == 0)
		result = take_arguments(options, argc - optind, argv + optind);
	if (result == 0)
		result = complete(options);
	return result;
}
