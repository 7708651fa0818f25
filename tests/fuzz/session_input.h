/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The input of dispatch_fuzz: a setup, then steps, each followed by the bytes of one message.
 */
#ifndef TESTS_SESSION_INPUT_H
#define TESTS_SESSION_INPUT_H

#include <stdint.h>

/* Set up of the session. */
#define INPUT_READ_ONLY 0x01
#define INPUT_FEW_PENDING 0x02 /* two at most */
#define INPUT_OLD 0x04         /* 7.31 */
#define INPUT_NO_FEATURES 0x08
#define INPUT_ALL_FEATURES 0x10
#define INPUT_LABELS 0x20 /* security contexts and groups */

struct input_setup {
	uint8_t flags;
	uint8_t absent[8]; /* a bit for each operation left out, in the order of FB_DRIVER_OPS */
};

/* What the driver does with a message. */
enum input_kind {
	KIND_NATURAL,
	KIND_ERROR,
	KIND_ENOSYS,
	KIND_NO_ERRNO,
	KIND_HUGE,
	KIND_PENDING,       /* completed right after */
	KIND_PENDING_ERROR, /* the same, with an error */
	KIND_INSIDE,        /* completed before the return */
	KIND_INSIDE_TWICE,
	KIND_INSIDE_AND_RETURN,
	KIND_NO_TYPE, /* attributes without a file type */
	KIND_NO_NODE,
	KIND_ROOT,
	KIND_HOOKS,
	KIND_BACKING, /* opened files have a backing descriptor */
	KINDS
};

/* In struct input_step, flags. */
#define STEP_DROP 0x01     /* nobody gets the answer */
#define STEP_HOLD 0x02     /* a pending one is completed at the end only */
#define STEP_RESEND 0x04   /* the message held longest comes again, not this one */
#define STEP_KEEP_LEN 0x08 /* send the length that is in the header, not the right one */

struct input_step {
	uint8_t kind, flags;
	uint8_t number;              /* for nodes and handles */
	uint8_t size_low, size_high; /* of the message that follows */
};

#endif
