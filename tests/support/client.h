/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client for tests, in place of a kernel: builds requests, sends them over a loopback, checks
 * the header of each answer, and keeps account of what it was given, so that it can give it back.
 */
#ifndef TESTS_CLIENT_H
#define TESTS_CLIENT_H

#include <libfb/loopback.h>
#include <string.h>

#include "protocol/dirent.h"
#include "protocol/op_row.h"
#include "protocol/wire.h"

#define CLIENT_MESSAGE_MAX (1u << 20)
#define CLIENT_ANSWER_MAX (1u << 20)
#define CLIENT_GIVEN_MAX 1024
#define CLIENT_SENT_MAX 8192

struct client_given {
	uint64_t node, fh, count;
	bool file, dir; /* neither: lookups of node */
};

/* A request sent without waiting. */
struct client_sent {
	uint64_t ticket, unique, node;
	uint32_t opcode;
};

struct client {
	struct fb_loopback *loop;
	uint64_t unique; /* of the next request */
	uint32_t uid, gid, pid;
	uint16_t extlen; /* of the next request: bytes of rest that are extensions, by 8 */
	size_t message_size;
	ssize_t length; /* of the last answer, or -errno */
	_Alignas(8) uint8_t message[CLIENT_MESSAGE_MAX];
	_Alignas(8) uint8_t answer[CLIENT_ANSWER_MAX];
	struct client_given given[CLIENT_GIVEN_MAX];
	size_t given_count;
	struct client_sent sent[CLIENT_SENT_MAX]; /* by ticket */
};

void client_init(struct client *c, struct fb_loopback *loop);

/* Put a request of these parts into c->message. */
void client_build(struct client *c, uint32_t opcode, uint64_t node, const void *in, size_t in_size,
		  const void *rest, size_t rest_size);

/* Send what has been built; returns the error of the answer, 0, or that of the loopback. */
int client_send(struct client *c);

/* Both together. rest is what follows the fixed struct. */
int client_call(struct client *c, uint32_t opcode, uint64_t node, const void *in, size_t in_size,
		const void *rest, size_t rest_size);

#define CLIENT_CALL(c, opcode, node, in) client_call(c, opcode, node, &(in), sizeof(in), NULL, 0)
#define CLIENT_CALL_NAME(c, opcode, node, in, name)                                                \
	client_call(c, opcode, node, &(in), sizeof(in), name, strlen(name) + 1)

/* Send without waiting; then wait for at most 10 s and look at the answer as client_send() does. */
uint64_t client_submit(struct client *c);
int client_receive(struct client *c, uint64_t ticket);

/* Look at an answer that came on another way: c->answer, c->length. */
int client_examine(struct client *c, const struct fb_op_row *row, uint64_t node, uint64_t unique);

/* Body of the last answer. */
const void *client_body(const struct client *c);
size_t client_body_size(const struct client *c);

/* Common requests. */
int client_name(struct client *c, uint32_t opcode, uint64_t node, const char *name);
int client_getattr(struct client *c, uint64_t node);
int client_open(struct client *c, uint32_t opcode, uint64_t node, uint32_t flags);
int client_create(struct client *c, uint64_t node, const char *name, uint32_t flags);
int client_read(struct client *c, uint32_t opcode, uint64_t node, uint64_t fh, uint64_t off,
		uint32_t size);
int client_write(struct client *c, uint64_t node, uint64_t fh, uint64_t off, const void *data,
		 uint32_t size, uint32_t flags);
void client_forget(struct client *c, uint64_t node, uint64_t count);
void client_interrupt(struct client *c, uint64_t unique);

/* Give back all that is held: FORGET, RELEASE, RELEASEDIR. */
void client_let_go(struct client *c);
/* Forget what is held without a word, as a client that crashed. */
void client_lose(struct client *c);
/* Lookups and open files held. */
uint64_t client_nodes(const struct client *c);
uint64_t client_files(const struct client *c);

#endif
