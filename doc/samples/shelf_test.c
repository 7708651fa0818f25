/* SPDX-License-Identifier: BSD-3-Clause */
/* Step 4: the driver of step 3, tested in memory: no mount, no root, no kernel. */
#define main shelf_main
#include "shelf3.c"
#undef main

#include <assert.h>
#include <linux/fuse.h>

/* Send one request about the root directory; returns the answer's errno. */
static int ask(struct fb_loopback *loopback, uint32_t opcode, const void *argument, size_t size)
{
	static uint64_t unique = 2;
	_Alignas(8) char message[512], reply[512];
	struct fuse_in_header in = { .len = (uint32_t)(sizeof(in) + size),
				     .opcode = opcode,
				     .unique = unique,
				     .nodeid = FB_ROOT_NODE };
	struct fuse_out_header out;
	ssize_t length;

	unique += 2;
	memcpy(message, &in, sizeof(in));
	memcpy(message + sizeof(in), argument, size);
	length = fb_loopback_send(loopback, message, in.len, reply, sizeof(reply));
	assert(length >= (ssize_t)sizeof(out));
	memcpy(&out, reply, sizeof(out));
	return -out.error;
}

int main(void)
{
	struct {
		struct fuse_create_in in;
		char name[8];
	} create = { .in = { .flags = 2 /* O_RDWR */, .mode = S_IFREG | 0644 }, .name = "note" };
	struct fb_session *session;
	struct fb_loopback *loopback;
	int r = fb_session_new(&shelf_ops, &shelf, NULL, &session);

	assert(r == 0);
	r = fb_loopback_new(session, NULL, &loopback);
	assert(r == 0);

	assert(ask(loopback, FUSE_LOOKUP, "note", 5) == ENOENT);
	assert(ask(loopback, FUSE_CREATE, &create, sizeof(create.in) + 5) == 0);
	assert(ask(loopback, FUSE_LOOKUP, "note", 5) == 0);
	assert(ask(loopback, FUSE_UNLINK, "note", 5) == 0);
	assert(ask(loopback, FUSE_UNLINK, "note", 5) == ENOENT);

	fb_loopback_free(loopback);
	fb_session_unref(session);
	puts("shelf_test: ok");
	return 0;
}
