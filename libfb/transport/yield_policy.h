/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scheduling policy of single threads, by system calls: not every libc changes it for one.
 */
#ifndef FB_TRANSPORT_YIELD_POLICY_H
#define FB_TRANSPORT_YIELD_POLICY_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether a thread has the usual policy; 0 is the calling one. */
bool fb_yield_policy_is_usual(pid_t tid);

/*
 * Give a thread SCHED_IDLE, with a flag that marks it as ours (SCHED_RESET_ON_FORK): fb_thread_start() sees to it
 * that threads do not inherit the policy; others do. Returns 0 or -errno.
 */
int fb_yield_policy_begin(pid_t tid);

/* Bring it back. Returns 0 or -errno. */
int fb_yield_policy_end(pid_t tid);

/*
 * Whether a thread can be brought back, which takes CAP_SYS_NICE outside of all user namespaces. Tried with a
 * thread that nobody needs, each time: a program may give up what it has at any time.
 */
bool fb_yield_policy_can_end(void);

#endif
