/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file system in memory: memfs MOUNTPOINT, until Ctrl-C. What is written is gone at the end.
 *
 * A node's number is its place in a table, so that a number that was never given out is found to be
 * wrong. Places are used again: the generation tells apart the nodes that had one. One mutex guards
 * everything. A node lives as long as it has a name or the client knows it.
 */
#include <libfb/fb.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define NODES_MAX 65536
#define SIZE_MAX_BYTES (UINT64_C(1) << 30)

struct name {
	struct name *next;
	uint64_t node, cookie;
	char text[FB_NAME_MAX + 1];
};

struct node {
	struct fb_attr attr;
	uint64_t parent, lookups, generation;
	char *data; /* of a file, or the target of a symbolic link */
	struct name *names;
};

static struct {
	pthread_mutex_t lock;
	struct node *nodes[NODES_MAX]; /* the number of a node is its index */
	uint64_t last_cookie, last_generation;
} fs = { .lock = PTHREAD_MUTEX_INITIALIZER, .last_cookie = 2 };

static void unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

/* Hold the lock until the end of the scope. */
#define LOCKED                                                                                     \
	__attribute__((cleanup(unlock), unused)) pthread_mutex_t *locked = &fs.lock;               \
	pthread_mutex_lock(locked)

static struct node *node_of(uint64_t number)
{
	return number < NODES_MAX ? fs.nodes[number] : NULL;
}

static struct fb_time now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (struct fb_time){ time.tv_sec, (uint32_t)time.tv_nsec };
}

static void changed(struct node *node)
{
	node->attr.mtime = node->attr.ctime = now();
}

/* Give a file another size; new bytes are zero. */
static int resize(struct node *node, uint64_t size)
{
	char *data;

	if (size > SIZE_MAX_BYTES)
		return -EFBIG;
	data = realloc(node->data, size + 1);
	if (!data)
		return -ENOSPC;
	if (size > node->attr.size)
		memset(data + node->attr.size, 0, size - node->attr.size);
	node->data = data;
	node->attr.size = size;
	node->attr.blocks = (size + 511) / 512;
	changed(node);
	return 0;
}

static struct node *node_new(const struct node *parent, const struct fb_caller *caller,
			     uint32_t mode)
{
	struct node *node = NULL;
	uint64_t number = FB_ROOT_NODE;

	while (number < NODES_MAX && fs.nodes[number])
		number++;
	if (number < NODES_MAX)
		node = calloc(1, sizeof(*node));
	if (!node)
		return NULL;
	node->generation = ++fs.last_generation;
	node->attr = (struct fb_attr){ .ino = number, .mode = mode, .blksize = 4096 };
	node->attr.atime = node->attr.mtime = node->attr.ctime = now();
	if (caller) {
		node->attr.uid = caller->uid;
		node->attr.gid = caller->gid;
	}
	if (parent && (parent->attr.mode & S_ISGID)) {
		node->attr.gid = parent->attr.gid;
		node->attr.mode |= S_ISDIR(mode) ? S_ISGID : 0;
	}
	return fs.nodes[number] = node;
}

static void node_release(struct node *node)
{
	if (node->attr.nlink > 0 || node->lookups > 0)
		return;
	fs.nodes[node->attr.ino] = NULL;
	free(node->data);
	free(node);
}

/* The place where a name is linked, or the end of the list. */
static struct name **find(struct node *parent, const char *text)
{
	struct name **name = &parent->names;

	while (*name && strcmp((*name)->text, text) != 0)
		name = &(*name)->next;
	return name;
}

static int name_add(struct node *parent, const char *text, struct node *node)
{
	struct name **place = find(parent, text);

	if (*place)
		return -EEXIST;
	*place = calloc(1, sizeof(**place));
	if (!*place)
		return -ENOSPC;
	(*place)->node = node->attr.ino;
	(*place)->cookie = ++fs.last_cookie;
	strncpy((*place)->text, text, FB_NAME_MAX);
	node->attr.nlink++;
	node->attr.ctime = now();
	if (S_ISDIR(node->attr.mode)) {
		node->attr.nlink++;
		node->parent = parent->attr.ino;
		parent->attr.nlink++;
	}
	changed(parent);
	return 0;
}

static void name_remove(struct node *parent, struct name **place)
{
	struct name *name = *place;
	struct node *node = fs.nodes[name->node];

	*place = name->next;
	free(name);
	node->attr.nlink--;
	node->attr.ctime = now();
	if (S_ISDIR(node->attr.mode)) {
		node->attr.nlink--;
		parent->attr.nlink--;
	}
	changed(parent);
	node_release(node);
}

static int answer(struct node *node, struct fb_entry *ret_entry)
{
	node->lookups++;
	*ret_entry = (struct fb_entry){ .node = node->attr.ino,
					.generation = node->generation,
					.attr = node->attr };
	return 0;
}

static int make(struct fb_req *req, uint64_t parent, const char *name, uint32_t mode, uint32_t rdev,
		const char *target, struct fb_entry *ret_entry)
{
	struct node *directory = node_of(parent), *node;
	int result;

	if (!directory)
		return -ESTALE;
	node = node_new(directory, fb_req_caller(req), mode);
	if (!node)
		return -ENOSPC;
	node->attr.rdev = rdev;
	result = target ? resize(node, strlen(target)) : 0;
	if (result == 0 && target)
		memcpy(node->data, target, strlen(target));
	if (result == 0)
		result = name_add(directory, name, node);
	if (result < 0)
		node_release(node);
	return result < 0 ? result : answer(node, ret_entry);
}

static int memfs_lookup(void *self, struct fb_req *req, uint64_t parent, const char *name,
			struct fb_entry *ret_entry)
{
	LOCKED;
	struct node *directory = node_of(parent);
	struct name *found = directory ? *find(directory, name) : NULL;

	return !directory ? -ESTALE : !found ? -ENOENT : answer(node_of(found->node), ret_entry);
}

static void memfs_forget(void *self, uint64_t number, uint64_t count)
{
	LOCKED;
	struct node *node = node_of(number);

	if (!node)
		return;
	node->lookups -= count < node->lookups ? count : node->lookups;
	node_release(node);
}

static int memfs_getattr(void *self, struct fb_req *req, uint64_t number, const uint64_t *fh,
			 struct fb_attr_reply *ret_attr)
{
	LOCKED;
	struct node *node = node_of(number);

	if (!node)
		return -ESTALE;
	*ret_attr = (struct fb_attr_reply){ .attr = node->attr };
	return 0;
}

static int memfs_setattr(void *self, struct fb_req *req, uint64_t number,
			 const struct fb_setattr *set, struct fb_attr_reply *ret_attr)
{
	LOCKED;
	struct node *node = node_of(number);
	struct fb_attr *attr = node ? &node->attr : NULL;
	int result = !node ? -ESTALE : set->valid & FB_SETATTR_SIZE ? resize(node, set->size) : 0;

	if (result < 0)
		return result;
	attr->ctime = now();
	if (set->valid & FB_SETATTR_MODE)
		attr->mode = (attr->mode & S_IFMT) | (set->mode & 07777);
	if (set->valid & FB_SETATTR_UID)
		attr->uid = set->uid;
	if (set->valid & FB_SETATTR_GID)
		attr->gid = set->gid;
	if (set->valid & FB_SETATTR_ATIME)
		attr->atime = set->valid & FB_SETATTR_ATIME_NOW ? now() : set->atime;
	if (set->valid & FB_SETATTR_MTIME)
		attr->mtime = set->valid & FB_SETATTR_MTIME_NOW ? now() : set->mtime;
	*ret_attr = (struct fb_attr_reply){ .attr = *attr };
	return 0;
}

static int memfs_mknod(void *self, struct fb_req *req, uint64_t parent, const char *name,
		       uint32_t mode, uint32_t rdev, struct fb_entry *ret_entry)
{
	LOCKED;
	return make(req, parent, name, mode, rdev, NULL, ret_entry);
}

static int memfs_mkdir(void *self, struct fb_req *req, uint64_t parent, const char *name,
		       uint32_t mode, struct fb_entry *ret_entry)
{
	LOCKED;
	return make(req, parent, name, S_IFDIR | mode, 0, NULL, ret_entry);
}

static int memfs_symlink(void *self, struct fb_req *req, uint64_t parent, const char *name,
			 const char *target, struct fb_entry *ret_entry)
{
	LOCKED;
	return make(req, parent, name, S_IFLNK | 0777, 0, target, ret_entry);
}

static int memfs_readlink(void *self, struct fb_req *req, uint64_t number, struct fb_sink *to)
{
	LOCKED;
	struct node *node = node_of(number);

	return node ? fb_sink_put(to, node->data, node->attr.size) : -ESTALE;
}

static int memfs_unlink(void *self, struct fb_req *req, uint64_t parent, const char *name)
{
	LOCKED;
	struct node *directory = node_of(parent);
	struct name **place = directory ? find(directory, name) : NULL;

	if (!place || !*place)
		return place ? -ENOENT : -ESTALE;
	if (node_of((*place)->node)->names)
		return -ENOTEMPTY;
	name_remove(directory, place);
	return 0;
}

static int memfs_link(void *self, struct fb_req *req, uint64_t number, uint64_t new_parent,
		      const char *new_name, struct fb_entry *ret_entry)
{
	LOCKED;
	struct node *node = node_of(number), *directory = node_of(new_parent);
	int result = node && directory ? name_add(directory, new_name, node) : -ESTALE;

	return result < 0 ? result : answer(node, ret_entry);
}

static int memfs_rename(void *self, struct fb_req *req, uint64_t parent, const char *name,
			uint64_t new_parent, const char *new_name, uint32_t flags)
{
	LOCKED;
	struct node *from = node_of(parent), *to = node_of(new_parent);
	struct name **old = from ? find(from, name) : NULL, **new = to ? find(to, new_name) : NULL;
	int result;

	if (!old || !new || !*old)
		return old && new ? -ENOENT : -ESTALE;
	if (flags & ~FB_RENAME_NOREPLACE)
		return -EINVAL;
	if (*new && (flags & FB_RENAME_NOREPLACE))
		return -EEXIST;
	if (*new && (*new)->node == (*old)->node)
		return 0;
	if (*new &&node_of((*new)->node)->names)
		return -ENOTEMPTY;
	if (*new)
		name_remove(to, new);
	result = name_add(to, new_name, node_of((*find(from, name))->node));
	if (result == 0)
		name_remove(from, find(from, name));
	return result;
}

static int memfs_read(void *self, struct fb_req *req, uint64_t number, uint64_t fh,
		      struct fb_sink *to, size_t count, uint64_t off)
{
	LOCKED;
	struct node *node = node_of(number);
	uint64_t rest = node && off < node->attr.size ? node->attr.size - off : 0;
	size_t size = rest < count ? (size_t)rest : count;
	int result = node ? fb_sink_put(to, size ? node->data + off : "", size) : -ESTALE;

	return result < 0 ? result : (int)size;
}

static int memfs_write(void *self, struct fb_req *req, uint64_t number, uint64_t fh,
		       struct fb_source *from, size_t count, uint64_t off)
{
	LOCKED;
	struct node *node = node_of(number);
	uint64_t end = off + count;
	int result = !node ? -ESTALE : end < off ? -EFBIG : 0;

	if (result == 0 && end > node->attr.size)
		result = resize(node, end);
	if (result < 0)
		return result;
	changed(node);
	return (int)fb_source_copy(from, node->data + off, count);
}

static int add(struct fb_dirsink *to, uint64_t number, uint64_t cookie, const char *text)
{
	struct fb_dirent entry = { number, cookie, DT_UNKNOWN, text, strlen(text) };

	entry.type = IFTODT(node_of(number)->attr.mode);
	return fb_dirsink_add(to, &entry, NULL);
}

static int memfs_readdir(void *self, struct fb_req *req, uint64_t number, uint64_t fh,
			 uint64_t cookie, struct fb_dirsink *to)
{
	LOCKED;
	struct node *node = node_of(number);
	int result = 0;

	if (!node)
		return -ESTALE;
	if (cookie < 1)
		result = add(to, number, 1, ".");
	if (cookie < 2 && result == 0)
		result = add(to, node->parent, 2, "..");
	for (struct name *name = node->names; name && result == 0; name = name->next) {
		if (name->cookie > cookie)
			result = add(to, name->node, name->cookie, name->text);
	}
	return result == -ENOBUFS ? 0 : result;
}

static int memfs_create(void *self, struct fb_req *req, uint64_t parent, const char *name,
			uint32_t mode, int flags, uint32_t open_flags, struct fb_entry *ret_entry,
			struct fb_open *ret_open)
{
	LOCKED;
	*ret_open = (struct fb_open){ .backing_fd = -1 };
	return make(req, parent, name, mode, 0, NULL, ret_entry);
}

static const struct fb_driver_ops memfs_ops = {
	.size = sizeof(memfs_ops),
	.lookup = memfs_lookup,
	.forget = memfs_forget,
	.getattr = memfs_getattr,
	.setattr = memfs_setattr,
	.mknod = memfs_mknod,
	.mkdir = memfs_mkdir,
	.symlink = memfs_symlink,
	.readlink = memfs_readlink,
	.unlink = memfs_unlink,
	.rmdir = memfs_unlink,
	.link = memfs_link,
	.rename = memfs_rename,
	.create = memfs_create,
	.read = memfs_read,
	.write = memfs_write,
	.readdir = memfs_readdir,
};

int main(int argc, char **argv)
{
	const struct fb_mount_options mount = { .size = sizeof(mount),
						.source = "memfs",
						.subtype = "memfs",
						.options = "default_permissions" };
	struct node *root = node_new(NULL, NULL, S_IFDIR | 0755);
	struct fb_session *session;

	if (!root)
		return 1;
	root->attr.nlink = 2;
	root->parent = FB_ROOT_NODE;
	if (fb_session_new(&memfs_ops, NULL, NULL, &session) == 0 &&
	    fb_mount(session, argv[1], &mount) == 0 && fb_session_stop_on_signals(session) == 0 &&
	    fb_session_run(session) == 0)
		return 0;
	fprintf(stderr, "memfs: %s\n", fb_last_error());
	return 1;
}
