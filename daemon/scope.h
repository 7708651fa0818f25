/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Resources that end with their scope.
 */
#ifndef FBFSD_SCOPE_H
#define FBFSD_SCOPE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void scope_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void scope_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void scope_fclose(FILE **file)
{
	if (*file)
		fclose(*file);
}

#define SCOPED_FD __attribute__((cleanup(scope_close))) int
#define SCOPED_FREE __attribute__((cleanup(scope_free)))
#define SCOPED_FILE __attribute__((cleanup(scope_fclose))) FILE *

#endif
