/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The path layer over a tree of tests, served to a client over a loopback. After each test nothing
 * may be left of nodes and open files.
 */
#ifndef TESTS_PATH_RIG_H
#define TESTS_PATH_RIG_H

#include "client.h"
#include "path_tree.h"

struct path_rig {
	struct path_tree tree;
	struct fb_path_options options; /* set up before path_rig_connect() */
	struct fb_path *path;
	struct fb_session *session;
	struct fb_loopback *loop;
	struct client client;
	bool keeps; /* the client goes without giving anything back */
};

/* Make a rig; set up its tree and options, then connect. */
struct path_rig *path_rig_new(void);
void path_rig_connect(struct path_rig *rig);

/* Both. */
struct path_rig *path_rig_start(void);

/* Have the client give back all, check that nothing is left, and free. */
void path_rig_end(struct path_rig *rig);

/* Hold back every operation; they are completed by another thread at once. */
void path_rig_pend(struct path_rig *rig);

/* How many nodes the layer has, without the root. */
size_t path_rig_nodes(struct path_rig *rig);

/* Requests; 0 or -errno. Outputs are filled in on success only, and may be NULL. */
int path_lookup(struct path_rig *rig, uint64_t parent, const char *name, uint64_t *ret_node);
int path_mkdir(struct path_rig *rig, uint64_t parent, const char *name, uint64_t *ret_node);
int path_mknod(struct path_rig *rig, uint64_t parent, const char *name, uint64_t *ret_node);
int path_symlink(struct path_rig *rig, uint64_t parent, const char *name, const char *target,
		 uint64_t *ret_node);
int path_link(struct path_rig *rig, uint64_t node, uint64_t parent, const char *name,
	      uint64_t *ret_node);
int path_create(struct path_rig *rig, uint64_t parent, const char *name, uint32_t flags,
		uint64_t *ret_node, uint64_t *ret_fh);
int path_tmpfile(struct path_rig *rig, uint64_t parent, uint64_t *ret_node, uint64_t *ret_fh);
int path_open(struct path_rig *rig, uint64_t node, uint64_t *ret_fh);
int path_opendir(struct path_rig *rig, uint64_t node, uint64_t *ret_fh);
int path_unlink(struct path_rig *rig, uint64_t parent, const char *name);
int path_rmdir(struct path_rig *rig, uint64_t parent, const char *name);
int path_rename(struct path_rig *rig, uint64_t parent, const char *name, uint64_t new_parent,
		const char *new_name, uint32_t flags);
int path_getattr(struct path_rig *rig, uint64_t node, const uint64_t *fh,
		 struct fb_wire_attr *ret_attr);
int path_truncate(struct path_rig *rig, uint64_t node, const uint64_t *fh, uint64_t size);
int path_fh_call(struct path_rig *rig, uint32_t opcode, uint64_t node, uint64_t fh);

/* Build such a request for client_submit(). */
void path_build_rename(struct path_rig *rig, uint64_t parent, const char *name, uint64_t new_parent,
		       const char *new_name);

/* Fail unless the layer's path of a node is this one; NULL: it has none. */
void path_expect(struct path_rig *rig, uint64_t node, const char *path);

/* Fail unless the last call of the tree had this path (NULL: none). */
void path_expect_called(struct path_rig *rig, enum tree_op op, const char *path);

#endif
