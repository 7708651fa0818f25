/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file system by path for tests, in memory: it notes how it was called, fails as it is told, and
 * can hold requests back. "/big" holds as many files as wanted, "f0" and so on, that have no inode
 * numbers of their own.
 */
#ifndef TESTS_PATH_TREE_H
#define TESTS_PATH_TREE_H

#include <libfb/fb.h>
#include <limits.h>
#include <pthread.h>

#define TREE_NAMES_MAX 256
#define TREE_OPENS_MAX 256
#define TREE_HELD_MAX 256
#define TREE_DATA_MAX 256

enum tree_op {
#define TREE_X(op) TREE_##op,
	FB_PATH_OPS(TREE_X)
#undef TREE_X
		TREE_OPS
};

struct tree_file {
	struct fb_attr attr;
	unsigned names, opens;
	char data[TREE_DATA_MAX];
};

struct tree_name {
	char *path;
	struct tree_file *file;
};

struct tree_held {
	struct fb_req *req;
	int result;
};

/* How an operation was called. */
struct tree_call {
	enum tree_op op;
	bool has_path[2], has_fh;
	char paths[2][PATH_MAX];
	uint64_t fh;
};

struct path_tree {
	struct fb_path_ops ops; /* leave some out before the layer is made */
	int forced[TREE_OPS];   /* results, where not 0; of release nothing */
	bool pending[TREE_OPS]; /* hold these back */
	bool completes;         /* complete what is held back in another thread, at once */
	unsigned big;           /* files in "/big" */
	bool names_only;        /* listings without attributes */
	unsigned slow_us;       /* how long getattr takes to begin */
	bool one_fh;            /* every open file is 7 */
	uint64_t attr_timeout_ns;

	pthread_mutex_t lock; /* over what follows */
	pthread_cond_t changed;
	bool gate;        /* getattr does not begin until this is false */
	unsigned at_gate; /* how many do */
	unsigned calls[TREE_OPS];
	struct tree_call last;
	struct tree_name names[TREE_NAMES_MAX];
	struct tree_file *opens[TREE_OPENS_MAX];     /* by fh, which is 1 and up */
	struct tree_file *dir_opens[TREE_OPENS_MAX]; /* the same numbers */
	struct tree_held held[TREE_HELD_MAX];
	size_t held_count;
	uint64_t last_ino;
	unsigned mistakes; /* releases of what was not open, paths that are none */
	bool ends;
	pthread_t completer;
};

void path_tree_init(struct path_tree *tree);

/* Returns how many files are still open. */
unsigned path_tree_fini(struct path_tree *tree);

/* Make a file or a directory (mode with its type) behind the layer's back. Returns its number. */
uint64_t path_tree_make(struct path_tree *tree, const char *path, uint32_t mode);

/* Remove a name behind the layer's back. */
void path_tree_remove(struct path_tree *tree, const char *path);

/* Have getattr wait when it is called, or go on. */
void path_tree_gate(struct path_tree *tree, bool closed);

/* Wait until that many do. */
void path_tree_await(struct path_tree *tree, unsigned at_gate);

/* Complete the request held back longest: with its result, or with result if that is not 0. */
void path_tree_complete(struct path_tree *tree, int result);

#endif
