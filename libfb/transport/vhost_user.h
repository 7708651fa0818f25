/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vhost-user device, as its front end sees it: features, memory, rings and the messages that
 * change them.
 *
 * One thread serves the messages; workers use the rings meanwhile. Security model: the front end is
 * trusted with the guest's memory and may end the device, but whatever it sends is checked, so that
 * its mistakes get an answer. The guest is behind it, and can reach rings and memory only.
 */
#ifndef FB_TRANSPORT_VHOST_USER_H
#define FB_TRANSPORT_VHOST_USER_H

#include <libfb/types.h>
#include <stdint.h>

#include "transport/dirty_log.h"
#include "transport/vhost_transfer.h"
#include "transport/vhost_wire.h"
#include "transport/virtio_ready.h"
#include "transport/virtio_ring.h"

struct fb_guest_memory;

/* Rings that the protocol can name. */
#define FB_VHOST_RINGS_MAX 256u
/* Ring 0 is the one for requests that must not wait. */
#define FB_VHOST_HIPRIO 0u

struct fb_vhost_device {
	/* Set once. */
	int socket;
	unsigned ring_count;
	struct fb_wire_virtio_fs_config config;
	bool has_tag;             /* config is worth asking for */
	bool one_crew;            /* who serves requests serves ring 0 too */
	struct fb_session *state; /* whose state can be handed over; NULL: it can not */
	/* Told while no ring takes chains: the client is gone, what it knew is to be dropped. */
	void (*reset)(void *arg);
	/* Told again and again while something that is under way is waited for. */
	void (*hurry)(void *arg);
	void *arg;

	struct fb_ready requests, hiprio;
	struct fb_virtio_ring *rings;
	struct fb_dirty_log log;

	/* Of the thread that serves the messages. */
	struct fb_guest_memory *memory; /* referenced */
	uint64_t protocol_features;
	int backend_fd;
	struct fb_vhost_transfer transfer;
};

/* Set up; what is "set once" is set. Returns 0 or -errno. */
int fb_vhost_init(struct fb_vhost_device *device) FB_MUST_CHECK;

/* Nothing is under way any more. The socket is closed too. */
void fb_vhost_fini(struct fb_vhost_device *device);

/* In a forked child: close the connections to the front end. */
void fb_vhost_after_fork(struct fb_vhost_device *device);

/* Serve messages until the connection ends. Returns 0, or -errno when it is broken. */
int fb_vhost_serve(struct fb_vhost_device *device) FB_MUST_CHECK;

#endif
