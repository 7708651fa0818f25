/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is tried in the sandbox: rows of attempts to get out, and of work that must go on.
 */
#ifndef TESTS_SANDBOX_SCENE_H
#define TESTS_SANDBOX_SCENE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#define SCENE_HANDLE_MAX 128

struct scene {
	const char *source; /* what the driver is given */
	int proc_fd;        /* of the sandbox, or of /proc */
	bool confined_proc; /* it is the sandbox's */
	bool handles;
	bool root;          /* of the host */
	pid_t outside;      /* a process of the host, which waits */
	struct stat secret; /* a file of the host, not in the share */
	const char *secret_path;
	_Alignas(8) char handle[SCENE_HANDLE_MAX]; /* of that file; a struct file_handle */
};

/* run returns 0 when it has got what it tried for, else an errno. */
struct scene_row {
	const char *name;
	int (*run)(const struct scene *scene);
};

extern const struct scene_row scene_attempts[], scene_works[];
extern const size_t scene_attempt_count, scene_work_count;

#endif
