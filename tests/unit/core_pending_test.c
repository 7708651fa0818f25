/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests that the driver holds back, and hooks on their completion. */
#include "cmocka_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rig.h"

static int set_up(void **state)
{
	*state = rig_start();
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_session_stats(rig).pending, 0);
	assert_int_equal(mock_nodes_out(&rig->mock), (int64_t)client_nodes(&rig->client));
	rig_end(rig);
	return 0;
}

static int hold_back(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	(void)req;
	return r < 0 ? r : FB_PENDING;
}

static uint64_t submit_lookup(struct rig *rig)
{
	client_build(&rig->client, FB_OP_LOOKUP, 1, NULL, 0, "a", 2);
	return client_submit(&rig->client);
}

static void *complete_later(void *arg)
{
	struct mock *m = arg;

	usleep(20000);
	return (void *)(intptr_t)mock_complete(m, 0);
}

static void test_completed_by_another_thread(void **state)
{
	struct rig *rig = *state;
	pthread_t thread;
	void *r;

	rig->mock.acts[MOCK_lookup] = hold_back;
	assert_int_equal(pthread_create(&thread, NULL, complete_later, &rig->mock), 0);
	usleep(1000);
	/* client_name() waits for the answer, which comes from the other thread. */
	assert_int_equal(client_name(&rig->client, FB_OP_LOOKUP, 1, "a"), 0);
	assert_int_equal(client_body_size(&rig->client), sizeof(struct fb_wire_entry_out));
	pthread_join(thread, &r);
	assert_int_equal((intptr_t)r, 0);
	assert_int_equal(rig_stats(rig, FB_OP_LOOKUP).requests, 1);
}

static void test_counted_while_held(void **state)
{
	struct rig *rig = *state;
	uint64_t a, b;

	rig->mock.acts[MOCK_lookup] = hold_back;
	a = submit_lookup(rig);
	b = submit_lookup(rig);
	assert_int_equal(rig_session_stats(rig).pending, 2);
	assert_int_equal(mock_complete(&rig->mock, -ENOENT), 0);
	assert_int_equal(mock_complete(&rig->mock, -ENOTDIR), 0);
	assert_int_equal(client_receive(&rig->client, a), -ENOENT);
	assert_int_equal(client_receive(&rig->client, b), -ENOTDIR);
}

static int complete_and_pend(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	assert_int_equal(fb_req_complete(req, r), 0);
	return MOCK_GONE;
}

static void test_completed_before_the_return(void **state)
{
	struct rig *rig = *state;

	rig->mock.acts[MOCK_getattr] = complete_and_pend;
	for (int i = 0; i < 100; i++)
		assert_int_equal(client_getattr(&rig->client, 1), 0);
	assert_int_equal(rig_session_stats(rig).pending, 0);
}

static int complete_twice(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	assert_int_equal(fb_req_complete(req, r), 0);
	assert_int_equal(fb_req_complete(req, r), -EALREADY);
	return MOCK_GONE;
}

static void test_completed_twice(void **state)
{
	struct rig *rig = *state;

	rig->mock.acts[MOCK_getattr] = complete_twice;
	assert_int_equal(client_getattr(&rig->client, 1), 0);
	rig->mock.acts[MOCK_getattr] = NULL;
	assert_int_equal(client_getattr(&rig->client, 1), 0);
}

static int complete_and_return(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	assert_int_equal(fb_req_complete(req, -ESTALE), 0);
	return r;
}

static void test_completed_and_returned(void **state)
{
	struct rig *rig = *state;

	rig->mock.acts[MOCK_getattr] = complete_and_return;
	for (int i = 0; i < 10; i++)
		assert_int_equal(client_getattr(&rig->client, 1), -ESTALE);
	/* The count of those held back has not gone wrong: others are served. */
	assert_int_equal(rig_session_stats(rig).pending, 0);
	/* And the requests are used again. */
	assert_true(rig_requests(rig) <= 2);
	rig->mock.acts[MOCK_getattr] = NULL;
	assert_int_equal(client_getattr(&rig->client, 1), 0);
}

struct handover {
	struct fb_req *req;
	atomic_int stage;
	int result;
};

static void *complete_when_told(void *arg)
{
	struct handover *h = arg;

	while (h->stage == 0)
		sched_yield();
	h->result = fb_req_complete(h->req, -ESTALE);
	return NULL;
}

static int race_with_return(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	struct handover *h = m->arg;

	(void)op;
	h->req = req;
	h->stage = 1;
	return r;
}

/* Two results at the same time: one of them is the answer, and the count stays right. */
static void test_completed_while_returning(void **state)
{
	struct rig *rig = *state;

	rig->mock.acts[MOCK_getattr] = race_with_return;
	for (int i = 0; i < 200; i++) {
		struct handover h = { 0 };
		pthread_t thread;
		int r;

		rig->mock.arg = &h;
		assert_int_equal(pthread_create(&thread, NULL, complete_when_told, &h), 0);
		r = client_getattr(&rig->client, 1);
		pthread_join(thread, NULL);
		assert_true(r == (h.result == 0 ? -ESTALE : 0));
		assert_int_equal(rig_session_stats(rig).pending, 0);
	}
}

static int note_order(struct fb_req *req, void *arg, int result)
{
	(void)req;
	(void)arg;
	return result * 10 + 1;
}

static int note_order_second(struct fb_req *req, void *arg, int result)
{
	(void)req;
	*(int *)arg = result;
	return result * 10 + 2;
}

static int first_seen;

static int hold_with_hooks(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	(void)r;
	assert_int_equal(fb_req_push_hook(req, note_order, NULL), 0);
	assert_int_equal(fb_req_push_hook(req, note_order_second, &first_seen), 0);
	return FB_PENDING;
}

/* The hook set last runs first; each sees what the one before made of it. */
static void test_hooks_in_order(void **state)
{
	struct rig *rig = *state;
	uint64_t ticket;

	rig->mock.acts[MOCK_lookup] = hold_with_hooks;
	ticket = submit_lookup(rig);
	assert_int_equal(mock_complete(&rig->mock, -3), 0);
	assert_int_equal(first_seen, -3);
	assert_int_equal(client_receive(&rig->client, ticket), (-3 * 10 + 2) * 10 + 1);
}

static int keep(struct fb_req *req, void *arg, int result)
{
	(void)result;
	*(struct fb_req **)arg = req;
	return FB_PENDING;
}

static struct fb_req *kept;

static int hold_with_keeper(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	(void)r;
	assert_int_equal(fb_req_push_hook(req, keep, &kept), 0);
	return FB_PENDING;
}

static void test_hook_keeps_the_request(void **state)
{
	struct rig *rig = *state;
	uint64_t ticket;

	rig->mock.acts[MOCK_getattr] = hold_with_keeper;
	client_build(&rig->client, FB_OP_GETATTR, 1, &(struct fb_wire_getattr_in){ 0 },
		     sizeof(struct fb_wire_getattr_in), NULL, 0);
	ticket = client_submit(&rig->client);
	assert_int_equal(mock_complete(&rig->mock, 0), 0);
	assert_int_equal(rig_session_stats(rig).pending, 1);
	assert_int_equal(rig_stats(rig, FB_OP_GETATTR).requests, 0);
	assert_int_equal(fb_req_complete(kept, 0), 0);
	assert_int_equal(client_receive(&rig->client, ticket), 0);
}

static int push_too_many(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	for (unsigned i = 0; i < FB_REQ_HOOKS_MAX; i++)
		assert_int_equal(fb_req_push_hook(req, note_order, NULL), 0);
	assert_int_equal(fb_req_push_hook(req, note_order, NULL), -ENOSPC);
	assert_string_not_equal(fb_last_error(), "");
	return r;
}

/* Hooks are for pending requests: a result that is returned goes past them. */
static void test_hooks_that_do_not_fit(void **state)
{
	struct rig *rig = *state;

	rig->mock.acts[MOCK_getattr] = push_too_many;
	assert_int_equal(client_getattr(&rig->client, 1), 0);
	rig->mock.acts[MOCK_getattr] = push_too_many;
	assert_int_equal(client_getattr(&rig->client, 1), 0);
}

static int complete_with_nonsense(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)m;
	(void)op;
	assert_int_equal(fb_req_complete(req, FB_PENDING), -EINVAL);
	return r;
}

static void test_completed_with_pending(void **state)
{
	struct rig *rig = *state;

	rig->mock.acts[MOCK_getattr] = complete_with_nonsense;
	assert_int_equal(client_getattr(&rig->client, 1), 0);
}

static void test_max_pending(void **state)
{
	struct rig *rig = rig_new();
	struct fb_wire_release_in release = { .fh = 77 };
	struct client *c = &rig->client;
	uint64_t ticket;

	(void)state;
	rig->options.max_pending = 1;
	rig->strays_expected = true;
	assert_int_equal(rig_connect(rig), 0);
	rig->mock.acts[MOCK_lookup] = hold_back;
	ticket = submit_lookup(rig);
	assert_int_equal(client_name(c, FB_OP_LOOKUP, 1, "b"), -ENOMEM);
	assert_int_equal(client_getattr(c, 1), -ENOMEM);
	/* What ends things goes through. */
	client_forget(c, 9, 1);
	assert_int_equal(mock_calls(&rig->mock, MOCK_forget), 1);
	assert_int_equal(CLIENT_CALL(c, FB_OP_RELEASE, 5, release), 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_release), 1);
	client_interrupt(c, 4711);
	assert_int_equal(rig_session_stats(rig).interrupts, 1);

	assert_int_equal(mock_complete(&rig->mock, -ENOENT), 0);
	assert_int_equal(client_receive(c, ticket), -ENOENT);
	assert_int_equal(client_getattr(c, 1), 0);
	rig_end(rig);
}

struct completer {
	struct mock *mock;
	atomic_bool stop;
};

static void *complete_all(void *arg)
{
	struct completer *completer = arg;

	while (!completer->stop)
		if (mock_complete(completer->mock, 0) == -ENOENT)
			sched_yield();
	return NULL;
}

/* Many requests, completed by several threads while others are sent. */
static void test_stress(void **state)
{
	struct rig *rig = *state;
	struct completer completer = { .mock = &rig->mock };
	pthread_t threads[3];

	rig->mock.acts[MOCK_lookup] = hold_back;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, complete_all, &completer), 0);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(client_name(&rig->client, FB_OP_LOOKUP, 1, "a"), 0);
	completer.stop = true;
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(rig_stats(rig, FB_OP_LOOKUP).requests, 3000);
	assert_int_equal(mock_nodes_out(&rig->mock), 3000);
}

/* ---- arguments that are pointers ------------------------------------------------------------------ */

/* What a driver was given with a request that it holds back. */
static struct held {
	struct fb_req *req;
	const struct fb_setattr *set;
	const struct fb_lock *lock;
	const struct fb_ioctl *call;
} held;

static int keep_setattr(void *self, struct fb_req *req, uint64_t node, const struct fb_setattr *set,
			struct fb_attr_reply *ret_attr)
{
	(void)self;
	(void)node;
	*ret_attr = (struct fb_attr_reply){ .attr = { .ino = 1, .mode = S_IFDIR | 0755 } };
	held = (struct held){ .req = req, .set = set };
	return FB_PENDING;
}

static int keep_setlk(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t owner,
		      const struct fb_lock *lock, uint32_t flags)
{
	(void)self;
	(void)node;
	(void)fh;
	(void)owner;
	(void)flags;
	held = (struct held){ .req = req, .lock = lock };
	return FB_PENDING;
}

static int keep_ioctl(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		      const struct fb_ioctl *call, struct fb_sink *to, int32_t *ret_result)
{
	(void)self;
	(void)node;
	(void)fh;
	(void)to;
	*ret_result = 0;
	held = (struct held){ .req = req, .call = call };
	return FB_PENDING;
}

/* Write over the stack, as any other work of the thread would. */
static void __attribute__((noinline)) scribble(void)
{
	volatile uint8_t rubbish[16384];

	for (size_t i = 0; i < sizeof(rubbish); i++)
		rubbish[i] = 0xa5;
}

static void test_pointers_stay(void **state)
{
	const struct fb_driver_ops ops = { .size = sizeof(ops),
					   .setattr = keep_setattr,
					   .setlk = keep_setlk,
					   .ioctl = keep_ioctl };
	const struct fb_session_options options = { .size = sizeof(options),
						    .want = FB_INIT_POSIX_LOCKS };
	const struct fb_wire_setattr_in set = { .valid = FB_SETATTR_UID, .uid = 4321 };
	const struct fb_wire_lk_in lock = { .lk = { .start = 5, .end = 7, .type = F_WRLCK } };
	const struct fb_wire_ioctl_in call = { .cmd = 77, .arg = 88 };
	static struct client client;
	struct fb_loopback *loop;
	struct fb_session *session;
	uint64_t ticket;

	(void)state;
	assert_int_equal(fb_session_new(&ops, NULL, &options, &session), 0);
	assert_int_equal(fb_loopback_new(session, NULL, &loop), 0);
	client_init(&client, loop);
	client_build(&client, FB_OP_SETATTR, 1, &set, sizeof(set), NULL, 0);
	ticket = client_submit(&client);
	scribble();
	assert_int_equal(held.set->valid, FB_SETATTR_UID);
	assert_int_equal(held.set->uid, 4321);
	assert_int_equal(fb_req_complete(held.req, 0), 0);
	assert_int_equal(client_receive(&client, ticket), 0);
	client_build(&client, FB_OP_SETLK, 1, &lock, sizeof(lock), NULL, 0);
	ticket = client_submit(&client);
	scribble();
	assert_int_equal(held.lock->start, 5);
	assert_int_equal(held.lock->end, 7);
	assert_int_equal(fb_req_complete(held.req, 0), 0);
	assert_int_equal(client_receive(&client, ticket), 0);
	client_build(&client, FB_OP_IOCTL, 1, &call, sizeof(call), NULL, 0);
	ticket = client_submit(&client);
	scribble();
	assert_int_equal(held.call->cmd, 77);
	assert_int_equal(held.call->arg, 88);
	assert_int_equal(fb_req_complete(held.req, 0), 0);
	assert_int_equal(client_receive(&client, ticket), 0);
	fb_loopback_free(loop);
	fb_session_unref(session);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_completed_by_another_thread),
		TEST(test_counted_while_held),
		TEST(test_completed_before_the_return),
		TEST(test_completed_twice),
		TEST(test_completed_and_returned),
		TEST(test_completed_while_returning),
		TEST(test_hooks_in_order),
		TEST(test_hook_keeps_the_request),
		TEST(test_hooks_that_do_not_fit),
		TEST(test_completed_with_pending),
		cmocka_unit_test(test_max_pending),
		cmocka_unit_test(test_pointers_stay),
		TEST(test_stress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
