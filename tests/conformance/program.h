/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program that checks execute: this one. A copy of it, called with one of these words as first
 * argument, does that one thing and ends, so no shell or other program has to exist where the suite
 * runs.
 */
#ifndef CONFORMANCE_PROGRAM_H
#define CONFORMANCE_PROGRAM_H

#include <sys/types.h>

#define PROGRAM_SUCCEED "program-succeed" /* exit with PROGRAM_STATUS */
#define PROGRAM_WAIT "program-wait" /* open the FIFO "never" for writing, then wait for a signal */
#define PROGRAM_MAKE "program-make" /* create the file "made" */

enum { PROGRAM_STATUS = 42 };

/* Do what the first argument says and end, or return if it is none of these words. */
void program_act(int argc, char **argv);

/* Keep the program's file open; call while its path still leads to it. */
void program_init(const char *path);

/* Put a copy where a check wants it. */
void program_copy(const char *path, mode_t mode);

#endif
