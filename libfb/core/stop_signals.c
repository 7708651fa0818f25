/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <libfb/log.h>
#include <libfb/session.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

/* The signals of a program that serves one file system, and what they did before. */
static struct {
	int signal;
	bool ignore; /* else: stop the session */
	bool changed;
	struct sigaction before;
} actions[] = {
	{ .signal = SIGINT },
	{ .signal = SIGTERM },
	{ .signal = SIGHUP },
	{ .signal = SIGPIPE, .ignore = true },
};

#define ACTIONS (sizeof(actions) / sizeof(actions[0]))

static _Atomic(struct fb_session *) stopped_session;

static void stop(int signal)
{
	struct fb_session *session = atomic_load(&stopped_session);

	(void)signal;
	if (session)
		fb_session_stop(session);
}

static void install(void)
{
	for (size_t i = 0; i < ACTIONS; i++) {
		struct sigaction now, wanted = { .sa_handler = actions[i].ignore ? SIG_IGN : stop };

		if (sigaction(actions[i].signal, NULL, &now) < 0 || now.sa_handler != SIG_DFL)
			continue;
		actions[i].changed = sigaction(actions[i].signal, &wanted, &actions[i].before) == 0;
	}
}

static void restore(void)
{
	for (size_t i = 0; i < ACTIONS; i++) {
		if (actions[i].changed)
			sigaction(actions[i].signal, &actions[i].before, NULL);
		actions[i].changed = false;
	}
}

int fb_session_stop_on_signals(struct fb_session *session)
{
	struct fb_session *nobody = NULL;

	if (!session) {
		restore();
		atomic_store(&stopped_session, NULL);
		return 0;
	}
	if (!atomic_compare_exchange_strong(&stopped_session, &nobody, session))
		return fb_fail(EBUSY, "another session is stopped by signals already");
	install();
	return 0;
}
