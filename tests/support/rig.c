/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <assert.h>
#include <stdlib.h>

#include "core/req.h"
#include "core/session.h"

struct rig *rig_new(void)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert(rig);
	mock_init(&rig->mock);
	rig->options.size = sizeof(rig->options);
	rig->loop_options.size = sizeof(rig->loop_options);
	return rig;
}

int rig_connect(struct rig *rig)
{
	int r = fb_session_new(&rig->mock.ops, &rig->mock, &rig->options, &rig->session);

	assert(r == 0);
	r = fb_loopback_new(rig->session, &rig->loop_options, &rig->loop);
	client_init(&rig->client, rig->loop);
	return r;
}

struct rig *rig_start(void)
{
	struct rig *rig = rig_new();
	int r = rig_connect(rig);

	assert(r == 0);
	return rig;
}

void rig_end(struct rig *rig)
{
	struct mock *m = &rig->mock;

	if (rig->loop)
		client_let_go(&rig->client);
	assert(mock_nodes_out(m) == 0 || rig->strays_expected);
	assert(mock_files_out(m) == 0 || rig->strays_expected);
	assert(m->strays == 0 || rig->strays_expected);
	fb_loopback_free(rig->loop);
	fb_session_unref(rig->session);
	/* Each init that succeeded is followed by one destroy. */
	assert(!m->ops.init || mock_calls(m, MOCK_destroy) <= mock_calls(m, MOCK_init));
	mock_fini(m);
	free(rig);
}

void rig_poison(struct rig *rig, int byte)
{
	struct fb_session *session = rig->session;

	for (unsigned i = 0; i < session->channel_count; i++) {
		struct fb_pool *pool = &session->channels[i]->pool;

		for (struct fb_req *r = fb_pool_each(pool, NULL); r; r = fb_pool_each(pool, r)) {
			memset(&r->answer, byte, sizeof(r->answer));
			memset(&r->out, byte, sizeof(r->out));
			memset(&r->groups, byte, sizeof(r->groups));
			memset(&r->io, byte, sizeof(r->io));
		}
	}
}

unsigned rig_requests(struct rig *rig)
{
	struct fb_session *session = rig->session;
	unsigned count = 0;

	for (unsigned i = 0; i < session->channel_count; i++) {
		struct fb_pool *pool = &session->channels[i]->pool;

		for (struct fb_req *r = fb_pool_each(pool, NULL); r; r = fb_pool_each(pool, r))
			count++;
	}
	return count;
}

struct fb_stats rig_stats(struct rig *rig, uint32_t opcode)
{
	struct fb_stats stats = { 0 };

	if (!fb_session_stats_op(rig->session, fb_op_row_find(opcode)->index, &stats))
		abort();
	return stats;
}

struct fb_session_stats rig_session_stats(struct rig *rig)
{
	struct fb_session_stats stats = { .size = sizeof(stats) };

	fb_session_stats_all(rig->session, &stats);
	return stats;
}
