/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client of the passthrough driver for unit tests: a temporary directory of the host, shared over
 * a loopback, and the requests that a kernel would send. Results are as the driver's: >= 0 or
 * -errno.
 */
#ifndef TESTS_SHARE_CLIENT_H
#define TESTS_SHARE_CLIENT_H

#include <libfb/log.h>
#include <libfb/loopback.h>
#include <libfb/passthrough.h>
#include <libfb/session.h>

#include <limits.h>
#include <sys/uio.h>

#include "protocol/wire.h"

struct share_client {
	char dir[64]; /* the share's path on the host */
	struct fb_passthrough *driver;
	struct fb_session *session;
	struct fb_loopback *loopback;
	uint64_t granted; /* FB_INIT_* */
	/* Who asks, until changed. */
	uint32_t uid, gid, pid;
	uint64_t unique; /* of the last request */
};

/* Make the directory (mode 0777) and serve it. options and loopback may be NULL. */
void share_open(struct share_client *client, const struct fb_passthrough_options *options,
		const struct fb_loopback_options *loopback);

/* Say goodbye and remove the directory. */
void share_close(struct share_client *client);

/* Remove a directory with all that is in it. */
void share_remove_tree(const char *dir);

/* The host's path of a name in the share: valid until the fourth call after this one. */
const char *share_path(const struct share_client *client, const char *name);

/* Make a file of the host with this content and mode. */
void share_make(const struct share_client *client, const char *name, const char *content,
		unsigned mode);

/* Fail the test unless the host's file has this content. */
void share_expect(const struct share_client *client, const char *name, const char *content);

/* Send one request made of pieces; returns the bytes of the answer's body, or -errno. */
ssize_t share_call(struct share_client *client, uint32_t opcode, uint64_t node,
		   const struct iovec *pieces, size_t count, void *body, size_t size);

/* Send without waiting; share_receive() waits at most timeout_ms (-ETIMEDOUT). */
uint64_t share_submit(struct share_client *client, uint32_t opcode, uint64_t node,
		      const struct iovec *pieces, size_t count);
ssize_t share_receive(struct share_client *client, uint64_t ticket, void *body, size_t size,
		      int timeout_ms);

/* Single requests. */
int share_lookup(struct share_client *client, uint64_t parent, const char *name,
		 struct fb_wire_entry_out *ret_entry);
void share_forget(struct share_client *client, uint64_t node, uint64_t count);
int share_open_file(struct share_client *client, uint64_t node, int flags, uint32_t open_flags,
		    struct fb_wire_open_out *ret_open);
int share_open_dir(struct share_client *client, uint64_t node, int flags, uint64_t *ret_fh);
int share_create(struct share_client *client, uint64_t parent, const char *name, uint32_t mode,
		 int flags, struct fb_wire_create_out *ret_created);
int share_tmpfile(struct share_client *client, uint64_t parent, uint32_t mode, int flags,
		  struct fb_wire_create_out *ret_created);
ssize_t share_read(struct share_client *client, uint64_t node, uint64_t fh, void *to, uint32_t size,
		   uint64_t off, int flags);
ssize_t share_write(struct share_client *client, uint64_t node, uint64_t fh, const void *from,
		    uint32_t size, uint64_t off, int flags, uint32_t write_flags);
int share_flush(struct share_client *client, uint64_t node, uint64_t fh, uint64_t owner);
int share_release(struct share_client *client, uint64_t node, uint64_t fh, uint32_t flags);
int share_release_dir(struct share_client *client, uint64_t node, uint64_t fh);
int share_fsync(struct share_client *client, uint32_t opcode, uint64_t node, uint64_t fh,
		uint32_t flags);
int share_fallocate(struct share_client *client, uint64_t node, uint64_t fh, uint32_t mode,
		    uint64_t off, uint64_t len);
int64_t share_seek(struct share_client *client, uint64_t node, uint64_t fh, uint64_t off,
		   uint32_t whence);
int64_t share_copy(struct share_client *client, const struct fb_wire_copy_file_range_in *copy,
		   uint64_t node_in);
ssize_t share_list(struct share_client *client, uint32_t opcode, uint64_t node, uint64_t fh,
		   uint64_t cookie, void *to, uint32_t size);
int share_set_xattr(struct share_client *client, uint64_t node, const char *name, const void *value,
		    uint32_t size, uint32_t flags);
ssize_t share_get_xattr(struct share_client *client, uint64_t node, const char *name, void *to,
			uint32_t size);
ssize_t share_list_xattr(struct share_client *client, uint64_t node, void *to, uint32_t size);
int share_remove_xattr(struct share_client *client, uint64_t node, const char *name);
int share_ioctl(struct share_client *client, uint64_t node, const struct fb_wire_ioctl_in *call,
		const void *in, void *out);

/* Open a file by its name; fails the test unless that works. */
struct share_file {
	uint64_t node, fh;
	uint32_t flags; /* FB_FOPEN_* */
};
struct share_file share_open_name(struct share_client *client, const char *name, int flags);

/* Lock requests: which is FB_OP_GETLK, FB_OP_SETLK or FB_OP_SETLKW. */
struct share_lock {
	uint64_t owner, start, end;
	uint32_t type, flags; /* F_…, FB_LK_FLOCK */
	uint32_t pid;
};
int share_lock(struct share_client *client, uint32_t which, const struct share_file *file,
	       const struct share_lock *lock, struct fb_wire_lk_out *ret_found);
uint64_t share_lock_submit(struct share_client *client, const struct share_file *file,
			   const struct share_lock *lock);
void share_interrupt(struct share_client *client, uint64_t unique);

/*
 * How many descriptors this process has open: to find those that leak. Other threads open some for a
 * moment, so it is the least of several counts over 10 ms: what has leaked is in all of them.
 */
unsigned share_descriptors(void);

#endif
