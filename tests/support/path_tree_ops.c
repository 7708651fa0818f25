/* SPDX-License-Identifier: BSD-3-Clause */
#include "path_tree_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void tree_destroy(void *self)
{
	struct path_tree *tree = self;

	pthread_mutex_lock(&tree->lock);
	tree->calls[TREE_destroy]++;
	pthread_mutex_unlock(&tree->lock);
}

static void wait_at_gate(struct path_tree *tree)
{
	pthread_mutex_lock(&tree->lock);
	tree->at_gate++;
	pthread_cond_broadcast(&tree->changed);
	while (tree->gate)
		pthread_cond_wait(&tree->changed, &tree->lock);
	tree->at_gate--;
	pthread_mutex_unlock(&tree->lock);
}

static int tree_getattr(void *self, struct fb_req *req, const char *path, const uint64_t *fh,
			struct fb_attr_reply *ret_attr)
{
	struct path_tree *tree = self;
	struct tree_file *file;
	int r;

	if (tree->slow_us)
		usleep(tree->slow_us);
	wait_at_gate(tree);
	r = tree_enter(tree, TREE_getattr, path, NULL, fh);
	file = tree_file_of(tree, path, fh);
	if (r == 0 && !file && path && tree_is_big(tree, path))
		ret_attr->attr = tree_big_attr;
	else if (r == 0 && !file)
		r = -ENOENT;
	else if (r == 0)
		ret_attr->attr = file->attr;
	ret_attr->attr_timeout_ns = tree->attr_timeout_ns;
	return tree_leave(tree, TREE_getattr, req, r);
}

static int tree_setattr(void *self, struct fb_req *req, const char *path,
			const struct fb_setattr *set, struct fb_attr_reply *ret_attr)
{
	struct path_tree *tree = self;
	const uint64_t *fh = set->valid & FB_SETATTR_FH ? &set->fh : NULL;
	int r = tree_enter(tree, TREE_setattr, path, NULL, fh);
	struct tree_file *file = tree_file_of(tree, path, fh);

	if (r == 0 && !file)
		r = -ENOENT;
	if (r == 0 && (set->valid & FB_SETATTR_SIZE))
		file->attr.size = set->size;
	if (r == 0)
		ret_attr->attr = file->attr;
	return tree_leave(tree, TREE_setattr, req, r);
}

static int tree_symlink(void *self, struct fb_req *req, const char *path, const char *target)
{
	struct path_tree *tree = self;
	int r = tree_enter(tree, TREE_symlink, path, NULL, NULL);

	if (r == 0)
		r = tree_make(tree, path, S_IFLNK | 0777);
	if (r == 0)
		snprintf(tree_find(tree, path)->file->data, TREE_DATA_MAX, "%s", target);
	return tree_leave(tree, TREE_symlink, req, r);
}

static int tree_readlink(void *self, struct fb_req *req, const char *path, struct fb_sink *to)
{
	struct path_tree *tree = self;
	int r = tree_enter(tree, TREE_readlink, path, NULL, NULL);
	struct tree_file *file = tree_file_of(tree, path, NULL);

	if (r == 0)
		r = file ? fb_sink_put(to, file->data, strlen(file->data)) : -ENOENT;
	return tree_leave(tree, TREE_readlink, req, r);
}

static int tree_mknod(void *self, struct fb_req *req, const char *path, uint32_t mode,
		      uint32_t rdev)
{
	struct path_tree *tree = self;
	int r = tree_enter(tree, TREE_mknod, path, NULL, NULL);

	(void)rdev;
	if (r == 0)
		r = tree_make(tree, path, mode);
	return tree_leave(tree, TREE_mknod, req, r);
}

static int tree_mkdir(void *self, struct fb_req *req, const char *path, uint32_t mode)
{
	struct path_tree *tree = self;
	int r = tree_enter(tree, TREE_mkdir, path, NULL, NULL);

	if (r == 0)
		r = tree_make(tree, path, S_IFDIR | mode);
	return tree_leave(tree, TREE_mkdir, req, r);
}

static int tree_unlink(void *self, struct fb_req *req, const char *path)
{
	struct path_tree *tree = self;
	int r = tree_enter(tree, TREE_unlink, path, NULL, NULL);

	if (r == 0 && !tree_find(tree, path))
		r = -ENOENT;
	if (r == 0)
		tree_name_remove(tree_find(tree, path));
	return tree_leave(tree, TREE_unlink, req, r);
}

static bool has_children(struct path_tree *tree, const char *path)
{
	for (size_t i = 0; i < TREE_NAMES_MAX; i++)
		if (tree->names[i].path && tree_below(tree->names[i].path, path))
			return true;
	return false;
}

static int tree_rmdir(void *self, struct fb_req *req, const char *path)
{
	struct path_tree *tree = self;
	int r = tree_enter(tree, TREE_rmdir, path, NULL, NULL);

	if (r == 0 && !tree_find(tree, path))
		r = -ENOENT;
	if (r == 0 && has_children(tree, path))
		r = -ENOTEMPTY;
	if (r == 0)
		tree_name_remove(tree_find(tree, path));
	return tree_leave(tree, TREE_rmdir, req, r);
}

/* Everything at a path and below is at another one. */
static void move(struct path_tree *tree, const char *path, const char *new_path)
{
	char moved[PATH_MAX + FB_NAME_MAX];

	for (size_t i = 0; i < TREE_NAMES_MAX; i++) {
		struct tree_name *name = &tree->names[i];
		const char *rest = name->path ? tree_below(name->path, path) : NULL;

		if (!name->path || (!rest && strcmp(name->path, path) != 0))
			continue;
		snprintf(moved, sizeof(moved), "%s%s%s", new_path, rest ? "/" : "",
			 rest ? rest : "");
		free(name->path);
		name->path = strdup(moved);
	}
}

static int tree_rename(void *self, struct fb_req *req, const char *path, const char *new_path,
		       uint32_t flags)
{
	struct path_tree *tree = self;
	int r = tree_enter(tree, TREE_rename, path, new_path, NULL);
	struct tree_name *target = tree_find(tree, new_path);

	if (r == 0 && (!tree_find(tree, path) || ((flags & FB_RENAME_EXCHANGE) && !target)))
		r = -ENOENT;
	if (r == 0 && target && (flags & FB_RENAME_NOREPLACE))
		r = -EEXIST;
	if (r < 0)
		return tree_leave(tree, TREE_rename, req, r);
	if (flags & FB_RENAME_EXCHANGE) {
		move(tree, path, "/.exchange");
		move(tree, new_path, path);
		move(tree, "/.exchange", new_path);
	} else {
		if (target)
			tree_name_remove(target);
		move(tree, path, new_path);
	}
	return tree_leave(tree, TREE_rename, req, r);
}

static int tree_link(void *self, struct fb_req *req, const char *path, const uint64_t *fh,
		     const char *new_path)
{
	struct path_tree *tree = self;
	int r = tree_enter(tree, TREE_link, path, new_path, fh);
	struct tree_file *file = tree_file_of(tree, path, fh);

	if (r == 0 && !file)
		r = -ENOENT;
	if (r == 0)
		tree_name_add(tree, new_path, file);
	return tree_leave(tree, TREE_link, req, r);
}

static int tree_open(void *self, struct fb_req *req, const char *path, int flags,
		     uint32_t open_flags, struct fb_open *ret_open)
{
	struct path_tree *tree = self;
	int r = tree_enter(tree, TREE_open, path, NULL, NULL);
	struct tree_file *file = tree_file_of(tree, path, NULL);

	(void)flags;
	(void)open_flags;
	if (r == 0 && !file)
		r = -ENOENT;
	if (r == 0)
		ret_open->fh = tree_open_add(tree, file, false);
	return tree_leave(tree, TREE_open, req, r);
}

static int tree_create(void *self, struct fb_req *req, const char *path, uint32_t mode, int flags,
		       uint32_t open_flags, struct fb_open *ret_open)
{
	struct path_tree *tree = self;
	int r = tree_enter(tree, TREE_create, path, NULL, NULL);

	(void)open_flags;
	if (r == 0 && tree_find(tree, path) && (flags & O_EXCL))
		r = -EEXIST;
	if (r == 0 && !tree_find(tree, path))
		r = tree_make(tree, path, mode);
	if (r == 0)
		ret_open->fh = tree_open_add(tree, tree_find(tree, path)->file, false);
	return tree_leave(tree, TREE_create, req, r);
}

static int tree_tmpfile(void *self, struct fb_req *req, const char *path, uint32_t mode, int flags,
			uint32_t open_flags, struct fb_open *ret_open)
{
	struct path_tree *tree = self;
	int r = tree_enter(tree, TREE_tmpfile, path, NULL, NULL);

	(void)flags;
	(void)open_flags;
	if (r == 0)
		ret_open->fh = tree_open_add(tree, tree_file_new(tree, mode), false);
	return tree_leave(tree, TREE_tmpfile, req, r);
}

static int tree_read(void *self, struct fb_req *req, const char *path, uint64_t fh,
		     struct fb_sink *to, size_t count, uint64_t off)
{
	struct path_tree *tree = self;
	int r = tree_enter(tree, TREE_read, path, NULL, &fh);
	struct tree_file *file = tree_file_of(tree, path, &fh);
	uint64_t rest = file && off < file->attr.size ? file->attr.size - off : 0;

	if (rest < count)
		count = rest;
	if (r == 0)
		r = file ? fb_sink_put(to, file->data + off, count) : -EBADF;
	return tree_leave(tree, TREE_read, req, r < 0 ? r : (int)count);
}

static int tree_write(void *self, struct fb_req *req, const char *path, uint64_t fh,
		      struct fb_source *from, size_t count, uint64_t off)
{
	struct path_tree *tree = self;
	int r = tree_enter(tree, TREE_write, path, NULL, &fh);
	struct tree_file *file = tree_file_of(tree, path, &fh);

	if (r == 0 && (!file || off + count > TREE_DATA_MAX))
		r = file ? -EFBIG : -EBADF;
	if (r < 0)
		return tree_leave(tree, TREE_write, req, r);
	if (off + count > file->attr.size)
		file->attr.size = off + count;
	return tree_leave(tree, TREE_write, req,
			  (int)fb_source_copy(from, file->data + off, count));
}

static void close_one(struct path_tree *tree, enum tree_op op, struct tree_file **opens,
		      const char *path, uint64_t fh)
{
	struct tree_file *file;

	tree_enter(tree, op, path, NULL, &fh);
	file = fh < TREE_OPENS_MAX ? opens[fh] : NULL;
	if (file) {
		opens[fh] = NULL;
		file->opens--;
		tree_file_drop(file);
	} else if (!tree->one_fh) {
		tree->mistakes++;
	}
	pthread_mutex_unlock(&tree->lock);
}

static void tree_release(void *self, const char *path, uint64_t fh, const struct fb_release *how)
{
	struct path_tree *tree = self;

	(void)how;
	close_one(tree, TREE_release, tree->opens, path, fh);
}

static void tree_releasedir(void *self, const char *path, uint64_t fh, const struct fb_release *how)
{
	struct path_tree *tree = self;

	(void)how;
	close_one(tree, TREE_releasedir, tree->dir_opens, path, fh);
}

static int tree_opendir(void *self, struct fb_req *req, const char *path, int flags,
			struct fb_open *ret_open)
{
	struct path_tree *tree = self;
	int r = tree_enter(tree, TREE_opendir, path, NULL, NULL);
	struct tree_file *file = tree_file_of(tree, path, NULL);

	(void)flags;
	if (r == 0 && !file)
		r = -ENOENT;
	if (r == 0)
		ret_open->fh = tree_open_add(tree, file, true);
	return tree_leave(tree, TREE_opendir, req, r);
}

static int list_big(struct path_tree *tree, struct fb_listing *to)
{
	char name[32];
	int r = 0;

	for (unsigned i = 0; i < tree->big && r == 0; i++) {
		int length = snprintf(name, sizeof(name), "f%u", i);

		r = fb_listing_add(to, name, (size_t)length,
				   tree->names_only ? NULL : &tree_big_attr);
	}
	return r;
}

static int tree_readdir(void *self, struct fb_req *req, const char *path, uint64_t fh,
			struct fb_listing *to)
{
	struct path_tree *tree = self;
	int r = tree_enter(tree, TREE_readdir, path, NULL, &fh);

	if (r == 0 && fb_listing_count(to) != 0)
		tree->mistakes++;
	for (size_t i = 0; i < TREE_NAMES_MAX && r == 0; i++) {
		struct tree_name *name = &tree->names[i];
		const char *rest = name->path ? tree_below(name->path, path) : NULL;

		if (rest && !strchr(rest, '/'))
			r = fb_listing_add(to, rest, strlen(rest),
					   tree->names_only ? NULL : &name->file->attr);
	}
	if (r == 0 && strcmp(path, "/big") == 0)
		r = list_big(tree, to);
	return tree_leave(tree, TREE_readdir, req, r);
}

/* Operations that are only noted. */
static int tree_flush(void *self, struct fb_req *req, const char *path, uint64_t fh, uint64_t owner)
{
	(void)owner;
	return tree_leave(self, TREE_flush, req, tree_enter(self, TREE_flush, path, NULL, &fh));
}

static int tree_fsync(void *self, struct fb_req *req, const char *path, uint64_t fh, uint32_t flags)
{
	(void)flags;
	return tree_leave(self, TREE_fsync, req, tree_enter(self, TREE_fsync, path, NULL, &fh));
}

static int tree_fsyncdir(void *self, struct fb_req *req, const char *path, uint64_t fh,
			 uint32_t flags)
{
	(void)flags;
	return tree_leave(self, TREE_fsyncdir, req,
			  tree_enter(self, TREE_fsyncdir, path, NULL, &fh));
}

static int tree_statfs(void *self, struct fb_req *req, const char *path,
		       struct fb_statfs *ret_statfs)
{
	ret_statfs->namelen = FB_NAME_MAX;
	return tree_leave(self, TREE_statfs, req, tree_enter(self, TREE_statfs, path, NULL, NULL));
}

static int tree_access(void *self, struct fb_req *req, const char *path, uint32_t mask)
{
	(void)mask;
	return tree_leave(self, TREE_access, req, tree_enter(self, TREE_access, path, NULL, NULL));
}

static int tree_setxattr(void *self, struct fb_req *req, const char *path, const uint64_t *fh,
			 const char *name, const void *value, size_t size, uint32_t flags)
{
	(void)name;
	(void)value;
	(void)size;
	(void)flags;
	return tree_leave(self, TREE_setxattr, req,
			  tree_enter(self, TREE_setxattr, path, NULL, fh));
}

static int tree_getxattr(void *self, struct fb_req *req, const char *path, const uint64_t *fh,
			 const char *name, struct fb_sink *to, size_t size)
{
	(void)name;
	(void)to;
	(void)size;
	return tree_leave(self, TREE_getxattr, req,
			  tree_enter(self, TREE_getxattr, path, NULL, fh));
}

static int tree_copy_file_range(void *self, struct fb_req *req, const char *path_in, uint64_t fh_in,
				uint64_t off_in, const char *path_out, uint64_t fh_out,
				uint64_t off_out, uint64_t len, uint64_t flags,
				uint64_t *ret_copied)
{
	(void)off_in;
	(void)fh_out;
	(void)off_out;
	(void)flags;
	*ret_copied = len;
	return tree_leave(self, TREE_copy_file_range, req,
			  tree_enter(self, TREE_copy_file_range, path_in, path_out, &fh_in));
}

static int tree_setlk(void *self, struct fb_req *req, const char *path, uint64_t fh, uint64_t owner,
		      const struct fb_lock *lock, uint32_t flags)
{
	(void)owner;
	(void)lock;
	(void)flags;
	return tree_leave(self, TREE_setlk, req, tree_enter(self, TREE_setlk, path, NULL, &fh));
}

const struct fb_path_ops tree_all_ops = {
	.size = sizeof(tree_all_ops),
	.destroy = tree_destroy,
	.getattr = tree_getattr,
	.setattr = tree_setattr,
	.readlink = tree_readlink,
	.symlink = tree_symlink,
	.mknod = tree_mknod,
	.mkdir = tree_mkdir,
	.unlink = tree_unlink,
	.rmdir = tree_rmdir,
	.rename = tree_rename,
	.link = tree_link,
	.open = tree_open,
	.create = tree_create,
	.tmpfile = tree_tmpfile,
	.read = tree_read,
	.write = tree_write,
	.flush = tree_flush,
	.release = tree_release,
	.fsync = tree_fsync,
	.opendir = tree_opendir,
	.readdir = tree_readdir,
	.releasedir = tree_releasedir,
	.fsyncdir = tree_fsyncdir,
	.statfs = tree_statfs,
	.access = tree_access,
	.setxattr = tree_setxattr,
	.getxattr = tree_getxattr,
	.setlk = tree_setlk,
	.copy_file_range = tree_copy_file_range,
};
