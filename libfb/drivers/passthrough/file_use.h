/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's descriptor behind a node and an fh, for the time of one operation: that of the handle,
 * or one opened for this operation where opens are stateless (fh 0).
 */
#ifndef LIBFB_PASSTHROUGH_FILE_USE_H
#define LIBFB_PASSTHROUGH_FILE_USE_H

#include "handle_table.h"

#include <libfb/driver.h>

struct fb_file_use {
	struct fb_passthrough *fs;
	struct fb_handle *handle; /* pinned, or NULL: fd is our own */
	int fd;
};

#define FB_SCOPE_FILE_USE FB_CLEANUP(fb_file_use_end)

/*
 * Begin; for stateless opens access is O_RDONLY, O_WRONLY or O_RDWR (for directories O_RDONLY), and
 * caller who has to be allowed that, since no open was checked before; NULL: needs no permission.
 * Returns 0 and fills use, -EBADF for an fh that is not open, -ESTALE for an unknown node, or why
 * the file could not be opened:
 *	FB_SCOPE_FILE_USE struct fb_file_use use = { .fd = -1 };
 *	int result = fb_file_use_begin(&use, fs, fb_req_caller(req), node, fh, FB_HANDLE_FILE,
 *				       O_RDONLY);
 */
int fb_file_use_begin(struct fb_file_use *use, struct fb_passthrough *fs,
		      const struct fb_caller *caller, uint64_t node, uint64_t fh,
		      enum fb_handle_kind kind, int access) FB_MUST_CHECK;

void fb_file_use_end(const struct fb_file_use *use);

/*
 * The descriptor for data of a request with these O_* flags: one without O_DIRECT when the request
 * has none (fcntl(2) took it away, or the page cache is being written), since such a request keeps
 * to no alignment. Borrowed. Returns it or -errno.
 */
int fb_file_use_data_fd(const struct fb_file_use *use, int open_flags) FB_MUST_CHECK;

#endif
