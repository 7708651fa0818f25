/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many directories for virtual machines: a server each, all of them looked after.
 */
#ifndef FBFSD_SUPERVISOR_H
#define FBFSD_SUPERVISOR_H

#include "exit_code.h"
#include "options.h"

/*
 * Serve all directories that the file of --config lists, until SIGTERM, SIGINT or SIGHUP. When
 * anything is wrong with one of them, none is served. Returns what to exit with; a failure has been
 * told on standard error.
 */
enum exit_code supervisor_run(const struct options *options) FB_MUST_CHECK;

#endif
