/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Resources that end with their scope.
 */
#ifndef FB_CORE_SCOPE_H
#define FB_CORE_SCOPE_H

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static inline void fb_scope_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void fb_scope_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void fb_scope_unlock(pthread_mutex_t **mutex)
{
	if (*mutex)
		pthread_mutex_unlock(*mutex);
}

static inline pthread_mutex_t *fb_scope_lock(pthread_mutex_t *mutex)
{
	pthread_mutex_lock(mutex);
	return mutex;
}

/* A descriptor that is closed, memory that is freed. */
#define FB_SCOPED_FD __attribute__((cleanup(fb_scope_close))) int
#define FB_SCOPED_FREE __attribute__((cleanup(fb_scope_free)))

/* Hold a mutex until the end of the scope. */
#define FB_SCOPED_LOCK(mutex)                                                                      \
	__attribute__((cleanup(fb_scope_unlock), unused)) pthread_mutex_t *fb_scoped_lock_ =       \
		fb_scope_lock(mutex)

/* Have a descriptor above those of stdio, which a program may have closed. Returns it. */
static inline int fb_fd_raise(int fd)
{
	int raised =
		fd >= 0 && fd <= STDERR_FILENO ? fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : -1;

	if (raised < 0)
		return fd;
	close(fd);
	return raised;
}

/* Take a descriptor out of its scope: it is the caller's now. */
static inline int fb_fd_steal(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

/* Close a descriptor, if it is one, and forget it. */
static inline void fb_fd_drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

#endif
