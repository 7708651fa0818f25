/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree of nodes that the client knows, by number and by name. All of it is used under the
 * layer's lock.
 *
 * A node's number is a slot and how often that slot was used, never a pointer. A node is found by
 * (parent, name), in one hash table for all. It lives while anything refers to it: lookups that the
 * client was given, open files, children, requests under way.
 */
#ifndef LIBFB_PATH_NODE_TABLE_H
#define LIBFB_PATH_NODE_TABLE_H

#include <libfb/types.h>

#include <limits.h>

struct fb_path_open;

struct fb_path_node {
	uint64_t id;
	uint64_t ino;                /* as the client was told, or 0 */
	struct fb_path_node *parent; /* NULL: the root, or without a name */
	char *name;                  /* NULL: the root, or never had one */
	struct fb_path_node *next;   /* of those with the same hash */
	uint64_t lookups, children;
	struct fb_path_open *files; /* what the client has open */
	struct fb_path_open *dirs;
	uint64_t users;  /* operations on paths that lead here or through here */
	unsigned pins;   /* requests that remember it */
	unsigned wanted; /* by who is going to move it, when users is 0 */
	bool moving;     /* its name is changing just now */
};

struct fb_path_slot {
	struct fb_path_node *node; /* NULL: free */
	uint32_t generation;       /* of the node, or the next one */
	uint32_t next_free;        /* 0 is the end */
};

struct fb_path_table {
	struct fb_path_slot *slots; /* 0 is never used, 1 is the root */
	uint32_t slot_count, slot_room, free;
	struct fb_path_node **buckets;
	size_t bucket_count; /* a power of 2 */
	size_t count;        /* nodes, without the root */
	struct fb_path_node root;
};

/* Returns 0 or -ENOMEM. */
int fb_path_table_init(struct fb_path_table *table) FB_MUST_CHECK;

/* Nodes must be gone. */
void fb_path_table_fini(struct fb_path_table *table);

/* The client knows nothing any more; nodes that requests remember lose their names. */
void fb_path_table_clear(struct fb_path_table *table);

/* The node that the client means by this number, or NULL: -ESTALE. */
struct fb_path_node *fb_path_table_get(struct fb_path_table *table, uint64_t id);

/* The node of this name, or NULL. */
struct fb_path_node *fb_path_table_find(struct fb_path_table *table,
					const struct fb_path_node *parent, const char *name,
					size_t length);

/* Make a node with a name that is not there yet, or without any (parent NULL); or NULL. */
struct fb_path_node *fb_path_table_make(struct fb_path_table *table, struct fb_path_node *parent,
					const char *name, size_t length);

/* Free a node that nothing refers to, and its parents that nothing refers to then. */
void fb_path_table_tidy(struct fb_path_table *table, struct fb_path_node *node);

/*
 * Take a node's name away, if it has one. It stays even if nothing refers to it; the directory that it
 * was in may go.
 */
void fb_path_node_detach(struct fb_path_table *table, struct fb_path_node *node);

/*
 * Have two nodes with names change places, and all below them with them. Returns false and does
 * nothing when one of them has no name or lies below the other.
 */
bool fb_path_node_swap(struct fb_path_table *table, struct fb_path_node *a, struct fb_path_node *b);

/* Whether the client has anything of the node. */
bool fb_path_node_is_known(const struct fb_path_node *node);

/* Whether node is ancestor or lies below it. */
bool fb_path_node_is_below(const struct fb_path_node *node, const struct fb_path_node *ancestor);

/* Whether a path leads to the node: neither it nor a directory above has been removed. */
bool fb_path_node_has_path(const struct fb_path_node *node);

/*
 * Write a node's path to the end of buf. Returns 0 and where it begins, -ENOENT when no path leads to it,
 * or -ENAMETOOLONG.
 */
int fb_path_node_text(const struct fb_path_node *node, char *buf, size_t size,
		      const char **ret_text) FB_MUST_CHECK;

/* Count the users of a node and of all above it up or down. */
void fb_path_node_use(struct fb_path_node *node);
void fb_path_node_unuse(struct fb_path_node *node);

#endif
