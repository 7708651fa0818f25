/* SPDX-License-Identifier: BSD-3-Clause */
#include "node_table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 64u
#define SLOTS_MAX (UINT32_C(1) << 31)
#define BUCKETS_MIN 64u

/* ---- numbers ------------------------------------------------------------------------------- */

static uint32_t slot_of(uint64_t id)
{
	return (uint32_t)id;
}

static bool is_root(const struct fb_path_node *node)
{
	return node->id == FB_ROOT_NODE;
}

/* Have room for one slot more. */
static bool slots_grow(struct fb_path_table *table)
{
	uint32_t room = table->slot_room ? table->slot_room * 2 : SLOTS_MIN;
	struct fb_path_slot *slots;

	if (table->slot_count < table->slot_room)
		return true;
	if (table->slot_room >= SLOTS_MAX)
		return false;
	slots = realloc(table->slots, room * sizeof(*slots));
	if (!slots)
		return false;
	table->slots = slots;
	table->slot_room = room;
	return true;
}

static bool slot_take(struct fb_path_table *table, struct fb_path_node *node)
{
	uint32_t index = table->free;

	if (index) {
		table->free = table->slots[index].next_free;
	} else if (slots_grow(table)) {
		index = table->slot_count++;
		table->slots[index] = (struct fb_path_slot){ .generation = 1 };
	} else {
		return false;
	}
	table->slots[index].node = node;
	node->id = (uint64_t)table->slots[index].generation << 32 | index;
	return true;
}

/* A slot whose numbers are used up is never used again. */
static void slot_give(struct fb_path_table *table, uint64_t id)
{
	struct fb_path_slot *slot = &table->slots[slot_of(id)];

	slot->node = NULL;
	if (slot->generation == UINT32_MAX)
		return;
	slot->generation++;
	slot->next_free = table->free;
	table->free = slot_of(id);
}

/* ---- names --------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ (hash >> 29);
}

static size_t hash_of(const struct fb_path_node *parent, const char *name, size_t length)
{
	uint64_t hash = mix(length, parent->id), word;

	for (; length >= sizeof(word); name += sizeof(word), length -= sizeof(word)) {
		memcpy(&word, name, sizeof(word));
		hash = mix(hash, word);
	}
	word = 0;
	memcpy(&word, name, length);
	return (size_t)mix(hash, word);
}

static struct fb_path_node **bucket_of(struct fb_path_table *table, const struct fb_path_node *node)
{
	size_t hash = hash_of(node->parent, node->name, strlen(node->name));

	return &table->buckets[hash & (table->bucket_count - 1)];
}

static void hash_add(struct fb_path_table *table, struct fb_path_node *node)
{
	struct fb_path_node **bucket = bucket_of(table, node);

	node->next = *bucket;
	*bucket = node;
}

static void hash_remove(struct fb_path_table *table, struct fb_path_node *node)
{
	struct fb_path_node **place = bucket_of(table, node);

	while (*place && *place != node)
		place = &(*place)->next;
	assert(*place);
	*place = node->next;
	node->next = NULL;
}

/* Have about as many buckets as nodes. Without memory chains get longer, no more. */
static void hash_resize(struct fb_path_table *table, size_t count)
{
	struct fb_path_node **buckets = calloc(count, sizeof(struct fb_path_node *));
	struct fb_path_node **old = table->buckets;
	size_t old_count = table->bucket_count;

	if (!buckets)
		return;
	table->buckets = buckets;
	table->bucket_count = count;
	for (size_t i = 0; i < old_count; i++) {
		for (struct fb_path_node *node = old[i], *next; node; node = next) {
			next = node->next;
			hash_add(table, node);
		}
	}
	free(old);
}

struct fb_path_node *fb_path_table_find(struct fb_path_table *table,
					const struct fb_path_node *parent, const char *name,
					size_t length)
{
	size_t hash = hash_of(parent, name, length);
	struct fb_path_node *node = table->buckets[hash & (table->bucket_count - 1)];

	while (node && !(node->parent == parent && strlen(node->name) == length &&
			 memcmp(node->name, name, length) == 0))
		node = node->next;
	return node;
}

/* ---- nodes --------------------------------------------------------------------------------- */

int fb_path_table_init(struct fb_path_table *table)
{
	memset(table, 0, sizeof(*table));
	table->buckets = calloc(BUCKETS_MIN, sizeof(struct fb_path_node *));
	table->bucket_count = BUCKETS_MIN;
	if (!table->buckets || !slots_grow(table)) {
		fb_path_table_fini(table);
		return -ENOMEM;
	}
	table->slot_count = FB_ROOT_NODE + 1;
	table->slots[0] = (struct fb_path_slot){ .node = NULL };
	table->slots[FB_ROOT_NODE] = (struct fb_path_slot){ .node = &table->root };
	table->root.id = FB_ROOT_NODE;
	return 0;
}

void fb_path_table_fini(struct fb_path_table *table)
{
	assert(table->count == 0);
	free(table->buckets);
	free(table->slots);
}

bool fb_path_node_is_known(const struct fb_path_node *node)
{
	return is_root(node) || node->lookups > 0 || node->files || node->dirs;
}

struct fb_path_node *fb_path_table_get(struct fb_path_table *table, uint64_t id)
{
	uint32_t index = slot_of(id);
	struct fb_path_node *node = index < table->slot_count ? table->slots[index].node : NULL;

	return node && node->id == id && fb_path_node_is_known(node) ? node : NULL;
}

/* Names of a listing have no NUL behind them: strndup(3) may look for one. */
static char *copy_name(const char *name, size_t length)
{
	char *copy = malloc(length + 1);

	if (!copy)
		return NULL;
	memcpy(copy, name, length);
	copy[length] = 0;
	return copy;
}

struct fb_path_node *fb_path_table_make(struct fb_path_table *table, struct fb_path_node *parent,
					const char *name, size_t length)
{
	struct fb_path_node *node = calloc(1, sizeof(*node));
	char *copy = node && parent ? copy_name(name, length) : NULL;

	if (!node || (parent && !copy) || !slot_take(table, node)) {
		free(copy);
		free(node);
		return NULL;
	}
	table->count++;
	node->name = copy;
	if (!parent)
		return node;
	node->parent = parent;
	parent->children++;
	if (table->count > table->bucket_count)
		hash_resize(table, table->bucket_count * 2);
	hash_add(table, node);
	return node;
}

/* Add to the users of a node and of all above it. */
static void count_users(struct fb_path_node *node, uint64_t add)
{
	for (; node; node = node->parent)
		node->users += add;
}

/* Whoever uses the node uses what is above it: those follow when it is taken elsewhere. */
static void unlink_node(struct fb_path_table *table, struct fb_path_node *node)
{
	hash_remove(table, node);
	count_users(node->parent, -node->users);
	node->parent->children--;
	node->parent = NULL;
}

static bool is_needed(const struct fb_path_node *node)
{
	return fb_path_node_is_known(node) || node->children > 0 || node->pins > 0 ||
	       node->users > 0 || node->moving;
}

void fb_path_table_tidy(struct fb_path_table *table, struct fb_path_node *node)
{
	while (node && !is_needed(node)) {
		struct fb_path_node *parent = node->parent;

		assert(!node->wanted);
		if (parent)
			unlink_node(table, node);
		slot_give(table, node->id);
		table->count--;
		free(node->name);
		free(node);
		node = parent;
	}
	if (table->bucket_count > BUCKETS_MIN && table->count < table->bucket_count / 8)
		hash_resize(table, table->bucket_count / 4);
}

void fb_path_table_clear(struct fb_path_table *table)
{
	for (uint32_t i = FB_ROOT_NODE + 1; i < table->slot_count; i++) {
		struct fb_path_node *node = table->slots[i].node;

		if (!node)
			continue;
		assert(!node->files && !node->dirs);
		node->lookups = 0;
		fb_path_node_detach(table, node);
		fb_path_table_tidy(table, node);
	}
	table->root.ino = 0;
}

/* ---- the tree ------------------------------------------------------------------------------ */

bool fb_path_node_is_below(const struct fb_path_node *node, const struct fb_path_node *ancestor)
{
	while (node && node != ancestor)
		node = node->parent;
	return node != NULL;
}

bool fb_path_node_has_path(const struct fb_path_node *node)
{
	while (node->parent)
		node = node->parent;
	return is_root(node);
}

void fb_path_node_use(struct fb_path_node *node)
{
	count_users(node, 1);
}

void fb_path_node_unuse(struct fb_path_node *node)
{
	count_users(node, (uint64_t)-1);
}

static void link_node(struct fb_path_table *table, struct fb_path_node *node,
		      struct fb_path_node *parent)
{
	node->parent = parent;
	parent->children++;
	count_users(parent, node->users);
	hash_add(table, node);
}

void fb_path_node_detach(struct fb_path_table *table, struct fb_path_node *node)
{
	struct fb_path_node *parent = node->parent;

	if (!parent)
		return;
	unlink_node(table, node);
	fb_path_table_tidy(table, parent);
}

bool fb_path_node_swap(struct fb_path_table *table, struct fb_path_node *a, struct fb_path_node *b)
{
	struct fb_path_node *a_parent = a->parent, *b_parent = b->parent;
	char *name = a->name;

	if (!a_parent || !b_parent || fb_path_node_is_below(b, a) || fb_path_node_is_below(a, b))
		return false;
	unlink_node(table, a);
	unlink_node(table, b);
	a->name = b->name;
	b->name = name;
	link_node(table, a, b_parent);
	link_node(table, b, a_parent);
	return true;
}

int fb_path_node_text(const struct fb_path_node *node, char *buf, size_t size,
		      const char **ret_text)
{
	char *at = buf + size;

	if (!fb_path_node_has_path(node))
		return -ENOENT;
	if (size < sizeof("/"))
		return -ENAMETOOLONG;
	*--at = '\0';
	if (is_root(node))
		*--at = '/';
	for (; node->parent; node = node->parent) {
		size_t length = strlen(node->name);

		if ((size_t)(at - buf) < length + 1)
			return -ENAMETOOLONG;
		at -= length;
		memcpy(at, node->name, length);
		*--at = '/';
	}
	*ret_text = at;
	return 0;
}
