/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A new slot takes the next request that comes to its queue, but none that waits there already: Linux
 * looks at those only when a request of the queue is answered (fs/fuse/dev_uring.c,
 * fuse_uring_do_register() and fuse_uring_next_fuse_req()). So where all slots of a queue are with
 * requests that do not end, one more helps only if a request is made up.
 */
#ifndef FB_TRANSPORT_URING_KICK_H
#define FB_TRANSPORT_URING_KICK_H

#include <stdint.h>

struct fb_dev_fuse;

/* The number by which its NOTIFY_REPLY is known: none that a driver's retrieval has (core/notify.c). */
#define FB_URING_KICK_UNIQUE (UINT64_C(3) << 61)

/* Have a request come to this queue. Where this process may not run on its processor none does. */
void fb_uring_kick(struct fb_dev_fuse *fuse, uint16_t qid);

#endif
