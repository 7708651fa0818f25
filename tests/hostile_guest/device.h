/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device of our own for the guest to talk to: a folder served by this process.
 */
#ifndef TESTS_DEVICE_H
#define TESTS_DEVICE_H

#include <libfb/fb.h>
#include <stddef.h>

/* Budget of the share that is served by default. */
#define DEVICE_DESCRIPTORS 1000

struct device {
	char folder[64]; /* what is served; removed at the end */
	struct fb_session_options options;
	struct fb_passthrough *driver;
	struct fb_session *session;
	int fd; /* the front end's end of the socket, until a guest takes it */
};

/* Serve a new folder; share and options may be NULL. Fails the test when it can not. */
void device_begin(struct device *device, const struct fb_passthrough_options *share,
		  const struct fb_session_options *options);

/* Wait until the session has ended, as it does when the front end has gone. Returns how. */
int device_wait(struct device *device);

/* The same driver for another front end: after device_wait(). */
void device_again(struct device *device);

/* End the session if it runs, and remove the folder. */
void device_end(struct device *device);

/* Mappings of files that exist in memory only. */
unsigned count_mappings(void);

#endif
