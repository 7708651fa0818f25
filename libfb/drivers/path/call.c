/* SPDX-License-Identifier: BSD-3-Clause */
#include "call.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "hold.h"

/* Calls that are kept for requests to come. */
#define UNUSED_MAX 64u

static struct fb_path_call *call_take(struct fb_path *fs)
{
	struct fb_path_call *call = fs->calls;

	if (!call)
		return malloc(sizeof(*call));
	fs->calls = call->next;
	fs->call_count--;
	return call;
}

static void call_give(struct fb_path *fs, struct fb_path_call *call)
{
	if (fs->call_count >= UNUSED_MAX) {
		free(call);
		return;
	}
	call->next = fs->calls;
	fs->calls = call;
	fs->call_count++;
}

void fb_path_calls_free(struct fb_path *fs)
{
	while (fs->calls)
		free(call_take(fs));
}

/* All but what lies in texts, which is long. */
static void call_reset(struct fb_path_call *call, struct fb_path *fs, struct fb_req *req,
		       size_t count)
{
	call->fs = fs;
	call->req = req;
	call->then = NULL;
	call->epoch = fs->epoch;
	call->hooked = call->returned = call->completed = call->moves = call->changes = false;
	call->entry_at = 0;
	call->attr = (struct fb_attr_reply){ .attr_timeout_ns = 0 };
	call->listing = NULL;
	call->ended = NULL;
	call->count = count;
	for (size_t i = 0; i < count; i++) {
		call->at[i].pinned = false;
		call->at[i].open = call->at[i].made = NULL;
		call->at[i].held = call->at[i].node = NULL;
		call->at[i].path = NULL;
	}
}

static int run(struct fb_path_call *call, int result)
{
	while (result != FB_PENDING && call->then) {
		fb_path_then_fn *then = call->then;

		call->then = NULL;
		result = then(call, result);
	}
	return result;
}

/* The result is there: nobody needs what was kept for it. */
static void conclude(struct fb_path_call *call, int result)
{
	if (call->changes && result >= 0)
		atomic_fetch_add(&call->fs->changes, 1);
	fb_listing_free(call->listing);
	for (size_t i = 0; i < call->count; i++)
		fb_path_open_free(call->at[i].made);
}

static void tell_of_ended(struct fb_path *fs, struct fb_path_open *ended)
{
	while (ended) {
		struct fb_path_open *next = ended->next;

		fb_path_open_end(fs, ended);
		ended = next;
	}
}

/* The operation returns, and the request is answered with that. */
static int answer(struct fb_path_call *call, int result)
{
	struct fb_path_open *ended;
	struct fb_path *fs = call->fs;

	conclude(call, result);
	pthread_mutex_lock(&fs->lock);
	fb_path_unpin(call);
	fb_path_unhold(call);
	ended = call->ended;
	call_give(fs, call);
	pthread_mutex_unlock(&fs->lock);
	tell_of_ended(fs, ended);
	return result;
}

/* The operation returns; the hook ends the call, or has done so. */
static int leave(struct fb_path_call *call, int result)
{
	FB_PATH_LOCKED(call->fs);
	fb_path_unhold(call);
	call->returned = true;
	if (call->completed)
		call_give(call->fs, call);
	return result;
}

int fb_path_end(struct fb_path_call *call, int result)
{
	/* The user completed the request and returned a result, too: the core complains of that. */
	if (result != FB_PENDING && !call->hooked)
		return leave(call, result);
	result = run(call, result);
	return result == FB_PENDING ? leave(call, result) : answer(call, result);
}

/* Whether the client that asked is still there. */
static bool is_current(struct fb_path_call *call)
{
	FB_PATH_LOCKED(call->fs);
	return call->epoch == call->fs->epoch;
}

/* The user has completed a request, perhaps before the operation has returned. */
static int go_on(struct fb_req *req, void *arg, int result)
{
	struct fb_path_call *call = arg;
	struct fb_path *fs = call->fs;
	struct fb_path_open *ended;

	(void)req;
	call->hooked = false;
	if (!is_current(call)) {
		call->then = NULL;
		result = result < 0 ? result : -EIO;
	}
	result = run(call, result);
	/* Held back once more; or else a hook that was not needed runs next, and ends this. */
	if (result == FB_PENDING || call->hooked)
		return result;
	conclude(call, result);
	pthread_mutex_lock(&fs->lock);
	fb_path_unpin(call);
	ended = call->ended;
	call->completed = true;
	if (call->returned)
		call_give(fs, call);
	pthread_mutex_unlock(&fs->lock);
	tell_of_ended(fs, ended);
	return result;
}

static int hook(struct fb_path_call *call)
{
	int r = fb_req_push_hook(call->req, go_on, call);

	call->hooked = r == 0;
	return r;
}

int fb_path_begin(struct fb_path *fs, struct fb_req *req, const struct fb_path_place *places,
		  size_t count, struct fb_path_call **ret_call)
{
	struct fb_path_call *call;
	int r = 0;

	assert(count <= sizeof(call->at) / sizeof(call->at[0]));
	pthread_mutex_lock(&fs->lock);
	call = call_take(fs);
	if (call) {
		call_reset(call, fs, req, count);
		call->moves = places[0].moves;
		r = fb_path_hold(call, places);
	}
	for (size_t i = 0; call && i < count && r == 0; i++)
		r = fb_path_write(&call->at[i]);
	pthread_mutex_unlock(&fs->lock);
	if (!call)
		return -ENOMEM;
	for (size_t i = 0; i < count && r == 0; i++) {
		if (places[i].makes_open)
			call->at[i].made = calloc(1, sizeof(struct fb_path_open));
		if (places[i].makes_open && !call->at[i].made)
			r = -ENOMEM;
	}
	if (r == 0)
		r = hook(call);
	if (r < 0)
		return answer(call, r);
	*ret_call = call;
	return 0;
}

int fb_path_again(struct fb_path_call *call, size_t at)
{
	struct fb_path_found *found = &call->at[at];
	int r;

	/* The user has not let go of the paths, and the hook still waits. */
	if (call->hooked)
		return 0;
	pthread_mutex_lock(&call->fs->lock);
	r = fb_path_write(found);
	pthread_mutex_unlock(&call->fs->lock);
	if (r == 0 && !found->path && !found->fh)
		r = -ENOENT;
	return r < 0 ? r : hook(call);
}

void fb_path_replace(struct fb_path_call *call, size_t at, struct fb_path_node *node)
{
	struct fb_path_found *found = &call->at[at];
	struct fb_path_node *before = found->node;

	node->pins++;
	found->node = node;
	before->pins--;
	fb_path_table_tidy(&call->fs->table, before);
}

void fb_path_made_open(struct fb_path_call *call, size_t at, uint64_t fh)
{
	struct fb_path_found *found = &call->at[at];

	found->made->fh = found->made->user_fh = found->fh_kept = fh;
	found->fh = &found->fh_kept;
	found->open = fb_path_open_add(found->node, found->made);
	found->open->pins++;
	found->made = NULL;
}
