/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: guest_bench [--paced] SOCKET SECONDS QUEUES DEPTH [NAME...]
 *
 * How fast a virtio-fs daemon answers a guest: a guest and its monitor in this process connect to any
 * daemon's socket and keep DEPTH requests of one kind under way on each of QUEUES queues, for SECONDS
 * each. NAMEs are the kinds (all). A queue has a thread and a file of its own. Output: see sample.h;
 * names have depth and queues behind them.
 */
#include <errno.h>
#include <fcntl.h>
#include <libfb/types.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "guest_fuse.h"
#include "sample.h"

#define FLAGS                                                                                      \
	(FB_INIT_BIG_WRITES | FB_INIT_MAX_PAGES | FB_INIT_ASYNC_READ | FB_INIT_PARALLEL_DIROPS)
#define MINOR 31
#define QUEUES_MAX 16u
#define DEPTH_MAX 64u
#define SMALL 4096u
#define BIG (1u << 20)
#define FILE_SIZE (64u << 20)

/* A request under way. */
struct flight {
	struct guest_request *request;
	uint64_t since_ns;
};

struct client {
	struct guest_caller caller;
	uint64_t node, fh;
	uint64_t sent; /* where the next piece of data lies */
	char name[16];
	char *data, *answer;
	struct flight flights[DEPTH_MAX];
	struct sample sample;
	pthread_t thread;
};

/* What a request carries behind its header, and room for the answer. */
struct message {
	struct fb_wire_in_header header;
	union {
		struct fb_wire_getattr_in getattr;
		struct fb_wire_read_in read;
		struct fb_wire_write_in write;
	} in;
	struct iovec parts[3];
	unsigned count;
	size_t room;
};

struct kind {
	const char *name;
	void (*fill)(struct client *client, struct message *message, uint32_t size);
	uint32_t size;
};

static struct client clients[QUEUES_MAX];
static unsigned queues, depth;
static const struct kind *kind;
static uint64_t end_ns;

static void die(const char *what, int r)
{
	fprintf(stderr, "guest_bench: %s: %s\n", what, strerror(-r));
	exit(1);
}

/* ---- one request of each kind -------------------------------------------------------------- */

static void add(struct message *message, const void *part, size_t size)
{
	message->parts[message->count++] = (struct iovec){ (void *)part, size };
}

static void getattr(struct client *c, struct message *message, uint32_t size)
{
	(void)size;
	message->header.opcode = FB_OP_GETATTR;
	message->header.nodeid = c->node;
	add(message, &message->in.getattr, sizeof(message->in.getattr));
	message->room = sizeof(struct fb_wire_attr_out);
}

static void lookup(struct client *c, struct message *message, uint32_t size)
{
	(void)size;
	message->header.opcode = FB_OP_LOOKUP;
	message->header.nodeid = GUEST_ROOT;
	add(message, c->name, strlen(c->name) + 1);
	message->room = sizeof(struct fb_wire_entry_out);
}

static uint64_t next_offset(struct client *c, uint32_t size)
{
	return c->sent++ * size % FILE_SIZE;
}

static void read_data(struct client *c, struct message *message, uint32_t size)
{
	message->header.opcode = FB_OP_READ;
	message->header.nodeid = c->node;
	message->in.read = (struct fb_wire_read_in){ .fh = c->fh, .size = size };
	message->in.read.offset = next_offset(c, size);
	add(message, &message->in.read, sizeof(message->in.read));
	message->room = size;
}

static void write_data(struct client *c, struct message *message, uint32_t size)
{
	message->header.opcode = FB_OP_WRITE;
	message->header.nodeid = c->node;
	message->in.write = (struct fb_wire_write_in){ .fh = c->fh, .size = size };
	message->in.write.offset = next_offset(c, size);
	add(message, &message->in.write, sizeof(message->in.write));
	add(message, c->data, size);
	message->room = sizeof(struct fb_wire_write_out);
}

static const struct kind kinds[] = {
	{ "getattr", getattr, 0 },       { "lookup", lookup, 0 },
	{ "read-4k", read_data, SMALL }, { "write-4k", write_data, SMALL },
	{ "read-1m", read_data, BIG },   { "write-1m", write_data, BIG },
};

/* ---- measuring ----------------------------------------------------------------------------- */

static void send_one(struct client *c, struct flight *flight)
{
	struct message message = { .count = 0 };
	struct guest *guest = c->caller.guest;
	int r;

	add(&message, &message.header, sizeof(message.header));
	kind->fill(c, &message, kind->size);
	for (unsigned i = 0; i < message.count; i++)
		message.header.len += (uint32_t)message.parts[i].iov_len;
	message.header.unique = guest_unique(guest);
	flight->since_ns = sample_now_ns();
	r = guest_submit_parts(guest, c->caller.queue, message.parts, message.count,
			       sizeof(struct fb_wire_out_header) + message.room, &flight->request);
	if (r < 0)
		die(kind->name, r);
}

/* Take an answer to any of the requests, which must be a success. */
static struct flight *receive_one(struct client *c)
{
	struct guest *guest = c->caller.guest;
	struct fb_wire_out_header *header = (void *)c->answer;
	struct guest_request *request;
	struct flight *flight = c->flights;
	size_t len;
	int r = guest_wait_any(guest, c->caller.queue, guest->options.timeout_ms, &request);

	if (r < 0)
		die(kind->name, r);
	while (flight->request != request)
		flight++;
	r = guest_wait(guest, request, c->answer, BIG + SMALL, &len);
	if (r == 0 && header->error < 0)
		r = header->error;
	if (r < 0)
		die(kind->name, r);
	flight->request = NULL;
	sample_add(&c->sample, sample_now_ns() - flight->since_ns);
	return flight;
}

static void *run(void *arg)
{
	struct client *c = arg;

	memset(&c->sample, 0, sizeof(c->sample));
	for (unsigned i = 0; i < depth; i++)
		send_one(c, &c->flights[i]);
	while (sample_now_ns() < end_ns)
		send_one(c, receive_one(c));
	for (unsigned i = 0; i < depth; i++)
		receive_one(c);
	return NULL;
}

static void measure(const struct kind *next, double seconds)
{
	static struct sample all;
	char name[64];
	uint64_t start;

	snprintf(name, sizeof(name), "%s/depth-%u/queues-%u", next->name, depth, queues);
	sample_begin(name);
	kind = next;
	start = sample_now_ns();
	end_ns = start + (uint64_t)(seconds * 1e9);
	for (unsigned i = 0; i < queues; i++) {
		if (pthread_create(&clients[i].thread, NULL, run, &clients[i]))
			die("a thread", -EAGAIN);
	}
	memset(&all, 0, sizeof(all));
	for (unsigned i = 0; i < queues; i++) {
		pthread_join(clients[i].thread, NULL);
		sample_merge(&all, &clients[i].sample);
	}
	sample_done(name, &all, (double)(sample_now_ns() - start) / 1e9);
}

static bool is_wanted(const char *name, char **names)
{
	bool none = !*names;

	for (; *names; names++) {
		if (strcmp(*names, name) == 0)
			return true;
	}
	return none;
}

/* ---- files --------------------------------------------------------------------------------- */

static char *buffer(size_t size)
{
	char *data = aligned_alloc(SMALL, size);

	if (!data)
		die("memory", -ENOMEM);
	memset(data, 'b', size);
	return data;
}

/* A file of its own for each client, filled. */
static void prepare(struct client *c, struct guest *guest, unsigned index)
{
	struct fb_wire_create_out made;
	size_t moved;
	int r;

	c->caller = (struct guest_caller){ .guest = guest, .queue = GUEST_REQUESTS + index };
	c->data = buffer(BIG);
	c->answer = buffer(BIG + SMALL);
	snprintf(c->name, sizeof(c->name), "bench%u", index);
	r = guest_create(&c->caller, GUEST_ROOT, c->name, O_RDWR, 0600, &made);
	if (r < 0)
		die(c->name, r);
	c->node = made.entry.nodeid;
	c->fh = made.open.fh;
	for (uint64_t at = 0; at < FILE_SIZE; at += BIG) {
		r = guest_write(&c->caller, c->node, c->fh, at, c->data, BIG, &moved);
		if (r < 0)
			die("filling a file", r);
	}
}

static void remove_file(struct client *c)
{
	guest_release(&c->caller, c->node, c->fh);
	guest_unlink(&c->caller, GUEST_ROOT, c->name);
	free(c->data);
	free(c->answer);
}

static struct guest *connect_guest(const char *path)
{
	struct guest_options options = { .path = path,
					 .style = FRONT_END_QEMU7,
					 .queues = queues,
					 .ring_size = 1024,
					 .ram_size = 1024u << 20 };
	struct guest *guest;
	int r = guest_new(&options, &guest);

	if (r < 0)
		die(path, r);
	r = guest_init(guest, MINOR, FLAGS, NULL);
	if (r < 0)
		die("INIT", r);
	return guest;
}

static unsigned number(const char *text, unsigned most)
{
	unsigned long value = strtoul(text, NULL, 10);

	if (value < 1 || value > most) {
		fprintf(stderr, "guest_bench: %s: a number from 1 to %u is wanted\n", text, most);
		exit(2);
	}
	return (unsigned)value;
}

int main(int argc, char **argv)
{
	struct guest *guest;
	double seconds;

	if (argc > 1 && strcmp(argv[1], "--paced") == 0) {
		sample_paced();
		argv++;
		argc--;
	}
	if (argc < 5) {
		fprintf(stderr, "usage: guest_bench [--paced] SOCKET SECONDS QUEUES DEPTH "
				"[NAME...]\n");
		return 2;
	}
	seconds = atof(argv[2]);
	queues = number(argv[3], QUEUES_MAX);
	depth = number(argv[4], DEPTH_MAX);
	guest = connect_guest(argv[1]);
	for (unsigned i = 0; i < queues; i++)
		prepare(&clients[i], guest, i);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (is_wanted(kinds[i].name, argv + 5))
			measure(&kinds[i], seconds);
	}
	for (unsigned i = 0; i < queues; i++)
		remove_file(&clients[i]);
	guest_stop(guest);
	guest_free(guest);
	return 0;
}
