/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Figures of a session for people, printed on SIGUSR1.
 */
#ifndef FBFSD_STATISTICS_H
#define FBFSD_STATISTICS_H

#include <libfb/session.h>
#include <pthread.h>
#include <stdio.h>

struct statistics {
	struct fb_session *session;
	const char *file; /* absolute; NULL: where messages go */
	int signal_fd, stop_fd;
	pthread_t thread;
	bool running;
};

/* Have SIGUSR1 wait for statistics_start(). Call it before there are threads. */
void statistics_block_signal(void);

/*
 * Print the figures of session on every SIGUSR1, to file (borrowed) or where messages go. Returns
 * 0, or -errno with a sentence. Call statistics_stop() either way.
 */
int statistics_start(struct statistics *statistics, struct fb_session *session,
		     const char *file) FB_MUST_CHECK;
void statistics_stop(struct statistics *statistics);

/* Print all figures as they are now. */
void statistics_print(struct fb_session *session, FILE *to);

#endif
