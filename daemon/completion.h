/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Completion scripts for shells, made from the option table.
 */
#ifndef FBFSD_COMPLETION_H
#define FBFSD_COMPLETION_H

#include <libfb/types.h>
#include <stdio.h>

/* Print the script for bash, zsh or fish. Returns 0, or -EINVAL for another shell. */
int completion_print(FILE *to, const char *shell) FB_MUST_CHECK;

#endif
