/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process that was started, once the server is a child of it: it hands on signals and waits.
 */
#ifndef FBFSD_SANDBOX_PARENT_H
#define FBFSD_SANDBOX_PARENT_H

#include <libfb/types.h>
#include <signal.h>
#include <sys/types.h>

/* Block what the parent waits for, before the fork. The child sets *ret_before again. */
void sandbox_parent_block_signals(sigset_t *ret_before);

/*
 * In the parent: give up capabilities and descriptors, wait for the server's end, hand on signals.
 * Returns the server's exit code, or 128 and the number of the signal that killed it, which has been
 * logged then; -errno with a sentence for fb_last_error() if the parent is no parent.
 */
int sandbox_parent_wait(pid_t server) FB_MUST_CHECK;

/* In the child: be killed when the parent, which parent_fd (of pidfd_open(2)) watches, dies. */
int sandbox_parent_follow(int parent_fd) FB_MUST_CHECK;

#endif
