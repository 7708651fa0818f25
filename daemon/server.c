/* SPDX-License-Identifier: BSD-3-Clause */
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "descriptors.h"
#include "messages.h"
#include "probe.h"
#include "scope.h"
#include "service.h"
#include "statistics.h"
#include "trace.h"

/* How long a mount may take to answer: a source on a slow network file system has time. */
#define READY_TIMEOUT_S 30

struct server {
	struct fb_passthrough *driver;
	struct fb_session *session;
	struct trace trace;
	struct statistics statistics;
	bool has_signals;
};

/* The mount options as text: those of the table, and words as they were given. */
static char *mount_options(const struct options *options)
{
	struct words words = { 0 };
	char *joined = NULL;
	int result = 0;

	for (size_t i = 0; result == 0 && i < options->kernel_words.count; i++)
		result = words_add(&words, options->kernel_words.word[i]);
	if (result == 0)
		result = words_add(&words, options->read_only ? "ro" : "rw");
	if (result == 0 && options->allow_other)
		result = words_add(&words, "allow_other");
	if (result == 0 && options->default_permissions != FB_OFF)
		result = words_add(&words, "default_permissions");
	if (result == 0)
		joined = words_join(&words);
	words_fini(&words);
	return joined;
}

static int mount_session(struct server *server, const struct options *options,
			 const struct place *place)
{
	SCOPED_FREE char *list = mount_options(options);
	struct fb_mount_options mount = options->mount;

	if (!list)
		return fb_fail(ENOMEM, "out of memory");
	mount.options = list;
	if (!mount.source)
		mount.source = place->source;
	return fb_mount(server->session, place->mountpoint, &mount);
}

static int make_session(struct server *server, const struct options *options,
			const struct place *place)
{
	struct fb_passthrough_options passthrough = options->passthrough;
	int result = trace_open(&server->trace, options->trace_file);

	if (result == 0)
		result = descriptors_set_limit(options->nofile);
	passthrough.max_descriptors = descriptors_for_driver();
	if (result == 0)
		result = fb_passthrough_new(place->source, &passthrough, &server->driver);
	if (result == 0)
		result = fb_session_new(fb_passthrough_ops(server->driver), server->driver,
					&options->session, &server->session);
	if (result == 0 && options->trace)
		trace_attach(&server->trace, server->session);
	return result;
}

/* Before there is a mount, so that no signal can leave one behind. */
static int catch_signals(struct server *server)
{
	int result = fb_session_stop_on_signals(server->session);

	if (result < 0)
		return fb_fail(-result, "can not catch signals: %s", strerror(-result));
	server->has_signals = true;
	return 0;
}

static int start(struct server *server, const struct place *place)
{
	int result = fb_session_start(server->session);

	if (result < 0)
		return result;
	result = fb_session_wait_ready(server->session, READY_TIMEOUT_S * 1000);
	if (result == -ETIMEDOUT)
		return fb_fail(ETIMEDOUT, "the kernel did not greet fbfsd within %d s",
			       READY_TIMEOUT_S);
	if (result < 0)
		return fb_fail(-result, "the mount on %s ended before it answered: %s",
			       place->mountpoint, strerror(-result));
	return place->mounted_already ? 0 : probe_mount(place->mountpoint, READY_TIMEOUT_S);
}

/* Tell everybody that the mount answers. From here on nobody reads standard error, perhaps. */
static int announce(const struct place *place, struct background *background)
{
	char status[512];

	snprintf(status, sizeof(status), "serving %s on %s", place->source, place->mountpoint);
	fb_log(FB_LOG_INFO, "%s", status);
	service_ready(status);
	return background_detach(background);
}

/* Tell whoever waits for the start what went wrong. */
static enum exit_code fail(struct background *background, enum exit_code code, int result)
{
	const char *text = *fb_last_error() ? fb_last_error() : strerror(-result);

	if (background->report_fd >= 0)
		background_fail(background, code, text);
	else
		fprintf(stderr, "fbfsd: %s\n", text);
	return code;
}

static enum exit_code serve(struct server *server, const struct options *options,
			    const struct place *place, struct background *background)
{
	int result = make_session(server, options, place);

	if (result < 0)
		return fail(background, result == -ENOMEM ? EXIT_SYSTEM : EXIT_MOUNT, result);
	result = catch_signals(server);
	if (result < 0)
		return fail(background, EXIT_SYSTEM, result);
	result = mount_session(server, options, place);
	if (result < 0)
		return fail(background, EXIT_MOUNT, result);
	result = statistics_start(&server->statistics, server->session, place->stats_file);
	if (result == 0)
		result = start(server, place);
	if (result == 0)
		result = announce(place, background);
	if (result < 0)
		return fail(background, EXIT_SYSTEM, result);
	result = fb_session_wait(server->session);
	service_stopping();
	if (result < 0) {
		fb_log(FB_LOG_ERR, "the service on %s ended: %s", place->mountpoint,
		       strerror(-result));
		return EXIT_SERVING;
	}
	fb_log(FB_LOG_INFO, "%s is unmounted", place->mountpoint);
	return EXIT_DONE;
}

enum exit_code server_run(const struct options *options, const struct place *place,
			  struct background *background)
{
	struct server server = { .statistics = { .signal_fd = -1, .stop_fd = -1 } };
	enum exit_code code;

	umask(0); /* the modes of new files are the callers', as they ask for them */
	statistics_block_signal();
	code = serve(&server, options, place, background);
	statistics_stop(&server.statistics);
	if (server.has_signals && fb_session_stop_on_signals(NULL) < 0)
		fb_log(FB_LOG_DEBUG, "the actions of signals stay as they are");
	fb_session_unref(server.session);
	fb_passthrough_free(server.driver);
	trace_close(&server.trace);
	return code;
}
