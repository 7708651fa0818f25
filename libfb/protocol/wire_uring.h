/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FUSE over io_uring (7.42): the two structs that kernel and server share per slot.
 *
 * 7.46 adds the commands ADD_QUEUE and ADD_BUFPOOL, INIT bit 43, bit 8 of open_out.open_flags,
 * names the padding of ent_in_out "offset" and puts a union of 16 bytes behind qid in cmd_req.
 * None of it is used here: the command area of a 128-byte SQE has room for it and stays zero.
 */
#ifndef FB_PROTOCOL_WIRE_URING_H
#define FB_PROTOCOL_WIRE_URING_H

#include "protocol/wire.h"

/* cmd_op of an IORING_OP_URING_CMD on /dev/fuse. */
enum fb_uring_cmd {
	FB_URING_CMD_INVALID = 0,
	FB_URING_CMD_REGISTER = 1,        /* give a slot to the kernel */
	FB_URING_CMD_COMMIT_AND_FETCH = 2 /* answer, and give the slot back */
};

#define FB_WIRE_URING_IN_OUT_SIZE 128U
#define FB_WIRE_URING_OP_IN_SIZE 128U

struct fb_wire_uring_ent_in_out {
	uint64_t flags;
	uint64_t commit_id;  /* of the request; goes back in cmd_req */
	uint32_t payload_sz; /* bytes used of the payload buffer, both ways */
	uint32_t padding;
	uint64_t reserved;
};
FB_WIRE_IS(uring_ent_in_out, 32);
FB_WIRE_AT(uring_ent_in_out, flags, 0);
FB_WIRE_AT(uring_ent_in_out, commit_id, 8);
FB_WIRE_AT(uring_ent_in_out, payload_sz, 16);
FB_WIRE_AT(uring_ent_in_out, padding, 20);
FB_WIRE_AT(uring_ent_in_out, reserved, 24);

struct fb_wire_uring_req_header {
	uint8_t in_out[FB_WIRE_URING_IN_OUT_SIZE]; /* in_header, or out_header of the answer */
	uint8_t op_in[FB_WIRE_URING_OP_IN_SIZE];   /* the fixed struct of a request */
	struct fb_wire_uring_ent_in_out ring_ent_in_out;
};
FB_WIRE_IS(uring_req_header, 288);
FB_WIRE_AT(uring_req_header, in_out, 0);
FB_WIRE_AT(uring_req_header, op_in, 128);
FB_WIRE_AT(uring_req_header, ring_ent_in_out, 256);

/* In the command area of the SQE. */
struct fb_wire_uring_cmd_req {
	uint64_t flags;
	uint64_t commit_id;
	uint16_t qid;
	uint8_t padding[6];
};
FB_WIRE_IS(uring_cmd_req, 24);
FB_WIRE_AT(uring_cmd_req, flags, 0);
FB_WIRE_AT(uring_cmd_req, commit_id, 8);
FB_WIRE_AT(uring_cmd_req, qid, 16);
FB_WIRE_AT(uring_cmd_req, padding, 18);

#endif
