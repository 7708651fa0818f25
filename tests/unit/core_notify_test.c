/* SPDX-License-Identifier: BSD-3-Clause */
/* Notifications: their messages, who may send them, their queue, and retrieval. */
#include "cmocka_setup.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "core/notify.h"
#include "core/session.h"
#include "rig.h"

static int set_up(void **state)
{
	*state = rig_start();
	return 0;
}

static int tear_down(void **state)
{
	rig_end(*state);
	return 0;
}

static struct {
	struct fb_wire_out_header header;
	_Alignas(8) uint8_t body[8192];
} notice;

/* Read the next notification and check its header; returns the size of its body. */
static size_t next(struct rig *rig, int32_t code)
{
	ssize_t n = fb_loopback_notification(rig->loop, &notice, sizeof(notice), 5000);

	assert_true(n >= (ssize_t)sizeof(notice.header));
	assert_int_equal(notice.header.len, n);
	assert_int_equal(notice.header.error, code);
	assert_int_equal(notice.header.unique, 0);
	return (size_t)n - sizeof(notice.header);
}

static void assert_none(struct rig *rig)
{
	assert_int_equal(fb_loopback_notification(rig->loop, &notice, sizeof(notice), 10),
			 -ETIMEDOUT);
}

static void test_poll(void **state)
{
	struct rig *rig = *state;
	const struct fb_wire_notify_poll_out *out = (void *)notice.body;

	assert_int_equal(fb_notify_poll(rig->session, 99), 0);
	assert_int_equal(next(rig, FB_NOTIFY_POLL), sizeof(*out));
	assert_int_equal(out->kh, 99);
}

static void test_inval_node(void **state)
{
	struct rig *rig = *state;
	const struct fb_wire_notify_inval_inode_out *out = (void *)notice.body;

	assert_int_equal(fb_notify_inval_node(rig->session, 5, -1, 7), 0);
	assert_int_equal(next(rig, FB_NOTIFY_INVAL_INODE), sizeof(*out));
	assert_int_equal(out->ino, 5);
	assert_int_equal(out->off, -1);
	assert_int_equal(out->len, 7);
}

static void test_inval_entry(void **state)
{
	struct rig *rig = *state;
	const struct fb_wire_notify_inval_entry_out *out = (void *)notice.body;

	assert_int_equal(fb_notify_inval_entry(rig->session, 5, "name", false), 0);
	assert_int_equal(next(rig, FB_NOTIFY_INVAL_ENTRY), sizeof(*out) + 5);
	assert_int_equal(out->parent, 5);
	assert_int_equal(out->namelen, 4);
	assert_int_equal(out->flags, 0);
	assert_string_equal((const char *)(out + 1), "name");
	assert_int_equal(fb_notify_inval_entry(rig->session, 5, "name", true), 0);
	assert_int_equal(next(rig, FB_NOTIFY_INVAL_ENTRY), sizeof(*out) + 5);
	assert_int_equal(out->flags, FB_NOTIFY_EXPIRE_ONLY);
}

/* A client that can not expire a name drops it. */
static void test_expire_without_the_feature(void **state)
{
	struct rig *rig = rig_new();
	const struct fb_wire_notify_inval_entry_out *out = (void *)notice.body;

	(void)state;
	rig->options.avoid = FB_INIT_HAS_EXPIRE_ONLY;
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(fb_notify_inval_entry(rig->session, 5, "name", true), 0);
	assert_int_equal(next(rig, FB_NOTIFY_INVAL_ENTRY), sizeof(*out) + 5);
	assert_int_equal(out->flags, 0);
	rig_end(rig);
}

static void test_delete(void **state)
{
	struct rig *rig = *state;
	const struct fb_wire_notify_delete_out *out = (void *)notice.body;

	assert_int_equal(fb_notify_delete(rig->session, 5, 6, "name"), 0);
	assert_int_equal(next(rig, FB_NOTIFY_DELETE), sizeof(*out) + 5);
	assert_int_equal(out->parent, 5);
	assert_int_equal(out->child, 6);
	assert_int_equal(out->namelen, 4);
	assert_string_equal((const char *)(out + 1), "name");
}

static void test_store(void **state)
{
	struct rig *rig = *state;
	const struct fb_wire_notify_store_out *out = (void *)notice.body;

	assert_int_equal(fb_notify_store(rig->session, 5, 4096, "data", 4), 0);
	assert_int_equal(next(rig, FB_NOTIFY_STORE), sizeof(*out) + 4);
	assert_int_equal(out->nodeid, 5);
	assert_int_equal(out->offset, 4096);
	assert_int_equal(out->size, 4);
	assert_memory_equal(out + 1, "data", 4);
	assert_int_equal(fb_notify_store(rig->session, 5, 0, "", (1 << 20) + 1), -EINVAL);
	assert_int_equal(fb_notify_store(rig->session, 5, INT64_MAX - 3, "data", 4), -EINVAL);
	assert_none(rig);
}

static void test_resend_and_epoch(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(fb_notify_resend(rig->session), 0);
	assert_int_equal(next(rig, FB_NOTIFY_RESEND), 0);
	assert_int_equal(fb_notify_inc_epoch(rig->session), 0);
	assert_int_equal(next(rig, FB_NOTIFY_INC_EPOCH), 0);
}

static void test_prune(void **state)
{
	struct rig *rig = *state;
	const struct fb_wire_notify_prune_out *out = (void *)notice.body;
	const uint64_t nodes[] = { 5, 6, 7 };

	assert_int_equal(fb_notify_prune(rig->session, nodes, 3), 0);
	assert_int_equal(next(rig, FB_NOTIFY_PRUNE), sizeof(*out) + sizeof(nodes));
	assert_int_equal(out->count, 3);
	assert_int_equal(out->spare, 0);
	assert_memory_equal(out + 1, nodes, sizeof(nodes));
	assert_int_equal(fb_notify_prune(rig->session, nodes, 0), -EINVAL);
	assert_int_equal(fb_notify_prune(rig->session, nodes, SIZE_MAX / 8 + 2), -EINVAL);
}

static void test_names(void **state)
{
	struct rig *rig = *state;
	char name[FB_NAME_MAX + 2];

	memset(name, 'n', sizeof(name));
	name[FB_NAME_MAX + 1] = 0;
	assert_int_equal(fb_notify_inval_entry(rig->session, 5, "", false), -EINVAL);
	assert_int_equal(fb_notify_inval_entry(rig->session, 5, "a/b", false), -EINVAL);
	assert_int_equal(fb_notify_inval_entry(rig->session, 5, name, false), -EINVAL);
	assert_int_equal(fb_notify_delete(rig->session, 5, 6, ""), -EINVAL);
	assert_int_equal(fb_notify_delete(rig->session, 5, 6, "a/b"), -EINVAL);
	assert_int_equal(fb_notify_delete(rig->session, 5, 6, name), -EINVAL);
	assert_string_not_equal(fb_last_error(), "");
	assert_none(rig);
	name[FB_NAME_MAX] = 0;
	assert_int_equal(fb_notify_inval_entry(rig->session, 5, name, false), 0);
	assert_int_equal(next(rig, FB_NOTIFY_INVAL_ENTRY), 16 + FB_NAME_MAX + 1);
}

static void no_retrieval(void *arg, uint64_t node, uint64_t off, struct fb_source *from, int result)
{
	(void)node;
	(void)off;
	(void)from;
	(void)result;
	atomic_fetch_add((atomic_int *)arg, 1);
}

/* What each minor version knows. */
static void test_gates(void **state)
{
	static const struct {
		uint32_t minor;
		int resend, epoch, prune;
	} gates[] = {
		{ 27, -EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP },
		{ 39, -EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP },
		{ 40, 0, -EOPNOTSUPP, -EOPNOTSUPP },
		{ 43, 0, -EOPNOTSUPP, -EOPNOTSUPP },
		{ 44, 0, 0, -EOPNOTSUPP },
		{ 45, 0, 0, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(gates) / sizeof(gates[0]); i++) {
		struct rig *rig = rig_new();
		uint64_t node = 5;

		rig->loop_options.minor = gates[i].minor;
		assert_int_equal(rig_connect(rig), 0);
		assert_int_equal(fb_notify_poll(rig->session, 1), 0);
		assert_int_equal(fb_notify_delete(rig->session, 1, 2, "a"), 0);
		assert_int_equal(fb_notify_resend(rig->session), gates[i].resend);
		assert_int_equal(fb_notify_inc_epoch(rig->session), gates[i].epoch);
		assert_int_equal(fb_notify_prune(rig->session, &node, 1), gates[i].prune);
		rig_end(rig);
	}
}

static void test_before_and_after(void **state)
{
	struct rig *rig = rig_new();
	struct fb_wire_init_in in = { .major = 7, .minor = 45 };
	atomic_int done = 0;

	(void)state;
	rig->loop_options.no_init = true;
	assert_int_equal(rig_connect(rig), 0);
	assert_int_equal(fb_notify_poll(rig->session, 1), -ENOTCONN);
	assert_int_equal(fb_notify_retrieve(rig->session, 5, 0, 10, no_retrieval, &done),
			 -ENOTCONN);
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_INIT, 0, in), 0);
	assert_int_equal(fb_notify_poll(rig->session, 1), 0);
	fb_session_ref(rig->session);
	fb_loopback_free(rig->loop);
	rig->loop = NULL;
	assert_int_equal(fb_notify_poll(rig->session, 1), -ENOTCONN);
	fb_session_unref(rig->session);
	assert_int_equal(done, 0);
	rig_end(rig);
}

static void test_flush(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 100; i++)
		assert_int_equal(fb_notify_poll(rig->session, 1), 0);
	assert_int_equal(fb_notify_flush(rig->session), 0);
	assert_int_equal(rig_session_stats(rig).notifications, 100);
	for (int i = 0; i < 100; i++)
		assert_int_equal(fb_loopback_notification(rig->loop, &notice, sizeof(notice), 0),
				 24);
}

static int flush_inside(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)op;
	(void)r;
	assert_ptr_equal(fb_req_session(req), m->session);
	/* Queueing is fine inside, waiting is not. */
	assert_int_equal(fb_notify_poll(m->session, 3), 0);
	return fb_notify_flush(m->session);
}

static void test_flush_inside_an_operation(void **state)
{
	struct rig *rig = *state;

	rig->mock.acts[MOCK_getattr] = flush_inside;
	assert_int_equal(client_getattr(&rig->client, 1), -EDEADLK);
	assert_int_equal(next(rig, FB_NOTIFY_POLL), 8);
	assert_int_equal(fb_notify_flush(rig->session), 0);
}

static int flush_after_nested(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	struct rig *other = m->arg;

	(void)op;
	(void)req;
	(void)r;
	assert_int_equal(client_getattr(&other->client, 1), 0);
	return fb_notify_flush(m->session);
}

/* A driver that is itself a client is still inside its operation afterwards. */
static void test_flush_after_nested(void **state)
{
	struct rig *rig = *state, *other = rig_start();

	rig->mock.arg = other;
	rig->mock.acts[MOCK_getattr] = flush_after_nested;
	assert_int_equal(client_getattr(&rig->client, 1), -EDEADLK);
	rig_end(other);
}

static int (*real_notify)(struct fb_transport *transport, const struct iovec *iov, int count);
static struct fb_transport_ops changed_ops;
static sem_t gate;
static atomic_int failure;

static int slow_notify(struct fb_transport *transport, const struct iovec *iov, int count)
{
	sem_wait(&gate);
	return failure ? -failure : real_notify(transport, iov, count);
}

/* Put something before the transport's own function. */
static void intercept(struct rig *rig, unsigned open_gates)
{
	struct fb_transport *transport = rig->session->transport;

	sem_init(&gate, 0, open_gates);
	failure = 0;
	changed_ops = *transport->ops;
	real_notify = changed_ops.notify;
	changed_ops.notify = slow_notify;
	transport->ops = &changed_ops;
}

static void test_full_queue(void **state)
{
	struct rig *rig = *state;

	intercept(rig, 0);
	for (int i = 0; i < FB_NOTICES_MAX; i++)
		assert_int_equal(fb_notify_poll(rig->session, 1), 0);
	assert_int_equal(fb_notify_poll(rig->session, 1), -ENOBUFS);
	assert_string_not_equal(fb_last_error(), "");
	for (int i = 0; i < FB_NOTICES_MAX; i++)
		sem_post(&gate);
	assert_int_equal(fb_notify_flush(rig->session), 0);
	sem_post(&gate);
	assert_int_equal(fb_notify_poll(rig->session, 1), 0);
	assert_int_equal(fb_notify_flush(rig->session), 0);
}

static void test_failures_are_counted(void **state)
{
	struct rig *rig = *state;

	intercept(rig, 100);
	failure = EINVAL;
	assert_int_equal(fb_notify_poll(rig->session, 1), 0);
	assert_int_equal(fb_notify_flush(rig->session), 0);
	assert_int_equal(rig_session_stats(rig).notification_errors, 1);
	/* The kernel has nothing cached of it: as good as done. */
	failure = ENOENT;
	assert_int_equal(fb_notify_poll(rig->session, 1), 0);
	assert_int_equal(fb_notify_flush(rig->session), 0);
	assert_int_equal(rig_session_stats(rig).notification_errors, 1);
	assert_int_equal(rig_session_stats(rig).notifications, 1);
}

struct retrieved {
	atomic_int calls;
	uint64_t node, off;
	int result;
	char data[64];
};

static void note_retrieved(void *arg, uint64_t node, uint64_t off, struct fb_source *from,
			   int result)
{
	struct retrieved *r = arg;

	r->node = node;
	r->off = off;
	r->result = result;
	assert_true(fb_source_size(from) == (size_t)(result > 0 ? result : 0));
	fb_source_copy(from, r->data, sizeof(r->data));
	r->calls++;
}

/* Answer a RETRIEVE as the kernel does. */
static void reply(struct rig *rig, uint64_t unique, const char *data, uint32_t size)
{
	struct fb_wire_notify_retrieve_in in = { .offset = 4096, .size = size };

	rig->client.unique = unique;
	assert_int_equal(
		client_call(&rig->client, FB_OP_NOTIFY_REPLY, 5, &in, sizeof(in), data, size), 0);
}

static void test_retrieve(void **state)
{
	struct rig *rig = *state;
	const struct fb_wire_notify_retrieve_out *out = (void *)notice.body;
	struct retrieved first = { 0 }, second = { 0 };
	uint64_t unique;

	assert_int_equal(fb_notify_retrieve(rig->session, 5, 4096, 10, note_retrieved, &first), 0);
	assert_int_equal(next(rig, FB_NOTIFY_RETRIEVE), sizeof(*out));
	assert_int_equal(out->nodeid, 5);
	assert_int_equal(out->offset, 4096);
	assert_int_equal(out->size, 10);
	unique = out->notify_unique;
	assert_int_equal(fb_notify_retrieve(rig->session, 6, 0, 10, note_retrieved, &second), 0);
	assert_int_equal(next(rig, FB_NOTIFY_RETRIEVE), sizeof(*out));
	assert_true(out->notify_unique != unique);

	reply(rig, out->notify_unique, "", 0);
	assert_int_equal(second.calls, 1);
	assert_int_equal(second.result, 0);
	assert_int_equal(first.calls, 0);
	reply(rig, unique, "cached", 6);
	assert_int_equal(first.calls, 1);
	assert_int_equal(first.node, 5);
	assert_int_equal(first.off, 4096);
	assert_int_equal(first.result, 6);
	assert_memory_equal(first.data, "cached", 6);
	/* A second reply is for nobody. */
	reply(rig, unique, "cached", 6);
	assert_int_equal(first.calls, 1);
}

static void test_retrieve_that_fails(void **state)
{
	struct rig *rig = *state;
	struct retrieved r = { 0 };

	intercept(rig, 100);
	failure = ENOENT;
	assert_int_equal(fb_notify_retrieve(rig->session, 5, 0, 10, note_retrieved, &r), 0);
	while (r.calls == 0)
		sched_yield();
	assert_int_equal(r.result, -ENOENT);
	assert_int_equal(fb_notify_flush(rig->session), 0);
}

static void flush_in_done(void *arg, uint64_t node, uint64_t off, struct fb_source *from,
			  int result)
{
	struct rig *rig = arg;

	(void)node;
	(void)off;
	(void)from;
	assert_int_equal(result, -ENOENT);
	assert_int_equal(fb_notify_flush(rig->session), -EDEADLK);
	rig->strays_expected = true; /* as a sign */
}

/* The thread that sends can not wait for itself. */
static void test_flush_in_done(void **state)
{
	struct rig *rig = *state;

	intercept(rig, 0);
	failure = ENOENT;
	assert_int_equal(fb_notify_retrieve(rig->session, 5, 0, 10, flush_in_done, rig), 0);
	assert_int_equal(fb_notify_poll(rig->session, 1), 0);
	sem_post(&gate);
	sem_post(&gate);
	assert_int_equal(fb_notify_flush(rig->session), 0);
	assert_true(rig->strays_expected);
}

/* Nobody answers any more: whoever waits gets to know. */
static void test_retrieve_at_the_end(void **state)
{
	struct rig *rig = rig_start();
	struct retrieved sent = { 0 }, queued = { 0 };

	(void)state;
	assert_int_equal(fb_notify_retrieve(rig->session, 5, 0, 10, note_retrieved, &sent), 0);
	assert_int_equal(fb_notify_flush(rig->session), 0);
	assert_int_equal(fb_notify_retrieve(rig->session, 6, 0, 10, note_retrieved, &queued), 0);
	rig_end(rig);
	assert_int_equal(sent.calls, 1);
	assert_int_equal(sent.result, -ENOTCONN);
	assert_int_equal(queued.calls, 1);
	assert_int_equal(queued.result, -ENOTCONN);
}

static void *send_many(void *arg)
{
	struct rig *rig = arg;

	for (int i = 0; i < 500; i++)
		while (fb_notify_inval_node(rig->session, 5, 0, 0) == -ENOBUFS)
			sched_yield();
	return NULL;
}

static void test_from_many_threads(void **state)
{
	struct rig *rig = *state;
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, send_many, rig), 0);
	for (int i = 0; i < 2000; i++)
		assert_int_equal(next(rig, FB_NOTIFY_INVAL_INODE), 24);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_none(rig);
}

static void test_without_the_transport(void **state)
{
	struct rig *rig = *state;

	intercept(rig, 0);
	changed_ops.notify = NULL;
	assert_int_equal(fb_notify_poll(rig->session, 1), -EOPNOTSUPP);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_poll),
		TEST(test_inval_node),
		TEST(test_inval_entry),
		cmocka_unit_test(test_expire_without_the_feature),
		TEST(test_delete),
		TEST(test_store),
		TEST(test_resend_and_epoch),
		TEST(test_prune),
		TEST(test_names),
		cmocka_unit_test(test_gates),
		cmocka_unit_test(test_before_and_after),
		TEST(test_flush),
		TEST(test_flush_inside_an_operation),
		TEST(test_flush_after_nested),
		TEST(test_full_queue),
		TEST(test_failures_are_counted),
		TEST(test_retrieve),
		TEST(test_retrieve_that_fails),
		TEST(test_flush_in_done),
		cmocka_unit_test(test_retrieve_at_the_end),
		TEST(test_from_many_threads),
		TEST(test_without_the_transport),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
