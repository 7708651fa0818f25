/* SPDX-License-Identifier: BSD-3-Clause */
#include "path_tree_ops.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ONE_FH 7

/* ---- names and files ----------------------------------------------------------------------- */

struct tree_name *tree_find(struct path_tree *tree, const char *path)
{
	for (size_t i = 0; i < TREE_NAMES_MAX; i++)
		if (tree->names[i].path && strcmp(tree->names[i].path, path) == 0)
			return &tree->names[i];
	return NULL;
}

/* The part of path behind the directory dir, or NULL if it is not below. */
const char *tree_below(const char *path, const char *dir)
{
	size_t length = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

	if (strncmp(path, dir, length) != 0 || path[length] != '/' || !path[length + 1])
		return NULL;
	return path + length + 1;
}

void tree_file_drop(struct tree_file *file)
{
	if (file->names == 0 && file->opens == 0)
		free(file);
}

struct tree_file *tree_file_new(struct path_tree *tree, uint32_t mode)
{
	struct tree_file *file = calloc(1, sizeof(*file));

	assert(file);
	file->attr.ino = ++tree->last_ino;
	file->attr.mode = mode;
	file->attr.nlink = 1;
	return file;
}

void tree_name_add(struct path_tree *tree, const char *path, struct tree_file *file)
{
	size_t i = 0;

	while (tree->names[i].path) {
		i++;
		assert(i < TREE_NAMES_MAX);
	}
	tree->names[i] = (struct tree_name){ strdup(path), file };
	file->names++;
}

void tree_name_remove(struct tree_name *name)
{
	free(name->path);
	name->path = NULL;
	name->file->names--;
	tree_file_drop(name->file);
}

/* "/big/f17" is a file, as far as there are that many. */
bool tree_is_big(const struct path_tree *tree, const char *path)
{
	unsigned number;
	char end;

	return sscanf(path, "/big/f%u%c", &number, &end) == 1 && number < tree->big;
}

const struct fb_attr tree_big_attr = { .mode = S_IFREG | 0600, .nlink = 1 };

/* What an operation is about: by fh, or else by path; NULL if there is none. */
struct tree_file *tree_file_of(struct path_tree *tree, const char *path, const uint64_t *fh)
{
	struct tree_name *name = path ? tree_find(tree, path) : NULL;

	if (fh && *fh < TREE_OPENS_MAX && tree->opens[*fh])
		return tree->opens[*fh];
	return name ? name->file : NULL;
}

uint64_t tree_open_add(struct path_tree *tree, struct tree_file *file, bool dir)
{
	struct tree_file **opens = dir ? tree->dir_opens : tree->opens;
	uint64_t fh = 1;

	if (tree->one_fh && !dir)
		return ONE_FH;
	file->opens++;
	while (opens[fh]) {
		fh++;
		assert(fh < TREE_OPENS_MAX);
	}
	opens[fh] = file;
	return fh;
}

int tree_make(struct path_tree *tree, const char *path, uint32_t mode)
{
	if (tree_find(tree, path))
		return -EEXIST;
	tree_name_add(tree, path, tree_file_new(tree, mode));
	return 0;
}

/* ---- calls --------------------------------------------------------------------------------- */

static void note_path(struct path_tree *tree, size_t i, const char *path)
{
	size_t length = path ? strlen(path) : 0;

	tree->last.has_path[i] = path != NULL;
	tree->last.paths[i][0] = '\0';
	if (!path)
		return;
	if (path[0] != '/' || length >= PATH_MAX || (length > 1 && path[length - 1] == '/'))
		tree->mistakes++;
	snprintf(tree->last.paths[i], PATH_MAX, "%s", path);
}

/* Begin: take the lock, note the call. Returns 0 or the error that is asked for. */
int tree_enter(struct path_tree *tree, enum tree_op op, const char *path, const char *second,
	       const uint64_t *fh)
{
	pthread_mutex_lock(&tree->lock);
	tree->calls[op]++;
	tree->last.op = op;
	tree->last.has_fh = fh != NULL;
	tree->last.fh = fh ? *fh : 0;
	note_path(tree, 0, path);
	note_path(tree, 1, second);
	return tree->forced[op];
}

/* End: give the lock back, with the result or without. */
int tree_leave(struct path_tree *tree, enum tree_op op, struct fb_req *req, int result)
{
	if (tree->pending[op]) {
		assert(tree->held_count < TREE_HELD_MAX);
		tree->held[tree->held_count++] = (struct tree_held){ req, result };
		pthread_cond_broadcast(&tree->changed);
		result = FB_PENDING;
	}
	pthread_mutex_unlock(&tree->lock);
	return result;
}

static struct tree_held take_held(struct path_tree *tree)
{
	struct tree_held held = tree->held[0];

	tree->held_count--;
	memmove(tree->held, tree->held + 1, tree->held_count * sizeof(held));
	return held;
}

void path_tree_complete(struct path_tree *tree, int result)
{
	struct tree_held held;
	int r;

	pthread_mutex_lock(&tree->lock);
	while (tree->held_count == 0)
		pthread_cond_wait(&tree->changed, &tree->lock);
	held = take_held(tree);
	pthread_mutex_unlock(&tree->lock);
	r = fb_req_complete(held.req, result ? result : held.result);
	assert(r == 0);
}

static void *complete_all(void *arg)
{
	struct path_tree *tree = arg;
	struct tree_held held;
	int r;

	pthread_mutex_lock(&tree->lock);
	while (!tree->ends) {
		if (!tree->completes || tree->held_count == 0) {
			pthread_cond_wait(&tree->changed, &tree->lock);
			continue;
		}
		held = take_held(tree);
		pthread_mutex_unlock(&tree->lock);
		r = fb_req_complete(held.req, held.result);
		assert(r == 0);
		pthread_mutex_lock(&tree->lock);
	}
	pthread_mutex_unlock(&tree->lock);
	return NULL;
}

/* ---- start and end ------------------------------------------------------------------------- */

void path_tree_init(struct path_tree *tree)
{
	int r;

	memset(tree, 0, sizeof(*tree));
	tree->ops = tree_all_ops;
	pthread_mutex_init(&tree->lock, NULL);
	pthread_cond_init(&tree->changed, NULL);
	tree_name_add(tree, "/", tree_file_new(tree, S_IFDIR | 0755));
	r = pthread_create(&tree->completer, NULL, complete_all, tree);
	assert(r == 0);
}

unsigned path_tree_fini(struct path_tree *tree)
{
	unsigned left = 0;

	pthread_mutex_lock(&tree->lock);
	tree->ends = true;
	pthread_cond_broadcast(&tree->changed);
	pthread_mutex_unlock(&tree->lock);
	pthread_join(tree->completer, NULL);
	for (size_t i = 0; i < TREE_OPENS_MAX; i++)
		left += (tree->opens[i] ? 1u : 0u) + (tree->dir_opens[i] ? 1u : 0u);
	for (size_t i = 0; i < TREE_NAMES_MAX; i++)
		if (tree->names[i].path)
			tree_name_remove(&tree->names[i]);
	pthread_mutex_destroy(&tree->lock);
	pthread_cond_destroy(&tree->changed);
	return left;
}

void path_tree_gate(struct path_tree *tree, bool closed)
{
	pthread_mutex_lock(&tree->lock);
	tree->gate = closed;
	pthread_cond_broadcast(&tree->changed);
	pthread_mutex_unlock(&tree->lock);
}

void path_tree_await(struct path_tree *tree, unsigned at_gate)
{
	pthread_mutex_lock(&tree->lock);
	while (tree->at_gate < at_gate)
		pthread_cond_wait(&tree->changed, &tree->lock);
	pthread_mutex_unlock(&tree->lock);
}

uint64_t path_tree_make(struct path_tree *tree, const char *path, uint32_t mode)
{
	uint64_t ino;
	int r;

	pthread_mutex_lock(&tree->lock);
	r = tree_make(tree, path, mode);
	assert(r == 0);
	ino = tree_find(tree, path)->file->attr.ino;
	pthread_mutex_unlock(&tree->lock);
	return ino;
}

void path_tree_remove(struct path_tree *tree, const char *path)
{
	struct tree_name *name;

	pthread_mutex_lock(&tree->lock);
	name = tree_find(tree, path);
	assert(name);
	tree_name_remove(name);
	pthread_mutex_unlock(&tree->lock);
}
