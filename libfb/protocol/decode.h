/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The decoder: one message in, checked arguments out.
 *
 * Security model: the message comes from a peer that may be hostile (a guest). The caller passes a
 * private copy of everything but bulk data, so nothing changes under the checks; every length is
 * compared with what is there before a byte is read; what a handler gets (struct, names, tail,
 * extensions) lies inside the message and obeys the opcode table. Nodes and file handles are
 * numbers that only the file system can judge.
 */
#ifndef FB_PROTOCOL_DECODE_H
#define FB_PROTOCOL_DECODE_H

#include <libfb/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/op_row.h"
#include "protocol/wire.h"

/* Longest target of a symbolic link, in bytes; more does not fit into the client's page. */
#define FB_LINK_MAX 4095

/* What was negotiated, as far as it changes the format. */
struct fb_decode_rules {
	uint64_t flags;   /* FB_INIT_*, granted */
	uint32_t minor;   /* 0 before INIT */
	bool initialized; /* INIT has been answered */
};

/* Extensions of a request: read them with fb_args_groups() and fb_args_label(). */
struct fb_ext {
	const uint8_t *groups; /* not aligned */
	uint32_t group_count;
	const uint8_t *labels; /* not aligned */
	size_t labels_size;
	uint32_t label_count;
};

/*
 * A decoded request. Pointers lead into the message or into this struct itself, so it must not be
 * copied, and lives no longer than the message.
 */
struct fb_args {
	const struct fb_op_row *row;
	struct fb_wire_in_header header;
	const void *in; /* the row's fixed struct, aligned to 8; NULL when it has none */
	union {
		struct fb_wire_init_in init;
		struct fb_wire_setxattr_in setxattr;
	} fixed; /* the structs of two lengths, made long: in points here */
	const char *name[2];
	size_t name_len[2];
	size_t tail_offset;  /* from the start of the message; its end when there is no tail */
	size_t tail_size;    /* bytes */
	const uint8_t *tail; /* NULL without one, and when it lies beyond head */
	uint32_t tail_count; /* elements of an array: fb_args_element() */
	size_t room;         /* most bytes of an answer of variable length, as the peer asked */
	uint32_t umask;      /* of a request that makes an inode, else 0 */
	struct fb_ext ext;
};

/*
 * Decode a message of total_size bytes, whose first head_size bytes are at head, in memory that the
 * peer can not change, aligned to 8. For rows with FB_ROW_BULK head may end anywhere after the
 * fixed struct (fb_decode_head_size() tells where); for all others it is the whole message.
 *
 * Returns 0, or -errno to answer with:
 *   -EINVAL        malformed, or arguments that no client sends
 *   -ENOSYS        no such opcode in the negotiated version
 *   -EIO           not before INIT
 *   -EPROTO        INIT of a peer with the other byte order
 *   -ENAMETOOLONG  a name over FB_NAME_MAX or a target over FB_LINK_MAX bytes
 *   -ERANGE        the name of an extended attribute over FB_NAME_MAX bytes
 *   -E2BIG         an attribute's value over FB_XATTR_MAX bytes
 *   -ENXIO, -EOPNOTSUPP, -EPERM  lseek, fallocate and mknod, as Linux answers them
 *
 * On failure too, header is filled whenever head holds one (else it is zero), and row whenever the
 * opcode is known (else it is NULL), so that the caller can answer: with header.unique, unless
 * there is a row with FB_ROW_NO_REPLY. Everything else is then undefined.
 */
int fb_decode(const struct fb_decode_rules *rules, const void *head, size_t head_size,
	      size_t total_size, struct fb_args *ret_args);

/*
 * How many bytes at the start of a message have to be copied into private memory before fb_decode:
 * all of total_size, or where bulk data begins.
 */
size_t fb_decode_head_size(const struct fb_wire_in_header *header, size_t total_size);

/* How many bytes of fixed struct a peer sends for a row; for INIT the least that is accepted. */
size_t fb_decode_fixed_size(const struct fb_decode_rules *rules, const struct fb_op_row *row);

/* Copy element number index (below args->tail_count) of an array: arrays may be unaligned. */
void fb_args_element(const struct fb_args *args, uint32_t index, void *ret_element);

/* Copy up to max supplementary groups. Returns how many. */
uint32_t fb_args_groups(const struct fb_args *args, uint32_t *ret_groups, uint32_t max);

/*
 * Find the security context with this index: the attribute's name (with its NUL) and the label's
 * bytes, both inside the message. Returns false when there are no more.
 */
bool fb_args_label(const struct fb_args *args, size_t index, const char **ret_name,
		   const void **ret_value, size_t *ret_size);

#endif
