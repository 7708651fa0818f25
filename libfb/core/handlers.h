/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The handlers: one function per row of the opcode table, which takes the arguments apart, calls
 * the driver and returns its result. A row without a handler does not link.
 */
#ifndef FB_CORE_HANDLERS_H
#define FB_CORE_HANDLERS_H

#include "core/req.h"
#include "protocol/op_table.h"

#define DECLARE_HANDLER(number, name, handler, ...) int fb_handle_##handler(struct fb_req *req);
FB_OP_TABLE(DECLARE_HANDLER)
#undef DECLARE_HANDLER

/* The answer of COPY_FILE_RANGE has 32 bits for the bytes copied: whole pages that fit an int. */
#define FB_COPY_MAX 0x7ffff000u

/* The answer, and its outputs, to an opcode whose operation the driver left out (absent = 0). */
int fb_answer_absent(struct fb_req *req);

#endif
