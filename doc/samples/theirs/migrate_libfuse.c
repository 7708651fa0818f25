/* SPDX-License-Identifier: BSD-3-Clause */
/* A directory with one file, on libfuse: cc migrate_libfuse.c $(pkg-config --cflags --libs fuse3) */
#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_INO 2

static const char text[] = "Hello, world!\n";

static int attr_of(fuse_ino_t ino, struct stat *attr)
{
	memset(attr, 0, sizeof(*attr));
	attr->st_ino = ino;
	attr->st_mode = ino == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0444;
	attr->st_nlink = ino == FUSE_ROOT_ID ? 2 : 1;
	attr->st_size = ino == FUSE_ROOT_ID ? 0 : (off_t)strlen(text);
	return ino == FUSE_ROOT_ID || ino == FILE_INO;
}

static void hello_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = { .ino = FILE_INO, .attr_timeout = 1, .entry_timeout = 1 };

	attr_of(FILE_INO, &entry.attr);
	if (parent != FUSE_ROOT_ID || strcmp(name, "hello") != 0)
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_entry(req, &entry);
}

static void hello_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	struct stat attr;

	if (attr_of(ino, &attr))
		fuse_reply_attr(req, &attr, 1);
	else
		fuse_reply_err(req, ESTALE);
}

static void hello_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			  struct fuse_file_info *file)
{
	static const char *const names[] = { ".", "..", "hello" };
	char answer[256]; /* enough for three names */
	size_t used = 0;

	if (size > sizeof(answer))
		size = sizeof(answer);
	for (off_t i = off; i < 3; i++) {
		struct stat attr;
		size_t length;

		attr_of(i < 2 ? FUSE_ROOT_ID : FILE_INO, &attr);
		length = fuse_add_direntry(req, answer + used, size - used, names[i], &attr, i + 1);
		if (length > size - used)
			break;
		used += length;
	}
	fuse_reply_buf(req, answer, used);
}

static void hello_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *file)
{
	size_t start = (size_t)off < strlen(text) ? (size_t)off : strlen(text);

	fuse_reply_buf(req, text + start,
		       size < strlen(text) - start ? size : strlen(text) - start);
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = hello_lookup,
	.getattr = hello_getattr,
	.readdir = hello_readdir,
	.read = hello_read,
};

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct fuse_session *session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	int r = 1;

	if (argc == 2 && session && fuse_set_signal_handlers(session) == 0 &&
	    fuse_session_mount(session, argv[1]) == 0) {
		r = fuse_session_loop(session) < 0;
		fuse_session_unmount(session);
		fuse_remove_signal_handlers(session);
	}
	if (session)
		fuse_session_destroy(session);
	return r;
}
