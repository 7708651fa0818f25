/* SPDX-License-Identifier: BSD-3-Clause */
#include "handle_table.h"

#include "dir_stream.h"
#include "inode.h"
#include "lock_waiters.h"
#include "mount_points.h"
#include "state.h"

#include <assert.h>
#include <errno.h>

#define OPEN (UINT64_C(1) << 31)
#define REFS (OPEN - 1)

static uint64_t generation_of(uint64_t state)
{
	return state >> 32;
}

int fb_handle_table_new(struct fb_handle_table **ret_handles)
{
	struct fb_handle_table *table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	pthread_mutex_init(&table->lock, NULL);
	table->waiters = fb_lock_waiters_new();
	table->mount_points = fb_mount_points_new();
	if (!table->waiters || !table->mount_points) {
		fb_handle_table_free(table);
		return -ENOMEM;
	}
	*ret_handles = table;
	return 0;
}

void fb_handle_table_free(struct fb_handle_table *handles)
{
	if (!handles)
		return;
	assert(atomic_load(&handles->open) == 0);
	for (uint32_t i = 0; i < FB_HANDLE_CHUNKS; i++)
		free(atomic_load(&handles->chunks[i]));
	fb_lock_waiters_free(handles->waiters);
	fb_mount_points_free(handles->mount_points);
	pthread_mutex_destroy(&handles->lock);
	free(handles);
}

/* The slot with this index, or NULL when it was never used. */
static struct fb_handle *slot_at(struct fb_handle_table *table, uint32_t index)
{
	struct fb_handle *chunk;

	if (index >= FB_HANDLES_MAX)
		return NULL;
	chunk = atomic_load_explicit(&table->chunks[index / FB_HANDLE_CHUNK_SLOTS],
				     memory_order_acquire);
	return chunk ? &chunk[index % FB_HANDLE_CHUNK_SLOTS] : NULL;
}

/* Make the slot behind the last one that was ever used; called with the lock held. */
static struct fb_handle *slot_make(struct fb_handle_table *table)
{
	uint32_t index = table->used;
	struct fb_handle *slot, *chunk;

	if (index == FB_HANDLES_MAX)
		return NULL;
	slot = slot_at(table, index);
	if (!slot) {
		chunk = aligned_alloc(_Alignof(struct fb_handle),
				      FB_HANDLE_CHUNK_SLOTS * sizeof(*chunk));
		if (!chunk)
			return NULL;
		for (uint32_t i = 0; i < FB_HANDLE_CHUNK_SLOTS; i++) {
			atomic_init(&chunk[i].state, UINT64_C(1) << 32);
			atomic_init(&chunk[i].next_free, 0);
			chunk[i].index = index + i;
		}
		atomic_store_explicit(&table->chunks[index / FB_HANDLE_CHUNK_SLOTS], chunk,
				      memory_order_release);
		slot = chunk;
	}
	table->used++;
	return slot;
}

/* The head of the list after a change: the number counted up, and another first slot. */
static uint64_t head_next(uint64_t head, uint32_t first)
{
	return ((head >> 32) + 1) << 32 | first;
}

static struct fb_handle *slot_pop(struct fb_handle_table *table)
{
	uint64_t head = atomic_load(&table->free);
	struct fb_handle *slot;
	uint32_t next;

	do {
		if ((uint32_t)head == 0)
			return NULL;
		slot = slot_at(table, (uint32_t)head - 1);
		/* Another thread may have it already: then the head has changed, too. */
		next = atomic_load_explicit(&slot->next_free, memory_order_relaxed);
	} while (!atomic_compare_exchange_weak(&table->free, &head, head_next(head, next)));
	return slot;
}

static void slot_push(struct fb_handle_table *table, struct fb_handle *slot)
{
	uint64_t head = atomic_load(&table->free);

	do
		atomic_store_explicit(&slot->next_free, (uint32_t)head, memory_order_relaxed);
	while (!atomic_compare_exchange_weak(&table->free, &head,
					     head_next(head, slot->index + 1)));
}

static struct fb_handle *slot_take(struct fb_handle_table *table)
{
	struct fb_handle *slot = slot_pop(table);

	if (slot)
		return slot;
	pthread_mutex_lock(&table->lock);
	slot = slot_make(table);
	pthread_mutex_unlock(&table->lock);
	/* There is no other; one may have been given back meanwhile. */
	return slot ? slot : slot_pop(table);
}

/* Give a slot back under its next generation; one that has none left is never used again. */
static void slot_give(struct fb_handle_table *table, struct fb_handle *slot)
{
	uint64_t generation = generation_of(atomic_load(&slot->state));

	if (generation == UINT32_MAX)
		return;
	atomic_store_explicit(&slot->state, (generation + 1) << 32, memory_order_release);
	slot_push(table, slot);
}

void fb_handle_parts_free(struct fb_passthrough *fs, const struct fb_handle_parts *parts)
{
	if (parts->fd >= 0) {
		close(parts->fd);
		fb_budget_give(fs);
	}
	fb_dir_stream_free(fs, parts->stream);
	fb_inode_put(fs, parts->inode);
}

/* Fill a slot and show it to who looks for its number. */
static void slot_open(struct fb_handle_table *table, struct fb_handle *slot,
		      const struct fb_handle_parts *parts)
{
	uint64_t state = atomic_load_explicit(&slot->state, memory_order_relaxed);

	assert((state & (OPEN | REFS)) == 0);
	slot->kind = parts->kind;
	slot->flags = parts->flags;
	slot->fd = parts->fd;
	slot->node = parts->node;
	slot->inode = parts->inode;
	slot->stream = parts->stream;
	atomic_init(&slot->cached_fd, -1);
	atomic_init(&slot->flocked, false);
	atomic_fetch_add(&table->open, 1);
	atomic_store_explicit(&slot->state, state | OPEN | 1, memory_order_release);
}

int fb_handle_add(struct fb_passthrough *fs, const struct fb_handle_parts *parts, uint64_t *ret_fh)
{
	struct fb_handle *slot = slot_take(fs->handles);

	if (!slot) {
		fb_handle_parts_free(fs, parts);
		return -ENFILE;
	}
	slot_open(fs->handles, slot, parts);
	*ret_fh = fb_handle_fh(slot);
	return 0;
}

/* Pin the slot if it is open with this generation. */
static bool slot_pin(struct fb_handle *slot, uint64_t generation)
{
	uint64_t state = atomic_load_explicit(&slot->state, memory_order_relaxed);

	do {
		if (generation_of(state) != generation || !(state & OPEN))
			return false;
		assert((state & REFS) < REFS);
	} while (!atomic_compare_exchange_weak_explicit(
		&slot->state, &state, state + 1, memory_order_acquire, memory_order_relaxed));
	return true;
}

struct fb_handle *fb_handle_get(struct fb_passthrough *fs, uint64_t fh, uint64_t node,
				enum fb_handle_kind kind)
{
	struct fb_handle *slot = slot_at(fs->handles, (uint32_t)fh);

	if (!slot || !slot_pin(slot, fh >> 32))
		return NULL;
	if (slot->node == node && slot->kind == kind)
		return slot;
	fb_handle_put(fs, slot);
	return NULL;
}

struct fb_handle *fb_handle_ref(struct fb_handle *handle)
{
	uint64_t state = atomic_fetch_add_explicit(&handle->state, 1, memory_order_relaxed);

	assert((state & REFS) > 0 && (state & REFS) < REFS);
	return handle;
}

/* Nobody refers to the handle any more: close and free what it holds. */
static void handle_end(struct fb_passthrough *fs, struct fb_handle *handle)
{
	struct fb_handle_table *table = fs->handles;
	const struct fb_handle_parts parts = {
		.inode = handle->inode,
		.fd = handle->fd,
		.stream = handle->stream,
	};
	int cached = atomic_load(&handle->cached_fd);

	if (cached >= 0) {
		close(cached);
		fb_budget_give(fs);
	}
	slot_give(table, handle);
	atomic_fetch_sub(&table->open, 1);
	fb_handle_parts_free(fs, &parts);
	/* A flock ended with its descriptor. */
	fb_lock_waiters_kick(table->waiters);
}

void fb_handle_put(struct fb_passthrough *fs, struct fb_handle *handle)
{
	uint64_t state;

	if (!handle)
		return;
	state = atomic_fetch_sub_explicit(&handle->state, 1, memory_order_acq_rel);
	assert((state & REFS) > 0);
	if ((state & REFS) == 1) {
		assert(!(state & OPEN));
		handle_end(fs, handle);
	}
}

/* Mark as released. Returns whether it was this call that did it. */
static bool handle_shut(struct fb_handle *handle)
{
	return atomic_fetch_and_explicit(&handle->state, ~OPEN, memory_order_acq_rel) & OPEN;
}

struct fb_handle *fb_handle_close(struct fb_passthrough *fs, uint64_t fh, uint64_t node,
				  enum fb_handle_kind kind)
{
	struct fb_handle *handle = fb_handle_get(fs, fh, node, kind);

	if (!handle)
		return NULL;
	if (!handle_shut(handle)) {
		fb_handle_put(fs, handle);
		return NULL;
	}
	/* Being open was one reference; the pin of fb_handle_get() is the caller's. */
	fb_handle_put(fs, handle);
	return handle;
}

bool fb_handle_is_open(struct fb_handle *handle)
{
	return atomic_load_explicit(&handle->state, memory_order_acquire) & OPEN;
}

uint64_t fb_handle_fh(struct fb_handle *handle)
{
	uint64_t state = atomic_load_explicit(&handle->state, memory_order_relaxed);

	return (generation_of(state) << 32) | handle->index;
}

void fb_handle_table_clear(struct fb_passthrough *fs)
{
	struct fb_handle_table *table = fs->handles;

	fb_lock_waiters_stop(table->waiters);
	for (uint32_t i = 0; i < table->used; i++) {
		struct fb_handle *slot = slot_at(table, i);

		if (handle_shut(slot))
			fb_handle_put(fs, slot);
	}
	assert(atomic_load(&table->open) == 0);
}

/* ---- moving to another server ------------------------------------------------------------------ */

struct fb_handle *fb_handle_next(struct fb_passthrough *fs, uint32_t *index)
{
	struct fb_handle_table *table = fs->handles;

	while (*index < table->used) {
		struct fb_handle *slot = slot_at(table, (*index)++);

		if (fb_handle_is_open(slot))
			return slot;
	}
	return NULL;
}

/* The slot of a number, closed; slots are made up to it. */
static int slot_for(struct fb_handle_table *table, uint64_t fh, struct fb_handle **ret_slot)
{
	uint32_t index = (uint32_t)fh;
	struct fb_handle *slot;

	if (index >= FB_HANDLES_MAX || fh >> 32 == 0)
		return -EINVAL;
	while (table->used <= index)
		if (!slot_make(table))
			return -ENOMEM;
	slot = slot_at(table, index);
	if (atomic_load(&slot->state) & (OPEN | REFS))
		return -EINVAL;
	*ret_slot = slot;
	return 0;
}

int fb_handle_restore(struct fb_passthrough *fs, const struct fb_handle_parts *parts, uint64_t fh)
{
	struct fb_handle *slot;
	int result = slot_for(fs->handles, fh, &slot);

	if (result < 0) {
		fb_handle_parts_free(fs, parts);
		return result;
	}
	atomic_store(&slot->state, fh >> 32 << 32);
	slot_open(fs->handles, slot, parts);
	return 0;
}

int fb_handle_avoid(struct fb_passthrough *fs, uint64_t fh)
{
	struct fb_handle *slot;
	int result = slot_for(fs->handles, fh, &slot);

	/* The last generation is used up with it. */
	if (result == 0)
		atomic_store(&slot->state, (fh >> 32 < UINT32_MAX ? (fh >> 32) + 1 : fh >> 32)
						   << 32);
	return result;
}

void fb_handle_settle(struct fb_passthrough *fs)
{
	struct fb_handle_table *table = fs->handles;

	atomic_store(&table->free, 0);
	for (uint32_t i = table->used; i > 0; i--) {
		struct fb_handle *slot = slot_at(table, i - 1);
		uint64_t state = atomic_load(&slot->state);

		if ((state & (OPEN | REFS)) || generation_of(state) == UINT32_MAX)
			continue;
		slot_push(table, slot);
	}
}
