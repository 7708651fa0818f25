/* SPDX-License-Identifier: BSD-3-Clause */
#include "guest_server.h"

#include <errno.h>
#include <libfb/virtio_fs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capabilities.h"
#include "descriptors.h"
#include "guest_socket.h"
#include "messages.h"
#include "sandbox.h"
#include "seccomp.h"
#include "service.h"
#include "statistics.h"
#include "trace.h"

struct server {
	const struct options *options;
	const struct place *place;
	struct guest_socket socket;
	struct sandbox sandbox;
	struct capabilities capabilities;
	struct fb_passthrough *driver;
	struct trace trace;
	int stop_fd; /* signalfd of the signals that end us */
};

/* The signals that end the server: read from stop_fd while nothing is served. */
static void stop_signals(sigset_t *ret_signals)
{
	sigemptyset(ret_signals);
	sigaddset(ret_signals, SIGTERM);
	sigaddset(ret_signals, SIGINT);
	sigaddset(ret_signals, SIGHUP);
}

static int catch_signals(struct server *server)
{
	sigset_t signals;

	stop_signals(&signals);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	server->stop_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return server->stop_fd < 0 ? fb_fail(errno, "signalfd: %s", strerror(errno)) : 0;
}

static int start_session(struct fb_session *session)
{
	int result = fb_session_stop_on_signals(session);

	if (result < 0)
		return fb_fail(-result, "can not catch signals: %s", strerror(-result));
	return fb_session_start(session);
}

/* Serve until the session ends; a signal that came before ends it at once. */
static int wait_session(struct fb_session *session)
{
	sigset_t signals;
	int result;

	stop_signals(&signals);
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
	result = fb_session_wait(session);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	return result;
}

/* Make the device for a connection, which is used up. */
static int make_session(struct server *server, int connection, struct fb_session **ret_session)
{
	const struct fb_virtio_fs_options device = {
		.size = sizeof(device),
		.tag = server->options->guest.tag,
		.request_queues = server->options->guest.queues,
	};
	int result = fb_session_new(fb_passthrough_ops(server->driver), server->driver,
				    &server->options->session, ret_session);

	if (result == 0 && server->options->trace)
		trace_attach(&server->trace, *ret_session);
	if (result == 0)
		result = fb_virtio_fs_attach(*ret_session, connection, &device);
	if (result < 0)
		close(connection);
	return result;
}

/* One monitor, from its connection to the end of it. How it ended is told here. */
static int serve_connection(struct server *server, int connection)
{
	struct statistics statistics = { .signal_fd = -1, .stop_fd = -1 };
	struct fb_session *session = NULL;
	int result = make_session(server, connection, &session);

	if (result == 0)
		result = statistics_start(&statistics, session, server->place->stats_file);
	if (result == 0)
		result = start_session(session);
	if (result < 0) {
		messages_fail();
	} else {
		fb_log(FB_LOG_INFO, "a monitor is connected");
		result = wait_session(session);
		/* What broke it has been told by the thread that saw it. */
		if (result == 0)
			fb_log(FB_LOG_INFO, "the monitor has gone");
	}
	if (fb_session_stop_on_signals(NULL) < 0)
		fb_log(FB_LOG_DEBUG, "the actions of signals stay as they are");
	statistics_stop(&statistics);
	fb_session_unref(session);
	return result;
}

/* Whether a signal has asked for the end. */
static bool must_stop(const struct server *server)
{
	struct signalfd_siginfo info;

	return read(server->stop_fd, &info, sizeof(info)) > 0;
}

/* Returns 0, or the error of the last connection. */
static int serve_all(struct server *server)
{
	bool again = true;
	int result = 0;

	while (again) {
		int connection,
			r = guest_socket_accept(&server->socket, server->stop_fd, &connection);

		if (r < 0)
			messages_fail();
		if (r <= 0)
			return r < 0 ? r : result;
		result = serve_connection(server, connection);
		again = server->options->guest.keep_listening && !must_stop(server);
	}
	return result;
}

/* What needs the host: done before the sandbox is entered. */
static int prepare(struct server *server)
{
	const struct options *options = server->options;
	int result = guest_socket_open(&server->socket, options);

	if (result == 0)
		result = catch_signals(server);
	if (result == 0)
		result = trace_open(&server->trace, options->trace_file);
	if (result == 0)
		result = descriptors_set_limit(options->nofile);
	return result;
}

static bool wants_handles(const struct options *options)
{
	return options->passthrough.handles != FB_HANDLES_NEVER;
}

static int choose_capabilities(struct server *server)
{
	const struct options *options = server->options;

	capabilities_init(&server->capabilities, wants_handles(options));
	return options->guest.modcaps ?
		       capabilities_change(&server->capabilities, options->guest.modcaps) :
		       0;
}

/* Give up what serving does not need. */
static int restrict_self(const struct server *server)
{
	const struct options *options = server->options;
	const struct seccomp_options seccomp = { .action = options->guest.seccomp,
						 .syslog = options->syslog,
						 .handles = wants_handles(options) };
	int result = capabilities_apply(&server->capabilities);

	return result < 0 ? result : seccomp_restrict(&seccomp);
}

static int make_driver(struct server *server)
{
	struct fb_passthrough_options passthrough = server->options->passthrough;

	passthrough.max_descriptors = descriptors_for_driver();
	passthrough.proc_fd = server->sandbox.proc_fd;
	return fb_passthrough_new(server->sandbox.source, &passthrough, &server->driver);
}

/* Inside of the sandbox. */
static enum exit_code serve(struct server *server)
{
	int result = restrict_self(server);

	if (result == 0)
		result = make_driver(server);
	if (result < 0) {
		messages_fail();
		return EXIT_MOUNT;
	}
	return serve_all(server) < 0 ? EXIT_SERVING : EXIT_DONE;
}

static void announce(const struct server *server)
{
	char status[512];

	snprintf(status, sizeof(status), "serving %s to virtual machines", server->place->source);
	fb_log(FB_LOG_INFO, "%s", status);
	service_ready(status);
}

static enum exit_code start(struct server *server)
{
	const struct guest_options *guest = &server->options->guest;
	const struct sandbox_options sandbox = { .mode = guest->sandbox,
						 .uid_maps = &guest->uid_maps,
						 .gid_maps = &guest->gid_maps };
	int result = sandbox_check(&sandbox);

	if (result == 0)
		result = choose_capabilities(server);
	if (result == 0)
		result = prepare(server);
	if (result == 0) {
		announce(server);
		result = sandbox_enter(&sandbox, server->place->source, &server->sandbox);
	}
	if (result < 0) {
		messages_fail();
		return EXIT_MOUNT;
	}
	return server->sandbox.is_parent ? (enum exit_code)server->sandbox.exit_code :
					   serve(server);
}

enum exit_code guest_server_run(const struct options *options, const struct place *place)
{
	struct server server = { .options = options,
				 .place = place,
				 .socket = { .listen_fd = -1, .connected_fd = -1 },
				 .stop_fd = -1 };
	enum exit_code code;
	bool on_host;

	umask(0); /* the modes of new files are the callers', as they ask for them */
	statistics_block_signal();
	code = start(&server);
	/* Inside of a sandbox the socket's path would name something of the guest's. */
	on_host = server.sandbox.is_parent || options->guest.sandbox == SANDBOX_NONE ||
		  !server.sandbox.source;
	if (on_host)
		service_stopping();
	guest_socket_close(&server.socket, on_host);
	fb_passthrough_free(server.driver);
	trace_close(&server.trace);
	if (server.stop_fd >= 0)
		close(server.stop_fd);
	return code;
}
