/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FUSE requests of a guest, one function each.
 *
 * They return 0, the daemon's -errno, or what guest.h says about failures on the way. The latter
 * are errnos that file systems do not answer with, but for -ETIMEDOUT.
 */
#ifndef TESTS_GUEST_FUSE_H
#define TESTS_GUEST_FUSE_H

#include "guest.h"

#define GUEST_ROOT UINT64_C(1)

/* Who asks, and on which queue. Each thread has its own. */
struct guest_caller {
	struct guest *guest;
	unsigned queue;
	uint32_t uid, gid, pid;
};

/* With the ids of this process: as whom the daemon can act even where it is not root. */
struct guest_caller guest_self(struct guest *guest, unsigned queue);

/* Greet: flags are FB_INIT_*, as many as the minor version knows. ret_init may be NULL. */
int guest_init(struct guest *guest, uint32_t minor, uint64_t flags,
	       struct fb_wire_init_out *ret_init);
int guest_destroy(struct guest *guest);
/* On the high-priority ring, as Linux does; waits until the device gives the chain back. */
int guest_forget(struct guest *guest, uint64_t node, uint64_t lookups);

/*
 * Any request: the struct after the header, and what follows it; what the answer has after its
 * header is written to out, at most room bytes. An answer that is shorter is -EBADMSG, unless
 * ret_len is given: it gets the length.
 */
int guest_ask(const struct guest_caller *caller, uint32_t opcode, uint64_t node, const void *in,
	      size_t in_size, const void *rest, size_t rest_size, void *out, size_t room,
	      size_t *ret_len);

int guest_lookup(const struct guest_caller *caller, uint64_t parent, const char *name,
		 struct fb_wire_entry_out *ret_entry);
int guest_getattr(const struct guest_caller *caller, uint64_t node, struct fb_wire_attr *ret_attr);
int guest_mkdir(const struct guest_caller *caller, uint64_t parent, const char *name, uint32_t mode,
		struct fb_wire_entry_out *ret_entry);
int guest_unlink(const struct guest_caller *caller, uint64_t parent, const char *name);
int guest_rmdir(const struct guest_caller *caller, uint64_t parent, const char *name);
int guest_create(const struct guest_caller *caller, uint64_t parent, const char *name,
		 uint32_t flags, uint32_t mode, struct fb_wire_create_out *ret_created);
int guest_open(const struct guest_caller *caller, uint64_t node, uint32_t flags, uint64_t *ret_fh);
int guest_opendir(const struct guest_caller *caller, uint64_t node, uint64_t *ret_fh);
int guest_release(const struct guest_caller *caller, uint64_t node, uint64_t fh);
int guest_releasedir(const struct guest_caller *caller, uint64_t node, uint64_t fh);
/* Each of these two is one request; *ret_len is what was read or written. */
int guest_read(const struct guest_caller *caller, uint64_t node, uint64_t fh, uint64_t offset,
	       void *to, uint32_t size, size_t *ret_len);
int guest_write(const struct guest_caller *caller, uint64_t node, uint64_t fh, uint64_t offset,
		const void *from, uint32_t size, size_t *ret_len);
/* A piece of a listing, struct fb_wire_dirent one after the other; nothing at the end. */
int guest_readdir(const struct guest_caller *caller, uint64_t node, uint64_t fh, uint64_t offset,
		  void *to, uint32_t size, size_t *ret_len);
int guest_statfs(const struct guest_caller *caller, uint64_t node,
		 struct fb_wire_statfs_out *ret_statfs);

#endif
