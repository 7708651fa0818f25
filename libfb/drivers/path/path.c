/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <errno.h>
#include <libfb/log.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "dir_ops.h"
#include "file_ops.h"
#include "layer.h"
#include "name_ops.h"
#include "node_ops.h"

#define SECOND_NS UINT64_C(1000000000)

/* The struct and its list of members agree: one pointer each, behind the size. */
#define COUNT_OP(op) +1
static_assert(sizeof(struct fb_path_ops) ==
		      sizeof(size_t) + (0 FB_PATH_OPS(COUNT_OP)) * sizeof(void (*)(void)),
	      "FB_PATH_OPS lists every operation");
/* And in the struct's order. */
#define PLACE_OP(op) PLACE_##op,
enum { FB_PATH_OPS(PLACE_OP) };
#define CHECK_OP(op)                                                                               \
	static_assert(offsetof(struct fb_path_ops, op) ==                                          \
			      sizeof(size_t) + PLACE_##op * sizeof(void (*)(void)),                \
		      "FB_PATH_OPS has the struct's order");
FB_PATH_OPS(CHECK_OP)

/* ---- what the client is told --------------------------------------------------------------- */

static uint64_t timeout(uint64_t ns, uint64_t ns_default)
{
	return ns == 0 ? ns_default : ns == FB_TIMEOUT_NONE ? 0 : ns;
}

void fb_path_finish_attr(const struct fb_path *fs, struct fb_path_node *node,
			 struct fb_attr_reply *reply)
{
	node->ino = reply->attr.ino;
	if (reply->attr.ino == 0)
		reply->attr.ino = node->id;
	reply->attr_timeout_ns = timeout(reply->attr_timeout_ns, fs->attr_timeout_ns);
}

void fb_path_count_lookup(const struct fb_path *fs, struct fb_path_node *node,
			  const struct fb_attr_reply *reply, struct fb_entry *ret_entry)
{
	struct fb_attr_reply finished = *reply;

	fb_path_finish_attr(fs, node, &finished);
	node->lookups++;
	*ret_entry = (struct fb_entry){ .node = node->id,
					.entry_timeout_ns = fs->entry_timeout_ns,
					.attr_timeout_ns = finished.attr_timeout_ns,
					.attr = finished.attr };
}

/* ---- start and end ------------------------------------------------------------------------- */

static int path_init(void *self, struct fb_session *session, struct fb_conn *conn)
{
	struct fb_path *fs = self;

	return fs->ops.init(fs->self, session, conn);
}

/* Forget the client; requests that are still held back are told by the epoch. */
static void let_go(struct fb_path *fs)
{
	pthread_mutex_lock(&fs->lock);
	fs->epoch++;
	pthread_mutex_unlock(&fs->lock);
	fb_path_release_all(fs);
	pthread_mutex_lock(&fs->lock);
	fb_path_table_clear(&fs->table);
	pthread_mutex_unlock(&fs->lock);
}

static void path_destroy(void *self)
{
	struct fb_path *fs = self;

	let_go(fs);
	if (fs->ops.destroy)
		fs->ops.destroy(fs->self);
}

static void fill_driver_ops(struct fb_path *fs)
{
	fs->driver_ops = (struct fb_driver_ops){ .size = sizeof(fs->driver_ops),
						 .init = fs->ops.init ? path_init : NULL,
						 .destroy = path_destroy };
	fb_path_node_ops(&fs->ops, &fs->driver_ops);
	fb_path_name_ops(&fs->ops, &fs->driver_ops);
	fb_path_file_ops(&fs->ops, &fs->driver_ops);
	fb_path_dir_ops(&fs->ops, &fs->driver_ops);
}

/* Copy a struct that begins with its size; what only a newer program knows must be left at zero. */
static int copy_sized(const void *from, size_t from_size, void *to, size_t to_size,
		      const char *what)
{
	const unsigned char *bytes = from;

	if (from_size < sizeof(from_size))
		return fb_fail(EINVAL, "%s.size is not set", what);
	for (size_t i = to_size; i < from_size; i++) {
		if (bytes[i] != 0)
			return fb_fail(EINVAL, "%s holds what this version of libfb does not know",
				       what);
	}
	memcpy(to, from, from_size < to_size ? from_size : to_size);
	return 0;
}

static int set_up(struct fb_path *fs, const struct fb_path_ops *ops,
		  const struct fb_path_options *options)
{
	struct fb_path_options own = { .size = sizeof(own) };
	int r = copy_sized(ops, ops->size, &fs->ops, sizeof(fs->ops), "fb_path_ops");

	if (r == 0 && options)
		r = copy_sized(options, options->size, &own, sizeof(own), "fb_path_options");
	if (r < 0)
		return r;
	if (!fs->ops.getattr)
		return fb_fail(EINVAL, "fb_path_ops has no getattr");
	fs->entry_timeout_ns = timeout(own.entry_timeout_ns, SECOND_NS);
	fs->attr_timeout_ns = timeout(own.attr_timeout_ns, SECOND_NS);
	fs->negative_timeout_ns = timeout(own.negative_timeout_ns, 0);
	fill_driver_ops(fs);
	r = fb_path_table_init(&fs->table);
	return r < 0 ? fb_fail(-r, "no memory for a path layer") : 0;
}

int fb_path_new(const struct fb_path_ops *ops, void *self, const struct fb_path_options *options,
		struct fb_path **ret_layer)
{
	struct fb_path *layer = calloc(1, sizeof(*layer));
	int r;

	if (!layer)
		return fb_fail(ENOMEM, "no memory for a path layer");
	r = set_up(layer, ops, options);
	if (r < 0) {
		free(layer);
		return r;
	}
	layer->self = self;
	pthread_mutex_init(&layer->lock, NULL);
	pthread_cond_init(&layer->changed, NULL);
	*ret_layer = layer;
	return 0;
}

void fb_path_free(struct fb_path *layer)
{
	if (!layer)
		return;
	let_go(layer);
	fb_path_calls_free(layer);
	fb_path_table_fini(&layer->table);
	pthread_cond_destroy(&layer->changed);
	pthread_mutex_destroy(&layer->lock);
	free(layer);
}

const struct fb_driver_ops *fb_path_driver_ops(const struct fb_path *layer)
{
	return &layer->driver_ops;
}

/* ---- questions ----------------------------------------------------------------------------- */

size_t fb_path_count(struct fb_path *fs)
{
	FB_PATH_LOCKED(fs);
	return fs->table.count;
}

int fb_path_find(struct fb_path *layer, const char *path, uint64_t *ret_node)
{
	struct fb_path_node *node = &layer->table.root;

	if (path[0] != '/')
		return -ENOENT;
	FB_PATH_LOCKED(layer);
	while (node && *(path += strspn(path, "/"))) {
		size_t length = strcspn(path, "/");

		node = fb_path_table_find(&layer->table, node, path, length);
		path += length;
	}
	if (!node || !fb_path_node_is_known(node))
		return -ENOENT;
	*ret_node = node->id;
	return 0;
}

ssize_t fb_path_of(struct fb_path *layer, uint64_t node, char *buf, size_t size)
{
	const struct fb_path_node *found;
	const char *text;
	size_t length;
	int r;

	FB_PATH_LOCKED(layer);
	found = fb_path_table_get(&layer->table, node);
	r = found ? fb_path_node_text(found, buf, size, &text) : -ESTALE;
	if (r < 0)
		return r;
	length = strlen(text);
	memmove(buf, text, length + 1);
	return (ssize_t)length;
}
