/* SPDX-License-Identifier: BSD-3-Clause */
#include "share_server.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/log.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest_server.h"
#include "options.h"
#include "place.h"

/* Where a server finds its socket. */
#define SOCKET_FD 3
#define SOCKET_FD_TEXT "3"
/* A server that ends again and again is started less and less often. */
#define PAUSE_MIN_MS 100u
#define PAUSE_MAX_MS 30000u
/* One that has served this long is a new beginning. */
#define LONG_LIFE_MS 10000u

/* ---- its command line ------------------------------------------------------------------------- */

/* Add an option: name with all that stands before the value. */
static int add(struct words *command, const char *name, const char *value)
{
	char *word = NULL;

	if (asprintf(&word, "%s%s", name, value) < 0)
		word = NULL;
	return words_take(command, word);
}

/* What the line of the file says comes last: it holds against what is said for all. */
static int make_command(struct share_server *server, const struct words *given)
{
	const struct share *share = server->share;
	struct words *command = &server->command;
	int result = 0;

	for (size_t i = 0; i < given->count && result == 0; i++)
		result = words_add(command, given->word[i]);
	if (result == 0)
		result = words_add(command, "--keep-listening");
	if (result == 0)
		result = words_add(command, "--listen-fd=" SOCKET_FD_TEXT);
	if (result == 0)
		result = add(command, "--log-name=", share->source);
	if (result == 0)
		result = add(command, "--socket-path=", share->socket);
	if (result == 0)
		result = add(command, "--shared-dir=", share->source);
	if (result == 0 && *share->options)
		result = add(command, "-o", share->options);
	return result < 0 ? fb_fail(ENOMEM, "out of memory") : 0;
}

/* The command line as main() gets it. Words are borrowed. Returns NULL when out of memory. */
static char **arguments(const struct share_server *server)
{
	char **argv = calloc(server->command.count + 2, sizeof(*argv));

	if (!argv)
		return NULL;
	argv[0] = program_invocation_short_name;
	memcpy(argv + 1, server->command.word, server->command.count * sizeof(*argv));
	return argv;
}

/* What is in columns of its own, or makes no sense for one of many. */
static int check_columns(const struct share_server *server, const struct options *options)
{
	const struct share *share = server->share;

	if (options->command != COMMAND_SERVE)
		return fb_fail(EINVAL, "-o asks for something to be printed, not served");
	if (strcmp(options->source, share->source) != 0)
		return fb_fail(EINVAL,
			       "the directory stands in the first column, not in -o source");
	if (strcmp(options->guest.socket_path, share->socket) != 0)
		return fb_fail(EINVAL, "the socket stands in the second column, not in -o");
	if (!options->guest.keep_listening)
		return fb_fail(EINVAL, "a server of many goes on listening");
	return 0;
}

/* ---- before it is started ----------------------------------------------------------------------- */

static enum exit_code open_socket(struct share_server *server, struct options *options)
{
	struct place place;
	int result = place_init(&place, options);

	place_fini(&place);
	if (result == 0)
		result = guest_server_check(options);
	options->guest.listen_fd = FD_NONE;
	if (result == 0)
		result = guest_socket_open(&server->socket, options);
	return result < 0 ? EXIT_MOUNT : EXIT_DONE;
}

/* Have the sentence of an error name the line that it is about. */
static enum exit_code blame(const struct share *share, enum exit_code code)
{
	char *text = strdup(fb_last_error());

	if (code != EXIT_DONE && text)
		(void)fb_fail(EINVAL, "%s: %s", share->source, text);
	free(text);
	return code;
}

enum exit_code share_server_init(struct share_server *server, const struct words *given,
				 const struct share *share)
{
	struct options options;
	enum exit_code code = EXIT_USAGE;
	char **argv = NULL;
	int result;

	*server = (struct share_server){ .share = share,
					 .socket = { .listen_fd = -1, .connected_fd = -1 },
					 .pause_ms = PAUSE_MIN_MS };
	options_init(&options);
	result = make_command(server, given);
	if (result == 0)
		argv = arguments(server);
	if (argv)
		result = options_parse(&options, (int)server->command.count + 1, argv);
	if (argv && result == 0)
		result = check_columns(server, &options);
	if (argv && result == 0)
		code = open_socket(server, &options);
	options_fini(&options);
	free(argv);
	return blame(share, code);
}

void share_server_fini(struct share_server *server)
{
	guest_socket_close(&server->socket, true);
	words_fini(&server->command);
}

/* ---- its life --------------------------------------------------------------------------------------- */

/* The socket alone goes along, where the server looks for it. */
static int pass_socket(int fd)
{
	int copy = fcntl(fd, F_DUPFD, SOCKET_FD + 1);

	if (copy < 0 || dup2(copy, SOCKET_FD) < 0 || close_range(SOCKET_FD + 1, ~0U, 0) < 0)
		return -errno;
	return 0;
}

/* Under its own name where that is still the same program's, or a newer one's. */
static int run_self(char **argv)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (length > 0) {
		path[length] = '\0';
		execv(path, argv);
	}
	execv("/proc/self/exe", argv);
	return -errno;
}

/*
 * In the new process. A new program, not a copy of this one: what one server's memory holds, and
 * where, tells nothing of another's.
 */
static void become_server(const struct share_server *server, char **argv, pid_t supervisor)
{
	sigset_t none;
	int result = pass_socket(server->socket.listen_fd);

	/* After this the signal comes; before, the supervisor may have gone. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != supervisor)
		_exit(EXIT_SYSTEM);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	unsetenv("NOTIFY_SOCKET"); /* the supervisor is the service */
	if (result == 0)
		result = run_self(argv);
	fb_log(FB_LOG_ERR, "%s: the server can not be started: %s", server->share->source,
	       strerror(-result));
	_exit(EXIT_SYSTEM);
}

static void ended(struct share_server *server, uint64_t now_ms)
{
	if (now_ms - server->started_ms >= LONG_LIFE_MS)
		server->pause_ms = PAUSE_MIN_MS;
	server->pid = 0;
	server->due_ms = now_ms + server->pause_ms;
	server->pause_ms *= 2;
	if (server->pause_ms > PAUSE_MAX_MS)
		server->pause_ms = PAUSE_MAX_MS;
}

void share_server_start(struct share_server *server, uint64_t now_ms)
{
	char **argv;
	pid_t self = getpid(), pid = -1;

	if (server->pid || server->due_ms > now_ms)
		return;
	server->started_ms = now_ms;
	argv = arguments(server);
	if (argv)
		pid = fork();
	if (pid == 0)
		become_server(server, argv, self);
	free(argv);
	server->pid = pid;
	if (pid < 0) {
		fb_log(FB_LOG_ERR, "%s: the server can not be started: %s", server->share->source,
		       strerror(errno));
		ended(server, now_ms);
	}
}

void share_server_ended(struct share_server *server, int status, uint64_t now_ms)
{
	bool killed = WIFSIGNALED(status);

	ended(server, now_ms);
	fb_log(FB_LOG_WARNING, "%s: the server %s %d; it is started again in %.1f s",
	       server->share->source, killed ? "was killed by signal" : "ended with status",
	       killed ? WTERMSIG(status) : WEXITSTATUS(status),
	       (double)(server->due_ms - now_ms) / 1000);
}
