/* SPDX-License-Identifier: BSD-3-Clause */
/* Handlers that concern the session: its start and end, references, interrupts, notifications. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "core/driver_call.h"
#include "core/handlers.h"
#include "core/init.h"

int fb_handle_init(struct fb_req *req)
{
	struct fb_session *session = req->channel->session;
	int r = -EBUSY;

	/* Waiting here would have a goodbye under way wait for us. */
	if (pthread_mutex_trylock(&session->greet_lock) == 0) {
		r = fb_init_greet(session, req->channel, req->args.in, &req->answer.body.init);
		pthread_mutex_unlock(&session->greet_lock);
	}
	return r;
}

int fb_handle_destroy(struct fb_req *req)
{
	struct fb_session *session = req->channel->session;

	if (pthread_mutex_trylock(&session->greet_lock) != 0)
		return -EBUSY;
	fb_session_end(session, req->channel);
	pthread_mutex_unlock(&session->greet_lock);
	return 0;
}

static void forget(struct fb_req *req, uint64_t forgotten, uint64_t count)
{
	bool greeted = atomic_load(&req->channel->session->phase) == FB_PHASE_READY;

	if (greeted && forgotten != FB_ROOT_NODE && count > 0)
		driver(req)->forget(self(req), forgotten, count);
}

int fb_handle_forget(struct fb_req *req)
{
	const struct fb_wire_forget_in *in = req->args.in;

	forget(req, node(req), in->nlookup);
	return 0;
}

int fb_handle_batch_forget(struct fb_req *req)
{
	struct fb_wire_forget_one one;

	for (uint32_t i = 0; i < req->args.tail_count; i++) {
		fb_args_element(&req->args, i, &one);
		forget(req, one.nodeid, one.nlookup);
	}
	return 0;
}

int fb_handle_interrupt(struct fb_req *req)
{
	const struct fb_wire_interrupt_in *in = req->args.in;
	struct fb_session *session = req->channel->session;

	atomic_fetch_add(&session->interrupt_count, 1);
	fb_interrupts_send(session, in->unique);
	return 0;
}

int fb_handle_notify_reply(struct fb_req *req)
{
	fb_notifier_retrieved(&req->channel->session->notifier, req);
	return 0;
}
