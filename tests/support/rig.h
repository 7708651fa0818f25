/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A mock driver, a session, a loopback and a client, put together. After each test nothing that
 * the driver gave may be missing.
 */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include "client.h"
#include "mock_driver.h"

struct rig {
	struct mock mock;
	struct fb_session_options options; /* set up before rig_connect() */
	struct fb_loopback_options loop_options;
	struct fb_session *session;
	struct fb_loopback *loop;
	struct client client;
	bool strays_expected; /* the client gives back what the driver never gave */
};

/* Make a rig; set up rig->mock and the options, then connect. Aborts without memory. */
struct rig *rig_new(void);

/* Make session and loopback. Returns what fb_loopback_new() returned. */
int rig_connect(struct rig *rig);

/* rig_new() and rig_connect(), which has to succeed. */
struct rig *rig_start(void);

/* Have the client give back all, end the session, check the balance and free. */
void rig_end(struct rig *rig);

/* Poison what requests carry over from one use to the next, so that leaks into answers show. */
void rig_poison(struct rig *rig, int byte);

/* How many requests have ever been made, in use or not. */
unsigned rig_requests(struct rig *rig);

/* Figures of an opcode. */
struct fb_stats rig_stats(struct rig *rig, uint32_t opcode);
struct fb_session_stats rig_session_stats(struct rig *rig);

#endif
