/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What fbfsd is asked to do.
 */
#ifndef FBFSD_OPTIONS_H
#define FBFSD_OPTIONS_H

#include <libfb/dev_fuse.h>
#include <libfb/log.h>
#include <libfb/passthrough.h>
#include <libfb/session.h>

#include "sandbox.h"
#include "seccomp.h"
#include "words.h"

enum option_command {
	COMMAND_SERVE = 0,
	COMMAND_HELP,
	COMMAND_VERSION,
	COMMAND_COMPLETION,
	COMMAND_CAPABILITIES,
};

/* No descriptor was given. */
#define FD_NONE UINT32_MAX

/* What is asked for a virtual machine. */
struct guest_options {
	const char *socket_path, *socket_group, *tag;
	uint32_t fd, listen_fd; /* or FD_NONE */
	uint32_t queues, threads;
	bool keep_listening;
	enum sandbox_mode sandbox;
	enum seccomp_action seccomp;
	const char *modcaps;
	struct words uid_maps, gid_maps;
};

/* One past FB_LOG_DEBUG: also print every request. */
#define LOG_LEVEL_TRACE (FB_LOG_DEBUG + 1)
#define LOG_LEVEL_OFF 0
/* Not said: by the environment, or FB_LOG_INFO. */
#define LOG_LEVEL_DEFAULT UINT32_MAX

/* As many descriptors as are useful and allowed. */
#define NOFILE_DEFAULT UINT32_MAX

struct options {
	enum option_command command;
	const char *completion_shell;
	bool as_mount_helper; /* called mount.fuse.fbfsd by mount(8) */
	bool fake;            /* mount -f: do everything but mount */

	const char *source, *mountpoint, *config;
	struct fb_passthrough_options passthrough;
	struct fb_session_options session;
	struct fb_mount_options mount;
	struct guest_options guest;
	struct words kernel_words; /* options after -o that go to the kernel as they are */

	struct words translate_uid, translate_gid;

	bool read_only, allow_other, allow_nonempty;
	enum fb_switch default_permissions, announce_submounts, yields;
	bool single, foreground, no_splice;
	uint32_t max_background, request_timeout_s;
	uint32_t nofile; /* NOFILE_DEFAULT, 0 for what it is, or the limit */

	bool syslog, trace;
	unsigned log_level;
	const char *trace_file, *stats_file, *log_name;

	struct words given;   /* the command line's options one by one, without --config */
	struct words storage; /* texts that the pointers above point into */
};

/* Whether a virtual machine is served, and nothing is mounted. */
bool options_for_guest(const struct options *options);

void options_init(struct options *options);
void options_fini(struct options *options);

/*
 * Read the command line. Returns 0, or -EINVAL after a sentence for fb_last_error() that names what
 * is wrong. Texts are borrowed from argv.
 */
int options_parse(struct options *options, int argc, char **argv) FB_MUST_CHECK;

/* Read a list as it stands after -o. list is copied. */
int options_parse_list(struct options *options, const char *list) FB_MUST_CHECK;

#endif
