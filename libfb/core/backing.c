/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/backing.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/scope.h"
#include "core/session.h"

/* One open file of a node. */
struct fb_backing_file {
	struct fb_backing_file *next;
	uint64_t fh;
	int fd;         /* the driver's, or -1; borrowed until release */
	unsigned users; /* reads and writes under way */
};

/* A node with open files, once the kernel or the core serves one of them from a descriptor. */
struct fb_backing_node {
	struct fb_backing_node *next;
	uint64_t node;
	int id; /* registered with the kernel, or 0: no passthrough while these files are open */
	struct fb_backing_file *files;
};

/* Of each kind, in each shard. */
#define SPARE_MAX 8

void fb_backings_init(struct fb_backings *backings)
{
	for (unsigned i = 0; i < FB_BACKING_SHARDS; i++) {
		pthread_mutex_init(&backings->shards[i].lock, NULL);
		pthread_cond_init(&backings->shards[i].unused, NULL);
	}
}

static void shard_fini(struct fb_backing_shard *shard)
{
	while (shard->spare_nodes) {
		struct fb_backing_node *node = shard->spare_nodes;

		shard->spare_nodes = node->next;
		free(node);
	}
	while (shard->spare_files) {
		struct fb_backing_file *file = shard->spare_files;

		shard->spare_files = file->next;
		free(file);
	}
	pthread_cond_destroy(&shard->unused);
	pthread_mutex_destroy(&shard->lock);
}

void fb_backings_fini(struct fb_backings *backings)
{
	for (unsigned i = 0; i < FB_BACKING_SHARDS; i++)
		shard_fini(&backings->shards[i]);
}

/* ---- memory, with the shard's lock held ----------------------------------------------------------- */

static struct fb_backing_node *node_new(struct fb_backing_shard *shard)
{
	struct fb_backing_node *node = shard->spare_nodes;

	if (!node)
		return malloc(sizeof(*node));
	shard->spare_nodes = node->next;
	shard->spare_node_count--;
	return node;
}

static void node_free(struct fb_backing_shard *shard, struct fb_backing_node *node)
{
	if (shard->spare_node_count == SPARE_MAX) {
		free(node);
		return;
	}
	node->next = shard->spare_nodes;
	shard->spare_nodes = node;
	shard->spare_node_count++;
}

static struct fb_backing_file *file_new(struct fb_backing_shard *shard)
{
	struct fb_backing_file *file = shard->spare_files;

	if (!file)
		return malloc(sizeof(*file));
	shard->spare_files = file->next;
	shard->spare_file_count--;
	return file;
}

static void file_free(struct fb_backing_shard *shard, struct fb_backing_file *file)
{
	if (shard->spare_file_count == SPARE_MAX) {
		free(file);
		return;
	}
	file->next = shard->spare_files;
	shard->spare_files = file;
	shard->spare_file_count++;
}

/* ---- nodes and files, with the shard's lock held --------------------------------------------------- */

static uint64_t hash(uint64_t node)
{
	return node * UINT64_C(0x9e3779b97f4a7c15);
}

static_assert(FB_BACKING_SHARDS == 1 << 6, "the highest 6 bits of a hash choose");

static struct fb_backing_shard *shard_of(struct fb_session *session, uint64_t node)
{
	return &session->backings.shards[hash(node) >> 58];
}

static struct fb_backing_node **bucket(struct fb_backing_shard *shard, uint64_t node)
{
	return &shard->buckets[(hash(node) >> 32) % FB_BACKING_BUCKETS];
}

static struct fb_backing_node *find(struct fb_backing_shard *shard, uint64_t node)
{
	struct fb_backing_node *found = *bucket(shard, node);

	while (found && found->node != node)
		found = found->next;
	return found;
}

static bool passthrough_granted(struct fb_session *session)
{
	return (atomic_load(&session->granted) & FB_INIT_PASSTHROUGH) &&
	       session->transport->ops->backing_open;
}

/* Add a node; the first open decides whether the kernel serves it. */
static struct fb_backing_node *node_add(struct fb_session *session, uint64_t node, int fd)
{
	struct fb_backing_shard *shard = shard_of(session, node);
	struct fb_transport *transport = session->transport;
	struct fb_backing_node *added = node_new(shard);
	int id = 0;

	if (!added)
		return NULL;
	if (fd >= 0 && passthrough_granted(session))
		id = transport->ops->backing_open(transport, fd);
	*added = (struct fb_backing_node){ *bucket(shard, node), node, id > 0 ? id : 0, NULL };
	*bucket(shard, node) = added;
	atomic_fetch_add(&shard->count, 1);
	return added;
}

static void node_remove(struct fb_backing_shard *shard, struct fb_transport *transport,
			struct fb_backing_node *node)
{
	struct fb_backing_node **at = bucket(shard, node->node);

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	if (node->id > 0 && transport && transport->ops->backing_close)
		transport->ops->backing_close(transport, node->id);
	node_free(shard, node);
	atomic_fetch_sub(&shard->count, 1);
}

/* Take a file out of its node, so that nobody finds it. */
static struct fb_backing_file *file_unlink(struct fb_backing_shard *shard,
					   struct fb_backing_node *node,
					   struct fb_backing_file **at)
{
	struct fb_backing_file *file = *at;

	*at = file->next;
	if (file->fd >= 0 && node->id == 0)
		atomic_fetch_sub(&shard->served, 1);
	return file;
}

/* Free a file that was taken out, when its last reader is through; opens the lock meanwhile. */
static void file_end(struct fb_backing_shard *shard, struct fb_backing_file *file)
{
	while (file->users > 0)
		pthread_cond_wait(&shard->unused, &shard->lock);
	file_free(shard, file);
}

static void shard_clear(struct fb_backing_shard *shard, struct fb_transport *transport)
{
	FB_SCOPED_LOCK(&shard->lock);
	for (unsigned i = 0; i < FB_BACKING_BUCKETS; i++) {
		while (shard->buckets[i]) {
			struct fb_backing_node *node = shard->buckets[i];

			if (node->files)
				file_end(shard, file_unlink(shard, node, &node->files));
			else
				node_remove(shard, transport, node);
		}
	}
}

void fb_backings_clear(struct fb_backings *backings, struct fb_transport *transport)
{
	for (unsigned i = 0; i < FB_BACKING_SHARDS; i++)
		shard_clear(&backings->shards[i], transport);
}

unsigned fb_backings_count(const struct fb_backings *backings)
{
	unsigned count = 0;

	for (unsigned i = 0; i < FB_BACKING_SHARDS; i++)
		count += atomic_load(&backings->shards[i].count);
	return count;
}

/* ---- what the handlers call ----------------------------------------------------------------------- */

/* Whether this session has to know of files without a descriptor too, so as not to mix. */
static bool must_track(struct fb_session *session, int fd)
{
	return fd >= 0 || passthrough_granted(session);
}

int fb_backing_open(struct fb_session *session, uint64_t node, struct fb_open *open)
{
	/* DIRECT_IO would win over PASSTHROUGH, and there is no cache to go around. */
	const uint32_t with_passthrough = FB_FOPEN_NOFLUSH | FB_FOPEN_PARALLEL_DIRECT_WRITES;
	struct fb_backing_shard *shard = shard_of(session, node);
	struct fb_backing_node *entry;
	struct fb_backing_file *file;

	open->flags &= ~FB_FOPEN_PASSTHROUGH;
	if (!must_track(session, open->backing_fd))
		return 0;
	FB_SCOPED_LOCK(&shard->lock);
	file = file_new(shard);
	if (!file)
		return 0;
	entry = find(shard, node);
	if (!entry)
		entry = node_add(session, node, open->backing_fd);
	if (!entry) {
		file_free(shard, file);
		return 0;
	}
	*file = (struct fb_backing_file){ entry->files, open->fh, open->backing_fd, 0 };
	entry->files = file;
	if (entry->id > 0)
		open->flags = (open->flags & with_passthrough) | FB_FOPEN_PASSTHROUGH;
	else if (open->backing_fd >= 0)
		atomic_fetch_add(&shard->served, 1);
	return entry->id;
}

void fb_backing_release(struct fb_session *session, uint64_t node, uint64_t fh)
{
	struct fb_backing_shard *shard = shard_of(session, node);
	struct fb_backing_file *file = NULL;
	struct fb_backing_node *entry;

	if (atomic_load_explicit(&shard->count, memory_order_relaxed) == 0)
		return;
	FB_SCOPED_LOCK(&shard->lock);
	entry = find(shard, node);
	if (!entry)
		return;
	for (struct fb_backing_file **at = &entry->files; *at; at = &(*at)->next) {
		if ((*at)->fh != fh)
			continue;
		file = file_unlink(shard, entry, at);
		break;
	}
	if (!entry->files)
		node_remove(shard, session->transport, entry);
	if (file)
		file_end(shard, file);
}

int fb_backing_take(struct fb_session *session, uint64_t node, uint64_t fh,
		    struct fb_backing_file **ret_file)
{
	struct fb_backing_shard *shard = shard_of(session, node);
	struct fb_backing_file *file;
	struct fb_backing_node *entry;

	if (atomic_load_explicit(&shard->served, memory_order_relaxed) == 0)
		return -1;
	FB_SCOPED_LOCK(&shard->lock);
	entry = find(shard, node);
	file = entry && entry->id == 0 ? entry->files : NULL;
	while (file && file->fh != fh)
		file = file->next;
	if (!file || file->fd < 0)
		return -1;
	file->users++;
	*ret_file = file;
	return file->fd;
}

void fb_backing_give(struct fb_session *session, uint64_t node, struct fb_backing_file *file)
{
	struct fb_backing_shard *shard = shard_of(session, node);

	FB_SCOPED_LOCK(&shard->lock);
	if (--file->users == 0)
		pthread_cond_broadcast(&shard->unused);
}
