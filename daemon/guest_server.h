/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The service for virtual machines: socket, sandbox, driver, a session for each connection.
 */
#ifndef FBFSD_GUEST_SERVER_H
#define FBFSD_GUEST_SERVER_H

#include "exit_code.h"
#include "options.h"
#include "place.h"

/*
 * Listen, serve one monitor (or one after the other), end. Returns what to exit with; a failure has
 * been told on standard error.
 */
enum exit_code guest_server_run(const struct options *options,
				const struct place *place) FB_MUST_CHECK;

/*
 * Look at what can be looked at before a sandbox is entered. Returns 0, or -errno with a sentence for
 * fb_last_error().
 */
int guest_server_check(const struct options *options) FB_MUST_CHECK;

#endif
