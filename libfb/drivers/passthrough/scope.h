/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is given back when a scope ends: descriptors and allocations.
 */
#ifndef LIBFB_PASSTHROUGH_SCOPE_H
#define LIBFB_PASSTHROUGH_SCOPE_H

#include <stdlib.h>
#include <unistd.h>

/* unused: clang does not count the cleanup itself as a use. */
#define FB_CLEANUP(function) __attribute__((cleanup(function), unused))

/* Closes the descriptor unless fb_fd_steal() took it. FB_SCOPE_FD int fd = open(…); */
#define FB_SCOPE_FD FB_CLEANUP(fb_fd_scope_close)

/* Frees the allocation unless fb_pointer_steal() took it. */
#define FB_SCOPE_FREE FB_CLEANUP(fb_free_scope_free)

static inline void fb_fd_scope_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Take the descriptor out of its scope. */
static inline int fb_fd_steal(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

static inline void fb_free_scope_free(void *pointer)
{
	free(*(void **)pointer);
}

/* Take the allocation out of its scope. */
#define fb_pointer_steal(pointer)                                                                  \
	({                                                                                         \
		__auto_type stolen_ = *(pointer);                                                  \
		*(pointer) = NULL;                                                                 \
		stolen_;                                                                           \
	})

#endif
