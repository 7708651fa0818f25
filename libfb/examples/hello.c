/* SPDX-License-Identifier: BSD-3-Clause */
/* A file system that is one file: touch greeting; hello greeting & cat greeting */
#include <libfb/fb.h>
#include <stdio.h>
#include <sys/stat.h>

static const char text[] = "Hello, world!\n";
static const struct fb_attr file = {
	.size = sizeof(text) - 1, .mode = S_IFREG | 0444, .nlink = 1, .ino = FB_ROOT_NODE
};

static int hello_getattr(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
			 struct fb_attr_reply *ret_attr)
{
	ret_attr->attr = file;
	return 0;
}

static int hello_read(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		      struct fb_sink *to, size_t count, uint64_t off)
{
	size_t start = off < file.size ? off : file.size;
	size_t size = count < file.size - start ? count : file.size - start;
	int r = fb_sink_put(to, text + start, size);

	return r < 0 ? r : (int)size;
}

static const struct fb_driver_ops ops = { sizeof(ops), .getattr = hello_getattr,
					  .read = hello_read };

int main(int argc, char **argv)
{
	struct fb_session *session;

	if (fb_session_new(&ops, NULL, NULL, &session) == 0 &&
	    fb_mount(session, argv[1], NULL) == 0 && fb_session_stop_on_signals(session) == 0 &&
	    fb_session_run(session) == 0)
		return 0;
	fprintf(stderr, "hello: %s\n", fb_last_error());
	return 1;
}
