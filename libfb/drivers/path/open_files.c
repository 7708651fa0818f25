/* SPDX-License-Identifier: BSD-3-Clause */
#include "open_files.h"

#include <assert.h>
#include <stdlib.h>

#include "layer.h"

static struct fb_path_open **list_of(struct fb_path_node *node, bool dir)
{
	return dir ? &node->dirs : &node->files;
}

struct fb_path_open *fb_path_open_find(struct fb_path_node *node, uint64_t fh, bool dir)
{
	struct fb_path_open *open = *list_of(node, dir);

	while (open && open->fh != fh)
		open = open->next;
	return open;
}

struct fb_path_open *fb_path_open_add(struct fb_path_node *node, struct fb_path_open *open)
{
	struct fb_path_open **list = list_of(node, open->dir);
	struct fb_path_open *same = fb_path_open_find(node, open->fh, open->dir);

	if (same) {
		same->count++;
		fb_path_open_free(open);
		return same;
	}
	open->count = 1;
	open->next = *list;
	return *list = open;
}

static void take_off(struct fb_path_node *node, struct fb_path_open *open)
{
	struct fb_path_open **place = list_of(node, open->dir);

	while (*place && *place != open)
		place = &(*place)->next;
	assert(*place);
	*place = open->next;
	open->next = NULL;
	open->closing = true;
}

struct fb_path_open *fb_path_open_unpin(struct fb_path_open *open)
{
	return --open->pins == 0 && open->closing ? open : NULL;
}

void fb_path_open_free(struct fb_path_open *open)
{
	if (!open)
		return;
	fb_listing_free(open->listing);
	free(open);
}

/* A release as the user is told of it. */
struct news {
	bool dir;
	uint64_t user_fh, count;
	const char *path; /* NULL, or in text */
	char text[PATH_MAX];
};

static void news_begin(struct news *news, const struct fb_path_node *node,
		       const struct fb_path_open *open)
{
	news->dir = open->dir;
	news->user_fh = open->user_fh;
	news->count = 1;
	news->path = NULL;
	if (fb_path_node_text(node, news->text, sizeof(news->text), &news->path) < 0)
		news->path = NULL;
}

static void tell(struct fb_path *fs, const struct news *news, const struct fb_release *how)
{
	for (uint64_t i = 0; i < news->count; i++) {
		if (news->dir && fs->ops.opendir && fs->ops.releasedir)
			fs->ops.releasedir(fs->self, news->path, news->user_fh, how);
		if (!news->dir && fs->ops.release)
			fs->ops.release(fs->self, news->path, news->user_fh, how);
	}
}

void fb_path_open_end(struct fb_path *fs, struct fb_path_open *open)
{
	struct news news;

	news.dir = open->dir;
	news.user_fh = open->user_fh;
	news.count = open->told ? 0 : 1;
	news.path = NULL;
	tell(fs, &news, &open->how);
	fb_path_open_free(open);
}

/* Take one release off. Returns whether it was the last and nothing uses it: free it. */
static bool close_one(struct fb_path_node *node, struct fb_path_open *open,
		      const struct fb_release *how, struct news *news)
{
	if (--open->count > 0)
		return false;
	take_off(node, open);
	if (open->pins == 0)
		return true;
	news->count = 0;
	open->how = *how;
	return false;
}

void fb_path_release(struct fb_path *fs, uint64_t id, uint64_t fh, bool dir,
		     const struct fb_release *how)
{
	struct fb_path_node *node;
	struct fb_path_open *open;
	struct news news;
	bool last = false;

	pthread_mutex_lock(&fs->lock);
	node = fb_path_table_get(&fs->table, id);
	open = node ? fb_path_open_find(node, fh, dir) : NULL;
	if (open) {
		news_begin(&news, node, open);
		last = close_one(node, open, how, &news);
		fb_path_table_tidy(&fs->table, node);
	}
	pthread_mutex_unlock(&fs->lock);
	if (open)
		tell(fs, &news, how);
	if (last)
		fb_path_open_free(open);
}

/* Close something that is open in the slots from *slot on, however often it was opened. */
static bool close_next(struct fb_path *fs, uint32_t *slot, struct news *news,
		       struct fb_path_open **ret_unused)
{
	struct fb_path_open *open = NULL;
	struct fb_path_node *node;

	FB_PATH_LOCKED(fs);
	for (; *slot < fs->table.slot_count; ++*slot) {
		node = fs->table.slots[*slot].node;
		open = !node ? NULL : node->files ? node->files : node->dirs;
		if (open)
			break;
	}
	if (!open)
		return false;
	news_begin(news, node, open);
	news->count = open->count;
	take_off(node, open);
	open->told = true;
	*ret_unused = open->pins == 0 ? open : NULL;
	return true;
}

void fb_path_release_all(struct fb_path *fs)
{
	const struct fb_release how = { .flags = 0 };
	struct fb_path_open *unused;
	uint32_t slot = FB_ROOT_NODE;
	struct news news;

	while (close_next(fs, &slot, &news, &unused)) {
		tell(fs, &news, &how);
		fb_path_open_free(unused);
	}
}
