/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a request costs in user space. Usage: request_cost [-s] [ROUNDS [NODES...]]
 *
 * Serves a driver in memory with NODES files (1000, 100000 and 10000000) without a kernel, ROUNDS times
 * (15) a batch of each kind of request. Prints a table for each number of nodes, nanoseconds for one
 * request, medians with quartiles:
 *
 *   driver    the operation alone, called by its pointer (GETATTR's)
 *   core      the loop of a worker over a transport that only hands out what lies in memory
 *   loopback  fb_loopback_send(), in the same rounds by turns with the others
 *
 * Each batch asks for other nodes, so with many of them each request waits for the machine's memory
 * as well; -s asks for the same ones again and again. Then what there is of memory: the driver's and
 * all else, for each node.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libfb/io.h>
#include <libfb/log.h>
#include <libfb/loopback.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "array_driver.h"
#include "core/stats.h"
#include "direct_transport.h"
#include "protocol/wire.h"

enum {
	BATCH = 1000,
	MESSAGE_BYTES = 4096 + 128, /* a WRITE */
	ANSWER_BYTES = 4096 + 512,
	ROUNDS_MAX = 1000,
	NODES_MIN = BATCH,
	NODES_MAX = 100000000,
};

struct bench {
	struct array array;
	uint32_t node_count;
	bool same_nodes;
	uint32_t number[BATCH]; /* of the files that this round is about */
	struct direct_message messages[BATCH];
	struct direct_transport *direct;
	struct fb_loopback *loop;
	struct fb_session *sessions[2];
};

/* ---- the requests ------------------------------------------------------------------------------ */

struct row {
	const char *name;
	uint32_t opcode;
	int error; /* what it is answered with */
	void (*fill)(const struct bench *b, unsigned i, struct fb_wire_in_header *message);
	int (*call)(struct bench *b, unsigned i); /* the operation alone, or NULL */
};

static void append(struct fb_wire_in_header *message, const void *bytes, size_t size)
{
	if (size)
		memcpy((uint8_t *)message + message->len, bytes, size);
	message->len += (uint32_t)size;
}

#define APPEND(message, name, ...)                                                                 \
	append(message, &(struct fb_wire_##name){ __VA_ARGS__ }, sizeof(struct fb_wire_##name))

static void append_name(struct fb_wire_in_header *message, uint32_t number)
{
	char name[16];
	int length = snprintf(name, sizeof(name), "f%" PRIu32, number);

	append(message, name, (size_t)length + 1);
}

/* About one of the files, with nothing behind the header but what the others add. */
static void fill_node(const struct bench *b, unsigned i, struct fb_wire_in_header *message)
{
	message->nodeid = array_node_id(b->number[i]);
}

static void fill_lookup(const struct bench *b, unsigned i, struct fb_wire_in_header *message)
{
	append_name(message, b->number[i]);
}

static void fill_missing(const struct bench *b, unsigned i, struct fb_wire_in_header *message)
{
	append_name(message, b->node_count + i);
}

static void fill_getattr(const struct bench *b, unsigned i, struct fb_wire_in_header *message)
{
	fill_node(b, i, message);
	APPEND(message, getattr_in, .getattr_flags = 0);
}

static void fill_setattr(const struct bench *b, unsigned i, struct fb_wire_in_header *message)
{
	fill_node(b, i, message);
	APPEND(message, setattr_in, .valid = FB_SETATTR_MODE | FB_SETATTR_MTIME, .mode = 0600,
	       .mtime = i);
}

static void fill_open(const struct bench *b, unsigned i, struct fb_wire_in_header *message)
{
	fill_node(b, i, message);
	APPEND(message, open_in, .flags = O_RDWR);
}

static void fill_release(const struct bench *b, unsigned i, struct fb_wire_in_header *message)
{
	fill_node(b, i, message);
	APPEND(message, release_in, .fh = message->nodeid, .flags = O_RDWR);
}

static void fill_read(const struct bench *b, unsigned i, struct fb_wire_in_header *message)
{
	fill_node(b, i, message);
	APPEND(message, read_in, .fh = message->nodeid, .size = ARRAY_FILE_SIZE);
}

static void fill_write(const struct bench *b, unsigned i, struct fb_wire_in_header *message)
{
	static const uint8_t data[ARRAY_FILE_SIZE];

	fill_node(b, i, message);
	APPEND(message, write_in, .fh = message->nodeid, .size = sizeof(data));
	append(message, data, sizeof(data));
}

static void fill_readdir(const struct bench *b, unsigned i, struct fb_wire_in_header *message)
{
	APPEND(message, read_in, .offset = b->number[i] - b->number[i] % 256, .size = 4096);
}

static void fill_getxattr(const struct bench *b, unsigned i, struct fb_wire_in_header *message)
{
	fill_node(b, i, message);
	APPEND(message, getxattr_in, .size = 100);
	append(message, "security.capability", sizeof("security.capability"));
}

static void fill_create(const struct bench *b, unsigned i, struct fb_wire_in_header *message)
{
	APPEND(message, create_in, .flags = O_RDWR, .mode = 0644);
	append_name(message, b->node_count + i);
}

static void fill_rename(const struct bench *b, unsigned i, struct fb_wire_in_header *message)
{
	APPEND(message, rename_in, .newdir = FB_ROOT_NODE);
	append_name(message, b->node_count + i);
	append_name(message, b->node_count + BATCH + i);
}

static void fill_unlink(const struct bench *b, unsigned i, struct fb_wire_in_header *message)
{
	append_name(message, b->node_count + BATCH + i);
}

static void fill_forget(const struct bench *b, unsigned i, struct fb_wire_in_header *message)
{
	fill_node(b, i, message);
	APPEND(message, forget_in, .nlookup = 1);
}

static int call_getattr(struct bench *b, unsigned i)
{
	static struct fb_attr_reply reply = { .attr.nlink = 1 };

	/* What the last one found is always 1, but only it knows: requests do not overlap either. */
	return array_ops.getattr(&b->array, NULL,
				 array_node_id(b->number[i] + reply.attr.nlink - 1), NULL, &reply);
}

/* In this order: each finds what those before it have made. */
static const struct row rows[] = {
	{ "LOOKUP, there", FB_OP_LOOKUP, 0, fill_lookup, NULL },
	{ "LOOKUP, missing", FB_OP_LOOKUP, -ENOENT, fill_missing, NULL },
	{ "GETATTR", FB_OP_GETATTR, 0, fill_getattr, call_getattr },
	{ "SETATTR", FB_OP_SETATTR, 0, fill_setattr, NULL },
	{ "OPEN", FB_OP_OPEN, 0, fill_open, NULL },
	{ "READ 4 KiB", FB_OP_READ, 0, fill_read, NULL },
	{ "WRITE 4 KiB", FB_OP_WRITE, 0, fill_write, NULL },
	{ "RELEASE", FB_OP_RELEASE, 0, fill_release, NULL },
	{ "READDIR 4 KiB", FB_OP_READDIR, 0, fill_readdir, NULL },
	{ "READDIRPLUS 4 KiB", FB_OP_READDIRPLUS, 0, fill_readdir, NULL },
	{ "GETXATTR", FB_OP_GETXATTR, -ENODATA, fill_getxattr, NULL },
	{ "STATFS", FB_OP_STATFS, 0, fill_node, NULL },
	{ "CREATE", FB_OP_CREATE, 0, fill_create, NULL },
	{ "RENAME", FB_OP_RENAME, 0, fill_rename, NULL },
	{ "UNLINK", FB_OP_UNLINK, 0, fill_unlink, NULL },
	{ "FORGET", FB_OP_FORGET, 0, fill_forget, NULL },
};

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]), WAY_COUNT = 3 };

static void prepare(struct bench *b, const struct row *row)
{
	static _Alignas(8) uint8_t memory[BATCH][MESSAGE_BYTES];

	for (unsigned i = 0; i < BATCH; i++) {
		struct fb_wire_in_header *message = (void *)memory[i];

		*message = (struct fb_wire_in_header){ .len = sizeof(*message),
						       .opcode = row->opcode,
						       .unique = 4 + 2 * i,
						       .nodeid = FB_ROOT_NODE,
						       .pid = 1 };
		row->fill(b, i, message);
		b->messages[i] = (struct direct_message){ message, message->len };
	}
}

/* ---- the ways ---------------------------------------------------------------------------------- */

static void check(const struct row *row, uint64_t answers, uint64_t errors, int error)
{
	bool none = row->opcode == FB_OP_FORGET;

	if (answers != (none ? 0 : BATCH) || errors != (row->error ? BATCH : 0) ||
	    (!none && error != row->error))
		errx(1, "%s: %" PRIu64 " answers, %" PRIu64 " errors, the last with %d", row->name,
		     answers, errors, error);
}

static uint64_t through_driver(struct bench *b, const struct row *row)
{
	uint64_t begun = fb_now_ns();
	int errors = 0;

	for (unsigned i = 0; i < BATCH; i++)
		errors += row->call(b, i) < 0;
	begun = fb_now_ns() - begun;
	if (errors)
		errx(1, "%s: %d errors", row->name, errors);
	return begun;
}

static uint64_t through_core(struct bench *b, const struct row *row)
{
	uint64_t begun = fb_now_ns();

	direct_serve(b->direct, b->messages, BATCH);
	begun = fb_now_ns() - begun;
	check(row, b->direct->answers, b->direct->errors, b->direct->error);
	return begun;
}

static uint64_t through_loopback(struct bench *b, const struct row *row)
{
	static union {
		struct fb_wire_out_header header;
		uint8_t bytes[ANSWER_BYTES];
	} answer;
	uint64_t answers = 0, errors = 0, begun = fb_now_ns();

	for (unsigned i = 0; i < BATCH; i++) {
		ssize_t n = fb_loopback_send(b->loop, b->messages[i].bytes, b->messages[i].size,
					     &answer, sizeof(answer));

		if (n < 0)
			errx(1, "%s: %s", row->name, fb_last_error());
		answers += n > 0;
		errors += n > 0 && answer.header.error != 0;
	}
	begun = fb_now_ns() - begun;
	check(row, answers, errors, answer.header.error);
	return begun;
}

/* ---- rounds ------------------------------------------------------------------------------------ */

static double times[ROW_COUNT][WAY_COUNT][ROUNDS_MAX];

/* A number below limit, the same ones in each run. */
static uint32_t chance(uint32_t limit)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state % limit);
}

static void choose_nodes(struct bench *b)
{
	for (unsigned i = 0; i < BATCH; i++)
		b->number[i] = chance(b->node_count);
}

static void run_round(struct bench *b, unsigned round)
{
	static uint64_t (*const ways[WAY_COUNT])(struct bench *, const struct row *) = {
		through_driver, through_core, through_loopback
	};

	/* The driver's alone changes nothing; the others go from CREATE to UNLINK one by one. */
	for (unsigned way = 0; way < WAY_COUNT; way++)
		for (unsigned i = 0; i < ROW_COUNT; i++) {
			if (way == 0 && !rows[i].call)
				continue;
			if (!b->same_nodes)
				choose_nodes(b);
			prepare(b, &rows[i]);
			times[i][way][round] = (double)ways[way](b, &rows[i]) / BATCH;
		}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_times(unsigned rounds)
{
	printf("%-18s %18s %18s %18s\n", "ns a request", "driver", "core", "loopback");
	for (unsigned i = 0; i < ROW_COUNT; i++) {
		printf("%-18s", rows[i].name);
		for (unsigned way = 0; way < WAY_COUNT; way++) {
			double *t = times[i][way];

			qsort(t, rounds, sizeof(*t), by_value);
			if (way == 0 && !rows[i].call)
				printf(" %18s", "-");
			else
				printf(" %6.0f %4.0f..%-5.0f", t[rounds / 2], t[rounds / 4],
				       t[rounds * 3 / 4]);
		}
		printf("\n");
	}
}

static size_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	size_t pages = 0;

	if (!file || fscanf(file, "%*s %zu", &pages) != 1)
		errx(1, "/proc/self/statm can not be read");
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void print_memory(const struct bench *b, size_t bytes)
{
	size_t driver = b->array.place_count * (sizeof(struct array_node) + sizeof(uint32_t));

	printf("memory: %zu KiB, of them %zu the driver's; all else: %.2f bytes a node\n\n",
	       bytes >> 10, driver >> 10,
	       bytes > driver ? (double)(bytes - driver) / b->node_count : 0.0);
}

/* Look every node up through the core, as a client that then holds them all. */
static void look_all_up(struct bench *b)
{
	static const struct row row = { "LOOKUP", FB_OP_LOOKUP, 0, fill_lookup, NULL };

	for (uint32_t first = 0; first + BATCH <= b->node_count; first += BATCH) {
		for (unsigned i = 0; i < BATCH; i++)
			b->number[i] = first + i;
		prepare(b, &row);
		through_core(b, &row);
	}
}

static void run(uint32_t node_count, unsigned rounds, bool same_nodes)
{
	static struct bench b;
	size_t before = resident_bytes();

	b = (struct bench){ .node_count = node_count, .same_nodes = same_nodes };
	if (array_init(&b.array, node_count, 2 * BATCH) < 0 ||
	    fb_session_new(&array_ops, &b.array, NULL, &b.sessions[0]) < 0 ||
	    fb_session_new(&array_ops, &b.array, NULL, &b.sessions[1]) < 0 ||
	    fb_loopback_new(b.sessions[1], NULL, &b.loop) < 0)
		errx(1, "%s", fb_last_error());
	b.direct = direct_transport_attach(b.sessions[0]);
	direct_greet(b.direct);
	look_all_up(&b);
	printf("%" PRIu32 " nodes, %u rounds of %d requests, %s nodes each\n", node_count, rounds,
	       BATCH, same_nodes ? "the same" : "other");
	choose_nodes(&b);
	run_round(&b, 0); /* warm up */
	for (unsigned round = 0; round < rounds; round++)
		run_round(&b, round);
	print_times(rounds);
	print_memory(&b, resident_bytes() - before);
	fb_loopback_free(b.loop);
	fb_session_unref(b.sessions[1]);
	fb_session_unref(b.sessions[0]);
	array_fini(&b.array);
}

static uint32_t number_of(const char *word, uint32_t least, uint32_t most)
{
	char *end;
	unsigned long number = strtoul(word, &end, 10);

	if (*end || number < least || number > most)
		errx(2, "%s: a number from %" PRIu32 " to %" PRIu32 " is needed", word, least,
		     most);
	return (uint32_t)number;
}

int main(int argc, char **argv)
{
	static const uint32_t usual[] = { 1000, 100000, 10000000 };
	bool same_nodes = argc > 1 && strcmp(argv[1], "-s") == 0;
	int at = same_nodes ? 2 : 1;
	unsigned rounds = at < argc ? number_of(argv[at++], 1, ROUNDS_MAX) : 15;

	for (unsigned i = 0; at == argc && i < sizeof(usual) / sizeof(usual[0]); i++)
		run(usual[i], rounds, same_nodes);
	for (; at < argc; at++)
		run(number_of(argv[at], NODES_MIN, NODES_MAX), rounds, same_nodes);
	return 0;
}
