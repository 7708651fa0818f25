/* SPDX-License-Identifier: BSD-3-Clause */
#include "client.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define RECEIVE_MS 10000

void client_init(struct client *c, struct fb_loopback *loop)
{
	c->loop = loop;
	c->unique = 1000;
	c->uid = 1000;
	c->gid = 1001;
	c->pid = 4711;
	c->extlen = 0;
	c->given_count = 0;
}

/* ---- account ----------------------------------------------------------------------------------- */

static void take(struct client *c, struct client_given what)
{
	size_t i = 0;

	while (i < c->given_count && (c->given[i].node != what.node || c->given[i].fh != what.fh ||
				      c->given[i].file != what.file || c->given[i].dir != what.dir))
		i++;
	assert(i < CLIENT_GIVEN_MAX);
	if (i == c->given_count)
		c->given[c->given_count++] = what;
	else
		c->given[i].count++;
}

static void take_node(struct client *c, uint64_t node)
{
	if (node > FB_ROOT_NODE)
		take(c, (struct client_given){ .node = node, .count = 1 });
}

static void take_listing(struct client *c)
{
	struct fb_dirent_view view;
	size_t at = 0;
	int r;

	while ((r = fb_dirent_next(client_body(c), client_body_size(c), true, &at, &view)) > 0)
		take_node(c, view.node);
	assert(r == 0);
}

static void take_gifts(struct client *c, const struct fb_op_row *row, uint64_t node)
{
	const struct fb_wire_create_out *created = client_body(c);
	const struct fb_wire_open_out *opened = client_body(c);
	struct client_given file = { .count = 1, .node = node };

	if (row->flags & FB_ROW_GIVES_NODE) {
		file.node = created->entry.nodeid;
		opened = &created->open;
		take_node(c, created->entry.nodeid);
	}
	if (row->opcode == FB_OP_READDIRPLUS)
		take_listing(c);
	file.file = row->flags & FB_ROW_GIVES_FILE;
	file.dir = row->flags & FB_ROW_GIVES_DIR;
	if (!file.file && !file.dir)
		return;
	file.fh = opened->fh;
	take(c, file);
}

static uint64_t held(const struct client *c, bool open)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < c->given_count; i++)
		if ((c->given[i].file || c->given[i].dir) == open)
			sum += c->given[i].count;
	return sum;
}

uint64_t client_nodes(const struct client *c)
{
	return held(c, false);
}

uint64_t client_files(const struct client *c)
{
	return held(c, true);
}

void client_lose(struct client *c)
{
	c->given_count = 0;
}

void client_let_go(struct client *c)
{
	while (c->given_count > 0) {
		struct client_given given = c->given[--c->given_count];
		struct fb_wire_release_in in = { .fh = given.fh };
		uint32_t opcode = given.dir ? FB_OP_RELEASEDIR : FB_OP_RELEASE;

		if (!given.file && !given.dir)
			client_forget(c, given.node, given.count);
		else
			for (uint64_t i = 0; i < given.count; i++)
				CLIENT_CALL(c, opcode, given.node, in);
	}
}

/* ---- sending and receiving --------------------------------------------------------------------- */

const void *client_body(const struct client *c)
{
	return c->answer + sizeof(struct fb_wire_out_header);
}

size_t client_body_size(const struct client *c)
{
	return (size_t)c->length - sizeof(struct fb_wire_out_header);
}

void client_build(struct client *c, uint32_t opcode, uint64_t node, const void *in, size_t in_size,
		  const void *rest, size_t rest_size)
{
	struct fb_wire_in_header header = {
		.len = (uint32_t)(sizeof(header) + in_size + rest_size),
		.opcode = opcode,
		.unique = c->unique,
		.nodeid = node,
		.uid = c->uid,
		.gid = c->gid,
		.pid = c->pid,
		.total_extlen = c->extlen,
	};

	assert(header.len <= sizeof(c->message));
	memcpy(c->message, &header, sizeof(header));
	if (in_size > 0)
		memcpy(c->message + sizeof(header), in, in_size);
	if (rest_size > 0)
		memcpy(c->message + sizeof(header) + in_size, rest, rest_size);
	c->message_size = header.len;
	c->extlen = 0;
	c->unique += 2;
}

int client_examine(struct client *c, const struct fb_op_row *row, uint64_t node, uint64_t unique)
{
	struct fb_wire_out_header header;

	if (row && (row->flags & FB_ROW_NO_REPLY)) {
		assert(c->length == 0);
		return 0;
	}
	assert(c->length >= (ssize_t)sizeof(header));
	memcpy(&header, c->answer, sizeof(header));
	assert(header.len == (size_t)c->length);
	assert(header.unique == unique);
	assert(header.error <= 0 && header.error >= -FB_WIRE_ERRNO_MAX);
	assert(header.error == 0 || header.len == sizeof(header));
	if (header.error == 0 && row)
		take_gifts(c, row, node);
	return header.error;
}

static int examine(struct client *c)
{
	const struct fb_wire_in_header *header = (const void *)c->message;

	if (c->length < 0)
		return (int)c->length;
	return client_examine(c, fb_op_row_find(header->opcode), header->nodeid, header->unique);
}

int client_send(struct client *c)
{
	c->length = fb_loopback_send(c->loop, c->message, c->message_size, c->answer,
				     sizeof(c->answer));
	return examine(c);
}

int client_call(struct client *c, uint32_t opcode, uint64_t node, const void *in, size_t in_size,
		const void *rest, size_t rest_size)
{
	client_build(c, opcode, node, in, in_size, rest, rest_size);
	return client_send(c);
}

uint64_t client_submit(struct client *c)
{
	uint64_t ticket = 0;
	const struct fb_wire_in_header *header = (const void *)c->message;
	struct client_sent sent = { 0, header->unique, header->nodeid, header->opcode };
	int r = fb_loopback_submit(c->loop, c->message, c->message_size, &ticket);

	assert(r == 0);
	sent.ticket = ticket;
	c->sent[ticket % CLIENT_SENT_MAX] = sent;
	return ticket;
}

int client_receive(struct client *c, uint64_t ticket)
{
	const struct client_sent *sent = &c->sent[ticket % CLIENT_SENT_MAX];

	assert(sent->ticket == ticket);
	c->length = fb_loopback_receive(c->loop, ticket, c->answer, sizeof(c->answer), RECEIVE_MS);
	if (c->length < 0)
		return (int)c->length;
	return client_examine(c, fb_op_row_find(sent->opcode), sent->node, sent->unique);
}

/* ---- common requests --------------------------------------------------------------------------- */

int client_name(struct client *c, uint32_t opcode, uint64_t node, const char *name)
{
	return client_call(c, opcode, node, NULL, 0, name, strlen(name) + 1);
}

int client_getattr(struct client *c, uint64_t node)
{
	struct fb_wire_getattr_in in = { 0 };

	return CLIENT_CALL(c, FB_OP_GETATTR, node, in);
}

int client_open(struct client *c, uint32_t opcode, uint64_t node, uint32_t flags)
{
	struct fb_wire_open_in in = { .flags = flags };

	return CLIENT_CALL(c, opcode, node, in);
}

int client_create(struct client *c, uint64_t node, const char *name, uint32_t flags)
{
	struct fb_wire_create_in in = { .flags = flags | O_CREAT, .mode = S_IFREG | 0644 };

	return CLIENT_CALL_NAME(c, FB_OP_CREATE, node, in, name);
}

int client_read(struct client *c, uint32_t opcode, uint64_t node, uint64_t fh, uint64_t off,
		uint32_t size)
{
	struct fb_wire_read_in in = { .fh = fh, .offset = off, .size = size };

	return CLIENT_CALL(c, opcode, node, in);
}

int client_write(struct client *c, uint64_t node, uint64_t fh, uint64_t off, const void *data,
		 uint32_t size, uint32_t flags)
{
	struct fb_wire_write_in in = { .fh = fh, .offset = off, .size = size, .flags = flags };

	return client_call(c, FB_OP_WRITE, node, &in, sizeof(in), data, size);
}

void client_forget(struct client *c, uint64_t node, uint64_t count)
{
	struct fb_wire_forget_in in = { .nlookup = count };

	CLIENT_CALL(c, FB_OP_FORGET, node, in);
}

void client_interrupt(struct client *c, uint64_t unique)
{
	struct fb_wire_interrupt_in in = { .unique = unique };
	uint64_t next = c->unique;

	c->unique = unique | FB_UNIQUE_INTERRUPT;
	CLIENT_CALL(c, FB_OP_INTERRUPT, 0, in);
	c->unique = next;
}
