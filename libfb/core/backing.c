/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/backing.h"

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

void fb_backings_init(struct fb_backings *backings)
{
	pthread_mutex_init(&backings->lock, NULL);
	pthread_cond_init(&backings->unused, NULL);
}

void fb_backings_fini(struct fb_backings *backings)
{
	pthread_cond_destroy(&backings->unused);
	pthread_mutex_destroy(&backings->lock);
}

static struct fb_backing_node **bucket(struct fb_backings *backings, uint64_t node)
{
	return &backings->buckets[(node * UINT64_C(0x9e3779b97f4a7c15)) >> 54];
}

static struct fb_backing_node *find(struct fb_backings *backings, uint64_t node)
{
	struct fb_backing_node *found = *bucket(backings, node);

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
	struct fb_backings *backings = &session->backings;
	struct fb_transport *transport = session->transport;
	struct fb_backing_node *added = calloc(1, sizeof(*added));
	int id = 0;

	if (!added)
		return NULL;
	if (fd >= 0 && passthrough_granted(session))
		id = transport->ops->backing_open(transport, fd);
	added->node = node;
	added->id = id > 0 ? id : 0;
	added->next = *bucket(backings, node);
	*bucket(backings, node) = added;
	atomic_fetch_add(&backings->count, 1);
	return added;
}

static void node_remove(struct fb_backings *backings, struct fb_transport *transport,
			struct fb_backing_node *node)
{
	struct fb_backing_node **at = bucket(backings, node->node);

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	if (node->id > 0 && transport && transport->ops->backing_close)
		transport->ops->backing_close(transport, node->id);
	free(node);
	atomic_fetch_sub(&backings->count, 1);
}

/* Take a file out of its node, so that nobody finds it. */
static struct fb_backing_file *file_unlink(struct fb_backings *backings,
					   struct fb_backing_node *node,
					   struct fb_backing_file **at)
{
	struct fb_backing_file *file = *at;

	*at = file->next;
	if (file->fd >= 0 && node->id == 0)
		atomic_fetch_sub(&backings->served, 1);
	return file;
}

/* Free a file that was taken out, when its last reader is through; opens the lock meanwhile. */
static void file_end(struct fb_backings *backings, struct fb_backing_file *file)
{
	while (file && file->users > 0)
		pthread_cond_wait(&backings->unused, &backings->lock);
	free(file);
}

void fb_backings_clear(struct fb_backings *backings, struct fb_transport *transport)
{
	FB_SCOPED_LOCK(&backings->lock);
	for (unsigned i = 0; i < FB_BACKING_BUCKETS; i++) {
		while (backings->buckets[i]) {
			struct fb_backing_node *node = backings->buckets[i];

			if (node->files)
				file_end(backings, file_unlink(backings, node, &node->files));
			else
				node_remove(backings, transport, node);
		}
	}
}

/* Whether this session has to know of files without a descriptor too, so as not to mix. */
static bool must_track(struct fb_session *session, int fd)
{
	return fd >= 0 || passthrough_granted(session);
}

int fb_backing_open(struct fb_session *session, uint64_t node, struct fb_open *open)
{
	/* DIRECT_IO would win over PASSTHROUGH, and there is no cache to go around. */
	const uint32_t with_passthrough = FB_FOPEN_NOFLUSH | FB_FOPEN_PARALLEL_DIRECT_WRITES;
	struct fb_backings *backings = &session->backings;
	struct fb_backing_node *entry;
	struct fb_backing_file *file;

	open->flags &= ~FB_FOPEN_PASSTHROUGH;
	if (!must_track(session, open->backing_fd))
		return 0;
	FB_SCOPED_LOCK(&backings->lock);
	file = calloc(1, sizeof(*file));
	if (!file)
		return 0;
	entry = find(backings, node);
	if (!entry)
		entry = node_add(session, node, open->backing_fd);
	if (!entry) {
		free(file);
		return 0;
	}
	*file = (struct fb_backing_file){ entry->files, open->fh, open->backing_fd, 0 };
	entry->files = file;
	if (entry->id > 0)
		open->flags = (open->flags & with_passthrough) | FB_FOPEN_PASSTHROUGH;
	else if (open->backing_fd >= 0)
		atomic_fetch_add(&backings->served, 1);
	return entry->id;
}

void fb_backing_release(struct fb_session *session, uint64_t node, uint64_t fh)
{
	struct fb_backings *backings = &session->backings;
	struct fb_backing_file *file = NULL;
	struct fb_backing_node *entry;

	if (atomic_load_explicit(&backings->count, memory_order_relaxed) == 0)
		return;
	FB_SCOPED_LOCK(&backings->lock);
	entry = find(backings, node);
	if (!entry)
		return;
	for (struct fb_backing_file **at = &entry->files; *at; at = &(*at)->next) {
		if ((*at)->fh != fh)
			continue;
		file = file_unlink(backings, entry, at);
		break;
	}
	if (!entry->files)
		node_remove(backings, session->transport, entry);
	file_end(backings, file);
}

int fb_backing_take(struct fb_session *session, uint64_t node, uint64_t fh,
		    struct fb_backing_file **ret_file)
{
	struct fb_backings *backings = &session->backings;
	struct fb_backing_file *file;
	struct fb_backing_node *entry;

	if (atomic_load_explicit(&backings->served, memory_order_relaxed) == 0)
		return -1;
	FB_SCOPED_LOCK(&backings->lock);
	entry = find(backings, node);
	file = entry && entry->id == 0 ? entry->files : NULL;
	while (file && file->fh != fh)
		file = file->next;
	if (!file || file->fd < 0)
		return -1;
	file->users++;
	*ret_file = file;
	return file->fd;
}

void fb_backing_give(struct fb_session *session, struct fb_backing_file *file)
{
	struct fb_backings *backings = &session->backings;

	FB_SCOPED_LOCK(&backings->lock);
	if (--file->users == 0)
		pthread_cond_broadcast(&backings->unused);
}
