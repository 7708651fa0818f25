/* SPDX-License-Identifier: BSD-3-Clause */
#include "path_rig.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cmocka_setup.h"
#include "drivers/path/layer.h"

struct path_rig *path_rig_new(void)
{
	struct path_rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	path_tree_init(&rig->tree);
	rig->options.size = sizeof(rig->options);
	return rig;
}

void path_rig_connect(struct path_rig *rig)
{
	assert_int_equal(fb_path_new(&rig->tree.ops, &rig->tree, &rig->options, &rig->path), 0);
	assert_int_equal(
		fb_session_new(fb_path_driver_ops(rig->path), rig->path, NULL, &rig->session), 0);
	assert_int_equal(fb_loopback_new(rig->session, NULL, &rig->loop), 0);
	client_init(&rig->client, rig->loop);
}

struct path_rig *path_rig_start(void)
{
	struct path_rig *rig = path_rig_new();

	path_rig_connect(rig);
	return rig;
}

void path_rig_end(struct path_rig *rig)
{
	if (!rig->keeps) {
		client_let_go(&rig->client);
		assert_int_equal(path_rig_nodes(rig), 0);
	}
	fb_loopback_free(rig->loop);
	fb_session_unref(rig->session);
	assert_int_equal(path_rig_nodes(rig), 0);
	assert_int_equal(rig->tree.calls[TREE_destroy], 1);
	fb_path_free(rig->path);
	assert_int_equal(rig->tree.mistakes, 0);
	assert_int_equal(path_tree_fini(&rig->tree), 0);
	free(rig);
}

void path_rig_pend(struct path_rig *rig)
{
	pthread_mutex_lock(&rig->tree.lock);
	for (size_t i = 0; i < TREE_OPS; i++)
		rig->tree.pending[i] = true;
	rig->tree.completes = true;
	pthread_mutex_unlock(&rig->tree.lock);
}

size_t path_rig_nodes(struct path_rig *rig)
{
	return fb_path_count(rig->path);
}

/* ---- requests ------------------------------------------------------------------------------ */

/* Take the entry out of an answer, and the fh where one follows. */
static int entry(struct path_rig *rig, int r, uint64_t *ret_node, uint64_t *ret_fh)
{
	const struct fb_wire_create_out *out = client_body(&rig->client);

	if (r == 0 && ret_node)
		*ret_node = out->entry.nodeid;
	if (r == 0 && ret_fh)
		*ret_fh = out->open.fh;
	return r;
}

int path_lookup(struct path_rig *rig, uint64_t parent, const char *name, uint64_t *ret_node)
{
	return entry(rig, client_name(&rig->client, FB_OP_LOOKUP, parent, name), ret_node, NULL);
}

int path_mkdir(struct path_rig *rig, uint64_t parent, const char *name, uint64_t *ret_node)
{
	struct fb_wire_mkdir_in in = { .mode = 0755 };

	return entry(rig, CLIENT_CALL_NAME(&rig->client, FB_OP_MKDIR, parent, in, name), ret_node,
		     NULL);
}

int path_mknod(struct path_rig *rig, uint64_t parent, const char *name, uint64_t *ret_node)
{
	struct fb_wire_mknod_in in = { .mode = S_IFREG | 0644 };

	return entry(rig, CLIENT_CALL_NAME(&rig->client, FB_OP_MKNOD, parent, in, name), ret_node,
		     NULL);
}

int path_symlink(struct path_rig *rig, uint64_t parent, const char *name, const char *target,
		 uint64_t *ret_node)
{
	size_t length = strlen(name) + 1;
	char names[512];

	memcpy(names, name, length);
	memcpy(names + length, target, strlen(target) + 1);
	return entry(rig,
		     client_call(&rig->client, FB_OP_SYMLINK, parent, NULL, 0, names,
				 length + strlen(target) + 1),
		     ret_node, NULL);
}

int path_link(struct path_rig *rig, uint64_t node, uint64_t parent, const char *name,
	      uint64_t *ret_node)
{
	struct fb_wire_link_in in = { .oldnodeid = node };

	return entry(rig, CLIENT_CALL_NAME(&rig->client, FB_OP_LINK, parent, in, name), ret_node,
		     NULL);
}

int path_create(struct path_rig *rig, uint64_t parent, const char *name, uint32_t flags,
		uint64_t *ret_node, uint64_t *ret_fh)
{
	return entry(rig, client_create(&rig->client, parent, name, O_RDWR | flags), ret_node,
		     ret_fh);
}

int path_tmpfile(struct path_rig *rig, uint64_t parent, uint64_t *ret_node, uint64_t *ret_fh)
{
	struct fb_wire_create_in in = { .flags = O_RDWR, .mode = S_IFREG | 0600 };

	return entry(rig, CLIENT_CALL_NAME(&rig->client, FB_OP_TMPFILE, parent, in, "/"), ret_node,
		     ret_fh);
}

static int open_it(struct path_rig *rig, uint32_t opcode, uint64_t node, uint64_t *ret_fh)
{
	int r = client_open(&rig->client, opcode, node, opcode == FB_OP_OPEN ? O_RDWR : O_RDONLY);
	const struct fb_wire_open_out *out = client_body(&rig->client);

	if (r == 0 && ret_fh)
		*ret_fh = out->fh;
	return r;
}

int path_open(struct path_rig *rig, uint64_t node, uint64_t *ret_fh)
{
	return open_it(rig, FB_OP_OPEN, node, ret_fh);
}

int path_opendir(struct path_rig *rig, uint64_t node, uint64_t *ret_fh)
{
	return open_it(rig, FB_OP_OPENDIR, node, ret_fh);
}

int path_unlink(struct path_rig *rig, uint64_t parent, const char *name)
{
	return client_name(&rig->client, FB_OP_UNLINK, parent, name);
}

int path_rmdir(struct path_rig *rig, uint64_t parent, const char *name)
{
	return client_name(&rig->client, FB_OP_RMDIR, parent, name);
}

static void build_rename(struct path_rig *rig, uint64_t parent, const char *name,
			 uint64_t new_parent, const char *new_name, uint32_t flags)
{
	struct fb_wire_rename2_in in = { .newdir = new_parent, .flags = flags };
	size_t length = strlen(name) + 1;
	char names[2 * (FB_NAME_MAX + 1)];

	memcpy(names, name, length);
	memcpy(names + length, new_name, strlen(new_name) + 1);
	client_build(&rig->client, FB_OP_RENAME2, parent, &in, sizeof(in), names,
		     length + strlen(new_name) + 1);
}

void path_build_rename(struct path_rig *rig, uint64_t parent, const char *name, uint64_t new_parent,
		       const char *new_name)
{
	build_rename(rig, parent, name, new_parent, new_name, 0);
}

int path_rename(struct path_rig *rig, uint64_t parent, const char *name, uint64_t new_parent,
		const char *new_name, uint32_t flags)
{
	build_rename(rig, parent, name, new_parent, new_name, flags);
	return client_send(&rig->client);
}

int path_getattr(struct path_rig *rig, uint64_t node, const uint64_t *fh,
		 struct fb_wire_attr *ret_attr)
{
	struct fb_wire_getattr_in in = { .getattr_flags = fh ? FB_GETATTR_FH : 0,
					 .fh = fh ? *fh : 0 };
	int r = CLIENT_CALL(&rig->client, FB_OP_GETATTR, node, in);
	const struct fb_wire_attr_out *out = client_body(&rig->client);

	if (r == 0 && ret_attr)
		*ret_attr = out->attr;
	return r;
}

int path_truncate(struct path_rig *rig, uint64_t node, const uint64_t *fh, uint64_t size)
{
	struct fb_wire_setattr_in in = { .valid = FB_SETATTR_SIZE | (fh ? FB_SETATTR_FH : 0),
					 .fh = fh ? *fh : 0,
					 .size = size };

	return CLIENT_CALL(&rig->client, FB_OP_SETATTR, node, in);
}

/* Requests whose struct begins with the fh: FLUSH, FSYNC, FSYNCDIR, RELEASE, RELEASEDIR. */
int path_fh_call(struct path_rig *rig, uint32_t opcode, uint64_t node, uint64_t fh)
{
	struct fb_wire_flush_in flush = { .fh = fh };
	struct fb_wire_fsync_in fsync = { .fh = fh };
	struct fb_wire_release_in release = { .fh = fh };

	if (opcode == FB_OP_FLUSH)
		return CLIENT_CALL(&rig->client, opcode, node, flush);
	if (opcode == FB_OP_FSYNC || opcode == FB_OP_FSYNCDIR)
		return CLIENT_CALL(&rig->client, opcode, node, fsync);
	return CLIENT_CALL(&rig->client, opcode, node, release);
}

void path_expect(struct path_rig *rig, uint64_t node, const char *path)
{
	char buf[PATH_MAX];
	ssize_t length = fb_path_of(rig->path, node, buf, sizeof(buf));

	if (!path) {
		assert_int_equal(length, -ENOENT);
		return;
	}
	assert_int_equal(length, (ssize_t)strlen(path));
	assert_string_equal(buf, path);
}

void path_expect_called(struct path_rig *rig, enum tree_op op, const char *path)
{
	pthread_mutex_lock(&rig->tree.lock);
	assert_int_equal(rig->tree.last.op, op);
	assert_int_equal(rig->tree.last.has_path[0], path != NULL);
	if (path)
		assert_string_equal(rig->tree.last.paths[0], path);
	pthread_mutex_unlock(&rig->tree.lock);
}
