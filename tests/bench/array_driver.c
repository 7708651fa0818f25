/* SPDX-License-Identifier: BSD-3-Clause */
#include "array_driver.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SECOND_NS UINT64_C(1000000000)

/*
 * Zeroed memory, in large pages where there are some: with small ones a look at a node far away waits
 * for the machine's page tables, which is no cost of a request.
 */
static void *table_new(size_t count, size_t size)
{
	void *table = mmap(NULL, count * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	if (table == MAP_FAILED)
		return NULL;
	(void)madvise(table, count * size, MADV_HUGEPAGE);
	return table;
}

static void table_free(void *table, size_t count, size_t size)
{
	if (table)
		munmap(table, count * size);
}

int array_init(struct array *array, uint32_t count, uint32_t spare)
{
	*array = (struct array){ .place_count = count + spare };
	array->nodes = table_new(array->place_count, sizeof(*array->nodes));
	array->node_of_name = table_new(array->place_count, sizeof(*array->node_of_name));
	if (!array->nodes || !array->node_of_name) {
		array_fini(array);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++) {
		array->nodes[i] = (struct array_node){ .size = ARRAY_FILE_SIZE,
						       .mode = S_IFREG | 0644,
						       .nlink = 1 };
		array->node_of_name[i] = i + 1;
	}
	return 0;
}

void array_fini(struct array *array)
{
	table_free(array->nodes, array->place_count, sizeof(*array->nodes));
	table_free(array->node_of_name, array->place_count, sizeof(*array->node_of_name));
}

/* ---- finding ------------------------------------------------------------------------------------ */

/* The place of a name, or place_count when there can be no such name. */
static uint32_t place_of(const struct array *array, uint64_t parent, const char *name)
{
	uint32_t number = 0;

	if (parent != FB_ROOT_NODE || *name++ != 'f' || !*name)
		return array->place_count;
	for (; *name; name++) {
		if (*name < '0' || *name > '9' || number >= array->place_count)
			return array->place_count;
		number = number * 10 + (uint32_t)(*name - '0');
	}
	return number < array->place_count ? number : array->place_count;
}

/* The node of a number from the client, or NULL. */
static struct array_node *node_at(struct array *array, uint64_t node)
{
	uint64_t number = node - FB_ROOT_NODE - 1;

	return number < array->place_count && array->nodes[number].mode ? &array->nodes[number] :
									  NULL;
}

static void fill_attr(const struct array *array, const struct array_node *node,
		      struct fb_attr *ret_attr)
{
	*ret_attr = (struct fb_attr){ .ino = array_node_id((uint32_t)(node - array->nodes)),
				      .size = node->size,
				      .blocks = (node->size + 511) / 512,
				      .atime = node->mtime,
				      .mtime = node->mtime,
				      .ctime = node->mtime,
				      .mode = node->mode,
				      .nlink = node->nlink,
				      .uid = node->uid,
				      .gid = node->gid,
				      .blksize = 4096 };
}

static void fill_entry(struct array *array, struct array_node *node, struct fb_entry *ret_entry)
{
	node->lookups++;
	ret_entry->node = array_node_id((uint32_t)(node - array->nodes));
	ret_entry->entry_timeout_ns = ret_entry->attr_timeout_ns = SECOND_NS;
	fill_attr(array, node, &ret_entry->attr);
}

/* ---- names -------------------------------------------------------------------------------------- */

static int array_lookup(void *self, struct fb_req *req, uint64_t parent, const char *name,
			struct fb_entry *ret_entry)
{
	struct array *array = self;
	uint32_t place = place_of(array, parent, name);

	(void)req;
	if (place == array->place_count || array->node_of_name[place] == 0)
		return -ENOENT;
	fill_entry(array, &array->nodes[array->node_of_name[place] - 1], ret_entry);
	return 0;
}

static void array_forget(void *self, uint64_t node, uint64_t count)
{
	struct array_node *found = node_at(self, node);

	if (found)
		found->lookups -= count < found->lookups ? count : found->lookups;
}

/* A file is made at the place that its name says, where no other file may live on unnamed. */
static int array_create(void *self, struct fb_req *req, uint64_t parent, const char *name,
			uint32_t mode, int flags, uint32_t open_flags, struct fb_entry *ret_entry,
			struct fb_open *ret_open)
{
	struct array *array = self;
	uint32_t place = place_of(array, parent, name);
	const struct fb_caller *caller = fb_req_caller(req);

	(void)flags;
	(void)open_flags;
	if (place == array->place_count)
		return -ENOSPC;
	if (array->node_of_name[place] != 0 || array->nodes[place].nlink != 0)
		return -EEXIST;
	array->nodes[place] = (struct array_node){
		.mode = S_IFREG | (mode & 07777), .uid = caller->uid, .gid = caller->gid, .nlink = 1
	};
	array->node_of_name[place] = place + 1;
	fill_entry(array, &array->nodes[place], ret_entry);
	ret_open->fh = ret_entry->node;
	return 0;
}

static int array_unlink(void *self, struct fb_req *req, uint64_t parent, const char *name)
{
	struct array *array = self;
	uint32_t place = place_of(array, parent, name);

	(void)req;
	if (place == array->place_count || array->node_of_name[place] == 0)
		return -ENOENT;
	array->nodes[array->node_of_name[place] - 1].nlink = 0;
	array->node_of_name[place] = 0;
	return 0;
}

static int array_rename(void *self, struct fb_req *req, uint64_t parent, const char *name,
			uint64_t new_parent, const char *new_name, uint32_t flags)
{
	struct array *array = self;
	uint32_t from = place_of(array, parent, name), to = place_of(array, new_parent, new_name);

	(void)req;
	if (from == array->place_count || array->node_of_name[from] == 0)
		return -ENOENT;
	if (to == array->place_count || flags)
		return -EINVAL;
	if (array->node_of_name[to] != 0)
		array->nodes[array->node_of_name[to] - 1].nlink = 0;
	array->node_of_name[to] = array->node_of_name[from];
	array->node_of_name[from] = 0;
	return 0;
}

/* ---- attributes --------------------------------------------------------------------------------- */

static int array_getattr(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
			 struct fb_attr_reply *ret_attr)
{
	struct array_node *found = node_at(self, node);

	(void)req;
	(void)fh;
	if (!found)
		return -ESTALE;
	ret_attr->attr_timeout_ns = SECOND_NS;
	fill_attr(self, found, &ret_attr->attr);
	return 0;
}

static int array_setattr(void *self, struct fb_req *req, uint64_t node,
			 const struct fb_setattr *set, struct fb_attr_reply *ret_attr)
{
	struct array_node *found = node_at(self, node);

	if (!found)
		return -ESTALE;
	if (set->valid & FB_SETATTR_MODE)
		found->mode = (found->mode & S_IFMT) | (set->mode & 07777);
	if (set->valid & FB_SETATTR_MTIME)
		found->mtime = set->mtime;
	return array_getattr(self, req, node, NULL, ret_attr);
}

static int array_getxattr(void *self, struct fb_req *req, uint64_t node, const char *name,
			  struct fb_sink *to, size_t size)
{
	(void)req;
	(void)name;
	(void)to;
	(void)size;
	return node_at(self, node) ? -ENODATA : -ESTALE;
}

static int array_statfs(void *self, struct fb_req *req, uint64_t node, struct fb_statfs *ret_statfs)
{
	const struct array *array = self;

	(void)req;
	(void)node;
	*ret_statfs = (struct fb_statfs){
		.files = array->place_count, .bsize = 4096, .frsize = 4096, .namelen = 255
	};
	return 0;
}

/* ---- content ------------------------------------------------------------------------------------ */

static int array_open(void *self, struct fb_req *req, uint64_t node, int flags, uint32_t open_flags,
		      struct fb_open *ret_open)
{
	(void)req;
	(void)flags;
	(void)open_flags;
	if (!node_at(self, node))
		return -ESTALE;
	ret_open->fh = node;
	return 0;
}

static void array_release(void *self, uint64_t node, uint64_t fh, const struct fb_release *how)
{
	(void)self;
	(void)node;
	(void)fh;
	(void)how;
}

static int array_read(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		      struct fb_sink *to, size_t count, uint64_t off)
{
	struct array *array = self;
	int r;

	(void)req;
	(void)fh;
	if (!node_at(array, node))
		return -ESTALE;
	if (off >= ARRAY_FILE_SIZE)
		return 0;
	if (count > ARRAY_FILE_SIZE - off)
		count = ARRAY_FILE_SIZE - off;
	r = fb_sink_put(to, array->content + off, count);
	return r < 0 ? r : (int)count;
}

static int array_write(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		       struct fb_source *from, size_t count, uint64_t off)
{
	struct array *array = self;

	(void)req;
	(void)fh;
	if (!node_at(array, node))
		return -ESTALE;
	if (off > ARRAY_FILE_SIZE || count > ARRAY_FILE_SIZE - off)
		return -EFBIG;
	return (int)fb_source_copy(from, array->content + off, count);
}

static int list(struct array *array, uint64_t cookie, struct fb_dirsink *to, bool plus)
{
	char name[16];

	for (uint64_t place = cookie; place < array->place_count; place++) {
		struct fb_dirent dirent = { .cookie = place + 1, .type = DT_REG, .name = name };
		struct fb_entry entry = { 0 };
		uint32_t number = array->node_of_name[place];

		if (number == 0)
			continue;
		dirent.name_len = (size_t)snprintf(name, sizeof(name), "f%u", (unsigned)place);
		dirent.ino = array_node_id(number - 1);
		if (!fb_dirsink_fits(to, dirent.name_len))
			return 0;
		if (plus)
			fill_entry(array, &array->nodes[number - 1], &entry);
		if (fb_dirsink_add(to, &dirent, plus ? &entry : NULL) < 0)
			return 0;
	}
	return 0;
}

static int array_readdir(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
			 uint64_t cookie, struct fb_dirsink *to)
{
	(void)req;
	(void)fh;
	return node == FB_ROOT_NODE ? list(self, cookie, to, false) : -ENOTDIR;
}

static int array_readdirplus(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
			     uint64_t cookie, struct fb_dirsink *to)
{
	(void)req;
	(void)fh;
	return node == FB_ROOT_NODE ? list(self, cookie, to, true) : -ENOTDIR;
}

const struct fb_driver_ops array_ops = {
	.size = sizeof(array_ops),
	.lookup = array_lookup,
	.forget = array_forget,
	.getattr = array_getattr,
	.setattr = array_setattr,
	.unlink = array_unlink,
	.rename = array_rename,
	.open = array_open,
	.create = array_create,
	.read = array_read,
	.write = array_write,
	.release = array_release,
	.readdir = array_readdir,
	.readdirplus = array_readdirplus,
	.statfs = array_statfs,
	.getxattr = array_getxattr,
};
