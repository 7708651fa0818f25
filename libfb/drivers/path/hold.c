/* SPDX-License-Identifier: BSD-3-Clause */
#include "hold.h"

#include <errno.h>
#include <string.h>

static void pin_open(struct fb_path_found *found, struct fb_path_open *open)
{
	open->pins++;
	found->open = open;
	found->fh_kept = open->user_fh;
	found->fh = &found->fh_kept;
}

static void pin(struct fb_path_found *found, struct fb_path_node *node)
{
	node->pins++;
	found->pinned = true;
	found->node = node;
}

/* What an fh means. Without an operation open, the client's files are 0, and the path counts. */
static int find_open(struct fb_path *fs, const struct fb_path_place *place,
		     struct fb_path_found *found)
{
	struct fb_path_open *open = fb_path_open_find(found->node, *place->fh, place->dir);

	if (open)
		pin_open(found, open);
	else if (place->dir || fs->ops.open || *place->fh != 0)
		return -EBADF;
	return 0;
}

static int find_node(struct fb_path *fs, const struct fb_path_place *place,
		     struct fb_path_found *found)
{
	struct fb_path_node *node = fb_path_table_get(&fs->table, place->node);
	int r;

	if (!node)
		return -ESTALE;
	if (place->or_root && !fb_path_node_has_path(node))
		node = &fs->table.root;
	pin(found, node);
	found->known = true;
	r = place->fh ? find_open(fs, place, found) : 0;
	if (r < 0 || (found->open && !place->with_path))
		return r;
	if (fb_path_node_has_path(node))
		found->held = node;
	else if (found->open)
		return 0;
	else if (place->by_path || place->fh || !node->files)
		return -ESTALE;
	else
		pin_open(found, node->files);
	return 0;
}

static int find_name(struct fb_path *fs, const struct fb_path_place *place,
		     struct fb_path_found *found)
{
	struct fb_path_node *parent = fb_path_table_get(&fs->table, place->node), *node;
	size_t length = strlen(place->name);

	if (!parent)
		return -ESTALE;
	if (!fb_path_node_has_path(parent))
		return -ENOENT;
	node = fb_path_table_find(&fs->table, parent, place->name, length);
	found->known = node && fb_path_node_is_known(node);
	if (!node)
		node = fb_path_table_make(&fs->table, parent, place->name, length);
	if (!node)
		return -ENOMEM;
	pin(found, node);
	found->held = place->moves ? parent : node;
	return 0;
}

static int find_all(struct fb_path_call *call, const struct fb_path_place *places)
{
	int r = 0;

	for (size_t i = 0; i < call->count && r == 0; i++) {
		struct fb_path_found *found = &call->at[i];

		found->open = NULL;
		found->held = NULL;
		found->fh = NULL;
		r = places[i].name ? find_name(call->fs, &places[i], found) :
				     find_node(call->fs, &places[i], found);
	}
	/* What was not got is not held. */
	for (size_t i = 0; i < call->count && r < 0; i++)
		call->at[i].held = NULL;
	return r;
}

/* Whether a name on the way is changing, or is to change: who moves does not wait for the latter. */
static bool is_changing(const struct fb_path_node *node, bool moves)
{
	while (node && !node->moving && (moves || !node->wanted))
		node = node->parent;
	return node != NULL;
}

static bool is_busy(const struct fb_path_call *call)
{
	bool busy = false;

	for (size_t i = 0; i < call->count && !busy; i++) {
		const struct fb_path_found *found = &call->at[i];

		busy = found->held && is_changing(found->held, call->moves);
		if (call->moves)
			busy = busy || found->node->moving || found->node->users > 0;
	}
	return busy;
}

/* Have others that come keep off what is to move. */
static void want(struct fb_path_call *call, unsigned add)
{
	for (size_t i = 0; i < call->count && call->moves; i++)
		call->at[i].node->wanted += add;
}

static void wait_for_change(struct fb_path_call *call)
{
	struct fb_path *fs = call->fs;

	want(call, 1);
	fs->waiting++;
	pthread_cond_wait(&fs->changed, &fs->lock);
	fs->waiting--;
	want(call, (unsigned)-1);
	fb_path_unpin(call);
}

static void tell_waiters(struct fb_path *fs)
{
	if (fs->waiting > 0)
		pthread_cond_broadcast(&fs->changed);
}

static void take(struct fb_path_call *call)
{
	for (size_t i = 0; i < call->count; i++) {
		if (call->at[i].held)
			fb_path_node_use(call->at[i].held);
		if (call->moves)
			call->at[i].node->moving = true;
	}
}

int fb_path_hold(struct fb_path_call *call, const struct fb_path_place *places)
{
	bool waited = false;
	int r = find_all(call, places);

	while (r == 0 && is_busy(call)) {
		wait_for_change(call);
		waited = true;
		r = find_all(call, places);
	}
	if (r == 0)
		take(call);
	else
		call->moves = false;
	/* Some may have kept off what this call does not want any more. */
	if (waited)
		tell_waiters(call->fs);
	return r;
}

static void unpin_node(struct fb_path_table *table, struct fb_path_node *node)
{
	node->pins--;
	fb_path_table_tidy(table, node);
}

void fb_path_unhold(struct fb_path_call *call)
{
	struct fb_path_node *pinned[4];
	size_t count = 0;

	/* Nothing else may be left that refers to them. */
	for (size_t i = 0; i < call->count; i++) {
		if (call->at[i].held)
			pinned[count++] = call->at[i].held;
		if (call->moves)
			pinned[count++] = call->at[i].node;
	}
	for (size_t i = 0; i < count; i++)
		pinned[i]->pins++;
	for (size_t i = 0; i < call->count; i++) {
		if (call->at[i].held)
			fb_path_node_unuse(call->at[i].held);
		if (call->moves)
			call->at[i].node->moving = false;
	}
	for (size_t i = 0; i < count; i++)
		unpin_node(&call->fs->table, pinned[i]);
	tell_waiters(call->fs);
}

void fb_path_unpin(struct fb_path_call *call)
{
	for (size_t i = 0; i < call->count; i++) {
		struct fb_path_found *found = &call->at[i];
		struct fb_path_open *ended = NULL;

		if (!found->pinned)
			continue;
		found->pinned = false;
		if (found->open)
			ended = fb_path_open_unpin(found->open);
		if (ended) {
			ended->next = call->ended;
			call->ended = ended;
		}
		unpin_node(&call->fs->table, found->node);
	}
}

int fb_path_write(struct fb_path_found *found)
{
	int r;

	found->path = NULL;
	r = fb_path_node_text(found->node, found->text, sizeof(found->text), &found->path);
	if (r == -ENAMETOOLONG && !found->open)
		return r;
	return 0;
}
