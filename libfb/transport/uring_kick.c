/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/uring_kick.h"

#include <errno.h>
#include <libfb/log.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>

#include "core/scope.h"
#include "protocol/wire.h"
#include "transport/dev_fuse.h"
#include "transport/fuse_channel.h"
#include "transport/unmount.h"
#include "transport/uring_ring.h"

/*
 * Ask for no byte of a file: it is answered with a NOTIFY_REPLY. Returns whether there is such a regular
 * file (only those are possible from 7.1 on).
 */
static bool retrieve_nothing(struct fb_dev_fuse *fuse, uint64_t node)
{
	/* Even numbers, as all that are not of an INTERRUPT. */
	struct fb_wire_notify_retrieve_out out = {
		.notify_unique = FB_URING_KICKS_FROM + 2 * fuse->kicks++,
		.nodeid = node,
	};
	struct fb_wire_out_header header = { .len = sizeof(header) + sizeof(out),
					     .error = FB_NOTIFY_RETRIEVE };
	const struct iovec iov[] = { { &header, sizeof(header) }, { &out, sizeof(out) } };

	return writev(fuse->mount.fd, iov, 2) >= 0;
}

/* By a file that was read or written lately, often by a request that does not end just now. */
static bool retrieve(struct fb_dev_fuse *fuse)
{
	FB_SCOPED_LOCK(&fuse->lock);
	for (struct fb_fuse_channel *c = fuse->channels; c; c = c->next) {
		uint64_t node = c->ring ? atomic_load(&c->ring->file) : 0;

		if (node && retrieve_nothing(fuse, node))
			return true;
	}
	return false;
}

void fb_uring_kick(struct fb_dev_fuse *fuse, uint16_t qid)
{
	cpu_set_t before, there;
	bool done;

	CPU_ZERO(&there);
	CPU_SET(qid, &there);
	if (pthread_getaffinity_np(pthread_self(), sizeof(before), &before) != 0)
		return;
	if (!CPU_EQUAL(&before, &there) &&
	    pthread_setaffinity_np(pthread_self(), sizeof(there), &there) != 0)
		return;
	done = retrieve(fuse);
	if (!CPU_EQUAL(&before, &there))
		pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
	if (!done)
		fb_mount_touch(&fuse->mount, qid);
}
