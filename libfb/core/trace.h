/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Describing requests and their answers for people: one line each, from the opcode table.
 */
#ifndef FB_CORE_TRACE_H
#define FB_CORE_TRACE_H

#include <libfb/types.h>
#include <stddef.h>
#include <stdint.h>

struct fb_req;
struct fb_session;

/* Tell the session's trace callback of a request that was answered with error (0 or -errno). */
void fb_trace_answer(struct fb_req *req, int error, size_t bytes_out, uint64_t latency_ns);

/* Tell of something that is no request, in a line of its own. */
void fb_trace_say(struct fb_session *session, const char *format, ...) FB_PRINTF(2, 3);

#endif
