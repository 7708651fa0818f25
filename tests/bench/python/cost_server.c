/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: cost_server MOUNTPOINT
 *
 * The file system that tests/bench/python/cost.py measures, as a driver in C with one worker: 1000 files
 * of 4 KiB, nothing cached.
 */
#include <errno.h>
#include <libfb/fb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FILES 1000u
#define FIRST 2u
#define SIZE 4096u

static const char content[SIZE];

static struct fb_attr attr_of(uint64_t node)
{
	if (node == FB_ROOT_NODE)
		return (struct fb_attr){ .ino = node, .mode = S_IFDIR | 0755, .nlink = 2 };
	return (struct fb_attr){ .ino = node, .mode = S_IFREG | 0644, .nlink = 1, .size = SIZE };
}

static int lookup(void *self, struct fb_req *req, uint64_t parent, const char *name,
		  struct fb_entry *ret_entry)
{
	unsigned long number = strtoul(name, NULL, 10);

	(void)self;
	(void)req;
	if (parent != FB_ROOT_NODE || number >= FILES)
		return -ENOENT;
	*ret_entry = (struct fb_entry){ .node = number + FIRST, .attr = attr_of(number + FIRST) };
	return 0;
}

static int getattr(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
		   struct fb_attr_reply *ret_attr)
{
	(void)self;
	(void)req;
	(void)fh;
	*ret_attr = (struct fb_attr_reply){ .attr = attr_of(node) };
	return 0;
}

static int open_file(void *self, struct fb_req *req, uint64_t node, int flags, uint32_t open_flags,
		     struct fb_open *ret_open)
{
	(void)self;
	(void)req;
	(void)flags;
	(void)open_flags;
	*ret_open = (struct fb_open){ .fh = node, .flags = FB_FOPEN_DIRECT_IO, .backing_fd = -1 };
	return 0;
}

static int read_file(void *self, struct fb_req *req, uint64_t node, uint64_t fh, struct fb_sink *to,
		     size_t count, uint64_t off)
{
	size_t size = off < SIZE ? SIZE - off : 0;

	(void)self;
	(void)req;
	(void)node;
	(void)fh;
	if (size > count)
		size = count;
	return fb_sink_put(to, content + (off < SIZE ? off : 0), size) < 0 ? -EIO : (int)size;
}

int main(int argc, char **argv)
{
	const struct fb_driver_ops ops = {
		.size = sizeof(ops),
		.lookup = lookup,
		.getattr = getattr,
		.open = open_file,
		.read = read_file,
	};
	const struct fb_session_options options = { .size = sizeof(options), .workers = 1 };
	struct fb_session *session;
	int r;

	if (argc != 2)
		return 2;
	r = fb_session_new(&ops, NULL, &options, &session);
	if (r == 0)
		r = fb_mount(session, argv[1], NULL);
	if (r == 0)
		r = fb_session_stop_on_signals(session);
	if (r == 0)
		r = fb_session_run(session);
	if (r < 0)
		fprintf(stderr, "cost_server: %s\n", fb_last_error());
	fb_session_unref(session);
	return r < 0;
}
