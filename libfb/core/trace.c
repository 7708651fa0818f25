/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/trace.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/driver_call.h"

/* Longest line, and the longest part of a name that is shown. */
#define LINE_MAX_BYTES 512
#define NAME_SHOWN 80

struct line {
	char text[LINE_MAX_BYTES];
	size_t length;
};

static void put(struct line *line, const char *format, ...) FB_PRINTF(2, 3);

static void put(struct line *line, const char *format, ...)
{
	size_t room = sizeof(line->text) - line->length;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line->text + line->length, room, format, args);
	va_end(args);
	if (n > 0)
		line->length += (size_t)n < room ? (size_t)n : room - 1;
}

/* A name in quotes; bytes that would spoil the line are shown as \xNN. */
static void put_name(struct line *line, const char *text, size_t length)
{
	size_t shown = length < NAME_SHOWN ? length : NAME_SHOWN;

	put(line, " \"");
	for (size_t i = 0; i < shown; i++) {
		unsigned char c = (unsigned char)text[i];

		if (isprint(c) && c != '"' && c != '\\')
			put(line, "%c", c);
		else
			put(line, "\\x%02x", c);
	}
	put(line, shown < length ? "\"…" : "\"");
}

static void put_request(struct line *line, const struct fb_req *req)
{
	const struct fb_args *args = &req->args;

	put(line, "%s node=%" PRIu64, args->row->name, args->header.nodeid);
	for (unsigned i = 0; i < args->row->names && args->name[i]; i++)
		put_name(line, args->name[i], args->name_len[i]);
	if (args->tail_size > 0)
		put(line, " in=%zu", args->tail_size);
	if (args->room > 0)
		put(line, " room=%zu", args->room);
	if (!(args->row->flags & FB_ROW_NO_CALLER))
		put(line, " uid=%u gid=%u pid=%u", args->header.uid, args->header.gid,
		    args->header.pid);
}

static void put_answer(struct line *line, const struct fb_req *req, int error, size_t bytes_out)
{
	uint32_t flags = req->args.row->flags;

	if (flags & FB_ROW_NO_REPLY) {
		put(line, " = no answer");
		return;
	}
	if (error < 0) {
		const char *name_of_error = strerrorname_np(-error);

		put(line, " = -%s", name_of_error ? name_of_error : "?");
		return;
	}
	put(line, " = 0");
	if (flags & FB_ROW_GIVES_NODE)
		put(line, " node=%" PRIu64, req->out.entry.node);
	if (flags & (FB_ROW_GIVES_FILE | FB_ROW_GIVES_DIR))
		put(line, " fh=%" PRIu64 " flags=%#x", req->out.open.fh, req->out.open.flags);
	put(line, " out=%zu", bytes_out);
}

void fb_trace_answer(struct fb_req *req, int error, size_t bytes_out, uint64_t latency_ns)
{
	struct fb_session *session = req->channel->session;
	fb_trace_fn *trace = atomic_load(&session->trace);
	struct line line = { .length = 0 };

	if (!trace)
		return;
	put_request(&line, req);
	put_answer(&line, req, error, bytes_out);
	put(&line, " (%" PRIu64 " us)", latency_ns / 1000);
	trace(atomic_load(&session->trace_arg), line.text);
}

void fb_trace_say(struct fb_session *session, const char *format, ...)
{
	fb_trace_fn *trace = atomic_load(&session->trace);
	char text[LINE_MAX_BYTES];
	va_list args;

	if (!trace)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	trace(atomic_load(&session->trace_arg), text);
}
