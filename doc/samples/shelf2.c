/* SPDX-License-Identifier: BSD-3-Clause */
/* Step 2: a directory with two files to read. */
#include <dirent.h>
#include <errno.h>
#include <libfb/fb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct file {
	const char *name, *text;
} files[] = {
	{ "hello", "Hello, world!\n" },
	{ "answer", "42\n" },
};
#define COUNT (sizeof(files) / sizeof(files[0]))

/* Node 1 is the directory, 2 the first file, 3 the second. A client can send any number. */
#define FIRST_NODE (FB_ROOT_NODE + 1)

static const struct file *file_of(uint64_t node)
{
	return node >= FIRST_NODE && node - FIRST_NODE < COUNT ? &files[node - FIRST_NODE] : NULL;
}

static int attr_of(uint64_t node, struct fb_attr *ret_attr)
{
	const struct file *file = file_of(node);

	if (node == FB_ROOT_NODE)
		*ret_attr = (struct fb_attr){ .ino = node, .mode = S_IFDIR | 0755, .nlink = 2 };
	else if (file)
		*ret_attr = (struct fb_attr){
			.ino = node, .mode = S_IFREG | 0444, .nlink = 1, .size = strlen(file->text)
		};
	else
		return -ESTALE;
	return 0;
}

static int shelf_getattr(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
			 struct fb_attr_reply *ret_attr)
{
	return attr_of(node, &ret_attr->attr);
}

static int shelf_lookup(void *self, struct fb_req *req, uint64_t parent, const char *name,
			struct fb_entry *ret_entry)
{
	if (parent != FB_ROOT_NODE)
		return -ENOTDIR;
	for (uint64_t node = FIRST_NODE; node < FIRST_NODE + COUNT; node++) {
		if (strcmp(file_of(node)->name, name) == 0) {
			ret_entry->node = node;
			return attr_of(node, &ret_entry->attr);
		}
	}
	return -ENOENT;
}

static int shelf_readdir(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
			 uint64_t cookie, struct fb_dirsink *to)
{
	int r = 0;

	for (uint64_t i = cookie; i < COUNT && r == 0; i++) {
		const struct fb_dirent entry = { .ino = FIRST_NODE + i,
						 .cookie = i + 1,
						 .type = DT_REG,
						 .name = files[i].name,
						 .name_len = strlen(files[i].name) };

		r = fb_dirsink_add(to, &entry, NULL);
	}
	return r == -ENOBUFS ? 0 : r;
}

static int shelf_read(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		      struct fb_sink *to, size_t count, uint64_t off)
{
	const struct file *file = file_of(node);
	size_t size = file ? strlen(file->text) : 0;
	int r;

	if (!file)
		return -ESTALE;
	if (off >= size)
		return 0;
	if (count > size - off)
		count = size - off;
	r = fb_sink_put(to, file->text + off, count);
	return r < 0 ? r : (int)count;
}

static const struct fb_driver_ops shelf_ops = { .size = sizeof(shelf_ops),
						.getattr = shelf_getattr,
						.lookup = shelf_lookup,
						.readdir = shelf_readdir,
						.read = shelf_read };

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
