/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads of the library.
 */
#ifndef FB_CORE_THREAD_H
#define FB_CORE_THREAD_H

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Start a thread that takes no signals but the one that wakes it (fb_wake_signal()), so that the
 * program's own threads get all others. Returns 0 or -errno.
 */
int fb_thread_start(pthread_t *thread, void *(*run)(void *), void *arg);

/*
 * How long a thread of this process has computed or stood in line for a processor, in nanoseconds
 * (proc(5), schedstat); 0 when the kernel does not tell.
 */
uint64_t fb_thread_runnable_ns(pid_t tid);

/* Count an eventfd up, or write to what a peer gave for one. Safe in a signal handler. */
void fb_eventfd_signal(int fd);

/* Install the handler of the waking signal, unless the program has one. */
void fb_thread_install_wake(void);

#endif
