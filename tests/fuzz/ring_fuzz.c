/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes in a guest's rings, descriptors and requests: the ring goes on, refuses or breaks; it can
 * always be stopped.
 *
 * Input: a setup byte, then steps: what to write where, then its bytes. Before, the first
 * descriptors form a chain of one request and one room, so that small changes stay interesting.
 */
#include <libfb/fb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "check.h"
#include "guest.h"
#include "guest_fuse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OTHER (GUEST_REQUESTS + 1)
#define RING_SIZE 16
#define BUFFER 4096
#define STEPS_MAX 64

enum { SETUP_NO_EVENT = 1, SETUP_NO_INDIRECT = 2, SETUP_SPLIT = 4 };

enum { WRITE_DESC, WRITE_AVAIL, WRITE_REQUEST, WRITE_TABLE, OFFER, KICK, KINDS };

struct step {
	uint8_t kind;
	uint8_t at;   /* in units of 8 bytes; for OFFER the head */
	uint8_t size; /* bytes that follow */
};

/* ---- a driver ------------------------------------------------------------------------------------ */

static int any_lookup(void *self, struct fb_req *req, uint64_t parent, const char *name,
		      struct fb_entry *ret_entry)
{
	(void)self;
	(void)req;
	(void)parent;
	(void)name;
	*ret_entry = (struct fb_entry){ .node = 2, .attr = { .ino = 2, .mode = S_IFREG | 0644 } };
	return 0;
}

static int any_read(void *self, struct fb_req *req, uint64_t node, uint64_t fh, struct fb_sink *to,
		    size_t count, uint64_t off)
{
	static const char zeros[BUFFER];
	size_t size = count < sizeof(zeros) ? count : sizeof(zeros);

	(void)self;
	(void)req;
	(void)node;
	(void)fh;
	(void)off;
	return fb_sink_put(to, zeros, size) < 0 ? -EIO : (int)size;
}

static int any_write(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		     struct fb_source *from, size_t count, uint64_t off)
{
	(void)self;
	(void)req;
	(void)node;
	(void)fh;
	(void)off;
	return (int)fb_source_skip(from, count);
}

static const struct fb_driver_ops ops = {
	.size = sizeof(ops), .lookup = any_lookup, .read = any_read, .write = any_write
};

/* ---- a guest ------------------------------------------------------------------------------------- */

struct scene {
	struct guest *guest;
	struct guest_ring *ring;
	uint64_t request, table; /* guest addresses */
};

/* A GETATTR and room for its answer: descriptors 0 and 1, and the same in the table. */
static void furnish(struct scene *scene)
{
	struct {
		struct fb_wire_in_header header;
		struct fb_wire_getattr_in in;
	} message = { .header = { .len = sizeof(message),
				  .opcode = FB_OP_GETATTR,
				  .unique = 2,
				  .nodeid = 1 } };
	struct guest_ram *ram = &scene->guest->ram;
	uint64_t room = guest_ram_alloc(ram, BUFFER, 16);
	struct fb_wire_vring_desc *table;

	scene->request = guest_ram_alloc(ram, BUFFER, 16);
	scene->table = guest_ram_alloc(ram, BUFFER, 16);
	CHECK(guest_ram_write(ram, scene->request, &message, sizeof(message)) == 0);
	table = guest_ram_ptr(ram, scene->table, BUFFER);
	CHECK(table);
	for (unsigned i = 0; i < 2; i++) {
		struct fb_wire_vring_desc *at = i == 0 ? scene->ring->desc : table;

		guest_ring_write_desc(&at[0], scene->request, sizeof(message), FB_VRING_DESC_NEXT,
				      1);
		guest_ring_write_desc(&at[1], room, BUFFER, FB_VRING_DESC_WRITE, 0);
	}
	guest_ring_write_desc(&scene->ring->desc[2], scene->table, 32, FB_VRING_DESC_INDIRECT, 0);
}

/* Copy bytes into size bytes of guest memory at `to`, as far as they fit. */
static void poke(uint8_t *to, size_t room, const struct step *step, const uint8_t *bytes)
{
	size_t at = step->at * (size_t)8 % room;
	size_t size = step->size < room - at ? step->size : room - at;

	memcpy(to + at, bytes, size);
}

static void play_step(struct scene *scene, const struct step *step, const uint8_t *bytes)
{
	struct guest_ram *ram = &scene->guest->ram;
	struct guest_ring *ring = scene->ring;

	switch (step->kind % KINDS) {
	case WRITE_DESC:
		poke((uint8_t *)ring->desc, FB_VRING_DESC_SIZE(RING_SIZE), step, bytes);
		break;
	case WRITE_AVAIL:
		poke(ring->avail, FB_VRING_AVAIL_SIZE(RING_SIZE), step, bytes);
		break;
	case WRITE_REQUEST:
		poke(guest_ram_ptr(ram, scene->request, BUFFER), BUFFER, step, bytes);
		break;
	case WRITE_TABLE:
		poke(guest_ram_ptr(ram, scene->table, BUFFER), BUFFER, step, bytes);
		break;
	case OFFER:
		guest_ring_offer(ring, step->at % (RING_SIZE + 2));
		break;
	default:
		guest_ring_kick_now(ring);
		break;
	}
}

static void play(struct scene *scene, const uint8_t *data, size_t size)
{
	for (unsigned i = 0; i < STEPS_MAX && size >= sizeof(struct step); i++) {
		struct step step;

		memcpy(&step, data, sizeof(step));
		data += sizeof(step);
		size -= sizeof(step);
		if (step.size > size)
			step.size = (uint8_t)size;
		play_step(scene, &step, data);
		data += step.size;
		size -= step.size;
	}
	guest_ring_kick_now(scene->ring);
}

/*
 * The other ring is asked, too. It may have been overwritten: a guest's room for an answer may be
 * any of its memory. But everything stops when it is told to.
 */
static void settle(struct scene *scene)
{
	struct guest_caller other = { .guest = scene->guest, .queue = OTHER };
	struct fb_wire_attr attr;

	scene->guest->options.timeout_ms = 100;
	(void)guest_getattr(&other, GUEST_ROOT, &attr);
	CHECK(guest_stop(scene->guest) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fb_session_options few = { .size = sizeof(few), .workers = 1 };
	static const struct fb_virtio_fs_options device = { .size = sizeof(device),
							    .request_queues = 2 };
	struct guest_options options = { .queues = 2, .ring_size = RING_SIZE, .ram_size = 8 << 20 };
	struct fb_session *session;
	struct scene scene;
	uint8_t setup;
	int ends[2];

	if (size < 1)
		return 0;
	setup = data[0];
	options.no_event_idx = setup & SETUP_NO_EVENT;
	options.no_indirect = setup & SETUP_NO_INDIRECT;
	options.split = setup & SETUP_SPLIT ? GUEST_SPLIT_SINGLE : GUEST_SPLIT_LINUX;
	CHECK(fb_session_new(&ops, NULL, &few, &session) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	CHECK(fb_virtio_fs_attach(session, ends[0], &device) == 0);
	CHECK(fb_session_start(session) == 0);
	options.fd = ends[1];
	CHECK(guest_new(&options, &scene.guest) == 0);
	CHECK(guest_init(scene.guest, 38, FB_INIT_BIG_WRITES, NULL) == 0);
	scene.ring = &scene.guest->queues[GUEST_REQUESTS].ring;
	furnish(&scene);
	play(&scene, data + 1, size - 1);
	settle(&scene);
	guest_free(scene.guest);
	CHECK(fb_session_wait(session) == 0);
	fb_session_unref(session);
	return 0;
}
