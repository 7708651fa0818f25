/* SPDX-License-Identifier: BSD-3-Clause */
#include "device.h"

#include "cmocka_setup.h"
#include "share_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Request queues of every device of the tests. */
#define QUEUES 4

static void serve(struct device *device)
{
	struct fb_virtio_fs_options how = { .size = sizeof(how),
					    .tag = "tag",
					    .request_queues = QUEUES };
	int ends[2];

	assert_int_equal(fb_session_new(fb_passthrough_ops(device->driver), device->driver,
					&device->options, &device->session),
			 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(fb_virtio_fs_attach(device->session, ends[0], &how), 0);
	device->fd = ends[1];
	assert_int_equal(fb_session_start(device->session), 0);
}

void device_begin(struct device *device, const struct fb_passthrough_options *share,
		  const struct fb_session_options *options)
{
	const struct fb_passthrough_options how = { .size = sizeof(how),
						    .max_descriptors = DEVICE_DESCRIPTORS,
						    .posix_lock = FB_ON };

	*device = (struct device){ .folder = "/tmp/fb-device-XXXXXX",
				   .options = { .size = sizeof(device->options) } };
	if (options)
		device->options = *options;
	assert_non_null(mkdtemp(device->folder));
	assert_int_equal(fb_passthrough_new(device->folder, share ? share : &how, &device->driver),
			 0);
	serve(device);
}

int device_wait(struct device *device)
{
	int result = fb_session_wait(device->session);

	fb_session_unref(device->session);
	device->session = NULL;
	return result;
}

void device_again(struct device *device)
{
	serve(device);
}

void device_end(struct device *device)
{
	if (device->session) {
		fb_session_stop(device->session);
		assert_int_equal(device_wait(device), 0);
	}
	fb_passthrough_free(device->driver);
	share_remove_tree(device->folder);
}

unsigned count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned count = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		count += strstr(line, "/memfd:") != NULL;
	fclose(maps);
	return count;
}

/*
 * Guest and device each have a mapping of the guest's memory, so ThreadSanitizer does not see that the
 * rings order what they do: two threads of the device look as if they raced for a buffer that the
 * guest has used again. flip(), offer_for_ever() and rage() of tests race on purpose.
 */
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
	return "race:fb_iov_take\nrace:fb_iov_put\nrace:flip\nrace:offer_for_ever\nrace:rage\n";
}
