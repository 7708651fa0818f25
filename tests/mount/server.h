/* SPDX-License-Identifier: BSD-3-Clause */
/* How the test servers of this folder begin: each is one source file, compiled by its test. */
#ifndef FB_TESTS_MOUNT_SERVER_H
#define FB_TESTS_MOUNT_SERVER_H

#include <libfb/fb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVER_READY_MS 10000

/* Mount options of the test servers, for others to be added, with the transport of this run of tests. */
static struct fb_mount_options server_mount_options(void)
{
	const char *transport = getenv("FB_TEST_TRANSPORT");
	bool uring = transport && strcmp(transport, "io-uring") == 0;

	return (struct fb_mount_options){
		.size = sizeof(struct fb_mount_options),
		.source = "test",
		.subtype = "test",
		.transport = uring ? FB_TRANSPORT_IO_URING : FB_TRANSPORT_DEV_FUSE,
	};
}

/* The forget of a driver whose nodes are there for ever. */
static inline void server_forget(void *self, uint64_t node, uint64_t count)
{
	(void)self;
	(void)node;
	(void)count;
}

static void server_print_log(void *arg, enum fb_log_level level, const char *text)
{
	(void)arg;
	printf("log %d: %s\n", level, text);
}

/* What the library says, and what we say, comes out line by line. */
static void server_begin(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	fb_log_set(server_print_log, NULL);
}

/* Serve a driver at mountpoint, until it answers. Returns 0, or -1 after saying why not. */
static int server_serve(const struct fb_driver_ops *ops, void *self,
			const struct fb_session_options *options, const char *mountpoint,
			const struct fb_mount_options *mount_options,
			struct fb_session **ret_session)
{
	if (fb_session_new(ops, self, options, ret_session) < 0 ||
	    fb_mount(*ret_session, mountpoint, mount_options) < 0 ||
	    fb_session_start(*ret_session) < 0 ||
	    fb_session_wait_ready(*ret_session, SERVER_READY_MS) < 0) {
		printf("failed: %s\n", fb_last_error());
		return -1;
	}
	return 0;
}

#endif
