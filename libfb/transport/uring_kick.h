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

/*
 * The numbers from here on are those of NOTIFY_REPLYs to kicks: none that a driver's retrieval has (core/notify.c). Each
 * kick has its own, as several may be under way in a queue, and the kernel finds answers by them.
 */
#define FB_URING_KICKS_FROM (UINT64_C(3) << 61)

/* Have a request come to this queue. Where this process may not run on its processor none does. */
void fb_uring_kick(struct fb_dev_fuse *fuse, uint16_t qid);

#endif
