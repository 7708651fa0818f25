/* SPDX-License-Identifier: BSD-3-Clause */
#include "guest_server.h"

#include <errno.h>
#include <libfb/virtio_fs.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
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
};

/* ---- signals that end the server --------------------------------------------------------------- */

/* For the handler, which runs in the first thread: all others block signals. */
static struct {
	int fd; /* an eventfd, readable once a signal has come; -1: none yet */
	_Atomic(struct fb_session *) session;
} to_stop = { .fd = -1 };

static void on_stop_signal(int signal)
{
	struct fb_session *session = atomic_load(&to_stop.session);
	const uint64_t one = 1;
	int before = errno;
	ssize_t written = write(to_stop.fd, &one, sizeof(one));

	(void)signal;
	(void)written; /* it is readable, however often */
	if (session)
		fb_session_stop(session);
	errno = before;
}

/* A handler from the start: in a sandbox, process 1 sees no signal without. */
static int catch_signals(void)
{
	const struct sigaction stop = { .sa_handler = on_stop_signal, .sa_flags = SA_RESTART };
	const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction now;

	to_stop.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (to_stop.fd < 0)
		return fb_fail(errno, "eventfd: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		/* What nohup(1) has us ignore stays ignored. */
		if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaction(signals[i], &stop, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

/* Whether a signal has asked for the end. */
static bool must_stop(void)
{
	struct pollfd fd = { .fd = to_stop.fd, .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}

/* Have signals stop this session, also those that have come already; NULL: none any more. */
static void stop_on_signals(struct fb_session *session)
{
	atomic_store(&to_stop.session, session);
	if (session && must_stop())
		fb_session_stop(session);
}

/* ---- a connection --------------------------------------------------------------------------------- */

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
		result = fb_session_start(session);
	stop_on_signals(session);
	if (result < 0) {
		messages_fail();
	} else {
		fb_log(FB_LOG_INFO, "a monitor is connected");
		result = fb_session_wait(session);
		/* What broke it has been told by the thread that saw it. */
		if (result == 0)
			fb_log(FB_LOG_INFO, "the monitor has gone");
	}
	stop_on_signals(NULL);
	statistics_stop(&statistics);
	fb_session_unref(session);
	return result;
}

/* Returns 0, or the error of the last connection. */
static int serve_all(struct server *server)
{
	bool again = true;
	int result = 0;

	while (again) {
		int connection, r = guest_socket_accept(&server->socket, to_stop.fd, &connection);

		if (r < 0)
			messages_fail();
		if (r <= 0)
			return r < 0 ? r : result;
		result = serve_connection(server, connection);
		again = server->options->guest.keep_listening && !must_stop();
	}
	return result;
}

/* What needs the host: done before the sandbox is entered. */
static int prepare(struct server *server)
{
	const struct options *options = server->options;
	int result = guest_socket_open(&server->socket, options);

	if (result == 0)
		result = catch_signals();
	if (result == 0)
		result = trace_open(&server->trace, options->trace_file);
	if (result == 0)
		result = descriptors_set_limit(options->nofile);
	return result;
}

/* As the driver decides by these options whether it uses file handles. */
static bool wants_handles(const struct options *options)
{
	const struct fb_passthrough_options *passthrough = &options->passthrough;

	return passthrough->handles != FB_HANDLES_NEVER ||
	       passthrough->migration_mode == FB_MIGRATION_FILE_HANDLES ||
	       passthrough->migration_verify_handles;
}

static int choose_capabilities(const struct options *options, struct capabilities *ret_capabilities)
{
	const char *changes = options->guest.modcaps;

	capabilities_init(ret_capabilities, wants_handles(options));
	return changes ? capabilities_change(ret_capabilities, changes) : 0;
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

/* Where it listens it says so in the words of virtiofsd, for which programs wait that start one. */
static void announce(const struct server *server)
{
	bool listens = server->socket.listen_fd >= 0;
	char status[512];

	snprintf(status, sizeof(status), "serving %s to virtual machines", server->place->source);
	fb_log(FB_LOG_INFO, "%s%s", status,
	       listens ? ". Waiting for vhost-user socket connection..." : "");
	service_ready(status);
}

static struct sandbox_options sandbox_options(const struct options *options)
{
	const struct guest_options *guest = &options->guest;

	return (struct sandbox_options){ .mode = guest->sandbox,
					 .uid_maps = &guest->uid_maps,
					 .gid_maps = &guest->gid_maps };
}

static int check(const struct options *options, struct capabilities *ret_capabilities)
{
	const struct sandbox_options sandbox = sandbox_options(options);
	int result = sandbox_check(&sandbox);

	if (result == 0)
		result = choose_capabilities(options, ret_capabilities);
	return result < 0 ? result : fb_passthrough_check(&options->passthrough);
}

int guest_server_check(const struct options *options)
{
	struct capabilities capabilities;

	return check(options, &capabilities);
}

static enum exit_code start(struct server *server)
{
	const struct sandbox_options sandbox = sandbox_options(server->options);
	int result = check(server->options, &server->capabilities);

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
				 .socket = { .listen_fd = -1, .connected_fd = -1 } };
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
	if (to_stop.fd >= 0)
		close(to_stop.fd);
	return code;
}
