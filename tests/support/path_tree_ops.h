/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tree of tests from inside: what its operations stand on. All but the last two need its lock.
 */
#ifndef TESTS_PATH_TREE_OPS_H
#define TESTS_PATH_TREE_OPS_H

#include "path_tree.h"

/* All that there are. */
extern const struct fb_path_ops tree_all_ops;

/* Of the files in "/big". */
extern const struct fb_attr tree_big_attr;

/* The name of this path, or NULL. */
struct tree_name *tree_find(struct path_tree *tree, const char *path);

/* The part of path behind the directory dir, or NULL if it is not below. */
const char *tree_below(const char *path, const char *dir);

/* Whether the path is one of "/big". */
bool tree_is_big(const struct path_tree *tree, const char *path);

struct tree_file *tree_file_new(struct path_tree *tree, uint32_t mode);

/* Free a file that has neither names nor opens. */
void tree_file_drop(struct tree_file *file);

/* What an operation is about: by fh, or else by path; NULL if there is none. */
struct tree_file *tree_file_of(struct path_tree *tree, const char *path, const uint64_t *fh);

void tree_name_add(struct path_tree *tree, const char *path, struct tree_file *file);
void tree_name_remove(struct tree_name *name);

/* Make a file. Returns 0 or -EEXIST. */
int tree_make(struct path_tree *tree, const char *path, uint32_t mode);

/* Open a file. Returns the fh. */
uint64_t tree_open_add(struct path_tree *tree, struct tree_file *file, bool dir);

/* Begin an operation: take the lock, note the call. Returns 0 or the error that is asked for. */
int tree_enter(struct path_tree *tree, enum tree_op op, const char *path, const char *second,
	       const uint64_t *fh);

/* End it: give the lock back. Returns the result, or FB_PENDING. */
int tree_leave(struct path_tree *tree, enum tree_op op, struct fb_req *req, int result);

#endif
