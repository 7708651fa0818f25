/* SPDX-License-Identifier: BSD-3-Clause */
#include "inode_table.h"

#include "identity.h"
#include "inode_clock.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* Buckets that a map has at least. */
#define MAP_SIZE_MIN 16u

/* ---- hashing ---------------------------------------------------------------------------------- */

/* Spread all bits of a word over all others (the finalizer of splitmix64). */
static uint64_t mix(uint64_t word)
{
	word = (word ^ (word >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	word = (word ^ (word >> 27)) * UINT64_C(0x94d049bb133111eb);
	return word ^ (word >> 31);
}

static uint64_t hash_key(const struct fb_inode_table *table, uint64_t ino, uint64_t dev,
			 uint64_t mnt_id)
{
	return mix(mix(mix(ino ^ table->seed) ^ dev) ^ mnt_id);
}

static uint64_t hash_inode(const struct fb_inode_table *table, const struct fb_inode *inode)
{
	return hash_key(table, inode->ino, inode->dev, inode->mnt_id);
}

/* Numbers are given out in turn, so they spread evenly as they are. */
static struct fb_inode **id_bucket(const struct fb_inode_map *map, uint64_t node)
{
	return &map->buckets[(node / FB_INODE_SHARDS) & (map->size - 1)];
}

static struct fb_inode_shard *key_shard(struct fb_inode_table *table, uint64_t hash)
{
	return &table->by_key[hash % FB_INODE_SHARDS];
}

static struct fb_inode **key_bucket(const struct fb_inode_map *map, uint64_t hash)
{
	return &map->buckets[(hash / FB_INODE_SHARDS) & (map->size - 1)];
}

/* ---- maps that grow and shrink ----------------------------------------------------------------- */

/* The size that a map should have, with room for hysteresis in both directions. */
static size_t wanted_size(const struct fb_inode_map *map)
{
	if (map->used > map->size)
		return map->size * 2;
	if (map->size > MAP_SIZE_MIN && map->used < map->size / 4)
		return map->size / 2;
	return map->size;
}

static void move_by_id(const struct fb_inode_map *from, const struct fb_inode_map *to)
{
	for (size_t i = 0; i < from->size; i++) {
		struct fb_inode *next;

		for (struct fb_inode *inode = from->buckets[i]; inode; inode = next) {
			struct fb_inode **bucket = id_bucket(to, inode->node);

			next = inode->next_by_id;
			inode->next_by_id = *bucket;
			*bucket = inode;
		}
	}
}

static void move_by_key(const struct fb_inode_table *table, const struct fb_inode_map *from,
			const struct fb_inode_map *to)
{
	for (size_t i = 0; i < from->size; i++) {
		struct fb_inode *next;

		for (struct fb_inode *inode = from->buckets[i]; inode; inode = next) {
			struct fb_inode **bucket = key_bucket(to, hash_inode(table, inode));

			next = inode->next_by_key;
			inode->next_by_key = *bucket;
			*bucket = inode;
		}
	}
}

/*
 * Bring a shard's map to the wanted size, without the lock held. Memory comes and goes outside the
 * lock, so another thread may be faster: then there is nothing to do. Without memory the map stays
 * as it is, which is only slower.
 */
static void resize(struct fb_inode_table *table, struct fb_inode_shard *shard, size_t size)
{
	bool by_id = shard >= table->by_id && shard < table->by_id + FB_INODE_SHARDS;
	struct fb_inode_map map = { .buckets = calloc(size, sizeof(struct fb_inode *)),
				    .size = size };
	struct fb_inode_map old = map;

	if (!map.buckets)
		return;
	pthread_mutex_lock(&shard->lock);
	if (wanted_size(&shard->map) == size && shard->map.size != size) {
		old = shard->map;
		map.used = old.used;
		if (by_id)
			move_by_id(&old, &map);
		else
			move_by_key(table, &old, &map);
		shard->map = map;
	}
	pthread_mutex_unlock(&shard->lock);
	free(old.buckets);
}

/* Give the memory of an emptied map back. */
static void resize_down(struct fb_inode_table *table, struct fb_inode_shard *shard)
{
	while (shard->map.used == 0 && shard->map.size > MAP_SIZE_MIN) {
		size_t size = shard->map.size;

		resize(table, shard, wanted_size(&shard->map));
		if (shard->map.size == size)
			return; /* no memory */
	}
}

/* Unlock, and resize when that is due. */
static void unlock_resize(struct fb_inode_table *table, struct fb_inode_shard *shard)
{
	size_t size = shard->map.size, wanted = wanted_size(&shard->map);

	pthread_mutex_unlock(&shard->lock);
	if (wanted != size)
		resize(table, shard, wanted);
}

/* ---- life of the table --------------------------------------------------------------------------- */

static int init_shard(struct fb_inode_shard *shard)
{
	pthread_mutexattr_t attr;

	shard->map.buckets = calloc(MAP_SIZE_MIN, sizeof(struct fb_inode *));
	if (!shard->map.buckets)
		return -ENOMEM;
	shard->map.size = MAP_SIZE_MIN;
	/* Held for some dozen instructions: spinning a little beats sleeping. */
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(&shard->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	return 0;
}

static void fini_shard(struct fb_inode_shard *shard)
{
	assert(shard->map.used == 0);
	if (!shard->map.buckets)
		return;
	free(shard->map.buckets);
	pthread_mutex_destroy(&shard->lock);
}

int fb_inode_table_init(struct fb_inode_table *table)
{
	int result = 0;

	memset(table, 0, sizeof(*table));
	table->next_node = FB_ROOT_NODE + 1;
	/* Without randomness (not yet there at boot) collisions can be made, not more. */
	if (getrandom(&table->seed, sizeof(table->seed), GRND_NONBLOCK) < 0)
		table->seed = (uintptr_t)table;
	for (unsigned i = 0; i < FB_INODE_SHARDS && result == 0; i++) {
		result = init_shard(&table->by_id[i]);
		if (result == 0)
			result = init_shard(&table->by_key[i]);
	}
	if (result < 0)
		fb_inode_table_fini(table);
	return result;
}

void fb_inode_table_fini(struct fb_inode_table *table)
{
	for (unsigned i = 0; i < FB_INODE_SHARDS; i++) {
		fini_shard(&table->by_id[i]);
		fini_shard(&table->by_key[i]);
	}
}

struct fb_inode *fb_inode_table_new_inode(struct fb_identity *identity, uint16_t type)
{
	/* The handle begins in what sizeof counts as padding at the end. */
	size_t size = offsetof(struct fb_inode, handle) + identity->handle_size;
	struct fb_inode *inode = malloc(size < sizeof(*inode) ? sizeof(*inode) : size);

	if (!inode)
		return NULL;
	*inode = (struct fb_inode){
		.ino = identity->ino,
		.dev = identity->dev,
		.mnt_id = identity->mnt_id,
		.mount = fb_pointer_steal(&identity->mount),
		.refs = 1,
		.fd = -1,
		.type = type,
		.handle_size = identity->handle_size,
		.handle_type = identity->handle_type,
	};
	memcpy(inode->handle, identity->handle, identity->handle_size);
	return inode;
}

/* ---- finding --------------------------------------------------------------------------------------- */

/* With the id shard's lock held. */
static struct fb_inode *find_by_id(const struct fb_inode_shard *shard, uint64_t node)
{
	struct fb_inode *inode = *id_bucket(&shard->map, node);

	while (inode && inode->node != node)
		inode = inode->next_by_id;
	return inode;
}

struct fb_inode *fb_inode_table_get(struct fb_inode_table *table, uint64_t node)
{
	struct fb_inode_shard *shard = fb_inode_table_shard(table, node);
	struct fb_inode *inode;

	pthread_mutex_lock(&shard->lock);
	inode = find_by_id(shard, node);
	if (inode) {
		fb_inode_ref(inode);
		atomic_store_explicit(&inode->used, true, memory_order_relaxed);
	}
	pthread_mutex_unlock(&shard->lock);
	return inode;
}

static bool same_file(const struct fb_inode *inode, uint64_t ino, uint64_t dev, uint64_t mnt_id,
		      const void *handle, size_t handle_size, int handle_type)
{
	return inode->ino == ino && inode->dev == dev && inode->mnt_id == mnt_id &&
	       inode->handle_size == handle_size && inode->handle_type == handle_type &&
	       memcmp(inode->handle, handle, handle_size) == 0;
}

/* With the key shard's lock held. */
static struct fb_inode *find_by_key(const struct fb_inode_shard *shard, uint64_t hash,
				    const struct fb_identity *identity)
{
	struct fb_inode *inode = *key_bucket(&shard->map, hash);

	while (inode && !same_file(inode, identity->ino, identity->dev, identity->mnt_id,
				   identity->handle, identity->handle_size, identity->handle_type))
		inode = inode->next_by_key;
	return inode;
}

static struct fb_inode *find_twin(const struct fb_inode_shard *shard, uint64_t hash,
				  const struct fb_inode *fresh)
{
	struct fb_inode *inode = *key_bucket(&shard->map, hash);

	while (inode && !same_file(inode, fresh->ino, fresh->dev, fresh->mnt_id, fresh->handle,
				   fresh->handle_size, fresh->handle_type))
		inode = inode->next_by_key;
	return inode;
}

/* Count lookups of a node and pin it, with its key shard's lock held. */
static void count_and_pin(struct fb_inode_table *table, struct fb_inode *inode, uint64_t lookups)
{
	struct fb_inode_shard *ids = fb_inode_table_shard(table, inode->node);

	inode->lookups += lookups;
	pthread_mutex_lock(&ids->lock);
	fb_inode_ref(inode);
	atomic_store_explicit(&inode->used, true, memory_order_relaxed);
	pthread_mutex_unlock(&ids->lock);
}

struct fb_inode *fb_inode_table_find(struct fb_inode_table *table,
				     const struct fb_identity *identity, uint64_t lookups)
{
	uint64_t hash = hash_key(table, identity->ino, identity->dev, identity->mnt_id);
	struct fb_inode_shard *shard = key_shard(table, hash);
	struct fb_inode *inode;

	pthread_mutex_lock(&shard->lock);
	inode = find_by_key(shard, hash, identity);
	if (inode)
		count_and_pin(table, inode, lookups);
	pthread_mutex_unlock(&shard->lock);
	return inode;
}

/* ---- coming and going -------------------------------------------------------------------------------- */

/* Link a node into the id map and its clock. The table's own reference is the one that it has. */
static void add_by_id(struct fb_inode_table *table, struct fb_inode *inode)
{
	struct fb_inode_shard *shard = fb_inode_table_shard(table, inode->node);
	struct fb_inode **bucket;

	pthread_mutex_lock(&shard->lock);
	bucket = id_bucket(&shard->map, inode->node);
	inode->next_by_id = *bucket;
	*bucket = inode;
	shard->map.used++;
	inode->in_table = true;
	if (inode->fd >= 0 && inode->handle_size > 0)
		fb_inode_clock_add(table, shard, inode);
	fb_inode_ref(inode);
	pthread_mutex_unlock(&shard->lock);
	atomic_fetch_add_explicit(&table->count, 1, memory_order_relaxed);
}

static void remove_by_id(struct fb_inode_table *table, struct fb_inode *inode)
{
	struct fb_inode_shard *shard = fb_inode_table_shard(table, inode->node);
	struct fb_inode **link;

	pthread_mutex_lock(&shard->lock);
	link = id_bucket(&shard->map, inode->node);
	while (*link != inode)
		link = &(*link)->next_by_id;
	*link = inode->next_by_id;
	shard->map.used--;
	inode->in_table = false;
	fb_inode_clock_remove(table, shard, inode);
	pthread_mutex_unlock(&shard->lock);
	atomic_fetch_sub_explicit(&table->count, 1, memory_order_relaxed);
}

static void remove_by_key(struct fb_inode_shard *shard, uint64_t hash, struct fb_inode *inode)
{
	struct fb_inode **link = key_bucket(&shard->map, hash);

	while (*link != inode)
		link = &(*link)->next_by_key;
	*link = inode->next_by_key;
	shard->map.used--;
}

/* The id map's turn to grow or shrink, after it changed under the key shard's lock. */
static void settle_id_map(struct fb_inode_table *table, uint64_t node)
{
	struct fb_inode_shard *shard = fb_inode_table_shard(table, node);

	pthread_mutex_lock(&shard->lock);
	unlock_resize(table, shard);
}

struct fb_inode *fb_inode_table_insert(struct fb_inode_table *table, struct fb_inode *fresh)
{
	uint64_t hash = hash_inode(table, fresh);
	struct fb_inode_shard *shard = key_shard(table, hash);
	struct fb_inode **bucket, *inode;

	assert(fresh->refs == 1 && !fresh->in_table);
	pthread_mutex_lock(&shard->lock);
	inode = find_twin(shard, hash, fresh);
	if (inode) {
		count_and_pin(table, inode, 1);
		pthread_mutex_unlock(&shard->lock);
		return inode;
	}
	if (fresh->node == 0) {
		fresh->node = atomic_fetch_add_explicit(&table->next_node, 1, memory_order_relaxed);
		fresh->lookups = 1;
	}
	bucket = key_bucket(&shard->map, hash);
	fresh->next_by_key = *bucket;
	*bucket = fresh;
	shard->map.used++;
	add_by_id(table, fresh);
	unlock_resize(table, shard);
	settle_id_map(table, fresh->node);
	return fresh;
}

void fb_inode_table_insert_root(struct fb_inode_table *table, struct fb_inode *root)
{
	assert(root->refs == 1 && !root->in_table && root->handle_size == 0);
	root->node = FB_ROOT_NODE;
	root->lookups = 0;
	add_by_id(table, root);
	atomic_fetch_sub(&root->refs, 1); /* nobody asked for the pin */
}

int fb_inode_table_count(struct fb_inode_table *table, struct fb_inode *inode)
{
	struct fb_inode_shard *shard = key_shard(table, hash_inode(table, inode));
	int result = -ESTALE;

	if (inode->node == FB_ROOT_NODE)
		return -EINVAL; /* an entry can never be the root: clients refuse it */
	pthread_mutex_lock(&shard->lock);
	if (inode->lookups > 0) {
		inode->lookups++;
		result = 0;
	}
	pthread_mutex_unlock(&shard->lock);
	return result;
}

enum fb_inode_forgot fb_inode_table_forget(struct fb_inode_table *table, uint64_t node,
					   uint64_t count, bool *ret_excess,
					   struct fb_inode **ret_inode)
{
	struct fb_inode *inode = fb_inode_table_get(table, node);
	struct fb_inode_shard *shard;
	uint64_t hash;
	bool last;

	if (!inode)
		return FB_INODE_FORGOT_UNKNOWN;
	hash = hash_inode(table, inode);
	shard = key_shard(table, hash);
	pthread_mutex_lock(&shard->lock);
	*ret_excess = count > inode->lookups;
	/* lookups is 0 only for the root and after another forget was faster. */
	last = inode->lookups > 0 && count >= inode->lookups;
	inode->lookups -= *ret_excess ? inode->lookups : count;
	if (last) {
		remove_by_key(shard, hash, inode);
		remove_by_id(table, inode);
	}
	unlock_resize(table, shard);
	if (last)
		settle_id_map(table, node);
	*ret_inode = inode;
	return last ? FB_INODE_FORGOT_LAST : FB_INODE_FORGOT_SOME;
}

/* Take every node out of one id shard, linked by next_by_id. */
static struct fb_inode *detach_shard(struct fb_inode_table *table, struct fb_inode_shard *shard,
				     struct fb_inode *list)
{
	pthread_mutex_lock(&shard->lock);
	for (size_t i = 0; i < shard->map.size; i++) {
		struct fb_inode *next;

		for (struct fb_inode *inode = shard->map.buckets[i]; inode; inode = next) {
			next = inode->next_by_id;
			inode->next_by_id = list;
			inode->in_table = false;
			fb_inode_clock_remove(table, shard, inode);
			list = inode;
		}
		shard->map.buckets[i] = NULL;
	}
	shard->map.used = 0;
	pthread_mutex_unlock(&shard->lock);
	return list;
}

struct fb_inode *fb_inode_table_detach(struct fb_inode_table *table)
{
	struct fb_inode *list = NULL;

	for (unsigned i = 0; i < FB_INODE_SHARDS; i++)
		list = detach_shard(table, &table->by_id[i], list);
	for (unsigned i = 0; i < FB_INODE_SHARDS; i++) {
		struct fb_inode_shard *shard = &table->by_key[i];

		pthread_mutex_lock(&shard->lock);
		memset(shard->map.buckets, 0, shard->map.size * sizeof(struct fb_inode *));
		shard->map.used = 0;
		pthread_mutex_unlock(&shard->lock);
	}
	for (struct fb_inode *inode = list; inode; inode = inode->next_by_id)
		inode->lookups = 0;
	table->count = 0;
	for (unsigned i = 0; i < FB_INODE_SHARDS; i++) {
		resize_down(table, &table->by_id[i]);
		resize_down(table, &table->by_key[i]);
	}
	return list;
}
