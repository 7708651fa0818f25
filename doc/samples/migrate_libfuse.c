/* SPDX-License-Identifier: BSD-3-Clause */
/* A directory with one file, on libfb: cc migrate_libfuse.c $(pkg-config --cflags --libs libfb) */
#include <dirent.h>
#include <errno.h>
#include <libfb/fb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_NODE 2u
#define SECOND UINT64_C(1000000000)

static const char text[] = "Hello, world!\n";

static int attr_of(uint64_t node, struct fb_attr *ret_attr)
{
	if (node == FB_ROOT_NODE)
		*ret_attr = (struct fb_attr){ .ino = node, .mode = S_IFDIR | 0755, .nlink = 2 };
	else if (node == FILE_NODE)
		*ret_attr = (struct fb_attr){
			.ino = node, .mode = S_IFREG | 0444, .nlink = 1, .size = strlen(text)
		};
	else
		return -ESTALE;
	return 0;
}

static int hello_lookup(void *self, struct fb_req *req, uint64_t parent, const char *name,
			struct fb_entry *ret_entry)
{
	if (parent != FB_ROOT_NODE || strcmp(name, "hello") != 0)
		return -ENOENT;
	ret_entry->node = FILE_NODE;
	ret_entry->attr_timeout_ns = ret_entry->entry_timeout_ns = SECOND;
	return attr_of(FILE_NODE, &ret_entry->attr);
}

static int hello_getattr(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
			 struct fb_attr_reply *ret_attr)
{
	ret_attr->attr_timeout_ns = SECOND;
	return attr_of(node, &ret_attr->attr);
}

static int hello_readdir(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
			 uint64_t cookie, struct fb_dirsink *to)
{
	static const struct fb_dirent entries[] = {
		{ FB_ROOT_NODE, 1, DT_DIR, ".", 1 },
		{ FB_ROOT_NODE, 2, DT_DIR, "..", 2 },
		{ FILE_NODE, 3, DT_REG, "hello", 5 },
	};

	for (size_t i = cookie; i < sizeof(entries) / sizeof(entries[0]); i++)
		if (fb_dirsink_add(to, &entries[i], NULL) < 0)
			break;
	return 0;
}

static int hello_read(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		      struct fb_sink *to, size_t count, uint64_t off)
{
	size_t start = off < strlen(text) ? off : strlen(text);
	size_t size = count < strlen(text) - start ? count : strlen(text) - start;
	int r = fb_sink_put(to, text + start, size);

	return r < 0 ? r : (int)size;
}

static const struct fb_driver_ops ops = {
	.size = sizeof(ops),
	.lookup = hello_lookup,
	.getattr = hello_getattr,
	.readdir = hello_readdir,
	.read = hello_read,
};

int main(int argc, char **argv)
{
	struct fb_session *session;

	if (argc == 2 && fb_session_new(&ops, NULL, NULL, &session) == 0 &&
	    fb_mount(session, argv[1], NULL) == 0 && fb_session_stop_on_signals(session) == 0 &&
	    fb_session_run(session) == 0)
		return 0;
	fprintf(stderr, "hello MOUNTPOINT: %s\n", fb_last_error());
	return 1;
}
