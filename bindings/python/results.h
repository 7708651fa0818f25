/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What handlers return, taken apart: the last step of every call. Each returns what the driver
 * operation returns.
 */
#ifndef FBPY_RESULTS_H
#define FBPY_RESULTS_H

#include "fbpy.h"

fbpy_finish_fn fbpy_finish_none;  /* anything */
fbpy_finish_fn fbpy_finish_attr;  /* out: struct fb_attr_reply; id: node, for its ino */
fbpy_finish_fn fbpy_finish_statx; /* out: struct fb_statx; id: node */
fbpy_finish_fn fbpy_finish_entry; /* out: struct fb_entry */
fbpy_finish_fn fbpy_finish_open;  /* out: struct fb_open */
fbpy_finish_fn fbpy_finish_opendir;
fbpy_finish_fn fbpy_finish_create; /* out: struct fb_entry, more: struct fb_open */
fbpy_finish_fn fbpy_finish_data;   /* out: struct fb_sink; size: bytes at most */
fbpy_finish_fn fbpy_finish_link;   /* out: struct fb_sink: a symbolic link's target */
fbpy_finish_fn fbpy_finish_xattr;  /* out: struct fb_sink; size: of the caller's buffer */
fbpy_finish_fn fbpy_finish_xattrs;
fbpy_finish_fn fbpy_finish_written; /* size: bytes given */
fbpy_finish_fn fbpy_finish_statfs;  /* out: struct fb_statfs */
fbpy_finish_fn fbpy_finish_lock;    /* out: struct fb_lock */
fbpy_finish_fn fbpy_finish_u64;     /* out: uint64_t */
fbpy_finish_fn fbpy_finish_u32;     /* out: uint32_t */
fbpy_finish_fn fbpy_finish_ioctl;   /* out: struct fb_sink, more: int32_t */
fbpy_finish_fn fbpy_finish_listing; /* out: struct fb_listing */
fbpy_finish_fn fbpy_finish_page;    /* out: struct fb_dirsink; id: fh; size: cookie */

/* The page of an open directory that has been listed. */
int fbpy_send_page(struct fbpy_call *call, struct fbpy_slot *dir);

/* Tell a handle's number to the client; keeps the object. extra may be NULL. */
uint64_t fbpy_handle_add(struct fbpy_slots *slots, PyObject *handle, PyObject *extra);

#endif
