/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loaded before a program (LD_PRELOAD) that runs under strace: has each malloc and each lock leave a
 * system call of its own in the trace, among those of the request that it belongs to. calls.py reads
 * them. The call does nothing: pread64(2) from no file, with what happened as its size and the
 * address where it was asked for as its offset.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum mark { MARK_MALLOC = 1, MARK_LOCK = 2 };

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static void leave(enum mark mark, const void *caller)
{
	(void)syscall(SYS_pread64, -1, NULL, (size_t)mark, (intptr_t)caller);
}

void *malloc(size_t size)
{
	leave(MARK_MALLOC, __builtin_return_address(0));
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	leave(MARK_MALLOC, __builtin_return_address(0));
	return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	leave(MARK_MALLOC, __builtin_return_address(0));
	return __libc_realloc(memory, size);
}

/* The C library's own function; found at the first call, by whichever thread. */
#define NEXT(name)                                                                                 \
	__extension__({                                                                            \
		static __typeof__(&name) _Atomic next;                                             \
		__typeof__(&name) found = next;                                                    \
		if (!found)                                                                        \
			next = found = (__typeof__(&name))(intptr_t)dlsym(RTLD_NEXT, #name);       \
		found;                                                                             \
	})

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	leave(MARK_LOCK, __builtin_return_address(0));
	return NEXT(pthread_mutex_lock)(mutex);
}

int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
	leave(MARK_LOCK, __builtin_return_address(0));
	return NEXT(pthread_rwlock_rdlock)(lock);
}

int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
	leave(MARK_LOCK, __builtin_return_address(0));
	return NEXT(pthread_rwlock_wrlock)(lock);
}
