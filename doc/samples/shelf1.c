/* SPDX-License-Identifier: BSD-3-Clause */
/* Step 1: an empty directory. */
#include <libfb/fb.h>
#include <stdio.h>
#include <sys/stat.h>

static int shelf_getattr(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
			 struct fb_attr_reply *ret_attr)
{
	ret_attr->attr = (struct fb_attr){ .ino = node, .mode = S_IFDIR | 0755, .nlink = 2 };
	return 0;
}

static int shelf_readdir(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
			 uint64_t cookie, struct fb_dirsink *to)
{
	return 0;
}

static const struct fb_driver_ops shelf_ops = { .size = sizeof(shelf_ops),
						.getattr = shelf_getattr,
						.readdir = shelf_readdir };

static int serve(const char *mountpoint)
{
	struct fb_session *session;
	int r = fb_session_new(&shelf_ops, NULL, NULL, &session);

	if (r < 0)
		return r;
	r = fb_mount(session, mountpoint, NULL);
	if (r == 0)
		r = fb_session_stop_on_signals(session);
	if (r == 0)
		r = fb_session_run(session);
	fb_session_unref(session);
	return r;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: shelf MOUNTPOINT\n");
		return 2;
	}
	if (serve(argv[1]) == 0)
		return 0;
	fprintf(stderr, "shelf: %s\n", fb_last_error());
	return 1;
}
