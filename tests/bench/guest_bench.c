/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How fast a virtio-fs daemon answers a guest: usage: guest_bench SOCKET SECONDS [QUEUES]
 *
 * A guest and its monitor in this process connect to any daemon's socket and do one kind of request
 * for SECONDS each, on each of QUEUES queues. A line each: name, requests a second, and for data
 * MiB a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <libfb/types.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "guest_fuse.h"

#define FLAGS                                                                                      \
	(FB_INIT_BIG_WRITES | FB_INIT_MAX_PAGES | FB_INIT_ASYNC_READ | FB_INIT_PARALLEL_DIROPS)
#define MINOR 31
#define QUEUES_MAX 16
#define DEPTH 16
#define FILE_SIZE (64u << 20)

struct client {
	struct guest_caller caller;
	uint64_t node, fh;
	uint64_t done;
	double seconds;
	int (*one)(struct client *client);
	char *data;
	pthread_t thread;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, int r)
{
	fprintf(stderr, "guest_bench: %s: %s\n", what, strerror(-r));
	exit(1);
}

/* ---- one request each ------------------------------------------------------------------------- */

static int getattr(struct client *c)
{
	struct fb_wire_attr attr;

	return guest_getattr(&c->caller, c->node, &attr);
}

static int lookup(struct client *c)
{
	struct fb_wire_entry_out entry;

	return guest_lookup(&c->caller, GUEST_ROOT, "bench0", &entry);
}

static int transfer(struct client *c, bool out, uint32_t size)
{
	uint64_t at = c->done * size % FILE_SIZE;
	size_t moved;

	return out ? guest_write(&c->caller, c->node, c->fh, at, c->data, size, &moved) :
		     guest_read(&c->caller, c->node, c->fh, at, c->data, size, &moved);
}

static int read_4k(struct client *c)
{
	return transfer(c, false, 4096);
}

static int write_4k(struct client *c)
{
	return transfer(c, true, 4096);
}

static int read_1m(struct client *c)
{
	return transfer(c, false, 1 << 20);
}

static int write_1m(struct client *c)
{
	return transfer(c, true, 1 << 20);
}

/* Many at once: the driver of a guest with as many programs. Counts DEPTH requests. */
static int getattr_deep(struct client *c)
{
	struct {
		struct fb_wire_in_header header;
		struct fb_wire_getattr_in in;
	} message = {
		.header = { .len = sizeof(message), .opcode = FB_OP_GETATTR, .nodeid = c->node }
	};
	struct guest_request *requests[DEPTH];
	const struct iovec part = { &message, sizeof(message) };
	int r = 0;

	for (unsigned i = 0; i < DEPTH && r == 0; i++) {
		message.header.unique = guest_unique(c->caller.guest);
		r = guest_add_parts(c->caller.guest, c->caller.queue, &part, 1, 120, &requests[i]);
	}
	if (r < 0)
		return r;
	guest_kick(c->caller.guest, c->caller.queue);
	for (unsigned i = 0; i < DEPTH && r == 0; i++) {
		uint8_t answer[120];
		size_t len;

		r = guest_wait(c->caller.guest, requests[i], answer, sizeof(answer), &len);
	}
	c->done += DEPTH - 1;
	return r;
}

/* ---- measuring ---------------------------------------------------------------------------------- */

static void *run(void *arg)
{
	struct client *c = arg;
	double end = now() + c->seconds;

	c->done = 0;
	while (now() < end) {
		int r = c->one(c);

		if (r < 0)
			die("a request", r);
		c->done++;
	}
	return NULL;
}

static void measure(struct client *clients, unsigned count, const char *name,
		    int (*one)(struct client *), double mib)
{
	uint64_t done = 0;
	double start = now(), rate;

	for (unsigned i = 0; i < count; i++) {
		clients[i].one = one;
		if (pthread_create(&clients[i].thread, NULL, run, &clients[i]))
			die("a thread", -EAGAIN);
	}
	for (unsigned i = 0; i < count; i++) {
		pthread_join(clients[i].thread, NULL);
		done += clients[i].done;
	}
	rate = (double)done / (now() - start);
	if (mib > 0)
		printf("%s %.0f %.0f\n", name, rate, rate * mib);
	else
		printf("%s %.0f\n", name, rate);
	fflush(stdout);
}

/* A file of its own for each client, filled. */
static void prepare(struct client *c, struct guest *guest, unsigned index)
{
	struct fb_wire_create_out made;
	char name[16];
	int r;

	c->caller = (struct guest_caller){ .guest = guest, .queue = GUEST_REQUESTS + index };
	c->data = aligned_alloc(4096, 1 << 20);
	if (!c->data)
		die("memory", -ENOMEM);
	memset(c->data, 'b', 1 << 20);
	snprintf(name, sizeof(name), "bench%u", index);
	r = guest_create(&c->caller, GUEST_ROOT, name, O_RDWR, 0600, &made);
	if (r < 0)
		die(name, r);
	c->node = made.entry.nodeid;
	c->fh = made.open.fh;
	for (c->done = 0; c->done < FILE_SIZE >> 20; c->done++) {
		r = write_1m(c);
		if (r < 0)
			die("filling a file", r);
	}
}

static void remove_files(struct client *clients, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof(name), "bench%u", i);
		guest_release(&clients[i].caller, clients[i].node, clients[i].fh);
		guest_unlink(&clients[i].caller, GUEST_ROOT, name);
		free(clients[i].data);
	}
}

int main(int argc, char **argv)
{
	static struct client clients[QUEUES_MAX];
	unsigned queues = argc > 3 ? (unsigned)atoi(argv[3]) : 1;
	struct guest_options options = {
		.style = FRONT_END_QEMU7, .queues = queues, .ring_size = 1024, .ram_size = 512 << 20
	};
	struct guest *guest;
	int r;

	if (argc < 3 || queues < 1 || queues > QUEUES_MAX) {
		fprintf(stderr, "usage: guest_bench SOCKET SECONDS [QUEUES]\n");
		return 1;
	}
	options.path = argv[1];
	r = guest_new(&options, &guest);
	if (r < 0)
		die(argv[1], r);
	r = guest_init(guest, MINOR, FLAGS, NULL);
	if (r < 0)
		die("INIT", r);
	for (unsigned i = 0; i < queues; i++) {
		clients[i].seconds = atof(argv[2]);
		prepare(&clients[i], guest, i);
	}
	measure(clients, queues, "getattr", getattr, 0);
	measure(clients, queues, "getattr-16", getattr_deep, 0);
	measure(clients, queues, "lookup", lookup, 0);
	measure(clients, queues, "read-4k", read_4k, 0);
	measure(clients, queues, "write-4k", write_4k, 0);
	measure(clients, queues, "read-1m", read_1m, 1);
	measure(clients, queues, "write-1m", write_1m, 1);
	remove_files(clients, queues);
	guest_stop(guest);
	guest_free(guest);
	return 0;
}
