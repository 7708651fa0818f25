/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of a request: the message, its arguments, the outputs, and how far it has come.
 */
#ifndef FB_CORE_REQ_H
#define FB_CORE_REQ_H

#include <libfb/driver.h>
#include <stdint.h>

#include "core/io.h"
#include "protocol/decode.h"
#include "protocol/wire.h"

struct fb_channel;

/* Supplementary groups that one request may carry; Linux sends one. */
#define FB_REQ_GROUPS_MAX 32

/* What happened to a request; once RETURNED and ANSWERED are set it goes back to its pool. */
#define FB_REQ_RETURNED 1u /* the operation has returned */
#define FB_REQ_CLAIMED 2u  /* somebody has given the result: nobody else may */
#define FB_REQ_ANSWERED 4u /* the answer has been sent */

/* Arguments that operations get by pointer: they stay until the request is completed. */
union fb_req_in {
	struct fb_setattr setattr;
	struct fb_lock lock;
	struct fb_ioctl ioctl;
	struct fb_mapping mapping;
};

/* What operations fill in, before it is packed for the wire. */
union fb_req_out {
	struct {
		struct fb_entry entry;
		struct fb_open open;
	};
	struct fb_attr_reply attr;
	struct fb_statfs statfs;
	struct fb_lock lock;
	struct fb_statx statx;
	uint64_t number; /* lseek, bmap, copy_file_range */
	uint32_t revents;
	int32_t ioctl_result;
};

/* The fixed struct of an answer, behind its header. */
struct fb_req_answer {
	struct fb_wire_out_header header;
	union {
		struct fb_wire_entry_out entry;
		struct fb_wire_create_out create;
		struct fb_wire_attr_out attr;
		struct fb_wire_open_out open;
		struct fb_wire_write_out write;
		struct fb_wire_statfs_out statfs;
		struct fb_wire_getxattr_out getxattr;
		struct fb_wire_lk_out lk;
		struct fb_wire_ioctl_out ioctl;
		struct fb_wire_poll_out poll;
		struct fb_wire_bmap_out bmap;
		struct fb_wire_lseek_out lseek;
		struct fb_wire_copy_file_range_out copy;
		struct fb_wire_statx_out statx;
		struct fb_wire_init_out init;
	} body;
};

struct fb_req_hook {
	int (*call)(struct fb_req *req, void *arg, int result);
	void *arg;
};

struct fb_req {
	struct fb_channel *channel;
	struct fb_req *next; /* in the pool's lists */
	struct fb_req *next_made;
	void *buffer; /* of the pool, for the transport to use as it likes */
	size_t buffer_size;
	void *slot; /* of the transport: where it came in, and its answer goes */

	const uint8_t *message; /* the first head_size bytes of total_size */
	size_t head_size, total_size;
	struct iovec *rest; /* where the others lie; they begin with the tail of the message */
	size_t rest_count;
	int fault; /* what the transport found wrong with it: the answer, instead of the driver's */

	struct fb_args args;
	struct fb_caller caller;
	uint32_t groups[FB_REQ_GROUPS_MAX];
	struct fb_io io;
	struct iovec tail_iov; /* a tail inside message */
	struct fb_source source;
	struct fb_sink sink;
	struct fb_dirsink dirsink;
	struct iovec room_iov; /* for transports whose room is one piece */
	void *bounce;          /* flat room of a directory listing where the transport's is not */

	union fb_req_in in;
	union fb_req_out out;
	struct fb_req_answer answer;
	uint64_t begun_ns;

	_Atomic unsigned progress;                   /* FB_REQ_RETURNED, FB_REQ_ANSWERED */
	_Atomic uint64_t unique;                     /* while under way, for INTERRUPT; else 0 */
	_Atomic uint64_t interrupted_unique;         /* equal to unique: interrupted */
	_Atomic bool may_wake;                       /* wake has been set since the request began */
	void (*wake)(struct fb_req *req, void *arg); /* under the session's interrupt lock */
	void *wake_arg;
	bool by_worker; /* answered by the channel's worker, not by fb_req_complete() */
	bool duplicate; /* sent again while the first copy is under way: answered with that */
	unsigned hook_count;
	struct fb_req_hook hooks[FB_REQ_HOOKS_MAX];
};

/*
 * For transports: the message that was received. head holds its first head_size bytes in private
 * memory, aligned to 8; bytes beyond lie in rest, which is borrowed and used up, and begin exactly
 * with the tail of the message. fault is 0 afterwards; the transport may set it.
 */
void fb_req_set_message(struct fb_req *req, const void *head, size_t head_size, size_t total_size,
			struct iovec *rest, size_t rest_count);

#endif
