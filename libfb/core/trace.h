/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Describing requests and their answers for people: one line each, from the opcode table.
 */
#ifndef FB_CORE_TRACE_H
#define FB_CORE_TRACE_H

#include <stddef.h>
#include <stdint.h>

struct fb_req;

/* Tell the session's trace callback of a request that was answered with error (0 or -errno). */
void fb_trace_answer(struct fb_req *req, int error, size_t bytes_out, uint64_t latency_ns);

#endif
