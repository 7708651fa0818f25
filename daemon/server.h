/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The service itself: driver, session, mount, from start to end.
 */
#ifndef FBFSD_SERVER_H
#define FBFSD_SERVER_H

#include "background.h"
#include "options.h"
#include "place.h"

/*
 * Mount, tell background once the mount answers, serve until the end. Returns what to exit with; a
 * failure has been told by then, to the parent or on standard error.
 */
enum exit_code server_run(const struct options *options, const struct place *place,
			  struct background *background) FB_MUST_CHECK;

#endif
