/* SPDX-License-Identifier: BSD-3-Clause */
/* What one check is, and everything a group of checks includes. */
#ifndef CONFORMANCE_CHECK_H
#define CONFORMANCE_CHECK_H

#include "expect.h"
#include "feature.h"
#include "file.h"
#include "gate.h"
#include "identity.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct check {
	const char *id;    /* "group.behaviour" */
	void (*run)(void); /* starts in an empty directory with umask 022 */
	uint32_t needs;    /* NEED_ bits */
	bool slow;         /* takes over a second: left out by --quick */
};

/* A row of a group's table: CHECK(group, function [, .needs = … ] [, .slow = true]) */
#define CHECK(group, function, ...)                                                                \
	{                                                                                          \
		.id = #group "." #function, .run = function, __VA_ARGS__                           \
	}
#define CHECK_END                                                                                  \
	{                                                                                          \
		.id = NULL                                                                         \
	}

#endif
