/* SPDX-License-Identifier: BSD-3-Clause */
#include "supervisor.h"

#include <errno.h>
#include <libfb/log.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "messages.h"
#include "service.h"
#include "share_server.h"
#include "share_table.h"

struct supervisor {
	struct share_table table;
	struct share_server *servers;
	size_t count; /* of servers */
	sigset_t signals;
	bool ending;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void catch_signals(struct supervisor *supervisor)
{
	const int caught[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD };

	sigemptyset(&supervisor->signals);
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		sigaddset(&supervisor->signals, caught[i]);
	sigprocmask(SIG_BLOCK, &supervisor->signals, NULL);
	signal(SIGCHLD, SIG_DFL); /* ignored, it would take the servers' statuses away */
}

static enum exit_code prepare(struct supervisor *supervisor, const struct options *options)
{
	struct share_table *table = &supervisor->table;
	enum exit_code code = EXIT_DONE;

	if (share_table_read(options->config, table) < 0)
		return EXIT_USAGE;
	supervisor->servers = calloc(table->count, sizeof(*supervisor->servers));
	if (!supervisor->servers) {
		(void)fb_fail(ENOMEM, "out of memory");
		return EXIT_SYSTEM;
	}
	while (supervisor->count < table->count && code == EXIT_DONE) {
		struct share_server *server = &supervisor->servers[supervisor->count];

		code = share_server_init(server, &options->given,
					 &table->share[supervisor->count++]);
	}
	return code;
}

static void announce(const struct supervisor *supervisor)
{
	char status[128];

	snprintf(status, sizeof(status), "serving %zu director%s to virtual machines",
		 supervisor->count, supervisor->count == 1 ? "y" : "ies");
	fb_log(FB_LOG_INFO, "%s", status);
	service_ready(status);
}

static void start_all(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->count && !supervisor->ending; i++)
		share_server_start(&supervisor->servers[i], now_ms());
}

static void tell_all(const struct supervisor *supervisor, int signal)
{
	for (size_t i = 0; i < supervisor->count; i++)
		if (supervisor->servers[i].pid)
			kill(supervisor->servers[i].pid, signal);
}

static void bury(struct supervisor *supervisor, pid_t pid, int status)
{
	for (size_t i = 0; i < supervisor->count; i++) {
		struct share_server *server = &supervisor->servers[i];

		if (server->pid != pid)
			continue;
		if (supervisor->ending)
			server->pid = 0;
		else
			share_server_ended(server, status, now_ms());
	}
}

static bool is_any_left(const struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->count; i++)
		if (supervisor->servers[i].pid)
			return true;
	return false;
}

/* How long there is nothing to do unless a signal comes; negative: for ever. */
static int64_t idle_ms(const struct supervisor *supervisor)
{
	uint64_t now = now_ms(), due = UINT64_MAX;

	for (size_t i = 0; i < supervisor->count && !supervisor->ending; i++)
		if (!supervisor->servers[i].pid && supervisor->servers[i].due_ms < due)
			due = supervisor->servers[i].due_ms;
	if (due == UINT64_MAX)
		return -1;
	return due > now ? (int64_t)(due - now) : 0;
}

/* Returns the signal, or <= 0. */
static int wait_for_signal(const struct supervisor *supervisor)
{
	int64_t ms = idle_ms(supervisor);
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	return ms < 0 ? sigwaitinfo(&supervisor->signals, NULL) :
			sigtimedwait(&supervisor->signals, NULL, &time);
}

static void look_after(struct supervisor *supervisor)
{
	while (!supervisor->ending || is_any_left(supervisor)) {
		int status, signal;
		pid_t pid;

		start_all(supervisor);
		signal = wait_for_signal(supervisor);
		if (signal == SIGUSR1)
			tell_all(supervisor, signal);
		if (signal == SIGTERM || signal == SIGINT || signal == SIGHUP) {
			supervisor->ending = true;
			service_stopping();
			tell_all(supervisor, SIGTERM);
		}
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			bury(supervisor, pid, status);
	}
}

enum exit_code supervisor_run(const struct options *options)
{
	struct supervisor supervisor = { 0 };
	enum exit_code code = prepare(&supervisor, options);

	if (code == EXIT_DONE) {
		catch_signals(&supervisor);
		announce(&supervisor);
		look_after(&supervisor);
	} else {
		messages_fail();
	}
	for (size_t i = 0; i < supervisor.count; i++)
		share_server_fini(&supervisor.servers[i]);
	free(supervisor.servers);
	share_table_fini(&supervisor.table);
	return code;
}
