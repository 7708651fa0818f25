/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: sandbox_probe [--sandbox MODE] [--seccomp ACTION] [--modcaps LIST] [--no-handles] [--syslog]
 *                      [--uid-map RULE] [--gid-map RULE] [--only NAME] [--work] DIR SECRET
 *        sandbox_probe … --sleep DIR SECRET
 *
 * Enters the daemon's sandbox around DIR once for each thing that is tried, and prints how it went:
 * "NAME: refused (ERRNO)", "NAME: killed", or "NAME: ALLOWED" when SECRET, a file of the host, or what
 * else was tried for has been got. --work: what a server does instead; "NAME: done" or "failed
 * (ERRNO)". --sleep: only enters, says so, and waits for a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libfb/log.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "daemon/capabilities.h"
#include "daemon/sandbox.h"
#include "daemon/seccomp.h"
#include "sandbox_scene.h"

/* Exit codes beyond all errnos, and none that a signal makes. */
#define NOT_ENTERED 250
#define ENDED_BY_SIGNAL 42

struct probe {
	struct sandbox_options sandbox;
	struct words uid_maps, gid_maps;
	struct seccomp_options seccomp;
	const char *modcaps, *only, *directory;
	bool work, sleep;
	struct scene scene;
};

/* ---- the command line ------------------------------------------------------------------------------- */

static unsigned choose(const char *value, const char *const *names)
{
	for (unsigned i = 0; names[i]; i++)
		if (strcmp(names[i], value) == 0)
			return i;
	fprintf(stderr, "sandbox_probe: %s?\n", value);
	exit(2);
}

static void take_option(struct probe *probe, int letter)
{
	static const char *const modes[] = { "namespace", "chroot", "none", NULL };
	static const char *const actions[] = { "kill", "log", "trap", "none", NULL };

	switch (letter) {
	case 's':
		probe->sandbox.mode = (enum sandbox_mode)choose(optarg, modes);
		break;
	case 'c':
		probe->seccomp.action = (enum seccomp_action)choose(optarg, actions);
		break;
	case 'm':
		probe->modcaps = optarg;
		break;
	case 'h':
		probe->seccomp.handles = false;
		break;
	case 'l':
		probe->seccomp.syslog = true;
		break;
	case 'u':
	case 'g':
		if (words_add(letter == 'u' ? &probe->uid_maps : &probe->gid_maps, optarg) < 0)
			exit(2);
		break;
	case 'o':
		probe->only = optarg;
		break;
	case 'w':
		probe->work = true;
		break;
	case 'z':
		probe->sleep = true;
		break;
	default:
		exit(2);
	}
}

static void read_arguments(struct probe *probe, int argc, char **argv)
{
	static const struct option options[] = {
		{ "sandbox", required_argument, NULL, 's' },
		{ "seccomp", required_argument, NULL, 'c' },
		{ "modcaps", required_argument, NULL, 'm' },
		{ "no-handles", no_argument, NULL, 'h' },
		{ "syslog", no_argument, NULL, 'l' },
		{ "uid-map", required_argument, NULL, 'u' },
		{ "gid-map", required_argument, NULL, 'g' },
		{ "only", required_argument, NULL, 'o' },
		{ "work", no_argument, NULL, 'w' },
		{ "sleep", no_argument, NULL, 'z' },
		{ 0 },
	};
	int letter;

	while ((letter = getopt_long(argc, argv, "", options, NULL)) >= 0)
		take_option(probe, letter);
	if (argc - optind != 2) {
		fprintf(stderr, "sandbox_probe: DIR SECRET?\n");
		exit(2);
	}
	probe->directory = argv[optind];
	probe->scene.secret_path = argv[optind + 1];
}

/* ---- one scene ---------------------------------------------------------------------------------------- */

static int look_around(struct scene *scene)
{
	struct file_handle *handle = (void *)scene->handle;
	int mount_id;

	handle->handle_bytes = SCENE_HANDLE_MAX - sizeof(*handle);
	scene->outside = getpid();
	scene->root = geteuid() == 0;
	if (stat(scene->secret_path, &scene->secret) < 0)
		return -errno;
	if (name_to_handle_at(AT_FDCWD, scene->secret_path, handle, &mount_id, 0) < 0)
		handle->handle_bytes = 0; /* a file system without handles */
	return 0;
}

static int confine(const struct probe *probe)
{
	struct capabilities capabilities;
	int result = 0;

	capabilities_init(&capabilities, probe->seccomp.handles);
	if (probe->modcaps)
		result = capabilities_change(&capabilities, probe->modcaps);
	if (result == 0)
		result = capabilities_apply(&capabilities);
	return result < 0 ? result : seccomp_restrict(&probe->seccomp);
}

static void take_in(struct scene *scene, const struct probe *probe, const struct sandbox *sandbox)
{
	scene->source = sandbox->source;
	scene->handles = probe->seccomp.handles;
	scene->confined_proc = sandbox->proc_fd > 0;
	scene->proc_fd = sandbox->proc_fd > 0 ? sandbox->proc_fd : open("/proc", O_PATH);
}

/* In a process of its own: never returns. */
static void play(struct probe *probe, int (*run)(const struct scene *scene))
{
	struct sandbox sandbox;
	int result = sandbox_enter(&probe->sandbox, probe->directory, &sandbox);

	if (result == 0 && sandbox.is_parent)
		_exit(sandbox.exit_code);
	if (result == 0)
		take_in(&probe->scene, probe, &sandbox);
	/* So that what is made is made in the share; there is nothing to be made in a file. */
	if (result == 0 && probe->sandbox.mode == SANDBOX_NONE && chdir(sandbox.source) < 0 &&
	    errno != ENOTDIR)
		result = fb_fail(errno, "chdir: %s", strerror(errno));
	if (result == 0)
		result = confine(probe);
	if (result < 0) {
		fprintf(stderr, "sandbox_probe: %s\n", fb_last_error());
		_exit(NOT_ENTERED);
	}
	_exit(run(&probe->scene));
}

static void print_end(const struct probe *probe, const char *name, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

	if (code == NOT_ENTERED)
		exit(1);
	printf("%s: ", name);
	if (code == 0)
		printf("%s\n", probe->work ? "done" : "ALLOWED");
	else if (code == 128 + SIGSYS)
		printf("killed\n");
	else if (code > 133 || WIFSIGNALED(status))
		printf("died (%s)\n", strsignal(code - 128));
	else
		printf("%s (%s)\n", probe->work ? "failed" : "refused", strerrorname_np(code));
}

static void try(struct probe *probe, const struct scene_row *row)
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0)
		play(probe, row->run);
	if (child < 0 || waitpid(child, &status, 0) < 0)
		exit(1);
	print_end(probe, row->name, status);
}

/* ---- a server that does nothing ---------------------------------------------------------------------- */

static void end(int signal)
{
	(void)signal;
	_exit(ENDED_BY_SIGNAL);
}

static int wait_for_signal(const struct scene *scene)
{
	(void)scene;
	signal(SIGTERM, end);
	signal(SIGINT, end);
	signal(SIGHUP, end);
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		return EIO;
	for (;;)
		poll(NULL, 0, -1);
}

static void quiet(void *arg, enum fb_log_level level, const char *text)
{
	(void)arg;
	if (level <= FB_LOG_WARNING)
		fprintf(stderr, "%s\n", text);
}

int main(int argc, char **argv)
{
	struct probe probe = { .seccomp.handles = true };
	const struct scene_row *rows;
	size_t count;

	if (argc == 2 && strcmp(argv[1], "--hello") == 0)
		return 0;
	read_arguments(&probe, argc, argv);
	probe.sandbox.uid_maps = &probe.uid_maps;
	probe.sandbox.gid_maps = &probe.gid_maps;
	fb_log_set(quiet, NULL);
	openlog("sandbox_probe", LOG_NDELAY, LOG_DAEMON);
	if (look_around(&probe.scene) < 0) {
		perror(probe.scene.secret_path);
		return 2;
	}
	if (probe.sleep)
		play(&probe, wait_for_signal);
	rows = probe.work ? scene_works : scene_attempts;
	count = probe.work ? scene_work_count : scene_attempt_count;
	for (size_t i = 0; i < count; i++)
		if (!probe.only || strcmp(probe.only, rows[i].name) == 0)
			try(&probe, &rows[i]);
	return 0;
}
