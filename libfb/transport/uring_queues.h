/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An io_uring whose queues lie in memory of ours instead of the kernel's (IORING_SETUP_NO_MMAP, Linux
 * 6.5), as liburing sets up from 2.5 on.
 *
 * A mapping of the kernel's queues holds the ring, and through it /dev/fuse, for as long as any thread
 * of the process lives. One that waits in the kernel for its own server would never get its end: the
 * process could not be killed.
 */
#ifndef FB_TRANSPORT_URING_QUEUES_H
#define FB_TRANSPORT_URING_QUEUES_H

#include <liburing.h>

/*
 * Set up a ring for entries commands; its queues have to fit into a page each. Returns 0 or -errno. End
 * it with fb_uring_queues_fini(), not with io_uring_queue_exit().
 */
int fb_uring_queues_init(unsigned entries, struct io_uring_params *params,
			 struct io_uring *ret_ring);
void fb_uring_queues_fini(struct io_uring *ring);

#endif
