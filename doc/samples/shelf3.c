/* SPDX-License-Identifier: BSD-3-Clause */
/* Step 3: files that are made, written and removed; all in memory. */
#include <dirent.h>
#include <errno.h>
#include <libfb/fb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define FILES_MAX 1000
#define SIZE_MAX_BYTES (1u << 20)
#define FIRST_NODE (FB_ROOT_NODE + 1)

/* A place on the shelf. It is free when nobody knows the file any more: no name, no lookups. */
struct file {
	char name[FB_NAME_MAX + 1]; /* "" for a file that was removed */
	uint64_t lookups, generation;
	struct fb_attr attr;
	char *data;
};

struct shelf {
	pthread_mutex_t lock; /* guards all that follows: operations run in several threads */
	struct fb_attr root;
	struct file files[FILES_MAX];
};

static struct fb_time now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (struct fb_time){ time.tv_sec, (uint32_t)time.tv_nsec };
}

static bool is_free(const struct file *file)
{
	return !file->name[0] && file->lookups == 0;
}

static struct file *file_of(struct shelf *shelf, uint64_t node)
{
	struct file *file = NULL;

	if (node >= FIRST_NODE && node - FIRST_NODE < FILES_MAX)
		file = &shelf->files[node - FIRST_NODE];
	return file && !is_free(file) ? file : NULL;
}

static struct file *find(struct shelf *shelf, const char *name)
{
	for (struct file *file = shelf->files; file < shelf->files + FILES_MAX; file++) {
		if (strcmp(file->name, name) == 0)
			return file;
	}
	return NULL;
}

static int answer(struct file *file, struct fb_entry *ret_entry)
{
	file->lookups++;
	*ret_entry = (struct fb_entry){ .node = file->attr.ino,
					.generation = file->generation,
					.attr = file->attr };
	return 0;
}

static int resize(struct file *file, uint64_t size)
{
	char *data;

	if (size > SIZE_MAX_BYTES)
		return -EFBIG;
	data = realloc(file->data, size + 1);
	if (!data)
		return -ENOSPC;
	if (size > file->attr.size)
		memset(data + file->attr.size, 0, size - file->attr.size);
	file->data = data;
	file->attr.size = size;
	file->attr.blocks = (size + 511) / 512;
	return 0;
}

static int shelf_getattr(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
			 struct fb_attr_reply *ret_attr)
{
	struct shelf *shelf = self;
	struct file *file;

	pthread_mutex_lock(&shelf->lock);
	file = file_of(shelf, node);
	if (node == FB_ROOT_NODE)
		ret_attr->attr = shelf->root;
	else if (file)
		ret_attr->attr = file->attr;
	pthread_mutex_unlock(&shelf->lock);
	return node == FB_ROOT_NODE || file ? 0 : -ESTALE;
}

static int shelf_lookup(void *self, struct fb_req *req, uint64_t parent, const char *name,
			struct fb_entry *ret_entry)
{
	struct shelf *shelf = self;
	struct file *file;
	int r;

	if (parent != FB_ROOT_NODE)
		return -ENOTDIR;
	pthread_mutex_lock(&shelf->lock);
	file = find(shelf, name);
	r = file ? answer(file, ret_entry) : -ENOENT;
	pthread_mutex_unlock(&shelf->lock);
	return r;
}

static void free_if_unknown(struct file *file)
{
	if (!is_free(file))
		return;
	free(file->data);
	file->data = NULL;
}

static void shelf_forget(void *self, uint64_t node, uint64_t count)
{
	struct shelf *shelf = self;
	struct file *file;

	pthread_mutex_lock(&shelf->lock);
	file = file_of(shelf, node);
	if (file) {
		file->lookups -= count < file->lookups ? count : file->lookups;
		free_if_unknown(file);
	}
	pthread_mutex_unlock(&shelf->lock);
}

static int shelf_readdir(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
			 uint64_t cookie, struct fb_dirsink *to)
{
	struct shelf *shelf = self;
	int r = 0;

	pthread_mutex_lock(&shelf->lock);
	for (uint64_t i = cookie; i < FILES_MAX && r == 0; i++) {
		const struct file *file = &shelf->files[i];
		const struct fb_dirent entry = { .ino = FIRST_NODE + i,
						 .cookie = i + 1,
						 .type = DT_REG,
						 .name = file->name,
						 .name_len = strlen(file->name) };

		if (file->name[0])
			r = fb_dirsink_add(to, &entry, NULL);
	}
	pthread_mutex_unlock(&shelf->lock);
	return r == -ENOBUFS ? 0 : r;
}

static int shelf_read(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		      struct fb_sink *to, size_t count, uint64_t off)
{
	struct shelf *shelf = self;
	struct file *file;
	int r = -ESTALE;

	pthread_mutex_lock(&shelf->lock);
	file = file_of(shelf, node);
	if (file && off >= file->attr.size)
		count = 0;
	else if (file && count > file->attr.size - off)
		count = file->attr.size - off;
	if (file)
		r = count > 0 ? fb_sink_put(to, file->data + off, count) : 0;
	pthread_mutex_unlock(&shelf->lock);
	return r < 0 ? r : (int)count;
}

static int make(struct shelf *shelf, const char *name, uint32_t mode,
		const struct fb_caller *caller, struct file **ret_file)
{
	struct file *file = shelf->files;

	if (find(shelf, name))
		return -EEXIST;
	while (file < shelf->files + FILES_MAX && !is_free(file))
		file++;
	if (file == shelf->files + FILES_MAX)
		return -ENOSPC;
	*file = (struct file){ .generation = file->generation + 1 };
	strcpy(file->name, name);
	file->attr = (struct fb_attr){ .ino = FIRST_NODE + (uint64_t)(file - shelf->files),
				       .mode = mode,
				       .nlink = 1,
				       .uid = caller->uid,
				       .gid = caller->gid };
	file->attr.atime = file->attr.mtime = file->attr.ctime = now();
	shelf->root.mtime = shelf->root.ctime = file->attr.ctime;
	*ret_file = file;
	return 0;
}

static int shelf_create(void *self, struct fb_req *req, uint64_t parent, const char *name,
			uint32_t mode, int flags, uint32_t open_flags, struct fb_entry *ret_entry,
			struct fb_open *ret_open)
{
	struct shelf *shelf = self;
	struct file *file;
	int r;

	if (parent != FB_ROOT_NODE)
		return -ENOTDIR;
	pthread_mutex_lock(&shelf->lock);
	r = make(shelf, name, mode, fb_req_caller(req), &file);
	if (r == 0)
		r = answer(file, ret_entry);
	pthread_mutex_unlock(&shelf->lock);
	*ret_open = (struct fb_open){ .backing_fd = -1 };
	return r;
}

static int shelf_write(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		       struct fb_source *from, size_t count, uint64_t off)
{
	struct shelf *shelf = self;
	struct file *file;
	int r = -ESTALE;

	if (off > SIZE_MAX_BYTES)
		return -EFBIG;
	pthread_mutex_lock(&shelf->lock);
	file = file_of(shelf, node);
	if (file)
		r = off + count > file->attr.size ? resize(file, off + count) : 0;
	if (r == 0) {
		count = fb_source_copy(from, file->data + off, count);
		file->attr.mtime = file->attr.ctime = now();
	}
	pthread_mutex_unlock(&shelf->lock);
	return r < 0 ? r : (int)count;
}

static void change(struct fb_attr *attr, const struct fb_setattr *set)
{
	if (set->valid & FB_SETATTR_MODE)
		attr->mode = (attr->mode & S_IFMT) | (set->mode & 07777);
	if (set->valid & FB_SETATTR_UID)
		attr->uid = set->uid;
	if (set->valid & FB_SETATTR_GID)
		attr->gid = set->gid;
	attr->ctime = now();
	if (set->valid & FB_SETATTR_ATIME)
		attr->atime = set->valid & FB_SETATTR_ATIME_NOW ? attr->ctime : set->atime;
	if (set->valid & FB_SETATTR_MTIME)
		attr->mtime = set->valid & FB_SETATTR_MTIME_NOW ? attr->ctime : set->mtime;
	else if (set->valid & FB_SETATTR_SIZE)
		attr->mtime = attr->ctime;
}

static int shelf_setattr(void *self, struct fb_req *req, uint64_t node,
			 const struct fb_setattr *set, struct fb_attr_reply *ret_attr)
{
	struct shelf *shelf = self;
	struct fb_attr *attr;
	struct file *file;
	int r;

	pthread_mutex_lock(&shelf->lock);
	file = file_of(shelf, node);
	attr = node == FB_ROOT_NODE ? &shelf->root : file ? &file->attr : NULL;
	r = attr ? 0 : -ESTALE;
	if (file && set->valid & FB_SETATTR_SIZE)
		r = resize(file, set->size);
	if (r == 0) {
		change(attr, set);
		ret_attr->attr = *attr;
	}
	pthread_mutex_unlock(&shelf->lock);
	return r;
}

static int shelf_unlink(void *self, struct fb_req *req, uint64_t parent, const char *name)
{
	struct shelf *shelf = self;
	struct file *file;

	if (parent != FB_ROOT_NODE)
		return -ENOTDIR;
	pthread_mutex_lock(&shelf->lock);
	file = find(shelf, name);
	if (file) {
		file->name[0] = '\0';
		file->attr.nlink = 0;
		file->attr.ctime = shelf->root.mtime = shelf->root.ctime = now();
		free_if_unknown(file);
	}
	pthread_mutex_unlock(&shelf->lock);
	return file ? 0 : -ENOENT;
}

static int shelf_rename(void *self, struct fb_req *req, uint64_t parent, const char *name,
			uint64_t new_parent, const char *new_name, uint32_t flags)
{
	struct shelf *shelf = self;
	struct file *file, *old;
	int r = 0;

	if (parent != FB_ROOT_NODE || new_parent != FB_ROOT_NODE)
		return -ENOTDIR;
	if (flags & ~FB_RENAME_NOREPLACE)
		return -EINVAL;
	pthread_mutex_lock(&shelf->lock);
	file = find(shelf, name);
	old = find(shelf, new_name);
	if (!file)
		r = -ENOENT;
	else if (old && (flags & FB_RENAME_NOREPLACE))
		r = -EEXIST;
	if (r == 0 && old && old != file) {
		old->name[0] = '\0';
		old->attr.nlink = 0;
		free_if_unknown(old);
	}
	if (r == 0)
		strcpy(file->name, new_name);
	pthread_mutex_unlock(&shelf->lock);
	return r;
}

static const struct fb_driver_ops shelf_ops = { .size = sizeof(shelf_ops),
						.getattr = shelf_getattr,
						.lookup = shelf_lookup,
						.forget = shelf_forget,
						.readdir = shelf_readdir,
						.read = shelf_read,
						.create = shelf_create,
						.write = shelf_write,
						.setattr = shelf_setattr,
						.unlink = shelf_unlink,
						.rename = shelf_rename };

static struct shelf shelf = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int serve(const char *mountpoint)
{
	const struct fb_mount_options mount = { .size = sizeof(mount),
						.subtype = "shelf",
						.options = "default_permissions" };
	struct fb_session *session;
	int r;

	shelf.root = (struct fb_attr){ .ino = FB_ROOT_NODE,
				       .mode = S_IFDIR | 01777,
				       .nlink = 2,
				       .atime = now(),
				       .mtime = now(),
				       .ctime = now() };
	r = fb_session_new(&shelf_ops, &shelf, NULL, &session);
	if (r < 0)
		return r;
	r = fb_mount(session, mountpoint, &mount);
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
